//! Shared sheets: the first update wins, all or nothing, no duplicates, and reading in pages.

use std::{collections::HashMap, sync::Arc};

use convene::{
    core::{
        command::RawJson,
        event::{Durable, SheetDurable},
        profile::Profile,
        sheet::{BadUpdate, Cell, CellConflict, CellRange, CellRef, StoredCell},
    },
    ids::{EventId, RoomId, RoomName, Seq, SheetId, Timestamp},
    limits,
    store::{Append, Appended, Attempt, NotAppended, QueueFor, Store, StoreOptions},
};

use crate::fixture::{Database, channel, message, on_both, user};

const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_000_123 };

fn sheet(name: &str) -> SheetId {
    SheetId::new(name).unwrap()
}

fn at(name: &str) -> CellRef {
    name.parse().unwrap()
}

fn range(name: &str) -> CellRange {
    name.parse().unwrap()
}

fn cell(place: &str, value: &str, version: i64) -> Cell {
    Cell { at: at(place), value: RawJson::from_parsed(value), formula: None, version }
}

/// An update to append.
fn update(room: RoomId, author: &Profile, name: &str, cells: &[Cell]) -> Append {
    let what = Durable::Sheet(SheetDurable::CellsUpdated {
        sheet: sheet(name),
        author: author.author(),
        cells: cells.to_vec(),
    });
    let what = Arc::new(what);
    Append { room, id: EventId::generate(), at: TIME, what, queue_for: QueueFor::default(), client_message_id: None }
}

/// A user and two open rooms of that user.
async fn world(store: &Store) -> (Profile, RoomId, RoomId) {
    let ada = user(store, "ada").await;
    let mut rooms = Vec::new();
    for name in ["one", "two"] {
        let name = RoomName::new(name).unwrap();
        rooms.push(store.create_open_room(&name, &ada.id).await.unwrap().identity.id);
    }
    (ada, rooms[0], rooms[1])
}

/// Appends one entry and returns the result.
async fn put(store: &Store, append: Append) -> Result<Appended, NotAppended> {
    store.append(&[append], Attempt::First).await.unwrap().remove(0)
}

/// The versions that an update produced.
#[track_caller]
fn versions(outcome: &Result<Appended, NotAppended>) -> Vec<i64> {
    match &*outcome.as_ref().unwrap().what {
        Durable::Sheet(SheetDurable::CellsUpdated { cells, .. }) => cells.iter().map(|cell| cell.version).collect(),
        other => panic!("{other:?}"),
    }
}

async fn all(store: &Store, name: &str) -> Vec<StoredCell> {
    store.cells(&sheet(name), CellRange::WHOLE, None, usize::MAX).await.unwrap()
}

/// Every cell as `A1=value/version`, row by row.
async fn shown(store: &Store, name: &str) -> Vec<String> {
    let cells = all(store, name).await;
    cells.iter().map(|kept| format!("{}={}/{}", kept.cell.at, kept.cell.value.as_str(), kept.cell.version)).collect()
}

/// The log has no gap, and replaying it produces the stored sheet.
async fn assert_log_makes_sheet(store: &Store, room: RoomId, name: &str) {
    let head = store.room_head(room).await.unwrap().unwrap().seq;
    let events = store.events_after(room, Seq(0), usize::MAX).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), (1..=head.0).collect::<Vec<_>>());
    let mut replayed: HashMap<CellRef, Cell> = HashMap::new();
    for event in events {
        let Durable::Sheet(SheetDurable::CellsUpdated { sheet: of, cells, .. }) = event.what else { continue };
        for cell in cells.into_iter().filter(|_| of == sheet(name)) {
            let before = replayed.insert(cell.at, cell.clone()).map_or(0, |before| before.version);
            assert!(cell.version > before, "{} went from {before} to {}", cell.at, cell.version);
        }
    }
    let kept: HashMap<CellRef, Cell> =
        all(store, name).await.into_iter().map(|kept| (kept.cell.at, kept.cell)).collect();
    assert_eq!(replayed, kept);
}

on_both! {
    async fn cells_get_versions_and_conflicts_change_nothing(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let bob = user(&store, "bob").await;
        let formula = Cell { formula: Some("=1+1".into()), ..cell("B2", "2.50", 0) };
        let first = put(&store, update(room, &ada, "s", &[cell("A1", "\"x\"", 0), formula.clone()])).await;
        assert_eq!((first.as_ref().unwrap().seq, versions(&first)), (Seq(1), vec![1, 1]));
        // The returned event is the logged one.
        let logged = store.events_after(room, Seq(0), 10).await.unwrap().remove(0);
        assert_eq!(logged.what, *first.unwrap().what);

        let second = put(&store, update(room, &bob, "s", &[cell("A1", "true", 1)])).await;
        assert_eq!((second.as_ref().unwrap().seq, versions(&second)), (Seq(2), vec![2]));
        let stale = [cell("C1", "1", 0), cell("A1", "3", 1), cell("B2", "4", 5)];
        let current = CellConflict::Shown { current: cell("A1", "true", 2), user: bob.id.clone() };
        assert_eq!(put(&store, update(room, &ada, "s", &stale)).await, Err(NotAppended::Conflicts(vec![current])));
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(2));
        assert_eq!(shown(&store, "s").await, ["A1=true/2", "B2=2.50/1"]);
        let kept = &all(&store, "s").await[1];
        assert_eq!((&kept.cell, &kept.user, kept.at), (&Cell { version: 1, ..formula }, &ada.id, TIME));
        // A cleared cell keeps its version. A client whose version is ahead of the server's is followed.
        let cleared = put(&store, update(room, &ada, "s", &[cell("A1", "null", 0), cell("B2", "5", 1_642_161_000_000)])).await;
        assert_eq!(versions(&cleared), [3, 1_642_161_000_001]);
        assert_log_makes_sheet(&store, room, "s").await;
    }

    async fn a_conflict_in_the_middle_harms_no_other(database: Database) {
        let store = database.store().await;
        let (ada, room, other) = world(&store).await;
        put(&store, update(room, &ada, "s", &[cell("A1", "1", 7)])).await.unwrap();
        let batch = [
            message(room, &ada, "before"),
            update(room, &ada, "s", &[cell("B1", "1", 0)]),
            update(room, &ada, "s", &[cell("A1", "2", 3), cell("C1", "2", 0)]),
            update(other, &ada, "s", &[cell("A1", "3", 0)]),
            update(room, &ada, "s", &[cell("B1", "4", 0), cell("A1", "4", 8)]),
            // These see changes made a moment ago: the second is one version behind.
            update(room, &ada, "s", &[cell("B1", "5", 2)]),
            update(room, &ada, "s", &[cell("B1", "6", 2), cell("A1", "6", 1)]),
            update(room, &ada, "s", &[]),
            update(room, &ada, "s", &[cell("A1", "7", 0), cell("A1", "8", 0)]),
            update(room, &ada, "s", &[cell("A1", "9", -1)]),
            message(room, &ada, "after"),
            update(other, &ada, "t", &[cell("A1", "10", 0)]),
        ];
        let outcomes = store.append(&batch, Attempt::First).await.unwrap();
        let seqs: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|appended| appended.seq.0)).collect();
        let (n, s) = (None, Some);
        assert_eq!(seqs, [s(2), s(3), n, n, s(4), s(5), n, n, n, n, s(6), s(1)]);
        let by_ada = |current| CellConflict::Shown { current, user: ada.id.clone() };
        assert_eq!(outcomes[2], Err(NotAppended::Conflicts(vec![by_ada(cell("A1", "1", 8))])));
        assert_eq!(outcomes[3], Err(NotAppended::SheetElsewhere));
        let both = vec![by_ada(cell("B1", "5", 3)), by_ada(cell("A1", "4", 9))];
        assert_eq!(outcomes[6], Err(NotAppended::Conflicts(both)));
        assert_eq!(outcomes[7], Err(NotAppended::BadUpdate(BadUpdate::Empty)));
        assert_eq!(outcomes[8], Err(NotAppended::BadUpdate(BadUpdate::Twice(at("A1")))));
        assert_eq!(outcomes[9], Err(NotAppended::BadUpdate(BadUpdate::Version(-1))));
        assert_eq!((versions(&outcomes[4]), versions(&outcomes[5])), (vec![2, 9], vec![3]));
        assert_eq!(shown(&store, "s").await, ["A1=4/9", "B1=5/3"]);
        assert_log_makes_sheet(&store, room, "s").await;
        assert_log_makes_sheet(&store, other, "t").await;
        // A batch with only refusals is fine, too.
        let refused = store.append(&[batch[2].clone(), batch[7].clone()], Attempt::First).await.unwrap();
        assert!(refused.iter().all(Result::is_err));
    }

    async fn a_version_that_nobody_was_told_makes_nothing(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let most = limits::CELL_VERSION_SENT_MAX;
        let bad = Err(NotAppended::BadUpdate(BadUpdate::Version(most + 1)));
        assert_eq!(put(&store, update(room, &ada, "s", &[cell("A1", "1", most + 1)])).await, bad);
        assert_eq!(store.sheet_room(&sheet("s")).await.unwrap(), None, "what is refused makes no sheet");
        let batch = [
            update(room, &ada, "s", &[cell("A1", "1", most + 1)]),
            update(room, &ada, "s", &[cell("A1", "2", most)]),
            update(room, &ada, "s", &[cell("A1", "3", most + 1)]),
            update(room, &ada, "s", &[cell("B1", "4", most + 1)]),
        ];
        let outcomes = store.append(&batch, Attempt::First).await.unwrap();
        assert_eq!((&outcomes[0], &outcomes[3]), (&bad, &bad));
        assert_eq!((versions(&outcomes[1]), versions(&outcomes[2])), (vec![most + 1], vec![most + 2]));
        // A client that has seen the cell's version continues from there.
        assert_eq!(versions(&put(&store, update(room, &ada, "s", &[cell("A1", "5", most + 2)])).await), [most + 3]);
        assert_log_makes_sheet(&store, room, "s").await;
    }

    async fn of_many_conflicts_the_first_are_told_in_full(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let places: Vec<String> = (1..=40).map(|row| format!("A{row}")).collect();
        let filled = |length: usize, version| {
            let value = format!("\"{}\"", "x".repeat(length - 2));
            places.iter().map(|at| cell(at, &value, version)).collect::<Vec<_>>()
        };
        let shown = |outcome: &Result<Appended, NotAppended>| {
            let Err(NotAppended::Conflicts(conflicts)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(conflicts.iter().map(CellConflict::at).collect::<Vec<_>>(), places.iter().map(|a| at(a)).collect::<Vec<_>>());
            let in_full: Vec<bool> = conflicts.iter().map(|conflict| matches!(conflict, CellConflict::Shown { .. })).collect();
            assert!(in_full.is_sorted_by(|before, after| before >= after), "the first ones: {in_full:?}");
            let versions = conflicts.iter().map(|conflict| match conflict {
                CellConflict::Shown { current, .. } => current.version,
                CellConflict::Named { version, .. } => *version,
            });
            assert_eq!(versions.collect::<Vec<_>>(), vec![10; places.len()]);
            in_full.iter().filter(|full| **full).count()
        };
        let many = limits::CONFLICT_BYTES_FULL / 8;
        for (length, expected) in [(many, 8), (limits::CONFLICT_BYTES_FULL + 1, 1), (10, places.len())] {
            // Conflicts with stored cells, and with cells of the same batch.
            let name = format!("{length}");
            put(&store, update(room, &ada, &name, &filled(length, 9))).await.unwrap();
            let late = || update(room, &ada, &name, &filled(10, 3));
            let twice = store.append(&[late(), late()], Attempt::First).await.unwrap();
            assert_eq!((shown(&twice[0]), shown(&twice[1])), (expected, expected));
            let name = format!("{length} at once");
            let both = [update(room, &ada, &name, &filled(length, 9)), update(room, &ada, &name, &filled(10, 3))];
            assert_eq!(shown(&store.append(&both, Attempt::First).await.unwrap()[1]), expected);
        }
    }

    async fn a_second_attempt_answers_what_the_first_one_gave(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let batch = [
            update(room, &ada, "s", &[cell("A1", "1", 0), cell("A2", "1", 5)]),
            message(room, &ada, "m"),
            update(room, &ada, "s", &[cell("A1", "2", 1)]),
        ];
        let first = store.append(&batch, Attempt::First).await.unwrap();
        put(&store, update(room, &ada, "s", &[cell("A1", "3", 2)])).await.unwrap();
        assert_eq!(store.append(&batch, Attempt::Again).await.unwrap(), first);
        // Together with new updates, which see all previous ones.
        let mixed = [batch[2].clone(), update(room, &ada, "s", &[cell("A1", "4", 3)]), batch[0].clone()];
        let outcomes = store.append(&mixed, Attempt::Again).await.unwrap();
        assert_eq!((&outcomes[0], &outcomes[2]), (&first[2], &first[0]));
        assert_eq!((outcomes[1].as_ref().unwrap().seq, versions(&outcomes[1])), (Seq(5), vec![4]));
        assert_eq!(shown(&store, "s").await, ["A1=4/4", "A2=1/6"]);
        assert_log_makes_sheet(&store, room, "s").await;
    }

    async fn a_sheet_belongs_to_the_room_of_its_first_write(database: Database) {
        let store = database.store().await;
        let (ada, room, other) = world(&store).await;
        assert_eq!(store.sheet_room(&sheet("s")).await.unwrap(), None);
        // Also within one batch. A refused update does not create a sheet.
        let batch = [
            update(other, &ada, "s", &[]),
            update(room, &ada, "s", &[cell("A1", "1", 0)]),
            update(other, &ada, "s", &[cell("A1", "2", 0)]),
        ];
        let outcomes = store.append(&batch, Attempt::First).await.unwrap();
        assert!(outcomes[1].is_ok());
        assert_eq!(outcomes[2], Err(NotAppended::SheetElsewhere));
        assert_eq!(put(&store, update(other, &ada, "s", &[cell("A1", "2", 0)])).await, Err(NotAppended::SheetElsewhere));
        assert_eq!(store.sheet_room(&sheet("s")).await.unwrap(), Some(RoomName::new("one").unwrap()));
        assert_eq!(shown(&store, "s").await, ["A1=1/1"]);
        assert_eq!(store.room_head(other).await.unwrap().unwrap().seq, Seq(0));
        // A sheet in another kind of room can't be found by a room name.
        let (_, channel) = channel(&store, &ada).await;
        put(&store, update(channel, &ada, "c", &[cell("A1", "1", 0)])).await.unwrap();
        assert_eq!(store.sheet_room(&sheet("c")).await.unwrap(), None);
    }

    async fn sheets_changed_lately_are_named_latest_first(database: Database) {
        let store = database.store().await;
        let (ada, room, other) = world(&store).await;
        for (seconds, room, name) in [(0, room, "a"), (10, room, "b"), (20, other, "c"), (30, room, "d"), (40, room, "a")] {
            let append = Append { at: TIME.plus_ms(seconds * 1000), ..update(room, &ada, name, &[cell("A1", "1", 0)]) };
            put(&store, append).await.unwrap();
        }
        let active = async |since: i64| {
            let active = store.active_sheets(room, TIME.plus_ms(since * 1000)).await.unwrap();
            active.into_iter().map(|(sheet, at)| (sheet.to_string(), (at.unix_ms - TIME.unix_ms) / 1000)).collect::<Vec<_>>()
        };
        let last = |sheet: &str, second: i64| (sheet.to_owned(), second);
        assert_eq!(active(0).await, [last("a", 40), last("d", 30), last("b", 10)]);
        assert_eq!(active(30).await, [last("a", 40), last("d", 30)]);
        assert_eq!(active(41).await, []);
    }

    async fn what_no_database_can_keep_is_made_storable(database: Database) {
        let store = database.store().await;
        let (mut ada, room, _) = world(&store).await;
        ada.username = "a\0da".into();
        let odd = Cell { formula: Some("=\"\0\"".into()), ..cell("A1", "\"\\u0000 \\ud800 é {,}\\\"\"", 0) };
        let outcome = put(&store, update(room, &ada, "'; --\" {é}", std::slice::from_ref(&odd))).await.unwrap();
        let stored = Cell { formula: Some("=\"\u{fffd}\"".into()), version: 1, ..odd };
        let Durable::Sheet(SheetDurable::CellsUpdated { author, cells, .. }) = &*outcome.what else { panic!("{outcome:?}") };
        assert_eq!((author.username(), &cells[..]), ("a\u{fffd}da", &[stored.clone()][..]));
        assert_eq!(all(&store, "'; --\" {é}").await[0].cell, stored);
        assert_log_makes_sheet(&store, room, "'; --\" {é}").await;
    }

    async fn cells_are_read_by_ranges_and_pages(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let places: Vec<CellRef> = (0..30).flat_map(|row| (0..40).map(move |column| CellRef { row, column })).collect();
        let cells: Vec<Cell> = places.iter().filter(|at| (at.row + at.column) % 3 != 0)
            .map(|at| Cell { at: *at, value: RawJson::from_parsed(&format!("{}", at.row * 100 + at.column)), formula: None, version: 0 })
            .collect();
        for some in cells.chunks(100) {
            put(&store, update(room, &ada, "s", some)).await.unwrap();
        }
        put(&store, update(room, &ada, "t", &[cell("A1", "1", 0)])).await.unwrap();
        for name in ["A1:XFD1048576", "C:E", "5:9", "B3:AC20", "D4", "ZZ1:ZZ9", "A31:Z40"] {
            let expected: Vec<CellRef> = cells.iter().map(|cell| cell.at).filter(|at| range(name).contains(*at)).collect();
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = store.cells(&sheet("s"), range(name), after, 7).await.unwrap();
                read.extend(page.iter().map(|kept| kept.cell.at));
                let Some(last) = page.last() else { break };
                after = Some(last.cell.at);
            }
            assert_eq!(read, expected, "{name}");
        }
        assert_eq!(store.used_extent(&sheet("s"), CellRange::WHOLE).await.unwrap(), Some(CellRef { row: 29, column: 39 }));
        assert_eq!(store.used_extent(&sheet("s"), range("B2:C9")).await.unwrap(), Some(at("C9")));
        put(&store, update(room, &ada, "s", &[cell("C9", "null", 0), cell("ZZ99", "null", 0)])).await.unwrap();
        assert_eq!(store.used_extent(&sheet("s"), range("B8:C9")).await.unwrap(), Some(at("B8")));
        assert_eq!(store.used_extent(&sheet("s"), range("C9:C9")).await.unwrap(), None);
        assert_eq!(store.used_extent(&sheet("none"), CellRange::WHOLE).await.unwrap(), None);
        assert_eq!(all(&store, "none").await, []);
    }

    async fn versions_only_grow_when_two_nodes_write_the_same_cells(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, room, other) = world(&stores[0]).await;
        let tasks = (0..8_usize).map(|task| {
            let (store, ada) = (stores[task % 2].clone(), ada.clone());
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for turn in 0..10_i64 {
                    // Some in another room, some without a version, some with the version that they saw.
                    let write = |n: usize| {
                        let place = ["A1", "B1", "C1"][(task + n) % 3];
                        let sent = if n.is_multiple_of(2) { 0 } else { turn * 4 };
                        let cells = [cell(place, &format!("{task}"), sent), cell("D1", &format!("{turn}"), 0)];
                        update(if (task + n) % 4 == 3 { other } else { room }, &ada, "s", &cells)
                    };
                    let batch: Vec<Append> = (0..6).map(write).collect();
                    let outcomes = store.append(&batch, Attempt::First).await.unwrap();
                    for outcome in outcomes {
                        match outcome {
                            Ok(appended) => taken.push(appended),
                            Err(NotAppended::Conflicts(conflicts)) => assert!(!conflicts.is_empty()),
                            Err(NotAppended::SheetElsewhere | NotAppended::Locked) => {}
                            Err(why) => panic!("{why}"),
                        }
                    }
                }
                taken
            })
        }).collect::<Vec<_>>();
        let mut taken = 0;
        for task in tasks {
            taken += task.await.unwrap().len();
        }
        let mut heads = Vec::new();
        for room in [room, other] {
            heads.push(stores[1].room_head(room).await.unwrap().unwrap().seq.0);
        }
        // The sheet has one room, whichever was first.
        heads.sort_unstable();
        assert_eq!(heads, [0, i64::try_from(taken).unwrap()]);
        let home = stores[1].sheet_room(&sheet("s")).await.unwrap().unwrap();
        let home = if home.as_str() == "one" { room } else { other };
        assert_log_makes_sheet(&stores[0], home, "s").await;
    }

    async fn versions_outlive_the_log(database: Database) {
        let options = StoreOptions { recovery_events_max: 64, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, room, _) = world(&store).await;
        for turn in 0..300 {
            let outcome = put(&store, update(room, &ada, "s", &[cell("A1", &turn.to_string(), turn)])).await;
            assert_eq!(versions(&outcome), [turn + 1]);
        }
        assert!(store.events_after(room, Seq(0), usize::MAX).await.unwrap().len() < 200);
        assert_eq!(shown(&store, "s").await, ["A1=299/300"]);
    }

    async fn the_largest_commit_is_stored(database: Database) {
        let store = database.store().await;
        let (ada, room, _) = world(&store).await;
        let per_update = limits::CELLS_PER_UPDATE_MAX;
        let updates = limits::COMMIT_ROWS_MAX / per_update;
        for turn in 0..2 {
            let batch: Vec<Append> = (0..updates)
                .map(|n| {
                    let places = (0..per_update).map(|k| CellRef { row: (n * 10 + k / 100) as u32, column: (k % 100) as u32 });
                    let cells: Vec<Cell> = places.map(|at| Cell { at, ..cell("A1", "\"some text\"", turn) }).collect();
                    update(room, &ada, "s", &cells)
                })
                .collect();
            assert!(store.append(&batch, Attempt::First).await.unwrap().iter().all(Result::is_ok));
        }
        assert_eq!(store.cells(&sheet("s"), CellRange::WHOLE, None, usize::MAX).await.unwrap().len(), updates * per_update);
    }
}
