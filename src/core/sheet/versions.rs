//! Optimistic concurrency of cells: decides by version numbers whether an update is accepted or refused
//! (docs/protocol.md, Sheets). Several updates of one batch are decided in order, each as if those before it were
//! already stored.

use std::collections::HashMap;

use super::{Cell, CellRef};
use crate::{ids::SheetId, limits};

/// Why an update is invalid, whatever is stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadUpdate {
    /// It changes nothing.
    #[error("`cells` is empty; send at least one cell")]
    Empty,
    /// It would be ambiguous which one counts.
    #[error("`cells` has {0} twice; send each cell once")]
    Twice(CellRef),
    /// A version that this server has never sent.
    #[error("`version` can't be {0}; send the version that you saw last, or 0")]
    Version(i64),
}

/// Why an update is not accepted, given what is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// These cells were changed by somebody else in the meantime; their current versions.
    Late(Vec<(CellRef, i64)>),
    /// It is invalid.
    Bad(BadUpdate),
}

/// The versions of the cells that a batch of updates touches; 0 for a cell that was never written.
#[derive(Default, Debug)]
pub struct Versions {
    known: HashMap<SheetId, HashMap<CellRef, i64>>,
}

/// Validates an update without looking at stored versions.
pub fn check(cells: &[Cell]) -> Result<(), BadUpdate> {
    if cells.is_empty() {
        return Err(BadUpdate::Empty);
    }
    if let Some(cell) = cells.iter().find(|cell| cell.version < 0) {
        return Err(BadUpdate::Version(cell.version));
    }
    let mut places: Vec<CellRef> = cells.iter().map(|cell| cell.at).collect();
    places.sort_unstable();
    match places.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    }) {
        Some(place) => Err(BadUpdate::Twice(place)),
        None => Ok(()),
    }
}

/// Returns a version that is larger than any a client can have seen, unless the cell was raised that far by updates.
/// Such an update must not create a sheet.
pub fn beyond_clocks(cells: &[Cell]) -> Option<i64> {
    cells.iter().map(|cell| cell.version).find(|version| *version > limits::CELL_VERSION_SENT_MAX)
}

impl Versions {
    /// Records the stored version of a cell.
    pub fn know(&mut self, sheet: &SheetId, at: CellRef, version: i64) {
        match self.known.get_mut(sheet) {
            Some(cells) => {
                cells.insert(at, version);
            }
            None => {
                self.known.insert(sheet.clone(), HashMap::from([(at, version)]));
            }
        }
    }

    /// Accepts the whole update and assigns the new versions, or changes nothing and returns the reason. The update
    /// must have passed [`check`].
    pub fn take(&mut self, sheet: &SheetId, cells: &mut [Cell]) -> Result<(), NotTaken> {
        let known = match self.known.get_mut(sheet) {
            Some(known) => known,
            None => self.known.entry(sheet.clone()).or_default(),
        };
        let stored = |at: CellRef| known.get(&at).copied().unwrap_or_default();
        // a cell that is already beyond the bound still grows by one per update, for clients that saw its version
        let from_nowhere = |cell: &&Cell| cell.version > stored(cell.at).max(limits::CELL_VERSION_SENT_MAX);
        if let Some(cell) = cells.iter().find(from_nowhere) {
            return Err(NotTaken::Bad(BadUpdate::Version(cell.version)));
        }
        let stale = cells.iter().filter(|cell| cell.version != 0 && cell.version < stored(cell.at));
        let late: Vec<(CellRef, i64)> = stale.map(|cell| (cell.at, stored(cell.at))).collect();
        if !late.is_empty() {
            return Err(NotTaken::Late(late));
        }
        for cell in cells {
            let stored = known.entry(cell.at).or_default();
            // cannot overflow: versions sent are bounded, and above the bound they grow by one per update
            *stored = cell.version.max(*stored).saturating_add(1);
            cell.version = *stored;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::{command::RawJson, simulation::simulate};

    fn sheet(name: &str) -> SheetId {
        SheetId::new(name).unwrap()
    }

    fn cell(at: &str, version: i64) -> Cell {
        Cell { at: at.parse().unwrap(), value: RawJson::from_parsed("1"), formula: None, version }
    }

    fn take(versions: &mut Versions, cells: &[(&str, i64)]) -> Result<Vec<i64>, Vec<String>> {
        let mut cells: Vec<Cell> = cells.iter().map(|(at, version)| cell(at, *version)).collect();
        match versions.take(&sheet("s"), &mut cells) {
            Ok(()) => Ok(cells.iter().map(|cell| cell.version).collect()),
            Err(NotTaken::Late(late)) => Err(late.iter().map(|(at, stored)| format!("{at}/{stored}")).collect()),
            Err(NotTaken::Bad(bad)) => Err(vec![bad.to_string()]),
        }
    }

    #[test]
    fn the_new_version_follows_both_the_stored_and_the_sent_one() {
        let mut versions = Versions::default();
        assert_eq!(take(&mut versions, &[("A1", 0)]), Ok(vec![1]));
        assert_eq!(take(&mut versions, &[("A1", 1)]), Ok(vec![2]));
        assert_eq!(take(&mut versions, &[("A1", 1_642_161_000_000)]), Ok(vec![1_642_161_000_001]));
        assert_eq!(take(&mut versions, &[("A1", 0)]), Ok(vec![1_642_161_000_002]));
        assert_eq!(take(&mut versions, &[("A1", 1_642_161_000_001)]), Err(vec!["A1/1642161000002".to_owned()]));
    }

    #[test]
    fn a_version_beyond_all_clocks_stops_nobody_who_has_seen_it() {
        let mut versions = Versions::default();
        let most = limits::CELL_VERSION_SENT_MAX;
        let refused = |version: i64| Err(vec![BadUpdate::Version(version).to_string()]);
        assert_eq!(take(&mut versions, &[("A1", most + 1)]), refused(most + 1));
        assert_eq!(take(&mut versions, &[("A1", most)]), Ok(vec![most + 1]));
        assert_eq!(take(&mut versions, &[("A1", most + 1)]), Ok(vec![most + 2]));
        assert_eq!(take(&mut versions, &[("A1", most + 1)]), Err(vec![format!("A1/{}", most + 2)]));
        assert_eq!(take(&mut versions, &[("A1", 0)]), Ok(vec![most + 3]));
        assert_eq!(take(&mut versions, &[("A1", most + 4)]), refused(most + 4));
        assert_eq!(take(&mut versions, &[("B1", most + 3)]), refused(most + 3));
        assert_eq!(take(&mut versions, &[("A1", most + 3), ("B1", i64::MAX)]), refused(i64::MAX));
    }

    #[test]
    fn an_update_is_taken_whole_or_not_at_all() {
        let mut versions = Versions::default();
        versions.know(&sheet("s"), "B1".parse().unwrap(), 7);
        versions.know(&sheet("s"), "D1".parse().unwrap(), 9);
        let update = [("A1", 0), ("B1", 6), ("C1", 3), ("D1", 1)];
        assert_eq!(take(&mut versions, &update), Err(vec!["B1/7".to_owned(), "D1/9".to_owned()]));
        assert_eq!(take(&mut versions, &[("A1", 0), ("B1", 7), ("C1", 3), ("D1", 0)]), Ok(vec![1, 8, 4, 10]));
    }

    #[test]
    fn sheets_do_not_know_each_other() {
        let mut versions = Versions::default();
        versions.know(&sheet("other"), "A1".parse().unwrap(), 7);
        assert_eq!(take(&mut versions, &[("A1", 3)]), Ok(vec![4]));
    }

    #[test]
    fn what_no_honest_client_sends_is_told_by_name() {
        assert_eq!(check(&[]), Err(BadUpdate::Empty));
        assert_eq!(check(&[cell("A1", 0), cell("B1", 0), cell("A1", 1)]), Err(BadUpdate::Twice("A1".parse().unwrap())));
        for version in [-1, i64::MIN] {
            assert_eq!(check(&[cell("A1", 0), cell("B1", version)]), Err(BadUpdate::Version(version)));
        }
        assert_eq!(check(&[cell("A1", 0), cell("B1", limits::CELL_VERSION_SENT_MAX)]), Ok(()));
    }

    /// A naive model: each cell with its version.
    type Paper = BTreeMap<(String, CellRef), i64>;

    #[test]
    fn versions_go_as_on_paper() {
        simulate(200, |rng| {
            let mut paper = Paper::new();
            let mut versions = Versions::default();
            for _ in 0..200 {
                if rng.u8(0..10) == 0 {
                    // a new batch: the decisions so far are stored and read back
                    versions = Versions::default();
                    paper.iter().for_each(|((name, at), version)| versions.know(&sheet(name), *at, *version));
                }
                let name = ["one", "two"][rng.usize(0..2)];
                let mut places: Vec<CellRef> = (0..6).map(|n| CellRef { row: n / 3, column: n % 3 }).collect();
                rng.shuffle(&mut places);
                places.truncate(rng.usize(1..=6));
                let seen = |rng: &mut fastrand::Rng, at| match rng.u8(0..4) {
                    0 => 0,
                    1 => rng.i64(1..40),
                    _ => paper.get(&(name.to_owned(), at)).copied().unwrap_or_default(),
                };
                let mut cells: Vec<Cell> =
                    places.iter().map(|at| Cell { at: *at, version: seen(rng, *at), ..cell("A1", 0) }).collect();
                decide_on_paper(&mut paper, &mut versions, name, &mut cells);
            }
        });
    }

    fn decide_on_paper(paper: &mut Paper, versions: &mut Versions, name: &str, cells: &mut [Cell]) {
        let sent: Vec<Cell> = cells.to_vec();
        let on_paper = |paper: &Paper, at| paper.get(&(name.to_owned(), at)).copied().unwrap_or(0);
        let stale: Vec<(CellRef, i64)> = sent
            .iter()
            .filter(|cell| cell.version > 0 && on_paper(paper, cell.at) > cell.version)
            .map(|cell| (cell.at, on_paper(paper, cell.at)))
            .collect();
        match versions.take(&sheet(name), cells) {
            Err(why) => {
                assert_eq!(why, NotTaken::Late(stale));
                assert_eq!(cells, sent);
            }
            Ok(()) => {
                assert_eq!(stale, []);
                for (cell, sent) in cells.iter().zip(&sent) {
                    let before = on_paper(paper, cell.at);
                    assert_eq!(cell.version, if before > sent.version { before + 1 } else { sent.version + 1 });
                    paper.insert((name.to_owned(), cell.at), cell.version);
                }
            }
        }
    }
}
