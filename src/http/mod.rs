//! The HTTP listener: Host, Origin, key and limits on every route; JSON-RPC with its sessions, uploads, downloads and
//! jobs; health and metrics; mounts `/mcp`.
//!
//! Refuses to listen for other machines without an API key, since whoever may call can work in GIMP.
//!
//! | route | file |
//! |---|---|
//! | `POST /jsonrpc`, `/ws`, `/openrpc.json` | `post.rs`, `ws.rs`, `rpc/` |
//! | `/jobs`, `/uploads`, `/sessions/{id}/image` | `jobs.rs`, `uploads.rs`, `downloads.rs` |
//! | `/images`, `POST /mcp/v1/tools/{tool}` | `generated.rs` |
//! | `/`, `/gallery/{file}`: a page for people | `gallery.rs`, `gallery/` |
//! | `/health`, `/metrics` | `health.rs`, here |
//!
//! `connections` accepts and bounds connections. Each request passes, from the outside: `forwarded` (who asks, proxies
//! seen through), `record` (log and figures), `guard` (Host, Origin, key), `limits` (rate, requests at once). `rules`
//! holds what these go by and can be replaced while they run.

mod connections;
mod downloads;
mod forwarded;
mod gallery;
mod generated;
mod guard;
mod health;
mod jobs;
mod keys;
mod limits;
mod post;
mod ranges;
mod record;
mod rpc;
mod rules;
mod state;
mod tls;
mod uploads;
mod ws;

use crate::config::{self, Config, Host};
use crate::error::{Error, Kind, Result};
use crate::filters::Filters;
use crate::gimp::launch;
use crate::mcp::{self, HttpSettings, Mcp};
use crate::metrics::METRICS;
use crate::ops::Ops;
use crate::sessions::{Disk, Sessions, Uploads};
use axum::routing::get;
use axum::{Extension, Json, Router};
use forwarded::Client;
use jobs::Jobs;
use keys::Keys;
use rpc::Rpc;
pub use rpc::document as openrpc;
pub use rules::Live;
use state::State;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long replies under way may take after `shutdown`; open event streams end at once.
const LAST_REPLIES: Duration = Duration::from_secs(3);
/// Free ports that are tried for one that is free on both loopback addresses.
const TRIES: usize = 16;

/// The sockets that the daemon listens on.
#[derive(Debug)]
pub struct Listening(Vec<TcpListener>);

impl Listening {
    /// The first one's address, with the port that it got.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.0
            .first()
            .map(TcpListener::local_addr)
            .unwrap_or(Err(ErrorKind::NotConnected.into()))
            .map_err(Error::internal)
    }
}

/// Binds the configured address; the errors say which setting to change.
pub async fn bind(settings: &config::Server) -> Result<Listening> {
    // What cannot be served is said before the port is taken.
    Keys::read(settings, false)?;
    tls::acceptor(settings)?;
    for _ in 0..TRIES {
        match bind_all(settings.host, settings.port).await {
            // A free port of one address may be taken on the other.
            Err((_, error)) if settings.port == 0 && error.kind() == ErrorKind::AddrInUse => {}
            Ok(listening) => return Ok(listening),
            Err((address, error)) => return Err(cannot_listen(address, &error)),
        }
    }
    Err(Error::new(Kind::IoError, "no port is free on both 127.0.0.1 and [::1]").hint("name one with --port"))
}

async fn bind_all(host: Host, port: u16) -> Result<Listening, (SocketAddr, std::io::Error)> {
    let mut listening: Vec<TcpListener> = Vec::new();
    for address in host.addresses() {
        let port = match listening.first().map(TcpListener::local_addr) {
            Some(Ok(first)) => first.port(),
            _ => port,
        };
        let address = SocketAddr::from((address, port));
        match TcpListener::bind(address).await {
            Ok(listener) => listening.push(listener),
            // A machine without IPv6 has no other loopback address.
            Err(error) if !listening.is_empty() && error.kind() != ErrorKind::AddrInUse => {
                tracing::info!(%address, %error, "not listened to");
            }
            Err(error) => return Err((address, error)),
        }
    }
    Ok(Listening(listening))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Error {
    let failed = Error::new(Kind::IoError, format!("cannot listen on `{address}`: {error}"));
    match error.kind() {
        ErrorKind::AddrInUse => {
            Error::new(Kind::IoError, format!("port {} on `{}` is in use", address.port(), address.ip())).hint(
                "another gimp-bridge may run already, then use that one; or choose another port with --port, \
                 GIMP_BRIDGE_SERVER_PORT or server.port",
            )
        }
        ErrorKind::AddrNotAvailable => failed.hint("this machine has no such address; use --host 127.0.0.1"),
        ErrorKind::PermissionDenied => failed.hint("ports below 1024 need rights; choose another with --port"),
        _ => failed,
    }
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
        images_public: config.images.public,
        thumbnails: generated::Thumbnails::default(),
        exports: downloads::Exports::open(folder.join("downloads"), disk)?,
        streams: Arc::new(Semaphore::new(state::STREAMS)),
        max_body: config.server.max_body,
        shutdown: shutdown.clone(),
    };
    Ok(Router::new()
        .route("/jsonrpc", axum::routing::post(post::post))
        .route("/ws", get(ws::upgrade))
        .route("/openrpc.json", get(openrpc_document))
        .merge(jobs::routes())
        .merge(uploads::routes())
        .merge(downloads::routes())
        .merge(generated::routes())
        .with_state(state))
}

async fn openrpc_document(Extension(client): Extension<Client>) -> Json<serde_json::Value> {
    let mut document = rpc::document().clone();
    document["servers"][0]["url"] = client.url("/jsonrpc").into();
    Json(document)
}

/// Serves MCP, JSON-RPC, health and metrics until `shutdown`, and ends soon after it though streams are open. `live`
/// says who may call, and can be replaced meanwhile.
pub async fn serve(
    config: &Config,
    live: Live,
    ops: Ops,
    shutdown: CancellationToken,
    listening: Listening,
) -> Result<()> {
    let settings = &config.server;
    let transport = HttpSettings { max_body: settings.max_body, held: mcp::REPLY_HELD, shutdown: shutdown.clone() };
    let routes = mcp::http_router(
        Mcp::with_tools(ops.clone(), &settings.tools.join(","), config.pictures.max_kb)?,
        transport,
        |server| server,
    );
    let routes = routes.merge(api(config, ops.clone(), &shutdown)?);
    listen(config, live, ops, routes, shutdown, listening).await
}

/// Health, metrics and all checks around given MCP routes; the conformance tests' way in.
pub async fn serve_routes(
    config: &Config,
    ops: Ops,
    routes: Router,
    shutdown: CancellationToken,
    listening: Listening,
) -> Result<()> {
    listen(config, Live::new(config)?, ops, routes, shutdown, listening).await
}

async fn listen(
    config: &Config,
    live: Live,
    ops: Ops,
    routes: Router,
    shutdown: CancellationToken,
    listening: Listening,
) -> Result<()> {
    let settings = &config.server;
    METRICS.service(&config.service.name);
    let filters = ops.filters().clone();
    let limited = limits::layer(routes.route("/metrics", get(move || metrics(filters.clone()))), live.clone());
    // A probe is answered however busy the daemon is, and the page's files cost nothing.
    let free = health::routes(ops, config, shutdown.clone()).merge(gallery::routes());
    let routes = record::caller_layer(limited.merge(free));
    let app = forwarded::layer(record::layer(guard::layer(routes, live.clone())), live);
    let acceptor = tls::acceptor(settings)?;
    let serving = connections::serve(listening.0, acceptor, settings.max_connections, app, shutdown.clone());
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_REPLIES).await;
    };
    tokio::select! {
        () = serving => {}
        () = patience => tracing::warn!("connections were still busy at the end"),
    }
    Ok(())
}

async fn metrics(filters: Filters) -> impl axum::response::IntoResponse {
    let (models, bytes) = filters.loaded();
    METRICS.models(models, bytes);
    for gpu in filters.gpus().await {
        METRICS.gpu(gpu.index, gpu.used, gpu.total, gpu.busy);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, kind)], METRICS.text())
}
