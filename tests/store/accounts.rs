//! Users: unique names regardless of case, logins, and users provisioned from a token.

use convene::{
    core::profile::Role,
    ids::UserId,
    store::{NewUser, Store, StoreError, TokenUser},
};

use crate::fixture::{Database, on_both, user};

fn new_user(username: &str, email: Option<&str>) -> NewUser {
    NewUser {
        username: username.into(),
        email: email.map(Into::into),
        display_name: username.to_uppercase(),
        password_hash: "hash".into(),
    }
}

fn token_user(id: &str, username: Option<&str>, email: Option<&str>) -> TokenUser {
    TokenUser {
        id: UserId::new(id).unwrap(),
        username: username.map(Into::into),
        email: email.map(Into::into),
        display_name: None,
    }
}

async fn names_of(store: &Store, query: &str, limit: i64) -> Vec<String> {
    store.search_users(query, limit).await.unwrap().iter().map(|user| user.username.to_string()).collect()
}

on_both! {
    async fn a_new_user_is_found_by_id_and_name(database: Database) {
        let store = database.store().await;
        let ada = store.create_user(new_user("Ada", Some("ada@example.org"))).await.unwrap();
        let bob = store.create_user(new_user("bob", None)).await.unwrap();
        assert_eq!((&*ada.username, ada.email.as_deref(), ada.role), ("Ada", Some("ada@example.org"), Role::User));
        assert_eq!(ada.display_name, "ADA");
        assert!(ada.created_at.unix_ms > 1_700_000_000_000);
        assert_eq!(ada.tokens_not_before.unix_ms, 0);
        assert!(bob.number > ada.number);
        assert_eq!(store.user(&ada.id).await.unwrap().as_ref(), Some(&ada));
        assert_eq!(store.user_by_name("aDA").await.unwrap().as_ref(), Some(&ada));
        assert_eq!(store.user(&UserId::new("nobody").unwrap()).await.unwrap(), None);
        assert_eq!(store.user_by_name("nobody").await.unwrap(), None);
    }

    async fn names_and_addresses_are_unique_whatever_their_case(database: Database) {
        let store = database.store().await;
        store.create_user(new_user("Ünal", Some("one@example.org"))).await.unwrap();
        let taken = store.create_user(new_user("üNAL", Some("two@example.org"))).await;
        assert_eq!(taken, Err(StoreError::Taken("username")));
        let taken = store.create_user(new_user("other", Some("ONE@example.org"))).await;
        assert_eq!(taken, Err(StoreError::Taken("email")));
        // Any number of users may have no e-mail address.
        store.create_user(new_user("third", None)).await.unwrap();
        store.create_user(new_user("fourth", None)).await.unwrap();
    }

    async fn a_login_is_a_name_or_an_address_in_any_case(database: Database) {
        let store = database.store().await;
        let ada = store.create_user(new_user("Ada", Some("Ada@Example.org"))).await.unwrap();
        for login in ["ada", "ADA", "ada@example.org", "ADA@EXAMPLE.ORG"] {
            let (profile, hash) = store.credentials(login).await.unwrap().unwrap();
            assert_eq!((profile.id, hash.as_deref()), (ada.id.clone(), Some("hash")), "{login}");
        }
        for login in ["", "ad", "ada@", "ada\0", "\0", "%"] {
            assert_eq!(store.credentials(login).await.unwrap(), None, "{login:?}");
        }
    }

    async fn an_address_is_a_stronger_claim_than_a_name(database: Database) {
        let store = database.store().await;
        let impostor = store.create_user(new_user("ada@example.org", None)).await.unwrap();
        assert_eq!(store.credentials("ada@example.org").await.unwrap().unwrap().0.id, impostor.id);
        let ada = store.create_user(new_user("ada", Some("ada@example.org"))).await.unwrap();
        assert_eq!(store.credentials("ada@example.org").await.unwrap().unwrap().0.id, ada.id);
    }

    async fn a_user_first_seen_by_a_token_is_stored_once(database: Database) {
        let store = database.store().await;
        let token = token_user("idp|7", Some("grace"), Some("grace@example.org"));
        let first = store.provision_user(&token).await.unwrap();
        assert_eq!((first.id.as_str(), &*first.username, first.email.as_deref()),
            ("idp|7", "grace", Some("grace@example.org")));
        assert_eq!(store.provision_user(&token_user("idp|7", Some("renamed"), None)).await.unwrap(), first);
        // Without a password, login is not possible.
        assert_eq!(store.credentials("grace").await.unwrap().unwrap().1, None);
        let unnamed = store.provision_user(&token_user("idp|8", None, None)).await.unwrap();
        assert_eq!(&*unnamed.username, "idp|8");
    }

    async fn a_taken_name_gets_a_suffix_and_a_taken_address_is_dropped(database: Database) {
        let store = database.store().await;
        user(&store, "grace").await;
        let same = store.provision_user(&token_user("1", Some("GRACE"), Some("Grace@example.org"))).await.unwrap();
        assert!(same.username.starts_with("GRACE-"), "{}", same.username);
        assert_eq!(same.email, None);
        let long = "x".repeat(64);
        store.provision_user(&token_user("2", Some(&long), None)).await.unwrap();
        let other = store.provision_user(&token_user("3", Some(&long), None)).await.unwrap();
        assert_eq!(other.username.chars().count(), 64);
        assert_ne!(&*other.username, long);
    }

    async fn a_user_first_seen_at_many_places_at_once_is_one(database: Database) {
        let stores = [database.store().await, database.store().await];
        let token = token_user("idp|9", Some("many"), Some("many@example.org"));
        let tasks: Vec<_> = (0..16).map(|turn| {
            let (store, token) = (stores[turn % 2].clone(), token.clone());
            tokio::spawn(async move { store.provision_user(&token).await.unwrap() })
        }).collect();
        for task in tasks {
            let profile = task.await.unwrap();
            assert_eq!((&*profile.username, profile.email.as_deref()), ("many", Some("many@example.org")));
        }
    }

    async fn many_users_are_looked_up_at_once(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let mut ids: Vec<_> = (0..2_500).map(|n| UserId::new(format!("absent-{n}")).unwrap()).collect();
        ids.insert(0, ada.id.clone());
        ids.push(bob.id.clone());
        let found = store.users_by_ids(&ids).await.unwrap();
        assert_eq!(found, [ada, bob]);
        assert_eq!(store.users_by_ids(&[]).await.unwrap(), []);
    }

    async fn a_search_finds_beginnings_in_any_case(database: Database) {
        let store = database.store().await;
        for name in ["anna", "Annika", "an%", "ann_", "bert", "Ångström"] {
            store.create_user(new_user(name, None)).await.unwrap();
        }
        let mut named = new_user("zoe", None);
        named.display_name = "Annabel".into();
        store.create_user(named).await.unwrap();
        assert_eq!(names_of(&store, "ANN", 20).await, ["ann_", "anna", "Annika", "zoe"]);
        assert_eq!(names_of(&store, "ann", 2).await, ["ann_", "anna"]);
        assert_eq!(names_of(&store, "an%", 20).await, ["an%"]);
        assert_eq!(names_of(&store, "å", 20).await, ["Ångström"]);
        assert_eq!(names_of(&store, "n", 20).await, [""; 0]);
        assert_eq!(names_of(&store, "", 20).await.len(), 7);
    }

    async fn text_without_a_place_in_postgres_is_replaced(database: Database) {
        let store = database.store().await;
        let user = store.create_user(new_user("nul\0name", None)).await.unwrap();
        assert_eq!(&*user.username, "nul\u{fffd}name");
        assert_eq!(store.user_by_name("NUL\0name").await.unwrap().unwrap().id, user.id);
    }
}
