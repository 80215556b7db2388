//! The Redis channels to which a node subscribes and publishes, and their names.

use std::fmt::Write;

use crate::ids::{NodeId, RoomId, UserId};

/// A channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Topic {
    /// All nodes.
    Nodes,
    /// One node.
    Node(NodeId),
    /// The nodes on which the room is in use.
    Room(RoomId),
    /// The nodes on which the user has a socket.
    User(UserId),
}

impl Topic {
    /// Whether it is the topic of a room.
    pub(super) fn is_room(&self) -> bool {
        match self {
            Topic::Room(_) => true,
            Topic::Nodes | Topic::Node(_) | Topic::User(_) => false,
        }
    }
}

/// The channel names with one prefix.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Names {
        Names { prefix: format!("{prefix}:") }
    }

    /// `<prefix>:nodes`, `<prefix>:node:<id>`, `<prefix>:room:<id>`, `<prefix>:user:<id>`.
    pub(super) fn of(&self, topic: &Topic) -> String {
        let mut name = self.prefix.clone();
        let written = match topic {
            Topic::Nodes => name.write_str("nodes"),
            Topic::Node(node) => write!(name, "node:{node}"),
            Topic::Room(room) => write!(name, "room:{room}"),
            Topic::User(user) => write!(name, "user:{user}"),
        };
        // writing to a String cannot fail
        written.map_or_else(|_| String::new(), |()| name)
    }

    /// Parses the name of a channel; `None` if it is not one of ours.
    pub(super) fn topic(&self, name: &[u8]) -> Option<Topic> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(self.prefix.as_str())?;
        match name.split_once(':') {
            None => (name == "nodes").then_some(Topic::Nodes),
            Some(("node", id)) => id.parse().ok().map(Topic::Node),
            Some(("room", id)) => id.parse().ok().map(Topic::Room),
            Some(("user", id)) => id.parse().ok().map(Topic::User),
            Some(_other) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        let names = Names::new("a:prefix");
        let user = UserId::new("user:with:{colons}").unwrap();
        for topic in [Topic::Nodes, Topic::Node(NodeId(7)), Topic::Room(RoomId::generate()), Topic::User(user)] {
            assert_eq!(names.topic(names.of(&topic).as_bytes()), Some(topic));
        }
        assert_eq!(names.of(&Topic::Node(NodeId(7))), "a:prefix:node:0000000000000007");
        for other in ["a:prefix:", "a:prefix:node:x", "b:prefix:nodes", "a:prefix:pool:1", "nodes", ""] {
            assert_eq!(names.topic(other.as_bytes()), None, "{other}");
        }
        assert_eq!(names.topic(b"a:prefix:user:\xff"), None);
    }
}
