//! Compares the document with the routes: neither may contain anything that the other lacks.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use actix_web::{App, http::Method};
use serde_json::Value;

use super::{configure_asyncapi, document, schemas};
use crate::{
    core::sheet::{CellRange, CellRef},
    http,
};

thread_local! {
    /// Every route that was registered on this thread, with its path and methods.
    static REGISTERED: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records a route. Called by `http::resource`, which creates all REST routes.
pub fn registered<'a>(path: &str, methods: impl Iterator<Item = &'a Method>) {
    REGISTERED.with_borrow_mut(|routes| routes.extend(methods.map(|method| (path.to_owned(), method.to_string()))));
}

/// Routes that are not described.
const EXCUSED: [(&str, &str); 3] = [
    // HEAD for load balancers: the same status as GET, without the body.
    ("/healthz", "HEAD"),
    ("/readyz", "HEAD"),
    ("/api/v1/ws/health", "HEAD"),
];

fn parsed() -> Value {
    serde_json::from_str(document()).unwrap()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &'_ Value)| -> Vec<(String, String)> {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())).collect()
    };
    let names: Vec<_> = paths.iter().flat_map(of).collect();
    names
        .into_iter()
        .map(|(path, method)| (path.clone(), method.to_uppercase(), &document["paths"][&path][&method]))
        .collect()
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let _app = App::new().configure(http::configure).configure(|config| configure_asyncapi(config, "{}"));
    let routes = REGISTERED.take();
    let document = parsed();
    let described: BTreeSet<_> = operations(&document).into_iter().map(|(path, method, _)| (path, method)).collect();
    assert!(routes.len() > 20, "the routes were not recorded: {routes:?}");
    let excused = BTreeSet::from(EXCUSED.map(|(path, method)| (path.to_owned(), method.to_owned())));
    let missing: BTreeSet<_> = routes.difference(&described).cloned().collect();
    let invented: Vec<_> = described.difference(&routes).collect();
    assert_eq!(missing, excused, "routes that are not described");
    assert!(invented.is_empty(), "described routes that do not exist: {invented:?}");
}

/// A route created without `resource` would not be recorded.
#[test]
fn every_route_is_made_by_resource() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    // `resource` itself, the pages, and this file.
    let excused = ["mod.rs", "page.rs", "openapi/tests.rs"].map(|name| root.join(name));
    let (mut waiting, mut seen) = (vec![root], 0);
    while let Some(folder) = waiting.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !excused.contains(&path) {
                let text = std::fs::read_to_string(&path).unwrap();
                for way in ["web::resource(", "web::scope(", ".route("] {
                    assert!(!text.contains(way), "{} makes a route by {way}", path.display());
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "only {seen} files were found");
}

#[test]
fn every_operation_says_what_it_is_for_and_what_it_answers() {
    let document = parsed();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let tags: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeMap::new();
    for (path, method, operation) in operations(&document) {
        let name = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{name} has no tag of the document's");
        let double = ids.insert(operation["operationId"].as_str().unwrap(), name.clone());
        assert_eq!(double, None, "{name} has the same operationId");
        let named: BTreeSet<_> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: Vec<_> =
            parameters.filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(described.len(), named.len(), "{name} describes {described:?}");
        assert!(described.iter().all(|one| named.contains(one)), "{name} describes {described:?}");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            // A response to HEAD has no body, nor has an unsatisfiable range.
            let error = status.starts_with(['4', '5']) && status != "416" && method != "HEAD";
            assert!(!error || answer["content"]["application/json"].is_object(), "{name}: {status} has no body");
            assert!(method != "HEAD" || answer["content"].is_null(), "{name}: {status} has a body");
            assert!(
                answer["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {status} has no description"
            );
        }
        let secured = operation.get("security").is_none();
        assert_eq!(secured, operation["responses"].get("401").is_some() && !is_public(&path), "{name}");
    }
}

/// The routes that need no token in a header.
fn is_public(path: &str) -> bool {
    ["/api/auth/login", "/api/auth/refresh", "/api/auth/logout"].contains(&path)
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(target)) => drop(found.insert(target.clone())),
                _ => references(value, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = parsed();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Error"));
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

/// The server must accept as `after` every place that it returns as `next`.
#[test]
fn places_are_described_as_they_are_read() {
    let takes = |schema: utoipa::openapi::Object, text: &str| {
        let schema = serde_json::to_value(schema).unwrap();
        jsonschema::is_valid(&schema, &Value::from(text))
    };
    let columns =
        ["A", "z", "AA", "ZZ", "AAA", "wzz", "WZZ", "XAA", "XEZ", "XFA", "XFD", "xfd", "XFE", "XGA", "XZZ", "YAA"];
    let rows = ["0", "1", "9", "10", "007", "0000001", "00000001", "99999", "999999", "1000000", "1039999", "1040000"];
    let last_rows = ["1047999", "1048000", "1048499", "1048500", "1048569", "1048570", "1048576", "1048577", "1048580"];
    for column in columns {
        for row in rows.iter().chain(&last_rows) {
            let place = format!("{column}{row}");
            assert_eq!(takes(schemas::cell_place(), &place), place.parse::<CellRef>().is_ok(), "{place}");
            for range in [place.clone(), format!("{place}:B2"), format!("B2:{place}"), format!("{row}:{row}")] {
                assert_eq!(takes(schemas::cell_range(), &range), range.parse::<CellRange>().is_ok(), "{range}");
            }
        }
        let range = format!("{column}:{column}");
        assert_eq!(takes(schemas::cell_range(), &range), range.parse::<CellRange>().is_ok(), "{range}");
    }
    for range in ["", "A", "1", "A1:", ":A1", "A1:B", "A:1", "A1:2", "A1:B2:C3"] {
        assert!(!takes(schemas::cell_range(), range) && range.parse::<CellRange>().is_err(), "{range}");
    }
}
