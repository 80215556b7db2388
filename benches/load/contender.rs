//! The servers that are compared: how each one is started, what a member sends to it, and how a broadcast is
//! recognised.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::Result;
use crate::server::ServerCommand;
use crate::tag::TagReader;
use crate::world::{self, World};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Contender {
    /// Convene's ephemeral path: a typing event to all members, nothing stored.
    ConveneTyping,
    /// The same with `CORK_MS=0`: frames of one turn still share a write, but no frame is delayed.
    ConveneTypingUncorked,
    /// Convene's durable path: stored and numbered, then broadcast to all members.
    ConveneMessage,
    /// The workspace dialect: cells of the one sheet of a room, stored, then broadcast to all members.
    ConveneCells,
    /// benches/baselines/actix_web_actors.rs
    ActixWebActors,
    /// benches/baselines/ws/server.mjs
    NpmWs,
    /// benches/baselines/colyseus/server.mjs; only in the scenario `movement`.
    Colyseus,
}

/// Bytes around the text of a baseline's broadcast: `{"type":"message","content":"","seq":123456}`.
const BASELINE_ENVELOPE_BYTES: usize = 46;

impl Contender {
    /// The row that others are compared with, because it runs everywhere and has no tuning.
    pub const BASE: Contender = Contender::NpmWs;

    pub fn name(self) -> &'static str {
        match self {
            Contender::ConveneTyping => "Convene, typing",
            Contender::ConveneTypingUncorked => "Convene, typing, CORK_MS=0",
            Contender::ConveneMessage => "Convene, stored message",
            Contender::ConveneCells => "Convene, stored cells",
            Contender::ActixWebActors => "actix-web-actors",
            Contender::NpmWs => "npm ws",
            Contender::Colyseus => "Colyseus",
        }
    }

    pub fn is_convene(self) -> bool {
        match self {
            Contender::ConveneTyping
            | Contender::ConveneTypingUncorked
            | Contender::ConveneMessage
            | Contender::ConveneCells => true,
            Contender::ActixWebActors | Contender::NpmWs | Contender::Colyseus => false,
        }
    }

    /// How to find the publisher's number in a broadcast.
    pub fn tags(self) -> TagReader {
        match self {
            Contender::ConveneTyping | Contender::ConveneTypingUncorked => {
                TagReader::new("\"type\":\"typing\"", world::USER_BEFORE_NUMBER)
            }
            Contender::ConveneMessage | Contender::ActixWebActors | Contender::NpmWs | Contender::Colyseus => {
                TagReader::new("\"type\":\"message\"", "\"content\":\"")
            }
            Contender::ConveneCells => TagReader::new("\"type\":\"cell_updated\"", "\"value\":\""),
        }
    }

    /// The message of `publisher` in turn `round`.
    pub fn compose(self, publisher: usize, round: u64, text_bytes: usize) -> Vec<u8> {
        let text_bytes = match self {
            // Alternates between on and off, because a server may ignore an event that changes nothing.
            Contender::ConveneTyping | Contender::ConveneTypingUncorked => {
                return format!(r#"{{"type":"typing","is_typing":{}}}"#, round.is_multiple_of(2)).into_bytes();
            }
            Contender::ConveneMessage => text_bytes,
            Contender::ConveneCells => {
                let text = format!("{publisher:06} {:x<1$}", "", text_bytes.saturating_sub(7));
                return format!(r#"{{"type":"cell_update","sheet_id":"sheet","cell_id":"A1","value":"{text}"}}"#)
                    .into();
            }
            Contender::ActixWebActors | Contender::NpmWs | Contender::Colyseus => {
                text_bytes.saturating_sub(BASELINE_ENVELOPE_BYTES)
            }
        };
        let text = format!("{publisher:06} {:x<1$}", "", text_bytes.saturating_sub(7));
        format!(r#"{{"type":"message","content":"{text}"}}"#).into_bytes()
    }

    /// The command that starts this server. `binary` and `workers` apply to Convene.
    pub fn command(self, binary: &Path, workers: usize, world: &World) -> Result<ServerCommand> {
        match self {
            Contender::ConveneTyping | Contender::ConveneMessage | Contender::ConveneCells => {
                Ok(world.command(binary, workers))
            }
            Contender::ConveneTypingUncorked => {
                let mut command = world.command(binary, workers);
                command.environment.push(("CORK_MS".to_owned(), "0".to_owned()));
                Ok(command)
            }
            Contender::ActixWebActors => {
                let mut command = ServerCommand::new(std::env::current_exe()?);
                command.arguments.push("serve-actix-web-actors".into());
                Ok(command)
            }
            Contender::NpmWs => npm("ws", "ws"),
            Contender::Colyseus => npm("colyseus", "@colyseus/core"),
        }
    }

    /// The path with query by which `member` enters `room`, and the first message to send.
    pub fn way_in(self, world: &World, member: usize, room: usize) -> Result<(String, Option<String>)> {
        match self {
            Contender::ConveneTyping | Contender::ConveneTypingUncorked | Contender::ConveneMessage => {
                Ok((world.path(member, room)?, None))
            }
            Contender::ConveneCells => {
                let join = format!(r#"{{"type":"join_room","room_id":"room-{room}"}}"#);
                Ok((world.workspace_path(member)?, Some(join)))
            }
            Contender::ActixWebActors | Contender::NpmWs | Contender::Colyseus => {
                Ok((format!("/ws/channel/{room}?user={member}"), None))
            }
        }
    }
}

/// A server of `benches/baselines`, which needs that npm package.
fn npm(name: &str, package: &str) -> Result<ServerCommand> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/baselines").join(name);
    if !folder.join("node_modules").join(package).exists() {
        return Err(format!("npm {package} is not installed: run `npm ci --prefix {}`", folder.display()).into());
    }
    let mut command = ServerCommand::new("node");
    command.arguments.push(folder.join("server.mjs").into());
    Ok(command)
}
