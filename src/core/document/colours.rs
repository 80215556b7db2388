//! The colours of the users in a document: the lowest free one of a fixed number, so that no two are alike while there are
//! enough. Nodes choose at the same time; where two have chosen the same colour, all nodes agree on who keeps it.

use std::collections::BTreeMap;

use crate::ids::UserId;

/// The colours: distinct on white and on black.
const PALETTE: [&str; 24] = [
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#f032e6", "#9a6324", "#800000", "#808000",
    "#000075", "#e6a800", "#1f9e89", "#d45087", "#2f4b7c", "#665191", "#a05195", "#ff7c43", "#488f31", "#6a994e",
    "#386641", "#bc4749", "#5f0f40", "#0f4c5c",
];

/// The colour of a user in a document: an index into a fixed palette.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Colour(pub u8);

impl Colour {
    /// As in style sheets.
    pub fn name(self) -> &'static str {
        PALETTE.get(usize::from(self.0) % PALETTE.len()).copied().unwrap_or("#000000")
    }
}

/// The colours of the users in a document.
#[derive(Clone, Debug, Default)]
pub struct Colours {
    of: BTreeMap<UserId, Colour>,
}

impl Colours {
    /// The colour of a user, who gets one if necessary.
    pub fn assign(&mut self, user: &UserId) -> Colour {
        if let Some(colour) = self.of.get(user) {
            return *colour;
        }
        let colour = self.lowest_free(user);
        self.of.insert(user.clone(), colour);
        colour
    }

    /// The colour of a user who has one.
    pub fn of(&self, user: &UserId) -> Option<Colour> {
        self.of.get(user).copied()
    }

    /// Another node has given the user a colour. If two users have the same one, the first by id keeps it.
    pub fn learn(&mut self, user: &UserId, colour: Colour) {
        let holder = self.of.iter().find(|(other, held)| **held == colour && *other != user);
        match holder.map(|(other, _)| other.clone()) {
            Some(other) if other < *user => {
                self.assign(user);
            }
            Some(other) => {
                self.of.insert(user.clone(), colour);
                let next = self.lowest_free(&other);
                self.of.insert(other, next);
            }
            None => {
                self.of.insert(user.clone(), colour);
            }
        }
    }

    /// The user has left.
    pub fn forget(&mut self, user: &UserId) {
        self.of.remove(user);
    }

    /// The lowest one that nobody else has; if all are taken, one by the number of users.
    fn lowest_free(&self, user: &UserId) -> Colour {
        let count = PALETTE.len() as u8;
        let is_free = |colour: &u8| self.of.iter().all(|(other, held)| held.0 != *colour || other == user);
        Colour((0..count).find(is_free).unwrap_or((self.of.len() % PALETTE.len()) as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn everybody_gets_the_lowest_free_colour() {
        let mut colours = Colours::default();
        let given: Vec<u8> = ["ann", "bob", "cyd"].map(|name| colours.assign(&user(name)).0).into();
        assert_eq!(given, [0, 1, 2]);
        colours.forget(&user("bob"));
        assert_eq!(colours.assign(&user("dan")), Colour(1));
        assert_eq!(colours.assign(&user("ann")), Colour(0), "the same while she is there");
        let all: std::collections::HashSet<_> = (0..PALETTE.len()).map(|colour| Colour(colour as u8).name()).collect();
        assert_eq!(all.len(), PALETTE.len());
    }

    #[test]
    fn nodes_that_chose_the_same_colour_agree() {
        let (mut here, mut there) = (Colours::default(), Colours::default());
        let (ann, bob) = (user("ann"), user("bob"));
        let (of_ann, of_bob) = (here.assign(&ann), there.assign(&bob));
        assert_eq!(of_ann, of_bob);
        here.learn(&bob, of_bob);
        there.learn(&ann, of_ann);
        assert_eq!([here.of(&ann), here.of(&bob)], [there.of(&ann), there.of(&bob)]);
        assert_ne!(here.of(&ann), here.of(&bob));
    }
}
