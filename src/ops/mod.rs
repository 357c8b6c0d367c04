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
mod pictures;
mod redact;
mod rights;
pub mod search;
pub mod uri;
pub mod watch;

pub use catalogue::{Access, Catalogue, ImageUse, MAX_TIMEOUT, Operation, Runs};
pub use filter::{Given, filter_parameters, given_picture, given_whole};
pub use local::open::decode as decode_image_data;
pub use pictures::Pictures;
pub use rights::{KeyName, Right, Rights};

use crate::error::{Error, Kind, Result};
use crate::filters::Filters;
use crate::generate::Generator;
use crate::gimp::{Client, Gimp, ProgressSink};
use crate::images::Picture;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Who runs an operation, and how it hears of it.
#[derive(Clone)]
pub struct Context {
    pub client: Client,
    pub cancel: CancellationToken,
    pub progress: Option<ProgressSink>,
    pub rights: Rights,
    /// For whom pictures are, and what they may cost.
    pub pictures: Pictures,
    /// Where the caller reaches this daemon; `None`: not over HTTP.
    pub base_url: Option<BaseUrl>,
}

/// The address that links to this daemon begin with, without a slash at its end. In a request's extensions behind the
/// guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(pub Arc<str>);

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
    /// `None`: this process generates no images.
    generator: Option<Generator>,
    watches: watch::Watches,
}

impl Ops {
    pub fn new(gimp: Gimp, filters: Filters) -> Ops {
        Ops { gimp, filters, generator: None, watches: watch::Watches::default() }
    }

    /// The same with what generates images.
    pub fn with_generator(self, generator: Generator) -> Ops {
        Ops { generator: Some(generator), ..self }
    }

    /// Whether a backend that generates images is configured.
    pub fn generates(&self) -> bool {
        self.generator.as_ref().is_some_and(Generator::is_on)
    }

    /// What generates and keeps images.
    ///
    /// # Errors
    /// `unsupported` where this process does not.
    pub fn generator(&self) -> Result<&Generator> {
        let none = || {
            Error::new(Kind::Unsupported, "this process generates no images").hint("ask `gimp-bridge serve` or `stdio`")
        };
        self.generator.as_ref().ok_or_else(none)
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
