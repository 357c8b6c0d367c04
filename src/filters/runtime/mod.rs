//! ONNX Runtime: finding its library, loading models, keeping them while they are used. The only place that names
//! `ort`.

mod cache;
mod library;
mod session;
pub mod setup;

pub use cache::{Cache, ModelKey, ModelSource, Origin, Wanted};
pub use library::{environment, find};
pub use session::{LocalModel, Model};

use crate::error::{Error, Kind, Reason};

/// What `ort` says, with its causes; memory trouble has its own kind, so that tiles can shrink.
fn edge<R>(error: &ort::Error<R>) -> Error {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    let lower = text.to_ascii_lowercase();
    let signs = ["failed to allocate", "bad_alloc", "out of memory", "bad allocation", "cuda failure 2"];
    let memory = signs.iter().any(|sign| lower.contains(sign));
    let kind = if memory { Kind::TooLarge } else { Kind::Unsupported };
    // Its messages can hold a page of the graph.
    let short: String = text.chars().take(400).collect();
    let reason = if memory { Reason::OutOfMemory } else { Reason::ModelUnfit };
    Error::new(kind, format!("ONNX Runtime: {}", short.trim_end_matches(['.', '\n', ' ']))).because(reason)
}
