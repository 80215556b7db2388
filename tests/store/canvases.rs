//! Canvases and tiles: one tile at a place, versions, one like per user, and the activity feed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use convene::{
    core::{
        canvas::{CanvasSize, LikeChange, Region, Tile, TilePlace, TileRefused},
        command::RawJson,
        event::{CanvasDurable, Durable, RoomScope},
        profile::Profile,
    },
    ids::{CanvasId, ClientMessageId, EventId, RoomId, Seq, TileId, Timestamp},
    limits,
    store::{
        ActivityFilter, Append, Appended, Attempt, Canvas, NewCanvas, NotAppended, QueueFor, RoomRef, RoomRole, Store,
        StoreOptions, Visibility,
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::fixture::{Database, message, on_both, user};

const SIZE: CanvasSize = CanvasSize { width: 20, height: 10 };
const EVERYWHERE: Region = Region { first: TilePlace { x: 0, y: 0 }, last: TilePlace { x: 19, y: 9 } };

fn new(name: &str, visibility: Visibility) -> NewCanvas {
    NewCanvas { name: name.into(), size: SIZE, visibility }
}

async fn canvas(store: &Store, owner: &Profile) -> Canvas {
    store.create_canvas(&owner.id, &new("a canvas", Visibility::Open)).await.unwrap()
}

fn entry(room: RoomId, what: CanvasDurable) -> Append {
    Append {
        room,
        id: EventId::generate(),
        at: Timestamp { unix_ms: 1_790_000_000_123 },
        what: Durable::Canvas(what).into(),
        queue_for: QueueFor::default(),
        client_message_id: None,
    }
}

fn creation(room: RoomId, by: &Profile, x: i32, y: i32, content: &str) -> Append {
    let tile = Tile::new(TilePlace { x, y }, content.into(), by.number);
    entry(room, CanvasDurable::TileCreated { tile, by: by.author() })
}

fn update(room: RoomId, by: &Profile, tile: i64, content: &str, seen: i64) -> Append {
    let tile = Tile::named(TileId(tile), content.into(), seen);
    entry(room, CanvasDurable::TileUpdated { tile, by: by.author() })
}

fn deletion(room: RoomId, by: &Profile, tile: i64, seen: i64) -> Append {
    let tile = Tile::named(TileId(tile), "".into(), seen);
    entry(room, CanvasDurable::TileDeleted { tile, by: by.author() })
}

fn like(room: RoomId, by: &Profile, tile: i64, change: LikeChange) -> Append {
    let tile = Tile::named(TileId(tile), "".into(), 0);
    entry(room, CanvasDurable::TileLiked { tile, by: by.author(), change })
}

type Outcome = Result<Appended, NotAppended>;

/// Appends, and retries what another session kept locked.
async fn append(store: &Store, batch: &[Append]) -> Vec<Outcome> {
    let mut outcomes: HashMap<usize, Outcome> = HashMap::new();
    while outcomes.len() < batch.len() {
        let left: Vec<usize> = (0..batch.len()).filter(|index| !outcomes.contains_key(index)).collect();
        let appends: Vec<Append> = left.iter().map(|index| batch[*index].clone()).collect();
        for (index, outcome) in left.into_iter().zip(store.append(&appends, Attempt::First).await.unwrap()) {
            if outcome != Err(NotAppended::Locked) {
                outcomes.insert(index, outcome);
            }
        }
    }
    (0..batch.len()).map(|index| outcomes.remove(&index).unwrap()).collect()
}

async fn one(store: &Store, entry: Append) -> Outcome {
    append(store, &[entry]).await.remove(0)
}

/// The tile of a stored event.
fn tile(outcome: &Outcome) -> Tile {
    let Durable::Canvas(what) = &*outcome.as_ref().unwrap().what else { panic!("{outcome:?}") };
    what.tile().unwrap().clone()
}

fn refused(outcome: &Outcome) -> &TileRefused {
    match outcome {
        Err(NotAppended::Tile(refused)) => refused,
        other => panic!("{other:?} instead of a refusal"),
    }
}

async fn tiles(store: &Store, canvas: CanvasId, user: &Profile) -> Vec<Tile> {
    let placed = store.tiles(canvas, &user.id, EVERYWHERE, None, limits::PAGE_TILES_MAX).await.unwrap();
    placed.into_iter().map(|placed| placed.tile).collect()
}

on_both! {
    async fn a_canvas_is_there_for_whom_it_is_open(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let open = canvas(&store, &ada).await;
        let private = store.create_canvas(&ada.id, &new("secret", Visibility::Private)).await.unwrap();
        assert!(private.id.0 > open.id.0 && open.id.0 > 0);
        assert_eq!((open.owner, open.membership, open.size), (Some(ada.number), Some(RoomRole::Owner), SIZE));
        assert_eq!(open.identity.scope, RoomScope::Canvas { canvas: open.id, size: SIZE });
        assert_eq!(store.room(open.identity.id).await.unwrap(), Some(open.identity.clone()), "the room's row says all");
        let ids = async |user: &Profile| {
            let page = store.canvases(&user.id, None, 10).await.unwrap();
            page.into_iter().map(|canvas| (canvas.id, canvas.membership)).collect::<Vec<_>>()
        };
        let owner = Some(RoomRole::Owner);
        assert_eq!(ids(&ada).await, [(private.id, owner), (open.id, owner)]);
        assert_eq!(ids(&bob).await, [(open.id, None)]);
        assert_eq!(store.canvases(&ada.id, Some(private.id), 10).await.unwrap().len(), 1, "the next page");

        assert!(store.add_canvas_member(private.identity.id, &bob.id).await.unwrap());
        assert!(!store.add_canvas_member(private.identity.id, &bob.id).await.unwrap());
        assert_eq!(ids(&bob).await, [(private.id, Some(RoomRole::Member)), (open.id, None)]);
        let members = store.canvas_members(private.identity.id).await.unwrap();
        let members: Vec<_> = members.iter().map(|(profile, role)| (&profile.id, *role)).collect();
        assert_eq!(members, [(&ada.id, RoomRole::Owner), (&bob.id, RoomRole::Member)]);
        assert!(store.conversations(&bob.id, None, 10).await.unwrap().is_empty(), "a canvas is no conversation");
        let staying = store.private_members(&[open.identity.id, private.identity.id]).await.unwrap();
        assert_eq!(staying.get(&private.identity.id).map(HashSet::len), Some(2));
        assert!(!staying.contains_key(&open.identity.id));
        assert!(store.remove_canvas_member(private.identity.id, &bob.id).await.unwrap());
        assert!(!store.remove_canvas_member(private.identity.id, &bob.id).await.unwrap());
        assert_eq!(ids(&bob).await, [(open.id, None)]);
    }

    async fn nothing_is_stored_on_a_canvas_that_was_deactivated(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let board = canvas(&store, &ada).await;
        let room = board.identity.id;
        let there = tile(&one(&store, creation(room, &ada, 1, 1, "x")).await);
        assert!(store.close_canvas(board.id).await.unwrap());
        assert!(!store.close_canvas(board.id).await.unwrap(), "once");
        assert!(!store.close_canvas(CanvasId(99)).await.unwrap());
        assert_eq!(store.canvas(board.id, &ada.id).await.unwrap(), None);
        assert_eq!(store.canvases(&ada.id, None, 10).await.unwrap(), []);
        assert!(store.access(&RoomRef::Canvas(board.id), &ada.id).await.unwrap().is_none());
        assert_eq!(store.private_members(&[room]).await.unwrap()[&room], HashSet::new(), "nobody may stay");
        for change in [
            creation(room, &bob, 2, 2, "late"),
            update(room, &bob, there.id.0, "late", 0),
            deletion(room, &bob, there.id.0, 0),
            like(room, &bob, there.id.0, LikeChange::Given),
        ] {
            assert_eq!(refused(&one(&store, change).await), &TileRefused::Closed);
        }
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(1));
    }

    async fn a_tile_has_a_place_a_version_and_likes(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let board = canvas(&store, &ada).await;
        let room = board.identity.id;
        let first = tile(&one(&store, creation(room, &ada, 15, 9, "hello")).await);
        assert_eq!((first.at, first.version, first.likes, first.creator), (TilePlace { x: 15, y: 9 }, 1, 0, ada.number));
        assert!(first.id.0 > 0);
        assert_eq!(refused(&one(&store, creation(room, &bob, 15, 9, "me too")).await), &TileRefused::Taken(Box::new(first.clone())));
        assert_eq!(refused(&one(&store, creation(room, &bob, 20, 0, "x")).await), &TileRefused::Outside(SIZE));

        let second = tile(&one(&store, update(room, &bob, first.id.0, "hello, \0you", 1)).await);
        assert_eq!((second.version, &*second.content, second.creator), (2, "hello, \u{fffd}you", ada.number));
        assert_eq!(refused(&one(&store, update(room, &ada, first.id.0, "late", 1)).await), &TileRefused::Stale(Box::new(second.clone())));
        let third = tile(&one(&store, update(room, &ada, first.id.0, "anyway", 0)).await);
        assert_eq!(third.version, 3);

        let liked = tile(&one(&store, like(room, &bob, first.id.0, LikeChange::Given)).await);
        assert_eq!((liked.likes, liked.version, &*liked.content), (1, 3, "anyway"));
        assert_eq!(refused(&one(&store, like(room, &bob, first.id.0, LikeChange::Given)).await), &TileRefused::Unchanged(Box::new(liked.clone())));
        let (on, seen) = store.tile(first.id, &bob.id).await.unwrap().unwrap();
        assert_eq!((on, &seen.tile, seen.is_liked), (board.id, &liked, true));
        assert!(!store.tile(first.id, &ada.id).await.unwrap().unwrap().1.is_liked);
        let disliked = tile(&one(&store, like(room, &bob, first.id.0, LikeChange::TakenBack)).await);
        assert_eq!(disliked.likes, 0);

        one(&store, like(room, &bob, first.id.0, LikeChange::Given)).await.unwrap();
        let gone = tile(&one(&store, deletion(room, &bob, first.id.0, 3)).await);
        assert_eq!((gone.id, gone.at, gone.likes), (first.id, first.at, 1));
        assert_eq!(store.tile(first.id, &bob.id).await.unwrap(), None);
        for change in [update(room, &ada, first.id.0, "x", 0), deletion(room, &ada, first.id.0, 0)] {
            assert_eq!(refused(&one(&store, change).await), &TileRefused::Unknown);
        }
        let again = tile(&one(&store, creation(room, &ada, 15, 9, "again")).await);
        assert!(again.id > first.id, "an id is not used again");
        assert_eq!(again.likes, 0);
    }

    async fn changes_of_one_batch_are_decided_in_order(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (board, other) = (canvas(&store, &ada).await, canvas(&store, &bob).await);
        let (room, elsewhere) = (board.identity.id, other.identity.id);
        let old = tile(&one(&store, creation(room, &ada, 0, 0, "old")).await);
        let batch = [
            creation(room, &ada, 0, 0, "refused"),
            deletion(room, &bob, old.id.0, 1),
            message(room, &ada, "in between"),
            creation(room, &ada, 0, 0, "new"),
            creation(room, &bob, 0, 0, "too late"),
            update(room, &bob, old.id.0, "gone", 0),
            creation(elsewhere, &bob, 0, 0, "elsewhere"),
            update(elsewhere, &bob, old.id.0, "not here", 0),
            creation(room, &bob, 3, 0, "last"),
        ];
        let outcomes = append(&store, &batch).await;
        assert_eq!(refused(&outcomes[0]), &TileRefused::Taken(Box::new(old)));
        let (new, there, last) = (tile(&outcomes[3]), tile(&outcomes[6]), tile(&outcomes[8]));
        assert_eq!(refused(&outcomes[4]), &TileRefused::Taken(Box::new(new.clone())), "with the id it has now");
        for late in [5, 7] {
            assert_eq!(refused(&outcomes[late]), &TileRefused::Unknown);
        }
        let seqs: Vec<i64> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).map(|one| one.seq.0).collect();
        assert_eq!(seqs, [2, 3, 4, 1, 5]);
        assert_eq!(tiles(&store, board.id, &ada).await, [new.clone(), last]);
        assert_eq!(tiles(&store, other.id, &ada).await, [there]);
        // the log has what was published
        let log = store.events_after(room, Seq(3), 10).await.unwrap();
        assert_eq!(Durable::Canvas(CanvasDurable::TileCreated { tile: new, by: ada.author() }), log[0].what);
    }

    async fn a_repeated_attempt_or_message_changes_nothing(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let board = canvas(&store, &ada).await;
        let room = board.identity.id;
        let create = creation(room, &ada, 1, 1, "x");
        let first = one(&store, create.clone()).await;
        let again = store.append(&[create], Attempt::Again).await.unwrap().remove(0);
        assert_eq!((tile(&again), again.as_ref().unwrap().seq), (tile(&first), Seq(1)));
        let named = |entry: Append| Append { client_message_id: Some(ClientMessageId::new("m-1").unwrap()), ..entry };
        let updated = one(&store, named(update(room, &ada, tile(&first).id.0, "y", 1))).await;
        let repeated = one(&store, named(update(room, &ada, tile(&first).id.0, "y", 1))).await;
        assert_eq!(tile(&repeated), tile(&updated), "not refused as late");
        assert!(repeated.unwrap().repeats.is_some());
        let other = one(&store, named(update(room, &ada, tile(&first).id.0, "z", 1))).await;
        assert_eq!(other, Err(NotAppended::OtherContent));
        assert_eq!(tiles(&store, board.id, &ada).await[0].version, 2);
    }

    async fn a_region_is_read_page_by_page(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let board = canvas(&store, &ada).await;
        let room = board.identity.id;
        let all: Vec<Append> = (0..8).flat_map(|x| (0..8).map(move |y| (x, y)))
            .map(|(x, y)| creation(room, &ada, x, y, "x")).collect();
        let made = append(&store, &all).await;
        one(&store, like(room, &bob, tile(&made[3 * 8 + 4]).id.0, LikeChange::Given)).await.unwrap();
        let region = Region { first: TilePlace { x: 2, y: 3 }, last: TilePlace { x: 4, y: 5 } };
        let (mut after, mut seen, mut liked) = (None, Vec::new(), Vec::new());
        loop {
            let page = store.tiles(board.id, &bob.id, region, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.tile.at);
            seen.extend(page.iter().map(|placed| (placed.tile.at.x, placed.tile.at.y)));
            liked.extend(page.iter().filter(|placed| placed.is_liked).map(|placed| placed.tile.at));
        }
        let expected: Vec<_> = (2..=4).flat_map(|x| (3..=5).map(move |y| (x, y))).collect();
        assert_eq!(seen, expected);
        assert_eq!(liked, [TilePlace { x: 3, y: 4 }]);
    }

    async fn the_feed_says_who_did_what(database: Database) {
        let options = StoreOptions { recovery_events_max: 100, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let board = canvas(&store, &ada).await;
        let room = board.identity.id;
        let made = tile(&one(&store, creation(room, &ada, 1, 1, "content")).await);
        one(&store, message(room, &bob, "not in the feed")).await.unwrap();
        one(&store, like(room, &bob, made.id.0, LikeChange::Given)).await.unwrap();
        let data = Some(RawJson::from_parsed("{\"by\":2}"));
        one(&store, entry(room, CanvasDurable::Acted { by: bob.author(), activity: "zoom".into(), data })).await.unwrap();
        let feed = async |filter: ActivityFilter| {
            let page = store.canvas_activity(room, &filter, 10).await.unwrap();
            page.into_iter().map(|entry| (entry.seq.0, entry.what.kind())).collect::<Vec<_>>()
        };
        let whole = [(4, "acted"), (3, "tile_liked"), (1, "tile_created")];
        assert_eq!(feed(ActivityFilter::default()).await, whole);
        assert_eq!(feed(ActivityFilter { before: Some(Seq(4)), ..ActivityFilter::default() }).await, whole[1..]);
        assert_eq!(feed(ActivityFilter { user: Some(bob.number), ..ActivityFilter::default() }).await, whole[..2]);
        assert_eq!(feed(ActivityFilter { user: Some(99), ..ActivityFilter::default() }).await, []);
        let kinds = vec!["tile_created", "tile_liked"];
        assert_eq!(feed(ActivityFilter { kinds, ..ActivityFilter::default() }).await, whole[1..]);
        let page = store.canvas_activity(room, &ActivityFilter::default(), 10).await.unwrap();
        assert_eq!(page[2].what, Durable::Canvas(CanvasDurable::TileCreated { tile: made.without_content(), by: ada.author() }));

        // it reaches further back than the log
        let many: Vec<Append> = (0..300).map(|n| update(room, &ada, made.id.0, &n.to_string(), 0)).collect();
        append(&store, &many).await;
        assert!(store.events_after(room, Seq(0), 1_000).await.unwrap().len() < 250);
        assert_eq!(store.canvas_activity(room, &ActivityFilter::default(), 1_000).await.unwrap().len(), 303);
    }

    async fn of_many_who_create_at_one_place_one_succeeds(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let board = canvas(&stores[0], &ada).await;
        let room = board.identity.id;
        for place in 0..5 {
            let creators = (0..8_usize).map(|n| {
                let (store, entry) = (stores[n % 2].clone(), creation(room, &ada, place, 0, &n.to_string()));
                tokio::spawn(async move { one(&store, entry).await })
            });
            let creators: Vec<_> = creators.collect();
            let mut outcomes = Vec::new();
            for creator in creators {
                outcomes.push(creator.await.unwrap());
            }
            let won: Vec<Tile> = outcomes.iter().filter(|outcome| outcome.is_ok()).map(tile).collect();
            assert_eq!(won.len(), 1);
            for lost in outcomes.iter().filter(|outcome| outcome.is_err()) {
                assert_eq!(refused(lost), &TileRefused::Taken(Box::new(won[0].clone())));
            }
        }
        assert_eq!(tiles(&stores[0], board.id, &ada).await.len(), 5);
    }

    async fn likes_of_many_users_at_once_are_all_counted(database: Database) {
        const USERS: usize = 40;
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let board = canvas(&stores[0], &ada).await;
        let room = board.identity.id;
        let made = tile(&one(&stores[0], creation(room, &ada, 0, 0, "x")).await).id.0;
        let mut fans = Vec::new();
        for n in 0..USERS {
            fans.push(Arc::new(user(&stores[0], &format!("fan{n}")).await));
        }
        // each of them twice, on two nodes
        let likes: Vec<_> = fans.iter().enumerate().flat_map(|(n, fan)| [(n, fan), (n + 1, fan)]).map(|(n, fan)| {
            let (store, entry) = (stores[n % 2].clone(), like(room, fan, made, LikeChange::Given));
            tokio::spawn(async move { one(&store, entry).await.is_ok() })
        }).collect();
        let mut counted = 0;
        for like in likes {
            counted += usize::from(like.await.unwrap());
        }
        assert_eq!(counted, USERS);
        let (_, placed) = stores[1].tile(TileId(made), &fans[0].id).await.unwrap().unwrap();
        assert_eq!((placed.tile.likes, placed.is_liked), (USERS as i64, true));
        assert_eq!(stores[0].room_head(room).await.unwrap().unwrap().seq, Seq(1 + USERS as i64));
    }

    async fn of_changes_against_one_version_one_succeeds(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let board = canvas(&stores[0], &ada).await;
        let room = board.identity.id;
        for place in 0..5 {
            let made = tile(&one(&stores[0], creation(room, &ada, place, 0, "x")).await);
            let changes = (0..8_usize).map(|n| {
                let entry = match n {
                    0..6 => update(room, &ada, made.id.0, &n.to_string(), 1),
                    _ => deletion(room, &ada, made.id.0, 1),
                };
                let store = stores[n % 2].clone();
                tokio::spawn(async move { one(&store, entry).await })
            });
            let changes: Vec<_> = changes.collect();
            let (mut done, mut late) = (Vec::new(), 0);
            for change in changes {
                let outcome = change.await.unwrap();
                match &outcome {
                    Ok(appended) => done.push(appended.what.kind()),
                    Err(_) => match refused(&outcome) {
                        TileRefused::Stale(current) => {
                            assert_eq!(current.version, 2);
                            late += 1;
                        }
                        TileRefused::Unknown => late += 1,
                        other => panic!("{other:?}"),
                    },
                }
            }
            assert_eq!((done.len(), late), (1, 7), "{done:?}");
            let left = store_has(&stores[0], made.id, &ada).await;
            assert_eq!(left.is_none(), done == ["tile_deleted"]);
            assert!(left.is_none_or(|tile| tile.version == 2));
        }
    }
}

async fn store_has(store: &Store, tile: TileId, user: &Profile) -> Option<Tile> {
    store.tile(tile, &user.id).await.unwrap().map(|(_, placed)| placed.tile)
}

/// A change in a random plan: what, where or of which tile, against which version.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create(i32, i32),
    Update(i64, i64),
    Delete(i64, i64),
    Like(i64, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_i32, 0..3_i32).prop_map(|(x, y)| Step::Create(x, y)),
        (1..20_i64, 0..4_i64).prop_map(|(tile, seen)| Step::Update(tile, seen)),
        (1..20_i64, 0..4_i64).prop_map(|(tile, seen)| Step::Delete(tile, seen)),
        (1..20_i64, any::<bool>()).prop_map(|(tile, given)| Step::Like(tile, given)),
    ];
    vec(step, 1..30)
}

/// Carries out plans of several users at once, and checks that the tables follow from the log.
async fn carry_out(stores: &[Store; 2], users: &[Profile; 3], plans: [Vec<Step>; 3]) {
    let board = canvas(&stores[0], &users[0]).await;
    let room = board.identity.id;
    // ids of tiles are unique over all canvases; the plans count from the first one of this canvas
    let first = tile(&one(&stores[0], creation(room, &users[0], 0, 0, "first")).await).id.0;
    let tasks = plans.into_iter().zip(users.clone()).enumerate().map(|(n, (plan, by))| {
        let store = stores[n % 2].clone();
        tokio::spawn(async move {
            for chunk in plan.chunks(4) {
                let batch: Vec<Append> = chunk
                    .iter()
                    .map(|step| match *step {
                        Step::Create(x, y) => creation(room, &by, x, y, "c"),
                        Step::Update(tile, seen) => update(room, &by, first - 1 + tile, "u", seen),
                        Step::Delete(tile, seen) => deletion(room, &by, first - 1 + tile, seen),
                        Step::Like(tile, given) => {
                            let change = if given { LikeChange::Given } else { LikeChange::TakenBack };
                            like(room, &by, first - 1 + tile, change)
                        }
                    })
                    .collect();
                append(&store, &batch).await;
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        task.await.unwrap();
    }
    check_tables(&stores[0], &board, users).await;
}

/// Replays the log on paper.
async fn check_tables(store: &Store, board: &Canvas, users: &[Profile; 3]) {
    let mut paper: BTreeMap<(i32, i32), (Tile, HashSet<String>)> = BTreeMap::new();
    let log = store.events_after(board.identity.id, Seq(0), usize::MAX).await.unwrap();
    for (event, seq) in log.iter().zip(1..) {
        assert_eq!(event.seq, Seq(seq), "without gaps");
        let Durable::Canvas(what) = &event.what else { panic!("{event:?}") };
        let tile = what.tile().unwrap().clone();
        let place = (tile.at.x, tile.at.y);
        match what {
            CanvasDurable::TileCreated { .. } => {
                assert!(paper.insert(place, (tile, HashSet::new())).is_none(), "the place was free");
            }
            CanvasDurable::TileUpdated { .. } => {
                let (kept, _) = paper.get_mut(&place).expect("the tile is there");
                assert_eq!((kept.id, kept.version + 1), (tile.id, tile.version));
                *kept = tile;
            }
            CanvasDurable::TileDeleted { .. } => {
                assert_eq!(paper.remove(&place).expect("the tile is there").0, tile);
            }
            CanvasDurable::TileLiked { by, change, .. } => {
                let (kept, fans) = paper.get_mut(&place).expect("the tile is there");
                let changed = match change {
                    LikeChange::Given => fans.insert(by.id.to_string()),
                    LikeChange::TakenBack => fans.remove(by.id.as_str()),
                };
                assert!(changed, "a like is an event only if it changes something");
                assert_eq!((tile.likes as usize, tile.version), (fans.len(), kept.version));
                *kept = tile;
            }
            CanvasDurable::TileCommented { .. }
            | CanvasDurable::TileCommentDeleted { .. }
            | CanvasDurable::Acted { .. } => panic!("{what:?}"),
        }
    }
    let expected: Vec<Tile> = paper.values().map(|(tile, _)| tile.clone()).collect();
    assert_eq!(tiles(store, board.id, &users[0]).await, expected);
    for user in users {
        for placed in store.tiles(board.id, &user.id, EVERYWHERE, None, 1_000).await.unwrap() {
            let (_, fans) = &paper[&(placed.tile.at.x, placed.tile.at.y)];
            assert_eq!(placed.is_liked, fans.contains(user.id.as_str()));
        }
    }
    let feed = store.canvas_activity(board.identity.id, &ActivityFilter::default(), i64::MAX).await.unwrap();
    assert_eq!(feed.len(), log.len());
}

on_both! {
    async fn the_tables_follow_from_the_log_whatever_happens_at_once(database: Database) {
        let stores = [database.store().await, database.store().await];
        let users = [user(&stores[0], "ada").await, user(&stores[0], "bob").await, user(&stores[0], "cy").await];
        let handle = tokio::runtime::Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
            let run = |plans: [Vec<Step>; 3]| {
                handle.block_on(carry_out(&stores, &users, plans));
                Ok(())
            };
            TestRunner::new(config).run(&[steps(), steps(), steps()], run).unwrap();
        });
        task.await.unwrap();
    }
}

/// The tables refuse what the rules forbid, whoever writes it.
#[tokio::test]
async fn the_constraints_of_the_tables_hold() {
    let database = Database::postgres().await;
    let store = database.store().await;
    let ada = user(&store, "ada").await;
    let board = canvas(&store, &ada).await;
    let made = tile(&one(&store, creation(board.identity.id, &ada, 1, 1, "x")).await).id.0;
    let client = crate::fixture::connect(&database.url).await.unwrap();
    let insert = |x: i32, y: i32, version: i64, likes: i64| {
        format!(
            "INSERT INTO tiles (canvas_id, x, y, content, version, likes, creator, created_at, updated_at) \
             VALUES ({}, {x}, {y}, '', {version}, {likes}, 1, now(), now())",
            board.id
        )
    };
    let bad = [
        (insert(1, 1, 1, 0), "tiles_canvas_id_x_y_key"),
        (insert(-1, 1, 1, 0), "tiles_x_check"),
        (insert(1, -1, 1, 0), "tiles_y_check"),
        (insert(2, 2, 0, 0), "tiles_version_check"),
        (insert(2, 2, 1, -1), "tiles_likes_check"),
        (format!("INSERT INTO tile_likes VALUES ({}, 'u', now())", made + 1), "tile_likes_tile_id_fkey"),
    ];
    for (sql, constraint) in bad {
        let error = client.batch_execute(&sql).await.unwrap_err();
        let named = error.as_db_error().and_then(|error| error.constraint());
        assert_eq!(named, Some(constraint), "{sql}");
    }
    let twice = format!("INSERT INTO tile_likes VALUES ({made}, 'u', now()), ({made}, 'u', now())");
    assert!(client.batch_execute(&twice).await.is_err());
}
