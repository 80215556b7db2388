//! The way from Redis' connections to the bridge: bounded in bytes, and never blocking, because the connection reads
//! nothing while its push is being taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    limits,
    metrics::{Lost, Metrics},
};

/// Where the connections of one life of the link leave what they hear.
#[derive(Clone)]
pub(super) struct Inbox {
    /// Which life, so that what an earlier one left behind is told apart.
    pub life: u64,
    pub sender: UnboundedSender<Arrival>,
    pub waiting: Arc<Waiting>,
    pub metrics: Arc<Metrics>,
}

/// Bytes on their way. Shared by the connections' tasks and the actor, which may be on different threads.
#[derive(Default)]
pub(super) struct Waiting(AtomicUsize);

/// Something from Redis.
pub(super) struct Arrival {
    pub life: u64,
    pub what: What,
}

/// What it is.
pub(super) enum What {
    /// Somebody published.
    Message { channel: Vec<u8>, payload: Vec<u8> },
    /// Redis no longer keeps a subscription.
    Unsubscribed { channel: Vec<u8> },
    /// A connection has ended.
    Ended,
}

/// What an arrival costs besides its bytes.
const OVERHEAD_BYTES: usize = 256;

impl Waiting {
    /// The message was taken out.
    pub(super) fn taken(&self, what: &What) {
        self.0.fetch_sub(size(what), Ordering::Relaxed);
    }
}

fn size(what: &What) -> usize {
    OVERHEAD_BYTES
        + match what {
            What::Message { channel, payload } => channel.len() + payload.len(),
            What::Unsubscribed { channel } => channel.len(),
            What::Ended => 0,
        }
}

impl Inbox {
    /// Takes a push, or drops and counts it if too much waits. The end of a connection is never dropped.
    pub(super) fn push(&self, info: PushInfo) {
        let Some(what) = arrival(info) else { return };
        let bytes = size(&what);
        let before = self.waiting.0.fetch_add(bytes, Ordering::Relaxed);
        let droppable = matches!(what, What::Message { .. });
        let fits = before + bytes <= limits::INBOX_BYTES_MAX || !droppable;
        if !fits {
            self.metrics.lost(Lost::InboxFull, 1);
        }
        if !fits || self.sender.send(Arrival { life: self.life, what }).is_err() {
            self.waiting.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// None for what does not concern the bridge, such as the confirmations of its own commands.
fn arrival(info: PushInfo) -> Option<What> {
    let PushInfo { kind, data } = info;
    let mut data = data.into_iter();
    let mut bytes = || match data.next() {
        Some(Value::BulkString(bytes)) => Some(bytes),
        Some(_) | None => None,
    };
    match kind {
        PushKind::Message | PushKind::SMessage => Some(What::Message { channel: bytes()?, payload: bytes()? }),
        PushKind::Unsubscribe | PushKind::SUnsubscribe => Some(What::Unsubscribed { channel: bytes()? }),
        PushKind::Disconnection => Some(What::Ended),
        _not_ours => None,
    }
}
