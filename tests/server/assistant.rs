//! The assistant over the workspace socket: the built-in analyst, and a language model's endpoint that behaves well or
//! badly (docs/workspace.md, "The assistant").

use serde_json::{Value, json};

use crate::support::provider::{Play, Provider, Then};
use crate::support::rest::get;
use crate::support::{Server, Socket, User, token};
use crate::workspace::{join, joined, open};

/// A key that must not appear anywhere.
const KEY: &str = "sk-hush-hush";

/// A server whose assistant uses this provider.
async fn asking(provider: &Provider, settings: &[(&str, &str)]) -> Server {
    let mut builder = Server::builder()
        .env("AI_BASE_URL", provider.base_url())
        .env("AI_MODEL", "small-model")
        .env("AI_API_KEY", KEY)
        .env("AI_IDLE_TIMEOUT_SECONDS", 30);
    for (name, value) in settings {
        builder = builder.env(name, value);
    }
    builder.start().await
}

async fn ask(socket: &mut Socket, request: &str, query: &str) {
    socket.send_json(&json!({"type": "ai_request", "request_id": request, "query": query})).await;
}

/// The next event of the assistant.
async fn event(socket: &mut Socket, request: &str, kind: &str) -> Value {
    let event = socket.expect("ai_event").await;
    assert_eq!((&event["event_type"], &event["request_id"]), (&json!(kind), &json!(request)), "{event}");
    event["data"].clone()
}

/// All events of a request up to its end: the text of the deltas, and the last event.
async fn until_end(socket: &mut Socket, request: &str) -> (String, Value) {
    event(socket, request, "ai_start").await;
    let (mut text, mut last) = (String::new(), 0);
    loop {
        let event = socket.expect("ai_event").await;
        assert_eq!(event["request_id"], request, "{event}");
        let data = &event["data"];
        if event["event_type"] != "ai_progress" {
            return (text, event);
        }
        let percent = data["progress"].as_u64().expect("a percentage");
        assert!(percent >= last && percent < 100, "{percent} after {last}");
        last = percent;
        text += data["delta"].as_str().unwrap_or_default();
    }
}

async fn fails(socket: &mut Socket, request: &str, code: &str) -> String {
    let (_, end) = until_end(socket, request).await;
    assert_eq!((&end["event_type"], &end["data"]["code"]), (&json!("ai_error"), &json!(code)), "{end}");
    end["data"]["error"].as_str().expect("a sentence").to_owned()
}

async fn completes(socket: &mut Socket, request: &str) -> (String, Value) {
    let (text, end) = until_end(socket, request).await;
    assert_eq!(end["event_type"], "ai_complete", "{end}");
    assert!(end["data"]["processing_time"].is_number(), "{end}");
    (text, end["data"].clone())
}

async fn write(socket: &mut Socket, sheet: &str, cells: &[(&str, Value)]) {
    for (cell, value) in cells {
        socket.send_json(&json!({"type": "cell_update", "sheet_id": sheet, "cell_id": cell, "value": value})).await;
        socket.expect("cell_updated").await;
    }
}

async fn with_sales(user: &User) -> Socket {
    let mut socket = joined(user, "sales").await;
    let cells = [("A1", json!("Month")), ("B1", json!("Units")), ("A2", json!("2024-01-01")), ("B2", json!(10))];
    write(&mut socket, "q1", &cells).await;
    let cells = [("A3", json!("2024-02-01")), ("B3", json!("1,200")), ("A4", json!("2024-03-01")), ("B4", json!(20))];
    write(&mut socket, "q1", &cells).await;
    socket
}

// ---- the analyst ----

#[tokio::test]
async fn the_analyst_computes_over_the_stored_cells() {
    let server = Server::start().await;
    let mut alice = with_sales(&server.user("alice").await).await;
    alice
        .send_json(&json!({"type": "ai_request", "request_id": "r1", "query": "What is the total of units?",
                           "sheet_id": "q1", "context": {"table_range": "A1:Z100"}}))
        .await;
    let (_, answer) = completes(&mut alice, "r1").await;
    let result = answer["result"].as_str().expect("a text");
    assert!(result.starts_with("The sum of “Units” (B) is 1,230."), "{result}");
    let findings = &answer["findings"];
    assert_eq!(findings["table"]["range"], "A1:B4", "{findings}");
    assert_eq!(
        (&findings["columns"][1]["number"]["sum"], &findings["columns"][0]["kind"]),
        (&json!(1230.0), &json!("date"))
    );
    // Only the selected cells count.
    alice
        .send_json(&json!({"type": "ai_request", "request_id": "r2", "query": "sum", "sheet_id": "q1",
                           "context": {"table_range": "B2:B2"}}))
        .await;
    let (_, answer) = completes(&mut alice, "r2").await;
    assert_eq!(answer["findings"]["columns"][0]["number"]["sum"], 10.0, "{answer}");
}

#[tokio::test]
async fn the_analyst_says_what_it_can_do_and_what_is_not_there() {
    let server = Server::start().await;
    let mut alice = with_sales(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    let (_, answer) = completes(&mut alice, "r1").await;
    assert!(answer["result"].as_str().is_some_and(|text| text.contains("sheet_id")), "{answer}");
    alice.send_json(&json!({"type": "ai_request", "request_id": "r2", "query": "sum", "sheet_id": "nowhere"})).await;
    assert!(fails(&mut alice, "r2", "NOT_FOUND").await.contains("sheet_id"));
    alice
        .send_json(&json!({"type": "ai_request", "request_id": "r3", "query": "sum", "sheet_id": "q1",
                           "context": {"table_range": "ZZZ999999"}}))
        .await;
    assert!(fails(&mut alice, "r3", "NOT_FOUND").await.contains("table_range"));
    alice
        .send_json(&json!({"type": "ai_request", "request_id": "r4", "query": "sum", "sheet_id": "q1",
                           "context": {"table_range": "D5:F9"}}))
        .await;
    let (_, answer) = completes(&mut alice, "r4").await;
    assert!(answer["result"].as_str().is_some_and(|text| text.contains("D5:F9 has no cells")), "{answer}");
    let nothing = (&json!(0), &json!([]));
    assert_eq!((&answer["findings"]["table"]["cells"], &answer["findings"]["columns"]), nothing, "{answer}");
}

#[tokio::test]
async fn a_question_comes_after_the_cells_that_were_sent_before_it() {
    let server = Server::start().await;
    let mut alice = open(&server.user("alice").await).await;
    // Nothing is read in between.
    alice.send_json(&json!({"type": "join_room", "room_id": "sales"})).await;
    for row in 1..=20 {
        let cell = format!("A{row}");
        alice.send_json(&json!({"type": "cell_update", "sheet_id": "new", "cell_id": cell, "value": row})).await;
    }
    alice.send_json(&json!({"type": "ai_request", "request_id": "r1", "query": "sum", "sheet_id": "new"})).await;
    let answer = loop {
        let frame = alice.next_json().await;
        assert!(frame["type"] != "error" && frame["event_type"] != "ai_error", "{frame}");
        if frame["event_type"] == "ai_complete" {
            break frame;
        }
    };
    assert_eq!(answer["data"]["findings"]["columns"][0]["number"]["sum"], 210.0, "{answer}");
}

#[tokio::test]
async fn the_analyst_takes_many_questions_of_one_user_at_once() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 1_000).start().await;
    let mut alice = with_sales(&server.user("alice").await).await;
    // More than the hourly limit for a provider.
    for round in ["a", "b"] {
        for name in 0..50 {
            let request = format!("{round}{name}");
            let ask = json!({"type": "ai_request", "request_id": request, "query": "sum", "sheet_id": "q1"});
            alice.send_json(&ask).await;
        }
        let mut ends = 0;
        while ends < 50 {
            let frame = alice.next_json().await;
            assert!(frame["type"] != "error" && frame["event_type"] != "ai_error", "{frame}");
            ends += usize::from(frame["event_type"] == "ai_complete");
        }
    }
}

#[tokio::test]
async fn a_token_confined_to_other_rooms_reads_no_sheet() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut everywhere = with_sales(&alice).await;
    let question = json!({"type": "ai_request", "request_id": "r1", "query": "sum", "sheet_id": "q1"});
    let until = token::now() + 600;
    for (rooms, may) in [(json!(["other", "sal"]), false), (json!(["sal*"]), true)] {
        let claims = json!({"sub": alice.id, "username": "alice", "rooms": rooms, "exp": until});
        let confined = User::with_token(server.origin(), &alice.id, "alice", &token::sign(&claims, token::SECRET));
        let mut socket = open(&confined).await;
        socket.send_json(&question).await;
        let (_, end) = until_end(&mut socket, "r1").await;
        assert_eq!(end["event_type"] == "ai_complete", may, "{end}");
        assert!(may || end["data"]["code"] == "NOT_FOUND", "{end}");
        until_end(&mut everywhere, "r1").await;
    }
}

// ---- a model ----

#[tokio::test]
async fn an_answer_streams_to_all_sockets_of_whoever_asked() {
    let provider = Provider::start(&[Play::Answers(&["Units ", "rose ", "to 20 — ", "twice as many."])]).await;
    let server = asking(&provider, &[]).await;
    let user = server.user("alice").await;
    let (mut alice, mut other) = (with_sales(&user).await, open(&user).await);
    // From here on it receives what the user receives.
    other.expect_nothing_before_pong().await;
    alice
        .send_json(&json!({"type": "ai_request", "request_id": "r1", "query": "a secret question", "sheet_id": "q1",
                           "context": {"table_range": "A1:B4"}}))
        .await;
    for socket in [&mut alice, &mut other] {
        let (text, answer) = completes(socket, "r1").await;
        assert_eq!((text.as_str(), &answer["result"]), ("Units rose to 20 — twice as many.", &json!(text)));
        assert_eq!(answer["findings"]["table"]["rows"], 3, "the figures come with it: {answer}");
    }
    let asked = provider.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/v1/chat/completions"));
    assert_eq!(asked[0].authorization.as_deref(), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!((&asked[0].body["model"], &asked[0].body["stream"]), (&json!("small-model"), &json!(true)));
    let turn = asked[0].body["messages"][1]["content"].as_str().expect("a turn");
    assert!(turn.contains("a secret question") && turn.contains("3,2024-02-01,\"1,200\""), "{turn}");
    let metrics = reqwest::get(server.url("/metrics")).await.expect("metrics").text().await.expect("a text");
    assert!(metrics.contains("convene_ai_answers_total{outcome=\"complete\"} 1"), "{metrics}");
    assert!(metrics.contains("convene_ai_tokens_total{of=\"completion\"} 7"), "{metrics}");
    let said = server.logs("event=ai_ended").await + &server.stdout();
    assert!(!said.contains("secret question") && !said.contains(KEY) && !said.contains("twice as many"), "{said}");
}

#[tokio::test]
async fn what_may_be_asked_again_is_asked_again() {
    let script = &[Play::Refuses(500, None), Play::HangsUp, Play::Refuses(429, Some("1")), Play::Answers(&["at last"])];
    let provider = Provider::start(script).await;
    let server = asking(&provider, &[]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    let (text, _) = completes(&mut alice, "r1").await;
    assert_eq!((text.as_str(), provider.asked().len()), ("at last", 4));
}

#[tokio::test]
async fn what_is_of_no_use_is_not_asked_again() {
    for (play, word) in [
        (&[Play::Refuses(400, None)], "does not accept"),
        (&[Play::Refuses(401, None)], "AI_API_KEY"),
        (&[Play::Refuses(404, None)], "AI_MODEL"),
        (&[Play::Refuses(307, None)], "AI_BASE_URL"),
        (&[Play::Refuses(429, Some("3600"))], "3600 seconds"),
        (&[Play::TalksRubbish], "is invalid"),
        (&[Play::SendsOneEndlessLine], "is invalid"),
        (&[Play::Fails(&[])], "failed"),
        (&[Play::BreaksOff(&["Once upon"])], "in the middle"),
        (&[Play::Fails(&["Once upon"])], "in the middle"),
    ] {
        let provider = Provider::start(play).await;
        let server = asking(&provider, &[]).await;
        let mut alice = open(&server.user("alice").await).await;
        ask(&mut alice, "r1", "hello").await;
        let sentence = fails(&mut alice, "r1", "AI_UNAVAILABLE").await;
        assert!(sentence.contains(word), "{play:?}: {sentence}");
        assert!(!sentence.contains(KEY));
        assert_eq!(provider.asked().len(), 1, "{play:?}");
        alice.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn a_provider_that_stalls_or_never_ends_is_left() {
    let provider = Provider::start(&[Play::Stalls(&["Once "]), Play::StreamsForEver]).await;
    let server = asking(&provider, &[("AI_IDLE_TIMEOUT_SECONDS", "1"), ("AI_TIMEOUT_SECONDS", "3")]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    let (text, end) = until_end(&mut alice, "r1").await;
    assert_eq!((text.as_str(), &end["data"]["code"]), ("Once ", &json!("AI_UNAVAILABLE")));
    provider.nobody_there().await;
    ask(&mut alice, "r2", "hello").await;
    assert!(fails(&mut alice, "r2", "AI_UNAVAILABLE").await.contains("longer than 3 seconds"));
    provider.nobody_there().await;
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let provider = Provider::start(&[Play::AnswersWhole("All at once.")]).await;
    let server = asking(&provider, &[]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    assert_eq!(completes(&mut alice, "r1").await.1["result"], "All at once.");
}

/// A complete answer without an end marker.
const COMPLETE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"All of it.\"},\"finish_reason\":\"stop\"}]}\n\n";
const COMPLETE_AND_RUBBISH: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"All of it.\"},\"finish_reason\":\"stop\"}]}\n\n\
                                    data: {\"error\":{\"message\":\"too late\"}}\n\ndata: <html>\n\n";
/// Only the end marker shows that the answer is complete, and no empty line follows it.
const DONE_ON_A_LAST_LINE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"All of it.\"}}]}\n\ndata: [DONE]";
/// The same without streaming.
const WHOLE: &str = " {\"choices\":[{\"message\":{\"content\":\"All of it.\"},\"finish_reason\":\"stop\"}]}";
const EVENTS: Option<&str> = Some("text/event-stream");

/// The provider is asked once, and its whole text is the answer.
async fn is_answered_whole(script: &'static [Play]) {
    let provider = Provider::start(script).await;
    let server = asking(&provider, &[]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    assert_eq!(completes(&mut alice, "r1").await.1["result"], "All of it.", "{script:?}");
    assert_eq!(provider.asked().len(), 1, "{script:?}");
}

#[tokio::test]
async fn an_answer_that_is_complete_is_one_however_it_ends() {
    let scripts: [&'static [Play]; 6] = [
        &[Play::Sends(EVENTS, COMPLETE, Then::Ends)],
        &[Play::Sends(EVENTS, COMPLETE, Then::BreaksOff)],
        &[Play::Sends(EVENTS, COMPLETE, Then::Stalls)],
        &[Play::Sends(EVENTS, COMPLETE_AND_RUBBISH, Then::Ends)],
        &[Play::Sends(EVENTS, DONE_ON_A_LAST_LINE, Then::Ends)],
        &[Play::Sends(EVENTS, DONE_ON_A_LAST_LINE, Then::BreaksOff)],
    ];
    for script in scripts {
        is_answered_whole(script).await;
    }
}

#[tokio::test]
async fn the_form_of_an_answer_is_known_by_itself_and_not_by_its_label() {
    let scripts: [&'static [Play]; 4] = [
        &[Play::Sends(None, WHOLE, Then::Ends)],
        &[Play::Sends(EVENTS, WHOLE, Then::Ends)],
        &[Play::Sends(Some("application/json"), COMPLETE, Then::Ends)],
        &[Play::Sends(None, COMPLETE, Then::Ends)],
    ];
    for script in scripts {
        is_answered_whole(script).await;
    }
    let senseless: [&'static [Play]; 4] = [
        &[Play::Sends(Some("text/html"), "<!doctype html>\n<title>Welcome</title>\n", Then::Ends)],
        &[Play::Sends(Some("application/json"), "", Then::Ends)],
        &[Play::Sends(Some("application/json"), "[1, 2]", Then::Ends)],
        &[Play::Sends(EVENTS, ": nothing\n\n", Then::Ends)],
    ];
    for script in senseless {
        let provider = Provider::start(script).await;
        let server = asking(&provider, &[]).await;
        let mut alice = open(&server.user("alice").await).await;
        ask(&mut alice, "r1", "hello").await;
        let sentence = fails(&mut alice, "r1", "AI_UNAVAILABLE").await;
        assert!(sentence.contains("is invalid"), "{script:?}: {sentence}");
        server.logs("check AI_BASE_URL").await;
        assert_eq!(provider.asked().len(), 1, "{script:?}");
    }
}

// ---- early ends ----

#[tokio::test]
async fn whoever_asked_may_cancel_and_the_provider_is_left_at_once() {
    let provider = Provider::start(&[Play::Stalls(&["Once "])]).await;
    let server = asking(&provider, &[]).await;
    let user = server.user("alice").await;
    let (mut alice, mut other) = (open(&user).await, open(&user).await);
    ask(&mut alice, "r1", "hello").await;
    provider.asked_times(1).await;
    alice.send_json(&json!({"type": "ai_request", "request_id": "r1", "query": "again", "ref": 1})).await;
    let refused = alice.read_until("error").await.pop().expect("an error");
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("CONFLICT"), &json!(1)), "{refused}");
    assert_eq!(refused["request_id"], "r1", "{refused}");
    // From another socket of the same user.
    other.send_json(&json!({"type": "ai_cancel", "request_id": "r1", "ref": 2})).await;
    assert_eq!(other.read_until("ack").await.pop().expect("an ack")["ref"], 2);
    provider.nobody_there().await;
    loop {
        let event = alice.expect("ai_event").await;
        if event["event_type"] == "ai_error" {
            assert_eq!(event["data"]["code"], "AI_CANCELLED", "{event}");
            break;
        }
    }
    alice.expect_nothing_before_pong().await;
    alice.send_json(&json!({"type": "ai_cancel", "request_id": "r1"})).await;
    assert_eq!(alice.expect_error("NOT_FOUND").await["request_id"], "r1");
    alice.send_json(&json!({"type": "ai_request", "request_id": "r2", "query": ""})).await;
    assert_eq!(alice.expect_error("INVALID_MESSAGE").await["request_id"], "r2");
    // The name is free again, and no other user can cancel the request.
    ask(&mut alice, "r1", "hello").await;
    event(&mut alice, "r1", "ai_start").await;
    let mut bob = open(&server.user("bob").await).await;
    bob.send_json(&json!({"type": "ai_cancel", "request_id": "r1"})).await;
    bob.expect_error("NOT_FOUND").await;
}

#[tokio::test]
async fn nothing_is_asked_for_somebody_who_has_gone() {
    let provider = Provider::start(&[Play::StreamsForEver]).await;
    let server = asking(&provider, &[]).await;
    let user = server.user("alice").await;
    let (mut alice, mut other) = (open(&user).await, open(&user).await);
    other.expect_nothing_before_pong().await;
    ask(&mut alice, "r1", "hello").await;
    provider.asked_times(1).await;
    alice.close().await;
    provider.nobody_there().await;
    let (_, end) = until_end(&mut other, "r1").await;
    assert_eq!((&end["event_type"], &end["data"]["code"]), (&json!("ai_error"), &json!("AI_CANCELLED")), "{end}");
}

#[tokio::test]
async fn so_many_run_at_once_and_the_others_wait_their_turn() {
    let provider = Provider::start(&[Play::Stalls(&[]), Play::Answers(&["now"])]).await;
    let settings = [("AI_CONCURRENCY_MAX", "1"), ("AI_QUEUE_MAX", "1")];
    let server = asking(&provider, &settings).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    provider.asked_times(1).await;
    let mut bob = open(&server.user("bob").await).await;
    ask(&mut bob, "r1", "hello").await;
    event(&mut bob, "r1", "ai_start").await;
    assert_eq!(event(&mut bob, "r1", "ai_progress").await["status"], "Queued");
    let mut carol = open(&server.user("carol").await).await;
    ask(&mut carol, "r1", "hello").await;
    assert_eq!(carol.expect_error("AI_UNAVAILABLE").await["request_id"], "r1");
    assert_eq!(provider.asked().len(), 1, "who waits does not reach the provider");
    alice.send_json(&json!({"type": "ai_cancel", "request_id": "r1"})).await;
    let answer = loop {
        let event = bob.expect("ai_event").await;
        if event["event_type"] == "ai_complete" {
            break event;
        }
    };
    assert_eq!(answer["data"]["result"], "now", "{answer}");
}

#[tokio::test]
async fn a_user_has_so_many_questions_an_hour_and_so_many_characters_a_day() {
    let provider = Provider::start(&[Play::Answers(&["yes"])]).await;
    let server = asking(&provider, &[("AI_REQUESTS_PER_HOUR", "1")]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    completes(&mut alice, "r1").await;
    ask(&mut alice, "r2", "hello").await;
    let refused = alice.expect_error("RATE_LIMIT_EXCEEDED").await;
    assert_eq!(refused["request_id"], "r2", "{refused}");
    assert!(refused["retry_after"].as_u64().is_some_and(|seconds| (3_500..=3_600).contains(&seconds)), "{refused}");
    let mut bob = open(&server.user("bob").await).await;
    ask(&mut bob, "r1", "hello").await;
    completes(&mut bob, "r1").await;

    let server = asking(&provider, &[("AI_CHARACTERS_PER_DAY", "100")]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    completes(&mut alice, "r1").await;
    ask(&mut alice, "r2", "hello").await;
    alice.expect_error("RATE_LIMIT_EXCEEDED").await;
}

// ---- server shutdown ----

#[tokio::test]
async fn a_stopping_server_lets_answers_end_and_fails_the_rest() {
    let provider = Provider::start(&[Play::Stalls(&[])]).await;
    let mut server = asking(&provider, &[("SHUTDOWN_TIMEOUT_SECONDS", "2"), ("RECONNECT_SPREAD_MS", "0")]).await;
    let mut alice = open(&server.user("alice").await).await;
    ask(&mut alice, "r1", "hello").await;
    provider.asked_times(1).await;
    server.request_stop();
    server.logs("event=ai_finishing").await;
    ask(&mut alice, "r2", "hello").await;
    let mut frames = Vec::new();
    while !frames.iter().any(|frame: &Value| frame["event_type"] == "ai_error") {
        frames.push(alice.next_json().await);
    }
    let refused = frames.iter().find(|frame| frame["type"] == "error").expect("no more questions are taken");
    assert_eq!(refused["code"], "AI_UNAVAILABLE", "{refused}");
    let failed = frames.last().expect("the end");
    assert_eq!((&failed["request_id"], &failed["data"]["code"]), (&json!("r1"), &json!("AI_UNAVAILABLE")), "{failed}");
    provider.nobody_there().await;
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn the_assistant_disturbs_nobody_else() {
    let provider = Provider::start(&[Play::StreamsForEver]).await;
    let server = asking(&provider, &[]).await;
    let (mut alice, bob) = (open(&server.user("alice").await).await, server.user("bob").await);
    ask(&mut alice, "r1", "hello").await;
    provider.asked_times(1).await;
    let mut bob = open(&bob).await;
    join(&mut bob, "elsewhere").await;
    bob.expect_nothing_before_pong().await;
    get(&server.url("/healthz")).await.expect(200);
}
