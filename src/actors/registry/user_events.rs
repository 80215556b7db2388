//! Events that concern one user on all of the user's sockets: notifications to them, and actions of the user that are
//! announced in the rooms of all of them.

use std::sync::Arc;

use actix::prelude::*;

use super::Registry;
use crate::{
    actors::{
        bridge::{Destination, NodeMessage, UserSubscribed},
        messages::{
            AnnounceStatus, DeliverToUsers, DeliverUserEvent, LeftRoom, PublishStatus, PublishToUser, PublishUpload,
            RemovedFromRoom, StatusOf, UpdateStatus, WrongSheetRoom,
        },
        outbox::ConnKey,
        session::Session,
    },
    core::{
        presence::{Status, UserStatus},
        profile::Author,
        upload::Upload,
        user_event::UserEvent,
    },
    ids::{RoomId, Timestamp, UserId},
    limits,
};

impl Registry {
    /// Returns the number of sockets that it was sent to.
    pub(super) fn deliver_to_user(&self, user: &UserId, what: &Arc<UserEvent>, but: Option<ConnKey>) -> usize {
        let Some(user) = self.users.get(user) else { return 0 };
        let others = user.sessions.iter().filter(|socket| Some(socket.conn) != but);
        others.filter(|socket| socket.session.try_send(DeliverUserEvent(what.clone())).is_ok()).count()
    }

    /// The rooms that the user's sockets on this node have joined.
    fn rooms_of(&self, user: &UserId) -> Vec<RoomId> {
        let sockets = self.users.get(user).into_iter().flat_map(|user| &user.sessions);
        let mut rooms: Vec<RoomId> = sockets.flat_map(|socket| socket.rooms.iter().map(|(room, _)| *room)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    pub(super) fn publish_upload(&self, user: &Author, upload: &Upload, but: Option<ConnKey>) {
        self.deliver_to_user(&user.id, &Arc::new(UserEvent::Upload(upload.clone())), but);
        for id in self.rooms_of(&user.id) {
            let message = PublishUpload { user: user.clone(), upload: upload.clone(), but: None };
            if let Some(placed) = self.rooms.get(&id)
                && placed.room.try_send(message).is_err()
            {
                log::warn!("event=upload_not_sent room={id} why=room_full");
            }
        }
    }

    /// Every node on which the user has sockets keeps the user's latest status. So an outdated one is never applied,
    /// and the status outlives the node on which it was set.
    pub(super) fn adopt_status(&mut self, user: &Author, status: UserStatus, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(known) = self.users.get_mut(&user.id).filter(|known| !known.sessions.is_empty()) else { return };
        if at < known.status_said_at {
            return; // the user has set another status here in the meantime
        }
        known.status_said_at = at;
        known.status = status.clone();
        self.keep_status(&user.id, AnnounceStatus::No, ctx);
        self.publish_status(user, &status);
    }

    pub(super) fn publish_status(&self, user: &Author, status: &UserStatus) {
        for id in self.rooms_of(&user.id) {
            if let Some(placed) = self.rooms.get(&id)
                && placed.room.try_send(PublishStatus { user: user.clone(), status: status.clone() }).is_err()
            {
                log::warn!("event=status_not_sent room={id} why=room_full");
            }
        }
    }
}

impl Handler<PublishToUser> for Registry {
    type Result = usize;

    fn handle(&mut self, PublishToUser { user, what, but }: PublishToUser, _: &mut Self::Context) -> usize {
        let told = self.deliver_to_user(&user, &what, but);
        self.publish_to_nodes(Destination::User(user.clone()), NodeMessage::UserEvent { user, what });
        told
    }
}

/// Notifications published while the first socket here was opening are queued in the store.
impl Handler<UserSubscribed> for Registry {
    type Result = ();

    fn handle(&mut self, UserSubscribed { user }: UserSubscribed, _: &mut Self::Context) {
        self.request_resync(&user);
    }
}

impl Handler<PublishUpload> for Registry {
    type Result = ();

    fn handle(&mut self, PublishUpload { user, upload, but }: PublishUpload, _: &mut Self::Context) {
        self.publish_upload(&user, &upload, but);
        self.publish_to_nodes(Destination::User(user.id.clone()), NodeMessage::Upload { user, upload });
    }
}

impl Handler<UpdateStatus> for Registry {
    type Result = ();

    fn handle(&mut self, UpdateStatus { user, update, by }: UpdateStatus, ctx: &mut Self::Context) {
        let now = self.now();
        let names_status = update.status.is_some();
        let known = self.user(&user.id);
        // later than all that is known, whatever the clocks of other nodes show
        known.status_said_at = known.status_said_at.plus_ms(1).max(now);
        known.status = known.status.updated(update);
        let (status, at) = (known.status.clone(), known.status_said_at);
        self.keep_status(&user.id, AnnounceStatus::Yes { by }, ctx);
        if names_status {
            self.publish_status(&user, &status);
        }
        let UserStatus { status, details } = status;
        self.publish_to_nodes(Destination::User(user.id.clone()), NodeMessage::Status { user, status, details, at });
    }
}

impl Handler<DeliverToUsers> for Registry {
    type Result = ();

    fn handle(&mut self, DeliverToUsers { users, what, but }: DeliverToUsers, _: &mut Self::Context) {
        for user in &users {
            self.deliver_to_user(user, &what, but);
        }
    }
}

/// Passes through the registry so that a status that the user has just set is included.
impl Handler<StatusOf> for Registry {
    type Result = ResponseFuture<Status>;

    fn handle(&mut self, ask: StatusOf, _: &mut Self::Context) -> Self::Result {
        let asked = self.node.as_ref().map(|node| node.presence.send(ask).timeout(limits::ASK_TIMEOUT));
        Box::pin(async move {
            match asked {
                Some(asked) => asked.await.unwrap_or_default(),
                None => Status::default(),
            }
        })
    }
}

impl Handler<LeftRoom> for Registry {
    type Result = ();

    fn handle(&mut self, LeftRoom { user, conn, room }: LeftRoom, _: &mut Self::Context) {
        if let Some(user) = self.users.get_mut(&user)
            && let Some(socket) = user.sessions.iter_mut().find(|socket| socket.conn == conn)
        {
            socket.rooms.retain(|(id, _)| *id != room);
        }
    }
}

impl Handler<RemovedFromRoom> for Registry {
    type Result = ();

    fn handle(&mut self, out: RemovedFromRoom, ctx: &mut Self::Context) {
        let left = LeftRoom { user: out.user.clone(), conn: out.conn, room: out.room };
        self.handle(left, ctx);
        let session = self.session_of(&out.user, out.conn);
        if let Some(Err(error)) = session.map(|session| session.try_send(out)) {
            log::warn!("event=removal_not_sent why=\"{error}\"");
        }
    }
}

impl Handler<WrongSheetRoom> for Registry {
    type Result = ();

    fn handle(&mut self, misdirected: WrongSheetRoom, _: &mut Self::Context) {
        let Some(session) = self.session_of(&misdirected.user, misdirected.conn) else { return };
        if let Err(error) = session.try_send(misdirected) {
            log::warn!("event=update_not_forwarded why=\"{error}\"");
        }
    }
}

impl Registry {
    fn session_of(&self, user: &UserId, conn: ConnKey) -> Option<&Addr<Session>> {
        let mut sockets = self.users.get(user).into_iter().flat_map(|user| &user.sessions);
        sockets.find(|socket| socket.conn == conn).map(|socket| &socket.session)
    }
}
