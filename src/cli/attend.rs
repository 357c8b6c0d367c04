//! `gimp-bridge attend`: what the plug-in starts when a user asks for a filter and no daemon is there.

use super::reload;
use crate::config::Config;
use crate::daemon::{Daemon, cancel_on_signal};
use crate::error::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run AI filters and image generation for one GIMP until it ends (the plug-in starts this by itself)
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The port that GIMP's plug-in listens on
    #[arg(long)]
    pub port: u16,
    /// The folder that holds the secret which both sides know [default: the configured one]
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
}

/// Connects, and stays as long as GIMP keeps the connection.
///
/// # Errors
/// `no_gimp` when nothing answers on that port; `unauthorized` when the secret is another.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mut config = config.clone();
    config.gimp.port = Some(args.port);
    config.gimp.state_dir = args.state_dir.or(config.gimp.state_dir);
    let daemon = Daemon::new(&config, "attend")?;
    cancel_on_signal(&daemon.shutdown)?;
    reload::on_hangup(&daemon, &config, |_| {}, |_| Ok(()))?;
    let generator = daemon.ops.generator()?;
    if generator.is_on() {
        // A store that fails is told when an image goes there: filters need none.
        tokio::spawn(generator.clone().sweep(daemon.shutdown.clone()));
    }
    let gimp = daemon.ops.gimp().clone();
    tokio::select! {
        ended = gimp.attend() => ended?,
        () = daemon.shutdown.cancelled() => {}
    }
    daemon.shutdown.cancel();
    // Blocking work that is under way ends with the process.
    tokio::task::yield_now().await;
    Ok::<_, Error>(ExitCode::SUCCESS)
}
