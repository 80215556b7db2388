//! The index is complete, whatever was stored before it existed and whoever writes it.

use convene::{limits, store::Backend};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::*;
use crate::fixture::connect;

async fn execute(database: &Database, sql: &str) {
    match Backend::of_url(&database.url).unwrap() {
        Backend::Postgres => connect(&database.url).await.unwrap().batch_execute(sql).await.unwrap(),
        Backend::Sqlite => {
            SqliteConnection::establish(&database.file().to_string_lossy()).unwrap().batch_execute(sql).unwrap();
        }
    }
}

/// Makes the database what a migration makes of one with messages.
async fn forget_the_index(database: &Database) {
    let (all, highest) = match Backend::of_url(&database.url).unwrap() {
        Backend::Postgres => ("", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
        Backend::Sqlite => {
            ("INSERT INTO message_words (message_words) VALUES ('delete-all');", "x'ffffffffffffffffffffffffffffffff'")
        }
    };
    let sql = format!(
        "{all} DELETE FROM search_queue; DELETE FROM message_search; DELETE FROM search_buckets; \
         UPDATE search_state SET bucket = NULL, old_bucket = NULL, old_before = {highest}"
    );
    execute(database, &sql).await;
}

on_both! {
    async fn messages_from_before_search_existed_are_indexed_in_steps(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let per_step = usize::try_from(limits::INDEXED_PER_COMMIT).unwrap();
        let old: Vec<Append> = (0..per_step * 2 + 10).map(|n| at(i64::try_from(n).unwrap(), message(room, &ada, &format!("old {n}")))).collect();
        put(&store, &old).await;
        put(&store, &[delete(room, &ada, old[3].id), edit(room, &ada, old[4].id, "old and changed")]).await;
        put(&store, &[typed(room, &ada, "old secret", ContentType::Encrypted)]).await;
        forget_the_index(&database).await;
        let page = find(&store, &ada, &wanted("old")).await;
        assert!(page.found.is_empty() && !page.is_complete, "{page:?}");
        put(&store, &[at(5_000, message(room, &ada, "old but new"))]).await;

        let step = store.index_messages().await.unwrap();
        assert_eq!((step.new, step.old, step.is_old_done, step.has_more), (1, per_step, false, true));
        let page = find(&store, &ada, &Wanted { limit: 2, ..wanted("old") }).await;
        assert_eq!(contents(&page), ["old but new".to_owned(), format!("old {}", old.len() - 1)], "the newest first");
        assert!(!page.is_complete);
        let mut steps = 1;
        while store.index_messages().await.unwrap().has_more {
            steps += 1;
        }
        assert!(steps <= 4, "{steps}");
        let (all, _) = all_pages(&store, &ada, wanted("old")).await;
        assert_eq!(all.len(), old.len() - 1 + 1, "without the deleted and the encrypted one, with the new one");
        assert!(find(&store, &ada, &wanted("old")).await.is_complete);
        assert_eq!(found(&store, &ada, "changed").await, ["old and changed"]);
        assert_eq!(index_all(&store).await, 0);
    }

    async fn two_nodes_that_index_at_once_index_each_message_once(database: Database) {
        let (one, two) = (database.store().await, database.store().await);
        let ada = user(&one, "ada").await;
        let (_, room) = channel(&one, &ada).await;
        let count = 600;
        for n in 0..count / 200 {
            let batch: Vec<Append> = (0..200).map(|at_n| at(n * 200 + at_n, message(room, &ada, "word"))).collect();
            put(&one, &batch).await;
        }
        let work = |store: Store| async move {
            let mut indexed = 0;
            while is_pending(&store).await {
                indexed += store.index_messages().await.unwrap().new;
            }
            indexed
        };
        let (first, second) = tokio::join!(work(one.clone()), work(two));
        assert_eq!(first + second, usize::try_from(count).unwrap());
        let (all, _) = all_pages(&one, &ada, wanted("word")).await;
        assert_eq!(all.len(), usize::try_from(count).unwrap());
    }

    async fn messages_of_one_moment_have_numbers_of_their_own(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let count = 1_500;
        for _ in 0..3 {
            put(&store, &(0..count / 3).map(|_| at(0, message(room, &ada, "word"))).collect::<Vec<_>>()).await;
            index_all(&store).await;
        }
        let (all, _) = all_pages(&store, &ada, wanted("word")).await;
        assert_eq!(all.len(), count);
    }

    async fn more_messages_than_are_searched_unindexed_make_the_answer_incomplete(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let most = limits::SEARCH_PENDING_MAX;
        put(&store, &(0..most).map(|n| at(n, message(room, &ada, &format!("word {n}")))).collect::<Vec<_>>()).await;
        assert!(find(&store, &ada, &wanted("word")).await.is_complete);
        put(&store, &[at(most, message(room, &ada, "word and one more"))]).await;
        let page = find(&store, &ada, &Wanted { limit: 1, ..wanted("word") }).await;
        assert_eq!((contents(&page), page.is_complete), (vec!["word and one more".to_owned()], false));
        index_all(&store).await;
        assert!(find(&store, &ada, &wanted("word")).await.is_complete);
        assert_eq!(found(&store, &ada, "\"word 0\"").await, ["word 0"]);
    }

    async fn a_row_that_other_programs_delete_is_not_found_any_more(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        put(&store, &[at(0, message(room, &ada, "word of mouth")), at(1, message(room, &ada, "word of honour"))]).await;
        index_all(&store).await;
        execute(&database, "DELETE FROM messages WHERE content = 'word of mouth'").await;
        for _state in ["pending", "indexed"] {
            assert_eq!(found(&store, &ada, "word").await, ["word of honour"]);
            index_all(&store).await;
        }
        execute(&database, "DELETE FROM rooms").await;
        assert_eq!(found(&store, &ada, "word").await, [""; 0]);
    }
}

async fn is_pending(store: &Store) -> bool {
    !store.search_start(0, i64::MAX).await.unwrap().pending.is_empty()
}
