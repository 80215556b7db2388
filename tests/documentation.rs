//! Compares the documentation with the server: tables of codes and limits, and every example of a socket message.

use std::{collections::BTreeSet, fs, path::Path};

use convene::{dialects::DialectKind, disconnect::Disconnect, error::ErrorCode, limits};
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The text under a heading, up to the next heading of any level.
fn section<'a>(reference: &'a str, heading: &str) -> &'a str {
    let start = reference.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading '{heading}'"));
    let rest = &reference[start + heading.len() + 2..];
    rest.find("\n#").map_or(rest, |end| &rest[..end])
}

/// The rows of the last table in a text without its header; cells are trimmed and without backticks.
fn table(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let mut rows: Vec<Vec<String>> = rows
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
        .collect();
    let head = rows.iter().rposition(|row| row.iter().all(|cell| cell.trim_matches('-').is_empty())).expect("a table");
    rows.split_off(head + 1)
}

#[test]
fn the_close_codes_are_the_servers() {
    let reference = read("docs/protocol.md");
    let written = table(section(&reference, "## Close codes")).into_iter().map(|row| (row[0].clone(), row[1].clone()));
    let ours = Disconnect::ALL.map(|why| (why.code().to_string(), why.reason().to_owned()));
    assert_eq!(written.collect::<Vec<_>>(), ours);
}

#[test]
fn the_error_codes_are_the_servers() {
    let reference = read("docs/protocol.md");
    let written = table(section(&reference, "## Errors")).into_iter().map(|row| (row[0].clone(), row[1].clone()));
    let ours = ErrorCode::ALL.map(|code| (code.name().to_owned(), code.row().http_status.to_string()));
    assert_eq!(written.collect::<Vec<_>>(), ours);
}

#[test]
fn the_limits_are_the_servers() {
    let reference = read("docs/protocol.md");
    let written = table(section(&reference, "## Limits"));
    let limit_of = |what: &str| {
        let row = written.iter().find(|row| row[0].contains(what)).unwrap_or_else(|| panic!("no limit of '{what}'"));
        row[1].clone()
    };
    let numbers = |what: &str| -> Vec<usize> {
        let text = limit_of(what).replace(',', "");
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let page = [limits::PAGE_MESSAGES_DEFAULT, limits::PAGE_MESSAGES_MAX].map(|most| most as usize);
    let kept_hours = limits::CLIENT_MESSAGES_KEPT.as_secs() as usize / 3600;
    let span = |range: std::ops::RangeInclusive<usize>| vec![*range.start(), *range.end()];
    for (what, ours) in [
        ("a message on a socket", vec![limits::MESSAGE_CHARS_MAX, limits::MESSAGE_BYTES_MAX]),
        ("a chat text", vec![limits::CHAT_CHARS_MAX]),
        ("ref", vec![limits::REF_BYTES_MAX]),
        ("client_message_id", vec![limits::CLIENT_MESSAGE_ID_CHARS_MAX, kept_hours]),
        ("nesting", vec![limits::JSON_DEPTH_MAX]),
        ("a REST body", vec![limits::REST_BODY_BYTES_MAX]),
        ("a user id", vec![limits::USER_ID_CHARS_MAX]),
        ("a user name", span(limits::USERNAME_CHARS)),
        ("a password", span(limits::PASSWORD_CHARS)),
        ("a display name", vec![limits::DISPLAY_NAME_CHARS_MAX]),
        ("group's name", vec![limits::ROOM_NAME_CHARS_MAX]),
        ("description", vec![limits::DESCRIPTION_CHARS_MAX]),
        ("wait for an absent user", vec![limits::OFFLINE_QUEUE_MAX]),
        ("kept for recovery", vec![limits::RECOVERY_EVENTS_MAX, limits::REPLAY_BYTES_MAX]),
        ("online_users", vec![limits::ONLINE_USERS_LISTED_MAX]),
        ("a page of history", page.to_vec()),
        ("a page of a search", [limits::PAGE_FOUND_DEFAULT, limits::PAGE_FOUND_MAX].map(|most| most as usize).to_vec()),
        ("a search query", vec![limits::SEARCH_QUERY_CHARS_MAX, limits::SEARCH_TERMS_MAX, limits::SEARCH_ATOMS_MAX]),
        ("a sheet", vec![limits::SHEET_ROWS_MAX as usize, limits::SHEET_COLUMNS_MAX as usize]),
        ("cells in one update", vec![limits::CELLS_PER_UPDATE_MAX]),
        ("a cell's text", vec![limits::CELL_TEXT_CHARS_MAX, limits::FORMULA_CHARS_MAX]),
        ("a number in a cell", vec![limits::NUMBER_CHARS_MAX]),
        ("cells of a conflict", vec![limits::CONFLICT_BYTES_FULL]),
        ("cells in a page", vec![limits::PAGE_CELLS_DEFAULT, limits::PAGE_CELLS_MAX]),
        ("fields in a sheet", vec![limits::SHEET_FIELDS_MAX as usize]),
        ("files that go with a message", vec![limits::ATTACHMENTS_MAX]),
        ("a file's name", vec![limits::FILE_NAME_CHARS_MAX]),
        ("files in a page", limits::PAGE_FILES.map(|most| most as usize).to_vec()),
        ("requests that bring one file", vec![limits::FILE_PARTS_MAX]),
        ("call's id", vec![limits::CALL_ID_CHARS_MAX]),
        ("calls of one socket", vec![limits::CALLS_PER_SOCKET_MAX]),
    ] {
        assert_eq!(numbers(what), ours, "{what}: {}", limit_of(what));
    }
    let owed = numbers("slow client");
    assert!(owed.contains(&limits::OUTBOX_DURABLE_BYTES_MAX) && owed.contains(&limits::OUTBOX_EPHEMERAL_BYTES_MAX));
}

/// Every JSON value in the blocks marked as `json`.
fn examples(reference: &str) -> Vec<Value> {
    let blocks = reference.split("\n```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks
        .flat_map(|block| {
            let values = serde_json::Deserializer::from_str(block).into_iter::<Value>();
            values.map(|value| value.unwrap_or_else(|error| panic!("{error} in {block}"))).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_message_is_shown_and_every_example_is_a_message() {
    let mut recorded = BTreeSet::new();
    let folders = DialectKind::with_json().flat_map(|dialect| [(dialect, "client"), (dialect, "server")]);
    for folder in folders.map(|(dialect, sender)| format!("tests/transcripts/{}/{sender}", dialect.name())) {
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            recorded.insert(serde_json::from_str::<Value>(&text).unwrap().to_string());
        }
    }
    let shown = ["docs/protocol.md", "docs/workspace.md", "docs/nexus.md", "docs/canvas.md", "docs/metaverse.md"]
        .map(|reference| examples(&read(reference)));
    let shown: BTreeSet<_> = shown.iter().flatten().map(Value::to_string).collect();
    let not_shown: Vec<_> = recorded.difference(&shown).collect();
    let not_recorded: Vec<_> = shown.difference(&recorded).collect();
    assert!(
        not_shown.is_empty() && not_recorded.is_empty(),
        "not shown: {not_shown:#?}\nnot recorded: {not_recorded:#?}"
    );
}

/// ARCHITECTURE.md lists exactly the crates that the project depends on.
#[test]
fn the_choice_of_parts_is_that_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let crates = |section: &str| -> Vec<String> {
        let lines = manifest.split(&format!("\n[{section}]\n")).nth(1).unwrap().lines();
        let own = lines.take_while(|line| !line.starts_with('['));
        own.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
    };
    let used: BTreeSet<_> = crates("dependencies").into_iter().chain(crates("dev-dependencies")).collect();
    let chosen = read("ARCHITECTURE.md");
    let chosen = section(&chosen, "## Choice of parts");
    let given = chosen.split(" were given").next().unwrap().replace(" and ", ", ");
    let rows = table(chosen).into_iter().map(|row| row[0].trim_start_matches("dev: ").to_owned());
    let named: Vec<String> = rows.chain([given]).collect();
    let names = named.iter().flat_map(|names| names.split(", "));
    let names: BTreeSet<_> = names.map(|name| name.split(" (").next().unwrap().trim().to_owned()).collect();
    assert_eq!(names, used);
}

/// The reference links to the generated documents, and they link to each other.
#[test]
fn the_reference_leads_to_the_documents() {
    let reference = read("docs/protocol.md");
    for path in ["/api/openapi.json", "/api/asyncapi.json", "/api/docs"] {
        assert!(reference.contains(path), "{path}");
        assert!(read("README.md").contains(path), "{path}");
    }
    assert!(convene::http::openapi::document().contains("/api/asyncapi.json"));
    assert!(convene::dialects::asyncapi::text().contains("/api/openapi.json"));
}

#[test]
fn links_within_the_reference_lead_somewhere() {
    let reference = read("docs/protocol.md");
    let anchors: BTreeSet<String> = reference
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-").replace('\'', ""))
        .collect();
    let dialects = ["docs/workspace.md", "docs/nexus.md"].map(read);
    let from_dialects = dialects.iter().flat_map(|page| page.split("](protocol.md#").skip(1));
    let links = reference.split("](#").skip(1).chain(from_dialects);
    for target in links.map(|rest| rest.split(')').next().unwrap()) {
        assert!(anchors.contains(target), "no heading for #{target}");
    }
}
