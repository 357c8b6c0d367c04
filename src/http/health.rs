//! `/health`: for probes whether the daemon is well; for callers versions, and how the GIMP connections are.

use super::keys::Identity;
use crate::config::Config;
use crate::gimp::Instance;
use crate::mcp;
use crate::ops::Ops;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub const PATH: &str = "/health";

/// Asking a GIMP for its state must not hold up a probe.
const ASKING: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Health {
    ops: Ops,
    service: String,
    images_public: bool,
    started: Instant,
    shutdown: CancellationToken,
}

pub fn routes(ops: Ops, config: &Config, shutdown: CancellationToken) -> Router {
    let (service, images_public) = (config.service.name.clone(), config.images.public);
    let health = Health { ops, service, images_public, started: Instant::now(), shutdown };
    Router::new().route(PATH, get(self::health)).with_state(health)
}

/// 200 while the daemon itself is well: a GIMP that is not running is a state, not a fault. 503 once it ends.
async fn health(State(health): State<Health>, caller: Option<Extension<Identity>>) -> Response {
    let (status, word) = match health.shutdown.is_cancelled() {
        false => (StatusCode::OK, "ok"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let mut report = json!({"status": word});
    // A stranger learns nothing else.
    if let Some(Extension(caller)) = caller {
        details(&health, &mut report).await;
        let Identity { name, rights, .. } = caller;
        report["caller"] = json!({"name": name, "rights": rights.names(), "anonymous": rights.anonymous});
    }
    (status, [(CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn details(health: &Health, report: &mut Value) {
    let asked = tokio::time::timeout(ASKING, health.ops.gimp().instances()).await;
    let (state, instances) = match asked {
        Ok(instances) => (summary(&instances), instances),
        Err(_) => ("unknown", Vec::new()),
    };
    report["service"] = health.service.clone().into();
    report["version"] = env!("CARGO_PKG_VERSION").into();
    report["mcp"] = json!({"endpoint": "/mcp", "revisions": mcp::revisions()});
    report["uptime_seconds"] = health.started.elapsed().as_secs().into();
    if let Ok(generator) = health.ops.generator()
        && generator.is_on()
    {
        report["generation"] = json!({
            "backends": generator.states(), "store": generator.store().shown(), "public_images": health.images_public,
        });
    }
    report["gimp"] = json!({"state": state, "instances": instances});
}

/// The best that can be said of any instance.
fn summary(instances: &[Instance]) -> &'static str {
    ["connected", "busy", "idle", "outdated", "unresponsive", "unreachable"]
        .into_iter()
        .find(|state| instances.iter().any(|instance| instance.state == *state))
        .unwrap_or("none")
}
