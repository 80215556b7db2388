//! Which commands a muted user may not give, and which texts of a command the word filters read.

use std::sync::Arc;

use super::{CanvasCommand, ChatCommand, Command, PresenceCommand, RoomCommand, SpaceCommand};
use crate::core::{
    canvas::Highlight,
    event::{ContentType, Secrecy},
};

/// What a command is to somebody who is muted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// It says nothing to others, or takes back what was said.
    None,
    /// It shows that something is about to be said. It is dropped without an error.
    Hint,
    /// It says or changes something. It is refused.
    Speech,
}

impl Command {
    /// What it is to somebody who is muted in the room.
    pub const fn voice(&self) -> Voice {
        match self {
            Command::Chat(ChatCommand::Send { .. } | ChatCommand::Edit { .. } | ChatCommand::React { .. })
            | Command::Sheet(_)
            | Command::Space(SpaceCommand::Act { .. } | SpaceCommand::SetState { .. })
            | Command::Room(RoomCommand::Broadcast { .. })
            | Command::Canvas(
                CanvasCommand::CreateTile { .. }
                | CanvasCommand::UpdateTile { .. }
                | CanvasCommand::DeleteTile { .. }
                | CanvasCommand::LikeTile { .. }
                | CanvasCommand::CommentTile { .. }
                | CanvasCommand::Act { .. }
                | CanvasCommand::Highlight(_),
            ) => Voice::Speech,
            Command::Chat(ChatCommand::SetTyping { .. }) | Command::Canvas(CanvasCommand::EditTile { .. }) => {
                Voice::Hint
            }
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Chat(ChatCommand::Delete { .. } | ChatCommand::Read { .. })
            | Command::Canvas(CanvasCommand::DeleteComment { .. })
            | Command::Room(RoomCommand::Join { .. } | RoomCommand::JoinWithToken { .. } | RoomCommand::Leave { .. })
            | Command::Call(_)
            | Command::Presence(PresenceCommand::MoveCursor { .. } | PresenceCommand::SetStatus { .. })
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Document(_)
            | Command::Space(
                SpaceCommand::Join { .. } | SpaceCommand::Move { .. } | SpaceCommand::ReadSettings { .. },
            )
            | Command::Invites(_) => Voice::None,
        }
    }

    /// The text for others to read that the word filters apply to: of a message, a tile or a highlight. Encrypted texts are
    /// read by nobody, and documents are edited in pieces.
    pub fn text_mut(&mut self) -> Option<&mut Arc<str>> {
        match self {
            Command::Chat(ChatCommand::Send { draft, .. }) => match draft.content_type {
                ContentType::Encrypted => None,
                ContentType::Text | ContentType::Other(_) => Some(&mut draft.content),
            },
            Command::Chat(ChatCommand::Edit { content, secrecy: Secrecy::Plain, .. })
            | Command::Canvas(
                CanvasCommand::CreateTile { content, .. }
                | CanvasCommand::UpdateTile { content, .. }
                | CanvasCommand::CommentTile { text: content, .. },
            ) => Some(content),
            Command::Canvas(CanvasCommand::Highlight(Highlight { message, .. })) => message.as_mut(),
            Command::Chat(
                ChatCommand::Edit { secrecy: Secrecy::Encrypted, .. }
                | ChatCommand::SetTyping { .. }
                | ChatCommand::Delete { .. }
                | ChatCommand::Read { .. }
                | ChatCommand::React { .. },
            )
            | Command::Canvas(
                CanvasCommand::DeleteTile { .. }
                | CanvasCommand::DeleteComment { .. }
                | CanvasCommand::LikeTile { .. }
                | CanvasCommand::Act { .. }
                | CanvasCommand::EditTile { .. },
            )
            | Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Document(_)
            | Command::Space(_)
            | Command::Invites(_) => None,
        }
    }
}
