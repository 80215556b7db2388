//! Notifications: kept for their users, marked as read once, leased by one socket at a time.

use std::collections::HashSet;

use convene::{
    core::{
        command::RawJson,
        notification::{NotificationFilter, Priority},
        profile::Profile,
    },
    ids::{NotificationId, Timestamp, UserId},
    limits,
    store::{
        Backend, Leased, NewNotification, NotificationQuery, NotificationStatus, QueueQuery, Queued, QueuedId,
        ReadMark, Store, StoreError, StoreOptions, StoredNotification,
    },
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use crate::fixture::{Database, connect, on_both, user};

fn new(title: &str) -> NewNotification {
    NewNotification {
        title: title.into(),
        message: "A message\nof two lines".into(),
        category: "workspace".into(),
        priority: Priority::Normal,
        module: Some("tables".into()),
        data: Some(RawJson::from_parsed(r#"{"n": [1, null, {"é": "1e3"}]}"#)),
        expires_at: None,
    }
}

fn urgent(title: &str, priority: Priority) -> NewNotification {
    NewNotification { priority, category: "system".into(), module: None, data: None, ..new(title) }
}

async fn told(store: &Store, user: &Profile, new: &NewNotification) -> StoredNotification {
    store.create_notifications(std::slice::from_ref(&user.id), new).await.unwrap().remove(0)
}

fn titles(notifications: &[StoredNotification]) -> Vec<&str> {
    notifications.iter().map(|one| &*one.notification.title).collect()
}

async fn page(store: &Store, user: &Profile, query: NotificationQuery) -> Vec<StoredNotification> {
    store.notifications(&user.id, &query, 100).await.unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp { unix_ms: since.as_millis() as i64 }
}

fn all() -> QueueQuery {
    QueueQuery { notifications: Some(NotificationFilter::default()), ..QueueQuery::default() }
}

fn of(filter: NotificationFilter, since: Option<Timestamp>) -> QueueQuery {
    QueueQuery { notifications: Some(filter), since, ..QueueQuery::default() }
}

fn notifications(leased: Leased) -> Vec<StoredNotification> {
    let one = |item| match item {
        Queued::Notification(stored) => stored,
        Queued::Message { .. } => panic!("a message"),
    };
    leased.items.into_iter().map(one).collect()
}

async fn lease_of(store: &Store, user: &Profile, wanted: QueueQuery) -> Vec<StoredNotification> {
    notifications(store.lease_queue(&user.id, &wanted, now().plus_ms(60_000)).await.unwrap())
}

async fn lease(store: &Store, user: &Profile) -> Vec<StoredNotification> {
    lease_of(store, user, all()).await
}

on_both! {
    async fn a_crowd_is_notified_by_a_few_statements_and_each_keeps_its_bounds(database: Database) {
        let store = database.store_with(StoreOptions { offline_queue_max: 3, ..StoreOptions::default() }).await;
        let mut crowd = Vec::new();
        for n in 0..450 {
            crowd.push(user(&store, &format!("user{n:03}")).await);
        }
        let ids: Vec<UserId> = crowd.iter().map(|user| user.id.clone()).collect();
        for title in ["1", "2", "3", "4", "5"] {
            let stored = store.create_notifications(&ids, &new(title)).await.unwrap();
            let mut told: Vec<UserId> = stored.iter().map(|one| one.user.clone()).collect();
            told.sort_unstable();
            let mut expected = ids.clone();
            expected.sort_unstable();
            assert_eq!(told, expected, "each of them once");
            let one = &stored[7];
            let read = store.notification(one.notification.id).await.unwrap().unwrap();
            assert_eq!((&read.notification, &read.user), (&one.notification, &one.user), "answered as it is stored");
        }
        for somebody in [&crowd[0], &crowd[199], &crowd[200], &crowd[449]] {
            assert_eq!(titles(&page(&store, somebody, NotificationQuery::default()).await), ["5", "4", "3", "2", "1"]);
            assert_eq!(titles(&lease(&store, somebody).await), ["3", "4", "5"], "the oldest wait no more");
        }
    }

    async fn what_was_told_can_be_read_again_by_its_user_alone(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let both = [bob.id.clone(), ada.id.clone(), bob.id.clone()];
        let stored = store.create_notifications(&both, &new("One")).await.unwrap();
        assert_eq!(stored.len(), 2, "each user once");
        let of_ada = stored.iter().find(|one| one.user == ada.id).unwrap();
        let told = &of_ada.notification;
        assert_eq!((&*told.title, &*told.message, &*told.category), ("One", "A message\nof two lines", "workspace"));
        assert_eq!((told.priority, told.module.as_deref()), (Priority::Normal, Some("tables")));
        let data: serde_json::Value = serde_json::from_str(told.data.as_ref().unwrap().as_str()).unwrap();
        assert_eq!(data, serde_json::json!({"n": [1, null, {"é": "1e3"}]}));
        assert_eq!((of_ada.kind.as_str(), of_ada.status), ("updates", NotificationStatus::Unread));
        assert_eq!(page(&store, &ada, NotificationQuery::default()).await, std::slice::from_ref(of_ada));
        assert_eq!(page(&store, &eve, NotificationQuery::default()).await, []);
        assert_eq!(store.read_notification(&eve.id, told.id).await.unwrap(), None);
        assert!(!store.dismiss_notification(&eve.id, told.id).await.unwrap());
        let nobody = UserId::new("nobody").unwrap();
        let missing = store.create_notifications(&[ada.id.clone(), nobody], &new("Two")).await;
        assert_eq!(missing, Err(StoreError::Missing));
        assert_eq!(page(&store, &ada, NotificationQuery::default()).await.len(), 1, "all of them or none");
        told_with_strange_text(&store, &ada).await;
    }

    async fn pages_go_back_in_time_and_are_filtered(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let mut ids = Vec::new();
        for n in 0..7 {
            let priority = if n % 3 == 0 { Priority::High } else { Priority::Low };
            ids.push(told(&store, &ada, &urgent(&n.to_string(), priority)).await.notification.id);
        }
        told(&store, &ada, &new("other")).await;
        store.read_notification(&ada.id, ids[6]).await.unwrap();
        store.dismiss_notification(&ada.id, ids[5]).await.unwrap();
        let system = NotificationQuery { category: Some("system".into()), ..NotificationQuery::default() };
        let first = store.notifications(&ada.id, &system, 3).await.unwrap();
        assert_eq!(titles(&first), ["6", "4", "3"]);
        let before = NotificationQuery { before: Some(ids[3]), ..system.clone() };
        assert_eq!(titles(&store.notifications(&ada.id, &before, 9).await.unwrap()), ["2", "1", "0"]);
        let of = |status| NotificationQuery { status: Some(status), ..NotificationQuery::default() };
        assert_eq!(titles(&page(&store, &ada, of(NotificationStatus::Read)).await), ["6"]);
        assert_eq!(titles(&page(&store, &ada, of(NotificationStatus::Dismissed)).await), ["5"]);
        assert_eq!(titles(&page(&store, &ada, of(NotificationStatus::Unread)).await), ["other", "4", "3", "2", "1", "0"]);
        let high = NotificationQuery { priority: Some(Priority::High), ..NotificationQuery::default() };
        assert_eq!(titles(&page(&store, &ada, high).await), ["6", "3", "0"]);
        let quoted = NotificationQuery { category: Some("' OR '1'='1".into()), ..NotificationQuery::default() };
        assert_eq!(page(&store, &ada, quoted).await, []);
    }

    async fn unread_ones_are_counted(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let first = told(&store, &ada, &new("a")).await.notification.id;
        for _ in 0..2 {
            told(&store, &ada, &urgent("b", Priority::Critical)).await;
        }
        told(&store, &ada, &new("c")).await;
        told(&store, &bob, &new("d")).await;
        assert_eq!(store.read_notification(&ada.id, first).await.unwrap(), Some(ReadMark::New));
        assert_eq!(store.read_notification(&ada.id, first).await.unwrap(), Some(ReadMark::Already));
        let counts = store.unread_notifications(&ada.id).await.unwrap();
        let counts: HashSet<_> = counts.iter().map(|c| (c.category.as_str(), c.priority, c.count)).collect();
        assert_eq!(counts, HashSet::from([("workspace", Priority::Normal, 1), ("system", Priority::Critical, 2)]));
        assert_eq!(store.read_all_notifications(&ada.id).await.unwrap(), 3);
        assert_eq!(store.read_all_notifications(&ada.id).await.unwrap(), 0);
        assert_eq!(store.unread_notifications(&ada.id).await.unwrap(), []);
        assert_eq!(store.unread_notifications(&bob.id).await.unwrap().len(), 1);
    }

    async fn expired_ones_are_not_counted_when_all_are_read(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        told(&store, &ada, &NewNotification { expires_at: Some(now().plus_ms(-1)), ..new("late") }).await;
        told(&store, &ada, &new("here")).await;
        assert_eq!(store.read_all_notifications(&ada.id).await.unwrap(), 1);
        assert_eq!(store.read_all_notifications(&ada.id).await.unwrap(), 0);
    }

    async fn what_waits_is_in_one_hand_at_a_time(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        assert!(!store.queue_waits(&ada.id).await.unwrap());
        for (title, priority) in [("1", Priority::Low), ("2", Priority::High), ("3", Priority::Normal), ("4", Priority::Critical)] {
            told(&store, &ada, &urgent(title, priority)).await;
        }
        assert!(store.queue_waits(&ada.id).await.unwrap());
        assert!(!store.queue_waits(&bob.id).await.unwrap());
        let system = |names: &[&str]| Some(names.iter().map(|name| (*name).into()).collect::<Vec<_>>());
        let picky = NotificationFilter { categories: system(&["other"]), ..NotificationFilter::default() };
        assert_eq!(lease_of(&store, &ada, of(picky, None)).await, []);
        let since = Some(now().plus_ms(60_000));
        assert_eq!(lease_of(&store, &ada, of(NotificationFilter::default(), since)).await, []);
        let calm = NotificationFilter {
            categories: system(&["other", "system"]),
            modules: system(&["tables"]),
            priorities: Some(vec![Priority::Low]),
        };
        let since = Some(now().plus_ms(-60_000));
        let low = lease_of(&store, &ada, of(calm, since)).await;
        assert_eq!(titles(&low), ["1"]);
        let rest = lease(&store, &ada).await;
        assert_eq!(titles(&rest), ["2", "4", "3"], "urgent ones first, then the oldest");
        assert_eq!(lease(&store, &ada).await, []);
        let ids: Vec<NotificationId> = rest.iter().map(|one| one.notification.id).collect();
        let rows: Vec<QueuedId> = ids.iter().map(|id| QueuedId::Notification(*id)).collect();
        store.queue_delivered(&bob.id, rows[0]).await.unwrap();
        store.return_leases(&bob.id, &rows).await.unwrap();
        assert_eq!(lease(&store, &ada).await, [], "another user settles nothing");
        store.queue_delivered(&ada.id, rows[0]).await.unwrap();
        store.return_leases(&ada.id, &rows).await.unwrap();
        assert_eq!(titles(&lease(&store, &ada).await), ["4", "3"]);
        // Read on another device, dismissed, or expired: not delivered any more.
        store.return_leases(&ada.id, &rows).await.unwrap();
        store.read_notification(&ada.id, ids[1]).await.unwrap();
        store.dismiss_notification(&ada.id, ids[2]).await.unwrap();
        let expired = NewNotification { expires_at: Some(now().plus_ms(-1)), ..new("late") };
        told(&store, &ada, &expired).await;
        assert_eq!(lease(&store, &ada).await, []);
    }

    async fn a_lease_ends(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        told(&store, &ada, &new("of a node that died")).await;
        let wanted = all();
        let until = async |until| store.lease_queue(&ada.id, &wanted, until).await.unwrap();
        assert_eq!(until(now().plus_ms(-1)).await.items.len(), 1);
        let end = now().plus_ms(60_000);
        let taken = until(end).await;
        assert_eq!((taken.items.len(), taken.held_until), (1, None));
        let held = until(end.plus_ms(60_000)).await;
        assert_eq!((held.items.len(), held.held_until), (0, Some(end)), "it says when to come again");
    }

    async fn of_many_hands_each_gets_its_own(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        for n in 0..30 {
            told(&stores[0], &ada, &new(&n.to_string())).await;
        }
        let tasks: Vec<_> = (0..8_usize).map(|n| {
            let (store, ada) = (stores[n % 2].clone(), ada.clone());
            tokio::spawn(async move { lease(&store, &ada).await })
        }).collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.extend(task.await.unwrap().into_iter().map(|one| one.notification.id));
        }
        let different: HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len(), "none twice");
        assert!(seen.len() >= limits::QUEUE_LEASED_MAX, "{}", seen.len());
    }

    async fn the_oldest_read_ones_give_way(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let unread = told(&store, &ada, &new("unread")).await.notification.id;
        let read = told(&store, &ada, &new("read")).await.notification.id;
        store.read_notification(&ada.id, read).await.unwrap();
        for _ in 0..limits::NOTIFICATIONS_PER_USER_MAX - 2 {
            told(&store, &ada, &new("more")).await;
        }
        assert!(store.notification(read).await.unwrap().is_some());
        told(&store, &ada, &new("one too many")).await;
        assert_eq!(store.notification(read).await.unwrap(), None);
        assert!(store.notification(unread).await.unwrap().is_some());
        told(&store, &ada, &new("and another")).await;
        assert_eq!(store.notification(unread).await.unwrap(), None, "none of the read ones is left");
    }

    async fn expired_ones_are_swept_out(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let late = NewNotification { expires_at: Some(now().plus_ms(-1)), ..new("late") };
        let soon = NewNotification { expires_at: Some(now().plus_ms(60_000)), ..new("soon") };
        let late = told(&store, &ada, &late).await.notification.id;
        told(&store, &ada, &soon).await;
        told(&store, &ada, &new("ever")).await;
        assert_eq!(titles(&page(&store, &ada, NotificationQuery::default()).await), ["ever", "soon"]);
        assert_eq!(store.unread_notifications(&ada.id).await.unwrap()[0].count, 2);
        assert!(store.notification(late).await.unwrap().is_some(), "hidden, not gone");
        assert_eq!(store.sweep_notifications().await.unwrap(), 1);
        assert_eq!(store.notification(late).await.unwrap(), None);
        assert_eq!(store.sweep_notifications().await.unwrap(), 0);
    }

    async fn rows_of_other_types_are_history_and_stay(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let late = NewNotification { expires_at: Some(now().plus_ms(-1)), ..new("an invite of the past") };
        let invite = told(&store, &ada, &late).await.notification.id;
        let sql = "UPDATE notifications SET type = 'invites', status = 'read'";
        match store.backend() {
            Backend::Postgres => connect(&database.url).await.unwrap().batch_execute(sql).await.unwrap(),
            Backend::Sqlite => {
                let mut file = SqliteConnection::establish(&database.file().to_string_lossy()).unwrap();
                file.batch_execute(sql).unwrap();
            }
        }
        for _ in 0..=limits::NOTIFICATIONS_PER_USER_MAX {
            told(&store, &ada, &new("more")).await;
        }
        assert_eq!(store.sweep_notifications().await.unwrap(), 0);
        assert_eq!(store.notification(invite).await.unwrap().unwrap().kind, "invites");
    }

    async fn a_notification_can_say_something_else(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let id = told(&store, &ada, &new("draft")).await.notification.id;
        store.read_notification(&ada.id, id).await.unwrap();
        let changed = store.update_notification(id, &urgent("final", Priority::High)).await.unwrap().unwrap();
        assert_eq!((&*changed.notification.title, changed.notification.priority), ("final", Priority::High));
        assert_eq!((changed.status, changed.notification.id), (NotificationStatus::Read, id));
        assert_eq!(store.notification(id).await.unwrap(), Some(changed));
        assert_eq!(store.update_notification(NotificationId::generate(), &new("x")).await.unwrap(), None);
        assert!(store.dismiss_notification(&ada.id, id).await.unwrap());
        assert!(!store.dismiss_notification(&ada.id, id).await.unwrap());
        assert_eq!(store.update_notification(id, &new("x")).await.unwrap(), None);
    }
}

async fn told_with_strange_text(store: &Store, user: &Profile) {
    let strange = NewNotification { title: "nul \0 and \u{1f600}".into(), category: "\"'\0".into(), ..new("") };
    let kept = told(store, user, &strange).await.notification;
    assert_eq!((&*kept.title, &*kept.category), ("nul \u{fffd} and \u{1f600}", "\"'\u{fffd}"));
}
