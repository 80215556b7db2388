//! Devices that encrypt messages end to end: bounds, and prekeys that are given out once, whoever asks at the same time.

use std::collections::HashSet;

use convene::{
    core::command::RawJson,
    ids::{DeviceId, RoomName, UserId},
    limits,
    store::{Device, NewDevice, Prekey, PutDevice, Store},
};
use futures_util::future::join_all;

use crate::fixture::{Database, channel, on_both, user};

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

fn prekeys(range: std::ops::Range<usize>) -> Vec<Prekey> {
    range.map(|n| Prekey { id: format!("k{n}"), key: format!("key {n}") }).collect()
}

fn device(name: &str, keys: &str, prekeys: Vec<Prekey>) -> NewDevice {
    NewDevice { id: id(name), name: Some(name.to_owned()), keys: RawJson::from_parsed(keys), prekeys }
}

async fn put(store: &Store, user: &UserId, new: NewDevice) -> Device {
    match store.put_device(user, &new).await.unwrap() {
        PutDevice::Added(device) | PutDevice::Updated(device) => device,
        refused @ (PutDevice::TooManyDevices | PutDevice::TooManyPrekeys) => panic!("{refused:?}"),
    }
}

on_both! {
    async fn no_prekey_is_given_out_twice_whoever_asks_at_the_same_time(database: Database) {
        const PREKEYS: usize = 60;
        const CLAIMANTS: usize = 8;
        let nodes = [database.store().await, database.store().await];
        let ada = user(&nodes[0], "ada").await.id;
        for name in ["laptop", "phone"] {
            put(&nodes[0], &ada, device(name, "{}", prekeys(0..PREKEYS))).await;
        }
        let mut claimants = Vec::new();
        for n in 0..CLAIMANTS {
            claimants.push(user(&nodes[0], &format!("user{n}")).await.id);
        }
        // 80 claims of 60 prekeys
        let each = limits::PREKEYS_PER_CLAIMANT_MAX as usize;
        let claims = claimants.iter().enumerate().flat_map(|(n, claimant)| {
            let (node, ada) = (&nodes[n % 2], &ada);
            (0..each).map(move |_| node.claim_prekeys(ada, None, claimant))
        });
        let mut given = [Vec::new(), Vec::new()];
        for claimed in join_all(claims).await {
            let claimed = claimed.unwrap();
            assert_eq!(claimed.iter().map(|one| one.device.as_str()).collect::<Vec<_>>(), ["laptop", "phone"]);
            for (of_device, one) in given.iter_mut().zip(claimed) {
                of_device.extend(one.prekey.map(|prekey| prekey.id));
            }
        }
        for of_device in given {
            assert_eq!(of_device.len(), PREKEYS);
            assert_eq!(of_device.iter().collect::<HashSet<_>>().len(), PREKEYS, "{of_device:?}");
        }
    }

    async fn nobody_uses_up_the_prekeys_of_a_device(database: Database) {
        let store = database.store().await;
        let (ada, eve) = (user(&store, "ada").await.id, user(&store, "eve").await.id);
        put(&store, &ada, device("laptop", "{}", prekeys(0..50))).await;
        for n in 1..=limits::PREKEYS_PER_CLAIMANT_MAX {
            let claimed = store.claim_prekeys(&ada, None, &eve).await.unwrap();
            assert!(claimed[0].prekey.is_some());
            assert_eq!(claimed[0].left, 50 - n);
        }
        let claimed = store.claim_prekeys(&ada, None, &eve).await.unwrap();
        assert_eq!((&claimed[0].prekey, claimed[0].left), (&None, 40), "she has got enough for today");
        assert_eq!(store.claim_prekeys(&ada, Some(&[id("other")]), &eve).await.unwrap(), []);
    }

    async fn an_upload_can_be_repeated_and_offers_nothing_again(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await.id, user(&store, "bob").await.id);
        let added = store.put_device(&ada, &device("laptop", r#"{"k":1}"#, prekeys(0..5))).await.unwrap();
        assert!(matches!(&added, PutDevice::Added(device) if device.prekeys_left == 5), "{added:?}");
        let first = store.claim_prekeys(&ada, None, &bob).await.unwrap().remove(0).prekey.unwrap();
        let again = put(&store, &ada, device("laptop", r#"{"k":1}"#, prekeys(0..7))).await;
        assert_eq!((again.prekeys_left, again.keys.as_str()), (6, r#"{"k":1}"#), "what was given out is not offered again");
        for _ in 0..6 {
            let claimed = store.claim_prekeys(&ada, Some(&[id("laptop")]), &bob).await.unwrap().remove(0);
            assert_ne!(claimed.prekey.unwrap().id, first.id);
        }
        // prekeys of earlier keys are of no use
        put(&store, &ada, device("laptop", r#"{"k":1}"#, prekeys(7..9))).await;
        let other = put(&store, &ada, device("laptop", r#"{"k":2}"#, prekeys(0..1))).await;
        assert_eq!((other.prekeys_left, other.keys.as_str()), (1, r#"{"k":2}"#));
        assert_eq!(store.devices(&ada).await.unwrap(), [other]);
        assert!(store.remove_device(&ada, &id("laptop")).await.unwrap());
        assert!(!store.remove_device(&ada, &id("laptop")).await.unwrap());
        assert_eq!(store.claim_prekeys(&ada, None, &bob).await.unwrap(), []);
    }

    async fn devices_and_prekeys_are_bounded(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await.id, user(&store, "bob").await.id);
        for n in 0..limits::DEVICES_PER_USER_MAX {
            put(&store, &ada, device(&format!("d{n:02}"), "{}", Vec::new())).await;
        }
        let more = device("more", "{}", Vec::new());
        assert_eq!(store.put_device(&ada, &more).await.unwrap(), PutDevice::TooManyDevices);
        put(&store, &bob, more).await;
        let most = limits::PREKEYS_PER_DEVICE_MAX;
        put(&store, &ada, device("d00", "{}", prekeys(0..most))).await;
        let further = device("d00", "{}", prekeys(most..most + 1));
        assert_eq!(store.put_device(&ada, &further).await.unwrap(), PutDevice::TooManyPrekeys);
        assert_eq!(store.device(&ada, &id("d00")).await.unwrap().unwrap().prekeys_left, most as i64);
        store.claim_prekeys(&ada, Some(&[id("d00")]), &bob).await.unwrap();
        assert_eq!(put(&store, &ada, further).await.prekeys_left, most as i64);
    }

    async fn who_shares_a_conversation_is_known(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let share = async |one: &UserId, other: &UserId| {
            let both = [store.share_conversation(one, other).await.unwrap(), store.share_conversation(other, one).await.unwrap()];
            assert_eq!(both[0], both[1]);
            both[0]
        };
        assert!(!share(&ada.id, &bob.id).await);
        store.direct_room(&ada.id, &bob.id).await.unwrap();
        assert!(share(&ada.id, &bob.id).await);
        let (group, _) = channel(&store, &ada).await;
        assert!(!share(&ada.id, &eve.id).await);
        store.add_group_member(group, &eve.id, convene::store::GroupRole::Member).await.unwrap();
        assert!(share(&ada.id, &eve.id).await);
        let lobby = store.create_open_room(&RoomName::new("lobby").unwrap(), &bob.id).await.unwrap().identity;
        store.add_participant(lobby.id, &bob.id).await.unwrap();
        assert!(!share(&bob.id, &eve.id).await);
        store.add_participant(lobby.id, &eve.id).await.unwrap();
        assert!(share(&bob.id, &eve.id).await);
    }
}
