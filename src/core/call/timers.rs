//! What ends a call without a message: no answer in time, and another side that is not there any more.

use std::time::Duration;

use super::{Call, CallEffect, CallEnd, CallFault, CallKey, CallNews, SocketCalls, Stage};
use crate::{
    core::command::Tag,
    ids::{SocketId, UserId},
    limits,
};

impl SocketCalls {
    /// When [`SocketCalls::tick`] must be called next; `None` without calls.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.calls.iter().map(Call::deadline).chain([self.check_at]).min().filter(|_| !self.calls.is_empty())
    }

    /// Ends the calls whose time is over, sends offers again, and begins a check when it is due.
    pub fn tick(&mut self, now: Duration) -> Vec<CallEffect> {
        let mut out = Vec::new();
        while let Some(at) = self.calls.iter().position(|call| call.deadline() <= now) {
            self.time_out(at, now, &mut out);
        }
        if self.check_at <= now && !self.calls.is_empty() {
            self.check_at = now.saturating_add(limits::CALL_CHECK_PERIOD);
            self.check(&mut out);
        }
        out
    }

    fn time_out(&mut self, at: usize, now: Duration, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Calling { opening: Some(opening), .. } if opening.confirm_by > now => {
                opening.repeat_at = now.saturating_add(limits::CALL_OFFER_REPEAT);
                let again = CallNews::Offered { id: call.id.clone(), data: opening.offer.clone() };
                out.push(call.message(&self.me, None, again));
            }
            Stage::Calling { opening: opening @ Some(_), .. } => {
                let tag = opening.take().and_then(|opening| opening.unconfirmed);
                out.extend(tag.into_iter().flat_map(|tag| self.not_reached(at, tag)));
            }
            Stage::Calling { opening: None, .. } | Stage::Ringing { .. } => {
                let call = self.end(at, CallFault::NoSuchCall, out);
                out.push(call.end_message(&self.me, CallEnd::TimedOut));
                out.push(call.shown_end(CallEnd::TimedOut, None));
            }
            Stage::Answering { .. } => {
                let call = self.end(at, CallFault::CallerGone, out);
                out.push(call.end_message(&self.me, CallEnd::Disconnected));
                out.push(call.shown_end(CallEnd::Disconnected, None));
            }
            Stage::Connected { .. } => {} // has no deadline
        }
    }

    /// Nobody has received the offer.
    fn not_reached(&mut self, at: usize, tag: Tag) -> Vec<CallEffect> {
        let mut out = Vec::new();
        let call = self.end(at, CallFault::NoSuchCall, &mut out);
        out.push(call.end_message(&self.me, CallEnd::Cancelled));
        out.push(CallEffect::Unreached { tag, target: call.peer.id });
        out
    }

    /// The target's user has no socket at all, so that no confirmation of this offer can come.
    pub fn unreachable(&mut self, key: CallKey) -> Vec<CallEffect> {
        let at = self.calls.iter().position(|call| call.key == key);
        if let Some(at) = at
            && let Some(Call { stage: Stage::Calling { opening: Some(opening), .. }, .. }) = self.calls.get_mut(at)
            && let Some(tag) = opening.unconfirmed.take()
        {
            return self.not_reached(at, tag);
        }
        Vec::new()
    }

    fn check(&mut self, out: &mut Vec<CallEffect>) {
        self.checks = self.checks.wrapping_add(1);
        let is_probed = self.checks.is_multiple_of(limits::CALL_CHECKS_PER_PROBE);
        let mut users: Vec<&UserId> = Vec::new();
        for call in &self.calls {
            if !users.contains(&&call.peer.id) {
                users.push(&call.peer.id);
            }
            // while the target's sockets ring, they probe
            if let Some(other) = call.other_side().filter(|_| is_probed) {
                out.push(call.message(&self.me, Some(other), CallNews::Probe));
            }
        }
        out.extend(users.into_iter().cloned().map(CallEffect::Check));
    }

    /// The result of a check: the sockets that the user has. A socket that opened on another node a moment ago, or whose
    /// node was suspended, may be missing, so that one check is not enough to end a call.
    pub fn checked(&mut self, user: &UserId, sockets: &[SocketId]) -> Vec<CallEffect> {
        let mut out = Vec::new();
        for call in self.calls.iter_mut().filter(|call| call.peer.id == *user) {
            let is_there = match &call.stage {
                Stage::Calling { opening: Some(_), .. } => true,
                Stage::Calling { opening: None, ringing, .. } => ringing.iter().any(|socket| sockets.contains(socket)),
                Stage::Ringing { .. } | Stage::Answering { .. } => sockets.contains(&call.key.caller),
                Stage::Connected { with } => sockets.contains(with),
            };
            call.missed = if is_there { 0 } else { call.missed.saturating_add(1) };
        }
        while let Some(at) = self.calls.iter().position(|call| call.missed >= limits::CALL_CHECKS_MISSED_MAX) {
            let call = self.end(at, CallFault::CallerGone, &mut out);
            out.push(call.end_message(&self.me, CallEnd::Disconnected));
            out.push(call.shown_end(CallEnd::Disconnected, None));
        }
        out
    }

    /// Ends all calls: the socket has closed, or its token does not permit calls any more.
    pub fn end_all(&mut self) -> Vec<CallEffect> {
        let mut out = Vec::new();
        while !self.calls.is_empty() {
            let call = self.end(0, CallFault::NoSuchCall, &mut out);
            out.push(call.end_message(&self.me, CallEnd::Disconnected));
            out.push(call.shown_end(CallEnd::Disconnected, None));
        }
        out
    }
}

impl Call {
    fn deadline(&self) -> Duration {
        match &self.stage {
            Stage::Calling { opening: Some(opening), .. } => opening.repeat_at.min(opening.confirm_by),
            Stage::Calling { opening: None, give_up_at, .. } | Stage::Ringing { give_up_at, .. } => *give_up_at,
            Stage::Answering { confirm_by, .. } => *confirm_by,
            Stage::Connected { .. } => Duration::MAX,
        }
    }
}
