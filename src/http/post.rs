//! `POST /jsonrpc`: one body in; one JSON document, an event stream, or a job out.
//!
//! - plain: the answer, 200; 204 where there were only notifications;
//! - `Accept: text/event-stream`: events `progress` while it runs, then `result` with the answer;
//! - `Prefer: respond-async`: 202 at once with `Location: /jobs/{id}`.

use super::forwarded::Client;
use super::jobs::About;
use super::keys::Identity;
use super::limits::too_many_streams;
use super::record::Summary;
use super::rpc::{Caller, Notify, Rpc, transport_failure};
use super::state::State;
use crate::error::{Error, Kind};
use axum::Extension;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// Reports that may wait for a slow client; later ones are dropped.
const WAITING: usize = 64;
/// A comment this often keeps proxies from closing a stream.
const ALIVE: Duration = Duration::from_secs(15);

pub async fn post(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match read(body, state.max_body, &headers).await {
        Ok(body) => body,
        Err(error) => return failed(&error),
    };
    let wants = |name: axum::http::HeaderName, what: &str| {
        headers
            .get_all(name)
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains(what)))
    };
    if wants(axum::http::HeaderName::from_static("prefer"), "respond-async") {
        return begin_job(&state, identity, &client, body);
    }
    let cancel = state.shutdown.child_token();
    if wants(ACCEPT, "text/event-stream") {
        let Ok(turn) = state.streams.clone().try_acquire_owned() else { return too_many_streams() };
        return events(state.rpc.clone(), identity, cancel, body, turn);
    }
    // A client that hangs up drops this future, and with it the guard.
    let _hung_up = cancel.clone().drop_guard();
    let caller = Caller { identity, cancel, notify: None };
    let reply = state.rpc.answer(&body, &caller).await;
    let mut response = match reply.body {
        Some(body) => json_response(StatusCode::OK, &body),
        None => StatusCode::NO_CONTENT.into_response(),
    };
    response.extensions_mut().insert(reply.summary);
    response
}

/// The body, at most `limit` bytes of it.
pub async fn read(body: Body, limit: usize, headers: &HeaderMap) -> Result<Bytes, Error> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/json");
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // A form is what a web page can send without asking; the Origin check stands before this.
    if matches!(essence.as_str(), "application/x-www-form-urlencoded" | "multipart/form-data") {
        return Err(
            Error::new(Kind::ProtocolError, format!("the Content-Type is `{essence}`")).hint("send application/json")
        );
    }
    let mut stream = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if read.len() + chunk.len() > limit {
            return Err(Error::new(Kind::TooLarge, format!("the body is over the limit of {limit} bytes"))
                .hint("send large images with PUT /uploads, or raise server.max_body"));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}

/// A body that ended before its end.
pub fn broken(error: &axum::Error) -> Error {
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    match io.filter(|io| io.kind() == std::io::ErrorKind::TimedOut) {
        Some(late) => Error::new(Kind::Timeout, late.to_string()).hint("send it again"),
        None => Error::new(Kind::ProtocolError, "the body broke off"),
    }
}

fn begin_job(state: &State, identity: Identity, client: &Client, body: Bytes) -> Response {
    let rpc = state.rpc.clone();
    let owner = identity.name.clone();
    let begun = state.jobs.begin(&owner, About::read(&body), &state.shutdown, move |cancel, notify| async move {
        rpc.answer(&body, &Caller { identity, cancel, notify: Some(notify) }).await
    });
    match begun {
        Ok(job) => {
            let mut response = json_response(StatusCode::ACCEPTED, &json!(job));
            if let Ok(location) = HeaderValue::try_from(client.link(&format!("/jobs/{}", job.job))) {
                response.headers_mut().insert(LOCATION, location);
            }
            response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
            response.extensions_mut().insert(Summary { calls: "job".into(), outcome: "ok".into() });
            response
        }
        Err(error) => failed(&error),
    }
}

fn events(
    rpc: Rpc,
    identity: Identity,
    cancel: CancellationToken,
    body: Bytes,
    turn: OwnedSemaphorePermit,
) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
    let progress = sender.clone();
    let notify: Notify = Arc::new(move |message| drop(progress.try_send(event("progress", &message))));
    let caller = Caller { identity, cancel: cancel.clone(), notify: Some(notify) };
    tokio::spawn(async move {
        let work = async {
            let answer = rpc.answer(&body, &caller).await;
            drop(caller);
            if let Some(answer) = answer.body {
                let _ = sender.send(event("result", &answer)).await;
            }
        };
        tokio::select! {
            () = work => {}
            // The client hung up: the call is cancelled and still ends.
            () = sender.closed() => {}
        }
    });
    let guard = (cancel.drop_guard(), turn);
    let stream = futures_util::stream::unfold((receiver, guard), |(mut receiver, guard)| async move {
        let next = match tokio::time::timeout(ALIVE, receiver.recv()).await {
            Ok(next) => next?,
            Err(_) => Bytes::from_static(b": alive\n\n"),
        };
        Some((Ok::<_, std::convert::Infallible>(next), (receiver, guard)))
    });
    let mut response = Body::from_stream(stream).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Summary { calls: "stream".into(), outcome: "ok".into() });
    response
}

/// One server-sent event; JSON has no line breaks in it.
pub fn event(name: &str, message: &Value) -> Bytes {
    format!("event: {name}\ndata: {message}\n\n").into()
}

/// A refusal before any method was reached, as JSON-RPC with a null id.
pub fn failed(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, &transport_failure(error));
    response.extensions_mut().insert(Summary { calls: String::new(), outcome: error.kind.name().into() });
    response
}

pub fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
