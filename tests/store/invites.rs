//! Invites: one pending per user and space, answered once, and never more members than places, whoever asks at the same time.

use std::collections::HashSet;

use convene::{
    core::{
        invite::{Invite, InviteHappening, InviteState, InviteTemplate},
        notification::{INVITES, NotificationFilter},
        profile::Profile,
        space::SpaceRefused,
    },
    ids::{NotificationId, RoomId, Timestamp},
    store::{
        AnsweredInvite, InviteAnswer, InviteList, NewInvite, NotificationQuery, NotificationStatus, QueueQuery, Queued,
        SentInvite, Store, StoredNotification,
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use crate::{
    fixture::{Database, connect, on_both, user},
    spaces::{ALL, admit, counted, space},
};

const HOUR_MS: i64 = 60 * 60 * 1_000;

fn to(from: &Profile, to: &Profile, space: RoomId) -> NewInvite {
    let (from, to) = (from.id.clone(), to.id.clone());
    NewInvite { from, to, space, message: None, template: None, lifetime_ms: 24 * HOUR_MS }
}

/// Invites a user for a day.
pub async fn invite(store: &Store, from: &Profile, user: &Profile, space: RoomId) -> Result<SentInvite, SpaceRefused> {
    store.send_invite(&to(from, user, space)).await.unwrap()
}

/// Accepts an invite.
pub async fn accept(store: &Store, user: &Profile, id: NotificationId) -> Result<AnsweredInvite, SpaceRefused> {
    store.answer_invite(&user.id, id, InviteAnswer::Accept).await.unwrap()
}

async fn decline(store: &Store, user: &Profile, id: NotificationId) -> Result<AnsweredInvite, SpaceRefused> {
    store.answer_invite(&user.id, id, InviteAnswer::Decline).await.unwrap()
}

async fn listed(store: &Store, user: &Profile, list: InviteList) -> Vec<(NotificationId, InviteState)> {
    let found = store.invites(&user.id, list, ALL).await.unwrap();
    assert_eq!(found.total as usize, found.items.len());
    found.items.into_iter().map(|invite| (invite.id, invite.state)).collect()
}

async fn queued(store: &Store, user: &Profile) -> Vec<StoredNotification> {
    let all = QueueQuery { notifications: Some(NotificationFilter::default()), ..QueueQuery::default() };
    let until = Timestamp { unix_ms: i64::MAX / 4 };
    let one = |item| match item {
        Queued::Notification(stored) => stored,
        Queued::Message { .. } => panic!("a message"),
    };
    store.lease_queue(&user.id, &all, until).await.unwrap().items.into_iter().map(one).collect()
}

fn told(stored: &StoredNotification) -> (InviteHappening, &Invite) {
    let news = stored.notification.invite.as_ref().expect("news of an invite");
    (news.happening, &news.invite)
}

on_both! {
    async fn an_invite_is_a_notification_of_its_type(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 2).await.id;
        let new = NewInvite { message: Some("Come in".into()), ..to(&ada, &bob, id) };
        let sent = store.send_invite(&new).await.unwrap().unwrap();
        let (invite, news) = (sent.invite, sent.news.expect("the invited user is notified"));
        assert_eq!((&invite.from.id, &invite.to.id, &*invite.space.name), (&ada.id, &bob.id, "Atrium"));
        assert_eq!(invite.expires_at, invite.created_at.plus_ms(24 * HOUR_MS));
        assert_eq!((news.kind.as_str(), &*news.notification.title, &*news.notification.message), (INVITES, "Invitation to Atrium", "Come in"));
        assert_eq!(told(&news).0, InviteHappening::Received);
        let data = news.notification.data.as_ref().expect("data").as_str();
        for part in [format!("\"spaceId\":\"{id}\""), format!("\"fromUserId\":\"{}\"", ada.id), "\"state\":\"pending\"".into()] {
            assert!(data.contains(&part), "{part} in {data}");
        }
        let kept = store.notification(invite.id).await.unwrap().expect("the row");
        assert_eq!((kept.notification.invite.clone(), kept.expires_at), (news.notification.invite.clone(), Some(invite.expires_at)));
        let mine = store.notifications(&bob.id, &NotificationQuery { category: Some(INVITES.into()), ..NotificationQuery::default() }, 9).await.unwrap();
        assert_eq!(mine.len(), 1);
        assert_eq!(queued(&store, &bob).await.iter().map(|one| one.notification.id).collect::<Vec<_>>(), [invite.id]);
    }

    async fn accepting_makes_a_member_and_tells_the_sender(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 2).await.id;
        let sent = invite(&store, &ada, &bob, id).await.unwrap().invite;
        let answered = accept(&store, &bob, sent.id).await.unwrap();
        assert_eq!((answered.invite.state, answered.invite.decided_at.is_some()), (InviteState::Accepted, true));
        assert_eq!((&answered.news.user, told(&answered.news)), (&ada.id, (InviteHappening::Accepted, &Invite { decided_at: None, ..read_back(&answered.invite) })));
        assert_eq!(&*answered.news.notification.title, "bob accepted your invitation");
        assert_eq!(counted(&store, &ada, id).await, 2);
        assert_eq!(accept(&store, &bob, sent.id).await, Err(SpaceRefused::AlreadyMember));
        assert_eq!(decline(&store, &bob, sent.id).await, Err(SpaceRefused::AlreadyMember));
        assert_eq!(invite(&store, &ada, &bob, id).await.map(|_| ()), Err(SpaceRefused::AlreadyMember));
        assert_eq!(listed(&store, &bob, InviteList::Pending).await, []);
        assert_eq!(listed(&store, &bob, InviteList::Received).await, [(sent.id, InviteState::Accepted)]);
        assert_eq!(listed(&store, &ada, InviteList::Sent).await, [(sent.id, InviteState::Accepted)]);
        // delivered to the sender, and not to the invited user any more
        assert_eq!(queued(&store, &ada).await.len(), 1);
        assert_eq!(queued(&store, &bob).await.len(), 0);
        assert_eq!(store.notifications(&bob.id, &NotificationQuery::default(), 9).await.unwrap().len(), 0);
        let query = NotificationQuery { status: Some(NotificationStatus::Read), ..NotificationQuery::default() };
        assert_eq!(store.notifications(&bob.id, &query, 9).await.unwrap().len(), 1);
    }

    async fn a_declined_invite_stays_declined_and_another_one_may_follow(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 2).await.id;
        let first = invite(&store, &ada, &bob, id).await.unwrap().invite;
        let answered = decline(&store, &bob, first.id).await.unwrap();
        assert_eq!((answered.invite.state, told(&answered.news).0), (InviteState::Declined, InviteHappening::Declined));
        assert_eq!(accept(&store, &bob, first.id).await, Err(SpaceRefused::Declined));
        assert_eq!(decline(&store, &bob, first.id).await, Err(SpaceRefused::Declined));
        let second = invite(&store, &ada, &bob, id).await.unwrap();
        assert!(second.news.is_some() && second.invite.id != first.id);
        accept(&store, &bob, second.invite.id).await.unwrap();
        assert_eq!(counted(&store, &ada, id).await, 2);
    }

    async fn refusals_come_in_the_order_of_the_contract(database: Database) {
        let store = database.store().await;
        let (ada, bob, cy) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "cy").await);
        let id = space(&store, &ada, 2).await.id;
        let send = async |from: &Profile, user: &Profile, space| invite(&store, from, user, space).await.map(|_| ());
        assert_eq!(send(&ada, &bob, RoomId::generate()).await, Err(SpaceRefused::NoSuchSpace));
        assert_eq!(send(&bob, &cy, id).await, Err(SpaceRefused::NoAccess));
        let nobody = NewInvite { to: "nobody".parse().unwrap(), ..to(&ada, &bob, id) };
        assert_eq!(store.send_invite(&nobody).await.unwrap().map(|_| ()), Err(SpaceRefused::NoSuchUser));
        assert_eq!(send(&ada, &ada, id).await, Err(SpaceRefused::AlreadyMember));
        let waiting = invite(&store, &ada, &cy, id).await.unwrap().invite;
        admit(&store, &ada, &bob, id).await;
        assert_eq!(send(&ada, &bob, id).await, Err(SpaceRefused::AlreadyMember));
        assert_eq!(send(&bob, &cy, id).await, Err(SpaceRefused::Full));
        assert_eq!(accept(&store, &cy, waiting.id).await, Err(SpaceRefused::Full));
        assert_eq!(listed(&store, &cy, InviteList::Pending).await, [(waiting.id, InviteState::Pending)]);
        // nobody else's
        assert_eq!(accept(&store, &bob, waiting.id).await, Err(SpaceRefused::NoSuchInvite));
        assert_eq!(decline(&store, &bob, waiting.id).await, Err(SpaceRefused::NoSuchInvite));
        assert_eq!(accept(&store, &cy, NotificationId::generate()).await, Err(SpaceRefused::NoSuchInvite));
        // the place is free again
        store.remove_space_member(id, &bob.id).await.unwrap().unwrap();
        accept(&store, &cy, waiting.id).await.unwrap();
    }

    async fn a_second_invite_answers_the_pending_one_whoever_sends_it(database: Database) {
        let store = database.store().await;
        let (ada, bob, cy) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "cy").await);
        let id = space(&store, &ada, 5).await.id;
        admit(&store, &ada, &bob, id).await;
        let first = invite(&store, &ada, &cy, id).await.unwrap();
        let again = store.send_invite(&NewInvite { template: Some(InviteTemplate::Event), ..to(&bob, &cy, id) }).await.unwrap().unwrap();
        assert_eq!((again.news, again.invite), (None, first.invite.clone()));
        // reading or dismissing the notification leaves it pending
        store.read_notification(&cy.id, first.invite.id).await.unwrap();
        assert!(store.dismiss_notification(&cy.id, first.invite.id).await.unwrap());
        assert_eq!(invite(&store, &ada, &cy, id).await.unwrap().invite.id, first.invite.id);
        accept(&store, &cy, first.invite.id).await.unwrap();
    }

    async fn an_expired_invite_is_refused_listed_on_request_and_replaced(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 2).await.id;
        let old = store.send_invite(&NewInvite { lifetime_ms: 0, ..to(&ada, &bob, id) }).await.unwrap().unwrap().invite;
        assert_eq!(accept(&store, &bob, old.id).await, Err(SpaceRefused::Expired));
        assert_eq!(decline(&store, &bob, old.id).await, Err(SpaceRefused::Expired));
        assert_eq!(listed(&store, &bob, InviteList::Pending).await, []);
        assert_eq!(listed(&store, &bob, InviteList::PendingAndExpired).await, [(old.id, InviteState::Expired)]);
        let new = invite(&store, &ada, &bob, id).await.unwrap();
        assert!(new.news.is_some() && new.invite.id != old.id);
        assert_eq!(listed(&store, &bob, InviteList::PendingAndExpired).await.len(), 2);
        assert_eq!(accept(&store, &bob, old.id).await, Err(SpaceRefused::Expired));
        accept(&store, &bob, new.invite.id).await.unwrap();
        // expired notifications are swept, invites are kept as history
        store.sweep_notifications().await.unwrap();
        assert_eq!(listed(&store, &bob, InviteList::Received).await.len(), 2);
    }

    async fn a_reminder_is_stored_once_and_only_for_what_is_pending(database: Database) {
        let store = database.store().await;
        let (ada, bob, cy, dan) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "cy").await, user(&store, "dan").await);
        let id = space(&store, &ada, 9).await.id;
        let long = invite(&store, &ada, &bob, id).await.unwrap().invite;
        let short = store.send_invite(&NewInvite { lifetime_ms: 2 * HOUR_MS, ..to(&ada, &cy, id) }).await.unwrap().unwrap().invite;
        let declined = store.send_invite(&NewInvite { lifetime_ms: 2 * HOUR_MS, ..to(&ada, &dan, id) }).await.unwrap().unwrap().invite;
        decline(&store, &dan, declined.id).await.unwrap();
        let at = |ms: i64| short.created_at.plus_ms(ms);
        assert_eq!(store.remind_of_invites(at(HOUR_MS)).await.unwrap(), []);
        let (one, other) = tokio::join!(store.remind_of_invites(at(100 * 60_000)), store.remind_of_invites(at(100 * 60_000)));
        let reminded: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
        let [reminder] = reminded.as_slice() else { panic!("{reminded:?}") };
        assert_eq!((&reminder.user, told(reminder)), (&cy.id, (InviteHappening::Reminder, &read_back(&short))));
        assert_eq!(reminder.expires_at, Some(short.expires_at));
        // of one whose end has passed nobody is reminded
        assert_eq!(store.remind_of_invites(long.expires_at).await.unwrap(), []);
        assert_eq!(store.remind_of_invites(long.expires_at.plus_ms(1)).await.unwrap(), []);
    }
}

/// Inserts rows of another program, whose texts of values each database understands.
async fn insert(database: &Database, user: &Profile, rows: &[(&str, &str)]) {
    let (is_postgres, mut sql) = (database.url.starts_with("postgres"), String::new());
    for (kind, data) in rows {
        let id = if is_postgres { "gen_random_uuid()" } else { "randomblob(16)" };
        let at = if is_postgres { "now() AT TIME ZONE 'UTC'" } else { "CAST(unixepoch('subsec') * 1000 AS INTEGER)" };
        sql += &format!(
            "INSERT INTO notifications (id, user_id, type, title, message, data, status, created_at, updated_at) \
             VALUES ({id}, '{}', '{kind}', 'news', 'of theirs', '{data}', 'unread', {at}, {at});",
            user.id
        );
    }
    if is_postgres {
        connect(&database.url).await.unwrap().batch_execute(&sql).await.unwrap();
    } else {
        use diesel::{Connection as _, connection::SimpleConnection};
        let mut file = diesel::SqliteConnection::establish(&database.file().to_string_lossy()).unwrap();
        file.batch_execute(&format!("PRAGMA busy_timeout = 5000; {sql}")).unwrap();
    }
}

on_both! {
    async fn what_another_program_stores_arrives_once(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, bob) = (user(&stores[0], "ada").await, user(&stores[0], "bob").await);
        let id = space(&stores[0], &ada, 2).await.id;
        // the server's own are not taken for theirs
        let own = invite(&stores[0], &ada, &bob, id).await.unwrap().invite;
        decline(&stores[0], &bob, own.id).await.unwrap();
        assert_eq!(stores[0].take_arrivals().await.unwrap(), []);
        let valid = format!("{{\"spaceId\":\"{id}\",\"fromUserId\":\"{}\"}}", ada.id);
        let nowhere = format!("{{\"spaceId\":\"{}\",\"fromUserId\":\"{}\"}}", RoomId::generate(), ada.id);
        insert(&database, &bob, &[("updates", "{}"), (INVITES, &valid), (INVITES, &nowhere), (INVITES, "[]")]).await;
        let (one, other) = tokio::join!(stores[0].take_arrivals(), stores[1].take_arrivals());
        let arrived: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
        assert_eq!(arrived.len(), 4, "{arrived:?}");
        assert_eq!(stores[1].take_arrivals().await.unwrap(), []);
        let invites: Vec<_> = arrived.iter().filter_map(|stored| stored.notification.invite.clone()).collect();
        let [news] = invites.as_slice() else { panic!("{invites:?}") };
        let names = (news.invite.from.username(), news.invite.to.username(), &*news.invite.space.name);
        assert_eq!(names, ("ada", "bob", "Atrium"));
        assert_eq!(queued(&stores[0], &bob).await.len(), 4);
        accept(&stores[1], &bob, news.invite.id).await.unwrap();
        assert_eq!(counted(&stores[0], &ada, id).await, 2);
    }
}

/// What clients know of the users: their names, not more.
fn read_back(invite: &Invite) -> Invite {
    let named = |author: &convene::core::profile::Author| {
        convene::core::profile::Author::new(author.id.clone(), author.username())
    };
    Invite { from: named(&invite.from), to: named(&invite.to), ..invite.clone() }
}

/// What users do at the same time.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Invite {
        by: usize,
        whom: usize,
    },
    /// It expires while others are answered.
    InviteBriefly {
        by: usize,
        whom: usize,
        lifetime_ms: i64,
    },
    Accept {
        whom: usize,
    },
    Decline {
        whom: usize,
    },
    Remove {
        whom: usize,
    },
}

fn deeds() -> impl Strategy<Value = (u32, Vec<Vec<Deed>>)> {
    let user = || 0..6_usize;
    let deed = prop_oneof![
        4 => (user(), user()).prop_map(|(by, whom)| Deed::Invite { by, whom }),
        2 => (user(), user(), 1..30_i64).prop_map(|(by, whom, lifetime_ms)| Deed::InviteBriefly { by, whom, lifetime_ms }),
        4 => user().prop_map(|whom| Deed::Accept { whom }),
        1 => user().prop_map(|whom| Deed::Decline { whom }),
        1 => user().prop_map(|whom| Deed::Remove { whom }),
    ];
    (1..5_u32, vec(vec(deed, 1..8), 1..5))
}

/// Performs the deeds of each round at once, through two stores like two nodes, and checks the rules after each round.
async fn carry_out(
    stores: &[Store; 2],
    users: &[Profile],
    (capacity, rounds): (u32, Vec<Vec<Deed>>),
) -> TestCaseResult {
    let id = space(&stores[0], &users[0], capacity).await.id;
    for round in rounds {
        let tasks = round.into_iter().enumerate().map(|(at, deed)| {
            let store = stores[at % 2].clone();
            let users = users.to_vec();
            tokio::spawn(async move { perform(&store, &users, id, deed).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        check(&stores[0], users, id, capacity).await?;
    }
    Ok(())
}

async fn perform(store: &Store, users: &[Profile], space: RoomId, deed: Deed) {
    // in any state, so that what was answered or has expired is answered again
    let newest = async |user: &Profile| {
        let found = store.invites(&user.id, InviteList::Received, ALL).await.unwrap().items;
        found.into_iter().find(|invite| invite.space.id == space).map(|invite| invite.id)
    };
    match deed {
        Deed::Invite { by, whom } => drop(invite(store, &users[by], &users[whom], space).await),
        Deed::InviteBriefly { by, whom, lifetime_ms } => {
            let new = NewInvite { lifetime_ms, ..to(&users[by], &users[whom], space) };
            drop(store.send_invite(&new).await.unwrap());
        }
        Deed::Accept { whom } => {
            if let Some(id) = newest(&users[whom]).await {
                drop(accept(store, &users[whom], id).await);
            }
        }
        Deed::Decline { whom } => {
            if let Some(id) = newest(&users[whom]).await {
                drop(decline(store, &users[whom], id).await);
            }
        }
        Deed::Remove { whom } => drop(store.remove_space_member(space, &users[whom].id).await.unwrap()),
    }
}

async fn check(store: &Store, users: &[Profile], space: RoomId, capacity: u32) -> TestCaseResult {
    let members = store.space_members(space, ALL).await.unwrap().items;
    let known = store.space(space, &users[0].id).await.unwrap().unwrap().space.members;
    prop_assert_eq!(members.len(), known as usize);
    prop_assert!(known <= capacity, "{known} members, {capacity} places");
    let has_admin = members.iter().any(|member| member.role == convene::core::space::SpaceRole::Admin);
    prop_assert!(members.is_empty() || has_admin);
    let of_space = |invites: Vec<Invite>| invites.into_iter().filter(move |invite| invite.space.id == space);
    for user in users {
        let pending = store.invites(&user.id, InviteList::Pending, ALL).await.unwrap().items;
        prop_assert!(of_space(pending).count() <= 1);
        let accepted = store.invites(&user.id, InviteList::Received, ALL).await.unwrap().items;
        let accepted = of_space(accepted).filter(|invite| invite.state == InviteState::Accepted).count();
        let is_member = members.iter().any(|member| member.profile.id == user.id);
        prop_assert!(!is_member || accepted > 0 || user.id == users[0].id, "a member who accepted nothing");
    }
    Ok(())
}

on_both! {
    async fn no_order_of_deeds_breaks_a_rule(database: Database) {
        let stores = [database.store().await, database.store().await];
        let mut users = Vec::new();
        for name in ["ada", "bob", "cyd", "dan", "eve", "fay"] {
            users.push(user(&stores[0], name).await);
        }
        let handle = tokio::runtime::Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
            TestRunner::new(config).run(&deeds(), |plan| handle.block_on(carry_out(&stores, &users, plan))).unwrap();
        });
        task.await.unwrap();
    }

    async fn the_last_place_is_given_once(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let mut guests = Vec::new();
        for number in 0..8 {
            guests.push(user(&stores[0], &format!("guest{number}")).await);
        }
        let id = space(&stores[0], &ada, 3).await.id;
        let mut asked = Vec::new();
        for (at, guest) in guests.iter().enumerate() {
            let sent = invite(&stores[0], &ada, guest, id).await.unwrap().invite.id;
            let (store, guest) = (stores[at % 2].clone(), guest.clone());
            asked.push((store, guest, sent));
        }
        let tasks: Vec<_> = asked.into_iter().map(|(store, guest, sent)| tokio::spawn(async move { accept(&store, &guest, sent).await })).collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap().map(|_| ()));
        }
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(SpaceRefused::Full)).count(), 6, "{outcomes:?}");
        assert_eq!(counted(&stores[0], &ada, id).await, 3);
    }

    async fn invites_of_one_user_sent_at_once_are_one(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, bob) = (user(&stores[0], "ada").await, user(&stores[0], "bob").await);
        let id = space(&stores[0], &ada, 3).await.id;
        let tasks: Vec<_> = (0..8).map(|at| {
            let (store, ada, bob) = (stores[at % 2].clone(), ada.clone(), bob.clone());
            tokio::spawn(async move { invite(&store, &ada, &bob, id).await.unwrap() })
        }).collect();
        let (mut ids, mut news) = (HashSet::new(), 0);
        for task in tasks {
            let sent = task.await.unwrap();
            ids.insert(sent.invite.id);
            news += usize::from(sent.news.is_some());
        }
        assert_eq!((ids.len(), news), (1, 1));
        assert_eq!(stores[0].notifications(&bob.id, &NotificationQuery::default(), 99).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_table_of_notifications_has_the_columns_that_other_programs_expect() {
    let database = Database::postgres().await;
    let client = connect(&database.url).await.unwrap();
    let sql = "SELECT column_name::TEXT, data_type::TEXT, character_maximum_length::INT FROM information_schema.columns \
               WHERE table_name = 'notifications' ORDER BY ordinal_position";
    let rows = client.query(sql, &[]).await.unwrap();
    let columns: Vec<(String, String, Option<i32>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [
        ("id", "uuid", None),
        // user ids are opaque strings
        ("user_id", "text", None),
        ("type", "character varying", Some(50)),
        ("title", "character varying", Some(255)),
        ("message", "text", None),
        ("data", "jsonb", None),
        ("status", "character varying", Some(50)),
        ("is_active", "boolean", None),
        ("created_at", "timestamp without time zone", None),
        ("updated_at", "timestamp without time zone", None),
        ("expires_at", "timestamp without time zone", None),
    ];
    assert_eq!(columns, expected.map(|(name, kind, most)| (name.to_owned(), kind.to_owned(), most)));
}

#[tokio::test]
async fn a_row_of_another_program_is_read_whatever_it_leaves_out() {
    let database = Database::postgres().await;
    let store = database.store().await;
    let bob = user(&store, "bob").await;
    let client = connect(&database.url).await.unwrap();
    let insert = |columns: &str, values: &str| {
        format!(
            "INSERT INTO notifications (id, user_id, type{columns}) \
             VALUES (gen_random_uuid(), '{}', 'updates'{values})",
            bob.id
        )
    };
    for (columns, values) in [
        ("", ""),
        (", title, message, data, status, is_active", ", NULL, NULL, NULL, NULL, NULL"),
        (", title, data, status", ", 'news', '[1]', 'archived'"),
        (", title, data", ", 'news', '{\"priority\": 7, \"a\": 1}'"),
    ] {
        client.batch_execute(&insert(columns, values)).await.unwrap();
    }
    let rows = store.notifications(&bob.id, &NotificationQuery::default(), 9).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.status == NotificationStatus::Unread && row.kind == "updates"), "{rows:?}");
    let data: Vec<_> = rows.iter().filter_map(|row| row.notification.data.as_ref()).map(|data| data.as_str()).collect();
    assert!(data.contains(&"{\"a\": 1, \"priority\": 7}"), "{data:?}");
    let now = rows.iter().map(|row| row.notification.created_at.unix_ms).max().unwrap();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((since.as_millis() as i64 - now).abs() < 60_000, "the time is UTC");
}
