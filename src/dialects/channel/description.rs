//! The dialect's messages, described for the AsyncAPI document.

use serde_json::json;

use crate::{
    dialects::description::{
        Description, Field, always, any_of, any_text, anything, boolean, common, connection_id, count, epoch, error,
        from_client, from_server, list, notice, notification, object, said, seq, sometimes, such_as, text, timestamp,
        user_id, username, uuid, written,
    },
    limits,
};

/// Which of the two endpoints a message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `/ws/channel/{channel_id}`.
    Channel,
    /// `/ws/dm/{other_user_id}`.
    Direct,
}

/// All messages, both ways, with where they are heard or understood.
pub fn messages() -> Vec<(Description, &'static [Place])> {
    const BOTH: &[Place] = &[Place::Channel, Place::Direct];
    let everywhere = common().into_iter().chain([error(vec![]), notified()]).chain(from_clients()).chain(signals());
    let everywhere = everywhere.chain([direct_message()]).map(|message| (message, BOTH));
    let channel = in_channels().into_iter().map(|message| (message, [Place::Channel].as_slice()));
    let direct = in_conversations().into_iter().map(|message| (message, [Place::Direct].as_slice()));
    everywhere.chain(channel).chain(direct).collect()
}

fn channel_id() -> Field {
    always("channel_id", uuid())
}

fn conversation_id() -> Field {
    always("conversation_id", such_as("01932c0b-0101-7aaa-8bbb-0c0d0e0f1011", uuid()))
}

fn user() -> Vec<Field> {
    vec![always("user_id", user_id()), always("username", username())]
}

/// What a client says: text, files, or both.
fn said_by_client(name: &'static str, summary: &'static str) -> Description {
    let content = such_as("Hello everyone!", text(0..=limits::CHAT_CHARS_MAX));
    let ids = list(uuid(), Some(limits::ATTACHMENTS_MAX));
    let fields = vec![
        sometimes(
            "content",
            said("Without NUL characters; not empty and not only spaces, unless files go along", content),
        ),
        sometimes("attachments", said("The ids of complete files, one's own or such as one may fetch", ids)),
    ];
    let some_text = json!({"required": ["content"], "properties": {"content": {"type": "string", "minLength": 1}}});
    let some_file =
        json!({"required": ["attachments"], "properties": {"attachments": {"type": "array", "minItems": 1}}});
    from_client(name, summary, fields).and(any_of(vec![some_text, some_file]))
}

/// An administrator's words, or a stored notification.
fn notified() -> Description {
    notice("A stored notification, or an administrator's words, for a user", any_of(vec![notification(), written()]))
}

/// Files, as everybody is told of them.
fn attachments() -> Field {
    let file = object(vec![
        always("id", uuid()),
        always("filename", such_as("october.csv", any_text())),
        always("size", said("Bytes", such_as(20_480, count()))),
        always("mime_type", such_as("text/csv", any_text())),
        always("url", such_as("/api/v1/files/…/content", any_text())),
    ]);
    sometimes("attachments", list(file, None))
}

fn from_clients() -> Vec<Description> {
    let typing = || vec![always("is_typing", boolean())];
    let signal = || {
        vec![
            sometimes("target_user_id", said("For whom; in a direct conversation always the partner", user_id())),
            always("data", said("Any JSON; it arrives as it was sent", such_as(json!({}), anything()))),
        ]
    };
    vec![
        said_by_client("message", "Say something in the channel"),
        said_by_client("dm_message", "Say something to the partner; the same as `message`"),
        from_client("typing", "Tell that one types, or stopped", typing()),
        from_client("dm_typing", "The same to the partner", typing()),
        from_client("webrtc_offer", "Offer a call", signal()),
        from_client("webrtc_answer", "Answer an offer", signal()),
        from_client("webrtc_ice_candidate", "A way to reach this peer", signal()),
    ]
}

fn signals() -> Vec<Description> {
    let signal = || {
        vec![
            always("from_user_id", user_id()),
            always("from_username", username()),
            always("data", said("As it was sent", such_as(json!({}), anything()))),
        ]
    };
    vec![
        from_server("webrtc_offer", "Somebody offers a call", signal()),
        from_server("webrtc_answer", "Somebody answers an offer", signal()),
        from_server("webrtc_ice_candidate", "A way to reach a peer", signal()),
    ]
}

fn stored_message(name: &'static str, summary: &'static str, place: Vec<Field>) -> Description {
    let content = such_as("Hello everyone!", text(0..=limits::CHAT_CHARS_MAX));
    let mut fields = vec![
        always("id", such_as("01932c0c-5a5a-7abc-8def-112233445566", uuid())),
        always("content", said("Empty only where files go along", content)),
        always("sender_id", user_id()),
        always("sender_username", username()),
    ];
    fields.extend(place);
    fields.extend([always("created_at", timestamp()), always("seq", seq()), attachments()]);
    from_server(name, summary, fields)
}

/// It reaches the channel sockets of both sides, too.
fn direct_message() -> Description {
    let place = vec![always("recipient_id", user_id()), conversation_id()];
    stored_message("dm_message", "A direct message, stored; its seq counts in the conversation", place)
}

/// What only the first frame on a socket has.
fn first() -> Vec<Field> {
    vec![sometimes("seq", seq()), sometimes("epoch", epoch()), sometimes("connection_id", connection_id())]
}

fn in_channels() -> Vec<Description> {
    let about = |mut fields: Vec<Field>| {
        fields.push(channel_id());
        fields
    };
    let online = vec![
        always(
            "users",
            said("Each user once, oneself included", list(user_id(), Some(limits::ONLINE_USERS_LISTED_MAX))),
        ),
        always("total_users", count()),
        sometimes("truncated", said("Where there are more users than are listed", boolean())),
        channel_id(),
        always("seq", seq()),
        always("epoch", epoch()),
        always("connection_id", connection_id()),
    ];
    let mut typing = user();
    typing.push(always("is_typing", boolean()));
    vec![
        from_server("online_users", "The first frame: who is in the channel", online),
        from_server("user_joined", "A user's first socket in the channel opened", about(user())),
        from_server("user_left", "A user's last socket in the channel ended", about(user())),
        stored_message("message", "A message, stored; the sender hears it, too", vec![channel_id()]),
        from_server("typing", "Somebody types, or stopped", about(typing)),
    ]
}

fn in_conversations() -> Vec<Description> {
    let about = |mut fields: Vec<Field>, more: Vec<Field>| {
        fields.push(conversation_id());
        fields.extend(more);
        fields
    };
    let mut typing = user();
    typing.push(always("is_typing", boolean()));
    let connected = vec![
        conversation_id(),
        always("seq", seq()),
        always("epoch", epoch()),
        always("connection_id", connection_id()),
    ];
    vec![
        from_server("connected", "The first frame: the partner is not there", connected),
        from_server(
            "dm_user_online",
            "The partner is there; as the first frame with seq and epoch",
            about(user(), first()),
        ),
        from_server("dm_user_offline", "The partner's last socket in the conversation ended", about(user(), vec![])),
        from_server("dm_typing", "The partner types, or stopped", about(typing, vec![])),
    ]
}
