//! One process per SQLite database. Without Redis a node is alone: a second one on the same file would show its users
//! another half of every room. Nodes that Redis joins may share the file. The lock is the kernel's and ends with the
//! process, however that ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{config::Config, limits};

/// Why the database can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Somebody else has it.
    #[error(
        "The database {} is in use by another convene{holder}; stop that one, set another DATA_DIR, or join the two \
         with REDIS_URL", .file.display()
    )]
    InUse {
        /// The database.
        file: PathBuf,
        /// Which process, if it says so.
        holder: String,
    },
    /// The file beside the database can't be made.
    #[error("The file {} can't be made: {error}; set DATA_DIR to a folder where this user may write", .file.display())]
    Unusable {
        /// The lock.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The right to serve from a SQLite database, held until it is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock, or waits for a moment for whoever is just stopping. None for other databases.
    ///
    /// # Errors
    /// If another process serves from that file, or the lock can't be made beside it.
    pub async fn take(config: &Config) -> Result<Option<DatabaseLock>, Locked> {
        let Some(database) = config.storage.database.file() else { return Ok(None) };
        let path = beside(database);
        let unusable = |error| Locked::Unusable { file: path.clone(), error };
        let file = open(&path).map_err(unusable)?;
        let is_joined = config.cluster.redis.is_some();
        let began = Instant::now();
        loop {
            match if is_joined { file.try_lock_shared() } else { file.try_lock() } {
                Ok(()) => {
                    sign(&file).map_err(unusable)?;
                    return Ok(Some(DatabaseLock { _file: file }));
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
                Err(TryLockError::WouldBlock) if began.elapsed() < limits::DATABASE_LOCK_WAIT => {
                    tokio::time::sleep(limits::DATABASE_LOCK_RETRY).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Locked::InUse { file: database.to_owned(), holder: holder(&file) });
                }
            }
        }
    }
}

/// The name with `.lock` behind it.
fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Leaves the number of this process, for the sentence that another one says.
fn sign(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

fn holder(mut file: &File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => format!(" (process {text})"),
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    async fn take(folder: &Path, more: &[(&str, &str)]) -> Result<Option<DatabaseLock>, Locked> {
        let folder = folder.display().to_string();
        let variables: Vec<_> = [("DATA_DIR", folder.as_str())].into_iter().chain(more.iter().copied()).collect();
        DatabaseLock::take(&config(&variables).unwrap()).await
    }

    #[tokio::test]
    async fn one_process_serves_from_a_file_and_joined_ones_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let redis = [("REDIS_URL", "redis://localhost")];
        let first = take(folder.path(), &[]).await.unwrap();
        for more in [&[][..], &redis] {
            let sentence = take(folder.path(), more).await.unwrap_err().to_string();
            assert!(sentence.contains(&format!("(process {})", std::process::id())), "{sentence}");
        }
        drop(first);
        let shared = [take(folder.path(), &redis).await.unwrap(), take(folder.path(), &redis).await.unwrap()];
        take(folder.path(), &[]).await.unwrap_err();
        drop(shared);
        take(folder.path(), &[]).await.unwrap();
        assert!(take(folder.path(), &[("DATABASE_URL", "postgres://h/d")]).await.unwrap().is_none());
    }
}
