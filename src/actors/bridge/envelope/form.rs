//! The serde types of the wire format between nodes. The same types are used for writing and reading. They must never
//! contain logic.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    core::{
        cursor::CursorUpdate,
        event::{Durable, MemberPresence},
        peers::NodeHeartbeat,
        presence::Status,
        profile::Author,
        remote_members::MembershipMessage,
        roster::RosterMessage,
        upload::Upload,
        user_event::UserEvent,
    },
    ids::{EventId, GroupId, NodeId, RoomId, RoomName, Seq, Timestamp, UserId},
};

#[derive(Deserialize)]
pub(super) struct EnvelopeForm<'a> {
    pub(super) v: u32,
    pub(super) node: NodeId,
    #[serde(borrow)]
    pub(super) items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct VersionForm {
    pub(super) v: u32,
}

/// A message: exactly one of the fields is set.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct ItemForm<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<EventForm<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) members: Option<MembershipMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expel: Option<UserForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keep_only: Option<UsersForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursors: Option<Vec<CursorUpdate>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attending: Option<Vec<MemberPresence>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) personal: Option<UserEventForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<UploadForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<StatusForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) beat: Option<NodeHeartbeat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) roster: Option<RosterMessage>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) direct: Option<DirectForm<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) notice: Option<NoticeForm<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cancel_ask: Option<CancelAskForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ask_cancelled: Option<AskCancelledForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) close: Option<CloseForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<ClosedForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoke: Option<RevokeForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) block: Option<BlockForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lift: Option<LiftForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exclude: Option<ExcludeForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<SpentForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UserForm {
    pub(super) user: UserId,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UsersForm {
    pub(super) users: Vec<UserId>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UserEventForm {
    pub(super) user: UserId,
    pub(super) what: Arc<UserEvent>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UploadForm {
    pub(super) user: Author,
    pub(super) upload: Upload,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StatusForm {
    pub(super) user: Author,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DirectForm<'a> {
    pub(super) user: UserId,
    #[serde(borrow)]
    pub(super) event: EventForm<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct NoticeForm<'a> {
    pub(super) user: UserId,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CancelAskForm {
    pub(super) user: UserId,
    pub(super) request: Arc<str>,
    pub(super) question: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AskCancelledForm {
    pub(super) question: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CloseForm {
    pub(super) user: UserId,
    pub(super) worker: u16,
    pub(super) generation: u32,
    pub(super) question: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ClosedForm {
    pub(super) question: u64,
    pub(super) sockets: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RevokeForm {
    pub(super) user: UserId,
    pub(super) before: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BlockForm {
    pub(super) user: UserId,
    pub(super) until: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExcludeForm {
    pub(super) user: UserId,
    pub(super) rooms: Vec<RoomId>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LiftForm {
    pub(super) user: UserId,
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SpentForm {
    pub(super) user: UserId,
    pub(super) requests: u32,
    #[serde(default)]
    pub(super) refusals: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventForm<'a> {
    pub(super) room: RoomId,
    pub(super) scope: ScopeForm,
    pub(super) at: Timestamp,
    /// An unknown audience of a newer release makes the message unreadable, so that it is not delivered to everyone.
    #[serde(default, skip_serializing_if = "AudienceForm::is_everyone")]
    pub(super) to: AudienceForm,
    #[serde(borrow)]
    pub(super) body: BodyForm<'a>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AudienceForm {
    #[default]
    Everyone,
    Only(UserId),
    EveryoneBut(UserId),
}

impl AudienceForm {
    pub(super) fn is_everyone(&self) -> bool {
        matches!(self, AudienceForm::Everyone)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScopeForm {
    Channel { group: GroupId },
    Direct { users: [UserId; 2] },
    Open { name: RoomName },
}

// Externally tagged, because raw JSON cannot be deserialized inside an internally tagged enum.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyForm<'a> {
    Durable {
        seq: Seq,
        id: EventId,
        what: Durable,
    },
    UserJoined {
        user: Author,
    },
    UserLeft {
        user: Author,
    },
    Typing {
        user: Author,
        typing: TypingForm,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell: Option<Arc<str>>,
    },
    StatusChanged {
        user: Author,
        status: Status,
    },
    Upload {
        user: Author,
        upload: Upload,
    },
    Signal {
        from: Author,
        signal: SignalForm,
        #[serde(borrow)]
        data: &'a RawValue,
    },
    Announced {
        #[serde(borrow)]
        data: &'a RawValue,
    },
    Broadcast {
        by: Author,
        #[serde(borrow)]
        data: &'a RawValue,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TypingForm {
    Started,
    Stopped,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SignalForm {
    Offer,
    Answer,
    IceCandidate,
}
