//! How much memory a model's process may take: what the program, the model and the job need, and never most of the machine.

use crate::config::Config;
use crate::filters::tensor::Tensor;

const MIB: u64 = 1 << 20;
/// The program and ONNX Runtime, without a model: 60 MiB were measured.
const PROGRAM: u64 = 256 * MIB;
/// Stack and allocator of each thread.
const THREAD: u64 = 24 * MIB;
/// A loaded graph keeps its weights, wider copies of them, and such as suit the processor; while it loads, its file too.
const MODEL: u64 = 6;
/// Working memory for each pixel where a model sees more at once than `filters.memory_mb` is made for: what large ones take.
const PIXEL: u64 = 8 << 10;

/// What is there before a job comes.
fn base(config: &Config, model: u64) -> u64 {
    PROGRAM + config.filters.threads_or_default() as u64 * THREAD + model.saturating_mul(MODEL)
}

/// For a tile of the usual size.
fn usual(config: &Config, model: u64) -> u64 {
    base(config, model).saturating_add(u64::from(config.filters.memory_mb) * MIB)
}

/// For loading the model.
pub fn load(config: &Config, model: u64) -> u64 {
    usual(config, model).min(most(config, model))
}

/// What no job may exceed: half of the machine, or of what this process was given of it. A larger `filters.memory_mb` gets up to
/// four fifths: a project's own settings may name it too.
pub fn most(config: &Config, model: u64) -> u64 {
    let machine = machine();
    usual(config, model).min(machine / 5 * 4).max(machine / 2)
}

/// For a run on these inputs.
pub fn run(config: &Config, model: u64, feed: &[(String, Tensor)]) -> u64 {
    let numbers: u64 = feed.iter().map(|(_, tensor)| tensor.shape.iter().product::<usize>() as u64).sum();
    // Three numbers are a pixel.
    let need = base(config, model).saturating_add((numbers / 3).saturating_mul(PIXEL));
    need.max(load(config, model)).min(most(config, model))
}

/// Bytes of memory of this machine, or of the group of processes that this one is in.
fn machine() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let total = read("/proc/meminfo").lines().find_map(|line| {
        let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        Some(kilobytes.trim().parse::<u64>().ok()? * 1024)
    });
    let group = read("/sys/fs/cgroup/memory.max").trim().parse::<u64>().ok();
    [total, group].into_iter().flatten().min().unwrap_or(8 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::manifest::Dtype;

    #[test]
    fn a_job_gets_what_its_pixels_need_and_never_most_of_the_machine() {
        let config = Config::default();
        let feed = |side: usize| {
            let tensor = Tensor { shape: vec![1, 3, side, side], data: crate::filters::tensor::Data::U8(Vec::new()) };
            assert_eq!(tensor.dtype(), Dtype::U8);
            vec![("x".to_owned(), tensor)]
        };
        let of = |side| run(&config, 10 * MIB, &feed(side));
        assert_eq!(of(64), load(&config, 10 * MIB));
        assert!(of(64) < 2 << 30, "{}", of(64));
        assert!(of(512) > of(256) && of(512) - base(&config, 10 * MIB) == 512 * 512 * PIXEL);
        assert_eq!(of(60_000), most(&config, 10 * MIB));
        let mut greedy = Config::default();
        greedy.filters.memory_mb = 1 << 20;
        assert!(load(&greedy, 10 * MIB) <= machine() / 5 * 4 && machine() < 1 << 40);
    }
}
