//! Users and their refresh tokens.

use super::{
    BlockedUser, ClaimedProfile, NewUser, RefreshRecord, RefreshUse, SocketRights, Store, StoreError, TokenUser, run,
};
use crate::{
    core::profile::Profile,
    ids::{Timestamp, TokenId, UserId},
};

impl Store {
    /// Registers a user with a new id. [`StoreError::Taken`] names `username` or `email`.
    pub async fn create_user(&self, user: NewUser) -> Result<Profile, StoreError> {
        run!(self, write, users::create(user))
    }

    /// The user of a valid token, stored now if it is new: a taken username gets a suffix, a taken e-mail address is
    /// dropped.
    pub async fn provision_user(&self, user: &TokenUser) -> Result<Profile, StoreError> {
        // Nearly always known already; then no write connection is needed.
        if let Some(profile) = self.user(&user.id).await? {
            return Ok(profile);
        }
        let user = user.clone();
        run!(self, write, users::provision(&user))
    }

    /// Like [`Store::provision_user`], and updates the stored display name and e-mail address from a newer token of the
    /// user's own issuer. The username stays.
    pub async fn provision_as_said(
        &self,
        user: &TokenUser,
        said: Option<ClaimedProfile>,
    ) -> Result<Profile, StoreError> {
        let profile = self.provision_user(user).await?;
        match said {
            Some(said) if said.at > profile.said_at && differs(&profile, &said) => {
                run!(self, write, users::follow(&profile, &said))
            }
            Some(_) | None => Ok(profile),
        }
    }

    /// The user with that id.
    pub async fn user(&self, id: &UserId) -> Result<Option<Profile>, StoreError> {
        self.shared.loaders.users.get(id.clone()).await
    }

    /// The existing ones of these users, in no particular order.
    pub async fn users_by_ids(&self, ids: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, users::by_ids(&ids))
    }

    /// The user with that username or e-mail address in any case, and the password hash. Without a hash, login is not
    /// possible.
    pub async fn credentials(&self, login: &str) -> Result<Option<(Profile, Option<String>)>, StoreError> {
        let login = login.to_owned();
        run!(self, read, users::credentials(&login))
    }

    /// The user with that username in any case.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<Profile>, StoreError> {
        let username = username.to_owned();
        run!(self, read, users::by_name(&username))
    }

    /// Users whose username or display name begins with the query in any case, ordered by name.
    pub async fn search_users(&self, query: &str, limit: i64) -> Result<Vec<Profile>, StoreError> {
        let query = query.to_owned();
        run!(self, read, users::search(&query, limit))
    }

    /// Revokes all refresh tokens of the user, and all access tokens issued before the returned time: the given one, or
    /// a later one if tokens were issued by a clock that is ahead. None if there is no such user.
    pub async fn void_tokens(&self, id: &UserId, before: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let id = id.clone();
        run!(self, write, tokens::void(&id, before))
    }

    /// Blocks the user until that time; never shortens a block. Returns false if nothing changed.
    pub async fn block_user(&self, id: &UserId, until: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        run!(self, write, blocks::block(&id, until))
    }

    /// Lifts a block. Returns false if there was none.
    pub async fn lift_block(&self, id: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        run!(self, write, blocks::lift(&id, at))
    }

    /// Users who are blocked now, ordered by id, after the given one.
    pub async fn blocked_users(&self, after: Option<UserId>, limit: i64) -> Result<Vec<BlockedUser>, StoreError> {
        run!(self, read, blocks::blocked(after, limit))
    }

    /// The facts that may have ended the rights of these users' sockets, for existing users, in no particular order.
    pub async fn standings(&self, ids: &[UserId]) -> Result<Vec<SocketRights>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, users::standings(&ids))
    }

    /// Stores a refresh token, and removes the user's expired ones.
    pub async fn save_refresh(&self, record: &RefreshRecord) -> Result<(), StoreError> {
        let record = record.clone();
        run!(self, write, tokens::save(&record))
    }

    /// Uses a refresh token. The successor continues the used token's family, whatever its own field says. A token that
    /// is used again within [`limits::REFRESH_REPEAT_WITHIN`], before a successor was used, gets another successor.
    pub async fn use_refresh(&self, id: TokenId, successor: &RefreshRecord) -> Result<RefreshUse, StoreError> {
        let successor = successor.clone();
        run!(self, write, tokens::rotate(id, &successor))
    }

    /// Ends the login of the token: removes the token and its whole family.
    pub async fn end_refresh_family(&self, id: TokenId) -> Result<(), StoreError> {
        run!(self, write, tokens::end_family(id))
    }
}

fn differs(profile: &Profile, said: &ClaimedProfile) -> bool {
    let (display_name, email) = said.fit();
    display_name.is_some_and(|name| name != profile.display_name)
        || email.is_some_and(|email| Some(email) != profile.email)
}
