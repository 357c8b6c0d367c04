//! A model behind an OpenAI-compatible API, with the catalogue's operations as its tools.
//!
//! What it calls is checked against the catalogue like anything else: a call that is not valid is said, not passed on.

use super::{Knowledge, Reply, Suggestion, checked};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::ops::catalogue::{Access, Operation, Runs};
use crate::ops::{Catalogue, search};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Operations that are offered: the core set, and what the message's words find.
const OFFERED: usize = 48;
/// Turns of the conversation that are passed on, the newest.
const TURNS: usize = 20;
/// Most bytes of the model's answer.
const LARGEST: u64 = 4 << 20;

const INSTRUCTIONS: &str = "You help to edit an image in GIMP. Answer a wish by calling the tools that do it, in their \
order, with amounts that fit the image's analysis. Do not ask for what the analysis says. If no tool can do it, say so in \
one sentence.";

/// Asks the model.
///
/// # Errors
/// `io_error` when it cannot be reached or answers nonsense, with the address; `timeout`.
pub async fn suggest(
    settings: &config::Assistant,
    message: &str,
    history: &[Value],
    knowledge: Knowledge<'_>,
) -> Result<Reply> {
    let Some(base) = settings.url.clone() else { return Ok(super::suggest_after(message, history, knowledge)) };
    let url = format!("{}/chat/completions", base.trim_end_matches('/'));
    let body = request(settings, message, history, knowledge);
    let (key, limit, address) = (settings.api_key.clone(), Duration::from_secs(settings.timeout), url.clone());
    let answer = tokio::task::spawn_blocking(move || send(&url, key.as_deref(), limit, &body)).await;
    let answer = answer.map_err(Error::internal)?.map_err(|error| failed(&address, limit, &error))?;
    read(&answer).ok_or_else(|| {
        Error::new(Kind::IoError, format!("the assistant's model at `{address}` answered without a message"))
            .hint("assistant.url must be an OpenAI-compatible API, up to and with /v1")
    })
}

fn send(url: &str, key: Option<&str>, limit: Duration, body: &Value) -> std::result::Result<Value, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(limit)).build().into();
    let mut request = agent.post(url);
    if let Some(key) = key {
        request = request.header("Authorization", format!("Bearer {key}"));
    }
    request.send_json(body)?.body_mut().with_config().limit(LARGEST).read_json()
}

fn failed(url: &str, limit: Duration, error: &ureq::Error) -> Error {
    if let ureq::Error::Timeout(_) = error {
        let message = format!("the assistant's model at `{url}` did not answer within {} s", limit.as_secs());
        return Error::new(Kind::Timeout, message).hint("raise assistant.timeout, or leave assistant.url out");
    }
    Error::new(Kind::IoError, format!("the assistant's model at `{url}` cannot be asked: {error}")).hint(
        "check assistant.url, assistant.model and assistant.api_key; without assistant.url the embedded one answers",
    )
}

fn request(settings: &config::Assistant, message: &str, history: &[Value], knowledge: Knowledge<'_>) -> Value {
    let mut messages = vec![json!({"role": "system", "content": INSTRUCTIONS})];
    let known = json!({"image_state": knowledge.image_state, "analysis": knowledge.analysis});
    messages.push(json!({"role": "system", "content": format!("What is known of the image: {known}")}));
    messages.extend(history.iter().rev().take(TURNS).rev().filter_map(turn));
    messages.push(json!({"role": "user", "content": message}));
    let tools: Vec<Value> = offered(message).into_iter().map(tool).collect();
    json!({"model": settings.model, "messages": messages, "tools": tools, "tool_choice": "auto", "temperature": 0})
}

fn turn(entry: &Value) -> Option<Value> {
    let role = entry["role"].as_str().filter(|role| ["user", "assistant"].contains(role))?;
    let content = entry["content"].as_str().or_else(|| entry["message"].as_str())?;
    Some(json!({"role": role, "content": content}))
}

/// Changing operations on an image: the core ones and those that the message's words find.
fn offered(message: &str) -> Vec<&'static Operation> {
    let changes = |operation: &&'static Operation| operation.access != Access::Read && operation.pack != "script";
    let mut offered: Vec<&'static Operation> =
        Catalogue::get().public().filter(|operation| operation.core).filter(changes).collect();
    for found in search::search(message).into_iter().filter(changes) {
        if offered.len() < OFFERED && !offered.iter().any(|known| known.name == found.name) {
            offered.push(found);
        }
    }
    // Those that drive other operations are of no use as a suggestion
    offered
        .retain(|operation| operation.runs == Runs::Gimp || operation.pack == "ai" || operation.name == "save_image");
    offered
}

fn tool(operation: &'static Operation) -> Value {
    let mut parameters = operation.input_schema().clone();
    if let Some(Value::Object(properties)) = parameters.get_mut("properties") {
        for common in ["image", "timeout", "instance", "preview", "verify", "from_preview", "units"] {
            properties.shift_remove(common);
        }
    }
    json!({"type": "function", "function": {
        "name": operation.name, "description": operation.description, "parameters": parameters}})
}

/// The model's calls as suggestions, and its words.
fn read(answer: &Value) -> Option<Reply> {
    let message = answer["choices"].get(0)?.get("message")?;
    let mut reply =
        Reply { message: message["content"].as_str().unwrap_or_default().trim().to_owned(), ..Reply::default() };
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let name = call["function"]["name"].as_str().unwrap_or_default();
        let parameters = match &call["function"]["arguments"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            Value::Object(parameters) => parameters.clone(),
            _ => Map::new(),
        };
        match checked(name, parameters) {
            Ok(parameters) => reply.suggestions.push(Suggestion {
                kind: "operation",
                operation: name.to_owned(),
                parameters,
                words: Catalogue::get()
                    .find_public(name)
                    .map_or_else(|_| name.to_owned(), |found| found.title.to_lowercase()),
            }),
            Err(why) => reply.open.push(format!("The model's call of `{name}` is not valid: {why}")),
        }
    }
    if reply.message.is_empty() {
        reply.message = super::words(&reply);
    } else if !reply.open.is_empty() {
        reply.message = format!("{} ({})", reply.message, reply.open.join("; "));
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_suggestions_and_wrong_ones_are_said() {
        let call = |name: &str, arguments: &str| json!({"function": {"name": name, "arguments": arguments}});
        let answer = json!({"choices": [{"message": {"content": null, "tool_calls": [
            call("apply_blur", "{\"radius\": 4}"), call("apply_blur", "{\"radius\": \"much\"}"), call("fly", "{}")]}}]});
        let reply = read(&answer).unwrap();
        assert_eq!(reply.suggestions.len(), 1);
        assert_eq!(reply.suggestions[0].to_json()["parameters"], json!({"radius": 4}));
        assert_eq!(reply.open.len(), 2);
        assert!(reply.message.contains("`fly` is not valid"), "{}", reply.message);
        assert!(read(&json!({"error": "x"})).is_none());
    }

    #[test]
    fn what_is_offered_is_bounded_and_fits_the_message() {
        let offered = offered("put a drop shadow under the text");
        assert!(offered.len() <= OFFERED);
        assert!(offered.iter().any(|operation| operation.name == "apply_drop_shadow"));
        assert!(offered.iter().all(|operation| operation.name != "call_api"));
        let request = request(
            &config::Assistant::default(),
            "hi",
            &vec![json!({"role": "user", "content": "x"}); 50],
            Knowledge::default(),
        );
        assert_eq!(request["messages"].as_array().unwrap().len(), TURNS + 3);
    }
}
