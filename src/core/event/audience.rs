//! The members of a room who receive an event. An audience has the same meaning on every node: each hub applies it to the
//! sockets on its thread. It must never depend on what only one node knows, except where the node itself is part of it.

use serde::{Deserialize, Serialize};

use crate::ids::{Area, SocketId, UserId};

/// The members of a room who receive an event.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All members.
    #[default]
    Everyone,
    /// The sockets of one user.
    Only(UserId),
    /// All except the sockets of one user.
    EveryoneBut(UserId),
    /// All except one socket. The other sockets of its user receive the event.
    ButSocket(SocketId),
    /// The members in this area of the room, on all nodes.
    In(Area),
}

/// A member's socket, as an audience sees it.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// Its user.
    pub user: &'a UserId,
    /// The socket.
    pub socket: SocketId,
    /// The area in which the room has placed it, in rooms that have areas.
    pub area: Option<Area>,
}

impl Audience {
    /// Whether it is every member.
    pub const fn is_everyone(&self) -> bool {
        match self {
            Audience::Everyone => true,
            Audience::Only(_) | Audience::EveryoneBut(_) | Audience::ButSocket(_) | Audience::In(_) => false,
        }
    }

    /// The area whose members are the audience.
    pub const fn area(&self) -> Option<Area> {
        match self {
            Audience::In(area) => Some(*area),
            Audience::Everyone | Audience::Only(_) | Audience::EveryoneBut(_) | Audience::ButSocket(_) => None,
        }
    }

    /// Whether that socket receives the event.
    pub fn includes(&self, listener: Listener<'_>) -> bool {
        match self {
            Audience::Everyone => true,
            Audience::Only(only) => only == listener.user,
            Audience::EveryoneBut(but) => but != listener.user,
            Audience::ButSocket(but) => *but != listener.socket,
            Audience::In(area) => listener.area == Some(*area),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnKey, NodeId};

    fn socket(node: u64, generation: u32) -> SocketId {
        SocketId { node: NodeId(node), conn: ConnKey { worker: 0, generation } }
    }

    #[test]
    fn each_audience_includes_the_sockets_that_it_names() {
        let [ann, bob] = ["ann", "bob"].map(|name| UserId::new(name).unwrap());
        let (here, there) = (Area(7), Area(8));
        // two sockets of one user, the same connection number on another node, and another user
        let listeners = [
            Listener { user: &ann, socket: socket(1, 1), area: Some(here) },
            Listener { user: &ann, socket: socket(1, 2), area: Some(there) },
            Listener { user: &ann, socket: socket(2, 1), area: None },
            Listener { user: &bob, socket: socket(1, 3), area: Some(here) },
        ];
        let cases = [
            (Audience::Everyone, [true, true, true, true]),
            (Audience::Only(ann.clone()), [true, true, true, false]),
            (Audience::EveryoneBut(ann.clone()), [false, false, false, true]),
            (Audience::ButSocket(socket(1, 1)), [false, true, true, true]),
            (Audience::In(here), [true, false, false, true]),
            (Audience::In(Area(9)), [false, false, false, false]),
        ];
        for (audience, expected) in cases {
            assert_eq!(listeners.map(|listener| audience.includes(listener)), expected, "{audience:?}");
            assert_eq!(audience.is_everyone(), audience == Audience::Everyone);
        }
    }

    #[test]
    fn an_audience_is_the_same_on_another_node() {
        let ann = UserId::new("ann").unwrap();
        let all = [
            Audience::Everyone,
            Audience::Only(ann.clone()),
            Audience::EveryoneBut(ann),
            Audience::ButSocket(socket(0xab, 5)),
            Audience::In(Area(u64::MAX)),
        ];
        for audience in all {
            let text = serde_json::to_string(&audience).unwrap();
            assert_eq!(serde_json::from_str::<Audience>(&text).unwrap(), audience, "{text}");
        }
    }
}
