//! Bounds of full-text search: what a query may ask, what one request reads, and how messages are indexed.

use std::time::Duration;

/// Characters of a query.
pub const SEARCH_QUERY_CHARS_MAX: usize = 256;
/// Words and phrases in a query, with the excluded ones.
pub const SEARCH_TERMS_MAX: usize = 16;
/// Words in all phrases of a query together.
pub const SEARCH_ATOMS_MAX: usize = 64;
/// Characters of a word in the index. A longer word is indexed by its beginning and compared as a whole.
pub const SEARCH_WORD_CHARS_MAX: usize = 64;
/// Characters of an extract.
pub const SEARCH_EXTRACT_CHARS_MAX: usize = 240;
/// Characters of an extract before its first match.
pub const SEARCH_EXTRACT_CHARS_BEFORE: usize = 60;
/// Matches of a message that are considered as the beginning of its extract.
pub const SEARCH_EXTRACT_STARTS_MAX: usize = 32;
/// Messages found in a page.
pub const PAGE_FOUND_MAX: i64 = 50;
/// Messages found in a page by default.
pub const PAGE_FOUND_DEFAULT: i64 = 20;
/// The newest matches among which the best ones are chosen.
pub const SEARCH_RANKED_MAX: usize = 500;
/// Candidates of one request whose rooms are checked. A page that needs more ends early, and its cursor continues.
pub const SEARCH_EXAMINED_MAX: usize = 10_000;
/// Messages of one request whose texts are read. A page that needs more ends early, and its cursor continues.
pub const SEARCH_TEXTS_MAX: usize = 1_000;
/// Candidates whose rooms and texts are read together.
pub const SEARCH_CHUNK: usize = 100;
/// Candidates that are examined before a search in which most are of rooms that the user may not read is confined to those
/// that the user may read.
pub const SEARCH_EXAMINED_UNCONFINED: usize = 1_000;
/// Groups and rooms to which a search is confined. The search of a user who has more is not.
pub const SEARCH_AUDIENCES_MAX: usize = 128;
/// Candidates in the first read of a part of the index.
pub const SEARCH_READ_FIRST: usize = 128;
/// Candidates in one read of the index.
pub const SEARCH_READ_MAX: usize = 2_048;
/// By how much each read is larger than the one before.
pub const SEARCH_READ_GROWTH: usize = 4;
/// Buckets of the index in one read.
pub const SEARCH_BUCKETS_AT_ONCE: usize = 64;
/// Messages in a bucket of the index, after which a new one begins. It bounds what the search for a common word or prefix
/// reads at least, and the number of buckets in which a rare one is looked up.
pub const SEARCH_BUCKET_MESSAGES: i64 = 16 * 1024;
/// Messages that are not indexed yet and are searched nevertheless. If there are more, the oldest of them are not found, and
/// the answer says that it is not complete.
pub const SEARCH_PENDING_MAX: i64 = 1_000;
/// Searches of one node at the same time. Further ones wait.
pub const SEARCHES_AT_ONCE: usize = 4;
/// Searches that may wait. Further ones are refused.
pub const SEARCHES_WAITING_MAX: usize = 64;
/// Messages that are indexed in one transaction, which delays other writes to SQLite.
pub const INDEXED_PER_COMMIT: i64 = 200;
/// How often an idle node looks for messages to index.
pub const INDEX_PERIOD: Duration = Duration::from_secs(1);
/// The shortest pause between two transactions of indexing. The pause is as long as the transaction took, so that indexing
/// takes at most half of the database's time.
pub const INDEX_PAUSE_MIN: Duration = Duration::from_millis(5);
/// How often the progress of indexing the messages of an older release is logged.
pub const INDEX_PROGRESS_TOLD: Duration = Duration::from_secs(10);
