//! What a request's headers say, as far as it is sane.

use http::{HeaderMap, HeaderName};

use crate::context::{MAX_TEXT_BYTES, Trace};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const UI_APP: HeaderName = HeaderName::from_static("x-ui-app");
pub(super) const UI_FLOW: HeaderName = HeaderName::from_static("x-ui-flow");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

const MAX_REQUEST_ID_BYTES: usize = 128;

/// The beginning that a context keeps: cut here, so that a long header is not copied first.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?.trim();
    let sane = !text.is_empty() && !text.chars().any(char::is_control);
    sane.then(|| cut(text))
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let bytes = headers.get(&REQUEST_ID)?.as_bytes();
    let sane = (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if sane { std::str::from_utf8(bytes).ok() } else { None }
}

/// The parent span; nothing when the header breaks the grammar of W3C Trace Context, or comes twice.
pub(super) fn trace_parent(headers: &HeaderMap) -> Option<Trace> {
    let mut values = headers.get_all(&TRACE_PARENT).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { parse_trace_parent(value.as_bytes()) }
}

fn parse_trace_parent(text: &[u8]) -> Option<Trace> {
    const LENGTH: usize = 55;
    let (head, tail) = text.split_at_checked(LENGTH)?;
    let mut fields = head.split(|byte| *byte == b'-');
    let [version] = hexadecimal(fields.next()?)?;
    let trace_id = hexadecimal(fields.next()?)?;
    let span_id = hexadecimal(fields.next()?)?;
    let [flags] = hexadecimal(fields.next()?)?;
    // A later version may say more, behind one more dash.
    let tail_is_sane = tail.is_empty() || (version > 0 && tail[0] == b'-');
    let sane = fields.next().is_none()
        && tail_is_sane
        && version != 0xff
        && trace_id != [0; 16]
        && span_id != [0; 8];
    sane.then_some(Trace { trace_id, span_id, flags })
}

/// Lower case only, as the grammar has it.
fn hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with(name: &HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn trace_parent_is_read_strictly() {
        let trace = trace_parent(&with(&TRACE_PARENT, VALID.as_bytes())).unwrap();
        assert_eq!(trace.trace_id[..3], [0x0a, 0xf7, 0x65]);
        assert_eq!(trace.span_id[7], 0x31);
        assert_eq!(trace.flags, 1);
        let later = VALID.replacen("00", "01", 1);
        for accepted in [later.clone(), format!("{later}-more"), VALID.replace("-01", "-ff")] {
            assert!(trace_parent(&with(&TRACE_PARENT, accepted.as_bytes())).is_some(), "{accepted}");
        }
        let refused = [
            String::new(),
            VALID[..54].to_owned(),
            format!("{VALID}-more"),
            format!("{VALID} "),
            format!("{later}more"),
            format!("{later}0"),
            VALID.to_uppercase(),
            VALID.replacen("00", "ff", 1),
            VALID.replacen('-', "_", 1),
            VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            VALID.replace("b7ad6b7169203331", &"0".repeat(16)),
            VALID.replace("b7ad6b7169203331", "b7ad6b716920333g"),
            VALID.replace("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", &"1".repeat(49)),
        ];
        for refused in refused {
            assert_eq!(parse_trace_parent(refused.as_bytes()), None, "{refused}");
        }
        let mut twice = with(&TRACE_PARENT, VALID.as_bytes());
        twice.append(&TRACE_PARENT, HeaderValue::from_static(VALID));
        assert_eq!(trace_parent(&twice), None);
    }

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
            assert_eq!(request_id(&with(&REQUEST_ID, &value)).is_some(), kept, "{value:?}");
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
            assert_eq!(text(&with(&UI_APP, value), &UI_APP), kept);
        }
        let long = with(&UI_APP, "ä".repeat(5000).as_bytes());
        assert_eq!(text(&long, &UI_APP).unwrap().len(), MAX_TEXT_BYTES);
    }
}
