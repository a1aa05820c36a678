//! What a request's headers say, as far as it is sane.

use http::HeaderName;

use super::RequestHead;
use crate::context::{MAX_TEXT_BYTES, Trace};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const UI_APP: HeaderName = HeaderName::from_static("x-ui-app");
pub(super) const UI_FLOW: HeaderName = HeaderName::from_static("x-ui-flow");
pub(super) const FORWARDED: HeaderName = http::header::FORWARDED;
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

const MAX_REQUEST_ID_BYTES: usize = 128;

/// The beginning that a context keeps: cut here, so that a long header is not copied first.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

pub(super) fn text<'a>(head: &RequestHead<'a>, name: &HeaderName) -> Option<&'a str> {
    sane_text(head.header(name)?)
}

fn sane_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let sane = !text.is_empty() && !text.chars().any(char::is_control);
    sane.then(|| cut(text))
}

pub(super) fn request_id<'a>(head: &RequestHead<'a>, name: &HeaderName) -> Option<&'a str> {
    sane_id(head.header(name)?)
}

fn sane_id(bytes: &[u8]) -> Option<&str> {
    let sane = (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if sane { std::str::from_utf8(bytes).ok() } else { None }
}

/// The parent span; nothing when the header comes twice.
pub(super) fn trace_parent(head: &RequestHead<'_>) -> Option<Trace> {
    let trace = Trace::from_traceparent(head.header(&TRACE_PARENT)?)?;
    (head.header_lines(&TRACE_PARENT).len() == 1).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_is_kept_when_sane() {
        for (value, kept) in [
            (b"r-1".to_vec(), true),
            (vec![b'x'; 128], true),
            (vec![b'x'; 129], false),
            (b"".to_vec(), false),
            (b"with blank".to_vec(), false),
            (b"tab\there".to_vec(), false),
            ("\u{e4}".as_bytes().to_vec(), false),
            (vec![0xff], false),
        ] {
            assert_eq!(sane_id(&value).is_some(), kept, "{value:?}");
        }
    }

    #[test]
    fn text_is_utf8_without_control_characters_and_bounded() {
        for (value, kept) in [
            ("Prüfung".as_bytes(), Some("Prüfung")),
            (b"  till 3 ", Some("till 3")),
            (b"", None),
            (b"a\tb", None),
            ("next\u{85}line".as_bytes(), None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(sane_text(value), kept);
        }
        assert_eq!(sane_text("ä".repeat(5000).as_bytes()).unwrap().len(), MAX_TEXT_BYTES);
    }
}
