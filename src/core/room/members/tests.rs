use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::simulation::simulate;

fn author(name: &str) -> Author {
    Author::new(UserId::new(name).unwrap(), name)
}

const CAME: JoinOutcome = JoinOutcome { first_socket: FirstSocket::Yes, already: Already::No };
const CAME_AGAIN: JoinOutcome = JoinOutcome { first_socket: FirstSocket::No, already: Already::No };
const WAS_THERE: JoinOutcome = JoinOutcome { first_socket: FirstSocket::No, already: Already::Yes };

#[test]
fn a_user_comes_with_the_first_socket_and_goes_with_the_last() {
    let mut members = Members::default();
    let ann = author("ann");
    assert_eq!(members.join(1, &ann), CAME);
    assert_eq!(members.join(2, &ann), CAME_AGAIN);
    assert_eq!(members.join(2, &ann), WAS_THERE);
    assert_eq!((members.users(), members.sockets()), (1, 2));
    let left = |last_socket| Some(LeaveOutcome { user: author("ann"), last_socket });
    assert_eq!(members.leave(1), left(LastSocket::No));
    assert_eq!(members.leave(1), None);
    assert_eq!(members.sockets_of(&ann.id), [2]);
    assert_eq!(members.leave(2), left(LastSocket::Yes));
    assert!(!members.is_present(&ann.id));
}

#[test]
fn a_socket_belongs_to_one_user_for_life() {
    let mut members = Members::default();
    members.join(1, &author("ann"));
    assert_eq!(members.join(1, &author("bob")), WAS_THERE);
    assert_eq!(members.user_of(1), Some(&author("ann")));
    assert!(!members.is_present(&author("bob").id));
}

#[test]
fn the_latest_name_is_shown() {
    let mut members = Members::default();
    let renamed = Author::new(author("ann").id, "anna");
    members.join(1, &author("ann"));
    members.join(2, &renamed);
    assert_eq!(members.online().collect::<Vec<_>>(), [&renamed]);
    assert_eq!(members.user_of(1), Some(&renamed));
    assert_eq!(members.leave(1).unwrap().user, renamed);
    assert_eq!(members.leave(2).unwrap().user, renamed);
}

#[test]
fn a_member_socket_is_small() {
    type Key = (u16, u32, u32);
    assert_eq!(size_of::<(Key, Arc<Author>)>(), 24);
    assert_eq!(size_of::<(ById, Sockets<Key>)>(), 24);
    assert_eq!(size_of::<Author>(), 24);
}

#[test]
fn a_crowd_that_has_gone_keeps_no_memory() {
    let mut members = Members::default();
    for socket in 0..10_000 {
        members.join(socket, &author(&socket.to_string()));
    }
    for socket in 5..10_000 {
        members.leave(socket);
    }
    assert!(members.sockets.capacity() <= 64 && members.users.capacity() <= 64);
    assert_eq!((members.users(), members.sockets()), (5, 5));
}

#[test]
fn it_does_what_the_model_does() {
    simulate(30, |rng| {
        let (mut members, mut model) = (Members::default(), BTreeMap::<u32, String>::new());
        for _ in 0..1_000 {
            let socket = rng.u32(0..40);
            let name = rng.u8(0..8).to_string();
            let present = |model: &BTreeMap<u32, String>, name: &str| model.values().any(|known| known == name);
            if rng.bool() {
                let expected = match (model.contains_key(&socket), present(&model, &name)) {
                    (true, _) => WAS_THERE,
                    (false, true) => CAME_AGAIN,
                    (false, false) => CAME,
                };
                model.entry(socket).or_insert(name.clone());
                assert_eq!(members.join(socket, &author(&name)), expected);
            } else {
                let expected = model.remove(&socket).map(|name| LeaveOutcome {
                    last_socket: if present(&model, &name) { LastSocket::No } else { LastSocket::Yes },
                    user: author(&name),
                });
                assert_eq!(members.leave(socket), expected);
            }
            let expected = model.iter().filter(|(_, known)| **known == name).map(|(socket, _)| *socket);
            let sockets = members.sockets_of(&author(&name).id).iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(sockets, expected.collect());
            let online = members.online().map(|user| user.username().to_owned()).collect::<Vec<_>>();
            assert_eq!(online.len(), members.users(), "each user once");
            assert_eq!(online.into_iter().collect::<BTreeSet<_>>(), model.values().cloned().collect());
            assert_eq!(members.sockets(), model.len());
        }
    });
}
