//! A client of the REST API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::Server;
use super::socket::{Place, Socket};

/// The password of every user the harness registers.
pub const PASSWORD: &str = "correct horse battery staple";

/// A response: status, headers, and the body as JSON (`Null` if there is none).
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// Asserts the status and returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "body: {}", self.text);
        self.body
    }

    /// Asserts that this is the standard error with that status and code, and returns the body.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_error(&body, code);
        body
    }

    /// The header's value, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Asserts the form of all errors: `{"type":"error","error":…,"code":…,"timestamp":…}`.
#[track_caller]
pub fn assert_error(body: &Value, code: &str) {
    assert_eq!(super::socket::kind_of(body), "error", "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert!(body["error"].as_str().is_some_and(|sentence| sentence.len() > 5), "an error needs a sentence: {body}");
    assert_timestamp(&body["timestamp"]);
}

/// Asserts RFC 3339 in UTC with milliseconds and `Z`: `2026-11-21T11:32:05.123Z`.
#[track_caller]
pub fn assert_timestamp(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("a timestamp should be a text, not {value}"));
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "timestamp {text}");
}

/// Sends a request without a token.
pub async fn request(method: Method, url: &str, body: Option<Value>) -> Answer {
    send(reqwest::Client::new().request(method, url), body).await
}

/// GET without a token.
pub async fn get(url: &str) -> Answer {
    request(Method::GET, url, None).await
}

/// POST of JSON without a token.
pub async fn post(url: &str, body: Value) -> Answer {
    request(Method::POST, url, Some(body)).await
}

/// Sends a request built by the caller.
pub async fn send(request: reqwest::RequestBuilder, body: Option<Value>) -> Answer {
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.expect("the server should answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("the body should arrive");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

/// A registered user with a valid token.
#[derive(Clone)]
pub struct User {
    pub id: String,
    pub username: String,
    pub token: String,
    pub refresh_token: String,
    origin: String,
    client: reqwest::Client,
}

impl User {
    /// Registers over REST and logs in.
    pub async fn register(origin: &str, username: &str) -> User {
        let email = format!("{username}@example.org");
        let account = json!({"username": username, "email": email, "password": PASSWORD});
        post(&format!("{origin}/api/auth/register"), account).await.expect(201);
        User::login(origin, username).await
    }

    /// Logs in with the harness's password.
    pub async fn login(origin: &str, username: &str) -> User {
        let credentials = json!({"username": username, "password": PASSWORD});
        let session = post(&format!("{origin}/api/auth/login"), credentials).await.expect(200);
        let mut user = User::with_token(origin, session["user"]["id"].as_str().expect("a user id"), username, "");
        user.token = session["access_token"].as_str().expect("an access token").to_owned();
        user.refresh_token = session["refresh_token"].as_str().expect("a refresh token").to_owned();
        user
    }

    /// A user with a token from another issuer.
    pub fn with_token(origin: &str, id: &str, username: &str, token: &str) -> User {
        User {
            id: id.to_owned(),
            username: username.to_owned(),
            token: token.to_owned(),
            refresh_token: String::new(),
            origin: origin.to_owned(),
            client: reqwest::Client::new(),
        }
    }

    /// The same user on another node.
    pub fn at(&self, server: &Server) -> User {
        User { origin: server.origin().to_owned(), ..self.clone() }
    }

    /// The server that this user talks to.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a request as this user.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(&self.token);
        send(request, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str) -> Answer {
        self.request(Method::PUT, path, None).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.request(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, None).await
    }

    /// Creates a group and returns its id.
    pub async fn create_group(&self, name: &str) -> String {
        id_of(&self.post("/api/groups", json!({"name": name})).await.expect(201))
    }

    /// Creates a text channel and returns its id.
    pub async fn create_channel(&self, group_id: &str, name: &str) -> String {
        let channel = json!({"name": name, "type": "TEXT"});
        id_of(&self.post(&format!("/api/groups/{group_id}/channels"), channel).await.expect(201))
    }

    /// Makes `user` a member of the group.
    pub async fn add_member(&self, group_id: &str, user: &User) {
        let member = json!({"user_id": user.id, "role": "member"});
        self.post(&format!("/api/groups/{group_id}/members"), member).await.expect(201);
    }

    /// Creates a group of this user with one channel and the others as members. Returns the channel's id.
    pub async fn channel_with(&self, others: &[&User]) -> String {
        let group = self.create_group("Test group").await;
        for other in others {
            self.add_member(&group, other).await;
        }
        self.create_channel(&group, "general").await
    }

    /// The newest page of a channel's history, newest first.
    pub async fn history(&self, channel_id: &str) -> Vec<Value> {
        self.history_page(&format!("/api/channels/{channel_id}/messages?limit=100")).await
    }

    /// The whole history at `path` (`/api/channels/{id}/messages` or `/api/dm/{id}/messages`), oldest first, read page
    /// by page.
    pub async fn whole_history(&self, path: &str) -> Vec<Value> {
        let mut messages = self.history_page(&format!("{path}?limit=100")).await;
        while let Some(oldest) = messages.last().map(|message| message["seq"].clone()) {
            let page = self.history_page(&format!("{path}?limit=100&before={oldest}")).await;
            if page.is_empty() {
                break;
            }
            messages.extend(page);
        }
        messages.reverse();
        messages
    }

    async fn history_page(&self, path: &str) -> Vec<Value> {
        let body = self.get(path).await.expect(200);
        body["messages"].as_array().unwrap_or_else(|| panic!("a list of messages, not {body}")).clone()
    }

    /// Opens a socket to a channel without reading its first frame.
    pub async fn connect(&self, channel_id: &str) -> Socket {
        self.open(&format!("/ws/channel/{channel_id}")).await
    }

    /// Opens a socket to a channel and reads its first frame.
    pub async fn join(&self, channel_id: &str) -> Socket {
        let mut socket = self.connect(channel_id).await;
        socket.expect("online_users").await;
        socket
    }

    /// Opens a socket to the conversation with `other` without reading its first frame.
    pub async fn connect_dm(&self, other: &User) -> Socket {
        self.open(&format!("/ws/dm/{}", other.id)).await
    }

    /// Opens a nexus socket, as the seed's client does, and reads its first frame.
    pub async fn nexus(&self) -> Socket {
        let mut socket = self.open(&format!("/ws?user_id={}", self.id)).await;
        socket.expect("system.message").await;
        socket
    }

    /// Opens a socket to any path with this user's token in the query.
    pub async fn open(&self, path_and_query: &str) -> Socket {
        Socket::open(&self.origin, path_and_query, &self.token, Place::Query).await
    }

    /// Resumes in a channel after `seq` without reading the first frame.
    pub async fn resume(&self, channel_id: &str, since: u64, epoch: &str) -> Socket {
        self.open(&format!("/ws/channel/{channel_id}?since={since}&epoch={epoch}")).await
    }
}

/// The `id` of an object.
#[track_caller]
pub fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("an object with an id, not {object}")).to_owned()
}
