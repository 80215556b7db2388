//! Spaces: visible to those who may see them, never with more members than places, never with members but no admin.

use convene::{
    core::{
        profile::Profile,
        space::{SpaceRefused, SpaceRole},
    },
    ids::RoomId,
    store::{NewSpace, PageOf, Right, RoomRef, Space, SpaceChange, Store, StoreError, Visibility},
};

use crate::{
    fixture::{Database, on_both, user},
    invites::{accept, invite},
};

pub const ALL: PageOf = PageOf { offset: 0, limit: 1_000 };

/// A space to create with so many places.
pub fn new(name: &str, visibility: Visibility, capacity: u32) -> NewSpace {
    NewSpace { name: name.into(), visibility, capacity, interest_radius: None }
}

/// Creates a private space with so many places.
pub async fn space(store: &Store, owner: &Profile, capacity: u32) -> Space {
    store.create_space(&owner.id, &new("Atrium", Visibility::Private, capacity)).await.unwrap().space
}

/// Makes the user a member.
pub async fn admit(store: &Store, admin: &Profile, user: &Profile, space: RoomId) {
    let sent = invite(store, admin, user, space).await.unwrap();
    accept(store, user, sent.invite.id).await.unwrap();
}

async fn members(store: &Store, space: RoomId) -> Vec<(String, SpaceRole)> {
    let found = store.space_members(space, ALL).await.unwrap();
    assert_eq!(found.total as usize, found.items.len());
    found.items.into_iter().map(|member| (member.profile.username.to_string(), member.role)).collect()
}

/// The number of members that the space itself knows.
pub async fn counted(store: &Store, admin: &Profile, space: RoomId) -> u32 {
    store.space(space, &admin.id).await.unwrap().expect("the space").space.members
}

on_both! {
    async fn the_creator_is_the_admin_and_takes_a_place(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let created = store.create_space(&ada.id, &NewSpace { interest_radius: Some(40), ..new("Atrium", Visibility::Open, 2) }).await.unwrap();
        assert_eq!((created.role, created.space.members, created.space.is_full()), (Some(SpaceRole::Admin), 1, false));
        assert_eq!((created.space.interest_radius, created.space.owner.as_ref()), (Some(40), Some(&ada.id)));
        let id = created.space.id;
        assert_eq!(store.space(id, &ada.id).await.unwrap(), Some(created));
        assert_eq!(store.space(id, &bob.id).await.unwrap().unwrap().role, None);
        assert_eq!(store.space(RoomId::generate(), &ada.id).await.unwrap(), None);
        assert_eq!(members(&store, id).await, [("ada".into(), SpaceRole::Admin)]);
        let alone = store.create_space(&ada.id, &new("Cell", Visibility::Private, 0)).await;
        assert!(matches!(alone, Err(StoreError::Taken(_))), "{alone:?}");
    }

    async fn a_space_is_a_room_whose_access_is_its_own(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 1).await.id;
        let access = store.access(&RoomRef::Space(id), &bob.id).await.unwrap().unwrap();
        assert_eq!(access.right, Right::Space { visibility: Visibility::Private, role: None, is_full: true });
        assert_eq!(store.room(id).await.unwrap().as_ref(), Some(&access.identity));
        assert!(store.is_participant(&access.identity, &ada.id).await.unwrap());
        assert!(!store.is_participant(&access.identity, &bob.id).await.unwrap());
        assert_eq!(store.participants(&access.identity).await.unwrap().len(), 1);
        assert_eq!(store.conversation_access(&id.to_string(), &ada.id).await.unwrap().map(|found| found.identity), None);
    }

    async fn a_user_sees_own_spaces_first_and_then_public_ones(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        for (owner, name, visibility) in [
            (&ada, "hidden", Visibility::Private),
            (&ada, "square", Visibility::Open),
            (&bob, "own", Visibility::Private),
        ] {
            store.create_space(&owner.id, &new(name, visibility, 5)).await.unwrap();
        }
        let found = store.spaces(&bob.id, ALL).await.unwrap();
        let names: Vec<_> = found.items.iter().map(|found| (&*found.space.name, found.role)).collect();
        assert_eq!((names, found.total), (vec![("own", Some(SpaceRole::Admin)), ("square", None)], 2));
        let second = store.spaces(&bob.id, PageOf { offset: 1, limit: 5 }).await.unwrap();
        assert_eq!((second.items.len(), second.total, &*second.items[0].space.name), (1, 2, "square"));
    }

    async fn changes_keep_what_is_not_named_and_the_members(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 3).await.id;
        admit(&store, &ada, &bob, id).await;
        assert_eq!(store.change_space(id, &SpaceChange::default()).await.unwrap(), Ok(()));
        let change = SpaceChange { name: Some("Hall".into()), visibility: Some(Visibility::Open), capacity: Some(2), interest_radius: Some(Some(9)) };
        assert_eq!(store.change_space(id, &change).await.unwrap(), Ok(()));
        let changed = store.space(id, &ada.id).await.unwrap().unwrap().space;
        assert_eq!((&*changed.name, changed.visibility, changed.capacity, changed.interest_radius), ("Hall", Visibility::Open, 2, Some(9)));
        let smaller = SpaceChange { capacity: Some(1), ..SpaceChange::default() };
        assert_eq!(store.change_space(id, &smaller).await.unwrap(), Err(SpaceRefused::TooSmall));
        assert_eq!(store.change_space(RoomId::generate(), &smaller).await.unwrap(), Err(SpaceRefused::NoSuchSpace));
        assert_eq!(store.space(id, &ada.id).await.unwrap().unwrap().space, changed);
    }

    async fn the_last_admin_stays_while_there_are_others(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let id = space(&store, &ada, 5).await.id;
        admit(&store, &ada, &bob, id).await;
        assert_eq!(store.remove_space_member(id, &ada.id).await.unwrap(), Err(SpaceRefused::LastAdmin));
        assert_eq!(store.set_space_role(id, &ada.id, SpaceRole::Member).await.unwrap().map(|_| ()), Err(SpaceRefused::LastAdmin));
        let promoted = store.set_space_role(id, &bob.id, SpaceRole::Admin).await.unwrap().unwrap();
        assert_eq!((promoted.profile.id, promoted.role), (bob.id.clone(), SpaceRole::Admin));
        assert_eq!(store.remove_space_member(id, &ada.id).await.unwrap(), Ok(()));
        assert_eq!(store.remove_space_member(id, &ada.id).await.unwrap(), Err(SpaceRefused::NoSuchMember));
        assert_eq!(members(&store, id).await, [("bob".into(), SpaceRole::Admin)]);
        // who is alone may go
        assert_eq!(store.remove_space_member(id, &bob.id).await.unwrap(), Ok(()));
        assert_eq!(counted(&store, &ada, id).await, 0);
        assert_eq!(store.remove_space_member(RoomId::generate(), &bob.id).await.unwrap(), Err(SpaceRefused::NoSuchSpace));
    }

    async fn two_admins_who_leave_at_once_do_not_leave_the_others_alone(database: Database) {
        let store = database.store().await;
        let (ada, bob, cy) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "cy").await);
        for _ in 0..8 {
            let id = space(&store, &ada, 5).await.id;
            admit(&store, &ada, &bob, id).await;
            admit(&store, &ada, &cy, id).await;
            store.set_space_role(id, &bob.id, SpaceRole::Admin).await.unwrap().unwrap();
            let (first, second) = tokio::join!(store.remove_space_member(id, &ada.id), store.remove_space_member(id, &bob.id));
            let refused = [first.unwrap(), second.unwrap()].into_iter().filter_map(Result::err).collect::<Vec<_>>();
            assert_eq!(refused, [SpaceRefused::LastAdmin]);
            assert_eq!(members(&store, id).await.len(), 2);
        }
    }

    async fn users_who_can_be_invited_are_found_by_their_names_page_by_page(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        for name in ["bob", "bobby", "carol", "Dan"] {
            user(&store, name).await;
        }
        let id = space(&store, &ada, 9).await.id;
        let find = async |search: &str, page: PageOf| {
            let found = store.invitable_users(id, search, page).await.unwrap();
            (found.items.iter().map(|found| found.username.to_string()).collect::<Vec<_>>(), found.total)
        };
        assert_eq!(find("", ALL).await, (vec!["bob".into(), "bobby".into(), "carol".into(), "Dan".into()], 4));
        assert_eq!(find("BO", ALL).await, (vec!["bob".into(), "bobby".into()], 2));
        assert_eq!(find("", PageOf { offset: 1, limit: 2 }).await, (vec!["bobby".into(), "carol".into()], 4));
        assert_eq!(find("ad", ALL).await, (vec![], 0));
        let bob = store.user_by_name("bob").await.unwrap().unwrap();
        admit(&store, &ada, &bob, id).await;
        assert_eq!(find("bo", ALL).await, (vec!["bobby".into()], 1));
        assert_eq!(store.space_member_ids(id).await.unwrap().len(), 2);
    }
}
