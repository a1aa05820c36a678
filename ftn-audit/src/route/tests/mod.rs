mod any_text;
mod python_library;

use std::collections::HashMap;

use super::RawRoute;

#[test]
fn halves() {
    let route = RawRoute::new("patch", "/items/{id}").expect("a route");
    assert_eq!(route.method(), "PATCH");
    assert_eq!(route.template(), "/items/:id");
    assert_eq!(route.as_str(), "PATCH|/items/:id");
    assert_eq!(route.to_string(), "PATCH|/items/:id");
    assert_eq!(format!("{route:?}"), r#"RawRoute("PATCH|/items/:id")"#);
}

#[test]
fn a_method_cannot_smuggle_a_template_in() {
    for method in ["GET|/a", "GET /a", "GET|", "GET ", "/a", ""] {
        assert!(RawRoute::new(method, "/b").is_err(), "{method}");
    }
}

#[test]
fn spellings_are_one_value() {
    let stored = RawRoute::parse("PATCH|/items/:id").expect("a route");
    assert_eq!("patch /items/{id}".parse().as_ref(), Ok(&stored));
    let map = HashMap::from([(stored, 1)]);
    assert_eq!(map.get("PATCH|/items/:id"), Some(&1));
}

#[test]
fn as_json() {
    let route: RawRoute = serde_json::from_str(r#""get /files/{*rest}""#).expect("a route");
    assert_eq!(serde_json::to_string(&route).expect("a string"), r#""GET|/files/*rest""#);
    let error = serde_json::from_str::<RawRoute>(r#""GET|/{id""#).expect_err("unclosed");
    assert!(error.to_string().starts_with("route `GET|/{id`: `{` at 6 is never closed"), "{error}");
}
