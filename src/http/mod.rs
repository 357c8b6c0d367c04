//! The HTTP listener: Host, Origin, key and limits on every route; JSON-RPC with its sessions, uploads, downloads and
//! jobs; health and metrics; mounts `/mcp`.
//!
//! Refuses to listen for other machines without an API key, since whoever may call can work in GIMP.
//!
//! | route | file |
//! |---|---|
//! | `POST /jsonrpc`, `/ws`, `/openrpc.json` | `post.rs`, `ws.rs`, `rpc/` |
//! | `/jobs`, `/uploads`, `/images` | `jobs.rs`, `uploads.rs`, `images.rs` |
//! | `/health`, `/metrics` | `health.rs`, here |
//!
//! Each request passes, from the outside: `peer` (whose connection), `record` (log and figures), `guard` (Host, Origin,
//! key), `limits` (rate, requests at once).

mod guard;
mod health;
mod images;
mod jobs;
mod keys;
mod limits;
mod peer;
mod post;
mod record;
mod rpc;
mod state;
mod tls;
mod uploads;
mod ws;

use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::gimp::launch;
use crate::mcp::{self, HttpSettings, Mcp};
use crate::metrics::METRICS;
use crate::ops::Ops;
use crate::sessions::{Disk, Sessions, Uploads};
use axum::Router;
use axum::routing::get;
use jobs::Jobs;
use keys::Keys;
use peer::{Peer, Plain};
use rpc::Rpc;
pub use rpc::document as openrpc;
use state::State;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::TlsListener;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long replies under way may take after `shutdown`; open event streams end at once.
const LAST_REPLIES: Duration = Duration::from_secs(3);

/// Binds the configured address; the errors say which setting to change.
pub async fn bind(settings: &config::Server) -> Result<TcpListener> {
    // What cannot be served is said before the port is taken.
    Keys::read(settings, false)?;
    tls::acceptor(settings)?;
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

/// The JSON-RPC API beside MCP: sessions with their store, uploads, downloads, jobs.
///
/// # Errors
/// When the sessions' folder cannot be made or read.
fn api(config: &Config, ops: Ops, shutdown: &CancellationToken) -> Result<Router> {
    let taken = Sessions::folder(&config.sessions, &launch::state_dir(config)?)?;
    let folder = taken.path.clone();
    let disk = Disk::new(config.sessions.disk_mb << 20);
    let settings = &config.sessions;
    let sessions = Sessions::open(taken, settings.clone(), ops.clone(), disk.clone(), shutdown.clone())?;
    let uploads = Uploads::open(&folder.join("uploads"), settings, disk.clone(), shutdown.clone())?;
    let state = State {
        rpc: Rpc { ops, sessions, uploads, assistant: config.assistant.clone() },
        jobs: Jobs::default(),
        exports: images::Exports::open(folder.join("downloads"), disk)?,
        streams: Arc::new(Semaphore::new(state::STREAMS)),
        max_body: config.server.max_body,
        shutdown: shutdown.clone(),
    };
    Ok(Router::new()
        .route("/jsonrpc", axum::routing::post(post::post))
        .route("/ws", get(ws::upgrade))
        .route("/openrpc.json", get(async || axum::Json(rpc::document())))
        .merge(jobs::routes())
        .merge(uploads::routes())
        .merge(images::routes())
        .with_state(state))
}

/// Serves MCP, JSON-RPC, health and metrics until `shutdown`, and ends soon after it though streams are open.
pub async fn serve(config: &Config, ops: Ops, shutdown: CancellationToken, listener: TcpListener) -> Result<()> {
    let settings = &config.server;
    let transport = HttpSettings { max_body: settings.max_body, held: mcp::REPLY_HELD, shutdown: shutdown.clone() };
    let routes = mcp::http_router(Mcp::with_tools(ops.clone(), &settings.tools.join(","))?, transport, |server| server);
    let routes = routes.merge(api(config, ops.clone(), &shutdown)?);
    listen(settings, config.plugin.folders.is_some(), ops, routes, shutdown, listener).await
}

/// Health, metrics and all checks around given MCP routes; the conformance tests' way in.
pub async fn serve_routes(
    settings: &config::Server,
    ops: Ops,
    routes: Router,
    shutdown: CancellationToken,
    listener: TcpListener,
) -> Result<()> {
    listen(settings, false, ops, routes, shutdown, listener).await
}

async fn listen(
    settings: &config::Server,
    folders_set: bool,
    ops: Ops,
    routes: Router,
    shutdown: CancellationToken,
    listener: TcpListener,
) -> Result<()> {
    let keys = Keys::read(settings, folders_set)?;
    let routes = routes.merge(health::routes(ops)).route("/metrics", get(metrics));
    let routes = record::caller_layer(limits::layer(routes, settings.rate_limit, settings.max_requests));
    let app = peer::layer(record::layer(guard::layer(routes, settings, keys)));
    let service = app.into_make_service_with_connect_info::<Peer>();
    let stop = shutdown.clone();
    let ended = async move { stop.cancelled().await };
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_REPLIES).await;
    };
    let serving = async {
        match tls::acceptor(settings)? {
            Some(acceptor) => {
                let listener = TlsListener::new(listener, acceptor)?;
                axum::serve(listener, service).with_graceful_shutdown(ended).await.map_err(Error::internal)
            }
            None => axum::serve(Plain(listener), service).with_graceful_shutdown(ended).await.map_err(Error::internal),
        }
    };
    tokio::select! {
        ended = serving => ended,
        () = patience => {
            tracing::warn!("connections were still busy at the end");
            Ok(())
        }
    }
}

async fn metrics() -> impl axum::response::IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, kind)], METRICS.text())
}
