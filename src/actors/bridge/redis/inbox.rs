//! The queue from the Redis connections to the bridge. It is bounded in bytes and must never block, because a
//! connection does not read while one of its pushes is being handled.

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

/// Where the connections of one incarnation of the link put what they receive.
#[derive(Clone)]
pub(super) struct Inbox {
    /// The incarnation, so that pushes of an earlier one can be recognised.
    pub incarnation: u64,
    pub sender: UnboundedSender<Arrival>,
    pub waiting: Arc<Waiting>,
    pub metrics: Arc<Metrics>,
}

/// Queued bytes. Shared by the connections' tasks and the actor, which may run on different threads.
#[derive(Default)]
pub(super) struct Waiting(AtomicUsize);

/// A push from Redis.
pub(super) struct Arrival {
    pub incarnation: u64,
    pub what: What,
}

/// The content of a push.
pub(super) enum What {
    /// A published message.
    Message { channel: Vec<u8>, payload: Vec<u8> },
    /// Redis has ended a subscription.
    Unsubscribed { channel: Vec<u8> },
    /// The connection was closed.
    Ended,
}

/// The overhead of a queued push besides its bytes.
const OVERHEAD_BYTES: usize = 256;

impl Waiting {
    /// The push was taken from the queue.
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
    /// Queues a push, or drops and counts it if the queue is full. The end of a connection is never dropped.
    pub(super) fn push(&self, info: PushInfo) {
        let Some(what) = arrival(info) else { return };
        let bytes = size(&what);
        let before = self.waiting.0.fetch_add(bytes, Ordering::Relaxed);
        let droppable = matches!(what, What::Message { .. });
        let fits = before + bytes <= limits::INBOX_BYTES_MAX || !droppable;
        if !fits {
            self.metrics.lost(Lost::InboxFull, 1);
        }
        if !fits || self.sender.send(Arrival { incarnation: self.incarnation, what }).is_err() {
            self.waiting.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// Returns `None` for pushes that do not concern the bridge, such as confirmations of its own commands.
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn inbox() -> (Inbox, UnboundedReceiver<Arrival>) {
        let (sender, receiver) = unbounded_channel();
        let (waiting, metrics) = (Arc::default(), Arc::new(Metrics::new()));
        (Inbox { incarnation: 1, sender, waiting, metrics }, receiver)
    }

    fn push(kind: PushKind, parts: &[usize]) -> PushInfo {
        let data = parts.iter().map(|bytes| Value::BulkString(vec![b'x'; *bytes])).collect();
        PushInfo { kind, data }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_but_never_the_end() {
        let (inbox, mut receiver) = inbox();
        let half = limits::INBOX_BYTES_MAX / 2;
        for _ in 0..4 {
            inbox.push(push(PushKind::Message, &[10, half - 1_000]));
        }
        inbox.push(push(PushKind::Disconnection, &[]));
        let mut arrived = Vec::new();
        while let Ok(arrival) = receiver.try_recv() {
            inbox.waiting.taken(&arrival.what);
            arrived.push(arrival.what);
        }
        assert!(matches!(arrived[..], [What::Message { .. }, What::Message { .. }, What::Ended]));
        assert!(inbox.metrics.render().contains("convene_bridge_lost_total{reason=\"inbox_full\"} 2\n"));
        assert_eq!(inbox.waiting.0.load(Ordering::Relaxed), 0, "what was taken or dropped weighs nothing");
        inbox.push(push(PushKind::SMessage, &[10, half]));
        assert!(receiver.try_recv().is_ok(), "there is room again");
    }

    #[test]
    fn confirmations_and_oddities_are_not_for_the_bridge() {
        let (inbox, mut receiver) = inbox();
        for (kind, parts) in [
            (PushKind::Subscribe, &[3][..]),
            (PushKind::SSubscribe, &[3]),
            (PushKind::Invalidate, &[3]),
            (PushKind::Other("news".into()), &[]),
            (PushKind::Message, &[3]),
            (PushKind::Message, &[]),
        ] {
            inbox.push(push(kind, parts));
        }
        assert!(receiver.try_recv().is_err());
        assert_eq!(inbox.waiting.0.load(Ordering::Relaxed), 0);
    }
}
