//! Retries of reads while the database is unavailable, limited to the time that the caller may wait.

use std::time::Instant;

use crate::{limits, store::StoreError};

/// Reads, and retries while the database is unavailable, until it answers or `STORE_PATIENCE` has passed.
///
/// # Errors
/// The error of the last attempt.
pub async fn retry_unavailable<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
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
