use super::*;
use crate::core::simulation::simulate;

const SIZE: CanvasSize = CanvasSize { width: 4, height: 3 };

fn board(rooms: &[RoomId]) -> Board {
    let mut board = Board::default();
    rooms.iter().for_each(|room| board.know_canvas(*room, KnownCanvas { size: SIZE, is_active: true }));
    board
}

fn at(x: i32, y: i32) -> TilePlace {
    TilePlace { x, y }
}

fn create(x: i32, y: i32) -> TileChange {
    TileChange::Create { at: at(x, y), content: "new".into(), creator: 7 }
}

fn update(tile: i64, seen: i64) -> TileChange {
    TileChange::Update { tile: TileId(tile), content: "changed".into(), seen }
}

fn delete(tile: i64, seen: i64) -> TileChange {
    TileChange::Delete { tile: TileId(tile), seen }
}

fn like(tile: i64, user: &str, change: LikeChange) -> TileChange {
    TileChange::Like { tile: TileId(tile), user: UserId::new(user).unwrap(), change }
}

fn stored(id: i64, x: i32, y: i32, version: i64) -> Tile {
    Tile { id: TileId(id), version, ..Tile::new(at(x, y), "stored".into(), 1) }
}

#[test]
fn one_tile_is_at_a_place() {
    let room = RoomId::generate();
    let mut board = board(&[room]);
    board.know_tile(room, stored(5, 1, 1, 3));
    assert_eq!(board.change(room, create(1, 1)), Err(TileRefused::Taken(Box::new(stored(5, 1, 1, 3)))));
    let first = board.change(room, create(2, 2)).unwrap();
    assert_eq!((first.id, first.version, first.creator), (TileId(-1), 1, 7));
    assert_eq!(board.change(room, create(2, 2)), Err(TileRefused::Taken(Box::new(first.clone()))));
    board.change(room, delete(5, 0)).unwrap();
    let second = board.change(room, create(1, 1)).unwrap();
    let changes = board.into_changes();
    assert_eq!(changes.deleted, [TileId(5)], "before the new tile is created");
    assert_eq!(changes.created, [(room, first), (room, second)], "in order");
}

#[test]
fn places_are_on_the_canvas() {
    let room = RoomId::generate();
    let mut board = board(&[room]);
    for (x, y) in [(-1, 0), (0, -1), (4, 0), (0, 3), (i32::MAX, i32::MIN)] {
        assert_eq!(board.change(room, create(x, y)), Err(TileRefused::Outside(SIZE)), "{x} {y}");
    }
    assert!(board.change(room, create(3, 2)).is_ok());
}

#[test]
fn versions_grow_and_late_changes_are_refused() {
    let room = RoomId::generate();
    let mut board = board(&[room]);
    board.know_tile(room, stored(5, 1, 1, 3));
    assert_eq!(board.change(room, update(5, 3)).unwrap().version, 4);
    let Err(TileRefused::Stale(current)) = board.change(room, update(5, 3)) else { panic!("it was late") };
    assert_eq!((current.version, &*current.content), (4, "changed"));
    assert!(matches!(board.change(room, update(5, 9)), Err(TileRefused::Stale(_))), "a version that never was");
    assert!(matches!(board.change(room, delete(5, 3)), Err(TileRefused::Stale(_))));
    assert_eq!(board.change(room, update(5, 0)).unwrap().version, 5);
    assert_eq!(board.change(room, delete(5, 5)).unwrap().version, 5);
    for change in [update(5, 0), delete(5, 0), like(5, "ann", LikeChange::Given), update(6, 0)] {
        assert_eq!(board.change(room, change), Err(TileRefused::Unknown));
    }
}

#[test]
fn a_user_likes_a_tile_once() {
    let room = RoomId::generate();
    let mut board = board(&[room]);
    board.know_tile(room, Tile { likes: 1, ..stored(5, 1, 1, 3) });
    board.know_like(TileId(5), UserId::new("bob").unwrap());
    let likes = |outcome: Result<Tile, TileRefused>| match outcome {
        Ok(tile) => (tile.likes, true),
        Err(TileRefused::Unchanged(tile)) => (tile.likes, false),
        Err(why) => panic!("{why}"),
    };
    assert_eq!(likes(board.change(room, like(5, "bob", LikeChange::Given))), (1, false));
    assert_eq!(likes(board.change(room, like(5, "ann", LikeChange::TakenBack))), (1, false));
    assert_eq!(likes(board.change(room, like(5, "ann", LikeChange::Given))), (2, true));
    assert_eq!(likes(board.change(room, like(5, "ann", LikeChange::Given))), (2, false));
    assert_eq!(likes(board.change(room, like(5, "bob", LikeChange::TakenBack))), (1, true));
    assert_eq!(likes(board.change(room, like(5, "cy", LikeChange::Given))), (2, true));
    assert_eq!(likes(board.change(room, like(5, "cy", LikeChange::TakenBack))), (1, true));
    let changes = board.into_changes();
    assert_eq!(changes.liked, [(TileId(5), UserId::new("ann").unwrap())]);
    assert_eq!(changes.unliked, [(TileId(5), UserId::new("bob").unwrap())]);
    assert_eq!(changes.changed[0].version, 3, "a like is no change of the content");
}

#[test]
fn canvases_do_not_share_their_tiles() {
    let (one, other, closed) = (RoomId::generate(), RoomId::generate(), RoomId::generate());
    let mut board = board(&[one, other]);
    board.know_canvas(closed, KnownCanvas { size: SIZE, is_active: false });
    board.know_tile(one, stored(5, 1, 1, 3));
    assert!(board.change(other, create(1, 1)).is_ok());
    assert_eq!(board.change(other, update(5, 0)), Err(TileRefused::Unknown));
    for room in [closed, RoomId::generate()] {
        assert_eq!(board.change(room, create(0, 0)), Err(TileRefused::Closed));
    }
}

/// A naive model: the tile at each place, with its id, its version and the users who like it.
type Paper = BTreeMap<(i32, i32), (i64, i64, Vec<String>)>;

/// What the database would have after the changes, numbering new tiles from `next` on.
fn write_down(paper: &mut Paper, changes: &BoardChanges, next: &mut i64) {
    paper.retain(|_, (id, _, _)| !changes.deleted.contains(&TileId(*id)));
    for (_, tile) in &changes.created {
        let before = paper.insert((tile.at.x, tile.at.y), (*next, tile.version, Vec::new()));
        assert_eq!(before, None, "the unique constraint");
        *next += 1;
    }
    for tile in &changes.changed {
        let (id, version, _) = paper.get_mut(&(tile.at.x, tile.at.y)).unwrap();
        assert_eq!(*id, tile.id.0);
        *version = tile.version;
    }
    for (tile, user) in &changes.liked {
        let (_, _, likes) = paper.values_mut().find(|(id, _, _)| *id == tile.0).unwrap();
        assert!(!likes.contains(&user.to_string()), "the primary key");
        likes.push(user.to_string());
    }
    for (tile, user) in &changes.unliked {
        let (_, _, likes) = paper.values_mut().find(|(id, _, _)| *id == tile.0).unwrap();
        likes.retain(|liked| liked != user.as_str());
    }
    for tile in &changes.changed {
        assert_eq!(paper[&(tile.at.x, tile.at.y)].2.len() as i64, tile.likes, "the number of likes");
    }
}

#[test]
fn any_batches_keep_the_rules_of_the_tables() {
    simulate(200, |rng| {
        let room = RoomId::generate();
        let (mut paper, mut next) = (Paper::new(), 1);
        for _ in 0..20 {
            let mut board = board(&[room]);
            for ((x, y), (id, version, likes)) in &paper {
                board.know_tile(room, Tile { likes: likes.len() as i64, ..stored(*id, *x, *y, *version) });
                likes.iter().for_each(|user| board.know_like(TileId(*id), UserId::new(user.as_str()).unwrap()));
            }
            for _ in 0..rng.usize(1..12) {
                let (id, seen) = (rng.i64(1..=next), rng.i64(0..4));
                let user = ["ann", "bob"][rng.usize(0..2)];
                let given = if rng.bool() { LikeChange::Given } else { LikeChange::TakenBack };
                let change = match rng.u8(0..4) {
                    0 => create(rng.i32(0..2), rng.i32(0..2)),
                    1 => update(id, seen),
                    2 => delete(id, seen),
                    _ => like(id, user, given),
                };
                let _ = board.change(room, change);
            }
            write_down(&mut paper, &board.into_changes(), &mut next);
        }
    });
}
