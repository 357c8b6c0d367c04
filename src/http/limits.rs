//! How much a client may ask: requests a second for each, requests at once for all, of which one client never has all: what
//! waits for a slow backend keeps nobody else from an answer. More is answered 429 with the seconds to wait.

use super::forwarded::Client;
use super::keys::Identity;
use super::rules::Live;
use crate::metrics::{Counted, METRICS};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Clients whose rate is remembered; the one silent for longest is forgotten first.
const CLIENTS: usize = 4096;

struct Limits {
    live: Live,
    buckets: Buckets,
    running: Running,
}

/// The key's name and the client's address.
type Who = (String, Option<IpAddr>);

#[derive(Default)]
struct Buckets(Mutex<HashMap<Who, Bucket>>);

/// Fills with `rate` tokens a second up to twice as many; a request takes one.
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Puts the limits in front of the routes; behind the guard, so that strangers use nobody's rate.
pub fn layer(routes: Router, live: Live) -> Router {
    let limits = Limits { live, buckets: Buckets::default(), running: Running::default() };
    routes.layer(from_fn_with_state(Arc::new(limits), check))
}

/// The requests that run, of each client.
#[derive(Default)]
struct Running(Mutex<HashMap<Who, usize>>);

/// One of them, while it lives.
struct Turn<'a> {
    running: &'a Running,
    who: Who,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// How many the client has, where `most` run or three quarters of them are its own.
    fn take(&self, who: Who, most: usize) -> Result<Turn<'_>, usize> {
        let mut running = self.lock();
        let all: usize = running.values().sum();
        let own = running.get(&who).copied().unwrap_or_default();
        if all >= most || own >= (most * 3).div_ceil(4) {
            return Err(own);
        }
        running.insert(who.clone(), own + 1);
        Ok(Turn { running: self, who })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        match running.get_mut(&self.who) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(running.remove(&self.who)),
        }
    }
}

async fn check(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().map(|identity| identity.name.clone()).unwrap_or_default();
    let address = request.extensions().get::<Client>().map(|client| client.address);
    let rules = limits.live.get();
    let who = (identity, address);
    if let Some(wait) = rules.rate.and_then(|rate| limits.buckets.take(rate, who.clone(), Instant::now())) {
        return refuse("too many requests a second", "send fewer, or raise server.rate_limit", wait);
    }
    let _turn = match limits.running.take(who, rules.at_once) {
        Ok(turn) => turn,
        Err(own) => {
            let message = format!("too many requests at once: {own} of this client run, {} may of all", rules.at_once);
            return refuse(&message, "wait for answers before you send more, or raise server.max_requests", 1.0);
        }
    };
    let _running = Counted::new(&METRICS.running);
    next.run(request).await
}

impl Buckets {
    /// Takes a token; else the seconds until there is one.
    fn take(&self, rate: f64, client: Who, now: Instant) -> Option<f64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let buckets = Buckets::default();
        let (start, one) = (Instant::now(), || ("one".to_owned(), None));
        assert!((0..10).all(|_| buckets.take(5.0, one(), start).is_none()));
        assert!((buckets.take(5.0, one(), start).unwrap() - 0.2).abs() < 1e-9);
        assert!(buckets.take(5.0, ("two".into(), None), start).is_none());
        assert!(buckets.take(5.0, one(), start + Duration::from_millis(250)).is_none());
        assert!(buckets.take(5.0, one(), start + Duration::from_millis(250)).is_some());
    }

    #[test]
    fn a_turn_is_free_again_when_its_request_ends_and_no_client_has_all() {
        let running = Running::default();
        let who = |name: &str| (name.to_owned(), None);
        let turn = running.take(who("one"), 1).unwrap_or_else(|_| panic!("the first one"));
        assert!(running.take(who("two"), 1).is_err());
        drop(turn);
        assert!(running.lock().is_empty());
        let turns: Vec<_> = (0..7).map_while(|_| running.take(who("one"), 8).ok()).collect();
        assert_eq!((turns.len(), running.take(who("one"), 8).err()), (6, Some(6)));
        let others: Vec<_> = (0..7).map_while(|_| running.take(who("two"), 8).ok()).collect();
        assert_eq!((others.len(), running.take(who("three"), 8).err()), (2, Some(0)));
        drop((turns, others));
        assert!(running.lock().is_empty());
    }

    #[test]
    fn remembered_clients_are_bounded() {
        let buckets = Buckets::default();
        for number in 0..CLIENTS + 10 {
            buckets.take(5.0, (number.to_string(), None), Instant::now());
        }
        assert_eq!(buckets.0.lock().unwrap().len(), CLIENTS);
    }
}
