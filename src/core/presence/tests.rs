use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::simulation::simulate;

const HERE: NodeId = NodeId(0);

/// Sockets below 1,000 are on this node; the thousands of the others are their node.
impl SocketKey for u32 {
    fn home(&self) -> NodeId {
        NodeId(u64::from(*self / 1_000))
    }

    /// Every second one.
    fn follows_presence(&self) -> bool {
        self.is_multiple_of(2)
    }
}

const GRACE_MS: i64 = limits::PRESENCE_GRACE.as_millis() as i64;

fn at(unix_ms: i64) -> Timestamp {
    Timestamp { unix_ms }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn online(name: &str) -> Option<PresenceChange> {
    Some(PresenceChange::Online(user(name)))
}

#[test]
fn the_first_socket_brings_a_user_online_and_the_grace_takes_them_off() {
    let mut core = PresenceCore::new(HERE, at(0));
    assert_eq!(core.connect(&user("ann"), 1, at(0)), online("ann"));
    assert_eq!(core.connect(&user("ann"), 2, at(0)), None);
    core.disconnect(&user("ann"), 1, at(10));
    assert_eq!(core.next_deadline(), None);
    core.disconnect(&user("ann"), 2, at(100));
    assert_eq!(core.next_deadline(), Some(at(100 + GRACE_MS)));
    assert_eq!(core.tick(at(99 + GRACE_MS)), []);
    assert!(core.is_online(&user("ann")));
    assert_eq!(core.tick(at(100 + GRACE_MS)), [PresenceChange::Offline(user("ann"))]);
    assert!(!core.is_online(&user("ann")));
    assert_eq!((core.users(), core.sockets(), core.in_grace(), core.next_deadline()), (0, 0, 0, None));
}

#[test]
fn coming_back_within_the_grace_makes_no_noise() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("ann"), 1, at(0));
    core.disconnect(&user("ann"), 1, at(0));
    assert_eq!(core.connect(&user("ann"), 2, at(GRACE_MS - 1)), None);
    assert_eq!(core.tick(at(10 * GRACE_MS)), []);
    core.disconnect(&user("ann"), 2, at(10 * GRACE_MS));
    assert_eq!(core.tick(at(11 * GRACE_MS - 1)), [], "the first grace is over and done with");
}

#[test]
fn a_late_disconnect_of_an_older_socket_undoes_nothing() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("ann"), 1, at(0));
    core.disconnect(&user("ann"), 1, at(0));
    core.connect(&user("ann"), 2, at(1));
    core.disconnect(&user("ann"), 1, at(2));
    core.disconnect(&user("bob"), 2, at(2));
    assert_eq!(core.tick(at(100 * GRACE_MS)), []);
    assert_eq!(core.sockets_of(&user("ann")), [2]);
}

#[test]
fn a_socket_told_of_twice_counts_once() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("ann"), 1, at(0));
    assert_eq!(core.connect(&user("ann"), 1, at(0)), None);
    assert_eq!(core.sockets(), 1);
    core.disconnect(&user("ann"), 1, at(0));
    assert_eq!((core.sockets(), core.in_grace()), (0, 1));
}

#[test]
fn a_status_lasts_as_long_as_the_user_is_there() {
    let mut core = PresenceCore::new(HERE, at(0));
    assert_eq!(core.set_status(&user("ann"), HERE, Status::Busy).map(|before| before.status), None);
    core.connect(&user("ann"), 1, at(0));
    assert_eq!(core.set_status(&user("ann"), HERE, Status::Busy).map(|before| before.status), Some(Status::Online));
    core.disconnect(&user("ann"), 1, at(0));
    core.connect(&user("ann"), 2, at(1));
    assert_eq!(core.status(&user("ann")).map(|said| said.status), Some(Status::Busy));
    core.disconnect(&user("ann"), 2, at(2));
    core.tick(at(2 + GRACE_MS));
    core.connect(&user("ann"), 3, at(2 + GRACE_MS));
    assert_eq!(core.status(&user("ann")).map(|said| said.status), Some(Status::Online));
}

#[test]
fn what_is_said_on_several_nodes_is_one_status() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("ann"), 1, at(0));
    core.connect(&user("ann"), 1_001, at(0));
    core.set_status(&user("ann"), HERE, Status::Away);
    core.set_status(&user("ann"), NodeId(1), Status::Busy);
    assert_eq!(core.status(&user("ann")).map(|said| said.status), Some(Status::Busy));
    core.disconnect(&user("ann"), 1_001, at(1));
    assert_eq!(
        core.status(&user("ann")).map(|said| said.status),
        Some(Status::Away),
        "the node's word went with its last socket"
    );
    core.disconnect(&user("ann"), 1, at(2));
    core.connect(&user("ann"), 2_001, at(3));
    assert_eq!(
        core.status(&user("ann")).map(|said| said.status),
        Some(Status::Online),
        "somewhere else it has to be said again"
    );
    assert_eq!(core.status_at(&user("ann"), HERE).status, Status::Online);
}

#[test]
fn those_online_are_picked_in_the_order_asked() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("cid"), 1, at(0));
    core.connect(&user("ann"), 2, at(0));
    assert_eq!(core.online_among(&[user("ann"), user("bob"), user("cid")]), [user("ann"), user("cid")]);
}

#[test]
fn a_clock_that_steps_back_does_not_stretch_the_grace() {
    let mut core = PresenceCore::new(HERE, at(0));
    core.connect(&user("ann"), 1, at(3_600_000));
    core.disconnect(&user("ann"), 1, at(3_600_000));
    assert_eq!(core.tick(at(0)), []);
    assert_eq!(core.next_deadline(), Some(at(GRACE_MS)));
    assert_eq!(core.tick(at(GRACE_MS)), [PresenceChange::Offline(user("ann"))]);
}

/// A naive model: per user the sockets and the time when the last one closed.
#[derive(Default)]
struct Model {
    sockets: BTreeMap<u8, BTreeSet<u32>>,
    left_at: BTreeMap<u8, i64>,
}

impl Model {
    fn is_online(&self, name: u8) -> bool {
        self.sockets.get(&name).is_some_and(|sockets| !sockets.is_empty()) || self.left_at.contains_key(&name)
    }

    fn connect(&mut self, name: u8, socket: u32) -> bool {
        let was_online = self.is_online(name);
        self.left_at.remove(&name);
        self.sockets.entry(name).or_default().insert(socket);
        !was_online
    }

    fn disconnect(&mut self, name: u8, socket: u32, now: i64) {
        let sockets = self.sockets.entry(name).or_default();
        if sockets.remove(&socket) && sockets.is_empty() {
            self.left_at.insert(name, now);
        }
    }

    fn tick(&mut self, now: i64) -> BTreeSet<u8> {
        self.left_at.extract_if(.., |_, left_at| now - *left_at >= GRACE_MS).map(|(name, _)| name).collect()
    }
}

#[test]
fn it_does_what_the_model_does() {
    simulate(100, |rng| {
        let (mut core, mut model, mut now) = (PresenceCore::new(HERE, at(0)), Model::default(), 0);
        for socket in 0..2_000u32 {
            let name = rng.u8(0..12);
            let id = user(&name.to_string());
            // keys of the recent past, so that many are known and some are reported twice
            let socket = socket.saturating_sub(rng.u32(0..20));
            match rng.u8(0..10) {
                0..4 => assert_eq!(core.connect(&id, socket, at(now)).is_some(), model.connect(name, socket)),
                4..8 => {
                    let known = model.sockets.get(&name).and_then(|sockets| sockets.first()).copied();
                    let socket = if rng.u8(0..4) == 0 { socket } else { known.unwrap_or(socket) };
                    core.disconnect(&id, socket, at(now));
                    model.disconnect(name, socket, now);
                }
                _ => {
                    let offline = model.tick(now);
                    let changes = core.tick(at(now));
                    assert_eq!(changes.len(), offline.len());
                    for name in offline {
                        assert!(changes.contains(&PresenceChange::Offline(user(&name.to_string()))));
                    }
                    now += rng.i64(0..2 * GRACE_MS);
                }
            }
            assert_eq!(core.is_online(&id), model.is_online(name));
            assert_eq!(core.sockets(), model.sockets.values().map(BTreeSet::len).sum::<usize>());
            assert_eq!(core.in_grace(), model.left_at.len());
            assert_eq!(core.next_deadline(), model.left_at.values().min().map(|left_at| at(left_at + GRACE_MS)));
        }
    });
}
