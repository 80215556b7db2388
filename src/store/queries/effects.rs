//! Effects of events: what they read under the rooms' locks, and what they write, in the transaction of the append.

use std::collections::{BTreeSet, HashMap};

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    log::content_type as stored_type,
    schema::{message_mentions, message_reactions, messages, read_marks, room_events, user_queue, users},
    space_state, strange, user_id, write_marks,
};
use crate::{
    core::{emoji::Emoji, event::ChatDurable, profile::Author},
    ids::{RoomId, Seq, UserId},
    store::{
        StoreError,
        batch::{Batch, Earlier, payload},
        effects::{
            Known, KnownMark, KnownMessage, KnownReactions, MarkOf, ReactionOf, Reads, Rewrite, Writes, edit_erased,
        },
        values::{Attached, Id, JsonText, Mentioned, Moment, Payload},
    },
};

/// Decides the effects of a batch and writes those that are not refused. The caller holds the locks of the batch's
/// rooms, whose heads these are, in the order of the batch.
pub async fn apply(
    connection: &mut Connection,
    batch: &mut Batch,
    earlier: &Earlier,
    heads: &[i64],
) -> Result<(), StoreError> {
    let Some(reads) = batch.effect_reads(earlier) else { return Ok(()) };
    let known = read(connection, reads).await?;
    let Writes { rewrites, marks, reactions, states } = batch.decide_effects(earlier, heads, known)?;
    // Before the rewrites, because a deletion removes the reactions.
    for (reaction, given_at) in reactions {
        write_reaction(connection, &reaction, given_at).await?;
    }
    for rewrite in rewrites {
        write_message(connection, rewrite).await?;
    }
    if !marks.is_empty() {
        write_marks(connection, marks).await?;
    }
    for (of, entry) in states {
        space_state::write(connection, &of, entry.as_ref()).await?;
    }
    Ok(())
}

type SenderColumns = (String, String, Option<String>, Option<i64>);
type MessageColumns = (Id, Id, i64, SenderColumns, Option<Attached>, Option<Moment>, Option<String>, Option<Mentioned>);

async fn read(connection: &mut Connection, reads: Reads) -> Result<Known, StoreError> {
    let found = messages::table
        .left_join(users::table.on(users::id.eq(messages::sender_id)))
        .filter(messages::id.eq_any(reads.messages))
        .select((
            messages::id,
            messages::room_id,
            messages::seq,
            (messages::sender_id, messages::sender_username, users::display_name.nullable(), users::number.nullable()),
            messages::attachments,
            messages::deleted_at,
            messages::content_type,
            messages::mentions,
        ))
        .load::<MessageColumns>(connection)
        .await?;
    let mut known = Known::default();
    for (id, room, seq, sender, attachments, deleted_at, content_type, mentions) in found {
        let (sender, username, display_name, number) = sender;
        let message = KnownMessage {
            room,
            seq,
            sender: Author::known(user_id(sender)?, username, display_name.map(Into::into), number),
            content_type: stored_type(content_type),
            attachments: attachments.map(|Attached(files)| files).unwrap_or_default(),
            mentions: mentions.map(|Mentioned(users)| users).unwrap_or_default(),
            is_deleted: deleted_at.is_some(),
            change: None,
        };
        known.messages.insert(id.0, message);
    }
    if !reads.marks.is_empty() {
        known.marks = stored_marks(connection, reads.marks).await?;
    }
    if !reads.reactions.is_empty() {
        known.reactions = stored_reactions(connection, &reads.reactions).await?;
    }
    if !reads.states.is_empty() {
        known.states = space_state::known(connection, reads.states).await?;
    }
    Ok(known)
}

async fn stored_marks(
    connection: &mut Connection,
    wanted: BTreeSet<MarkOf>,
) -> Result<HashMap<MarkOf, KnownMark>, StoreError> {
    let rooms: BTreeSet<Id> = wanted.iter().map(|mark| mark.room).collect();
    let users: BTreeSet<String> = wanted.iter().map(|mark| mark.user.to_string()).collect();
    let rows = read_marks::table
        .filter(read_marks::room_id.eq_any(rooms))
        .filter(read_marks::user_id.eq_any(users))
        .select((read_marks::room_id, read_marks::user_id, read_marks::seq))
        .load::<(Id, String, i64)>(connection)
        .await?;
    let mut marks = HashMap::with_capacity(rows.len());
    for (room, user, seq) in rows {
        marks.insert(MarkOf { room, user: user_id(user)? }, KnownMark { seq, has_advanced: false });
    }
    Ok(marks)
}

async fn stored_reactions(
    connection: &mut Connection,
    wanted: &BTreeSet<ReactionOf>,
) -> Result<KnownReactions, StoreError> {
    let of: BTreeSet<Id> = wanted.iter().map(|reaction| reaction.message).collect();
    let users: BTreeSet<&str> = wanted.iter().map(|reaction| reaction.user.as_str()).collect();
    let mut known = KnownReactions::default();
    let counts = message_reactions::table
        .filter(message_reactions::message_id.eq_any(of.iter().copied()))
        .group_by((message_reactions::message_id, message_reactions::emoji))
        .select((message_reactions::message_id, message_reactions::emoji, count_star()))
        .load::<(Id, String, i64)>(connection)
        .await?;
    for (Id(message), emoji, count) in counts {
        known.counts.entry(message).or_default().insert(stored_emoji(&emoji)?, count);
    }
    let given = message_reactions::table
        .filter(message_reactions::message_id.eq_any(of))
        .filter(message_reactions::user_id.eq_any(users))
        .select((message_reactions::message_id, message_reactions::emoji, message_reactions::user_id))
        .load::<(Id, String, String)>(connection)
        .await?;
    for (message, emoji, user) in given {
        known.given.insert(ReactionOf { message, emoji: stored_emoji(&emoji)?, user: user_id(user)? });
    }
    Ok(known)
}

/// A stored emoji.
pub fn stored_emoji(text: &str) -> Result<Emoji, StoreError> {
    Emoji::new(text).map_err(|_| strange("emoji", text))
}

async fn write_reaction(
    connection: &mut Connection,
    reaction: &ReactionOf,
    given_at: Option<Moment>,
) -> Result<(), StoreError> {
    let ReactionOf { message, emoji, user } = reaction;
    match given_at {
        Some(at) => {
            let row = (
                message_reactions::message_id.eq(*message),
                message_reactions::emoji.eq(emoji.as_str()),
                message_reactions::user_id.eq(user.as_str()),
                message_reactions::created_at.eq(at),
            );
            let insert = diesel::insert_into(message_reactions::table).values(row);
            insert.on_conflict_do_nothing().execute(connection).await?;
        }
        None => {
            let row = message_reactions::table.find((*message, emoji.as_str(), user.as_str()));
            diesel::delete(row).execute(connection).await?;
        }
    }
    Ok(())
}

/// Removes the reactions and mentions of a deleted message.
async fn forget_around(connection: &mut Connection, rewrite: &Rewrite) -> Result<(), StoreError> {
    let reactions = message_reactions::table.filter(message_reactions::message_id.eq(rewrite.message));
    diesel::delete(reactions).execute(connection).await?;
    if rewrite.unmentioned.is_empty() {
        return Ok(());
    }
    let mentions = message_mentions::table
        .filter(message_mentions::user_id.eq_any(rewrite.unmentioned.iter().map(|user| user.as_str())))
        .filter(message_mentions::room_id.eq(rewrite.room))
        .filter(message_mentions::seq.eq(rewrite.seq));
    diesel::delete(mentions).execute(connection).await?;
    Ok(())
}

/// Changes a stored message: in the history, in the log if it is still there, and in the users' queues.
async fn write_message(connection: &mut Connection, rewrite: Rewrite) -> Result<(), StoreError> {
    let message = messages::table.find(rewrite.message);
    match (rewrite.edited_at, rewrite.deleted_at) {
        (_, Some(at)) => {
            let erased = (
                messages::content.eq(""),
                messages::attachments.eq(None::<JsonText>),
                messages::mentions.eq(None::<JsonText>),
                messages::deleted_at.eq(Some(at)),
            );
            forget_around(connection, &rewrite).await?;
            erase_edits(connection, &rewrite).await?;
            diesel::update(message).set(erased).execute(connection).await?;
        }
        (edited_at, None) => {
            let edited = (messages::content.eq(rewrite.content), messages::edited_at.eq(edited_at));
            diesel::update(message).set(edited).execute(connection).await?;
        }
    }
    let payload = JsonText(rewrite.payload);
    diesel::update(room_events::table.find((rewrite.room, rewrite.seq)))
        .set((room_events::kind.eq(rewrite.kind), room_events::payload.eq(&payload)))
        .execute(connection)
        .await?;
    diesel::update(user_queue::table.filter(user_queue::event_id.eq(Some(rewrite.message))))
        .set(user_queue::payload.eq(Some(&payload)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the texts of a deleted message's edits from the log.
async fn erase_edits(connection: &mut Connection, deleted: &Rewrite) -> Result<(), StoreError> {
    let edits = room_events::table
        .filter(room_events::room_id.eq(deleted.room))
        .filter(room_events::kind.eq(ChatDurable::EDITED))
        .select((room_events::seq, room_events::payload))
        .load::<(i64, Payload)>(connection)
        .await?;
    for (seq, Payload(edit)) in edits {
        let Some(erased) = edit_erased(&edit, deleted.message) else { continue };
        diesel::update(room_events::table.find((deleted.room, seq)))
            .set(room_events::payload.eq(JsonText(payload(&erased)?)))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The read marks of all users who have read anything in the room.
pub async fn read_marks(connection: &mut Connection, room: RoomId) -> Result<Vec<(UserId, Seq)>, StoreError> {
    let rows = read_marks::table
        .filter(read_marks::room_id.eq(Id(room.0)))
        .order(read_marks::user_id)
        .select((read_marks::user_id, read_marks::seq))
        .load::<(String, i64)>(connection)
        .await?;
    rows.into_iter().map(|(user, seq)| Ok((user_id(user)?, Seq(seq)))).collect()
}
