//! The one table of what differs on purpose.
//!
//! A rule says by what it is recognised, so that scenarios which nobody has seen yet fall under it, too. It never
//! loosens anything: what is expected here follows from what the database shows ([`crate::prediction`]), and has to be
//! met to the letter; the rules only say why that is not what the Python library did. Numbers of mistakes are those of
//! the list that comes with the file.

use serde_json::Value as Json;

use crate::{
    deviation::Deviation::{self, *},
    features::*,
    formatters::{Kind, Refused, Registered},
    prediction::{MOST_BYTES, Startup, is_off, is_sane_id},
    scenario::Scenario,
    truth::What,
    web::{Asked, MADE_ID},
};

pub struct Rule {
    pub name: &'static str,
    pub reason: &'static str,
    /// Whether this is why.
    pub explains: fn(&Scenario, &Deviation) -> bool,
    /// Whether a scenario differs even where its events are the same.
    pub always: fn(&Scenario) -> bool,
}

const fn rule(name: &'static str, reason: &'static str, explains: fn(&Scenario, &Deviation) -> bool) -> Rule {
    Rule { name, reason, explains, always: |_| false }
}

const fn marked(name: &'static str, reason: &'static str, always: fn(&Scenario) -> bool) -> Rule {
    Rule { name, reason, explains: |_, _| false, always }
}

pub static DIFFERENCES: &[Rule] = &[
    // Who and where.
    rule(
        "no context",
        "mistake 10: no context is no reason to lose an event; it is recorded with an unknown actor",
        |_, deviation| matches!(deviation, Extra(told) if told.who.is_none()),
    ),
    rule(
        "forwarded address",
        "mistake 11: X-Forwarded-For is the client's word; the address is the peer's",
        |scenario, deviation| {
            attribute(deviation, "client_ip") && Asked::of(scenario).header("x-forwarded-for").is_some()
        },
    ),
    rule(
        "request id",
        "an id that is not 1 to 128 visible characters is replaced by one of our own; one that is is kept",
        |scenario, deviation| {
            let asked = Asked::of(scenario);
            let sent = asked.header("x-request-id");
            let blotted = matches!(deviation, Attribute { file: Some(file), .. } if file == MADE_ID);
            let kept = sent.is_some_and(|id| is_sane_id(id) && blotted);
            attribute(deviation, "request_id") && (kept || sent.is_some_and(|id| !is_sane_id(id)))
        },
    ),
    rule(
        "trace",
        "the trace is that of the request's `traceparent`, as W3C has it, and of no other header",
        |_, deviation| attribute(deviation, "trace_id"),
    ),
    rule(
        "unfit header",
        "a header that is blank at its ends, too long or no text is trimmed, cut or left out",
        |scenario, deviation| {
            let headers = [("user_agent", "user-agent"), ("ui_app", "x-ui-app"), ("ui_flow", "x-ui-flow")];
            headers.iter().any(|(key, header)| {
                let unfit = |text: &str| {
                    text.len() > MOST_BYTES || text.trim() != text || text.chars().any(char::is_control)
                };
                attribute(deviation, key) && Asked::of(scenario).header(header).is_some_and(unfit)
            })
        },
    ),
    rule(
        "id of any form",
        "an actor's id is text: one that is no whole number is kept, and found before the session's user",
        |scenario, deviation| {
            let other = |auth: &Json| match &auth["user_id"] {
                Json::String(id) => id.parse::<i64>().is_err(),
                id => id.is_f64(),
            };
            key_starts(deviation, "user_") && authenticated(scenario).iter().any(|auth| other(auth))
        },
    ),
    rule(
        "personal data without an id",
        "who has no id is nobody: an e-mail or a name alone makes no actor",
        |scenario, deviation| {
            let nameless = |auth: &Json| auth.is_object() && auth.get("user_id").is_none_or(Json::is_null);
            key_starts(deviation, "user_") && authenticated(scenario).iter().any(|auth| nameless(auth))
        },
    ),
    rule(
        "actor set again",
        "an actor is set once in a context; `act_as` is for acting as another",
        |scenario, deviation| key_starts(deviation, "user_") && authenticated(scenario).len() > 1,
    ),
    rule(
        "mangled route",
        "mistake 14: axum has a parameter fill its segment and a catch-all say so, and its template is told as it is",
        |_, deviation| match deviation {
            Attribute { key, here: Some(here), .. } => {
                key.ends_with("raw_route") && (here.contains("/*") || here.contains(":part"))
            }
            _ => false,
        },
    ),
    // What is an event.
    rule(
        "unregistered model",
        "what is audited is said on the entity; that no formatter is registered for it loses nothing",
        |scenario, deviation| matches!(deviation, Extra(told) if !scenario.registers(told.fact.model)),
    ),
    rule(
        "proxy",
        "a proxy of a model is the same table, and its rows are audited as that table's",
        |scenario, deviation| {
            let operations = scenario.operations();
            let mut models = operations.iter().filter_map(|operation| operation.get("model"));
            models.any(|model| model == "ItemProxy") && matches!(deviation, Extra(_))
        },
    ),
    rule(
        "statements on many rows",
        "mistake 5: statements are captured, so writes that run no signal are told; one on many rows is told as such",
        |scenario, deviation| {
            let many = ["bulk_create", "bulk_update", "qs_update", "qs_delete", "loaddata"];
            scenario.has_operation(&many) && matches!(deviation, Extra(_) | Missing(_) | During { .. })
        },
    ),
    rule(
        "no mixin",
        "mistake 5: an update is seen in the database, and the model needs no mixin for it",
        |_, deviation| {
            matches!(deviation, Extra(told)
                if told.fact.what.is_update() && !["Item", "Gadget", "IntKey"].contains(&told.fact.model))
        },
    ),
    rule(
        "key 0",
        "mistake 5: 0 is a key like any other",
        |_, deviation| matches!(deviation, Extra(told) if told.fact.key == "0"),
    ),
    rule(
        "dangling key",
        "mistake 5: a foreign key that leads nowhere is a value like any other",
        |scenario, deviation| scenario.has_log("changeset capture failed") && changeset(deviation),
    ),
    rule(
        "expression",
        "mistake 5: what the database computed is told by the value that it stored",
        |scenario, deviation| assigned(scenario, |value| value.get("$F").is_some()) && changeset(deviation),
    ),
    rule(
        "deferred column",
        "mistake 5: the old value is the database's, so it need not have been loaded",
        |scenario, deviation| {
            let operations = scenario.operations();
            operations.iter().any(|operation| operation.contains_key("defer")) && changeset(deviation)
        },
    ),
    rule(
        "ignored columns",
        "mistake 6: a change of ignored columns alone is no event",
        |_, deviation| matches!(deviation, Missing(event) if event.description.ends_with("(no fields)")),
    ),
    rule(
        "created_*",
        "mistake 6: a column that says when a row was created is not ignored: its change is an event",
        |_, deviation| match deviation {
            Extra(told) => matches!(&told.fact.what, What::Updated(columns)
                if columns.iter().any(|column| column.name.starts_with("created_"))),
            Description { here, .. } => here.contains("created_"),
            deviation => key_starts(deviation, "audit.changeset.created_"),
        },
    ),
    rule(
        "failed save",
        "mistake 3: a save that failed leaves nothing behind for the next one",
        |scenario, deviation| {
            scenario.has_operation(&["try"])
                && matches!(deviation, Missing(event) if event.description.starts_with("Updated"))
        },
    ),
    rule(
        "two databases",
        "mistake 4: a record waits for the transaction of its own database, and for no other",
        |scenario, deviation| {
            let operations = scenario.operations();
            operations.iter().any(|operation| operation.contains_key("using"))
                && matches!(deviation, Extra(_) | Missing(_) | During { .. })
        },
    ),
    rule(
        "hooks switched off",
        "signals are hooks here; an audited connection needs none, and goes on recording",
        |scenario, deviation| {
            scenario.setting("AUDIT_AUTO_CONNECT_SIGNALS").as_deref() == Some("false")
                && matches!(deviation, Extra(_))
        },
    ),
    // What a value is.
    rule(
        "value as stored",
        "mistake 7: the new value is the stored one, not the one that was assigned",
        |scenario, deviation| match deviation {
            Attribute { key, file: Some(file), here: Some(here), .. } => {
                key.starts_with("audit.changeset.")
                    && (same_number(file, here) || assigned(scenario, |value| is_text(value, file)))
            }
            _ => false,
        },
    ),
    rule(
        "bytes and durations",
        "bytes are hexadecimal; SeaORM has no duration, and Django's column of it holds microseconds",
        |scenario, deviation| {
            let operations = scenario.operations();
            let mut fields = operations.iter().filter_map(|operation| operation.get("fields")?.as_object());
            fields.any(|fields| {
                fields.iter().any(|(field, value)| {
                    let kind = value.get("$bytes").or_else(|| value.get("$seconds"));
                    kind.is_some() && key_starts(deviation, &format!("audit.changeset.{field}."))
                })
            })
        },
    ),
    rule(
        "order in a map",
        "the keys of a JSON value are in the order of their names; they have no other",
        |scenario, deviation| match deviation {
            Order => {
                scenario.setup("payload_python_repr").is_string()
                    || assigned(scenario, |value| value.as_object().is_some_and(|map| map.len() > 1))
            }
            Attribute { file: Some(file), here: Some(here), .. } => same_json(file, here),
            _ => false,
        },
    ),
    // Links.
    rule(
        "links that were there",
        "mistake 8: a link that was there is not added, and one that was not is not removed: neither is listed",
        |_, deviation| match deviation {
            Missing(event) => event.attribute("audit.action").is_some(),
            Attribute { told, key, file: Some(file), here: Some(here), .. } => {
                let listed = keys(here).iter().all(|key| keys(file).contains(key));
                key == "audit.pk_set" && matches!(told.fact.what, What::Unlinked { .. }) && listed
            }
            _ => false,
        },
    ),
    rule(
        "more than 500 links",
        "mistake 8: a list that is cut says so, and how long it was",
        |_, deviation| key_starts(deviation, "audit.pk_set_t"),
    ),
    rule("cleared links", "clearing is the removal of the links that there were", |_, deviation| {
        match deviation {
            Attribute { key, file: Some(file), .. } => key == "audit.action" && file == "post_clear",
            Description { file, .. } => file.contains("post_clear"),
            _ => false,
        }
    }),
    rule(
        "adjacent links",
        "links of one owner, field and action that follow one another in a transaction are one event",
        |scenario, deviation| match deviation {
            Attribute { told, key, .. } => {
                scenario.has_operation(&["atomic"]) && told.fact.what.is_link() && key == "audit.pk_set"
            }
            _ => false,
        },
    ),
    rule(
        "symmetrical links",
        "SeaORM knows none: the application writes both rows, and each is told of its own owner",
        |_, deviation| match deviation {
            Extra(told) => matches!(
                &told.fact.what,
                What::Linked { field: "peers", .. } | What::Unlinked { field: "peers", .. }
            ),
            _ => false,
        },
    ),
    rule(
        "links of the other side",
        "a link is told of its owner, whichever side it was written from",
        |scenario, deviation| {
            let operations = scenario.operations();
            let mut fields = operations.iter().filter_map(|operation| operation.get("field"));
            fields.any(|field| field == "item_set")
                && matches!(deviation, Extra(told) if told.fact.what.is_link())
        },
    ),
    rule(
        "links of a deleted row",
        "the links of a deleted row are removed with it, and told",
        |scenario, deviation| {
            scenario.has_operation(&["delete", "qs_delete"])
                && matches!(deviation, Extra(told) if matches!(told.fact.what, What::Unlinked { .. }))
        },
    ),
    rule(
        "order of a cascade",
        "rows that refer to another go before it: the database allows no other order",
        |scenario, deviation| {
            let deleted = match deviation {
                Extra(told) => told.fact.what == What::Deleted,
                Missing(event) => event.attribute("audit.event_type") == Some("deletion"),
                _ => false,
            };
            deleted && scenario.has_operation(&["delete"]) && deletes_the_same(scenario)
        },
    ),
    rule(
        "formatters of links",
        "mistake 12: link events choose their formatter as all others do, so a model's default one is theirs, too",
        |_, deviation| match deviation {
            Description { told, .. } => told.fact.what.is_link(),
            Attribute { told, key, .. } => told.fact.what.is_link() && key == "formatter",
            _ => false,
        },
    ),
    marked(
        "a relation listed twice",
        "a link is declared on its field; twice is a compile error (tests/ui/derive_link_twice.rs)",
        |scenario| {
            let listed = scenario.list("collections");
            let same = |one: &Json, two: &Json| one["owner"] == two["owner"] && one["field"] == two["field"];
            (1..listed.len())
                .any(|position| listed[..position].iter().any(|one| same(one, &listed[position])))
        },
    ),
    // Formatters.
    rule(
        "failing formatter",
        "mistake 1: a formatter's failure never reaches the request or the row, and the generic one takes over",
        |scenario, deviation| of_formatters(scenario, deviation, |kind| *kind == Kind::Failing),
    ),
    rule(
        "formatter with one method",
        "both methods of a formatter have a default, so one that has only the other is whole",
        |scenario, deviation| {
            of_formatters(scenario, deviation, |kind| matches!(kind, Kind::NoAttrs | Kind::NoDesc))
        },
    ),
    marked(
        "refused formatter",
        "mistake 12: an event or a route that is none is a compile error, not a rule that never matches",
        |scenario| Registered::all(scenario).iter().any(|formatter| formatter.refused().is_some()),
    ),
    marked(
        "two formatters of one rule",
        "formatters with the same model, route, event and priority are refused at start-up; without strict validation, \
         the first wins as there",
        |scenario| {
            let unknown = |formatter: &&Registered| formatter.refused() == Some(Refused::Event);
            let unknown = Registered::all(scenario).iter().filter(unknown).count();
            Startup::of(scenario).problems > unknown
        },
    ),
    rule(
        "route of another spelling",
        "a route means the same in every framework's spelling, so the formatter is found",
        |scenario, deviation| {
            let respelled = Registered::all(scenario).iter().any(|formatter| {
                let canonical = formatter.canonical();
                canonical.is_ok_and(|canonical| canonical.is_some() && canonical != formatter.route)
            });
            respelled && (matches!(deviation, Description { .. }) || attribute(deviation, "formatter"))
        },
    ),
    // Settings and delivery.
    Rule {
        name: "unknown delivery mode",
        reason: "a mode that there is not is refused at start-up, with those that there are named",
        explains: |scenario, deviation| Startup::of(scenario).refused && matches!(deviation, Missing(_)),
        always: |scenario| Startup::of(scenario).refused,
    },
    marked(
        "nothing runs when off",
        "mistake 9: switched off, no formatter runs and nothing is computed",
        |scenario| {
            let mut formatters = Registered::all(scenario).into_iter();
            is_off(scenario) && formatters.any(|formatter| formatter.kind == Kind::Failing)
        },
    ),
    marked(
        "failed hand-over",
        "what cannot be delivered goes to the fallback and is counted, not dropped",
        |scenario| !scenario.setup("enqueue").is_null(),
    ),
    // Whatever else the database shows.
    rule(
        "retry",
        "mistake 2: work that was rolled back and is done again is told when it is committed",
        |scenario, deviation| {
            rolls_back(scenario) && matches!(deviation, Extra(told) if told.fact.what.is_update())
        },
    ),
    rule(
        "unseen change",
        "mistake 5: the database shows a change that the Python library missed",
        |_, deviation| matches!(deviation, Extra(told) if told.fact.what.is_update()),
    ),
    rule(
        "change that was none",
        "mistakes 3 and 4: the database shows no such change",
        |_, deviation| matches!(deviation, Missing(event) if event.attribute("audit.event_type") == Some("update")),
    ),
];

/// What has no counterpart in SeaORM, and why.
pub fn not_applicable(scenario: &Scenario) -> Option<&'static str> {
    let operations = scenario.operations();
    let mut models = operations.iter().filter_map(|operation| operation.get("model")?.as_str());
    if scenario.is_of("mti_") || models.any(|model| ["Child", "Parent"].contains(&model)) {
        return Some("SeaORM has no multi-table inheritance");
    }
    if scenario.has_formatter(&["SaveInside"]) {
        return Some("formatters are synchronous and have no connection to write to");
    }
    if scenario.has_formatter(&["BadInit"]) {
        return Some(
            "a formatter that start-up cannot make is a compile error (tests/ui/formatter_impl_no_default.rs)",
        );
    }
    if scenario.has_formatter(&["NoneAttrs"]) {
        return Some("attributes that are none are a type error");
    }
    if scenario.has_formatter(&["CollBase"]) {
        return Some(
            "a formatter of another signature is a compile error (tests/ui/formatter_fn_wrong_argument.rs)",
        );
    }
    if scenario.formatters().any(|formatter| Kind::of(formatter).is_none()) {
        return Some("the formatter is a Python class whose code the file does not tell");
    }
    None
}
