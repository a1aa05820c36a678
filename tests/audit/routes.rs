//! Routes that are known at start-up, and formatters whose route never comes.

use ftn_audit_sea::{
    AuditBuilder,
    formatter::{FormatterRegistration, Rule},
    prelude::*,
};
use sea_orm::ActiveValue::Set;
use utoipa::OpenApi;

use crate::{
    database::{Kind, TestDatabase},
    entities::*,
    samples::*,
};

async fn database() -> TestDatabase {
    Kind::Sqlite.database().await.expect("SQLite is always there")
}

struct Named(&'static str);

impl AuditFormatter for Named {
    type Subject = tag::Model;

    fn description(&self, _: &Change<tag::Model>) -> String {
        self.0.to_owned()
    }
}

fn named(
    name: &'static str,
    route: Option<&'static str>,
    event: Option<&'static str>,
    (priority, line): (i32, u32),
) -> FormatterRegistration {
    FormatterRegistration::with(Rule { route, event, priority, file: "formatters.rs", line }, Named(name))
}

fn builder(sink: &MemorySink) -> AuditBuilder {
    Audit::builder()
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .environment(|_| None)
        .auto_discover_formatters(false)
}

/// As a service has it beside its handlers.
#[derive(OpenApi)]
#[openapi(paths(change_tag, create_tag))]
struct ApiDoc;

#[expect(dead_code, reason = "only its description is wanted")]
#[utoipa::path(patch, path = "/tags/{id}", responses((status = 200)))]
fn change_tag() {}

#[expect(dead_code, reason = "only its description is wanted")]
#[utoipa::path(post, path = "/tags", responses((status = 201)))]
fn create_tag() {}

#[test]
fn the_routes_of_an_openapi_document_are_known() {
    let with = |route| {
        builder(&MemorySink::new())
            .openapi_routes(&ApiDoc::openapi())
            .routes(["DELETE /tags/{id}"])
            .registration(named("of a route", Some(route), None, (0, 1)))
            .build()
    };
    for route in ["PATCH|/tags/:id", "POST|/tags", "DELETE|/tags/:id"] {
        assert!(with(route).is_ok(), "{route}");
    }
    let Err(error) = with("PATCH|/tag/:id") else { panic!("there is no such route") };
    assert!(error.to_string().contains("the nearest there is `PATCH|/tags/:id`"), "{error}");

    let document = serde_json::json!({ "openapi": "3.1.0", "paths": ["/tags"] });
    let Err(error) = builder(&MemorySink::new()).openapi_routes(&document).build() else {
        panic!("this is no document");
    };
    assert!(error.problems()[0].starts_with("in the OpenAPI document: "), "{error}");
}

#[tokio::test]
async fn formatters_that_never_matched_are_named() {
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(&sink)
        .registration(named("any", None, None, (0, 1)))
        .registration(named("of a route", Some("POST|/tags"), None, (0, 2)))
        .registration(named("of a route that never comes", Some("PUT|/tags"), None, (0, 3)))
        .registration(named("of a deletion", None, Some("deletion"), (0, 4)))
        .registration(named("hidden by the first", None, None, (-1, 5)))
        .build()
        .unwrap();
    let unmatched = || audit.stats().unmatched_formatters;
    let at =
        |lines: &[u32]| lines.iter().map(|line| format!("Named at formatters.rs:{line}")).collect::<Vec<_>>();
    assert_eq!(unmatched(), at(&[1, 2, 3, 4, 5]));

    let db = audit.connect(database.bare.clone()).await.unwrap();
    let new_tag = || tag::ActiveModel { name: Set("hot".to_owned()), ..Default::default() };
    new_tag().insert(&db).await.unwrap();
    assert_eq!(unmatched(), at(&[2, 3, 4, 5]));
    let context = AuditContext::builder().raw_route("POST /tags").build();
    context.scope(new_tag().insert(&db)).await.unwrap();
    new_item("of another model").insert(&db).await.unwrap();
    assert_eq!(unmatched(), at(&[3, 4, 5]));
    assert_eq!(Audit::disabled().stats().unmatched_formatters, [""; 0]);
}
