use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    core::{conflation::Moved, cursor::Coordinate, profile::Author},
    ids::{Area, Timestamp, UserId},
};

fn user(number: i64) -> Author {
    Author::known(UserId::new(format!("u{number}")).unwrap(), "name", None, Some(number))
}

fn to(x: f64, y: f64) -> PlaceChange {
    PlaceChange { x: Coordinate::new(x).unwrap(), y: Coordinate::new(y).unwrap(), direction: None }
}

fn now(unix_ms: i64) -> Timestamp {
    Timestamp { unix_ms }
}

fn x_of(avatars: &Avatars, number: i64) -> f64 {
    avatars.place_of(&user(number).id).unwrap().x.get()
}

#[test]
fn an_avatar_stays_where_it_is_when_another_socket_enters() {
    let mut avatars = Avatars::default();
    avatars.enter(&user(1), Some(to(3.0, 0.0)), now(1));
    avatars.enter(&user(1), Some(to(9.0, 0.0)), now(2));
    assert_eq!(x_of(&avatars, 1), 3.0);
    avatars.forget(&user(1).id);
    avatars.enter(&user(1), None, now(3));
    assert_eq!((x_of(&avatars, 1), &*avatars.place_of(&user(1).id).unwrap().direction), (0.0, "down"));
    // a move of somebody who is not there is ignored
    avatars.step(&user(2).id, to(1.0, 1.0), None, now(4));
    assert_eq!(avatars.place_of(&user(2).id), None);
}

#[test]
fn nodes_agree_on_the_newest_place_whatever_the_order() {
    let mut one = Avatars::default();
    one.enter(&user(1), None, now(1_000));
    let entered = one.of(&user(1).id).unwrap().clone();
    // the clock of the other node is behind
    let mut other = Avatars::default();
    other.learn(entered, Arrival::Expected);
    other.step(&user(1).id, to(5.0, 0.0), None, now(10));
    let moved = other.of(&user(1).id).unwrap().clone();
    one.step(&user(1).id, to(7.0, 0.0), None, now(1_000));
    let at_once = one.of(&user(1).id).unwrap().clone();
    assert_eq!(moved.version, at_once.version, "both moved at the same time");
    one.learn(moved.clone(), Arrival::Announced);
    other.learn(at_once.clone(), Arrival::Announced);
    assert_eq!(one.of(&user(1).id), other.of(&user(1).id));
    let before = one.of(&user(1).id).cloned();
    one.learn(moved, Arrival::Announced);
    one.learn(at_once, Arrival::Announced);
    assert_eq!(one.of(&user(1).id).cloned(), before, "repetitions change nothing");
}

#[test]
fn who_numbers_the_inputs_is_sent_the_own_avatar() {
    let nobody = || std::iter::empty();
    let mut avatars = Avatars::default();
    avatars.enter(&user(1), None, now(1));
    avatars.enter(&user(2), None, now(1));
    avatars.step(&user(1).id, to(1.0, 0.0), Some(6), now(2));
    avatars.step(&user(1).id, to(2.0, 0.0), Some(7), now(3));
    let Some(MoveEvents::Everywhere { others, first }) = avatars.take_moves(nobody()) else { panic!("no moves") };
    let alone = |moved: &Moved<AvatarMove>| (moved.first.input, moved.moved.len());
    assert_eq!((alone(others.as_ref()), first.as_deref().map(alone)), ((Some(7), 0), Some((Some(7), 0))));
    avatars.step(&user(1).id, to(3.0, 0.0), Some(8), now(4));
    avatars.step(&user(2).id, to(3.0, 0.0), None, now(4));
    let Some(MoveEvents::Everywhere { others, first }) = avatars.take_moves(nobody()) else { panic!("no moves") };
    assert_eq!(others.moved.len(), 2);
    let first = first.unwrap();
    assert_eq!(first.first.user, user(2).id);
    assert!(first.moved.iter().any(|own| own.input == Some(8)), "{first:?}");
}

#[test]
fn places_that_were_published_for_nobody_are_forgotten() {
    let mut avatars = Avatars::default();
    avatars.enter(&user(0), None, now(1));
    let template = avatars.of(&user(0).id).unwrap().clone();
    for number in 1..=1_500 {
        avatars.learn(AvatarMove { user: user(number).id, ..template.clone() }, Arrival::Expected);
    }
    avatars.prune(1, |present| *present == user(0).id);
    assert!(avatars.of(&user(0).id).is_some() && avatars.of(&user(1).id).is_none());
}

const RADIUS: f64 = 10.0;

/// Whether a place is in the square of another or in one of the eight around it.
fn is_around(own: (f64, f64), place: (f64, f64)) -> bool {
    let is_next = |one: f64, other: f64| ((one / RADIUS).floor() - (other / RADIUS).floor()).abs() <= 1.0;
    is_next(own.0, place.0) && is_next(own.1, place.1)
}

/// What one observer has been shown, by the areas in which the room has placed it.
#[derive(Default)]
struct Observer {
    area: Option<Area>,
    shown: BTreeMap<UserId, (f64, f64)>,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// Whoever is within the radius is shown where it is, and nobody is shown where it is not, to clients that forget those who
    /// are outside of the nine squares around them.
    #[test]
    fn everybody_within_the_radius_is_shown_where_they_are(
        steps in prop::collection::vec((0..5_i64, -40..40_i32, -40..40_i32, prop::bool::ANY), 1..80),
    ) {
        let users: Vec<Author> = (0..5).map(user).collect();
        let mut avatars = Avatars::default();
        avatars.set_radius(Some(10));
        users.iter().for_each(|user| avatars.enter(user, None, now(1)));
        let mut observers: BTreeMap<UserId, Observer> = BTreeMap::new();
        for user in &users {
            let shown = users.iter().map(|other| (other.id.clone(), (0.0, 0.0))).collect();
            observers.insert(user.id.clone(), Observer { area: avatars.area_of(&user.id), shown });
        }
        let at = |place: &Place| (place.x.get(), place.y.get());
        for (number, (mover, x, y, sends)) in steps.into_iter().enumerate() {
            avatars.step(&user(mover).id, to(f64::from(x), f64::from(y)), None, now(number as i64));
            if !sends {
                continue;
            }
            let ids: BTreeSet<UserId> = users.iter().map(|user| user.id.clone()).collect();
            let Some(MoveEvents::Near { crossings, moves }) = avatars.take_moves(ids.iter()) else { continue };
            for crossing in &crossings {
                let observer = observers.get_mut(&crossing.user).unwrap();
                observer.area = Some(crossing.area);
                for seen in &crossing.seen {
                    let place = avatars.place_of(seen).unwrap();
                    observer.shown.insert(seen.clone(), at(place));
                }
            }
            for observer in observers.values_mut() {
                for (_, moves) in moves.iter().filter(|(area, _)| Some(*area) == observer.area) {
                    for moved in &**moves {
                        observer.shown.insert(moved.user.clone(), at(&moved.place));
                    }
                }
            }
            for (id, observer) in &mut observers {
                prop_assert_eq!(observer.area, avatars.area_of(id));
                let own = at(avatars.place_of(id).unwrap());
                observer.shown.retain(|_, place| is_around(own, *place));
                for other in &users {
                    let place = at(avatars.place_of(&other.id).unwrap());
                    let shown = observer.shown.get(&other.id);
                    let is_near = (own.0 - place.0).hypot(own.1 - place.1) <= RADIUS;
                    prop_assert!(shown == Some(&place) || (shown.is_none() && !is_near), "{} to {}: {:?}", other.id, id, shown);
                }
            }
        }
    }
}
