//! One log line and one set of figures for each request: what was asked, by whom, how it ended, how long it took.
//!
//! Never what was sent: no parameters, no pictures, no keys. Names that a client made up are not repeated either.

use super::forwarded::{Client, Way};
use super::keys::Identity;
use crate::metrics::METRICS;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::time::Instant;

/// What a handler tells of a request beside its status; in the response's extensions.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The JSON-RPC methods that were called.
    pub calls: String,
    /// `ok`, or the first error's kind.
    pub outcome: String,
}

/// Who called, in the response's extensions: the guard knows it, and stands behind this layer.
#[derive(Clone)]
struct Caller(String);

/// Outside the guard, so that what it refuses is seen too.
pub fn layer(routes: Router) -> Router {
    routes.layer(from_fn(around))
}

/// Behind the guard: hands out who called.
pub fn caller_layer(routes: Router) -> Router {
    routes.layer(from_fn(|request: Request, next: Next| async move {
        let caller = request.extensions().get::<Identity>().map(|identity| Caller(identity.name.clone()));
        let mut response = next.run(request).await;
        if let Some(caller) = caller {
            response.extensions_mut().insert(caller);
        }
        response
    }))
}

async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let client = request.extensions().get::<Client>().cloned();
    let address = client.as_ref().map(|client| client.address.to_string());
    // The name that a trusted proxy was asked under; a client's own words are not repeated.
    let site = client.filter(|client| client.way == Way::Trusted).map(|client| client.url(""));
    let response = next.run(request).await;
    let (took, status) = (began.elapsed(), response.status().as_u16());
    // Methods that HTTP does not know would be labels of a client's making.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
        _ => "other",
    };
    METRICS.http(&route, method, status, took);
    let summary = response.extensions().get::<Summary>();
    let caller = response.extensions().get::<Caller>();
    tracing::info!(
        target: "gimp_bridge::request",
        method,
        route,
        calls = summary.map_or("", |summary| &summary.calls),
        status,
        outcome = summary.map_or(if status < 400 { "ok" } else { "refused" }, |summary| &summary.outcome),
        client = caller.map_or("unknown", |caller| &caller.0),
        address = address.as_deref().unwrap_or(""),
        site = site.as_deref(),
        duration_ms = took.as_secs_f64() * 1e3,
        "request"
    );
    response
}
