//! The members of a room on several nodes. Each node publishes its own members and receives those of the others. Each
//! decides by its own view who has joined and left, so that its members learn of each join and leave exactly once,
//! however many sockets and nodes a user has.

use std::time::Duration;

use actix::prelude::*;

use super::{Pending, Room, leave_grace::Return};
use crate::{
    actors::bridge::{ClusterMode, RoomMessage},
    core::remote_members::{Answer, MembershipChange, MembershipMessage},
    ids::{Epoch, NodeId, Seq},
    limits,
};

/// Pending messages to the other nodes.
#[derive(Default)]
pub(super) struct MembershipOutbox {
    /// A diff was sent recently, so the next one is delayed.
    diff: Pending,
    /// The answer to send to nodes that have asked; one answer serves all of them.
    answer: Answer,
    answering: Pending,
    asking: Pending,
}

impl Room {
    fn send_membership(&self, message: MembershipMessage) {
        self.node.bridge.publish_room(self.identity.id, RoomMessage::Members(message));
    }

    /// Sends the version of this part and requests those of the others.
    pub(super) fn publish_hello(&self) {
        if let Some(core) = &self.core {
            self.send_membership(core.hello());
        }
    }

    /// Sends the version of this part periodically, which repairs any loss.
    pub(super) fn keep_in_touch(&self, ctx: &mut Context<Self>) {
        if self.node.bridge.cluster_mode == ClusterMode::MultiNode {
            // with a random offset, because many rooms start together when a node has started
            let first = limits::MEMBERS_DIGEST_PERIOD.mul_f64(fastrand::f64());
            ctx.run_later(first, |room, ctx| {
                room.publish_digest();
                ctx.run_interval(limits::MEMBERS_DIGEST_PERIOD, |room, _| room.publish_digest());
            });
        }
    }

    fn publish_digest(&self) {
        if let Some(core) = &self.core {
            self.send_membership(core.digest());
        }
    }

    /// Publishes joins and leaves: at once after a quiet period, otherwise together with those within a period.
    pub(super) fn publish_members(&mut self, ctx: &mut Context<Self>) {
        let has_diffs = self.core.as_ref().is_some_and(|core| core.has_diffs());
        if self.telling.diff == Pending::Yes || self.node.is_draining() || !has_diffs {
            return;
        }
        self.publish_diffs();
        self.telling.diff = Pending::Yes;
        ctx.run_later(limits::MEMBERS_DIFF_PERIOD, |room, ctx| {
            room.telling.diff = Pending::No;
            room.publish_members(ctx);
        });
    }

    /// Publishes joins and leaves since the last call. Must precede any other message about users who have joined.
    pub(super) fn publish_diffs(&mut self) {
        if self.node.is_draining() {
            return; // users of a draining node still count as present
        }
        let diffs = self.core.as_mut().map(|core| core.take_diffs()).unwrap_or_default();
        self.publish_member_presence(diffs.iter().flat_map(MembershipMessage::joined));
        for diff in diffs {
            self.send_membership(diff);
        }
    }

    /// Applies a message of the room on another node about its members.
    pub(super) fn receive(&mut self, from: NodeId, message: MembershipMessage, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        self.pass_hours();
        if let Some(core) = &mut self.core {
            let news = core.receive(from, message, now);
            let grace = self.grace_after(Return::Likely);
            self.apply_membership_change(news, grace, ctx);
        }
    }

    /// A node is gone, and its members with it.
    pub(super) fn peer_gone(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        self.pass_hours();
        self.end_typing_at(node, ctx);
        self.with_kind(ctx, |kind, room| kind.node_gone(node, room));
        if let Some(core) = &mut self.core {
            let news = core.peer_gone(node);
            // its last sign of life is as old as the time it takes to detect its failure
            let grace = self.grace_after(Return::Likely).saturating_sub(limits::PEER_SILENCE_MAX);
            self.apply_membership_change(news, grace, ctx);
        }
    }

    /// `grace` applies to users who may reconnect.
    fn apply_membership_change(&mut self, news: MembershipChange, grace: Duration, ctx: &mut Context<Self>) {
        let MembershipChange { came, went, may_return, ask, answer } = news;
        for user in came {
            self.usage.see(&user.id);
            self.announce_joined(&user, ctx);
        }
        for user in went {
            let grace = if may_return.contains(&user.id) { grace } else { Duration::ZERO };
            self.went(user, grace, ctx);
        }
        if let Some(of) = ask {
            self.send_membership(MembershipMessage::Ask { of });
            self.ask_again_later(ctx);
        }
        self.answer_soon(answer, ctx);
        self.open_if_gathered(ctx);
    }

    fn ask_again_later(&mut self, ctx: &mut Context<Self>) {
        if self.telling.asking == Pending::Yes {
            return;
        }
        self.telling.asking = Pending::Yes;
        ctx.run_later(limits::PART_ASK_AGAIN, |room, ctx| {
            room.telling.asking = Pending::No;
            let now = room.node.clock.now();
            let Some(core) = room.core.as_mut().filter(|core| core.is_asking()) else { return };
            for of in core.unanswered(now) {
                room.send_membership(MembershipMessage::Ask { of });
            }
            room.ask_again_later(ctx);
        });
    }

    /// One answer serves all nodes that ask within a short time.
    fn answer_soon(&mut self, answer: Answer, ctx: &mut Context<Self>) {
        self.telling.answer = self.telling.answer.max(answer);
        if self.telling.answer == Answer::Nothing || self.telling.answering == Pending::Yes {
            return;
        }
        self.telling.answering = Pending::Yes;
        ctx.run_later(limits::PART_ANSWER_WAIT, |room, _| {
            room.telling.answering = Pending::No;
            match std::mem::take(&mut room.telling.answer) {
                Answer::Nothing => {}
                Answer::Digest => room.publish_digest(),
                Answer::Whole => room.publish_whole(),
            }
        });
    }

    fn publish_whole(&mut self) {
        let Some(core) = &mut self.core else { return };
        let mut messages = core.take_diffs();
        messages.extend(core.whole());
        // sent first, so that a node that waits for the members has their presence data as well
        if let Some(core) = &self.core {
            self.publish_member_presence(core.local_users().take(limits::ATTENDEES_KNOWN_MAX));
        }
        for message in messages {
            self.send_membership(message);
        }
    }

    /// The log is known to have reached this sequence number.
    pub(super) fn head_is(&mut self, seq: Seq, epoch: Epoch, ctx: &mut Context<Self>) {
        if let Some(core) = self.core.as_mut().filter(|core| core.epoch() == epoch) {
            core.note_head(seq);
            self.watch_gap(ctx);
        }
    }

    /// A node is up, or up again: sends it the version of this part and requests its own.
    pub(super) fn peer_up(&mut self, ctx: &mut Context<Self>) {
        self.publish_hello();
        self.with_kind(ctx, |kind, _| kind.node_up());
        if self.kind.has_roles() {
            // this node may have missed that they were changed
            self.read_rights(ctx);
        }
    }
}
