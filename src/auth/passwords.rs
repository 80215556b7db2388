//! Passwords: argon2id with the parameters that OWASP advises, computed on the blocking pool and a few at a time, since
//! each takes 19 MiB and a core for tens of milliseconds.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task};

use crate::limits;

/// Memory in KiB, passes, lanes (OWASP Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash that no password has, with the parameters above: whoever asks for a user that does not exist waits as long as
/// for a wrong password, and learns nothing.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// More are waiting than the server takes on.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// A fault of ours, or a stored hash that can't be read.
    #[error("a password can't be hashed: {0}")]
    Fault(String),
}

/// Whether a password is the user's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// It is.
    Right,
    /// It is not, or there is no such user, or the user has no password.
    Wrong,
}

/// The hasher, with its bounds.
#[derive(Clone)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords {
            at_once: Arc::new(Semaphore::new(limits::PASSWORD_HASHES_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(limits::PASSWORD_HASHES_WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// The argon2id string to store.
    pub async fn hash(&self, password: String) -> Result<String, PasswordFault> {
        self.run(move || {
            let hash = argon2()?.hash_password(password.as_bytes()).map_err(fault)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Checks a password against a stored hash. Without one it takes the same time and is wrong.
    pub async fn check(&self, password: String, stored: Option<String>) -> Result<Match, PasswordFault> {
        self.run(move || {
            let known = stored.is_some();
            let stored = stored.as_deref().unwrap_or(NOBODYS_HASH);
            let parsed = PasswordHash::new(stored).map_err(fault)?;
            let right = argon2()?.verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(if right && known { Match::Right } else { Match::Wrong })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordFault> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let _place = self.waiting.try_acquire().map_err(|_| PasswordFault::Busy)?;
        let turn = self.at_once.clone().acquire_owned().await.map_err(fault)?;
        // The turn goes along: the work runs on when whoever asked has gone.
        let done = task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(fault)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordFault> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(fault)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn fault(why: impl std::fmt::Display) -> PasswordFault {
    PasswordFault::Fault(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_is_right_and_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".into()).await.unwrap(), "the salt is random");
        assert_eq!(passwords.check("correct horse".into(), Some(hash.clone())).await.unwrap(), Match::Right);
        assert_eq!(passwords.check("battery staple".into(), Some(hash)).await.unwrap(), Match::Wrong);
        assert_eq!(passwords.check("correct horse".into(), None).await.unwrap(), Match::Wrong);
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_costs() {
        let parsed = PasswordHash::new(NOBODYS_HASH).unwrap();
        let params = Params::try_from(&parsed).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(parsed.hash.unwrap().len(), 32);
    }

    #[tokio::test]
    async fn a_stored_text_that_is_no_hash_is_a_fault_and_opens_nothing() {
        let checked = Passwords::default().check("x".into(), Some("plain".into())).await;
        assert!(matches!(checked, Err(PasswordFault::Fault(_))));
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_is_sent_away() {
        let passwords = Passwords::default();
        let everyone = u32::try_from(limits::PASSWORD_HASHES_WAITING_MAX).unwrap();
        let _crowd = passwords.waiting.clone().acquire_many_owned(everyone).await.unwrap();
        assert!(matches!(passwords.check("x".into(), None).await, Err(PasswordFault::Busy)));
    }
}
