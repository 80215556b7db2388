//! One request's bytes on their way to storage. Only one request writes a file at a time, which the database sees to, so
//! that it holds across nodes; one that brings nothing any more has to yield. What is counted as received is on the disk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha1::{Digest, Sha1};
use uuid::Uuid;

use super::{
    Files, UploadFault, complete,
    storage::{Sink, Synced},
};
use crate::{
    core::{profile::Author, upload::UploadPhase},
    ids::FileId,
    limits,
    store::{Advance, AfterAdvance, Claim, FilePart, FileRecord, Lease},
};

/// A SHA-1 digest.
pub type Sha1Digest = [u8; 20];

/// What a request says of the bytes that it brings.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Where in the file they begin.
    pub offset: u64,
    /// How many there are, if it says so.
    pub length: Option<u64>,
    /// Their digest: with it, all of them count or none.
    pub checksum: Option<Sha1Digest>,
}

/// How a body ended.
enum Ending {
    /// As it should.
    Whole,
    /// Too early; what came counts.
    Early(UploadFault),
    /// Wrongly; what was not kept before does not count.
    Wrong(UploadFault),
}

impl Files {
    /// Writes a request's bytes, until they end or the connection does, and answers how the file stands then.
    ///
    /// # Errors
    /// Whatever ended it early. What had arrived is kept, except under a checksum.
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
        let file = run.end(ending).await?;
        if file.is_complete() {
            self.finish(&file, by).await;
        }
        Ok(file)
    }

    /// Waits for the request before to be done, or to have fallen silent.
    async fn take_turn(&self, id: FileId) -> Result<(FileRecord, Lease), UploadFault> {
        let (lease, began) = (Lease(Uuid::new_v4()), Instant::now());
        let yield_ms = limits::UPLOAD_IDLE_YIELD.as_millis() as i64;
        loop {
            match self.store.claim_file(id, lease, self.clock.now().plus_ms(-yield_ms)).await? {
                Claim::Yes(file) => return Ok((file, lease)),
                Claim::Gone => return Err(UploadFault::Gone),
                Claim::Held if began.elapsed() > limits::UPLOAD_TURN_WAIT => return Err(UploadFault::Busy),
                Claim::Held => tokio::time::sleep(limits::UPLOAD_TURN_POLL).await,
            }
        }
    }

    /// All of it is there: what earlier writers left behind goes, and everybody whom it concerns hears of it.
    async fn finish(&self, file: &FileRecord, by: &Author) {
        match self.store.file_parts(file.id).await {
            Ok(parts) => {
                let names = parts.into_iter().map(|part| part.name).collect();
                if let Err(error) = self.storage.keep_only(file.id, names).await {
                    log::warn!("event=upload_leftovers file={} why=\"{error}\"", file.id);
                }
            }
            Err(error) => log::warn!("event=upload_leftovers file={} why=\"{error}\"", file.id),
        }
        log::info!("event=upload_complete file={} user={} bytes={}", file.id, file.owner, file.size_bytes);
        self.tell(by, file, complete(file));
    }
}

struct Run<'a> {
    files: &'a Files,
    file: FileRecord,
    lease: Lease,
    /// The part that grows, and where it begins.
    open: Option<Open>,
    /// Parts that stay, and that the database does not know of.
    unrecorded: Vec<FilePart>,
    parts: usize,
    batch: Vec<u8>,
    /// How far the bytes that came reach.
    arrived: u64,
    /// How far those that stay reach.
    settled: u64,
    hasher: Option<Sha1>,
    checksum: Option<Sha1Digest>,
    told: Instant,
}

struct Open {
    sink: Sink,
    start: u64,
    name: String,
}

impl<'a> Run<'a> {
    fn new(files: &'a Files, file: FileRecord, lease: Lease, chunk: Chunk) -> Run<'a> {
        Run {
            files,
            open: None,
            unrecorded: Vec::new(),
            parts: 0,
            batch: Vec::with_capacity(limits::UPLOAD_BATCH_BYTES),
            arrived: file.received_bytes,
            settled: file.received_bytes,
            hasher: chunk.checksum.map(|_| Sha1::new()),
            checksum: chunk.checksum,
            told: Instant::now(),
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
        self.file.size_bytes.saturating_sub(self.arrived)
    }

    /// Takes the body until it ends.
    async fn pour<E>(&mut self, mut body: impl Stream<Item = Result<Bytes, E>> + Unpin, by: &Author) -> Ending {
        let (mut heard, mut checked, mut kept_at) = (Instant::now(), Instant::now(), self.arrived);
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
                    self.tell_progress(by);
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
                // who brings nothing does not keep the lease
                if self.arrived > kept_at
                    && let Err(fault) = self.checkpoint().await
                {
                    return Ending::Early(fault);
                }
                (checked, kept_at) = (Instant::now(), self.arrived);
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
            self.arrived += now.len() as u64;
            bytes = later;
            if self.batch.len() >= limits::UPLOAD_BATCH_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Hands the batch to storage.
    async fn flush(&mut self) -> Result<(), UploadFault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let start = self.arrived - self.batch.len() as u64;
                let name = format!("{start:016x}-{}", self.lease.0.simple());
                let sink = self.files.storage.create(self.file.id, &name).await?;
                self.parts += 1;
                Open { sink, start, name }
            }
        };
        let written = open.sink.write(&mut self.batch).await;
        let full = open.sink.bytes_max().is_some_and(|most| self.arrived - open.start >= most);
        self.open = Some(open);
        written?;
        if full { self.seal().await } else { Ok(()) }
    }

    /// Ends the part that grows: it stays.
    async fn seal(&mut self) -> Result<(), UploadFault> {
        let Some(Open { sink, start, name }) = self.open.take() else { return Ok(()) };
        let finished = sink.finish().await;
        // even what can't be finished has to be removed by its name
        self.unrecorded.push(FilePart { start, length: self.arrived - start, name });
        if finished.is_ok() {
            self.settled = self.arrived;
        } else {
            self.discard().await;
        }
        Ok(finished?)
    }

    /// Makes what has arrived stay as far as it can be done now, and says so to the database.
    async fn checkpoint(&mut self) -> Result<(), UploadFault> {
        self.flush().await?;
        if let Some(open) = &mut self.open
            && open.sink.sync().await? == Synced::Yes
        {
            self.settled = self.arrived;
        }
        self.advance(AfterAdvance::GoOn).await
    }

    /// Tells the database what stays; under a checksum only that the writer lives.
    async fn advance(&mut self, then: AfterAdvance) -> Result<(), UploadFault> {
        let counts = self.checksum.is_none();
        let (from, to) = (self.file.received_bytes, if counts { self.settled } else { self.file.received_bytes });
        let mut parts = if counts { self.unrecorded.clone() } else { Vec::new() };
        if let Some(open) = self.open.as_ref().filter(|open| counts && open.start < to) {
            parts.push(FilePart { start: open.start, length: to - open.start, name: open.name.clone() });
        }
        let expires_at = self.files.expiry();
        let advance = Advance { id: self.file.id, lease: self.lease, parts, from, to, expires_at, then };
        if !self.files.store.advance_file(advance).await? {
            return Err(UploadFault::Busy);
        }
        self.file.received_bytes = to;
        if counts {
            self.unrecorded.clear();
        }
        Ok(())
    }

    /// Settles everything, or gives up what may not count, and lets the next one write.
    async fn end(mut self, ending: Ending) -> Result<FileRecord, UploadFault> {
        let fault = match ending {
            Ending::Whole => None,
            Ending::Early(fault) => Some(fault),
            Ending::Wrong(fault) => {
                self.discard().await;
                self.release().await;
                return Err(fault);
            }
        };
        let digest = self.hasher.take().map(|hasher| Sha1Digest::from(hasher.finalize()));
        if self.checksum.is_some() && (fault.is_some() || digest != self.checksum) {
            self.discard().await;
            self.release().await;
            return Err(fault.unwrap_or(UploadFault::ChecksumMismatch));
        }
        self.checksum = None; // it holds: from here on the bytes count
        if let Err(wrong) = self.settle().await {
            self.discard().await;
            self.release().await;
            return Err(fault.unwrap_or(wrong));
        }
        match fault {
            Some(fault) => Err(fault),
            None => self.files.store.file(self.file.id).await?.ok_or(UploadFault::Gone),
        }
    }

    async fn settle(&mut self) -> Result<(), UploadFault> {
        self.flush().await?;
        self.seal().await?;
        self.advance(AfterAdvance::Release).await
    }

    /// Gives up what the database does not know of.
    async fn discard(&mut self) {
        self.batch.clear();
        let mut left: Vec<(u64, String)> = self.unrecorded.drain(..).map(|part| (part.start, part.name)).collect();
        if let Some(open) = self.open.take() {
            open.sink.abandon().await;
            left.push((open.start, open.name));
        }
        // a part that has grown since a checkpoint counts as far as it did then
        left.retain(|(start, _)| *start >= self.file.received_bytes);
        for (_, name) in left {
            if let Err(error) = self.files.storage.remove(self.file.id, &name).await {
                log::warn!("event=part_left file={} part={name} why=\"{error}\"", self.file.id);
            }
        }
    }

    /// Lets the next one write. Without the database the lease ends by itself.
    async fn release(&mut self) {
        (self.settled, self.arrived) = (self.file.received_bytes, self.file.received_bytes);
        self.unrecorded.clear();
        if let Err(error) = self.advance(AfterAdvance::Release).await {
            log::debug!("event=lease_not_released file={} why=\"{error}\"", self.file.id);
        }
    }

    fn tell_progress(&mut self, by: &Author) {
        let done = self.arrived == self.file.size_bytes;
        if done || self.told.elapsed() < limits::UPLOAD_PROGRESS_PERIOD {
            return;
        }
        self.told = Instant::now();
        let phase =
            UploadPhase::Progress { uploaded_bytes: self.arrived, total_bytes: self.file.size_bytes, percentage: None };
        self.files.tell(by, &self.file, phase);
    }
}

/// The checkpoint must come well before the lease may be taken.
const _: () = assert!(at_least_twice(limits::UPLOAD_CHECKPOINT, limits::UPLOAD_IDLE_YIELD));

const fn at_least_twice(period: Duration, span: Duration) -> bool {
    span.as_millis() >= 2 * period.as_millis()
}
