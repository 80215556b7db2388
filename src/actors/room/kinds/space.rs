//! Spaces, in which users have avatars. Where these are is kept in memory by the rooms of all nodes, which publish the moves of
//! their own members once a period; each sends its members one frame a period with all that moved, or only what is near.
//! Places must never be stored.

use super::{
    super::{
        kind::{Answer, Effect, Loading, RoomKind, RoomView, Settled, Timer},
        publish::By,
    },
    things::{STATE, Things},
};
use crate::{
    actors::{
        bridge::{ClusterMode, KindMessage},
        messages::{Join, RoomChoice},
        outbox::ConnKey,
    },
    core::{
        command::{Command, SpaceCommand},
        event::{Audience, AvatarListed, Durable, Ephemeral, Event, Reply, SpaceDurable, SpaceEphemeral, SpaceReply},
        profile::Author,
        space::{Arrival, AvatarMove, Avatars, MoveEvents, Place, SpaceSettings},
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
    limits,
    store::{QueueFor, Store},
};

/// The end of a period in which moves are collected.
const MOVES: Timer = Timer(0);

/// A space.
pub(in crate::actors::room) struct Space {
    id: RoomId,
    settings: SpaceSettings,
    avatars: Avatars,
    things: Things,
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
        Space {
            id,
            settings: SpaceSettings { name: "".into(), interest_radius: None },
            avatars: Avatars::default(),
            things: Things::default(),
            period: Period::Quiet,
            frame: 0,
        }
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
            SpaceCommand::SetState { set, .. } => {
                let what = Durable::Space(SpaceDurable::StateChanged(self.things.change(set, by, room)));
                (Answer::Store(Box::new(what), RoomChoice::Named), Vec::new())
            }
            // a socket has no such message
            SpaceCommand::ReadSettings { .. } if by.conn().is_none() => {
                (Answer::Done, vec![Effect::ReadSettings, Effect::Publish(KindMessage::SettingsChanged)])
            }
            SpaceCommand::ReadSettings { .. } => (Answer::Unknown, Vec::new()),
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
        self.avatars.enter(&join.user, join.place.as_deref().cloned(), now);
    }

    fn load<'a>(&'a mut self, store: &'a Store, room: RoomId, _: Timestamp) -> Loading<'a> {
        Box::pin(async move {
            if let Some(settings) = store.space_settings(room).await? {
                self.avatars.set_radius(settings.interest_radius);
                self.settings = settings;
            }
            self.things.read(store.space_state(room).await?);
            Ok(())
        })
    }

    fn admitted(&mut self, conn: ConnKey, user: &UserId, room: &RoomView<'_>) -> Vec<Effect> {
        let area = self.avatars.area_of(user);
        let mut effects: Vec<Effect> = area.map(|area| Effect::Place(vec![(conn, Some(area))])).into_iter().collect();
        // only now does anybody see what has ended while the room was not in use
        effects.extend(self.things.look(room));
        effects
    }

    fn socket_left(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        self.things.socket_left(conn, room)
    }

    fn fell_behind(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        let Some(user) = room.core.user_of(conn) else { return Vec::new() };
        let present = self.avatars.seen_by(&user.id).filter(|moved| room.core.is_present(&moved.user));
        let avatars: Vec<AvatarMove> = present.take(limits::AVATARS_LISTED_MAX).cloned().collect();
        let reply = Reply::Space(Box::new(SpaceReply::Seen { space: self.id, avatars }));
        vec![Effect::Reply { conn, reply }]
    }

    fn node_up(&mut self) -> Vec<Effect> {
        vec![Effect::ReadSettings]
    }

    fn settings_read(&mut self, settings: SpaceSettings, room: &RoomView<'_>) -> Vec<Effect> {
        if settings == self.settings {
            return Vec::new();
        }
        let radius = settings.interest_radius;
        let mut effects = vec![moved(SpaceEphemeral::Changed(settings.clone()), Audience::Everyone)];
        if radius != self.settings.interest_radius {
            self.avatars.set_radius(radius);
            // everybody is shown all who are near by the new measure; those in no area any more, everybody
            self.avatars.show_all();
            if radius.is_none() {
                let sockets = room.core.local_users().flat_map(|user| room.core.sockets_of(&user.id));
                effects.push(Effect::Place(sockets.map(|conn| (*conn, None)).collect()));
            }
            effects.extend(self.send_moves(room));
        }
        self.settings = settings;
        effects
    }

    fn node_gone(&mut self, node: NodeId, room: &RoomView<'_>) -> Vec<Effect> {
        self.things.node_gone(node, room)
    }

    fn published(&mut self, event: &Event) {
        self.things.published(event);
    }

    fn delivered(&mut self, event: &Event, room: &RoomView<'_>) -> Vec<Effect> {
        self.things.delivered(event, room)
    }

    fn settled(&mut self, what: &Durable, outcome: Settled, room: &RoomView<'_>) -> Vec<Effect> {
        self.things.settled(what, outcome, room)
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
            KindMessage::SettingsChanged => vec![Effect::ReadSettings],
            // of other kinds of rooms
            KindMessage::Cursors(_)
            | KindMessage::Awareness(_)
            | KindMessage::Colours(_)
            | KindMessage::RightsChanged
            | KindMessage::Presence(_)
            | KindMessage::TileEditing(_) => Vec::new(),
        }
    }

    fn woken(&mut self, timer: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        if timer == STATE {
            return self.things.woken(room);
        }
        self.period = Period::Quiet;
        self.send_moves(room)
    }

    fn opening(&self, join: &Join, room: &RoomView<'_>) -> Vec<Reply> {
        let listed = room.core.online().take(limits::AVATARS_LISTED_MAX);
        let joined = SpaceReply::Joined {
            tag: join.tag.clone(),
            space: self.id,
            settings: self.settings.clone(),
            connection: join.connection.clone(),
            avatars: listed.map(|user| self.listed(user)).collect(),
            state: self.things.listed(room),
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
