//! `gimp-bridge serve`: the HTTP daemon.

use super::reload;
use crate::config::{Config, GimpMode, Host};
use crate::daemon::{Daemon, cancel_on_signal};
use crate::error::{Error, Result};
use crate::http;
use clap::ValueEnum;
use std::io::Write;
use std::process::ExitCode;

/// Serve MCP over HTTP at /mcp, JSON-RPC at /jsonrpc, and /health
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Address to listen on, or localhost; one that other machines reach needs an API key [default: 127.0.0.1]
    #[arg(long)]
    pub host: Option<Host>,
    /// Port to listen on; 0 takes a free one [default: 8000]
    #[arg(long)]
    pub port: Option<u16>,
    /// Which GIMP to work with [default: attach]
    #[arg(long, value_enum)]
    pub gimp: Option<Mode>,
    /// What clients see as tools: core, all, or packs such as paint,layers [default: core]
    #[arg(long, value_delimiter = ',', value_name = "PACK")]
    pub tools: Option<Vec<String>>,
}

/// Which GIMP `serve` and `stdio` work with.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// The GIMPs that run with the plug-in
    Attach,
    /// Start one without windows, and end it with the daemon
    Headless,
    /// Start one with a window, and end it with the daemon
    Gui,
    /// None: for images from words
    None,
}

impl From<Mode> for GimpMode {
    fn from(mode: Mode) -> GimpMode {
        match mode {
            Mode::Attach => GimpMode::Attach,
            Mode::Headless => GimpMode::Headless,
            Mode::Gui => GimpMode::Gui,
            Mode::None => GimpMode::None,
        }
    }
}

impl Args {
    /// Puts the flags over what was configured.
    fn over(&self, config: &mut Config) {
        config.server.host = self.host.unwrap_or(config.server.host);
        config.server.port = self.port.unwrap_or(config.server.port);
        config.gimp.mode = self.gimp.map_or(config.gimp.mode, GimpMode::from);
        if let Some(tools) = &self.tools {
            config.server.tools.clone_from(tools);
        }
    }
}

/// Runs until SIGINT or SIGTERM; SIGHUP reloads the configuration.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mut config = config.clone();
    args.over(&mut config);
    let listening = http::bind(&config.server).await?;
    let address = listening.local_addr()?;
    let live = http::Live::new(&config)?;
    let daemon = Daemon::new(&config, "serve")?;
    cancel_on_signal(&daemon.shutdown)?;
    daemon.start_generation().await?;
    let rules = live.clone();
    reload::on_hangup(&daemon, &config, move |config| args.over(config), move |config| rules.replace(config))?;
    let gimp = daemon.start_gimp(&config)?;
    let scheme = if config.server.tls_certificate.is_some() { "https" } else { "http" };
    announce(&format!("gimp-bridge {} listens on {scheme}://{address}/mcp", env!("CARGO_PKG_VERSION")));
    let served = http::serve(&config, live, daemon.ops, daemon.shutdown.clone(), listening).await;
    daemon.shutdown.cancel();
    gimp.await.map_err(Error::internal)??;
    served.map(|()| ExitCode::SUCCESS)
}

/// The one line on stdout; a reader that is gone is no reason to stop.
fn announce(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads stdout");
    }
}
