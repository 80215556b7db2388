//! Awareness: what each client of a document shows of itself to the others (cursor, name, colour), with the clock by which
//! the newest is found. It is never stored. An entry belongs to the socket that has sent it, and ends with it.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use serde::{Deserialize, Serialize};

use super::AnchorRange;
use crate::{
    ids::{Timestamp, UserId},
    limits,
};

/// What a client shows of itself. The state is JSON, which is relayed as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientState {
    /// The client's id in the document.
    pub client: u64,
    /// Grows with each state of the client.
    pub clock: u32,
    /// The state, as JSON; `None` if the client has gone.
    pub state: Option<Arc<str>>,
    /// The cursor in the text, if the state has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<AnchorRange>,
}

/// Who has sent an entry, and may change it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner<O> {
    /// The socket, or the node that has it.
    pub at: O,
    /// Its user.
    pub user: UserId,
}

/// The states of all clients of a document.
#[derive(Debug)]
pub struct Awareness<O> {
    entries: HashMap<u64, Entry<O>>,
}

#[derive(Debug)]
struct Entry<O> {
    /// `None` if the client has gone: what it sends next must be newer.
    owner: Option<Owner<O>>,
    clock: u32,
    state: Option<Arc<str>>,
    cursor: Option<AnchorRange>,
    seen_at: Timestamp,
}

impl<O> Default for Awareness<O> {
    fn default() -> Awareness<O> {
        Awareness { entries: HashMap::new() }
    }
}

impl<O: Copy + Eq + Hash> Awareness<O> {
    /// Applies what a socket has sent. Returns what changes for the others: without old states, states of other users, and
    /// clients above the bound of a socket.
    pub fn apply(&mut self, owner: &Owner<O>, states: Vec<ClientState>, now: Timestamp) -> Vec<ClientState> {
        let mut owned = self.entries.values().filter(|entry| entry.is_of(owner.at)).count();
        let mut changed = Vec::with_capacity(states.len());
        for mut state in states {
            let known = self.entries.get(&state.client);
            if !known.is_none_or(|known| known.accepts(owner, owned, &mut state)) {
                continue;
            }
            if state.state.as_ref().is_some_and(|state| state.len() > limits::AWARENESS_STATE_BYTES_MAX) {
                continue;
            }
            if known.is_none_or(|known| !known.is_of(owner.at)) && state.state.is_some() {
                if owned >= limits::AWARENESS_CLIENTS_PER_SOCKET_MAX {
                    continue;
                }
                owned += 1;
            }
            if known.is_none() && state.state.is_none() {
                continue;
            }
            let owner = state.state.is_some().then(|| owner.clone());
            let entry =
                Entry { owner, clock: state.clock, state: state.state.clone(), cursor: state.cursor, seen_at: now };
            self.entries.insert(state.client, entry);
            changed.push(state);
        }
        changed
    }

    /// Applies what another node has accepted of a user's clients. Returns what changes.
    pub fn learn(&mut self, owner: &Owner<O>, states: Vec<ClientState>, now: Timestamp) -> Vec<ClientState> {
        let is_news = |state: &ClientState| {
            self.entries.get(&state.client).is_none_or(|known| {
                state.clock > known.clock
                    || (state.clock == known.clock && state.state.is_none() && known.state.is_some())
            })
        };
        let news: Vec<ClientState> = states.into_iter().filter(is_news).collect();
        for ClientState { client, clock, state, cursor } in &news {
            let owner = state.is_some().then(|| owner.clone());
            let entry = Entry { owner, clock: *clock, state: state.clone(), cursor: *cursor, seen_at: now };
            self.entries.insert(*client, entry);
        }
        news
    }

    /// The clients that are there.
    pub fn present(&self) -> Vec<ClientState> {
        self.of(|_| true)
    }

    /// The cursor of a user.
    pub fn cursor_of(&self, user: &UserId) -> Option<AnchorRange> {
        let is_of = |entry: &&Entry<O>| entry.owner.as_ref().is_some_and(|owner| owner.user == *user);
        self.entries.values().filter(is_of).find_map(|entry| entry.cursor)
    }

    /// Those that a socket, or a node, has sent.
    pub fn sent_by(&self, at: O) -> Vec<ClientState> {
        self.of(|entry| entry.is_of(at))
    }

    fn of(&self, which: impl Fn(&Entry<O>) -> bool) -> Vec<ClientState> {
        let there = self.entries.iter().filter(|(_, entry)| entry.state.is_some() && which(entry));
        let state = |(client, entry): (&u64, &Entry<O>)| ClientState {
            client: *client,
            clock: entry.clock,
            state: entry.state.clone(),
            cursor: entry.cursor,
        };
        there.map(state).collect()
    }

    /// A socket has ended, or a node is gone: returns its clients, which are gone with it.
    pub fn end(&mut self, at: O, now: Timestamp) -> Vec<ClientState> {
        self.remove(now, |entry| entry.is_of(at))
    }

    /// Removes clients that have not been heard of for long. Returns them.
    pub fn expire(&mut self, now: Timestamp) -> Vec<ClientState> {
        let before = now.plus_ms(-(limits::AWARENESS_EXPIRY.as_millis() as i64));
        let gone = self.remove(now, |entry| entry.seen_at < before);
        self.entries.retain(|_, entry| entry.state.is_some() || entry.seen_at >= before);
        gone
    }

    fn remove(&mut self, now: Timestamp, which: impl Fn(&Entry<O>) -> bool) -> Vec<ClientState> {
        let mut gone = Vec::new();
        for (client, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.state.is_some() && which(entry)) {
            entry.owner = None;
            entry.state = None;
            entry.cursor = None;
            entry.seen_at = now;
            gone.push(ClientState { client: *client, clock: entry.clock, state: None, cursor: None });
        }
        gone
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.entries.values().all(|entry| entry.state.is_none())
    }
}

impl<O: Eq> Entry<O> {
    fn is_of(&self, at: O) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.at == at)
    }

    /// Whether a state is newer. A client that returns after its socket has ended does not know that others were told it had
    /// gone, and sends the same clock again: it gets the next one, which the client adopts when it receives its own state.
    /// Others may still repeat what it showed before, so only a socket that shows no other client, of which there are
    /// `owned`, can be its return.
    fn accepts(&self, owner: &Owner<O>, owned: usize, state: &mut ClientState) -> bool {
        match &self.owner {
            Some(current) if current.user != owner.user => false,
            Some(_) => state.clock > self.clock || (state.clock == self.clock && state.state.is_none()),
            None if state.state.is_none() => false,
            None if state.clock > self.clock => true,
            None if owned == 0 => {
                state.clock = self.clock.saturating_add(1);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: u32 = 1;
    const OTHER: u32 = 2;

    fn owner(at: u32, user: &str) -> Owner<u32> {
        Owner { at, user: UserId::new(user).unwrap() }
    }

    fn state(client: u64, clock: u32, state: Option<&str>) -> ClientState {
        ClientState { client, clock, state: state.map(Into::into), cursor: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp { unix_ms: seconds * 1000 }
    }

    #[test]
    fn only_newer_states_of_the_same_user_count() {
        let mut awareness = Awareness::default();
        let ann = owner(SOCKET, "ann");
        let first = vec![state(7, 1, Some("{}"))];
        assert_eq!(awareness.apply(&ann, first.clone(), at(0)), first);
        assert_eq!(awareness.apply(&ann, first, at(0)), []);
        assert_eq!(awareness.apply(&owner(OTHER, "bob"), vec![state(7, 5, None)], at(0)), [], "not bob's");
        let newer = vec![state(7, 2, Some("[]"))];
        assert_eq!(awareness.apply(&owner(OTHER, "ann"), newer.clone(), at(0)), newer, "a new socket of the user");
        assert_eq!(awareness.end(SOCKET, at(0)), [], "the old one had it no more");
        assert_eq!(awareness.end(OTHER, at(0)), [state(7, 2, None)]);
        assert!(awareness.is_empty());
    }

    #[test]
    fn a_client_that_returns_is_newer_than_its_end() {
        let mut awareness = Awareness::default();
        let ann = owner(SOCKET, "ann");
        awareness.apply(&ann, vec![state(7, 4, Some("{}"))], at(0));
        awareness.end(SOCKET, at(1));
        assert_eq!(awareness.apply(&ann, vec![state(7, 4, Some("{}"))], at(2)), [state(7, 5, Some("{}"))]);
    }

    #[test]
    fn a_client_is_not_brought_back_by_others_who_repeat_its_state() {
        let mut awareness = Awareness::default();
        awareness.apply(&owner(SOCKET, "ann"), vec![state(7, 4, Some("{}"))], at(0));
        awareness.apply(&owner(OTHER, "bob"), vec![state(8, 1, Some("{}"))], at(0));
        awareness.end(SOCKET, at(1));
        assert_eq!(awareness.apply(&owner(OTHER, "bob"), vec![state(7, 4, Some("{}"))], at(2)), []);
    }

    #[test]
    fn clients_expire_and_are_bounded() {
        let mut awareness = Awareness::default();
        let many = (0..100).map(|client| state(client, 1, Some("{}"))).collect();
        let accepted = awareness.apply(&owner(SOCKET, "ann"), many, at(0));
        assert_eq!(accepted.len(), limits::AWARENESS_CLIENTS_PER_SOCKET_MAX);
        let long = "x".repeat(limits::AWARENESS_STATE_BYTES_MAX + 1);
        assert_eq!(awareness.apply(&owner(OTHER, "bob"), vec![state(1000, 1, Some(&long))], at(0)), []);
        let expiry = limits::AWARENESS_EXPIRY.as_secs() as i64;
        assert_eq!(awareness.expire(at(expiry)), []);
        assert_eq!(awareness.expire(at(expiry + 1)).len(), limits::AWARENESS_CLIENTS_PER_SOCKET_MAX);
        assert!(awareness.is_empty());
    }
}
