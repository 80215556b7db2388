//! Why a request in a call is refused, with the code and the sentence that the client gets.

use crate::{
    error::{ErrorCode, Refusal},
    limits,
};

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallFault {
    /// The target is the user who calls.
    #[error("`target_user_id` is your own id; send the id of another user")]
    Oneself,
    /// The socket is in too many calls.
    #[error("This socket is in {} calls, the maximum; hang up one of them first", limits::CALLS_PER_SOCKET_MAX)]
    TooMany,
    /// The call exists already and is not connected.
    #[error("There is a call with this user and this `call_id` already; hang it up first, or choose another `call_id`")]
    Exists,
    /// The target calls this user.
    #[error("This user is calling you; answer that call, or hang it up first")]
    TargetCalls,
    /// The caller can't answer.
    #[error("You have begun this call, so only the other user can answer it; wait for `call.answer`")]
    OwnCall,
    /// It was answered on this socket.
    #[error("You have answered this call already; no further answer is needed")]
    Answered,
    /// It was answered on another socket first.
    #[error("Another socket of yours has answered this call; no further answer is needed")]
    AnsweredElsewhere,
    /// No such call, or not any more.
    #[error("You are in no such call with this user, or it is over; check `call_id` and `target_user_id`")]
    NoSuchCall,
    /// The caller did not confirm the answer.
    #[error("The caller can't be reached any more, so the call is over; call back")]
    CallerGone,
    /// No socket of the target rings.
    #[error("The user has no socket that can ring; try again when the user is online")]
    NobodyRings,
    /// The target does not exist.
    #[error("There is no such user; check `target_user_id`")]
    NoSuchUser,
}

impl CallFault {
    const fn code(self) -> ErrorCode {
        match self {
            CallFault::Oneself => ErrorCode::InvalidMessage,
            CallFault::TooMany
            | CallFault::Exists
            | CallFault::TargetCalls
            | CallFault::OwnCall
            | CallFault::Answered
            | CallFault::AnsweredElsewhere => ErrorCode::Conflict,
            CallFault::NoSuchCall | CallFault::CallerGone | CallFault::NobodyRings => ErrorCode::TargetUnavailable,
            CallFault::NoSuchUser => ErrorCode::UserNotFound,
        }
    }
}

impl From<CallFault> for Refusal {
    fn from(fault: CallFault) -> Refusal {
        Refusal::new(fault.code(), fault.to_string())
    }
}
