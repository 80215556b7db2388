//! Moderation: sanctions, word rules, reports, and the audit log, which every act writes in its own transaction.

use super::{Store, StoreError, run};
use crate::{
    core::{
        command::RawJson,
        moderation::{Sanction, SanctionKind, Snapshot, WordAction, WordRule},
    },
    ids::{ReportId, RoomId, SanctionId, Timestamp, UserId, WordRuleId},
};

/// What somebody did who may do it because of a role. The name is stored; it must not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditAction {
    /// A user was muted.
    Muted,
    /// A user was banned.
    Banned,
    /// A user was removed, and may come back.
    Kicked,
    /// A mute or a ban was ended early.
    Lifted,
    /// A message or a tile was removed.
    Removed,
    /// A word rule was added.
    RuleAdded,
    /// A word rule was removed.
    RuleRemoved,
    /// A moderator took a report.
    ReportClaimed,
    /// A moderator decided about a report.
    ReportResolved,
    /// An announcement was sent to everybody.
    Announced,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [AuditAction; 10] = [
        AuditAction::Muted,
        AuditAction::Banned,
        AuditAction::Kicked,
        AuditAction::Lifted,
        AuditAction::Removed,
        AuditAction::RuleAdded,
        AuditAction::RuleRemoved,
        AuditAction::ReportClaimed,
        AuditAction::ReportResolved,
        AuditAction::Announced,
    ];

    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            AuditAction::Muted => "mute",
            AuditAction::Banned => "ban",
            AuditAction::Kicked => "kick",
            AuditAction::Lifted => "lift",
            AuditAction::Removed => "remove",
            AuditAction::RuleAdded => "rule_add",
            AuditAction::RuleRemoved => "rule_remove",
            AuditAction::ReportClaimed => "report_claim",
            AuditAction::ReportResolved => "report_resolve",
            AuditAction::Announced => "announce",
        }
    }

    /// The action with that name.
    pub fn from_name(name: &str) -> Option<AuditAction> {
        AuditAction::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// An entry for the audit log.
#[derive(Clone, PartialEq, Debug)]
pub struct NewAudit {
    /// Who did it.
    pub actor: UserId,
    /// What.
    pub action: AuditAction,
    /// To whom.
    pub subject: Option<UserId>,
    /// Where. `None`: on the whole server.
    pub room: Option<RoomId>,
    /// Further facts, a JSON object.
    pub details: RawJson,
    /// From which address it was asked.
    pub address: String,
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditEntry {
    /// Its place in the log.
    pub position: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: UserId,
    /// What, by name: a later release may know more actions.
    pub action: String,
    /// To whom.
    pub subject: Option<UserId>,
    /// Where. `None`: on the whole server.
    pub room: Option<RoomId>,
    /// Further facts, a JSON object.
    pub details: RawJson,
    /// From which address it was asked.
    pub address: String,
}

/// Which entries of the audit log are read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Only what this user did.
    pub actor: Option<UserId>,
    /// Only what was done to this user.
    pub subject: Option<UserId>,
    /// Only what was done in this room.
    pub room: Option<RoomId>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only entries before this place.
    pub before: Option<i64>,
}

/// A mute or ban to store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSanction {
    /// The room. `None`: the whole server.
    pub room: Option<RoomId>,
    /// The user whom it concerns.
    pub user: UserId,
    /// What it forbids.
    pub kind: SanctionKind,
    /// Why.
    pub reason: String,
    /// The moderator.
    pub by: UserId,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Which sanctions are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SanctionFilter {
    /// Only those of this room.
    pub room: Option<RoomId>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those created before this one.
    pub before: Option<SanctionId>,
}

/// What is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportTarget {
    /// A message.
    Message,
    /// A tile.
    Tile,
    /// A person.
    User,
}

impl ReportTarget {
    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            ReportTarget::Message => "message",
            ReportTarget::Tile => "tile",
            ReportTarget::User => "user",
        }
    }

    /// The target with that name.
    pub fn from_name(name: &str) -> Option<ReportTarget> {
        [ReportTarget::Message, ReportTarget::Tile, ReportTarget::User].into_iter().find(|one| one.name() == name)
    }
}

/// How far a report is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportState {
    /// Nobody has taken it.
    Open,
    /// A moderator has taken it.
    Claimed,
    /// It was decided.
    Resolved,
}

impl ReportState {
    /// All of them.
    pub const ALL: [ReportState; 3] = [ReportState::Open, ReportState::Claimed, ReportState::Resolved];

    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            ReportState::Open => "open",
            ReportState::Claimed => "claimed",
            ReportState::Resolved => "resolved",
        }
    }

    /// The state with that name.
    pub fn from_name(name: &str) -> Option<ReportState> {
        ReportState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What a moderator decided about a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing had to be done.
    Dismissed,
    /// The user was warned.
    Warned,
    /// The content was removed.
    Removed,
    /// The user was muted.
    Muted,
    /// The user was kicked.
    Kicked,
    /// The user was banned.
    Banned,
}

impl Decision {
    /// All of them.
    pub const ALL: [Decision; 6] =
        [Decision::Dismissed, Decision::Warned, Decision::Removed, Decision::Muted, Decision::Kicked, Decision::Banned];

    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Decision::Dismissed => "dismissed",
            Decision::Warned => "warned",
            Decision::Removed => "removed",
            Decision::Muted => "muted",
            Decision::Kicked => "kicked",
            Decision::Banned => "banned",
        }
    }

    /// The decision with that name.
    pub fn from_name(name: &str) -> Option<Decision> {
        Decision::ALL.into_iter().find(|decision| decision.name() == name)
    }
}

/// A report to store.
#[derive(Clone, PartialEq, Debug)]
pub struct NewReport {
    /// The room, whose moderators see it. `None`: only administrators do.
    pub room: Option<RoomId>,
    /// Who reports.
    pub reporter: UserId,
    /// The reported person, or the author of what is reported.
    pub subject: UserId,
    /// What is reported.
    pub target: ReportTarget,
    /// Which one.
    pub target_id: String,
    /// Why.
    pub reason: String,
    /// The content as it is now.
    pub excerpt: String,
}

/// A report.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// What was reported.
    pub new: NewReport,
    /// How far it is.
    pub state: ReportState,
    /// Who has taken it.
    pub claimed_by: Option<UserId>,
    /// What was decided.
    pub decision: Option<Decision>,
    /// The moderator's note.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was decided.
    pub resolved_at: Option<Timestamp>,
}

/// Which reports are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportFilter {
    /// Only those of this room.
    pub room: Option<RoomId>,
    /// Only those in these states; all if empty.
    pub states: Vec<ReportState>,
    /// Only those made before this one.
    pub before: Option<ReportId>,
}

/// What came of a report.
#[derive(Clone, PartialEq, Debug)]
pub enum Reported {
    /// It was stored.
    New(Report),
    /// The same user has reported this before, and it is not resolved.
    Pending(Report),
    /// The user has too many reports that are not resolved.
    TooMany,
}

/// What came of a change of a report.
#[derive(Clone, PartialEq, Debug)]
pub enum ReportChange {
    /// It was changed.
    Done(Report),
    /// Another moderator has taken it, or it was resolved.
    Refused(Report),
    /// There is no such report.
    Missing,
}

impl Store {
    /// The version of the sanctions and word rules, which grows with every change of them.
    pub async fn moderation_version(&self) -> Result<i64, StoreError> {
        run!(self, read, moderation::version())
    }

    /// All sanctions and word rules that are in force.
    pub async fn moderation_snapshot(&self) -> Result<Snapshot, StoreError> {
        run!(self, read, moderation::snapshot())
    }

    /// Stores a mute or ban, which replaces an earlier one of the same kind. Returns all changed sanctions, the new one last.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if there are too many.
    pub async fn add_sanction(&self, new: &NewSanction, audit: &NewAudit) -> Result<Vec<Sanction>, StoreError> {
        let (new, audit) = (new.clone(), audit.clone());
        run!(self, write, moderation::add_sanction(&new, &audit))
    }

    /// A mute or ban.
    pub async fn sanction(&self, id: SanctionId) -> Result<Option<Sanction>, StoreError> {
        run!(self, read, moderation::sanction(id))
    }

    /// Ends a mute or ban. `None` if it had ended.
    pub async fn lift_sanction(&self, id: SanctionId, audit: &NewAudit) -> Result<Option<Sanction>, StoreError> {
        let audit = audit.clone();
        run!(self, write, moderation::lift_sanction(id, &audit))
    }

    /// A page of the mutes and bans in force, the newest first.
    pub async fn sanctions(&self, filter: &SanctionFilter, limit: i64) -> Result<Vec<Sanction>, StoreError> {
        let filter = filter.clone();
        run!(self, read, moderation::sanctions(&filter, limit))
    }

    /// Stores a word rule.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if there are too many in the room or on the server.
    pub async fn add_word_rule(
        &self,
        room: Option<RoomId>,
        phrase: &str,
        action: WordAction,
        audit: &NewAudit,
    ) -> Result<WordRule, StoreError> {
        let (phrase, audit) = (phrase.to_owned(), audit.clone());
        run!(self, write, moderation::add_word_rule(room, &phrase, action, &audit))
    }

    /// A word rule.
    pub async fn word_rule(&self, id: WordRuleId) -> Result<Option<WordRule>, StoreError> {
        run!(self, read, moderation::word_rule(id))
    }

    /// Removes a word rule. Returns false if there was none.
    pub async fn remove_word_rule(&self, id: WordRuleId, audit: &NewAudit) -> Result<bool, StoreError> {
        let audit = audit.clone();
        run!(self, write, moderation::remove_word_rule(id, &audit))
    }

    /// The word rules of a room, or those of the server, the oldest first.
    pub async fn word_rules(&self, room: Option<RoomId>) -> Result<Vec<WordRule>, StoreError> {
        run!(self, read, moderation::word_rules(room))
    }

    /// Stores a report.
    pub async fn add_report(&self, new: &NewReport) -> Result<Reported, StoreError> {
        let new = new.clone();
        run!(self, write, moderation::add_report(&new))
    }

    /// A report.
    pub async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        run!(self, read, moderation::report(id))
    }

    /// A page of reports, the newest first.
    pub async fn reports(&self, filter: &ReportFilter, limit: i64) -> Result<Vec<Report>, StoreError> {
        let filter = filter.clone();
        run!(self, read, moderation::reports(&filter, limit))
    }

    /// Takes a report that nobody has taken. Taking one's own again changes nothing.
    pub async fn claim_report(&self, id: ReportId, audit: &NewAudit) -> Result<ReportChange, StoreError> {
        let audit = audit.clone();
        run!(self, write, moderation::claim_report(id, &audit))
    }

    /// Decides about a report that nobody else has taken.
    pub async fn resolve_report(
        &self,
        id: ReportId,
        decision: Decision,
        note: Option<&str>,
        audit: &NewAudit,
    ) -> Result<ReportChange, StoreError> {
        let (note, audit) = (note.map(str::to_owned), audit.clone());
        run!(self, write, moderation::resolve_report(id, decision, note.as_deref(), &audit))
    }

    /// Appends to the audit log.
    pub async fn audit(&self, audit: &NewAudit) -> Result<(), StoreError> {
        let audit = audit.clone();
        run!(self, write, moderation::audit(&audit))
    }

    /// A page of the audit log, the newest first.
    pub async fn audit_log(&self, filter: &AuditFilter, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = filter.clone();
        run!(self, read, moderation::audit_log(&filter, limit))
    }
}
