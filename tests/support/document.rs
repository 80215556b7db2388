//! An editor of the y-websocket protocol, with a document of its own. Written after the protocol, not after the server.

use std::time::Duration;

use tokio_tungstenite::tungstenite::{Error, Message};
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update,
    updates::decoder::Decode, updates::encoder::Encode,
};

use super::socket::{FRAME_DEADLINE, Frame, Place, Socket};
use super::{DEADLINE, User};

/// A message of the server.
#[derive(Clone, PartialEq, Debug)]
pub enum YjsMessage {
    /// What the server has.
    Step1(Vec<u8>),
    /// What this editor lacks.
    Step2(Vec<u8>),
    /// A change.
    Update(Vec<u8>),
    /// The states of clients: id, clock, JSON.
    Awareness(Vec<(u64, u64, String)>),
    /// A refusal.
    Denied(String),
}

/// An editor.
pub struct YjsEditor {
    pub socket: Socket,
    pub doc: Doc,
    /// Everything received about awareness.
    pub awareness: Vec<(u64, u64, String)>,
}

/// The path of a document.
pub fn path(document: &str) -> String {
    format!("/yjs/{document}")
}

/// Reads a number.
pub fn number(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

/// Reads bytes with their length before them.
pub fn take(bytes: &mut &[u8]) -> Vec<u8> {
    let length = usize::try_from(number(bytes)).expect("a length");
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken.to_vec()
}

/// Writes a number.
pub fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("seven bits"));
}

/// A message with a body that has its length before it.
pub fn framed(kinds: &[u8], body: &[u8]) -> Message {
    let mut bytes = kinds.to_vec();
    put_number(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(body);
    Message::binary(bytes)
}

/// A message of the server. It must be alone in its frame.
pub fn parsed(frame: &[u8]) -> YjsMessage {
    let mut bytes = frame;
    let message = match number(&mut bytes) {
        0 => match number(&mut bytes) {
            0 => YjsMessage::Step1(take(&mut bytes)),
            1 => YjsMessage::Step2(take(&mut bytes)),
            2 => YjsMessage::Update(take(&mut bytes)),
            other => panic!("no message of synchronisation has the number {other}"),
        },
        1 => {
            let inner = take(&mut bytes);
            let mut inner = inner.as_slice();
            let count = number(&mut inner);
            let state = |inner: &mut &[u8]| {
                let (client, clock) = (number(inner), number(inner));
                (client, clock, String::from_utf8(take(inner)).expect("JSON"))
            };
            YjsMessage::Awareness((0..count).map(|_| state(&mut inner)).collect())
        }
        2 => {
            assert_eq!(number(&mut bytes), 0, "permission denied");
            YjsMessage::Denied(String::from_utf8(take(&mut bytes)).expect("a sentence"))
        }
        other => panic!("no message has the number {other}"),
    };
    assert!(bytes.is_empty(), "clients read only the first message of a frame: {frame:?}");
    message
}

impl YjsEditor {
    /// Opens a document and synchronises.
    pub async fn open(user: &User, document: &str) -> YjsEditor {
        let mut editor = YjsEditor::connect(user, document).await;
        editor.synchronise().await;
        editor
    }

    /// Opens a document.
    pub async fn connect(user: &User, document: &str) -> YjsEditor {
        let socket = Socket::open(user.origin(), &path(document), &user.token, Place::Query).await;
        YjsEditor::on(socket)
    }

    /// Opens a document, or returns how the server refused.
    pub async fn try_connect(user: &User, document: &str) -> Result<YjsEditor, Error> {
        let socket = Socket::try_open(user.origin(), &path(document), &user.token, Place::Query).await?;
        Ok(YjsEditor::on(socket))
    }

    fn on(socket: Socket) -> YjsEditor {
        let options = Options {
            client_id: ClientID::new(u64::from(fastrand::u32(..))),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        };
        YjsEditor { socket, doc: Doc::with_options(options), awareness: Vec::new() }
    }

    /// Connects again with the same document, and synchronises.
    pub async fn reconnect(&mut self, user: &User, document: &str) {
        self.socket = Socket::open(user.origin(), &path(document), &user.token, Place::Query).await;
        self.synchronise().await;
    }

    /// Asks for what it lacks, sends what the server lacks, and waits until both have everything.
    pub async fn synchronise(&mut self) {
        let mine = self.doc.transact().state_vector().encode_v1();
        self.socket.send_frame(framed(&[0, 0], &mine)).await;
        let (mut sent, mut received) = (false, false);
        while !sent || !received {
            match self.next().await {
                YjsMessage::Step1(_) => sent = true,
                YjsMessage::Step2(_) => received = true,
                _ => {}
            }
        }
    }

    /// Asks for what it lacks, and waits for the answer.
    pub async fn synchronise_again(&mut self) {
        let mine = self.doc.transact().state_vector().encode_v1();
        self.socket.send_frame(framed(&[0, 0], &mine)).await;
        while !matches!(self.next().await, YjsMessage::Step2(_)) {}
    }

    /// The next message, which is applied.
    pub async fn next(&mut self) -> YjsMessage {
        match self.socket.next_within(FRAME_DEADLINE).await {
            Some(Frame::Binary(bytes)) => self.apply(parsed(&bytes)).await,
            other => panic!("expected a message of the document, got {other:?}"),
        }
    }

    /// The next message within that time.
    pub async fn next_within(&mut self, time: Duration) -> Option<YjsMessage> {
        match self.socket.next_within(time).await? {
            Frame::Binary(bytes) => Some(self.apply(parsed(&bytes)).await),
            other => panic!("expected a message of the document, got {other:?}"),
        }
    }

    async fn apply(&mut self, message: YjsMessage) -> YjsMessage {
        match &message {
            YjsMessage::Step1(theirs) => {
                let theirs = StateVector::decode_v1(theirs).expect("a state vector");
                let lacking = self.doc.transact().encode_diff_v1(&theirs);
                // the server may be closing
                let _ = self.socket.try_send(framed(&[0, 1], &lacking)).await;
            }
            YjsMessage::Step2(update) | YjsMessage::Update(update) => {
                let update = Update::decode_v1(update).expect("an update");
                self.doc.transact_mut().apply_update(update).expect("an update that applies");
            }
            YjsMessage::Awareness(states) => self.awareness.extend(states.iter().cloned()),
            YjsMessage::Denied(_) => {}
        }
        message
    }

    /// The text.
    pub fn text(&self) -> String {
        self.doc.get_or_insert_text("content").get_string(&self.doc.transact())
    }

    /// Replaces a part of the text here. Returns the update.
    pub fn replace(&self, at: u32, removed: u32, inserted: &str) -> Vec<u8> {
        let content = self.doc.get_or_insert_text("content");
        let mut transaction = self.doc.transact_mut();
        if removed > 0 {
            content.remove_range(&mut transaction, at, removed);
        }
        content.insert(&mut transaction, at, inserted);
        transaction.encode_update_v1()
    }

    /// Replaces a part of the text, and sends that.
    pub async fn edit(&mut self, at: u32, removed: u32, inserted: &str) {
        let update = self.replace(at, removed, inserted);
        self.send_update(&update).await;
    }

    /// Sends an update.
    pub async fn send_update(&mut self, update: &[u8]) {
        self.socket.send_frame(framed(&[0, 2], update)).await;
    }

    /// Sends the state of a client.
    pub async fn show(&mut self, client: u64, clock: u64, state: &str) {
        let mut body = Vec::new();
        put_number(1, &mut body);
        put_number(client, &mut body);
        put_number(clock, &mut body);
        put_number(state.len() as u64, &mut body);
        body.extend_from_slice(state.as_bytes());
        self.socket.send_frame(framed(&[1], &body)).await;
    }

    /// Reads until the text is that.
    pub async fn until_text(&mut self, text: &str) {
        let end = tokio::time::Instant::now() + DEADLINE;
        while self.text() != text {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            assert!(self.next_within(left).await.is_some(), "waited for {text:?}, and have {:?}", self.text());
        }
    }

    /// Reads until a client has that state.
    pub async fn until_state(&mut self, client: u64, state: &str) {
        let end = tokio::time::Instant::now() + DEADLINE;
        while self.state_of(client) != Some(state) {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            assert!(self.next_within(left).await.is_some(), "waited for {state}, and have {:?}", self.awareness);
        }
    }

    /// Reads until a client shows something of itself that is meant; answers it.
    pub async fn until_shown(&mut self, is_meant: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let last = self.awareness.last().and_then(|(_, _, state)| serde_json::from_str(state).ok());
            if let Some(state) = last.filter(&is_meant) {
                return state;
            }
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            assert!(self.next_within(left).await.is_some(), "waited for a state, and have {:?}", self.awareness);
        }
    }

    /// The newest state of a client.
    pub fn state_of(&self, client: u64) -> Option<&str> {
        let of_client = self.awareness.iter().rev().find(|(id, _, _)| *id == client);
        of_client.map(|(_, _, state)| state.as_str())
    }

    /// Waits until the server has stored everything that this editor has.
    pub async fn settle(&mut self) {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            self.socket.send_frame(framed(&[0, 0], &StateVector::default().encode_v1())).await;
            let stored = loop {
                if let YjsMessage::Step2(update) = self.next().await {
                    break update;
                }
            };
            let theirs = Doc::new();
            theirs.transact_mut().apply_update(Update::decode_v1(&stored).expect("an update")).expect("a whole one");
            let text = theirs.get_or_insert_text("content").get_string(&theirs.transact());
            if theirs.transact().state_vector() == self.doc.transact().state_vector() && text == self.text() {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "the server has {text:?}, this editor {:?}", self.text());
        }
    }
}
