//! The handler behind stdio and behind HTTP.

use super::attachments::FilledWriter;
use super::in_flight::Guarded;
use super::replies;
use super::server::{Mcp, Server};
use super::sessions::{RETRY, Sessions};
use crate::error::{Error, Kind, Result};
use crate::ops::KeyName;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rmcp::service::{QuitReason, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

const SESSION_HEADER: &str = "mcp-session-id";

/// What the HTTP transport needs to know.
pub struct HttpSettings {
    /// Bytes; the largest request body.
    pub max_body: usize,
    /// How long an answer may take and still be one JSON document; usually [`REPLY_HELD`](super::REPLY_HELD).
    pub held: Duration,
    /// Ends all sessions and open streams.
    pub shutdown: CancellationToken,
}

/// MCP's Streamable HTTP at `/mcp`. `wrap` may put a handler around the real one; the conformance tests do.
///
/// Checks neither Host nor Origin nor a key: `http` does that for all of its routes.
pub fn http_router<H>(
    mcp: Arc<Mcp>,
    settings: HttpSettings,
    wrap: impl Fn(Server) -> H + Send + Sync + 'static,
) -> Router
where
    H: rmcp::ServerHandler + Send + 'static,
{
    // For revision 2026-07-28; `replies` does the same for sessions.
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_sse_retry(Some(RETRY))
        .with_cancellation_token(settings.shutdown)
        .with_max_request_body_bytes(settings.max_body)
        .disable_allowed_hosts();
    let sessions = Sessions::new();
    let shared = mcp.clone();
    let make = move || Ok(wrap(Server::new(shared.clone())));
    let service = StreamableHttpService::new(make, sessions.manager.clone(), config);
    Router::new().route_service("/mcp", service).layer(from_fn_with_state((mcp, sessions, settings.held), around))
}

/// Keeps sessions to the keys that began them, counts them, and gives the reply its form.
async fn around(
    State((mcp, sessions, held)): State<(Arc<Mcp>, Sessions, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    let session = |headers: &axum::http::HeaderMap| Some(headers.get(SESSION_HEADER)?.to_str().ok()?.to_owned());
    let known = session(request.headers());
    let method = request.method().clone();
    let owner = request.extensions().get::<KeyName>().cloned().unwrap_or_default();
    if let Some(id) = &known {
        if !sessions.called(id, &owner) {
            return unknown_session();
        }
        if method == Method::DELETE {
            sessions.ended(id);
        }
    }
    let mut response = next.run(request).await;
    match method {
        Method::POST => {
            if known.is_none()
                && let Some(id) = session(response.headers())
            {
                sessions.begun(&id, owner).await;
            }
            replies::shape(response, &mcp.attachments, held).await
        }
        Method::DELETE => {
            // rmcp says 202, for which Python's client warns that the session did not end.
            if response.status() == StatusCode::ACCEPTED {
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            response
        }
        // A stream for what belongs to no request; or the rest of a reply, pictures included.
        _ => {
            let (parts, body) = response.into_parts();
            Response::from_parts(parts, mcp.attachments.fill(Vec::new(), body).await)
        }
    }
}

/// What MCP wants for a session that ended: the client begins a new one.
fn unknown_session() -> Response {
    (StatusCode::NOT_FOUND, "there is no such MCP session; begin one with initialize").into_response()
}

/// MCP over this process's stdin and stdout, until stdin closes or `shutdown`.
pub async fn serve_stdio(mcp: Arc<Mcp>, longest_line: usize, shutdown: CancellationToken) -> Result<()> {
    let (reader, writer) = stdio_pipes();
    serve_streams(mcp, reader, writer, longest_line, shutdown).await
}

/// MCP over any pair of streams, one JSON message per line.
pub async fn serve_streams<R, W>(
    mcp: Arc<Mcp>,
    reader: R,
    writer: W,
    longest_line: usize,
    shutdown: CancellationToken,
) -> Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let writer = FilledWriter::new(writer, mcp.attachments.clone());
    let transport = AsyncRwTransport::new_server(reader, writer).with_max_line_length(longest_line);
    let transport = Guarded::new(transport);
    let running = match serve_server_with_ct(Server::for_process(mcp), transport, shutdown).await {
        Ok(running) => running,
        // The client closed before it said anything, or we were told to stop.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => {
            tracing::debug!(%error, "the handshake failed");
            return Err(Error::new(Kind::ProtocolError, "the client's first messages are not an MCP handshake").hint(
                "`gimp-bridge stdio` is started by an MCP client; run `gimp-bridge install --client …` to set one up",
            ));
        }
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(Error::internal(error)),
        Ok(_) => Ok(()),
    }
}
