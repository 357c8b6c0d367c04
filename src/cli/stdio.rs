//! `gimp-bridge stdio`: the MCP server that an AI client starts as its child.

use super::serve::Mode;
use crate::config::{Config, GimpMode};
use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::mcp::{self, Mcp};
use std::process::ExitCode;

/// Serve MCP over stdin and stdout, for a client that starts this program
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Which GIMP to work with [default: attach]
    #[arg(long, value_enum)]
    pub gimp: Option<Mode>,
}

/// Runs until stdin closes, SIGINT or SIGTERM. Nothing but MCP goes to stdout.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mut config = config.clone();
    config.gimp.mode = args.gimp.map_or(config.gimp.mode, GimpMode::from);
    let daemon = Daemon::new(&config, "stdio")?;
    daemon.end_on_signal()?;
    let gimp = daemon.start_gimp(&config)?;
    let served = mcp::serve_stdio(Mcp::new(daemon.ops), config.server.max_body, daemon.shutdown.clone()).await;
    daemon.shutdown.cancel();
    gimp.await.map_err(Error::internal)??;
    served.map(|()| ExitCode::SUCCESS)
}
