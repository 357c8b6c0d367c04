//! `gimp-bridge gimp`: a GIMP 3 with the plug-in, in the foreground.

use crate::config::{Config, GimpMode};
use crate::daemon::{SIGNALLED, Signals};
use crate::error::{Error, Result};
use crate::filters::Filters;
use crate::gimp::launch::{self, Launch, Mode, Profile};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Start a GIMP 3 with the plug-in and keep it running
///
/// Prints the instance as one line of JSON when GIMP answers, and stays in the foreground. A headless GIMP that
/// crashes is started again. Ctrl-C ends it; a second one ends it at once, without asking about unsaved work.
#[derive(clap::Args)]
pub struct Args {
    /// Without windows (the default)
    #[arg(long, conflicts_with = "gui")]
    headless: bool,
    /// With windows
    #[arg(long)]
    gui: bool,
    /// Profile folder for this GIMP, instead of a private one
    #[arg(long, value_name = "DIR", conflicts_with = "user_profile")]
    profile: Option<PathBuf>,
    /// Your own profile; it gets the plug-in
    #[arg(long)]
    user_profile: bool,
    /// Port that the plug-in tries first; 0 for any free one
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Images to open
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs until GIMP ends or a signal comes.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mode =
        if args.gui || (!args.headless && config.gimp.mode == GimpMode::Gui) { Mode::Gui } else { Mode::Headless };
    let mut launch = Launch::new(config, mode)?;
    if args.user_profile {
        launch.profile = Profile::User;
    } else if let Some(folder) = args.profile {
        launch.profile = Profile::Folder(folder);
    }
    launch.port = args.port.or(launch.port);
    launch.files = args.files;

    Filters::new(config).publish(&launch.state_dir)?;

    let mut signals = Signals::new()?;
    let shutdown = CancellationToken::new();
    eprintln!("starting GIMP; a first start takes some 10 s");
    let starting = launch::start(launch, shutdown.clone());
    tokio::pin!(starting);
    let mut running = tokio::select! {
        running = &mut starting => running?,
        _ = signals.next() => {
            shutdown.cancel();
            // It ends the GIMP that it has started by now, and says so as an error.
            let _ = starting.await;
            return Ok(ExitCode::from(SIGNALLED));
        }
    };
    if let Some(instance) = running.instance() {
        let line = serde_json::to_string(&instance).map_err(Error::internal)?;
        // A reader that is gone needs no line.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    tokio::select! {
        ended = running.wait() => return ended.map(|()| ExitCode::SUCCESS),
        _ = signals.next() => running.quit(),
    }
    eprintln!(
        "ending GIMP{}",
        if mode == Mode::Gui { "; answer its questions, or press ctrl-c again to end it without saving" } else { "" }
    );
    tokio::select! {
        ended = running.wait() => return ended.map(|()| ExitCode::SUCCESS),
        _ = signals.next() => running.kill(),
    }
    running.wait().await.map(|()| ExitCode::SUCCESS)
}
