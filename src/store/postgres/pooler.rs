//! Detects a pooler in front of PostgreSQL that changes the server connection under a session. Prepared statements,
//! settings and advisory locks belong to a session, so such a pooler would make queries fail at random and leak our
//! settings to other clients. It is refused at startup with an explanation, before anything of ours is left there.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::tls::Target;
use crate::{limits, store::StoreError};

const REFUSAL: &str = "DATABASE_URL leads through a pooler that changes the server connection between transactions \
     (pool_mode = transaction or statement in PgBouncer); set pool_mode = session for this database, or connect to \
     PostgreSQL directly: see \"PostgreSQL behind a pooler\" in docs/deployment.md";

/// Refuses a pooler that changes the server connection between transactions.
///
/// Two sessions are open at the same time. Directly, or through a pooler in session mode, each keeps its own server
/// process. Otherwise the second session gets the process of the first, or the first one's process changes while the
/// second is in a transaction.
pub(super) async fn refuse_transaction_pooling(target: &Target) -> Result<(), StoreError> {
    let probe = async {
        let first = target.client().await?;
        let before = server_process(&first).await?;
        let second = target.client().await?;
        let transaction = second.simple_query("BEGIN").await;
        if transaction.as_ref().is_err_and(|error| error.code().is_some()) {
            // A pooler in statement mode allows no transactions.
            return Ok(true);
        }
        transaction.map_err(|error| unreachable_database(&error))?;
        let others = server_process(&second).await?;
        let after = server_process(&first).await?;
        Ok::<bool, StoreError>(before == others || before != after)
    };
    match tokio::time::timeout(limits::STORE_CONNECTION_WAIT, probe).await {
        Ok(Ok(true)) => Err(StoreError::Fault(REFUSAL.into())),
        Ok(Ok(false)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => {
            log::warn!("event=pooler_not_checked why=\"the database gave no second connection in time\"");
            Ok(())
        }
    }
}

/// The server process that currently serves this session.
async fn server_process(client: &Client) -> Result<String, StoreError> {
    let answer = client.simple_query("SELECT pg_backend_pid()").await.map_err(|error| unreachable_database(&error))?;
    let process = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None, // a foreign enum that may grow
    });
    process.ok_or_else(|| StoreError::Fault("the database does not report its server process".into()))
}

fn unreachable_database(error: &tokio_postgres::Error) -> StoreError {
    StoreError::from(super::tls::refused(error))
}
