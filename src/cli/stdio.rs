//! `gimp-bridge stdio`: the MCP server that an AI client starts as its child.

use super::reload;
use super::serve::Mode;
use crate::config::{Config, GimpMode};
use crate::daemon::{Daemon, cancel_on_signal};
use crate::error::{Error, Result};
use crate::mcp::{self, Mcp};
use std::process::ExitCode;

/// Serve MCP over stdin and stdout, for a client that starts this program
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Which GIMP to work with [default: attach]
    #[arg(long, value_enum)]
    pub gimp: Option<Mode>,
    /// What the client sees as tools: core, all, or packs such as paint,layers [default: core]
    #[arg(long, value_delimiter = ',', value_name = "PACK")]
    pub tools: Option<Vec<String>>,
}

/// Runs until stdin closes, SIGINT or SIGTERM. Nothing but MCP goes to stdout.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mut config = config.clone();
    config.gimp.mode = args.gimp.map_or(config.gimp.mode, GimpMode::from);
    let tools = args.tools.unwrap_or_else(|| config.server.tools.clone()).join(",");
    let daemon = Daemon::new(&config, "stdio")?;
    let mcp = Mcp::with_tools(daemon.ops.clone(), &tools, config.pictures.max_kb)?;
    cancel_on_signal(&daemon.shutdown)?;
    reload::on_hangup(&daemon, &config, |_| {}, |_| Ok(()))?;
    // GIMP is this client's first business: without a store only generation fails, and says why.
    if let Err(error) = daemon.start_generation().await {
        tracing::warn!(reason = error.message, hint = error.hint, "images cannot be stored");
    }
    let gimp = daemon.start_gimp(&config)?;
    let served = mcp::serve_stdio(mcp, config.server.max_body, daemon.shutdown.clone()).await;
    daemon.shutdown.cancel();
    gimp.await.map_err(Error::internal)??;
    served.map(|()| ExitCode::SUCCESS)
}
