//! A filter or an image generator at work on a session's image, in all of it or within `mask_data` or `region`.
//!
//! Within a mask it is a batch of steps around the one that does the work: one undo step, and the answer is that one's.

use super::ai::mask;
use super::{Rpc, answer, wrong};
use crate::error::Error;
use crate::filters::Plane;
use crate::http::keys::Identity;
use crate::ops::Context;
use serde_json::{Map, Value};

/// A session as these methods see it.
pub(super) struct Session<'a> {
    rpc: &'a Rpc,
    identity: &'a Identity,
    context: Context,
    id: Value,
}

/// What is to be done within a mask.
pub(super) struct Within {
    /// Those of the operation, without its time limit, which the batch has.
    pub arguments: Map<String, Value>,
    pub mask: Plane,
    /// The ids of the selected layers.
    pub selected: Vec<Value>,
}

/// The steps of a batch, and which of them does the work.
pub(super) type Steps = (Value, usize);

impl Session<'_> {
    /// An operation's answer; one that failed as an error.
    pub async fn ask(&self, name: &str, mut arguments: Map<String, Value>) -> Result<Value, Value> {
        arguments.insert("session_id".into(), self.id.clone());
        let done = self.rpc.operation(name, arguments, self.identity, self.context.clone()).await;
        if done["success"] == true { Ok(done) } else { Err(done) }
    }
}

/// Runs `operation`, or the steps that `within` makes of it; the answer, or that of what failed.
pub(super) async fn run(
    rpc: &Rpc,
    mut given: Map<String, Value>,
    (operation, mut arguments): (&str, Map<String, Value>),
    identity: &Identity,
    context: Context,
    within: impl AsyncFnOnce(&Session<'_>, Within) -> Result<Steps, Value>,
) -> Result<Value, Value> {
    if given.contains_key("image_data") || given.contains_key("upload") {
        let error = wrong("the picture was given twice, by a session and beside it", "give one of them");
        return Err(answer::failed(&error));
    }
    let session = Session { rpc, identity, context, id: given.remove("session_id").unwrap_or_default() };
    let include = given.remove("include_image_data").map(|include| ("include_image_data".to_owned(), include));
    if !given.contains_key("mask_data") && !given.contains_key("region") {
        arguments.extend(include);
        return session.ask(operation, arguments).await;
    }
    let facts = session.ask("get_image_metadata", Map::new()).await?["result"].take();
    let side = |name: &str| facts["basic"][name].as_u64().unwrap_or_default() as usize;
    let mask = mask(&given, side("width"), side("height")).await;
    let mask = mask.and_then(|mask| mask.ok_or_else(|| Error::internal("no mask")));
    let mask = mask.map_err(|error| answer::failed(&error))?;
    let timeout = arguments.remove("timeout").map(|timeout| ("timeout".to_owned(), timeout));
    let selected = facts["structure"]["selected_layers"].as_array().cloned().unwrap_or_default();
    let (steps, work) = within(&session, Within { arguments, mask, selected }).await?;
    let mut batch = Map::from_iter([("operations".to_owned(), steps)]);
    batch.extend(timeout);
    batch.extend(include);
    let mut done = session.ask("batch", batch).await?;
    let effect = done["result"]["effect"].take();
    let mut result = done["result"]["results"][work].take();
    result["effect"] = effect;
    done["message"] = result["message"].clone();
    done["result"] = result;
    Ok(done)
}
