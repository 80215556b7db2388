use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::{
    actors::outbox::ConnKey,
    core::{
        command::Typing,
        event::{Audience, ChatDurable, ChatEphemeral, Durable, Ephemeral, Event, EventBody, RoomIdentity, RoomScope},
        profile::Author,
        room::Already,
    },
    ids::{EventId, GroupId, Seq, Timestamp, UserId},
};

/// A mailbox that is drained only while the test waits. Records what it receives.
struct Stalled(Rc<RefCell<Vec<HubMessage>>>);

impl Actor for Stalled {
    type Context = Context<Self>;
}

impl Handler<HubMessage> for Stalled {
    type Result = ();

    fn handle(&mut self, message: HubMessage, _: &mut Self::Context) {
        self.0.borrow_mut().push(message);
    }
}

struct Setting {
    hub_link: HubLink,
    identity: Arc<RoomIdentity>,
    got: Rc<RefCell<Vec<HubMessage>>>,
}

impl Setting {
    fn new() -> Setting {
        let got = Rc::<RefCell<Vec<HubMessage>>>::default();
        let hub = Stalled::create(|ctx| {
            ctx.set_mailbox_capacity(1);
            Stalled(got.clone())
        });
        let scope = RoomScope::Channel { group: GroupId::generate() };
        let identity = Arc::new(RoomIdentity { id: RoomId::generate(), scope });
        Setting { hub_link: HubLink::new(0, identity.id, hub.recipient()), identity, got }
    }

    fn event(&self, body: EventBody) -> Arc<Broadcast> {
        let event = Event { room: self.identity.clone(), at: Timestamp::default(), body };
        Broadcast::new(event, Audience::Everyone)
    }

    fn message(&mut self, seq: i64, content: &str) {
        let what = Durable::Chat(ChatDurable::text(author("alice"), content.into(), Vec::new()));
        let event = self.event(EventBody::Durable { seq: Seq(seq), id: EventId::generate(), what });
        self.hub_link.deliver(event);
    }

    fn typing(&mut self, user: &str) {
        let what = Ephemeral::Chat(ChatEphemeral::Typing { user: author(user), typing: Typing::Started, cell: None });
        let event = self.event(EventBody::Ephemeral(what));
        self.hub_link.deliver(event);
    }

    /// The opening represents everything delivered before.
    fn subscribe(&mut self, number: u32) {
        let (room, conn) = (self.identity.id, conn(number));
        self.hub_link.send(HubMessage::Subscribe { room, conn, opening: Vec::new(), already: Already::No });
    }

    async fn drained(&mut self) -> Vec<HubMessage> {
        while self.hub_link.retry() == Backpressure::Up {
            tokio::task::yield_now().await;
        }
        let mut before = usize::MAX;
        while before != self.got.borrow().len() {
            before = self.got.borrow().len();
            tokio::task::yield_now().await;
        }
        self.got.take()
    }
}

fn author(name: &str) -> Author {
    Author::new(UserId::new(name).unwrap(), name)
}

fn conn(generation: u32) -> ConnKey {
    ConnKey { worker: 0, generation }
}

/// What the sockets of a hub see that receives these messages: the events of each, and whether it was evicted.
fn seen(messages: &[HubMessage]) -> Vec<(u32, Vec<i64>, bool)> {
    let mut sockets: Vec<(u32, Vec<i64>, bool)> = Vec::new();
    for message in messages {
        match message {
            HubMessage::Subscribe { conn, .. } => sockets.push((conn.generation, Vec::new(), false)),
            HubMessage::Deliver { broadcast, .. } if broadcast.seq() > Seq(0) => {
                let open = sockets.iter_mut().filter(|(_, _, evicted)| !evicted);
                open.for_each(|(_, events, _)| events.push(broadcast.seq().0));
            }
            HubMessage::Evict { .. } => sockets.iter_mut().for_each(|(_, _, evicted)| *evicted = true),
            HubMessage::Deliver { .. }
            | HubMessage::Place { .. }
            | HubMessage::Unsubscribe { .. }
            | HubMessage::Reply { .. }
            | HubMessage::Remove { .. }
            | HubMessage::Expel { .. } => {}
        }
    }
    sockets
}

const OVER: i64 = limits::ROOM_OVERFLOW_MAX as i64 + 10;

#[actix::test]
async fn what_a_full_mailbox_does_not_take_comes_later_and_in_order() {
    let mut setting = Setting::new();
    setting.subscribe(1);
    (1..=1_000).for_each(|seq| setting.message(seq, "hello"));
    assert_eq!(seen(&setting.drained().await), [(1, (1..=1_000).collect(), false)]);
    assert_eq!(setting.hub_link.durable_bytes, 0);
}

#[actix::test]
async fn whoever_subscribes_while_too_much_waits_is_evicted_or_misses_nothing() {
    let mut setting = Setting::new();
    setting.subscribe(1);
    (1..=10).for_each(|seq| setting.message(seq, "hello"));
    setting.subscribe(2);
    (11..=OVER + 1).for_each(|seq| setting.message(seq, "hello"));
    setting.subscribe(3);
    (OVER + 2..=OVER + 5).for_each(|seq| setting.message(seq, "hello"));
    let sockets = seen(&setting.drained().await);
    for ((number, _, evicted), was_in_time) in sockets.iter().zip([false, false, true]) {
        assert_eq!(*evicted, !was_in_time, "socket {number} lost events and has to resume");
    }
    assert_eq!(sockets[2].1, (OVER + 2..=OVER + 5).collect::<Vec<_>>());
}

#[actix::test]
async fn a_second_overflow_evicts_those_who_came_in_between_and_leaves_one_eviction() {
    let mut setting = Setting::new();
    (1..=OVER).for_each(|seq| setting.message(seq, "hello"));
    setting.subscribe(1);
    (OVER + 1..=2 * OVER).for_each(|seq| setting.message(seq, "hello"));
    setting.subscribe(2);
    let messages = setting.drained().await;
    let evictions = messages.iter().filter(|message| matches!(message, HubMessage::Evict { .. }));
    assert_eq!(evictions.count(), 1);
    let evicted: Vec<bool> = seen(&messages).into_iter().map(|(_, _, evicted)| evicted).collect();
    assert_eq!(evicted, [true, false]);
}

#[actix::test]
async fn ephemeral_events_never_evict_and_the_newest_of_each_key_stays() {
    let mut setting = Setting::new();
    setting.subscribe(1);
    let keys = limits::ROOM_OVERFLOW_EPHEMERAL_MAX / 4;
    for seq in 1..=limits::ROOM_OVERFLOW_MAX as i64 - 10 {
        setting.message(seq, "hello");
        (0..10).for_each(|n| setting.typing(&format!("user-{}", (seq as usize * 10 + n) % keys)));
    }
    assert!(setting.hub_link.ephemeral <= limits::ROOM_OVERFLOW_EPHEMERAL_MAX);
    assert!(setting.hub_link.take_dropped() > 0);
    let messages = setting.drained().await;
    assert_eq!(seen(&messages), [(1, (1..=limits::ROOM_OVERFLOW_MAX as i64 - 10).collect(), false)]);
    let typists: FxHashSet<UserId> = messages.iter().filter_map(typist).collect();
    assert_eq!(typists.len(), keys, "the newest word of each is there");
    assert_eq!((setting.hub_link.durable, setting.hub_link.ephemeral), (0, 0));
}

fn typist(message: &HubMessage) -> Option<UserId> {
    let HubMessage::Deliver { broadcast, .. } = message else { return None };
    match &broadcast.event.body {
        EventBody::Ephemeral(Ephemeral::Chat(ChatEphemeral::Typing { user, .. })) => Some(user.id.clone()),
        _ => None,
    }
}

#[actix::test]
async fn more_ephemeral_keys_than_may_wait_lose_the_oldest() {
    let mut setting = Setting::new();
    (0..10 * limits::ROOM_OVERFLOW_EPHEMERAL_MAX).for_each(|n| setting.typing(&format!("user-{n}")));
    assert!(setting.hub_link.ephemeral <= limits::ROOM_OVERFLOW_EPHEMERAL_MAX);
    let last = format!("user-{}", 10 * limits::ROOM_OVERFLOW_EPHEMERAL_MAX - 1);
    assert_eq!(setting.drained().await.iter().filter_map(typist).next_back().unwrap().as_str(), last);
}

#[actix::test]
async fn large_events_count_by_their_bytes() {
    let mut setting = Setting::new();
    setting.subscribe(1);
    let text = "x".repeat(40_000);
    let count = (limits::ROOM_OVERFLOW_BYTES_MAX / text.len()) as i64 + 1;
    assert!(count < limits::ROOM_OVERFLOW_MAX as i64);
    (1..=count).for_each(|seq| setting.message(seq, &text));
    assert!(setting.hub_link.durable_bytes <= limits::ROOM_OVERFLOW_BYTES_MAX);
    let sockets = seen(&setting.drained().await);
    assert!(sockets[0].2, "evicted");
}
