//! The reasons for which the server closes a socket, each with the close code that tells the client what to do next
//! (docs/protocol.md, Close codes; RFC 6455 section 7.4). All closes use this table, so that codes keep one meaning.

/// Why a socket is closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Disconnect {
    /// The client asked to close.
    Normal,
    /// The peer violated RFC 6455.
    ProtocolError,
    /// A kind of frame that this endpoint does not accept.
    UnsupportedData,
    /// Text that is not UTF-8.
    InvalidText,
    /// A message over the frame limit.
    TooBig,
    /// This node restarts or is removed.
    Restarting,
    /// The server can't accept the session at the moment.
    TryAgainLater,
    /// The token expired and was not renewed.
    TokenExpired,
    /// An administrator closed it, or the user lost access to the room.
    Revoked,
    /// The user opened more sockets than allowed, and this one is the oldest.
    TooManyConnections,
    /// The user is blocked because they continued after being refused.
    RateLimited,
    /// Nothing was received within the heartbeat timeout.
    HeartbeatMissed,
    /// The client does not read fast enough.
    TooSlow,
}

/// Code ranges are instructions to the client. 44xx: reconnect only after fixing the cause, or not at all. 45xx:
/// reconnect and resume.
impl Disconnect {
    /// All reasons, for metrics and tests.
    pub const ALL: [Disconnect; 13] = [
        Disconnect::Normal,
        Disconnect::ProtocolError,
        Disconnect::UnsupportedData,
        Disconnect::InvalidText,
        Disconnect::TooBig,
        Disconnect::Restarting,
        Disconnect::TryAgainLater,
        Disconnect::TokenExpired,
        Disconnect::Revoked,
        Disconnect::TooManyConnections,
        Disconnect::RateLimited,
        Disconnect::HeartbeatMissed,
        Disconnect::TooSlow,
    ];

    /// The close frame's code.
    pub const fn code(self) -> u16 {
        self.row().0
    }

    /// The close frame's reason, at most 123 bytes.
    pub const fn reason(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (u16, &'static str) {
        match self {
            Disconnect::Normal => (1000, ""),
            Disconnect::ProtocolError => (1002, "protocol error"),
            Disconnect::UnsupportedData => (1003, "unsupported data"),
            Disconnect::InvalidText => (1007, "text is not UTF-8"),
            Disconnect::TooBig => (1009, "message too big"),
            Disconnect::Restarting => (1012, "server restarts; reconnect"),
            Disconnect::TryAgainLater => (1013, "try again later"),
            Disconnect::TokenExpired => (4401, "token expired"),
            Disconnect::Revoked => (4403, "access revoked"),
            Disconnect::TooManyConnections => (4409, "too many connections"),
            Disconnect::RateLimited => (4429, "blocked for exceeding the rate limit"),
            Disconnect::HeartbeatMissed => (4508, "heartbeat missed"),
            Disconnect::TooSlow => (4510, "too slow a consumer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_control_frame_and_codes_differ() {
        let mut codes: Vec<_> = Disconnect::ALL.iter().map(|d| d.code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), Disconnect::ALL.len());
        assert!(Disconnect::ALL.iter().all(|d| d.reason().len() <= 123));
    }
}
