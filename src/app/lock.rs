//! Locks a SQLite database for one process. Without Redis, a second node on the same file would split every room between the two
//! nodes. Nodes that are connected by Redis may share the file. It is a kernel file lock, which ends with the process even after a
//! crash, so it must never need manual removal.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{config::Config, limits};

/// Why the database can't be locked.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Another process uses it.
    #[error(
        "The database {} is in use by another convene{holder}; stop that one, set another DATA_DIR, or connect the two \
         with REDIS_URL", .file.display()
    )]
    InUse {
        /// The database.
        file: PathBuf,
        /// The other process's id for the message, if known.
        holder: String,
    },
    /// The lock file next to the database can't be created.
    #[error("The file {} can't be created: {error}; set DATA_DIR to a folder where this user may write", .file.display())]
    Unusable {
        /// The lock file.
        file: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
}

/// The right to serve from a SQLite database, held until it is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock. Waits briefly if another process holds it, because that one may be stopping. None for other databases.
    ///
    /// # Errors
    /// If another process serves from that file, or the lock file can't be created.
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

/// The path with `.lock` appended.
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

/// Writes this process's id, for the error message of another process.
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
