//! The queue of messages to publish. Messages for one channel share an envelope and keep their order; the queue is
//! bounded in bytes. The order between channels is not guaranteed.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::topics::Topic;
use crate::{
    actors::bridge::envelope::{Draft, EnvelopeItem, TooLarge},
    ids::NodeId,
    limits,
    metrics::Lost,
};

/// The queue.
pub(super) struct Outgoing {
    node: NodeId,
    waiting: VecDeque<(Topic, Draft)>,
    /// For each topic the position of its last draft, counted from the first draft ever queued.
    last: FxHashMap<Topic, u64>,
    /// The number of drafts taken from the queue.
    taken: u64,
    bytes: usize,
    probe: Option<u64>,
}

/// A complete envelope.
pub(super) struct Post {
    pub topic: Topic,
    pub payload: Vec<u8>,
}

/// The messages of one publication.
#[derive(Default)]
pub(super) struct Parcel {
    pub posts: Vec<Post>,
    pub messages: u32,
}

impl Outgoing {
    pub(super) fn new(node: NodeId) -> Outgoing {
        Outgoing { node, waiting: VecDeque::new(), last: FxHashMap::default(), taken: 0, bytes: 0, probe: None }
    }

    /// Adds a message to the envelope of its topic.
    ///
    /// # Errors
    /// The reason why the message is lost.
    pub(super) fn add(&mut self, topic: Topic, message: &EnvelopeItem) -> Result<(), Lost> {
        if self.bytes >= limits::PUBLISH_QUEUE_BYTES_MAX {
            return Err(Lost::QueueFull);
        }
        let place = self.last.get(&topic).and_then(|place| usize::try_from(place.checked_sub(self.taken)?).ok());
        if let Some((_, draft)) = place.and_then(|place| self.waiting.get_mut(place))
            && !draft.is_full()
        {
            let before = draft.bytes();
            draft.add(message).map_err(|TooLarge| Lost::TooLarge)?;
            self.bytes += draft.bytes() - before;
            return Ok(());
        }
        let mut draft = Draft::new(self.node);
        draft.add(message).map_err(|TooLarge| Lost::TooLarge)?;
        self.bytes += draft.bytes();
        self.last.insert(topic.clone(), self.taken + self.waiting.len() as u64);
        self.waiting.push_back((topic, draft));
        Ok(())
    }

    /// Queues a probe, in front of everything else, so that a long queue is not mistaken for a dead link.
    pub(super) fn probe(&mut self, number: u64) {
        self.probe = Some(number);
    }

    /// The next batch, oldest first; `None` if the queue is empty.
    pub(super) fn take(&mut self) -> Option<Parcel> {
        let mut parcel = Parcel::default();
        if let Some(number) = self.probe.take() {
            let mut draft = Draft::new(self.node);
            // a number always fits
            let _added = draft.add(&EnvelopeItem::Probe(number));
            parcel.posts.push(Post { topic: Topic::Node(self.node), payload: draft.seal() });
        }
        let mut bytes = 0;
        while bytes < limits::PUBLISH_BYTES_AT_ONCE
            && let Some((topic, draft)) = self.waiting.pop_front()
        {
            if self.last.get(&topic) == Some(&self.taken) {
                self.last.remove(&topic);
            }
            self.taken += 1;
            bytes += draft.bytes();
            parcel.messages += draft.items();
            parcel.posts.push(Post { topic, payload: draft.seal() });
        }
        self.bytes -= bytes;
        (!parcel.posts.is_empty()).then_some(parcel)
    }

    /// Removes everything and returns the number of messages.
    pub(super) fn clear(&mut self) -> u32 {
        let messages = self.waiting.iter().map(|(_, draft)| draft.items()).sum();
        self.taken += self.waiting.len() as u64;
        self.waiting.clear();
        self.last.clear();
        self.bytes = 0;
        self.probe = None;
        messages
    }

    /// Whether there is enough for a full batch.
    pub(super) fn fills_a_parcel(&self) -> bool {
        self.bytes >= limits::PUBLISH_BYTES_AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actors::bridge::{NodeMessage, envelope::Envelope},
        core::command::RawJson,
        ids::{Timestamp, UserId},
    };

    fn numbers(post: &Post) -> Vec<u64> {
        let envelope = Envelope::open(&post.payload).unwrap();
        let messages = envelope.messages().map(|message| match message {
            Ok(EnvelopeItem::Probe(number)) => number,
            other => panic!("{other:?}"),
        });
        messages.collect()
    }

    #[test]
    fn words_of_one_topic_share_an_envelope_in_order() {
        let (one, two) = (Topic::Node(NodeId(1)), Topic::Node(NodeId(2)));
        let mut outgoing = Outgoing::new(NodeId(9));
        for (topic, number) in [(&one, 1), (&two, 2), (&one, 3), (&two, 4), (&one, 5)] {
            outgoing.add(topic.clone(), &EnvelopeItem::Probe(number)).unwrap();
        }
        let parcel = outgoing.take().unwrap();
        assert_eq!(parcel.messages, 5);
        assert_eq!(parcel.posts.iter().map(numbers).collect::<Vec<_>>(), [vec![1, 3, 5], vec![2, 4]]);
        assert!(outgoing.take().is_none() && outgoing.last.is_empty());
        outgoing.add(one, &EnvelopeItem::Probe(6)).unwrap();
        assert_eq!(numbers(&outgoing.take().unwrap().posts[0]), [6], "a topic that was taken begins anew");
    }

    #[test]
    fn many_words_make_many_parcels_and_all_of_them_are_bounded() {
        let word_bytes = 10_000;
        let data = RawJson::from_parsed(&format!("\"{}\"", "x".repeat(word_bytes)));
        let notice = NodeMessage::Notice { user: UserId::new("a").unwrap(), data, at: Timestamp::default() };
        let message = EnvelopeItem::Node(notice);
        let mut outgoing = Outgoing::new(NodeId(9));
        let mut said = 0;
        while outgoing.add(Topic::Nodes, &message).is_ok() {
            said += 1;
        }
        assert!(outgoing.bytes < limits::PUBLISH_QUEUE_BYTES_MAX + 2 * word_bytes);
        let parcel = outgoing.take().unwrap();
        let post_bytes_max = limits::ENVELOPE_BYTES_FULL + 2 * word_bytes;
        assert!(parcel.posts.iter().all(|post| post.payload.len() < post_bytes_max));
        assert!(parcel.posts.len() >= limits::PUBLISH_BYTES_AT_ONCE / post_bytes_max);
        assert_eq!(parcel.messages + outgoing.clear(), said);
        assert_eq!(outgoing.bytes, 0);
        outgoing.add(Topic::Nodes, &EnvelopeItem::Probe(1)).unwrap();
        assert_eq!(numbers(&outgoing.take().unwrap().posts[0]), [1]);
    }
}
