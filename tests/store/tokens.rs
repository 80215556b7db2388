//! Refresh tokens: each can be used once, and again shortly afterwards. Reusing a stolen one ends its login.

use convene::{
    ids::{Timestamp, TokenId, UserId},
    limits,
    store::{RefreshRecord, RefreshUse, Store},
};
use uuid::Uuid;

use crate::fixture::{Database, on_both, user};

/// Far in the future.
const LATER: Timestamp = Timestamp { unix_ms: 4_000_000_000_000 };

fn record(user: &UserId) -> RefreshRecord {
    RefreshRecord { id: TokenId::generate(), family: Uuid::now_v7(), user: user.clone(), expires_at: LATER }
}

async fn login(store: &Store, user: &UserId) -> RefreshRecord {
    let record = record(user);
    store.save_refresh(&record).await.unwrap();
    record
}

/// Uses the token and returns its successor.
async fn rotate(store: &Store, token: &RefreshRecord) -> (RefreshUse, RefreshRecord) {
    let successor = RefreshRecord { family: token.family, ..record(&token.user) };
    (store.use_refresh(token.id, &successor).await.unwrap(), successor)
}

on_both! {
    async fn a_token_is_good_for_one_use(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let first = login(&store, &ada.id).await;
        let (used, second) = rotate(&store, &first).await;
        assert_eq!(used, RefreshUse::Rotated);
        let (used, third) = rotate(&store, &second).await;
        assert_eq!(used, RefreshUse::Rotated);
        // A token that is reused later may be stolen: all tokens of this login become invalid.
        assert_eq!(rotate(&store, &first).await.0, RefreshUse::Reused);
        assert_eq!(rotate(&store, &third).await.0, RefreshUse::Unknown);
        assert_eq!(rotate(&store, &first).await.0, RefreshUse::Unknown);
    }

    async fn a_repetition_gets_a_successor_of_its_own_until_one_was_used(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let first = login(&store, &ada.id).await;
        let (_, second) = rotate(&store, &first).await;
        // A second tab, or a client that did not receive the response.
        let (used, twin) = rotate(&store, &first).await;
        assert_eq!(used, RefreshUse::Rotated);
        assert_eq!(rotate(&store, &twin).await.0, RefreshUse::Rotated);
        let (used, third) = rotate(&store, &second).await;
        assert_eq!(used, RefreshUse::Rotated);
        // Now the first one is old.
        assert_eq!(rotate(&store, &first).await.0, RefreshUse::Reused);
        assert_eq!(rotate(&store, &third).await.0, RefreshUse::Unknown);
    }

    async fn another_login_is_not_touched(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (phone, desk) = (login(&store, &ada.id).await, login(&store, &ada.id).await);
        let (_, next) = rotate(&store, &phone).await;
        let (_, next) = rotate(&store, &next).await;
        assert_eq!(rotate(&store, &phone).await.0, RefreshUse::Reused);
        assert_eq!(rotate(&store, &next).await.0, RefreshUse::Unknown);
        assert_eq!(rotate(&store, &desk).await.0, RefreshUse::Rotated);
    }

    async fn what_is_unknown_expired_or_another_users_is_refused(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        assert_eq!(rotate(&store, &record(&ada.id)).await.0, RefreshUse::Unknown);
        let expired = RefreshRecord { expires_at: Timestamp { unix_ms: 1 }, ..record(&ada.id) };
        store.save_refresh(&expired).await.unwrap();
        assert_eq!(rotate(&store, &expired).await.0, RefreshUse::Unknown);
        let good = login(&store, &ada.id).await;
        assert_eq!(store.use_refresh(good.id, &record(&bob.id)).await.unwrap(), RefreshUse::Unknown);
        assert_eq!(rotate(&store, &good).await.0, RefreshUse::Rotated);
    }

    async fn many_uses_at_once_are_repetitions_up_to_a_number(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let token = login(&stores[0], &ada.id).await;
        let tasks: Vec<_> = (0..8).map(|turn| {
            let (store, token) = (stores[turn % 2].clone(), token.clone());
            tokio::spawn(async move { rotate(&store, &token).await })
        }).collect();
        let mut successors = Vec::new();
        for task in tasks {
            let (used, successor) = task.await.unwrap();
            assert_eq!(used, RefreshUse::Rotated);
            successors.push(successor);
        }
        for successor in successors {
            assert_eq!(rotate(&stores[1], &successor).await.0, RefreshUse::Rotated);
        }
        let copied = login(&stores[0], &ada.id).await;
        for _ in 0..=limits::REFRESH_REPEATS_MAX {
            assert_eq!(rotate(&stores[0], &copied).await.0, RefreshUse::Rotated);
        }
        assert_eq!(rotate(&stores[0], &copied).await.0, RefreshUse::Reused);
    }

    async fn a_logout_ends_the_family(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let first = login(&store, &ada.id).await;
        let (_, second) = rotate(&store, &first).await;
        store.end_refresh_family(second.id).await.unwrap();
        assert_eq!(rotate(&store, &second).await.0, RefreshUse::Unknown);
        store.end_refresh_family(TokenId::generate()).await.unwrap();
    }

    async fn voided_tokens_stay_void(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (early, late) = (Timestamp { unix_ms: 1_000 }, Timestamp { unix_ms: 2_000 });
        assert_eq!(store.void_tokens(&ada.id, late).await.unwrap(), Some(late));
        assert_eq!(store.void_tokens(&ada.id, early).await.unwrap(), Some(late));
        let profile = store.user(&ada.id).await.unwrap().unwrap();
        assert_eq!(profile.tokens_not_before, late);
        let token = login(&store, &ada.id).await;
        // With a clock that is far behind that of the issuer.
        let moment = store.void_tokens(&ada.id, late).await.unwrap().unwrap();
        assert!(moment.unix_ms > (token.id.0.as_u128() >> 80) as i64);
        assert_eq!(rotate(&store, &token).await.0, RefreshUse::Unknown);
        assert_eq!(store.void_tokens(&UserId::new("nobody").unwrap(), LATER).await.unwrap(), None);
    }
}
