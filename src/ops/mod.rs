//! Operations: the catalogue, parameter checks, routing to GIMP or to the daemon's own code.
//!
//! [`Ops::run`] is the one way in, for MCP, JSON-RPC and the command line alike. It refuses what the catalogue does
//! not declare; whether a layer exists or a folder is allowed is the plug-in's to say.

pub mod batch;
mod call;
pub mod catalogue;
pub mod docs;
mod filter;
mod inbound;
mod local;
pub mod params;
pub mod rights;
pub mod search;
pub mod uri;
pub mod watch;

pub use catalogue::{Access, Catalogue, ImageUse, Operation, Runs};
pub use filter::filter_parameters;
pub use local::open::decode as decode_image_data;
pub use rights::{Right, Rights};

use crate::filters::Filters;
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
    pub rights: Rights,
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
    filters: Filters,
    watches: watch::Watches,
}

impl Ops {
    pub fn new(gimp: Gimp, filters: Filters) -> Ops {
        Ops { gimp, filters, watches: watch::Watches::default() }
    }

    /// The AI filters of this process.
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The links, for health and instances.
    pub fn gimp(&self) -> &Gimp {
        &self.gimp
    }
}
