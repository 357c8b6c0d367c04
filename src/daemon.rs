//! Builds the rooms and owns shutdown.

use crate::config::{Config, GimpMode};
use crate::error::{Error, Kind, Result};
use crate::gimp::{Gimp, Settings};
use crate::ops::Ops;
use std::path::PathBuf;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a running `serve` or `stdio` is made of.
pub struct Daemon {
    pub ops: Ops,
    /// Ends everything; cancelled by a signal or when the transport ends.
    pub shutdown: CancellationToken,
}

impl Daemon {
    /// Connects to nothing yet. `label` is how this daemon is called in GIMP's status dialog.
    pub fn new(config: &Config, label: &str) -> Daemon {
        let shutdown = CancellationToken::new();
        let settings = Settings { state_dir: state_dir(config), port: config.gimp.port, label: label.into() };
        Daemon { ops: Ops::new(Gimp::new(settings, shutdown.clone())), shutdown }
    }

    /// Starts the GIMP that `--gimp headless` and `--gimp gui` ask for, beside the server: clients get their first
    /// answer at once, and calls find GIMP when it is up. The task ends after `shutdown`, when that GIMP has ended.
    pub fn start_gimp(&self, config: &Config) -> JoinHandle<Result<()>> {
        let mode = config.gimp.mode;
        tokio::spawn(async move {
            match mode {
                GimpMode::Attach => Ok(()),
                // The one place where `gimp::launch` comes in.
                GimpMode::Headless | GimpMode::Gui => {
                    Err(Error::new(Kind::Unsupported, "this build cannot start a GIMP")
                        .hint("start GIMP yourself and use --gimp attach"))
                }
            }
        })
    }

    /// Cancels `shutdown` on SIGINT and SIGTERM (Ctrl-C elsewhere). A second signal ends the process as usual.
    pub fn end_on_signal(&self) -> Result<()> {
        let mut signals = Signals::new()?;
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = signals.next() => {
                    tracing::info!("told to stop");
                    shutdown.cancel();
                    signals.next().await;
                    std::process::exit(130);
                }
                () = shutdown.cancelled() => {}
            }
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let register = |kind| signal(kind).map_err(Error::internal);
        Ok(Signals(register(SignalKind::interrupt())?, register(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Where secret and instances are; see protocol/README.md.
fn state_dir(config: &Config) -> PathBuf {
    let configured = config.gimp.state_dir.clone();
    let fallback = || dirs::state_dir().or_else(dirs::data_local_dir).map(|folder| folder.join("gimp-bridge"));
    configured.or_else(fallback).unwrap_or_else(|| PathBuf::from(".gimp-bridge"))
}
