//! The context as a part of a job's payload: for formats that describe themselves, such as JSON, CBOR and MessagePack
//! with names.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{AuditContext, AuditContextBuilder, Trace};
use crate::{Attributes, actor::SerializedActor};

/// Counts changes that an older reader would misunderstand; what it may skip needs no new number.
const FORMAT: u16 = 1;

#[derive(Serialize)]
struct Format(u16);

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            format if (1..=FORMAT).contains(&format) => Ok(Self(format)),
            format => Err(D::Error::custom(format_args!(
                "the audit context has format {format}, and this program reads up to {FORMAT}: workers are updated \
                 before the services whose jobs they do"
            ))),
        }
    }
}

/// The payload of a context, and the ways there and back: the texts are written down once.
macro_rules! payload {
    ($($text:ident),* $(,)?) => {
        #[derive(Serialize, Deserialize)]
        struct Payload<'a> {
            format: Format,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            actor: Option<SerializedActor<'a>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            on_behalf_of: Option<SerializedActor<'a>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            client_address: Option<IpAddr>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            traceparent: Option<Cow<'a, str>>,
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $text: Option<Cow<'a, str>>,
            )*
            #[serde(default, skip_serializing_if = "is_empty")]
            attributes: Cow<'a, Attributes>,
        }

        impl<'a> From<&'a AuditContext> for Payload<'a> {
            fn from(context: &'a AuditContext) -> Self {
                Self {
                    format: Format(FORMAT),
                    actor: context.actor().map(SerializedActor::from),
                    on_behalf_of: context.on_behalf_of().map(SerializedActor::from),
                    client_address: context.client_address(),
                    traceparent: context.trace().map(|trace| trace.to_traceparent().into()),
                    $($text: context.$text().map(Cow::Borrowed),)*
                    attributes: Cow::Borrowed(context.attributes()),
                }
            }
        }

        impl From<Payload<'_>> for AuditContextBuilder {
            fn from(payload: Payload<'_>) -> Self {
                let mut builder = AuditContext::builder();
                if let Some(actor) = payload.actor {
                    builder = builder.actor(actor.into());
                }
                if let Some(actor) = payload.on_behalf_of {
                    builder = builder.on_behalf_of(actor.into());
                }
                if let Some(address) = payload.client_address {
                    builder = builder.client_address(address);
                }
                if let Some(Trace { trace_id, span_id, flags }) =
                    payload.traceparent.and_then(|text| Trace::from_traceparent(text.as_bytes()))
                {
                    builder = builder.trace(trace_id, span_id, flags);
                }
                $(
                    if let Some(text) = payload.$text {
                        builder = builder.$text(text);
                    }
                )*
                for (key, value) in payload.attributes.into_owned() {
                    builder = builder.attribute(key, value);
                }
                builder
            }
        }
    };
}

payload! {
    tenant, session_id, http_method, path, http_route, raw_route, user_agent, ui_app, ui_flow, request_id, reason,
}

fn is_empty(attributes: &Attributes) -> bool {
    attributes.is_empty()
}

impl Serialize for AuditContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Payload::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AuditContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(AuditContextBuilder::from(Payload::deserialize(deserializer)?).build())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::MAX_TEXT_BYTES;
    use crate::{Actor, ActorKind};

    fn whole() -> AuditContext {
        AuditContext::builder()
            .actor(Actor::service("mailer").email("mailer@example.org"))
            .on_behalf_of(Actor::user("42").first_name("Ann").last_name("Lee"))
            .tenant("acme")
            .session_id("s-1")
            .http_method("PATCH")
            .path("/items/7")
            .http_route("/items/{id}")
            .raw_route("PATCH|/items/:id")
            .client_address([192, 0, 2, 1].into())
            .user_agent("curl/8")
            .ui_app("till")
            .ui_flow("reprice")
            .request_id("r-1")
            .trace([10; 16], [11; 8], 1)
            .reason("ticket 4711")
            .attribute("shop.till", 3)
            .attribute("shop.open", true)
            .build()
    }

    fn carried(json: serde_json::Value) -> Result<AuditContext, serde_json::Error> {
        serde_json::from_str(&json.to_string())
    }

    #[test]
    fn everything_comes_back() {
        let back = carried(serde_json::to_value(whole()).unwrap()).unwrap();
        assert!(back.is_same(&whole()));
        assert_eq!(back.trace(), whole().trace());
        let empty = serde_json::to_value(AuditContext::builder().build()).unwrap();
        assert_eq!(empty, json!({ "format": 1 }));
    }

    #[test]
    fn unknown_fields_are_skipped_and_newer_formats_refused() {
        let known = carried(json!({ "tenant": "acme", "mood": "fine", "format": 1 })).unwrap();
        assert_eq!(known.tenant(), Some("acme"));
        for format in [json!(0), json!(2), json!("1"), json!(null)] {
            assert!(carried(json!({ "format": format })).is_err(), "{format}");
        }
        let error = carried(json!({ "format": 2 })).unwrap_err().to_string();
        assert!(error.contains("format 2") && error.contains("workers are updated before"), "{error}");
        assert!(carried(json!({ "tenant": "acme" })).is_err(), "no format");
    }

    #[test]
    fn what_was_not_written_by_us_is_bounded_and_guesses_no_kind() {
        let long = "ä".repeat(5000);
        let person = json!({ "kind": "root", "id": long, "email": long, "first_name": long });
        let attributes: Vec<_> = (0..100).map(|key| json!([format!("{key}{long}"), [long]])).collect();
        let payload = json!({
            "format": 1, "actor": person, "tenant": long, "raw_route": long, "http_route": long, "traceparent": long,
            "attributes": attributes,
        });
        let context = carried(payload).unwrap();
        let actor = context.actor().unwrap();
        assert_eq!(actor.kind(), ActorKind::Unknown);
        let texts =
            [actor.id(), actor.email_address(), actor.given_name(), context.tenant(), context.raw_route()];
        assert!(texts.iter().all(|text| text.unwrap().len() == MAX_TEXT_BYTES), "{texts:?}");
        assert_eq!(context.trace(), None);
        assert_eq!(context.attributes().len(), 32);
        let bytes = serde_json::to_string(&context).unwrap().len();
        assert!(bytes < 100 * 1024, "{bytes}");
    }
}
