//! The server that the MCP conformance suite runs against: the real handler on the real transport, with the tools,
//! resources and prompts around it that the suite calls by fixed names. `scripts/test-conformance` starts it.
//!
//! What a fixture does not know goes to the real handler, so the suite meets gimp-bridge's own list of tools, its
//! sessions, its Host and Origin checks and its errors.

mod features;
mod rounds;
mod server;
mod tools;

use gimp_bridge::config::Config;
use gimp_bridge::config::Server;
use gimp_bridge::filters::Filters;
use gimp_bridge::gimp::{Gimp, Settings};
use gimp_bridge::mcp::{HttpSettings, Mcp, http_router};
use gimp_bridge::ops::Ops;
use server::{Fixtures, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = CancellationToken::new();
    // No GIMP: the suite is about the protocol.
    let state_dir = tempfile::tempdir()?;
    let gimp = Settings {
        state_dir: state_dir.path().into(),
        port: None,
        label: "conformance".into(),
        policy: Default::default(),
    };
    let ops = Ops::new(Gimp::new(gimp, shutdown.clone()), Filters::new(&Config::default()));
    let config = Config { server: Server { port: 0, ..Server::default() }, ..Config::default() };
    let settings = &config.server;
    let listener = gimp_bridge::http::bind(settings).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    let mcp = Mcp::new(ops.clone());
    let shared = Arc::new(Shared::new(mcp.clone()));
    // Short, so that the scenarios about event streams get one from a tool that takes 100 ms.
    let held = Duration::from_millis(50);
    let transport = HttpSettings { max_body: settings.max_body, held, shutdown: shutdown.clone() };
    let routes = http_router(mcp, transport, move |inner| Fixtures::new(inner, shared.clone()));
    let stop = shutdown.clone();
    tokio::spawn(async move {
        // The script closes stdin when it is done.
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut tokio::io::stdin(), &mut rest).await;
        stop.cancel();
    });
    Ok(gimp_bridge::http::serve_routes(&config, ops, routes, shutdown, listener).await?)
}
