//! Whether a picture fits into memory together with what a filter holds beside it: said before the work begins, since a
//! machine that runs out of memory ends GIMP as soon as it ends the daemon.

use crate::error::{Error, Kind, Reason, Result};
use crate::filters::{Depth, Picture};

/// Refuses a picture for which there is no memory; `per_pixel` bytes are held beside the picture itself and the result,
/// at most.
///
/// # Errors
/// `too_large` with what it takes and what is free.
pub fn check(filter: &str, picture: &Picture, per_pixel: u64) -> Result<()> {
    against(filter, picture, per_pixel, available())
}

fn against(filter: &str, picture: &Picture, per_pixel: u64, available: Option<u64>) -> Result<()> {
    let pixels = (picture.width * picture.height) as u64;
    let sample = match picture.depth() {
        Depth::U8 => 1,
        Depth::U16 => 2,
        Depth::F32 => 4,
    };
    let needed = pixels * (per_pixel + sample * picture.channels as u64);
    match available {
        // A tenth is left to others; below that the machine would only swap.
        Some(free) if needed > free / 10 * 9 => {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            Err(Error::new(
                Kind::TooLarge,
                format!(
                    "`{filter}` of {:.0} megapixels takes {:.1} GB of memory, and {:.1} GB are free",
                    pixels as f64 / 1e6,
                    gigabytes(needed),
                    gigabytes(free)
                ),
            )
            .hint("close other images or programs, or scale the picture down or crop it first")
            .because(Reason::OutOfMemory))
        }
        _ => Ok(()),
    }
}

/// Bytes that may still be taken, as far as the system tells.
#[cfg(target_os = "linux")]
fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = line(&read("/proc/meminfo")?, "MemAvailable:").map(|kilobytes| kilobytes << 10);
    // In a container the limit is its own; what it holds of files can be given back.
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse::<u64>().ok());
    let held = read("/sys/fs/cgroup/memory.stat").and_then(|text| line(&text, "anon "));
    let container = limit.zip(held).map(|(limit, held)| limit.saturating_sub(held));
    machine.into_iter().chain(container).min()
}

#[cfg(not(target_os = "linux"))]
fn available() -> Option<u64> {
    None
}

/// The number in the line that begins so.
#[cfg(target_os = "linux")]
fn line(text: &str, begins: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(begins)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_room_is_refused_with_both_figures() {
        let picture = Picture::new(2000, 1500, 3, Depth::U8);
        assert!(against("oil-painting", &picture, 37, Some(134_000_000)).is_ok());
        assert!(against("oil-painting", &picture, 37, None).is_ok());
        let error = against("oil-painting", &picture, 37, Some(90_000_000)).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert_eq!(error.message, "`oil-painting` of 3 megapixels takes 0.1 GB of memory, and 0.1 GB are free");
        assert!(error.hint.unwrap().contains("crop"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_what_is_free() {
        assert!(available().unwrap() > 1 << 20);
        assert_eq!(line("A: 3 kB\nMemAvailable:   12 kB\n", "MemAvailable:"), Some(12));
    }
}
