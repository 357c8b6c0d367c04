//! One call from name and arguments to outcome: check, route, preview, one tracing span.

use super::catalogue::{Audience, Catalogue, Operation, Runs};
use super::{Context, Ops, Outcome, Pictures, batch, local, params, redact};
use crate::error::{Error, Kind, Result};
use crate::gimp::Request;
use crate::metrics::METRICS;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

/// To close an image that nobody wants any more.
const CLOSING: Duration = Duration::from_secs(30);

/// A checked call on its way to the code that runs it.
pub(super) struct Call<'a> {
    pub ops: &'a Ops,
    pub context: &'a Context,
    /// Valid, defaults filled in, without the common parameters that the daemon itself acts on.
    pub arguments: Map<String, Value>,
    pub timeout: Duration,
    pub instance: Option<String>,
    /// Longest side in pixels.
    pub preview: Option<u32>,
    /// What the answer's pictures may cost.
    pub pictures: Pictures,
}

impl Ops {
    /// Checks `arguments` against the catalogue and runs the operation. Internal operations are unknown here.
    ///
    /// Ends with an answer when the operation does, its time limit passes, or `context.cancel` is cancelled.
    pub async fn run(&self, name: &str, arguments: Map<String, Value>, context: Context) -> Result<Outcome> {
        let mut operation = Catalogue::get().find_public(name)?;
        let mut arguments = arguments;
        if operation.name == "run_operation" {
            (operation, arguments) = unwrap(operation, arguments)?;
        }
        self.run_traced(operation, arguments, &context).await
    }

    /// [`Ops::run`] of an operation that was found, which may be an internal one.
    pub(super) async fn run_traced(
        &self,
        operation: &'static Operation,
        arguments: Map<String, Value>,
        context: &Context,
    ) -> Result<Outcome> {
        let span = tracing::info_span!(
            "operation",
            name = operation.name,
            client = %context.client.id,
            duration_ms = field::Empty,
            outcome = field::Empty,
        );
        async {
            let started = Instant::now();
            if tracing::enabled!(tracing::Level::DEBUG) {
                tracing::debug!(parameters = redact::parameters(&arguments), "called");
            }
            let answer = self.run_checked(operation, arguments, context).await;
            let span = tracing::Span::current();
            span.record("duration_ms", started.elapsed().as_secs_f64() * 1e3);
            let outcome = answer.as_ref().map_or_else(|error| error.kind.name(), |_| "ok");
            span.record("outcome", outcome);
            METRICS.operation(&operation.name, outcome, started.elapsed());
            match &answer {
                // What a filter does inside of one operation is noise beside it.
                Ok(_) if operation.audience == Audience::Internal => tracing::debug!("done"),
                Ok(_) => tracing::info!("done"),
                Err(error) => {
                    tracing::info!(kind = error.kind.name(), reason = redact::first_line(&error.message), "failed")
                }
            }
            answer
        }
        .instrument(span)
        .await
    }

    async fn run_checked(
        &self,
        operation: &'static Operation,
        arguments: Map<String, Value>,
        context: &Context,
    ) -> Result<Outcome> {
        let call = Call::new(self, operation, arguments, context)?;
        let (preview, pictures) = (call.preview, call.pictures);
        let (instance, timeout) = (call.instance.clone(), call.timeout);
        let mut outcome = match operation.runs {
            Runs::Gimp => {
                let request = call.request(&operation.name, call.arguments.clone());
                Outcome { result: self.gimp().call(request).await?, ..Outcome::default() }
            }
            Runs::Daemon => local::run(&operation.name, call).await?,
        };
        // A batch closes what its steps opened.
        if context.cancel.is_cancelled() && batch::token().is_none() {
            self.close_opened(&outcome, context, instance.clone()).await?;
        }
        // One that shows its own picture has done so.
        if let Some(side) = preview.filter(|_| !outcome.result.contains_key("preview")) {
            // A batch's steps may have brought pictures.
            let pictures = if outcome.pictures.is_empty() { pictures } else { pictures.share(&outcome.pictures, 1) };
            let call = Call { ops: self, context, arguments: Map::new(), timeout, instance, preview: None, pictures };
            local::preview::add(&call, side, &mut outcome).await;
        }
        Ok(outcome)
    }

    /// For a call that was cancelled just when its work was done: nobody takes the answer, so the images that it opened
    /// are closed again.
    ///
    /// # Errors
    /// `cancelled` if there were any.
    async fn close_opened(&self, outcome: &Outcome, context: &Context, instance: Option<String>) -> Result<()> {
        let added = outcome.result.get("effect").and_then(|effect| effect.get("images_added"));
        let Some(images) = added.and_then(Value::as_array).filter(|images| !images.is_empty()) else { return Ok(()) };
        for image in images {
            let arguments = [("image".to_owned(), image.clone()), ("discard_changes".to_owned(), true.into())];
            let close = Request {
                operation: "close_image".into(),
                arguments: arguments.into_iter().collect(),
                client: context.client.clone(),
                instance: instance.clone(),
                timeout: CLOSING,
                upload: None,
                cancel: CancellationToken::new(),
                progress: None,
            };
            // One that the user looks at already stays open.
            if let Err(error) = self.gimp().call(close).await {
                tracing::debug!(%error, "an image of a cancelled call was not closed");
            }
        }
        Err(Error::new(Kind::Cancelled, "the call was cancelled; what it had opened is closed again"))
    }
}

/// What a run_operation is about: the operation and its arguments, the ones that stood beside them included.
fn unwrap(outer: &Operation, arguments: Map<String, Value>) -> Result<(&'static Operation, Map<String, Value>)> {
    let mut outer = params::check(outer, arguments)?;
    let name = outer.remove("name");
    let operation = Catalogue::get().find_public(name.as_ref().and_then(Value::as_str).unwrap_or_default())?;
    if operation.name == "run_operation" {
        return Err(Error::new(Kind::InvalidArgument, "run_operation cannot run itself")
            .hint("give the name of the operation that you want to run"));
    }
    let Some(Value::Object(mut arguments)) = outer.remove("arguments") else { return Ok((operation, outer)) };
    for (name, value) in outer {
        // Left to the operation's own check: what it does not take is an error there.
        arguments.entry(name).or_insert(value);
    }
    Ok((operation, arguments))
}

impl<'a> Call<'a> {
    pub(super) fn new(
        ops: &'a Ops,
        operation: &'static Operation,
        arguments: Map<String, Value>,
        context: &'a Context,
    ) -> Result<Call<'a>> {
        if context.cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "the call was cancelled before it ran"));
        }
        context.rights.check(operation, &arguments)?;
        let mut arguments = params::check(operation, arguments)?;
        let timeout = arguments
            .remove("timeout")
            .and_then(|seconds| seconds.as_f64())
            .map_or_else(|| operation.timeout(), Duration::from_secs_f64);
        let instance = arguments.remove("instance").and_then(|id| id.as_str().map(str::to_owned));
        let preview = arguments.remove("preview").and_then(|side| side.as_u64()).and_then(|side| side.try_into().ok());
        let max_bytes = if operation.is_common("max_bytes") { arguments.remove("max_bytes") } else { None };
        let pictures = context.pictures.asked(max_bytes.as_ref().and_then(Value::as_u64))?;
        Ok(Call { ops, context, arguments, timeout, instance, preview, pictures })
    }

    /// A request for the plug-in with this call's client, instance, time limit, cancel and progress.
    pub fn request(&self, operation: &str, mut arguments: Map<String, Value>) -> Request {
        if let Some(token) = batch::token() {
            arguments.insert("batch".into(), token.into());
        }
        if !self.context.rights.files {
            arguments.insert("files".into(), false.into());
        }
        Request {
            operation: operation.to_owned(),
            arguments,
            client: self.context.client.clone(),
            instance: self.instance.clone(),
            timeout: self.timeout,
            upload: None,
            cancel: self.context.cancel.clone(),
            progress: self.context.progress.clone(),
        }
    }

    /// The same with bytes that travel along.
    pub fn upload(&self, operation: &str, arguments: Map<String, Value>, bytes: Bytes) -> Request {
        Request { upload: Some(bytes), ..self.request(operation, arguments) }
    }

    /// Takes a string argument out.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        match self.arguments.remove(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A whole-number argument that the catalogue bounds to 32 bits.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.arguments.get(name)?.as_u64()?.try_into().ok()
    }

    /// A boolean argument; left out is false.
    pub fn flag(&self, name: &str) -> bool {
        self.arguments.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}
