//! The messages of the canvas dialect.

use std::{collections::BTreeMap, sync::Arc};

use convene::{
    core::{
        canvas::{CanvasSize, Editing, Highlight, LikeChange, Tile, TilePlace},
        command::{Addressed, CanvasCommand, ChatCommand, Command, Draft, PresenceCommand, Typing},
        event::{
            CanvasDurable, CanvasEphemeral, CanvasReply, CanvasUser, ChatDurable, ChatEphemeral, Conflicting, Durable,
            Ephemeral, Event, EventBody, PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomScope,
        },
        notification::{Notification, Priority},
        presence::{Status, StatusDetails, StatusUpdate, UserStatus},
        profile::Author,
        user_event::UserEvent,
    },
    error::{ErrorCode, Refusal},
    ids::{CanvasId, Epoch, RoomId, Seq, TileId, Timestamp},
};

use crate::{ALICE, Asked, BOB, EVENT, NOON, Told, notification, raw, tag, transcripts, user};

const PLACE: TilePlace = TilePlace { x: 15, y: 10 };
const CANVAS: CanvasId = CanvasId(1);

/// A canvas.
pub fn canvas() -> Arc<RoomIdentity> {
    let size = CanvasSize { width: 100, height: 100 };
    Arc::new(RoomIdentity { id: RoomId::generate(), scope: RoomScope::Canvas { canvas: CANVAS, size } })
}

fn sarah() -> Author {
    Author::known(user(ALICE), "stellarsarah", Some("Sarah Johnson".into()), Some(123))
}

fn bob() -> Author {
    Author::known(user(BOB), "bob", None, Some(124))
}

fn on_canvas(command: CanvasCommand) -> Command {
    Command::Canvas(command)
}

fn highlight(message: Option<&str>) -> Highlight {
    let at = TilePlace { x: 20, y: 15 };
    Highlight { at, kind: "mention".into(), message: message.map(Into::into), duration_ms: 3_000 }
}

/// All client messages.
pub fn asked() -> Vec<Asked> {
    let say = |canvas| {
        let addressed = Addressed::Canvas { canvas };
        Command::Chat(ChatCommand::Send { addressed, draft: Draft::text("Hello everyone!", Vec::new()) })
    };
    let typing = |typing| {
        let addressed = Addressed::Canvas { canvas: None };
        Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None })
    };
    let edit = |editing| on_canvas(CanvasCommand::EditTile { at: PLACE, editing });
    let create = || on_canvas(CanvasCommand::CreateTile { at: PLACE, content: "Hello".into() });
    let like = |change| on_canvas(CanvasCommand::LikeTile { tile: TileId(456), change });
    let comment = || on_canvas(CanvasCommand::CommentTile { tile: TileId(456), text: "Nice!".into() });
    let status =
        StatusUpdate { status: Some(Status::Away), message: Some(Some("Back at three".into())), location: None };
    let act = CanvasCommand::Act { activity: "zoom".into(), data: Some(data_of("client", "user_activity")) };
    let update = CanvasCommand::UpdateTile { tile: TileId(456), content: "Hello, you".into(), seen: 1 };
    vec![
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
        ("canvas_chat", None, say(Some(CANVAS))),
        ("canvas_chat_with_client_message_id", Some("\"m-1\""), say(None)),
        ("user_presence_typing", None, typing(Typing::Started)),
        ("user_presence_typing_stopped", None, typing(Typing::Stopped)),
        ("user_presence_editing_tile", None, edit(Editing::Started)),
        ("user_presence_editing_tile_stopped", Some("\"e-2\""), edit(Editing::Stopped)),
        ("user_presence_status", None, Command::Presence(PresenceCommand::SetStatus { update: status })),
        ("user_activity", None, on_canvas(act)),
        ("tile_mention", None, on_canvas(CanvasCommand::Highlight(highlight(Some("Check out this tile!"))))),
        ("tile_mention_without_text", None, on_canvas(CanvasCommand::Highlight(highlight(None)))),
        ("tile_create", Some("\"t-1\""), create()),
        ("tile_create_with_client_message_id", Some("\"t-1\""), create()),
        ("tile_update", Some("\"t-2\""), on_canvas(update)),
        ("tile_delete", None, on_canvas(CanvasCommand::DeleteTile { tile: TileId(456), seen: 2 })),
        ("tile_like", None, like(LikeChange::Given)),
        ("tile_like_taken_back", None, like(LikeChange::TakenBack)),
        ("tile_comment", None, comment()),
        ("tile_comment_with_client_message_id", Some("\"t-5\""), comment()),
    ]
}

/// The `data` of a transcript, as it is written there.
fn data_of(side: &str, name: &str) -> convene::core::command::RawJson {
    let files = transcripts(&format!("canvas/{side}"));
    let text = &files[name];
    let start = text.find("\"data\": ").unwrap() + "\"data\": ".len();
    let end = start + text[start..].find('}').unwrap() + 1;
    raw(&text[start..end])
}

fn event(body: EventBody) -> Event {
    Event { room: canvas(), at: NOON, body }
}

fn durable(seq: i64, what: Durable) -> Event {
    event(EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what })
}

fn ephemeral(what: Ephemeral) -> Told {
    Told::Everybody(event(EventBody::Ephemeral(what)))
}

fn tile(content: &str, version: i64, likes: i64) -> Tile {
    Tile { id: TileId(456), version, likes, ..Tile::new(PLACE, content.into(), 123) }
}

fn on_the_canvas() -> Vec<(&'static str, Told)> {
    let message = || Durable::Chat(ChatDurable::text(sarah(), "Hello everyone!".into(), Vec::new()));
    let changed = |seq, what| Told::Everybody(durable(seq, Durable::Canvas(what)));
    let liked = |likes, change| CanvasDurable::TileLiked { tile: tile("Hello, you", 2, likes), by: sarah(), change };
    let comment =
        |text: &str| CanvasDurable::TileCommented { tile: tile("Hello, you", 2, 5), by: sarah(), text: text.into() };
    let comment_deleted = CanvasDurable::TileCommentDeleted {
        tile: tile("Hello, you", 2, 5),
        by: sarah(),
        comment: EVENT.parse().unwrap(),
    };
    let activity =
        CanvasDurable::Acted { by: sarah(), activity: "zoom".into(), data: Some(data_of("server", "user_activity")) };
    let editing =
        CanvasEphemeral::TileEditing { user: sarah(), status: Status::Online, at: PLACE, editing: Editing::Started };
    let highlighted =
        CanvasEphemeral::Highlighted { user: sarah(), highlight: highlight(Some("Check out this tile!")) };
    let details = StatusDetails { message: Some("Back at three".into()), location: None };
    let status = PresenceEphemeral::StatusChanged { user: sarah(), status: Status::Away, details };
    let joined = PresenceEphemeral::UserJoined { user: sarah(), state_follows: false, users: 5, place: None };
    let left = PresenceEphemeral::UserLeft { user: sarah(), state_follows: false, users: 4 };
    let typing = ChatEphemeral::Typing { user: sarah(), typing: Typing::Started, cell: None };
    let announced = RoomEphemeral::Announced { data: data_of("server", "broadcast") };
    vec![
        ("user_joined", ephemeral(Ephemeral::Presence(joined))),
        ("user_left", ephemeral(Ephemeral::Presence(left))),
        ("user_typing", ephemeral(Ephemeral::Chat(typing))),
        ("user_presence_update", ephemeral(Ephemeral::Canvas(editing))),
        ("user_presence_update_of_the_status", ephemeral(Ephemeral::Presence(status))),
        ("tile_highlight", ephemeral(Ephemeral::Canvas(highlighted))),
        ("broadcast", ephemeral(Ephemeral::Room(announced))),
        ("canvas_chat_message", Told::Everybody(durable(42, message()))),
        ("canvas_chat_message_of_the_sender", Told::Author(durable(42, message()))),
        ("tile_created", changed(43, CanvasDurable::TileCreated { tile: tile("Hello", 1, 0), by: sarah() })),
        ("tile_updated", changed(44, CanvasDurable::TileUpdated { tile: tile("Hello, you", 2, 0), by: sarah() })),
        ("tile_liked", changed(45, liked(5, LikeChange::Given))),
        ("tile_liked_taken_back", changed(46, liked(4, LikeChange::TakenBack))),
        ("tile_deleted", changed(47, CanvasDurable::TileDeleted { tile: tile("Hello, you", 2, 5), by: sarah() })),
        ("user_activity", changed(48, activity)),
        ("tile_commented", changed(49, comment("Nice!"))),
        ("tile_commented_erased", changed(49, comment(""))),
        ("tile_comment_deleted", changed(50, comment_deleted)),
    ]
}

fn opening() -> Vec<(&'static str, Told)> {
    let reply = |reply| Told::One(Reply::Canvas(Box::new(reply)));
    let joined = CanvasReply::Joined {
        canvas: CANVAS,
        user: sarah(),
        connection: "ws_sarah_1761566400_7f3a".into(),
        users: 2,
        seq: Seq(41),
        epoch: Epoch(1_761_566_400_250),
    };
    let details = StatusDetails { message: Some("Back at three".into()), location: None };
    let away = UserStatus { status: Status::Away, details };
    let users = vec![
        CanvasUser { user: sarah(), status: UserStatus::default(), editing: Some(PLACE) },
        CanvasUser { user: bob(), status: away, editing: None },
    ];
    vec![
        ("user_joined_first", reply(joined)),
        ("active_users_truncated", reply(CanvasReply::Users { canvas: CANVAS, users: users.clone(), total: 1_200 })),
        ("active_users", reply(CanvasReply::Users { canvas: CANVAS, users, total: 2 })),
        ("recovered", Told::One(Reply::Recovered { room: canvas(), seq: Seq(44), complete: true })),
    ]
}

fn answers() -> Vec<(&'static str, Told)> {
    let reply = |reply| Told::One(Reply::Canvas(Box::new(reply)));
    let stored = |reference, stored, tile| reply(CanvasReply::TileStored { tag: tag(Some(reference)), stored, tile });
    let conflict = |reference, code, sentence: &'static str, with| {
        let (tag, refusal) = (tag(Some(reference)), Refusal::new(code, sentence));
        reply(CanvasReply::Conflict { tag, refusal, with })
    };
    let there = || Conflicting::Tile(tile("Hello, you", 2, 5));
    let taken = "There is a tile at this place already; change that one, or choose another place";
    let old = "Somebody else changed this tile first; take over the change, and send it again with its version";
    let locked = "Another user edits this tile; wait until the lock ends, or choose another tile";
    let (id, error) =
        (EVENT.parse().unwrap(), |reference, refusal| Told::One(Reply::Error { tag: tag(reference), refusal }));
    let long = "`text` has 2001 characters; at most 2000 are allowed, so send it in parts";
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    vec![
        ("pong", Told::One(Reply::Pong { tag: tag(None) })),
        ("pong_with_ref", Told::One(Reply::Pong { tag: tag(Some("7")) })),
        ("ack", Told::One(Reply::Ack { tag: tag(Some("\"m-1\"")), id, seq: Seq(42) })),
        ("ack_done", Told::One(Reply::Done { tag: tag(Some("\"e-2\"")) })),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { tag: tag(Some("\"refresh-1\"")), expires_at })),
        ("ack_of_a_tile", stored("\"t-1\"", Some((id, Seq(43))), tile("Hello", 1, 0))),
        ("ack_of_a_tile_unchanged", stored("\"t-4\"", None, tile("Hello, you", 2, 5))),
        ("error", error(None, Refusal::new(ErrorCode::MessageTooLong, long))),
        (
            "error_with_ref",
            error(Some("\"m-1\""), Refusal::limited("Rate limit exceeded: too many requests per minute", 12)),
        ),
        ("error_of_a_taken_place", conflict("\"t-1\"", ErrorCode::Conflict, taken, there())),
        ("error_of_an_old_version", conflict("\"t-2\"", ErrorCode::VersionConflict, old, there())),
        (
            "error_of_a_locked_tile",
            conflict("\"e-1\"", ErrorCode::Conflict, locked, Conflicting::Lock { holder: sarah(), at: PLACE }),
        ),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350 })),
        ("notification", Told::One(Reply::Notice { data: data_of("server", "notification"), at: NOON })),
        (
            "notification_stored",
            Told::One(Reply::UserEvent(Arc::new(UserEvent::Notified {
                user: user(ALICE),
                notification: Arc::new(Notification {
                    data: Some(raw(r#"{"tile_id":456}"#)),
                    ..notification(Priority::High)
                }),
            }))),
        ),
    ]
}

/// All events and replies.
pub fn told() -> BTreeMap<&'static str, Told> {
    on_the_canvas().into_iter().chain(opening()).chain(answers()).collect()
}
