//! A run's share of many pictures, where several runs work side by side.

use crate::error::{Error, Kind, Result};
use sha2::{Digest, Sha256};

/// Runs that can share one folder.
const MOST: u32 = 10_000;

/// One of `count` shares. A picture's name alone decides whose it is, so that runs which start at different times agree
/// although pictures come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: u32,
    pub count: u32,
}

impl Shard {
    /// Of `I/N`, I from 0, as Kubernetes counts the pods of a job.
    pub fn of(text: &str) -> Result<Shard> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=MOST).contains(&count) && index < count => Ok(Shard { index, count }),
            _ => Err(Error::new(
                Kind::InvalidArgument,
                format!("`--shard {text}` must be I/N, I from 0 to N-1, N up to {MOST}"),
            )
            .hint("of three runs the first is 0/3 and the last 2/3")),
        }
    }

    pub fn holds(self, name: &str) -> bool {
        // Names that differ in one digit are far apart in it, which a checksum does not promise.
        let digest = Sha256::digest(name.as_bytes());
        let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        number % u64::from(self.count) == u64::from(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_one_run() {
        let names: Vec<String> = (0..4000).map(|number| format!("IMG_{number:04}.jpg")).collect();
        let shares: Vec<usize> =
            (0..7).map(|index| names.iter().filter(|name| Shard { index, count: 7 }.holds(name)).count()).collect();
        assert_eq!(shares.iter().sum::<usize>(), names.len());
        assert!(shares.iter().all(|share| (450..700).contains(share)), "{shares:?}");
        let digits: Vec<String> = (0..10).map(|digit| format!("{digit}.png")).collect();
        let first = digits.iter().filter(|name| Shard { index: 0, count: 2 }.holds(name)).count();
        assert!((2..=8).contains(&first), "{first}");
    }

    #[test]
    fn counts_from_nought() {
        assert_eq!(Shard::of("0/3").unwrap(), Shard { index: 0, count: 3 });
        for wrong in ["3/3", "1", "1/0", "-1/3", "a/b", "0/10001"] {
            assert!(Shard::of(wrong).unwrap_err().message.contains(wrong), "{wrong}");
        }
    }
}
