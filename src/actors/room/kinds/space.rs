//! Spaces, in which users have avatars. Where these are is kept in memory by the rooms of all nodes, which publish the moves of
//! their own members once a period; each sends its members one frame a period with all that moved, or only what is near.
//! Places must never be stored.

use super::super::{
    kind::{Answer, Effect, RoomKind, RoomView, Timer},
    publish::By,
};
use crate::{
    actors::{
        bridge::{ClusterMode, KindMessage},
        messages::{Join, RoomChoice},
        outbox::ConnKey,
    },
    core::{
        command::{Command, SpaceCommand},
        event::{Audience, AvatarListed, Durable, Ephemeral, Reply, SpaceDurable, SpaceEphemeral, SpaceReply},
        profile::Author,
        space::{Arrival, AvatarMove, Avatars, MoveEvents, Place, SpaceSettings},
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
    limits,
    store::QueueFor,
};

/// The end of a period in which moves are collected.
const MOVES: Timer = Timer(0);

/// A space.
pub(in crate::actors::room) struct Space {
    id: RoomId,
    avatars: Avatars,
    period: Period,
    /// The number of the next frame to an area.
    frame: u64,
}

/// Whether moves must wait for the end of a period.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Period {
    /// They are sent at once.
    Quiet,
    /// Moves were sent within the last period.
    Sent,
}

impl Space {
    /// A space in which nobody is.
    pub fn new(id: RoomId) -> Space {
        Space { id, avatars: Avatars::default(), period: Period::Quiet, frame: 0 }
    }

    fn run(&mut self, command: SpaceCommand, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        match command {
            SpaceCommand::Move { to, input, .. } => {
                self.avatars.step(&by.user.id, to, input, room.now);
                (Answer::Done, self.send_moves(room))
            }
            SpaceCommand::Act { action, data, .. } => {
                let what = Durable::Space(SpaceDurable::Acted { by: by.user.clone(), action, data });
                (Answer::Store(Box::new(what), RoomChoice::Named), Vec::new())
            }
            // executed by the session
            SpaceCommand::Join { .. } => (Answer::Unknown, Vec::new()),
        }
    }

    /// Sends moves, at once after a quiet period, otherwise once per period.
    fn send_moves(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        if self.period == Period::Sent {
            return Vec::new();
        }
        let unpublished = self.avatars.take_unpublished();
        let Some(events) = self.avatars.take_moves(room.core.local_users().map(|user| &user.id)) else {
            return Vec::new();
        };
        self.period = Period::Sent;
        let mut effects = Vec::with_capacity(5);
        if !unpublished.is_empty() && room.cluster_mode == ClusterMode::MultiNode {
            // the other nodes drop moves of users whose join they do not know yet
            effects.push(Effect::PublishMembers);
            let chunks = unpublished.chunks(limits::MOVES_PER_MESSAGE_MAX);
            effects.extend(chunks.map(|some| Effect::Publish(KindMessage::Moves(some.to_vec()))));
        }
        match events {
            MoveEvents::Everywhere { others, first } => {
                let user = others.first.user.clone();
                effects.push(moved(SpaceEphemeral::Moved(others), Audience::EveryoneBut(user.clone())));
                let own = first.map(|first| moved(SpaceEphemeral::Moved(first), Audience::Only(user)));
                effects.extend(own);
            }
            MoveEvents::Near { crossings, moves } => {
                let mut places = Vec::new();
                let mut seen = Vec::new();
                for crossing in crossings {
                    let sockets = room.core.sockets_of(&crossing.user);
                    places.extend(sockets.iter().map(|conn| (*conn, Some(crossing.area))));
                    let avatars: Vec<AvatarMove> =
                        crossing.seen.iter().filter_map(|user| self.avatars.of(user).cloned()).collect();
                    if !avatars.is_empty() {
                        seen.extend(sockets.iter().map(|conn| (*conn, avatars.clone())));
                    }
                }
                effects.push(Effect::Place(places));
                for (area, moves) in moves {
                    let what = SpaceEphemeral::MovedNear { area, frame: self.frame, moves };
                    effects.push(moved(what, Audience::In(area)));
                }
                self.frame += 1;
                effects.extend(seen.into_iter().map(|(conn, avatars)| {
                    let reply = Reply::Space(Box::new(SpaceReply::Seen { space: self.id, avatars }));
                    Effect::Reply { conn, reply }
                }));
            }
        }
        effects.push(Effect::Wake { timer: MOVES, after: limits::MOVES_PERIOD });
        effects
    }

    fn listed(&self, user: &Author) -> AvatarListed {
        let place = self.avatars.place_of(&user.id).cloned().unwrap_or_default();
        AvatarListed { user: user.clone(), place }
    }
}

fn moved(what: SpaceEphemeral, audience: Audience) -> Effect {
    Effect::AnnounceLocal { what: Ephemeral::Space(what), audience }
}

impl RoomKind for Space {
    /// In none: what happens in a space concerns those who are there.
    fn queue_for(&self, _: &Durable, _: &RoomView<'_>) -> QueueFor {
        QueueFor::default()
    }

    fn command(&mut self, command: Command, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        match command {
            Command::Space(command) => self.run(command, by, room),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Chat(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Document(_)
            | Command::Canvas(_)
            | Command::Invites(_) => (Answer::Unknown, Vec::new()),
        }
    }

    fn joined(&mut self, join: &Join, now: Timestamp) {
        let entry = join.space.as_deref();
        if let Some(entry) = entry {
            self.avatars.set_radius(entry.settings.interest_radius);
        }
        self.avatars.enter(&join.user, entry.and_then(|entry| entry.place.clone()), now);
    }

    fn admitted(&mut self, conn: ConnKey, user: &UserId) -> Vec<Effect> {
        let area = self.avatars.area_of(user);
        area.map(|area| Effect::Place(vec![(conn, Some(area))])).into_iter().collect()
    }

    fn left(&mut self, user: &UserId) {
        self.avatars.forget(user);
    }

    fn members_changed(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        self.avatars.prune(room.core.users(), |user| room.core.is_present(user));
        Vec::new()
    }

    fn received(&mut self, _: NodeId, message: KindMessage, room: &RoomView<'_>) -> Vec<Effect> {
        match message {
            KindMessage::Moves(moves) => {
                for moved in moves {
                    let is_present = room.core.is_present(&moved.user);
                    self.avatars.learn(moved, if is_present { Arrival::Announced } else { Arrival::Expected });
                }
                self.send_moves(room)
            }
            // of other kinds of rooms
            KindMessage::Cursors(_)
            | KindMessage::Awareness(_)
            | KindMessage::Colours(_)
            | KindMessage::RightsChanged
            | KindMessage::Presence(_)
            | KindMessage::TileEditing(_) => Vec::new(),
        }
    }

    fn woken(&mut self, _: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        self.period = Period::Quiet;
        self.send_moves(room)
    }

    fn opening(&self, join: &Join, room: &RoomView<'_>) -> Vec<Reply> {
        let settings = match &join.space {
            Some(entry) => entry.settings.clone(),
            None => SpaceSettings { name: "".into(), interest_radius: None },
        };
        let listed = room.core.online().take(limits::AVATARS_LISTED_MAX);
        let joined = SpaceReply::Joined {
            tag: join.tag.clone(),
            space: self.id,
            settings,
            connection: join.connection.clone(),
            avatars: listed.map(|user| self.listed(user)).collect(),
            total: room.core.users(),
            seq: room.core.head(),
            epoch: room.core.epoch(),
        };
        vec![Reply::Space(Box::new(joined))]
    }

    fn place_of(&self, user: &UserId) -> Option<Place> {
        self.avatars.place_of(user).cloned()
    }

    fn messages_about(&self, members: &mut dyn Iterator<Item = &Author>, _: Timestamp) -> Vec<KindMessage> {
        let places: Vec<AvatarMove> = members.filter_map(|user| self.avatars.of(&user.id).cloned()).collect();
        places.chunks(limits::MOVES_PER_MESSAGE_MAX).map(|some| KindMessage::Moves(some.to_vec())).collect()
    }
}
