//! Builds the rooms and owns shutdown.

use crate::config::{Config, GimpMode};
use crate::error::{Error, Result};
use crate::filters::Filters;
use crate::filters::watch::Watcher;
use crate::generate::Generator;
use crate::gimp::launch::{self, Launch, Mode, Running};
use crate::gimp::{Gimp, Settings};
use crate::ops::Ops;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The exit status of what a signal ended, as shells have it.
pub const SIGNALLED: u8 = 130;

/// What a running `serve` or `stdio` is made of.
pub struct Daemon {
    pub ops: Ops,
    /// Sees filters that are added and removed while the daemon runs.
    pub watch: Watcher,
    /// Ends everything; cancelled by a signal or when the transport ends.
    pub shutdown: CancellationToken,
}

impl Daemon {
    /// Connects to nothing yet. `label` is how this daemon is called in GIMP's status dialog.
    ///
    /// # Errors
    /// `config` when there is no place for the state folder, and for backends that cannot be.
    pub fn new(config: &Config, label: &str) -> Result<Daemon> {
        let shutdown = CancellationToken::new();
        let state_dir = launch::state_dir(config)?;
        let filters = Filters::new(config);
        if let Err(error) = filters.publish(&state_dir) {
            tracing::warn!(%error, "GIMP's menu of AI filters may be out of date");
        }
        let policy = config.plugin.clone();
        let settings = Settings { state_dir: state_dir.clone(), port: config.gimp.port, label: label.into(), policy };
        let watch = Watcher::new(filters.clone(), state_dir);
        let generator = Generator::new(config)?;
        let gimp = Gimp::new(settings, shutdown.clone());
        if config.gimp.mode == GimpMode::None {
            gimp.set_absent();
        }
        let ops = Ops::new(gimp, filters).with_generator(generator);
        // The links and the operations know each other as long as the process lives.
        ops.gimp().set_inbound(Arc::new(ops.clone()));
        tokio::spawn(watch.clone().run(shutdown.clone()));
        Ok(Daemon { ops, watch, shutdown })
    }

    /// Starts the GIMP that `--gimp headless` and `--gimp gui` ask for, beside the server: clients get their first
    /// answer at once, and calls wait until GIMP is up. The task ends after `shutdown`, when that GIMP has ended; a
    /// GIMP that cannot be started, or cannot be kept, ends the server with its error.
    pub fn start_gimp(&self, config: &Config) -> Result<JoinHandle<Result<()>>> {
        let mode = match config.gimp.mode {
            GimpMode::Attach | GimpMode::None => return Ok(tokio::spawn(async { Ok(()) })),
            GimpMode::Headless => Mode::Headless,
            GimpMode::Gui => Mode::Gui,
        };
        let launch = Launch::new(config, mode)?;
        let shutdown = self.shutdown.clone();
        let gimp = self.ops.gimp().clone();
        gimp.set_starting(true);
        Ok(tokio::spawn(async move {
            let started = launch::start(launch, shutdown.clone()).await;
            gimp.set_starting(false);
            let ended = match started {
                Ok(running) => keep(running, &shutdown).await,
                Err(error) => Err(error),
            };
            shutdown.cancel();
            ended
        }))
    }

    /// Where a backend is configured: checks the image store, then sweeps it until `shutdown`.
    ///
    /// # Errors
    /// What is wrong with the store, and what to set.
    pub async fn start_generation(&self) -> Result<()> {
        let generator = self.ops.generator()?;
        if generator.is_on() {
            generator.store().check().await?;
            tokio::spawn(generator.clone().sweep(self.shutdown.clone()));
        }
        Ok(())
    }
}

/// Cancels `token` on SIGINT and SIGTERM (Ctrl-C elsewhere). A second signal ends the process at once.
pub fn cancel_on_signal(token: &CancellationToken) -> Result<()> {
    let mut signals = Signals::new()?;
    let token = token.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("told to stop");
        token.cancel();
        signals.next().await;
        std::process::exit(SIGNALLED.into());
    });
    Ok(())
}

/// SIGINT and SIGTERM from now on; Ctrl-C elsewhere.
#[cfg(unix)]
pub struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    pub fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let register = |kind| signal(kind).map_err(Error::internal);
        Ok(Signals(register(SignalKind::interrupt())?, register(SignalKind::terminate())?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// SIGHUP from now on, which then ends nothing; no such thing elsewhere.
#[cfg(unix)]
pub struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    pub fn new() -> Result<Hangups> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Hangups(signal(SignalKind::hangup()).map_err(Error::internal)?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// SIGHUP from now on, which then ends nothing; no such thing elsewhere.
#[cfg(not(unix))]
pub struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub fn new() -> Result<Hangups> {
        Ok(Hangups)
    }

    /// Never comes.
    pub async fn next(&mut self) {
        std::future::pending().await
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> Result<Signals> {
        Ok(Signals)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Keeps the started GIMP until `shutdown`, then ends it.
async fn keep(mut running: Running, shutdown: &CancellationToken) -> Result<()> {
    if let Some(instance) = running.instance() {
        tracing::info!(instance = %instance.id, port = instance.port, version = %instance.gimp_version, "GIMP is ready");
    }
    tokio::select! {
        ended = running.wait() => return ended,
        () = shutdown.cancelled() => {}
    }
    running.shutdown().await
}
