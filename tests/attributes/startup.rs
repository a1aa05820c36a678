//! What start-up says of attributes.

use ftn_audit_sea::{Audit, prelude::*};

use crate::database::{SECRET, builder};

fn refused(builder: ftn_audit_sea::AuditBuilder) -> Vec<String> {
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().to_vec(),
    }
}

fn keyless() -> ftn_audit_sea::AuditBuilder {
    Audit::builder().sink(MemorySink::new()).delivery(Delivery::sync()).environment(|_| None)
}

#[tokio::test]
async fn a_hashed_column_without_a_key_is_refused() {
    let problems = refused(keyless());
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for (model, columns) in [
        ("Account", "`login`, `email`"),
        ("Badge", "`code`"),
        ("Guest", "`id`, `phone`"),
        ("Patient", "`insurance`"),
    ] {
        let place = format!("`{model}` at tests/attributes/entities.rs:");
        let problem = problems.iter().find(|problem| problem.starts_with(&place)).unwrap();
        assert!(problem.contains(&format!("hashes {columns}, and there is no key")), "{problem}");
    }
    assert_eq!(refused(keyless().delivery(Delivery::noop())), [""; 0]);
    assert_eq!(refused(keyless().enabled(false)), [""; 0]);
}

#[tokio::test]
async fn without_strictness_a_hashed_column_without_a_key_is_masked() {
    let audit = keyless().strict_formatter_validation(false).build().unwrap();
    assert_eq!(audit.hashes_of("x"), [""; 0]);
}

#[tokio::test]
async fn keys_of_the_environment_sign() {
    let from = |variables: &'static [(&str, &str)]| {
        keyless().hash_key("code", SECRET).environment(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    };
    let signing = |builder: ftn_audit_sea::AuditBuilder| builder.build().unwrap().hashes_of("x").join(" ");
    assert!(signing(from(&[])).starts_with("hmac:code:"));
    let both = &[
        ("AUDIT_HASH_KEY", "a:0123456789abcdef"),
        ("FTN_AUDIT_HASH_KEY", "f:0123456789abcdef,old:fedcba9876543210"),
    ];
    let hashes = signing(from(both));
    assert!(
        hashes.starts_with("hmac:f:") && hashes.contains(" hmac:old:") && hashes.contains(" hmac:code:"),
        "{hashes}"
    );
    assert!(!hashes.contains("hmac:a:"));
}

#[tokio::test]
async fn bad_keys_are_refused_without_showing_them() {
    let problems = refused(builder(&MemorySink::new()).hash_key("k2", "too short").hash_key("k1", SECRET));
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("`k2`") && problems[0].contains("at least 16"), "{problems:#?}");
    assert!(problems[1].contains("`k1`") && problems[1].contains("twice"), "{problems:#?}");
    let all = problems.join(" ");
    assert!(!all.contains("too short") && !all.contains(SECRET));
}

/// Word for word, as a service would keep it: what is discovered, and how each column is treated.
#[tokio::test]
async fn the_description_is_fit_for_a_snapshot() {
    let describe = || builder(&MemorySink::new()).build().unwrap().describe();
    assert_eq!(describe(), include_str!("description.txt"));
    assert!(!describe().contains(SECRET));
}
