//! Every bound in one place. What an operator would want to change is a default here and a setting in `config/`;
//! the rest is fixed because the memory and latency figures depend on it.

mod assistant;
mod files;

use std::time::Duration;

pub use self::{assistant::*, files::*};

// ---- what a client may send ----

/// Characters of one text message from a client, all fragments together (docs/protocol.md, Limits). A character counts as
/// one whatever its script, and whether it is written as itself or as a JSON escape; so plain ASCII has 64 KiB.
pub const MESSAGE_CHARS_MAX: usize = 64 * 1024;
/// Bytes of the same, and of a binary message: room for the largest text that is allowed (a cell's text and formula) with
/// every character written as two escapes.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Characters of a chat text.
pub const CHAT_CHARS_MAX: usize = 10_000;
/// Characters of a user id.
pub const USER_ID_CHARS_MAX: usize = 128;
/// Characters of a room's, channel's or group's name.
pub const ROOM_NAME_CHARS_MAX: usize = 128;
/// Characters of a sheet's id.
pub const SHEET_ID_CHARS_MAX: usize = 128;
/// Columns of a sheet, as in the usual spreadsheets: `A` to `XFD`.
pub const SHEET_COLUMNS_MAX: u32 = 16_384;
/// Rows of a sheet, as in the usual spreadsheets.
pub const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Characters of a cell's text, as in the usual spreadsheets.
pub const CELL_TEXT_CHARS_MAX: usize = 32_767;
/// Characters of a number as it is written: every finite double fits, however it is written out.
pub const NUMBER_CHARS_MAX: usize = 400;
/// The largest whole number up to which JavaScript counts exactly.
pub const COUNT_MAX: i64 = (1 << 53) - 1;
/// Characters of a cell's formula, as in the usual spreadsheets.
pub const FORMULA_CHARS_MAX: usize = 8_192;
/// Cells in one bulk update.
pub const CELLS_PER_UPDATE_MAX: usize = 1_000;
/// The largest version that a client may say it saw where nobody was told of one so large: milliseconds and microseconds
/// since 1970 stay far below, and all that follow it are still exact numbers in JavaScript.
pub const CELL_VERSION_SENT_MAX: i64 = 1 << 52;
/// Bytes of values and formulas after which the cells of a conflict are told by their versions alone. The first is told
/// in full whatever it holds.
pub const CONFLICT_BYTES_FULL: usize = 64 * 1024;
/// Characters of the cell that a cursor is at, which may be any name that a client uses.
pub const CURSOR_CELL_CHARS_MAX: usize = 64;
/// Rooms that one socket may be in.
pub const ROOMS_PER_SOCKET_MAX: usize = 100;
/// Characters of a request's name at the assistant, of an upload's id, and of other names that clients choose.
pub const CLIENT_NAME_CHARS_MAX: usize = 128;
/// Characters of a question to the assistant.
pub const QUESTION_CHARS_MAX: usize = 8_000;
/// Characters of a file's name.
pub const FILE_NAME_CHARS_MAX: usize = 255;
/// Bytes of the percentage that a client gives of its upload, which is relayed as it came.
pub const PERCENTAGE_BYTES_MAX: usize = 32;
/// Names in one list of a notification filter.
pub const FILTER_NAMES_MAX: usize = 100;
/// Characters of one of them.
pub const FILTER_NAME_CHARS_MAX: usize = 64;
/// Characters of a group's description.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// Characters of a user name.
pub const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=64;
/// Characters of a password; argon2 reads all of them, so length costs time.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=256;
/// Characters of a display name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 128;
/// Bytes of a `ref`, which is echoed as it came.
pub const REF_BYTES_MAX: usize = 256;
/// How deep JSON may nest: far above any honest message, far below what breaks a client's parser.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of a REST body.
pub const REST_BODY_BYTES_MAX: usize = 256 * 1024;

// ---- what a socket may owe ----

/// Bytes of durable events that a slow reader may owe before it is told to go and resume.
pub const OUTBOX_DURABLE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of ephemeral events kept for a slow reader, and beside them one that is larger; more are dropped.
pub const OUTBOX_EPHEMERAL_BYTES_MAX: usize = 64 * 1024;
/// Seconds without a byte taken by the socket until it is cut. With the sweep's second this stays under ten.
pub const STALL_SECONDS_MAX: u32 = 7;
/// Seconds that a close frame may take to get out and be answered.
pub const CLOSE_GRACE_SECONDS: u32 = 2;
/// What the kernel may hold for one client; uncapped it swallows most of a megabyte before a stall shows.
pub const KERNEL_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// What the pipe of a mounted session holds, on top of the HTTP dispatcher's own buffers.
pub const MOUNTED_PIPE_BYTES_MAX: usize = 32 * 1024;
/// The read buffer that all sockets of a worker share.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Reads of one socket in one turn, so that a client which never pauses does not hold the thread.
pub const READS_PER_TURN_MAX: usize = 8;
/// Commands that may wait behind a pending one; then the socket is not read.
pub const SESSION_WAITING_MAX: usize = 64;

/// Frames for a socket that wait for its room's first word.
pub const EARLY_FRAMES_MAX: usize = 1_024;
/// Bytes of them; one more frame may come whatever its size.
pub const EARLY_BYTES_MAX: usize = 512 * 1024;
/// Bytes of small frames that are copied together for one write.
pub const WRITE_CHUNK_BYTES_MAX: usize = 64 * 1024;
/// A frame of this size is written as it is: copying it would cost more than a second write.
pub const WRITE_ALONE_BYTES_MIN: usize = 32 * 1024;
/// Batches of a room closer together than this are worth a wait for the next frame.
pub const CORK_CLOSE_TOGETHER: Duration = Duration::from_millis(4);
/// A room that waits in vain tries again after 1, 3, 7 … batches; after so many misses it gets no rarer.
pub const CORK_MISSES_MAX: u8 = 7;

// ---- mailboxes ----

/// Messages in a hub's mailbox; rooms keep what does not fit, in order.
pub const HUB_MAILBOX_MAX: usize = 16 * 1024;
/// Messages in a room's mailbox.
pub const ROOM_MAILBOX_MAX: usize = 16 * 1024;
/// Messages in the registry's mailbox. Questions come beside them, one at a time of each socket: who asks waits.
pub const REGISTRY_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the mailbox of a bridge between nodes.
pub const BRIDGE_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the mailbox of the actor that knows the other nodes.
pub const CLUSTER_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the journal's mailbox.
pub const JOURNAL_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the presence tracker's mailbox.
pub const PRESENCE_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in a session's mailbox; the last word, that it has to end, has a place beside them.
pub const SESSION_MAILBOX_MAX: usize = 256;
/// Durable events that a room keeps for a hub whose mailbox is full; then that hub's members are told to resume.
pub const ROOM_SPILL_MAX: usize = 4_096;
/// Bytes of them.
pub const ROOM_SPILL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Ephemeral events that it keeps beside them; of more, only the newest of each key.
pub const ROOM_SPILL_EPHEMERAL_MAX: usize = 1_024;
/// How soon a room tries a full hub again.
pub const SPILL_RETRY: Duration = Duration::from_millis(10);

// ---- between nodes ----

/// Bytes of one envelope from another node; a larger one is not looked into.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes after which an envelope takes no further item.
pub const ENVELOPE_BYTES_FULL: usize = 64 * 1024;
/// Bytes handed to Redis at once; what comes meanwhile goes next.
pub const PUBLISH_BYTES_AT_ONCE: usize = 1024 * 1024;
/// Bytes that may wait to be handed to Redis; more are dropped and counted.
pub const PUBLISH_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes from Redis that may wait to be brought to rooms; more are dropped and counted.
pub const INBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Channels in one SUBSCRIBE.
pub const SUBSCRIBE_CHANNELS_MAX: usize = 512;
/// How often the node says something to itself through Redis.
pub const LINK_PROBE: Duration = Duration::from_secs(1);
/// How long it may not hear itself; with `LINK_TICK` a dead link is found within 5 s.
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(4);
/// How often that is looked at.
pub const LINK_TICK: Duration = Duration::from_millis(250);
/// How long Redis may take to answer a command.
pub const REDIS_RESPONSE_MAX: Duration = Duration::from_secs(3);
/// How long connecting to Redis may take, Sentinel's or Cluster's answers included.
pub const REDIS_CONNECT_MAX: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect to Redis, growing from the first to the last.
pub const REDIS_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(2);

/// How soon a room that a full bridge did not take is attached again.
pub const ATTACH_RETRY: Duration = Duration::from_millis(100);
/// How often a bridge looks for rooms that have gone without its being told.
pub const DETACH_SWEEP: Duration = Duration::from_secs(5);

// ---- rooms ----

/// Durable events kept per room for recovery.
pub const RECOVERY_EVENTS_MAX: usize = 1_000;
/// Bytes of them kept in memory per room; older ones are read from the database.
pub const RECOVERY_BYTES_IN_MEMORY_MAX: usize = 256 * 1024;
/// Bytes of them kept in memory for all rooms of the node; rooms that find no place keep fewer.
pub const RECOVERY_BYTES_ALL_ROOMS_MAX: usize = 512 * 1024 * 1024;
/// Users named in `online_users` and `room_state`; `total_users` counts all.
pub const ONLINE_USERS_LISTED_MAX: usize = 1_000;
/// Listed users whose encoding is shared by newcomers as one piece.
pub const LISTING_SEGMENT_USERS: usize = 64;
/// How old such a piece may be: cursors and signs of life in it are as old.
pub const LISTING_FRESH: Duration = Duration::from_secs(1);
/// Bytes of what opens a room on one socket: the longest replay and the longest list. A listed user takes less than a
/// kibibyte.
pub const OPENING_BYTES_MAX: usize = 2 * REPLAY_BYTES_MAX + ONLINE_USERS_LISTED_MAX * 1024;
/// Bytes of missed events that one client is sent again: all that can be kept, each as large as a message may be. What
/// an event has beside its message makes the largest ones larger.
pub const REPLAY_BYTES_MAX: usize = RECOVERY_EVENTS_MAX * MESSAGE_CHARS_MAX;
/// A worker tells a room's members of presence at once after a quiet while, and then no more often than this: the first in
/// small rooms, the second in the largest.
pub const PRESENCE_PERIOD: std::ops::RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_millis(500);
/// How much more rarely for each member on the worker.
pub const PRESENCE_PERIOD_PER_MEMBER: Duration = Duration::from_micros(50);
/// Ends of graces that are closer together than this are told together.
pub const LEAVE_GRACE_GATHER: Duration = Duration::from_millis(25);
/// Places of one socket, or of the users of another node, in which they type at once; the oldest has stopped.
pub const TYPING_PLACES_MAX: usize = 64;
/// Sockets and nodes of a room whose typing is kept in mind.
pub const TYPISTS_MAX: usize = 10_000;
/// Who has not said for so long that typing goes on has stopped.
pub const TYPING_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often that is looked at while somebody types.
pub const TYPING_LOOK: Duration = Duration::from_secs(1);
/// Uploads that one socket has announced and not ended, of which the others are told when it ends; older ones are not.
pub const UPLOADS_ANNOUNCED_MAX: usize = 32;
/// How long an empty room stays in memory.
pub const ROOM_IDLE: Duration = Duration::from_secs(30);
/// How long a gap in the sequence may stay open before it is read from the database.
pub const GAP_WAIT: Duration = Duration::from_millis(50);
/// How long a client that comes back waits for events that the log has and the room could not read.
pub const CATCH_UP_WAIT: Duration = Duration::from_secs(4);
/// Requests of a socket that wait until its join is done; one with more is turned away.
pub const NEWCOMER_WAITING_MAX: usize = 128;
/// Events that a room holds while a gap before them is open.
pub const GAP_EVENTS_MAX: usize = 4_096;

// ---- the queue of each user ----

/// Messages, and as many notifications, that are queued per user until a socket has written them.
pub const OFFLINE_QUEUE_MAX: usize = 100;
/// Rows of the queue that a socket leases at once: notifications at their largest are half of what a slow reader may owe.
pub const QUEUE_LEASED_MAX: usize = 16;
/// Bytes of message text among them: also when every character is escaped, less than what a slow reader may owe. One
/// message is always leased.
pub const QUEUE_LEASED_BYTES_MAX: usize = 64 * 1024;
/// How long a socket that has leased some waits before it leases more, while it owes bytes; and how often it looks
/// whether they are written.
pub const QUEUE_PACE: Duration = Duration::from_millis(100);
/// How long a leased row is delivered by nobody else. Longer than a socket that takes nothing stays open; if its node
/// dies, the next socket delivers it then.
pub const QUEUE_LEASE: Duration = Duration::from_secs(15);
/// Rows that a socket remembers having been sent, so that what comes twice is sent once.
pub const QUEUE_REMEMBERED_MAX: usize = 256;
/// Direct messages that a hub has written to a socket and its session has not taken note of yet; one too many stays
/// queued, and is delivered once more to the next socket.
pub const DELIVERED_UNNOTED_MAX: usize = 4 * 1024;

// ---- open rooms ----

/// How often an observer is told of cursors, at most.
pub const CURSOR_PERIOD: Duration = Duration::from_millis(33);
/// Cursors listed in one frame.
pub const CURSORS_PER_FRAME_MAX: usize = 200;
/// In rooms of so many users everybody is told the whole state when somebody came or went. In larger ones the change is
/// told, and the state more rarely.
pub const ATTENDANCE_AT_ONCE_USERS_MAX: usize = 50;
/// Bytes a second of whole states that each member of a larger room is sent.
pub const ATTENDANCE_BYTES_PER_SECOND: u32 = 32 * 1024;
/// Bytes of one listed user in a state, near enough.
pub const ATTENDEE_BYTES: u32 = 200;
/// Users of a room of whom status, cursor and last sign of life are known.
pub const ATTENDEES_KNOWN_MAX: usize = 10_000;
/// How long a sheet counts as active after a change.
pub const SHEET_ACTIVE: Duration = Duration::from_secs(15 * 60);
/// Active sheets that are listed.
pub const ACTIVE_SHEETS_MAX: usize = 100;
/// Members in one word to other nodes about what there is to know of them.
pub const ATTENDING_PER_WORD_MAX: usize = 500;

/// Users in a private room's list of members.
pub const ROOM_MEMBERS_MAX: i64 = 1_000;
/// The largest bound on the users in an open room.
pub const ROOM_CAPACITY_MAX: u32 = 1_000_000;
/// Hours over which a room's users per hour are counted.
pub const USAGE_HOURS: i64 = 24;
/// Different users that are counted per room and hour.
pub const USAGE_USERS_MAX: usize = 100_000;
/// Rooms out of use whose users per hour are remembered.
pub const USAGES_REMEMBERED_MAX: usize = 10_000;

// ---- rooms on several nodes ----

/// Other nodes that are kept track of.
pub const PEERS_MAX: usize = 256;
/// Users in one word about a room's members.
pub const MEMBERS_PER_WORD_MAX: usize = 1_000;
/// A room tells the others at once who came or went, and then not again for so long.
pub const MEMBERS_DIFF_PERIOD: Duration = Duration::from_millis(20);
/// How often a room in use says where its part of the members stands, which heals what was lost.
pub const MEMBERS_DIGEST_PERIOD: Duration = Duration::from_secs(30);
/// How long an answer about a room's members waits for others who ask.
pub const PART_ANSWER_WAIT: Duration = Duration::from_millis(5);
/// How long a question for another node's part goes without an answer until it is asked again.
pub const PART_ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a room that begins waits for its line to the others.
pub const LISTENING_WAIT: Duration = Duration::from_millis(500);
/// How long a room that begins waits to learn who is in it elsewhere.
pub const PARTS_WAIT: Duration = Duration::from_millis(250);
/// How long a room trusts what the log said last about how far it has come, when a client comes back.
pub const LOG_ASKED_FRESH: Duration = Duration::from_millis(20);
/// Errands of REST that wait for a room to be read; more are refused.
pub const EARLY_ERRANDS_MAX: usize = 1_024;
/// Words from elsewhere that a room keeps while it is being loaded.
pub const EARLY_WORDS_MAX: usize = 4_096;

// ---- the journal ----

/// Lanes of a journal on PostgreSQL: groups that are stored side by side.
pub const JOURNAL_LANES: usize = 3;
/// Appends in one attempt on rooms that another session keeps locked.
pub const HELD_APPENDS_MAX: usize = 128;
/// Pause between such attempts when all of the rooms are still locked.
pub const HELD_RETRY: Duration = Duration::from_millis(10);
/// Appends in one commit.
pub const COMMIT_APPENDS_MAX: usize = 1_024;
/// Rows in one commit beside those of the log and the message history, such as cells: what a slow disk takes well within
/// `STORE_COMMIT_MAX`.
pub const COMMIT_ROWS_MAX: usize = 10_000;
/// Bytes of the events in one commit, which reach the members of their room at once: half of what a reader may owe. One
/// event goes whatever its size.
pub const COMMIT_BYTES_MAX: usize = 256 * 1024;
/// Appends that may wait for a commit; more are refused.
pub const JOURNAL_QUEUE_MAX: usize = 16 * 1024;
/// Bytes of their events.
pub const JOURNAL_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a durable command waits for a database that is away.
pub const STORE_PATIENCE: Duration = Duration::from_secs(4);
/// Pause between attempts on a database that is away.
pub const STORE_RETRY: Duration = Duration::from_millis(250);

// ---- the store ----

/// Connections to PostgreSQL, those of the log included.
pub const STORE_CONNECTIONS_MAX: usize = 16;
/// Of them, those kept for appends, so that reads never keep a commit waiting: two for each lane of the journal, one of them
/// for rooms that are locked.
pub const STORE_LOG_CONNECTIONS: usize = 2 * JOURNAL_LANES;
/// Threads on which the store speaks with the database.
pub const STORE_THREADS: usize = 2;
/// Connections that read a SQLite file; one more writes.
pub const STORE_SQLITE_READERS: usize = 4;
/// Ids looked up in one query.
pub const STORE_IDS_PER_QUERY: usize = 1_000;
/// Reads of one kind that go together in one query.
pub const STORE_GATHER_MAX: usize = 128;
/// Reads of one kind that wait for their turn; more are refused.
pub const STORE_GATHER_WAITING_MAX: usize = 16 * 1024;
/// How long after its first use a refresh token may be shown again: by a second tab, or by a client that did not get the
/// answer.
pub const REFRESH_REPEAT_WITHIN: Duration = Duration::from_secs(10);
/// How often it may be shown again in that time.
pub const REFRESH_REPEATS_MAX: usize = 16;
/// While the server starts, the log says this often what it waits for.
pub const START_WAIT_TOLD: Duration = Duration::from_secs(3);
/// How long a start waits for another process to let go of a SQLite database, such as one that is just stopping.
pub const DATABASE_LOCK_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
pub const DATABASE_LOCK_RETRY: Duration = Duration::from_millis(100);
/// How often a node without Redis looks whether another one uses its PostgreSQL database.
pub const NEIGHBOURS_PERIOD: Duration = Duration::from_secs(3);
/// How often it says so.
pub const NEIGHBOURS_WARNED: Duration = Duration::from_secs(600);
/// Characters of the host's name in the name of a process on PostgreSQL, which has 63 bytes.
pub const PROCESS_HOST_CHARS_MAX: usize = 40;
/// How long PostgreSQL may take to let a new connection in, from TCP to the end of the sign-in.
pub const STORE_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Names tried for a user whose token's name is taken; a suffix has 16 million values.
pub const PROVISION_ATTEMPTS_MAX: usize = 8;
/// Threads for blocking calls: each SQLite connection, and migrating.
pub const STORE_BLOCKING_THREADS_MAX: usize = 8;
/// How long a query waits for a connection, a new one's handshake included.
pub const STORE_CONNECTION_WAIT: Duration = Duration::from_secs(3);
/// How long an append on PostgreSQL waits for a room's row that another session keeps locked; then it goes without that room.
pub const STORE_ROW_LOCK_WAIT: Duration = Duration::from_millis(50);
/// How long an append that makes a sheet waits for another one that makes the same sheet.
pub const STORE_NEW_SHEET_WAIT: Duration = Duration::from_secs(1);
/// How long SQLite waits for a lock that another process holds.
pub const STORE_LOCK_WAIT: Duration = Duration::from_secs(3);
/// How long one statement, or the silence between two of a transaction, may last on PostgreSQL.
pub const STORE_STATEMENT_MAX: Duration = Duration::from_secs(8);
/// How long an answer of PostgreSQL may take to come; what it says itself about its statements comes first.
pub const STORE_ANSWER_MAX: Duration = Duration::from_secs(9);
/// The same for a commit, which clients wait for: less than `STORE_PATIENCE`, so that an outcome that is unknown is looked up
/// before clients are told so.
pub const STORE_COMMIT_MAX: Duration = Duration::from_secs(3);
/// How long migrating waits for another node that migrates.
pub const STORE_MIGRATION_WAIT: Duration = Duration::from_secs(300);
/// How often it looks whether the other one is done.
pub const STORE_MIGRATION_RETRY: Duration = Duration::from_millis(250);
/// A room's log is trimmed when its sequence passes a multiple of this.
pub const TRIM_EVERY_EVENTS: i64 = 64;

// ---- notifications ----

/// Notifications kept per user; beyond, the oldest read ones go first.
pub const NOTIFICATIONS_PER_USER_MAX: usize = 1_000;
/// Characters of a notification's title.
pub const NOTIFICATION_TITLE_CHARS_MAX: usize = 255;
/// Characters of a notification's message.
pub const NOTIFICATION_MESSAGE_CHARS_MAX: usize = 2_000;
/// Bytes of what else its sender gives.
pub const NOTIFICATION_DATA_BYTES_MAX: usize = 4 * 1024;
/// Users who get one notification at once.
pub const NOTIFIED_USERS_MAX: usize = 10_000;
/// Users whose notifications are stored in one transaction, so that other writers have their turn.
pub const NOTIFIED_PER_COMMIT: usize = 200;
/// Notifications in a page.
pub const PAGE_NOTIFICATIONS_MAX: i64 = 100;
/// Notifications in a page when not asked otherwise.
pub const PAGE_NOTIFICATIONS_DEFAULT: i64 = 50;
/// How often expired notifications are swept out.
pub const NOTIFICATIONS_SWEEP: Duration = Duration::from_secs(10 * 60);
/// How many of them at once.
pub const NOTIFICATIONS_SWEPT_MAX: i64 = 1_000;

// ---- users and connections ----

/// How long an actor waits for another's answer.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a socket may take from the first check of its token to its session: the database's longest answers, one after
/// another. Whoever takes longer is told to try again, because lost rights are remembered for this long.
pub const ADMISSION_MAX: Duration = Duration::from_secs(30);
/// Exclusions from rooms that are remembered for sockets that are being opened; if there are more, whoever read access
/// before the forgotten ones is told to try again.
pub const EXCLUSIONS_REMEMBERED_MAX: usize = 10_000;
/// Rooms in one message to other nodes about who was excluded from them.
pub const ROOMS_PER_EXCLUSION_MAX: usize = 1_000;
/// How long an administrator's act waits for a registry whose mailbox is full.
pub const EFFECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long REST waits for what it asked of a room: the room may have to be read first, then the journal has its patience.
pub const ERRAND_WAIT: Duration = Duration::from_secs(10);
/// Users that the registry remembers without a socket (profiles and buckets).
pub const USERS_REMEMBERED_MAX: usize = 50_000;
/// How long a remembered profile counts before it is read again.
pub const PROFILE_FRESH: Duration = Duration::from_secs(30);
/// Grace between a user's last socket and being offline.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(5);
/// A token's expiry is checked once a second; this is all the leeway there is.
pub const TOKEN_LEEWAY_SECONDS: u64 = 0;
/// Refusals within a minute after which a user is blocked.
pub const REFUSALS_BEFORE_BLOCK: u32 = 10;

/// How often the actors that each node has one of are asked whether they work.
pub const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);
/// How long one of them may take to answer that.
pub const WATCHDOG_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long one of them may be silent until the node is unhealthy, which health says within 5 s.
pub const WATCHDOG_SILENCE_MAX: Duration = Duration::from_secs(4);
/// How soon a socket asks again for waiting notifications when the database could not answer; at random in between.
pub const NOTIFICATIONS_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(6);

// ---- other nodes ----

/// How often a node says that it lives, and counts the silence of the others.
pub const BEAT_PERIOD: Duration = Duration::from_secs(1);
/// Beats that a node may miss until it is gone.
pub const PEER_SILENT_TICKS_MAX: u32 = 5;
/// After how long a silence a node is taken for gone.
pub const PEER_SILENCE_MAX: Duration = BEAT_PERIOD.saturating_mul(PEER_SILENT_TICKS_MAX);
/// Longest that a leaving node's users keep their places after its last beat: the longest spread and a little.
pub const PEER_LEAVING_TICKS_MAX: u32 = 610;
/// What a leaving node adds to the time over which its clients come back.
pub const LEAVING_SLACK: Duration = Duration::from_secs(2);
/// Rooms that hear of a node that came or went, at once.
pub const PEER_NEWS_ROOMS_AT_ONCE: usize = 100;
/// Pause before the next ones; 10,000 rooms have heard of it within a second.
pub const PEER_NEWS_PACE: Duration = Duration::from_millis(10);
/// How long changes of who is online gather before other nodes are told.
pub const ROSTER_GATHER: Duration = Duration::from_millis(50);
/// Entries in one word about who is online.
pub const ROSTER_ENTRIES_PER_WORD_MAX: usize = 1_000;
/// Pieces of one node's whole roster.
pub const ROSTER_PIECES_MAX: u32 = 4_096;
/// Diffs kept behind a gap.
pub const ROSTER_EARLY_DIFFS_MAX: usize = 256;
/// How often nodes tell each other what users with sockets on several of them asked for.
pub const SPENT_GATHER: Duration = Duration::from_millis(50);
/// For so long after a user came to a node, other nodes may not have heard of what was asked for there.
pub const COMING_KNOWN_WITHIN: Duration = Duration::from_secs(1);
/// How long an administrator's question waits for other nodes.
pub const GATHER_WAIT: Duration = Duration::from_secs(1);
/// Questions of administrators that wait at once.
pub const GATHERS_WAITING_MAX: usize = 64;
/// Rooms that a node names to another one, and rooms listed in an answer.
pub const ROOMS_TOLD_MAX: usize = 100_000;
/// How often rooms are compared with the log while other nodes are heard.
pub const AUDIT_PERIOD: Duration = Duration::from_secs(5);
/// The same while they are not.
pub const AUDIT_PERIOD_BLIND: Duration = Duration::from_secs(1);
/// How often users with sockets here are read again while other nodes are not heard.
pub const HEALING_PERIOD: Duration = Duration::from_secs(30);
/// Seconds over which messages per second are counted.
pub const MESSAGE_RATE_SECONDS: usize = 10;

// ---- REST ----

/// Most messages in a page of history.
pub const PAGE_MESSAGES_MAX: i64 = 100;
/// Messages in a page of history when not asked otherwise.
pub const PAGE_MESSAGES_DEFAULT: i64 = 50;
/// Blocked users in a page.
pub const PAGE_BLOCKS_MAX: i64 = 100;
/// Users that a search answers.
pub const USER_SEARCH_MAX: i64 = 20;
/// Groups, channels or members in one answer.
pub const LIST_MAX: i64 = 1_000;
/// Cells in a page of a sheet when not asked otherwise.
pub const PAGE_CELLS_DEFAULT: usize = 1_000;
/// Most cells in a page of a sheet.
pub const PAGE_CELLS_MAX: usize = 10_000;
/// Bytes of values and formulas after which a page of a sheet ends.
pub const PAGE_CELLS_BYTES_FULL: usize = 4 * 1024 * 1024;
/// Cells read from the database at once, for pages and for streams.
pub const CELLS_AT_ONCE: usize = 1_000;
/// Fields of a dense answer (rows, CSV), empty ones included.
pub const SHEET_FIELDS_MAX: u64 = 2_000_000;
/// Fields written without a pause, most of which may be empty: a stream shares its thread with sockets.
pub const FIELDS_AT_ONCE: usize = 16 * 1024;
/// Password hashes computed at once; each takes 19 MiB and a core.
pub const PASSWORD_HASHES_AT_ONCE: usize = 4;
/// Passwords that wait for their turn; more are told to come back.
pub const PASSWORD_HASHES_WAITING_MAX: usize = 256;
/// Bytes of a token; honest ones have a few hundred.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1.3).
pub const EMAIL_CHARS_MAX: usize = 254;
/// How often the database is looked at for the health answers, which are true within 5 s.
pub const HEALTH_PROBE: Duration = Duration::from_secs(2);
/// Addresses that the login limiter remembers.
pub const LOGIN_ADDRESSES_MAX: usize = 50_000;

// ---- fan-out ----

/// Members that one room's batch is written to before the worker's other work has its turn.
pub const FANOUT_CHUNK_MEMBERS: usize = 1_024;
/// Events of one room that a hub gathers before it writes them; a wait for the next one ends with this.
pub const HUB_PENDING_MAX: usize = 1_024;
/// Bytes of them: half of what a reader may owe.
pub const HUB_PENDING_BYTES_MAX: usize = 256 * 1024;
/// How often a worker looks at a quarter of its connections.
pub const SWEEP_PERIOD: Duration = Duration::from_millis(250);

// ---- the server ----

/// Connections that may wait to be accepted.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// How long the body of a request that was answered before its end is still read, so that the answer arrives: who closes a
/// connection with bytes unread resets it.
pub const UNREAD_BODY_LINGER: Duration = Duration::from_secs(5);
/// How often idle HTTP connections are looked at, to end them when the node drains.
pub const IDLE_SWEEP: Duration = Duration::from_millis(250);
/// Seconds that running REST requests have at the end.
pub const REST_SHUTDOWN_SECONDS: u64 = 5;
/// How often a drain looks whether the sockets are gone.
pub const DRAIN_POLL: Duration = Duration::from_millis(25);
