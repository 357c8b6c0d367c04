//! The HTTP listener: Host, Origin and key checks on every route; health; mounts `/mcp`.
//!
//! Refuses to listen for other machines without an API key, since whoever may call can run code inside GIMP.

mod guard;
mod health;

use crate::config;
use crate::error::{Error, Kind, Result};
use crate::mcp::{self, HttpSettings, Mcp};
use crate::ops::Ops;
use axum::Router;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long replies under way may take after `shutdown`; open event streams end at once.
const LAST_REPLIES: Duration = Duration::from_secs(3);

/// Binds the configured address; the errors say which setting to change.
pub async fn bind(settings: &config::Server) -> Result<TcpListener> {
    check(settings)?;
    let address = SocketAddr::from((settings.host, settings.port));
    TcpListener::bind(address).await.map_err(|error| {
        let failed = Error::new(Kind::IoError, format!("cannot listen on `{address}`: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::new(Kind::IoError, format!("port {} on `{}` is in use", settings.port, settings.host))
                .hint("another gimp-bridge may run already, then use that one; or choose another port with --port, GIMP_BRIDGE_PORT or server.port"),
            std::io::ErrorKind::AddrNotAvailable => failed.hint("this machine has no such address; use --host 127.0.0.1"),
            std::io::ErrorKind::PermissionDenied => failed.hint("ports below 1024 need rights; choose another with --port"),
            _ => failed,
        }
    })
}

/// Refuses settings that would give the machine away.
fn check(settings: &config::Server) -> Result<()> {
    match settings.api_key.as_deref() {
        Some(key) if key.len() < guard::SHORTEST_KEY => {
            let message = format!("the API key has {} characters, the least is {}", key.len(), guard::SHORTEST_KEY);
            Err(Error::new(Kind::Config, message).hint("make one with `openssl rand -hex 32`"))
        }
        None if !settings.host.is_loopback() => {
            let message = format!("`{}` is open to other machines, and there is no API key", settings.host);
            Err(Error::new(Kind::Config, message)
                .hint("whoever reaches the port can run code inside GIMP: set server.api_key, or use --host 127.0.0.1"))
        }
        _ => Ok(()),
    }
}

/// Serves MCP and health until `shutdown`, and ends soon after it though streams are open.
pub async fn serve(
    settings: &config::Server,
    ops: Ops,
    shutdown: CancellationToken,
    listener: TcpListener,
) -> Result<()> {
    let transport = HttpSettings { max_body: settings.max_body, held: mcp::REPLY_HELD, shutdown: shutdown.clone() };
    let routes = mcp::http_router(Mcp::with_tools(ops.clone(), &settings.tools.join(","))?, transport, |server| server);
    serve_routes(settings, ops, routes, shutdown, listener).await
}

/// The same around given MCP routes.
pub async fn serve_routes(
    settings: &config::Server,
    ops: Ops,
    routes: Router,
    shutdown: CancellationToken,
    listener: TcpListener,
) -> Result<()> {
    check(settings)?;
    let app = guard::layer(routes.merge(health::routes(ops)), settings);
    // Replies are small messages: waiting for more would cost 40 ms on each.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let stop = shutdown.clone();
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { stop.cancelled().await });
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_REPLIES).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended.map_err(Error::internal),
        () = patience => {
            tracing::warn!("connections were still busy at the end");
            Ok(())
        }
    }
}
