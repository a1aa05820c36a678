//! Where a request stands in a W3C trace.

use crate::record::hexadecimal;

/// Position in a W3C trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) flags: u8,
}

impl Trace {
    /// The current OpenTelemetry span, also that of a `tracing` span which `tracing-opentelemetry` follows.
    #[cfg(feature = "otel")]
    pub(crate) fn current() -> Option<Self> {
        use opentelemetry::trace::TraceContextExt;

        opentelemetry::Context::map_current(|context| {
            if !context.has_active_span() {
                return None;
            }
            let span = context.span();
            let span = span.span_context();
            span.is_valid().then(|| Self {
                trace_id: span.trace_id().to_bytes(),
                span_id: span.span_id().to_bytes(),
                flags: span.trace_flags().to_u8(),
            })
        })
    }

    /// Without OpenTelemetry no span has an id that another program would know.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn current() -> Option<Self> {
        None
    }

    /// As the `traceparent` header has it; nothing when it breaks the grammar of W3C Trace Context.
    pub(crate) fn from_traceparent(text: &[u8]) -> Option<Self> {
        const LENGTH: usize = 55;
        let (head, tail) = text.split_at_checked(LENGTH)?;
        let mut fields = head.split(|byte| *byte == b'-');
        let [version] = from_hexadecimal(fields.next()?)?;
        let trace_id = from_hexadecimal(fields.next()?)?;
        let span_id = from_hexadecimal(fields.next()?)?;
        let [flags] = from_hexadecimal(fields.next()?)?;
        // A later version may say more, behind one more dash.
        let tail_is_sane = tail.is_empty() || (version > 0 && tail[0] == b'-');
        let sane = fields.next().is_none()
            && tail_is_sane
            && version != 0xff
            && trace_id != [0; 16]
            && span_id != [0; 8];
        sane.then_some(Self { trace_id, span_id, flags })
    }

    pub(crate) fn to_traceparent(self) -> String {
        let (trace_id, span_id) = (hexadecimal(&self.trace_id), hexadecimal(&self.span_id));
        format!("00-{trace_id}-{span_id}-{:02x}", self.flags)
    }
}

/// Lower case only, as the grammar has it.
fn from_hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
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
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn traceparent_is_read_strictly() {
        let trace = Trace::from_traceparent(VALID.as_bytes()).unwrap();
        assert_eq!(trace.trace_id[..3], [0x0a, 0xf7, 0x65]);
        assert_eq!(trace.span_id[7], 0x31);
        assert_eq!(trace.flags, 1);
        assert_eq!(trace.to_traceparent(), VALID);
        let later = VALID.replacen("00", "01", 1);
        for accepted in [later.clone(), format!("{later}-more"), VALID.replace("-01", "-ff")] {
            assert!(Trace::from_traceparent(accepted.as_bytes()).is_some(), "{accepted}");
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
            assert_eq!(Trace::from_traceparent(refused.as_bytes()), None, "{refused}");
        }
    }
}
