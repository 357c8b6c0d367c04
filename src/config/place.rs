//! Where a value stands, so that errors and `gimp-bridge config` can name it.

use std::fmt;
use std::path::PathBuf;

/// The source of an effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// A TOML or `.env` file; the line counts from 1.
    File(PathBuf, usize),
    Environment(String),
    Flag(&'static str),
    /// Follows from this key, which was set there.
    Because(&'static str, Box<Origin>),
}

impl Origin {
    /// Whether both are the same file, or both the environment, or both flags.
    pub fn same_place(&self, other: &Origin) -> bool {
        match (self, other) {
            (Origin::File(one, _), Origin::File(other, _)) => one == other,
            (Origin::Environment(_), Origin::Environment(_)) | (Origin::Flag(_), Origin::Flag(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
            Origin::Because(key, origin) => write!(f, "follows from {key}: {origin}"),
        }
    }
}
