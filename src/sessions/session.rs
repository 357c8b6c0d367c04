//! One session: where its image lives now, and how that image comes back when its GIMP is gone.
//!
//! Every acknowledged change is on disk before its answer. So the image in GIMP counts for nothing more than speed:
//! whenever a call's end is not known, it is given up, and the last acknowledged state is opened again.

use super::Settled;
use super::disk::Disk;
use super::request::Start;
use super::store::{Record, Store, now};
use crate::error::{Error, Kind, Result};
use crate::gimp::{Client, Request};
use crate::images::sniff;
use crate::metrics::METRICS;
use crate::ops::batch::Joined;
use crate::ops::{Access, Catalogue, Context, ImageUse, Operation, Ops, Outcome};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// How long a session waits for a GIMP to come back.
const RETURN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
/// For the session's own requests; large images take seconds.
const LIMIT: Duration = Duration::from_secs(600);

/// Where a session's image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub instance: Option<String>,
    pub image: u64,
}

/// What changes while a session works; behind its lock.
pub struct Work {
    pub home: Option<Home>,
    pub record: Record,
    /// Whether GIMP's image is ahead of the disk.
    dirty: bool,
    /// It ended while others waited for their turn.
    pub closed: bool,
    /// What makes the commands of one request one change.
    pub joined: Joined,
}

/// What a session works with.
#[derive(Clone)]
pub struct Tools {
    pub ops: Ops,
    pub store: Store,
    pub disk: Disk,
}

impl Work {
    pub fn new(record: Record) -> Work {
        Work { home: None, record, dirty: false, closed: false, joined: Joined::default() }
    }

    pub fn client(&self) -> Client {
        Client { id: format!("session-{}", self.record.id), name: "session".into() }
    }

    /// Runs one operation on the session's image; the change is not on disk yet.
    ///
    /// # Errors
    /// The operation's own; `connection_lost` when GIMP ended during it, and then the session's image is given up.
    pub async fn run(
        &mut self,
        tools: &Tools,
        name: &str,
        given: &Map<String, Value>,
        context: &Context,
    ) -> Result<Outcome> {
        let operation = Catalogue::get().find_public(name)?;
        self.refuse(operation, given)?;
        let mut again = true;
        loop {
            let begins = begins_image(operation, given);
            if operation.image != ImageUse::None && !begins {
                self.live(tools).await?;
            }
            let mut arguments = given.clone();
            if let Some(home) = &self.home {
                if let Some(instance) = &home.instance {
                    arguments.insert("instance".into(), instance.clone().into());
                }
                if operation.image != ImageUse::None && !begins {
                    arguments.insert("image".into(), home.image.into());
                }
            }
            let context = Context { client: self.client(), ..context.clone() };
            let answer = self.joined.run(&tools.ops, operation, arguments, context).await;
            let error = match answer {
                Ok(outcome) => {
                    self.ran(tools, operation, begins, &outcome).await?;
                    return Ok(outcome);
                }
                Err(error) => error,
            };
            let began = error.kind == Kind::ConnectionLost;
            if !began && !is_gone(&error) {
                // What had changed before the failure is in the image, and belongs to the next state.
                self.dirty |= error.details.contains_key("effects");
                return Err(error);
            }
            self.home = None;
            self.joined.give_up();
            let harmless = operation.access == Access::Read || !began;
            if self.dirty || !harmless || !again {
                return Err(self.taken_back(error));
            }
            again = false;
        }
    }

    fn refuse(&self, operation: &Operation, given: &Map<String, Value>) -> Result<()> {
        check_in_session(operation)?;
        let several = given.get("count").and_then(Value::as_u64).is_some_and(|count| count > 1);
        if several && begins_image(operation, given) {
            return Err(Error::new(Kind::InvalidArgument, "a session has one image, and `count` asks for several")
                .hint("leave `count` out, or use `into` \"new_layer\" or \"nothing\""));
        }
        match given.get("image").and_then(Value::as_u64) {
            Some(image) if operation.image != ImageUse::None && !self.record.images.contains(&image) => {
                Err(Error::new(Kind::InvalidArgument, format!("image `{image}` is not this session's"))
                    .hint("leave `image` out: a session has one image"))
            }
            _ => Ok(()),
        }
    }

    /// After GIMP was lost: what the client must know.
    fn taken_back(&mut self, error: Error) -> Error {
        self.dirty = false;
        Error::new(Kind::ConnectionLost, error.message)
            .hint("the session is as it was before this request: nothing of it was kept; send it again")
            .detail("session_restored", true)
    }

    async fn ran(&mut self, tools: &Tools, operation: &Operation, begins: bool, outcome: &Outcome) -> Result<()> {
        let result = &outcome.result;
        if begins && let Some(image) = result.get("image").and_then(Value::as_u64) {
            if let Some(old) = self.home.take() {
                // The session's state on disk stays until the new one is there.
                self.close(tools, old, Some(image)).await?;
            }
            self.settle(tools, image).await;
            self.dirty = true;
        } else if operation.name == "save_image" {
            self.record.saved = !self.dirty || self.record.saved;
        } else if operation.changes() && !begins {
            let unchanged = result.get("effect").is_some_and(|effect| effect["changed"] == false);
            self.dirty |= !unchanged;
        }
        Ok(())
    }

    async fn settle(&mut self, tools: &Tools, image: u64) {
        self.home = Some(Home { instance: tools.ops.gimp().selected_instance(&self.client()).await, image });
        self.record.images.retain(|known| *known != image);
        self.record.images.push(image);
        // A client holds the last few at most.
        let surplus = self.record.images.len().saturating_sub(16);
        self.record.images.drain(..surplus);
    }

    /// Opens given bytes as the session's image.
    pub async fn open_bytes(&mut self, tools: &Tools, bytes: Bytes, start: &Start) -> Result<Map<String, Value>> {
        let suffix = sniff::suffix(&bytes).unwrap_or_default();
        let mut arguments = Map::new();
        arguments.insert("suffix".into(), suffix.into());
        arguments.insert("as".into(), "image".into());
        for (key, given) in [("name", &start.name), ("orientation", &start.orientation)] {
            arguments.extend(given.as_deref().map(|given| (key.to_owned(), given.into())));
        }
        let old = self.home.take();
        let instance = old.as_ref().and_then(|home| home.instance.clone());
        let result = self.ask(tools, "open_file", arguments, instance, Some(bytes)).await?;
        let image = result.get("image").and_then(Value::as_u64);
        let image = image.ok_or_else(|| Error::internal("open_file named no image"))?;
        if let Some(old) = old {
            self.close(tools, old, Some(image)).await?;
        }
        self.settle(tools, image).await;
        self.dirty = true;
        Ok(result)
    }

    /// Makes sure that a GIMP has the image, and brings it back if none has.
    pub async fn live(&mut self, tools: &Tools) -> Result<()> {
        if self.home.is_some() {
            return Ok(());
        }
        if self.record.file.is_empty() {
            return Err(Error::new(Kind::NoImage, "the session has no image yet")
                .hint("begin with create_new_image or open_image, or send image_data"));
        }
        let path = tools.store.state(&self.record);
        let bytes: Bytes = tokio::fs::read(&path).await.map_err(|error| unreadable(&error))?.into();
        let mut arguments = Map::new();
        arguments.insert("items".into(), self.record.items.clone());
        let began = Instant::now();
        let result = loop {
            // A client that had chosen the GIMP that ended is told once; the next attempt takes the newest.
            match self.ask(tools, "restore_snapshot", arguments.clone(), None, Some(bytes.clone())).await {
                Err(error)
                    if matches!(error.kind, Kind::NoGimp | Kind::ConnectionLost) | is_gone(&error)
                        && began.elapsed() < RETURN =>
                {
                    tokio::time::sleep(LOOK).await;
                }
                answer => break answer?,
            }
        };
        let image = result.get("image").and_then(Value::as_u64);
        self.settle(tools, image.ok_or_else(|| Error::internal("restore_snapshot named no image"))?).await;
        tracing::info!(session = %self.record.id, seconds = began.elapsed().as_secs_f64(), "brought back");
        Ok(())
    }

    /// Puts what changed since the last state on disk. On an error the change is taken back: it was not acknowledged.
    pub async fn keep(&mut self, tools: &Tools) -> Result<Settled> {
        if self.dirty {
            let began = Instant::now();
            let kept = self.snapshot(tools).await;
            METRICS.snapshot(began.elapsed());
            self.dirty = false;
            if let Err(error) = kept {
                if error.kind != Kind::ConnectionLost {
                    self.drop_image(tools).await;
                }
                self.home = None;
                return Err(error);
            }
        }
        Ok(Settled { width: self.record.width, height: self.record.height, generation: self.record.generation })
    }

    async fn snapshot(&mut self, tools: &Tools) -> Result<()> {
        let Some(home) = self.home.clone() else { return Err(Error::internal("a session without an image changed")) };
        let mut arguments = Map::new();
        arguments.insert("image".into(), home.image.into());
        let request = self.request("snapshot_image", arguments, home.instance, None);
        let lost = |error: Error| match error.kind {
            Kind::ConnectionLost | Kind::NoGimp => Error::new(Kind::ConnectionLost, error.message)
                .hint("the session is as it was before this request: nothing of it was kept; send it again")
                .detail("session_restored", true),
            _ => error,
        };
        let mut streamed = tools.ops.gimp().stream(request).await.map_err(lost)?;
        let mut next = self.record.clone();
        next.generation += 1;
        let (path, name) = tools.store.next(&next.id, next.generation)?;
        next.file = name;
        next.bytes = 0;
        let side = |name: &str| streamed.header.get(name).and_then(Value::as_u64).and_then(|side| side.try_into().ok());
        (next.width, next.height) = (side("width").unwrap_or(0), side("height").unwrap_or(0));
        next.items = streamed.header.get("items").cloned().unwrap_or_default();
        let write = async {
            let mut file = tokio::fs::File::create(&path).await.map_err(|error| unwritable(&error))?;
            while let Some(chunk) = streamed.chunks.recv().await {
                tools.disk.take(chunk.len() as u64)?;
                next.bytes += chunk.len() as u64;
                file.write_all(&chunk).await.map_err(|error| unwritable(&error))?;
            }
            streamed.result.await.map_err(Error::internal)?.map_err(lost)?;
            file.sync_data().await.map_err(|error| unwritable(&error))
        };
        let written: Result<()> = write.await;
        next.saved = false;
        next.used = now();
        if let Err(error) = written.and_then(|()| tools.store.commit(&next)) {
            tools.disk.free(next.bytes);
            tools.store.remove_state(&next.id, &next.file);
            return Err(error);
        }
        let old = std::mem::replace(&mut self.record, next);
        if !old.file.is_empty() {
            tools.disk.free(old.bytes);
            tools.store.remove_state(&old.id, &old.file);
        }
        Ok(())
    }

    /// Whether the session has an image, here or on disk.
    pub fn has_image(&self) -> bool {
        self.home.is_some() || !self.record.file.is_empty()
    }

    /// Closes the image in GIMP, if a GIMP has it.
    pub async fn drop_image(&mut self, tools: &Tools) {
        let Some(home) = self.home.take() else { return };
        if let Err(error) = self.close(tools, home, None).await {
            tracing::debug!(%error, "the session's image is gone already");
        }
        tools.ops.gimp().client_closed(&self.client());
    }

    /// Closes the session's images in a GIMP but for `but`; the one at `home` may never have been kept.
    async fn close(&self, tools: &Tools, home: Home, but: Option<u64>) -> Result<()> {
        let mut arguments = Map::from_iter([("home".to_owned(), home.image.into())]);
        arguments.extend(but.map(|image| ("but".to_owned(), image.into())));
        self.ask(tools, "drop_session_image", arguments, home.instance, None).await.map(drop)
    }

    async fn ask(
        &self,
        tools: &Tools,
        operation: &str,
        arguments: Map<String, Value>,
        instance: Option<String>,
        upload: Option<Bytes>,
    ) -> Result<Map<String, Value>> {
        tools.ops.gimp().call(self.request(operation, arguments, instance, upload)).await
    }

    /// A request that no client can cancel: it keeps what was promised.
    fn request(
        &self,
        operation: &str,
        mut arguments: Map<String, Value>,
        instance: Option<String>,
        upload: Option<Bytes>,
    ) -> Request {
        if operation != "open_file" {
            arguments.insert("session".into(), self.record.id.clone().into());
        }
        if let Some(token) = self.joined.token() {
            arguments.insert("batch".into(), token.into());
        }
        Request {
            operation: operation.into(),
            arguments,
            client: self.client(),
            instance,
            timeout: LIMIT,
            upload,
            cancel: CancellationToken::new(),
            progress: None,
        }
    }
}

/// Refuses what no session can do.
pub fn check_in_session(operation: &Operation) -> Result<()> {
    match operation.name.as_str() {
        "close_image" => Err(Error::new(Kind::Unsupported, "a session's image is closed with its session")
            .hint("call mcp_close_session")),
        "wait_for_change" => {
            Err(Error::new(Kind::Unsupported, "a session's image changes by the session's own requests")
                .hint("to wait for a person's changes, work on the image without a session"))
        }
        _ => Ok(()),
    }
}

/// Whether an operation makes the image that a session is about.
pub fn begins_image(operation: &Operation, arguments: &Map<String, Value>) -> bool {
    match operation.name.as_str() {
        "create_new_image" => true,
        "generate_image" => arguments.get("into").is_some_and(|into| into == "new_image"),
        "open_image" => arguments.get("as").and_then(Value::as_str).is_none_or(|what| what == "image"),
        _ => false,
    }
}

/// Whether an error says that a session's image is not where it was.
pub fn is_lost(error: &Error) -> bool {
    error.kind == Kind::ConnectionLost || is_gone(error)
}

/// Whether an error says that the call never began, because its GIMP or its image is not there any more.
fn is_gone(error: &Error) -> bool {
    // A GIMP that ended leaves its port to whoever takes it next, and that one refuses us.
    matches!(error.kind, Kind::ImageGone | Kind::NoGimp | Kind::Unauthorized)
        || error.kind == Kind::NotFound && error.details.contains_key("instances")
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("the session's state cannot be read: {error}")).hint("look at sessions.folder")
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("the session's state cannot be written: {error}"))
        .hint("the change was taken back; check the space and the rights of sessions.folder")
}
