//! `/health`: versions, and how the GIMP connections are.

use crate::gimp::Instance;
use crate::mcp;
use crate::ops::Ops;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Asking a GIMP for its state must not hold up a probe.
const ASKING: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Health {
    ops: Ops,
    started: Instant,
}

pub fn routes(ops: Ops) -> Router {
    Router::new().route("/health", get(health)).with_state(Health { ops, started: Instant::now() })
}

/// Always 200 while the daemon itself is well: a GIMP that is not running is a state, not a fault.
async fn health(State(health): State<Health>) -> Json<Value> {
    let asked = tokio::time::timeout(ASKING, health.ops.gimp().instances()).await;
    let (state, instances) = match asked {
        Ok(instances) => (summary(&instances), instances),
        Err(_) => ("unknown", Vec::new()),
    };
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "mcp": {"endpoint": "/mcp", "revisions": mcp::revisions()},
        "uptime_seconds": health.started.elapsed().as_secs(),
        "gimp": {"state": state, "instances": instances},
    }))
}

/// The best that can be said of any instance.
fn summary(instances: &[Instance]) -> &'static str {
    ["connected", "busy", "idle", "outdated", "unresponsive", "unreachable"]
        .into_iter()
        .find(|state| instances.iter().any(|instance| instance.state == *state))
        .unwrap_or("none")
}
