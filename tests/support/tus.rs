//! A client for uploads with tus 1.0.

use reqwest::{Method, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::rest::{Answer, User, send};
use super::server::Server;
use super::{DEADLINE, eventually, token};

pub const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
pub const BYTES: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// Bytes without repetition, so that a misplaced one is detected.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    let text = token::base64_url(bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    text + &padding
}

/// Upload requests of a user.
pub struct Uploader<'a> {
    pub server: &'a Server,
    pub user: &'a User,
}

impl Uploader<'_> {
    pub fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let request = reqwest::Client::new().request(method, self.server.url(path)).bearer_auth(&self.user.token);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(self.request(method, path, headers).body(body.to_vec()), None).await
    }

    pub async fn create(&self, size: usize, name: &str) -> String {
        let metadata = format!("filename {}", base64(name.as_bytes()));
        let headers = [TUS, ("Upload-Length", &size.to_string()), ("Upload-Metadata", &metadata)];
        let answer = self.send(Method::POST, "/api/v1/files", &headers, b"").await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let address = reqwest::Url::parse(&self.server.url("/api/v1/files")).expect("an address");
        address.join(answer.header("location")).expect("a relative address").path().to_owned()
    }

    pub async fn patch(&self, location: &str, offset: usize, bytes: &[u8]) -> Answer {
        self.send(Method::PATCH, location, &[TUS, BYTES, ("Upload-Offset", &offset.to_string())], bytes).await
    }

    pub async fn offset(&self, location: &str) -> usize {
        let answer = self.send(Method::HEAD, location, &[TUS], b"").await;
        assert_eq!(answer.status, 200);
        answer.header("upload-offset").parse().expect("an offset")
    }

    pub async fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let location = self.create(bytes.len(), name).await;
        let answer = self.patch(&location, 0, bytes).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        location
    }

    pub async fn fetch(&self, location: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.request(Method::GET, &format!("{location}/content"), headers);
        request.send().await.expect("the server should answer")
    }

    pub async fn content(&self, location: &str) -> Vec<u8> {
        let response = self.fetch(location, &[]).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.expect("the file").to_vec()
    }

    /// The head of a PATCH request, for a separate connection. `length` is the header with the length of the body.
    pub fn head_of_patch(&self, location: &str, offset: usize, length: &str) -> String {
        format!(
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
             Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n{length}\r\n\r\n",
            self.user.token
        )
    }

    /// Sends a PATCH whose connection stays open, because its body is shorter than announced.
    pub async fn hang(&self, location: &str, promised: usize, bytes: &[u8]) -> TcpStream {
        let head = self.head_of_patch(location, 0, &format!("Content-Length: {promised}"));
        let mut stream = TcpStream::connect(self.server.authority()).await.expect("the server listens");
        stream.write_all(head.as_bytes()).await.expect("a head");
        stream.write_all(bytes).await.expect("a part of the body");
        stream
    }
}

/// The id in an upload's URL.
pub fn id_of(location: &str) -> &str {
    location.rsplit('/').next().expect("an id at the end")
}

/// Received bytes count while the request is still in progress: the server dies, and the upload continues where it was.
pub async fn outlives_a_crash(server: &mut Server, user: &User) {
    let bytes = pattern(2_000_000);
    let location = Uploader { server: &*server, user }.create(bytes.len(), "x.bin").await;
    let hanging = Uploader { server: &*server, user }.hang(&location, bytes.len(), &bytes[..1_000_000]).await;
    eventually("a checkpoint", DEADLINE, || async {
        (Uploader { server: &*server, user }.offset(&location).await == 1_000_000).then_some(())
    })
    .await;
    server.kill();
    drop(hanging);
    server.restart().await;
    let uploader = Uploader { server: &*server, user };
    assert_eq!(uploader.offset(&location).await, 1_000_000);
    let went_on = eventually("the dead writer's turn is over", DEADLINE, || async {
        let answer = uploader.patch(&location, 1_000_000, &bytes[1_000_000..]).await;
        (answer.status == 204).then_some(())
    });
    went_on.await;
    assert!(uploader.content(&location).await == bytes);
}
