//! Tests of the checks themselves, on texts that must and must not be reported.

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
    assert_eq!(rooms("src/core/room.rs", "use actix_rt::spawn;\nfn f() { fastrand::u8(..); std::fs::read(p); }"), 3);
    assert_eq!(rooms("src/core/room.rs", "fn actix_like(log_from: u8) { log_from; }"), 0);
    assert_eq!(rooms("src/auth/policy.rs", "use crate::store::{GroupRole, Store};"), 1);
    assert_eq!(rooms("src/ids.rs", "use crate::core::X;"), 1);
    assert_eq!(rooms("src/actors/bridge/envelope/mod.rs", "use serde_json::value::RawValue;"), 0);
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
fn switches_and_files_without_a_head() {
    let switches = |text: &str| report("src/a.rs", text, check_parameters).len();
    assert_eq!(switches("fn f(a: u8, b: bool) {}\nfn g(&self, c: bool, d: bool) -> bool {}"), 3);
    assert_eq!(switches("fn f(a: Option<bool>) -> bool { let b: bool = a(1); }"), 0);
    let heads = |text: &str| report("src/a.rs", text, check_heads).len();
    assert_eq!(
        [heads("//! What it is.\nfn f() {}"), heads("fn f() {}"), heads("#[cfg(test)]\nmod a {}\nfn f() {}")],
        [0, 1, 1]
    );
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
