//! What the handlers share.

use super::jobs::Jobs;
use super::rpc::Rpc;
use crate::error::Error;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Event streams and WebSockets at once.
pub const STREAMS: usize = 256;

#[derive(Clone)]
pub struct State {
    pub rpc: Rpc,
    pub jobs: Jobs,
    /// Whether a generated image's address is the right to it.
    pub images_public: bool,
    pub thumbnails: super::generated::Thumbnails,
    pub exports: super::downloads::Exports,
    /// One for each event stream and WebSocket: they go on after their request's turn.
    pub streams: Arc<Semaphore>,
    /// Bytes; the largest request body, uploads aside.
    pub max_body: usize,
    pub shutdown: CancellationToken,
}

/// An error of the routes that are not JSON-RPC: its status, and kind, message, hint and details as JSON.
pub struct Refusal(pub Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.0.to_json())).into_response();
        response
            .extensions_mut()
            .insert(super::record::Summary { calls: String::new(), outcome: self.0.kind.name().into() });
        response
    }
}
