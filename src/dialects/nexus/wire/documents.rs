//! Collaborative documents, edited by line and column. Lines and columns are counted from 0, columns in UTF-16 code units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    core::{
        document::{self, Change, DocumentRole, Extent, Pointing},
        event::Participant,
        profile::Author,
    },
    dialects::{
        common::User,
        input::{Count, Id, Name, Objects, Prose},
        output::Echo,
        schema::schema,
    },
    ids::{ClientMessageId, DocumentId, Seq},
    limits,
};

// ---- from clients ----

/// A document.
#[derive(Deserialize, JsonSchema)]
pub struct OfDocument {
    #[schemars(example = &"doc_123")]
    pub document_id: Id<DocumentId>,
}

#[derive(Deserialize, JsonSchema)]
pub struct EditDocument {
    /// A document that the socket has opened.
    #[schemars(example = &"doc_123")]
    pub document_id: Id<DocumentId>,
    /// What all changes do.
    pub operation: Operation,
    /// They apply one after another: each position refers to the text after the changes before it.
    pub changes: Objects<AskedChange, 1, { limits::DOCUMENT_CHANGES_MAX }>,
    /// The version that the positions refer to; the current one if absent.
    pub version: Option<Count>,
    /// With `strict`, an edit that does not refer to the current version is refused.
    pub mode: Option<Mode>,
    /// Chosen by the client: the same edit sent again with it is applied once.
    pub op_id: Option<Id<ClientMessageId>>,
    /// Where the author's cursor is afterwards.
    pub cursor_position: Option<At>,
}

/// What an edit does.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Insert,
    Delete,
    Replace,
}

/// How an edit treats later versions.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Merge,
    Strict,
}

/// A change that a client asks for.
#[derive(Deserialize, JsonSchema)]
pub struct AskedChange {
    pub position: At,
    /// The end of what is removed.
    pub end: Option<At>,
    /// Instead of `end`: how many UTF-16 code units are removed.
    pub length: Option<Count>,
    #[schemars(example = &"new content")]
    pub text: Option<Prose<{ limits::DOCUMENT_TEXT_CHARS_MAX }>>,
}

/// A place. One outside the text counts as the nearest one in it.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub struct At {
    #[schemars(example = 10)]
    pub line: Count,
    #[schemars(example = 5)]
    pub column: Count,
}

/// A range of the text.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub struct AskedRange {
    pub start: At,
    pub end: At,
}

#[derive(Deserialize, JsonSchema)]
pub struct MoveCursor {
    #[schemars(example = &"doc_123")]
    pub document_id: Id<DocumentId>,
    pub position: At,
    pub selection: Option<AskedRange>,
    /// The version that the positions refer to; the current one if absent.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Select {
    #[schemars(example = &"doc_123")]
    pub document_id: Id<DocumentId>,
    /// Absent: nothing is selected any more.
    pub selection: Option<AskedRange>,
    /// The version that the positions refer to; the current one if absent.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
pub struct SaveDocument {
    #[schemars(example = &"doc_123")]
    pub document_id: Id<DocumentId>,
    /// A name for the version.
    #[schemars(example = &"First draft")]
    pub name: Option<Name<{ limits::DOCUMENT_VERSION_NAME_CHARS_MAX }>>,
}

impl From<At> for document::Position {
    fn from(at: At) -> document::Position {
        let clamped = |count: Count| u32::try_from(count.0).unwrap_or(u32::MAX);
        document::Position { line: clamped(at.line), column: clamped(at.column) }
    }
}

impl From<AskedRange> for document::Range {
    fn from(range: AskedRange) -> document::Range {
        document::Range { start: range.start.into(), end: range.end.into() }
    }
}

// ---- from the server ----

/// A place in the text.
#[derive(Serialize, JsonSchema)]
pub struct Position {
    #[schemars(example = 10)]
    pub line: u32,
    #[schemars(example = 5)]
    pub column: u32,
}

impl From<document::Position> for Position {
    fn from(at: document::Position) -> Position {
        Position { line: at.line, column: at.column }
    }
}

/// A range of the text.
#[derive(Serialize, JsonSchema)]
pub struct Range {
    pub start: Position,
    pub end: Position,
}

impl From<document::Range> for Range {
    fn from(range: document::Range) -> Range {
        Range { start: range.start.into(), end: range.end.into() }
    }
}

/// To the opener the document; to the others who came.
#[derive(Serialize, JsonSchema)]
pub struct DocumentOpened<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    #[serde(flatten)]
    pub who: Option<Colored<'a>>,
    #[serde(flatten)]
    pub state: Option<DocumentState<'a>>,
}

/// A user with the colour in the document.
#[derive(Serialize, JsonSchema)]
pub struct Colored<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    #[schemars(example = &"#e6194b")]
    pub color: &'static str,
}

impl<'a> Colored<'a> {
    pub fn new(user: &'a Author, colour: document::Colour) -> Colored<'a> {
        Colored { user: user.into(), color: colour.name() }
    }
}

/// The document for the user who opens it.
#[derive(Serialize, JsonSchema)]
pub struct DocumentState<'a> {
    pub content: &'a str,
    /// The version of the content.
    pub version: Seq,
    /// Everybody who has the document open, including the opener.
    pub participants: Participants<'a>,
    /// What the user may do.
    pub role: Role,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

/// What a user may do with a document.
pub struct Role(pub DocumentRole);

schema!(Role: {
    "type": "string", "examples": ["editor"], "description": "`viewer`, `commenter`, `editor` or `owner`",
});

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// Those who have the document open.
#[derive(JsonSchema)]
#[schemars(with = "Vec<WireParticipant<'a>>")]
pub struct Participants<'a>(pub &'a [Participant]);

impl Serialize for Participants<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|participant| WireParticipant {
            user: Colored::new(&participant.user, participant.colour),
            position: participant.position.map(Into::into),
            selection: participant.selection.map(Into::into),
        }))
    }
}

#[derive(Serialize, JsonSchema)]
pub struct WireParticipant<'a> {
    #[serde(flatten)]
    pub user: Colored<'a>,
    /// The user's cursor, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Range>,
}

#[derive(Serialize, JsonSchema)]
pub struct DocumentClosed<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    #[serde(flatten)]
    pub user: User<'a>,
}

/// An edit as it was applied; to its sender with `ack`.
#[derive(Serialize, JsonSchema)]
pub struct DocumentEdited<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    /// The author; absent in the acknowledgement.
    #[serde(flatten)]
    pub user: Option<User<'a>>,
    /// What the changes do.
    pub operation: Operation,
    /// The changes as they were applied, one after another.
    pub changes: Changes<'a>,
    /// The version of the text with the changes.
    pub version: Seq,
    /// Where the author's cursor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_position: Option<Position>,
    /// True if it is the receiver's own edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<bool>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

/// Why an edit was not applied.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// What it would change was removed in the meantime.
    Removed,
    /// It refers to a version that is not kept any more.
    TooOld,
    /// It must refer to the current version, and does not.
    Stale,
}

impl From<document::Conflict> for Why {
    fn from(conflict: document::Conflict) -> Why {
        match conflict {
            document::Conflict::Removed(_) => Why::Removed,
            document::Conflict::TooOld => Why::TooOld,
            document::Conflict::Stale => Why::Stale,
        }
    }
}

/// An edit that was not applied, and the text to begin anew from.
#[derive(Serialize, JsonSchema)]
pub struct DocumentConflict<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    pub reason: Why,
    pub version: Seq,
    pub content: &'a str,
    /// The changes that were not applied, as they were asked for.
    pub changes: AskedChanges<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

/// Changes as they were applied.
#[derive(JsonSchema)]
#[schemars(with = "Vec<WireChange<'a>>")]
pub struct Changes<'a>(pub &'a [Change]);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|change| WireChange {
            position: change.start.into(),
            end: end_of(change),
            text: text_of(change),
        }))
    }
}

impl Changes<'_> {
    /// What the changes do.
    pub fn operation(&self) -> Operation {
        let inserts = self.0.iter().all(|change| change.extent == Extent::Nothing);
        let deletes = self.0.iter().all(|change| change.text.is_empty());
        match (inserts, deletes) {
            (true, _) => Operation::Insert,
            (false, true) => Operation::Delete,
            (false, false) => Operation::Replace,
        }
    }
}

fn end_of(change: &Change) -> Option<Position> {
    match change.extent {
        Extent::UpTo(end) => Some(end.into()),
        Extent::Nothing | Extent::Units(_) => None,
    }
}

fn text_of(change: &Change) -> Option<&str> {
    (!change.text.is_empty()).then_some(&*change.text)
}

#[derive(Serialize, JsonSchema)]
pub struct WireChange<'a> {
    pub position: Position,
    /// The end of what was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"new content")]
    pub text: Option<&'a str>,
}

/// Changes as they were asked for.
#[derive(JsonSchema)]
#[schemars(with = "Vec<WireAskedChange<'a>>")]
pub struct AskedChanges<'a>(pub &'a [Change]);

impl Serialize for AskedChanges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|change| WireAskedChange {
            position: change.start.into(),
            end: end_of(change),
            length: match change.extent {
                Extent::Units(units) => Some(units),
                Extent::Nothing | Extent::UpTo(_) => None,
            },
            text: text_of(change),
        }))
    }
}

#[derive(Serialize, JsonSchema)]
pub struct WireAskedChange<'a> {
    pub position: Position,
    /// The end of what was to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Position>,
    /// How many UTF-16 code units were to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"new content")]
    pub text: Option<&'a str>,
}

/// Where a user is in a document.
#[derive(Serialize, JsonSchema)]
pub struct Pointed<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    #[serde(flatten)]
    pub user: Colored<'a>,
    /// The cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Range>,
    /// The version that the positions refer to.
    pub version: Seq,
}

impl<'a> Pointed<'a> {
    pub fn new(document_id: &'a DocumentId, pointing: &'a Pointing) -> Pointed<'a> {
        Pointed {
            document_id,
            user: Colored::new(&pointing.user, pointing.colour),
            position: pointing.position.map(Into::into),
            selection: pointing.selection.map(Into::into),
            version: pointing.version,
        }
    }
}

/// A named version of a document.
#[derive(Serialize, JsonSchema)]
pub struct DocumentSaved<'a> {
    #[schemars(example = &"doc_123")]
    pub document_id: &'a DocumentId,
    #[serde(flatten)]
    pub user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"First draft")]
    pub name: Option<&'a str>,
    /// Counted from 1: names the version over REST.
    #[schemars(example = 1)]
    pub number: i32,
    /// The version of the text that was saved.
    pub version: Seq,
    pub seq: Seq,
}
