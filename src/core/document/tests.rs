use std::sync::Arc;

use proptest::prelude::*;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update,
    updates::decoder::Decode,
};

use super::*;
use crate::ids::Seq;

/// An editor that speaks Yjs.
struct YjsEditor(Doc);

impl YjsEditor {
    fn new(client: u64) -> YjsEditor {
        let client_id = ClientID::new(client);
        YjsEditor(Doc::with_options(Options { client_id, offset_kind: OffsetKind::Utf16, ..Options::default() }))
    }

    fn text(&self) -> String {
        self.0.get_or_insert_text("content").get_string(&self.0.transact())
    }

    /// Replaces a part of the text. Returns the update.
    fn replace(&self, at: u32, removed: u32, inserted: &str) -> Vec<u8> {
        let content = self.0.get_or_insert_text("content");
        let mut transaction = self.0.transact_mut();
        let all = content.len(&transaction);
        let at = at.min(all);
        let removed = removed.min(all - at);
        if removed > 0 {
            content.remove_range(&mut transaction, at, removed);
        }
        content.insert(&mut transaction, at, inserted);
        transaction.encode_update_v1()
    }

    fn apply(&self, update: &[u8]) {
        self.0.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    fn state(&self) -> Vec<u8> {
        self.0.transact().encode_diff_v1(&StateVector::default())
    }
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

fn insert(line: u32, column: u32, text: &str) -> Change {
    Change { start: at(line, column), extent: Extent::Nothing, text: text.into() }
}

fn remove(start: Position, units: u32) -> Change {
    Change { start, extent: Extent::Units(units), text: "".into() }
}

fn replace(start: Position, end: Position, text: &str) -> Change {
    Change { start, extent: Extent::UpTo(end), text: text.into() }
}

/// What a JSON editor does with the changes that it is sent. Written without the code under test.
fn applied(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<u16> = text.encode_utf16().collect();
    let offset = |text: &[u16], position: Position| {
        let starts =
            std::iter::once(0).chain(text.iter().enumerate().filter(|(_, unit)| **unit == 10).map(|(at, _)| at + 1));
        starts.clone().nth(position.line as usize).unwrap() + position.column as usize
    };
    for change in changes {
        let start = offset(&text, change.start);
        let end = match change.extent {
            Extent::Nothing => start,
            Extent::UpTo(end) => offset(&text, end),
            Extent::Units(units) => start + units as usize,
        };
        text.splice(start..end, change.text.encode_utf16());
    }
    String::from_utf16(&text).unwrap()
}

/// A document as one node has it, with the log of its updates.
struct Node {
    replica: Replica,
    version: Seq,
    clients: u64,
}

impl Node {
    fn with(text: &str) -> Node {
        let mut node = Node { replica: Replica::default(), version: Seq(0), clients: 1000 };
        node.store(YjsEditor::new(1).replace(0, 0, text));
        node.replica.follow(node.version);
        node
    }

    fn store(&mut self, update: Vec<u8>) -> Vec<Change> {
        self.version = self.version.next();
        self.replica.apply(&Arc::from(update), self.version)
    }

    fn edit(&mut self, base: i64, changes: &[Change]) -> Result<Vec<Change>, Conflict> {
        let edit = Edit { base: Some(Seq(base)), mode: Mode::Merge, changes: changes.to_vec() };
        self.clients += 1;
        let update = self.replica.edit(&edit, self.clients)?;
        Ok(update.map_or_else(Vec::new, |update| self.store(update)))
    }
}

#[test]
fn an_edit_of_the_current_version_is_applied_as_it_is() {
    let mut node = Node::with("one\ntwo 😀\n");
    let told = node.edit(1, &[insert(1, 6, "!"), remove(at(0, 0), 2), replace(at(0, 0), at(1, 3), "z")]).unwrap();
    assert_eq!(node.replica.text(), "z 😀!\n");
    assert_eq!(applied("one\ntwo 😀\n", &told), node.replica.text());
    assert_eq!(node.version, Seq(2));
}

#[test]
fn positions_are_carried_over_later_edits() {
    let mut node = Node::with("one two three");
    node.edit(1, &[insert(0, 0, "zero\n")]).unwrap();
    node.edit(1, &[insert(0, 7, "!")]).unwrap();
    node.edit(2, &[remove(at(1, 0), 4)]).unwrap();
    assert_eq!(node.replica.text(), "zero\ntwo! three");
    // three versions late, and after its own change
    node.edit(1, &[insert(0, 13, "."), insert(0, 14, "."), replace(at(0, 8), at(0, 9), "T")]).unwrap();
    assert_eq!(node.replica.text(), "zero\ntwo! Three..");
    assert_eq!(node.replica.carry(Some(Seq(1)), at(0, 8)), Some(at(1, 5)));
    assert_eq!(node.replica.carry(Some(Seq(1)), at(0, 2)), Some(at(1, 0)), "it was removed");
}

#[test]
fn text_that_others_inserted_into_a_range_survives_its_removal() {
    let mut node = Node::with("abcdef");
    node.edit(1, &[insert(0, 3, "new")]).unwrap();
    node.edit(1, &[replace(at(0, 1), at(0, 5), "X")]).unwrap();
    assert_eq!(node.replica.text(), "aXnewf");
}

#[test]
fn what_was_removed_is_a_conflict_and_a_part_of_it_is_not() {
    let mut node = Node::with("abcdef");
    node.edit(1, &[remove(at(0, 1), 3)]).unwrap();
    let text = node.replica.text();
    for gone in [insert(0, 2, "x"), insert(0, 3, "x"), remove(at(0, 1), 3), replace(at(0, 2), at(0, 3), "x")] {
        assert_eq!(node.edit(1, std::slice::from_ref(&gone)), Err(Conflict::Removed(Removed)), "{gone:?}");
        assert_eq!(node.edit(1, &[insert(0, 6, "!"), gone.clone()]), Err(Conflict::Removed(Removed)), "all or nothing");
    }
    assert_eq!(node.replica.text(), text);
    node.edit(1, &[insert(0, 1, "<"), insert(0, 5, ">")]).unwrap();
    assert_eq!(node.replica.text(), "a<>ef");
    node.edit(1, &[replace(at(0, 3), at(0, 5), "E")]).unwrap();
    assert_eq!(node.replica.text(), "a<>Ef");
}

#[test]
fn old_and_stale_versions_are_refused() {
    let mut node = Node::with("");
    for count in 0..=crate::limits::DOCUMENT_HISTORY_MAX {
        node.edit(i64::try_from(count).unwrap() + 1, &[insert(0, 0, "x")]).unwrap();
    }
    assert_eq!(node.edit(1, &[insert(0, 0, "y")]), Err(Conflict::TooOld));
    let strict = |base| Edit { base, mode: Mode::Strict, changes: vec![insert(0, 0, "z")] };
    let version = node.version;
    assert_eq!(node.replica.edit(&strict(Some(Seq(version.0 - 1))), 5), Err(Conflict::Stale));
    assert!(node.replica.edit(&strict(Some(version)), 6).unwrap().is_some());
}

#[test]
fn updates_are_checked_before_they_are_stored() {
    let (mut replica, editor) = (Replica::default(), YjsEditor::new(7));
    let [first, second] = ["a", "b"].map(|text| editor.replace(0, 0, text));
    assert_eq!(replica.submit(&second, Sent::AsUpdate), Err(BadUpdate::Missing));
    assert_eq!(replica.submit(&first, Sent::AsUpdate), Ok(()));
    assert_eq!(replica.submit(&second, Sent::AsUpdate), Ok(()), "it builds on one that is being stored");
    assert_eq!(replica.submit(&second, Sent::AsUpdate), Err(BadUpdate::Known));
    replica.apply(&first.clone().into(), Seq(1));
    replica.apply(&second.clone().into(), Seq(2));
    replica.forget_submitted();
    assert_eq!(replica.submit(&editor.state(), Sent::InSync), Err(BadUpdate::Known));
    let removed = editor.replace(0, 1, "");
    assert_eq!(replica.submit(&removed, Sent::AsUpdate), Ok(()));
    replica.apply(&removed.into(), Seq(3));
    assert_eq!(replica.submit(&editor.state(), Sent::InSync), Err(BadUpdate::Known));
    assert_eq!(replica.submit(&[0, 0], Sent::InSync), Err(BadUpdate::Known), "nothing is lacking");
    for bytes in [&[][..], &[1], &[255, 255, 255, 255, 15], &[1, 255, 255, 255, 255, 15, 1, 1], b"rubbish"] {
        assert_eq!(replica.submit(bytes, Sent::AsUpdate), Err(BadUpdate::Malformed), "{bytes:?}");
        let _ = replica.missing_since(bytes);
    }
    // a deletion at a clock above 2^53, which would stay pending in Yjs for ever
    let deletion = [0, 1, 7, 1, 255, 255, 255, 255, 255, 255, 255, 63, 1];
    assert_eq!(replica.submit(&deletion, Sent::AsUpdate), Err(BadUpdate::Malformed));
}

#[test]
fn what_builds_on_a_missing_update_is_dropped_everywhere() {
    let (mut replica, editor) = (Replica::default(), YjsEditor::new(7));
    let [first, second] = ["a", "b"].map(|text| editor.replace(0, 0, text));
    replica.apply(&second.into(), Seq(1));
    assert_eq!(replica.text(), "");
    replica.apply(&first.into(), Seq(2));
    assert_eq!(replica.text(), "a", "the editor sends the other one again when it synchronises");
    let lacking = editor.0.transact().encode_diff_v1(&StateVector::decode_v1(&replica.state_vector()).unwrap());
    replica.apply(&lacking.into(), Seq(3));
    assert_eq!(replica.text(), editor.text());
}

#[test]
fn another_root_is_recognised() {
    let mut replica = Replica::default();
    assert!(!replica.has_another_root());
    let doc = Doc::with_client_id(9);
    let text = doc.get_or_insert_text("prosemirror");
    let mut transaction = doc.transact_mut();
    text.insert(&mut transaction, 0, "x");
    replica.apply(&transaction.encode_update_v1().into(), Seq(1));
    assert!(replica.has_another_root());
}

// ---- random interleavings ----

#[derive(Clone, Debug)]
enum Step {
    /// A Yjs editor edits its copy.
    Yjs { editor: usize, at: u32, removed: u32, inserted: String },
    /// A JSON editor asks for an edit, against what it has been sent.
    Json { editor: usize, at: u16, removed: u8, inserted: String },
    /// An editor receives some of what it has not received.
    Receive { editor: usize, count: usize },
    /// What an editor has made reaches the log.
    Send { editor: usize },
}

const YJS: usize = 2;
const JSON: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    let text = prop_oneof![4 => "[ab\n]{0,3}", 1 => "😀?é?"];
    prop_oneof![
        (0..YJS, 0..40_u32, 0..4_u32, text.clone()).prop_map(|(editor, at, removed, inserted)| Step::Yjs {
            editor,
            at,
            removed,
            inserted
        }),
        (0..JSON, any::<u16>(), 0..5_u8, text).prop_map(|(editor, at, removed, inserted)| Step::Json {
            editor,
            at,
            removed,
            inserted
        }),
        (0..YJS + JSON, 1..4_usize).prop_map(|(editor, count)| Step::Receive { editor, count }),
        (0..YJS + JSON).prop_map(|editor| Step::Send { editor }),
    ]
}

/// A JSON editor: its text, and the version of it.
#[derive(Default)]
struct JsonEditor {
    text: String,
    version: i64,
    pending: Option<Edit>,
}

/// Cuts through surrogate pairs are tested by themselves.
fn whole_characters(editor: &YjsEditor, at: u32, removed: u32) -> (u32, u32) {
    let text: Vec<u16> = editor.text().encode_utf16().collect();
    let fits =
        |at: usize| at.min(text.len()) - usize::from(text.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit)));
    let start = fits(at as usize);
    let end = fits((at + removed) as usize).max(start);
    (start as u32, (end - start) as u32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Two nodes, a log, editors of both kinds. In the end everybody has the same text.
    #[test]
    // tidy: one scenario, whose parts share all of its state
    fn all_end_with_the_same_text(steps in prop::collection::vec(step(), 1..120)) {
        let mut log: Vec<Arc<[u8]>> = Vec::new();
        let mut told: Vec<Vec<Change>> = Vec::new();
        let mut nodes = [Replica::default(), Replica::default()];
        nodes[0].follow(Seq(0));
        let yjs: Vec<YjsEditor> = (0..YJS).map(|n| YjsEditor::new(10 + n as u64)).collect();
        let mut made: Vec<Vec<Vec<u8>>> = vec![Vec::new(); YJS];
        let mut received = [0_usize; YJS + JSON];
        let mut json: Vec<JsonEditor> = (0..JSON).map(|_| JsonEditor::default()).collect();
        let mut client = 1_000;
        let receive = |editor: usize, count: usize, received: &mut [usize], json: &mut [JsonEditor],
                       log: &[Arc<[u8]>], told: &[Vec<Change>]| {
            let until = (received[editor] + count).min(log.len());
            for index in received[editor]..until {
                match editor.checked_sub(YJS) {
                    None => yjs[editor].apply(&log[index]),
                    Some(editor) => {
                        json[editor].text = applied(&json[editor].text, &told[index]);
                        json[editor].version = index as i64 + 1;
                    }
                }
            }
            received[editor] = until;
        };
        let store = |update: Vec<u8>, log: &mut Vec<Arc<[u8]>>, told: &mut Vec<Vec<Change>>, nodes: &mut [Replica; 2]| {
            let update: Arc<[u8]> = update.into();
            log.push(update.clone());
            let version = Seq(log.len() as i64);
            told.push(nodes[0].apply(&update, version));
            nodes[1].apply(&update, version);
        };
        for step in steps {
            match step {
                Step::Yjs { editor, at, removed, inserted } => {
                    let (at, removed) = whole_characters(&yjs[editor], at, removed);
                    made[editor].push(yjs[editor].replace(at, removed, &inserted));
                }
                Step::Json { editor, at: place, removed, inserted } => {
                    let editor = &mut json[editor];
                    let line = u32::from(place) % (editor.text.lines().count() as u32 + 1);
                    let change = Change {
                        start: at(line, u32::from(place) % 7),
                        extent: Extent::Units(u32::from(removed)),
                        text: inserted.as_str().into(),
                    };
                    editor.pending = Some(Edit { base: Some(Seq(editor.version)), mode: Mode::Merge, changes: vec![change] });
                }
                Step::Receive { editor, count } => receive(editor, count, &mut received, &mut json, &log, &told),
                Step::Send { editor } => match editor.checked_sub(YJS) {
                    None => for update in made[editor].drain(..) {
                        match nodes[0].submit(&update, Sent::AsUpdate) {
                            Ok(()) => store(update, &mut log, &mut told, &mut nodes),
                            Err(why) => prop_assert_eq!(why, BadUpdate::Known),
                        }
                    },
                    Some(editor) => {
                        let Some(edit) = json[editor].pending.take() else { continue };
                        client += 1;
                        if let Ok(Some(update)) = nodes[0].edit(&edit, client) {
                            store(update, &mut log, &mut told, &mut nodes);
                        }
                    }
                },
            }
        }
        for updates in &mut made {
            for update in updates.drain(..) {
                if nodes[0].submit(&update, Sent::AsUpdate).is_ok() {
                    store(update, &mut log, &mut told, &mut nodes);
                }
            }
        }
        let text = nodes[0].text();
        for editor in 0..YJS + JSON {
            receive(editor, log.len(), &mut received, &mut json, &log, &told);
            let theirs = yjs.get(editor).map_or_else(|| json[editor - YJS].text.clone(), |yjs| yjs.text());
            prop_assert_eq!(&theirs, &text, "editor {}", editor);
        }
        prop_assert_eq!(nodes[1].text(), text.clone());
        // a cold start from the state
        let mut cold = Replica::default();
        cold.apply(&nodes[1].state().into(), Seq(log.len() as i64));
        prop_assert_eq!(cold.text(), text);
    }

    /// Nothing that a client sends may panic, or change a document that is not sent more.
    #[test]
    fn rubbish_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut replica = Replica::default();
        replica.apply(&YjsEditor::new(1).replace(0, 0, "text").into(), Seq(1));
        let _ = replica.submit(&bytes, Sent::AsUpdate);
        let _ = replica.missing_since(&bytes);
        prop_assert_eq!(replica.text(), "text");
    }
}
