//! Batches reads: reads of one kind that arrive while one is in progress are combined into the next query. Many
//! simultaneous joins then need only a few queries, and a single read is never delayed.

use std::{future::Future, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{Outage, StoreError, Threads};
use crate::limits;

struct Request<K, V> {
    key: K,
    answer: oneshot::Sender<Result<V, StoreError>>,
}

/// Collects requests of one kind.
pub(super) struct BatchLoader<K, V> {
    requests: mpsc::Sender<Request<K, V>>,
}

impl<K: Send + 'static, V: Send + 'static> BatchLoader<K, V> {
    /// Processes requests on the store's threads until it is dropped. `read` answers several keys at once, in order.
    pub(super) fn start<R>(threads: &Threads, read: impl Fn(Vec<K>) -> R + Send + Sync + 'static) -> BatchLoader<K, V>
    where
        R: Future<Output = Result<Vec<V>, StoreError>> + Send + 'static,
    {
        let (requests, mut waiting) = mpsc::channel(limits::STORE_GATHER_WAITING_MAX);
        let read = Arc::new(read);
        threads.spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, limits::STORE_GATHER_MAX).await > 0 {
                // Never cancelled half-way: a query that hangs is abandoned, and later ones continue.
                let one = tokio::spawn(answer(read.clone(), std::mem::take(&mut batch)));
                let _left_behind = tokio::time::timeout(limits::STORE_CONNECTION_WAIT, one).await;
            }
        });
        BatchLoader { requests }
    }

    /// Reads the value of one key.
    pub(super) async fn get(&self, key: K) -> Result<V, StoreError> {
        let (answer, answered) = oneshot::channel();
        let full = |_| StoreError::Unavailable(Outage::before_sending("too many requests are queued for the database"));
        self.requests.try_send(Request { key, answer }).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Fault("a read ended without an answer".into())))
    }
}

async fn answer<K, V, R>(read: Arc<impl Fn(Vec<K>) -> R>, batch: Vec<Request<K, V>>)
where
    R: Future<Output = Result<Vec<V>, StoreError>>,
{
    let (keys, answers): (Vec<K>, Vec<_>) = batch.into_iter().map(|request| (request.key, request.answer)).unzip();
    // The requester may have gone in the meantime.
    match read(keys).await {
        Ok(values) => answers.into_iter().zip(values).for_each(|(answer, value)| drop(answer.send(Ok(value)))),
        Err(error) => answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn whoever_comes_while_one_is_read_goes_together() {
        let threads = Threads::new().unwrap();
        let (turns, batches) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
        let gather = {
            let (turns, batches) = (turns.clone(), batches.clone());
            Arc::new(BatchLoader::start(&threads, move |keys: Vec<u32>| {
                batches.lock().unwrap().push(keys.len());
                let turns = turns.clone();
                async move {
                    turns.acquire().await.unwrap().forget();
                    if keys.contains(&7) { Err(StoreError::Missing) } else { Ok(keys.iter().map(|k| k * 2).collect()) }
                }
            }))
        };
        let ask = |key| {
            let gather = gather.clone();
            tokio::spawn(async move { gather.get(key).await })
        };
        let first = ask(1);
        while batches.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (2..=6).map(ask).collect();
        while gather.requests.capacity() + others.len() > gather.requests.max_capacity() {
            tokio::task::yield_now().await;
        }
        turns.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(2));
        for (other, key) in others.into_iter().zip(2..) {
            assert_eq!(other.await.unwrap(), Ok(key * 2));
        }
        assert_eq!(*batches.lock().unwrap(), [1, 5]);
        turns.add_permits(1);
        assert_eq!(ask(7).await.unwrap(), Err(StoreError::Missing));
    }
}
