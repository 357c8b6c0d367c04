//! Generated images and what is known of them, in a folder or a bucket, until they expire.
//!
//! An image is two objects, `ID.png` and `ID.json`, written in this order and deleted in the other: it is there when its
//! record is. Any number of daemons may share a store; nothing here is remembered that another one could change.
//!
//! | file | what it holds |
//! |---|---|
//! | `objects.rs` | files of any bucket, for runs over many pictures |
//! | `place.rs` | one folder or bucket behind `object_store` |
//! | `errors.rs` | what it refuses, in plain words |
//! | `record.rs` | what is known of an image |
//! | `sweep.rs` | what expired, what broke, what is over the quota |

mod errors;
mod objects;
mod place;
mod record;
mod sweep;

pub use objects::Objects;
pub use record::Record;
pub use sweep::Swept;

use crate::config::{Config, StorageBackend};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use place::Place;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use uuid::Uuid;

/// How long the check at the start may take.
const CHECKING: Duration = Duration::from_secs(3);
/// Records that are read at once.
const AT_ONCE: usize = 16;

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    main: Place,
    fallback: Option<Place>,
    ttl: Duration,
    max_size: u64,
    quota: Option<u64>,
    presigned: bool,
    /// Bytes as this process knows them; the first put counts. One task at a time makes room.
    used: Mutex<Option<u64>>,
}

/// An image's bytes on their way.
pub struct Reading {
    pub record: Record,
    /// Of the whole image.
    pub range: Range<u64>,
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

/// Some of the images, newest first.
#[derive(Debug)]
pub struct Page {
    pub records: Vec<Record>,
    /// All that match.
    pub total: usize,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// What a new image is stored with.
pub struct New {
    pub bytes: Bytes,
    pub mime_type: &'static str,
    pub width: u32,
    pub height: u32,
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

impl Store {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// `config` for a fallback that is the store itself, or a bucket that cannot be named.
    pub fn new(config: &Config) -> Result<Store> {
        let storage = &config.storage;
        let place = |backend: StorageBackend| match backend {
            StorageBackend::File => Place::folder(&storage.path),
            StorageBackend::S3 => Place::bucket(storage),
        };
        if storage.fallback == Some(storage.backend) {
            let message = format!("`storage.fallback` is `{}`, as `storage.backend` is", storage.backend.name());
            return Err(Error::new(Kind::Config, message).hint("name the other one, or none"));
        }
        Ok(Store {
            inner: Arc::new(Inner {
                main: place(storage.backend)?,
                fallback: storage.fallback.map(place).transpose()?,
                ttl: Duration::from_secs(config.images.ttl),
                max_size: config.images.max_size,
                quota: storage.quota_mb.map(|quota| quota << 20),
                presigned: storage.presigned,
                used: Mutex::default(),
            }),
        })
    }

    /// Where images go, for people.
    pub fn shown(&self) -> String {
        self.inner.main.shown.clone()
    }

    /// Bytes; the largest image.
    pub fn max_size(&self) -> u64 {
        self.inner.max_size
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.inner.main).chain(&self.inner.fallback)
    }

    /// Whether an image can be written, read and deleted, within three seconds. With a fallback one of the two will do.
    ///
    /// # Errors
    /// `config`, with what to set.
    pub async fn check(&self) -> Result<()> {
        let mut failed = None;
        let mut well = false;
        for place in self.places() {
            let checked = tokio::time::timeout(CHECKING, place.check()).await;
            match checked.unwrap_or_else(|_| Err(place.silent(CHECKING))) {
                Ok(()) => well = true,
                Err(error) => {
                    tracing::warn!(
                        store = place.shown,
                        reason = error.message,
                        hint = error.hint,
                        "a store is not well"
                    );
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) if !well => Err(error),
            _ => Ok(()),
        }
    }

    /// Stores an image under a new id. The record says where, if that is the fallback.
    ///
    /// # Errors
    /// `too_large` above `images.max_size` or the quota; what the stores say.
    pub async fn put(&self, new: New, now: DateTime<Utc>) -> Result<Record> {
        let bytes = new.bytes.len() as u64;
        if bytes > self.inner.max_size {
            let message = format!("the image has {bytes} bytes, the most is {}", self.inner.max_size);
            return Err(Error::new(Kind::TooLarge, message)
                .hint("ask for a smaller one, or raise images.max_size (MAX_IMAGE_SIZE)"));
        }
        self.make_room(bytes, now).await?;
        let mut record = Record {
            image_id: Uuid::new_v4(),
            created: now,
            expires: now + self.inner.ttl,
            bytes,
            mime_type: new.mime_type.to_owned(),
            width: new.width,
            height: new.height,
            stored_in: None,
            parameters: new.parameters,
        };
        let stored = self.inner.main.put(&record, new.bytes.clone()).await;
        if let Err(error) = stored {
            let Some(fallback) = &self.inner.fallback else { return Err(error) };
            tracing::warn!(reason = error.message, to = fallback.shown, "an image goes to the fallback");
            record.stored_in = Some(fallback.shown.clone());
            // What the first attempt left is an orphan that the sweep removes.
            fallback.put(&record, new.bytes).await?;
        }
        if let Some(used) = self.inner.used.lock().await.as_mut() {
            *used += bytes;
        }
        Ok(record)
    }

    /// Removes the oldest images where this many bytes more would be over the quota.
    async fn make_room(&self, bytes: u64, now: DateTime<Utc>) -> Result<()> {
        let Some(quota) = self.inner.quota else { return Ok(()) };
        if bytes > quota {
            let message = format!("the image has {bytes} bytes, and the quota of all is {quota}");
            return Err(Error::new(Kind::TooLarge, message).hint("raise storage.quota_mb"));
        }
        let mut used = self.inner.used.lock().await;
        if used.is_none_or(|used| used + bytes > quota) {
            let swept = sweep::run(self.places(), Some(quota - bytes), now).await;
            *used = Some(swept.bytes);
        }
        Ok(())
    }

    /// What is known of an image that has not expired, and in which place it is.
    async fn find(&self, id: Uuid, now: DateTime<Utc>) -> Result<(Record, &Place)> {
        let mut failed = None;
        for place in self.places() {
            match place.record(id).await {
                Ok(Some(record)) if record.expires > now => return Ok((record, place)),
                Ok(_) => {}
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        Err(failed.unwrap_or_else(|| none(id)))
    }

    /// # Errors
    /// `not_found` for one that is not there or has expired; `busy` while the store is away.
    pub async fn record(&self, id: Uuid, now: DateTime<Utc>) -> Result<Record> {
        Ok(self.find(id, now).await?.0)
    }

    /// The bytes, from and up to a place; `None`: all.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn read(&self, id: Uuid, range: Option<Range<u64>>, now: DateTime<Utc>) -> Result<Reading> {
        let (record, place) = self.find(id, now).await?;
        let range = range.unwrap_or(0..record.bytes);
        // Deleted since its record was read.
        let bytes = place.read(&record, range.clone()).await?.ok_or_else(|| none(id))?;
        Ok(Reading { record, range, bytes })
    }

    /// The whole image in memory.
    pub async fn bytes(&self, id: Uuid, now: DateTime<Utc>) -> Result<(Record, Bytes)> {
        let mut reading = self.read(id, None, now).await?;
        let mut bytes = Vec::with_capacity(reading.record.bytes as usize);
        while let Some(piece) = reading.bytes.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok((reading.record, bytes.into()))
    }

    /// A link to the bucket itself, good until the image expires; `None` where `storage.presigned` is off or the image
    /// is in a folder.
    pub async fn signed_url(&self, record: &Record, now: DateTime<Utc>) -> Result<Option<String>> {
        if !self.inner.presigned {
            return Ok(None);
        }
        let left = (record.expires - now).to_std().unwrap_or(Duration::from_secs(1));
        self.place_of(record).signed_url(record, left).await
    }

    /// The image's file, where it is in a folder.
    pub fn file_of(&self, record: &Record) -> Option<std::path::PathBuf> {
        self.place_of(record).file(record)
    }

    fn place_of(&self, record: &Record) -> &Place {
        match &self.inner.fallback {
            Some(fallback) if record.stored_in.is_some() => fallback,
            _ => &self.inner.main,
        }
    }

    /// Deletes an image; its record is the answer.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn delete(&self, id: Uuid, now: DateTime<Utc>) -> Result<Record> {
        let (record, place) = self.find(id, now).await?;
        place.delete(&record).await?;
        if let Some(used) = self.inner.used.lock().await.as_mut() {
            *used = used.saturating_sub(record.bytes);
        }
        Ok(record)
    }

    /// `limit` of the images that `wanted` takes from `offset` on, newest first.
    ///
    /// # Errors
    /// What the store says, where none can be looked at.
    pub async fn list(
        &self,
        wanted: impl Fn(&Record) -> bool,
        offset: usize,
        limit: usize,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut records = Vec::new();
        let mut failed: Vec<Error> = Vec::new();
        for place in self.places() {
            match place.records().await {
                Ok(found) => records.extend(found.into_iter().filter(|record| record.expires > now && wanted(record))),
                Err(error) => failed.push(error),
            }
        }
        if failed.len() == self.places().count() {
            return Err(failed.remove(0));
        }
        let notes = failed.into_iter().map(|error| error.message).collect();
        records.sort_by(|a: &Record, b| b.created.cmp(&a.created).then(a.image_id.cmp(&b.image_id)));
        // A write whose answer was lost went to the fallback too.
        records.dedup_by_key(|record| record.image_id);
        let total = records.len();
        Ok(Page { records: records.into_iter().skip(offset).take(limit).collect(), total, notes })
    }

    /// Removes what expired, what broken writes left and what is over the quota. Any number of daemons may do so at once.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Swept {
        let mut used = self.inner.used.lock().await;
        let swept = sweep::run(self.places(), self.inner.quota, now).await;
        *used = Some(swept.bytes);
        swept
    }
}

/// An id as clients write it.
///
/// # Errors
/// `invalid_argument` for what is no id; a GIMP image's number is told apart.
pub fn parse_id(text: &str) -> Result<Uuid> {
    let plain = text.len() == 36;
    Uuid::try_parse(text).ok().filter(|_| plain).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        let error = Error::new(Kind::InvalidArgument, format!("`{shown}` is no id of a generated image"));
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return error.hint("that is the number of an image in GIMP: close_image closes it; generated images have ids as list_generated_images shows");
        }
        error.hint("ids have the form 550e8400-e29b-41d4-a716-446655440000; list_generated_images shows them")
    })
}

fn none(id: Uuid) -> Error {
    Error::new(Kind::NotFound, format!("there is no generated image `{id}`, or it has expired"))
        .hint("list_generated_images shows which there are; IMAGE_TTL is how many seconds they are kept")
}

#[cfg(test)]
mod tests;
