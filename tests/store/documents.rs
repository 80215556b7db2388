//! Documents: rights, the log that appends do not trim, stored states, and named versions.

use std::sync::Arc;

use convene::{
    core::{
        document::{DocumentAccess, DocumentRole},
        event::{DocumentDurable, Durable},
        profile::Profile,
    },
    ids::{DocumentId, EventId, RoomId, Seq, Timestamp},
    store::{Append, Attempt, DocumentState, QueueFor, RoomRef, Store, StoreError, StoreOptions},
};

use crate::fixture::{Database, append, on_both, user};

const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_001_000 };

fn id(name: &str) -> DocumentId {
    DocumentId::new(name).unwrap()
}

fn updated(room: RoomId, author: &Profile, update: &[u8]) -> Append {
    let what = Arc::new(Durable::Document(DocumentDurable::updated(author.author(), update.into())));
    Append { room, id: EventId::generate(), at: TIME, what, queue_for: QueueFor::default(), client_message_id: None }
}

/// All updates after a place.
async fn updates(store: &Store, room: RoomId, after: i64) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let read = store.read_document_updates(room, Seq(after), |seq, update| {
        found.extend(update.map(|update| (seq.0, update.to_vec())));
    });
    read.await.unwrap();
    found
}

on_both! {
    async fn who_opens_a_document_first_owns_it(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        assert!(store.document(&id("notes/1"), &ada.id).await.unwrap().is_none());
        let made = store.create_document(&id("notes/1"), &ada.id).await.unwrap();
        let again = store.create_document(&id("notes/1"), &bob.id).await.unwrap();
        assert_eq!((again.identity.clone(), again.owner), (made.identity.clone(), Some(ada.id.clone())));
        assert_eq!((made.access, made.membership), (DocumentAccess::Edit, Some(DocumentRole::Owner)));
        assert_eq!(again.membership, None);
        assert_eq!(made.identity.scope.document(), Some(&id("notes/1")));
        assert_eq!(store.room(made.identity.id).await.unwrap(), Some(made.identity.clone()));
        assert_eq!(store.room_head(made.identity.id).await.unwrap().unwrap().seq, Seq(0));
    }

    async fn the_higher_of_both_rights_counts(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.create_document(&id("d"), &ada.id).await.unwrap().identity.id;
        let role = async || {
            let access = store.access(&RoomRef::Document(id("d")), &bob.id).await.unwrap().unwrap();
            access.right.document_role()
        };
        assert_eq!(role().await, Some(DocumentRole::Editor));
        store.set_document_access(room, DocumentAccess::Private).await.unwrap();
        assert_eq!(role().await, None);
        store.set_document_member(room, &bob.id, DocumentRole::Commenter).await.unwrap();
        assert_eq!(role().await, Some(DocumentRole::Commenter));
        store.set_document_member(room, &bob.id, DocumentRole::Editor).await.unwrap();
        assert_eq!(role().await, Some(DocumentRole::Editor));
        let members: Vec<_> = store.document_members(room).await.unwrap().into_iter().map(|(user, role)| (user.id, role)).collect();
        assert_eq!(members, [(bob.id.clone(), DocumentRole::Editor)]);
        assert!(store.remove_document_member(room, &bob.id).await.unwrap());
        assert!(!store.remove_document_member(room, &bob.id).await.unwrap());
        store.set_document_access(room, DocumentAccess::View).await.unwrap();
        assert_eq!(role().await, Some(DocumentRole::Viewer));
        let nobody = RoomId::generate();
        assert_eq!(store.set_document_access(nobody, DocumentAccess::View).await, Err(StoreError::Missing));
    }

    async fn updates_are_kept_until_a_state_contains_them(database: Database) {
        let options = StoreOptions { recovery_events_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let ada = user(&store, "ada").await;
        let room = store.create_document(&id("d"), &ada.id).await.unwrap().identity.id;
        // more than are kept for recovery, over several milestones at which other rooms are trimmed
        for batch in 0..8_u8 {
            let some: Vec<_> = (0..50_u8).map(|at| updated(room, &ada, &[batch, at, 0, 255])).collect();
            append(&store, &some, Attempt::First).await.unwrap();
        }
        let all = updates(&store, room, 0).await;
        assert_eq!(all.len(), 400);
        assert_eq!((all[0].clone(), all[399].clone()), ((1, vec![0, 0, 0, 255]), (400, vec![7, 49, 0, 255])));
        assert_eq!(store.document_state(room).await.unwrap(), None);
        let state = |seq, update: &[u8]| DocumentState { seq: Seq(seq), update: update.to_vec() };
        store.store_document_state(room, state(300, b"300")).await.unwrap();
        // an older one, of a slower node, changes nothing
        store.store_document_state(room, state(200, b"200")).await.unwrap();
        assert_eq!(store.document_state(room).await.unwrap(), Some(state(300, b"300")));
        assert_eq!(updates(&store, room, 300).await.len(), 100);
        assert_eq!(store.oldest_kept(room).await.unwrap(), Some(Seq(291)), "the last ones are kept for other nodes");
        store.store_document_state(room, state(400, b"\x00400")).await.unwrap();
        assert_eq!(store.document_state(room).await.unwrap(), Some(state(400, b"\x00400")));
    }

    async fn a_retried_update_keeps_its_place(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let room = store.create_document(&id("d"), &ada.id).await.unwrap().identity.id;
        let one = [updated(room, &ada, b"update")];
        append(&store, &one, Attempt::First).await.unwrap();
        let again = store.append(&one, Attempt::Again).await.unwrap().remove(0).unwrap();
        assert_eq!((again.seq, &*again.what), (Seq(1), &*one[0].what));
        assert_eq!(updates(&store, room, 0).await, [(1, b"update".to_vec())]);
    }

    async fn versions_are_numbered_and_read_back(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let room = store.create_document(&id("d"), &ada.id).await.unwrap().identity.id;
        for (seq, name) in [(3, Some("first \0 one")), (7, None)] {
            let state = DocumentState { seq: Seq(seq), update: vec![seq as u8; 3] };
            store.add_document_version(room, state, ada.author(), name.map(Into::into), TIME).await.unwrap();
        }
        let all = store.document_versions(room, None, 10).await.unwrap();
        let shown: Vec<_> = all.iter().map(|version| (version.number, version.seq, version.name.as_deref())).collect();
        assert_eq!(shown, [(2, Seq(7), None), (1, Seq(3), Some("first \u{fffd} one"))]);
        assert_eq!(store.document_versions(room, Some(2), 10).await.unwrap().len(), 1);
        let (version, state) = store.document_version(room, 1).await.unwrap().unwrap();
        assert_eq!((version.author.id, state), (ada.id.clone(), vec![3; 3]));
        assert_eq!(store.document_version(room, 3).await.unwrap(), None);
    }
}
