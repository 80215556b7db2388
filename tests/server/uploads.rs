//! Upload events for the uploader and for the members of the room, whatever happens to the connection
//! (docs/protocol.md, "Files").

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::proxy::Proxy;
use crate::support::raw::RawSocket;
use crate::support::tus::{BYTES, TUS, Uploader, base64, id_of, pattern};
use crate::support::{Database, Line, Postgres, Server, Socket, User};

/// A socket of the user that receives all events from now on.
async fn listener(user: &User) -> Socket {
    let mut socket = user.open("/api/v1/ws").await;
    socket.send_json(&json!({"type": "ping"})).await;
    socket.expect("pong").await;
    socket
}

/// The events of an upload, until another upload that starts now is complete.
async fn told_of(socket: &mut Socket, uploader: &Uploader<'_>, location: &str) -> Vec<Value> {
    let last = uploader.upload("last.txt", b"x").await;
    let mut told = Vec::new();
    loop {
        told.extend(socket.read_until("file_upload_complete").await);
        if told.last().is_some_and(|frame| frame["file_id"] == id_of(&last)) {
            told.retain(|frame| frame["file_id"] == id_of(location));
            return told;
        }
    }
}

fn count(told: &[Value], kind: &str) -> usize {
    told.iter().filter(|frame| frame["type"] == kind).count()
}

#[tokio::test]
async fn quick_requests_tell_their_progress_and_the_end_is_told_once() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut socket = listener(&alice).await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(4_000);
    let location = uploader.create(bytes.len(), "x.bin").await;
    for (turn, piece) in bytes.chunks(1_000).enumerate() {
        assert_eq!(uploader.patch(&location, turn * 1_000, piece).await.status, 204);
    }
    assert_eq!(uploader.patch(&location, 4_000, b"").await.status, 204);
    let told = told_of(&mut socket, &uploader, &location).await;
    assert!(count(&told, "file_upload_progress") >= 3, "{told:?}");
    assert_eq!(count(&told, "file_upload_complete"), 1, "{told:?}");
    let [.., before_last, last] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(before_last["percentage"], 100.0, "{before_last}");
    assert_eq!(last["type"], "file_upload_complete");
}

#[tokio::test]
async fn the_end_is_told_although_the_last_request_broke_off() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut socket = listener(&alice).await;
    let uploader = Uploader { server: &server, user: &alice };
    let location = uploader.create(5, "x.txt").await;
    let mut raw = RawSocket::connect(server.authority()).await;
    raw.write(uploader.head_of_patch(&location, 0, "Transfer-Encoding: chunked").as_bytes()).await;
    raw.write(b"5\r\nhello\r\n").await;
    drop(raw);
    let complete = socket.read_until("file_upload_complete").await.pop().expect("the last one read");
    assert_eq!(complete["file_id"], id_of(&location));
    assert_eq!(uploader.content(&location).await, b"hello");
    assert_eq!(count(&told_of(&mut socket, &uploader, &location).await, "file_upload_complete"), 0);
}

#[tokio::test]
async fn what_was_said_of_a_file_is_answered_as_it_was_said() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let said = format!("filename {},is_private, own {}", base64("../a b.png".as_bytes()), base64(&[0xff, 0]));
    let created = [TUS, ("Upload-Length", "5"), ("Upload-Metadata", &said)];
    let answer = uploader.send(Method::POST, "/api/v1/files", &created, b"").await;
    let head = uploader.send(Method::HEAD, &format!("/api/v1/{}", answer.header("location")), &[TUS], b"").await;
    assert_eq!(head.header("upload-metadata"), said);
    let answer = uploader.send(Method::POST, "/api/v1/files", &[TUS, ("Upload-Length", "5")], b"").await;
    let head = uploader.send(Method::HEAD, &format!("/api/v1/{}", answer.header("location")), &[TUS], b"").await;
    assert_eq!((head.status.as_u16(), head.headers.get("upload-metadata")), (200, None));
}

#[tokio::test]
async fn a_refusal_reaches_who_writes_the_whole_body_first() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let body = pattern(20_000_000);
    let length = format!("Content-Length: {}", body.len());
    let (whole, short) = (uploader.create(body.len(), "x").await, uploader.create(10, "x").await);
    for (location, offset, status) in [(&whole, 1, 409), (&short, 0, 413)] {
        let mut raw = RawSocket::connect(server.authority()).await;
        raw.write(uploader.head_of_patch(location, offset, &length).as_bytes()).await;
        raw.write(&body).await;
        assert_eq!(raw.read_http().await.status, status);
    }
}

#[tokio::test]
async fn one_question_after_a_broken_connection_tells_where_to_go_on() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(24_000_000);
    for turn in 0..5 {
        let location = uploader.create(bytes.len(), "x.bin").await;
        // More than the kernel buffers, so that the server has begun to read when the connection breaks.
        drop(uploader.hang(&location, bytes.len(), &bytes[..bytes.len() / 2]).await);
        let at = uploader.offset(&location).await;
        let answer = uploader.patch(&location, at, &bytes[at..]).await;
        assert_eq!(answer.status, 204, "turn {turn}, from {at}: {}", answer.text);
        assert!(uploader.content(&location).await == bytes, "turn {turn}");
    }
}

#[tokio::test]
async fn creations_that_are_refused_leave_nothing_behind() {
    let server = Server::builder().env("UPLOADS_PER_USER_MAX", 10).start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let create = async |checksum: &str, length: &str| {
        let headers = [TUS, BYTES, ("Upload-Length", length), ("Upload-Checksum", checksum)];
        uploader.send(Method::POST, "/api/v1/files", &headers, b"hello world").await
    };
    // The SHA-1 of "hello world".
    let digest = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
    for _ in 0..12 {
        create("sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "11").await.expect_error(460, "INVALID_MESSAGE");
        create(digest, "10").await.expect_error(413, "MESSAGE_TOO_LONG");
    }
    assert_eq!(create(digest, "11").await.status, 201);
    assert_eq!(alice.get("/api/v1/files").await.expect(200)["files"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn twenty_uploads_begin_at_once_and_files_have_a_number() {
    let server = Server::builder().env("FILES_PER_USER_MAX", 20).start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    join_all((0..20).map(|_| uploader.create(10, "x"))).await;
    let more = uploader.send(Method::POST, "/api/v1/files", &[TUS, ("Upload-Length", "0")], b"").await;
    more.expect_error(413, "MESSAGE_TOO_LONG");
}

#[tokio::test]
async fn asking_for_the_head_of_a_file_reads_nothing_of_it() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let location = uploader.upload("x.bin", &pattern(100_000)).await;
    std::fs::remove_dir_all(server.data_folder().join("files")).expect("the files' folder");
    let content = format!("{location}/content");
    let head = uploader.send(Method::HEAD, &content, &[], b"").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "100000"));
    uploader.send(Method::GET, &content, &[], b"").await.expect_error(503, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_commit_that_nobody_told_of_loses_no_byte() {
    let (url, line) = behind_a_line(Postgres::shared().create_database().await);
    let server = Server::builder().database(Database::Postgres).env("DATABASE_URL", url).start().await;
    let alice = server.user("alice").await;
    let mut socket = listener(&alice).await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(100_000);
    for half in [&bytes[..50_000], &bytes[..]] {
        let location = uploader.create(bytes.len(), "x.bin").await;
        line.set(Line::Uncommitted);
        let answer = uploader.patch(&location, 0, half).await;
        line.set(Line::Open);
        assert_eq!(answer.status, 204, "what was committed counts: {}", answer.text);
        assert_eq!(uploader.offset(&location).await, half.len());
        assert_eq!(uploader.patch(&location, half.len(), &bytes[half.len()..]).await.status, 204);
        assert!(uploader.content(&location).await == bytes);
        assert_eq!(count(&told_of(&mut socket, &uploader, &location).await, "file_upload_complete"), 1);
    }
}

/// The database's URL through a proxy.
fn behind_a_line(url: String) -> (String, Proxy) {
    let (before, rest) = url.rsplit_once(':').expect("a port");
    let (port, after) = rest.split_once('/').expect("a database");
    let line = Proxy::to(port.parse().expect("a number"));
    (format!("{before}:{}/{after}", line.port()), line)
}
