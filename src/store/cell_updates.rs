//! Decides which cell updates of a batch are accepted: the same for both databases. Pure; the callers read what it
//! needs from the database. It must run under the locks of the rooms, so that nobody changes these sheets in the
//! meantime.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    NotAppended, StoreError,
    batch::{Batch, Earlier, Entry, payload},
    values::{Id, Moment},
};
use crate::{
    core::{
        event::{Durable, SheetDurable},
        sheet::{BadUpdate, Cell, CellConflict, CellRef, NotTaken, StoredCell, Versions, beyond_clocks, check},
    },
    ids::{SheetId, UserId},
    limits,
};

/// A cell of a sheet.
pub(super) type Place = (SheetId, CellRef);

/// A sheet as the first write of a batch would create it.
#[derive(Clone, Copy)]
pub(super) struct NewSheet {
    pub room: Id,
    pub at: Moment,
}

/// The sheets that a batch writes, ascending, so that two nodes that create them at the same time do not deadlock. The
/// value is the sheet to create, if one of the updates may create it.
pub(super) type Wanted = BTreeMap<SheetId, Option<NewSheet>>;

/// The room of each sheet.
pub(super) type Homes = HashMap<SheetId, Id>;

/// The decisions, and what must still be read.
#[derive(Default)]
pub(super) struct Decided {
    /// For each changed cell, its last change in the batch.
    last: BTreeMap<Place, Change>,
    sent_back: Vec<SentBack>,
}

/// An update with conflicts.
struct SentBack {
    entry: usize,
    contested: Vec<Contested>,
}

/// A cell that another user changed first.
struct Contested {
    place: Place,
    version: i64,
    /// Its last change, if that was in this batch.
    here: Option<Change>,
}

/// The limit on the bytes of one update's conflicting cells that are read and sent.
#[derive(Default)]
pub(super) struct Allowance {
    bytes: usize,
}

impl Allowance {
    /// Whether another cell fits. The first one always does.
    pub fn is_left(&self) -> bool {
        self.bytes < limits::CONFLICT_BYTES_FULL
    }

    /// Counts the cell's bytes.
    pub fn spend(&mut self, cell: &Cell) {
        // At least one byte, so that the number of empty cells is bounded as well.
        self.bytes += cell.text_bytes().max(1);
    }
}

/// A cell to write.
pub(super) struct CellWrite<'a> {
    pub sheet: &'a str,
    pub row: i32,
    pub column: i32,
    pub value: &'a str,
    pub formula: Option<&'a str>,
    pub version: i64,
    pub user: &'a str,
    pub at: Moment,
}

/// The position of a cell change in a batch.
#[derive(Clone, Copy)]
struct Change {
    entry: usize,
    /// The index of the cell in its update.
    cell: usize,
}

/// Row and column in the form that the databases store.
pub(super) fn indices(at: CellRef) -> (i32, i32) {
    // Both are far below the limit.
    (i32::try_from(at.row).unwrap_or(i32::MAX), i32::try_from(at.column).unwrap_or(i32::MAX))
}

impl Batch {
    /// The sheets that the batch writes. Refuses updates that are invalid regardless of the stored cells. Empty for a
    /// batch without cell updates, as most are.
    pub fn sheets(&mut self, earlier: &Earlier) -> Wanted {
        let mut sheets = Wanted::new();
        let Batch { rooms, entries } = self;
        for entry in entries {
            let Some((sheet, cells)) = open_update(entry, earlier) else { continue };
            match (check(cells), rooms.get(entry.room)) {
                (Ok(()), Some(room)) => {
                    let new = NewSheet { room: *room, at: entry.at };
                    let wanted = sheets.entry(sheet.clone()).or_default();
                    *wanted = wanted.or(beyond_clocks(cells).is_none().then_some(new));
                }
                (Ok(()), None) => {}
                (Err(bad), _) => entry.refused = Some(bad.into()),
            }
        }
        sheets
    }

    /// Refuses updates of sheets that belong to other rooms. Returns the cells that the others touch, ascending.
    pub fn touched(&mut self, earlier: &Earlier, homes: &Homes) -> BTreeSet<Place> {
        let mut touched = BTreeSet::new();
        let Batch { rooms, entries } = self;
        for entry in entries {
            let Some((sheet, cells)) = open_update(entry, earlier) else { continue };
            match homes.get(sheet) {
                Some(home) if rooms.get(entry.room) == Some(home) => {
                    touched.extend(cells.iter().map(|cell| (sheet.clone(), cell.at)));
                }
                Some(_) => entry.refused = Some(NotAppended::SheetElsewhere),
                // Not created, because no cell of a new sheet can have the version that this update claims to have
                // seen.
                None => {
                    entry.refused = Some(BadUpdate::Version(beyond_clocks(cells).unwrap_or_default()).into());
                }
            }
        }
        touched
    }

    /// Accepts updates in order, or rejects them with their conflicts.
    pub fn decide(&mut self, earlier: &Earlier, mut versions: Versions) -> Result<Decided, StoreError> {
        let mut decided = Decided::default();
        for index in 0..self.entries.len() {
            let Some(update) = self.entries.get(index).filter(|entry| open_update(entry, earlier).is_some()) else {
                continue;
            };
            let mut what = Durable::clone(&update.what);
            let Durable::Sheet(SheetDurable::CellsUpdated { sheet, cells, .. }) = &mut what else { continue };
            match versions.take(sheet, cells) {
                Ok(()) => {
                    let change = |cell| Change { entry: index, cell };
                    let changes = cells.iter().enumerate().map(|(n, cell)| ((sheet.clone(), cell.at), change(n)));
                    decided.last.extend(changes);
                    let Some(entry) = self.entries.get_mut(index) else { continue };
                    entry.payload = payload(&what)?;
                    entry.what = what.into();
                }
                Err(NotTaken::Late(late)) => {
                    let contested = late.into_iter().map(|(at, version)| {
                        let place = (sheet.clone(), at);
                        let here = decided.last.get(&place).copied();
                        Contested { place, version, here }
                    });
                    let contested = contested.collect();
                    decided.sent_back.push(SentBack { entry: index, contested });
                }
                Err(NotTaken::Bad(bad)) => {
                    if let Some(entry) = self.entries.get_mut(index) {
                        entry.refused = Some(bad.into());
                    }
                }
            }
        }
        Ok(decided)
    }

    /// Completes every rejected update with its conflicting cells: the first ones in full, as far as the limit allows,
    /// and the others with their versions.
    pub fn explain(&mut self, decided: &mut Decided, stored: &HashMap<Place, StoredCell>) {
        for SentBack { entry, contested } in decided.sent_back.drain(..) {
            let mut allowance = Allowance::default();
            let explained = contested.into_iter().map(|Contested { place, version, here }| {
                let shown = match here {
                    _ if !allowance.is_left() => None,
                    Some(change) => self.entries.get(change.entry).and_then(|entry| changed(entry, change.cell)),
                    None => stored.get(&place).map(|kept| (&kept.user, &kept.cell)),
                };
                let Some((user, current)) = shown else { return CellConflict::Named { at: place.1, version } };
                allowance.spend(current);
                CellConflict::Shown { current: current.clone(), user: user.clone() }
            });
            let conflicts = explained.collect();
            if let Some(entry) = self.entries.get_mut(entry) {
                entry.refused = Some(NotAppended::Conflicts(conflicts));
            }
        }
    }

    /// The cells to write, ascending, each once, as the last update in the batch leaves it.
    pub fn writes<'a>(&'a self, decided: &'a Decided) -> impl Iterator<Item = CellWrite<'a>> {
        decided.last.iter().filter_map(|((sheet, at), change)| {
            let entry = self.entries.get(change.entry)?;
            let (user, cell) = changed(entry, change.cell)?;
            let (row, column) = indices(*at);
            Some(CellWrite {
                sheet: sheet.as_str(),
                row,
                column,
                value: cell.value.as_str(),
                formula: cell.formula.as_deref(),
                version: cell.version,
                user: user.as_str(),
                at: entry.at,
            })
        })
    }
}

impl Decided {
    /// For every rejected update, the conflicting cells whose contents must be read from the database.
    pub fn unknown(&self) -> impl Iterator<Item = impl Iterator<Item = &Place>> {
        self.sent_back
            .iter()
            .map(|sent_back| sent_back.contested.iter().filter(|cell| cell.here.is_none()).map(|cell| &cell.place))
    }
}

/// The sheet and the cells of a cell update that is neither stored nor refused.
fn open_update<'a>(entry: &'a Entry, earlier: &Earlier) -> Option<(&'a SheetId, &'a [Cell])> {
    match &*entry.what {
        Durable::Chat(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
        Durable::Sheet(SheetDurable::CellsUpdated { .. })
            if entry.refused.is_some() || earlier.contains_key(&entry.id.0) =>
        {
            None
        }
        Durable::Sheet(SheetDurable::CellsUpdated { sheet, cells, .. }) => Some((sheet, cells)),
    }
}

fn changed(entry: &Entry, cell: usize) -> Option<(&UserId, &Cell)> {
    match &*entry.what {
        Durable::Chat(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
        Durable::Sheet(SheetDurable::CellsUpdated { author, cells, .. }) => Some((&author.id, cells.get(cell)?)),
    }
}
