//! Uploads with tus 1.0, downloads, and file attachments (docs/protocol.md, "Files").

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::on_both;
use crate::support::rest::send;
use crate::support::tus::{self, BYTES, TUS, Uploader, base64, id_of, pattern};
use crate::support::{DEADLINE, Server, User, eventually, token};

on_both! {
    async fn a_file_comes_in_pieces_and_goes_out_in_ranges(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let uploader = Uploader { server: &server, user: &alice };
        let bytes = pattern(3_000_000);
        let location = uploader.create(bytes.len(), "../../figures.csv").await;
        let mut at = 0;
        for piece in bytes.chunks(1_100_000) {
            let answer = uploader.patch(&location, at, piece).await;
            assert_eq!(answer.status, 204, "{}", answer.text);
            at += piece.len();
            assert_eq!(answer.header("upload-offset"), at.to_string());
            assert_eq!(uploader.offset(&location).await, at);
        }
        assert!(uploader.content(&location).await == bytes);
        for (range, from, to) in [("bytes=1099999-1100000", 1_099_999, 1_100_001), ("bytes=-5", 2_999_995, 3_000_000),
            ("bytes=0-2999999", 0, 3_000_000), ("bytes=2200000-", 2_200_000, 3_000_000)] {
            let response = uploader.fetch(&location, &[("Range", range)]).await;
            assert_eq!(response.status(), 206, "{range}");
            assert_eq!(response.headers()["content-range"], format!("bytes {from}-{}/3000000", to - 1));
            assert!(response.bytes().await.unwrap() == bytes[from..to], "{range}");
        }
        let response = uploader.fetch(&location, &[("Range", "bytes=3000000-")]).await;
        assert_eq!((response.status().as_u16(), &response.headers()["content-range"] == "bytes */3000000"), (416, true));
        let tag = uploader.fetch(&location, &[]).await.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(uploader.fetch(&location, &[("If-None-Match", &tag)]).await.status(), 304);
        let stale = uploader.fetch(&location, &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")]).await;
        assert_eq!(stale.status(), 200);
        let listed = alice.get("/api/v1/files").await.expect(200);
        assert_eq!((&listed["files"][0]["filename"], &listed["files"][0]["size"]), (&json!("figures.csv"), &json!(3_000_000)));
        let by_link = reqwest::get(server.url(&format!("{location}/figures.csv?token={}", alice.token))).await.unwrap();
        assert_eq!(by_link.headers()["content-disposition"], "attachment; filename=\"figures.csv\"; filename*=UTF-8''figures.csv");
        assert_eq!(by_link.headers()["content-type"], "text/csv; charset=utf-8");
        let deleted = uploader.send(Method::DELETE, &location, &[TUS], b"").await;
        assert_eq!(deleted.status, 204);
        alice.get(&format!("{location}/content")).await.expect_error(404, "NOT_FOUND");
        assert_eq!(kept_files(&server), 0, "nothing is left on the disk");
    }
}

fn kept_files(server: &Server) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&server.data_folder().join("files"))
}

#[tokio::test]
async fn what_arrived_before_the_connection_broke_is_kept() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(5_000_000);
    let location = uploader.create(bytes.len(), "x.bin").await;
    let (checked, came) = (3_000_000, 3_000_333);
    let mut request = uploader.hang(&location, bytes.len(), &bytes[..checked]).await;
    // Bytes that HTTP buffers while the storage is behind are lost with the connection. Wait for a checkpoint, so that
    // there are none.
    eventually("a checkpoint", DEADLINE, || async { (uploader.offset(&location).await == checked).then_some(()) })
        .await;
    request.write_all(&bytes[checked..came]).await.expect("the request continues");
    drop(request);
    eventually("a body shorter than its Content-Length loses nothing of what came", DEADLINE, || async {
        (uploader.offset(&location).await == came).then_some(())
    })
    .await;
    assert_eq!(uploader.patch(&location, came, &bytes[came..]).await.status, 204);
    assert!(uploader.content(&location).await == bytes);
}

#[tokio::test]
async fn what_was_kept_outlives_a_crash() {
    let mut server = Server::start().await;
    let alice = server.user("alice").await;
    tus::outlives_a_crash(&mut server, &alice).await;
}

#[tokio::test]
async fn one_request_writes_at_a_time_and_a_silent_one_has_to_yield() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(100_000);
    let location = uploader.create(bytes.len(), "x.bin").await;
    let mut busy = uploader.hang(&location, bytes.len(), &bytes[..10]).await;
    eventually("the first bytes are kept", DEADLINE, || async {
        (uploader.offset(&location).await == 10).then_some(())
    })
    .await;
    // A slow trickle keeps the lease; the other request waits for a while and is refused.
    let (trickle, sent_away) = tokio::join!(
        async {
            for at in 10..30 {
                // tidy: the pace is what is tested
                tokio::time::sleep(Duration::from_millis(350)).await;
                busy.write_all(&bytes[at..=at]).await.expect("the server reads");
            }
        },
        uploader.patch(&location, 10, &bytes[10..]),
    );
    let () = trickle;
    sent_away.expect_error(423, "CONFLICT");
    // The trickle ends, and its connection hangs. The next request gets the lease.
    let at = uploader.offset(&location).await;
    let next = uploader.patch(&location, at, &bytes[at..]).await;
    match next.status.as_u16() {
        204 => {}
        409 => {
            let at = uploader.offset(&location).await;
            assert_eq!(uploader.patch(&location, at, &bytes[at..]).await.status, 204);
        }
        other => panic!("{other}: {}", next.text),
    }
    assert!(uploader.content(&location).await == bytes);
}

#[tokio::test]
async fn a_chunk_that_does_not_match_its_checksum_is_not_kept() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    let location = uploader.create(11, "x.txt").await;
    let sha1 = |text: &str| format!("sha1 {text}");
    let patch = async |checksum: &str, bytes: &[u8]| {
        let headers = [TUS, BYTES, ("Upload-Offset", "0"), ("Upload-Checksum", checksum)];
        uploader.send(Method::PATCH, &location, &headers, bytes).await
    };
    // The SHA-1 of "hello world".
    let digest = sha1("Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
    patch(&digest, b"hello_world").await.expect_error(460, "INVALID_MESSAGE");
    assert_eq!(uploader.offset(&location).await, 0);
    for wrong in ["md5 XrY7u+Ae7tCTyyK7j1rNww==", "sha1", "sha1 xyz", "sha1 !!"] {
        patch(wrong, b"hello world").await.expect_error(400, "INVALID_MESSAGE");
    }
    assert_eq!(patch(&digest, b"hello world").await.status, 204);
    assert_eq!(uploader.content(&location).await, b"hello world");
    assert_eq!(kept_files(&server), 1, "the discarded chunk is gone");
}

#[tokio::test]
async fn lies_about_lengths_are_refused_and_lose_nothing() {
    let server = Server::builder().env("FILE_BYTES_MAX", 1_000).start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    for wrong in ["-1", "abc", "1.5", "+5", "", "99999999999999999999999", "0x10"] {
        let answer = uploader.send(Method::POST, "/api/v1/files", &[TUS, ("Upload-Length", wrong)], b"").await;
        answer.expect_error(400, "INVALID_MESSAGE");
    }
    let huge = uploader.send(Method::POST, "/api/v1/files", &[TUS, ("Upload-Length", "1001")], b"").await;
    huge.expect_error(413, "MESSAGE_TOO_LONG");
    let location = uploader.create(10, "x.txt").await;
    uploader.patch(&location, 0, b"more than ten bytes").await.expect_error(413, "MESSAGE_TOO_LONG");
    assert_eq!(uploader.patch(&location, 0, b"hello").await.status, 204);
    uploader.patch(&location, 3, b"x").await.expect_error(409, "CONFLICT");
    uploader.patch(&location, 6, b"x").await.expect_error(409, "CONFLICT");
    assert_eq!(uploader.offset(&location).await, 5);
    let no_version = uploader.send(Method::HEAD, &location, &[], b"").await;
    assert_eq!((no_version.status.as_u16(), no_version.header("tus-version")), (412, "1.0.0"));
    let other_type = [TUS, ("Content-Type", "text/plain"), ("Upload-Offset", "5")];
    uploader.send(Method::PATCH, &location, &other_type, b"x").await.expect_error(415, "INVALID_MESSAGE");
    let empty = uploader.create(0, "empty").await;
    assert_eq!(uploader.content(&empty).await, b"");
    for nothing in
        ["/api/v1/files/x", "/api/v1/files/..%2f..%2fetc%2fpasswd", &format!("/api/v1/files/{}", uuid::Uuid::now_v7())]
    {
        assert_eq!(uploader.send(Method::HEAD, nothing, &[TUS], b"").await.status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn names_are_made_harmless_and_nothing_uploaded_runs() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    for (given, kept) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\x", "x"),
        ("a\0b\r\nSet-Cookie: c.txt", "abSet-Cookie_ c.txt"),
        ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ("", "file"),
    ] {
        let location = uploader.upload(given, b"x").await;
        let file = alice.get(&location).await.expect(200);
        assert_eq!(file["filename"], kept, "{given:?}");
        assert_eq!(uploader.fetch(&location, &[]).await.status(), 200);
    }
    let long = uploader.upload(&format!("{}.txt", "x".repeat(5_000)), b"x").await;
    assert!(alice.get(&long).await.expect(200)["filename"].as_str().is_some_and(|name| name.len() < 300));
    for name in ["page.html", "image.svg", "code.js", "feed.xml", "style.css"] {
        let location = uploader.upload(name, b"<script>alert(1)</script>").await;
        let response = uploader.fetch(&location, &[]).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/octet-stream", "{name}");
        assert!(header("content-disposition").starts_with("attachment; "));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").contains("sandbox"));
    }
    let image = uploader.fetch(&uploader.upload("p.png", b"x").await, &[]).await;
    assert_eq!(image.headers()["content-type"], "image/png");
    assert!(image.headers()["content-disposition"].to_str().unwrap().starts_with("inline; "));
}

#[tokio::test]
async fn quotas_hold_per_user() {
    let server = Server::builder()
        .env("FILES_PER_USER_BYTES_MAX", 1_000)
        .env("UPLOADS_PER_USER_MAX", 2)
        .env("FILE_TYPES_ALLOWED", "image/*,text/plain,application/octet-stream")
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let uploader = Uploader { server: &server, user: &alice };
    let post = async |user: &User, size: &str, name: &str| {
        let metadata = format!("filename {}", base64(name.as_bytes()));
        let headers = [TUS, ("Upload-Length", size), ("Upload-Metadata", &metadata)];
        Uploader { server: &server, user }.send(Method::POST, "/api/v1/files", &headers, b"").await
    };
    post(&alice, "10", "x.html").await.expect_error(415, "INVALID_MESSAGE");
    let first = uploader.create(600, "a.png").await;
    post(&alice, "401", "b.png").await.expect_error(413, "MESSAGE_TOO_LONG");
    uploader.create(100, "b.png").await;
    post(&alice, "1", "c.png").await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(post(&bob, "600", "a.png").await.status, 201);
    assert_eq!(uploader.send(Method::DELETE, &first, &[TUS], b"").await.status, 204);
    assert_eq!(post(&alice, "900", "c.png").await.status, 201);
}

#[tokio::test]
async fn only_the_owner_and_administrators_touch_an_upload() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let location = Uploader { server: &server, user: &alice }.create(5, "x.txt").await;
    let stranger = Uploader { server: &server, user: &bob };
    for (method, headers) in [
        (Method::HEAD, vec![TUS]),
        (Method::PATCH, vec![TUS, BYTES, ("Upload-Offset", "0")]),
        (Method::DELETE, vec![TUS]),
        (Method::GET, vec![]),
    ] {
        assert_eq!(stranger.send(method.clone(), &location, &headers, b"").await.status, 403, "{method}");
    }
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let admin = Uploader { server: &server, user: &ops };
    assert_eq!(admin.send(Method::HEAD, &location, &[TUS], b"").await.status, 200);
    assert_eq!(admin.send(Method::DELETE, &location, &[TUS], b"").await.status, 204);
    let without = reqwest::Client::new().post(server.url("/api/v1/files")).header(TUS.0, TUS.1);
    send(without.header("Upload-Length", "1"), None).await.expect_error(401, "AUTHENTICATION_FAILED");
    let options = reqwest::Client::new().request(Method::OPTIONS, server.url("/api/v1/files"));
    let options = send(options, None).await;
    assert_eq!((options.status.as_u16(), options.header("tus-checksum-algorithm")), (204, "sha1"));
}

on_both! {
    async fn a_message_brings_files_to_those_who_may_read_it(database) {
        let server = Server::on(database).await;
        let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
        let channel = alice.channel_with(&[&bob]).await;
        let uploader = Uploader { server: &server, user: &alice };
        let location = uploader.upload("october.csv", b"a,b\n1,2\n").await;
        let content = format!("{location}/content");
        bob.get(&content).await.expect_error(403, "PERMISSION_DENIED");
        let (mut hers, mut his) = (alice.join(&channel).await, bob.join(&channel).await);
        hers.expect("user_joined").await;
        hers.send_json(&json!({"type": "message", "content": "", "attachments": [id_of(&location)], "ref": 1})).await;
        let told = his.expect("message").await;
        let expected = json!([{"id": id_of(&location), "filename": "october.csv", "size": 8, "mime_type": "text/csv", "url": content}]);
        assert_eq!(told["attachments"], expected);
        assert_eq!(bob.history(&channel).await[0]["attachments"], expected);
        let answer = bob.get(told["attachments"][0]["url"].as_str().expect("a url")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "a,b\n1,2\n"));
        eve.get(&content).await.expect_error(403, "PERMISSION_DENIED");
        // Bob may attach a file that was shared with him, but no other.
        his.send_json(&json!({"type": "message", "content": "again", "attachments": [id_of(&location)]})).await;
        assert_eq!(his.expect("message").await["attachments"], expected);
        let unfinished = uploader.create(5, "half").await;
        let secret = uploader.upload("secret.txt", b"x").await;
        for nothing in [id_of(&secret), id_of(&unfinished), &uuid::Uuid::now_v7().to_string()] {
            his.send_json(&json!({"type": "message", "content": "x", "attachments": [nothing], "ref": nothing})).await;
            assert_eq!(his.expect_error("NOT_FOUND").await["ref"], nothing);
        }
        his.say("plain").await;
        assert_eq!(his.expect("message").await.get("attachments"), None);
    }
}

#[tokio::test]
async fn an_upload_is_told_while_it_runs() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut socket = alice.open("/api/v1/ws").await;
    socket.send_json(&json!({"type": "ping"})).await;
    socket.expect("pong").await;
    let uploader = Uploader { server: &server, user: &alice };
    let location = uploader.upload("x.txt", b"hello").await;
    let started = next_of(&mut socket, "file_upload_start").await;
    assert_eq!((&started["file_id"], &started["filename"]), (&json!(id_of(&location)), &json!("x.txt")));
    let complete = next_of(&mut socket, "file_upload_complete").await;
    assert_eq!(complete["file_id"], id_of(&location));
    let answer = alice.get(complete["url"].as_str().expect("a url")).await;
    assert_eq!(answer.text, "hello");
}

async fn next_of(socket: &mut crate::support::Socket, kind: &str) -> Value {
    socket.read_until(kind).await.pop().expect("the one that was waited for")
}

#[tokio::test]
async fn what_a_client_may_not_do_is_refused_at_its_first_request() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    for (name, value) in [("Upload-Concat", "partial"), ("Upload-Concat", "final;/a /b"), ("Upload-Defer-Length", "1")]
    {
        let headers = [TUS, ("Upload-Length", "5"), (name, value)];
        let answer = uploader.send(Method::POST, "/api/v1/files", &headers, b"").await;
        let error = answer.expect_error(400, "INVALID_MESSAGE");
        assert!(error["error"].as_str().is_some_and(|said| said.contains(name)), "{error}");
    }
    assert_eq!(alice.get("/api/v1/files").await.expect(200)["files"], serde_json::json!([]));
}

#[tokio::test]
async fn the_address_of_an_upload_holds_behind_a_prefix() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let uploader = Uploader { server: &server, user: &alice };
    for path in ["/api/v1/files", "/api/v1/files/"] {
        let answer = uploader.send(Method::POST, path, &[TUS, ("Upload-Length", "5")], b"").await;
        // Resolved like by a client that sees the server under /convene.
        let seen = reqwest::Url::parse(&format!("http://proxy/convene{path}")).unwrap();
        let location = seen.join(answer.header("location")).unwrap();
        let inside = location.path().strip_prefix("/convene").expect("within the prefix");
        assert_eq!(uploader.offset(inside).await, 0);
    }
}
