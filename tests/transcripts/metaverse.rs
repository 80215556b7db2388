//! The messages of the metaverse dialect.

use std::{collections::BTreeMap, sync::Arc};

use convene::{
    core::{
        command::{
            Addressed, ChatCommand, Command, Draft, InviteCommand, Invited, ListPage, Resume, RoomAddress, RoomCommand,
            SendInvites, SpaceCommand, Tag,
        },
        conflation::Moved,
        cursor::Coordinate,
        event::{
            AvatarListed, ChatDurable, Durable, Ephemeral, Event, EventBody, PresenceEphemeral, Reply, RoomEphemeral,
            RoomIdentity, RoomScope, SpaceDurable, SpaceEphemeral, SpaceReply,
        },
        invite::{Invite, InviteHappening, InviteNews, InviteState, InviteTemplate},
        notification::{Notification, Priority},
        profile::{Author, Profile, Role},
        space::{
            AvatarMove, Place, PlaceChange, SpaceLabel, SpaceSettings, StateCause, StateChange, StateEntry, StateLife,
            StateSet,
        },
        user_event::UserEvent,
    },
    error::{ErrorCode, Refusal},
    ids::{Area, ConnKey, Epoch, NodeId, NotificationId, RoomId, Seq, SocketId, Timestamp, UserId},
};

use crate::{ALICE, Asked, BOB, EVENT, NOON, Told, notification, raw, user};

/// A space.
pub fn space() -> Arc<RoomIdentity> {
    Arc::new(RoomIdentity { id: id(), scope: RoomScope::Space })
}

fn id() -> RoomId {
    "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f".parse().unwrap()
}

fn invite_id() -> NotificationId {
    "01932c0d-0000-7000-8000-0000000000aa".parse().unwrap()
}

fn alice() -> Author {
    Author::known(user(ALICE), "alice", None, Some(123))
}

fn bob() -> Author {
    Author::known(user(BOB), "bob", None, Some(124))
}

fn at(x: f64, y: f64) -> (Coordinate, Coordinate) {
    (Coordinate::new(x).unwrap(), Coordinate::new(y).unwrap())
}

fn change(x: f64, y: f64, direction: Option<&str>) -> PlaceChange {
    let (x, y) = at(x, y);
    PlaceChange { x, y, direction: direction.map(Into::into) }
}

fn place(x: f64, y: f64, direction: &str) -> Place {
    let (x, y) = at(x, y);
    Place { x, y, direction: direction.into() }
}

/// The tag of a request of that type.
fn tag(asked: &'static str, reference: Option<&str>) -> Tag {
    Tag { reference: reference.map(raw), asked, ..Tag::default() }
}

fn state_set(key: &str, value: Option<&str>) -> StateSet {
    StateSet { key: key.into(), value: value.map(raw), if_seq: None, ttl_ms: None, life: StateLife::Stays }
}

/// All client messages.
pub fn asked() -> Vec<Asked> {
    let space = id();
    let in_space = Command::Space;
    let join = |user: Option<UserId>, place, resume| in_space(SpaceCommand::Join { space, user, place, resume });
    let resume = Resume { since: Seq(41), epoch: Some(Epoch(1_761_566_400_250)) };
    let act = |data: Option<&str>| in_space(SpaceCommand::Act { space, action: "wave".into(), data: data.map(raw) });
    let say = || {
        let addressed = Addressed::Space(space);
        Command::Chat(ChatCommand::Send { addressed, draft: Draft::text("Hello everyone!", Vec::new()) })
    };
    let set_state = |set| in_space(SpaceCommand::SetState { space, set });
    let bob = || user(BOB);
    let invite = |to, message: Option<&str>, template, lifetime_ms| {
        let message = message.map(Into::into);
        Command::Invites(InviteCommand::Send(SendInvites { to, space, message, template, lifetime_ms }))
    };
    let candidates = |search: &str, number, limit| {
        let (search, page) = (search.to_owned(), ListPage { number, limit });
        Command::Invites(InviteCommand::Candidates { space, search, page })
    };
    let list = |include_expired| {
        Command::Invites(InviteCommand::List { include_expired, page: ListPage { number: 1, limit: 50 } })
    };
    let step = |to, input| in_space(SpaceCommand::Move { space, to, input });
    vec![
        ("join_space", None, join(Some(user(ALICE)), Some(change(100.0, 200.0, Some("down"))), None)),
        ("join_space_resuming", Some("\"j-2\""), join(None, None, Some(resume))),
        ("leave_space", None, Command::Room(RoomCommand::Leave { room: RoomAddress::Space(space) })),
        ("move", None, step(change(105.5, 200.0, Some("right")), None)),
        ("move_numbered", Some("\"v-1\""), step(change(106.0, 200.0, None), Some(17))),
        ("action", None, act(Some("{\"hand\": \"left\"}"))),
        ("action_with_client_message_id", Some("\"a-1\""), act(None)),
        ("state_set", None, set_state(state_set("door", Some("{\"open\": true}")))),
        (
            "state_set_deleting",
            Some("\"s-2\""),
            set_state(StateSet { if_seq: Some(Seq(44)), ..state_set("door", None) }),
        ),
        (
            "state_set_with_end",
            Some("\"s-1\""),
            set_state(StateSet {
                if_seq: Some(Seq(0)),
                ttl_ms: Some(1_500),
                life: StateLife::EndsWithSocket,
                ..state_set("seat", Some("\"taken\""))
            }),
        ),
        ("chat", None, say()),
        ("chat_with_client_message_id", Some("\"m-1\""), say()),
        ("send_invite", None, invite(Invited::One(bob()), None, None, None)),
        (
            "send_invite_to_several",
            None,
            invite(Invited::Several(vec![bob()]), None, Some(InviteTemplate::Welcome), None),
        ),
        ("send_invite_with_text", None, invite(Invited::One(bob()), Some("Come and see"), None, Some(5_400_000))),
        ("accept_invite", None, Command::Invites(InviteCommand::Accept { id: invite_id() })),
        ("decline_invite", None, Command::Invites(InviteCommand::Decline { id: invite_id() })),
        ("get_users", None, candidates("", 1, 50)),
        ("get_users_of_a_page", None, candidates("jo", 2, 20)),
        ("get_invites", None, list(false)),
        ("get_invites_with_expired", None, list(true)),
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
    ]
}

// ---- events ----

fn event(body: EventBody) -> Event {
    Event { room: space(), at: NOON, body }
}

fn durable(seq: i64, what: Durable) -> Event {
    event(EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what })
}

fn ephemeral(what: Ephemeral) -> Told {
    Told::Everybody(event(EventBody::Ephemeral(what)))
}

fn moved(author: &Author, place: Place, input: Option<i64>) -> AvatarMove {
    AvatarMove { user: author.id.clone(), number: author.number().unwrap(), place, input, version: 1 }
}

fn moves() -> [AvatarMove; 2] {
    [moved(&alice(), place(105.5, 200.0, "right"), None), moved(&bob(), place(-5.25, 0.0, "up"), Some(17))]
}

fn in_the_space() -> Vec<(&'static str, Told)> {
    let message = || Durable::Chat(ChatDurable::text(alice(), "Hello everyone!".into(), Vec::new()));
    let acted = SpaceDurable::Acted { by: alice(), action: "wave".into(), data: Some(raw("{\"hand\": \"left\"}")) };
    let joined = PresenceEphemeral::UserJoined {
        user: alice(),
        state_follows: false,
        users: 1,
        place: Some(place(100.0, 200.0, "down")),
    };
    let left = PresenceEphemeral::UserLeft { user: alice(), state_follows: false, users: 0 };
    let frame = |first: AvatarMove, moved: Vec<AvatarMove>| {
        ephemeral(Ephemeral::Space(SpaceEphemeral::Moved(Arc::new(Moved { first, moved }))))
    };
    let [first, _] = moves();
    let numbered = AvatarMove { input: Some(17), ..first.clone() };
    let near = SpaceEphemeral::MovedNear { area: Area(1), frame: 1, moves: Arc::new(moves()) };
    let settings = |interest_radius| SpaceEphemeral::Changed(SpaceSettings { name: "Hall".into(), interest_radius });
    let announced = RoomEphemeral::Announced { data: raw("{\"text\": \"Maintenance at noon\"}") };
    vec![
        ("user_joined", ephemeral(Ephemeral::Presence(joined))),
        ("user_left", ephemeral(Ephemeral::Presence(left))),
        ("user_moved", frame(first.clone(), Vec::new())),
        ("user_moved_own", frame(numbered, Vec::new())),
        ("user_moved_several", frame(first, moves().to_vec())),
        ("space_changed", ephemeral(Ephemeral::Space(settings(Some(300))))),
        ("space_changed_without_radius", ephemeral(Ephemeral::Space(settings(None)))),
        ("users_moved", ephemeral(Ephemeral::Space(near))),
        ("user_action", Told::Everybody(durable(43, Durable::Space(acted)))),
        ("chat_message", Told::Everybody(durable(42, message()))),
        ("chat_message_of_the_sender", Told::Author(durable(42, message()))),
        ("broadcast", ephemeral(Ephemeral::Room(announced))),
    ]
}

/// A change of an entry by a user.
fn state_change(by: Author, key: &str, value: Option<&str>) -> StateChange {
    StateChange {
        by,
        key: key.into(),
        value: value.map(raw),
        cause: StateCause::Set,
        if_seq: None,
        expires_at: None,
        holder: None,
    }
}

fn door() -> StateChange {
    state_change(alice(), "door", Some("{\"open\": true}"))
}

/// An entry that ends by itself, and with its socket.
fn seat() -> StateChange {
    let holder = SocketId { node: NodeId(1), conn: ConnKey { worker: 1, generation: 1 } };
    StateChange { expires_at: Some(NOON), holder: Some(holder), ..state_change(bob(), "seat", Some("\"taken\"")) }
}

fn state_changes() -> Vec<(&'static str, Told)> {
    let changed = |seq, change| durable(seq, Durable::Space(SpaceDurable::StateChanged(change)));
    let ended = |cause| StateChange { cause, ..state_change(bob(), "seat", None) };
    vec![
        ("state_changed", Told::Everybody(changed(44, door()))),
        ("state_changed_of_the_sender", Told::Author(changed(45, seat()))),
        ("state_changed_deleted", Told::Everybody(changed(46, state_change(alice(), "door", None)))),
        ("state_changed_expired", Told::Everybody(changed(46, ended(StateCause::Expired)))),
        ("state_changed_left", Told::Everybody(changed(46, ended(StateCause::SocketLeft)))),
    ]
}

// ---- replies ----

fn label() -> SpaceLabel {
    SpaceLabel { id: id(), name: "Atrium".into() }
}

fn invite(state: InviteState) -> Invite {
    let is_decided = matches!(state, InviteState::Accepted | InviteState::Declined);
    Invite {
        id: invite_id(),
        from: alice(),
        to: bob(),
        space: label(),
        state,
        message: None,
        template: None,
        created_at: NOON,
        expires_at: NOON.plus_ms(24 * 60 * 60 * 1_000),
        decided_at: is_decided.then_some(NOON),
    }
}

fn with(template: InviteTemplate, state: InviteState) -> Invite {
    Invite { template: Some(template), ..invite(state) }
}

fn profile(id: &str, username: &str, email: Option<&str>, display_name: &str, role: Role) -> Profile {
    Profile {
        id: user(id),
        number: 1,
        username: username.into(),
        email: email.map(Into::into),
        display_name: display_name.into(),
        role,
        created_at: NOON,
        tokens_not_before: Timestamp { unix_ms: 0 },
        said_at: Timestamp { unix_ms: 0 },
        blocked_until: Timestamp { unix_ms: 0 },
    }
}

fn reply(reply: SpaceReply) -> Told {
    Told::One(Reply::Space(Box::new(reply)))
}

fn of_spaces() -> Vec<(&'static str, Told)> {
    let joined = |reference, interest_radius, avatars, total, (state, seq): (Vec<StateEntry>, i64)| {
        reply(SpaceReply::Joined {
            tag: tag("JOIN_SPACE", reference),
            space: id(),
            settings: SpaceSettings { name: "Atrium".into(), interest_radius },
            connection: "ws_alice_1761566400_7f3a".into(),
            avatars,
            state,
            total,
            seq: Seq(seq),
            epoch: Epoch(1_761_566_400_250),
        })
    };
    let entry = |seq, change: StateChange| StateEntry::after(Seq(seq), &change).unwrap();
    let sentence =
        "Somebody else changed this entry first; take over the change, and send it again with its `seq` as `ifSeq`";
    let conflict = |reference, entry| {
        let (tag, refusal) = (tag("STATE_SET", reference), Refusal::new(ErrorCode::Conflict, sentence));
        reply(SpaceReply::StateConflict { tag, refusal, entry })
    };
    let here = AvatarListed { user: alice(), place: place(100.0, 200.0, "down") };
    let there = AvatarListed { user: bob(), place: place(-5.25, 0.0, "up") };
    let [_, near] = moves();
    vec![
        ("join_space", joined(None, None, vec![here.clone(), there], 2, (Vec::new(), 41))),
        ("join_space_truncated", joined(Some("\"j-2\""), Some(200), vec![here.clone()], 12_000, (Vec::new(), 41))),
        ("join_space_with_state", joined(None, None, vec![here], 1, (vec![entry(44, door()), entry(45, seat())], 45))),
        ("state_set_conflict", conflict(Some("\"s-1\""), Some(entry(45, seat())))),
        ("state_set_conflict_with_nothing", conflict(None, None)),
        ("leave_space", Told::One(Reply::Done { tag: tag("LEAVE_SPACE", None) })),
        ("move", Told::One(Reply::Done { tag: tag("MOVE", Some("\"v-1\"")) })),
        ("users_moved_near", reply(SpaceReply::Seen { space: id(), avatars: vec![near] })),
        ("recovered", Told::One(Reply::Recovered { room: space(), seq: Seq(44), complete: true })),
    ]
}

fn of_invites() -> Vec<(&'static str, Told)> {
    let sentence = "Too many invites; send fewer per minute, and try again after `retry_after`";
    let member = Refusal::new(ErrorCode::AlreadyMember, "User is already a member of this space");
    let limited = || Refusal::limited(sentence, 12);
    let several =
        |invites, failed| reply(SpaceReply::InvitedSeveral { tag: tag("SEND_INVITE", None), invites, failed });
    let answered = |asked| reply(SpaceReply::InviteAnswered { tag: tag(asked, None), space: label() });
    let users = vec![
        profile(BOB, "john_doe", Some("john@example.com"), "John Doe", Role::User),
        profile(ALICE, "alice", None, "alice", Role::Admin),
    ];
    let invites =
        vec![with(InviteTemplate::Meeting, InviteState::Pending), with(InviteTemplate::Event, InviteState::Expired)];
    let together = with(InviteTemplate::Collaboration, InviteState::Pending);
    let welcome = with(InviteTemplate::Welcome, InviteState::Pending);
    vec![
        ("send_invite", reply(SpaceReply::Invited { tag: tag("SEND_INVITE", None), invite: together })),
        ("send_invite_to_several", several(vec![welcome], vec![(user(ALICE), member)])),
        ("send_invite_limited_in_part", several(vec![invite(InviteState::Pending)], vec![(user(ALICE), limited())])),
        ("send_invite_to_nobody", several(Vec::new(), vec![(user(BOB), limited())])),
        ("accept_invite", answered("ACCEPT_INVITE")),
        ("decline_invite", answered("DECLINE_INVITE")),
        ("get_users", reply(SpaceReply::Candidates { tag: tag("GET_USERS", None), users, total: 30 })),
        ("get_invites", reply(SpaceReply::Invites { tag: tag("GET_INVITES", None), invites, total: 2 })),
        ("invite_received", news(InviteHappening::Received, InviteState::Pending)),
        ("invite_reminder", news(InviteHappening::Reminder, InviteState::Pending)),
        ("invite_accepted", news(InviteHappening::Accepted, InviteState::Accepted)),
        ("invite_declined", news(InviteHappening::Declined, InviteState::Declined)),
    ]
}

fn news(happening: InviteHappening, state: InviteState) -> Told {
    let news = InviteNews { happening, invite: invite(state) };
    let notification = Notification { invite: Some(Arc::new(news)), ..notification(Priority::Normal) };
    notified(notification)
}

fn notified(notification: Notification) -> Told {
    let notification = Arc::new(notification);
    Told::One(Reply::UserEvent(Arc::new(UserEvent::Notified { user: user(BOB), notification })))
}

fn answers() -> Vec<(&'static str, Told)> {
    let error = |tag, refusal| Told::One(Reply::Error { tag, refusal });
    let full = Refusal::new(ErrorCode::SpaceFull, "Space is full");
    let stranger = Refusal::new(ErrorCode::NotInRoom, "You do not have access to this space");
    let unread = Refusal::new(ErrorCode::InvalidMessage, "The message must be a JSON object with the field `type`");
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    let id = EVENT.parse().unwrap();
    let stored = Notification { data: Some(raw("{\"spaceId\": \"x\"}")), ..notification(Priority::Normal) };
    vec![
        ("pong", Told::One(Reply::Pong { tag: tag("PING", None) })),
        ("pong_with_ref", Told::One(Reply::Pong { tag: tag("PING", Some("7")) })),
        ("chat", Told::One(Reply::Ack { tag: tag("CHAT", None), id, seq: Seq(42) })),
        ("state_set", Told::One(Reply::Ack { tag: tag("STATE_SET", Some("\"s-1\"")), id, seq: Seq(45) })),
        ("state_set_nothing", Told::One(Reply::Done { tag: tag("STATE_SET", None) })),
        ("action", Told::One(Reply::Ack { tag: tag("ACTION", Some("\"a-1\"")), id, seq: Seq(43) })),
        (
            "auth_refresh",
            Told::One(Reply::AuthRefreshed { tag: tag("AUTH_REFRESH", Some("\"refresh-1\"")), expires_at }),
        ),
        ("failed", error(tag("JOIN_SPACE", None), full)),
        ("failed_with_ref", error(tag("MOVE", Some("\"v-1\"")), stranger)),
        ("failed_unread", error(tag("", None), unread)),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350 })),
        ("notification", notified(stored)),
        (
            "notification_of_an_administrator",
            Told::One(Reply::Notice { data: raw("{\"text\": \"Welcome\"}"), at: NOON }),
        ),
    ]
}

/// All events and replies.
pub fn told() -> BTreeMap<&'static str, Told> {
    in_the_space().into_iter().chain(state_changes()).chain(of_spaces()).chain(of_invites()).chain(answers()).collect()
}
