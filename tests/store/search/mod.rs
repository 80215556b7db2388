//! Search finds the same on both databases, whether a message is indexed already or not, and only what the user may read.

mod index;
mod model;
mod rights;

use std::sync::Arc;

use convene::{
    auth::policy::{RoomPattern, Subject},
    core::{
        event::{ChatDurable, ContentType, Durable, Secrecy},
        profile::{Profile, Role},
        search::{Extract, Query},
    },
    ids::{EventId, RoomId, Timestamp, UserId},
    services::search::{FoundPage, Order, Search, Wanted},
    store::{Append, Attempt, QueueFor, Store},
};

use crate::fixture::{Database, append, channel, message, on_both, user};

/// The time of the first message of a test.
const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_000_000 };

/// A message at that many seconds.
fn at(seconds: i64, append: Append) -> Append {
    Append { at: TIME.plus_ms(seconds * 1000), ..append }
}

fn event(room: RoomId, what: ChatDurable) -> Append {
    let what = Arc::new(Durable::Chat(what));
    let (at, queue_for) = (TIME.plus_ms(9_999_000), QueueFor::default());
    Append { room, id: EventId::generate(), at, what, queue_for, client_message_id: None }
}

fn edit(room: RoomId, editor: &Profile, message: EventId, content: &str) -> Append {
    event(
        room,
        ChatDurable::MessageEdited {
            message,
            editor: editor.author(),
            content: content.into(),
            secrecy: Secrecy::Plain,
        },
    )
}

fn delete(room: RoomId, by: &Profile, message: EventId) -> Append {
    event(room, ChatDurable::MessageDeleted { message, by: by.author() })
}

fn typed(room: RoomId, sender: &Profile, content: &str, content_type: ContentType) -> Append {
    let (sender, content) = (sender.author(), content.into());
    event(room, ChatDurable::MessageSent { sender, content, content_type, attachments: vec![], mentions: vec![] })
}

async fn put(store: &Store, batch: &[Append]) {
    append(store, batch, Attempt::First).await.unwrap();
}

/// Indexes everything. Returns how many messages that were.
async fn index_all(store: &Store) -> usize {
    let mut count = 0;
    loop {
        let done = store.index_messages().await.unwrap();
        count += done.new + done.old;
        if !done.has_more {
            return count;
        }
    }
}

fn wanted(query: &str) -> Wanted {
    Wanted {
        query: Query::parse(query).unwrap(),
        room: None,
        sender: None,
        after: None,
        before: None,
        order: Order::Newest(None),
        limit: 50,
    }
}

async fn find_as(store: &Store, user: &UserId, rooms: Option<&[RoomPattern]>, wanted: &Wanted) -> FoundPage {
    Search::new(store.clone(), Arc::default()).find(Subject { user, role: Role::User, rooms }, wanted).await.unwrap()
}

async fn find(store: &Store, user: &Profile, wanted: &Wanted) -> FoundPage {
    find_as(store, &user.id, None, wanted).await
}

fn contents(page: &FoundPage) -> Vec<String> {
    page.found.iter().map(|found| found.message.content.clone()).collect()
}

/// What the user finds with a query.
async fn found(store: &Store, user: &Profile, query: &str) -> Vec<String> {
    let page = find(store, user, &wanted(query)).await;
    assert!(page.is_complete && page.next.is_none(), "{page:?}");
    contents(&page)
}

/// All pages of a search, with the number of pages.
async fn all_pages(store: &Store, user: &Profile, mut wanted: Wanted) -> (Vec<String>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = find(store, user, &wanted).await;
        assert!(page.found.len() <= wanted.limit);
        pages += 1;
        all.extend(contents(&page));
        match page.next {
            Some(next) => wanted.order = next,
            None => return (all, pages),
        }
    }
}

fn marked(extract: &Extract) -> String {
    let part = |(is_match, text): (bool, &str)| if is_match { format!("[{text}]") } else { text.to_owned() };
    extract.parts.iter().map(|one| part((one.is_match, &one.text))).collect()
}

on_both! {
    async fn words_phrases_and_prefixes_are_found_before_and_after_indexing(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let texts = ["The quick brown fox", "quick: a BROWN dog", "Café in 東京都", "nothing of it", "don't go to example.com", "!!!"];
        let batch: Vec<Append> = (0..).zip(texts).map(|(n, text)| at(n, message(room, &ada, text))).collect();
        put(&store, &batch).await;
        for state in ["pending", "indexed"] {
            for (query, expected) in [
                ("quick", vec![texts[1], texts[0]]),
                ("BROWN quick", vec![texts[1], texts[0]]),
                ("\"quick brown\"", vec![texts[0]]),
                ("\"brown quick\"", vec![]),
                ("qui*", vec![texts[1], texts[0]]),
                ("qui", vec![]),
                ("quick -fox", vec![texts[1]]),
                ("quick -\"a brown\"", vec![texts[0]]),
                ("quick -do*", vec![texts[0]]),
                ("cafe", vec![texts[2]]),
                ("京都", vec![texts[2]]),
                ("都", vec![texts[2]]),
                ("京東", vec![]),
                ("don't", vec![texts[4]]),
                ("example.com go", vec![texts[4]]),
                ("notabot", vec![]),
            ] {
                assert_eq!(found(&store, &ada, query).await, expected, "{query} {state}");
            }
            index_all(&store).await;
        }
        let page = find(&store, &ada, &wanted("\"quick brown\" fox")).await;
        assert_eq!(marked(&page.found[0].extract), "The [quick brown] [fox]");
    }

    async fn the_databases_own_query_syntax_means_nothing(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let text = "it's \"quoted\" \\ 100% :* & | ! ( ) <-> NEAR AND OR NOT w00000it r00000";
        put(&store, &[message(room, &ada, text)]).await;
        for state in ["pending", "indexed"] {
            for (query, count) in [
                ("\"it's", 1), ("quoted\"", 1), ("it\0s", 1), ("it' | nothing", 0), ("NOT it", 1), ("it NEAR 100", 1), ("(it):*", 1),
                ("it \\''", 1), ("words:it", 0), ("r00000*", 1), ("w00000it", 1), ("it OR nothing", 0), ("^it", 1), ("'it':ABCD", 0),
            ] {
                assert_eq!(found(&store, &ada, query).await.len(), count, "{query} {state}");
            }
            index_all(&store).await;
        }
    }

    async fn an_edit_is_found_by_its_new_text_and_a_deleted_message_never(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let batch = [at(1, message(room, &ada, "alpha one")), at(2, message(room, &ada, "alpha two")), at(3, message(room, &ada, "alpha three"))];
        put(&store, &batch).await;
        index_all(&store).await;
        put(&store, &[edit(room, &ada, batch[0].id, "beta one"), delete(room, &ada, batch[1].id)]).await;
        for state in ["pending", "indexed"] {
            assert_eq!(found(&store, &ada, "alpha").await, ["alpha three"], "{state}");
            assert_eq!(found(&store, &ada, "beta").await, ["beta one"], "{state}");
            assert_eq!(found(&store, &ada, "one").await, ["beta one"], "{state}");
            assert_eq!(found(&store, &ada, "one -alpha").await, ["beta one"], "{state}");
            assert_eq!(found(&store, &ada, "two").await, [""; 0], "{state}");
            index_all(&store).await;
        }
        put(&store, &[edit(room, &ada, batch[0].id, "alpha again"), delete(room, &ada, batch[2].id)]).await;
        for state in ["pending", "indexed"] {
            assert_eq!(found(&store, &ada, "alpha").await, ["alpha again"], "{state}");
            assert_eq!(found(&store, &ada, "beta").await, [""; 0], "{state}");
            index_all(&store).await;
        }
    }

    async fn an_encrypted_message_is_neither_found_nor_indexed(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let secret = typed(room, &ada, "secret words", ContentType::Encrypted);
        put(&store, std::slice::from_ref(&secret)).await;
        assert_eq!(index_all(&store).await, 0, "it is not even queued");
        assert_eq!(found(&store, &ada, "secret").await, [""; 0]);
        put(&store, &[typed(room, &ada, "marked *words*", ContentType::Other("markdown".into()))]).await;
        // an edit queues the message again
        let (message, editor, content) = (secret.id, ada.author(), "secret again".into());
        put(&store, &[event(room, ChatDurable::MessageEdited { message, editor, content, secrecy: Secrecy::Encrypted })]).await;
        for _state in ["pending", "indexed"] {
            assert_eq!(found(&store, &ada, "words").await, ["marked *words*"]);
            assert_eq!(found(&store, &ada, "secret").await, [""; 0]);
            index_all(&store).await;
        }
    }

    async fn room_sender_and_time_confine_a_search(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
        let notes = store.direct_room(&ada.id, &ada.id).await.unwrap().id;
        let batch = [
            at(1, message(direct, &ada, "tea 1")),
            at(2, message(direct, &bob, "tea 2")),
            at(3, message(notes, &ada, "tea 3")),
            at(4, message(direct, &ada, "tea 4")),
        ];
        put(&store, &batch).await;
        let second = |n: i64| Some(TIME.plus_ms(n * 1000));
        for state in ["pending", "indexed"] {
            for (wanted, expected) in [
                (Wanted { room: Some(direct), ..wanted("tea") }, vec!["tea 4", "tea 2", "tea 1"]),
                (Wanted { room: Some(direct), sender: Some(ada.id.clone()), ..wanted("tea") }, vec!["tea 4", "tea 1"]),
                (Wanted { sender: Some(bob.id.clone()), ..wanted("tea") }, vec!["tea 2"]),
                (Wanted { after: second(2), before: second(4), ..wanted("tea") }, vec!["tea 3", "tea 2"]),
                (Wanted { before: second(2), ..wanted("tea") }, vec!["tea 1"]),
                (Wanted { after: second(5), ..wanted("tea") }, vec![]),
                (Wanted { after: second(4), before: second(1), ..wanted("tea") }, vec![]),
            ] {
                assert_eq!(contents(&find(&store, &ada, &wanted).await), expected, "{wanted:?} {state}");
            }
            index_all(&store).await;
        }
    }

    async fn pages_continue_where_the_last_one_ended_while_messages_are_indexed_and_sent(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let (_, other) = channel(&store, &ada).await;
        // several messages of one moment, in two rooms, some of them indexed
        let text = |n: i64| format!("word {n}");
        let batch: Vec<Append> = (0..40).map(|n| at(n / 8, message(if n % 2 == 0 { room } else { other }, &ada, &text(n)))).collect();
        put(&store, &batch[..20]).await;
        index_all(&store).await;
        put(&store, &batch[20..]).await;
        let mut wanted = Wanted { limit: 3, ..wanted("word") };
        let (mut all, mut pages) = (Vec::new(), 0);
        loop {
            let page = find(&store, &ada, &wanted).await;
            all.extend(contents(&page));
            pages += 1;
            if pages == 4 {
                index_all(&store).await;
                put(&store, &[at(50, message(room, &ada, "word of later"))]).await;
            }
            match page.next {
                Some(next) => wanted.order = next,
                None => break,
            }
        }
        let times: Vec<i64> = all.iter().map(|text| text[5..].parse::<i64>().unwrap() / 8).collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "newest first: {all:?}");
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), pages), (40, 14), "{all:?}");
    }

    async fn the_best_matches_come_first_if_that_is_wanted(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let filler = "and so on and on ".repeat(10);
        let texts = [format!("plan {filler} release"), "the release plan, release plan".into(), "release of a new plan".into(), "release".into()];
        put(&store, &(0..).zip(&texts).map(|(n, text)| at(n, message(room, &ada, text))).collect::<Vec<_>>()).await;
        for limit in [1, 2, 50] {
            let wanted = Wanted { order: Order::Best(None), limit, ..wanted("release plan") };
            let (best, pages) = all_pages(&store, &ada, wanted).await;
            assert_eq!(best, [texts[1].as_str(), &texts[2], &texts[0]]);
            assert_eq!(pages, 3_usize.div_ceil(limit));
            index_all(&store).await;
        }
        // a message that is sent meanwhile does not move the others
        let first = find(&store, &ada, &Wanted { order: Order::Best(None), limit: 1, ..wanted("release plan") }).await;
        put(&store, &[at(9, message(room, &ada, "release plan release plan"))]).await;
        let (rest, _) = all_pages(&store, &ada, Wanted { order: first.next.unwrap(), limit: 1, ..wanted("release plan") }).await;
        assert_eq!(rest, [texts[2].as_str(), &texts[0]]);
    }
}
