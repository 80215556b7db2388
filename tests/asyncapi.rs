//! The AsyncAPI document against the dialects: every recorded message fits the schema of its `type` and names no field
//! that the schema lacks, every described message is recorded, and every `type` that a decoder knows is described.

use std::{collections::BTreeSet, fs, path::Path};

use convene::{
    dialects::{asyncapi, channel, workspace},
    disconnect::Disconnect,
};
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(asyncapi::text()).unwrap()
}

/// The messages of a dialect in one direction, by key and `type`.
fn described<'a>(document: &'a Value, dialect: &str, sender: &str) -> Vec<(&'a str, &'a Value)> {
    let messages = document["components"]["messages"].as_object().unwrap();
    let prefix = format!("{dialect}.{sender}.");
    let own = messages.iter().filter_map(|(key, message)| Some((key.strip_prefix(&prefix)?, message)));
    own.inspect(|(name, message)| assert_eq!(message["name"], *name)).collect()
}

/// The recorded messages of a dialect in one direction: file and message.
fn recorded(dialect: &str, sender: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(dialect).join(sender);
    let files = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let message = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.display().to_string(), message)
    });
    read.collect()
}

/// Fields that no schema names. Where a schema names none at all, any may stand.
fn unnamed(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    match (value, schema["properties"].as_object()) {
        (Value::Object(fields), Some(properties)) => {
            for (name, value) in fields {
                match properties.get(name) {
                    Some(schema) => unnamed(schema, value, &format!("{at}.{name}"), found),
                    None => found.push(format!("{at}.{name}")),
                }
            }
        }
        (Value::Array(values), _) => values.iter().for_each(|value| unnamed(&schema["items"], value, at, found)),
        (value, _) => {
            let fits = |choice: &&Value| jsonschema::draft7::is_valid(choice, value);
            let choices = schema["oneOf"].as_array().into_iter().flatten();
            choices.filter(fits).for_each(|choice| unnamed(choice, value, at, found));
        }
    }
}

fn check_transcripts(dialect: &str) {
    let document = document();
    for sender in ["client", "server"] {
        let described = described(&document, dialect, sender);
        let mut seen = BTreeSet::new();
        for (file, message) in recorded(dialect, sender) {
            let kind = message["type"].as_str().unwrap();
            if dialect == "workspace" && sender == "server" && ANNOUNCED.contains(&kind) {
                continue;
            }
            let schema =
                described.iter().find(|(name, _)| *name == kind).unwrap_or_else(|| panic!("{file}: not described"));
            let schema = &schema.1["payload"];
            if let Err(why) = jsonschema::draft7::validate(schema, &message) {
                panic!("{file}: {why} at {}", why.instance_path());
            }
            let mut found = Vec::new();
            unnamed(schema, &message, kind, &mut found);
            assert!(found.is_empty(), "{file} has fields that are not described: {found:?}");
            let others = described.iter().filter(|(name, _)| *name != kind);
            for (name, other) in others {
                assert!(!jsonschema::draft7::is_valid(&other["payload"], &message), "{file} is also a {name}");
            }
            seen.insert(kind.to_owned());
        }
        let silent: Vec<_> = described.iter().map(|(name, _)| *name).filter(|name| !seen.contains(*name)).collect();
        assert!(silent.is_empty(), "{dialect}: no {sender} was ever recorded to say {silent:?}");
    }
}

/// An administrator's words with a `type` of their own reach workspaces as they are: the document can't know them.
const ANNOUNCED: [&str; 2] = ["direct_message", "system_announcement"];

#[test]
fn what_was_recorded_of_channels_is_what_is_described() {
    check_transcripts("channel");
}

#[test]
fn what_was_recorded_of_workspaces_is_what_is_described() {
    check_transcripts("workspace");
}

#[test]
fn what_decoders_know_is_described_and_nothing_else_is() {
    let document = document();
    let known: [(&str, &[&str]); 2] = [("channel", &channel::TYPES), ("workspace", &workspace::TYPES)];
    for (dialect, types) in known {
        let described: BTreeSet<_> =
            described(&document, dialect, "client").into_iter().map(|(name, _)| name).collect();
        assert_eq!(described, types.iter().copied().collect(), "{dialect}");
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

#[test]
fn every_schema_is_one_and_every_reference_leads_somewhere() {
    let document = document();
    for (key, message) in document["components"]["messages"].as_object().unwrap() {
        assert!(jsonschema::draft7::meta::is_valid(&message["payload"]), "{key}");
    }
    for operation in document["operations"].as_object().unwrap().values() {
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        for message in operation["messages"].as_array().unwrap() {
            let target = message["$ref"].as_str().unwrap();
            assert!(target.starts_with(&format!("{channel}/messages/")), "{target}");
            // keys hold dots and no slashes, so that pointers need no escapes
            let found = document.pointer(target.trim_start_matches('#')).and_then(|found| found["$ref"].as_str());
            let found = found.unwrap_or_else(|| panic!("{target} leads nowhere"));
            assert!(document.pointer(found.trim_start_matches('#')).is_some(), "{found} leads nowhere");
        }
    }
}
