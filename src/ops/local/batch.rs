//! batch: several operations as one call. The steps run here, one after the other, each with its own checks; the
//! plug-in holds the one checkpoint, the one undo step and the one proof (`begin_batch`, `end_batch`).
//!
//! However this ends, by an answer, an error, a cancel, or because nobody waits for it any more, the batch is closed.

use super::super::call::{BATCH, Call};
use super::super::catalogue::Catalogue;
use super::super::{Context, Operation, Ops, Outcome, params};
use super::references::{self, Answered};
use crate::error::{Error, Kind, Result};
use crate::gimp::{Progress, ProgressSink, Request};
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Cannot be steps: they nest, wait for the user, or change what the steps are about.
const REFUSED: [&str; 4] = ["batch", "run_operation", "wait_for_change", "select_instance"];

/// What closing may take: taking everything back on a large image, and the proof.
const CLOSING: Duration = Duration::from_secs(180);

/// How often the plug-in hears that a step outside of GIMP is still at work; it waits a minute.
const TOUCH: Duration = Duration::from_secs(20);

/// Bytes of base64 that all pictures of a batch may have.
const PICTURES: usize = 64 << 20;

/// Most characters of the steps' messages in the batch's own.
const MESSAGE: usize = 400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnError {
    Restore,
    Stop,
    Continue,
}

struct Step {
    operation: &'static Operation,
    arguments: Map<String, Value>,
    id: Option<String>,
}

/// A batch that is open in the plug-in.
struct Open {
    ops: Ops,
    /// How it is closed: the request but for `restore`.
    end: Request,
    restore: bool,
    closed: bool,
}

pub async fn batch(mut call: Call<'_>) -> Result<Outcome> {
    let on_error = match call.take_text("on_error").as_deref() {
        Some("stop") => OnError::Stop,
        Some("continue") => OnError::Continue,
        _ => OnError::Restore,
    };
    let steps = steps(&mut call)?;
    let began = Instant::now();
    let open = Open::begin(&call, on_error).await?;
    let mut run = Run {
        call: &call,
        on_error,
        began,
        token: open.token(),
        steps: Vec::new(),
        results: Vec::new(),
        outcome: Outcome::default(),
        failed: 0,
    };
    let failure = run.all(steps).await;
    run.finish(open, failure).await
}

/// The steps, checked as far as that can be before any of them runs.
fn steps(call: &mut Call<'_>) -> Result<Vec<Step>> {
    let image = call.arguments.remove("image");
    let Some(Value::Array(given)) = call.arguments.remove("operations") else {
        return Err(Error::internal("the catalogue requires `operations`"));
    };
    let (mut steps, mut known): (Vec<Step>, Vec<Answered>) = (Vec::new(), Vec::new());
    for (at, mut given) in given.into_iter().enumerate() {
        let name = given["name"].as_str().unwrap_or_default().to_owned();
        let arguments = given["arguments"].take().as_object().cloned().unwrap_or_default();
        let id = given["id"].as_str().map(str::to_owned);
        if id.is_some() && known.iter().any(|step| step.id == id) {
            let id = id.unwrap_or_default();
            return Err(Error::new(
                Kind::InvalidArgument,
                format!("step {at}: the id `{id}` is taken by an earlier step"),
            ));
        }
        let step = check(&name, arguments, image.as_ref(), &known, call.instance.as_deref());
        let (operation, arguments) = step.map_err(|mut error| {
            error.message = format!("step {at}: {}", error.message);
            error.detail("step", at)
        })?;
        known.push(Answered { id: id.clone(), name, result: None });
        steps.push(Step { operation, arguments, id });
    }
    Ok(steps)
}

fn check(
    name: &str,
    mut arguments: Map<String, Value>,
    image: Option<&Value>,
    earlier: &[Answered],
    instance: Option<&str>,
) -> Result<(&'static Operation, Map<String, Value>)> {
    let operation = Catalogue::get().find_public(name)?;
    if REFUSED.contains(&name) {
        return Err(Error::new(Kind::InvalidArgument, format!("`{name}` cannot be a step of a batch"))
            .hint("call it by itself, before or after the batch"));
    }
    if arguments.get("instance").is_some_and(|given| given.as_str() != instance) {
        return Err(Error::new(Kind::InvalidArgument, "a batch runs in one GIMP, and a step names another")
            .hint("give `instance` to the batch, not to its steps"));
    }
    let takes = |parameter: &str| operation.parameter_names().any(|name| name == parameter);
    if let Some(image) = image.filter(|_| takes("image") && !arguments.contains_key("layer")) {
        arguments.entry("image").or_insert_with(|| image.clone());
    }
    if let Some(instance) = instance.filter(|_| takes("instance")) {
        arguments.entry("instance").or_insert_with(|| instance.into());
    }
    arguments.values().try_for_each(|value| references::check(value, earlier))?;
    if !arguments.values().any(references::has_reference) {
        params::check(operation, arguments.clone())?;
    }
    Ok((operation, arguments))
}

impl Open {
    async fn begin(call: &Call<'_>, on_error: OnError) -> Result<Open> {
        let restore = on_error == OnError::Restore;
        let mut arguments = Map::new();
        arguments.insert("seconds".into(), (call.timeout + CLOSING).as_secs_f64().into());
        arguments.insert("on_abandon".into(), if restore { "restore" } else { "keep" }.into());
        arguments.insert("proof".into(), call.arguments.get("verify").cloned().unwrap_or("auto".into()));
        let begun = call.ops.gimp().call(call.request("begin_batch", arguments)).await?;
        let token = begun.get("batch").filter(|token| token.is_string()).cloned();
        let token = token.ok_or_else(|| Error::internal("begin_batch answered without a batch"))?;
        let mut end = call.request("end_batch", Map::from_iter([("batch".to_owned(), token)]));
        // It has to be closed whatever becomes of the call.
        (end.timeout, end.cancel, end.progress) = (CLOSING, CancellationToken::new(), None);
        Ok(Open { ops: call.ops.clone(), end, restore, closed: false })
    }

    fn token(&self) -> String {
        self.end.arguments["batch"].as_str().unwrap_or_default().to_owned()
    }

    async fn end(mut self, restore: bool) -> Result<Map<String, Value>> {
        let mut end = self.end.clone();
        end.arguments.insert("restore".into(), restore.into());
        let ended = self.ops.gimp().call(end).await;
        self.closed = true;
        ended
    }
}

impl Drop for Open {
    /// Nobody waits any more: closes it all the same.
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let (ops, mut end) = (self.ops.clone(), self.end.clone());
        end.arguments.insert("restore".into(), self.restore.into());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = ops.gimp().call(end).await {
                    tracing::debug!(%error, "a batch that nobody waits for was not closed; GIMP does it by itself");
                }
            });
        }
    }
}

/// A batch under way.
struct Run<'a> {
    call: &'a Call<'a>,
    on_error: OnError,
    began: Instant,
    token: String,
    steps: Vec<Answered>,
    results: Vec<Value>,
    /// Pictures and links of the steps.
    outcome: Outcome,
    failed: usize,
}

impl Run<'_> {
    /// Runs the steps; gives the failure that ended it.
    async fn all(&mut self, steps: Vec<Step>) -> Option<(usize, Error)> {
        let count = steps.len();
        for (at, step) in steps.into_iter().enumerate() {
            let name = step.operation.name.clone();
            self.report(at, count, &name);
            let answer = self.one(at, count, &step).await;
            let mut row = json!({"name": name, "status": if answer.is_ok() { "success" } else { "error" }});
            if let Some(id) = &step.id {
                row["id"] = id.as_str().into();
            }
            let (result, failure) = match answer {
                Ok(result) => (Some(result), None),
                Err(error) => (None, Some(error)),
            };
            let fields = failure.as_ref().map_or_else(|| json!(result), Error::to_json);
            if let (Value::Object(row), Value::Object(fields)) = (&mut row, fields) {
                // A step's own `name` (open_image has one) gives way to the operation's.
                for (name, value) in fields {
                    row.entry(name).or_insert(value);
                }
            }
            self.results.push(row);
            self.steps.push(Answered { id: step.id, name, result });
            if let Some(error) = failure {
                self.failed += 1;
                let over = self.call.context.cancel.is_cancelled() || self.left().is_zero() || is_lost(&error);
                if over || self.on_error != OnError::Continue {
                    return Some((at, error));
                }
            }
        }
        self.report(count, count, "proof");
        None
    }

    fn left(&self) -> Duration {
        self.call.timeout.saturating_sub(self.began.elapsed())
    }

    fn report(&self, at: usize, count: usize, name: &str) {
        if let Some(sink) = &self.call.context.progress {
            let message = Some(format!("step {} of {count}: {name}", (at + 1).min(count)));
            sink(Progress { progress: at as f64, total: Some(count as f64), message });
        }
    }

    async fn one(&mut self, at: usize, count: usize, step: &Step) -> Result<Map<String, Value>> {
        let mut arguments = match references::resolve(Value::Object(step.arguments.clone()), &self.steps)? {
            Value::Object(arguments) => arguments,
            _ => return Err(Error::new(Kind::InvalidArgument, "a reference cannot stand for all of the arguments")),
        };
        let left = self.left();
        if left.is_zero() {
            let message = format!("the batch reached its time limit of {} s", self.call.timeout.as_secs_f64());
            return Err(Error::new(Kind::Timeout, message).hint("give a larger `timeout`, or fewer steps"));
        }
        let own = arguments.get("timeout").and_then(Value::as_f64).unwrap_or(step.operation.timeout().as_secs_f64());
        arguments.insert("timeout".into(), own.min(left.as_secs_f64()).max(0.1).into());
        let context = Context { progress: self.inner_progress(at, count), ..self.call.context.clone() };
        let mut running = run(self.call.ops, &step.operation.name, arguments, context, self.token.clone());
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome?,
                () = tokio::time::sleep(TOUCH) => self.touch(),
            }
        };
        let bytes = |outcome: &Outcome| outcome.pictures.iter().map(|picture| picture.base64.len()).sum::<usize>();
        if bytes(&self.outcome) + bytes(&outcome) > PICTURES {
            return Err(Error::new(
                Kind::TooLarge,
                format!("the pictures of this batch are over {} MB", PICTURES >> 20),
            )
            .hint("give max_width, or ask for the pictures in calls of their own"));
        }
        self.outcome.pictures.extend(outcome.pictures);
        self.outcome.links.extend(outcome.links);
        Ok(outcome.result)
    }

    /// A step's own progress is a part of the batch's.
    fn inner_progress(&self, at: usize, count: usize) -> Option<ProgressSink> {
        let outer = self.call.context.progress.clone()?;
        Some(Arc::new(move |inner: Progress| {
            let part = (inner.progress / inner.total.unwrap_or(1.0)).clamp(0.0, 1.0);
            outer(Progress { progress: at as f64 + part * 0.99, total: Some(count as f64), message: inner.message });
        }))
    }

    fn touch(&self) {
        let arguments = Map::from_iter([("batch".to_owned(), Value::from(self.token.as_str()))]);
        let (gimp, request) = (self.call.ops.gimp().clone(), self.call.request("touch_batch", arguments));
        tokio::spawn(async move {
            if let Err(error) = gimp.call(request).await {
                tracing::debug!(%error, "a batch could not be kept open");
            }
        });
    }

    async fn finish(mut self, open: Open, failure: Option<(usize, Error)>) -> Result<Outcome> {
        let restore = failure.is_some() && self.on_error == OnError::Restore;
        let ended = open.end(restore).await;
        let done = self.results.len() - self.failed;
        if let Some((at, mut error)) = failure {
            let name = &self.steps[at].name;
            let taken_back = match (&ended, restore) {
                (Ok(_), true) => "; everything was taken back",
                (Err(_), true) => "; taking everything back failed too, so look at what is left",
                (_, false) => "; the steps before it stay",
            };
            error.message = format!("step {at} (`{name}`): {}{taken_back}", error.message);
            let mut error =
                error.detail("step", at).detail("results", self.results).detail("restored", restore && ended.is_ok());
            match ended {
                Ok(ended) => error.details.extend(ended.into_iter().filter(|(name, _)| name != "image")),
                Err(closing) => error = error.detail("closing_error", closing.to_json()),
            }
            return Err(error);
        }
        let ended = ended?;
        let last = self.results.iter().rev().find_map(|row| row["image"].as_u64());
        let image = ended.get("effect").and_then(|effect| effect["image"].as_u64()).or(last);
        let result = &mut self.outcome.result;
        result.insert("message".into(), message(&self.results, self.failed).into());
        result.insert("image".into(), json!(image));
        result.insert("completed".into(), done.into());
        result.insert("failed".into(), self.failed.into());
        result.insert("results".into(), self.results.into());
        result.extend(ended.into_iter().filter(|(name, value)| name != "image" && *value != json!([])));
        Ok(self.outcome)
    }
}

/// Whether nothing more can be reached after this error.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind, Kind::ConnectionLost | Kind::NoGimp | Kind::Cancelled)
}

fn message(results: &[Value], failed: usize) -> String {
    let said: Vec<&str> =
        results.iter().filter(|row| row["status"] == "success").filter_map(|row| row["message"].as_str()).collect();
    let mut message = format!("Ran {} operations", results.len());
    if failed > 0 {
        message.push_str(&format!(", {failed} of which failed"));
    }
    if !said.is_empty() {
        message.push_str(": ");
        message.push_str(&said.join("; "));
    }
    match message.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// One step. Boxed, since a batch is an operation too.
fn run<'a>(
    ops: &'a Ops,
    name: &'a str,
    arguments: Map<String, Value>,
    context: Context,
    token: String,
) -> Pin<Box<dyn Future<Output = Result<Outcome>> + Send + 'a>> {
    Box::pin(BATCH.scope(token, ops.run(name, arguments, context)))
}
