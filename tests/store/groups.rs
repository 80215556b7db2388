//! Groups, members and channels.

use convene::{
    ids::{GroupId, UserId},
    store::{ChannelMedium, GroupRole, StoreError},
};

use crate::fixture::{Database, on_both, user};

on_both! {
    async fn whoever_makes_a_group_owns_it(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let group = store.create_group(&ada.id, "Bücher", Some("for readers")).await.unwrap();
        assert_eq!((group.name.as_str(), group.description.as_deref()), ("Bücher", Some("for readers")));
        assert_eq!((&group.owner, group.role), (&ada.id, Some(GroupRole::Owner)));
        let seen = store.group(group.id, &ada.id).await.unwrap().unwrap();
        assert_eq!((seen.role, seen.created_at), (Some(GroupRole::Owner), group.created_at));
        assert_eq!(store.group(group.id, &bob.id).await.unwrap().unwrap().role, None);
        assert!(store.group(GroupId::generate(), &ada.id).await.unwrap().is_none());
        assert_eq!(store.groups_of(&ada.id).await.unwrap().len(), 1);
        assert_eq!(store.groups_of(&bob.id).await.unwrap().len(), 0);
    }

    async fn a_group_without_its_owner_is_not_made(database: Database) {
        let store = database.store().await;
        let nobody = UserId::new("nobody").unwrap();
        assert_eq!(store.create_group(&nobody, "x", None).await.err(), Some(StoreError::Missing));
        let ada = user(&store, "ada").await;
        assert_eq!(store.groups_of(&ada.id).await.unwrap().len(), 0);
    }

    async fn members_come_and_go(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let group = store.create_group(&ada.id, "g", None).await.unwrap().id;
        let member = store.add_group_member(group, &bob.id, GroupRole::Moderator).await.unwrap();
        assert_eq!((&member.profile, member.role), (&bob, GroupRole::Moderator));
        assert_eq!(store.group_role(group, &bob.id).await.unwrap(), Some(GroupRole::Moderator));
        let members = store.group_members(group).await.unwrap();
        let mut names: Vec<_> = members.iter().map(|member| (&*member.profile.username, member.role)).collect();
        names.sort_unstable();
        assert_eq!(names, [("ada", GroupRole::Owner), ("bob", GroupRole::Moderator)]);
        assert_eq!(store.groups_of(&bob.id).await.unwrap()[0].role, Some(GroupRole::Moderator));
        assert!(store.remove_group_member(group, &bob.id).await.unwrap());
        assert!(!store.remove_group_member(group, &bob.id).await.unwrap());
        assert_eq!(store.group_role(group, &bob.id).await.unwrap(), None);
    }

    async fn a_member_is_added_once_and_only_where_both_exist(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let group = store.create_group(&ada.id, "g", None).await.unwrap().id;
        let again = store.add_group_member(group, &ada.id, GroupRole::Member).await;
        assert_eq!(again.err(), Some(StoreError::Taken("membership")));
        assert_eq!(store.group_role(group, &ada.id).await.unwrap(), Some(GroupRole::Owner));
        let nobody = UserId::new("nobody").unwrap();
        let absent = store.add_group_member(group, &nobody, GroupRole::Member).await;
        assert_eq!(absent.err(), Some(StoreError::Missing));
        let nowhere = store.add_group_member(GroupId::generate(), &ada.id, GroupRole::Member).await;
        assert_eq!(nowhere.err(), Some(StoreError::Missing));
    }

    async fn channels_have_names_of_their_own_in_their_group(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let one = store.create_group(&ada.id, "one", None).await.unwrap().id;
        let two = store.create_group(&ada.id, "two", None).await.unwrap().id;
        let general = store.create_channel(one, "General", ChannelMedium::Text, &ada.id).await.unwrap();
        assert_eq!((general.group, general.name.as_str(), general.medium), (one, "General", ChannelMedium::Text));
        let same = store.create_channel(one, "gENERAL", ChannelMedium::Voice, &ada.id).await;
        assert_eq!(same.err(), Some(StoreError::Taken("name")));
        store.create_channel(two, "general", ChannelMedium::Video, &ada.id).await.unwrap();
        let nowhere = store.create_channel(GroupId::generate(), "x", ChannelMedium::Text, &ada.id).await;
        assert_eq!(nowhere.err(), Some(StoreError::Missing));
        store.create_channel(one, "calls", ChannelMedium::Voice, &ada.id).await.unwrap();
        let channels = store.channels_of(one).await.unwrap();
        let names: Vec<_> = channels.iter().map(|channel| (channel.name.as_str(), channel.medium)).collect();
        assert_eq!(names, [("General", ChannelMedium::Text), ("calls", ChannelMedium::Voice)]);
        assert_eq!(channels[0].id, general.id);
        assert_eq!(store.channels_of(GroupId::generate()).await.unwrap().len(), 0);
    }
}
