//! wait_for_change: an answer that comes when the image is another.

use super::super::call::Call;
use super::super::watch::{State, Target, differences, is_revision};
use super::super::{Outcome, params};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value, json};

/// What the answer takes of the wait, so that a client with the same limit gets it.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(50);

pub async fn wait_for_change(mut call: Call<'_>) -> Result<Outcome> {
    let until = tokio::time::Instant::now() + call.timeout.saturating_sub(ANSWER);
    let since = call.take_text("since");
    if let Some(wrong) = since.as_deref().filter(|since| !is_revision(since)) {
        let message = format!("wait_for_change: `since` is no revision: `{}`", params::shorten(wrong));
        return Err(Error::new(Kind::InvalidArgument, message)
            .hint("give the `revision` of an earlier answer, or leave `since` out to wait from now"));
    }
    // The first look is the client's own: it finds the image as any call does.
    let arguments = std::mem::take(&mut call.arguments);
    let mut request = call.request("image_state", arguments);
    request.timeout = super::super::Catalogue::get().find("image_state").map_or(call.timeout, |entry| entry.timeout());
    let mut state = call.ops.gimp().call(request).await?;
    let image = state.get("image").and_then(Value::as_u64);
    let image = image.ok_or_else(|| Error::internal("image_state answered without an image"))?;
    let now = state.get("revision").and_then(Value::as_str).unwrap_or_default().to_owned();
    let before = since.unwrap_or_else(|| now.clone());
    if before != now {
        return Ok(answer(image, &before, Some(&now), state.remove("is_dirty")));
    }
    let mut states = call.ops.watch(&call.context.client, call.instance.clone(), Target::Image(image)).await;
    let changed = states.wait_for(|state| match state {
        State::Unknown => false,
        State::Known(revision) => *revision != before,
        State::Gone(_) => true,
    });
    let seen = tokio::select! {
        seen = changed => seen.map(|state| state.clone()).unwrap_or_default(),
        () = tokio::time::sleep_until(until) => State::Unknown,
        () = call.context.cancel.cancelled() => {
            return Err(Error::new(Kind::Cancelled, "`wait_for_change` was cancelled"));
        }
    };
    match seen {
        State::Known(revision) => Ok(answer(image, &before, Some(&revision), None)),
        State::Gone(error) if error.kind == Kind::ImageGone => Ok(answer(image, &before, None, None)),
        State::Gone(error) => Err(error),
        State::Unknown => Ok(answer(image, &before, Some(&before), state.remove("is_dirty"))),
    }
}

/// `now`: `None` for an image that was closed.
fn answer(image: u64, before: &str, now: Option<&str>, dirty: Option<Value>) -> Outcome {
    let what = now.map_or_else(|| vec!["closed"], |now| differences(before, now));
    let mut result = Map::new();
    result.insert("image".into(), now.map_or(Value::Null, |_| image.into()));
    result.insert("changed".into(), (!what.is_empty()).into());
    result.insert("what".into(), json!(what));
    result.insert("revision".into(), json!(now));
    if let Some(dirty) = dirty.filter(Value::is_boolean) {
        result.insert("is_dirty".into(), dirty);
    }
    Outcome { result, ..Outcome::default() }
}
