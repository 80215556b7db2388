//! Enforces the rules of the code base (ARCHITECTURE.md): which module may use which, the maximum length of files and
//! functions, the head of every file, and banned constructs.
//!
//! An exception to a length needs a reason at that place: a comment `// tidy: <reason>` on the function's line or the
//! one before it, or within the first lines of a file. A panic outside tests needs a comment that proves it impossible,
//! on the same line or directly above the statement.

mod source;
mod the_checks_see;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, blank, block_end, family, is_exception, own_paths, test_modules, words};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Modules that all others may use: the shared vocabulary.
const VOCABULARY: [&str; 6] = ["ids", "error", "disconnect", "limits", "logged", "names"];

/// A module: its folder under `src/`, the modules of this crate (or single submodules, `a::b`) that it may use in
/// addition to the vocabulary, and names that must not occur in it.
struct Room {
    folder: &'static str,
    may_use: &'static [&'static str],
    banned: &'static [&'static str],
}

/// Names that single files may use although their module must not, each with the reason.
const EXCUSED: [(&str, &str); 1] = [
    // Only these files know the encoding of messages between nodes; the actors around them know typed messages, not
    // JSON.
    ("src/actors/bridge/envelope/mod.rs", "serde_json"),
];

/// The modules, as in ARCHITECTURE.md.
const ROOMS: [Room; 11] = [
    Room {
        folder: "core",
        may_use: &["core"],
        banned: &[
            "actix",
            "serde_json",
            "diesel",
            "tokio",
            "log",
            "fastrand",
            "std::fs",
            "std::net",
            "std::env",
            "std::thread",
            "Instant::now",
            "SystemTime::now",
            "Utc::now",
        ],
    },
    Room {
        folder: "dialects",
        may_use: &["core", "dialects"],
        banned: &["actix", "diesel", "tokio", "std::fs", "std::net", "Instant::now", "SystemTime::now"],
    },
    Room { folder: "store", may_use: &["core", "store"], banned: &["actix"] },
    Room {
        folder: "auth",
        // Only the records of the store.
        may_use: &[
            "auth",
            "core",
            "config",
            "store::GroupRole",
            "store::Right",
            "store::RoomRole",
            "store::Visibility",
            "store::RefreshRecord",
            "store::ClaimedProfile",
            "store::TokenUser",
        ],
        banned: &["actix_web", "diesel", "serde_json"],
    },
    Room { folder: "metrics", may_use: &["metrics"], banned: &["actix", "diesel", "tokio", "serde_json"] },
    Room {
        folder: "actors",
        // Sessions read and write their sockets themselves; these two modules know no actor.
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
        banned: &["actix_web", "actix_http", "diesel", "serde_json"],
    },
    Room {
        folder: "transport",
        may_use: &["core", "actors", "dialects", "auth", "metrics", "config", "store", "transport"],
        banned: &["diesel"],
    },
    Room {
        folder: "services",
        // The actors' messages and addresses, which `http` uses through its gateway.
        may_use: &["core", "actors", "store", "auth", "metrics", "config", "services"],
        banned: &["actix_web", "actix_http", "diesel"],
    },
    Room {
        folder: "http",
        may_use: &["core", "actors", "store", "auth", "services", "metrics", "config", "http"],
        banned: &["diesel"],
    },
    Room { folder: "config", may_use: &["config"], banned: &["actix", "diesel"] },
    Room {
        folder: "app",
        may_use: &[
            "actors",
            "app",
            "auth",
            "config",
            "core",
            "dialects",
            "http",
            "metrics",
            "services",
            "store",
            "transport",
        ],
        banned: &["diesel", "serde_json"],
    },
];

/// Banned in `src/`, `tests/` and `examples/`, with the alternative. The baselines in `benches/` show the cost of these
/// constructs, so they may use them.
const BANS: [(&str, &str); 7] = [
    (".do_send(", "queues without bound: use try_send"),
    ("todo!(", "finish it or leave it out"),
    ("unimplemented!(", "finish it or leave it out"),
    ("#[ignore", "a test runs or is removed"),
    ("thread::sleep", "blocks a thread: wait for a condition"),
    ("AsyncContext::wait", "stops the actor's mailbox: take the answer as a message"),
    ("ctx.wait(", "stops the actor's mailbox: take the answer as a message"),
];

/// The module of a file: the folder `src/<module>/`, or the file `src/<module>.rs`.
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
    let file = file.map(|file| file.strip_suffix("/mod").unwrap_or(file));
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
            // The endpoint table, a file directly in `src/dialects/`, lists the concrete dialects.
            if !own && !shared && room.folder != "transport" {
                report.push(format!("{}:{line}: {} must not know the dialect {segment}", source.path, room.folder));
            }
        }
    }
    for banned in room.banned {
        if EXCUSED.contains(&(source.path.as_str(), banned)) {
            continue;
        }
        for at in words(&source.code, banned).chain(family(&source.code, banned)) {
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
    // Unit tests count as well, so this checks all code.
    let code = &source.all_code;
    for at in words(code, "fn") {
        let named = code[at + 2..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
        let Some(open) = code[at..].find('{') else { continue };
        let is_declaration = code[at..at + open].rfind(';').is_some_and(|semicolon| {
            // The semicolon of `[u8; 4]` in a signature does not end a declaration.
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

/// Boolean parameters whose meaning is obvious, each with the reason.
const TRUE_OR_FALSE: [(&str, &str); 2] = [
    ("src/config/variables.rs", "default"),
    // A condition, which is readable at every call.
    ("src/auth/policy.rs", "allowed"),
];

/// A bare `true` in a call is unreadable; use an enum with two variants.
fn check_parameters(source: &Source, report: &mut Vec<String>) {
    if !source.path.starts_with("src/") {
        return;
    }
    for at in words(&source.code, "fn") {
        let Some(open) = source.code[at..].find('(').map(|open| at + open) else { continue };
        let end = source.code[open..].find([')', '{', ';']).map_or(source.code.len(), |end| open + end);
        for parameter in source.code[open + 1..end].split(',') {
            let Some((name, "bool")) = parameter.split_once(':').map(|(name, kind)| (name.trim(), kind.trim())) else {
                continue;
            };
            if !TRUE_OR_FALSE.contains(&(source.path.as_str(), name)) {
                let line = source.line_of(at);
                report.push(format!("{}:{line}: `{name}` is true or false: give it an enum", source.path));
            }
        }
    }
}

/// Every file must begin with what it is for and what it must not do.
fn check_heads(source: &Source, report: &mut Vec<String>) {
    let is_test = source.code.trim().is_empty();
    if source.path.starts_with("src/") && !is_test && !source.text.starts_with("//!") {
        report.push(format!("{}: the first line must say what it is for: `//! …`", source.path));
    }
}

fn check_bans(source: &Source, report: &mut Vec<String>) {
    if source.path.starts_with("benches/") {
        return;
    }
    // Unit tests must obey these as well.
    let code = &source.all_code;
    for (banned, instead) in BANS {
        for (at, _) in code.match_indices(banned) {
            let line = code[..at].matches('\n').count() + 1;
            report.push(format!("{}:{line}: `{banned}` is banned: {instead}", source.path));
        }
    }
    // Tests must wait for conditions with the harness, not sleep.
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

/// Whether there is a comment on the line or directly above the statement that the line belongs to.
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

/// All Rust files of the project, by their path from its root.
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
fn files_say_what_they_are_for() {
    assert_eq!(violations(check_heads), "");
}

#[test]
fn modules_with_files_of_their_own_are_mod_rs() {
    let paths: BTreeSet<String> = rust_files().into_iter().map(|source| source.path).collect();
    let beside: Vec<&String> = paths
        .iter()
        .filter(|path| path.starts_with("src/"))
        .filter(|path| {
            let folder = format!("{}/", path.trim_end_matches(".rs"));
            paths.iter().any(|other| other.starts_with(&folder))
        })
        .collect();
    assert!(beside.is_empty(), "to be moved to mod.rs in their folders: {beside:?}");
}

#[test]
fn no_parameter_is_true_or_false() {
    assert_eq!(violations(check_parameters), "");
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
