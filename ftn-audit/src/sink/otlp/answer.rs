//! What an answer means for the batch that it is about, whatever the protocol.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use ::http::HeaderMap;

use crate::{AuditRecord, attribute_names as names, sink::Outcome};

/// A collector that asks for more patience than this is asked again nevertheless.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const QUOTED_CHARACTERS: usize = 200;
/// Of a longer message only this much is looked at.
const READ_CHARACTERS: usize = 4000;

/// Attributes that tell nothing of a row or a person.
const HARMLESS: [&str; 11] = [
    names::UID,
    names::EVENT_TYPE,
    names::MODEL,
    names::TRANSACTION_ID,
    names::CAPTURE,
    names::ACTOR_TYPE,
    names::HTTP_METHOD,
    names::DB_SYSTEM,
    names::DB_NAMESPACE,
    names::DB_COLLECTION,
    names::DB_OPERATION,
];

/// The batch of one request.
pub(super) struct Batch<'a> {
    records: &'a [AuditRecord],
    headers: &'a HeaderMap,
}

impl<'a> Batch<'a> {
    pub(super) fn new(records: &'a [AuditRecord], headers: &'a HeaderMap) -> Self {
        Self { records, headers }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The batch is at fault, not the moment: too large, or a record in it is invalid. One record cannot be blamed
    /// before it was sent alone.
    pub(super) fn refused(&self, why: impl Into<String>) -> Outcome {
        match self.len() {
            0 | 1 => Outcome::permanent(why),
            records => Outcome::Partial { rejected: records as u64, message: why.into() },
        }
    }

    /// What an HTTP status other than 200 means. `why` ends a sentence that begins with the status.
    ///
    /// 408 is retried, against the letter of OTLP: proxies send it when a request came in too slowly, nothing was
    /// stored then, and a record has an id that makes a repeat harmless.
    pub(super) fn http_status(&self, status: u16, after: Option<Duration>, why: &str) -> Outcome {
        let why = format!("the collector answered HTTP {status}{why}");
        match status {
            408 | 429 | 502 | 503 | 504 => Outcome::retry(after, why),
            413 => self.refused(format!("{why}: the request is too large")),
            401 | 402 | 403 | 407 => {
                Outcome::operator(format!("{why}: look at the headers, they carry the credentials"))
            }
            300..=399 => {
                Outcome::operator(format!("{why}: redirects are not followed, look at the endpoint"))
            }
            404 | 405 | 410 | 415 | 501 | 100..=299 => {
                Outcome::operator(format!("{why}: is the endpoint that of a collector?"))
            }
            _ => self.refused(why),
        }
    }

    /// A message of the collector as the end of a sentence, or nothing: on one line, bounded, and without what is in
    /// headers and records. Some stores quote the value that they could not take.
    pub(super) fn quote(&self, message: &str) -> String {
        if message.trim().is_empty() {
            return String::new();
        }
        let mut text: String = message
            .chars()
            .take(READ_CHARACTERS)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        for value in self.headers.values().filter_map(|value| value.to_str().ok()) {
            // "Bearer" is no secret, what stands behind it is.
            for word in value.split_whitespace() {
                blank(&mut text, word);
            }
        }
        for record in self.records {
            blank(&mut text, record.description());
            blank(&mut text, record.pk());
            for (key, value) in record.encoded_attributes().iter() {
                if !HARMLESS.contains(&key) {
                    blank(&mut text, &value.to_string());
                }
            }
        }
        let text = text.trim();
        match text.char_indices().nth(QUOTED_CHARACTERS) {
            None => format!(": {text}"),
            Some((end, _)) => format!(": {}…", &text[..end]),
        }
    }
}

/// Texts of up to three characters stay: taken out everywhere they would leave no sentence.
fn blank(text: &mut String, value: &str) {
    if value.chars().nth(3).is_some() && text.contains(value) {
        *text = text.replace(value, "***");
    }
}

pub(super) fn bounded_wait(wait: Duration) -> Duration {
    wait.min(LONGEST_WAIT)
}

/// `Retry-After`: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(::http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(bounded_wait(wait))
}

/// A fault on the way to the collector: no answer came.
pub(super) fn no_answer(error: &(dyn Error + 'static), batch: &Batch<'_>) -> Outcome {
    let mut text = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let own = error.to_string();
        // Many errors repeat their cause in their own words.
        if !text.contains(&own) {
            text = format!("{text}{}{own}", if text.is_empty() { "" } else { ": " });
        }
        cause = error.source();
    }
    let text = batch.quote(&text);
    #[cfg(feature = "tls")]
    if super::tls::is_fault_of_tls(error) {
        return Outcome::operator(format!(
            "no secure connection{text}; look at the certificate and the endpoint"
        ));
    }
    Outcome::retry(
        None,
        format!("no answer from the collector{text}; if this lasts, look at the endpoint and its port"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttributeValue;

    fn batch<'a>(records: &'a [AuditRecord], headers: &'a HeaderMap) -> Batch<'a> {
        Batch::new(records, headers)
    }

    #[test]
    fn a_quote_is_bounded_and_blanked() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer hunter2".parse().unwrap());
        let records = [AuditRecord::event("update", "Person", "12345")
            .with_description("Ann moved")
            .with_attribute(names::MODEL_PK, AttributeValue::Null)
            .with_attribute("audit.changeset.street.new", "Elm Road 7")];
        let batch = batch(&records, &headers);
        assert_eq!(
            batch.quote("cannot index\n'Elm Road 7' of 12345, token hunter2"),
            ": cannot index '***' of ***, token ***"
        );
        assert_eq!(batch.quote(" \n "), "");
        assert_eq!(batch.quote(&"é".repeat(9000)).chars().count(), 2 + 200 + 1);
    }

    #[test]
    fn statuses_are_sorted() {
        let (headers, records) =
            (HeaderMap::new(), [AuditRecord::event("a", "b", 1), AuditRecord::event("a", "b", 2)]);
        let two = batch(&records, &headers);
        let one = batch(&records[..1], &headers);
        for status in [408, 429, 502, 503, 504] {
            assert!(
                matches!(two.http_status(status, None, ""), Outcome::Retry { operator: false, .. }),
                "{status}"
            );
        }
        for status in [204, 301, 302, 307, 401, 403, 404, 405, 501] {
            assert!(
                matches!(two.http_status(status, None, ""), Outcome::Retry { operator: true, .. }),
                "{status}"
            );
        }
        for status in [400, 413, 422, 500] {
            assert!(
                matches!(two.http_status(status, None, ""), Outcome::Partial { rejected: 2, .. }),
                "{status}"
            );
            assert!(matches!(one.http_status(status, None, ""), Outcome::Permanent { .. }), "{status}");
        }
    }

    #[test]
    fn retry_after_has_two_forms_and_an_end() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("99999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let wait = wait(&later).unwrap();
        assert!(wait > Duration::from_secs(80) && wait <= Duration::from_secs(90), "{wait:?}");
    }
}
