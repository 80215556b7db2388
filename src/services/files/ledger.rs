//! Accounts for the bytes of one request: how many have arrived, how many are durable and in which parts, and how many
//! the database counts. Pure.

use std::collections::HashSet;

use crate::store::FilePart;

/// The accounting of one write request.
pub struct Ledger {
    /// The offset in the database.
    counted: u64,
    /// The end of the durable bytes.
    settled: u64,
    /// The end of the received bytes.
    arrived: u64,
    /// Durable parts from `counted` to `settled` that the database does not know, or does not know the length of.
    news: Vec<FilePart>,
    /// Parts that the database knows or may know.
    told: HashSet<String>,
}

/// An update for the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Parts that are new or have grown.
    pub parts: Vec<FilePart>,
    /// The previous offset.
    pub from: u64,
    /// The new offset.
    pub to: u64,
}

impl Ledger {
    /// The state at the start, when the database counts this many bytes.
    pub fn at(received_bytes: u64) -> Ledger {
        let (counted, settled, arrived) = (received_bytes, received_bytes, received_bytes);
        Ledger { counted, settled, arrived, news: Vec::new(), told: HashSet::new() }
    }

    pub const fn arrived(&self) -> u64 {
        self.arrived
    }

    pub const fn settled(&self) -> u64 {
        self.settled
    }

    pub const fn has_news(&self) -> bool {
        self.settled > self.counted
    }

    pub const fn come(&mut self, bytes: u64) {
        self.arrived += bytes;
    }

    /// Marks all received bytes as durable; the last of them are in the part that begins at `start`.
    pub fn keep(&mut self, start: u64, name: &str) {
        if self.settled == self.arrived {
            return;
        }
        self.news.retain(|part| part.start != start);
        self.news.push(FilePart { start, length: self.arrived - start, name: name.to_owned() });
        self.settled = self.arrived;
    }

    /// Discards received bytes that are not durable.
    pub const fn lose(&mut self) {
        self.arrived = self.settled;
    }

    /// Whether the database counts a part, may count it, or is about to.
    pub fn holds(&self, name: &str) -> bool {
        self.told.contains(name) || self.news.iter().any(|part| part.name == name)
    }

    /// The update to send.
    pub fn step(&self) -> Step {
        Step { parts: self.news.clone(), from: self.counted, to: self.settled }
    }

    /// An update that only shows that the writer is alive.
    pub const fn sign_of_life(&self) -> Step {
        Step { parts: Vec::new(), from: self.counted, to: self.counted }
    }

    /// The database has accepted the update.
    pub fn taken(&mut self, step: &Step) {
        self.unclear(step);
        self.counted = step.to;
        self.news.retain(|part| !step.parts.contains(part));
    }

    /// The result of the update is unknown. The database may count its parts, now or later.
    pub fn unclear(&mut self, step: &Step) {
        self.told.extend(step.parts.iter().map(|part| part.name.clone()));
    }

    /// Discards everything that does not count. Returns the parts that the database can't know.
    pub fn give_up(&mut self) -> Vec<String> {
        (self.settled, self.arrived) = (self.counted, self.counted);
        let names = std::mem::take(&mut self.news).into_iter().map(|part| part.name);
        names.filter(|name| !self.told.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, length: u64, name: &str) -> FilePart {
        FilePart { start, length, name: name.into() }
    }

    #[test]
    fn a_part_that_can_not_be_finished_leaves_those_before_it_and_no_hole() {
        let mut ledger = Ledger::at(10);
        ledger.come(64);
        ledger.keep(10, "first");
        ledger.come(20);
        ledger.lose();
        assert_eq!(ledger.step(), Step { parts: vec![part(10, 64, "first")], from: 10, to: 74 });
        assert!(ledger.holds("first") && !ledger.holds("second"));
        assert_eq!(ledger.arrived(), 74, "the next part begins where the first one ends");
    }

    #[test]
    fn a_part_that_grows_is_told_with_its_whole_length() {
        let mut ledger = Ledger::at(0);
        ledger.come(5);
        ledger.keep(0, "a");
        let first = ledger.step();
        ledger.taken(&first);
        assert!(!ledger.has_news());
        ledger.come(3);
        ledger.keep(0, "a");
        ledger.keep(0, "a");
        assert_eq!(ledger.step(), Step { parts: vec![part(0, 8, "a")], from: 5, to: 8 });
    }

    #[test]
    fn what_the_database_may_know_of_is_never_removed() {
        let mut ledger = Ledger::at(0);
        ledger.come(5);
        ledger.keep(0, "a");
        ledger.unclear(&ledger.step());
        ledger.come(5);
        ledger.keep(5, "b");
        assert_eq!(ledger.give_up(), ["b"]);
        assert!(ledger.holds("a") && !ledger.holds("b"));
        assert_eq!(ledger.step(), Step { parts: vec![], from: 0, to: 0 });
    }

    #[test]
    fn a_sign_of_life_tells_nothing() {
        let mut ledger = Ledger::at(0);
        ledger.come(5);
        ledger.keep(0, "a");
        let life = ledger.sign_of_life();
        ledger.taken(&life);
        assert_eq!(ledger.step(), Step { parts: vec![part(0, 5, "a")], from: 0, to: 5 });
    }
}
