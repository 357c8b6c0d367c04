//! The one bound on what sessions, kept work and uploads take on disk together.

use crate::error::{Error, Kind, Result};
use crate::metrics::METRICS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes used of bytes allowed; cheap to clone.
#[derive(Clone)]
pub struct Disk {
    used: Arc<AtomicU64>,
    limit: u64,
}

impl Disk {
    pub fn new(limit: u64) -> Disk {
        Disk { used: Arc::default(), limit }
    }

    /// Counts `bytes` that are about to be written; refuses when they are over the bound.
    pub fn take(&self, bytes: u64) -> Result<()> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(before) => {
                METRICS.disk.set((before + bytes) as i64);
                Ok(())
            }
            Err(used) => Err(Error::new(
                Kind::TooLarge,
                format!(
                    "{bytes} bytes more are over the bound of {} bytes on disk, of which {used} are used",
                    self.limit
                ),
            )
            .hint("close sessions and delete uploads that are not needed, or raise sessions.disk_mb")),
        }
    }

    /// Counts what lies there already, or was written without asking.
    pub fn add(&self, bytes: u64) {
        METRICS.disk.set((self.used.fetch_add(bytes, Ordering::AcqRel) + bytes) as i64);
    }

    /// Bytes that were deleted.
    pub fn free(&self, bytes: u64) {
        let before =
            self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(bytes)));
        METRICS.disk.set(before.unwrap_or_else(|used| used).saturating_sub(bytes) as i64);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Whether so many bytes more would fit.
    pub fn fits(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_what_is_freed_can_be_taken_again() {
        let disk = Disk::new(100);
        disk.take(60).unwrap();
        assert_eq!(disk.take(41).unwrap_err().kind, Kind::TooLarge);
        disk.take(40).unwrap();
        assert!(!disk.fits(1));
        disk.free(50);
        assert!(disk.fits(50) && disk.used() == 50);
        disk.free(500);
        assert_eq!(disk.used(), 0);
    }
}
