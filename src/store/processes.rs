//! Finds other processes that use the same database. Nodes connected by Redis know each other; this is for a node
//! without Redis, which should be alone.

use super::{Database, Store, StoreError, postgres};
use crate::limits;

impl Store {
    /// The names of other server processes connected to the same PostgreSQL database, as far as this role may see them.
    /// Empty for SQLite, whose file is protected by a lock.
    pub async fn other_processes(&self) -> Result<Vec<String>, StoreError> {
        let Database::Postgres(pools) = &self.shared.database else { return Ok(Vec::new()) };
        let pools = pools.clone();
        let asked = async move {
            let mut connection = pools.read().await?;
            let outcome =
                tokio::time::timeout(limits::STORE_ANSWER_MAX, postgres::other_processes(&mut connection)).await;
            postgres::settle(connection, outcome)
        };
        self.shared.threads.run(asked).await
    }
}
