//! All bounds in one place. Every queue, list and buffer must have a named limit here. Values that an operator may want
//! to change are defaults for a setting in `config/`; the others are fixed, because the memory and latency figures
//! depend on them.

mod assistant;
mod calls;
mod canvas;
mod conversations;
mod devices;
mod documents;
mod files;
mod moderation;
mod search;
mod spaces;

use std::time::Duration;

pub use self::{
    assistant::*, calls::*, canvas::*, conversations::*, devices::*, documents::*, files::*, moderation::*, search::*,
    spaces::*,
};

// ---- what a client may send ----

/// Characters of one text message from a client, all fragments together (docs/protocol.md, Limits). A character counts
/// once, in any script and also when it is written as a JSON escape, so plain ASCII may have 64 KiB.
pub const MESSAGE_CHARS_MAX: usize = 64 * 1024;
/// Bytes of such a message, and of a binary message: enough for the largest allowed text (a cell's text and formula)
/// with every character written as two escapes.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Characters of a chat message.
pub const CHAT_CHARS_MAX: usize = 10_000;
/// Characters of a user id.
pub const USER_ID_CHARS_MAX: usize = 128;
/// Characters of a room's, channel's or group's name.
pub const ROOM_NAME_CHARS_MAX: usize = 128;
/// Characters of a sheet's id.
pub const SHEET_ID_CHARS_MAX: usize = 128;
/// Characters of the id that a client gives a message so that it can repeat it.
pub const CLIENT_MESSAGE_ID_CHARS_MAX: usize = 128;
/// Columns of a sheet, as in common spreadsheets: `A` to `XFD`.
pub const SHEET_COLUMNS_MAX: u32 = 16_384;
/// Rows of a sheet, as in common spreadsheets.
pub const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Characters of a cell's text, as in common spreadsheets.
pub const CELL_TEXT_CHARS_MAX: usize = 32_767;
/// Characters of a number in JSON. Every finite double fits, even without an exponent.
pub const NUMBER_CHARS_MAX: usize = 400;
/// The largest integer that JavaScript represents exactly.
pub const COUNT_MAX: i64 = (1 << 53) - 1;
/// Characters of a cell's formula, as in common spreadsheets.
pub const FORMULA_CHARS_MAX: usize = 8_192;
/// Cells in one bulk update.
pub const CELLS_PER_UPDATE_MAX: usize = 1_000;
/// The largest version that a client may claim to have seen if no such version was sent. Milliseconds and microseconds
/// since 1970 stay far below it, and all later versions are still exact numbers in JavaScript.
pub const CELL_VERSION_SENT_MAX: i64 = 1 << 52;
/// Bytes of values and formulas in a conflict, after which further cells are sent with their version only. The first
/// cell is always sent in full.
pub const CONFLICT_BYTES_FULL: usize = 64 * 1024;
/// Characters of a cursor's cell, which may be any name that a client uses.
pub const CURSOR_CELL_CHARS_MAX: usize = 64;
/// Rooms that one socket may join.
pub const ROOMS_PER_SOCKET_MAX: usize = 100;
/// Characters of an assistant request id, an upload id, and other names that clients choose.
pub const CLIENT_NAME_CHARS_MAX: usize = 128;
/// Characters of a question to the assistant.
pub const QUESTION_CHARS_MAX: usize = 8_000;
/// Characters of a file's name.
pub const FILE_NAME_CHARS_MAX: usize = 255;
/// Bytes of the percentage that a client reports for its upload, which is relayed unchanged.
pub const PERCENTAGE_BYTES_MAX: usize = 32;
/// Names in one list of a notification filter.
pub const FILTER_NAMES_MAX: usize = 100;
/// Characters of one such name.
pub const FILTER_NAME_CHARS_MAX: usize = 64;
/// Characters of a group's description.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// Characters of a username.
pub const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=64;
/// Characters of a password. Argon2 reads all of them, so a long password costs time.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=256;
/// Characters of a display name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 128;
/// Bytes of a `ref`, which is echoed unchanged.
pub const REF_BYTES_MAX: usize = 256;
/// Nesting depth of JSON: far above any legitimate message, far below what breaks a client's parser.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of a REST body.
pub const REST_BODY_BYTES_MAX: usize = 256 * 1024;

// ---- send buffers ----

/// Bytes of stored events that may be buffered for a slow client before it is disconnected to resume later.
pub const OUTBOX_DURABLE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of ephemeral events that may be buffered for a slow client, plus one larger event. Further ones are dropped.
pub const OUTBOX_EPHEMERAL_BYTES_MAX: usize = 64 * 1024;
/// How often a slow client that has missed ephemeral events is sent what they have led to, at most.
pub const RESYNC_PERIOD: Duration = Duration::from_secs(1);
/// Seconds without progress after which a socket is closed. With the sweep's second this stays below ten.
pub const STALL_SECONDS_MAX: u32 = 7;
/// Seconds for sending a close frame and receiving its answer.
pub const CLOSE_GRACE_SECONDS: u32 = 2;
/// The kernel's send buffer per client. Without a limit it takes most of a megabyte before a stall is detected.
pub const KERNEL_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes in the pipe of a mounted session, in addition to the buffers of the HTTP dispatcher.
pub const MOUNTED_PIPE_BYTES_MAX: usize = 32 * 1024;
/// The read buffer that all sockets of a worker share.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Reads of one socket per turn, so that a client that never pauses does not monopolise the thread.
pub const READS_PER_TURN_MAX: usize = 8;
/// Commands queued behind a pending one. When the queue is full, the socket is not read.
pub const SESSION_WAITING_MAX: usize = 64;

/// Frames queued for a socket until its room's opening frames are sent.
pub const EARLY_FRAMES_MAX: usize = 1_024;
/// Bytes of these frames; one further frame may exceed this.
pub const EARLY_BYTES_MAX: usize = 512 * 1024;
/// Bytes of small frames that are copied into one write.
pub const WRITE_CHUNK_BYTES_MAX: usize = 64 * 1024;
/// A frame of this size is written separately, because copying it would cost more than a second write.
pub const WRITE_ALONE_BYTES_MIN: usize = 32 * 1024;
/// If the batches of a room are closer together than this, delaying a batch to merge it with the next one pays off.
pub const CORK_CLOSE_TOGETHER: Duration = Duration::from_millis(4);
/// After a delay that merged nothing, a room skips 1, 3, 7 … batches before it delays again; after this many misses the
/// interval stops growing.
pub const CORK_MISSES_MAX: u8 = 7;

// ---- mailboxes ----

/// Messages in a hub's mailbox. Rooms keep what does not fit, in order.
pub const HUB_MAILBOX_MAX: usize = 16 * 1024;
/// Messages in a room's mailbox.
pub const ROOM_MAILBOX_MAX: usize = 16 * 1024;
/// Messages in the registry's mailbox. Requests that await an answer are not counted; each socket has at most one.
pub const REGISTRY_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the mailbox of a bridge between nodes.
pub const BRIDGE_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the mailbox of the cluster actor, which tracks the other nodes.
pub const CLUSTER_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the journal's mailbox.
pub const JOURNAL_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in the presence tracker's mailbox.
pub const PRESENCE_MAILBOX_MAX: usize = 64 * 1024;
/// Messages in a session's mailbox. The message that closes the session has an extra slot.
pub const SESSION_MAILBOX_MAX: usize = 256;
/// Stored events that a room keeps for a hub whose mailbox is full. Beyond that, the hub's members are disconnected to
/// resume.
pub const ROOM_OVERFLOW_MAX: usize = 4_096;
/// Bytes of these events.
pub const ROOM_OVERFLOW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Ephemeral events that a room keeps for such a hub. Beyond that, only the newest of each key.
pub const ROOM_OVERFLOW_EPHEMERAL_MAX: usize = 1_024;
/// How soon a room retries a full hub.
pub const OVERFLOW_RETRY: Duration = Duration::from_millis(10);

// ---- between nodes ----

/// Bytes of one envelope from another node. A larger one is discarded unread.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes after which an envelope is full.
pub const ENVELOPE_BYTES_FULL: usize = 64 * 1024;
/// Bytes passed to Redis in one batch.
pub const PUBLISH_BYTES_AT_ONCE: usize = 1024 * 1024;
/// Bytes that may be queued for Redis. Further messages are dropped and counted.
pub const PUBLISH_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes from Redis that may be queued for rooms. Further messages are dropped and counted.
pub const INBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Channels in one SUBSCRIBE.
pub const SUBSCRIBE_CHANNELS_MAX: usize = 512;
/// How often the node sends a probe to itself through Redis.
pub const LINK_PROBE: Duration = Duration::from_secs(1);
/// How long probes may be missing. With `LINK_TICK`, a dead link is detected within 5 s.
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(4);
/// How often missing probes are checked.
pub const LINK_TICK: Duration = Duration::from_millis(250);
/// How long Redis may take to respond to a command.
pub const REDIS_RESPONSE_MAX: Duration = Duration::from_secs(3);
/// How long connecting to Redis may take, including queries of Sentinel or Cluster.
pub const REDIS_CONNECT_MAX: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect to Redis, from the first to the longest.
pub const REDIS_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(2);

/// How soon the subscription of a room is retried after the bridge's mailbox was full.
pub const ATTACH_RETRY: Duration = Duration::from_millis(100);
/// How often a bridge looks for rooms that have stopped without unsubscribing.
pub const DETACH_SWEEP: Duration = Duration::from_secs(5);

// ---- rooms ----

/// Stored events kept per room for recovery.
pub const RECOVERY_EVENTS_MAX: usize = 1_000;
/// Bytes of these events kept in memory per room. Older ones are read from the database.
pub const RECOVERY_BYTES_IN_MEMORY_MAX: usize = 256 * 1024;
/// Bytes of these events kept in memory for all rooms of the node. Rooms that exceed the total keep fewer.
pub const RECOVERY_BYTES_ALL_ROOMS_MAX: usize = 512 * 1024 * 1024;
/// Users listed in `online_users` and `room_state`; `total_users` counts all.
pub const ONLINE_USERS_LISTED_MAX: usize = 1_000;
/// Users listed in each list of the receipt for a message; the totals count all.
pub const RECIPIENTS_LISTED_MAX: usize = 100;
/// Listed users per segment. The encoding of a segment is shared by all newcomers.
pub const LISTING_SEGMENT_USERS: usize = 64;
/// How old the encoding of a segment may be. Cursors and activity times in it are up to this old.
pub const LISTING_FRESH: Duration = Duration::from_secs(1);
/// Bytes of the opening frames of a room on one socket: the longest replay plus the longest list. A listed user takes
/// less than 1 KiB.
pub const OPENING_BYTES_MAX: usize = 2 * REPLAY_BYTES_MAX + ONLINE_USERS_LISTED_MAX * 1024;
/// Bytes of missed events that are replayed to one client: all events that can be kept, each of the maximum message
/// size. The other fields of the largest events come on top.
pub const REPLAY_BYTES_MAX: usize = RECOVERY_EVENTS_MAX * MESSAGE_CHARS_MAX;
/// The minimum period between presence updates of a room on one worker, in small and in the largest rooms. After a
/// quiet period an update is sent at once.
pub const PRESENCE_PERIOD: std::ops::RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_millis(500);
/// How much this period grows per member on the worker.
pub const PRESENCE_PERIOD_PER_MEMBER: Duration = Duration::from_micros(50);
/// Leave graces that end closer together than this are announced together.
pub const LEAVE_GRACE_GATHER: Duration = Duration::from_millis(25);
/// Places of a room in which one socket, or one user of another node, may be typing at the same time. The oldest one ends.
pub const TYPING_PLACES_MAX: usize = 64;
/// Sockets and nodes per room whose typing state is kept.
pub const TYPISTS_MAX: usize = 10_000;
/// A user who does not repeat the typing event within this time has stopped typing.
pub const TYPING_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often this is checked while somebody is typing.
pub const TYPING_LOOK: Duration = Duration::from_secs(1);
/// Unfinished uploads announced by one socket that are cancelled when the socket closes. Older ones are forgotten.
pub const UPLOADS_ANNOUNCED_MAX: usize = 32;
/// How long an empty room stays in memory.
pub const ROOM_IDLE: Duration = Duration::from_secs(30);
/// How long a gap in the sequence may stay open before the events are read from the database.
pub const GAP_WAIT: Duration = Duration::from_millis(50);
/// How long a reconnecting client waits for events that are in the log but that the room could not read yet.
pub const CATCH_UP_WAIT: Duration = Duration::from_secs(4);
/// Requests of a socket that may be queued until its join is complete. Beyond that the join is refused.
pub const PENDING_JOIN_QUEUE_MAX: usize = 128;
/// Events that a room holds back behind an open gap.
pub const GAP_EVENTS_MAX: usize = 4_096;

// ---- queue per user ----

/// Messages, and as many notifications, that are queued per user until they are written to a socket.
pub const OFFLINE_QUEUE_MAX: usize = 100;
/// Notifications that a socket leases at a time. Those of the maximum size then take half of a slow client's send
/// buffer.
pub const QUEUE_LEASED_MAX: usize = 16;
/// Messages that a socket leases at a time.
pub const QUEUE_LEASED_MESSAGES_MAX: usize = 100;
/// Bytes of message text among these rows. Even with every character escaped they fit into a slow client's send buffer.
/// One message is always leased.
pub const QUEUE_LEASED_BYTES_MAX: usize = 64 * 1024;
/// How long a socket with leased rows waits before it leases more while it has unsent bytes, and how often it checks
/// whether they are written.
pub const QUEUE_PACE: Duration = Duration::from_millis(100);
/// How long a leased row is not delivered by another socket. It is longer than a stalled socket stays open; if a node
/// dies, the next socket delivers the row after this time.
pub const QUEUE_LEASE: Duration = Duration::from_secs(15);
/// Rows that a socket remembers having sent, to suppress duplicates.
pub const QUEUE_REMEMBERED_MAX: usize = 256;
/// Direct messages that a hub has written to a socket and that its session has not processed yet. Further ones stay
/// queued and are delivered again to the next socket.
pub const DELIVERED_UNNOTED_MAX: usize = 4 * 1024;

// ---- open rooms ----

/// The minimum period between cursor updates to one observer.
pub const CURSOR_PERIOD: Duration = Duration::from_millis(33);
/// Cursors listed in one frame.
pub const CURSORS_PER_FRAME_MAX: usize = 200;
/// Up to this number of users, all members get the full room state on every join and leave. In larger rooms they get
/// the change, and the full state less often.
pub const ATTENDANCE_AT_ONCE_USERS_MAX: usize = 50;
/// Bytes per second of full states that are sent to each member of a larger room.
pub const ATTENDANCE_BYTES_PER_SECOND: u32 = 32 * 1024;
/// The approximate bytes of one user in a room state.
pub const ATTENDEE_BYTES: u32 = 200;
/// Users per room whose status, cursor and last activity are kept.
pub const ATTENDEES_KNOWN_MAX: usize = 10_000;
/// How long a sheet counts as active after a change.
pub const SHEET_ACTIVE: Duration = Duration::from_secs(15 * 60);
/// Active sheets that are listed.
pub const ACTIVE_SHEETS_MAX: usize = 100;
/// Members' details in one message to other nodes.
pub const PRESENCES_PER_MESSAGE_MAX: usize = 500;

/// Members of a private room.
pub const ROOM_MEMBERS_MAX: i64 = 1_000;
/// The largest allowed `capacity` of an open room.
pub const ROOM_CAPACITY_MAX: u32 = 1_000_000;
/// Hours over which a room's users per hour are averaged.
pub const USAGE_HOURS: i64 = 24;
/// Distinct users counted per room and hour.
pub const USAGE_USERS_MAX: usize = 100_000;
/// Unused rooms whose users per hour are kept.
pub const USAGES_REMEMBERED_MAX: usize = 10_000;

// ---- rooms on several nodes ----

/// Other nodes that are tracked.
pub const PEERS_MAX: usize = 256;
/// Members in one membership message.
pub const MEMBERS_PER_MESSAGE_MAX: usize = 1_000;
/// A room publishes the first join or leave at once, and later ones at most once per this period.
pub const MEMBERS_DIFF_PERIOD: Duration = Duration::from_millis(20);
/// How often a room in use publishes a digest of its local members, which repairs lost messages.
pub const MEMBERS_DIGEST_PERIOD: Duration = Duration::from_secs(30);
/// How long an answer about a room's members is delayed to serve several requests at once.
pub const PART_ANSWER_WAIT: Duration = Duration::from_millis(5);
/// How long a node waits for another node's members before it asks again.
pub const PART_ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a starting room waits for its subscription.
pub const LISTENING_WAIT: Duration = Duration::from_millis(500);
/// How long a starting room waits for the members on other nodes.
pub const PARTS_WAIT: Duration = Duration::from_millis(250);
/// How long a room trusts the last read head of the log when a client reconnects.
pub const LOG_ASKED_FRESH: Duration = Duration::from_millis(20);
/// REST requests that may be queued until a room is loaded. Further ones are refused.
pub const EARLY_REST_REQUESTS_MAX: usize = 1_024;
/// Messages from other nodes that a room keeps while it is being loaded.
pub const EARLY_MESSAGES_MAX: usize = 4_096;

// ---- the journal ----

/// Lanes of a journal on PostgreSQL: batches that are stored in parallel.
pub const JOURNAL_LANES: usize = 3;
/// Appends per attempt on rooms that another session keeps locked.
pub const HELD_APPENDS_MAX: usize = 128;
/// Pause between these attempts while all of the rooms are still locked.
pub const HELD_RETRY: Duration = Duration::from_millis(10);
/// Appends in one commit.
pub const COMMIT_APPENDS_MAX: usize = 1_024;
/// Rows in one commit other than those of the log and the message history, such as cells. A slow disk stores these well
/// within `STORE_COMMIT_MAX`.
pub const COMMIT_ROWS_MAX: usize = 10_000;
/// Bytes of the events in one commit, which are delivered to a room's members at once: half of a slow client's send
/// buffer. A single event may exceed this.
pub const COMMIT_BYTES_MAX: usize = 256 * 1024;
/// Appends that may be queued for a commit. Further ones are refused.
pub const JOURNAL_QUEUE_MAX: usize = 16 * 1024;
/// Bytes of their events.
pub const JOURNAL_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a command to be stored waits while the database is unavailable.
pub const STORE_PATIENCE: Duration = Duration::from_secs(4);
/// Pause between attempts while the database is unavailable.
pub const STORE_RETRY: Duration = Duration::from_millis(250);

// ---- the store ----

/// Connections to PostgreSQL, including those for appends.
pub const STORE_CONNECTIONS_MAX: usize = 16;
/// Connections reserved for appends, so that reads never delay a commit: two per lane of the journal, one of them for
/// rooms that are locked.
pub const STORE_LOG_CONNECTIONS: usize = 2 * JOURNAL_LANES;
/// Threads that talk to the database.
pub const STORE_THREADS: usize = 2;
/// Connections that read a SQLite file. One further connection writes.
pub const STORE_SQLITE_READERS: usize = 4;
/// Ids looked up in one query.
pub const STORE_IDS_PER_QUERY: usize = 1_000;
/// Reads of one kind that are batched into one query.
pub const STORE_GATHER_MAX: usize = 128;
/// Reads of one kind that may be queued. Further ones are refused.
pub const STORE_GATHER_WAITING_MAX: usize = 16 * 1024;
/// How long after its first use a refresh token may be used again: by a second tab, or by a client that did not receive
/// the response.
pub const REFRESH_REPEAT_WITHIN: Duration = Duration::from_secs(10);
/// How often it may be used again within that time.
pub const REFRESH_REPEATS_MAX: usize = 16;
/// While the server starts, it logs this often what it is waiting for.
pub const START_WAIT_TOLD: Duration = Duration::from_secs(3);
/// How long a start waits until another process, which may be stopping, releases a SQLite database.
pub const DATABASE_LOCK_WAIT: Duration = Duration::from_secs(2);
/// How often the lock is retried.
pub const DATABASE_LOCK_RETRY: Duration = Duration::from_millis(100);
/// How often a node without Redis checks whether another one uses its PostgreSQL database.
pub const NEIGHBOURS_PERIOD: Duration = Duration::from_secs(3);
/// How often it warns about that.
pub const NEIGHBOURS_WARNED: Duration = Duration::from_secs(600);
/// Characters of the host name in the name of a PostgreSQL session, which may have 63 bytes.
pub const PROCESS_HOST_CHARS_MAX: usize = 40;
/// How long a new PostgreSQL connection may take, from TCP to the end of authentication.
pub const STORE_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Names that are tried if a new user's name is taken. A suffix has 16 million values.
pub const PROVISION_ATTEMPTS_MAX: usize = 8;
/// Threads for blocking calls: one per SQLite connection, and one for migrations.
pub const STORE_BLOCKING_THREADS_MAX: usize = 8;
/// How long a query waits for a connection, including the handshake of a new one.
pub const STORE_CONNECTION_WAIT: Duration = Duration::from_secs(3);
/// How long an append on PostgreSQL waits for a room's row that another session keeps locked. After that it continues
/// without that room.
pub const STORE_ROW_LOCK_WAIT: Duration = Duration::from_millis(50);
/// How long an append that creates a sheet waits for another append that creates the same sheet.
pub const STORE_NEW_SHEET_WAIT: Duration = Duration::from_secs(1);
/// How long SQLite waits for a lock of another process.
pub const STORE_LOCK_WAIT: Duration = Duration::from_secs(3);
/// How long one statement on PostgreSQL, or the idle time between two statements of a transaction, may last.
pub const STORE_STATEMENT_MAX: Duration = Duration::from_secs(8);
/// How long a response of PostgreSQL may take. Longer than its own statement timeout, so that its error arrives first.
pub const STORE_ANSWER_MAX: Duration = Duration::from_secs(9);
/// The same for a commit, which clients wait for. Less than `STORE_PATIENCE`, so that an unknown result is checked
/// before clients are notified.
pub const STORE_COMMIT_MAX: Duration = Duration::from_secs(3);
/// How long a migration waits for another node's migration.
pub const STORE_MIGRATION_WAIT: Duration = Duration::from_secs(300);
/// How often it checks whether the other one is done.
pub const STORE_MIGRATION_RETRY: Duration = Duration::from_millis(250);
/// A room's log is trimmed whenever its sequence passes a multiple of this.
pub const TRIM_EVERY_EVENTS: i64 = 64;

// ---- notifications ----

/// Notifications kept per user. Beyond that, the oldest read ones are removed first.
pub const NOTIFICATIONS_PER_USER_MAX: usize = 1_000;
/// Characters of a notification's title.
pub const NOTIFICATION_TITLE_CHARS_MAX: usize = 255;
/// Characters of a notification's message.
pub const NOTIFICATION_MESSAGE_CHARS_MAX: usize = 2_000;
/// Bytes of the sender's additional data.
pub const NOTIFICATION_DATA_BYTES_MAX: usize = 4 * 1024;
/// Recipients of one broadcast notification.
pub const NOTIFIED_USERS_MAX: usize = 10_000;
/// Users whose notifications are stored in one transaction, so that other writers are not delayed.
pub const NOTIFIED_PER_COMMIT: usize = 200;
/// Notifications in a page.
pub const PAGE_NOTIFICATIONS_MAX: i64 = 100;
/// Notifications in a page by default.
pub const PAGE_NOTIFICATIONS_DEFAULT: i64 = 50;
/// How long the ids that clients give their messages are remembered: at least this long, until the next sweep.
pub const CLIENT_MESSAGES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How many of these ids are removed at a time.
pub const CLIENT_MESSAGES_SWEPT_MAX: i64 = 1_000;
/// How often expired notifications and old ids of messages are removed.
pub const SWEEP_OUT_PERIOD: Duration = Duration::from_secs(10 * 60);
/// How many expired notifications are removed at a time.
pub const NOTIFICATIONS_SWEPT_MAX: i64 = 1_000;

// ---- users and connections ----

/// How long an actor waits for another one's response.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a socket may take from the first token check to its session: the sum of the database's longest response
/// times. Slower ones are told to try again, because revocations are remembered only this long.
pub const ADMISSION_MAX: Duration = Duration::from_secs(30);
/// Removals from rooms that are remembered for sockets that are being opened. If there are more, sockets whose rights
/// were read before a forgotten one are told to try again.
pub const EXCLUSIONS_REMEMBERED_MAX: usize = 10_000;
/// Rooms in one message to other nodes about removals.
pub const ROOMS_PER_EXCLUSION_MAX: usize = 1_000;
/// How long an administrative action waits for a registry whose mailbox is full.
pub const EFFECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long REST waits for a room: the room may have to be loaded first, then the journal may wait for the database.
pub const REST_REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Users without a socket that the registry remembers (profiles and rate limits), besides blocked ones and those whose tokens
/// were revoked within `ADMISSION_MAX`. As many more may be added between two sweeps.
pub const USERS_REMEMBERED_MAX: usize = 50_000;
/// How long a cached profile is used before it is read again.
pub const PROFILE_FRESH: Duration = Duration::from_secs(30);
/// Delay between the close of a user's last socket and the user being offline.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(5);
/// Leeway for token expiry, which is checked once per second.
pub const TOKEN_LEEWAY_SECONDS: u64 = 0;
/// Refusals within a minute after which a user is blocked.
pub const REFUSALS_BEFORE_BLOCK: u32 = 10;

/// How often each essential actor is asked whether it is alive.
pub const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);
/// How long it may take to respond.
pub const WATCHDOG_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long it may be silent until the node is unhealthy. Health reports this within 5 s.
pub const WATCHDOG_SILENCE_MAX: Duration = Duration::from_secs(4);
/// How soon a socket retries to read queued notifications when the database is unavailable; a random time in this
/// range.
pub const NOTIFICATIONS_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(6);

// ---- other nodes ----

/// How often a node sends a heartbeat, and counts missed ones of the others.
pub const NODE_HEARTBEAT_PERIOD: Duration = Duration::from_secs(1);
/// Heartbeats that a node may miss until it counts as gone.
pub const PEER_SILENT_TICKS_MAX: u32 = 5;
/// The time without heartbeats after which a node counts as gone.
pub const PEER_SILENCE_MAX: Duration = NODE_HEARTBEAT_PERIOD.saturating_mul(PEER_SILENT_TICKS_MAX);
/// Ticks that a leaving node's users stay present after its last heartbeat: the longest reconnect spread plus slack.
pub const PEER_LEAVING_TICKS_MAX: u32 = 610;
/// Added by a leaving node to the time over which its clients reconnect.
pub const LEAVING_SLACK: Duration = Duration::from_secs(2);
/// Rooms that are notified at a time that a node came or went.
pub const PEER_NEWS_ROOMS_AT_ONCE: usize = 100;
/// Pause before the next batch. 10,000 rooms are notified within a second.
pub const PEER_NEWS_PACE: Duration = Duration::from_millis(10);
/// How long changes of who is online are batched before they are published.
pub const ROSTER_GATHER: Duration = Duration::from_millis(50);
/// Entries in one roster message.
pub const ROSTER_ENTRIES_PER_MESSAGE_MAX: usize = 1_000;
/// Pieces of one node's whole roster.
pub const ROSTER_PIECES_MAX: u32 = 4_096;
/// Diffs kept behind a gap.
pub const ROSTER_EARLY_DIFFS_MAX: usize = 256;
/// How often nodes exchange the rate usage of users with sockets on several of them.
pub const SPENT_GATHER: Duration = Duration::from_millis(50);
/// How long after a user connected to another node that node's rate usage may be unknown here.
pub const COMING_KNOWN_WITHIN: Duration = Duration::from_secs(1);
/// How long an administrator's query waits for other nodes.
pub const GATHER_WAIT: Duration = Duration::from_secs(1);
/// Administrators' queries in progress.
pub const GATHERS_WAITING_MAX: usize = 64;
/// Rooms that a node reports to another one, and rooms listed in a response.
pub const ROOMS_TOLD_MAX: usize = 100_000;
/// How often rooms compare their position with the log while messages from other nodes arrive.
pub const RECONCILE_PERIOD: Duration = Duration::from_secs(5);
/// The same while the link to other nodes is down.
pub const RECONCILE_PERIOD_LINK_DOWN: Duration = Duration::from_secs(1);
/// How often locally connected users are re-read while the link to other nodes is down.
pub const HEALING_PERIOD: Duration = Duration::from_secs(30);
/// Seconds over which messages per second are averaged.
pub const MESSAGE_RATE_SECONDS: usize = 10;

// ---- REST ----

/// Messages in a page of history.
pub const PAGE_MESSAGES_MAX: i64 = 100;
/// Messages in a page of history by default.
pub const PAGE_MESSAGES_DEFAULT: i64 = 50;
/// Blocked users in a page.
pub const PAGE_BLOCKS_MAX: i64 = 100;
/// Users returned by a search.
pub const USER_SEARCH_MAX: i64 = 20;
/// Groups, channels or members in one response.
pub const LIST_MAX: i64 = 1_000;
/// Cells in a page of a sheet by default.
pub const PAGE_CELLS_DEFAULT: usize = 1_000;
/// Cells in a page of a sheet.
pub const PAGE_CELLS_MAX: usize = 10_000;
/// Bytes of values and formulas after which a page of a sheet ends.
pub const PAGE_CELLS_BYTES_FULL: usize = 4 * 1024 * 1024;
/// Cells read from the database at a time, for pages and streams.
pub const CELLS_AT_ONCE: usize = 1_000;
/// Fields of a dense response (rows, CSV), including empty ones.
pub const SHEET_FIELDS_MAX: u64 = 2_000_000;
/// Fields written without yielding, most of which may be empty. A stream shares its thread with sockets.
pub const FIELDS_AT_ONCE: usize = 16 * 1024;
/// Password hashes computed in parallel; each takes 19 MiB and a core.
pub const PASSWORD_HASHES_AT_ONCE: usize = 4;
/// Password checks that may be queued. Further ones are refused.
pub const PASSWORD_HASHES_WAITING_MAX: usize = 256;
/// Bytes of a token. Normal ones have a few hundred.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1.3).
pub const EMAIL_CHARS_MAX: usize = 254;
/// How often the database is probed for health responses, which are at most 5 s old.
pub const HEALTH_PROBE: Duration = Duration::from_secs(2);
/// Addresses that the login limiter remembers.
pub const LOGIN_ADDRESSES_MAX: usize = 50_000;

// ---- fan-out ----

/// Members to which one room's batch is written before the worker yields to other work.
pub const FANOUT_CHUNK_MEMBERS: usize = 1_024;
/// Events of one room that a hub batches. A full batch is written without further delay.
pub const HUB_PENDING_MAX: usize = 1_024;
/// Bytes of such a batch: half of a slow client's send buffer.
pub const HUB_PENDING_BYTES_MAX: usize = 256 * 1024;
/// How often a worker checks a quarter of its connections.
pub const SWEEP_PERIOD: Duration = Duration::from_millis(250);

// ---- the server ----

/// Connections in the accept queue.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// How long the rest of a request body is read after an early response, because closing a connection with unread bytes
/// resets it and the response would be lost.
pub const UNREAD_BODY_LINGER: Duration = Duration::from_secs(5);
/// Users per node whose simple rates are remembered. Those with full buckets are forgotten first.
pub const RATED_USERS_MAX: usize = 100_000;
/// How long after the idle timeout a connection is closed on which a request's head has begun and does not end.
pub const REQUEST_HEAD_GRACE: Duration = Duration::from_secs(5);
/// How often idle HTTP connections are checked, to close them.
pub const IDLE_SWEEP: Duration = Duration::from_millis(250);
/// Seconds that running REST requests get at shutdown.
pub const REST_SHUTDOWN_SECONDS: u64 = 5;
/// How often a drain checks whether all sockets are closed.
pub const DRAIN_POLL: Duration = Duration::from_millis(25);
