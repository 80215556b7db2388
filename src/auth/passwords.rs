//! Password hashing: argon2id with the parameters that OWASP recommends. It runs on the blocking pool, a few at a time,
//! because each hash takes 19 MiB and tens of milliseconds of CPU. Plain passwords must never leave this module.

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

/// A hash that no password matches. It is checked for unknown users, so that the response time does not reveal whether
/// a user exists.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// The queue is full.
    #[error("too many password checks are queued")]
    Busy,
    /// An internal fault, or a stored hash that can't be parsed.
    #[error("a password can't be hashed: {0}")]
    Fault(String),
}

/// The result of a password check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// The password is correct.
    Right,
    /// The password is wrong, or there is no such user, or the user has no password.
    Wrong,
}

/// The hasher with its concurrency limits.
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
    /// Hashes a password. Returns the argon2id string to store.
    pub async fn hash(&self, password: String) -> Result<String, PasswordFault> {
        self.run(move || {
            let hash = argon2()?.hash_password(password.as_bytes()).map_err(fault)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Checks a password against a stored hash. Without a hash it takes the same time and fails.
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
        // The permit moves into the task, because the task continues when the caller is gone.
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
