//! `GET /sessions/{id}/image`: a session's image as a file, in any format that GIMP writes, whole or in ranges.
//!
//! A file is written once for each state and format, and is served from disk while it is asked for: a download that
//! broke off goes on where it was, as long as its ETag still holds.

use super::keys::Identity;
use super::ranges::{self, insert};
use super::state::{Refusal, State};
use crate::error::{Error, Kind, Result};
use crate::gimp::Request;
use crate::ops::Right;
use crate::sessions::{Disk, Place, is_lost};
use axum::body::Body;
use axum::extract::{Path, Query, State as Shared};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio_util::sync::CancellationToken;

/// Files kept at once; the one not asked for longest goes first.
const MOST: usize = 32;
const KEPT: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(600);
const PIECE: usize = 256 << 10;

#[derive(serde::Deserialize)]
struct Wanted {
    format: Option<String>,
    quality: Option<u8>,
}

#[derive(Clone)]
struct File {
    path: PathBuf,
    bytes: u64,
    mime_type: String,
    used: Instant,
}

/// The files that were written for downloads; cheap to clone.
#[derive(Clone)]
pub struct Exports {
    folder: Arc<PathBuf>,
    disk: Disk,
    files: Arc<Mutex<HashMap<String, File>>>,
}

/// A file that is being written.
struct Part<'a> {
    exports: &'a Exports,
    file: File,
    whole: bool,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.exports.forget(&self.file);
        }
    }
}

pub fn routes() -> Router<State> {
    Router::new().route("/sessions/{session}/image", get(download))
}

async fn download(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(session): Path<String>,
    wanted: Query<Wanted>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    identity.rights.need(Right::Read, "downloading")?;
    let format = wanted.format.as_deref().unwrap_or("png").to_ascii_lowercase();
    if format.is_empty() || format.len() > 10 || !format.chars().all(|c| c.is_ascii_alphanumeric()) {
        let message = format!("`format` is `{}`", crate::ops::params::shorten(&format));
        return Err(Error::new(Kind::InvalidArgument, message).hint("give png, jpeg, webp, tiff, xcf, …").into());
    }
    if let Some(quality) = wanted.quality.filter(|quality| !(1..=100).contains(quality)) {
        let message = format!("`quality` must be from 1 to 100, got {quality}");
        return Err(Error::new(Kind::InvalidArgument, message).into());
    }
    let (file, tag) = find(&state, &session, &identity, &format, wanted.quality).await?;
    Ok(serve(&file, &tag, &method, &headers).await?)
}

async fn find(
    state: &State,
    session: &str,
    identity: &Identity,
    format: &str,
    quality: Option<u8>,
) -> Result<(File, String)> {
    let mut again = true;
    loop {
        let place = state.rpc.sessions.place(session, &identity.name).await?;
        let quality_text = quality.map_or(String::new(), |quality| quality.to_string());
        let key = format!("{session}-{}-{format}{quality_text}", place.settled.generation);
        if let Some(file) = state.exports.get(&key) {
            return Ok((file, key));
        }
        match state.exports.write(&state.rpc.ops, &place, &key, format, quality).await {
            Err(error) if again && is_lost(&error) => {
                again = false;
                place.give_up();
            }
            answer => return answer.map(|file| (file, key)),
        }
    }
}

impl Exports {
    /// Empties `folder`.
    pub fn open(folder: PathBuf, disk: Disk) -> Result<Exports> {
        let broken = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", folder.display()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(broken)?;
        }
        std::fs::create_dir_all(&folder).map_err(broken)?;
        Ok(Exports { folder: Arc::new(folder), disk, files: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &str) -> Option<File> {
        let mut files = self.lock();
        let file = files.get_mut(key)?;
        file.used = Instant::now();
        Some(file.clone())
    }

    async fn write(
        &self,
        ops: &crate::ops::Ops,
        place: &Place,
        key: &str,
        format: &str,
        quality: Option<u8>,
    ) -> Result<File> {
        self.sweep();
        let mut arguments =
            Map::from_iter([("image".to_owned(), place.image.into()), ("format".to_owned(), format.into())]);
        if let Some(quality) = quality {
            arguments.insert("quality".into(), quality.into());
        }
        let request = Request {
            operation: "write_file".into(),
            arguments,
            client: place.client.clone(),
            instance: place.instance.clone(),
            timeout: LIMIT,
            upload: None,
            cancel: CancellationToken::new(),
            progress: None,
        };
        let mut streamed = ops.gimp().stream(request).await?;
        let mime_type = streamed.header.get("mime_type").and_then(Value::as_str).unwrap_or("application/octet-stream");
        let file =
            File { path: self.folder.join(key), bytes: 0, mime_type: mime_type.to_owned(), used: Instant::now() };
        // Whatever ends this, also a client that hangs up: a file that is not whole goes.
        let mut part = Part { exports: self, file, whole: false };
        let broken = |error: std::io::Error| Error::new(Kind::IoError, format!("the download's file failed: {error}"));
        let mut out = tokio::fs::File::create(&part.file.path).await.map_err(broken)?;
        while let Some(chunk) = streamed.chunks.recv().await {
            self.disk.take(chunk.len() as u64)?;
            part.file.bytes += chunk.len() as u64;
            out.write_all(&chunk).await.map_err(broken)?;
        }
        streamed.result.await.map_err(Error::internal)??;
        out.flush().await.map_err(broken)?;
        part.whole = true;
        self.lock().insert(key.to_owned(), part.file.clone());
        Ok(part.file.clone())
    }

    /// Makes room: old files, then the one not asked for longest. A download that still reads one keeps its bytes.
    fn sweep(&self) {
        let mut files = self.lock();
        let mut gone: Vec<File> =
            files.extract_if(|_, file| file.used.elapsed() > KEPT).map(|(_, file)| file).collect();
        while files.len() >= MOST {
            let Some(key) = files.iter().min_by_key(|(_, file)| file.used).map(|(key, _)| key.clone()) else { break };
            gone.extend(files.remove(&key));
        }
        drop(files);
        gone.iter().for_each(|file| self.forget(file));
    }

    fn forget(&self, file: &File) {
        self.disk.free(file.bytes);
        if let Err(error) = std::fs::remove_file(&file.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a download's file could not be deleted");
        }
    }
}

async fn serve(file: &File, tag: &str, method: &Method, headers: &HeaderMap) -> Result<Response> {
    let asked = ranges::asked(headers, tag, file.bytes);
    let mut response = match asked.bytes() {
        Some(range) => bytes(file, range.start, range.end - range.start, method).await?,
        None => ().into_response(),
    };
    asked.head(&mut response, tag, file.bytes);
    insert(&mut response, CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

async fn bytes(file: &File, start: u64, length: u64, method: &Method) -> Result<Response> {
    let broken = |error: std::io::Error| Error::new(Kind::IoError, format!("the download's file failed: {error}"));
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let mut open = tokio::fs::File::open(&file.path).await.map_err(broken)?;
        open.seek(SeekFrom::Start(start)).await.map_err(broken)?;
        let open = open.take(length);
        Body::from_stream(futures_util::stream::unfold(open, |mut open| async move {
            let mut piece = Vec::with_capacity(PIECE);
            match (&mut open).take(PIECE as u64).read_to_end(&mut piece).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(Bytes::from(piece)), open)),
                Err(error) => Some((Err(error), open)),
            }
        }))
    };
    let mut response = body.into_response();
    insert(&mut response, CONTENT_TYPE, &file.mime_type);
    Ok(response)
}
