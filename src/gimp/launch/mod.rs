//! Starting a GIMP with the plug-in, keeping it alive, ending it.
//!
//! [`start`] returns when GIMP answers over the wire. From then on a task supervises it until `shutdown`.
//! What a GIMP in the private root (see `scripts/setup-gimp`) can reach of the host: the home folder, `/tmp`,
//! `/var/tmp`, and every top-level folder that belongs to no Linux system (`/mnt`, `/media`, `/opt`, `/srv`, `/work`, …).

mod find;
pub mod gimprc;
mod profile;
mod spawn;
mod supervise;

pub use find::{How, Program, Version, find, locate};
pub use profile::write_settings;
pub use supervise::Running;

use super::instances::Record;
use crate::config;
use crate::error::{Error, Kind, Result};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A first start reads every plug-in once: some 8 s on a quick machine, over a minute on one that is busy.
const START_TIME: Duration = Duration::from_secs(180);

/// With or without windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Headless,
    Gui,
}

/// Which profile folder GIMP uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One of our own per GIMP version, in the user's data folder.
    Private,
    Folder(PathBuf),
    /// The user's own. It gets the plug-in, and nothing else is changed in it.
    User,
}

/// How to start a GIMP.
#[derive(Clone, Debug)]
pub struct Launch {
    pub mode: Mode,
    /// An executable, or a private root folder as `scripts/setup-gimp` makes; found by itself if left out.
    pub executable: Option<PathBuf>,
    pub profile: Profile,
    /// The port that the plug-in tries first; the configured one if left out. 0: any free one.
    pub port: Option<u16>,
    /// Images to open.
    pub files: Vec<PathBuf>,
    pub state_dir: PathBuf,
    /// The plug-in's policies.
    pub plugin: config::Plugin,
    /// How long the first answer may take.
    pub patience: Duration,
}

impl Launch {
    /// What the configuration says; `mode` decides over `gimp.mode`.
    ///
    /// # Errors
    /// `config` when no state folder can be told.
    pub fn new(config: &config::Config, mode: Mode) -> Result<Launch> {
        Ok(Launch {
            mode,
            executable: config.gimp.executable.clone(),
            profile: config.gimp.profile.clone().map_or(Profile::Private, Profile::Folder),
            port: config.gimp.port,
            files: Vec::new(),
            state_dir: state_dir(config)?,
            plugin: config.plugin.clone(),
            patience: START_TIME,
        })
    }
}

/// The configured state folder, else the default one of protocol/README.md.
pub fn state_dir(config: &config::Config) -> Result<PathBuf> {
    config.gimp.state_dir.clone().or_else(super::secret::default_state_dir).ok_or_else(|| {
        Error::new(Kind::Config, "no state folder: there is no home folder").hint("set GIMP_BRIDGE_STATE_DIR")
    })
}

/// Finds a GIMP, prepares its profile, starts it, and waits until it answers.
///
/// Call it on a runtime whose threads live as long as GIMP should: the system ends GIMP with the thread that started
/// it, so that a killed daemon leaves no orphan.
///
/// # Errors
/// `no_gimp` when none is found, when it ends or stays silent; `io_error` when its profile cannot be written.
pub async fn start(launch: Launch, shutdown: CancellationToken) -> Result<Running> {
    let program = find(launch.mode, launch.executable.as_deref()).await?;
    let prepared = profile::prepare(&launch, &program)?;
    tracing::info!(gimp = %program, profile = %prepared.display(), "starting GIMP");
    supervise::start(launch, program, prepared, shutdown).await
}

/// One line for people.
fn title(record: &Record) -> String {
    format!("GIMP {} (pid {}, port {})", record.gimp_version, record.gimp_pid.unwrap_or(record.pid), record.port)
}
