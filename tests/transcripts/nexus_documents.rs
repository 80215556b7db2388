//! What is sent about documents in the nexus dialect.

use std::sync::Arc;

use convene::{
    core::{
        command::{Command, DocumentCommand, RoomAddress, RoomCommand},
        document::{
            Change, Colour, Conflict, DocumentRole, Edit, Extent, Mode, Pointer, Pointing, Position, Range, Removed,
        },
        event::{
            DocumentDurable, DocumentEphemeral, DocumentOpened, DocumentReply, Durable, Ephemeral, Event, EventBody,
            Participant, Reply, RoomIdentity, RoomScope,
        },
    },
    ids::{ClientMessageId, DocumentId, RoomId, Seq},
};

use crate::{Asked, EVENT, NOON, Told, alice, bob, tag};

fn id() -> DocumentId {
    DocumentId::new("doc_123").unwrap()
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

fn range(start: Position, end: Position) -> Range {
    Range { start, end }
}

fn change(start: Position, extent: Extent, text: &str) -> Change {
    Change { start, extent, text: text.into() }
}

fn inserted() -> Change {
    change(at(10, 5), Extent::Nothing, "new content")
}

fn replaced() -> Change {
    change(at(0, 0), Extent::UpTo(at(0, 5)), "Bye")
}

/// All commands about documents.
pub fn asked() -> Vec<Asked> {
    let room = || RoomAddress::Document(id());
    let edit = |base: Option<i64>, mode, changes, cursor, op_id: Option<&str>| {
        let edit = Edit { base: base.map(Seq), mode, changes };
        let op_id = op_id.map(|id| ClientMessageId::new(id).unwrap());
        Command::Document(DocumentCommand::Edit { document: id(), edit, cursor, op_id })
    };
    let point = |base: Option<i64>, position, selection| {
        let pointer = Pointer { base: base.map(Seq), position, selection };
        Command::Document(DocumentCommand::Point { document: id(), pointer })
    };
    let deleted = vec![change(at(0, 0), Extent::UpTo(at(1, 0)), ""), change(at(0, 0), Extent::Units(2), "")];
    let save = DocumentCommand::Save { document: id(), name: Some("First draft".into()) };
    vec![
        ("doc_open", Some("\"o-1\""), Command::Room(RoomCommand::Join { room: room(), resume: None })),
        ("doc_close", None, Command::Room(RoomCommand::Leave { room: room() })),
        ("doc_edit", None, edit(None, Mode::Merge, vec![inserted()], Some(at(10, 15)), None)),
        ("doc_edit_delete", Some("\"e-1\""), edit(Some(7), Mode::Merge, deleted, None, None)),
        ("doc_edit_replace", Some("\"e-2\""), edit(Some(9), Mode::Strict, vec![replaced()], None, Some("op-17"))),
        ("doc_cursor", None, point(None, Some(at(10, 15)), Some(range(at(10, 15), at(10, 25))))),
        ("doc_cursor_of_a_version", None, point(Some(7), Some(at(0, 3)), None)),
        ("doc_selection", None, point(Some(7), None, Some(range(at(0, 0), at(0, 5))))),
        ("doc_selection_ended", None, point(None, None, None)),
        ("doc_save", Some("\"s-1\""), Command::Document(save)),
    ]
}

fn in_document(body: EventBody) -> Told {
    let scope = RoomScope::Document { document: id() };
    Told::Everybody(Event { room: Arc::new(RoomIdentity { id: RoomId::generate(), scope }), at: NOON, body })
}

fn durable(seq: i64, what: DocumentDurable) -> Told {
    in_document(EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what: Durable::Document(what) })
}

fn edited(seq: i64, by: Change, at: Option<Position>) -> Told {
    let mut what = DocumentDurable::updated(bob(), [0, 0].into());
    let DocumentDurable::DocumentUpdated { changes, cursor, .. } = &mut what else { unreachable!() };
    changes.set(vec![by]);
    *cursor = at;
    durable(seq, what)
}

/// The same for the sender's own sockets, whose client has given it an id.
fn for_author(told: Told) -> Told {
    let Told::Everybody(event) = told else { unreachable!() };
    Told::Author(event)
}

fn ephemeral(what: DocumentEphemeral) -> Told {
    in_document(EventBody::Ephemeral(Ephemeral::Document(what)))
}

fn pointed(position: Position, selection: Range, is_cursor: bool) -> Told {
    let (user, colour, position, selection) = (bob(), Colour(1), Some(position), Some(selection));
    let pointing = Pointing { user, colour, position, selection, version: Seq(8), shown_as: None };
    ephemeral(DocumentEphemeral::Pointed { is_cursor, pointing })
}

/// All events and replies about documents.
pub fn told() -> Vec<(&'static str, Told)> {
    let to_one = |reply| Told::One(Reply::Document(id(), Box::new(reply)));
    let participant =
        |user, colour, position, selection| Participant { user, colour: Colour(colour), position, selection };
    let opened = DocumentOpened {
        tag: tag(Some("\"o-1\"")),
        document: id(),
        content: "Hello\nworld".into(),
        version: Seq(7),
        participants: vec![
            participant(alice(), 0, None, None),
            participant(bob(), 1, Some(at(1, 5)), Some(range(at(1, 0), at(1, 5)))),
        ],
        role: DocumentRole::Editor,
    };
    let applied = DocumentReply::Applied {
        tag: tag(Some("\"e-1\"")),
        document: id(),
        version: Seq(8),
        changes: vec![inserted()].into(),
    };
    let conflict = |why, change| {
        to_one(DocumentReply::Conflict {
            tag: tag(Some("\"e-2\"")),
            document: id(),
            why,
            version: Seq(9),
            content: "world".into(),
            changes: vec![change],
        })
    };
    let counted = || change(at(0, 2), Extent::Units(3), "y");
    let name = Some("First draft".into());
    let saved = DocumentDurable::DocumentSaved { by: bob(), name, number: 1, version: Seq(8) };
    vec![
        ("doc_open", to_one(DocumentReply::Opened(opened))),
        ("doc_open_of_another", ephemeral(DocumentEphemeral::Opened { user: bob(), colour: Colour(1) })),
        ("doc_close", ephemeral(DocumentEphemeral::Closed { user: bob(), client: None })),
        ("doc_edit", edited(8, inserted(), Some(at(10, 15)))),
        ("doc_edit_delete", edited(9, change(at(0, 0), Extent::UpTo(at(1, 0)), ""), None)),
        ("doc_edit_replace", edited(10, replaced(), None)),
        ("doc_edit_acknowledged", to_one(applied)),
        ("doc_conflict", conflict(Conflict::Removed(Removed), counted())),
        ("doc_conflict_too_old", conflict(Conflict::TooOld, counted())),
        ("doc_conflict_stale", conflict(Conflict::Stale, replaced())),
        ("doc_cursor", pointed(at(10, 15), range(at(10, 15), at(10, 25)), true)),
        ("doc_selection", pointed(at(0, 5), range(at(0, 0), at(0, 5)), false)),
        ("doc_save", durable(9, saved.clone())),
        ("doc_save_of_the_sender", for_author(durable(9, saved))),
    ]
}
