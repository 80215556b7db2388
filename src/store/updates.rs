//! Which of a batch's updates of cells are taken: the same for both databases, which are asked in between what they
//! know. Pure. All of it happens under the locks of the rooms, so that nobody changes these sheets meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    NotAppended, StoreError,
    batch::{Batch, Earlier, Entry, payload},
    values::{Id, Moment},
};
use crate::{
    core::{
        event::Durable,
        sheet::{Cell, CellConflict, CellRef, StoredCell, Versions, check},
    },
    ids::{SheetId, UserId},
};

/// A cell of a sheet.
pub(super) type Place = (SheetId, CellRef);

/// A sheet as the first write of a batch would make it.
pub(super) struct NewSheet {
    pub room: Id,
    pub at: Moment,
}

/// Which sheet belongs to which room.
pub(super) type Homes = HashMap<SheetId, Id>;

/// What was decided, and what is still to be asked.
#[derive(Default)]
pub(super) struct Decided {
    /// For each cell that changes where it does so last.
    last: BTreeMap<Place, Change>,
    sent_back: Vec<SentBack>,
}

/// An update that came too late.
struct SentBack {
    entry: usize,
    contested: Vec<Contested>,
}

/// A cell that somebody else had changed before.
struct Contested {
    place: Place,
    /// What it is, if that came about in this batch.
    current: Option<CellConflict>,
}

/// A cell to be written.
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

/// Where in a batch a cell is changed.
#[derive(Clone, Copy)]
struct Change {
    entry: usize,
    /// Which of the update's cells.
    cell: usize,
}

/// Row and column as the databases keep them.
pub(super) fn indices(at: CellRef) -> (i32, i32) {
    // Both are bounded far below.
    (i32::try_from(at.row).unwrap_or(i32::MAX), i32::try_from(at.column).unwrap_or(i32::MAX))
}

impl Batch {
    /// The sheets that the batch writes, ascending, so that two nodes which make them at once don't deadlock. What can't
    /// be taken whatever is stored is refused here. Empty for a batch without updates of cells, as most are.
    pub fn sheets(&mut self, earlier: &Earlier) -> BTreeMap<SheetId, NewSheet> {
        let mut sheets = BTreeMap::new();
        let Batch { rooms, entries } = self;
        for entry in entries {
            let Some((sheet, cells)) = open_update(entry, earlier) else { continue };
            match (check(cells), rooms.get(entry.room)) {
                (Ok(()), Some(room)) => {
                    sheets.entry(sheet.clone()).or_insert(NewSheet { room: *room, at: entry.at });
                }
                (Ok(()), None) => {}
                (Err(bad), _) => entry.refused = Some(bad.into()),
            }
        }
        sheets
    }

    /// Refuses updates of sheets that belong to other rooms. Answers the cells that the rest touch, ascending.
    pub fn touched(&mut self, earlier: &Earlier, homes: &Homes) -> BTreeSet<Place> {
        let mut touched = BTreeSet::new();
        let Batch { rooms, entries } = self;
        for entry in entries {
            let Some((sheet, cells)) = open_update(entry, earlier) else { continue };
            if homes.get(sheet) == rooms.get(entry.room) {
                touched.extend(cells.iter().map(|cell| (sheet.clone(), cell.at)));
            } else {
                entry.refused = Some(NotAppended::SheetElsewhere);
            }
        }
        touched
    }

    /// Takes updates, one after another, or sends them back.
    pub fn decide(&mut self, earlier: &Earlier, mut versions: Versions) -> Result<Decided, StoreError> {
        let mut decided = Decided::default();
        for index in 0..self.entries.len() {
            let Some(update) = self.entries.get(index).filter(|entry| open_update(entry, earlier).is_some()) else {
                continue;
            };
            let mut what = Durable::clone(&update.what);
            let Durable::CellsUpdated { sheet, cells, .. } = &mut what else { continue };
            match versions.take(sheet, cells) {
                Ok(()) => {
                    let change = |cell| Change { entry: index, cell };
                    let changes = cells.iter().enumerate().map(|(n, cell)| ((sheet.clone(), cell.at), change(n)));
                    decided.last.extend(changes);
                    let Some(entry) = self.entries.get_mut(index) else { continue };
                    entry.payload = payload(&what)?;
                    entry.what = what.into();
                }
                Err(stale) => {
                    let contested = stale.into_iter().map(|at| {
                        let place = (sheet.clone(), at);
                        let current = decided.last.get(&place).and_then(|last| self.as_changed(*last));
                        Contested { place, current }
                    });
                    let contested = contested.collect();
                    decided.sent_back.push(SentBack { entry: index, contested });
                }
            }
        }
        Ok(decided)
    }

    /// A cell as it is changed there.
    fn as_changed(&self, change: Change) -> Option<CellConflict> {
        let (user, cell) = changed(self.entries.get(change.entry)?, change.cell)?;
        Some(CellConflict { current: cell.clone(), user: user.clone() })
    }

    /// Says of every update that is sent back what its contested cells are.
    pub fn explain(&mut self, decided: &mut Decided, stored: &HashMap<Place, StoredCell>) {
        for SentBack { entry, contested } in decided.sent_back.drain(..) {
            let known = |Contested { place, current }: Contested| {
                current.or_else(|| {
                    let StoredCell { cell, user, .. } = stored.get(&place)?.clone();
                    Some(CellConflict { current: cell, user })
                })
            };
            let conflicts = contested.into_iter().filter_map(known).collect();
            if let Some(entry) = self.entries.get_mut(entry) {
                entry.refused = Some(NotAppended::Conflicts(conflicts));
            }
        }
    }

    /// The cells to be written, ascending, each once, as the last update in the batch makes it.
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
    /// The contested cells of which only the database knows what they are.
    pub fn contested(&self) -> HashSet<&Place> {
        let contested = self.sent_back.iter().flat_map(|sent_back| &sent_back.contested);
        contested.filter(|cell| cell.current.is_none()).map(|cell| &cell.place).collect()
    }
}

/// The sheet and the cells of an entry that updates cells and is neither stored nor refused.
fn open_update<'a>(entry: &'a Entry, earlier: &Earlier) -> Option<(&'a SheetId, &'a [Cell])> {
    match &*entry.what {
        Durable::MessageSent { .. } => None,
        Durable::CellsUpdated { .. } if entry.refused.is_some() || earlier.contains_key(&entry.id.0) => None,
        Durable::CellsUpdated { sheet, cells, .. } => Some((sheet, cells)),
    }
}

fn changed(entry: &Entry, cell: usize) -> Option<(&UserId, &Cell)> {
    match &*entry.what {
        Durable::MessageSent { .. } => None,
        Durable::CellsUpdated { author, cells, .. } => Some((&author.id, cells.get(cell)?)),
    }
}
