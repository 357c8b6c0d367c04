//! Files that come over HTTP in pieces, to be used by a later request. On disk only, never whole in memory.
//!
//! A piece must begin where the last one ended, so that a client whose connection broke asks how far it came and goes
//! on from there. Refuses pieces that leave a gap, more bytes than configured, and other owners' uploads.

use super::disk::Disk;
use super::store::{make_private, now};
use super::{lock, look_every, new_id};
use crate::config;
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio_util::sync::CancellationToken;

/// Between two pieces of a body.
const SILENT: Duration = Duration::from_secs(30);
/// Uploads of all clients at once.
const MOST: usize = 1024;

/// How far an upload is.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    pub upload: String,
    /// Bytes that are there, from the start without a gap.
    pub received: u64,
    /// Bytes in all, once a piece said so.
    pub total: Option<u64>,
    pub complete: bool,
}

/// Which part of the file a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub start: u64,
    /// Bytes in all, if it is known.
    pub total: Option<u64>,
    /// Whether nothing comes after it.
    pub last: bool,
}

struct Upload {
    owner: String,
    path: PathBuf,
    /// Taken while a piece is written.
    busy: bool,
    received: u64,
    total: Option<u64>,
    complete: bool,
    used: u64,
}

/// All uploads; cheap to clone. They end with the daemon: a client that is told `not_found` sends again.
#[derive(Clone)]
pub struct Uploads {
    folder: Arc<PathBuf>,
    files: Arc<Mutex<HashMap<String, Upload>>>,
    disk: Disk,
    largest: u64,
    kept: u64,
}

impl Uploads {
    /// Empties `folder`, and deletes what nobody uses until `shutdown`.
    pub fn open(
        folder: &Path,
        settings: &config::Sessions,
        disk: Disk,
        shutdown: CancellationToken,
    ) -> Result<Uploads> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(|error| broken(&error))?;
        }
        make_private(folder)?;
        let (largest, kept) = (settings.upload_mb << 20, settings.upload_kept);
        let uploads = Uploads { folder: Arc::new(folder.to_owned()), files: Arc::default(), disk, largest, kept };
        tokio::spawn(uploads.clone().expire(shutdown));
        Ok(uploads)
    }

    /// Begins an empty upload.
    pub fn begin(&self, owner: &str) -> Result<Progress> {
        let mut files = lock(&self.files);
        if files.len() >= MOST {
            return Err(Error::new(Kind::Busy, format!("{MOST} uploads are there already"))
                .hint("delete those that are not needed: DELETE /uploads/ID"));
        }
        let id = new_id();
        let path = self.folder.join(&id);
        let upload =
            Upload { owner: owner.into(), path, busy: false, received: 0, total: None, complete: false, used: now() };
        let progress = upload.progress(&id);
        files.insert(id, upload);
        Ok(progress)
    }

    pub fn progress(&self, id: &str, owner: &str) -> Result<Progress> {
        let files = lock(&self.files);
        Ok(files.get(id).filter(|upload| upload.owner == owner).ok_or_else(|| unknown(id))?.progress(id))
    }

    /// Appends a piece as it comes. What was written before an error stays, and the next piece goes on from there.
    pub async fn append<E: std::fmt::Display>(
        &self,
        id: &str,
        owner: &str,
        piece: Piece,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Progress> {
        let path = self.take(id, owner, piece)?;
        // Given back however this ends, also when the client hangs up and the future is dropped.
        let mut turn = Turn { uploads: self, id, received: piece.start, done: None };
        let opened = tokio::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).await;
        let mut file = opened.map_err(|error| self.unwritable(&error))?;
        file.seek(SeekFrom::Start(piece.start)).await.map_err(|error| self.unwritable(&error))?;
        let received = self.receive(&mut file, &mut turn, piece, &mut body).await;
        // The file writes behind: what the disk did not take shows here at the latest.
        let received = match file.flush().await {
            Ok(()) => received,
            Err(error) => Err(self.unwritable(&error)),
        };
        if let Err(error) = received {
            if error.kind == Kind::IoError {
                // How much of the piece is there is not known: it is sent again, and its room is free until then.
                let _ = file.set_len(piece.start).await;
                self.disk.free(turn.received - piece.start);
                turn.received = piece.start;
                let mend = "free some space there, or set sessions.folder to another disk";
                return Err(error.hint(format!("{mend}; then go on at byte {}", piece.start)));
            }
            return Err(error);
        }
        let complete = match piece.total {
            Some(total) => turn.received == total,
            None => piece.last,
        };
        turn.done = Some((piece.total.or(complete.then_some(turn.received)), complete));
        drop(turn);
        self.progress(id, owner)
    }

    /// Writes the body as it comes, and counts it in `turn`.
    async fn receive<E: std::fmt::Display>(
        &self,
        file: &mut tokio::fs::File,
        turn: &mut Turn<'_>,
        piece: Piece,
        body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<()> {
        let limit = piece.total.unwrap_or(self.largest).min(self.largest);
        loop {
            let next = tokio::time::timeout(SILENT, body.next()).await.map_err(|_| {
                Error::new(Kind::Timeout, format!("no byte of the upload came for {} s", SILENT.as_secs()))
                    .hint(format!("go on at byte {}", turn.received))
            })?;
            let Some(chunk) = next else { return Ok(()) };
            let chunk = chunk.map_err(|error| {
                Error::new(Kind::ProtocolError, format!("the upload broke off: {error}"))
                    .hint(format!("go on at byte {}", turn.received))
            })?;
            if turn.received + chunk.len() as u64 > limit {
                return Err(self.too_large(piece.total));
            }
            self.disk.take(chunk.len() as u64)?;
            turn.received += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(|error| self.unwritable(&error))?;
        }
    }

    fn unwritable(&self, error: &std::io::Error) -> Error {
        Error::new(Kind::IoError, format!("the upload cannot be written in `{}`: {error}", self.folder.display()))
    }

    fn take(&self, id: &str, owner: &str, piece: Piece) -> Result<PathBuf> {
        let mut files = lock(&self.files);
        let upload = files.get_mut(id).filter(|upload| upload.owner == owner).ok_or_else(|| unknown(id))?;
        if upload.busy {
            return Err(Error::new(Kind::Busy, format!("another piece of upload `{id}` is on its way"))
                .hint("send the pieces one after the other"));
        }
        if upload.complete {
            return Err(Error::new(Kind::InvalidArgument, format!("upload `{id}` is complete"))
                .hint("begin another one with PUT /uploads"));
        }
        if piece.start != upload.received {
            return Err(Error::new(
                Kind::InvalidArgument,
                format!("the piece begins at byte {}, and {} are there", piece.start, upload.received),
            )
            .hint(format!("go on at byte {}", upload.received))
            .detail("received", upload.received));
        }
        if let (Some(before), Some(now)) = (upload.total, piece.total)
            && before != now
        {
            return Err(Error::new(Kind::InvalidArgument, format!("the upload had {before} bytes in all, now {now}"))
                .hint("the number after `/` in Content-Range is the same in each piece"));
        }
        if piece.total.is_some_and(|total| total > self.largest) {
            return Err(self.too_large(piece.total));
        }
        upload.busy = true;
        upload.total = upload.total.or(piece.total);
        Ok(upload.path.clone())
    }

    fn too_large(&self, total: Option<u64>) -> Error {
        let largest = self.largest;
        let message = match total {
            Some(total) if total <= largest => format!("more bytes came than the {total} in Content-Range"),
            Some(total) => format!("the upload of {total} bytes is over the limit of {largest}"),
            None => format!("the upload is over the limit of {largest} bytes"),
        };
        Error::new(Kind::TooLarge, message).hint("sessions.upload_mb is the limit in MiB")
    }

    /// The bytes of a complete upload.
    pub async fn read(&self, id: &str, owner: &str) -> Result<Bytes> {
        let path = {
            let mut files = lock(&self.files);
            let upload = files.get_mut(id).filter(|upload| upload.owner == owner).ok_or_else(|| unknown(id))?;
            if !upload.complete {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    format!("upload `{id}` is not complete: {} bytes are there", upload.received),
                )
                .hint(format!("send the rest with PUT /uploads/{id}"))
                .detail("received", upload.received));
            }
            upload.used = now();
            upload.path.clone()
        };
        Ok(tokio::fs::read(path).await.map_err(|error| broken(&error))?.into())
    }

    pub fn remove(&self, id: &str, owner: &str) -> Result<()> {
        let mut files = lock(&self.files);
        match files.get(id) {
            Some(upload) if upload.owner == owner && !upload.busy => {
                let upload = files.remove(id).expect("it was just there");
                self.forget(&upload);
                Ok(())
            }
            Some(upload) if upload.owner == owner => {
                Err(Error::new(Kind::Busy, format!("a piece of upload `{id}` is on its way"))
                    .hint("try again after it"))
            }
            _ => Err(unknown(id)),
        }
    }

    fn forget(&self, upload: &Upload) {
        self.disk.free(upload.received);
        if let Err(error) = std::fs::remove_file(&upload.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "an upload could not be deleted");
        }
    }

    async fn expire(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(look_every(self.kept)) => {}
            }
            let late = now().saturating_sub(self.kept);
            lock(&self.files).retain(|_, upload| {
                let keep = upload.busy || upload.used >= late;
                if !keep {
                    self.forget(upload);
                }
                keep
            });
        }
    }
}

impl Upload {
    fn progress(&self, id: &str) -> Progress {
        Progress { upload: id.into(), received: self.received, total: self.total, complete: self.complete }
    }
}

/// One piece on its way.
struct Turn<'a> {
    uploads: &'a Uploads,
    id: &'a str,
    received: u64,
    /// All bytes came: how many there are in all, and whether these were the last.
    done: Option<(Option<u64>, bool)>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(upload) = lock(&self.uploads.files).get_mut(self.id) {
            upload.busy = false;
            upload.received = self.received;
            upload.used = now();
            if let Some((total, complete)) = self.done {
                upload.total = upload.total.or(total);
                upload.complete = complete;
            }
        }
    }
}

fn unknown(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("no upload `{}`", crate::ops::params::shorten(id)))
        .hint("it expired or was deleted: begin another one with PUT /uploads")
}

fn broken(error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("the upload's file failed: {error}")).hint("check the space in sessions.folder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn uploads(folder: &Path, largest_mb: u64) -> Uploads {
        let settings = config::Sessions { upload_mb: largest_mb, ..Default::default() };
        Uploads::open(folder, &settings, Disk::new(4 << 20), CancellationToken::new()).unwrap()
    }

    async fn put(uploads: &Uploads, id: &str, piece: Piece, bytes: &[u8]) -> Result<Progress> {
        let body: Vec<Result<Bytes, Infallible>> =
            bytes.chunks(3).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        uploads.append(id, "me", piece, futures_util::stream::iter(body)).await
    }

    #[tokio::test]
    async fn pieces_make_a_file_and_gaps_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = uploads(folder.path(), 1);
        let id = uploads.begin("me").unwrap().upload;
        let piece = |start| Piece { start, total: Some(10), last: false };
        assert!(!put(&uploads, &id, piece(0), b"01234").await.unwrap().complete);
        assert!(uploads.read(&id, "me").await.unwrap_err().message.contains("5 bytes are there"));
        let gap = put(&uploads, &id, piece(6), b"6789").await.unwrap_err();
        assert_eq!(gap.hint.as_deref(), Some("go on at byte 5"));
        assert_eq!(put(&uploads, &id, piece(5), b"567890").await.unwrap_err().kind, Kind::TooLarge);
        assert_eq!(uploads.progress(&id, "me").unwrap().received, 8, "what came whole stays");
        assert!(put(&uploads, &id, piece(8), b"89").await.unwrap().complete);
        assert_eq!(&uploads.read(&id, "me").await.unwrap()[..], b"0123456789");
        assert_eq!(uploads.read(&id, "other").await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(uploads.disk.used(), 10);
        uploads.remove(&id, "me").unwrap();
        assert_eq!(uploads.disk.used(), 0);
    }

    #[tokio::test]
    async fn a_broken_connection_keeps_what_came() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = uploads(folder.path(), 1);
        let id = uploads.begin("me").unwrap().upload;
        let body: Vec<Result<Bytes, &str>> = vec![Ok(Bytes::from_static(b"abc")), Err("reset")];
        let error = uploads.append(&id, "me", Piece::default(), futures_util::stream::iter(body)).await.unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("go on at byte 3"));
        let rest = Piece { start: 3, total: None, last: true };
        assert!(put(&uploads, &id, rest, b"def").await.unwrap().complete);
        assert_eq!(&uploads.read(&id, "me").await.unwrap()[..], b"abcdef");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_named_and_nothing_of_the_piece_counts() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = uploads(folder.path(), 1);
        let id = uploads.begin("me").unwrap().upload;
        // The device that answers as a full disk does.
        std::os::unix::fs::symlink("/dev/full", folder.path().join(&id)).unwrap();
        let piece = |start| Piece { start, total: Some(6), last: false };
        let error = put(&uploads, &id, piece(0), b"abcdef").await.unwrap_err();
        assert!(error.kind == Kind::IoError && error.message.contains(folder.path().to_str().unwrap()), "{error:?}");
        assert!(error.message.contains("No space left") && error.hint.unwrap().ends_with("go on at byte 0"));
        assert_eq!((uploads.progress(&id, "me").unwrap().received, uploads.disk.used()), (0, 0));
        std::fs::remove_file(folder.path().join(&id)).unwrap();
        assert!(put(&uploads, &id, piece(0), b"abcdef").await.unwrap().complete);
        assert_eq!((&uploads.read(&id, "me").await.unwrap()[..], uploads.disk.used()), (&b"abcdef"[..], 6));
    }

    #[tokio::test]
    async fn limits_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = uploads(folder.path(), 1);
        let id = uploads.begin("me").unwrap().upload;
        let huge = Piece { start: 0, total: Some((1 << 20) + 1), last: false };
        let error = put(&uploads, &id, huge, b"").await.unwrap_err();
        assert_eq!(error.message, "the upload of 1048577 bytes is over the limit of 1048576");
    }
}
