//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use super::wire::{
    FromClient,
    invites::{GetInvites, GetUsers, NamedInvite, SendInvite},
    spaces::{Act, JoinSpace, MoveAvatar, NamedSpace, Say, WirePlace},
    state::SetState,
};
use crate::{
    core::{
        command::{
            Addressed, AskedInvites, BadInvites, ChatCommand, Command, Confirm, Draft, InviteCommand, InviteField,
            ListPage, RawJson, Request, RoomAddress, RoomCommand, SendInvites, SpaceCommand, Tag,
        },
        space::{PlaceChange, SpaceRefused, StateLife, StateSet},
    },
    dialects::{
        ClientMessage, Rejection, common,
        input::{Count, Id},
        read::{Message, invalid},
    },
    error::Refusal,
    ids::{ClientMessageId, NotificationId, RoomId, Seq},
    limits,
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The metaverse dialect";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, "type").map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    let read = message.read("type", SECTION, &mut tag.asked).and_then(|message| {
        tag.confirm = confirm(&message);
        Ok((client_message_id(&message), command(message)?))
    });
    match read {
        Ok((client_message_id, command)) => Ok(Request { tag, client_message_id, command }),
        Err(refusal) => Err(Rejection { tag, refusal }),
    }
}

/// Every request is answered, except moves and actions, which are frequent (PROTOCOL 8.36).
const fn confirm(message: &FromClient<'_>) -> Confirm {
    match message {
        FromClient::Move(_) | FromClient::Action(_) => Confirm::IfReferenced,
        FromClient::JoinSpace(_)
        | FromClient::LeaveSpace(_)
        | FromClient::Chat(_)
        | FromClient::StateSet(_)
        | FromClient::SendInvite(_)
        | FromClient::AcceptInvite(_)
        | FromClient::DeclineInvite(_)
        | FromClient::GetUsers(_)
        | FromClient::GetInvites(_)
        | FromClient::Ping
        | FromClient::AuthRefresh(_) => Confirm::Always,
    }
}

fn client_message_id(message: &FromClient<'_>) -> Option<ClientMessageId> {
    let id: &Option<Id<ClientMessageId>> = match message {
        FromClient::Action(act) => &act.payload.client_message_id,
        FromClient::Chat(said) => &said.payload.client_message_id,
        FromClient::StateSet(set) => &set.payload.client_message_id,
        FromClient::Move(_)
        | FromClient::JoinSpace(_)
        | FromClient::LeaveSpace(_)
        | FromClient::SendInvite(_)
        | FromClient::AcceptInvite(_)
        | FromClient::DeclineInvite(_)
        | FromClient::GetUsers(_)
        | FromClient::GetInvites(_)
        | FromClient::Ping
        | FromClient::AuthRefresh(_) => &None,
    };
    id.as_ref().map(|id| id.0.clone())
}

fn command(message: FromClient<'_>) -> Result<Command, Refusal> {
    match message {
        FromClient::Ping => Ok(Command::Ping),
        FromClient::AuthRefresh(fresh) => Ok(Command::AuthRefresh { token: fresh.payload.token.0 }),
        FromClient::JoinSpace(join) => join_space(join.payload),
        FromClient::LeaveSpace(leave) => {
            let NamedSpace { space_id } = leave.payload;
            Ok(Command::Room(RoomCommand::Leave { room: RoomAddress::Space(space(&space_id.0)?) }))
        }
        FromClient::Move(moved) => {
            let MoveAvatar { space_id, position, input_seq } = moved.payload;
            let (space, to) = (space(&space_id.0)?, place(position));
            Ok(Command::Space(SpaceCommand::Move { space, to, input: input_seq.map(|input| input.0) }))
        }
        FromClient::Action(act) => {
            let Act { space_id, action, data, client_message_id: _ } = act.payload;
            let data = data.map(|data| data.to_raw());
            SpaceCommand::act(space(&space_id.0)?, action.0, data).map(Command::Space)
        }
        FromClient::StateSet(set) => set_state(set.payload).map(Command::Space),
        FromClient::Chat(said) => {
            let Say { space_id, message, client_message_id: _ } = said.payload;
            let addressed = Addressed::Space(space(&space_id.0)?);
            ChatCommand::send(addressed, Draft::text(message.0, Vec::new())).map(Command::Chat)
        }
        FromClient::SendInvite(sent) => send_invite(sent.payload).map(Command::Invites),
        FromClient::AcceptInvite(named) => Ok(Command::Invites(InviteCommand::Accept { id: invite(&named.payload)? })),
        FromClient::DeclineInvite(named) => {
            Ok(Command::Invites(InviteCommand::Decline { id: invite(&named.payload)? }))
        }
        FromClient::GetUsers(asked) => get_users(asked.payload).map(Command::Invites),
        FromClient::GetInvites(asked) => get_invites(asked.payload.unwrap_or_default()).map(Command::Invites),
    }
}

/// A malformed id is answered like an unknown one.
fn space(text: &str) -> Result<RoomId, Refusal> {
    text.parse().map_err(|_| SpaceRefused::NoSuchSpace.into())
}

fn invite(named: &NamedInvite) -> Result<NotificationId, Refusal> {
    named.notification_id.0.parse().map_err(|_| SpaceRefused::NoSuchInvite.into())
}

fn place(WirePlace { x, y, direction }: WirePlace) -> PlaceChange {
    PlaceChange { x: x.0, y: y.0, direction: direction.map(|direction| direction.0) }
}

fn join_space(join: JoinSpace<'_>) -> Result<Command, Refusal> {
    let JoinSpace { space_id, user_id, initial_position, since, epoch } = join;
    Ok(Command::Space(SpaceCommand::Join {
        space: space(&space_id.0)?,
        user: user_id.map(|id| id.0),
        place: initial_position.map(place),
        resume: common::resume(since, epoch),
    }))
}

fn set_state(asked: SetState<'_>) -> Result<SpaceCommand, Refusal> {
    let SetState { space_id, key, value, if_seq, ttl, ends_with_socket, client_message_id: _ } = asked;
    let ttl_ms = match ttl.map(|seconds| seconds.0.get()) {
        None => None,
        Some(seconds) if seconds > 0.0 && seconds <= limits::STATE_TTL_SECONDS_MAX => {
            Some((seconds * 1_000.0).ceil() as i64)
        }
        Some(_) => {
            let most = limits::STATE_TTL_SECONDS_MAX;
            return Err(invalid(format!("`ttl` must be above 0 and at most {most} seconds")));
        }
    };
    let set = StateSet {
        key: key.0,
        value: Some(value.to_raw()).filter(|value| *value != RawJson::null()),
        if_seq: if_seq.map(|seq| Seq(seq.0)),
        ttl_ms,
        life: if ends_with_socket == Some(true) { StateLife::EndsWithSocket } else { StateLife::Stays },
    };
    SpaceCommand::set_state(space(&space_id.0)?, set)
}

fn send_invite(asked: SendInvite) -> Result<InviteCommand, Refusal> {
    let SendInvite { to_user_id, to_user_ids, space_id, message, template, expires_in_hours } = asked;
    let asked = AskedInvites {
        user: to_user_id.as_ref().map(|id| &*id.0),
        users: to_user_ids.as_ref().map(|ids| ids.0.iter().map(|id| &**id).collect()),
        space: &space_id.0,
        message: message.as_ref().map(|message| &*message.0),
        template: template.as_ref().map(|name| &*name.0),
        hours: expires_in_hours.map(|hours| hours.0.get()),
    };
    SendInvites::new(asked).map(InviteCommand::Send).map_err(|bad| match bad {
        BadInvites::Refused(refused) => refused.into(),
        BadInvites::Field(field, problem) => {
            let name = match field {
                InviteField::User => "toUserId",
                InviteField::Users => "toUserIds",
                InviteField::Message => "message",
                InviteField::Template => "template",
                InviteField::Lifetime => "expiresInHours",
            };
            invalid(format!("`{name}` {problem}"))
        }
    })
}

fn get_users(asked: GetUsers) -> Result<InviteCommand, Refusal> {
    let GetUsers { space_id, search, page, limit } = asked;
    let page = list_page(page, limit, limits::PAGE_USERS_DEFAULT, limits::PAGE_USERS_MAX)?;
    let search = search.map_or_else(String::new, |search| search.0.trim().to_owned());
    Ok(InviteCommand::Candidates { space: space(&space_id.0)?, search, page })
}

fn get_invites(asked: GetInvites) -> Result<InviteCommand, Refusal> {
    let GetInvites { include_expired, page, limit } = asked;
    let page = list_page(page, limit, limits::PAGE_INVITES_DEFAULT, limits::PAGE_INVITES_MAX)?;
    Ok(InviteCommand::List { include_expired: include_expired == Some(true), page })
}

fn list_page(page: Option<Count>, limit: Option<Count>, default: i64, most: i64) -> Result<ListPage, Refusal> {
    let within = |value: Option<Count>, name: &str, default: i64, most: i64| match value {
        None => Ok(default),
        Some(Count(value)) if (1..=most).contains(&value) => Ok(value),
        Some(_) => Err(invalid(format!("`{name}` must be a number from 1 to {most}"))),
    };
    let number = within(page, "page", 1, limits::PAGE_NUMBER_MAX)?;
    Ok(ListPage { number, limit: within(limit, "limit", default, most)? })
}
