//! The table of subscriptions: which channels are wanted, which Redis has confirmed, and what to request next. A
//! channel may be wanted or unwanted again while a request is pending; only the latest wish counts. There must never be
//! more than one request at a time, so that responses stay in order.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::topics::Topic;
use crate::limits;

/// The table.
#[derive(Default)]
pub(super) struct Subscriptions {
    topics: FxHashMap<Topic, Subscription>,
    to_subscribe: VecDeque<Topic>,
    to_unsubscribe: VecDeque<Topic>,
    under_way: Option<UnderWay>,
    /// How many topics in `to_subscribe` were already wanted when the connection was opened.
    first_left: usize,
    held: usize,
}

struct Subscription {
    wanted: bool,
    held: Held,
    /// The topic is in `to_subscribe`, at most once.
    asked_in: bool,
    /// The topic is in `to_unsubscribe`, at most once.
    asked_out: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    No,
    /// A request is pending.
    Changing,
    Yes,
}

/// The kind of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Subscribe,
    Unsubscribe,
}

struct UnderWay {
    direction: Direction,
    topics: Vec<Topic>,
    among_first: bool,
}

/// Whether a wanted channel is already subscribed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Already,
    NotYet,
}

impl Subscriptions {
    /// The channel is wanted from now on.
    pub(super) fn want(&mut self, topic: Topic) -> Heard {
        let standing = self.topics.entry(topic.clone()).or_insert(Subscription::NEW);
        standing.wanted = true;
        match standing.held {
            Held::Yes => return Heard::Already,
            // requested again when the response arrives, if necessary
            Held::Changing => {}
            Held::No => Subscription::queue(&mut standing.asked_in, &mut self.to_subscribe, topic),
        }
        Heard::NotYet
    }

    /// The channel is not wanted any more.
    pub(super) fn forget(&mut self, topic: &Topic) {
        let Some(standing) = self.topics.get_mut(topic) else { return };
        standing.wanted = false;
        match standing.held {
            Held::Yes => Subscription::queue(&mut standing.asked_out, &mut self.to_unsubscribe, topic.clone()),
            Held::Changing => {}
            // its queue entry will be skipped
            Held::No if standing.asked_in => {}
            Held::No => {
                self.topics.remove(topic);
            }
        }
    }

    /// The next request, if none is pending.
    pub(super) fn next(&mut self) -> Option<(Direction, Vec<Topic>)> {
        if self.under_way.is_some() {
            return None;
        }
        let among_first = self.first_left > 0;
        let mut topics = Vec::new();
        while topics.len() < limits::SUBSCRIBE_CHANNELS_MAX
            && let Some(topic) = self.to_subscribe.pop_front()
        {
            self.first_left = self.first_left.saturating_sub(1);
            let Some(standing) = self.topics.get_mut(&topic) else { continue };
            standing.asked_in = false;
            if !standing.wanted && standing.held == Held::No {
                self.topics.remove(&topic);
            } else if standing.held == Held::No {
                standing.held = Held::Changing;
                topics.push(topic);
            }
        }
        let mut direction = Direction::Subscribe;
        if topics.is_empty() {
            direction = Direction::Unsubscribe;
            while topics.len() < limits::SUBSCRIBE_CHANNELS_MAX
                && let Some(topic) = self.to_unsubscribe.pop_front()
            {
                let Some(standing) = self.topics.get_mut(&topic) else { continue };
                standing.asked_out = false;
                if !standing.wanted && standing.held == Held::Yes {
                    standing.held = Held::Changing;
                    self.held -= 1;
                    topics.push(topic);
                }
            }
        }
        if topics.is_empty() {
            return None;
        }
        self.under_way = Some(UnderWay { direction, topics: topics.clone(), among_first });
        Some((direction, topics))
    }

    /// The pending request is confirmed. `others` has the number of other subscribers of each room in the request, in
    /// order, where it is known. Returns the wanted channels that are now subscribed.
    pub(super) fn confirmed(&mut self, others: Vec<Option<usize>>) -> Vec<(Topic, Option<usize>)> {
        let Some(UnderWay { direction, topics, .. }) = self.under_way.take() else { return Vec::new() };
        let mut heard = Vec::new();
        let mut others = others.into_iter();
        for topic in topics {
            let others = if topic.is_room() { others.next().flatten() } else { None };
            let Some(standing) = self.topics.get_mut(&topic) else { continue };
            match (direction, standing.wanted) {
                (Direction::Subscribe, true) => {
                    standing.held = Held::Yes;
                    self.held += 1;
                    heard.push((topic, others));
                }
                (Direction::Subscribe, false) => {
                    standing.held = Held::Yes;
                    self.held += 1;
                    Subscription::queue(&mut standing.asked_out, &mut self.to_unsubscribe, topic);
                }
                (Direction::Unsubscribe, true) => {
                    standing.held = Held::No;
                    Subscription::queue(&mut standing.asked_in, &mut self.to_subscribe, topic);
                }
                (Direction::Unsubscribe, false) => {
                    self.topics.remove(&topic);
                }
            }
        }
        heard
    }

    /// The connection is closed, and with it all subscriptions.
    pub(super) fn reset(&mut self) {
        self.under_way = None;
        self.to_unsubscribe.clear();
        self.to_subscribe.clear();
        self.topics.retain(|_, standing| standing.wanted);
        for (topic, standing) in &mut self.topics {
            *standing = Subscription { wanted: true, asked_in: true, ..Subscription::NEW };
            // the node's own channels first, so that it can probe while the others are subscribed
            match topic {
                Topic::Nodes | Topic::Node(_) => self.to_subscribe.push_front(topic.clone()),
                Topic::Room(_) | Topic::User(_) => self.to_subscribe.push_back(topic.clone()),
            }
        }
        self.first_left = self.to_subscribe.len();
        self.held = 0;
    }

    /// Whether everything that was wanted when the connection was opened is subscribed.
    pub(super) fn are_restored(&self) -> bool {
        self.first_left == 0 && self.under_way.as_ref().is_none_or(|under_way| !under_way.among_first)
    }

    /// Whether the subscription is confirmed and still wanted.
    pub(super) fn hears(&self, topic: &Topic) -> bool {
        self.topics.get(topic).is_some_and(|standing| standing.wanted && standing.held == Held::Yes)
    }

    /// The number of confirmed channels.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}

impl Subscription {
    const NEW: Subscription = Subscription { wanted: false, held: Held::No, asked_in: false, asked_out: false };

    fn queue(asked: &mut bool, queue: &mut VecDeque<Topic>, topic: Topic) {
        if !*asked {
            *asked = true;
            queue.push_back(topic);
        }
    }
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;
