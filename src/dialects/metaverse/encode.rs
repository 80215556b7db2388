//! Converts events and replies into the dialect's messages, written directly into the frame. An event is encoded once
//! for all receivers. No match may have a catch-all, so that the compiler asks for the form of a new event.

use super::wire::{
    Announced, Answer, Broadcast, CurrentEntry, Details, Done, Failed, FromServer, NobodyInvited, Notice, Notified,
    Pong, Recovered, Refreshed, Refused, Restarting, Said, Stored, Success,
    invites::{Answered, Candidates, FailedInvite, InviteNotice, Invites, OfUser, Sent},
    spaces::{
        AvatarMoved, AvatarNumber, AvatarsMoved, ChatMessage, EnteredSpace, Joined, SpaceChanged, UserAction,
        UserJoined, UserLeft,
    },
    state::{StateChanged, StateStored},
};
use crate::{
    core::{
        command::Tag,
        conflation::Moved,
        event::{
            ChatDurable, Durable, Ephemeral, Event, EventBody, PresenceEphemeral, Reply, RoomEphemeral, RoomScope,
            SpaceDurable, SpaceEphemeral, SpaceReply,
        },
        invite::{Invite, InviteHappening, InviteNews},
        space::AvatarMove,
        user_event::UserEvent,
    },
    dialects::{
        Encoded, Stamp,
        output::{self, Echo, Moment, Relayed, RelayedObject},
    },
    error::Refusal,
    ids::{EventId, RoomId, Seq, Timestamp, UserId},
    limits,
};

/// Appends what everybody in the space receives, or only the author's own sockets.
pub fn event(event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    encoded(of_event(event, stamp).map(FromServer::Broadcast), out)
}

/// Appends a message for one socket.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    encoded(of_reply(reply, at), out)
}

fn encoded(message: Option<FromServer<'_>>, out: &mut Vec<u8>) -> Encoded {
    match message {
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

// ---- events ----

fn of_event<'a>(event: &'a Event, stamp: Stamp<'a>) -> Option<Broadcast<'a>> {
    if event.room.scope != RoomScope::Space {
        return None;
    }
    match &event.body {
        EventBody::Durable { seq, id, what } => durable(event, (*seq, *id), what, stamp),
        EventBody::Ephemeral(what) => ephemeral(event, what),
    }
}

fn durable<'a>(
    event: &'a Event,
    (seq, id): (Seq, EventId),
    what: &'a Durable,
    stamp: Stamp<'a>,
) -> Option<Broadcast<'a>> {
    let space_id = event.room.id;
    match what {
        Durable::Chat(ChatDurable::MessageSent { sender, content, .. }) => Some(Broadcast::ChatMessage(ChatMessage {
            space_id,
            user_id: &sender.id,
            username: sender.username(),
            message: content,
            id,
            created_at: Moment(event.at),
            seq,
            client_message_id: stamp.client_message_id,
        })),
        Durable::Space(SpaceDurable::Acted { by, action, data }) => Some(Broadcast::UserAction(UserAction {
            space_id,
            user_id: &by.id,
            action,
            data: data.as_ref().map(Relayed),
            created_at: Moment(event.at),
            seq,
        })),
        Durable::Space(SpaceDurable::StateChanged(change)) => {
            Some(Broadcast::StateChanged(StateChanged::new(space_id, seq, event.at, change, stamp.client_message_id)))
        }
        // installed clients know no other messages of the chat
        Durable::Chat(
            ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. },
        )
        | Durable::Sheet(_)
        | Durable::Canvas(_)
        | Durable::Document(_) => None,
    }
}

fn ephemeral<'a>(event: &'a Event, what: &'a Ephemeral) -> Option<Broadcast<'a>> {
    let space_id = event.room.id;
    match what {
        Ephemeral::Presence(PresenceEphemeral::UserJoined { user, place, .. }) => {
            Some(Broadcast::UserJoined(UserJoined {
                space_id,
                user_id: &user.id,
                username: user.username(),
                number: AvatarNumber(user.number().unwrap_or_default()),
                position: place.as_ref().map(Into::into),
            }))
        }
        Ephemeral::Presence(PresenceEphemeral::UserLeft { user, .. }) => {
            Some(Broadcast::UserLeft(UserLeft { space_id, user_id: &user.id, username: user.username() }))
        }
        Ephemeral::Space(SpaceEphemeral::Moved(moved)) => Some(Broadcast::UserMoved(avatars_moved(space_id, moved))),
        Ephemeral::Space(SpaceEphemeral::MovedNear { moves, .. }) => {
            Some(Broadcast::UsersMoved(AvatarsMoved { space_id, moves: (&**moves).into() }))
        }
        Ephemeral::Space(SpaceEphemeral::Changed(settings)) => {
            Some(Broadcast::SpaceChanged(SpaceChanged { space_id, space: EnteredSpace::new(space_id, settings) }))
        }
        Ephemeral::Room(RoomEphemeral::Announced { data }) => Some(Broadcast::Announcement(Announced {
            space_id,
            data: RelayedObject(Relayed(data)),
            timestamp: Moment(event.at),
        })),
        // this dialect has none of these
        Ephemeral::Presence(
            PresenceEphemeral::CursorsMoved(_)
            | PresenceEphemeral::StatusChanged { .. }
            | PresenceEphemeral::Attended(_),
        )
        | Ephemeral::Room(RoomEphemeral::Broadcast { .. })
        | Ephemeral::Chat(_)
        | Ephemeral::Call(_)
        | Ephemeral::Upload(_)
        | Ephemeral::Document(_)
        | Ephemeral::Canvas(_) => None,
    }
}

fn avatars_moved(space_id: RoomId, moved: &Moved<AvatarMove>) -> AvatarMoved<'_> {
    let Moved { first, moved } = moved;
    AvatarMoved {
        space_id,
        user_id: &first.user,
        position: (&first.place).into(),
        input_seq: first.input,
        moves: (!moved.is_empty()).then(|| moved.as_slice().into()),
    }
}

// ---- replies ----

fn of_reply(reply: &Reply, at: Timestamp) -> Option<FromServer<'_>> {
    match reply {
        Reply::Pong { tag } => {
            Some(FromServer::Broadcast(Broadcast::Pong(Pong { reference: Echo::of(tag), timestamp: Moment(at) })))
        }
        Reply::Ack { tag, id, seq } => stored(tag, Stored { id: *id, seq: *seq }).map(FromServer::Answer),
        Reply::Done { tag } => done(tag).map(FromServer::Answer),
        Reply::AuthRefreshed { tag, expires_at } => {
            let refreshed = Refreshed { expires_at: Moment(*expires_at) };
            Some(FromServer::Answer(Answer::AuthRefresh(Success::of(tag, refreshed))))
        }
        Reply::Error { tag, refusal } => Some(FromServer::Refused(Refused::Failed(Failed::new(tag, refusal)))),
        Reply::Space(reply) => Some(of_space(reply)),
        Reply::Recovered { room, seq, complete } => {
            let recovered = Recovered { space_id: room.id, seq: *seq, complete: *complete };
            Some(FromServer::Broadcast(Broadcast::Recovered(recovered)))
        }
        Reply::Notice { data, at } => {
            let data = Notified::Written(RelayedObject(Relayed(data)));
            Some(FromServer::Broadcast(Broadcast::Notification(Notice { data, timestamp: Moment(*at) })))
        }
        Reply::Restarting { reconnect_in_ms } => {
            let reconnect_in_ms = (*reconnect_in_ms).min(i64::MAX.unsigned_abs());
            let restarting = Restarting { reconnect_in_ms, timestamp: Moment(at) };
            Some(FromServer::Broadcast(Broadcast::ServerRestarting(restarting)))
        }
        Reply::UserEvent(news) => personal(news).map(FromServer::Broadcast),
        // a join is answered with the avatars
        Reply::Entered(_)
        | Reply::VersionConflict { .. }
        | Reply::Delivered(_)
        | Reply::Call(_)
        | Reply::Canvas(_)
        | Reply::Document(..)
        | Reply::Welcome(_) => None,
    }
}

/// The answer to a request that was stored. `asked` is set by this dialect.
fn stored(tag: &Tag, stored: Stored) -> Option<Answer<'_>> {
    let answer = Success::of(tag, stored);
    match tag.asked {
        "CHAT" => Some(Answer::Chat(answer)),
        "ACTION" => Some(Answer::Action(answer)),
        "STATE_SET" => Some(Answer::StateSet(StateStored { done: answer.done, data: Some(answer.data) })),
        _other_requests_store_nothing => None,
    }
}

/// The answer to a request without a result.
fn done(tag: &Tag) -> Option<Answer<'_>> {
    match tag.asked {
        "LEAVE_SPACE" => Some(Answer::LeaveSpace(Done::new(tag))),
        "MOVE" => Some(Answer::Move(Done::new(tag))),
        "STATE_SET" => Some(Answer::StateSet(StateStored { done: Done::new(tag), data: None })),
        _other_requests_have_a_result => None,
    }
}

fn of_space(reply: &SpaceReply) -> FromServer<'_> {
    match reply {
        SpaceReply::Joined { tag, space, settings, connection, avatars, state, total, seq, epoch } => {
            let joined = Joined {
                space: EnteredSpace::new(*space, settings),
                users: avatars.as_slice().into(),
                count: *total,
                state: (!state.is_empty()).then(|| state.as_slice().into()),
                truncated: (*total > limits::AVATARS_LISTED_MAX).then_some(true),
                seq: *seq,
                epoch: *epoch,
                connection_id: connection,
            };
            FromServer::Answer(Answer::JoinSpace(Success::of(tag, joined)))
        }
        SpaceReply::StateConflict { tag, refusal, entry } => {
            let data = Some(Details::Entry(CurrentEntry { entry: entry.as_ref().map(Into::into) }));
            FromServer::Refused(Refused::Failed(Failed { data, ..Failed::new(tag, refusal) }))
        }
        SpaceReply::Seen { space, avatars } => {
            let moves = avatars.as_slice().into();
            FromServer::Broadcast(Broadcast::UsersMoved(AvatarsMoved { space_id: *space, moves }))
        }
        SpaceReply::Invited { tag, invite } => {
            let sent = Sent::One { invite: Box::new(invite.into()) };
            FromServer::Answer(Answer::SendInvite(Said::new(tag, "Invite sent successfully", sent)))
        }
        SpaceReply::InvitedSeveral { tag, invites, failed } => invited_several(tag, invites, failed),
        SpaceReply::InviteAnswered { tag, space } => {
            let answered = Answered { space: space.into() };
            FromServer::Answer(match tag.asked {
                "ACCEPT_INVITE" => Answer::AcceptInvite(Said::new(tag, "Invite accepted successfully", answered)),
                _declined => Answer::DeclineInvite(Said::new(tag, "Invite declined successfully", answered)),
            })
        }
        SpaceReply::Invites { tag, invites, total } => {
            let listed = Invites { invites: invites.as_slice().into(), count: invites.len(), total: *total };
            FromServer::Answer(Answer::GetInvites(Success::of(tag, listed)))
        }
        SpaceReply::Candidates { tag, users, total } => {
            let listed = Candidates { users: users.as_slice().into(), count: users.len(), total: *total };
            FromServer::Answer(Answer::GetUsers(Success::of(tag, listed)))
        }
    }
}

/// If nobody could be invited, the request has failed with the first refusal.
fn invited_several<'a>(tag: &'a Tag, invites: &'a [Invite], failed: &'a [(UserId, Refusal)]) -> FromServer<'a> {
    let refused: Vec<FailedInvite<'_>> = failed.iter().map(Into::into).collect();
    match (invites, failed) {
        ([], [(_, first), ..]) => {
            let data = Some(Details::Nobody(NobodyInvited { invites: [], failed: refused }));
            FromServer::Refused(Refused::Failed(Failed { data, ..Failed::new(tag, first) }))
        }
        (invites, _) => {
            let sent = Sent::Several { invites: invites.into(), failed: refused };
            FromServer::Answer(Answer::SendInvite(Said::new(tag, "Invites sent successfully", sent)))
        }
    }
}

fn personal(news: &UserEvent) -> Option<Broadcast<'_>> {
    match news {
        UserEvent::Notified { notification, .. } => Some(match notification.invite.as_deref() {
            Some(news) => invite_news(news),
            None => Broadcast::Notification(Notice {
                data: Notified::Stored((&**notification).into()),
                timestamp: Moment(notification.created_at),
            }),
        }),
        // clients would take these for new notifications
        UserEvent::NotificationUpdated { .. }
        | UserEvent::NotificationRead { .. }
        | UserEvent::NotificationDeleted { .. }
        | UserEvent::AllNotificationsRead { .. }
        | UserEvent::ReadNotificationsDeleted { .. }
        | UserEvent::Answer(_)
        | UserEvent::Upload(_)
        | UserEvent::Presence(_)
        | UserEvent::Device(_)
        | UserEvent::ConversationsChanged
        | UserEvent::Call(_)
        | UserEvent::SocketOpened { .. }
        | UserEvent::SocketClosed { .. } => None,
    }
}

fn invite_news(InviteNews { happening, invite }: &InviteNews) -> Broadcast<'_> {
    let of_user = || OfUser { invite: invite.into(), user: (&invite.to).into() };
    match happening {
        InviteHappening::Received => Broadcast::InviteReceived(InviteNotice { invite: invite.into() }),
        InviteHappening::Reminder => Broadcast::InviteReminder(InviteNotice { invite: invite.into() }),
        InviteHappening::Accepted => Broadcast::InviteAccepted(of_user()),
        InviteHappening::Declined => Broadcast::InviteDeclined(of_user()),
    }
}
