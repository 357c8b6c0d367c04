//! The process's own figures, under the names that Prometheus' client libraries have agreed on, read at each scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;

#[derive(Debug)]
pub struct Process;

/// What the system tells; what it does not is left out.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    cpu_seconds: Option<f64>,
    /// Unix time.
    start_seconds: Option<f64>,
    resident: Option<u64>,
    virtual_memory: Option<u64>,
    open_files: Option<u64>,
    most_files: Option<u64>,
    threads: Option<u64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let found = Figures::read();
        if let Some(seconds) = found.cpu_seconds {
            let help = "Total user and system CPU time spent in seconds";
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                MetricType::Counter,
            )?)?;
        }
        if let Some(seconds) = found.start_seconds {
            let help = "Start time of the process since unix epoch in seconds";
            let gauge = ConstGauge::new(seconds);
            let unit = Some(&Unit::Seconds);
            gauge.encode(encoder.encode_descriptor("process_start_time", help, unit, MetricType::Gauge)?)?;
        }
        let bytes = Some(&Unit::Bytes);
        for (name, help, unit, value) in [
            ("process_resident_memory", "Resident memory size in bytes", bytes, found.resident),
            ("process_virtual_memory", "Virtual memory size in bytes", bytes, found.virtual_memory),
            ("process_open_fds", "Number of open file descriptors", None, found.open_files),
            ("process_max_fds", "Maximum number of open file descriptors", None, found.most_files),
            ("process_threads", "Number of OS threads in the process", None, found.threads),
        ] {
            let Some(value) = value.and_then(|value| i64::try_from(value).ok()) else { continue };
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

impl Figures {
    #[cfg(target_os = "linux")]
    fn read() -> Figures {
        use std::fs::read_to_string;
        let text = |path: &str| read_to_string(path).unwrap_or_default();
        let (stat, status) = (text("/proc/self/stat"), text("/proc/self/status"));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        // Fields are counted from the state, after the name in parentheses: user time, system time, start.
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| rest.split(' ').collect());
        let seconds = |at: usize| fields.get(at)?.parse::<f64>().ok().map(|count| count / ticks);
        let boot = text("/proc/stat").lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        let of = |name: &str| -> Option<u64> {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.split_whitespace().next()?.parse().ok()
        };
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Figures {
            cpu_seconds: seconds(11).zip(seconds(12)).map(|(user, system)| user + system),
            start_seconds: boot.zip(seconds(19)).map(|(boot, since)| boot + since),
            resident: of("VmRSS").map(|kilo| kilo << 10),
            virtual_memory: of("VmSize").map(|kilo| kilo << 10),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            most_files: limit,
            threads: of("Threads"),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> Figures {
        Figures::default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_figures_are_this_processs_own() {
        let before = Figures::read();
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let after = Figures::read();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(after.resident.unwrap() >= before.resident.unwrap() + (32 << 20), "{before:?} {after:?}");
        assert!(after.open_files.unwrap() > 0 && after.open_files < after.most_files);
        assert!((0.0..now).contains(&(now - after.start_seconds.unwrap())), "{after:?}");
        assert!(after.cpu_seconds >= before.cpu_seconds && after.threads.unwrap() >= 1);
        drop((block, file));
    }
}
