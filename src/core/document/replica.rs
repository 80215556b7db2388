//! A replica of a document: a `yrs` document to which stored updates are applied in the order of the log, on every node
//! alike. Edits by line and column become updates on a draft, which is never ahead of the log by more than one edit. An update
//! must be checked before it is stored, because nothing can be removed from the log.

use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use yrs::{
    Assoc, ClientID, Doc, GetString, ID, IdSet, IndexScope, IndexedSequence, Observable, OffsetKind, Options, Out,
    ReadTxn, StateVector, StickyIndex, Text, TextRef, Transact, Update, WriteTxn,
    branch::{Branch, BranchPtr},
    types::Delta,
    updates::decoder::Decode,
    updates::encoder::Encode,
};

use super::{
    anchor::{Anchor, AnchorRange, Side},
    history::{Change, Conflict, Extent, History, Mode},
    position::{Position, Splice, offset_of, position_of, units},
};
use crate::{ids::Seq, limits};

/// The root text that JSON editors see.
const CONTENT: &str = "content";
/// Stands for what is in a text but is not text. One code unit, as Yjs counts it.
const EMBEDDED: &str = "\u{fffc}";

/// Why an update is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadUpdate {
    /// It can't be decoded.
    #[error("the update can't be decoded")]
    Malformed,
    /// It builds on an update that is not here.
    #[error("the update builds on one that is missing here")]
    Missing,
    /// It changes nothing.
    #[error("the update changes nothing")]
    Known,
}

/// In which message a client has sent an update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// As one update, when it was made.
    AsUpdate,
    /// As everything that the server lacks.
    InSync,
}

/// An edit by line and column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// The version that the positions refer to; the current one if absent.
    pub base: Option<Seq>,
    /// Whether it may be stale.
    pub mode: Mode,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

impl Edit {
    /// What distinguishes it from another edit, for recognising that it is sent again.
    pub fn digest(&self) -> Vec<u8> {
        let mut digest = Vec::new();
        let mut number = |number: u64| digest.extend_from_slice(&number.to_be_bytes());
        number(self.base.map_or(u64::MAX, |base| base.0.unsigned_abs()));
        for Change { start, extent, text } in &self.changes {
            let (kind, first, second) = match extent {
                Extent::Nothing => (0, 0, 0),
                Extent::UpTo(end) => (1, end.line, end.column),
                Extent::Units(units) => (2, *units, 0),
            };
            [start.line, start.column, kind, first, second].into_iter().for_each(|part| number(u64::from(part)));
            number(text.len() as u64);
            text.bytes().for_each(|byte| number(u64::from(byte)));
        }
        digest
    }
}

/// A replica.
pub struct Replica {
    doc: Doc,
    content: TextRef,
    /// The text by line and column, while somebody edits it in this way.
    history: Option<History>,
    /// What the observer of the text has seen in the current transaction.
    seen: Arc<Mutex<Vec<Splice>>>,
    draft: Option<Draft>,
    /// Updates of this node that the log has not confirmed: how far each client's go.
    submitted: HashMap<ClientID, u32>,
}

/// A copy on which edits become updates.
struct Draft {
    doc: Doc,
    content: TextRef,
    /// Stored updates that it lacks.
    behind: Vec<Arc<[u8]>>,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("history", &self.history.is_some()).finish_non_exhaustive()
    }
}

fn document(client: u64) -> (Doc, TextRef) {
    // the guid is not part of what is synchronised
    let doc = Doc::with_options(Options {
        client_id: ClientID::new(client),
        offset_kind: OffsetKind::Utf16,
        guid: "".into(),
        ..Options::default()
    });
    let content = doc.get_or_insert_text(CONTENT);
    (doc, content)
}

/// The number at the beginning of an update or of a state vector: how many clients follow. The decoder reserves memory for as
/// many, so it must be compared with the length first.
fn clients_claimed(bytes: &[u8]) -> u64 {
    let mut claimed = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        claimed |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).unwrap_or(0)).unwrap_or(u64::MAX);
        if byte & 0x80 == 0 {
            break;
        }
    }
    claimed
}

/// Decodes an update without trusting its lengths.
fn decode(update: &[u8]) -> Result<Update, BadUpdate> {
    // a client takes three bytes at least
    if clients_claimed(update) > (update.len() / 3) as u64 {
        return Err(BadUpdate::Malformed);
    }
    // the decoder adds up clocks of the client's choice; nothing outside of it has changed if it panics
    let decoded = catch_unwind(|| Update::decode_v1(update)).ok().and_then(Result::ok).ok_or(BadUpdate::Malformed)?;
    // clocks that exceed their 32 bits begin again at 0
    let is_ascending = |set: &IdSet| set.iter().all(|(_, ranges)| ranges.iter().all(|range| range.start < range.end));
    let is_fine = is_ascending(decoded.delete_set()) && is_ascending(&decoded.insertions(true));
    if is_fine { Ok(decoded) } else { Err(BadUpdate::Malformed) }
}

impl Default for Replica {
    fn default() -> Replica {
        // it never edits, so its client id appears nowhere
        let (doc, content) = document(0);
        Replica { doc, content, history: None, seen: Arc::default(), draft: None, submitted: HashMap::new() }
    }
}

impl Replica {
    // ---- binary ----

    /// Whether an update of a client may be stored. If so, later ones may build on it.
    ///
    /// # Errors
    /// Why not.
    pub fn submit(&mut self, update: &[u8], sent: Sent) -> Result<(), BadUpdate> {
        let decoded = decode(update)?;
        let transaction = self.doc.transact();
        let known = transaction.state_vector();
        let reached =
            |client: &ClientID| known.get(client).max(self.submitted.get(client).copied().unwrap_or_default());
        let lower = decoded.state_vector_lower();
        if lower.iter().any(|(client, clock)| *clock > reached(client)) {
            return Err(BadUpdate::Missing);
        }
        let insertions = decoded.insertions(true);
        let ends: Vec<(ClientID, u32)> = insertions
            .iter()
            .filter_map(|(client, ranges)| Some((*client, ranges.iter().map(|range| range.end).max()?)))
            .collect();
        let brings_text = ends.iter().any(|(client, end)| *end > reached(client));
        let is_known = !brings_text
            && match sent {
                Sent::AsUpdate => decoded.delete_set().is_empty(),
                // it repeats all deletions that the client knows
                Sent::InSync => decoded.delete_set().diff(&transaction.snapshot().delete_set).is_empty(),
            };
        if is_known {
            return Err(BadUpdate::Known);
        }
        drop(transaction);
        for (client, end) in ends {
            let submitted = self.submitted.entry(client).or_default();
            *submitted = end.max(*submitted);
        }
        Ok(())
    }

    /// Forgets submitted updates: none is on its way to the log any more, or one was not stored.
    pub fn forget_submitted(&mut self) {
        self.submitted.clear();
    }

    /// Applies a stored update, which leads to that version. Returns what it changes in the text, if anybody edits by line and
    /// column. What can't be applied is left out, on every node alike.
    pub fn apply(&mut self, update: &Arc<[u8]>, version: Seq) -> Vec<Change> {
        let Ok(decoded) = decode(update) else { return self.advance(version) };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let mut transaction = self.doc.transact_mut();
            // an error means that a part was not applied: the same part on every node
            let _ = transaction.apply_update(decoded);
            // what builds on a missing update is dropped: its client sends it again
            transaction.prune_pending();
        }));
        if let Some(draft) = &mut self.draft {
            draft.behind.push(update.clone());
            if draft.behind.len() > limits::DOCUMENT_DRAFT_BEHIND_MAX {
                self.draft = None;
            }
        }
        self.advance(version)
    }

    /// An event that does not change the text leads to that version, or an update has just been applied.
    pub fn advance(&mut self, version: Seq) -> Vec<Change> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(history) = &mut self.history else { return Vec::new() };
        let changes = history.advance(version, seen);
        let transaction = self.doc.transact();
        if history.text().len_utf16_cu() != self.content.len(&transaction) as usize {
            // a cut through a surrogate pair: the changes do not describe it
            let text = self.content.get_string(&transaction);
            let whole = Splice { at: 0, removed: history.text().len_utf16_cu(), inserted: text.into() };
            drop(transaction);
            let mut changes = changes;
            changes.extend(history.advance(version, vec![whole]));
            return changes;
        }
        changes
    }

    /// The state vector, encoded.
    pub fn state_vector(&self) -> Vec<u8> {
        self.doc.transact().state_vector().encode_v1()
    }

    /// What a client with that state vector lacks.
    ///
    /// # Errors
    /// If the state vector can't be decoded.
    pub fn missing_since(&self, state_vector: &[u8]) -> Result<Vec<u8>, BadUpdate> {
        // a client takes two bytes at least
        if clients_claimed(state_vector) > (state_vector.len() / 2) as u64 {
            return Err(BadUpdate::Malformed);
        }
        let theirs = catch_unwind(|| StateVector::decode_v1(state_vector));
        let theirs = theirs.ok().and_then(Result::ok).ok_or(BadUpdate::Malformed)?;
        Ok(self.doc.transact().encode_diff_v1(&theirs))
    }

    /// The whole document as one update.
    pub fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_diff_v1(&StateVector::default())
    }

    // ---- by line and column ----

    /// Begins to follow the text by line and column, from that version on.
    pub fn follow(&mut self, version: Seq) {
        if self.history.is_some() {
            return;
        }
        let text = self.text();
        self.history = Some(History::new(&text, version));
        let seen = self.seen.clone();
        self.content.observe("content", move |transaction, event| {
            let splices = splices(event.delta(transaction));
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend(splices);
        });
    }

    /// Nobody edits by line and column any more.
    pub fn unfollow(&mut self) {
        self.content.unobserve("content");
        self.history = None;
        self.draft = None;
    }

    /// Whether the text is followed.
    pub const fn is_followed(&self) -> bool {
        self.history.is_some()
    }

    /// The text.
    pub fn text(&self) -> String {
        self.content.get_string(&self.doc.transact())
    }

    /// Whether the document has contents, but none that JSON editors see.
    pub fn has_another_root(&self) -> bool {
        let transaction = self.doc.transact();
        self.content.len(&transaction) == 0 && transaction.root_refs().any(|(name, _)| name != CONTENT)
    }

    /// The update that an edit makes. `client` must not have been used for another draft. `None` if the edit changes nothing.
    /// No other edit may be asked for until the log has confirmed or refused it.
    ///
    /// # Errors
    /// If the edit is in conflict with those made since the version that it refers to.
    pub fn edit(&mut self, edit: &Edit, client: u64) -> Result<Option<Vec<u8>>, Conflict> {
        let history = self.history.as_ref().ok_or(Conflict::TooOld)?;
        let splices = history.place(edit.base, edit.mode, &edit.changes)?;
        if splices.is_empty() {
            return Ok(None);
        }
        if self.draft.is_none() {
            let (doc, content) = document(client);
            let whole = Arc::from(self.state());
            self.draft = Some(Draft { doc, content, behind: vec![whole] });
        }
        let Some(draft) = &mut self.draft else { return Err(Conflict::TooOld) };
        draft.catch_up();
        let mut transaction = draft.doc.transact_mut();
        for splice in splices {
            // the places are within the text, of which the history is a copy
            let at = u32::try_from(splice.at).unwrap_or(u32::MAX);
            if splice.removed > 0 {
                draft.content.remove_range(&mut transaction, at, u32::try_from(splice.removed).unwrap_or(u32::MAX));
            }
            if !splice.inserted.is_empty() {
                draft.content.insert(&mut transaction, at, &splice.inserted);
            }
        }
        Ok(Some(transaction.encode_update_v1()))
    }

    /// The update that makes the text that of an earlier state. `client` must not have been used before. `None` if it is that
    /// text already.
    ///
    /// # Errors
    /// If the state can't be decoded.
    pub fn restore(&self, state: &[u8], client: u64) -> Result<Option<Vec<u8>>, BadUpdate> {
        let (earlier, wanted) = document(0);
        earlier.transact_mut().apply_update(decode(state)?).map_err(|_| BadUpdate::Malformed)?;
        let (wanted, current) = (wanted.get_string(&earlier.transact()), self.text());
        let Some(splice) = difference(&current, &wanted) else { return Ok(None) };
        let (doc, content) = document(client);
        let mut transaction = doc.transact_mut();
        transaction.apply_update(decode(&self.state())?).map_err(|_| BadUpdate::Malformed)?;
        drop(transaction);
        // of its own, so that the update contains nothing else
        let mut transaction = doc.transact_mut();
        let (at, removed) = (splice.at as u32, splice.removed as u32);
        if removed > 0 {
            content.remove_range(&mut transaction, at, removed);
        }
        if !splice.inserted.is_empty() {
            content.insert(&mut transaction, at, &splice.inserted);
        }
        Ok(Some(transaction.encode_update_v1()))
    }

    /// The edit was not stored: the next one begins from what is.
    pub fn discard_draft(&mut self) {
        self.draft = None;
    }

    /// Where a position of a version is now, in the current version.
    pub fn carry(&self, base: Option<Seq>, position: Position) -> Option<Position> {
        let history = self.history.as_ref()?;
        history.carry(base, position).map(|at| position_of(history.text(), at))
    }

    /// The same range by characters.
    pub fn anchors(&self, from: Position, to: Position) -> Option<AnchorRange> {
        let text = self.history.as_ref()?.text();
        let transaction = self.doc.transact();
        let anchor = |position| {
            let at = u32::try_from(offset_of(text, position)).ok()?;
            let index = self.content.sticky_index(&transaction, at, Assoc::After)?;
            Some(match index.scope() {
                IndexScope::Relative(id) => {
                    Anchor::Next { client: id.client.get(), clock: id.clock, side: Side::Before }
                }
                IndexScope::Nested(_) | IndexScope::Root(_) => Anchor::End,
            })
        };
        Some(AnchorRange { from: anchor(from)?, to: anchor(to)? })
    }

    /// The same range by line and column; `None` if it is not in the text, or not yet.
    pub fn range(&self, range: &AnchorRange) -> Option<(Position, Position)> {
        let text = self.history.as_ref()?.text();
        let transaction = self.doc.transact();
        let position = |anchor| match anchor {
            Anchor::Start => Some(Position::default()),
            Anchor::End => Some(position_of(text, text.len_utf16_cu())),
            Anchor::Next { client, clock, side } => {
                let assoc = match side {
                    Side::Before => Assoc::After,
                    Side::Behind => Assoc::Before,
                };
                let index = StickyIndex::from_id(ID::new(ClientID::new(client), clock), assoc);
                // what a client claims may not exist
                let found = catch_unwind(AssertUnwindSafe(|| index.get_offset(&transaction))).ok().flatten()?;
                let is_content = found.branch == BranchPtr::from(AsRef::<Branch>::as_ref(&self.content));
                is_content.then(|| position_of(text, found.index as usize))
            }
        };
        Some((position(range.from)?, position(range.to)?))
    }

    /// The current version, while the text is followed.
    pub fn version(&self) -> Option<Seq> {
        self.history.as_ref().map(History::version)
    }
}

impl Draft {
    fn catch_up(&mut self) {
        let mut transaction = self.doc.transact_mut();
        for update in self.behind.drain(..) {
            if let Ok(decoded) = decode(&update) {
                // like the replica itself, which has applied the same before
                let _ = transaction.apply_update(decoded);
                transaction.prune_pending();
            }
        }
    }
}

fn splices(delta: &[Delta]) -> Vec<Splice> {
    let mut splices: Vec<Splice> = Vec::new();
    let mut at = 0;
    for part in delta {
        match part {
            Delta::Retain(units, _) => at += *units as usize,
            Delta::Deleted(removed) => match splices.last_mut() {
                Some(last) if last.removed == 0 && last.at + last.inserted_units() == at => {
                    last.removed = *removed as usize;
                }
                _ => splices.push(Splice { at, removed: *removed as usize, inserted: "".into() }),
            },
            Delta::Inserted(value, _) => {
                let inserted: Arc<str> = match value {
                    Out::Any(yrs::Any::String(text)) => text.as_ref().into(),
                    _ => EMBEDDED.into(),
                };
                let length = units(&inserted);
                match splices.last_mut() {
                    Some(last) if last.inserted.is_empty() && last.at == at => last.inserted = inserted,
                    _ => splices.push(Splice { at, removed: 0, inserted }),
                }
                at += length;
            }
        }
    }
    splices
}

/// The text of a state.
///
/// # Errors
/// If the state can't be decoded.
pub fn text_of(state: &[u8]) -> Result<String, BadUpdate> {
    let (doc, content) = document(0);
    doc.transact_mut().apply_update(decode(state)?).map_err(|_| BadUpdate::Malformed)?;
    Ok(content.get_string(&doc.transact()))
}

/// What is between the beginning and the end that two texts share.
fn difference(from: &str, to: &str) -> Option<Splice> {
    if from == to {
        return None;
    }
    let same = from.chars().zip(to.chars()).take_while(|(a, b)| a == b);
    let head: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let (before, after) = (from.get(head..)?, to.get(head..)?);
    let same = before.chars().rev().zip(after.chars().rev()).take_while(|(a, b)| a == b);
    let tail: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let removed = before.get(..before.len() - tail)?;
    let inserted = after.get(..after.len() - tail)?.into();
    Some(Splice { at: units(from.get(..head)?), removed: units(removed), inserted })
}

/// The changes by line and column that lead from one text to another: one for each run of lines that differ. They apply one
/// after another. What is not compared until the deadline is one change.
pub fn changes_between(from: &str, to: &str, deadline: Instant) -> Vec<Change> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (from.split_inclusive('\n').collect(), to.split_inclusive('\n').collect());
    let runs = similar::capture_diff_slices_deadline(similar::Algorithm::Myers, &before, &after, Some(deadline));
    let mut text = ropey::Rope::from_str(from);
    let mut changes = Vec::new();
    for run in runs.iter().filter(|run| run.tag() != similar::DiffTag::Equal) {
        let (old, new) = (run.old_range(), run.new_range());
        let lines = |lines: &[&str], range: std::ops::Range<usize>| lines.get(range).unwrap_or_default().concat();
        let (removed, inserted) = (lines(&before, old), lines(&after, new.clone()));
        let Some(splice) = difference(&removed, &inserted) else { continue };
        let start: usize = after.iter().take(new.start).map(|line| units(line)).sum();
        let at = start + splice.at;
        let (begin, end) = (position_of(&text, at), position_of(&text, at + splice.removed));
        let extent = if splice.removed == 0 { Extent::Nothing } else { Extent::UpTo(end) };
        super::position::splice(&mut text, &Splice { at, ..splice.clone() });
        changes.push(Change { start: begin, extent, text: splice.inserted });
    }
    changes
}
