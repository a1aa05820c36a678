//! The routes of an OpenAPI document.

use serde::Serialize;
use serde_json::Value as Json;

use crate::RawRoute;

/// What stands beside methods in a path item is no operation.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// The routes that a document describes, and what is wrong with it.
pub(crate) fn routes(document: &impl Serialize) -> Result<Vec<String>, String> {
    let document = serde_json::to_value(document).map_err(|error| format!("it cannot be read: {error}"))?;
    let version = ["openapi", "swagger"].into_iter().find_map(|key| document.get(key)?.as_str());
    if version.is_none() {
        return Err("it does not say which version of OpenAPI it has".to_owned());
    }
    let paths = match document.get("paths") {
        None => return Ok(Vec::new()),
        Some(Json::Object(paths)) => paths,
        Some(_) => return Err("its `paths` are no map".to_owned()),
    };
    let mut routes = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        let Some(item) = item.as_object() else { return Err(format!("its path `{path}` is no map")) };
        let additional = item.get("additionalOperations").and_then(Json::as_object);
        let methods = item.keys().filter(|key| METHODS.contains(&key.as_str()));
        for method in methods.chain(additional.into_iter().flat_map(serde_json::Map::keys)) {
            let method = method.to_uppercase();
            let route = RawRoute::new(&method, path).map_err(|error| error.to_string())?;
            routes.push(route.as_str().to_owned());
        }
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operation_is_a_route_and_nothing_else_is() {
        let document = json!({
            "openapi": "3.1.0",
            "paths": {
                "/items": { "summary": "all", "get": {}, "post": {}, "parameters": [], "x-internal": {} },
                "/items/{id}": { "patch": {}, "servers": [], "additionalOperations": { "PURGE": {} } },
                "x-extension": { "get": {} },
            },
        });
        let mut found = routes(&document).unwrap();
        found.sort();
        assert_eq!(found, ["GET|/items", "PATCH|/items/:id", "POST|/items", "PURGE|/items/:id"]);
        assert_eq!(routes(&json!({ "openapi": "3.1.0" })).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_document_says_why() {
        for (document, part) in [
            (json!("openapi"), "which version"),
            (json!({ "paths": {} }), "which version"),
            (json!({ "openapi": "3.1.0", "paths": [] }), "`paths` are no map"),
            (json!({ "openapi": "3.1.0", "paths": { "/a": 1 } }), "`/a` is no map"),
            (json!({ "openapi": "3.1.0", "paths": { "/a/{b": { "get": {} } } }), "never closed"),
        ] {
            let error = routes(&document).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
