//! The start and the end of a room. It subscribes first, then reads the head of the log, then requests the members on
//! other nodes, and only then opens. In this order no event can be missed, and the first message to a newcomer names
//! all members.

use std::time::Instant;

use actix::prelude::*;

use super::{Room, kind::kind_of};
use crate::{
    actors::{
        bridge::{ClusterMode, RoomMessage, RoomMessageReceived, SubscribeRoom, UnsubscribeRoom},
        hub_link::send_surely,
        messages::HubMessage,
        outbox::ConnKey,
        retry::retry_unavailable,
    },
    core::{
        history::HistoryBounds,
        remote_members::Others,
        room::{Place, RoomCore},
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    limits,
    store::{RoomHead, Visibility},
};

/// The stages of a room's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It does not receive messages of other nodes yet.
    Deaf,
    /// The head of its log is being read.
    Loading,
    /// It waits for the members on other nodes.
    Gathering {
        /// The number of nodes that may have members.
        others: usize,
    },
    /// Joins are admitted.
    Open,
    /// It could not be loaded; the next join tries again.
    Unread,
}

impl Room {
    pub(super) fn begin(&mut self, ctx: &mut Context<Self>) {
        match self.node.bridge.cluster_mode {
            ClusterMode::SingleNode => self.load(None, ctx),
            ClusterMode::MultiNode => {
                self.attach(ctx);
                ctx.run_later(limits::LISTENING_WAIT, |room, ctx| {
                    if room.stage == Stage::Deaf {
                        room.load(None, ctx);
                    }
                });
            }
        }
    }

    /// Subscribes to the messages of other nodes. Retried while the bridge is full; in the meantime the room opens and
    /// learns of events from the log.
    fn attach(&self, ctx: &mut Context<Self>) {
        let (to, listening) = (ctx.address().recipient(), ctx.address().recipient());
        let attach =
            SubscribeRoom { room: self.identity.id, node: self.node.id, incarnation: self.incarnation, to, listening };
        match self.node.bridge.subscribe_room.try_send(attach) {
            Ok(()) => {}
            Err(SendError::Full(_)) => {
                log::warn!("event=attach_put_off room={} why=bridge_full", self.identity.id);
                ctx.run_later(limits::ATTACH_RETRY, |room, ctx| room.attach(ctx));
            }
            Err(SendError::Closed(_)) => log::error!("event=attach_lost room={} why=bridge_gone", self.identity.id),
        }
    }

    /// The subscription is confirmed, or confirmed again.
    pub(super) fn listening(&mut self, others: Option<usize>, ctx: &mut Context<Self>) {
        match self.stage {
            Stage::Deaf => self.load(others, ctx),
            Stage::Loading | Stage::Unread => {}
            Stage::Gathering { .. } | Stage::Open => self.publish_hello(),
        }
    }

    /// A socket asks to join: it is admitted or has to wait.
    pub(super) fn request_entry(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        match self.stage {
            Stage::Open => return self.enter(conn, ctx),
            Stage::Deaf | Stage::Loading | Stage::Gathering { .. } => {}
            Stage::Unread => self.load(None, ctx),
        }
        self.early.push(conn);
    }

    /// Reads the head of the log, waiting for an unavailable database.
    pub(super) fn load(&mut self, others: Option<usize>, ctx: &mut Context<Self>) {
        self.stage = Stage::Loading;
        let (node, id) = (self.node.clone(), self.identity.id);
        let identity = self.identity.clone();
        let read = async move {
            retry_unavailable(async || {
                let Some(head) = node.store.room_head(id).await? else { return Ok(None) };
                let mut kind = kind_of(&identity);
                kind.load(&node.store, id, node.clock.now()).await?;
                Ok(Some((head, kind)))
            })
            .await
        };
        let began = Instant::now();
        ctx.spawn(read.into_actor(self).map(move |read, room, ctx| match read {
            Ok(Some((head, kind))) => {
                room.kind = kind;
                if room.kind.rereads_access() && head.visibility == Visibility::Private {
                    // it may have become private before anybody here could be informed
                    room.excluded_at = room.excluded_at.max(Some(began));
                }
                room.gather(head, others, ctx);
            }
            Ok(None) => {
                let refusal = Refusal::new(ErrorCode::RoomNotFound, "The room no longer exists; join another one");
                room.give_up(&refusal, Disconnect::Revoked, ctx);
            }
            Err(error) => {
                log::warn!("event=room_not_loaded room={} why=\"{error}\"", room.identity.id);
                room.give_up(&Refusal::unavailable(), Disconnect::TryAgainLater, ctx);
            }
        }));
    }

    /// The room is loaded: requests the members on other nodes, if there may be any.
    fn gather(&mut self, head: RoomHead, others: Option<usize>, ctx: &mut Context<Self>) {
        let bounds = HistoryBounds {
            events_max: self.node.config.storage.recovery_events_max,
            bytes_max: limits::RECOVERY_BYTES_IN_MEMORY_MAX,
        };
        let told = match self.node.bridge.cluster_mode {
            ClusterMode::SingleNode => Others::None,
            ClusterMode::MultiNode => Others::Some,
        };
        let place = Place { node: self.node.id, incarnation: self.incarnation, others: told };
        self.core = Some(RoomCore::new(place, (head.seq, head.epoch), bounds));
        self.log_was_asked();
        self.stage = Stage::Gathering { others: others.unwrap_or(0) };
        for carried in std::mem::take(&mut self.early_messages) {
            self.handle(carried, ctx);
        }
        self.publish_hello();
        self.open_if_gathered(ctx);
        if let Stage::Gathering { .. } = self.stage {
            ctx.run_later(limits::PARTS_WAIT, |room, ctx| room.open(ctx));
        }
    }

    /// Opens as soon as the part of every other node is known.
    pub(super) fn open_if_gathered(&mut self, ctx: &mut Context<Self>) {
        if let (Stage::Gathering { others }, Some(core)) = (self.stage, &self.core)
            && core.parts_known() >= others
            && !core.is_asking()
        {
            self.open(ctx);
        }
    }

    fn open(&mut self, ctx: &mut Context<Self>) {
        if self.stage == Stage::Open {
            return;
        }
        self.stage = Stage::Open;
        self.keep_in_touch(ctx);
        for conn in std::mem::take(&mut self.early) {
            self.enter(conn, ctx);
        }
        self.run_early_rest_requests(ctx);
        self.rest(ctx);
    }

    /// Keeps messages that arrive before the head of the log is known. Those that do not fit are lost and recovered:
    /// events from the log, members by their versions.
    pub(super) fn keep_early(&mut self, carried: RoomMessageReceived) {
        if self.early_messages.len() < limits::EARLY_MESSAGES_MAX {
            self.early_messages.push(carried);
        }
    }

    /// Refuses everybody who waits for a room that cannot be loaded.
    fn give_up(&mut self, refusal: &Refusal, why: Disconnect, ctx: &mut Context<Self>) {
        self.stage = Stage::Unread;
        self.early.clear();
        for newcomer in std::mem::take(&mut self.entering).into_values() {
            self.turn_away(newcomer, refusal.clone(), why, ctx);
        }
        self.refuse_early_rest_requests(refusal, ctx);
        self.rest(ctx);
    }

    /// The room retires, or has panicked. In the latter case it has members, who are evicted because they would receive
    /// no further events and a new instance does not know them.
    pub(super) fn end(&mut self) {
        self.count_history(0);
        for hub_link in std::mem::take(&mut self.hub_links) {
            hub_link.let_go();
        }
        for newcomer in std::mem::take(&mut self.entering).into_values() {
            let (room, conn) = (self.identity.id, newcomer.join.conn);
            let why = Disconnect::TryAgainLater;
            send_surely(newcomer.join.hub.clone().recipient(), HubMessage::Expel { room, conn, why });
        }
        if self.node.bridge.cluster_mode == ClusterMode::SingleNode {
            return;
        }
        // while a node drains, its users count as members until they have reconnected elsewhere
        if let Some(core) = self.core.as_ref().filter(|_| !self.node.is_draining()) {
            self.node.bridge.publish_room(self.identity.id, RoomMessage::Members(core.gone()));
        }
        let detach = UnsubscribeRoom { room: self.identity.id, node: self.node.id, incarnation: self.incarnation };
        if self.node.bridge.unsubscribe_room.try_send(detach).is_err() {
            // the bridge removes rooms that have ended by itself
            log::warn!("event=detach_lost room={} why=bridge_full", self.identity.id);
        }
    }
}
