use proptest::prelude::*;

use super::*;
use crate::{AttributeValue, Attributes, sink::ServiceInfo};

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        Just(AttributeValue::Null),
        any::<bool>().prop_map(AttributeValue::from),
        any::<i64>().prop_map(AttributeValue::from),
        any::<f64>().prop_map(AttributeValue::from),
        any::<u64>().prop_map(AttributeValue::from),
        any::<String>().prop_map(AttributeValue::from),
        "[\\x00-\\x{10ffff}]{0,300}".prop_map(AttributeValue::from),
        json().prop_map(AttributeValue::from),
    ];
    leaf.prop_recursive(40, 60, 3, |inner| prop::collection::vec(inner, 0..4).prop_map(AttributeValue::List))
}

prop_compose! {
    fn record()(
        name in any::<String>(),
        model in any::<String>(),
        description in any::<String>(),
        attributes in prop::collection::vec(("(audit\\.changeset\\.)?[a-z.]{0,20}", value()), 0..12),
        moment in any::<i32>(),
        trace in any::<Option<([u8; 16], [u8; 8], u8)>>(),
    ) -> AuditRecord {
        let mut record = AuditRecord::event(name, model, 1).with_description(description);
        for (key, value) in attributes {
            record = record.with_attribute(key, value);
        }
        let seconds = std::time::Duration::from_secs(u64::from(moment.unsigned_abs()));
        record.occurred_at = if moment < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds };
        record.trace = trace.map(|(trace_id, span_id, flags)| crate::context::Trace { trace_id, span_id, flags });
        record
    }
}

fn some_resource(attributes: usize) -> Resource {
    let attributes: Attributes = (0..attributes).map(|n| (format!("key.{n}"), "x".repeat(n))).collect();
    let service = ServiceInfo { name: "shop".into(), version: Some("1".into()), attributes };
    super::super::resource::resource(&service, &Attributes::new(), &Attributes::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_record_travels_and_is_counted(batch in prop::collection::vec(record(), 0..5), size in 0..40_usize) {
        let resource = some_resource(size);
        let request = request(&resource, &batch);
        let bytes = request.encode_to_vec();
        prop_assert_eq!(ExportLogsServiceRequest::decode(&*bytes).unwrap().encode_to_vec(), bytes.clone());
        let counted = envelope_bytes(&resource) + batch.iter().map(record_bytes).sum::<usize>();
        prop_assert!(counted >= bytes.len(), "{} counted, {} sent", counted, bytes.len());
        // Close, too: batches would be needlessly small.
        prop_assert!(counted <= bytes.len() + 32);
    }
}

#[test]
fn large_batches_are_counted_too() {
    let batch: Vec<_> = (0..300)
        .map(|n| AuditRecord::event("export", "Item", n).with_attribute("shop.text", "x".repeat(n * 100)))
        .collect();
    let resource = some_resource(3);
    let counted = envelope_bytes(&resource) + batch.iter().map(record_bytes).sum::<usize>();
    let sent = request(&resource, &batch).encoded_len();
    assert!(sent > 4 << 20 && counted >= sent && counted <= sent + 32);
}

#[test]
fn a_record_fills_the_fields_of_the_log_data_model() {
    let mut record = AuditRecord::event("export", "Item", 7)
        .with_description("The list was exported")
        .with_attribute("shop.count", 3)
        .with_attribute("shop.ratio", 0.5)
        .with_attribute("shop.done", true)
        .with_attribute("shop.keys", vec![1, 2])
        .with_attribute("shop.filter", serde_json::json!({"a": [1]}))
        .with_attribute("shop.none", AttributeValue::Null)
        .with_attribute("audit.changeset.price.old", 12);
    record.occurred_at = UNIX_EPOCH + std::time::Duration::new(5, 6);
    record.trace = Some(crate::context::Trace { trace_id: [1; 16], span_id: [2; 8], flags: 1 });
    let log = log_record(&record, 9);
    assert_eq!(log.event_name, "audit.Item.export");
    assert_eq!(log.body.unwrap().value, Some(Value::StringValue("The list was exported".into())));
    assert_eq!((log.time_unix_nano, log.observed_time_unix_nano), (5_000_000_006, 9));
    assert_eq!((log.severity_number, log.severity_text.as_str()), (9, "INFO"));
    assert_eq!((log.trace_id, log.span_id, log.flags), (vec![1; 16], vec![2; 8], 1));
    let attribute = |key: &str| {
        let mut all = log.attributes.iter().filter(|pair| pair.key == key);
        let found = all.next().map(|pair| pair.value.clone().unwrap().value.unwrap());
        assert!(all.next().is_none());
        found
    };
    assert_eq!(attribute("log.record.uid"), Some(Value::StringValue(record.id().to_string())));
    assert_eq!(attribute("shop.count"), Some(Value::IntValue(3)));
    assert_eq!(attribute("shop.ratio"), Some(Value::DoubleValue(0.5)));
    assert_eq!(attribute("shop.done"), Some(Value::BoolValue(true)));
    assert!(matches!(attribute("shop.keys"), Some(Value::ArrayValue(list)) if list.values.len() == 2));
    assert_eq!(attribute("shop.filter"), Some(Value::StringValue(r#"{"a":[1]}"#.into())));
    assert_eq!(attribute("audit.changeset.price.old"), Some(Value::StringValue("12".into())));
    assert_eq!(attribute("shop.none"), None);
}

#[test]
fn a_list_too_deep_for_decoders_becomes_text() {
    let mut value = AttributeValue::from(1);
    for _ in 0..200 {
        value = AttributeValue::List(vec![value]);
    }
    let batch = [AuditRecord::event("export", "Item", 1).with_attribute("shop.deep", value)];
    let bytes = request(&some_resource(0), &batch).encode_to_vec();
    ExportLogsServiceRequest::decode(&*bytes).unwrap();
}
