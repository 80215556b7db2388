//! Messages of the other side. The caller's socket decides. A message about a call that does not exist here any more is
//! answered with its end, so that the other side does not wait for a message that was lost.

use std::time::Duration;

use super::{
    Call, CallEffect, CallEnd, CallFault, CallKey, CallMessage, CallNews, CallOpening, Held, SocketCalls, Stage,
};
use crate::{
    core::{
        command::{RawJson, SignalKind},
        event::CallChange,
        profile::Author,
    },
    ids::SocketId,
    limits,
};

/// The socket that has sent a message, and its user.
struct Sender {
    user: Author,
    socket: SocketId,
}

impl SocketCalls {
    /// Handles a message of the other side. A message to another socket of the user is ignored. The session must pass a
    /// [`CallNews::Offered`] only if its client can show it and its token permits calls.
    pub fn receive(&mut self, message: CallMessage, now: Duration) -> Vec<CallEffect> {
        let mut out = Vec::new();
        let CallMessage { call: key, from: user, socket, to, what, .. } = message;
        if to.is_some_and(|to| to != self.me.socket) {
            return out;
        }
        let known = self.calls.iter().position(|call| call.key == key && call.peer.id == user.id);
        let from = Sender { user, socket };
        match what {
            CallNews::Offered { id, data } if known.is_none() => {
                let give_up_at = now.saturating_add(self.ring_time).saturating_add(limits::CALL_RING_SLACK);
                let stage = Stage::Ringing { held: Held::default(), give_up_at };
                self.offered(Call { key, id, peer: from.user, stage, missed: 0 }, data, now, &mut out);
            }
            // sent again because no response has arrived
            CallNews::Offered { .. } => {
                if let Some(call) = known.and_then(|at| self.calls.get(at)).filter(|call| call.is_ringing()) {
                    out.push(call.message(&self.me, Some(key.caller), CallNews::Rings));
                }
            }
            CallNews::Rings => match known {
                Some(at) => self.rings(at, from, &mut out),
                None => self.unknown(key, &from, CallEnd::Cancelled, &mut out),
            },
            CallNews::Answered { data } => match known {
                Some(at) => self.answered(at, from, data, &mut out),
                None => self.unknown(key, &from, CallEnd::Cancelled, &mut out),
            },
            CallNews::Accepted { winner } => {
                if let Some(at) = known {
                    self.accepted(at, winner, &mut out);
                }
            }
            CallNews::Signal { kind, data } => {
                if let Some(call) = known.and_then(|at| self.calls.get(at)) {
                    out.extend(call.received_signal(from.socket, kind, data));
                }
            }
            CallNews::Ended { reason, data } => {
                if let Some(at) = known {
                    self.other_side_ended(at, from, reason, data, &mut out);
                }
            }
            CallNews::Probe if known.is_none() => self.unknown(key, &from, CallEnd::HungUp, &mut out),
            CallNews::Probe => {}
        }
        out
    }

    /// Tells a socket that the call it speaks of does not exist.
    fn unknown(&self, key: CallKey, to: &Sender, reason: CallEnd, out: &mut Vec<CallEffect>) {
        out.push(CallEffect::Send(CallMessage {
            call: key,
            from: self.me.user.clone(),
            socket: self.me.socket,
            user: to.user.id.clone(),
            to: Some(to.socket),
            what: CallNews::Ended { reason, data: None },
        }));
    }

    // ---- to the target ----

    /// A call for this user: `call` rings, unless the user is in another call.
    fn offered(&mut self, call: Call, data: RawJson, now: Duration, out: &mut Vec<CallEffect>) {
        if self.ended.iter().any(|ended| ended.key == call.key) {
            return; // a repetition that crossed the end
        }
        let crosses = |own: &Call| own.is_calling() && own.peer.id == call.peer.id;
        // with the same id and another user it is one of several calls of one conversation
        let occupies = |own: &Call| {
            let is_same = own.id == call.id;
            !crosses(own) && if is_same { own.peer.id == call.peer.id } else { own.is_busy() }
        };
        let is_crossed = self.calls.iter().any(crosses);
        if self.calls.iter().any(occupies) || (!is_crossed && self.calls.len() >= limits::CALLS_PER_SOCKET_MAX) {
            return out.push(call.end_message(&self.me, CallEnd::Busy));
        }
        if is_crossed {
            // both sides choose the same call: that of the user with the lower id
            if self.me.user.id < call.peer.id {
                return out.push(call.end_message(&self.me, CallEnd::Crossed));
            }
            self.end_crossed(&call.peer, out);
        }
        out.push(call.shown(CallChange::Signal { kind: SignalKind::Offer, data }));
        out.push(call.message(&self.me, Some(call.key.caller), CallNews::Rings));
        self.add(call, now);
    }

    /// Ends this socket's own calls to a user who calls at the same moment.
    fn end_crossed(&mut self, caller: &Author, out: &mut Vec<CallEffect>) {
        while let Some(at) = self.calls.iter().position(|own| own.is_calling() && own.peer.id == caller.id) {
            let own = self.end(at, CallFault::NoSuchCall, out);
            out.push(own.end_message(&self.me, CallEnd::Cancelled));
            out.push(Call { peer: caller.clone(), ..own }.shown_end(CallEnd::Crossed, None));
        }
    }

    /// The caller has taken the answer of a socket of this user.
    fn accepted(&mut self, at: usize, winner: SocketId, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Answering { tag, .. } if winner == self.me.socket => {
                out.push(CallEffect::Done(std::mem::take(tag)));
                call.stage = Stage::Connected { with: call.key.caller };
            }
            Stage::Ringing { .. } | Stage::Answering { .. } if winner != self.me.socket => {
                let call = self.end(at, CallFault::AnsweredElsewhere, out);
                out.push(call.shown_end(CallEnd::AnsweredElsewhere, None));
            }
            Stage::Calling { .. } | Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => {}
        }
    }

    // ---- to the caller ----

    /// A socket of the target rings.
    fn rings(&mut self, at: usize, from: Sender, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Calling { opening, ringing, .. } => {
                call.peer = from.user;
                let is_known = ringing.contains(&from.socket);
                if ringing.len() < limits::CALL_RINGING_SOCKETS_MAX && !is_known {
                    ringing.push(from.socket);
                }
                let mut opening = opening.take();
                if let Some(opening) = opening.as_mut().filter(|_| !is_known) {
                    out.extend(opening.unconfirmed.take().map(CallEffect::Done));
                    call.release(&self.me, from.socket, &opening.held, out);
                }
                call.keep(opening);
            }
            Stage::Connected { with } if *with != from.socket => {
                let what = CallNews::Accepted { winner: *with };
                out.push(call.message(&self.me, Some(from.socket), what));
            }
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => {}
        }
    }

    /// A socket of the target answers. The first answer wins.
    fn answered(&mut self, at: usize, from: Sender, data: RawJson, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Calling { opening, .. } => {
                let opening = opening.take();
                call.peer = from.user;
                call.stage = Stage::Connected { with: from.socket };
                call.missed = 0;
                out.push(call.message(&self.me, None, CallNews::Accepted { winner: from.socket }));
                // its ringing was not learned of
                if let Some((tag, opening)) =
                    opening.and_then(|mut opening| Some((opening.unconfirmed.take()?, opening)))
                {
                    out.push(CallEffect::Done(tag));
                    call.release(&self.me, from.socket, &opening.held, out);
                }
                out.push(call.shown(CallChange::Signal { kind: SignalKind::Answer, data }));
            }
            Stage::Connected { with } if *with != from.socket => {
                let what = CallNews::Accepted { winner: *with };
                out.push(call.message(&self.me, Some(from.socket), what));
            }
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => {}
        }
    }

    // ---- to both ----

    fn other_side_ended(
        &mut self,
        at: usize,
        from: Sender,
        reason: CallEnd,
        data: Option<RawJson>,
        out: &mut Vec<CallEffect>,
    ) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Calling { opening, ringing, .. } => match reason {
                CallEnd::Declined => {
                    call.peer = from.user;
                    self.rejected(at, reason, CallEnd::DeclinedElsewhere, data, out);
                }
                CallEnd::Busy | CallEnd::Crossed => {
                    call.peer = from.user;
                    self.rejected(at, reason, CallEnd::Cancelled, data, out);
                }
                CallEnd::HungUp
                | CallEnd::Cancelled
                | CallEnd::DeclinedElsewhere
                | CallEnd::AnsweredElsewhere
                | CallEnd::TimedOut
                | CallEnd::Disconnected => {
                    ringing.retain(|known| *known != from.socket);
                    let is_awaited = opening.as_ref().is_some_and(|opening| opening.unconfirmed.is_some());
                    if ringing.is_empty() && !is_awaited {
                        self.rejected(at, CallEnd::Disconnected, CallEnd::Cancelled, None, out);
                    }
                }
            },
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => {
                if call.other_side() == Some(from.socket) {
                    // a probe does not say what the call was when it ended
                    let reason =
                        if call.is_ringing() && reason == CallEnd::HungUp { CallEnd::Cancelled } else { reason };
                    let call = self.end(at, CallFault::NoSuchCall, out);
                    out.push(call.shown_end(reason, data));
                }
            }
        }
    }

    /// The target has rejected the call: the caller's client is told `shown`, the sockets that ring `told`.
    fn rejected(&mut self, at: usize, shown: CallEnd, told: CallEnd, data: Option<RawJson>, out: &mut Vec<CallEffect>) {
        let call = self.end(at, CallFault::NoSuchCall, out);
        out.push(call.end_message(&self.me, told));
        out.push(call.shown_end(shown, data));
    }
}

impl Call {
    /// Puts back the opening of a call that is still ringing.
    fn keep(&mut self, kept: Option<Box<CallOpening>>) {
        match &mut self.stage {
            Stage::Calling { opening, .. } => *opening = kept,
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => {}
        }
    }

    /// What the client is sent of a signal of the other side.
    fn received_signal(&self, socket: SocketId, kind: SignalKind, data: RawJson) -> Option<CallEffect> {
        let is_shown = match (&self.stage, kind) {
            (Stage::Connected { with }, _) => *with == socket,
            // the session descriptions of a call that begins are in `Offered` and `Answered`
            (Stage::Ringing { .. } | Stage::Answering { .. }, SignalKind::IceCandidate) => self.key.caller == socket,
            (Stage::Ringing { .. } | Stage::Answering { .. }, SignalKind::Offer | SignalKind::Answer)
            | (Stage::Calling { .. }, _) => false,
        };
        is_shown.then(|| self.shown(CallChange::Signal { kind, data }))
    }
}
