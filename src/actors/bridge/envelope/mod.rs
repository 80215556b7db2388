//! The wire format between nodes: JSON, several messages in one envelope. During a rolling upgrade nodes of two
//! adjacent releases run side by side, so the names here are a contract: fields and messages may be added, but must
//! never be renamed or removed. The form of a message follows from the serde derives of `RoomMessage`, `NodeMessage` and what is
//! in them, so a new kind of message is one variant. A reader skips messages that it does not know, and whole envelopes of a higher version.
//! Whatever it reads, it must never panic or allocate more than a small multiple of the received bytes.

mod item;
pub(super) mod published;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::item::Item;
use super::{NodeMessage, RoomMessage};
use crate::{ids::NodeId, limits};

/// Readers of version n understand all envelopes up to n. Raise it only if old readers would misunderstand an envelope.
const VERSION: u32 = 1;

// ---- writing ----

/// A message in an envelope: an object with one key, which names the kind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvelopeItem {
    /// A message of the node to itself.
    Probe(u64),
    /// A message on a room's channel.
    #[serde(untagged)]
    Room(RoomMessage),
    /// A message on any other channel.
    #[serde(untagged)]
    Node(NodeMessage),
}

/// An envelope being written.
pub struct Draft {
    bytes: Vec<u8>,
    items: u32,
}

/// The message is larger than the largest envelope that readers accept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge;

impl Draft {
    /// Creates an empty envelope from that node.
    pub fn new(node: NodeId) -> Draft {
        Draft { bytes: format!(r#"{{"v":{VERSION},"node":"{node}","items":["#).into_bytes(), items: 0 }
    }

    /// The number of messages.
    pub fn items(&self) -> u32 {
        self.items
    }

    /// The number of bytes of the finished envelope.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + 2
    }

    /// Whether another envelope should be started.
    pub fn is_full(&self) -> bool {
        self.bytes() >= limits::ENVELOPE_BYTES_FULL
    }

    /// Adds a message.
    ///
    /// # Errors
    /// If it is too large; the envelope is unchanged in this case.
    pub fn add(&mut self, message: &EnvelopeItem) -> Result<(), TooLarge> {
        let before = self.bytes.len();
        if self.items > 0 {
            self.bytes.push(b',');
        }
        // events that each node makes for its own members have no form here
        let written = serde_json::to_writer(&mut self.bytes, message);
        if written.is_err() || self.bytes() > limits::ENVELOPE_BYTES_MAX {
            self.bytes.truncate(before);
            return Err(TooLarge);
        }
        self.items += 1;
        Ok(())
    }

    /// The bytes to publish.
    pub fn seal(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"]}");
        self.bytes
    }
}

// ---- reading ----

/// An envelope whose frame was parsed; its messages are parsed one by one.
pub struct Envelope<'a> {
    /// The sending node.
    pub from: NodeId,
    items: Vec<&'a RawValue>,
}

/// Why an envelope or a message in it was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// It was written by a newer release.
    Newer,
    /// It was not written by one of our nodes.
    Rubbish,
}

impl<'a> Envelope<'a> {
    /// Parses the frame of an envelope.
    ///
    /// # Errors
    /// If it is malformed, or of a newer version.
    pub fn open(payload: &'a [u8]) -> Result<Envelope<'a>, Unread> {
        if payload.len() > limits::ENVELOPE_BYTES_MAX {
            return Err(Unread::Rubbish);
        }
        let form: EnvelopeForm<'a> = match serde_json::from_slice(payload) {
            Ok(form) => form,
            Err(_) => return Err(version_only(payload)),
        };
        match form.v {
            0 => Err(Unread::Rubbish),
            1..=VERSION => Ok(Envelope { from: form.node, items: form.items }),
            _newer => Err(Unread::Newer),
        }
    }

    /// The messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = Result<EnvelopeItem, Unread>> {
        self.items.iter().map(|item| match serde_json::from_str(item.get()) {
            Ok(Item(Some(message))) => Ok(message),
            Ok(Item(None)) => Err(Unread::Newer),
            Err(_) => Err(Unread::Rubbish),
        })
    }
}

#[derive(Deserialize)]
struct EnvelopeForm<'a> {
    v: u32,
    node: NodeId,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct VersionForm {
    v: u32,
}

/// Classifies a payload that does not have the structure of this version.
fn version_only(payload: &[u8]) -> Unread {
    match serde_json::from_slice(payload) {
        Ok(VersionForm { v }) if v > VERSION => Unread::Newer,
        Ok(_) | Err(_) => Unread::Rubbish,
    }
}

#[cfg(test)]
mod tests;
