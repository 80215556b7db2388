//! Events that concern one user on all of the user's sockets: notifications to them, and actions of the user that are
//! announced in the rooms of all of them.

use std::sync::Arc;

use actix::prelude::*;

use super::Registry;
use crate::{
    actors::{
        bridge::{Followed, NodeWord, To},
        messages::{LeftRoom, Misdirected, News, ShutOut, StatusIs, StatusOf, TellUpload, ToUser},
        outbox::ConnKey,
        session::Session,
    },
    core::{personal::Personal, presence::Status, profile::Author, upload::Upload},
    ids::{RoomId, Timestamp, UserId},
    limits,
};

impl Registry {
    /// Returns the number of sockets that it was sent to.
    pub(super) fn tell_user(&self, user: &UserId, what: &Arc<Personal>, but: Option<ConnKey>) -> usize {
        let Some(user) = self.users.get(user) else { return 0 };
        let others = user.sessions.iter().filter(|seat| Some(seat.conn) != but);
        others.filter(|seat| seat.session.try_send(News(what.clone())).is_ok()).count()
    }

    /// The rooms that the user's sockets on this node have joined.
    fn rooms_of(&self, user: &UserId) -> Vec<RoomId> {
        let seats = self.users.get(user).into_iter().flat_map(|user| &user.sessions);
        let mut rooms: Vec<RoomId> = seats.flat_map(|seat| seat.rooms.iter().map(|(room, _)| *room)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    pub(super) fn tell_upload(&self, user: &Author, upload: &Upload, but: Option<ConnKey>) {
        self.tell_user(&user.id, &Arc::new(Personal::Upload(upload.clone())), but);
        for id in self.rooms_of(&user.id) {
            let word = TellUpload { user: user.clone(), upload: upload.clone(), but: None };
            if let Some(placed) = self.rooms.get(&id)
                && placed.room.try_send(word).is_err()
            {
                log::warn!("event=upload_not_told room={id} why=room_full");
            }
        }
    }

    /// Every node on which the user has sockets keeps the user's latest status. So an outdated one is never applied,
    /// and the status outlives the node on which it was set.
    pub(super) fn adopt_status(&mut self, user: &Author, status: Status, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(known) = self.users.get_mut(&user.id).filter(|known| !known.sessions.is_empty()) else { return };
        if at < known.status_said_at {
            return; // the user has set another status here in the meantime
        }
        known.status_said_at = at;
        self.keep_status(user, status, ctx);
        self.tell_status(user, status);
    }

    pub(super) fn tell_status(&self, user: &Author, status: Status) {
        for id in self.rooms_of(&user.id) {
            if let Some(placed) = self.rooms.get(&id)
                && placed.room.try_send(StatusIs { user: user.clone(), status }).is_err()
            {
                log::warn!("event=status_not_told room={id} why=room_full");
            }
        }
    }
}

impl Handler<ToUser> for Registry {
    type Result = usize;

    fn handle(&mut self, ToUser { user, what, but }: ToUser, _: &mut Self::Context) -> usize {
        let told = self.tell_user(&user, &what, but);
        self.tell_others(To::User(user.clone()), NodeWord::Personal { user, what });
        told
    }
}

/// Notifications published while the first socket here was opening are queued in the store.
impl Handler<Followed> for Registry {
    type Result = ();

    fn handle(&mut self, Followed { user }: Followed, _: &mut Self::Context) {
        self.tell_missed(&user);
    }
}

impl Handler<TellUpload> for Registry {
    type Result = ();

    fn handle(&mut self, TellUpload { user, upload, but }: TellUpload, _: &mut Self::Context) {
        self.tell_upload(&user, &upload, but);
        self.tell_others(To::User(user.id.clone()), NodeWord::Upload { user, upload });
    }
}

impl Handler<StatusIs> for Registry {
    type Result = ();

    fn handle(&mut self, StatusIs { user, status }: StatusIs, ctx: &mut Self::Context) {
        let now = self.now();
        let known = self.user(&user.id);
        // later than all that is known, whatever the clocks of other nodes show
        known.status_said_at = known.status_said_at.plus_ms(1).max(now);
        let at = known.status_said_at;
        self.keep_status(&user, status, ctx);
        self.tell_status(&user, status);
        self.tell_others(To::User(user.id.clone()), NodeWord::Status { user, status, at });
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
            && let Some(seat) = user.sessions.iter_mut().find(|seat| seat.conn == conn)
        {
            seat.rooms.retain(|(id, _)| *id != room);
        }
    }
}

impl Handler<ShutOut> for Registry {
    type Result = ();

    fn handle(&mut self, out: ShutOut, ctx: &mut Self::Context) {
        let left = LeftRoom { user: out.user.clone(), conn: out.conn, room: out.room };
        self.handle(left, ctx);
        let session = self.session_of(&out.user, out.conn);
        if let Some(Err(error)) = session.map(|session| session.try_send(out)) {
            log::warn!("event=shut_out_not_told why=\"{error}\"");
        }
    }
}

impl Handler<Misdirected> for Registry {
    type Result = ();

    fn handle(&mut self, misdirected: Misdirected, _: &mut Self::Context) {
        let session = self.session_of(&misdirected.user, misdirected.conn);
        if let Some(Err(error)) = session.map(|session| session.try_send(misdirected)) {
            log::warn!("event=misdirected_not_told why=\"{error}\"");
        }
    }
}

impl Registry {
    fn session_of(&self, user: &UserId, conn: ConnKey) -> Option<&Addr<Session>> {
        let mut seats = self.users.get(user).into_iter().flat_map(|user| &user.sessions);
        seats.find(|seat| seat.conn == conn).map(|seat| &seat.session)
    }
}
