//! How much a client may ask: requests a second for each, requests at once for all. More is answered 429 with the
//! seconds to wait.

use super::keys::Identity;
use super::peer::Peer;
use crate::metrics::{Counted, METRICS};
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// Clients whose rate is remembered; the one silent for longest is forgotten first.
const CLIENTS: usize = 4096;

struct Limits {
    /// Requests a second.
    rate: Option<f64>,
    buckets: Mutex<HashMap<(String, Option<IpAddr>), Bucket>>,
    running: Semaphore,
}

/// Fills with `rate` tokens a second up to twice as many; a request takes one.
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Puts the limits in front of the routes; behind the guard, so that strangers use nobody's rate.
pub fn layer(routes: Router, rate: Option<u64>, at_once: usize) -> Router {
    let rate = rate.map(|rate| rate as f64);
    let limits = Limits { rate, buckets: Mutex::default(), running: Semaphore::new(at_once) };
    routes.layer(from_fn_with_state(Arc::new(limits), check))
}

async fn check(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().map(|identity| identity.name.clone()).unwrap_or_default();
    let address = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.0.ip());
    if let Some(wait) = limits.take((identity, address), Instant::now()) {
        return refuse("too many requests a second", "send fewer, or raise server.rate_limit", wait);
    }
    let Ok(_permit) = limits.running.try_acquire() else {
        return refuse(
            "too many requests at once",
            "wait for answers before you send more, or raise server.max_requests",
            1.0,
        );
    };
    let _running = Counted::new(&METRICS.running);
    next.run(request).await
}

impl Limits {
    /// Takes a token; else the seconds until there is one.
    fn take(&self, client: (String, Option<IpAddr>), now: Instant) -> Option<f64> {
        let rate = self.rate?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS && !buckets.contains_key(&client) {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(client, _)| client.clone());
            oldest.map(|oldest| buckets.remove(&oldest));
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: 2.0 * rate, at: now });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * rate).min(2.0 * rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Some((1.0 - bucket.tokens) / rate);
        }
        bucket.tokens -= 1.0;
        None
    }
}

/// More than the streams that may be open.
pub fn too_many_streams() -> Response {
    refuse("too many event streams and WebSockets are open", "close some", 5.0)
}

fn refuse(message: &str, hint: &str, wait: f64) -> Response {
    let wait = wait.ceil().max(1.0) as u64;
    let body = json!({"kind": "busy", "message": message, "hint": format!("{hint}; try again in {wait} s")});
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_twice_the_rate_and_each_client_has_its_own() {
        let limits = Limits { rate: Some(5.0), buckets: Mutex::default(), running: Semaphore::new(1) };
        let (start, one) = (Instant::now(), || ("one".to_owned(), None));
        assert!((0..10).all(|_| limits.take(one(), start).is_none()));
        assert!((limits.take(one(), start).unwrap() - 0.2).abs() < 1e-9);
        assert!(limits.take(("two".into(), None), start).is_none());
        assert!(limits.take(one(), start + Duration::from_millis(250)).is_none());
        assert!(limits.take(one(), start + Duration::from_millis(250)).is_some());
    }

    #[test]
    fn remembered_clients_are_bounded() {
        let limits = Limits { rate: Some(5.0), buckets: Mutex::default(), running: Semaphore::new(1) };
        for number in 0..CLIENTS + 10 {
            limits.take((number.to_string(), None), Instant::now());
        }
        assert_eq!(limits.buckets.lock().unwrap().len(), CLIENTS);
    }
}
