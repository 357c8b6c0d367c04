//! Operations: the catalogue, parameter checks, routing to GIMP or to the daemon's own code.

use crate::error::{Error, Kind, Result};
use crate::gimp::{Client, Gimp, ProgressSink};
use crate::images::Picture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// Who runs an operation, and how it hears of it.
#[derive(Clone)]
pub struct Context {
    pub client: Client,
    pub cancel: CancellationToken,
    pub progress: Option<ProgressSink>,
}

/// A resource that an answer points to instead of carrying it.
#[derive(Clone, Debug)]
pub struct Link {
    pub uri: String,
    pub name: String,
    pub mime_type: String,
    /// Bytes, if known.
    pub size: Option<u64>,
}

/// What an operation answers.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Valid against the catalogue's `result` schema.
    pub result: Map<String, Value>,
    /// Pictures for the client to see: the bitmap asked for, the `preview`.
    pub pictures: Vec<Picture>,
    pub links: Vec<Link>,
}

/// Runs operations by name; cheap to clone.
#[derive(Clone)]
pub struct Ops {
    gimp: Gimp,
}

impl Ops {
    pub fn new(gimp: Gimp) -> Ops {
        Ops { gimp }
    }

    /// The links, for health and instances.
    pub fn gimp(&self) -> &Gimp {
        &self.gimp
    }

    /// Checks `arguments` against the catalogue and runs the operation.
    pub async fn run(&self, name: &str, _arguments: Map<String, Value>, _context: Context) -> Result<Outcome> {
        Err(Error::new(Kind::UnknownOperation, format!("no operation `{name}`")))
    }
}
