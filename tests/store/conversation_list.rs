//! The list of conversations is what a model makes of the same sends, edits, deletions, read marks, joins and leaves.

use std::{collections::HashMap, sync::Arc};

use convene::{
    core::{
        event::{ChatDurable, ContentType, Durable, RoomIdentity, Secrecy},
        profile::Profile,
    },
    ids::{EventId, RoomName, Seq, Timestamp, UserId},
    limits,
    store::{
        Append, Attempt, ChannelMedium, ConversationCursor, ConversationSummary, GroupRole, QueueFor, RoomChange,
        Store, Visibility,
    },
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::fixture::{Database, connect, on_both, user};

/// What a test compares of a conversation in the list.
#[derive(Clone, PartialEq, Debug)]
struct Line {
    room: usize,
    last: Option<(EventId, String)>,
    unread: i64,
    mentioned: i64,
    read_up_to: Seq,
}

struct SentMessage {
    id: EventId,
    seq: i64,
    sender: usize,
    mentions: Vec<usize>,
    content: String,
    is_deleted: bool,
}

/// How one room's participants come about.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Always([bool; USERS]),
    Direct([bool; USERS]),
    Open,
}

struct ModelRoom {
    identity: RoomIdentity,
    kind: Kind,
    head: i64,
    last_at: i64,
    messages: Vec<SentMessage>,
    joined: HashMap<usize, i64>,
    marks: HashMap<usize, i64>,
}

const USERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Send { room: usize, by: usize, mentions: Vec<usize> },
    Edit { room: usize, by: usize, of: usize },
    Delete { room: usize, by: usize, of: usize },
    Read { room: usize, by: usize, of: usize },
    Join { room: usize, by: usize },
    Leave { room: usize, by: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (room, by, of) = (0..6_usize, 0..USERS, 0..20_usize);
    prop_oneof![
        5 => (room.clone(), by.clone(), vec(0..USERS, 0..3)).prop_map(|(room, by, mentions)| Step::Send { room, by, mentions }),
        1 => (room.clone(), by.clone(), of.clone()).prop_map(|(room, by, of)| Step::Edit { room, by, of }),
        1 => (room.clone(), by.clone(), of.clone()).prop_map(|(room, by, of)| Step::Delete { room, by, of }),
        2 => (room.clone(), by.clone(), of).prop_map(|(room, by, of)| Step::Read { room, by, of }),
        1 => (room.clone(), by.clone()).prop_map(|(room, by)| Step::Join { room, by }),
        1 => (room, by).prop_map(|(room, by)| Step::Leave { room, by }),
    ]
}

struct World {
    store: Store,
    users: Vec<Profile>,
    rooms: Vec<ModelRoom>,
    now: Timestamp,
}

impl World {
    async fn new(store: Store) -> World {
        let mut users = Vec::new();
        for name in ["ada", "bob", "eve"] {
            users.push(user(&store, name).await);
        }
        let [ada, bob, eve] = [0, 1, 2].map(|at: usize| users[at].id.clone());
        let group = store.create_group(&ada, "a group", None).await.unwrap().id;
        store.add_group_member(group, &bob, GroupRole::Member).await.unwrap();
        let mut rooms = Vec::new();
        for name in ["one", "two"] {
            let id = store.create_channel(group, name, ChannelMedium::Text, &ada).await.unwrap().id;
            rooms.push((store.room(id).await.unwrap().unwrap(), Kind::Always([true, true, false])));
        }
        rooms.push((store.direct_room(&ada, &bob).await.unwrap(), Kind::Direct([true, true, false])));
        for name in ["lobby", "kitchen"] {
            let room = store.create_open_room(&RoomName::new(name).unwrap(), &eve).await.unwrap();
            rooms.push((room.identity, Kind::Open));
        }
        let group = store.create_conversation(&ada, Some("plans"), &[eve]).await.unwrap();
        rooms.push((group.identity, Kind::Always([true, false, true])));
        let room = |(identity, kind)| ModelRoom {
            identity,
            kind,
            head: 0,
            last_at: 0,
            messages: Vec::new(),
            joined: HashMap::new(),
            marks: HashMap::new(),
        };
        let now = users[2].created_at.plus_ms(60_000);
        World { store, users, rooms: rooms.into_iter().map(room).collect(), now }
    }

    async fn put(&mut self, room: usize, what: ChatDurable) -> Option<(EventId, i64)> {
        self.now = self.now.plus_ms(1);
        let (id, room) = (EventId::generate(), &mut self.rooms[room]);
        let what = Arc::new(Durable::Chat(what));
        let (queue_for, client_message_id) = (QueueFor::default(), None);
        let append = Append { room: room.identity.id, id, at: self.now, what, queue_for, client_message_id };
        let stored = self.store.append(&[append], Attempt::First).await.unwrap().remove(0).ok()?;
        room.head += 1;
        assert_eq!(stored.seq, Seq(room.head));
        Some((id, room.head))
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send { room, by, mentions } => {
                let content = format!("{by} at {}", self.now.unix_ms);
                let what = ChatDurable::MessageSent {
                    sender: self.users[by].author(),
                    content: content.as_str().into(),
                    content_type: ContentType::Text,
                    attachments: Vec::new(),
                    mentions: mentions.iter().map(|at| self.users[*at].id.clone()).collect(),
                };
                let (id, seq) = self.put(room, what).await.unwrap();
                self.rooms[room].last_at = self.now.unix_ms;
                let message = SentMessage { id, seq, sender: by, mentions, content, is_deleted: false };
                self.rooms[room].messages.push(message);
            }
            Step::Edit { room, by, of } => {
                let Some(message) = self.rooms[room].messages.get(of).map(|message| message.id) else { return };
                let content: Arc<str> = format!("edited at {}", self.now.unix_ms).into();
                let editor = self.users[by].author();
                let what =
                    ChatDurable::MessageEdited { message, editor, content: content.clone(), secrecy: Secrecy::Plain };
                let stored = self.put(room, what).await;
                let message = &mut self.rooms[room].messages[of];
                assert_eq!(stored.is_some(), !message.is_deleted);
                if stored.is_some() {
                    message.content = content.to_string();
                }
            }
            Step::Delete { room, by, of } => {
                let Some(message) = self.rooms[room].messages.get(of).map(|message| message.id) else { return };
                let stored = self.put(room, ChatDurable::MessageDeleted { message, by: self.users[by].author() }).await;
                let message = &mut self.rooms[room].messages[of];
                assert_eq!(stored.is_some(), !message.is_deleted);
                message.is_deleted = true;
                message.content.clear();
            }
            Step::Read { room, by, of } => {
                let Some((message, seq)) = self.rooms[room].messages.get(of).map(|message| (message.id, message.seq))
                else {
                    return;
                };
                let reader = self.users[by].author();
                let stored = self.put(room, ChatDurable::read(reader, message)).await;
                let mark = self.rooms[room].marks.entry(by).or_default();
                assert_eq!(stored.is_some(), seq > *mark);
                *mark = seq.max(*mark);
            }
            Step::Join { room, by } if self.rooms[room].kind == Kind::Open => {
                let added = self.store.add_participant(self.rooms[room].identity.id, &self.users[by].id).await.unwrap();
                let head = self.rooms[room].head;
                assert_eq!(added, !self.rooms[room].joined.contains_key(&by));
                self.rooms[room].joined.entry(by).or_insert(head);
            }
            Step::Leave { room, by } if self.rooms[room].kind == Kind::Open => {
                let room = &mut self.rooms[room];
                let removed = self.store.remove_participant(room.identity.id, &self.users[by].id).await.unwrap();
                assert_eq!(removed, room.joined.remove(&by).is_some());
            }
            Step::Join { .. } | Step::Leave { .. } => {}
        }
    }

    /// The list as the model has it.
    fn expected(&self, user: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, room) in self.rooms.iter().enumerate() {
            let since = match room.kind {
                Kind::Always(users) => users[user].then_some(0),
                Kind::Direct(users) => (users[user] && !room.messages.is_empty()).then_some(0),
                Kind::Open => room.joined.get(&user).copied(),
            };
            let Some(since) = since else { continue };
            let mark = room.marks.get(&user).copied().unwrap_or_default();
            let behind = room.messages.iter().filter(|message| message.seq > mark.max(since));
            let unread: Vec<_> = behind.filter(|message| message.sender != user && !message.is_deleted).collect();
            let mentioned = unread.iter().filter(|message| message.mentions.contains(&user)).count();
            let line = Line {
                room: index,
                last: room.messages.last().map(|message| (message.id, message.content.clone())),
                unread: i64::try_from(unread.len()).unwrap(),
                mentioned: i64::try_from(mentioned).unwrap(),
                read_up_to: Seq(mark),
            };
            lines.push((room.last_at, index, line));
        }
        lines.sort_by_key(|(last_at, index, _)| std::cmp::Reverse((*last_at, *index)));
        lines.into_iter().map(|(_, _, line)| line).collect()
    }

    fn line(&self, summary: &ConversationSummary) -> Line {
        Line {
            room: self.rooms.iter().position(|room| room.identity == summary.room).unwrap(),
            last: summary.last_message.as_ref().map(|message| (message.id, message.content.clone())),
            unread: summary.unread,
            mentioned: summary.mentioned,
            read_up_to: summary.read_up_to,
        }
    }

    async fn check(&self) {
        for (index, user) in self.users.iter().enumerate() {
            for limit in [2, 100] {
                let list = all_pages(&self.store, &user.id, limit).await;
                let lines: Vec<_> = list.iter().map(|summary| self.line(summary)).collect();
                assert_eq!(lines, self.expected(index), "{}", user.username);
                let heads = list.iter().zip(&lines).all(|(summary, line)| summary.head.0 == self.rooms[line.room].head);
                assert!(heads, "{list:?}");
            }
        }
    }
}

async fn all_pages(store: &Store, user: &UserId, limit: i64) -> Vec<ConversationSummary> {
    let (mut all, mut after) = (Vec::<ConversationSummary>::new(), None);
    loop {
        let page = store.conversations(user, after, limit).await.unwrap();
        let is_last = page.len() < usize::try_from(limit).unwrap();
        after = page.last().map(|last| ConversationCursor { active_at: last.active_at, room: last.room.id });
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

on_both! {
    async fn the_list_is_what_a_model_makes_of_the_same_steps(database: Database) {
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() });
        let steps = vec(step(), 150).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(database.store().await).await;
        println!("{steps:?}");
        for (index, step) in steps.into_iter().enumerate() {
            world.take(step).await;
            if index % 15 == 0 {
                world.check().await;
            }
        }
        world.check().await;
    }

    async fn whoever_joins_a_channel_has_read_what_came_before(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (group, room) = crate::fixture::channel(&store, &ada).await;
        let send = |at: Timestamp| {
            let append = Append { at, ..crate::fixture::message(room, &ada, "x") };
            let store = store.clone();
            async move { store.append(&[append], Attempt::First).await.unwrap() }
        };
        send(bob.created_at.plus_ms(-60_000)).await;
        store.add_group_member(group, &bob.id, GroupRole::Member).await.unwrap();
        send(bob.created_at.plus_ms(60_000)).await;
        assert_eq!(store.conversations(&bob.id, None, 10).await.unwrap()[0].unread, 1);
    }

    async fn conversations_of_rooms_that_may_not_be_entered_any_more_are_not_listed(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.create_open_room(&RoomName::new("den").unwrap(), &ada.id).await.unwrap().identity.id;
        store.add_participant(room, &bob.id).await.unwrap();
        assert_eq!(store.conversations(&bob.id, None, 10).await.unwrap().len(), 1);
        let private = RoomChange { visibility: Some(Visibility::Private), ..RoomChange::default() };
        store.change_room(room, &private).await.unwrap();
        // joining in the moment in which it became private gives no right
        store.add_participant(room, &bob.id).await.unwrap();
        assert_eq!(store.conversations(&bob.id, None, 10).await.unwrap().len(), 0);
    }

    async fn unread_messages_are_counted_up_to_a_bound(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
        let count = usize::try_from(limits::UNREAD_COUNTED_MAX).unwrap() + 10;
        let batch: Vec<_> = (0..count).map(|_| crate::fixture::message(room, &ada, "x")).collect();
        store.append(&batch, Attempt::First).await.unwrap();
        let list = store.conversations(&bob.id, None, 10).await.unwrap();
        assert_eq!((list[0].unread, list[0].partner.as_ref().map(|other| &other.author.id)), (limits::UNREAD_COUNTED_MAX, Some(&ada.id)));
        assert_eq!(store.conversations(&ada.id, None, 10).await.unwrap()[0].unread, 0, "one's own are read");
    }
}

on_both! {
    async fn ten_thousand_conversations_are_listed_page_by_page(database: Database) {
        const CONVERSATIONS: usize = 10_000;
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        store.create_conversation(&ada.id, None, std::slice::from_ref(&bob.id)).await.unwrap();
        copy_the_conversation(&database, CONVERSATIONS - 1).await;
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = store.conversations(&bob.id, after, limits::PAGE_CONVERSATIONS_MAX).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(ConversationCursor { active_at: last.active_at, room: last.room.id });
            listed.extend(page.iter().map(|one| (one.active_at, one.room.id)));
        }
        assert_eq!(listed.len(), CONVERSATIONS);
        assert!(listed.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
    }
}

/// Copies the only conversation that many times, each copy with the same people and active a little later.
async fn copy_the_conversation(database: &Database, copies: usize) {
    let is_postgres = database.url.starts_with("postgres");
    let (new_id, later) = if is_postgres {
        ("gen_random_uuid()", "active_at + n * interval '1 millisecond'")
    } else {
        ("randomblob(16)", "active_at + n")
    };
    let kept = "kind, name, visibility, settings, owner_id, epoch, created_at";
    let sql = format!(
        "WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {copies}) \
         INSERT INTO rooms (id, key, active_at, {kept}) SELECT {new_id}, key || n, {later}, {kept} FROM rooms, copies \
         WHERE kind = 'open'; \
         INSERT INTO participants (user_id, room_id, joined_at, joined_seq) \
         SELECT user_id, rooms.id, joined_at, joined_seq FROM participants, rooms \
         WHERE rooms.id NOT IN (SELECT room_id FROM participants); \
         INSERT INTO room_members (room_id, user_id, role) \
         SELECT rooms.id, user_id, role FROM room_members, rooms \
         WHERE rooms.id NOT IN (SELECT room_id FROM room_members);"
    );
    if is_postgres {
        connect(&database.url).await.unwrap().batch_execute(&sql).await.unwrap();
    } else {
        SqliteConnection::establish(&database.file().to_string_lossy()).unwrap().batch_execute(&sql).unwrap();
    }
}
