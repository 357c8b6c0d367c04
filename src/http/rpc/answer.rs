//! Outcomes and errors in the API's shape: `success`, `message`, `session_id`, `image_dimensions`, `image_data`.

use super::sentence;
use crate::error::{Error, Kind, Result};
use crate::ops::Outcome;
use crate::sessions::Settled;
use serde_json::{Value, json};

/// What an answer about a generated image has beside `result` too.
const GENERATED: [&str; 3] = ["image_id", "url", "metadata"];

/// An operation's answer. Pictures and files come as `image_data`; what else it found is under `result`.
pub fn operation(name: &str, answer: Result<Outcome>) -> Value {
    let mut outcome = match answer {
        Ok(outcome) => outcome,
        Err(error) => return failed(&error),
    };
    let message = match outcome.result.remove("message") {
        Some(Value::String(message)) => message,
        _ => sentence::of(name, &outcome.result),
    };
    let mut body = json!({"success": true, "message": message});
    let mut image_data = outcome.result.remove("image_data");
    if let Some(picture) = outcome.pictures.pop() {
        match outcome.result.get_mut("preview") {
            Some(Value::Object(preview)) => drop(preview.insert("image_data".into(), picture.base64.into())),
            _ => image_data = Some(picture.base64.into()),
        }
    }
    let links: Vec<Value> = outcome
        .links
        .iter()
        .map(|link| json!({"uri": link.uri, "name": link.name, "mime_type": link.mime_type, "size": link.size}))
        .collect();
    if !links.is_empty() {
        outcome.result.insert("links".into(), links.into());
    }
    // A generated image is named where the plan's clients look for it.
    for name in GENERATED {
        if let Some(value) = outcome.result.get(name).filter(|_| outcome.result.contains_key("metadata")) {
            body[name] = value.clone();
        }
    }
    body["result"] = Value::Object(outcome.result);
    if let Some(data) = image_data {
        body["image_data"] = data;
    }
    body
}

/// An operation's failure: a result, not a JSON-RPC error.
pub fn failed(error: &Error) -> Value {
    let mut body = json!({"success": false, "message": error.message});
    body["error"] = details(error);
    body
}

/// The same for the methods that answer with `status`.
pub fn status_error(error: &Error) -> Value {
    json!({"status": "error", "message": error.message, "error": details(error)})
}

/// `status`, `success` and `message` in every result that says how it went, whichever of them its method knows.
pub fn complete(mut body: Value, method: &str) -> Value {
    let good = match (&body["success"], &body["status"]) {
        (Value::Bool(success), _) => *success,
        (_, Value::String(status)) => status == "success",
        _ => return body,
    };
    let Value::Object(members) = &mut body else { return body };
    members.insert("success".into(), good.into());
    members.entry("status").or_insert_with(|| if good { "success" } else { "error" }.into());
    members.entry("message").or_insert_with(|| format!("`{method}` ran to its end").into());
    body
}

fn details(error: &Error) -> Value {
    let mut details = error.to_json_rpc()["data"].take();
    details["code"] = error.kind.code().into();
    details
}

/// Adds which session it was, and how large its image is now.
pub fn in_session(mut body: Value, id: &str, settled: Settled) -> Value {
    body["session_id"] = id.into();
    body["image_dimensions"] = json!({"width": settled.width, "height": settled.height});
    body
}

/// For the log: `ok`, or the kind of what failed.
pub fn outcome(result: &Value) -> &'static str {
    if result["success"] == false || result["status"] == "error" {
        Kind::from_name(result["error"]["kind"].as_str().unwrap_or_default()).name()
    } else {
        "ok"
    }
}
