//! Writes the bytes of one request to storage. The database ensures that only one request writes a file at a time,
//! across all nodes; a request that sends no more bytes must yield. Bytes must be durable before they count as
//! received.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha1::{Digest, Sha1};
use uuid::Uuid;

use super::{
    Files, StorageFault, UploadFault, complete,
    ledger::{Ledger, Step},
    storage::{Sink, Synced},
};
use crate::{
    core::{profile::Author, upload::UploadPhase},
    ids::{FileId, Timestamp},
    limits,
    logged::logged,
    store::{Advance, Advanced, AfterAdvance, Claim, FileRecord, Lease, StoreError},
};

/// A SHA-1 digest.
pub type Sha1Digest = [u8; 20];

/// What a request announces about its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Their offset in the file.
    pub offset: u64,
    /// Their number, if known.
    pub length: Option<u64>,
    /// Their digest. With a digest, either all of them count or none.
    pub checksum: Option<Sha1Digest>,
}

/// How a body ended.
enum Ending {
    /// Completely.
    Whole,
    /// Too early. The received bytes count.
    Early(UploadFault),
    /// With an error. Bytes that were not durable before do not count.
    Wrong(UploadFault),
}

/// Whether bytes arrived between two checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// Some bytes arrived.
    Running,
    /// No bytes arrived.
    Quiet,
}

impl Files {
    /// Writes the bytes of a request until they or the connection end. Returns the resulting state of the file.
    ///
    /// # Errors
    /// The reason for an early end. The received bytes are kept, except with a checksum.
    pub async fn write<E>(
        &self,
        id: FileId,
        chunk: Chunk,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        by: &Author,
    ) -> Result<FileRecord, UploadFault> {
        let (file, lease) = self.take_turn(id).await?;
        let mut run = Run::new(self, file, lease, chunk);
        if let Err(fault) = run.check(chunk).await {
            run.release().await;
            return Err(fault);
        }
        let ending = run.pour(body, by).await;
        let ended = run.end(ending).await;
        // The file is complete if the last byte is stored, regardless of how the request ended.
        if run.completed {
            run.report_progress(by, run.file.size_bytes);
            self.finish(&run.file, by).await;
        } else if let Ok(file) = &ended {
            run.report_progress(by, file.received_bytes);
        }
        ended
    }

    /// The state of an upload, after a request whose connection broke has stored its bytes.
    ///
    /// # Errors
    /// If the database is unavailable or the upload no longer exists.
    pub async fn standing(&self, file: FileRecord) -> Result<FileRecord, UploadFault> {
        let (seen, began) = (file.received_bytes, Instant::now());
        let mut standing = file;
        while self.is_written(&standing)
            && standing.received_bytes == seen
            && began.elapsed() < limits::UPLOAD_HEAD_WAIT
        {
            tokio::time::sleep(limits::UPLOAD_HEAD_POLL).await;
            standing = self.store.file(standing.id).await?.ok_or(UploadFault::Gone)?;
        }
        Ok(standing)
    }

    /// A writer that was last active before this time has stalled.
    fn silent_since(&self) -> Timestamp {
        self.clock.now().plus_ms(-(limits::UPLOAD_IDLE_YIELD.as_millis() as i64))
    }

    fn is_written(&self, file: &FileRecord) -> bool {
        file.written_at.is_some_and(|at| at >= self.silent_since())
    }

    /// Waits until the previous request has ended or stalled.
    async fn take_turn(&self, id: FileId) -> Result<(FileRecord, Lease), UploadFault> {
        let (lease, began) = (Lease(Uuid::new_v4()), Instant::now());
        loop {
            match self.store.claim_file(id, lease, self.silent_since()).await? {
                Claim::Yes(file) => return Ok((file, lease)),
                Claim::Gone => return Err(UploadFault::Gone),
                Claim::Held if began.elapsed() > limits::UPLOAD_TURN_WAIT => return Err(UploadFault::Busy),
                Claim::Held => tokio::time::sleep(limits::UPLOAD_TURN_POLL).await,
            }
        }
    }

    /// Handles a complete file: notifies everybody concerned, and removes leftovers of earlier writers.
    async fn finish(&self, file: &FileRecord, by: &Author) {
        log::info!("event=upload_complete file={} user={} bytes={}", file.id, logged(&file.owner), file.size_bytes);
        self.tell(by, file, complete(file));
        match self.store.file_parts(file.id).await {
            Ok(parts) => {
                let names = parts.into_iter().map(|part| part.name).collect();
                if let Err(error) = self.storage.keep_only(file.id, names).await {
                    log::warn!("event=upload_leftovers file={} why=\"{error}\"", file.id);
                }
            }
            Err(error) => log::warn!("event=upload_leftovers file={} why=\"{error}\"", file.id),
        }
    }
}

struct Run<'a> {
    files: &'a Files,
    file: FileRecord,
    lease: Lease,
    /// The part that is being written.
    open: Option<Open>,
    parts: usize,
    batch: Vec<u8>,
    ledger: Ledger,
    hasher: Option<Sha1>,
    checksum: Option<Sha1Digest>,
    /// When progress was last published, and its value.
    told: (Instant, u64),
    /// Whether this request wrote the last byte.
    completed: bool,
}

struct Open {
    sink: Sink,
    start: u64,
    name: String,
    begun: Instant,
}

impl<'a> Run<'a> {
    fn new(files: &'a Files, file: FileRecord, lease: Lease, chunk: Chunk) -> Run<'a> {
        Run {
            files,
            open: None,
            parts: 0,
            batch: Vec::with_capacity(limits::UPLOAD_BATCH_BYTES),
            ledger: Ledger::at(file.received_bytes),
            hasher: chunk.checksum.map(|_| Sha1::new()),
            checksum: chunk.checksum,
            told: (Instant::now(), file.received_bytes),
            completed: false,
            file,
            lease,
        }
    }

    async fn check(&mut self, chunk: Chunk) -> Result<(), UploadFault> {
        if chunk.offset != self.file.received_bytes {
            return Err(UploadFault::WrongOffset { at: self.file.received_bytes });
        }
        if chunk.length.is_some_and(|length| length > self.room_left()) {
            return Err(UploadFault::TooMuch);
        }
        self.parts = self.files.store.file_parts(self.file.id).await?.len();
        if self.parts >= limits::FILE_PARTS_MAX { Err(UploadFault::TooManyParts) } else { Ok(()) }
    }

    const fn room_left(&self) -> u64 {
        self.file.size_bytes.saturating_sub(self.ledger.arrived())
    }

    /// Reads the body until it ends.
    async fn pour<E>(&mut self, mut body: impl Stream<Item = Result<Bytes, E>> + Unpin, by: &Author) -> Ending {
        let (mut heard, mut checked, mut seen) = (Instant::now(), Instant::now(), self.ledger.arrived());
        loop {
            let patience = limits::UPLOAD_CHECKPOINT.saturating_sub(checked.elapsed());
            match tokio::time::timeout(patience, body.next()).await {
                Ok(None) => return Ending::Whole,
                Ok(Some(Err(_))) => return Ending::Early(UploadFault::Broken),
                Ok(Some(Ok(bytes))) if bytes.len() as u64 > self.room_left() => {
                    return Ending::Wrong(UploadFault::TooMuch);
                }
                Ok(Some(Ok(bytes))) => {
                    heard = Instant::now();
                    if let Err(fault) = self.take(&bytes).await {
                        return Ending::Early(fault);
                    }
                    if self.told.0.elapsed() >= limits::UPLOAD_PROGRESS_PERIOD && self.room_left() > 0 {
                        self.report_progress(by, self.ledger.arrived());
                    }
                }
                Err(_elapsed) if heard.elapsed() > limits::UPLOAD_SILENCE_MAX => {
                    return Ending::Early(UploadFault::Silent);
                }
                Err(_elapsed) => {}
            }
            if checked.elapsed() >= limits::UPLOAD_CHECKPOINT {
                if self.files.gateway.is_draining() {
                    return Ending::Early(UploadFault::Leaving);
                }
                let pace = if self.ledger.arrived() > seen { Pace::Running } else { Pace::Quiet };
                if let Err(fault) = self.checkpoint(pace).await {
                    return Ending::Early(fault);
                }
                (checked, seen) = (Instant::now(), self.ledger.arrived());
            }
        }
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), UploadFault> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        while !bytes.is_empty() {
            let room = limits::UPLOAD_BATCH_BYTES.saturating_sub(self.batch.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.batch.extend_from_slice(now);
            self.ledger.come(now.len() as u64);
            bytes = later;
            if self.batch.len() >= limits::UPLOAD_BATCH_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Writes the batch to storage.
    async fn flush(&mut self) -> Result<(), UploadFault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_part().await?,
        };
        if let Err(fault) = open.sink.write(&mut self.batch).await {
            return Err(self.lose(open, fault).await);
        }
        let full = open.sink.bytes_max().is_some_and(|most| self.ledger.arrived() - open.start >= most);
        self.open = Some(open);
        if full { self.seal().await } else { Ok(()) }
    }

    /// Creates a new part that begins with the batch.
    async fn begin_part(&mut self) -> Result<Open, UploadFault> {
        let start = self.ledger.arrived() - self.batch.len() as u64;
        let name = format!("{start:016x}-{}", self.lease.0.simple());
        match self.files.storage.create(self.file.id, &name).await {
            Ok(sink) => {
                self.parts += 1;
                Ok(Open { sink, start, name, begun: Instant::now() })
            }
            Err(fault) => {
                self.batch.clear();
                self.ledger.lose();
                Err(fault.into())
            }
        }
    }

    /// Completes the current part and makes it durable.
    async fn seal(&mut self) -> Result<(), UploadFault> {
        let Some(Open { sink, start, name, .. }) = self.open.take() else { return Ok(()) };
        match sink.finish().await {
            Ok(()) => {
                self.ledger.keep(start, &name);
                Ok(())
            }
            Err(fault) => {
                self.forget(&name).await;
                Err(fault.into())
            }
        }
    }

    /// Handles a storage failure: the current part ends where it was last durable, or is removed.
    async fn lose(&mut self, open: Open, fault: StorageFault) -> UploadFault {
        open.sink.abandon().await;
        self.forget(&open.name).await;
        fault.into()
    }

    /// Discards received bytes that are not durable. Removes their part if nothing of it counts.
    async fn forget(&mut self, name: &str) {
        self.batch.clear();
        self.ledger.lose();
        if !self.ledger.holds(name) {
            self.remove(name).await;
        }
    }

    async fn remove(&self, name: &str) {
        if let Err(error) = self.files.storage.remove(self.file.id, name).await {
            log::warn!("event=part_left file={} part={name} why=\"{error}\"", self.file.id);
        }
    }

    /// Makes the received bytes durable as far as possible now, and updates the database.
    async fn checkpoint(&mut self, pace: Pace) -> Result<(), UploadFault> {
        self.flush().await?;
        if let Some(mut open) = self.open.take() {
            match open.sink.sync().await {
                Ok(Synced::Yes) => self.ledger.keep(open.start, &open.name),
                Ok(Synced::OnlyAtTheEnd) => {}
                Err(fault) => return Err(self.lose(open, fault).await),
            }
            let kept = self.ledger.arrived() == self.ledger.settled();
            let old = open.begun.elapsed() >= age_max(self.parts, pace);
            self.open = Some(open);
            // With a checksum, nothing counts before the end.
            if !kept && old && self.checksum.is_none() {
                self.seal().await?;
            }
        }
        // A request that sends no bytes does not keep the lease.
        if pace == Pace::Running || (self.checksum.is_none() && self.ledger.has_news()) {
            self.advance(AfterAdvance::GoOn).await?;
        }
        Ok(())
    }

    /// Reports the durable bytes to the database; with a checksum, only that the writer is alive.
    async fn advance(&mut self, then: AfterAdvance) -> Result<(), UploadFault> {
        let step = if self.checksum.is_none() { self.ledger.step() } else { self.ledger.sign_of_life() };
        let (parts, from, to) = (step.parts.clone(), step.from, step.to);
        let expires_at = self.files.expiry();
        let advance = Advance { id: self.file.id, lease: self.lease, parts, from, to, expires_at, then };
        match self.files.store.advance_file(advance).await {
            Ok(Advanced::Lost) => return Err(UploadFault::Busy),
            Ok(Advanced::Kept) => {}
            Ok(Advanced::Complete) => self.completed = true,
            Err(error) => self.clear_up(&step, error).await?,
        }
        self.ledger.taken(&step);
        Ok(())
    }

    /// Handles a commit that failed with an unknown result. Its parts may count, now or later. If they already count,
    /// there is no error.
    async fn clear_up(&mut self, step: &Step, error: StoreError) -> Result<(), UploadFault> {
        self.ledger.unclear(step);
        if step.parts.is_empty() {
            return Err(error.into());
        }
        let began = Instant::now();
        while began.elapsed() < limits::UPLOAD_DOUBT_MAX {
            match self.files.store.file_parts(self.file.id).await {
                // The part names are unique to this request.
                Ok(known) if step.parts.iter().all(|part| known.contains(part)) => {
                    log::info!("event=commit_found file={} why=\"{error}\"", self.file.id);
                    self.completed |= step.to == self.file.size_bytes;
                    return Ok(());
                }
                Ok(_) => break,
                Err(_) => tokio::time::sleep(limits::UPLOAD_TURN_POLL).await,
            }
        }
        Err(error.into())
    }

    /// Completes everything, or discards what may not count, and releases the lease.
    async fn end(&mut self, ending: Ending) -> Result<FileRecord, UploadFault> {
        let early = match ending {
            Ending::Wrong(fault) => return Err(self.give_up(fault).await),
            Ending::Early(fault) if self.checksum.is_some() => return Err(self.give_up(fault).await),
            Ending::Early(fault) => Some(fault),
            Ending::Whole if self.is_what_was_promised() => None,
            Ending::Whole => return Err(self.give_up(UploadFault::ChecksumMismatch).await),
        };
        let settled = match self.settle().await {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.give_up(fault).await),
        };
        match early {
            // The first error is the one to report.
            Some(fault) => Err(fault),
            None => {
                settled?;
                self.files.store.file(self.file.id).await?.ok_or(UploadFault::Gone)
            }
        }
    }

    fn is_what_was_promised(&mut self) -> bool {
        let digest = self.hasher.take().map(|hasher| Sha1Digest::from(hasher.finalize()));
        digest == self.checksum
    }

    async fn settle(&mut self) -> Result<(), UploadFault> {
        let closed = self.close().await;
        if self.checksum.is_some() {
            closed?;
            self.checksum = None; // it matches, so the bytes count from here on
            return self.advance(AfterAdvance::Release).await;
        }
        // A failure to store later bytes does not undo the stored ones.
        self.advance(AfterAdvance::Release).await?;
        closed
    }

    async fn close(&mut self) -> Result<(), UploadFault> {
        self.flush().await?;
        self.seal().await
    }

    /// Discards everything that does not count and releases the lease.
    async fn give_up(&mut self, fault: UploadFault) -> UploadFault {
        self.batch.clear();
        let mut left = self.ledger.give_up();
        if let Some(open) = self.open.take() {
            open.sink.abandon().await;
            // A part that has grown since a checkpoint counts up to that checkpoint.
            if !self.ledger.holds(&open.name) && !left.contains(&open.name) {
                left.push(open.name);
            }
        }
        for name in left {
            self.remove(&name).await;
        }
        self.release().await;
        fault
    }

    /// Releases the lease. If the database is unavailable, the lease expires.
    async fn release(&mut self) {
        if let Err(error) = self.advance(AfterAdvance::Release).await {
            log::debug!("event=lease_not_released file={} why=\"{error}\"", self.file.id);
        }
    }

    /// Publishes the progress if it has changed.
    fn report_progress(&mut self, by: &Author, uploaded_bytes: u64) {
        if self.told.1 == uploaded_bytes {
            return;
        }
        self.told = (Instant::now(), uploaded_bytes);
        let phase = UploadPhase::Progress { uploaded_bytes, total_bytes: self.file.size_bytes, percentage: None };
        self.files.tell(by, &self.file, phase);
    }
}

/// The age at which a part is completed, if a part is durable only when it is complete. It grows with the number of
/// parts, so that uploads that take days stay below the limit of parts.
fn age_max(parts: usize, pace: Pace) -> Duration {
    let doubled = (parts * 10 / limits::FILE_PARTS_MAX).min(10);
    let age = limits::UPLOAD_S3_OBJECT_AGE * (1 << doubled);
    match pace {
        Pace::Running => age,
        Pace::Quiet => age / 2,
    }
}

/// The checkpoint must come well before the lease may be taken over.
const _: () = assert!(at_least_twice(limits::UPLOAD_CHECKPOINT, limits::UPLOAD_IDLE_YIELD));

const fn at_least_twice(period: Duration, span: Duration) -> bool {
    span.as_millis() >= 2 * period.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_bucket_end_soon_as_long_as_there_are_few() {
        let most = limits::FILE_PARTS_MAX;
        assert_eq!(age_max(0, Pace::Running), limits::UPLOAD_S3_OBJECT_AGE);
        assert!(age_max(0, Pace::Quiet) <= limits::UPLOAD_CHECKPOINT);
        assert!(age_max(most - 1, Pace::Running) > 100 * limits::UPLOAD_S3_OBJECT_AGE);
        assert!(age_max(most * 5, Pace::Quiet) < Duration::from_secs(60 * 60));
    }
}
