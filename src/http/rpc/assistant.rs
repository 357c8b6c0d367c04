//! ai_assistant: a wish in words to the operation that does it.
//!
//! The place for the assistant's room: it takes `message`, the conversation, the image's state and its analysis, and
//! gives `{message, suggestion: {type, operation, parameters}}`; `apply` runs the suggestion through
//! [`Rpc::operation`](super::Rpc). Until it is there the method refuses.

use super::{Answer, Rpc};
use crate::error::{Error, Kind};
use crate::http::keys::Identity;
use crate::ops::Context;
use serde_json::{Map, Value};

pub(super) async fn ai_assistant(_: &Rpc, _: Map<String, Value>, _: &Identity, _: Context) -> Answer {
    Err(Error::new(Kind::Unsupported, "`ai_assistant` is not there yet")
        .hint("this version has no assistant; call operations by mcp_operation"))
}
