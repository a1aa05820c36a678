//! The counters of a handle as OpenTelemetry metrics.

use opentelemetry::{KeyValue, metrics::Meter};

use crate::{Audit, Stats};

type Read = fn(&Stats) -> u64;

const COUNTERS: [(&str, &str, Read); 12] = [
    ("ftn_audit.captured", "Records made by capture", |stats| stats.captured),
    ("ftn_audit.stored", "Records written to the outbox", |stats| stats.stored),
    ("ftn_audit.unattached", "Records written to the outbox outside of their transaction", |stats| {
        stats.unattached
    }),
    ("ftn_audit.delivered", "Records taken by the sink", |stats| stats.delivered),
    ("ftn_audit.published", "Records taken by a broker", |stats| stats.published),
    ("ftn_audit.retried", "Records kept for another attempt, once for each", |stats| stats.retried),
    ("ftn_audit.fallback", "Records written by the fallback", |stats| stats.fallback),
    ("ftn_audit.dropped", "Records lost for good", |stats| stats.dropped),
    ("ftn_audit.dead", "Records made dead letters", |stats| stats.dead),
    ("ftn_audit.unknown_actors", "Records whose actor nobody named", |stats| stats.unknown_actors),
    ("ftn_audit.unparsed_writes", "Statements that were not understood", |stats| stats.unparsed_writes),
    ("ftn_audit.exports", "Requests to the sink by relays and workers", |stats| stats.exports),
];

const GAUGES: [(&str, &str, Read); 3] = [
    ("ftn_audit.queue.records", "Records in the queue", |stats| stats.queue_records),
    ("ftn_audit.outbox.waiting", "Rows that wait in the outbox", |stats| stats.outbox_waiting),
    ("ftn_audit.outbox.parked", "Waiting rows that are not due yet", |stats| stats.outbox_parked),
];

impl Audit {
    /// Reports this handle's [`stats`](Self::stats) as metrics of a meter, whenever its reader asks: counters
    /// `ftn_audit.captured`, `.stored`, `.unattached`, `.delivered`, `.published`, `.retried`, `.fallback`, `.dropped`, `.dead`,
    /// `.unknown_actors`, `.unparsed_writes`, `.exports`, `.export.time` (seconds), and `.failures` by `reason`; gauges
    /// `ftn_audit.queue.records`, `.outbox.waiting`, `.outbox.parked`, and `.outbox.oldest` (seconds).
    ///
    /// Call it once for a handle. It does not keep the handle's delivery alive.
    ///
    /// ```
    /// use ftn_audit::Audit;
    ///
    /// let audit = Audit::disabled();
    /// audit.report_metrics(&opentelemetry::global::meter("shop"));
    /// ```
    pub fn report_metrics(&self, meter: &Meter) {
        for (name, description, read) in COUNTERS {
            let stats = self.weak_stats();
            let counter = meter.u64_observable_counter(name).with_description(description);
            counter.with_callback(move |observer| observer.observe(read(&stats()), &[])).build();
        }
        for (name, description, read) in GAUGES {
            let stats = self.weak_stats();
            let gauge = meter.u64_observable_gauge(name).with_description(description);
            gauge.with_callback(move |observer| observer.observe(read(&stats()), &[])).build();
        }
        let stats = self.weak_stats();
        let failures = meter.u64_observable_counter("ftn_audit.failures");
        failures
            .with_description("Records that did not go the normal way, by reason")
            .with_callback(move |observer| {
                for (reason, count) in stats().failures {
                    observer.observe(count, &[KeyValue::new("reason", reason)]);
                }
            })
            .build();
        let stats = self.weak_stats();
        let time = meter.f64_observable_counter("ftn_audit.export.time").with_unit("s");
        time.with_description("How long requests to the sink took")
            .with_callback(move |observer| observer.observe(stats().export_time.as_secs_f64(), &[]))
            .build();
        let stats = self.weak_stats();
        let oldest = meter.f64_observable_gauge("ftn_audit.outbox.oldest").with_unit("s");
        oldest
            .with_description("The age of the oldest row that waits in the outbox")
            .with_callback(move |observer| observer.observe(stats().outbox_oldest.as_secs_f64(), &[]))
            .build();
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::{
        InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
        data::{AggregatedMetrics, MetricData},
    };

    use crate::{Audit, Delivery, sink::MemorySink};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_sees_the_counters() {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::sync()).build().unwrap();
        audit.report_metrics(&provider.meter("test"));
        audit.event("exported").record(&audit).await;
        provider.force_flush().unwrap();
        let finished = exporter.get_finished_metrics().unwrap();
        let mut metrics =
            finished.iter().flat_map(|resource| resource.scope_metrics()).flat_map(|scope| scope.metrics());
        let delivered = metrics.find(|metric| metric.name() == "ftn_audit.delivered").unwrap();
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = delivered.data() else { panic!("no counter") };
        assert_eq!(sum.data_points().next().unwrap().value(), 1);
    }
}
