//! JSON-RPC 2.0: requests, notifications and batches to answers, whatever carries them.
//!
//! Owns the envelope: ids, versions, error codes, bounds. An error object is for a request that is no good as such: no
//! JSON, no such method, a parameter of the method that is wrong, no right to call it. What an operation has to say
//! about an image is a result with `success: false`, as the API's users expect.
//!
//! | file | what it holds |
//! |---|---|
//! | `methods.rs` | the table of methods (`protocol/jsonrpc.json` and the catalogue), their checks, the dispatch |
//! | `operations.rs` | mcp_operation, execute_gimp_commands, and operations by their own names |
//! | `loose.rs` | operations without a session, on images that are open in GIMP |
//! | `analysis.rs`, `assistant.rs` | image_analysis, ai_assistant |
//! | `ai.rs` | ai_inpainting, ai_style_transfer, ai_upscaling |
//! | `inpaint.rs` | ai_inpainting with a prompt |
//! | `in_session.rs` | both on a session's image, also within a mask |
//! | `answer.rs` | outcomes and errors in the API's shape |
//! | `openrpc.rs` | the description of all that |

mod ai;
mod analysis;
mod answer;
mod assistant;
mod in_session;
mod inpaint;
mod loose;
pub(super) mod methods;
mod openrpc;
mod operations;
mod sentence;

pub use openrpc::document;

use super::keys::Identity;
use super::record::Summary;
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::gimp::{Progress, ProgressSink};
use crate::ops::{Context, Ops, Pictures};
use crate::sessions::{Sessions, Uploads};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Requests in one batch.
const BATCH: usize = 100;

/// What the methods work with; cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    pub ops: Ops,
    pub sessions: Sessions,
    pub uploads: Uploads,
    pub assistant: config::Assistant,
}

/// Takes notifications for the client while a request runs; must not block.
pub type Notify = Arc<dyn Fn(Value) + Send + Sync>;

/// Who calls, and how it hears of progress.
#[derive(Clone)]
pub struct Caller {
    pub identity: Identity,
    pub cancel: CancellationToken,
    pub notify: Option<Notify>,
}

/// What goes back.
#[derive(Debug)]
pub struct Reply {
    /// `None`: there were only notifications.
    pub body: Option<Value>,
    pub summary: Summary,
}

/// One well-formed request.
struct Request {
    method: String,
    params: serde_json::Map<String, Value>,
    /// `None`: a notification.
    id: Option<Value>,
}

impl Rpc {
    /// Answers a body: one request, or a batch in its order.
    pub async fn answer(&self, body: &[u8], caller: &Caller) -> Reply {
        let parsed = match serde_json::from_slice::<Value>(body) {
            Ok(parsed) => parsed,
            Err(error) => {
                let error = Error::new(Kind::ProtocolError, format!("the body is not JSON: {error}"))
                    .hint("send one JSON-RPC 2.0 request, or an array of them");
                return refused(failure(Value::Null, -32700, &error));
            }
        };
        match parsed {
            Value::Array(batch) if batch.is_empty() => invalid("the batch is empty"),
            Value::Array(batch) if batch.len() > BATCH => {
                invalid(&format!("the batch has {} requests, the most is {BATCH}", batch.len()))
            }
            Value::Array(batch) => {
                let mut log = Log::default();
                let mut answers = Vec::new();
                for request in batch {
                    answers.extend(self.answer_one(request, caller, &mut log).await);
                }
                Reply { body: (!answers.is_empty()).then_some(Value::Array(answers)), summary: log.summary() }
            }
            single => {
                let mut log = Log::default();
                let body = self.answer_one(single, caller, &mut log).await;
                Reply { body, summary: log.summary() }
            }
        }
    }

    /// What operations see of a caller.
    pub fn context(identity: &Identity, cancel: CancellationToken, progress: Option<ProgressSink>) -> Context {
        Context {
            client: loose::client(identity),
            cancel,
            progress,
            rights: identity.rights,
            pictures: Pictures::default(),
            base_url: identity.base_url.clone(),
        }
    }

    async fn answer_one(&self, request: Value, caller: &Caller, log: &mut Log) -> Option<Value> {
        let request = match read(request) {
            Ok(request) => request,
            Err(bad) => {
                let (id, error) = *bad;
                log.note("invalid", error.kind.name());
                let code = if error.kind == Kind::InvalidArgument { -32602 } else { -32600 };
                return Some(failure(id, code, &error));
            }
        };
        let method = methods::known(&request.method).unwrap_or("unknown");
        let progress = caller.notify.clone().zip(request.id.clone()).map(|(notify, id)| progress_sink(notify, id));
        let context = Rpc::context(&caller.identity, caller.cancel.clone(), progress);
        let answer = self.call(&request.method, request.params, &caller.identity, context).await;
        log.note(method, answer.as_ref().map_or_else(|error| error.kind.name(), answer::outcome));
        let id = request.id?;
        Some(match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "result": answer::complete(result, &request.method), "id": id}),
            Err(error) => failure(id, error.kind.code(), &error),
        })
    }
}

/// Takes a request apart. The error comes with the id to answer to, null where there is none.
fn read(request: Value) -> std::result::Result<Request, Box<(Value, Error)>> {
    let bad = |id: &Value, what: &str| {
        let hint = "a request is {\"jsonrpc\": \"2.0\", \"method\": NAME, \"params\": {…}, \"id\": ID}";
        Err(Box::new((id.clone(), Error::new(Kind::ProtocolError, what.to_owned()).hint(hint))))
    };
    let Value::Object(mut request) = request else { return bad(&Value::Null, "a request is a JSON object") };
    let id = request.remove("id");
    let shown = match &id {
        None | Some(Value::Null | Value::String(_) | Value::Number(_)) => id.clone().unwrap_or_default(),
        Some(_) => return bad(&Value::Null, "`id` must be a string, a number or null"),
    };
    if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return bad(&shown, "`jsonrpc` must be \"2.0\"");
    }
    let Some(Value::String(method)) = request.remove("method") else { return bad(&shown, "`method` must be a string") };
    let params = match request.remove("params") {
        None => serde_json::Map::new(),
        Some(Value::Object(params)) => params,
        Some(Value::Array(params)) if params.is_empty() => serde_json::Map::new(),
        Some(Value::Array(_)) => {
            let error = Error::new(Kind::InvalidArgument, "`params` must be an object: parameters are given by name")
                .hint("/openrpc.json names each method's parameters");
            return Err(Box::new((shown, error)));
        }
        Some(_) => return bad(&shown, "`params` must be an object"),
    };
    Ok(Request { method, params, id })
}

/// An error response, with kind, hint and details in `data`.
pub fn failure(id: Value, code: i32, error: &Error) -> Value {
    let mut body = error.to_json_rpc();
    body["code"] = code.into();
    json!({"jsonrpc": "2.0", "error": body, "id": id})
}

fn refused(body: Value) -> Reply {
    Reply { body: Some(body), summary: Summary { calls: "invalid".into(), outcome: "protocol_error".into() } }
}

fn invalid(what: &str) -> Reply {
    refused(failure(Value::Null, -32600, &Error::new(Kind::ProtocolError, what)))
}

fn progress_sink(notify: Notify, id: Value) -> ProgressSink {
    Arc::new(move |Progress { progress, total, message }: Progress| {
        let mut params = json!({"id": id, "progress": progress});
        if let Some(total) = total {
            params["total"] = total.into();
        }
        if let Some(message) = message {
            params["message"] = message.into();
        }
        notify(json!({"jsonrpc": "2.0", "method": "progress", "params": params}));
    })
}

/// What the request's line in the log says.
#[derive(Default)]
struct Log {
    calls: Vec<&'static str>,
    outcome: Option<&'static str>,
}

impl Log {
    fn note(&mut self, method: &'static str, outcome: &'static str) {
        // A batch's line stays a line.
        if self.calls.len() < 8 {
            self.calls.push(method);
        }
        if outcome != "ok" {
            self.outcome.get_or_insert(outcome);
        }
    }

    fn summary(self) -> Summary {
        Summary { calls: self.calls.join(","), outcome: self.outcome.unwrap_or("ok").into() }
    }
}

/// Where a method's parameters are wrong.
fn wrong(message: impl Into<String>, hint: &str) -> Error {
    Error::new(Kind::InvalidArgument, message).hint(hint)
}

/// What a request that never came to its method answers, such as one that is too large.
pub fn transport_failure(error: &Error) -> Value {
    failure(Value::Null, error.kind.code(), error)
}

/// Calls from here on answer with a `Result` of the method's `result`.
type Answer = Result<Value>;
