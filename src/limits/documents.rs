//! Bounds of collaborative documents.

use std::time::Duration;

/// Characters of a document's id.
pub const DOCUMENT_ID_CHARS_MAX: usize = 128;
/// Bytes of a binary message of an editor, and of a document, encoded.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Versions of a document's text that edits by line and column may refer to.
pub const DOCUMENT_HISTORY_MAX: usize = 1_000;
/// Changes within these versions.
pub const DOCUMENT_HISTORY_CHANGES_MAX: usize = 20_000;
/// Stored updates that the draft of an edit may lack; beyond, a new draft is made.
pub const DOCUMENT_DRAFT_BEHIND_MAX: usize = 1_000;
/// How long a socket may wait with its token, where a message brings it (PROTOCOL 8.29).
pub const LATE_TOKEN_MAX: Duration = Duration::from_secs(10);
/// Bytes that such a socket may send before.
pub const LATE_TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are read from it at a time.
pub const LATE_TOKEN_READ_BYTES: usize = 4 * 1024;
/// Clients whose awareness one socket may send: one per open editor of a page.
pub const AWARENESS_CLIENTS_PER_SOCKET_MAX: usize = 8;
/// Bytes of the awareness of one client.
pub const AWARENESS_STATE_BYTES_MAX: usize = 4 * 1024;
/// After this time without a message a client's awareness ends. Clients repeat it every 15 seconds.
pub const AWARENESS_EXPIRY: Duration = Duration::from_secs(30);
/// How often users who edit by line and column are shown to Yjs editors again.
pub const AWARENESS_RENEWAL: Duration = Duration::from_secs(15);
/// How often expired awareness is looked for.
pub const AWARENESS_SWEEP: Duration = Duration::from_secs(5);
/// Events of a document since its stored state, above which the state is stored again.
pub const DOCUMENT_COMPACT_EVENTS: i64 = 500;
/// Bytes of updates since the stored state, above which the state is stored again.
pub const DOCUMENT_COMPACT_BYTES: usize = 1024 * 1024;
/// Events of a document that are read at a time.
pub const DOCUMENT_EVENTS_PER_READ: usize = 2_000;
/// Clients whose awareness one message may contain.
pub const AWARENESS_STATES_PER_MESSAGE_MAX: usize = 1_000;
/// How long the comparison of two versions of a document may take; after it, the rest is one change.
pub const DOCUMENT_COMPARE_MAX: Duration = Duration::from_millis(200);
/// Documents in one page of a list by default.
pub const PAGE_DOCUMENTS_DEFAULT: i64 = 50;
/// Documents in one page of a list.
pub const PAGE_DOCUMENTS_MAX: i64 = 100;
/// Versions in one page of a list by default.
pub const PAGE_VERSIONS_DEFAULT: i64 = 50;
/// Versions in one page of a list.
pub const PAGE_VERSIONS_MAX: i64 = 100;
/// Named versions of a document.
pub const DOCUMENT_VERSIONS_MAX: i64 = 1_000;
/// Document sockets of a user by default; more close the oldest.
pub const DOCUMENT_CONNECTIONS_DEFAULT: usize = 100;
/// Updates in a row of one socket that build on missing ones; each is answered by what is there.
pub const DOCUMENT_GAPS_IN_A_ROW_MAX: u32 = 16;
/// Changes in one edit by line and column.
pub const DOCUMENT_CHANGES_MAX: usize = 100;
/// Characters that one change inserts.
pub const DOCUMENT_TEXT_CHARS_MAX: usize = 32 * 1024;
/// Characters of the name of a version.
pub const DOCUMENT_VERSION_NAME_CHARS_MAX: usize = 128;
/// Edits by line and column of one document that wait for the one before them.
pub const DOCUMENT_EDITS_QUEUED_MAX: usize = 1_000;
/// How long the versions of a text are kept after the last editor by line and column has left.
pub const DOCUMENT_FOLLOWED_AFTERWARDS: Duration = Duration::from_secs(60);
