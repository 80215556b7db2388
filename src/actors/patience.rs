//! Waiting for a database that is away, as long as whatever needs it may wait.

use std::time::Instant;

use crate::{limits, store::StoreError};

/// Reads, and again while the database is away, until it answers or has been away for too long.
///
/// # Errors
/// Those of the last attempt.
pub async fn patiently<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let began = Instant::now();
    loop {
        match read().await {
            Err(StoreError::Unavailable(_)) if began.elapsed() < limits::STORE_PATIENCE => {
                tokio::time::sleep(limits::STORE_RETRY).await;
            }
            done => return done,
        }
    }
}
