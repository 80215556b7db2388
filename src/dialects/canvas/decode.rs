//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use super::wire::{
    FromClient,
    chat::CanvasChat,
    presence::{PresenceType, UserPresence},
    tiles::{CommentTile, LikeTile, MentionTile, NamedTile, NewTile, UpdateTile},
};
use crate::{
    core::{
        canvas::{Editing, Highlight, LikeChange, TilePlace},
        command::{Addressed, CanvasCommand, ChatCommand, Command, Draft, PresenceCommand, Request, Tag, Typing},
        presence::StatusUpdate,
    },
    dialects::{
        ClientMessage, Rejection,
        input::Count,
        read::{Message, expected, invalid},
    },
    error::Refusal,
    ids::{CanvasId, TileId},
    limits,
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The canvas dialect";

/// The kind of a highlight whose client names none.
const MENTION: &str = "mention";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, "type").map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    let read = message.read("type", SECTION, &mut tag.asked);
    message.request(tag, read.and_then(command))
}

fn command(message: FromClient<'_>) -> Result<Command, Refusal> {
    match message {
        FromClient::Ping => Ok(Command::Ping),
        FromClient::AuthRefresh(fresh) => Ok(Command::AuthRefresh { token: fresh.token.0 }),
        FromClient::CanvasChat(CanvasChat { text, canvas_id }) => {
            let addressed = Addressed::Canvas { canvas: canvas_id.map(|id| CanvasId(id.0)) };
            ChatCommand::send(addressed, Draft::text(text.0, Vec::new())).map(Command::Chat)
        }
        FromClient::UserPresence(presence) => user_presence(presence),
        FromClient::UserActivity(acted) => {
            let data = acted.data.map(|data| data.to_raw());
            CanvasCommand::act(acted.activity_type.0, data).map(Command::Canvas)
        }
        FromClient::TileMention(mention) => highlight(mention),
        FromClient::TileCreate(NewTile { x, y, content }) => {
            CanvasCommand::create(place(x, y, "x", "y")?, content.0.into()).map(Command::Canvas)
        }
        FromClient::TileUpdate(UpdateTile { tile_id, content, version }) => {
            CanvasCommand::update(TileId(tile_id.0), content.0.into(), seen(version)).map(Command::Canvas)
        }
        FromClient::TileDelete(NamedTile { tile_id, version }) => {
            Ok(Command::Canvas(CanvasCommand::DeleteTile { tile: TileId(tile_id.0), seen: seen(version) }))
        }
        FromClient::TileComment(CommentTile { tile_id, text }) => {
            CanvasCommand::comment(TileId(tile_id.0), text.0.into()).map(Command::Canvas)
        }
        FromClient::TileLike(LikeTile { tile_id, liked }) => {
            let change = if liked == Some(false) { LikeChange::TakenBack } else { LikeChange::Given };
            Ok(Command::Canvas(CanvasCommand::LikeTile { tile: TileId(tile_id.0), change }))
        }
    }
}

fn seen(version: Option<Count>) -> i64 {
    version.map_or(0, |version| version.0)
}

/// The place with these coordinates. Whether it is on the canvas is known only there.
fn place(x: Count, y: Count, x_name: &str, y_name: &str) -> Result<TilePlace, Refusal> {
    TilePlace::of(x.0, y.0).ok_or_else(|| {
        let most = limits::CANVAS_SIDE_MAX - 1;
        let name = if x.0 > i64::from(most) { x_name } else { y_name };
        invalid(format!("`{name}` is outside of every canvas; it must be from 0 to {most}"))
    })
}

fn user_presence(presence: UserPresence) -> Result<Command, Refusal> {
    match presence.presence_type {
        PresenceType::Typing => {
            let is_typing =
                presence.is_typing.ok_or_else(|| expected("is_typing", "missing", "true or false, of `typing`"))?;
            let typing = if is_typing { Typing::Started } else { Typing::Stopped };
            let addressed = Addressed::Canvas { canvas: None };
            Ok(Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None }))
        }
        PresenceType::EditingTile => {
            let missing = |name| expected(name, "missing", "the place of the tile, a number");
            let x = presence.tile_x.ok_or_else(|| missing("tile_x"))?;
            let y = presence.tile_y.ok_or_else(|| missing("tile_y"))?;
            let is_editing = presence
                .is_editing
                .ok_or_else(|| expected("is_editing", "missing", "true or false, of `editing_tile`"))?;
            let editing = if is_editing { Editing::Started } else { Editing::Stopped };
            Ok(Command::Canvas(CanvasCommand::EditTile { at: place(x, y, "tile_x", "tile_y")?, editing }))
        }
        PresenceType::Status => {
            let status = presence.status.ok_or_else(|| expected("status", "missing", "online, away or busy"))?;
            let message = presence.status_message.0.map(|text| text.map(|text| text.0).filter(|text| !text.is_empty()));
            let update = StatusUpdate { status: Some(status), message, location: None };
            Ok(Command::Presence(PresenceCommand::SetStatus { update }))
        }
    }
}

fn highlight(mention: MentionTile) -> Result<Command, Refusal> {
    let at = place(mention.tile_x, mention.tile_y, "tile_x", "tile_y")?;
    let duration_ms = mention.duration.map_or(limits::HIGHLIGHT_MS_DEFAULT, |duration| duration.0);
    if duration_ms > limits::HIGHLIGHT_MS_MAX {
        let most = limits::HIGHLIGHT_MS_MAX;
        return Err(invalid(format!("`duration` must be at most {most} milliseconds")));
    }
    let kind = mention.highlight_type.map_or_else(|| MENTION.into(), |kind| kind.0);
    let message = mention.message.map(|message| message.0);
    Ok(Command::Canvas(CanvasCommand::Highlight(Highlight { at, kind, message, duration_ms })))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
