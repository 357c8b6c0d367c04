//! How busy the graphics cards are that filters compute on, as NVIDIA's own tool tells it. The other providers tell
//! nothing, and ONNX Runtime itself does not either.

use super::Filters;
use crate::config::Provider;
use std::process::Stdio;
use std::time::Duration;

const TOOL: &str = "nvidia-smi";
const ASKED: [&str; 2] =
    ["--query-gpu=index,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits"];
/// The tool takes some 50 ms; a driver that hangs must not hold up a scrape.
const PATIENCE: Duration = Duration::from_secs(2);

/// One card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gpu {
    pub index: u32,
    /// Bytes, of all programs together.
    pub used: u64,
    pub total: u64,
    /// 0 to 1.
    pub busy: f64,
}

impl Filters {
    /// The cards, where the configured provider computes on NVIDIA's; empty if nothing tells.
    pub async fn gpus(&self) -> Vec<Gpu> {
        if !matches!(self.config().filters.provider, Provider::Cuda | Provider::Tensorrt) {
            return Vec::new();
        }
        let mut tool = tokio::process::Command::new(TOOL);
        tool.args(ASKED).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, tool.output()).await {
            Ok(Ok(told)) if told.status.success() => read(&String::from_utf8_lossy(&told.stdout)),
            told => {
                tracing::debug!(?told, "{TOOL} tells nothing");
                Vec::new()
            }
        }
    }
}

/// Lines such as `0, 1024, 143771, 37`: MiB and percent.
fn read(text: &str) -> Vec<Gpu> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(',').map(str::trim);
            let mut next = || fields.next();
            let (index, used, total, busy) = (next()?, next()?, next()?, next()?);
            let bytes = |text: &str| text.parse::<u64>().ok().map(|mebi| mebi << 20);
            // A card that is split does not tell how busy it is.
            let busy = busy.parse::<f64>().unwrap_or(0.0) / 100.0;
            Some(Gpu { index: index.parse().ok()?, used: bytes(used)?, total: bytes(total)?, busy })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_lines_are_read() {
        let told = read("0, 1024, 143771, 37\n1, 0, 143771, [N/A]\nno devices were found\n");
        let of = |index, used: u64, busy| Gpu { index, used: used << 20, total: 143_771 << 20, busy };
        assert_eq!(told, [of(0, 1024, 0.37), of(1, 0, 0.0)]);
        assert!(read("").is_empty());
    }

    #[tokio::test]
    async fn without_such_a_provider_nothing_is_run() {
        assert!(Filters::new(&crate::config::Config::default()).gpus().await.is_empty());
    }
}
