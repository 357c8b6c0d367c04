//! Keeping a started GIMP alive: ready, crashed, plug-in gone, told to end.

use super::spawn::{self, Process};
use super::{Launch, Mode, Program, title};
use crate::error::{Error, Kind, Result};
use crate::gimp::instances::{Announced, Record, last_words};
use crate::gimp::link::Link;
use crate::gimp::process::{self, Life};
use crate::gimp::{Client, Instance, Request, secret};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a starting GIMP's announcement is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// A GIMP that is asked to quit gets this long to do so, or to ask back.
const QUIT: Duration = Duration::from_secs(5);
/// How long the files that GIMP was started with may take to open.
const OPENING: Duration = Duration::from_secs(20);
/// How long a GIMP that runs may be without a plug-in that answers.
const PLUGIN_BACK: Duration = Duration::from_secs(20);
/// At most so many restarts within the time: a GIMP that cannot live is not started for ever.
const RESTARTS: (usize, Duration) = (5, Duration::from_secs(600));
/// Before a restart: doubled from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A GIMP that is looked after; dropping this does not end it, cancelling its `shutdown` does.
pub struct Running {
    record: watch::Receiver<Option<Record>>,
    stop: CancellationToken,
    kill: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// The instance as it is now; `None` while a crashed one comes back.
    pub fn instance(&self) -> Option<Instance> {
        self.record.borrow().as_ref().map(|record| Instance {
            id: record.id.clone(),
            port: record.port,
            pid: record.pid,
            gimp_version: record.gimp_version.clone(),
            plugin_version: record.plugin_version.clone(),
            headless: record.headless,
            state: "connected".into(),
        })
    }

    /// Waits until GIMP answers, if it does not now; `None` when it has ended for good.
    pub async fn ready(&self) -> Option<Instance> {
        let mut record = self.record.clone();
        record.wait_for(Option::is_some).await.ok()?;
        self.instance()
    }

    /// Waits until GIMP has ended for good: quit by hand, told to, or crashed too often (an error).
    pub async fn wait(&mut self) -> Result<()> {
        (&mut self.task).await.unwrap_or_else(|error| Err(Error::internal(error)))
    }

    /// Tells GIMP to quit; it may ask about unsaved work in its windows. [`Running::wait`] sees the end.
    pub fn quit(&self) {
        self.stop.cancel();
    }

    /// Ends GIMP without asking anybody.
    pub fn kill(&self) {
        self.kill.cancel();
        self.stop.cancel();
    }

    /// Quits and waits.
    pub async fn shutdown(mut self) -> Result<()> {
        self.quit();
        self.wait().await
    }
}

/// What it takes to start the same GIMP again.
struct Supervisor {
    launch: Launch,
    program: Program,
    profile: PathBuf,
    announced: Announced,
    record: watch::Sender<Option<Record>>,
    stop: CancellationToken,
    kill: CancellationToken,
}

/// A GIMP that answered.
struct Live {
    process: Process,
    link: Link,
    since: Instant,
}

/// Starts GIMP and returns when it answers.
pub async fn start(launch: Launch, program: Program, profile: PathBuf, shutdown: CancellationToken) -> Result<Running> {
    let (sender, record) = watch::channel(None);
    let (stop, kill) = (shutdown.child_token(), CancellationToken::new());
    let announced = Announced::new(&launch.state_dir);
    let supervisor =
        Supervisor { launch, program, profile, announced, record: sender, stop: stop.clone(), kill: kill.clone() };
    let live = supervisor.start(None).await?;
    Ok(Running { record, stop, kill, task: tokio::spawn(supervisor.run(live)) })
}

/// Why a GIMP that answered is no longer looked at.
enum End {
    Told,
    Quit,
    Crashed(String),
}

impl Supervisor {
    async fn run(self, mut live: Live) -> Result<()> {
        let mut restarts: VecDeque<Instant> = VecDeque::new();
        loop {
            let end = self.watch(&mut live).await;
            self.record.send_replace(None);
            let why = match end {
                End::Told => {
                    self.end(live).await;
                    return Ok(());
                }
                End::Quit => {
                    live.process.kill().await;
                    return Ok(());
                }
                End::Crashed(why) => why,
            };
            live.process.kill().await;
            if self.launch.mode == Mode::Gui {
                return Err(Error::new(Kind::ConnectionLost, format!("GIMP ended: {why}")));
            }
            live = loop {
                restarts.retain(|when| when.elapsed() < RESTARTS.1);
                if restarts.len() >= RESTARTS.0 {
                    let minutes = RESTARTS.1.as_secs() / 60;
                    let message =
                        format!("GIMP crashed {} times within {minutes} minutes, last: {why}", RESTARTS.0 + 1);
                    return Err(Error::new(Kind::NoGimp, message).hint("see GIMP's output with --log-level debug"));
                }
                let pause = (BACKOFF.0 * 2u32.pow(restarts.len() as u32)).min(BACKOFF.1);
                tracing::warn!(why, "GIMP ended; starting it again in {} ms", pause.as_millis());
                restarts.push_back(Instant::now());
                tokio::select! {
                    _ = tokio::time::sleep(pause) => {}
                    _ = self.stop.cancelled() => return Ok(()),
                }
                match self.start(Some(&why)).await {
                    Ok(live) => break live,
                    Err(_) if self.stop.is_cancelled() => return Ok(()),
                    Err(error) => tracing::error!(%error, "GIMP did not come back"),
                }
            };
        }
    }

    /// Starts the process and waits until its plug-in answers. `restarted`: why the one before it ended.
    async fn start(&self, restarted: Option<&str>) -> Result<Live> {
        // Before each start: whatever became of the file since, this GIMP keeps these policies.
        super::write_settings(&self.launch.state_dir, &self.launch.plugin)?;
        let mut process = spawn::spawn(&self.launch, &self.program, &self.profile, restarted)?;
        let began = SystemTime::now();
        let answered = tokio::select! {
            link = self.answer(process.pid, began) => Ok(link),
            why = process.wait_or_refusal() => Err(why),
            _ = tokio::time::sleep(self.launch.patience) => {
                Err(format!("GIMP started, but its plug-in did not answer within {} s", self.launch.patience.as_secs()))
            }
            _ = self.stop.cancelled() => Err("told to end while GIMP started".to_owned()),
        };
        match answered {
            Ok(link) => {
                if !self.launch.files.is_empty() {
                    tokio::select! {
                        _ = files_open(&link, self.launch.files.len()) => {}
                        _ = self.stop.cancelled() => {}
                        _ = process.wait() => {}
                    }
                }
                let record = link.peer().instance.clone();
                tracing::info!(instance = record.id, "{} answers", title(&record));
                self.record.send_replace(Some(record));
                Ok(Live { process, link, since: Instant::now() })
            }
            Err(why) => {
                process.kill().await;
                let tail = process.tail().await;
                let last = tail.last().map_or_else(String::new, |line| format!("; its last words: {line}"));
                Err(Error::new(Kind::NoGimp, format!("{why}{last}"))
                    .hint("see GIMP's whole output with --log-level debug; `gimp-bridge doctor` checks the parts")
                    .detail("output", tail))
            }
        }
    }

    /// The link to the plug-in of the GIMP that we started as process `pid`.
    async fn answer(&self, pid: u32, began: SystemTime) -> Link {
        let began = began.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()).floor();
        loop {
            self.announced.refresh();
            let profile = self.profile.to_string_lossy();
            let ours = self.announced.list().into_iter().find(|record| {
                let child = record.gimp_pid.unwrap_or(record.pid);
                // In a Flatpak the pids are its own; then the profile and the time have to do.
                // A connection to what is stopped would end at once.
                if [child, record.pid].iter().any(|pid| process::life(*pid) == Life::Stopped) {
                    return false;
                }
                match process::parent(child) {
                    Some(_) => process::descends(child, pid),
                    None => record.profile == profile && record.started >= began,
                }
            });
            if let Some(record) = ours {
                let link = match secret::load(&self.launch.state_dir) {
                    Ok(secret) => {
                        Link::connect(
                            record.port,
                            &secret,
                            "gimp",
                            &self.launch.plugin,
                            None,
                            &CancellationToken::new(),
                        )
                        .await
                    }
                    Err(error) => Err(error),
                };
                match link {
                    Ok(link) => return link,
                    Err(error) => tracing::debug!(%error, "the plug-in does not answer yet"),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns when something has to be done.
    async fn watch(&self, live: &mut Live) -> End {
        let pid = live.process.pid;
        loop {
            let crashed = tokio::select! {
                biased;
                _ = self.stop.cancelled() => return End::Told,
                status = live.process.wait() => status,
                _ = live.link.ended() => {
                    // GIMP's own end comes with the link's; the plug-in may also only have stopped to listen.
                    let back = tokio::select! {
                        biased;
                        status = live.process.wait() => Err(status),
                        _ = self.stop.cancelled() => return End::Told,
                        link = self.answer(pid, SystemTime::UNIX_EPOCH) => Ok(Ok(link)),
                        why = self.without_plugin(&live.link.peer().instance), if self.launch.mode == Mode::Headless => Ok(Err(why)),
                    };
                    match back {
                        Ok(Ok(link)) => {
                            self.record.send_replace(Some(link.peer().instance.clone()));
                            live.link = link;
                            continue;
                        }
                        Ok(Err(why)) => return End::Crashed(why),
                        Err(status) => status,
                    }
                }
            };
            if live.process.ended_well() {
                tracing::info!("GIMP was quit after {} s", live.since.elapsed().as_secs());
                return End::Quit;
            }
            return End::Crashed(crashed);
        }
    }

    /// Returns, with the reason, when a GIMP that lives has been without a plug-in that answers for too long: it is
    /// stuck itself, so that its guard cannot start the plug-in again, or it is stopped.
    async fn without_plugin(&self, lost: &Record) -> String {
        let gimp = lost.gimp_pid.unwrap_or(lost.pid);
        let began = Instant::now();
        tokio::time::sleep(PLUGIN_BACK).await;
        let mut stopped = false;
        while [lost.pid, gimp].iter().any(|pid| process::life(*pid) == Life::Stopped) {
            stopped = true;
            let limit = self.launch.plugin.restart_after.map(Duration::from_secs);
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                break;
            }
            tokio::time::sleep(10 * LOOK).await;
        }
        let seconds = began.elapsed().as_secs();
        match last_words(&self.launch.state_dir, gimp) {
            Some(why) => why,
            None if stopped => format!("its process was stopped for {seconds} s"),
            None => format!("its plug-in had not answered for {seconds} s"),
        }
    }

    /// Ends GIMP. Without windows: SIGINT, which it takes as a quit, then SIGKILL to all that is left of it. With
    /// windows it may ask its user about unsaved work, and is ended without consent only when told so.
    async fn end(&self, mut live: Live) {
        let gimp = live.link.peer().instance.gimp_pid.unwrap_or(live.process.pid);
        let headless = self.launch.mode == Mode::Headless;
        if headless {
            Process::interrupt(gimp);
        } else {
            ask_to_quit(&live.link).await;
        }
        let by_itself = tokio::select! {
            _ = live.process.wait() => true,
            _ = tokio::time::sleep(QUIT), if headless => false,
            _ = self.kill.cancelled() => false,
        };
        live.process.kill().await;
        tracing::info!(by_itself, "GIMP has ended");
    }
}

fn request(operation: &str, arguments: Value, timeout: Duration) -> Request {
    Request {
        operation: operation.into(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
        client: Client { id: "gimp-bridge".into(), name: "gimp-bridge gimp".into() },
        instance: None,
        timeout,
        upload: None,
        cancel: CancellationToken::new(),
        progress: None,
    }
}

/// Returns when `wanted` images are open: the plug-in answers before GIMP opens the files that it was started with.
async fn files_open(link: &Link, wanted: usize) {
    let began = Instant::now();
    loop {
        let listed = link.call(&request("list_images", json!({}), OPENING)).await;
        let open = listed.as_ref().ok().and_then(|listed| listed.get("images")?.as_array().map(Vec::len));
        if open.is_some_and(|open| open >= wanted) {
            return;
        }
        if began.elapsed() >= OPENING || !link.is_open() {
            return tracing::warn!(wanted, ?open, "not all files are open; see GIMP's output with --log-level debug");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks a GIMP with windows to quit, as its menu does. Where another call hinders that, its user has to.
async fn ask_to_quit(link: &Link) {
    let request = request("quit_gimp", json!({}), QUIT);
    match tokio::time::timeout(QUIT, link.call(&request)).await {
        // A GIMP that quits takes the answer with it.
        Ok(Err(error)) if error.kind != Kind::ConnectionLost => {
            tracing::warn!(%error, "GIMP cannot be asked to quit; close its windows");
        }
        _ => {}
    }
}
