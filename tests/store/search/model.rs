//! Search finds what a scan of all messages finds, whatever was sent, edited, deleted and indexed before.

use convene::{core::search, ids::RoomName, store::GroupRole};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::*;

const WORDS: [&str; 12] = [
    "alpha",
    "Beta",
    "alphabet",
    "beta-alpha",
    "délta",
    "delta",
    "東京",
    "京都",
    "東京都",
    "don't",
    "x",
    "alpha, beta",
];

#[derive(Clone, Debug)]
enum Step {
    Send {
        room: usize,
        by: usize,
        words: Vec<usize>,
        seconds: i64,
    },
    Edit {
        of: usize,
        words: Vec<usize>,
    },
    Delete {
        of: usize,
    },
    Index,
    Find {
        by: usize,
        query: Vec<(usize, u8)>,
        room: Option<usize>,
        sender: Option<usize>,
        window: (i64, i64),
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (room, user, words) = (0..4_usize, 0..3_usize, vec(0..WORDS.len(), 1..5));
    let query = vec((0..WORDS.len(), 0..6_u8), 1..4);
    prop_oneof![
        8 => (room.clone(), user.clone(), words.clone(), 0..60_i64)
            .prop_map(|(room, by, words, seconds)| Step::Send { room, by, words, seconds }),
        1 => (0..200_usize, words).prop_map(|(of, words)| Step::Edit { of, words }),
        1 => (0..200_usize).prop_map(|of| Step::Delete { of }),
        1 => Just(Step::Index),
        6 => (user.clone(), query, proptest::option::of(room), proptest::option::of(user), (0..40_i64, 20..70_i64), 1..6_usize)
            .prop_map(|(by, query, room, sender, window, limit)| Step::Find { by, query, room, sender, window, limit }),
    ]
}

struct Sent {
    id: EventId,
    room: usize,
    by: usize,
    at: Timestamp,
    content: Option<String>,
}

struct World {
    store: Store,
    users: Vec<Profile>,
    /// Who may enter each room.
    rooms: Vec<(RoomId, [bool; 3])>,
    sent: Vec<Sent>,
}

fn text(words: &[usize]) -> String {
    words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ")
}

fn query(parts: &[(usize, u8)]) -> String {
    let part = |(word, form): &(usize, u8)| match form {
        0 => format!("\"{} {}\"", WORDS[*word], WORDS[(*word + 1) % WORDS.len()]),
        1 => format!("{}*", WORDS[*word].chars().take(2).collect::<String>()),
        2 => format!("-{}", WORDS[*word]),
        _plain => WORDS[*word].to_owned(),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

impl World {
    async fn new(store: Store) -> World {
        let mut users = Vec::new();
        for name in ["ada", "bob", "eve"] {
            users.push(user(&store, name).await);
        }
        let (group, room) = channel(&store, &users[0]).await;
        store.add_group_member(group, &users[1].id, GroupRole::Member).await.unwrap();
        let direct = store.direct_room(&users[1].id, &users[2].id).await.unwrap().id;
        let open = store.create_open_room(&RoomName::new("lobby").unwrap(), &users[0].id).await.unwrap().identity.id;
        let private = store.create_conversation(&users[0].id, None, &[users[2].id.clone()]).await.unwrap().identity.id;
        let rooms = vec![
            (room, [true, true, false]),
            (direct, [false, true, true]),
            (open, [true; 3]),
            (private, [true, false, true]),
        ];
        World { store, users, rooms, sent: Vec::new() }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send { room, by, words, seconds } => {
                let one = at(seconds, message(self.rooms[room].0, &self.users[by], &text(&words)));
                put(&self.store, std::slice::from_ref(&one)).await;
                self.sent.push(Sent { id: one.id, room, by, at: one.at, content: Some(text(&words)) });
            }
            Step::Edit { of, words } => {
                if let Some(one) = self.sent.get_mut(of).filter(|one| one.content.is_some()) {
                    put(&self.store, &[edit(self.rooms[one.room].0, &self.users[one.by], one.id, &text(&words))]).await;
                    one.content = Some(text(&words));
                }
            }
            Step::Delete { of } => {
                if let Some(one) = self.sent.get_mut(of).filter(|one| one.content.is_some()) {
                    put(&self.store, &[delete(self.rooms[one.room].0, &self.users[one.by], one.id)]).await;
                    one.content = None;
                }
            }
            Step::Index => {
                index_all(&self.store).await;
            }
            Step::Find { by, query: parts, room, sender, window, limit } => {
                let Ok(query) = Query::parse(&query(&parts)) else { return };
                let wanted = Wanted {
                    query,
                    room: room.map(|room| self.rooms[room].0),
                    sender: sender.map(|sender| self.users[sender].id.clone()),
                    after: Some(TIME.plus_ms(window.0 * 1000)),
                    before: Some(TIME.plus_ms(window.1 * 1000)),
                    order: Order::Newest(None),
                    limit,
                };
                self.check(by, room, sender, wanted).await;
            }
        }
    }

    async fn check(&self, by: usize, room: Option<usize>, sender: Option<usize>, mut wanted: Wanted) {
        let is_expected = |one: &&Sent| {
            self.rooms[one.room].1[by]
                && room.is_none_or(|room| room == one.room)
                && sender.is_none_or(|sender| sender == one.by)
                && wanted.after.is_none_or(|after| one.at >= after)
                && wanted.before.is_none_or(|before| one.at < before)
                && one.content.as_ref().is_some_and(|content| search::find(&wanted.query, content).is_some())
        };
        let mut expected: Vec<(Timestamp, EventId)> =
            self.sent.iter().filter(is_expected).map(|one| (one.at, one.id)).collect();
        let mut all = Vec::new();
        loop {
            let page = find(&self.store, &self.users[by], &wanted).await;
            assert!(page.is_complete && (page.next.is_none() || page.found.len() == wanted.limit), "{page:?}");
            all.extend(page.found.iter().map(|found| (found.message.at, found.message.id)));
            match page.next {
                Some(next) => wanted.order = next,
                None => break,
            }
        }
        assert!(all.windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first: {all:?}");
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected, "{wanted:?}");
    }
}

on_both! {
    async fn search_finds_what_a_scan_finds(database: Database) {
        let config = ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() };
        let steps = vec(step(), 400).new_tree(&mut TestRunner::new(config)).unwrap().current();
        println!("{steps:?}");
        let mut world = World::new(database.store().await).await;
        for step in steps {
            world.take(step).await;
        }
    }
}
