//! The lifecycle of the link to Redis: connect, subscribe, probe, detect failure. A subscription can be dead without
//! any error (a proxy that lost it, an unnoticed failover), so the node sends itself a message through Redis once a
//! second and must never trust anything else as proof. A broken link is discarded completely and replaced.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{
    RedisBridge,
    inbox::Inbox,
    subscriptions::Direction,
    topics::Topic,
    wire::{self, Wires},
};
use crate::{
    actors::bridge::{LinkEvent, LinkState, RoomSubscribed, UserSubscribed, envelope::EnvelopeItem},
    ids::{RoomId, UserId},
    limits,
    logged::logged,
    metrics::Lost,
};

/// The state of the link.
pub(super) enum Link {
    /// There is no link; the next attempt is scheduled.
    Away,
    /// A connection is being established.
    Connecting,
    /// There is a link.
    Open(Box<Opened>),
    /// The bridge was closed; there will be no further link.
    Hushed,
}

/// An open link.
pub(super) struct Opened {
    wires: Wires,
    opened_at: Instant,
    /// The last sign of life that counts in the current phase.
    sign_at: Instant,
    probed_at: Option<Instant>,
    /// A probe of this link was received.
    heard_itself: bool,
    /// All subscriptions are confirmed, too: messages of other nodes are received.
    up: bool,
    publishing: bool,
    pinging: bool,
}

impl Link {
    /// Whether there is a link, in whatever state.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Link::Open(_))
    }
}

impl RedisBridge {
    /// Establishes a link.
    pub(super) fn connect(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.link, Link::Hushed) {
            return;
        }
        self.incarnation += 1;
        self.link = Link::Connecting;
        let incarnation = self.incarnation;
        let inbox = Inbox {
            incarnation,
            sender: self.arrivals.clone(),
            waiting: self.waiting.clone(),
            metrics: self.metrics.clone(),
        };
        let config = self.config.clone();
        let pushed = move |info| {
            inbox.push(info);
            Ok(())
        };
        let connecting = async move { wire::connect(&config, pushed).await };
        ctx.spawn(connecting.into_actor(self).map(move |connected, bridge, ctx| match connected {
            _late if bridge.incarnation != incarnation => {}
            Ok(wires) => bridge.opened(wires, ctx),
            Err(why) => bridge.broken(&why, ctx),
        }));
    }

    fn opened(&mut self, wires: Wires, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.link = Link::Open(Box::new(Opened {
            wires,
            opened_at: now,
            sign_at: now,
            probed_at: None,
            heard_itself: false,
            up: false,
            publishing: false,
            pinging: false,
        }));
        self.subscribe_more(ctx);
    }

    /// Subscribes to wanted topics and unsubscribes from others, one batch at a time.
    pub(super) fn subscribe_more(&mut self, ctx: &mut Context<Self>) {
        let Link::Open(open) = &self.link else { return };
        let Some((direction, topics)) = self.subscriptions.next() else { return };
        let names: Vec<String> = topics.iter().map(|topic| self.names.of(topic)).collect();
        // only rooms need the number of other subscribers
        let rooms: Vec<String> = match direction {
            Direction::Subscribe => topics.iter().filter(|t| t.is_room()).map(|topic| self.names.of(topic)).collect(),
            Direction::Unsubscribe => Vec::new(),
        };
        let (incarnation, subscriber) = (self.incarnation, open.wires.subscriber.clone());
        let changing = async move {
            subscriber.clone().change(direction, names).await?;
            // asked after subscribing, so that of two nodes that start a room at once at least one sees the other
            if rooms.is_empty() { Ok(Vec::new()) } else { subscriber.others(rooms).await }
        };
        ctx.spawn(changing.into_actor(self).map(move |changed, bridge, ctx| match changed {
            _late if bridge.incarnation != incarnation => {}
            Ok(others) => bridge.subscribed(others, ctx),
            Err(why) => bridge.broken(&why, ctx),
        }));
    }

    fn subscribed(&mut self, others: Vec<Option<usize>>, ctx: &mut Context<Self>) {
        for (topic, others) in self.subscriptions.confirmed(others) {
            match topic {
                Topic::Room(room) => self.notify_subscribed(room, others),
                Topic::User(user) => self.notify_user_subscribed(user),
                Topic::Nodes | Topic::Node(_) => {}
            }
        }
        self.metrics.subscriptions(self.subscriptions.held());
        if let Link::Open(open) = &mut self.link
            && !open.up
        {
            open.sign_at = Instant::now();
        }
        self.up_if_complete();
        self.probe_if_due(ctx);
        self.subscribe_more(ctx);
    }

    /// A room was attached whose channel is already subscribed.
    pub(super) fn ask_for_others(&mut self, room: RoomId, ctx: &mut Context<Self>) {
        let Link::Open(open) = &self.link else { return };
        let name = self.names.of(&Topic::Room(room));
        let (incarnation, subscriber) = (self.incarnation, open.wires.subscriber.clone());
        let asking = async move { subscriber.others(vec![name]).await };
        ctx.spawn(asking.into_actor(self).map(move |others, bridge, ctx| match others {
            _late if bridge.incarnation != incarnation => {}
            Ok(others) => bridge.notify_subscribed(room, others.first().copied().flatten()),
            Err(why) => bridge.broken(&why, ctx),
        }));
    }

    /// Informs the room that it receives messages from now on, or that it cannot for now; it is informed again after
    /// the next connect.
    pub(super) fn notify_subscribed(&mut self, id: RoomId, others: Option<usize>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.told = !matches!(room.listening.try_send(RoomSubscribed { others }), Err(SendError::Full(_)));
        if !room.told {
            self.untold.insert(id);
        }
    }

    fn notify_user_subscribed(&self, user: UserId) {
        let is_up = matches!(&self.link, Link::Open(open) if open.up);
        if let Some(enlisted) = self.enlisted.as_ref().filter(|_| is_up)
            && enlisted.followed.try_send(UserSubscribed { user }).is_err()
        {
            log::warn!("event=subscription_not_confirmed why=registry_full");
        }
    }

    /// A probe of this node was received.
    pub(super) fn heard_itself(&mut self, sent_at_micros: u64) {
        let now = self.micros();
        let Link::Open(open) = &mut self.link else { return };
        open.sign_at = Instant::now();
        open.heard_itself = true;
        self.metrics.probed(Duration::from_micros(now.saturating_sub(sent_at_micros)));
        self.up_if_complete();
    }

    fn up_if_complete(&mut self) {
        let Link::Open(open) = &mut self.link else { return };
        if open.up || !open.heard_itself || !self.subscriptions.are_restored() {
            return;
        }
        open.up = true;
        self.attempts = 0;
        let took_ms = open.opened_at.elapsed().as_millis();
        log::info!("event=link_up subscriptions={} took_ms={took_ms}", self.subscriptions.held());
        self.metrics.link_up();
        self.board.set(LinkState::Up);
        self.notify_link();
    }

    /// Informs the node of the state of the link, unless it knows. If its mailbox is full, the next tick tries again.
    pub(super) fn notify_link(&mut self) {
        let is = if matches!(&self.link, Link::Open(open) if open.up) { LinkEvent::Up } else { LinkEvent::Down };
        if let Some(enlisted) = &self.enlisted
            && self.told != Some(is)
            && enlisted.link.try_send(is).is_ok()
        {
            self.told = Some(is);
        }
    }

    /// Runs periodically.
    pub(super) fn tick(&mut self, ctx: &mut Context<Self>) {
        if !ctx.connected() {
            // the node is gone, and the timers would keep the bridge alive
            return ctx.stop();
        }
        for room in std::mem::take(&mut self.untold) {
            if !self.link.is_open() || self.subscriptions.hears(&Topic::Room(room)) {
                self.notify_subscribed(room, None);
            } else {
                self.untold.insert(room);
            }
        }
        self.notify_link();
        if let Link::Open(open) = &self.link
            && open.sign_at.elapsed() >= limits::LINK_SILENCE_MAX
        {
            self.broken(&"no probe was received through it", ctx);
        }
        self.probe_if_due(ctx);
    }

    fn probe_if_due(&mut self, ctx: &mut Context<Self>) {
        let number = self.micros();
        // a probe could not be received before that
        if !self.subscriptions.hears(&Topic::Node(self.node)) {
            return;
        }
        let Link::Open(open) = &mut self.link else { return };
        if open.probed_at.is_some_and(|at| at.elapsed() < limits::LINK_PROBE) {
            return;
        }
        open.probed_at = Some(Instant::now());
        self.outgoing.probe(number);
        self.publish_more(ctx);
        self.ping(ctx);
    }

    /// A probe passes through one shard only; the others are pinged.
    fn ping(&mut self, ctx: &mut Context<Self>) {
        let Link::Open(open) = &mut self.link else { return };
        if open.pinging {
            return;
        }
        open.pinging = true;
        let (incarnation, subscriber) = (self.incarnation, open.wires.subscriber.clone());
        let pinging = async move { subscriber.ping().await };
        ctx.spawn(pinging.into_actor(self).map(move |answered, bridge, ctx| match (answered, &mut bridge.link) {
            _late if bridge.incarnation != incarnation => {}
            (Ok(()), Link::Open(open)) => open.pinging = false,
            (Ok(()), Link::Away | Link::Connecting | Link::Hushed) => {}
            (Err(why), _) => bridge.broken(&why, ctx),
        }));
    }

    /// Publishes queued messages, unless the previous batch is still in progress; what is queued meanwhile becomes the
    /// next batch.
    pub(super) fn publish_more(&mut self, ctx: &mut Context<Self>) {
        let Link::Open(open) = &mut self.link else { return };
        if open.publishing {
            return;
        }
        let Some(parcel) = self.outgoing.take() else { return self.confirm_closed() };
        open.publishing = true;
        let posts = parcel.posts.into_iter();
        let publications = posts.map(|post| (self.names.of(&post.topic), post.payload)).collect();
        let (incarnation, messages, publisher) = (self.incarnation, parcel.messages, open.wires.publisher.clone());
        let publishing = async move { publisher.publish(publications).await };
        ctx.spawn(publishing.into_actor(self).map(move |published, bridge, ctx| {
            if let Err(why) = &published {
                bridge.metrics.lost(Lost::Refused, messages);
                log::debug!("event=publish_refused why={why}", why = logged(&why));
            } else {
                bridge.metrics.published(messages);
            }
            match published {
                _late if bridge.incarnation != incarnation => {}
                Ok(()) => bridge.published(ctx),
                Err(why) => bridge.broken(&why, ctx),
            }
        }));
    }

    fn published(&mut self, ctx: &mut Context<Self>) {
        if let Link::Open(open) = &mut self.link {
            open.publishing = false;
        }
        self.publish_more(ctx);
    }

    /// Discards the link and connects again after a pause.
    pub(super) fn broken(&mut self, why: &dyn std::fmt::Display, ctx: &mut Context<Self>) {
        if matches!(self.link, Link::Hushed) {
            return;
        }
        // log only the start of an outage as a warning; failed attempts would repeat it
        if self.attempts == 0 {
            log::warn!("event=link_down why={why}", why = logged(&why));
        } else {
            log::debug!("event=link_not_made attempt={} why={why}", self.attempts, why = logged(&why));
        }
        self.incarnation += 1;
        self.link = Link::Away;
        self.metrics.link_broke();
        self.board.set(LinkState::Down);
        self.notify_link();
        self.subscriptions.reset();
        self.metrics.subscriptions(0);
        self.metrics.lost(Lost::LinkDown, self.outgoing.clear());
        let waiting: Vec<RoomId> = self.rooms.iter().filter(|(_, room)| !room.told).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|room| self.notify_subscribed(room, None));
        self.confirm_closed();
        let pause = pause(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        ctx.run_later(pause, RedisBridge::connect);
    }

    /// Reports to the caller of [`CloseBridge`] that all messages have been published.
    pub(super) fn confirm_closed(&mut self) {
        if let Some(hush) = self.hush.take() {
            self.link = Link::Hushed;
            self.incarnation += 1;
            // the caller may have stopped waiting
            let _gone = hush.send(());
        }
    }

    /// Microseconds since the bridge started.
    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Queues a message and schedules the publication for the end of this turn of the thread.
    pub(super) fn publish(&mut self, topic: Topic, message: &EnvelopeItem, ctx: &mut Context<Self>) {
        if self.hush.is_some() || !self.link.is_open() {
            self.metrics.lost(Lost::LinkDown, 1);
            return;
        }
        if let Err(reason) = self.outgoing.add(topic, message) {
            self.metrics.lost(reason, 1);
            return;
        }
        if self.outgoing.fills_a_parcel() {
            self.publish_more(ctx);
        } else if !self.flush_planned && matches!(&self.link, Link::Open(open) if !open.publishing) {
            self.flush_planned = true;
            // futures are polled when the mailbox is empty
            ctx.spawn(async {}.into_actor(self).map(|(), bridge, ctx| {
                bridge.flush_planned = false;
                bridge.publish_more(ctx);
            }));
        }
    }
}

/// The delay before the next attempt: exponential, with jitter so that nodes do not reconnect in step.
fn pause(attempts: u32) -> Duration {
    let longest = limits::REDIS_RETRY.start().saturating_mul(1 << attempts.min(16)).min(*limits::REDIS_RETRY.end());
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_differ() {
        let (first, last) = (*limits::REDIS_RETRY.start(), *limits::REDIS_RETRY.end());
        for attempts in [0, 1, 5, 30, u32::MAX] {
            assert!(pause(attempts) >= first / 2 && pause(attempts) <= last);
        }
        assert!(pause(0) <= first);
        assert!(pause(u32::MAX) >= last / 2);
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| pause(9)).collect();
        assert!(pauses.len() > 10);
    }
}
