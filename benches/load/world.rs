//! Users, a group and its channels on a Convene server, created over REST like any client would.
//!
//! A world is created once per scenario in its own data folder or database; the measured servers are then started on it
//! repeatedly. Users are not registered: the server provisions them from their tokens.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Result;
use crate::server::{Server, ServerCommand};

/// The text before a user's number in a frame that names the user.
pub const USER_BEFORE_NUMBER: &str = "\"user_id\":\"b";

const SECRET: &str = "a secret of the load generator, long enough for HS256";
const TOKEN_TTL_SECONDS: u64 = 24 * 3600;
const REQUESTS_AT_ONCE: usize = 16;

/// Limits that would protect a server from this load generator, so they are disabled.
const LIMITS_OFF: [&str; 10] = [
    "WEBSOCKET_REQUESTS_PER_MINUTE",
    "WEBSOCKET_REQUESTS_PER_HOUR",
    "WEBSOCKET_EPHEMERAL_PER_SECOND",
    "WEBSOCKET_EDITS_PER_SECOND",
    "MAX_CONNECTIONS_PER_USER",
    "WEBSOCKET_MAX_CONNECTIONS",
    "REGISTRATIONS_PER_HOUR",
    "HTTP_CONNECTIONS_PER_ADDRESS",
    "REST_READS_PER_MINUTE",
    "REST_WRITES_PER_MINUTE",
];

/// Rooms of equal size. Member `n` belongs to room `n / members`.
#[derive(Clone, Copy)]
pub struct Layout {
    pub rooms: usize,
    /// Members per room.
    pub members: usize,
}

impl Layout {
    pub fn people(self) -> usize {
        self.rooms * self.members
    }

    pub fn room_of(self, member: usize) -> usize {
        member / self.members
    }
}

pub struct World {
    folder: TempDir,
    database_url: Option<String>,
    channels: Vec<String>,
}

impl World {
    /// No users and no rooms, for runs with only baselines.
    pub fn empty() -> Result<World> {
        let folder = tempfile::Builder::new().prefix("convene-bench-").tempdir()?;
        Ok(World { folder, database_url: None, channels: Vec::new() })
    }

    /// Starts a server, creates what `layout` needs, and stops the server. Without a `database_url`, uses SQLite in a
    /// temporary folder.
    pub fn make(binary: &Path, layout: Layout, database_url: Option<String>) -> Result<World> {
        let mut world = World { database_url, ..World::empty()? };
        eprintln!("making {} users and {} rooms", layout.people(), layout.rooms);
        let server = Server::start(&world.command(binary, 1))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        world.channels = runtime.block_on(populate(server.address, layout))?;
        server.stop(None)?;
        Ok(world)
    }

    pub fn command(&self, binary: &Path, workers: usize) -> ServerCommand {
        let mut command = ServerCommand::new(binary);
        let data = self.folder.path().display().to_string();
        let url = self.database_url();
        let mut set = |name: &str, value: &str| command.environment.push((name.to_owned(), value.to_owned()));
        set("DATA_DIR", &data);
        set("DATABASE_URL", &url);
        set("JWT_SECRET_KEY", SECRET);
        set("WS_HOST", "127.0.0.1");
        set("WS_PORT", "0");
        set("WORKERS", &workers.to_string());
        set("RUST_LOG", "warn");
        for limit in LIMITS_OFF {
            set(limit, "0");
        }
        command.directory = Some(self.folder.path().to_owned());
        command
    }

    pub fn path(&self, member: usize, room: usize) -> Result<String> {
        let channel = self.channels.get(room).ok_or("the world has no such room")?;
        Ok(format!("/ws/channel/{channel}?token={}", token(member)?))
    }

    /// The database of all servers that are started on this world.
    pub fn database_url(&self) -> String {
        let sqlite = || format!("sqlite://{}/convene.db", self.folder.path().display());
        self.database_url.clone().unwrap_or_else(sqlite)
    }

    /// The endpoint with conversations.
    pub fn nexus_path(&self, member: usize) -> Result<String> {
        Ok(format!("/ws?user_id={}&token={}", user_id(member), token(member)?))
    }

    /// The endpoint on which rooms are created by joining them.
    pub fn workspace_path(&self, member: usize) -> Result<String> {
        Ok(format!("/api/v1/ws?token={}", token(member)?))
    }

    /// The endpoint with spaces.
    pub fn metaverse_path(&self, member: usize) -> Result<String> {
        Ok(format!("/ws/metaverse?token={}", token(member)?))
    }

    /// Creates a public space, and returns its id.
    pub fn make_space(&self, address: SocketAddr, capacity: usize, radius: Option<u32>) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let api = Api { http: reqwest::Client::new(), root: format!("http://{address}") };
        let body = json!({ "name": "load", "capacity": capacity, "isPublic": true, "interestRadius": radius });
        let made = runtime.block_on(api.post("/metaverse/spaces", 0, body))?;
        id_of(made.pointer("/data/space").ok_or("an answer without a space")?)
    }

    /// Reserves a seat of Colyseus for each member, and returns the paths by which they enter.
    pub fn reserve_seats(&self, address: SocketAddr, people: usize) -> Result<Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (http, url) = (reqwest::Client::new(), format!("http://{address}/matchmake/joinOrCreate/space"));
        let mut paths = Vec::with_capacity(people);
        for _ in 0..people {
            let request = http.post(&url).header("content-type", "application/json").body("{}");
            let text = runtime.block_on(async { request.send().await?.text().await })?;
            let seat: Value = serde_json::from_str(&text)?;
            let part = |pointer: &str| {
                let found = seat.pointer(pointer).and_then(Value::as_str);
                found.ok_or_else(|| format!("Colyseus reserved no seat: {text}"))
            };
            let (process, room) = (part("/room/processId")?, part("/room/roomId")?);
            paths.push(format!("/{process}/{room}?sessionId={}", part("/sessionId")?));
        }
        Ok(paths)
    }

    /// Creates an open canvas, and returns its id.
    pub fn make_canvas(&self, address: SocketAddr, width: usize, height: usize) -> Result<i64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let api = Api { http: reqwest::Client::new(), root: format!("http://{address}") };
        let body = json!({ "name": "load", "width": width, "height": height });
        let made = runtime.block_on(api.post("/api/v1/canvases", 0, body))?;
        Ok(made["id"].as_i64().ok_or("a canvas without an id")?)
    }

    /// The endpoint of a canvas.
    pub fn canvas_path(&self, member: usize, canvas: i64) -> Result<String> {
        Ok(format!("/canvas/{canvas}?token={}", token(member)?))
    }

    /// A token for administrative requests.
    pub fn admin_token(&self) -> Result<String> {
        signed("admin", json!({"role": "admin"}))
    }

    /// The response text to a GET request of `member` to the server at `address`.
    pub fn get_text(&self, address: SocketAddr, path: &str, member: usize) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let request = reqwest::Client::new().get(format!("http://{address}{path}")).bearer_auth(token(member)?);
            let response = request.send().await?;
            let (status, body) = (response.status(), response.text().await?);
            if status.is_success() { Ok(body) } else { Err(format!("{path}: {status} {body}").into()) }
        })
    }
}

pub fn user_id(member: usize) -> String {
    format!("b{member:06}")
}

pub fn token(member: usize) -> Result<String> {
    let user = user_id(member);
    let email = format!("{user}@bench.invalid");
    signed(&user, json!({"email": email}))
}

fn signed(user: &str, mut claims: Value) -> Result<String> {
    claims["sub"] = user.into();
    claims["username"] = user.into();
    claims["exp"] = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + TOKEN_TTL_SECONDS).into();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}

/// A minimal REST client.
struct Api {
    http: reqwest::Client,
    root: String,
}

impl Api {
    async fn get(&self, path: &str, member: usize) -> Result<Value> {
        answer(self.http.get(format!("{}{path}", self.root)).bearer_auth(token(member)?)).await
    }

    async fn post(&self, path: &str, member: usize, body: Value) -> Result<Value> {
        answer(self.http.post(format!("{}{path}", self.root)).bearer_auth(token(member)?).json(&body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().path().to_owned());
    let body = response.text().await?;
    if !status.is_success() {
        return Err(format!("{url}: {status} {body}").into());
    }
    Ok(serde_json::from_str(&body)?)
}

/// Creates one group with all members, and a channel per room. Returns the channels' ids.
async fn populate(address: SocketAddr, layout: Layout) -> Result<Vec<String>> {
    let api = &Api { http: reqwest::Client::new(), root: format!("http://{address}") };
    let provisioned = (0..layout.people()).map(|member| api.get("/api/auth/me", member));
    stream::iter(provisioned).buffer_unordered(REQUESTS_AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;

    let group = id_of(&api.post("/api/groups", 0, json!({ "name": "load" })).await?)?;
    let members = &format!("/api/groups/{group}/members");
    let added = (1..layout.people())
        .map(|member| api.post(members, 0, json!({ "user_id": user_id(member), "role": "member" })));
    stream::iter(added).buffer_unordered(REQUESTS_AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;

    let mut channels = Vec::with_capacity(layout.rooms);
    for room in 0..layout.rooms {
        let body = json!({ "name": format!("room-{room}"), "type": "TEXT" });
        channels.push(id_of(&api.post(&format!("/api/groups/{group}/channels"), 0, body).await?)?);
    }
    Ok(channels)
}

fn id_of(answer: &Value) -> Result<String> {
    Ok(answer.get("id").and_then(Value::as_str).ok_or("an answer without an id")?.to_owned())
}
