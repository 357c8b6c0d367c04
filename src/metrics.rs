//! What the daemon counts, in Prometheus' text format at `/metrics`.
//!
//! One set of figures for the process, so that any room can count without being handed something. Labels come from
//! closed sets (the catalogue's operations, the error kinds, the routes): no client's text becomes a label.

mod process;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Card {
    gpu: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Made {
    backend: String,
    outcome: String,
}

type Times = Family<Named, Histogram, fn() -> Histogram>;

/// See the module.
pub struct Metrics {
    registry: Registry,
    /// The process's figures, whose names have no prefix.
    process: Registry,
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
    service: Family<Named, Gauge>,
    generations: Family<Made, Counter>,
    generation_times: Times,
    /// Generations that wait for a backend.
    pub generations_queued: Gauge,
    retries: Family<Named, Counter>,
    breakers: Family<Named, Gauge>,
    stored: Gauge,
    stored_bytes: Gauge,
    sweeps: Counter,
    swept: Family<Named, Counter>,
    models: Gauge,
    model_memory: Gauge,
    gpu_used: Family<Card, Gauge>,
    gpu_total: Family<Card, Gauge>,
    gpu_busy: Family<Card, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    fn new() -> Metrics {
        let times = || Times::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process));
        let mut metrics = Metrics {
            registry: Registry::default(),
            process,
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
            service: Family::default(),
            generations: Family::default(),
            generation_times: times(),
            generations_queued: Gauge::default(),
            retries: Family::default(),
            breakers: Family::default(),
            stored: Gauge::default(),
            stored_bytes: Gauge::default(),
            sweeps: Counter::default(),
            swept: Family::default(),
            models: Gauge::default(),
            model_memory: Gauge::default(),
            gpu_used: Family::default(),
            gpu_total: Family::default(),
            gpu_busy: Family::default(),
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
        registry.register("service", "1, with what the service calls itself", metrics.service.clone());
        registry.register(
            "generations",
            "Images asked of a backend, by outcome: ok or the error's kind",
            metrics.generations.clone(),
        );
        registry.register_with_unit(
            "generation",
            "Time of a backend for an image, without the time that it waited",
            Unit::Seconds,
            metrics.generation_times.clone(),
        );
        registry.register(
            "generations_queued",
            "Generations that wait for a backend",
            metrics.generations_queued.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that were sent again to a model server or backend",
            metrics.retries.clone(),
        );
        registry.register(
            "upstream_breaker_open",
            "1 while a model server or backend is left alone after failures",
            metrics.breakers.clone(),
        );
        registry.register("images_stored", "Generated images that are stored", metrics.stored.clone());
        registry.register_with_unit(
            "images_stored",
            "Size of the generated images",
            Unit::Bytes,
            metrics.stored_bytes.clone(),
        );
        registry.register("image_sweeps", "Sweeps for expired images", metrics.sweeps.clone());
        registry.register(
            "images_swept",
            "Objects that sweeps removed: expired, over the quota, or left behind by a broken write",
            metrics.swept.clone(),
        );
        registry.register("models_loaded", "AI models that are loaded", metrics.models.clone());
        registry.register_with_unit(
            "model_memory",
            "Memory of the loaded AI models, as far as their files tell",
            Unit::Bytes,
            metrics.model_memory.clone(),
        );
        registry.register_with_unit(
            "gpu_memory_used",
            "Memory in use on the graphics card, by all programs",
            Unit::Bytes,
            metrics.gpu_used.clone(),
        );
        registry.register_with_unit(
            "gpu_memory_total",
            "Memory of the graphics card",
            Unit::Bytes,
            metrics.gpu_total.clone(),
        );
        registry.register_with_unit(
            "gpu_utilization",
            "Share of the time in which the graphics card computed",
            Unit::Ratios,
            metrics.gpu_busy.clone(),
        );
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

    /// What the service calls itself.
    pub fn service(&self, name: &str) {
        self.service.get_or_create(&Named { name: name.into() }).set(1);
    }

    /// A backend was asked for an image.
    pub fn generation(&self, backend: &str, outcome: &str, took: Duration) {
        self.generations.get_or_create(&Made { backend: backend.into(), outcome: outcome.into() }).inc();
        self.generation_times.get_or_create(&Named { name: backend.into() }).observe(took.as_secs_f64());
    }

    /// A request to a server of others was sent again.
    pub fn retried(&self, name: &str) {
        self.retries.get_or_create(&Named { name: name.into() }).inc();
    }

    pub fn breaker(&self, name: &str, open: bool) {
        self.breakers.get_or_create(&Named { name: name.into() }).set(i64::from(open));
    }

    /// Generated images that there are, and their bytes.
    pub fn stored(&self, count: u64, bytes: u64) {
        self.stored.set(count as i64);
        self.stored_bytes.set(bytes as i64);
    }

    /// A sweep ended; `removed` by reason.
    pub fn swept(&self, removed: &[(&str, u64)]) {
        self.sweeps.inc();
        for (reason, count) in removed {
            self.swept.get_or_create(&Named { name: (*reason).into() }).inc_by(*count);
        }
    }

    /// AI models that are loaded, and their bytes.
    pub fn models(&self, count: usize, bytes: u64) {
        self.models.set(count as i64);
        self.model_memory.set(bytes as i64);
    }

    /// A graphics card as it is now: bytes, and how busy from 0 to 1.
    pub fn gpu(&self, index: u32, used: u64, total: u64, busy: f64) {
        let card = Card { gpu: index };
        self.gpu_used.get_or_create(&card).set(used as i64);
        self.gpu_total.get_or_create(&card).set(total as i64);
        self.gpu_busy.get_or_create(&card).set(busy);
    }

    /// All of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode_registry(&mut text, &self.process)
            .and_then(|()| encode_registry(&mut text, &self.registry))
            .and_then(|()| encode_eof(&mut text))
            .expect("a String takes any text");
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
        METRICS.gpu(1, 5 << 20, 9 << 20, 0.25);
        let cards = METRICS.text();
        assert!(cards.contains("gimp_bridge_gpu_memory_used_bytes{gpu=\"1\"} 5242880"), "{cards}");
        assert!(cards.contains("gimp_bridge_gpu_utilization_ratios{gpu=\"1\"} 0.25"), "{cards}");
        if cfg!(target_os = "linux") {
            for name in [
                "process_cpu_seconds_total",
                "process_resident_memory_bytes",
                "process_virtual_memory_bytes",
                "process_open_fds",
                "process_max_fds",
                "process_start_time_seconds",
            ] {
                assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} in {text}");
            }
        }
        drop(counted);
        assert!(METRICS.text().contains("gimp_bridge_calls_queued 0"));
    }
}
