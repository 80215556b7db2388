//! Sanctions, word rules, reports and the audit log. Every act and its entry in the log are one transaction.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{audit_log, moderation_version, reports, sanctions, word_rules},
    strange, user_id,
};
use crate::{
    core::{
        command::RawJson,
        moderation::{Sanction, Snapshot, WordAction, WordRule},
    },
    ids::{ReportId, RoomId, SanctionId, UserId, WordRuleId},
    limits,
    store::{
        AuditEntry, AuditFilter, Decision, NewAudit, NewReport, NewSanction, Report, ReportChange, ReportFilter,
        ReportState, ReportTarget, Reported, SanctionFilter, StoreError,
        batch::{Batch, Earlier},
        silence::{SanctionRow, sanction as stored_sanction},
        values::{Id, Moment, now, storable},
    },
};

// ---- sanctions ----

pub type SanctionColumns = (
    sanctions::id,
    sanctions::room_id,
    sanctions::user_id,
    sanctions::kind,
    sanctions::reason,
    sanctions::by_id,
    sanctions::created_at,
    sanctions::ends_at,
    sanctions::version,
);

pub const SANCTION: SanctionColumns = (
    sanctions::id,
    sanctions::room_id,
    sanctions::user_id,
    sanctions::kind,
    sanctions::reason,
    sanctions::by_id,
    sanctions::created_at,
    sanctions::ends_at,
    sanctions::version,
);

/// Refuses the entries of authors who are muted or banned.
#[allow(dead_code, reason = "SQLite does it on the connection's thread")]
pub async fn silence(connection: &mut Connection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let Some(speakers) = batch.speakers(earlier) else { return Ok(()) };
    let found = sanctions::table
        .filter(sanctions::user_id.eq_any(speakers.users))
        .filter(sanctions::ends_at.gt(speakers.since))
        .select(SANCTION)
        .load::<SanctionRow>(connection)
        .await?;
    batch.silence(earlier, found)
}

pub async fn version(connection: &mut Connection) -> Result<i64, StoreError> {
    Ok(moderation_version::table.find(1).select(moderation_version::version).get_result(connection).await?)
}

/// The next version. The row stays locked until the transaction ends, so that versions are committed in order.
async fn next_version(connection: &mut Connection) -> Result<i64, StoreError> {
    let next = diesel::update(moderation_version::table.find(1))
        .set(moderation_version::version.eq(moderation_version::version + 1))
        .returning(moderation_version::version);
    Ok(next.get_result(connection).await?)
}

pub async fn snapshot(connection: &mut Connection) -> Result<Snapshot, StoreError> {
    // read first: what is added meanwhile has a later version, and is read again
    let version = version(connection).await?;
    let active = sanctions::table
        .filter(sanctions::ends_at.gt(Moment(now())))
        .select(SANCTION)
        .load::<SanctionRow>(connection)
        .await?;
    let rules = word_rules::table.order(word_rules::id).select(RULE).load::<RuleRow>(connection).await?;
    Ok(Snapshot {
        version,
        sanctions: active.into_iter().map(stored_sanction).collect::<Result<_, _>>()?,
        rules: rules.into_iter().map(rule).collect::<Result<_, _>>()?,
    })
}

pub async fn add_sanction(
    connection: &mut Connection,
    new: &NewSanction,
    act: &NewAudit,
) -> Result<Vec<Sanction>, StoreError> {
    write_transaction!(connection, async |connection| {
        let (at, version) = (Moment(now()), next_version(connection).await?);
        let active = sanctions::table.filter(sanctions::ends_at.gt(at));
        if active.count().get_result::<i64>(connection).await? >= limits::SANCTIONS_ACTIVE_MAX {
            return Err(StoreError::Taken("last place in the list of mutes and bans"));
        }
        let room = new.room.map(|room| Id(room.0));
        let same = sanctions::table
            .filter(sanctions::user_id.eq(new.user.as_str()))
            .filter(sanctions::kind.eq(new.kind.name()))
            .filter(sanctions::ends_at.gt(at));
        let known = same.select(SANCTION).load::<SanctionRow>(connection).await?;
        let mut changed: Vec<Sanction> = known.into_iter().map(stored_sanction).collect::<Result<_, _>>()?;
        changed.retain(|known| known.room == new.room);
        for ended in &mut changed {
            (ended.ends_at, ended.version) = (at.0, version);
            diesel::update(sanctions::table.find(Id(ended.id.0)))
                .set((sanctions::ends_at.eq(at), sanctions::version.eq(version)))
                .execute(connection)
                .await?;
        }
        let id = SanctionId::generate();
        diesel::insert_into(sanctions::table)
            .values((
                sanctions::id.eq(Id(id.0)),
                sanctions::room_id.eq(room),
                sanctions::user_id.eq(new.user.as_str()),
                sanctions::kind.eq(new.kind.name()),
                sanctions::reason.eq(storable(&new.reason).as_ref()),
                sanctions::by_id.eq(new.by.as_str()),
                sanctions::created_at.eq(at),
                sanctions::ends_at.eq(Moment(new.ends_at)),
                sanctions::version.eq(version),
            ))
            .execute(connection)
            .await?;
        record(connection, act).await?;
        changed.push(Sanction {
            id,
            room: new.room,
            user: new.user.clone(),
            kind: new.kind,
            reason: storable(&new.reason).into(),
            by: new.by.clone(),
            created_at: at.0,
            ends_at: new.ends_at,
            version,
        });
        Ok(changed)
    })
    .await
}

pub async fn sanction(connection: &mut Connection, id: SanctionId) -> Result<Option<Sanction>, StoreError> {
    let found = sanctions::table.find(Id(id.0)).select(SANCTION);
    found.get_result::<SanctionRow>(connection).await.optional()?.map(stored_sanction).transpose()
}

pub async fn lift_sanction(
    connection: &mut Connection,
    id: SanctionId,
    act: &NewAudit,
) -> Result<Option<Sanction>, StoreError> {
    write_transaction!(connection, async |connection| {
        let (at, version) = (Moment(now()), next_version(connection).await?);
        let active = sanctions::table.filter(sanctions::id.eq(Id(id.0))).filter(sanctions::ends_at.gt(at));
        let lifted = diesel::update(active)
            .set((sanctions::ends_at.eq(at), sanctions::version.eq(version)))
            .returning(SANCTION)
            .get_result::<SanctionRow>(connection)
            .await
            .optional()?;
        let Some(lifted) = lifted else { return Ok(None) };
        record(connection, act).await?;
        stored_sanction(lifted).map(Some)
    })
    .await
}

pub async fn sanctions(
    connection: &mut Connection,
    filter: &SanctionFilter,
    limit: i64,
) -> Result<Vec<Sanction>, StoreError> {
    let mut listed = sanctions::table.filter(sanctions::ends_at.gt(Moment(now()))).into_boxed();
    if let Some(room) = filter.room {
        listed = listed.filter(sanctions::room_id.eq(Some(Id(room.0))));
    }
    if let Some(user) = &filter.user {
        listed = listed.filter(sanctions::user_id.eq(user.as_str()));
    }
    if let Some(before) = filter.before {
        listed = listed.filter(sanctions::id.lt(Id(before.0)));
    }
    let found = listed.order(sanctions::id.desc()).limit(limit).select(SANCTION);
    found.load::<SanctionRow>(connection).await?.into_iter().map(stored_sanction).collect()
}

// ---- word rules ----

type RuleColumns = (word_rules::id, word_rules::room_id, word_rules::phrase, word_rules::action);
type RuleRow = (Id, Option<Id>, String, String);

const RULE: RuleColumns = (word_rules::id, word_rules::room_id, word_rules::phrase, word_rules::action);

fn rule((Id(id), room, phrase, action): RuleRow) -> Result<WordRule, StoreError> {
    let action = WordAction::from_name(&action).ok_or_else(|| strange("action of a word rule", &action))?;
    Ok(WordRule { id: WordRuleId(id), room: room.map(|Id(room)| RoomId(room)), phrase, action })
}

pub async fn add_word_rule(
    connection: &mut Connection,
    room: Option<RoomId>,
    phrase: &str,
    action: WordAction,
    act: &NewAudit,
) -> Result<WordRule, StoreError> {
    write_transaction!(connection, async |connection| {
        next_version(connection).await?;
        let of = room.map(|room| Id(room.0));
        if word_rules(connection, room).await?.len() >= limits::WORD_RULES_MAX {
            return Err(StoreError::Taken("last place in the list of word rules"));
        }
        let (id, phrase) = (WordRuleId::generate(), storable(phrase));
        diesel::insert_into(word_rules::table)
            .values((
                word_rules::id.eq(Id(id.0)),
                word_rules::room_id.eq(of),
                word_rules::phrase.eq(phrase.as_ref()),
                word_rules::action.eq(action.name()),
                word_rules::by_id.eq(act.actor.as_str()),
                word_rules::created_at.eq(Moment(now())),
            ))
            .execute(connection)
            .await?;
        record(connection, act).await?;
        Ok(WordRule { id, room, phrase: phrase.into_owned(), action })
    })
    .await
}

pub async fn word_rule(connection: &mut Connection, id: WordRuleId) -> Result<Option<WordRule>, StoreError> {
    let found = word_rules::table.find(Id(id.0)).select(RULE);
    found.get_result::<RuleRow>(connection).await.optional()?.map(rule).transpose()
}

pub async fn remove_word_rule(connection: &mut Connection, id: WordRuleId, act: &NewAudit) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        next_version(connection).await?;
        let removed = diesel::delete(word_rules::table.find(Id(id.0))).execute(connection).await? > 0;
        if removed {
            record(connection, act).await?;
        }
        Ok::<_, StoreError>(removed)
    })
    .await
}

pub async fn word_rules(connection: &mut Connection, room: Option<RoomId>) -> Result<Vec<WordRule>, StoreError> {
    let all = word_rules::table.into_boxed();
    let of = match room {
        Some(room) => all.filter(word_rules::room_id.eq(Some(Id(room.0)))),
        None => all.filter(word_rules::room_id.is_null()),
    };
    let found = of.order(word_rules::id).select(RULE).load::<RuleRow>(connection).await?;
    found.into_iter().map(rule).collect()
}

// ---- reports ----

#[derive(Queryable)]
struct ReportRow {
    id: Id,
    room: Option<Id>,
    reporter: String,
    subject: String,
    target: String,
    target_id: String,
    reason: String,
    excerpt: String,
    state: String,
    claimed_by: Option<String>,
    decision: Option<String>,
    note: Option<String>,
    created_at: Moment,
    resolved_at: Option<Moment>,
}

fn stored_report(row: ReportRow) -> Result<Report, StoreError> {
    let decision = row.decision.map(|name| Decision::from_name(&name).ok_or_else(|| strange("decision", &name)));
    Ok(Report {
        id: ReportId(row.id.0),
        new: NewReport {
            room: row.room.map(|Id(room)| RoomId(room)),
            reporter: user_id(row.reporter)?,
            subject: user_id(row.subject)?,
            target: ReportTarget::from_name(&row.target).ok_or_else(|| strange("target", &row.target))?,
            target_id: row.target_id,
            reason: row.reason,
            excerpt: row.excerpt,
        },
        state: ReportState::from_name(&row.state).ok_or_else(|| strange("state of a report", &row.state))?,
        claimed_by: row.claimed_by.map(user_id).transpose()?,
        decision: decision.transpose()?,
        note: row.note,
        created_at: row.created_at.0,
        resolved_at: row.resolved_at.map(|at| at.0),
    })
}

pub async fn add_report(connection: &mut Connection, new: &NewReport) -> Result<Reported, StoreError> {
    write_transaction!(connection, async |connection| {
        let pending = reports::table
            .filter(reports::reporter_id.eq(new.reporter.as_str()))
            .filter(reports::state.ne(ReportState::Resolved.name()));
        let same = pending.filter(reports::target.eq(new.target.name())).filter(reports::target_id.eq(&new.target_id));
        if let Some(row) = same.get_result::<ReportRow>(connection).await.optional()? {
            return stored_report(row).map(Reported::Pending);
        }
        if pending.count().get_result::<i64>(connection).await? >= limits::REPORTS_PENDING_PER_USER_MAX {
            return Ok(Reported::TooMany);
        }
        let (id, at) = (Id(ReportId::generate().0), Moment(now()));
        diesel::insert_into(reports::table)
            .values((
                reports::id.eq(id),
                reports::room_id.eq(new.room.map(|room| Id(room.0))),
                reports::reporter_id.eq(new.reporter.as_str()),
                reports::subject_id.eq(new.subject.as_str()),
                reports::target.eq(new.target.name()),
                reports::target_id.eq(&new.target_id),
                reports::reason.eq(storable(&new.reason).as_ref()),
                reports::excerpt.eq(storable(&new.excerpt).as_ref()),
                reports::state.eq(ReportState::Open.name()),
                reports::created_at.eq(at),
            ))
            // the same user may report it twice at the same moment
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        let stored = same.get_result::<ReportRow>(connection).await?;
        let is_new = stored.id == id;
        let stored = stored_report(stored)?;
        Ok(if is_new { Reported::New(stored) } else { Reported::Pending(stored) })
    })
    .await
}

pub async fn report(connection: &mut Connection, id: ReportId) -> Result<Option<Report>, StoreError> {
    let found = reports::table.find(Id(id.0)).get_result::<ReportRow>(connection).await.optional()?;
    found.map(stored_report).transpose()
}

pub async fn reports(
    connection: &mut Connection,
    filter: &ReportFilter,
    limit: i64,
) -> Result<Vec<Report>, StoreError> {
    let mut listed = reports::table.into_boxed();
    if let Some(room) = filter.room {
        listed = listed.filter(reports::room_id.eq(Some(Id(room.0))));
    }
    if !filter.states.is_empty() {
        listed = listed.filter(reports::state.eq_any(filter.states.iter().map(|state| state.name())));
    }
    if let Some(before) = filter.before {
        listed = listed.filter(reports::id.lt(Id(before.0)));
    }
    let found = listed.order(reports::id.desc()).limit(limit).load::<ReportRow>(connection).await?;
    found.into_iter().map(stored_report).collect()
}

pub async fn claim_report(
    connection: &mut Connection,
    id: ReportId,
    act: &NewAudit,
) -> Result<ReportChange, StoreError> {
    write_transaction!(connection, async |connection| {
        let open = reports::table.filter(reports::id.eq(Id(id.0))).filter(reports::state.eq(ReportState::Open.name()));
        let claimed = diesel::update(open)
            .set((reports::state.eq(ReportState::Claimed.name()), reports::claimed_by.eq(Some(act.actor.as_str()))))
            .execute(connection)
            .await?
            > 0;
        if claimed {
            record(connection, act).await?;
        }
        let Some(report) = report(connection, id).await? else { return Ok(ReportChange::Missing) };
        let is_own = report.state == ReportState::Claimed && report.claimed_by.as_ref() == Some(&act.actor);
        Ok(if is_own { ReportChange::Done(report) } else { ReportChange::Refused(report) })
    })
    .await
}

pub async fn resolve_report(
    connection: &mut Connection,
    id: ReportId,
    decision: Decision,
    note: Option<&str>,
    act: &NewAudit,
) -> Result<ReportChange, StoreError> {
    write_transaction!(connection, async |connection| {
        let is_free = reports::claimed_by.is_null().or(reports::claimed_by.eq(Some(act.actor.as_str())));
        let pending = reports::table
            .filter(reports::id.eq(Id(id.0)))
            .filter(reports::state.ne(ReportState::Resolved.name()))
            .filter(is_free);
        let resolved = diesel::update(pending)
            .set((
                reports::state.eq(ReportState::Resolved.name()),
                reports::claimed_by.eq(Some(act.actor.as_str())),
                reports::decision.eq(Some(decision.name())),
                reports::note.eq(note.map(storable)),
                reports::resolved_at.eq(Some(Moment(now()))),
            ))
            .execute(connection)
            .await?
            > 0;
        if resolved {
            record(connection, act).await?;
        }
        let Some(report) = report(connection, id).await? else { return Ok(ReportChange::Missing) };
        Ok(if resolved { ReportChange::Done(report) } else { ReportChange::Refused(report) })
    })
    .await
}

// ---- the audit log ----

async fn record(connection: &mut Connection, act: &NewAudit) -> Result<(), StoreError> {
    diesel::insert_into(audit_log::table)
        .values((
            audit_log::created_at.eq(Moment(now())),
            audit_log::actor_id.eq(act.actor.as_str()),
            audit_log::action.eq(act.action.name()),
            audit_log::subject_id.eq(act.subject.as_ref().map(UserId::as_str)),
            audit_log::room_id.eq(act.room.map(|room| Id(room.0))),
            audit_log::details.eq(act.details.as_str()),
            audit_log::address.eq(act.address.as_str()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn audit(connection: &mut Connection, act: &NewAudit) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| record(connection, act).await).await
}

type AuditRow = (i64, Moment, String, String, Option<String>, Option<Id>, String, String);

pub async fn audit_log(
    connection: &mut Connection,
    filter: &AuditFilter,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut listed = audit_log::table.into_boxed();
    if let Some(actor) = &filter.actor {
        listed = listed.filter(audit_log::actor_id.eq(actor.as_str()));
    }
    if let Some(subject) = &filter.subject {
        listed = listed.filter(audit_log::subject_id.eq(subject.as_str()));
    }
    if let Some(room) = filter.room {
        listed = listed.filter(audit_log::room_id.eq(Some(Id(room.0))));
    }
    if let Some(action) = filter.action {
        listed = listed.filter(audit_log::action.eq(action.name()));
    }
    if let Some(before) = filter.before {
        listed = listed.filter(audit_log::position.lt(before));
    }
    let found = listed.order(audit_log::position.desc()).limit(limit).load::<AuditRow>(connection).await?;
    let entry = |(position, at, actor, action, subject, room, details, address): AuditRow| {
        Ok(AuditEntry {
            position,
            at: at.0,
            actor: user_id(actor)?,
            action,
            subject: subject.map(user_id).transpose()?,
            room: room.map(|Id(room)| RoomId(room)),
            details: RawJson::from_parsed(&details),
            address,
        })
    };
    found.into_iter().map(entry).collect()
}
