//! Converts events and replies into the dialect's messages, written directly into the frame. An event is encoded once
//! for all receivers. No match may have a catch-all, so that the compiler asks for the form of a new event.

use super::wire::{
    CanvasError, CanvasNumber, FromServer, TileAck, TileNumber,
    chat::CanvasChatMessage,
    presence::{ActiveUsers, ComeOrGone, PresenceUpdate, UserActivity, UserJoined, UserLeft, UserTyping},
    tiles::{Holder, Tile, TileChanged, TileCommentDeleted, TileCommented, TileHighlight, TileLiked},
};
use crate::{
    core::{
        canvas::{Editing, LikeChange},
        command::Typing,
        event::{
            CanvasDurable, CanvasEphemeral, CanvasReply, ChatDurable, ChatEphemeral, Conflicting, Durable, Ephemeral,
            Event, EventBody, PresenceEphemeral, Reply, RoomEphemeral, RoomScope,
        },
        profile::Author,
        user_event::UserEvent,
    },
    dialects::{
        Encoded, Stamp,
        common::{Ack, Broadcast, ErrorMessage, Notice, Notified, Pong, Position, Recovered, Restarting},
        output::{self, Moment, Relayed, RelayedObject},
    },
    ids::{CanvasId, EventId, Seq, Timestamp},
    limits,
};

/// Appends what everybody on the canvas receives, or only the author's own sockets.
pub fn event(event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    encoded(of_event(event, stamp), out)
}

/// Appends a message for one socket.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    encoded(of_reply(reply, at), out)
}

fn encoded(message: Option<FromServer<'_>>, out: &mut Vec<u8>) -> Encoded {
    match message {
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

fn of_event<'a>(event: &'a Event, stamp: Stamp<'a>) -> Option<FromServer<'a>> {
    let RoomScope::Canvas { canvas, .. } = event.room.scope else { return None };
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Chat(what) => chat(canvas, what, (*seq, *id, event.at), stamp),
            Durable::Canvas(what) => Some(durable(canvas, what, (*seq, *id), event.at)),
            // this dialect has neither sheets nor documents
            Durable::Sheet(_) | Durable::Document(_) | Durable::Space(_) => None,
        },
        EventBody::Ephemeral(what) => ephemeral(canvas, what, event.at),
    }
}

fn chat<'a>(
    canvas: CanvasId,
    what: &'a ChatDurable,
    (seq, message_id, at): (Seq, EventId, Timestamp),
    stamp: Stamp<'a>,
) -> Option<FromServer<'a>> {
    match what {
        ChatDurable::MessageSent { sender, content, .. } => Some(FromServer::CanvasChatMessage(CanvasChatMessage {
            message_id,
            canvas_id: CanvasNumber(canvas.0),
            sender_id: sender.into(),
            sender_username: sender.username(),
            message_text: content,
            created_at: Moment(at),
            seq,
            client_message_id: stamp.client_message_id,
        })),
        // the only messages of the chat that installed clients know are those above
        ChatDurable::MessageEdited { .. }
        | ChatDurable::MessageDeleted { .. }
        | ChatDurable::MessageErased { .. }
        | ChatDurable::ReadMarked { .. }
        | ChatDurable::Reacted { .. } => None,
    }
}

fn durable(canvas: CanvasId, what: &CanvasDurable, (seq, id): (Seq, EventId), at: Timestamp) -> FromServer<'_> {
    match what {
        CanvasDurable::TileCreated { tile, by } => {
            FromServer::TileCreated(tile_changed(Tile::new(canvas, tile), by, seq, at))
        }
        CanvasDurable::TileUpdated { tile, by } => {
            FromServer::TileUpdated(tile_changed(Tile::new(canvas, tile), by, seq, at))
        }
        CanvasDurable::TileDeleted { tile, by } => {
            FromServer::TileDeleted(tile_changed(Tile::new(canvas, tile), by, seq, at))
        }
        CanvasDurable::TileLiked { tile, by, change } => {
            let liked = match change {
                LikeChange::Given => true,
                LikeChange::TakenBack => false,
            };
            let change = tile_changed(Tile::new(canvas, tile), by, seq, at);
            FromServer::TileLiked(TileLiked { change, liked })
        }
        CanvasDurable::TileCommented { tile, by, text } => FromServer::TileCommented(TileCommented {
            tile_id: TileNumber(tile.id.0),
            canvas_id: CanvasNumber(canvas.0),
            comment_id: id,
            text,
            who: by.into(),
            timestamp: Moment(at),
            seq,
        }),
        CanvasDurable::TileCommentDeleted { tile, by, comment } => FromServer::TileCommentDeleted(TileCommentDeleted {
            tile_id: TileNumber(tile.id.0),
            canvas_id: CanvasNumber(canvas.0),
            comment_id: *comment,
            who: by.into(),
            timestamp: Moment(at),
            seq,
        }),
        CanvasDurable::Acted { by, activity, data } => FromServer::UserActivity(UserActivity {
            who: by.into(),
            canvas_id: CanvasNumber(canvas.0),
            activity_type: activity,
            data: data.as_ref().map(Relayed),
            timestamp: Moment(at),
            seq,
        }),
    }
}

fn tile_changed<'a>(tile: Tile<'a>, by: &'a Author, seq: Seq, at: Timestamp) -> TileChanged<'a> {
    TileChanged { tile, who: by.into(), timestamp: Moment(at), seq }
}

fn ephemeral(canvas: CanvasId, what: &Ephemeral, at: Timestamp) -> Option<FromServer<'_>> {
    let canvas_id = CanvasNumber(canvas.0);
    Some(match what {
        Ephemeral::Presence(PresenceEphemeral::UserJoined { user, users, .. }) => FromServer::UserJoined(UserJoined {
            user: come_or_gone(canvas, user, *users),
            position: None,
            timestamp: Moment(at),
        }),
        Ephemeral::Presence(PresenceEphemeral::UserLeft { user, users, .. }) => {
            FromServer::UserLeft(UserLeft { user: come_or_gone(canvas, user, *users), timestamp: Moment(at) })
        }
        Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status, details }) => {
            FromServer::UserPresenceUpdate(PresenceUpdate {
                who: user.into(),
                canvas_id,
                status: *status,
                status_message: details.message.as_deref(),
                tile_x: None,
                tile_y: None,
                is_editing: None,
                timestamp: Moment(at),
            })
        }
        Ephemeral::Chat(ChatEphemeral::Typing { user, typing, .. }) => {
            FromServer::UserTyping(UserTyping { who: user.into(), is_typing: *typing == Typing::Started })
        }
        Ephemeral::Canvas(CanvasEphemeral::TileEditing { user, status, at: place, editing }) => {
            let is_editing = match editing {
                Editing::Started => true,
                Editing::Stopped => false,
            };
            FromServer::UserPresenceUpdate(PresenceUpdate {
                who: user.into(),
                canvas_id,
                status: *status,
                status_message: None,
                tile_x: Some(place.x),
                tile_y: Some(place.y),
                is_editing: Some(is_editing),
                timestamp: Moment(at),
            })
        }
        Ephemeral::Canvas(CanvasEphemeral::Highlighted { user, highlight }) => {
            FromServer::TileHighlight(TileHighlight {
                tile_x: highlight.at.x,
                tile_y: highlight.at.y,
                highlight_type: &highlight.kind,
                message: highlight.message.as_deref(),
                duration: highlight.duration_ms,
                who: user.into(),
                canvas_id,
                timestamp: Moment(at),
            })
        }
        Ephemeral::Room(RoomEphemeral::Announced { data }) => FromServer::Broadcast(Broadcast {
            room_id: canvas_id,
            data: RelayedObject(Relayed(data)),
            timestamp: Moment(at),
        }),
        Ephemeral::Presence(PresenceEphemeral::CursorsMoved(_) | PresenceEphemeral::Attended(_))
        | Ephemeral::Call(_)
        | Ephemeral::Room(RoomEphemeral::Broadcast { .. })
        | Ephemeral::Document(_)
        | Ephemeral::Space(_)
        | Ephemeral::Upload(_) => return None,
    })
}

fn come_or_gone(canvas: CanvasId, user: &Author, active_users: usize) -> ComeOrGone<'_> {
    ComeOrGone {
        user_id: user.into(),
        username: user.username(),
        display_name: user.display_name().unwrap_or(user.username()),
        active_users,
        canvas_id: CanvasNumber(canvas.0),
    }
}

fn of_reply(reply: &Reply, at: Timestamp) -> Option<FromServer<'_>> {
    match reply {
        Reply::Pong { tag } => Some(FromServer::Pong(Pong::new(tag, at))),
        Reply::Ack { tag, id, seq } => Some(FromServer::Ack(Ack::stored(tag, *id, *seq).into())),
        Reply::Done { tag } => Some(FromServer::Ack(Ack::done(tag).into())),
        Reply::AuthRefreshed { tag, expires_at } => Some(FromServer::Ack(Ack::refreshed(tag, *expires_at).into())),
        Reply::Error { tag, refusal } => {
            let error = ErrorMessage::new(tag, refusal, at);
            Some(FromServer::Error(CanvasError { error, tile: None, holder: None }))
        }
        Reply::Canvas(reply) => Some(of_canvas(reply, at)),
        Reply::Recovered { room, seq, complete } => {
            let RoomScope::Canvas { canvas, .. } = room.scope else { return None };
            let room_id = CanvasNumber(canvas.0);
            Some(FromServer::Recovered(Recovered { room_id, seq: *seq, complete: *complete }))
        }
        Reply::Notice { data, at } => {
            let data = Notified::Written(RelayedObject(Relayed(data)));
            Some(FromServer::Notification(Notice { data, timestamp: Moment(*at) }))
        }
        Reply::Restarting { reconnect_in_ms } => {
            Some(FromServer::ServerRestarting(Restarting::new(*reconnect_in_ms, at)))
        }
        Reply::UserEvent(news) => match &**news {
            // in the form of an administrator's message, with the notification as its data
            UserEvent::Notified { notification, .. } => {
                let data = Notified::Stored((&**notification).into());
                let timestamp = Moment(notification.created_at);
                Some(FromServer::Notification(Notice { data, timestamp }))
            }
            // old clients would take these for new notifications
            UserEvent::NotificationUpdated { .. }
            | UserEvent::NotificationRead { .. }
            | UserEvent::NotificationDeleted { .. }
            | UserEvent::AllNotificationsRead { .. }
            | UserEvent::ReadNotificationsDeleted { .. }
            | UserEvent::Answer(_)
            | UserEvent::Upload(_)
            | UserEvent::Presence(_)
            | UserEvent::Device(_)
            | UserEvent::ConversationsChanged
            | UserEvent::SocketOpened { .. }
            | UserEvent::Call(_)
            | UserEvent::SocketClosed { .. } => None,
        },
        // the first frame is that of the canvas
        Reply::Entered(_)
        | Reply::VersionConflict { .. }
        | Reply::Delivered(_)
        | Reply::Call(_)
        | Reply::Document(..)
        | Reply::Space(_)
        | Reply::Welcome(_) => None,
    }
}

fn of_canvas(reply: &CanvasReply, at: Timestamp) -> FromServer<'_> {
    match reply {
        CanvasReply::Joined { canvas, user, connection, users, seq, epoch } => {
            let position = Position { seq: *seq, epoch: *epoch, connection_id: connection };
            FromServer::UserJoined(UserJoined {
                user: come_or_gone(*canvas, user, *users),
                position: Some(position),
                timestamp: Moment(at),
            })
        }
        CanvasReply::Users { canvas, users, total } => FromServer::ActiveUsers(ActiveUsers {
            users: users.as_slice().into(),
            total_users: *total,
            truncated: (*total > limits::ONLINE_USERS_LISTED_MAX).then_some(true),
            canvas_id: CanvasNumber(canvas.0),
            timestamp: Moment(at),
        }),
        CanvasReply::TileStored { tag, stored, tile } => {
            let ack = match stored {
                Some((id, seq)) => Ack::stored(tag, *id, *seq),
                None => Ack::done(tag),
            };
            FromServer::Ack(TileAck {
                ack,
                tile_id: Some(TileNumber(tile.id.0)),
                version: Some(tile.version),
                like_count: Some(tile.likes),
            })
        }
        CanvasReply::Conflict { tag, refusal, with } => {
            let error = ErrorMessage::new(tag, refusal, at);
            FromServer::Error(match with {
                Conflicting::Tile(tile) => {
                    let tile = Some(Tile::new(CanvasId(0), tile).into());
                    CanvasError { error, tile, holder: None }
                }
                Conflicting::Lock { holder, at } => {
                    CanvasError { error, tile: None, holder: Some(Holder::new(holder, *at)) }
                }
            })
        }
    }
}
