//! Compares the described messages with the recorded ones: every recorded message matches the schema of its `type` and
//! has no field that the schema lacks; every described message, property and enum value was recorded.

use std::{collections::BTreeSet, fs, path::Path};

use convene::{dialects::DialectKind, error::ErrorCode};
use serde_json::{Value, json};

use super::{described, document};

/// The recorded messages of a dialect in one direction: file and message.
fn recorded(dialect: DialectKind, sender: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(dialect.name()).join(sender);
    let files = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let message = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.display().to_string(), message)
    });
    read.collect()
}

/// The name of a message in the document: its `type`; in the metaverse dialect that of an answer is the type of the request,
/// and that of a refusal `failed`.
fn name_of(dialect: DialectKind, message: &Value) -> &str {
    let name = match (dialect, message["status"].as_str()) {
        (DialectKind::Metaverse, Some("failed")) => &message["status"],
        (DialectKind::Metaverse, Some(_)) => &message["requestType"],
        (dialect, _) => &message[dialect.options().discriminator],
    };
    name.as_str().unwrap()
}

/// An administrator's broadcast with its own `type` is passed to workspaces unchanged, so the document can't describe
/// it.
fn is_announced(dialect: DialectKind, sender: &str, kind: &str) -> bool {
    let own = ["direct_message", "system_announcement"].contains(&kind);
    dialect == DialectKind::Workspace && sender == "server" && own
}

/// The alternatives of a schema, if any.
fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"].into_iter().filter_map(|name| schema[name].as_array()).flatten()
}

/// Fields that no schema names. A schema without properties allows any field.
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
        // A field is named if any of the matching alternatives names it.
        (value, _) => {
            let fits = choices(schema).filter(|choice| jsonschema::draft7::is_valid(choice, value));
            let unnamed_by_each = fits.map(|choice| {
                let mut found = Vec::new();
                unnamed(choice, value, at, &mut found);
                found
            });
            found.extend(unnamed_by_each.min_by_key(Vec::len).unwrap_or_default());
        }
    }
}

/// The parts of a schema: its properties by path, and each value of each enum.
#[derive(Default)]
struct Parts {
    properties: BTreeSet<String>,
    words: BTreeSet<(String, String)>,
}

impl Parts {
    /// Adds all parts of a schema; with a value, only those that occur in the value.
    fn add(&mut self, schema: &Value, value: Option<&Value>, at: &str) {
        for word in schema["enum"].as_array().into_iter().flatten().filter(|word| value.is_none_or(|v| v == *word)) {
            self.words.insert((schema["enum"].to_string(), word.to_string()));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let inside = value.map(|value| value.get(name));
            if inside != Some(None) {
                let at = format!("{at}.{name}");
                self.add(property, inside.flatten(), &at);
                self.properties.insert(at);
            }
        }
        match value {
            None => schema.get("items").into_iter().for_each(|items| self.add(items, None, at)),
            Some(value) => {
                let values = value.as_array().into_iter().flatten();
                values.for_each(|value| self.add(&schema["items"], Some(value), at));
            }
        }
        for choice in choices(schema) {
            if value.is_none_or(|value| jsonschema::draft7::is_valid(choice, value)) {
                self.add(choice, value, at);
            }
        }
    }
}

#[test]
fn what_was_recorded_is_what_is_described() {
    let document = document();
    for (dialect, sender) in DialectKind::with_json().flat_map(|dialect| [(dialect, "client"), (dialect, "server")]) {
        let described = described(&document, dialect, sender);
        for (file, message) in recorded(dialect, sender) {
            let kind = name_of(dialect, &message);
            if is_announced(dialect, sender, kind) {
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
        }
    }
}

#[test]
fn what_is_described_was_recorded() {
    let document = document();
    let (mut all, mut seen) = (Parts::default(), Parts::default());
    for (dialect, sender) in DialectKind::with_json().flat_map(|dialect| [(dialect, "client"), (dialect, "server")]) {
        let recorded = recorded(dialect, sender);
        for (name, message) in described(&document, dialect, sender) {
            let at = format!("{}.{sender}.{name}", dialect.name());
            all.add(&message["payload"], None, &at);
            let own = recorded.iter().filter(|(_, message)| name_of(dialect, message) == name);
            own.for_each(|(_, one)| seen.add(&message["payload"], Some(one), &at));
        }
    }
    // what many client messages take is read in one place, whatever the message is
    let is_read = |at: &str| at.contains(".client.") && (at.ends_with(".ref") || at.ends_with(".client_message_id"));
    // as all answers of the metaverse dialect have, and all its invites
    let of_all = [".ref", ".decidedAt", ".template"];
    let is_written = |at: &str| at.starts_with("metaverse.server.") && of_all.iter().any(|end| at.ends_with(end));
    let is_shared = |at: &str| is_read(at) || is_written(at);
    let silent: Vec<_> = all.properties.difference(&seen.properties).filter(|at| !is_shared(at)).collect();
    assert!(silent.is_empty(), "never recorded: {silent:#?}");
    // the table of errors is one for all that can be refused, and the reference is compared with it
    let errors = json!(ErrorCode::ALL.map(ErrorCode::name)).to_string();
    // null is accepted for each optional word, like a field that is absent
    let is_checked = |words: &str, word: &str| words != errors && word != "null";
    let silent: Vec<_> = all.words.difference(&seen.words).filter(|(words, word)| is_checked(words, word)).collect();
    assert!(silent.is_empty(), "words that were never recorded: {silent:#?}");
}
