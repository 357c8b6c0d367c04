//! The catalogue as MCP: tools, resources, prompts, over stdio and HTTP. Alone names rmcp.
//!
//! Owns how an operation looks to an MCP client and who that client is. Refuses to know what an operation does: it
//! reaches the rest through [`Ops`](crate::ops::Ops) alone.
//!
//! | file | what it holds |
//! |---|---|
//! | `server.rs` | the handler: one small function per MCP method |
//! | `instructions.rs` | what a model is told of all tools together |
//! | `listing.rs`, `brief.rs`, `output.rs` | which operations a client sees as tools, their short forms, what they answer |
//! | `tools.rs`, `bound.rs` | outcome and error to tool result, and its greatest size |
//! | `resources.rs`, `prompts.rs` | the `gimp://` resources, the prompts |
//! | `clients.rs` | which AI client a request belongs to, and when that client is gone |
//! | `attachments.rs` | pictures that leave as base64 without ever being a string |
//! | `in_flight.rs` | refuses a second request with the id of one that runs |
//! | `subscriptions.rs` | tells clients that a resource changed |
//! | `transport.rs`, `sessions.rs`, `replies.rs` | stdio and HTTP around the handler |

mod attachments;
mod bound;
mod brief;
mod clients;
mod in_flight;
mod instructions;
mod listing;
mod output;
mod prompts;
mod replies;
mod resources;
mod server;
mod sessions;
mod subscriptions;
mod tools;
mod transport;

pub use clients::CLIENT_HEADER;
pub use listing::{DEFAULT as DEFAULT_TOOLS, DEFAULT_SET_BYTES};
pub use replies::HELD as REPLY_HELD;
pub use server::{Mcp, Server};
pub use transport::{HttpSettings, http_router, serve_stdio, serve_streams};

/// Part of every log filter: at its debug level rmcp writes arguments and results.
pub const QUIET: &str = "rmcp=warn";

/// The MCP revisions that clients may speak, oldest first.
pub fn revisions() -> Vec<&'static str> {
    rmcp::model::ProtocolVersion::KNOWN_VERSIONS.iter().map(|version| version.as_str()).collect()
}
