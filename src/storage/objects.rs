//! Files of any bucket, for runs over many pictures: listed, fetched and sent by name.

use super::place::Place;
use crate::config;
use crate::error::{Error, Kind, Result};
use futures_util::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetOptions, ObjectStoreExt};
use std::path::Path as FilePath;
use tokio::io::AsyncWriteExt;

/// Bytes of one request: each has a time limit, a large picture has several.
const PART: u64 = 8 << 20;
/// Bytes of one file.
const LARGEST: u64 = 4 << 30;
/// Names of one listing.
const MOST: usize = 1_000_000;

/// What lies below a prefix of a bucket. Names are relative to it.
pub struct Objects {
    place: Place,
    prefix: String,
}

impl Objects {
    /// Server and credentials are those of `storage`. Looks at nothing yet.
    ///
    /// # Errors
    /// `config`, with what to set.
    pub fn new(storage: &config::Storage, bucket: &str, prefix: &str) -> Result<Objects> {
        let settings = config::Storage { s3_bucket: bucket.into(), s3_prefix: prefix.into(), ..storage.clone() };
        Ok(Objects { place: Place::bucket(&settings)?, prefix: prefix.into() })
    }

    fn path(&self, name: &str) -> Result<Path> {
        Path::parse(format!("{}{name}", self.prefix))
            .map_err(|error| Error::new(Kind::InvalidArgument, format!("`{name}` is no name in a bucket: {error}")))
    }

    /// Everything below the prefix, sorted.
    ///
    /// # Errors
    /// `invalid_argument` above a million names.
    pub async fn names(&self) -> Result<Vec<String>> {
        let prefix = self.path("")?;
        let mut listed = self.place.store()?.list(Some(&prefix));
        let mut names = Vec::new();
        while let Some(meta) = listed.try_next().await.map_err(|error| self.place.failed(&error, "listed"))? {
            if names.len() == MOST {
                let message = format!("{} holds more than {MOST} names below `{}`", self.place.shown, self.prefix);
                return Err(Error::new(Kind::InvalidArgument, message).hint("give a longer prefix"));
            }
            names.extend(meta.location.as_ref().strip_prefix(&self.prefix).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    pub async fn has(&self, name: &str) -> Result<bool> {
        match self.place.store()?.head(&self.path(name)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.place.failed(&error, "read")),
        }
    }

    /// Writes an object into a file.
    ///
    /// # Errors
    /// `not_found`; `too_large` above 4 GiB; `io_error`, also where the object changes meanwhile.
    pub async fn fetch(&self, name: &str, file: &FilePath) -> Result<()> {
        let store = self.place.store()?;
        let path = self.path(name)?;
        let meta = match store.head(&path).await {
            Ok(meta) => meta,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::new(Kind::NotFound, format!("there is no object `{path}` in {}", self.place.shown))
                    .hint("the address of a folder ends with /"));
            }
            Err(error) => return Err(self.place.failed(&error, "read")),
        };
        if meta.size > LARGEST {
            let message = format!("`{path}` has {} bytes, the limit is {LARGEST}", meta.size);
            return Err(Error::new(Kind::TooLarge, message));
        }
        let local = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", file.display()));
        let mut out = tokio::fs::File::create(file).await.map_err(local)?;
        let mut at = 0;
        while at < meta.size {
            let end = (at + PART).min(meta.size);
            let options =
                GetOptions { range: Some((at..end).into()), if_match: meta.e_tag.clone(), ..GetOptions::default() };
            let read = async { store.get_opts(&path, options).await?.bytes().await };
            let bytes = read.await.map_err(|error| self.place.failed(&error, "read"))?;
            out.write_all(&bytes).await.map_err(local)?;
            at = end;
        }
        out.flush().await.map_err(local)
    }

    /// Makes or replaces an object; it appears whole or not at all.
    pub async fn send(&self, file: &FilePath, name: &str, mime_type: &'static str) -> Result<()> {
        let local = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", file.display()));
        let mut from = tokio::fs::File::open(file).await.map_err(local)?;
        let attributes = Attributes::from_iter([(Attribute::ContentType, mime_type)]);
        let capacity = usize::try_from(PART).unwrap_or(usize::MAX);
        let mut to =
            BufWriter::with_capacity(self.place.store()?, self.path(name)?, capacity).with_attributes(attributes);
        let sent = async {
            tokio::io::copy(&mut from, &mut to).await?;
            to.shutdown().await
        };
        if let Err(error) = sent.await {
            let _ = to.abort().await;
            return Err(match error.downcast::<object_store::Error>() {
                Ok(error) => self.place.failed(&error, "written to"),
                Err(error) => Error::new(Kind::IoError, format!("{} cannot be written to: {error}", self.place.shown)),
            });
        }
        Ok(())
    }
}
