//! What the daemon counts, in Prometheus' text format at `/metrics`.
//!
//! One set of figures for the process, so that any room can count without being handed something. Labels come from
//! closed sets (the catalogue's operations, the error kinds, the routes): no client's text becomes a label.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::LazyLock;
use std::time::Duration;

/// The process's figures.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Seconds; from a look-up in GIMP to a long filter.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    name: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Http {
    route: String,
    method: String,
    status: u16,
}

type Times = Family<Named, Histogram, fn() -> Histogram>;

/// See the module.
pub struct Metrics {
    registry: Registry,
    operations: Family<Ended, Counter>,
    operation_times: Times,
    http: Family<Http, Counter>,
    http_times: Times,
    gimp_times: Times,
    filter_times: Times,
    pixels: Counter,
    stream_bytes: Counter,
    snapshot_times: Histogram,
    /// Requests that run now.
    pub running: Gauge,
    /// Calls that wait for their session or for GIMP.
    pub queued: Gauge,
    pub sessions: Gauge,
    pub disk: Gauge,
}

impl Metrics {
    fn new() -> Metrics {
        let times = || Times::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut metrics = Metrics {
            registry: Registry::default(),
            operations: Family::default(),
            operation_times: times(),
            http: Family::default(),
            http_times: times(),
            gimp_times: times(),
            filter_times: times(),
            pixels: Counter::default(),
            stream_bytes: Counter::default(),
            snapshot_times: Histogram::new(BUCKETS),
            running: Gauge::default(),
            queued: Gauge::default(),
            sessions: Gauge::default(),
            disk: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("gimp_bridge");
        registry.register(
            "operations",
            "Operations run, by outcome: ok or the error's kind",
            metrics.operations.clone(),
        );
        registry.register_with_unit(
            "operation",
            "Time from an operation's check to its answer",
            Unit::Seconds,
            metrics.operation_times.clone(),
        );
        registry.register("http_requests", "HTTP requests by route, method and status", metrics.http.clone());
        registry.register_with_unit(
            "http",
            "Time of HTTP requests by route",
            Unit::Seconds,
            metrics.http_times.clone(),
        );
        registry.register_with_unit(
            "gimp_round_trip",
            "Time of requests to GIMP; streams count until their header",
            Unit::Seconds,
            metrics.gimp_times.clone(),
        );
        registry.register_with_unit("filter", "Time of AI filters", Unit::Seconds, metrics.filter_times.clone());
        registry.register("pixels_moved", "Pixels that came from GIMP", metrics.pixels.clone());
        registry.register_with_unit("uploads_to_gimp", "Bytes sent to GIMP", Unit::Bytes, metrics.stream_bytes.clone());
        registry.register_with_unit(
            "session_snapshot",
            "Time that a session's state takes to be on disk",
            Unit::Seconds,
            metrics.snapshot_times.clone(),
        );
        registry.register("requests_running", "Requests that run now", metrics.running.clone());
        registry.register("calls_queued", "Calls that wait for their session", metrics.queued.clone());
        registry.register("sessions", "Open JSON-RPC sessions", metrics.sessions.clone());
        registry.register_with_unit("disk", "Disk used by sessions and uploads", Unit::Bytes, metrics.disk.clone());
        metrics.registry = registry;
        metrics
    }

    /// An operation of the catalogue ended.
    pub fn operation(&self, name: &str, outcome: &str, took: Duration) {
        self.operations.get_or_create(&Ended { name: name.into(), outcome: outcome.into() }).inc();
        self.operation_times.get_or_create(&Named { name: name.into() }).observe(took.as_secs_f64());
    }

    /// `route` is the pattern, such as `/jobs/{id}`.
    pub fn http(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.http.get_or_create(&Http { route: route.into(), method: method.into(), status }).inc();
        self.http_times.get_or_create(&Named { name: route.into() }).observe(took.as_secs_f64());
    }

    /// A request to GIMP was answered.
    pub fn gimp(&self, operation: &str, took: Duration) {
        self.gimp_times.get_or_create(&Named { name: operation.into() }).observe(took.as_secs_f64());
    }

    /// An AI filter ended.
    pub fn filter(&self, name: &str, took: Duration) {
        self.filter_times.get_or_create(&Named { name: name.into() }).observe(took.as_secs_f64());
    }

    pub fn pixels(&self, count: u64) {
        self.pixels.inc_by(count);
    }

    pub fn sent(&self, bytes: u64) {
        self.stream_bytes.inc_by(bytes);
    }

    pub fn snapshot(&self, took: Duration) {
        self.snapshot_times.observe(took.as_secs_f64());
    }

    /// All of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes any text");
        text
    }
}

/// Counts up while it lives.
pub struct Counted(Gauge);

impl Counted {
    pub fn new(gauge: &Gauge) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_what_was_counted() {
        METRICS.operation("apply_blur", "ok", Duration::from_millis(20));
        METRICS.operation("apply_blur", "not_found", Duration::from_millis(1));
        METRICS.pixels(12);
        let counted = Counted::new(&METRICS.queued);
        let text = METRICS.text();
        assert!(text.contains("gimp_bridge_operations_total{name=\"apply_blur\",outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("gimp_bridge_operation_seconds_bucket{le=\"0.025\",name=\"apply_blur\"}"), "{text}");
        assert!(text.contains("gimp_bridge_calls_queued 1") && text.ends_with("# EOF\n"), "{text}");
        drop(counted);
        assert!(METRICS.text().contains("gimp_bridge_calls_queued 0"));
    }
}
