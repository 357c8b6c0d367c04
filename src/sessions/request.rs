//! One request to the sessions: what it is about, what it runs, and what it did.

use crate::error::Result;
use crate::ops::Outcome;
use bytes::Bytes;
use serde_json::{Map, Value};

/// One operation with its arguments.
#[derive(Clone, Debug)]
pub struct Command {
    pub operation: String,
    pub arguments: Map<String, Value>,
}

/// What to work on.
#[derive(Clone, Debug)]
pub enum Target {
    /// An open session, or one whose work is kept.
    Session(String),
    /// A new one.
    New,
}

/// What a request does beside its commands.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// An image file that becomes the session's image first.
    pub bytes: Option<Bytes>,
    /// The name of the image in it.
    pub name: Option<String>,
    /// What open_image is told about its EXIF orientation.
    pub orientation: Option<String>,
    /// Whether opening it is a step with an answer of its own.
    pub answers: bool,
    /// Whether to look at the result.
    pub picture: bool,
    /// Whether the commands are one change: one undo step, one proof.
    pub joined: bool,
}

/// What a session's state is after a request.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    pub width: u32,
    pub height: u32,
    pub generation: u64,
}

/// What a request did.
#[derive(Debug)]
pub struct Done {
    /// `None`: nothing began a session.
    pub session: Option<(String, Settled)>,
    /// One for each command that ran, in order.
    pub steps: Vec<Result<Outcome>>,
    /// `effect` of joined commands together.
    pub effect: Option<Result<Map<String, Value>>>,
    /// What it looks like afterwards, if that was asked for.
    pub picture: Option<Result<Outcome>>,
}
