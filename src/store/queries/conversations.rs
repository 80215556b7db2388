//! Conversations: participants, group conversations, and the location of messages.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::{
    dsl::{count_star, exists, min, not},
    prelude::*,
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection,
    effects::stored_emoji,
    open_rooms::accesses,
    rooms::{OPEN, identity},
    schema::{group_members, message_reactions, messages, participants, room_members, rooms, space_members, users},
    user_id,
};
use crate::{
    core::{
        event::{RoomIdentity, RoomScope},
        profile::Author,
    },
    ids::{EventId, RoomId, RoomName, Seq, UserId},
    limits,
    store::{
        Contacts, MessagePlace, OpenRoom, ReactionCount, StoreError, Visibility,
        batch::Batch,
        values::{Id, JsonText, Moment, now, storable},
    },
};

pub async fn remove_participant(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    let participant = participants::table.find((user.as_str(), Id(room.0)));
    Ok(diesel::delete(participant).execute(connection).await? > 0)
}

/// The participants of a room of any kind, ordered by id.
pub async fn participants(connection: &mut Connection, room: &RoomIdentity) -> Result<Vec<Author>, StoreError> {
    let columns = (users::id, users::username);
    let most = limits::PARTICIPANTS_MAX;
    let rows = match &room.scope {
        RoomScope::Channel { group } => {
            group_members::table
                .inner_join(users::table)
                .filter(group_members::group_id.eq(Id(group.0)))
                .order(group_members::user_id)
                .limit(most)
                .select(columns)
                .load::<(String, String)>(connection)
                .await?
        }
        RoomScope::Direct { users: [first, second] } => {
            users::table
                .filter(users::id.eq_any([first.as_str(), second.as_str()]))
                .order(users::id)
                .select(columns)
                .load::<(String, String)>(connection)
                .await?
        }
        // who opens a document takes no part in anything while away
        RoomScope::Document { .. } => Vec::new(),
        RoomScope::Open { .. } => {
            participants::table
                .inner_join(users::table.on(users::id.eq(participants::user_id)))
                .filter(participants::room_id.eq(Id(room.id.0)))
                .order(participants::user_id)
                .limit(most)
                .select(columns)
                .load::<(String, String)>(connection)
                .await?
        }
        RoomScope::Space => {
            space_members::table
                .inner_join(users::table)
                .filter(space_members::room_id.eq(Id(room.id.0)))
                .order(space_members::user_id)
                .limit(most)
                .select(columns)
                .load::<(String, String)>(connection)
                .await?
        }
        // nobody takes part in a canvas while away
        RoomScope::Canvas { .. } => Vec::new(),
    };
    rows.into_iter().map(|(id, username)| Ok(Author::new(user_id(id)?, username))).collect()
}

pub async fn is_participant(
    connection: &mut Connection,
    room: &RoomIdentity,
    user: &UserId,
) -> Result<bool, StoreError> {
    let found = match &room.scope {
        RoomScope::Direct { users } => return Ok(users.contains(user)),
        RoomScope::Channel { group } => {
            let member = group_members::table.find((Id(group.0), user.as_str()));
            member.select(group_members::user_id).get_result::<String>(connection).await.optional()?
        }
        RoomScope::Open { .. } => return is_in(connection, room.id, user).await,
        RoomScope::Space => {
            let member = space_members::table.find((Id(room.id.0), user.as_str()));
            member.select(space_members::user_id).get_result::<String>(connection).await.optional()?
        }
        RoomScope::Canvas { .. } => None,
        RoomScope::Document { .. } => return Ok(false),
    };
    Ok(found.is_some())
}

async fn is_in(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    let participant = participants::table.find((user.as_str(), Id(room.0)));
    let found = participant.select(participants::user_id).get_result::<String>(connection).await.optional()?;
    Ok(found.is_some())
}

/// Adds to the queues of a batch's events those of all who take part in their rooms, if that is wanted. It takes no locks: who joins
/// or leaves at the same moment may or may not be among them.
pub async fn queue_for_participants(connection: &mut Connection, batch: &mut Batch) -> Result<(), StoreError> {
    let of = batch.rooms_with_queues();
    if of.is_empty() {
        return Ok(());
    }
    let mut all: HashMap<Id, Vec<UserId>> = HashMap::new();
    let of_open = participants::table
        .filter(participants::room_id.eq_any(of.iter().copied()))
        .order((participants::room_id, participants::user_id))
        .select((participants::room_id, participants::user_id))
        .load::<(Id, String)>(connection)
        .await?;
    let of_channels = rooms::table
        .inner_join(group_members::table.on(group_members::group_id.nullable().eq(rooms::group_id)))
        .filter(rooms::id.eq_any(of))
        .order((rooms::id, group_members::user_id))
        .select((rooms::id, group_members::user_id))
        .load::<(Id, String)>(connection)
        .await?;
    for (room, user) in of_open.into_iter().chain(of_channels) {
        all.entry(room).or_default().push(user_id(user)?);
    }
    batch.queue_for_participants(&all);
    Ok(())
}

/// Creates a private room whose name is its own id, with these members, who all participate. [`StoreError::Missing`] if
/// one of them does not exist.
pub async fn create_conversation(
    connection: &mut Connection,
    creator: &UserId,
    title: Option<&str>,
    members: &[UserId],
) -> Result<OpenRoom, StoreError> {
    let id = RoomId::generate();
    let name = RoomName::new(id.to_string()).map_err(|bad| StoreError::Fault(bad.to_string()))?;
    let created_at = Moment(now());
    let all: BTreeSet<&UserId> = members.iter().chain([creator]).collect();
    write_transaction!(connection, async |connection| {
        let known = users::table.filter(users::id.eq_any(all.iter().map(|user| user.as_str()))).count();
        if usize::try_from(known.get_result::<i64>(connection).await?) != Ok(all.len()) {
            return Err(StoreError::Missing);
        }
        diesel::insert_into(rooms::table)
            .values((
                rooms::id.eq(Id(id.0)),
                rooms::kind.eq(OPEN),
                rooms::key.eq(name.as_str()),
                rooms::name.eq(title.map(storable).unwrap_or_default().as_ref()),
                rooms::visibility.eq(Visibility::Private.name()),
                rooms::settings.eq(JsonText("{}".into())),
                rooms::owner_id.eq(creator.as_str()),
                rooms::epoch.eq(created_at.0.unix_ms),
                rooms::created_at.eq(created_at),
                rooms::active_at.eq(created_at),
            ))
            .execute(connection)
            .await?;
        for user in &all {
            insert_member(connection, id, user, created_at).await?;
        }
        let found = accesses(connection, &[(name.clone(), creator.clone())]).await?;
        found.into_iter().next().flatten().ok_or(StoreError::Missing)
    })
    .await
}

async fn insert_member(
    connection: &mut Connection,
    room: RoomId,
    user: &UserId,
    joined_at: Moment,
) -> Result<(), StoreError> {
    diesel::insert_into(room_members::table)
        .values((
            room_members::room_id.eq(Id(room.0)),
            room_members::user_id.eq(user.as_str()),
            room_members::role.eq("member"),
        ))
        .execute(connection)
        .await?;
    diesel::insert_into(participants::table)
        .values((
            participants::user_id.eq(user.as_str()),
            participants::room_id.eq(Id(room.0)),
            participants::joined_at.eq(joined_at),
            participants::joined_seq.eq(0),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// The location and the sender of a message.
pub async fn message_place(connection: &mut Connection, message: EventId) -> Result<Option<MessagePlace>, StoreError> {
    let found = messages::table
        .find(Id(message.0))
        .select((messages::room_id, messages::seq, messages::sender_id, messages::deleted_at))
        .get_result::<(Id, i64, String, Option<Moment>)>(connection)
        .await
        .optional()?;
    let Some((room, seq, sender, deleted_at)) = found else { return Ok(None) };
    let Some(room) = identity(connection, RoomId(room.0)).await? else { return Ok(None) };
    Ok(Some(MessagePlace { room, seq: Seq(seq), sender: user_id(sender)?, is_deleted: deleted_at.is_some() }))
}

/// The reactions to messages, those with the most users first, then in the order in which they were first given.
pub async fn reactions(
    connection: &mut Connection,
    of: &[EventId],
    user: &UserId,
) -> Result<HashMap<EventId, Vec<ReactionCount>>, StoreError> {
    let of_messages = message_reactions::message_id.eq_any(of.iter().map(|message| Id(message.0)));
    let counts = message_reactions::table
        .filter(of_messages.clone())
        .group_by((message_reactions::message_id, message_reactions::emoji))
        .order((count_star().desc(), min(message_reactions::created_at), message_reactions::emoji))
        .select((message_reactions::message_id, message_reactions::emoji, count_star()))
        .load::<(Id, String, i64)>(connection)
        .await?;
    if counts.is_empty() {
        return Ok(HashMap::new());
    }
    let own: HashSet<(Uuid, String)> = message_reactions::table
        .filter(of_messages)
        .filter(message_reactions::user_id.eq(user.as_str()))
        .select((message_reactions::message_id, message_reactions::emoji))
        .load::<(Id, String)>(connection)
        .await?
        .into_iter()
        .map(|(Id(message), emoji)| (message, emoji))
        .collect();
    let mut all: HashMap<EventId, Vec<ReactionCount>> = HashMap::new();
    for (Id(message), text, count) in counts {
        let emoji = stored_emoji(&text)?;
        let is_own = own.contains(&(message, text));
        all.entry(EventId(message)).or_default().push(ReactionCount { emoji, count, is_own });
    }
    Ok(all)
}

/// Whether two users share a conversation of any kind.
pub async fn share_conversation(connection: &mut Connection, one: &UserId, other: &UserId) -> Result<bool, StoreError> {
    // direct conversations and private rooms
    let own = room_members::table.filter(room_members::user_id.eq(one.as_str())).select(room_members::room_id);
    let sides = diesel::alias!(room_members as other_sides);
    let together = sides
        .filter(sides.field(room_members::user_id).eq(other.as_str()))
        .filter(sides.field(room_members::room_id).eq_any(own));
    if diesel::select(exists(together)).get_result::<bool>(connection).await? {
        return Ok(true);
    }
    let own = group_members::table.filter(group_members::user_id.eq(one.as_str())).select(group_members::group_id);
    let members = diesel::alias!(group_members as other_members);
    let together = members
        .filter(members.field(group_members::user_id).eq(other.as_str()))
        .filter(members.field(group_members::group_id).eq_any(own));
    if diesel::select(exists(together)).get_result::<bool>(connection).await? {
        return Ok(true);
    }
    let own = participants::table.filter(participants::user_id.eq(one.as_str())).select(participants::room_id);
    let others = diesel::alias!(participants as other_participants);
    let together = others
        .filter(others.field(participants::user_id).eq(other.as_str()))
        .filter(others.field(participants::room_id).eq_any(own));
    Ok(diesel::select(exists(together)).get_result::<bool>(connection).await?)
}

/// The users who share a conversation with the user: participants of the same open rooms, members of the same groups, and
/// those to whom the user talks directly. Conversations with more than [`limits::PRESENCE_ANNOUNCED_PARTICIPANTS_MAX`] users
/// do not count.
pub async fn contacts(connection: &mut Connection, user: &UserId) -> Result<Option<Contacts>, StoreError> {
    let name = users::table.filter(users::id.eq(user.as_str())).select(users::username);
    let Some(username) = name.first::<String>(connection).await.optional()? else { return Ok(None) };
    let most = limits::CONTACTS_MAX;
    // reads this many rows of each conversation, however large it is
    let small_enough = limits::PRESENCE_ANNOUNCED_PARTICIPANTS_MAX;
    let (others, crowd) = diesel::alias!(participants as other_participants, participants as crowd_of_room);
    let in_room = crowd.filter(crowd.field(participants::room_id).eq(participants::room_id));
    let own_rooms = participants::table
        .filter(participants::user_id.eq(user.as_str()))
        .filter(not(exists(in_room.limit(1).offset(small_enough))))
        .select(participants::room_id);
    let in_rooms = others
        .filter(others.field(participants::room_id).eq_any(own_rooms))
        .select(others.field(participants::user_id))
        .distinct()
        .limit(most)
        .load::<String>(connection)
        .await?;
    let (members, crowd) = diesel::alias!(group_members as other_members, group_members as crowd_of_group);
    let in_group = crowd.filter(crowd.field(group_members::group_id).eq(group_members::group_id));
    let own_groups = group_members::table
        .filter(group_members::user_id.eq(user.as_str()))
        .filter(not(exists(in_group.limit(1).offset(small_enough))))
        .select(group_members::group_id);
    let in_groups = members
        .filter(members.field(group_members::group_id).eq_any(own_groups))
        .select(members.field(group_members::user_id))
        .distinct()
        .limit(most)
        .load::<String>(connection)
        .await?;
    // direct conversations and private rooms
    let (sides, crowd) = diesel::alias!(room_members as other_sides, room_members as crowd_of_sides);
    let in_room = crowd.filter(crowd.field(room_members::room_id).eq(room_members::room_id));
    let own = room_members::table
        .filter(room_members::user_id.eq(user.as_str()))
        .filter(not(exists(in_room.limit(1).offset(small_enough))))
        .select(room_members::room_id);
    let partners = sides
        .filter(sides.field(room_members::room_id).eq_any(own))
        .select(sides.field(room_members::user_id))
        .distinct()
        .limit(most)
        .load::<String>(connection)
        .await?;
    let all: BTreeSet<String> = in_rooms.into_iter().chain(in_groups).chain(partners).collect();
    let others = all.into_iter().filter(|other| other != user.as_str()).take(usize::try_from(most).unwrap_or(0));
    let users = others.map(user_id).collect::<Result<_, _>>()?;
    Ok(Some(Contacts { username: username.into(), users }))
}
