//! JSON-RPC sessions: one GIMP image each, on disk before each answer, so that neither a daemon nor a GIMP that dies
//! takes an acknowledged change with it.
//!
//! Owns which sessions there are, whose they are, and when they expire. Work on one session is done one request after
//! the other, in a task of its own: a client that hangs up cancels its operation, not the keeping of its result.
//! Refuses: other owners' sessions (as if there were none), more sessions than configured, more bytes than configured.

mod disk;
mod expiry;
mod list;
mod request;
mod session;
mod store;
pub mod uploads;

pub use disk::Disk;
pub use list::Info;
pub use request::{Command, Done, Settled, Start, Target};
pub use session::{begins_image, check_in_session, is_lost};
pub use uploads::Uploads;

use crate::config;
use crate::error::{Error, Kind, Result};
use crate::gimp::Client;
use crate::metrics::{Counted, METRICS};
use crate::ops::batch::Joined;
use crate::ops::{Context, Ops, Outcome};
use list::info;
use serde_json::{Map, json};
use session::{Tools, Work};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Record, Store, now};
use tokio_util::sync::CancellationToken;

/// Daemons beside each other with sessions of their own in one state folder.
const DAEMONS: usize = 64;

/// Requests that may wait for one session.
const WAITING: usize = 64;

/// A session's turn, for those who read its image themselves. The image cannot change while this lives.
pub struct Place {
    pub client: Client,
    pub instance: Option<String>,
    pub image: u64,
    pub settled: Settled,
    work: tokio::sync::OwnedMutexGuard<Work>,
}

impl Place {
    /// After an error that [`is_lost`] knows: the next turn brings the image back.
    pub fn give_up(mut self) {
        self.work.home = None;
    }
}

struct Session {
    owner: String,
    used: AtomicU64,
    waiting: AtomicUsize,
    work: Arc<tokio::sync::Mutex<Work>>,
    info: Mutex<Info>,
}

/// A folder that no other daemon uses meanwhile.
pub struct Folder {
    pub path: PathBuf,
    lock: std::fs::File,
}

/// All sessions; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked as long as this lives.
    _folder: std::fs::File,
    tools: Tools,
    settings: config::Sessions,
    open: Mutex<HashMap<String, Arc<Session>>>,
    kept: Mutex<HashMap<String, Record>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    /// The folder to use: the configured one, else the first of `sessions`, `sessions-2`, … in the state folder that no
    /// other daemon works with.
    ///
    /// # Errors
    /// `config` when another daemon has the configured one.
    pub fn folder(settings: &config::Sessions, state_dir: &Path) -> Result<Folder> {
        if let Some(path) = &settings.folder {
            let lock = store::take_folder(path)?.ok_or_else(|| {
                Error::new(Kind::Config, format!("another gimp-bridge works with `{}`", path.display()))
                    .hint("give each daemon its own sessions.folder")
            })?;
            return Ok(Folder { path: path.clone(), lock });
        }
        for number in 1..=DAEMONS {
            let path = state_dir.join(if number == 1 { "sessions".into() } else { format!("sessions-{number}") });
            if let Some(lock) = store::take_folder(&path)? {
                return Ok(Folder { path, lock });
            }
        }
        Err(Error::new(Kind::Config, format!("{DAEMONS} daemons have their sessions in `{}`", state_dir.display()))
            .hint("set sessions.folder for this one"))
    }

    /// Reads what earlier daemons left in `folder`; nothing is opened in GIMP until it is asked for. Expiry runs until
    /// `shutdown`.
    pub fn open(
        folder: Folder,
        settings: config::Sessions,
        ops: Ops,
        disk: Disk,
        shutdown: CancellationToken,
    ) -> Result<Sessions> {
        let store = Store::open(&folder.path)?;
        let (open, kept) = store.load()?;
        open.iter().chain(&kept).for_each(|record| disk.add(record.bytes));
        let sessions = Sessions {
            shared: Arc::new(Shared {
                _folder: folder.lock,
                tools: Tools { ops, store, disk },
                settings,
                open: Mutex::new(open.into_iter().map(|record| (record.id.clone(), Session::new(record))).collect()),
                kept: Mutex::new(kept.into_iter().map(|record| (record.id.clone(), record)).collect()),
            }),
        };
        METRICS.sessions.set(lock(&sessions.shared.open).len() as i64);
        tokio::spawn(sessions.clone().expire(shutdown));
        Ok(sessions)
    }

    /// Runs commands one after the other on one session, and puts the result on disk. With `stop` the first failure
    /// ends it.
    ///
    /// # Errors
    /// What kept all of it from running: no such session, too many, no room. Commands' own errors are in the steps.
    pub async fn run(
        &self,
        target: Target,
        owner: &str,
        start: Start,
        commands: Vec<Command>,
        stop: bool,
        context: Context,
    ) -> Result<Done> {
        let cancel = context.cancel.child_token();
        let _hung_up = cancel.clone().drop_guard();
        let context = Context { cancel, ..context };
        let (sessions, owner) = (self.clone(), owner.to_owned());
        tokio::spawn(async move { sessions.work(target, &owner, start, commands, stop, context).await })
            .await
            .map_err(Error::internal)?
    }

    async fn work(
        self,
        target: Target,
        owner: &str,
        start: Start,
        commands: Vec<Command>,
        stop: bool,
        context: Context,
    ) -> Result<Done> {
        let session = match target {
            Target::Session(id) => self.find(&id, owner)?,
            Target::New => self.begin(owner)?,
        };
        let tools = &self.shared.tools;
        let mut work = session.enter().await?;
        let mut steps: Vec<Result<Outcome>> = Vec::new();
        if let Some(bytes) = start.bytes.clone() {
            let result = work.open_bytes(tools, bytes, &start).await?;
            if start.answers {
                steps.push(Ok(Outcome { result, ..Outcome::default() }));
            }
        }
        work.joined = Joined::new(start.joined);
        for command in commands {
            let answer = work.run(tools, &command.operation, &command.arguments, &context).await;
            let lost = answer.as_ref().is_err_and(|error| error.details.contains_key("session_restored"));
            let failed = answer.is_err();
            steps.push(answer);
            if lost {
                // What ran before it is gone with it.
                let error = steps.last().and_then(|step| step.as_ref().err()).cloned();
                steps.iter_mut().for_each(|step| *step = Err(error.clone().expect("the last step failed")));
                break;
            }
            if failed && stop {
                break;
            }
        }
        let effect = std::mem::take(&mut work.joined).end().await;
        if !work.has_image() {
            return Ok(Done { session: None, steps, effect, picture: None });
        }
        let settled = match work.keep(tools).await {
            Ok(settled) => settled,
            Err(error) if steps.is_empty() => return Err(error),
            Err(error) => {
                steps.iter_mut().filter(|step| step.is_ok()).for_each(|step| *step = Err(error.clone()));
                Settled { width: work.record.width, height: work.record.height, generation: work.record.generation }
            }
        };
        if work.record.file.is_empty() {
            tools.store.remove(&work.record.id);
            return Ok(Done { session: None, steps, effect, picture: None });
        }
        let picture = match start.picture {
            true => Some(work.run(tools, "get_image_bitmap", &Map::new(), &context).await),
            false => None,
        };
        session.note(&work);
        let id = work.record.id.clone();
        lock(&self.shared.open).entry(id.clone()).or_insert_with(|| session.clone());
        self.count();
        Ok(Done { session: Some((id, settled)), steps, effect, picture })
    }

    /// A session that is not listed until its first state is on disk.
    fn begin(&self, owner: &str) -> Result<Arc<Session>> {
        let max = self.shared.settings.max;
        if lock(&self.shared.open).len() >= max {
            return Err(Error::new(Kind::Busy, format!("{max} sessions are open already"))
                .hint("close one with mcp_close_session, or raise sessions.max"));
        }
        let record = Record {
            id: new_id(),
            owner: owner.into(),
            created: now(),
            used: now(),
            generation: 0,
            file: String::new(),
            bytes: 0,
            width: 0,
            height: 0,
            items: json!([]),
            images: Vec::new(),
            saved: false,
        };
        Ok(Session::new(record))
    }

    /// An open session of this owner, or a kept one brought back.
    fn find(&self, id: &str, owner: &str) -> Result<Arc<Session>> {
        if let Some(session) = lock(&self.shared.open).get(id).filter(|session| session.owner == owner) {
            return Ok(session.clone());
        }
        let mut kept = lock(&self.shared.kept);
        if kept.get(id).is_some_and(|record| record.owner == owner) {
            self.shared.tools.store.take_back(id)?;
            let mut record = kept.remove(id).expect("it was just there");
            record.used = now();
            let session = Session::new(record);
            lock(&self.shared.open).insert(id.to_owned(), session.clone());
            return Ok(session);
        }
        Err(unknown(id))
    }

    /// Takes the session's turn, its image in a GIMP.
    pub async fn place(&self, id: &str, owner: &str) -> Result<Place> {
        let session = self.find(id, owner)?;
        let mut work = session.enter().await?;
        work.live(&self.shared.tools).await?;
        session.note(&work);
        let home = work.home.clone().ok_or_else(|| Error::internal("a live session has no image"))?;
        let Record { width, height, generation, .. } = work.record;
        let settled = Settled { width, height, generation };
        Ok(Place { client: work.client(), instance: home.instance, image: home.image, settled, work })
    }

    /// Closes a session with its image and its state.
    pub async fn close(&self, id: &str, owner: &str) -> Result<()> {
        let session = self.find(id, owner)?;
        let mut work = session.enter().await?;
        work.drop_image(&self.shared.tools).await;
        work.closed = true;
        lock(&self.shared.open).remove(id);
        self.shared.tools.store.remove(id);
        self.shared.tools.disk.free(work.record.bytes);
        self.count();
        Ok(())
    }

    fn count(&self) {
        METRICS.sessions.set(lock(&self.shared.open).len() as i64);
    }
}

impl Session {
    fn new(record: Record) -> Arc<Session> {
        Arc::new(Session {
            owner: record.owner.clone(),
            used: AtomicU64::new(record.used),
            waiting: AtomicUsize::new(0),
            info: Mutex::new(info(&record, None)),
            work: Arc::new(tokio::sync::Mutex::new(Work::new(record))),
        })
    }

    /// The session's turn, after those that came before.
    async fn enter(&self) -> Result<tokio::sync::OwnedMutexGuard<Work>> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::new(Kind::Busy, format!("{WAITING} requests wait for this session already"))
                .hint("wait for answers before you send more"));
        }
        let queued = Counted::new(&METRICS.queued);
        let work = self.work.clone().lock_owned().await;
        drop(queued);
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        if work.closed {
            return Err(unknown(&work.record.id));
        }
        self.used.store(now(), Ordering::Relaxed);
        Ok(work)
    }

    fn note(&self, work: &Work) {
        self.used.store(now(), Ordering::Relaxed);
        *lock(&self.info) = info(&work.record, work.home.as_ref().map(|home| home.image));
    }
}

fn unknown(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("no session `{}`", crate::ops::params::shorten(id)))
        .hint("it was closed, or it expired; mcp_list_sessions lists yours, and a call without session_id begins one")
}

/// A random UUID, version 4.
pub fn new_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// How often expiry looks, for a given time limit.
fn look_every(seconds: u64) -> Duration {
    Duration::from_millis((seconds * 250).clamp(500, 30_000))
}
