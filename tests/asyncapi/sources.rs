//! The field names in the dialects' sources against those in the schemas, both ways: what a decoder reads or an encoder
//! writes is described, and what is described is read or written, recorded or not.

use std::{collections::BTreeSet, fs, path::Path};

use convene::dialects::DialectKind;
use serde_json::Value;

use super::{described, document};

/// A source file of the dialects, without its comments.
fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    text.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Every call whose first argument is a text of one word: the function's name and the text.
fn calls(source: &str) -> Vec<(&str, &str)> {
    let call = |(at, _): (usize, &str)| {
        let function = &source[source[..at].trim_end_matches(is_word).len()..at];
        let argument = source[at + 1..].trim_start().strip_prefix('"')?;
        let word = &argument[..argument.find('"')?];
        (!function.is_empty() && !word.is_empty() && word.chars().all(is_word)).then_some((function, word))
    };
    source.match_indices('(').filter_map(call).collect()
}

/// The methods that write a field, whose name they take first.
fn writers() -> BTreeSet<String> {
    let source = source("json.rs");
    let flat = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let functions = flat.split("pub fn ").skip(1).map(|rest| rest.split('{').next().unwrap());
    let own = functions.filter(|signature| signature.contains("name: &'static str"));
    own.map(|signature| signature.split(|c| !is_word(c)).next().unwrap().to_owned()).collect()
}

/// What a dialect's encoder writes.
fn written(dialect: DialectKind) -> BTreeSet<String> {
    let writers = writers();
    assert!(writers.contains("text") && writers.contains("objects"), "{writers:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects").join(dialect.name());
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let own = files.filter(|file| !file.ends_with("_tests.rs") && file != "description.rs" && file != "decode.rs");
    let files = own.map(|file| format!("{}/{file}", dialect.name())).chain(["flat.rs".to_owned()]);
    let names = |file: String| -> Vec<String> {
        let source = source(&file);
        calls(&source).into_iter().filter(|(by, _)| writers.contains(*by)).map(|(_, name)| name.to_owned()).collect()
    };
    files.flat_map(names).collect()
}

/// What a dialect's decoder reads.
fn read(dialect: DialectKind) -> BTreeSet<String> {
    let own = source(&format!("{}/decode.rs", dialect.name()));
    match dialect {
        // it takes its messages apart by itself: the names are those of an enum
        DialectKind::Channel => {
            let names = own.split("enum Name {").nth(1).unwrap().split('}').next().unwrap();
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.starts_with("#["));
            names.map(snake_case).collect()
        }
        DialectKind::Workspace => {
            assert!(own.contains(".reference()") && source("message.rs").contains(".get(\"ref\")"));
            // whatever the function: a reader, or one of the decoder's own that hands the name on
            let names = calls(&own).into_iter().map(|(_, name)| name.to_owned());
            names.chain(["ref".to_owned()]).collect()
        }
    }
}

fn snake_case(name: &str) -> String {
    let underscored = |(at, c): (usize, char)| {
        let start = at > 0 && c.is_ascii_uppercase();
        start.then_some('_').into_iter().chain([c.to_ascii_lowercase()])
    };
    name.char_indices().flat_map(underscored).collect()
}

/// The names of all properties in a schema, at any depth.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            found.extend(
                fields.get("properties").and_then(Value::as_object).into_iter().flat_map(|own| own.keys().cloned()),
            );
            fields.values().for_each(|value| names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn in_schemas(document: &Value, dialect: DialectKind, sender: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    described(document, dialect, sender).into_iter().for_each(|(_, message)| names(&message["payload"], &mut found));
    found
}

#[test]
fn what_encoders_write_is_described() {
    let document = document();
    for dialect in DialectKind::ALL {
        assert_eq!(written(dialect), in_schemas(&document, dialect, "server"), "{}", dialect.name());
    }
}

#[test]
fn what_decoders_read_is_described() {
    let document = document();
    for dialect in DialectKind::ALL {
        let described = in_schemas(&document, dialect, "client");
        assert_eq!(read(dialect), described, "{}", dialect.name());
    }
}

#[test]
fn names_are_found_in_sources() {
    let text = "object.text(\"type\", x).maybe(y, |o, y| o.plain(\n  \"id\", y)); word(\"two words\"); [\"list\"]; f(1, \"b\")";
    assert_eq!(calls(text), [("text", "type"), ("plain", "id")]);
    assert_eq!(snake_case("TargetUserId"), "target_user_id");
}
