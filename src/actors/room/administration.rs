//! Actions of administrators and owners on a room, and access that must be read again because of them.

use std::{collections::HashSet, time::Instant};

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        access::IfMissing,
        messages::{Announce, CountUsers, Join, KeepOnly, RoomUse},
        outbox::ConnKey,
        retry::retry_unavailable,
    },
    auth::policy::{Denied, Subject},
    core::profile::Role,
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::UserId,
    limits,
    store::RoomRef,
};

impl Room {
    /// Advances the usage statistics; call it before any join or leave.
    pub(super) fn pass_hours(&mut self) {
        let present = self.core.iter().flat_map(|core| core.online().map(|author| &author.id));
        self.usage.pass(self.node.clock.now(), present);
    }

    /// Removes all users except these, including those whose join is pending.
    pub(super) fn keep_only(&mut self, users: &[UserId], ctx: &mut Context<Self>) {
        self.excluded_at = Some(Instant::now());
        let staying: HashSet<&UserId> = users.iter().collect();
        let here = self.core.iter().flat_map(|core| core.local_users().map(|user| &user.id));
        let coming = self.entering.values().map(|newcomer| &newcomer.join.user.id);
        let lingering = self.core.iter().flat_map(|core| core.lingering().map(|user| &user.id));
        let going: HashSet<UserId> =
            here.chain(coming).chain(lingering).filter(|user| !staying.contains(user)).cloned().collect();
        for user in going {
            self.expel(&user, ctx);
        }
        self.rest(ctx);
    }

    /// Refuses the user's pending joins.
    pub(super) fn turn_away_all_of(&mut self, user: &UserId, ctx: &mut Context<Self>) {
        let coming = self.entering.iter().filter(|(_, newcomer)| newcomer.is_of(user));
        let coming: Vec<ConnKey> = coming.map(|(conn, _)| *conn).collect();
        for conn in coming {
            self.turn_away_one(conn, Denied::NotInvited.into(), ctx);
        }
    }

    fn turn_away_one(&mut self, conn: ConnKey, refusal: Refusal, ctx: &mut Context<Self>) {
        self.early.retain(|early| *early != conn);
        self.recovery.forget(conn);
        if let Some(newcomer) = self.entering.remove(&conn) {
            self.turn_away(newcomer, refusal, Disconnect::Revoked, ctx);
        }
    }

    /// Whether a user was excluded after the newcomer's right was read. For channels the registry has checked this
    /// already, because it is informed of every exclusion, even while the room is not in use.
    pub(super) fn is_in_doubt(&self, join: &Join) -> bool {
        if !self.kind.rereads_access() {
            return false;
        }
        let (Some(read_at), Some(excluded_at)) = (join.access_read_at, self.excluded_at) else { return false };
        read_at <= excluded_at
    }

    /// Reads the rights of all users here again, those with a pending join as well. Who has lost them is removed.
    pub(super) fn read_rights(&mut self, ctx: &mut Context<Self>) {
        // a pending join may have read its right before they were changed
        self.excluded_at = Some(Instant::now());
        let users = self.core.iter().flat_map(|core| core.local_users().map(|user| user.id.clone()));
        let users: Vec<UserId> = users.collect();
        let (node, identity) = (self.node.clone(), self.identity.clone());
        let read = async move {
            let mut rights = Vec::with_capacity(users.len());
            for user in users {
                let subject = Subject { user: &user, role: Role::User, rooms: None };
                let access = node.enter(subject, &RoomRef::of(&identity, &user), IfMissing::Refuse).await;
                rights.push((user, access.map(|access| access.right.document_role())));
            }
            rights
        };
        ctx.spawn(read.into_actor(self).map(|rights, room, ctx| {
            let mut is_unread = false;
            for (user, right) in rights {
                let role = match right {
                    Ok(role) => role,
                    Err(refusal) if refusal.code == ErrorCode::ServiceUnavailable => {
                        is_unread = true;
                        continue;
                    }
                    Err(_) => None,
                };
                room.with_kind(ctx, |kind, view| kind.role_read(&user, role, view));
                if role.is_none() {
                    room.expel(&user, ctx);
                }
            }
            if is_unread {
                ctx.run_later(limits::STORE_RETRY, |room, ctx| room.read_rights(ctx));
            }
            room.rest(ctx);
        }));
    }

    /// Reads the settings of the space again. Only the result of the last read counts.
    pub(super) fn read_settings(&mut self, ctx: &mut Context<Self>) {
        self.settings_reads = self.settings_reads.wrapping_add(1);
        let (store, id, number) = (self.node.store.clone(), self.identity.id, self.settings_reads);
        let read = async move { retry_unavailable(async || store.space_settings(id).await).await };
        ctx.spawn(read.into_actor(self).map(move |read, room, ctx| {
            if room.settings_reads != number {
                return;
            }
            match read {
                Ok(Some(settings)) => room.with_kind(ctx, |kind, view| kind.settings_read(settings, view)),
                Ok(None) => {}
                Err(error) => {
                    log::warn!("event=settings_not_read room={id} why=\"{error}\"");
                    ctx.run_later(limits::STORE_RETRY, |room, ctx| room.read_settings(ctx));
                }
            }
        }));
    }

    /// Reads the newcomer's right again.
    pub(super) fn read_access_again(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        let Some(newcomer) = self.entering.get(&conn) else { return };
        let (node, user) = (self.node.clone(), newcomer.join.user.id.clone());
        let at = RoomRef::of(&self.identity, &user);
        let read_at = Instant::now();
        let access = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: None };
            node.enter(subject, &at, IfMissing::Refuse).await
        };
        ctx.spawn(access.into_actor(self).map(move |access, room, ctx| match access {
            Ok(access) => {
                if let Some(newcomer) = room.entering.get_mut(&conn) {
                    newcomer.join.access_read_at = Some(read_at);
                    newcomer.join.capacity = access.capacity;
                    newcomer.join.role = access.right.document_role();
                }
                room.enter(conn, ctx);
            }
            Err(refusal) => {
                room.turn_away_one(conn, refusal, ctx);
                room.rest(ctx);
            }
        }));
    }
}

impl Handler<Announce> for Room {
    type Result = ();

    fn handle(&mut self, Announce(broadcast): Announce, ctx: &mut Self::Context) {
        self.deliver(&broadcast, ctx);
    }
}

impl Handler<KeepOnly> for Room {
    type Result = ();

    fn handle(&mut self, keep: KeepOnly, ctx: &mut Self::Context) {
        self.keep_only(&keep.users, ctx);
    }
}

impl Handler<CountUsers> for Room {
    type Result = RoomUse;

    fn handle(&mut self, _: CountUsers, _: &mut Self::Context) -> RoomUse {
        self.pass_hours();
        RoomUse {
            users: self.core.as_ref().map_or(0, |core| core.users()) as u64,
            users_per_hour_milli: self.usage.users_per_hour_milli(),
            last_sign: self.kind.last_activity(),
        }
    }
}
