//! One folder or bucket: objects by name, and errors that say what to set.

use super::{AT_ONCE, Record};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::upstream::use_ring;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutOptions, RetryConfig,
};
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// One request to a bucket, and all tries of it: who waits for a picture does not wait for minutes.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECTING: Duration = Duration::from_secs(2);
const TRIES: Duration = Duration::from_secs(5);
/// What a signature may be good for; S3's own bound.
const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Records that are remembered; they never change.
const REMEMBERED: usize = 20_000;
/// Minutes that the clocks of bucket and daemon may differ before it is worth a warning.
const CLOCK: i64 = 5;

pub struct Place {
    /// For people.
    pub shown: String,
    pub(super) kind: Where,
    prefix: String,
    /// By id: a listing proves that a record is there, not what it holds.
    remembered: Mutex<HashMap<Uuid, Record>>,
}

pub(super) enum Where {
    Folder { root: PathBuf, store: Mutex<Option<Arc<LocalFileSystem>>> },
    Bucket { name: String, store: Arc<AmazonS3> },
}

/// An object of an image.
pub struct Object {
    pub id: Uuid,
    pub is_record: bool,
    pub meta: ObjectMeta,
}

impl Place {
    /// A folder, which is made when it is first needed.
    pub fn folder(root: &std::path::Path) -> Result<Place> {
        let root = std::path::absolute(root).map_err(|error| {
            Error::new(Kind::Config, format!("`{}` is no folder: {error}", root.display())).hint("set STORAGE_PATH")
        })?;
        Ok(Place {
            shown: root.display().to_string(),
            kind: Where::Folder { root, store: Mutex::default() },
            prefix: String::new(),
            remembered: Mutex::default(),
        })
    }

    /// A bucket; credentials are those of the settings, else of the instance, container or service account.
    pub fn bucket(settings: &config::Storage) -> Result<Place> {
        use_ring();
        let bad = |message: String, hint: &str| Error::new(Kind::Config, message).hint(hint);
        if settings.s3_bucket.trim().is_empty() {
            return Err(bad("the `s3` backend has no bucket".into(), "set S3_BUCKET"));
        }
        let keys = (&settings.aws_access_key_id, &settings.aws_secret_access_key);
        let mut builder = match keys {
            (Some(id), Some(secret)) => AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret),
            (None, None) => AmazonS3Builder::from_env(),
            _ => {
                let message = "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set without the other".into();
                return Err(bad(message, "set both, or none to use the instance's role"));
            }
        };
        if let Some(token) = &settings.aws_session_token {
            builder = builder.with_token(token);
        }
        if let Some(region) = &settings.aws_region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &settings.s3_endpoint_url {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: TRIES,
        };
        let allow_http = settings.s3_endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
        let options =
            ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECTING).with_allow_http(allow_http);
        let store = builder
            .with_bucket_name(&settings.s3_bucket)
            .with_retry(retry)
            .with_client_options(options)
            .build()
            .map_err(|error| {
                bad(format!("the bucket cannot be used: {error}"), "check S3_BUCKET and S3_ENDPOINT_URL")
            })?;
        let at = settings.s3_endpoint_url.as_deref().map(|url| format!(" at {url}")).unwrap_or_default();
        Ok(Place {
            shown: format!("bucket {}{at}", settings.s3_bucket),
            kind: Where::Bucket { name: settings.s3_bucket.clone(), store: Arc::new(store) },
            prefix: settings.s3_prefix.clone(),
            remembered: Mutex::default(),
        })
    }

    pub(super) fn store(&self) -> Result<Arc<dyn ObjectStore>> {
        match &self.kind {
            Where::Bucket { store, .. } => Ok(store.clone()),
            Where::Folder { root, store } => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(store) = &*store {
                    return Ok(store.clone());
                }
                make_folder(root)?;
                // Nobody waits for the disk: what a loss of power leaves half is known by its size, and not there.
                let made = LocalFileSystem::new_with_prefix(root).map_err(|error| self.failed(&error, "opened"))?;
                Ok(store.insert(Arc::new(made)).clone())
            }
        }
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    /// Writes, reads and deletes a small object.
    pub async fn check(&self) -> Result<()> {
        let store = self.store()?;
        let path = self.path(&format!("check-{}", Uuid::new_v4()));
        let unusable = |error: object_store::Error, doing: &str| {
            let mut error = self.failed(&error, doing);
            error.kind = Kind::Config;
            error
        };
        store.put(&path, Bytes::from_static(b"check").into()).await.map_err(|error| unusable(error, "written to"))?;
        let read = store.get(&path).await;
        let written = read.as_ref().ok().map(|read| read.meta.last_modified);
        let deleted = store.delete(&path).await;
        read.map_err(|error| unusable(error, "read"))?;
        deleted.map_err(|error| unusable(error, "deleted from"))?;
        let apart = written.map(|written| (Utc::now() - written).num_minutes().abs()).unwrap_or_default();
        if apart > CLOCK {
            tracing::warn!(
                store = self.shown,
                minutes = apart,
                "the store's clock is another: mend it, or links expire wrongly"
            );
        }
        Ok(())
    }

    /// The picture, then its record.
    pub async fn put(&self, record: &Record, bytes: Bytes) -> Result<()> {
        let store = self.store()?;
        let object = self.path(&record.object());
        let written = |error: object_store::Error| self.failed(&error, "written to");
        store.put_opts(&object, bytes.into(), self.options(&record.mime_type)).await.map_err(written)?;
        let text = serde_json::to_vec(record).map_err(Error::internal)?;
        let path = self.path(&format!("{}.json", record.image_id));
        store.put_opts(&path, text.into(), self.options("application/json")).await.map_err(written)?;
        Ok(())
    }

    fn options(&self, mime_type: &str) -> PutOptions {
        // A folder has no place for types.
        let attributes = match &self.kind {
            Where::Folder { .. } => Attributes::new(),
            Where::Bucket { .. } => Attributes::from_iter([(Attribute::ContentType, mime_type.to_owned())]),
        };
        PutOptions { attributes, ..PutOptions::default() }
    }

    /// `None`: there is no such image.
    pub async fn record(&self, id: Uuid) -> Result<Option<Record>> {
        let path = self.path(&format!("{id}.json"));
        let answer = match self.store()?.get(&path).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(&error, "read")),
        };
        let text = answer.bytes().await.map_err(|error| self.failed(&error, "read"))?;
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.image_id == id => Ok(Some(record)),
            // Somebody else's object of that name.
            _ => {
                tracing::warn!(%id, store = self.shown, "a record cannot be read");
                Ok(None)
            }
        }
    }

    /// `None`: the picture is gone, or not all there.
    pub async fn read(&self, record: &Record, range: Range<u64>) -> Result<Option<BoxStream<'static, Result<Bytes>>>> {
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        match self.store()?.get_opts(&self.path(&record.object()), options).await {
            Ok(answer) if answer.meta.size != record.bytes => {
                tracing::warn!(id = %record.image_id, store = self.shown, bytes = answer.meta.size, "an image has another size");
                Ok(None)
            }
            Ok(answer) => {
                let shown = self.shown.clone();
                let broken = move |error: object_store::Error| {
                    tracing::warn!(%error, store = shown, "an image broke off");
                    Error::new(Kind::IoError, "the image broke off")
                };
                Ok(Some(answer.into_stream().map_err(broken).boxed()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => match self.size(record).await {
                // The part lies beyond the end of what is left.
                Some(bytes) if bytes != record.bytes => Ok(None),
                _ => Err(self.failed(&error, "read")),
            },
        }
    }

    async fn size(&self, record: &Record) -> Option<u64> {
        self.store().ok()?.head(&self.path(&record.object())).await.ok().map(|meta| meta.size)
    }

    /// Record first: from then on it is not there.
    pub async fn delete(&self, record: &Record) -> Result<()> {
        for name in [format!("{}.json", record.image_id), record.object()] {
            self.remove(&self.path(&name)).await?;
        }
        self.forget(record.image_id);
        Ok(())
    }

    /// Whether this call removed it; another daemon may have.
    pub async fn remove(&self, path: &Path) -> Result<bool> {
        match self.store()?.delete(path).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(&error, "deleted from")),
        }
    }

    pub fn forget(&self, id: Uuid) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// All objects that have the names of images and records.
    pub async fn objects(&self) -> Result<Vec<Object>> {
        let prefix = self.prefix.trim_end_matches('/');
        // A prefix that ends inside of a name cannot be asked for.
        let folder = match self.prefix.ends_with('/') {
            true => Some(Path::from(prefix)),
            false => self.prefix.rsplit_once('/').map(|(folder, _)| Path::from(folder)),
        };
        let listed = self.store()?.list_with_delimiter(folder.as_ref()).await;
        let listed = listed.map_err(|error| self.failed(&error, "listed"))?;
        Ok(listed.objects.into_iter().filter_map(|meta| self.object(meta)).collect())
    }

    fn object(&self, meta: ObjectMeta) -> Option<Object> {
        let name =
            meta.location.as_ref().strip_prefix(Path::from(self.prefix.as_str()).as_ref().trim_end_matches('/'))?;
        let (stem, ending) = name.trim_start_matches('/').split_once('.')?;
        let id = Uuid::try_parse(stem).ok().filter(|_| stem.len() == 36)?;
        Some(Object { id, is_record: ending == "json", meta })
    }

    /// All records, in no order.
    pub async fn records(&self) -> Result<Vec<Record>> {
        let objects = self.objects().await?;
        let ids: Vec<Uuid> = objects.iter().filter(|object| object.is_record).map(|object| object.id).collect();
        self.records_of(ids).await
    }

    /// Those that are still there.
    pub async fn records_of(&self, ids: Vec<Uuid>) -> Result<Vec<Record>> {
        let mut found = Vec::with_capacity(ids.len());
        let mut asked = Vec::new();
        {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                match remembered.get(&id) {
                    Some(record) => found.push(record.clone()),
                    None => asked.push(id),
                }
            }
        }
        let reads = futures_util::stream::iter(asked.into_iter().map(|id| self.record(id))).buffer_unordered(AT_ONCE);
        let read: Vec<Option<Record>> = reads.try_collect().await?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + read.len() > REMEMBERED {
            remembered.clear();
        }
        for record in read.into_iter().flatten() {
            remembered.insert(record.image_id, record.clone());
            found.push(record);
        }
        Ok(found)
    }

    /// `None` for a folder.
    pub async fn signed_url(&self, record: &Record, left: Duration) -> Result<Option<String>> {
        let Where::Bucket { store, .. } = &self.kind else { return Ok(None) };
        let path = self.path(&record.object());
        let url = store.signed_url(http::Method::GET, &path, left.min(LONGEST_LINK)).await;
        url.map(|url| Some(url.to_string())).map_err(|error| self.failed(&error, "signed for"))
    }

    /// The file of an image, in a folder.
    pub fn file(&self, record: &Record) -> Option<PathBuf> {
        match &self.kind {
            Where::Folder { root, .. } => Some(root.join(record.object())),
            Where::Bucket { .. } => None,
        }
    }

    /// Removes what a writer that was killed left half written; how many. A listing does not show such files.
    pub async fn remove_parts(&self, before: DateTime<Utc>) -> u64 {
        let Where::Folder { root, .. } = &self.kind else { return 0 };
        let root = root.clone();
        let work = move || {
            let Ok(entries) = std::fs::read_dir(&root) else { return 0 };
            let old = |entry: &std::fs::DirEntry| {
                let modified = entry.metadata().and_then(|meta| meta.modified());
                modified.is_ok_and(|modified| DateTime::<Utc>::from(modified) < before)
            };
            let is_part = |entry: &std::fs::DirEntry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.contains('#') && name.get(..36).is_some_and(|id| Uuid::try_parse(id).is_ok())
            };
            let parts = entries.flatten().filter(|entry| is_part(entry) && old(entry));
            parts.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count() as u64
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(0)
    }
}

/// The folder, for this user alone. The default lies where every user of the machine may make folders.
fn make_folder(root: &std::path::Path) -> Result<()> {
    let bad = |why: String| {
        Error::new(Kind::IoError, format!("`{}` cannot hold images: {why}", root.display()))
            .hint("let the user of gimp-bridge write there, or set another STORAGE_PATH")
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(root).map_err(|error| bad(error.to_string()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(root).map_err(|error| bad(error.to_string()))?;
        let open_parent = root
            .parent()
            .and_then(|parent| std::fs::metadata(parent).ok())
            .is_some_and(|meta| meta.mode() & 0o1002 != 0);
        // Whoever made it first there could read or replace what is put into it.
        if open_parent && meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(bad("it belongs to another user".into()));
        }
    }
    Ok(())
}
