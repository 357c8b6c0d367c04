//! The links to all instances: which one a client's calls go to, connecting on first use, reconnecting.

use super::handshake::Peer;
use super::inbound::Inbound;
use super::instances::{Announced, Record};
use super::link::Link;
use super::{Client, Instance, Settings, secret};
use crate::error::{Error, Kind, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a call waits for a GIMP that starts, or comes back.
const STARTING: Duration = Duration::from_secs(2);
/// The same while this daemon is starting one itself; the first start of a new profile takes long.
const STARTING_OURSELVES: Duration = Duration::from_secs(90);
/// After a call has waited in vain, others do not wait for this long: there is no GIMP.
const NO_GIMP: Duration = Duration::from_secs(30);
/// How often the instance folder is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(25);
/// Between attempts to reconnect by itself: doubled from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Clients that have chosen an instance.
const MAX_CHOICES: usize = 4096;
/// What a connected GIMP gets to tell what it does.
const STATE_TIME: Duration = Duration::from_millis(500);

/// See the module.
pub struct Hub {
    settings: Settings,
    shutdown: CancellationToken,
    announced: Announced,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// By client id.
    chosen: Mutex<HashMap<String, Choice>>,
    /// This daemon is starting a GIMP.
    starting: AtomicBool,
    /// This daemon works without a GIMP.
    absent: AtomicBool,
    waited_in_vain: Mutex<Option<Instant>>,
    reconnecting: AtomicBool,
    inbound: OnceLock<Arc<dyn Inbound>>,
}

/// The instance that a client works with.
#[derive(Clone)]
struct Choice {
    id: String,
    /// GIMP's own process: it outlives its plug-in's.
    gimp: Option<u32>,
    /// That it is another one than before: told with the client's next answer.
    news: Option<String>,
    /// Selected by the client, not just used so far.
    selected: bool,
}

/// The place of one instance's link.
struct Slot {
    record: Record,
    link: Mutex<Option<Link>>,
    /// Held while connecting, so that many callers make one connection.
    connecting: tokio::sync::Mutex<()>,
    /// The last attempt failed.
    unreachable: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Choice {
    fn news_of(&self, now: &Record) -> String {
        let why = now.restarted.as_ref().map_or_else(String::new, |why| format!(", because {why}"));
        if self.gimp.is_some() && self.gimp == now.gimp_pid {
            format!(
                "GIMP's plug-in was started again since your last call{why}; open images are kept, their checkpoints \
                 and your Python names are gone"
            )
        } else if now.restarted.is_some() {
            format!("GIMP was ended and started again since your last call{why}; images that were not saved are gone")
        } else {
            format!(
                "the GIMP of your last call (`{}`) has ended; this is `{}`, with images of its own",
                self.id, now.id
            )
        }
    }
}

impl Slot {
    fn gimp(&self) -> Option<u32> {
        lock(&self.link).as_ref().map_or(self.record.gimp_pid, |link| link.peer().instance.gimp_pid)
    }

    fn open_link(&self) -> Option<Link> {
        lock(&self.link).as_ref().filter(|link| link.is_open()).cloned()
    }

    /// The id that the plug-in proved, or the announced one.
    fn id(&self) -> String {
        lock(&self.link).as_ref().map_or_else(|| self.record.id.clone(), |link| link.peer().instance.id.clone())
    }
}

impl Hub {
    pub fn new(settings: Settings, shutdown: CancellationToken) -> Hub {
        Hub {
            announced: Announced::new(&settings.state_dir),
            settings,
            shutdown,
            slots: Mutex::default(),
            chosen: Mutex::default(),
            starting: AtomicBool::new(false),
            absent: AtomicBool::new(false),
            waited_in_vain: Mutex::default(),
            reconnecting: AtomicBool::new(false),
            inbound: OnceLock::new(),
        }
    }

    /// The first one stays.
    pub fn set_inbound(&self, inbound: Arc<dyn Inbound>) {
        let _ = self.inbound.set(inbound);
    }

    /// Whether this daemon is starting a GIMP: calls wait for it meanwhile.
    pub fn set_starting(&self, starting: bool) {
        self.starting.store(starting, Ordering::Relaxed);
    }

    /// This daemon works without a GIMP: none is looked for, and calls that need one say so at once.
    pub fn set_absent(&self) {
        self.absent.store(true, Ordering::Relaxed);
    }

    pub fn is_absent(&self) -> bool {
        self.absent.load(Ordering::Relaxed)
    }

    fn patience(&self) -> Duration {
        match *lock(&self.waited_in_vain) {
            _ if self.starting.load(Ordering::Relaxed) => STARTING_OURSELVES,
            Some(when) if when.elapsed() < NO_GIMP => Duration::ZERO,
            _ => STARTING,
        }
    }

    /// An open link to `instance`, else to the client's choice, else to the newest reachable instance. A client stays
    /// with the instance that it began with, whatever GIMP is opened later.
    pub async fn link(self: &Arc<Self>, client: &Client, instance: Option<&str>) -> Result<Link> {
        if self.is_absent() {
            return Err(absent());
        }
        let began = Instant::now();
        loop {
            let attempt = match self.pick(client, instance) {
                Ok(slot) => self.connect(&slot).await,
                Err(error) => Err(error),
            };
            if attempt.as_ref().is_err_and(|error| error.kind == Kind::NoGimp)
                && !self.starting.load(Ordering::Relaxed)
                && let Some(record) = self.announced.list().iter().find(|record| record.stopped)
            {
                // It is there: neither waiting nor another GIMP is what its user wants.
                return Err(stopped(record));
            }
            match attempt {
                Ok(link) => {
                    *lock(&self.waited_in_vain) = None;
                    if instance.is_none() {
                        self.stay(client, &link);
                    }
                    return Ok(link);
                }
                Err(error) if error.kind != Kind::NoGimp || self.shutdown.is_cancelled() => return Err(error),
                Err(error) if began.elapsed() >= self.patience() => {
                    lock(&self.waited_in_vain).get_or_insert_with(Instant::now);
                    return Err(error);
                }
                Err(_) => {
                    self.announced.refresh();
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    fn pick(&self, client: &Client, instance: Option<&str>) -> Result<Arc<Slot>> {
        let slots = self.slots();
        if let Some(id) = instance {
            let found = slots.iter().find(|slot| slot.id() == id).cloned();
            let of_id = |record: &&Record| record.stopped && record.id == id;
            return found.ok_or_else(|| match self.announced.list().iter().find(of_id) {
                Some(record) => stopped(record),
                None => unknown(id, &slots),
            });
        }
        let choice = lock(&self.chosen).get(&client.id).cloned();
        if let Some(choice) = choice {
            // Else the same GIMP, whose plug-in was started again.
            let same = |slot: &&Arc<Slot>| choice.gimp.is_some() && slot.gimp() == choice.gimp;
            if let Some(slot) = slots.iter().find(|slot| slot.id() == choice.id).or_else(|| slots.iter().find(same)) {
                return Ok(slot.clone());
            }
            // The client's own GIMP was stopped: another one is not what its user meant.
            let own = |record: &&Record| record.stopped && choice.gimp.is_some() && record.gimp_pid == choice.gimp;
            if let Some(record) = self.announced.list().iter().find(own) {
                return Err(stopped(record));
            }
            // Said once: the next call goes to the default, and never silently to another GIMP.
            if choice.selected {
                lock(&self.chosen).remove(&client.id);
                return Err(unknown(&choice.id, &slots)
                    .hint("the GIMP that you had chosen has ended; the next call goes to the newest one"));
            }
        }
        let newest = slots.iter().find(|slot| !slot.unreachable.load(Ordering::Relaxed)).or_else(|| slots.first());
        newest.cloned().ok_or_else(no_gimp)
    }

    /// The client works with this instance from now on.
    fn stay(&self, client: &Client, link: &Link) {
        let now = &link.peer().instance;
        let mut chosen = lock(&self.chosen);
        if let Some(choice) = chosen.get_mut(&client.id) {
            if choice.id != now.id {
                let news = choice.news_of(now);
                (choice.id, choice.gimp, choice.news) = (now.id.clone(), now.gimp_pid, Some(news));
            }
        } else if chosen.len() < MAX_CHOICES {
            let choice = Choice { id: now.id.clone(), gimp: now.gimp_pid, news: None, selected: false };
            chosen.insert(client.id.clone(), choice);
        }
    }

    /// What the client has to be told, once: that its GIMP is not the one of its last call.
    pub fn take_news(&self, client: &Client) -> Option<String> {
        lock(&self.chosen).get_mut(&client.id)?.news.take()
    }

    /// The slots of all announced instances, newest first; those of vanished ones are dropped.
    fn slots(&self) -> Vec<Arc<Slot>> {
        if self.is_absent() {
            return Vec::new();
        }
        let mut records = self.announced.list();
        records.retain(|record| !record.stopped);
        if let Some(port) = self.settings.port {
            records.retain(|record| record.port == port);
            // A plug-in with another state folder's instance file: the handshake tells who it is.
            records.is_empty().then(|| records.push(nameless(port)));
        }
        let mut slots = lock(&self.slots);
        slots.retain(|id, slot| records.iter().any(|record| record.id == *id) || slot.open_link().is_some());
        let mut listed: Vec<Arc<Slot>> = Vec::with_capacity(records.len());
        for record in records {
            let slot = slots.entry(record.id.clone()).or_insert_with(|| {
                let (link, connecting) = Default::default();
                Arc::new(Slot { record, link, connecting, unreachable: AtomicBool::new(false) })
            });
            listed.push(slot.clone());
        }
        // A link that works counts, whatever became of its file.
        for slot in slots.values().filter(|slot| slot.open_link().is_some()) {
            if !listed.iter().any(|other| Arc::ptr_eq(other, slot)) {
                listed.push(slot.clone());
            }
        }
        if self.settings.port.is_some()
            && let Some(linked) = listed.iter().position(|slot| slot.open_link().is_some())
        {
            listed = vec![listed.swap_remove(linked)];
        }
        listed
    }

    async fn connect(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Link> {
        if let Some(link) = slot.open_link() {
            return Ok(link);
        }
        let _one_at_a_time = slot.connecting.lock().await;
        if let Some(link) = slot.open_link() {
            return Ok(link);
        }
        let secret = secret::load(&self.settings.state_dir)?;
        let inbound = self.inbound.get().cloned();
        let label = &self.settings.label;
        let connected =
            Link::connect(slot.record.port, &secret, label, &self.settings.policy, inbound, &self.shutdown).await;
        slot.unreachable.store(connected.is_err(), Ordering::Relaxed);
        let link = connected.map_err(|error| match (error.kind, &error.hint) {
            (Kind::NoGimp, None) => error.hint(START_HINT),
            // Whoever took the port since need not know the secret: it is another user's GIMP, or any program.
            (Kind::Unauthorized | Kind::ProtocolError, _) if slot.record.has_ended() => gone(slot.record.port),
            _ => error,
        })?;
        *lock(&slot.link) = Some(link.clone());
        self.clone().watch(link.clone());
        Ok(link)
    }

    fn watch(self: Arc<Self>, link: Link) {
        tokio::spawn(async move {
            link.ended().await;
            self.announced.refresh();
            self.reconnect().await;
        });
    }

    /// After a link ended: connects again by itself once a GIMP is back. One task at a time does it.
    async fn reconnect(self: Arc<Self>) {
        while !self.has_open_link() && !self.reconnecting.swap(true, Ordering::AcqRel) {
            let nobody = Client { id: String::new(), name: String::new() };
            let mut pause = BACKOFF.0;
            while !self.has_open_link() && !self.shutdown.is_cancelled() {
                tokio::select! {
                    _ = self.shutdown.cancelled() => break,
                    _ = tokio::time::sleep(pause) => {}
                }
                self.announced.refresh();
                if let Ok(slot) = self.pick(&nobody, None) {
                    // A failure is the next round's matter, and stands in the log of debug level.
                    let _ = self.connect(&slot).await.inspect_err(|error| tracing::debug!(%error, "not back yet"));
                }
                pause = (pause * 2).min(BACKOFF.1);
            }
            self.reconnecting.store(false, Ordering::Release);
            if self.shutdown.is_cancelled() {
                return;
            }
        }
    }

    fn has_open_link(&self) -> bool {
        lock(&self.slots).values().any(|slot| slot.open_link().is_some())
    }

    /// All announced instances; `probe` connects to those that are not connected yet.
    pub async fn instances(self: &Arc<Self>, probe: bool) -> Vec<Instance> {
        if self.is_absent() {
            return Vec::new();
        }
        self.announced.refresh();
        let states = self.slots().into_iter().map(|slot| async move {
            if probe {
                let _ = self.connect(&slot).await;
            }
            slot.describe().await
        });
        let mut listed: Vec<Instance> = futures_util::future::join_all(states).await.into_iter().flatten().collect();
        let stopped = self.announced.list().into_iter().filter(|record| record.stopped);
        listed.extend(stopped.map(|record| instance(&record, &record.plugin_version, "stopped")));
        listed
    }

    pub fn selected(&self, client: &Client) -> Option<String> {
        let choice = lock(&self.chosen).get(&client.id).cloned();
        let slots = self.slots();
        if let Some(Choice { id, .. }) = choice
            && slots.iter().any(|slot| slot.id() == id)
        {
            return Some(id);
        }
        self.pick(client, None).ok().map(|slot| slot.id()).filter(|id| !id.is_empty())
    }

    pub fn select(&self, client: &Client, id: &str) -> Result<()> {
        self.announced.refresh();
        let slots = self.slots();
        if !slots.iter().any(|slot| slot.id() == id) {
            return Err(unknown(id, &slots));
        }
        let mut chosen = lock(&self.chosen);
        if chosen.len() >= MAX_CHOICES && !chosen.contains_key(&client.id) {
            return Err(Error::new(Kind::Busy, format!("{MAX_CHOICES} clients have chosen an instance already"))
                .hint("close sessions that are not used"));
        }
        let gimp = slots.iter().find(|slot| slot.id() == id).and_then(|slot| slot.gimp());
        chosen.insert(client.id.clone(), Choice { id: id.to_owned(), gimp, news: None, selected: true });
        Ok(())
    }

    pub fn client_closed(&self, client: &Client) {
        lock(&self.chosen).remove(&client.id);
        for link in lock(&self.slots).values().filter_map(|slot| slot.open_link()) {
            link.client_closed(client);
        }
    }
}

impl Slot {
    /// `None` for a port of which nothing is known.
    async fn describe(&self) -> Option<Instance> {
        let link = self.open_link();
        let state = match &link {
            None if self.unreachable.load(Ordering::Relaxed) => "unreachable",
            None => "idle",
            Some(link) if link.refused().is_some() => link.refused().unwrap_or_default(),
            Some(link) => match link.ping(STATE_TIME).await.map(|pong| pong.busy) {
                None => "unresponsive",
                Some(Some(busy)) if busy.unresponsive => "unresponsive",
                Some(Some(_)) => "busy",
                Some(None) => "connected",
            },
        };
        let (record, plugin_version) = match link.as_ref().map(Link::peer) {
            Some(Peer { instance, plugin_version, .. }) => (instance, plugin_version),
            None => (&self.record, &self.record.plugin_version),
        };
        (!record.id.is_empty()).then(|| instance(record, plugin_version, state))
    }
}

fn instance(record: &Record, plugin_version: &str, state: &str) -> Instance {
    Instance {
        id: record.id.clone(),
        port: record.port,
        pid: record.pid,
        gimp_version: record.gimp_version.clone(),
        plugin_version: plugin_version.to_owned(),
        headless: record.headless,
        state: state.to_owned(),
    }
}

/// What stands for an instance of which only the port is known.
fn nameless(port: u16) -> Record {
    Record { port, ..Record::default() }
}

const START_HINT: &str = "start one with `gimp-bridge gimp --headless`, or run `gimp-bridge install` once and open GIMP; `gimp-bridge doctor` tells more";

fn no_gimp() -> Error {
    Error::new(Kind::NoGimp, "no GIMP with the plug-in answers").hint(START_HINT)
}

fn gone(port: u16) -> Error {
    Error::new(
        Kind::NoGimp,
        format!("the GIMP that listened on port {port} has ended, and another program has its port"),
    )
    .hint(START_HINT)
}

fn absent() -> Error {
    Error::new(Kind::Unsupported, "this daemon works without a GIMP (`gimp.mode` is `none`)")
        .hint("ask a daemon that has one: `gimp-bridge serve --gimp attach` or `--gimp headless`")
}

/// What a client is told that meets a stopped bridge: the person in front of GIMP decides.
fn stopped(record: &Record) -> Error {
    let Record { gimp_version, gimp_pid, pid, .. } = record;
    Error::new(
        Kind::Forbidden,
        format!("the user has stopped GIMP Bridge in GIMP {gimp_version} (pid {}); ask them", gimp_pid.unwrap_or(*pid)),
    )
    .hint(
        "only they start it again, with Tools > GIMP Bridge > Start Listening; do not start a GIMP of your own instead",
    )
    .detail("instance", record.id.clone())
    .detail("stopped", true)
}

fn unknown(id: &str, slots: &[Arc<Slot>]) -> Error {
    let ids: Vec<String> = slots.iter().map(|slot| slot.id()).collect();
    Error::new(Kind::NotFound, format!("no GIMP instance `{id}`"))
        .hint("call list_instances for the running ones")
        .detail("instances", ids)
}
