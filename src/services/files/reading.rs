//! Serves files: any range, as a stream that must never hold more than one piece in memory.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{DownloadFault, Files, StorageFault, storage::ByteStream};
use crate::{ids::FileId, store::FilePart};

impl Files {
    /// The bytes of a range of a complete file. The first piece has already been read.
    ///
    /// # Errors
    /// If the database or the storage is unavailable.
    pub async fn read(&self, id: FileId, range: Range<u64>) -> Result<ByteStream, DownloadFault> {
        let wanted = overlapping(self.store.file_parts(id).await?, &range);
        let storage = self.storage.clone();
        let pieces = stream::iter(wanted).then(move |(name, range)| {
            let storage = storage.clone();
            async move { storage.read(id, &name, range).await }
        });
        let mut bytes = counted(pieces.try_flatten().boxed(), range.end - range.start);
        // The first piece is read before the response begins, so that an unavailable storage is visible in the HTTP
        // status.
        let first = bytes.try_next().await?;
        Ok(stream::iter(first.map(Ok)).chain(bytes).boxed())
    }
}

/// The parts that overlap with the range, and the range within each.
fn overlapping(parts: Vec<FilePart>, range: &Range<u64>) -> Vec<(String, Range<u64>)> {
    let within = |part: FilePart| {
        let start = range.start.max(part.start);
        let end = range.end.min(part.start + part.length);
        (start < end).then(|| (part.name, start - part.start..end - part.start))
    };
    parts.into_iter().filter_map(within).collect()
}

/// Ends with an error if there are fewer bytes than promised, so that the client does not mistake the file for
/// complete.
fn counted(bytes: ByteStream, promised: u64) -> ByteStream {
    let counted = stream::try_unfold((bytes, promised), |(mut bytes, left)| async move {
        match bytes.try_next().await? {
            Some(piece) => {
                let left = left.saturating_sub(piece.len() as u64);
                Ok(Some((piece, (bytes, left))))
            }
            None if left > 0 => Err(StorageFault(format!("{left} bytes of a stored file are missing"))),
            None => Ok(None),
        }
    });
    counted.inspect_err(|error| log::error!("event=file_unreadable why=\"{error}\"")).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_put_together_from_the_parts_that_it_touches() {
        let part = |start, length, name: &str| FilePart { start, length, name: name.into() };
        let parts = || vec![part(0, 10, "a"), part(10, 5, "b"), part(15, 10, "c")];
        let names = |range| overlapping(parts(), &range);
        assert_eq!(names(0..25), [("a".into(), 0..10), ("b".into(), 0..5), ("c".into(), 0..10)]);
        assert_eq!(names(9..16), [("a".into(), 9..10), ("b".into(), 0..5), ("c".into(), 0..1)]);
        assert_eq!(names(12..13), [("b".into(), 2..3)]);
        assert_eq!(names(5..5), []);
    }
}
