//! The house rules that a reader would otherwise have to hold in mind: which room of the house may use which, how long
//! a file and a function may be, and what is banned (ARCHITECTURE.md).
//!
//! An exception to a length needs a reason on the spot: a comment `// tidy: <reason>` on the function's line or the
//! one before it, or within the first lines of a file. A panic outside tests needs a comment that proves it cannot
//! happen, on the same line or directly above the statement.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const EXCEPTION: &str = "// tidy: ";
const TEST_ONLY: &str = "#[cfg(test)]";

/// What every room may use: the shared vocabulary.
const VOCABULARY: [&str; 4] = ["ids", "error", "disconnect", "limits"];

/// A room of the house: its folder under `src/`, the modules of this crate (or single submodules, `a::b`) that it may
/// use beside the vocabulary, and what must not be named in it at all.
struct Room {
    folder: &'static str,
    may_use: &'static [&'static str],
    banned: &'static [&'static str],
}

/// What single files may name although their room must not, each with its reason.
const EXCUSED: [(&str, &str); 2] = [
    // The form in which nodes speak to each other is nobody else's: the actors around it know words, not JSON.
    ("src/actors/bridge/envelope.rs", "serde_json"),
    ("src/actors/bridge/envelope/form.rs", "serde_json"),
];

/// The rooms, as in ARCHITECTURE.md.
const ROOMS: [Room; 8] = [
    Room {
        folder: "core",
        may_use: &["core"],
        banned: &[
            "actix",
            "actix_web",
            "serde_json",
            "diesel",
            "diesel_async",
            "tokio",
            "log",
            "Instant::now",
            "SystemTime::now",
            "Utc::now",
        ],
    },
    Room {
        folder: "dialects",
        may_use: &["core", "dialects"],
        banned: &["actix", "actix_web", "diesel", "diesel_async", "tokio", "Instant::now", "SystemTime::now"],
    },
    Room { folder: "store", may_use: &["core", "store"], banned: &["actix", "actix_web", "actix_http"] },
    Room {
        folder: "actors",
        // Sessions read and write their sockets themselves; those two modules know no actor.
        may_use: &[
            "core",
            "store",
            "auth",
            "metrics",
            "actors",
            "dialects",
            "config",
            "transport::frame",
            "transport::socket",
        ],
        banned: &["actix_web", "actix_http", "actix_web_actors", "diesel", "diesel_async", "serde_json"],
    },
    Room {
        folder: "transport",
        may_use: &["core", "actors", "dialects", "auth", "metrics", "config", "store", "transport"],
        banned: &["diesel", "diesel_async"],
    },
    Room {
        folder: "services",
        // the actors' messages and addresses, as `http` has them through its gateway
        may_use: &["core", "actors", "store", "auth", "metrics", "config", "services"],
        banned: &["actix_web", "actix_http", "actix_web_actors", "diesel", "diesel_async"],
    },
    Room {
        folder: "http",
        may_use: &["core", "actors", "store", "auth", "services", "metrics", "config", "http"],
        banned: &["diesel", "diesel_async"],
    },
    Room { folder: "config", may_use: &["config"], banned: &["actix", "diesel", "diesel_async"] },
];

/// Banned in `src/`, `tests/` and `examples/`, with what to do instead. The baselines under `benches/` show what this
/// costs, so they may.
const BANS: [(&str, &str); 7] = [
    (".do_send(", "queues without bound: use try_send"),
    ("todo!(", "finish it or leave it out"),
    ("unimplemented!(", "finish it or leave it out"),
    ("#[ignore", "a test runs or is removed"),
    ("thread::sleep", "blocks a thread: wait for a condition"),
    ("AsyncContext::wait", "stops the actor's mailbox: take the answer as a message"),
    ("ctx.wait(", "stops the actor's mailbox: take the answer as a message"),
];

/// A source file: as written, and taken apart, byte for byte in place.
struct Source {
    path: String,
    text: String,
    /// Without comments and literals.
    all_code: String,
    /// The same without unit tests.
    code: String,
    comments: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let (all_code, comments) = split(text);
        let code = blank_tests(&all_code);
        Source { path: path.to_owned(), text: text.to_owned(), all_code, code, comments }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// Whether the line or the one before it excuses a length, with a reason.
    fn has_exception(&self, line: usize) -> bool {
        self.comments.lines().take(line).skip(line.saturating_sub(2)).any(is_exception)
    }
}

fn is_exception(comment: &str) -> bool {
    comment.split_once(EXCEPTION).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Takes a text apart into its code and its comments that are no documentation: in each, all else is blanked, and
/// bytes stay in place. The insides of strings and characters are in neither.
fn split(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let blank = |byte: u8| if byte == b'\n' { b'\n' } else { b' ' };
    let mut code = bytes.to_vec();
    let mut comments: Vec<u8> = bytes.iter().map(|byte| blank(*byte)).collect();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => text[at..].find('\n').map_or(bytes.len(), |length| at + length),
            [b'/', b'*', ..] => text[at..].find("*/").map_or(bytes.len(), |length| at + length + 2),
            [b'r', b'"' | b'#', ..] if !is_word(bytes, at.wrapping_sub(1)) => raw_string_end(text, at),
            [b'"', ..] | [b'\'', b'\\', ..] => string_end(bytes, at),
            // A character, not a lifetime: the quote closes after one character.
            [b'\'', ..] => {
                let character = text[at + 1..].chars().next().map_or(1, char::len_utf8);
                if bytes.get(at + 1 + character) == Some(&b'\'') { at + character + 2 } else { at + 1 }
            }
            _ => at + 1,
        };
        if end > at + 1 {
            code[at..end].iter_mut().for_each(|byte| *byte = blank(*byte));
            let is_comment = bytes[at] == b'/' && !text[at..].starts_with("///") && !text[at..].starts_with("//!");
            if is_comment {
                comments[at..end].copy_from_slice(&bytes[at..end]);
            }
        }
        at = end;
    }
    let whole = |bytes| String::from_utf8(bytes).expect("only whole characters were blanked or kept");
    (whole(code), whole(comments))
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Where the quoted text that starts at `at` ends.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != bytes[at] {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Where the raw string that may start at `at` ends; the next byte when it is none (a raw identifier).
fn raw_string_end(text: &str, at: usize) -> usize {
    let hashes = text[at + 1..].bytes().take_while(|byte| *byte == b'#').count();
    let start = at + 1 + hashes;
    if text.as_bytes().get(start) != Some(&b'"') {
        return at + 1;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    text[start + 1..].find(&closing).map_or(text.len(), |length| start + 1 + length + closing.len())
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) }).collect()
}

/// Blanks the items under `#[cfg(test)]`.
fn blank_tests(code: &str) -> String {
    let mut rest = code.to_owned();
    while let Some(start) = rest.find(TEST_ONLY) {
        let after = &rest[start..];
        let end = match (after.find('{'), after.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                start + block_end(after, open).unwrap_or(after.len())
            }
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => rest.len(),
        };
        rest = format!("{}{}{}", &rest[..start], blank(&rest[start..end]), &rest[end..]);
    }
    rest
}

/// The files that a file declares for tests only (`#[cfg(test)] mod name;`), each as its path without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let declarations = source.all_code.match_indices(TEST_ONLY).filter_map(|(at, _)| {
        let item = source.all_code[at + TEST_ONLY.len()..].split(['{', ';']).next()?;
        let (_, name) = item.rsplit_once("mod ")?;
        Some((at, name.trim().to_owned()))
    });
    declarations
        .map(|(at, name)| {
            // The path of `#[path = "name_tests.rs"]` is a literal, so it is read from the text.
            let item = source.text[at..].split(';').next().unwrap_or_default();
            match item.split_once("#[path = \"").and_then(|(_, rest)| rest.split_once(".rs\"")) {
                Some((file, _)) => format!("{}/{file}", source.path.rsplit_once('/').map_or("", |(folder, _)| folder)),
                None => format!("{folder}/{name}"),
            }
        })
        .collect()
}

/// Where the block that opens at `open` ends, behind its closing brace.
fn block_end(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// All places where `word` stands as a path segment or an identifier of its own.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !is_word(code.as_bytes(), at.wrapping_sub(1)) && !is_word(code.as_bytes(), at + word.len()))
}

/// The paths into this crate that a file names, each with its offset, groups taken apart: `crate::{a, b::{c, d}}`
/// gives `a`, `b::c`, `b::d`.
fn own_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate") {
        if let Some(tree) = code[at..].strip_prefix("crate::") {
            let mut paths = Vec::new();
            expand("", tree, &mut paths);
            found.extend(paths.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Takes the path or the group of paths at the start of `tree` apart.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim_start();
    let plain = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tree.len());
    let path = format!("{prefix}{}", &tree[..plain]);
    if !tree[plain..].starts_with('{') {
        found.push(path);
        return;
    }
    let end = block_end(tree, plain).unwrap_or(tree.len());
    let inside = &tree[plain + 1..end - 1];
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in inside.bytes().enumerate().chain([(inside.len(), b',')]) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&path, &inside[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Which room a file is in: the folder `src/<room>/`, or the file `src/<room>.rs`.
fn room_of(path: &str) -> Option<&'static Room> {
    let inside = path.strip_prefix("src/")?;
    ROOMS
        .iter()
        .find(|room| inside.strip_prefix(room.folder).is_some_and(|rest| rest.starts_with('/') || rest == ".rs"))
}

/// Whether a path is a module or something inside it.
fn is_under(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn check_rooms(source: &Source, dialects: &BTreeSet<String>, report: &mut Vec<String>) {
    let paths = own_paths(&source.code);
    let modules: Vec<_> =
        paths.iter().map(|(at, path)| (at, path.split("::").next().unwrap_or_default(), path)).collect();
    let file = source.path.strip_prefix("src/").and_then(|file| file.strip_suffix(".rs"));
    if file.is_some_and(|file| VOCABULARY.contains(&file)) {
        let foreign = modules.iter().filter(|(_, module, _)| !VOCABULARY.contains(module));
        report.extend(foreign.map(|(at, module, _)| {
            format!("{}:{}: the vocabulary must not know crate::{module}", source.path, source.line_of(**at))
        }));
    }
    let Some(room) = room_of(&source.path) else { return };
    for (at, module, path) in &modules {
        let line = source.line_of(**at);
        let segment = path.split("::").nth(1).unwrap_or_default();
        if !VOCABULARY.contains(module) && !room.may_use.iter().any(|allowed| is_under(path, allowed)) {
            report.push(format!("{}:{line}: {} must not use crate::{path}", source.path, room.folder));
        }
        if *module == "dialects" && dialects.contains(segment) {
            let own = source.path.starts_with(&format!("src/dialects/{segment}"));
            let shared = source.path.starts_with("src/dialects/") && source.path.matches('/').count() == 2;
            // The endpoint table, a file of `src/dialects/` itself, is where concrete dialects are listed.
            if !own && !shared && room.folder != "transport" {
                report.push(format!("{}:{line}: {} must not know the dialect {segment}", source.path, room.folder));
            }
        }
    }
    for banned in room.banned {
        if EXCUSED.contains(&(source.path.as_str(), banned)) {
            continue;
        }
        for at in words(&source.code, banned) {
            let line = source.line_of(at);
            report.push(format!("{}:{line}: {} must not use {banned}", source.path, room.folder));
        }
    }
    report.dedup();
}

fn check_lengths(source: &Source, report: &mut Vec<String>) {
    let lines = source.text.lines().count();
    let excused = source.comments.lines().take(20).any(is_exception);
    if lines > FILE_LINES_MAX && !excused {
        report.push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}", source.path));
    }
    // Unit tests count as well, so this looks at all code.
    let code = &source.all_code;
    for at in words(code, "fn") {
        let named = code[at + 2..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
        let Some(open) = code[at..].find('{') else { continue };
        let is_declaration = code[at..at + open].rfind(';').is_some_and(|semicolon| {
            // `[u8; 4]` in a signature is no end of it.
            code[at..at + semicolon].matches('[').count() == code[at..at + semicolon].matches(']').count()
        });
        if !named || is_declaration {
            continue;
        }
        let end = block_end(&code[at..], open).map_or(code.len(), |length| at + length);
        let length = code[at..end].matches('\n').count() + 1;
        let line = code[..at].matches('\n').count() + 1;
        if length > FUNCTION_LINES_MAX && !source.has_exception(line) {
            report
                .push(format!("{}:{line}: a function of {length} lines, more than {FUNCTION_LINES_MAX}", source.path));
        }
    }
}

fn check_bans(source: &Source, report: &mut Vec<String>) {
    if source.path.starts_with("benches/") {
        return;
    }
    // Unit tests must keep these as well.
    let code = &source.all_code;
    for (banned, instead) in BANS {
        for (at, _) in code.match_indices(banned) {
            let line = code[..at].matches('\n').count() + 1;
            report.push(format!("{}:{line}: `{banned}` is banned: {instead}", source.path));
        }
    }
    // Waiting is for conditions, and the harness knows how.
    if source.path.starts_with("tests/server/") {
        for at in words(code, "sleep") {
            let line = code[..at].matches('\n').count() + 1;
            if !source.has_exception(line) {
                report.push(format!("{}:{line}: a sleep is no synchronisation: use `eventually`", source.path));
            }
        }
    }
}

fn check_panics(source: &Source, report: &mut Vec<String>) {
    if !source.path.starts_with("src/") {
        return;
    }
    for banned in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
        for (at, _) in source.code.match_indices(banned) {
            let line = source.line_of(at);
            if !has_proof(source, line) {
                report.push(format!("{}:{line}: `{banned}` without a comment that proves it", source.path));
            }
        }
    }
}

/// Whether a comment stands on the line or directly above the statement that the line belongs to.
fn has_proof(source: &Source, line: usize) -> bool {
    let code: Vec<&str> = source.code.lines().collect();
    let comments: Vec<&str> = source.comments.lines().collect();
    let has_comment = |index: usize| comments.get(index).is_some_and(|comment| !comment.trim().is_empty());
    if has_comment(line - 1) {
        return true;
    }
    for above in (0..line - 1).rev() {
        let code = code[above].trim_end();
        if code.is_empty() || code.ends_with([';', '{', '}', ',']) {
            return code.is_empty() && has_comment(above);
        }
    }
    false
}

/// All Rust files of the project, by their paths from its root.
fn rust_files() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ["src", "tests", "benches", "examples"].map(|folder| root.join(folder)).into();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !["node_modules", "target"].iter().any(|skipped| path.ends_with(skipped)) {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source files are UTF-8");
                let name = path.strip_prefix(root).expect("found under the root").to_string_lossy().into_owned();
                found.push(Source::new(&name, &text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let for_tests: Vec<String> = found.iter().flat_map(test_modules).collect();
    for source in &mut found {
        let module = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if for_tests.iter().any(|test| module == test || module.starts_with(&format!("{test}/"))) {
            source.code = blank(&source.code);
        }
    }
    found
}

fn folder_names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The concrete dialects: the folders of `src/dialects/`.
fn dialect_names() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects");
    folder_names(&folder).into_iter().filter(|name| folder.join(name).is_dir()).collect()
}

fn violations(check: impl Fn(&Source, &mut Vec<String>)) -> String {
    let files = rust_files();
    assert!(files.iter().any(|source| source.path == "src/lib.rs"), "the tree should be found");
    let mut report = Vec::new();
    files.iter().for_each(|source| check(source, &mut report));
    report.join("\n")
}

#[test]
fn rooms_use_only_what_they_may() {
    let dialects = dialect_names();
    assert_eq!(violations(|source, report| check_rooms(source, &dialects, report)), "");
}

#[test]
fn files_and_functions_stay_short() {
    assert_eq!(violations(check_lengths), "");
}

#[test]
fn nothing_banned_is_used() {
    assert_eq!(violations(check_bans), "");
}

#[test]
fn panics_are_proved_impossible() {
    assert_eq!(violations(check_panics), "");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let (postgres, sqlite) = (folder_names(&root.join("postgres")), folder_names(&root.join("sqlite")));
    assert!(!postgres.is_empty(), "there should be migrations");
    assert_eq!(postgres, sqlite);
    for name in postgres {
        let files = |database: &str| folder_names(&root.join(database).join(&name));
        assert_eq!(files("postgres"), files("sqlite"), "the files of {name}");
    }
}

/// The checks themselves, on texts that must and must not be reported.
mod the_checks_see {
    use super::*;

    fn report(path: &str, text: &str, check: impl Fn(&Source, &mut Vec<String>)) -> Vec<String> {
        let mut report = Vec::new();
        check(&Source::new(path, text), &mut report);
        report
    }

    #[test]
    fn forbidden_modules_in_every_form() {
        let dialects = BTreeSet::from(["channel".to_owned(), "nexus".to_owned()]);
        let rooms =
            |path: &str, text: &str| report(path, text, |source, report| check_rooms(source, &dialects, report)).len();
        assert_eq!(rooms("src/core/room.rs", "use crate::store::Store;"), 1);
        assert_eq!(rooms("src/core/room.rs", "use crate::{\n    ids::{A, B},\n    store::{self, C},\n};"), 2);
        assert_eq!(rooms("src/core/room.rs", "fn f() { crate::actors::g(); actix::spawn(h); }"), 2);
        assert_eq!(rooms("src/core/room.rs", "// crate::store\nconst A: &str = \"crate::store\";"), 0);
        assert_eq!(rooms("src/core/room.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; }"), 0);
        assert_eq!(rooms("src/core.rs", "use crate::{ids::Id, limits};"), 0);
        assert_eq!(rooms("src/actors/room/mod.rs", "use crate::dialects::{Dialect, channel::Wire};"), 1);
        assert_eq!(rooms("src/actors/room/mod.rs", "use crate::dialects::channel;"), 1);
        assert_eq!(rooms("src/actors/session.rs", "use crate::transport::{frame::{self, X}, upgrade, socket::Y};"), 1);
        assert_eq!(rooms("src/actors/session.rs", "use crate::transport::framework;"), 1);
        assert_eq!(rooms("src/dialects/nexus/mod.rs", "use crate::dialects::channel::X;"), 1);
        assert_eq!(rooms("src/dialects/channel/mod.rs", "use crate::dialects::channel::X;"), 0);
        assert_eq!(rooms("src/dialects/mod.rs", "use crate::dialects::channel::X;"), 0);
        assert_eq!(rooms("src/transport/x.rs", "use crate::{core::a, http::b};"), 1);
        assert_eq!(rooms("src/ids.rs", "use crate::core::X;"), 1);
        assert_eq!(rooms("src/actors/bridge/envelope.rs", "use serde_json::value::RawValue;"), 0);
        assert_eq!(rooms("src/actors/bridge/mod.rs", "use serde_json::value::RawValue;"), 1);
    }

    #[test]
    fn long_functions_and_files() {
        let function =
            |lines: usize| format!("/// One.\npub async fn long(a: [u8; 4]) {{\n{}}}\n", "    x();\n".repeat(lines));
        let lengths = |text: &str| report("src/a.rs", text, check_lengths).len();
        assert_eq!(lengths(&function(68)), 0);
        assert_eq!(lengths(&function(69)), 1);
        assert_eq!(lengths(&function(69).replace("/// One.", "// tidy: one table, row by row")), 0);
        assert_eq!(lengths(&function(69).replace("/// One.", "// tidy: ")), 1);
        assert_eq!(lengths(&"a();\n".repeat(600)), 0);
        assert_eq!(lengths(&"a();\n".repeat(601)), 1);
        assert_eq!(lengths(&format!("fn f() {{ let a = '{{'; let b = \"}}}}\"; }}\n{}", "g();\n".repeat(80))), 0);
    }

    #[test]
    fn bans_in_code_but_not_in_words() {
        let bans = |path: &str, text: &str| report(path, text, check_bans).len();
        assert_eq!(bans("src/a.rs", "a.do_send(M); todo!(); std::thread::sleep(D); ctx.wait(f);"), 4);
        assert_eq!(bans("tests/a.rs", "#[ignore = \"slow\"]"), 1);
        assert_eq!(bans("src/a.rs", "// a.do_send(M)\nlet a = r#\"todo!(\"#;"), 0);
        assert_eq!(bans("tests/server/a.rs", "tokio::time::sleep(d).await;"), 1);
        assert_eq!(bans("tests/support/a.rs", "tokio::time::sleep(d).await;"), 0);
    }

    #[test]
    fn which_files_are_tests() {
        let declares = |path: &str, text: &str| test_modules(&Source::new(path, text));
        assert_eq!(declares("src/core/mod.rs", "mod room;\n#[cfg(test)]\nmod simulation;"), ["src/core/simulation"]);
        assert_eq!(declares("src/core/room.rs", "#[cfg(test)]\nmod tests;"), ["src/core/room/tests"]);
        let with_path = "#[cfg(test)]\n#[path = \"room_tests.rs\"]\nmod tests;";
        assert_eq!(declares("src/core/room.rs", with_path), ["src/core/room_tests"]);
        assert_eq!(declares("src/core/room.rs", "#[cfg(test)]\nfn f() {}\nmod real;"), [""; 0]);
    }

    #[test]
    fn panics_without_a_proof() {
        let panics = |text: &str| report("src/a.rs", text, check_panics).len();
        assert_eq!(panics("fn f() {\n    a.unwrap();\n}"), 1);
        assert_eq!(panics("fn f() {\n    a.unwrap(); // never empty: checked above\n}"), 0);
        let chain = "fn f() {\n    // never empty: checked above\n    a\n        .b()\n        .expect(\"x\");\n}";
        assert_eq!(panics(chain), 0);
        assert_eq!(panics("fn f() {\n    // about something else\n    c();\n    a.expect(\"// no comment\");\n}"), 1);
        assert_eq!(panics("/// Documentation is no proof.\nfn f() { a.unwrap() }"), 1);
        assert_eq!(panics("#[cfg(test)]\nmod tests { fn f() { a.unwrap(); } }\nfn g() { b.unwrap() }"), 1);
    }
}
