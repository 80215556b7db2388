//! Conversations: participants, the meaning of a conversation id, group conversations, mentions and reactions.

use std::sync::Arc;

use convene::{
    core::{
        emoji::Emoji,
        event::{ChatDurable, ContentType, Durable, ReactionChange, RoomScope, Secrecy},
        profile::Profile,
    },
    ids::{EventId, RoomId, RoomName, Seq, Timestamp, UserId},
    limits,
    store::{
        Append, Appended, Attempt, Before, GroupRole, MessageRefused, NotAppended, QueueFor, ReactionRefused, Right,
        RoomChange, RoomRole, Store, StoreError, Visibility,
    },
};

use ReactionChange::{Added, Removed};

use crate::fixture::{Database, append, channel, message, on_both, user};

const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_001_000 };

fn event(room: RoomId, what: ChatDurable) -> Append {
    let what = Arc::new(Durable::Chat(what));
    Append { room, id: EventId::generate(), at: TIME, what, queue_for: QueueFor::default(), client_message_id: None }
}

fn mentioning(room: RoomId, sender: &Profile, mentions: &[&Profile]) -> Append {
    let mentions = mentions.iter().map(|user| user.id.clone()).collect();
    let (content, content_type) = ("look".into(), ContentType::Other("markdown".into()));
    let (sender, attachments) = (sender.author(), Vec::new());
    event(room, ChatDurable::MessageSent { sender, content, content_type, attachments, mentions })
}

fn react(room: RoomId, by: &Profile, message: EventId, emoji: &str, change: ReactionChange) -> Append {
    let emoji = Emoji::new(emoji).unwrap();
    event(room, ChatDurable::Reacted { message, by: by.author(), emoji, change })
}

async fn put(store: &Store, one: &Append) -> Result<Appended, NotAppended> {
    store.append(std::slice::from_ref(one), Attempt::First).await.unwrap().remove(0)
}

fn refused(why: ReactionRefused) -> Result<Seq, NotAppended> {
    Err(NotAppended::Effect(why.into()))
}

async fn names(store: &Store, room: &convene::core::event::RoomIdentity) -> Vec<UserId> {
    store.participants(room).await.unwrap().into_iter().map(|author| author.id).collect()
}

fn sorted(users: &[&Profile]) -> Vec<UserId> {
    let mut ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
    ids.sort_unstable();
    ids
}

on_both! {
    async fn taking_part_in_an_open_room_lasts_until_it_is_left(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.create_open_room(&RoomName::new("lobby").unwrap(), &ada.id).await.unwrap().identity;
        assert_eq!(names(&store, &room).await, [], "its creator does not take part by making it");
        assert!(store.add_participant(room.id, &ada.id).await.unwrap());
        assert!(store.add_participant(room.id, &bob.id).await.unwrap());
        assert!(!store.add_participant(room.id, &bob.id).await.unwrap());
        assert_eq!(names(&store, &room).await, sorted(&[&ada, &bob]));
        assert!(store.is_participant(&room, &bob.id).await.unwrap());
        assert!(store.remove_participant(room.id, &bob.id).await.unwrap());
        assert!(!store.remove_participant(room.id, &bob.id).await.unwrap());
        assert!(!store.is_participant(&room, &bob.id).await.unwrap());
        assert_eq!(store.add_participant(RoomId::generate(), &bob.id).await, Err(StoreError::Missing));
    }

    async fn contacts_are_those_of_conversations_that_are_not_too_large(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let hall = store.create_open_room(&RoomName::new("hall").unwrap(), &ada.id).await.unwrap().identity;
        let contacts = async || {
            let mut users = store.contacts(&ada.id).await.unwrap().expect("ada exists").users;
            users.sort_unstable();
            users
        };
        assert_eq!(contacts().await, []);
        let mut crowd = vec![ada.id.clone(), bob.id.clone()];
        for number in 2..limits::PRESENCE_ANNOUNCED_PARTICIPANTS_MAX {
            crowd.push(user(&store, &format!("user{number}")).await.id);
        }
        let joining = crowd.iter().map(|user| store.add_participant(hall.id, user));
        futures_util::future::try_join_all(joining).await.unwrap();
        let mut others = crowd.split_off(1);
        others.sort_unstable();
        assert_eq!(contacts().await, others, "everybody in the room");
        store.add_participant(hall.id, &eve.id).await.unwrap();
        assert_eq!(contacts().await, [], "it has one too many");
        store.direct_room(&ada.id, &bob.id).await.unwrap();
        assert_eq!(contacts().await, sorted(&[&bob]), "a direct conversation is never too large");
    }

    async fn channels_and_direct_conversations_have_their_participants_by_nature(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap();
        assert_eq!(names(&store, &direct).await, sorted(&[&ada, &bob]));
        assert!(!store.is_participant(&direct, &eve.id).await.unwrap());
        let (_, id) = channel(&store, &ada).await;
        let room = store.room(id).await.unwrap().unwrap();
        assert_eq!(names(&store, &room).await, sorted(&[&ada]));
        assert!(store.is_participant(&room, &ada.id).await.unwrap());
        assert!(!store.is_participant(&room, &eve.id).await.unwrap());
    }

    async fn a_group_conversation_is_a_private_room_of_its_members(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let made = store.create_conversation(&ada.id, Some("plans"), &[bob.id.clone(), ada.id.clone()]).await.unwrap();
        assert_eq!((made.title.as_str(), made.visibility), ("plans", Visibility::Private));
        assert_eq!(made.membership, Some(RoomRole::Owner));
        let RoomScope::Open { name } = &made.identity.scope else { panic!("{made:?}") };
        assert_eq!(name.as_str(), made.identity.id.to_string());
        assert_eq!(names(&store, &made.identity).await, sorted(&[&ada, &bob]));
        let of_bob = store.conversation_access(name.as_str(), &bob.id).await.unwrap().unwrap();
        let member = Right::Open { visibility: Visibility::Private, membership: Some(RoomRole::Member) };
        assert_eq!((of_bob.identity.id, of_bob.right), (made.identity.id, member));
        let of_eve = store.conversation_access(name.as_str(), &eve.id).await.unwrap().unwrap();
        assert_eq!(of_eve.right, Right::Open { visibility: Visibility::Private, membership: None });
        let nobody = UserId::new("nobody").unwrap();
        let failed = store.create_conversation(&ada.id, None, &[nobody]).await;
        assert_eq!(failed.map(|room| room.title), Err(StoreError::Missing));
        // A user who becomes a member later participates, too, until the membership ends.
        store.add_room_member(made.identity.id, &eve.id).await.unwrap();
        assert_eq!(names(&store, &made.identity).await, sorted(&[&ada, &bob, &eve]));
        store.remove_room_member(made.identity.id, &eve.id).await.unwrap();
        assert_eq!(names(&store, &made.identity).await, sorted(&[&ada, &bob]));
    }

    async fn a_room_that_becomes_private_keeps_only_its_members(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let room = store.create_open_room(&RoomName::new("den").unwrap(), &ada.id).await.unwrap().identity;
        for user in [&ada, &bob, &eve] {
            store.add_participant(room.id, &user.id).await.unwrap();
        }
        store.add_room_member(room.id, &bob.id).await.unwrap();
        let private = RoomChange { visibility: Some(Visibility::Private), ..RoomChange::default() };
        store.change_room(room.id, &private).await.unwrap();
        assert_eq!(names(&store, &room).await, sorted(&[&ada, &bob]));
    }

    async fn a_conversations_id_means_a_channel_or_a_direct_conversation_or_a_name(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap();
        let (_, of_group) = channel(&store, &ada).await;
        let named = store.create_open_room(&RoomName::new("lobby").unwrap(), &ada.id).await.unwrap().identity;
        let found = |id: String| {
            let (store, bob) = (store.clone(), bob.id.clone());
            async move { store.conversation_access(&id, &bob).await.unwrap().map(|access| (access.identity.id, access.right)) }
        };
        assert_eq!(found(direct.id.to_string()).await, Some((direct.id, Right::Side)));
        assert_eq!(found(of_group.to_string()).await, Some((of_group, Right::Group(None))));
        assert_eq!(found("lobby".into()).await.map(|(id, _)| id), Some(named.id));
        assert_eq!(found(named.id.to_string()).await, None, "an open room is known by its name alone");
        assert_eq!(found(RoomId::generate().to_string()).await, None);
        assert_eq!(found("x".repeat(300)).await, None);
    }

    async fn messages_are_queued_for_those_who_take_part_and_are_away(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let room = store.create_open_room(&RoomName::new("lobby").unwrap(), &ada.id).await.unwrap().identity.id;
        for user in [&ada, &bob] {
            store.add_participant(room, &user.id).await.unwrap();
        }
        let to_all_but = |sender: &Profile, present: &[&Profile], users: &[&Profile]| {
            let ids = |users: &[&Profile]| users.iter().map(|user| user.id.clone()).collect::<Vec<_>>();
            let queue_for = QueueFor { users: ids(users), participants_except: Some(ids(present).into()) };
            Append { queue_for, ..message(room, sender, "hello") }
        };
        let batch = [
            to_all_but(&ada, &[], &[]),
            to_all_but(&ada, &[&bob], &[&eve]),
            message(room, &ada, "for nobody"),
            to_all_but(&eve, &[&bob], &[&ada]),
        ];
        let stored = store.append(&batch, Attempt::First).await.unwrap();
        let queued_for = |outcome: Result<Appended, NotAppended>| outcome.unwrap().queued_for;
        let queued: Vec<_> = stored.into_iter().map(queued_for).collect();
        assert_eq!(queued, [vec![bob.id.clone()], vec![eve.id.clone()], vec![], vec![ada.id.clone()]]);
        let until = Timestamp { unix_ms: 4_000_000_000_000 };
        let of_bob = store.lease_conversation(&bob.id, room, until).await.unwrap().events;
        assert_eq!(of_bob.iter().map(|event| event.id).collect::<Vec<_>>(), [batch[0].id]);
        // beside an event that changes more than the log
        let edit = event(room, ChatDurable::MessageEdited { message: batch[0].id, editor: ada.author(), content: "hi".into(), secrecy: Secrecy::Plain });
        let both = store.append(&[edit, to_all_but(&ada, &[], &[])], Attempt::First).await.unwrap();
        assert_eq!(both.into_iter().map(queued_for).collect::<Vec<_>>(), [vec![], vec![bob.id.clone()]]);
        // in a channel those are the members of its group
        let (group, channel) = channel(&store, &ada).await;
        store.add_group_member(group, &bob.id, GroupRole::Member).await.unwrap();
        let queue_for = QueueFor { users: Vec::new(), participants_except: Some([].into()) };
        let sent = store.append(&[Append { queue_for, ..message(channel, &ada, "x") }], Attempt::First).await.unwrap();
        assert_eq!(sent.into_iter().map(queued_for).collect::<Vec<_>>(), [vec![bob.id.clone()]]);
    }

    async fn a_message_is_found_by_its_id(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap();
        let sent = [message(direct.id, &ada, "one"), message(direct.id, &bob, "two")];
        append(&store, &sent, Attempt::First).await.unwrap();
        let place = store.message_place(sent[1].id).await.unwrap().unwrap();
        assert_eq!((place.room, place.seq, place.sender, place.is_deleted), (direct.clone(), Seq(2), bob.id, false));
        put(&store, &event(direct.id, ChatDurable::MessageDeleted { message: sent[0].id, by: ada.author() })).await.unwrap();
        assert!(store.message_place(sent[0].id).await.unwrap().unwrap().is_deleted);
        assert_eq!(store.message_place(EventId::generate()).await.unwrap(), None);
    }

    async fn mentions_and_the_content_type_stay_with_the_message(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (_, room) = channel(&store, &ada).await;
        let sent = mentioning(room, &ada, &[&bob, &ada]);
        append(&store, std::slice::from_ref(&sent), Attempt::First).await.unwrap();
        let edited = event(room, ChatDurable::MessageEdited { message: sent.id, editor: ada.author(), content: "see".into(), secrecy: Secrecy::Plain });
        put(&store, &edited).await.unwrap();
        let page = store.messages(room, Before::Newest, 10).await.unwrap();
        let markdown = ContentType::Other("markdown".into());
        assert_eq!((page[0].content.as_str(), &page[0].content_type), ("see", &markdown));
        assert_eq!(page[0].mentions, [bob.id.clone(), ada.id.clone()]);
        let log = store.events_after(room, Seq(0), 10).await.unwrap();
        let Durable::Chat(ChatDurable::MessageSent { content_type, mentions, .. }) = &log[0].what else { panic!("{log:?}") };
        assert_eq!((content_type, mentions.len()), (&markdown, 2), "also in the log, after the edit");
        put(&store, &event(room, ChatDurable::MessageDeleted { message: sent.id, by: ada.author() })).await.unwrap();
        assert_eq!(store.messages(room, Before::Newest, 10).await.unwrap()[0].mentions, []);
    }

    async fn a_reaction_is_given_once_and_taken_back_once(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (_, room) = channel(&store, &ada).await;
        let (_, other) = channel(&store, &ada).await;
        let sent = [message(room, &ada, "one"), message(room, &ada, "two")];
        append(&store, &sent, Attempt::First).await.unwrap();
        let batch = [
            react(room, &ada, sent[0].id, "👍", Added),
            react(room, &ada, sent[0].id, "👍", Added),
            react(room, &bob, sent[0].id, "👍", Added),
            react(room, &bob, sent[0].id, "🎉", Added),
            react(room, &bob, sent[0].id, "🎉", Removed),
            react(room, &bob, sent[0].id, "🎉", Removed),
            react(other, &bob, sent[0].id, "🎉", Added),
            react(room, &bob, EventId::generate(), "🎉", Added),
        ];
        let outcomes: Vec<_> = store.append(&batch, Attempt::First).await.unwrap();
        let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|appended| appended.seq)).collect();
        let unknown = || refused(ReactionRefused::Message(MessageRefused::Unknown));
        let expected = [
            Ok(Seq(3)), refused(ReactionRefused::Unchanged), Ok(Seq(4)), Ok(Seq(5)), Ok(Seq(6)),
            refused(ReactionRefused::Unchanged), unknown(), unknown(),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(put(&store, &batch[0]).await.map(|_| ()), Err(NotAppended::Effect(ReactionRefused::Unchanged.into())));
        let deleted = event(room, ChatDurable::MessageDeleted { message: sent[0].id, by: ada.author() });
        put(&store, &deleted).await.unwrap();
        let late = put(&store, &react(room, &bob, sent[0].id, "🎉", Added)).await;
        let gone = ReactionRefused::Message(MessageRefused::Deleted);
        assert_eq!(late.map(|_| ()), Err(NotAppended::Effect(gone.into())));
    }

    async fn a_message_has_a_bounded_number_of_different_reactions(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (_, room) = channel(&store, &ada).await;
        let sent = message(room, &ada, "one");
        append(&store, std::slice::from_ref(&sent), Attempt::First).await.unwrap();
        let animals: Vec<String> = ('\u{1f400}'..).take(limits::REACTIONS_PER_MESSAGE_MAX + 1).map(String::from).collect();
        let (last, first) = animals.split_last().unwrap();
        let given: Vec<_> = first.iter().map(|emoji| react(room, &ada, sent.id, emoji, Added)).collect();
        append(&store, &given, Attempt::First).await.unwrap();
        let too_many = put(&store, &react(room, &bob, sent.id, last, Added)).await;
        assert_eq!(too_many.map(|_| ()), Err(NotAppended::Effect(ReactionRefused::TooMany.into())));
        put(&store, &react(room, &bob, sent.id, &first[0], Added)).await.unwrap();
        put(&store, &react(room, &ada, sent.id, &first[1], Removed)).await.unwrap();
        put(&store, &react(room, &bob, sent.id, last, Added)).await.unwrap();
    }
}
