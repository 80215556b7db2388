//! The wire format between nodes: JSON, several messages in one envelope. During a rolling upgrade nodes of two
//! adjacent releases run side by side, so the names here are a contract: fields and messages may be added, but must
//! never be renamed or removed. A reader skips messages that it does not know, and whole envelopes of a higher version.
//! Whatever it reads, it must never panic or allocate more than a small multiple of the received bytes.

mod form;

use std::sync::Arc;

use serde_json::value::RawValue;

use self::form::*;
use super::{NodeMessage, RoomMessage};
use crate::{
    actors::{fanout::Broadcast, outbox::ConnKey},
    core::{
        command::{RawJson, SignalKind, Typing},
        event::{
            Audience, CallEphemeral, ChatEphemeral, Ephemeral, Event, EventBody, PresenceEphemeral, RoomEphemeral,
            RoomIdentity, RoomScope, UploadEphemeral,
        },
        rate::RequestCounts,
        upload::Upload,
    },
    ids::NodeId,
    limits,
};

/// Readers of version n understand all envelopes up to n. Raise it only if old readers would misunderstand an envelope.
const VERSION: u32 = 1;

// ---- writing ----

/// The content of an envelope.
#[derive(Clone, Debug)]
pub enum EnvelopeItem {
    /// A message on a room's channel.
    Room(RoomMessage),
    /// A message on any other channel.
    Node(NodeMessage),
    /// A message of the node to itself.
    Probe(u64),
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
        let written = item(message).and_then(|form| serde_json::to_writer(&mut self.bytes, &form));
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

/// Fails only for raw JSON that is malformed, which no dialect accepts.
fn item(message: &EnvelopeItem) -> serde_json::Result<ItemForm<'_>> {
    let mut form = ItemForm::default();
    match message {
        EnvelopeItem::Probe(number) => form.probe = Some(*number),
        EnvelopeItem::Room(RoomMessage::Event(broadcast)) => form.event = Some(event_form(broadcast)?),
        EnvelopeItem::Room(RoomMessage::Members(part)) => form.members = Some(part.clone()),
        EnvelopeItem::Room(RoomMessage::Expel { user }) => form.expel = Some(UserForm { user: user.clone() }),
        EnvelopeItem::Room(RoomMessage::KeepOnly { users }) => {
            form.keep_only = Some(UsersForm { users: users.clone() })
        }
        EnvelopeItem::Node(NodeMessage::Heartbeat(beat)) => form.beat = Some(beat.clone()),
        EnvelopeItem::Node(NodeMessage::Roster(roster)) => form.roster = Some(roster.clone()),
        EnvelopeItem::Node(NodeMessage::Direct { user, broadcast }) => {
            form.direct = Some(DirectForm { user: user.clone(), event: event_form(broadcast)? });
        }
        EnvelopeItem::Node(NodeMessage::Notice { user, data, at }) => {
            form.notice = Some(NoticeForm { user: user.clone(), data: raw(data)?, at: *at });
        }
        EnvelopeItem::Room(RoomMessage::Cursors(cursors)) => form.cursors = Some(cursors.clone()),
        EnvelopeItem::Room(RoomMessage::Presence(attending)) => form.attending = Some(attending.clone()),
        EnvelopeItem::Node(NodeMessage::UserEvent { user, what }) => {
            form.personal = Some(UserEventForm { user: user.clone(), what: what.clone() });
        }
        EnvelopeItem::Node(NodeMessage::Upload { user, upload }) => {
            form.upload = Some(UploadForm { user: user.clone(), upload: Upload::clone(upload) });
        }
        EnvelopeItem::Node(NodeMessage::Status { user, status, at }) => {
            form.status = Some(StatusForm { user: user.clone(), status: *status, at: *at });
        }
        EnvelopeItem::Node(NodeMessage::CancelAsk { user, request, question }) => {
            let (user, request) = (user.clone(), request.clone());
            form.cancel_ask = Some(CancelAskForm { user, request, question: *question });
        }
        EnvelopeItem::Node(NodeMessage::AskCancelled { question }) => {
            form.ask_cancelled = Some(AskCancelledForm { question: *question });
        }
        EnvelopeItem::Node(NodeMessage::Close { user, conn: ConnKey { worker, generation }, question }) => {
            let (worker, generation, question) = (*worker, *generation, *question);
            form.close = Some(CloseForm { user: user.clone(), worker, generation, question });
        }
        EnvelopeItem::Node(NodeMessage::Closed { question, sockets }) => {
            form.closed = Some(ClosedForm { question: *question, sockets: *sockets });
        }
        EnvelopeItem::Node(NodeMessage::Revoke { user, before }) => {
            form.revoke = Some(RevokeForm { user: user.clone(), before: *before });
        }
        EnvelopeItem::Node(NodeMessage::Block { user, until }) => {
            form.block = Some(BlockForm { user: user.clone(), until: *until });
        }
        EnvelopeItem::Node(NodeMessage::Exclude { user, rooms }) => {
            form.exclude = Some(ExcludeForm { user: user.clone(), rooms: rooms.clone() });
        }
        EnvelopeItem::Node(NodeMessage::Lift { user, at }) => {
            form.lift = Some(LiftForm { user: user.clone(), at: *at })
        }
        EnvelopeItem::Node(NodeMessage::RateUsage { user, counts: RequestCounts { requests, refusals } }) => {
            form.spent = Some(SpentForm { user: user.clone(), requests: *requests, refusals: *refusals });
        }
    }
    Ok(form)
}

fn raw(json: &RawJson) -> serde_json::Result<&RawValue> {
    serde_json::from_str(json.as_str())
}

fn event_form(broadcast: &Broadcast) -> serde_json::Result<EventForm<'_>> {
    let Event { room, at, body } = &broadcast.event;
    let to = match &broadcast.audience {
        Audience::Everyone => AudienceForm::Everyone,
        Audience::Only(user) => AudienceForm::Only(user.clone()),
        Audience::EveryoneBut(user) => AudienceForm::EveryoneBut(user.clone()),
    };
    let scope = match &room.scope {
        RoomScope::Channel { group } => ScopeForm::Channel { group: *group },
        RoomScope::Direct { users } => ScopeForm::Direct { users: users.clone() },
        RoomScope::Open { name } => ScopeForm::Open { name: name.clone() },
    };
    let body = match body {
        EventBody::Durable { seq, id, what } => BodyForm::Durable { seq: *seq, id: *id, what: what.clone() },
        EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserJoined { user, .. })) => {
            BodyForm::UserJoined { user: user.clone() }
        }
        EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserLeft { user, .. })) => {
            BodyForm::UserLeft { user: user.clone() }
        }
        EventBody::Ephemeral(Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell })) => {
            let typing = match typing {
                Typing::Started => TypingForm::Started,
                Typing::Stopped => TypingForm::Stopped,
            };
            BodyForm::Typing { user: user.clone(), typing, cell: cell.clone() }
        }
        EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status })) => {
            BodyForm::StatusChanged { user: user.clone(), status: *status }
        }
        EventBody::Ephemeral(Ephemeral::Upload(UploadEphemeral::Reported { user, upload })) => {
            BodyForm::Upload { user: user.clone(), upload: Upload::clone(upload) }
        }
        EventBody::Ephemeral(Ephemeral::Presence(
            PresenceEphemeral::CursorsMoved(_) | PresenceEphemeral::Attended(_),
        )) => {
            return Err(serde::ser::Error::custom("every node says this for itself"));
        }
        EventBody::Ephemeral(Ephemeral::Call(CallEphemeral::Signal { from, kind, data })) => {
            let signal = match kind {
                SignalKind::Offer => SignalForm::Offer,
                SignalKind::Answer => SignalForm::Answer,
                SignalKind::IceCandidate => SignalForm::IceCandidate,
            };
            BodyForm::Signal { from: from.clone(), signal, data: raw(data)? }
        }
        EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data })) => {
            BodyForm::Announced { data: raw(data)? }
        }
        EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Broadcast { by, data })) => {
            BodyForm::Broadcast { by: by.clone(), data: raw(data)? }
        }
    };
    Ok(EventForm { room: room.id, scope, at: *at, to, body })
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
        self.items.iter().map(|item| {
            let form: ItemForm<'_> = serde_json::from_str(item.get()).map_err(|_| Unread::Rubbish)?;
            // an object without a known field
            message(form).ok_or(Unread::Newer)
        })
    }
}

/// Classifies a payload that does not have the structure of this version.
fn version_only(payload: &[u8]) -> Unread {
    match serde_json::from_slice(payload) {
        Ok(VersionForm { v }) if v > VERSION => Unread::Newer,
        Ok(_) | Err(_) => Unread::Rubbish,
    }
}

fn message(form: ItemForm<'_>) -> Option<EnvelopeItem> {
    let room = if let Some(event) = form.event {
        Some(RoomMessage::Event(broadcast(event)))
    } else if let Some(part) = form.members {
        Some(RoomMessage::Members(part))
    } else if let Some(cursors) = form.cursors {
        Some(RoomMessage::Cursors(cursors))
    } else if let Some(attending) = form.attending {
        Some(RoomMessage::Presence(attending))
    } else if let Some(UsersForm { users }) = form.keep_only {
        Some(RoomMessage::KeepOnly { users })
    } else {
        form.expel.map(|UserForm { user }| RoomMessage::Expel { user })
    };
    if let Some(message) = room {
        return Some(EnvelopeItem::Room(message));
    }
    let node = if let Some(DirectForm { user, event }) = form.direct {
        Some(NodeMessage::Direct { user, broadcast: broadcast(event) })
    } else if let Some(roster) = form.roster {
        Some(NodeMessage::Roster(roster))
    } else if let Some(beat) = form.beat {
        Some(NodeMessage::Heartbeat(beat))
    } else if let Some(CancelAskForm { user, request, question }) = form.cancel_ask {
        Some(NodeMessage::CancelAsk { user, request, question })
    } else if let Some(AskCancelledForm { question }) = form.ask_cancelled {
        Some(NodeMessage::AskCancelled { question })
    } else if let Some(SpentForm { user, requests, refusals }) = form.spent {
        Some(NodeMessage::RateUsage { user, counts: RequestCounts { requests, refusals } })
    } else if let Some(NoticeForm { user, data, at }) = form.notice {
        Some(NodeMessage::Notice { user, data: RawJson::from_parsed(data.get()), at })
    } else if let Some(UserEventForm { user, what }) = form.personal {
        Some(NodeMessage::UserEvent { user, what })
    } else if let Some(UploadForm { user, upload }) = form.upload {
        Some(NodeMessage::Upload { user, upload })
    } else if let Some(StatusForm { user, status, at }) = form.status {
        Some(NodeMessage::Status { user, status, at })
    } else if let Some(CloseForm { user, worker, generation, question }) = form.close {
        Some(NodeMessage::Close { user, conn: ConnKey { worker, generation }, question })
    } else if let Some(ClosedForm { question, sockets }) = form.closed {
        Some(NodeMessage::Closed { question, sockets })
    } else if let Some(RevokeForm { user, before }) = form.revoke {
        Some(NodeMessage::Revoke { user, before })
    } else if let Some(LiftForm { user, at }) = form.lift {
        Some(NodeMessage::Lift { user, at })
    } else if let Some(ExcludeForm { user, rooms }) = form.exclude {
        Some(NodeMessage::Exclude { user, rooms })
    } else {
        form.block.map(|BlockForm { user, until }| NodeMessage::Block { user, until })
    };
    node.map(EnvelopeItem::Node).or(form.probe.map(EnvelopeItem::Probe))
}

fn broadcast(form: EventForm<'_>) -> Arc<Broadcast> {
    let EventForm { room, scope, at, to, body } = form;
    let audience = match to {
        AudienceForm::Everyone => Audience::Everyone,
        AudienceForm::Only(user) => Audience::Only(user),
        AudienceForm::EveryoneBut(user) => Audience::EveryoneBut(user),
    };
    let scope = match scope {
        ScopeForm::Channel { group } => RoomScope::Channel { group },
        ScopeForm::Direct { users } => RoomScope::Direct { users },
        ScopeForm::Open { name } => RoomScope::Open { name },
    };
    let body = match body {
        BodyForm::Durable { seq, id, what } => EventBody::Durable { seq, id, what },
        BodyForm::UserJoined { user } => {
            EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserJoined { user, state_follows: false }))
        }
        BodyForm::UserLeft { user } => {
            EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserLeft { user, state_follows: false }))
        }
        BodyForm::StatusChanged { user, status } => {
            EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status }))
        }
        BodyForm::Upload { user, upload } => {
            EventBody::Ephemeral(Ephemeral::Upload(UploadEphemeral::Reported { user, upload: upload.into() }))
        }
        BodyForm::Typing { user, typing, cell } => {
            let typing = match typing {
                TypingForm::Started => Typing::Started,
                TypingForm::Stopped => Typing::Stopped,
            };
            EventBody::Ephemeral(Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }))
        }
        BodyForm::Signal { from, signal, data } => {
            let kind = match signal {
                SignalForm::Offer => SignalKind::Offer,
                SignalForm::Answer => SignalKind::Answer,
                SignalForm::IceCandidate => SignalKind::IceCandidate,
            };
            let data = RawJson::from_parsed(data.get());
            EventBody::Ephemeral(Ephemeral::Call(CallEphemeral::Signal { from, kind, data }))
        }
        BodyForm::Announced { data } => {
            EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data: RawJson::from_parsed(data.get()) }))
        }
        BodyForm::Broadcast { by, data } => {
            let data = RawJson::from_parsed(data.get());
            EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Broadcast { by, data }))
        }
    };
    let room = Arc::new(RoomIdentity { id: room, scope });
    Broadcast::new(Event { room, at, body }, audience)
}

#[cfg(test)]
mod tests;
