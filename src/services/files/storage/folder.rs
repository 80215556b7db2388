//! Stores parts as files of a folder, `<folder>/<xx>/<file id>/<part>`. Disk access happens on blocking threads; while
//! one batch is written, the next one may be filled. User input must never become part of a path.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{ByteStream, StorageFault};
use crate::{ids::FileId, limits};

/// A folder with files.
pub struct FolderStorage {
    root: PathBuf,
}

/// A part that is being written.
pub struct FolderSink {
    state: State,
}

enum State {
    Idle(File, Vec<u8>),
    Writing(JoinHandle<io::Result<(File, Vec<u8>)>>),
    Broken,
}

impl FolderStorage {
    pub fn new(root: PathBuf) -> FolderStorage {
        FolderStorage { root }
    }

    /// The last two digits of the id are random; the first ones are a timestamp.
    fn folder_of(&self, file: FileId) -> PathBuf {
        let name = file.to_string();
        let shelf = name.get(name.len().saturating_sub(2)..).unwrap_or_default();
        self.root.join(shelf).join(&name)
    }

    pub async fn create(&self, file: FileId, name: &str) -> Result<FolderSink, StorageFault> {
        let folder = self.folder_of(file);
        let path = folder.join(name);
        let made = blocking(move || {
            fs::create_dir_all(&folder)?;
            let made = OpenOptions::new().write(true).create_new(true).open(&path)?;
            // The directory entries of the path must be durable as well.
            for part in path.ancestors().skip(1).take(3) {
                File::open(part)?.sync_all()?;
            }
            Ok(made)
        });
        let made = made.await.map_err(|error| at(&self.root, &error))?;
        Ok(FolderSink { state: State::Idle(made, Vec::with_capacity(limits::UPLOAD_BATCH_BYTES)) })
    }

    pub async fn read(&self, file: FileId, name: &str, range: Range<u64>) -> Result<ByteStream, StorageFault> {
        let path = self.folder_of(file).join(name);
        let opened = blocking(move || File::open(path)).await.map_err(|error| at(&self.root, &error))?;
        let chunks = stream::try_unfold((opened, range), |(opened, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let length = (range.end - range.start).min(limits::DOWNLOAD_READ_BYTES as u64);
            let read = blocking(move || {
                let mut chunk = vec![0; usize::try_from(length).unwrap_or(limits::DOWNLOAD_READ_BYTES)];
                opened.read_exact_at(&mut chunk, range.start)?;
                Ok((Bytes::from(chunk), (opened, range.start + length..range.end)))
            });
            Ok(Some(read.await?))
        });
        Ok(chunks.boxed())
    }

    pub async fn keep_only(&self, file: FileId, names: Vec<String>) -> Result<(), StorageFault> {
        let folder = self.folder_of(file);
        Ok(blocking(move || sweep(&folder, &names)).await?)
    }

    pub async fn remove(&self, file: FileId, name: &str) -> Result<(), StorageFault> {
        let path = self.folder_of(file).join(name);
        Ok(blocking(move || if_there(fs::remove_file(path))).await?)
    }
}

fn sweep(folder: &Path, names: &[String]) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if !names.iter().any(|name| entry.file_name() == name.as_str()) {
            if_there(fs::remove_file(entry.path()))?;
        }
    }
    if names.is_empty() { if_there(fs::remove_dir(folder)) } else { Ok(()) }
}

fn if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl FolderSink {
    async fn idle(&mut self) -> io::Result<(File, Vec<u8>)> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Idle(file, spare) => Ok((file, spare)),
            State::Writing(running) => running.await.map_err(io::Error::other)?,
            State::Broken => Err(io::Error::other("an earlier write failed")),
        }
    }

    pub async fn write(&mut self, batch: &mut Vec<u8>) -> Result<(), StorageFault> {
        let (mut file, spare) = self.idle().await?;
        let mut full = std::mem::replace(batch, spare);
        self.state = State::Writing(spawn_blocking(move || {
            file.write_all(&full)?;
            full.clear();
            Ok((file, full))
        }));
        Ok(())
    }

    pub async fn sync(&mut self) -> Result<(), StorageFault> {
        let (file, spare) = self.idle().await?;
        let file = blocking(move || file.sync_data().map(|()| file)).await?;
        self.state = State::Idle(file, spare);
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

fn at(root: &Path, error: &io::Error) -> StorageFault {
    StorageFault(format!("{error} under {}", root.display()))
}
