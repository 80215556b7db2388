//! The calls of one socket: which ring, which are connected, and with which socket of the other user. The caller's socket
//! decides about a call: it takes the first answer and rejects all others. Both sides exchange messages that may be
//! lost, repeated or reordered; each checks by itself whether the other one still exists. This module must never look
//! into the content of a signal, and it keeps none longer than until the socket has answered.

mod fault;
mod incoming;
mod message;
mod timers;

use std::{collections::VecDeque, time::Duration};

pub use self::{
    fault::CallFault,
    message::{CallEnd, CallKey, CallMessage, CallNews},
};
use crate::{
    core::{
        command::{CallRequest, RawJson, SignalKind, Tag},
        event::{CallChange, CallNotice},
        profile::Author,
    },
    ids::{CallId, SocketId, UserId},
    limits,
};

/// One side of a call: a user on a socket.
#[derive(Clone, PartialEq, Debug)]
pub struct CallParty {
    /// The user.
    pub user: Author,
    /// The socket.
    pub socket: SocketId,
}

/// What the session has to do.
#[derive(Clone, PartialEq, Debug)]
pub enum CallEffect {
    /// Send this to the client.
    Show(CallNotice),
    /// Send this to the other side's sockets.
    Send(CallMessage),
    /// Confirm a request.
    Done(Tag),
    /// Refuse a request.
    Refuse(Tag, CallFault),
    /// Refuse an offer that no socket of the target has received: there is no such user, or nobody rings.
    Unreached {
        /// The offer's tag.
        tag: Tag,
        /// The target.
        target: UserId,
    },
    /// Find out which sockets the user has, for [`SocketCalls::checked`].
    Check(UserId),
}

/// A request of the client.
#[derive(Clone, PartialEq, Debug)]
pub struct CallRequested {
    /// The request's tag.
    pub tag: Tag,
    /// The other user.
    pub target: UserId,
    /// The client's id for the call.
    pub call: CallId,
    /// The request.
    pub request: CallRequest,
}

/// The calls of one socket. Memory is bounded by `CALLS_PER_SOCKET_MAX` and what is held of each. Times are measured from
/// any fixed point.
#[derive(Debug)]
pub struct SocketCalls {
    me: CallParty,
    ring_time: Duration,
    calls: Vec<Call>,
    /// Calls that have ended, so that late messages are recognised.
    ended: VecDeque<EndedCall>,
    /// The number of calls that this socket has begun.
    begun: u32,
    check_at: Duration,
    /// The number of checks.
    checks: u32,
}

#[derive(Debug)]
struct EndedCall {
    key: CallKey,
    id: CallId,
    peer: UserId,
}

#[derive(Debug)]
struct Call {
    key: CallKey,
    id: CallId,
    /// The other user. Of a target only the id is known until one of its sockets has responded.
    peer: Author,
    stage: Stage,
    /// Successive checks that did not find the other side.
    missed: u32,
}

#[derive(Debug)]
enum Stage {
    /// This socket is the caller.
    Calling {
        /// Present while the offer is sent again.
        opening: Option<Box<CallOpening>>,
        /// The sockets of the target that ring.
        ringing: Vec<SocketId>,
        give_up_at: Duration,
    },
    /// This socket rings.
    Ringing {
        /// Candidates of this side, which follow its answer.
        held: Held,
        give_up_at: Duration,
    },
    /// This socket has answered; the caller has not confirmed it yet.
    Answering { tag: Tag, confirm_by: Duration },
    /// Connected with that socket.
    Connected { with: SocketId },
}

/// The first moments of a call. A socket of the target that has just opened on another node may miss the offer, so it is
/// sent again for a while, also when another socket rings already.
#[derive(Debug)]
struct CallOpening {
    /// The offer's tag, until a socket of the target has responded.
    unconfirmed: Option<Tag>,
    offer: RawJson,
    /// Candidates, which each socket gets when it rings.
    held: Held,
    repeat_at: Duration,
    confirm_by: Duration,
}

/// Candidates that the other side can't use yet. What exceeds the bounds is dropped.
#[derive(Debug, Default)]
struct Held {
    candidates: Vec<RawJson>,
    bytes: usize,
}

impl Held {
    fn add(&mut self, candidate: RawJson) {
        let bytes = self.bytes.saturating_add(candidate.as_str().len());
        if self.candidates.len() < limits::CALL_CANDIDATES_HELD_MAX && bytes <= limits::CALL_CANDIDATES_HELD_BYTES_MAX {
            self.candidates.push(candidate);
            self.bytes = bytes;
        }
    }
}

impl Call {
    /// Sends held candidates to a socket.
    fn release(&self, me: &CallParty, to: SocketId, held: &Held, out: &mut Vec<CallEffect>) {
        let news = |data: &RawJson| CallNews::Signal { kind: SignalKind::IceCandidate, data: data.clone() };
        out.extend(held.candidates.iter().map(|data| self.message(me, Some(to), news(data))));
    }

    fn message(&self, me: &CallParty, to: Option<SocketId>, what: CallNews) -> CallEffect {
        let (from, socket, user) = (me.user.clone(), me.socket, self.peer.id.clone());
        CallEffect::Send(CallMessage { call: self.key, from, socket, user, to, what })
    }

    fn end_message(&self, me: &CallParty, reason: CallEnd) -> CallEffect {
        self.message(me, self.other_side(), CallNews::Ended { reason, data: None })
    }

    fn signal(&self, me: &CallParty, kind: SignalKind, data: RawJson) -> CallEffect {
        self.message(me, self.other_side(), CallNews::Signal { kind, data })
    }

    fn shown(&self, what: CallChange) -> CallEffect {
        CallEffect::Show(CallNotice { call: self.id.clone(), with: self.peer.clone(), what })
    }

    fn shown_end(&self, reason: CallEnd, data: Option<RawJson>) -> CallEffect {
        self.shown(CallChange::Ended { reason, data })
    }

    /// The socket at the other end; `None` while all sockets of the target ring.
    fn other_side(&self) -> Option<SocketId> {
        match self.stage {
            Stage::Calling { .. } => None,
            Stage::Ringing { .. } | Stage::Answering { .. } => Some(self.key.caller),
            Stage::Connected { with } => Some(with),
        }
    }

    /// Whether the user counts as being in a call.
    const fn is_busy(&self) -> bool {
        match self.stage {
            Stage::Calling { .. } | Stage::Answering { .. } | Stage::Connected { .. } => true,
            Stage::Ringing { .. } => false,
        }
    }

    const fn is_calling(&self) -> bool {
        match self.stage {
            Stage::Calling { .. } => true,
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } => false,
        }
    }

    const fn is_ringing(&self) -> bool {
        match self.stage {
            Stage::Ringing { .. } => true,
            Stage::Calling { .. } | Stage::Answering { .. } | Stage::Connected { .. } => false,
        }
    }
}

impl SocketCalls {
    /// No calls. `ring_time` is how long a call rings that this socket begins.
    pub fn new(me: CallParty, ring_time: Duration) -> SocketCalls {
        SocketCalls {
            me,
            ring_time,
            calls: Vec::new(),
            ended: VecDeque::new(),
            begun: 0,
            check_at: Duration::ZERO,
            checks: 0,
        }
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Executes a request of the client. Every tag is answered exactly once, now or later.
    pub fn request(&mut self, requested: CallRequested, now: Duration) -> Vec<CallEffect> {
        let CallRequested { tag, target, call, request } = requested;
        let mut out = Vec::new();
        let at = self.calls.iter().position(|known| known.peer.id == target && known.id == call);
        match request {
            CallRequest::Signal { kind: SignalKind::Offer, data } => match at {
                Some(at) => self.renegotiate(at, tag, SignalKind::Offer, data, &mut out),
                None => self.begin(tag, target, call, data, now, &mut out),
            },
            CallRequest::Signal { kind: SignalKind::Answer, data } => match at {
                Some(at) => self.answer(at, tag, data, now, &mut out),
                None => out.push(CallEffect::Refuse(tag, CallFault::NoSuchCall)),
            },
            CallRequest::Signal { kind: SignalKind::IceCandidate, data } => match at {
                Some(at) => self.send_candidate(at, tag, data, &mut out),
                None => out.push(self.late(tag, &target, &call)),
            },
            CallRequest::HangUp { data } => match at {
                Some(at) => self.hang_up(at, tag, data, &mut out),
                None => out.push(self.late(tag, &target, &call)),
            },
        }
        out
    }

    /// A call that has ended may still get candidates and a hang-up, which crossed the end.
    fn late(&self, tag: Tag, target: &UserId, call: &CallId) -> CallEffect {
        match self.ended.iter().any(|ended| ended.peer == *target && ended.id == *call) {
            true => CallEffect::Done(tag),
            false => CallEffect::Refuse(tag, CallFault::NoSuchCall),
        }
    }

    fn begin(&mut self, tag: Tag, target: UserId, id: CallId, data: RawJson, now: Duration, out: &mut Vec<CallEffect>) {
        let fault = if target == self.me.user.id {
            Some(CallFault::Oneself)
        } else if self.calls.len() >= limits::CALLS_PER_SOCKET_MAX {
            Some(CallFault::TooMany)
        } else if self.calls.iter().any(|call| call.peer.id == target && call.is_ringing()) {
            Some(CallFault::TargetCalls)
        } else {
            None
        };
        if let Some(fault) = fault {
            return out.push(CallEffect::Refuse(tag, fault));
        }
        self.begun = self.begun.wrapping_add(1);
        let call = Call {
            key: CallKey { caller: self.me.socket, serial: self.begun },
            id: id.clone(),
            peer: Author::new(target, ""),
            stage: Stage::Calling {
                opening: Some(Box::new(CallOpening {
                    unconfirmed: Some(tag),
                    offer: data.clone(),
                    held: Held::default(),
                    repeat_at: now.saturating_add(limits::CALL_OFFER_REPEAT),
                    confirm_by: now.saturating_add(limits::CALL_CONFIRM_WAIT),
                })),
                ringing: Vec::new(),
                give_up_at: now.saturating_add(self.ring_time),
            },
            missed: 0,
        };
        out.push(call.message(&self.me, None, CallNews::Offered { id, data }));
        self.add(call, now);
    }

    /// A further offer in a connected call, such as one that adds video.
    fn renegotiate(&mut self, at: usize, tag: Tag, kind: SignalKind, data: RawJson, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get(at) else { return };
        match call.stage {
            Stage::Connected { .. } => {
                out.push(call.signal(&self.me, kind, data));
                out.push(CallEffect::Done(tag));
            }
            Stage::Ringing { .. } | Stage::Answering { .. } => {
                out.push(CallEffect::Refuse(tag, CallFault::TargetCalls))
            }
            Stage::Calling { .. } => out.push(CallEffect::Refuse(tag, CallFault::Exists)),
        }
    }

    fn answer(&mut self, at: usize, tag: Tag, data: RawJson, now: Duration, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Ringing { held, .. } => {
                let held = std::mem::take(held);
                let confirm_by = now.saturating_add(limits::CALL_CONFIRM_WAIT);
                call.stage = Stage::Answering { tag, confirm_by };
                out.push(call.message(&self.me, Some(call.key.caller), CallNews::Answered { data }));
                call.release(&self.me, call.key.caller, &held, out);
            }
            Stage::Connected { .. } => self.renegotiate(at, tag, SignalKind::Answer, data, out),
            Stage::Answering { .. } => out.push(CallEffect::Refuse(tag, CallFault::Answered)),
            Stage::Calling { .. } => out.push(CallEffect::Refuse(tag, CallFault::OwnCall)),
        }
    }

    /// Before a socket of the target has received the offer, candidates would be lost; before the answer, they would reach
    /// a caller that does not know yet which socket will answer.
    fn send_candidate(&mut self, at: usize, tag: Tag, data: RawJson, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        match &mut call.stage {
            Stage::Calling { opening: Some(opening), .. } => {
                opening.held.add(data.clone());
                if opening.unconfirmed.is_none() {
                    out.push(call.signal(&self.me, SignalKind::IceCandidate, data));
                }
            }
            Stage::Ringing { held, .. } => held.add(data),
            Stage::Calling { opening: None, .. } | Stage::Answering { .. } | Stage::Connected { .. } => {
                out.push(call.signal(&self.me, SignalKind::IceCandidate, data));
            }
        }
        out.push(CallEffect::Done(tag));
    }

    fn hang_up(&mut self, at: usize, tag: Tag, data: Option<RawJson>, out: &mut Vec<CallEffect>) {
        let call = self.end(at, CallFault::NoSuchCall, out);
        let reason = match call.stage {
            Stage::Calling { .. } => CallEnd::Cancelled,
            Stage::Ringing { .. } => CallEnd::Declined,
            Stage::Answering { .. } | Stage::Connected { .. } => CallEnd::HungUp,
        };
        out.push(call.message(&self.me, call.other_side(), CallNews::Ended { reason, data }));
        out.push(CallEffect::Done(tag));
    }

    /// Adds a call. The first one starts the checks.
    fn add(&mut self, call: Call, now: Duration) {
        if self.calls.is_empty() {
            self.check_at = now.saturating_add(limits::CALL_CHECK_PERIOD);
        }
        self.ended.retain(|ended| ended.peer != call.peer.id || ended.id != call.id);
        self.calls.push(call);
    }

    /// Removes a call that has ended. A pending offer is confirmed: the end says what became of it. A pending answer is
    /// refused for that reason.
    fn end(&mut self, at: usize, fault: CallFault, out: &mut Vec<CallEffect>) -> Call {
        let mut call = self.calls.remove(at);
        match &mut call.stage {
            Stage::Calling { opening, .. } => {
                let tag = opening.as_mut().and_then(|opening| opening.unconfirmed.take());
                out.extend(tag.map(CallEffect::Done));
            }
            Stage::Answering { tag, .. } if tag.wants_answer() => {
                out.push(CallEffect::Refuse(std::mem::take(tag), fault));
            }
            Stage::Answering { .. } | Stage::Ringing { .. } | Stage::Connected { .. } => {}
        }
        if self.ended.len() >= limits::CALLS_ENDED_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(EndedCall { key: call.key, id: call.id.clone(), peer: call.peer.id.clone() });
        call
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
