//! The messages of y-protocols, which all binary dialects share: synchronisation and awareness, without the envelope in which
//! a dialect puts them. It knows bytes, and must never know what is in an update.

use std::borrow::Cow;

use super::{
    lib0::{Malformed, Reader, write_bytes, write_number},
    y_cursors,
};
use crate::{
    core::{
        command::{DocumentCommand, Exchange},
        document::{ClientState, Pointing, Sent},
    },
    limits,
};

/// The envelope of a message of synchronisation.
pub const SYNC: u64 = 0;
/// The envelope of awareness.
pub const AWARENESS: u64 = 1;
/// The envelope of a refusal.
pub const AUTH: u64 = 2;
/// Asks for awareness.
pub const QUERY_AWARENESS: u64 = 3;

/// Says what the sender has, and asks for what it lacks.
const STEP_1: u64 = 0;
/// What the receiver lacks.
const STEP_2: u64 = 1;
/// A change.
const UPDATE: u64 = 2;
/// Within [`AUTH`].
const PERMISSION_DENIED: u64 = 0;

/// Reads a message of synchronisation.
pub fn sync(reader: &mut Reader<'_>) -> Result<DocumentCommand, Malformed> {
    let kind = reader.number()?;
    match kind {
        STEP_1 => Ok(DocumentCommand::Synchronise { state_vector: reader.shared()?, exchange: Exchange::OneWay }),
        STEP_2 => Ok(DocumentCommand::Update { update: reader.shared()?, sent: Sent::InSync }),
        UPDATE => Ok(DocumentCommand::Update { update: reader.shared()?, sent: Sent::AsUpdate }),
        _unknown => Err(Malformed),
    }
}

/// Reads the states of clients.
pub fn awareness(bytes: &[u8]) -> Result<Vec<ClientState>, Malformed> {
    let mut reader = Reader(bytes);
    let count = usize::try_from(reader.number()?).map_err(|_| Malformed)?;
    if count > limits::AWARENESS_STATES_PER_MESSAGE_MAX {
        return Err(Malformed);
    }
    let mut states = Vec::with_capacity(count);
    for _ in 0..count {
        let (client, clock, state) = (reader.number()?, reader.number_u32()?, reader.text()?);
        let cursor = y_cursors::cursor_of(state);
        states.push(ClientState { client, clock, state: (state != "null").then(|| state.into()), cursor });
    }
    Ok(states)
}

/// Appends the first step: what the server has.
pub fn write_step_1(state_vector: &[u8], out: &mut Vec<u8>) {
    write_number(STEP_1, out);
    write_bytes(state_vector, out);
}

/// Appends the second step: what the client lacks.
pub fn write_step_2(update: &[u8], out: &mut Vec<u8>) {
    write_number(STEP_2, out);
    write_bytes(update, out);
}

/// Appends a change.
pub fn write_update(update: &[u8], out: &mut Vec<u8>) {
    write_number(UPDATE, out);
    write_bytes(update, out);
}

/// Appends a refusal.
pub fn write_permission_denied(reason: &str, out: &mut Vec<u8>) {
    write_number(PERMISSION_DENIED, out);
    write_bytes(reason.as_bytes(), out);
}

/// Appends the states of clients, with the length of all before them.
pub fn write_awareness(states: &[ClientState], out: &mut Vec<u8>) {
    let states = states.iter();
    write_states(states.map(|of| (of.client, of.clock, Cow::Borrowed(of.state.as_deref().unwrap_or("null")))), out);
}

/// Appends users who edit by line and column, in the same form.
pub fn write_pointers(pointers: &[Pointing], out: &mut Vec<u8>) {
    let shown = pointers.iter().filter_map(|pointing| Some((pointing, pointing.shown_as.as_deref()?)));
    let state = |(pointing, shown)| Cow::Owned(y_cursors::state_of(pointing, shown));
    write_states(shown.map(|of| (of.1.client, of.1.clock, state(of))), out);
}

fn write_states<'a>(states: impl Iterator<Item = (u64, u32, Cow<'a, str>)>, out: &mut Vec<u8>) {
    let (mut inner, mut count) = (Vec::with_capacity(256), 0);
    for (client, clock, state) in states {
        count += 1;
        write_number(client, &mut inner);
        write_number(u64::from(clock), &mut inner);
        write_bytes(state.as_bytes(), &mut inner);
    }
    let mut all = Vec::with_capacity(inner.len() + 4);
    write_number(count, &mut all);
    all.extend_from_slice(&inner);
    write_bytes(&all, out);
}
