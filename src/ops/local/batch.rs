//! The operation `batch`: several operations as one call. The steps run here, one after the other, each with its own
//! checks; what makes them one change is [`Batch`]'s.

use super::super::batch::{Batch, Terms, check_step};
use super::super::call::Call;
use super::super::catalogue::Catalogue;
use super::super::{Context, Operation, Outcome, Pictures, params};
use super::references::{self, Answered};
use crate::error::{Error, Kind, Result};
use crate::gimp::{Progress, ProgressSink};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

impl Step {
    /// Whether its answer is going to carry a picture.
    fn shows(&self) -> bool {
        let looks = !self.operation.changes() && self.operation.shows();
        self.arguments.contains_key("preview") || looks && self.arguments.get("as").is_none_or(|how| how != "link")
    }
}

pub async fn batch(mut call: Call<'_>) -> Result<Outcome> {
    let on_error = match call.take_text("on_error").as_deref() {
        Some("stop") => OnError::Stop,
        Some("continue") => OnError::Continue,
        _ => OnError::Restore,
    };
    let steps = steps(&mut call)?;
    let began = Instant::now();
    let terms = Terms {
        step: named(&steps),
        limit: call.timeout,
        full_proof: call.arguments.get("verify").is_some_and(|proof| proof == "full"),
        restore: on_error == OnError::Restore,
    };
    let open = call.ops.begin_batch(call.context, call.instance.clone(), terms).await?;
    let mut run = Run {
        call: &call,
        on_error,
        began,
        steps: Vec::new(),
        results: Vec::new(),
        outcome: Outcome::default(),
        failed: 0,
    };
    let failure = run.all(&open, steps).await;
    run.finish(open, failure).await
}

/// What the batch is called in GIMP's undo history: its changes' titles, each once.
fn named(steps: &[Step]) -> String {
    let mut titles: Vec<String> = Vec::new();
    for title in steps.iter().filter(|step| step.operation.changes()).map(|step| step.operation.title.to_lowercase()) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    match steps.len() {
        1 => titles.join(", "),
        count => format!("{count} steps: {}", titles.join(", ")),
    }
}

/// The steps, all checked before any of them runs: names and types of their parameters too. Of a reference its type is
/// known where the catalogue tells it.
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
    check_step(name)?;
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
    let known = arguments.iter().map(|(name, value)| (name.clone(), references::without_literals(value.clone())));
    params::check_known(operation, known.collect(), references::is_reference)?;
    references::check_types(operation, &arguments, earlier)?;
    Ok((operation, arguments))
}

/// A batch under way.
struct Run<'a> {
    call: &'a Call<'a>,
    on_error: OnError,
    began: Instant,
    steps: Vec<Answered>,
    results: Vec<Value>,
    /// Pictures and links of the steps.
    outcome: Outcome,
    failed: usize,
}

impl Run<'_> {
    /// Runs the steps; gives the failure that ended it.
    async fn all(&mut self, open: &Batch, steps: Vec<Step>) -> Option<(usize, Error)> {
        let count = steps.len();
        // With the batch's own preview, they have one bound together.
        let mut to_show = steps.iter().filter(|step| step.shows()).count() + usize::from(self.call.preview.is_some());
        for (at, step) in steps.into_iter().enumerate() {
            let name = step.operation.name.clone();
            self.report(at, count, &name);
            let pictures = self.call.pictures.share(&self.outcome.pictures, to_show);
            to_show -= usize::from(step.shows());
            let answer = self.one(open, (at, count), &step, pictures).await;
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

    async fn one(
        &mut self,
        open: &Batch,
        (at, count): (usize, usize),
        step: &Step,
        pictures: Pictures,
    ) -> Result<Map<String, Value>> {
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
        let context = Context { progress: self.inner_progress(at, count), pictures, ..self.call.context.clone() };
        let outcome = open.run(&step.operation.name, arguments, context).await?;
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

    async fn finish(mut self, open: Batch, failure: Option<(usize, Error)>) -> Result<Outcome> {
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
        if result.get("next_image") == result.get("image") {
            result.remove("next_image");
        }
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
