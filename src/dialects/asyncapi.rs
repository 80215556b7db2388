//! The WebSocket protocols as one AsyncAPI 3.0 document, assembled from the schemas of the dialects' wire types, the
//! table of close codes and the endpoints. It must never describe by hand what a type can describe. Tests compare it
//! with recorded messages.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{
    DialectKind, canvas, channel, metaverse, nexus,
    schema::{Description, Sender},
    workspace,
};
use crate::disconnect::Disconnect;

static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}", document()));

/// The document, as JSON.
pub fn text() -> &'static str {
    &TEXT
}

/// An endpoint.
struct Channel {
    name: &'static str,
    dialect: DialectKind,
    title: &'static str,
    address: &'static str,
    description: &'static str,
    parameters: Value,
    query: Value,
    messages: Vec<Description>,
}

fn channels() -> [Channel; 6] {
    let spoken_at = |endpoint: &str| {
        let all = channel::messages().into_iter();
        all.filter(|message| message.endpoint.as_deref().is_none_or(|only| only == endpoint)).collect()
    };
    [
        Channel {
            name: "channel",
            dialect: DialectKind::Channel,
            title: "A channel",
            address: "/ws/channel/{channel_id}",
            description: "Chat, typing, presence and calls in a channel of a group, for the group's members",
            parameters: json!({"channel_id": {"description": "The channel's id"}}),
            query: resuming(),
            messages: spoken_at("channel"),
        },
        Channel {
            name: "direct",
            dialect: DialectKind::Channel,
            title: "A direct conversation",
            address: "/ws/dm/{other_user_id}",
            description: "Chat, typing, presence and calls with one other user",
            parameters: json!({"other_user_id": {"description": "The partner's id, percent-encoded"}}),
            query: resuming(),
            messages: spoken_at("direct"),
        },
        Channel {
            name: "workspace",
            dialect: DialectKind::Workspace,
            title: "A workspace",
            address: "/api/v1/ws",
            description: "Many rooms on one socket: cursors, shared sheets, the assistant, notifications, uploads. An \
                administrator's message with a `type` of its own is delivered unchanged",
            parameters: json!({}),
            query: json!({"type": "object", "properties": {"token": token()}}),
            messages: workspace::messages(),
        },
        Channel {
            name: "nexus",
            dialect: DialectKind::Nexus,
            title: "Nexus",
            address: "/ws",
            description: "Conversations of all kinds on one socket: messages with receipts, presence, notifications. \
                Messages are told apart by `event_type`",
            parameters: json!({}),
            query: json!({"type": "object", "properties": {
                "user_id": {"type": "string", "description": "The user of the token; may be left out"},
                "token": token(),
            }}),
            messages: nexus::messages(),
        },
        Channel {
            name: "canvas",
            dialect: DialectKind::Canvas,
            title: "A canvas",
            address: "/canvas/{canvas_id}",
            description: "Chat, presence, tiles and highlights on one canvas; also at /api/v1/ws/canvas/{canvas_id}",
            parameters: json!({"canvas_id": {"description": "The canvas' id, an integer"}}),
            query: resuming(),
            messages: canvas::messages(),
        },
        spaces(),
    ]
}

fn spaces() -> Channel {
    Channel {
        name: "metaverse",
        dialect: DialectKind::Metaverse,
        title: "The metaverse",
        address: "/ws/metaverse",
        description: "Spaces with avatars, and invites, on one socket; also at /. Requests have a `type` and a \
            `payload`. Answers have a `status` and name the request as `requestType`; refusals have the `status` \
            `failed`",
        parameters: json!({}),
        query: json!({"type": "object", "properties": {"token": token()}}),
        messages: metaverse::messages(),
    }
}

fn token() -> Value {
    json!({"type": "string", "description": "An access token, for clients that can set neither a header nor a subprotocol"})
}

fn resuming() -> Value {
    let since = "The highest `seq` received so far: missed events are replayed first";
    let epoch = "The `epoch` of `since`";
    json!({"type": "object", "properties": {
        "token": token(),
        "since": {"type": "integer", "minimum": 0, "description": since},
        "epoch": {"type": "integer", "description": epoch},
    }})
}

fn document() -> Value {
    let (mut described, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for channel in channels() {
        let mut own = Map::new();
        let mut sent = [(Sender::Client, Vec::new()), (Sender::Server, Vec::new())];
        for message in &channel.messages {
            let key = key(channel.dialect, message);
            own.insert(key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
            for (_, references) in sent.iter_mut().filter(|(sender, _)| *sender == message.sender) {
                references.push(json!({"$ref": format!("#/channels/{}/messages/{key}", channel.name)}));
            }
            messages.entry(key).or_insert_with(|| described_message(message));
        }
        for (sender, references) in sent {
            // the document describes the server: it receives what a client sends
            let (name, action) = match sender {
                Sender::Client => ("Received", "receive"),
                Sender::Server => ("Sent", "send"),
            };
            let reference = json!({"$ref": format!("#/channels/{}", channel.name)});
            let operation = json!({"action": action, "channel": reference, "messages": references});
            operations.insert(format!("{}{name}", channel.name), operation);
        }
        described.insert(channel.name.to_owned(), described_channel(&channel, own));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Convene",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "defaultContentType": "application/json",
        "servers": {"here": server()},
        "channels": described,
        "operations": operations,
        "components": {"messages": messages, "securitySchemes": security_schemes()},
        "x-close-codes": close_codes(),
    })
}

const ABOUT: &str = "The WebSocket protocols: JSON objects in text frames, distinguished by `type`, in nexus by \
    `event_type`. Clients must ignore unknown fields and messages. The REST API is described in /api/openapi.json.";

/// A `type` has only one meaning per dialect and direction.
fn key(dialect: DialectKind, message: &Description) -> String {
    let sender = match message.sender {
        Sender::Client => "client",
        Sender::Server => "server",
    };
    format!("{}.{sender}.{}", dialect.name(), message.name)
}

fn described_message(message: &Description) -> Value {
    json!({"name": message.name, "summary": message.summary, "payload": message.payload})
}

fn described_channel(channel: &Channel, messages: Map<String, Value>) -> Value {
    let subprotocol = "`bearer, <token>`, for browsers, which cannot set another header; the server answers `bearer`";
    let headers = json!({"type": "object", "properties": {
        "Authorization": {"type": "string", "description": "`Bearer <token>`"},
        "Sec-WebSocket-Protocol": {"type": "string", "description": subprotocol},
    }});
    let binding = json!({"method": "GET", "query": channel.query, "headers": headers, "bindingVersion": "0.1.0"});
    json!({
        "address": channel.address,
        "title": channel.title,
        "description": channel.description,
        "servers": [{"$ref": "#/servers/here"}],
        "parameters": channel.parameters,
        "messages": messages,
        "bindings": {"ws": binding},
    })
}

fn server() -> Value {
    let security = ["bearer", "token", "subprotocol"].map(|name| format!("#/components/securitySchemes/{name}"));
    json!({
        "host": "{host}",
        "protocol": "ws",
        "description": "This server; use `wss` if it has a certificate",
        "variables": {"host": {"default": "localhost:8000", "description": "Where this document was fetched from"}},
        "security": security.map(|scheme| json!({"$ref": scheme})),
    })
}

fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "token": {"type": "httpApiKey", "name": "token", "in": "query"},
        "subprotocol": {"type": "httpApiKey", "name": "Sec-WebSocket-Protocol", "in": "header",
            "description": "`bearer, <token>`"},
    })
}

fn close_codes() -> Map<String, Value> {
    let described = Disconnect::ALL
        .iter()
        .map(|why| (why.code().to_string(), json!({"reason": why.reason(), "description": what_to_do(*why)})));
    described.collect()
}

const fn what_to_do(why: Disconnect) -> &'static str {
    match why {
        Disconnect::Normal => "The client closed the connection; this is not an error.",
        Disconnect::ProtocolError | Disconnect::UnsupportedData | Disconnect::InvalidText => "Fix the client.",
        Disconnect::TooBig => "Send less.",
        Disconnect::Restarting => "Reconnect after the delay in the last frame, and resume.",
        Disconnect::TryAgainLater => "Reconnect after a few seconds.",
        Disconnect::TokenExpired => "Reconnect with a fresh token.",
        Disconnect::Revoked => "Do not reconnect automatically.",
        Disconnect::TooManyConnections => "The user opened more sockets than allowed, and this was the oldest.",
        Disconnect::RateLimited => "Reconnecting is refused until the block is over.",
        Disconnect::HeartbeatMissed | Disconnect::TooSlow => "Reconnect and resume.",
    }
}
