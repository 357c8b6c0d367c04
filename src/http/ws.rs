//! `/ws`: the same JSON-RPC over a WebSocket. Requests run side by side, progress comes as notifications, and the
//! notification `cancel` with `{"id": ID}` ends one. The end of the connection cancels all.

use super::keys::Identity;
use super::limits::too_many_streams;
use super::post::failed;
use super::rpc::{Caller, Notify};
use super::state::State;
use crate::error::{Error, Kind};
use axum::Extension;
use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Requests of one connection that run at once; the next is read when one has ended.
const AT_ONCE: usize = 16;
/// Messages that wait for a slow client.
const WAITING: usize = 64;
/// Largest message, in bytes; larger images go through uploads.
const MESSAGE: usize = 64 << 20;
const PING: Duration = Duration::from_secs(20);
/// Without a sign of life for this long the other end is gone.
const SILENT: Duration = Duration::from_secs(60);
const SENDING: Duration = Duration::from_secs(30);

/// Tokens of the requests that run, by their id as text.
type Running = Arc<Mutex<HashMap<String, CancellationToken>>>;

pub async fn upgrade(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => {
            let Ok(turn) = state.streams.clone().try_acquire_owned() else { return too_many_streams() };
            let limit = MESSAGE.min(state.max_body);
            upgrade.max_message_size(limit).max_frame_size(limit).on_upgrade(async move |socket| {
                serve(socket, state, identity).await;
                drop(turn);
            })
        }
        Err(_) => failed(
            &Error::new(Kind::ProtocolError, "/ws takes WebSocket connections only")
                .hint("connect with ws:// or wss://; for single requests use POST /jsonrpc"),
        ),
    }
}

async fn serve(mut socket: WebSocket, state: State, identity: Identity) {
    let (sender, mut outgoing) = mpsc::channel::<String>(WAITING);
    let connection = state.shutdown.child_token();
    let _hung_up = connection.clone().drop_guard();
    let running: Running = Arc::default();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut ping = tokio::time::interval(PING);
    let mut heard = tokio::time::Instant::now();
    loop {
        let free = turns.available_permits() > 0;
        tokio::select! {
            () = connection.cancelled() => {
                let going = CloseFrame { code: close_code::AWAY, reason: "the daemon ends".into() };
                let _ = socket.send(Message::Close(Some(going))).await;
                return;
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENT || !send(&mut socket, Message::Ping(Default::default())).await {
                    return;
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else { return };
                if !send(&mut socket, Message::Text(message.into())).await {
                    return;
                }
            }
            // Answers go out before more requests come in: a client cannot pile them up.
            received = socket.recv(), if free => {
                heard = tokio::time::Instant::now();
                let body = match received {
                    Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                    Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_))) | None => return,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "the WebSocket broke");
                        return;
                    }
                };
                if !cancelled(&body, &running) {
                    let Ok(turn) = turns.clone().try_acquire_owned() else { continue };
                    let work = answer(body, state.clone(), identity.clone(), connection.child_token(), running.clone(), sender.clone());
                    tokio::spawn(async move {
                        work.await;
                        drop(turn);
                    });
                }
            }
            // A turn became free.
            _ = turns.acquire(), if !free => {}
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SENDING, socket.send(message)).await, Ok(Ok(())))
}

async fn answer(
    body: Vec<u8>,
    state: State,
    identity: Identity,
    cancel: CancellationToken,
    running: Running,
    sender: mpsc::Sender<String>,
) {
    let id = id_of(&body);
    if let Some(id) = &id {
        running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), cancel.clone());
    }
    let progress = sender.clone();
    // A report that finds no room is one that the client is too slow for.
    let notify: Notify = Arc::new(move |message| drop(progress.try_send(message.to_string())));
    let (began, calls) = (std::time::Instant::now(), identity.name.clone());
    let reply = state.rpc.answer(&body, &Caller { identity, cancel, notify: Some(notify) }).await;
    if let Some(id) = &id {
        running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
    tracing::info!(
        target: "gimp_bridge::request",
        method = "WS",
        route = "/ws",
        calls = reply.summary.calls,
        outcome = reply.summary.outcome,
        client = calls,
        duration_ms = began.elapsed().as_secs_f64() * 1e3,
        "request"
    );
    if let Some(body) = reply.body {
        let _ = sender.send(body.to_string()).await;
    }
}

/// The id of a single request, as text.
fn id_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        id: Option<Value>,
    }
    serde_json::from_slice::<Head>(body).ok()?.id.map(|id| id.to_string())
}

/// Whether the message was a `cancel` notification; acts on it.
fn cancelled(body: &[u8], running: &Running) -> bool {
    // Long messages carry pictures.
    if body.len() > 1024 {
        return false;
    }
    let Ok(message) = serde_json::from_slice::<Value>(body) else { return false };
    if message["method"] != "cancel" || message["jsonrpc"] != "2.0" || message.get("id").is_some() {
        return false;
    }
    let found =
        running.lock().unwrap_or_else(PoisonError::into_inner).get(&message["params"]["id"].to_string()).cloned();
    if let Some(cancel) = found {
        cancel.cancel();
    }
    true
}
