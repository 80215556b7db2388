//! Tests of the table against a model of Redis, with random changes of what is wanted.

use std::collections::HashSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ids::RoomId;

fn topic(number: u64) -> Topic {
    Topic::Room(RoomId(Uuid::from_u128(number.into())))
}

#[test]
fn forgetting_and_wanting_again_at_once_costs_nothing() {
    let mut table = Subscriptions::default();
    assert_eq!(table.want(topic(1)), Heard::NotYet);
    assert_eq!(table.next(), Some((Direction::Subscribe, vec![topic(1)])));
    assert_eq!(table.next(), None, "one command at a time");
    assert_eq!(table.confirmed(vec![Some(3)]), [(topic(1), Some(3))]);
    table.forget(&topic(1));
    assert_eq!(table.want(topic(1)), Heard::Already);
    assert_eq!(table.next(), None);
    assert!(table.hears(&topic(1)));
}

#[test]
fn a_change_of_mind_under_way_is_made_good() {
    let mut table = Subscriptions::default();
    table.want(topic(1));
    table.next();
    table.forget(&topic(1));
    assert_eq!(table.confirmed(Vec::new()), []);
    assert_eq!(table.next(), Some((Direction::Unsubscribe, vec![topic(1)])));
    assert_eq!(table.want(topic(1)), Heard::NotYet);
    table.confirmed(Vec::new());
    assert_eq!(table.next(), Some((Direction::Subscribe, vec![topic(1)])));
    assert_eq!(table.confirmed(vec![Some(3)]), [(topic(1), Some(3))]);
}

#[test]
fn a_new_connection_starts_with_all_that_is_wanted_and_knows_when_it_has_it() {
    let mut table = Subscriptions::default();
    let many = limits::SUBSCRIBE_CHANNELS_MAX as u64 + 1;
    (0..many).for_each(|number| {
        table.want(topic(number));
    });
    table.reset();
    let mut held = HashSet::new();
    for _ in 0..2 {
        assert!(!table.are_restored());
        let (direction, topics) = table.next().unwrap();
        assert_eq!(direction, Direction::Subscribe);
        // channels wanted later do not delay the restoration
        table.want(topic(many + held.len() as u64));
        assert!(!table.are_restored());
        held.extend(topics);
        table.confirmed(Vec::new());
    }
    assert!(table.are_restored());
    assert!(held.len() as u64 >= many);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Want(u64),
    Forget(u64),
    Ask,
    Answer,
    Break,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u64).prop_map(Step::Want),
        4 => (0..6u64).prop_map(Step::Forget),
        4 => Just(Step::Ask),
        4 => Just(Step::Answer),
        1 => Just(Step::Break),
    ]
}

/// A server that executes every request.
#[derive(Default)]
struct Server {
    held: HashSet<Topic>,
    under_way: Option<(Direction, Vec<Topic>)>,
}

impl Server {
    fn ask(&mut self, table: &mut Subscriptions) {
        if let Some(command) = table.next() {
            assert!(self.under_way.replace(command).is_none(), "one command at a time");
        }
    }

    fn answer(&mut self, table: &mut Subscriptions) {
        let Some((direction, topics)) = self.under_way.take() else { return };
        for topic in topics {
            let sensible = match direction {
                Direction::Subscribe => self.held.insert(topic),
                Direction::Unsubscribe => self.held.remove(&topic),
            };
            assert!(sensible, "nothing is asked twice");
        }
        table.confirmed(Vec::new());
    }
}

proptest! {
    #[test]
    fn in_the_end_exactly_what_is_wanted_is_heard(steps in prop::collection::vec(step(), 0..80)) {
        let (mut table, mut server, mut wanted) = (Subscriptions::default(), Server::default(), HashSet::new());
        for step in steps {
            match step {
                Step::Want(number) => {
                    wanted.insert(topic(number));
                    let heard = table.want(topic(number));
                    prop_assert!(heard == Heard::NotYet || server.held.contains(&topic(number)));
                }
                Step::Forget(number) => {
                    wanted.remove(&topic(number));
                    table.forget(&topic(number));
                }
                Step::Ask => server.ask(&mut table),
                Step::Answer => server.answer(&mut table),
                Step::Break => {
                    server = Server::default();
                    table.reset();
                }
            }
        }
        for _ in 0..8 {
            server.ask(&mut table);
            server.answer(&mut table);
        }
        prop_assert_eq!(&server.held, &wanted);
        prop_assert_eq!(table.held(), wanted.len());
        prop_assert!(table.are_restored());
        prop_assert!(wanted.iter().all(|topic| table.hears(topic)));
        prop_assert_eq!(table.topics.len(), wanted.len(), "what is not wanted is not remembered");
    }
}
