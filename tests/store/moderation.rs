//! Moderation in the store: a stored mute counts for every later event, also among concurrent writers; reports and sanctions have
//! one state whoever changes them at the same time; the audit log can only be appended to.

use std::sync::Arc;

use convene::{
    core::{
        command::RawJson,
        event::{ChatDurable, Durable, ReactionChange},
        moderation::{Sanction, SanctionKind, WordAction},
        profile::Profile,
    },
    ids::{ClientMessageId, EventId, RoomId, Timestamp},
    store::{
        Append, Attempt, AuditAction, AuditFilter, Decision, NewAudit, NewReport, NewSanction, NotAppended,
        ReportChange, ReportFilter, ReportState, ReportTarget, Reported, SanctionFilter, Store,
    },
};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use futures_util::future::join_all;

use crate::fixture::{Database, channel, connect, message, on_both, user};

fn now() -> Timestamp {
    Timestamp { unix_ms: chrono_ms() }
}

fn chrono_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn act(by: &Profile, action: AuditAction) -> NewAudit {
    let details = RawJson::from_parsed("{\"note\":\"x\"}");
    NewAudit { actor: by.id.clone(), action, subject: None, room: None, details, address: "::1".into() }
}

async fn impose(store: &Store, by: &Profile, user: &Profile, room: Option<RoomId>, kind: SanctionKind) -> Sanction {
    let (user, by_id) = (user.id.clone(), by.id.clone());
    let new = NewSanction { room, user, kind, reason: "spam".into(), by: by_id, ends_at: Sanction::NEVER };
    store.add_sanction(&new, &act(by, AuditAction::Muted)).await.unwrap().pop().unwrap()
}

/// A message of this moment.
fn saying(room: RoomId, by: &Profile, text: &str) -> Append {
    Append { at: now(), ..message(room, by, text) }
}

fn repeatable(room: RoomId, by: &Profile, id: &str) -> Append {
    Append { client_message_id: Some(ClientMessageId::new(id).unwrap()), ..saying(room, by, id) }
}

fn reaction(room: RoomId, by: &Profile, message: EventId) -> Append {
    let (by_author, emoji) = (by.author(), "👍".parse().unwrap());
    let what = ChatDurable::Reacted { message, by: by_author, emoji, change: ReactionChange::Added };
    Append { what: Durable::Chat(what).into(), ..saying(room, by, "") }
}

fn deletion(room: RoomId, by: &Profile, message: EventId) -> Append {
    let what = ChatDurable::MessageDeleted { message, by: by.author() };
    Append { what: Durable::Chat(what).into(), ..saying(room, by, "") }
}

/// Appends, and retries what was locked. Returns whether each was stored.
async fn stored(store: &Store, batch: &[Append]) -> Vec<bool> {
    let mut outcomes = vec![None; batch.len()];
    while outcomes.iter().any(Option::is_none) {
        let left: Vec<usize> = (0..batch.len()).filter(|at| outcomes[*at].is_none()).collect();
        let appends: Vec<Append> = left.iter().map(|at| batch[*at].clone()).collect();
        for (at, outcome) in left.into_iter().zip(store.append(&appends, Attempt::First).await.unwrap()) {
            outcomes[at] = match outcome {
                Ok(_) => Some(true),
                Err(NotAppended::Silenced(_)) => Some(false),
                Err(NotAppended::Locked) => None,
                Err(other) => panic!("{other:?}"),
            };
        }
    }
    outcomes.into_iter().map(Option::unwrap).collect()
}

on_both! {
    async fn the_muted_author_alone_is_refused_whatever_else_is_in_the_batch(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (_, room) = channel(&store, &ada).await;
        let (_, other) = channel(&store, &ada).await;
        let first = saying(room, &bob, "before");
        assert_eq!(stored(&store, std::slice::from_ref(&first)).await, [true]);
        let muted = impose(&store, &ada, &bob, Some(room), SanctionKind::Mute).await;
        // plain messages are one statement, the others a transaction
        let plain = [saying(room, &ada, "1"), saying(room, &bob, "2"), saying(other, &bob, "3"), saying(room, &ada, "4")];
        assert_eq!(stored(&store, &plain).await, [true, false, true, true]);
        let effects = [repeatable(room, &bob, "5"), reaction(room, &bob, first.id), deletion(room, &bob, first.id)];
        assert_eq!(stored(&store, &effects).await, [false, false, true]);
        assert_eq!(store.room_heads(&[room]).await.unwrap()[0].1.seq.0, 4, "refused events take no place");
        store.lift_sanction(muted.id, &act(&ada, AuditAction::Lifted)).await.unwrap().unwrap();
        let later = Append { at: Timestamp { unix_ms: chrono_ms() + 1_000 }, ..saying(room, &bob, "6") };
        assert_eq!(stored(&store, &[later]).await, [true]);
        impose(&store, &ada, &bob, None, SanctionKind::Ban).await;
        assert_eq!(stored(&store, &[saying(room, &bob, "7"), saying(other, &bob, "8")]).await, [false, false]);
    }

    async fn nothing_begun_after_a_mute_is_stored_among_concurrent_writers(database: Database) {
        let nodes = [Arc::new(database.store().await), Arc::new(database.store().await)];
        let (ada, bob) = (user(&nodes[0], "ada").await, user(&nodes[0], "bob").await);
        let (_, room) = channel(&nodes[0], &ada).await;
        for round in 0..6 {
            let muted_at = Arc::new(std::sync::OnceLock::new());
            let writers = (0..6).map(|writer| {
                let (store, bob, muted_at) = (nodes[writer % 2].clone(), bob.clone(), muted_at.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        let was_muted = muted_at.get().is_some();
                        let text = format!("{round} {writer} {number}");
                        let said = if writer % 3 == 0 { repeatable(room, &bob, &text) } else { saying(room, &bob, &text) };
                        let is_stored = stored(&store, &[said]).await[0];
                        assert!(!(was_muted && is_stored), "stored after the mute");
                        if was_muted {
                            break;
                        }
                    }
                })
            });
            let writers: Vec<_> = writers.collect();
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            let muted = impose(&nodes[round % 2], &ada, &bob, Some(room), SanctionKind::Mute).await;
            muted_at.set(()).unwrap();
            for writer in writers {
                writer.await.unwrap();
            }
            nodes[0].lift_sanction(muted.id, &act(&ada, AuditAction::Lifted)).await.unwrap().unwrap();
            // messages of the next round are later than the lifting
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn a_new_sanction_replaces_the_old_one_and_versions_grow(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (_, room) = channel(&store, &ada).await;
        let before = store.moderation_version().await.unwrap();
        let first = impose(&store, &ada, &bob, Some(room), SanctionKind::Mute).await;
        impose(&store, &ada, &bob, None, SanctionKind::Mute).await;
        let second = impose(&store, &ada, &bob, Some(room), SanctionKind::Mute).await;
        assert!(before < first.version && first.version < second.version);
        let filter = SanctionFilter { room: Some(room), ..SanctionFilter::default() };
        assert_eq!(store.sanctions(&filter, 10).await.unwrap(), std::slice::from_ref(&second));
        assert!(store.sanction(first.id).await.unwrap().unwrap().ends_at <= now());
        assert_eq!(store.lift_sanction(first.id, &act(&ada, AuditAction::Lifted)).await.unwrap(), None);
        let adding = act(&ada, AuditAction::RuleAdded);
        let rule = store.add_word_rule(Some(room), "darn", WordAction::Mask, &adding).await.unwrap();
        let snapshot = store.moderation_snapshot().await.unwrap();
        assert_eq!((snapshot.sanctions.len(), &snapshot.rules), (2, &vec![rule.clone()]));
        assert!(snapshot.version > second.version);
        assert_eq!(store.word_rules(None).await.unwrap(), []);
        let removed = act(&ada, AuditAction::RuleRemoved);
        assert!(store.remove_word_rule(rule.id, &removed).await.unwrap());
        assert!(!store.remove_word_rule(rule.id, &removed).await.unwrap());
        // an act that changed nothing is not in the log
        let log = store.audit_log(&AuditFilter::default(), 100).await.unwrap();
        let actions: Vec<&str> = log.iter().rev().map(|entry| &*entry.action).collect();
        assert_eq!(actions, ["mute", "mute", "mute", "rule_add", "rule_remove"]);
    }

    async fn a_report_is_stored_claimed_and_resolved_once(database: Database) {
        let nodes = [database.store().await, database.store().await];
        let (ada, bob) = (user(&nodes[0], "ada").await, user(&nodes[0], "bob").await);
        let moderators = [user(&nodes[0], "mia").await, user(&nodes[0], "max").await];
        let new = NewReport {
            room: None,
            reporter: ada.id.clone(),
            subject: bob.id.clone(),
            target: ReportTarget::User,
            target_id: bob.id.to_string(),
            reason: "rude".into(),
            excerpt: String::new(),
        };
        for _ in 0..10 {
            let reported = join_all((0..6).map(|at| nodes[at % 2].add_report(&new))).await;
            let mut ids = Vec::new();
            let mut count = 0;
            for one in reported {
                match one.unwrap() {
                    Reported::New(report) => {
                        count += 1;
                        ids.push(report.id);
                    }
                    Reported::Pending(report) => ids.push(report.id),
                    Reported::TooMany => panic!("too many"),
                }
            }
            ids.dedup();
            assert_eq!((count, ids.len()), (1, 1));
            let claims = (0..6).map(|at| {
                let audit = act(&moderators[at % 2], AuditAction::ReportClaimed);
                let (store, id) = (&nodes[(at / 2) % 2], ids[0]);
                async move { store.claim_report(id, &audit).await.unwrap() }
            });
            let claimed = join_all(claims).await;
            let done = claimed.iter().filter(|change| matches!(change, ReportChange::Done(_))).count();
            assert_eq!(done, 3, "one of the two has it, and asked three times");
            let resolutions = (0..6).map(|at| {
                let audit = act(&moderators[at % 2], AuditAction::ReportResolved);
                let (store, id) = (&nodes[(at / 2) % 2], ids[0]);
                async move { store.resolve_report(id, Decision::Warned, Some("note"), &audit).await.unwrap() }
            });
            let resolved = join_all(resolutions).await;
            assert_eq!(resolved.iter().filter(|change| matches!(change, ReportChange::Done(_))).count(), 1);
        }
        let filter = ReportFilter { states: vec![ReportState::Open, ReportState::Claimed], ..ReportFilter::default() };
        assert_eq!(nodes[0].reports(&filter, 100).await.unwrap(), []);
        assert_eq!(nodes[0].reports(&ReportFilter::default(), 100).await.unwrap().len(), 10);
        let filter = AuditFilter { action: Some(AuditAction::ReportClaimed), ..AuditFilter::default() };
        assert_eq!(nodes[0].audit_log(&filter, 100).await.unwrap().len(), 10, "claiming again is no act");
    }
}

const CHANGES: [&str; 2] = ["UPDATE audit_log SET actor_id = 'x'", "DELETE FROM audit_log"];

#[tokio::test]
async fn the_audit_log_can_not_be_changed_on_postgres() {
    let database = Database::postgres().await;
    let store = database.store().await;
    let ada = user(&store, "ada").await;
    store.audit(&act(&ada, AuditAction::Announced)).await.unwrap();
    let client = connect(&database.url).await.unwrap();
    for change in CHANGES {
        let refused = client.execute(change, &[]).await.unwrap_err();
        assert!(format!("{refused:?}").contains("can only be appended to"), "{refused:?}");
    }
    assert_eq!(store.audit_log(&AuditFilter::default(), 10).await.unwrap()[0].actor, ada.id);
}

#[tokio::test]
async fn the_audit_log_can_not_be_changed_on_sqlite() {
    let database = Database::sqlite().await;
    let store = database.store().await;
    let ada = user(&store, "ada").await;
    store.audit(&act(&ada, AuditAction::Announced)).await.unwrap();
    let mut connection = SqliteConnection::establish(&database.file().to_string_lossy()).unwrap();
    for change in CHANGES {
        let refused = diesel::sql_query(change).execute(&mut connection).unwrap_err();
        assert!(refused.to_string().contains("can only be appended to"), "{refused}");
    }
    assert_eq!(store.audit_log(&AuditFilter::default(), 10).await.unwrap()[0].actor, ada.id);
}
