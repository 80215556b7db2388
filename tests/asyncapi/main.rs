//! The AsyncAPI document is valid, contains every endpoint, dialect and close code of the server, and its messages are
//! those of the recordings (`messages.rs`). The schemas are derived from the types that decode and encode, so they
//! match the code.

mod messages;

use std::collections::BTreeSet;

use convene::{
    dialects::{ClientMessage, DialectKind, asyncapi, endpoints::Endpoint},
    disconnect::Disconnect,
    error::ErrorCode,
};
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(asyncapi::text()).unwrap()
}

/// The messages of a dialect in one direction, by `type`.
fn described<'a>(document: &'a Value, dialect: DialectKind, sender: &str) -> Vec<(&'a str, &'a Value)> {
    let messages = document["components"]["messages"].as_object().unwrap();
    let prefix = format!("{}.{sender}.", dialect.name());
    let own = messages.iter().filter_map(|(key, message)| Some((key.strip_prefix(&prefix)?, message)));
    own.inspect(|(name, message)| assert_eq!(message["name"], *name)).collect()
}

#[test]
fn it_is_asyncapi() {
    let official: Value = serde_json::from_str(include_str!("3.0.0.json")).unwrap();
    let official = jsonschema::draft7::new(&official).unwrap();
    let document = document();
    let wrong: Vec<_> = official.iter_errors(&document).map(|why| format!("{}: {why}", why.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut broken = document;
    broken["channels"]["channel"]["addresses"] = "/".into();
    assert!(!official.is_valid(&broken), "the official schema takes anything");
    for (key, message) in broken["components"]["messages"].as_object().unwrap() {
        assert!(jsonschema::draft7::meta::is_valid(&message["payload"]), "{key}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for needed in ["#/servers/here", "#/components/securitySchemes/bearer", "#/channels/direct"] {
        assert!(found.contains(needed), "{needed}");
    }
    for target in found {
        // Keys contain dots but no slashes, so pointers need no escapes.
        assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target} leads nowhere");
    }
}

#[test]
fn every_message_of_a_channel_is_in_one_of_its_operations() {
    let document = document();
    let mut in_channels = BTreeSet::new();
    for (name, channel) in document["channels"].as_object().unwrap() {
        let own = format!("#/channels/{name}");
        let listed: BTreeSet<_> =
            channel["messages"].as_object().unwrap().keys().map(|key| format!("{own}/messages/{key}")).collect();
        let operations = document["operations"].as_object().unwrap().values();
        let operations = operations.filter(|operation| operation["channel"]["$ref"] == own);
        let spoken = operations.flat_map(|operation| operation["messages"].as_array().unwrap());
        let spoken: BTreeSet<_> = spoken.map(|message| message["$ref"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, spoken, "{name}");
        in_channels.extend(channel["messages"].as_object().unwrap().keys());
    }
    let messages: BTreeSet<_> = document["components"]["messages"].as_object().unwrap().keys().collect();
    assert_eq!(in_channels, messages);
}

/// The names of an enum's variants, from an exhaustive match.
macro_rules! names {
    ($what:ident: $($variant:ident $name:literal)*) => {{
        fn name_of(it: &$what) -> &'static str {
            match it {
                $($what::$variant { .. } => $name,)*
            }
        }
        (BTreeSet::from([$($name),*]), name_of as fn(&$what) -> &'static str)
    }};
}

#[test]
fn every_endpoint_is_a_channel_of_its_dialect() {
    let (mut names, name_of) = names! {
        Endpoint: Channel "channel" Direct "direct" Workspace "workspace" Nexus "nexus" Yjs "yjs" Hocuspocus "hocuspocus" Canvas "canvas" Metaverse "metaverse"
    };
    // described elsewhere
    names.remove("yjs");
    names.remove("hocuspocus");
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    assert_eq!(channels.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for (name, channel) in channels {
        let address = channel["address"].as_str().unwrap();
        let parameters = channel["parameters"].as_object().unwrap();
        let some = parameters.keys().fold(address.to_owned(), |address, parameter| {
            let value = if parameter == "canvas_id" { "7" } else { "0198c5a0-0000-7000-8000-000000000001" };
            address.replace(&format!("{{{parameter}}}"), value)
        });
        let endpoint = Endpoint::of_path(&some).unwrap();
        assert_eq!(name_of(&endpoint), name, "{address}");
        let prefix = format!("{}.", endpoint.dialect().name());
        assert!(channel["messages"].as_object().unwrap().keys().all(|key| key.starts_with(&prefix)), "{name}");
    }
}

#[test]
fn every_dialect_is_in_the_list() {
    let (names, name_of) = names! {
        DialectKind: Channel "channel" Workspace "workspace" Nexus "nexus" Canvas "canvas" Yjs "yjs" Hocuspocus "hocuspocus" Metaverse "metaverse"
    };
    for (place, dialect) in DialectKind::ALL.into_iter().enumerate() {
        assert_eq!((dialect as usize, dialect.name()), (place, name_of(&dialect)));
    }
    assert_eq!(names, DialectKind::ALL.map(DialectKind::name).into());
}

#[test]
fn what_is_described_is_understood() {
    let document = document();
    for dialect in DialectKind::with_json() {
        let code = |kind: &str| {
            let text = format!("{{\"{}\":\"{kind}\"}}", dialect.options().discriminator);
            dialect.dialect().decode(ClientMessage::Text(&text)).err().map(|rejection| rejection.refusal.code)
        };
        assert_eq!(code("no_such_message"), Some(ErrorCode::UnknownMessageType));
        for (name, _) in described(&document, dialect, "client") {
            assert_ne!(code(name), Some(ErrorCode::UnknownMessageType), "{} {name}", dialect.name());
        }
    }
}

#[test]
fn the_close_codes_are_the_servers() {
    let document = document();
    let described = document["x-close-codes"].as_object().unwrap();
    assert_eq!(described.len(), Disconnect::ALL.len());
    for why in Disconnect::ALL {
        assert_eq!(described[&why.code().to_string()]["reason"], why.reason());
    }
}
