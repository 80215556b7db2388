//! Uploaded files: one writer at a time, and nothing counts that a writer stored after losing its lease.

use convene::{
    ids::{FileId, Timestamp, UserId},
    store::{Advance, Advanced, AfterAdvance, Begun, Claim, FilePart, FileQuota, FileRecord, Lease, NewFile, Store},
};
use uuid::Uuid;

use crate::fixture::{Database, on_both, user};

/// Far in the future.
const LATER: Timestamp = Timestamp { unix_ms: 4_000_000_000_000 };
const LONG_AGO: Timestamp = Timestamp { unix_ms: 1 };
const NO_QUOTA: FileQuota = FileQuota { bytes_max: None, files_max: None, unfinished_max: 100 };

fn new_file(owner: &UserId, size_bytes: u64) -> NewFile {
    let (name, mime_type) = ("a.bin".to_owned(), "application/octet-stream".to_owned());
    let (id, owner, metadata) = (FileId::generate(), owner.clone(), Some("filename YS5iaW4=, x".to_owned()));
    NewFile { id, owner, name, mime_type, metadata, size_bytes, room: None, expires_at: LATER }
}

async fn begun(store: &Store, owner: &UserId, size_bytes: u64) -> FileRecord {
    match store.begin_file(new_file(owner, size_bytes), NO_QUOTA).await.unwrap() {
        Begun::Yes(file) => file,
        other => panic!("{other:?}"),
    }
}

fn advance(file: FileId, lease: Lease, from: u64, to: u64) -> Advance {
    let parts = vec![FilePart { start: from, length: to - from, name: format!("{from}-{}", lease.0) }];
    Advance { id: file, lease, parts, from, to, expires_at: LATER, then: AfterAdvance::GoOn }
}

on_both! {
    async fn one_writes_at_a_time_and_the_silent_one_yields(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let file = begun(&store, &ada.id, 30).await.id;
        let (first, second) = (Lease(Uuid::new_v4()), Lease(Uuid::new_v4()));
        assert!(matches!(store.claim_file(file, first, LONG_AGO).await.unwrap(), Claim::Yes(_)));
        assert_eq!(store.claim_file(file, second, LONG_AGO).await.unwrap(), Claim::Held);
        assert_eq!(store.advance_file(advance(file, first, 0, 10)).await.unwrap(), Advanced::Kept);
        assert!(store.file(file).await.unwrap().unwrap().written_at.is_some());
        // A part that grows stays one part.
        let grown = Advance { parts: vec![FilePart { start: 0, length: 20, name: format!("0-{}", first.0) }], ..advance(file, first, 10, 20) };
        assert_eq!(store.advance_file(grown).await.unwrap(), Advanced::Kept);
        let Claim::Yes(taken) = store.claim_file(file, second, LATER).await.unwrap() else { panic!("silent since") };
        assert_eq!(taken.received_bytes, 20);
        assert_eq!(store.advance_file(advance(file, first, 20, 30)).await.unwrap(), Advanced::Lost, "its turn is over");
        let last = Advance { then: AfterAdvance::Release, ..advance(file, second, 20, 30) };
        assert_eq!(store.advance_file(last).await.unwrap(), Advanced::Complete);
        let kept = store.file(file).await.unwrap().unwrap();
        assert!(kept.is_complete() && kept.written_at.is_none());
        let Claim::Yes(_) = store.claim_file(file, first, LATER).await.unwrap() else { panic!("nobody writes") };
        let nothing = Advance { parts: vec![], ..advance(file, first, 30, 30) };
        assert_eq!(store.advance_file(nothing).await.unwrap(), Advanced::Kept, "it was complete before");
        let parts: Vec<_> = store.file_parts(file).await.unwrap().iter().map(|part| (part.start, part.length)).collect();
        assert_eq!(parts, [(0, 20), (20, 10)]);
    }

    async fn quotas_count_what_was_begun_in_full(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        begun(&store, &ada.id, 600).await;
        let quota = FileQuota { bytes_max: Some(1_000), files_max: None, unfinished_max: 2 };
        let begin = async |owner: &UserId, size| store.begin_file(new_file(owner, size), quota).await.unwrap();
        assert_eq!(begin(&ada.id, 401).await, Begun::TooMuch { used_bytes: 600 });
        assert!(matches!(begin(&bob.id, 1_000).await, Begun::Yes(_)));
        assert!(matches!(begin(&ada.id, 400).await, Begun::Yes(_)));
        assert_eq!(begin(&ada.id, 0).await, Begun::TooMany);
    }

    async fn pieces_with_a_hole_between_them_are_not_kept(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let file = begun(&store, &ada.id, 30).await.id;
        let lease = Lease(Uuid::new_v4());
        assert!(matches!(store.claim_file(file, lease, LONG_AGO).await.unwrap(), Claim::Yes(_)));
        let part = |start, length| FilePart { start, length, name: format!("{start}") };
        for parts in [vec![], vec![part(0, 9)], vec![part(0, 11)], vec![part(1, 9)], vec![part(0, 4), part(5, 5)], vec![part(0, 6), part(5, 5)]] {
            let broken = Advance { parts, ..advance(file, lease, 0, 10) };
            store.advance_file(broken).await.unwrap_err();
        }
        assert_eq!(store.file(file).await.unwrap().unwrap().received_bytes, 0);
        let whole = Advance { parts: vec![part(0, 4), part(4, 6)], ..advance(file, lease, 0, 10) };
        assert_eq!(store.advance_file(whole).await.unwrap(), Advanced::Kept);
    }

    async fn files_are_counted_and_what_was_said_of_them_is_kept(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let quota = FileQuota { bytes_max: Some(u64::MAX), files_max: Some(2), unfinished_max: 100 };
        let begin = async |owner: &UserId, size| store.begin_file(new_file(owner, size), quota).await.unwrap();
        let Begun::Yes(first) = begin(&ada.id, 0).await else { panic!("there is room") };
        assert_eq!(store.file_metadata(first.id).await.unwrap().as_deref(), Some("filename YS5iaW4=, x"));
        assert!(matches!(begin(&ada.id, 1 << 50).await, Begun::Yes(_)));
        assert_eq!(begin(&ada.id, 0).await, Begun::TooManyFiles);
        assert!(matches!(begin(&bob.id, 1).await, Begun::Yes(_)));
    }

    async fn uploads_that_begin_at_once_share_one_quota(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let quota = FileQuota { bytes_max: Some(500), files_max: None, unfinished_max: 100 };
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (store, file) = (store.clone(), new_file(&ada.id, 100));
                tokio::spawn(async move { store.begin_file(file, quota).await.unwrap() })
            })
            .collect();
        let mut taken = 0;
        for task in tasks {
            taken += usize::from(matches!(task.await.unwrap(), Begun::Yes(_)));
        }
        assert_eq!(taken, 5);
    }

    async fn a_doomed_file_is_found_by_nobody_but_who_removes_it(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (file, other) = (begun(&store, &ada.id, 10).await.id, begun(&store, &ada.id, 0).await.id);
        let lease = Lease(Uuid::new_v4());
        assert!(matches!(store.claim_file(file, lease, LONG_AGO).await.unwrap(), Claim::Yes(_)));
        store.doom_file(file).await.unwrap();
        assert_eq!(store.file(file).await.unwrap(), None);
        assert_eq!(store.advance_file(advance(file, lease, 0, 10)).await.unwrap(), Advanced::Lost);
        assert_eq!(store.claim_file(file, lease, LATER).await.unwrap(), Claim::Gone);
        assert_eq!(store.expired_files(10).await.unwrap(), [file]);
        store.forget_file(file).await.unwrap();
        store.forget_file(other).await.unwrap();
        assert_eq!(store.expired_files(10).await.unwrap(), []);
        let left: Vec<_> = store.files_of(&ada.id, None, 10).await.unwrap().into_iter().map(|file| file.id).collect();
        assert_eq!(left, [other], "only what was doomed is forgotten");
    }
}
