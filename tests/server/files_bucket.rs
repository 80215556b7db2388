//! Files in a bucket: received bytes count soon, and an unavailable or refusing bucket breaks nothing
//! (docs/operations.md, "Files").

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::AsyncWriteExt;

use crate::support::bucket::Bucket;
use crate::support::tus::{self, Uploader, pattern};
use crate::support::{DEADLINE, Line, Server, User, eventually};

async fn server_over(bucket: &Bucket) -> (Server, User) {
    let settings = bucket.settings();
    let builder = settings.iter().fold(Server::builder(), |builder, (name, value)| builder.env(name, value));
    let server = builder.start().await;
    let alice = server.user("alice").await;
    (server, alice)
}

#[tokio::test]
async fn what_came_before_a_node_died_or_a_line_fell_silent_counts() {
    let bucket = Bucket::start();
    let (mut server, alice) = server_over(&bucket).await;
    tus::outlives_a_crash(&mut server, &alice).await;
}

#[tokio::test]
async fn a_slow_upload_counts_while_it_runs() {
    let bucket = Bucket::start();
    let (server, alice) = server_over(&bucket).await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(1_000_000);
    let location = uploader.create(bytes.len(), "x.bin").await;
    let mut slow = uploader.hang(&location, bytes.len(), &bytes[..10]).await;
    let trickle = async {
        for at in 10.. {
            slow.write_all(&bytes[at..=at]).await.expect("the server reads");
            // tidy: the pace is what is tested
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let counts =
        eventually("a part of it counts", DEADLINE, || async { (uploader.offset(&location).await > 10).then_some(()) });
    tokio::select! {
        () = trickle => {}
        () = counts => {}
    }
    assert!(!bucket.sizes().is_empty());
}

#[tokio::test]
async fn an_object_that_is_not_taken_leaves_no_hole() {
    let bucket = Bucket::start();
    let (server, alice) = server_over(&bucket).await;
    let uploader = Uploader { server: &server, user: &alice };
    let bytes = pattern(70_000_000);
    let location = uploader.create(bytes.len(), "x.bin").await;
    bucket.take(Some(1));
    uploader.patch(&location, 0, &bytes).await.expect_error(503, "SERVICE_UNAVAILABLE");
    bucket.take(None);
    let at = uploader.offset(&location).await;
    assert_eq!(bucket.sizes(), [at], "what counts is what there is");
    assert_eq!(uploader.patch(&location, at, &bytes[at..]).await.status, 204);
    assert!(uploader.content(&location).await == bytes);
    let deleted = uploader.send(Method::DELETE, &location, &[crate::support::tus::TUS], b"").await;
    assert_eq!((deleted.status.as_u16(), bucket.sizes()), (204, vec![]));
}

#[tokio::test]
async fn a_bucket_that_is_away_is_told_soon() {
    let bucket = Bucket::start();
    let (server, alice) = server_over(&bucket).await;
    let uploader = Uploader { server: &server, user: &alice };
    let stored = uploader.upload("x.txt", b"hello").await;
    let location = uploader.create(5, "y.txt").await;
    bucket.line.set(Line::Severed);
    let (began, content) = (Instant::now(), format!("{stored}/content"));
    let (fetched, sent) = tokio::join!(alice.get(&content), uploader.patch(&location, 0, b"world"),);
    fetched.expect_error(503, "SERVICE_UNAVAILABLE");
    sent.expect_error(503, "SERVICE_UNAVAILABLE");
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    bucket.line.set(Line::Open);
    assert_eq!(uploader.offset(&location).await, 0);
    assert_eq!(uploader.patch(&location, 0, b"world").await.status, 204);
    assert_eq!(uploader.content(&location).await, b"world");
    assert_eq!(uploader.content(&stored).await, b"hello");
}
