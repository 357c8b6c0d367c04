//! Several calls as one change: the plug-in holds one checkpoint, one undo step and one proof for them, and lets no
//! other calls in between (`begin_batch`, `end_batch`).
//!
//! However the work ends, by an answer, an error, a cancel, or because nobody waits for it any more, the batch is
//! closed.

use super::{Context, Operation, Ops, Outcome};
use crate::error::{Error, Kind, Result};
use crate::gimp::Request;
use serde_json::{Map, Value};
use std::pin::Pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    /// The open batch that the calls of this task belong to.
    static TOKEN: String;
}

/// Cannot be steps: they nest, wait for the user, or change what the steps are about.
const REFUSED: [&str; 4] = ["batch", "run_operation", "wait_for_change", "select_instance"];

/// What closing may take: taking everything back on a large image, and the proof.
const CLOSING: Duration = Duration::from_secs(180);

/// How long commands of unknown length may be one change; each has its own time limit within it.
const JOINED: Duration = Duration::from_secs(3600);

/// How often the plug-in hears that a step outside of GIMP is still at work; it waits a minute.
const TOUCH: Duration = Duration::from_secs(20);

/// How a batch is held.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the step is called in GIMP's undo history, for people.
    pub step: String,
    /// How long it may be open; the plug-in then ends it by itself.
    pub limit: Duration,
    /// Whether the proof compares every pixel, however large the image.
    pub full_proof: bool,
    /// Whether everything is taken back if nobody closes it.
    pub restore: bool,
}

/// A batch that is open in the plug-in.
pub struct Batch {
    ops: Ops,
    /// How it is closed: the request but for `restore`.
    end: Request,
    restore: bool,
    closed: bool,
}

/// The batch that the running task's requests belong to, as the plug-in knows it.
pub(super) fn token() -> Option<String> {
    TOKEN.try_with(String::clone).ok()
}

/// Refuses an operation that cannot be a step.
pub fn check_step(name: &str) -> Result<()> {
    if !REFUSED.contains(&name) {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidArgument, format!("`{name}` cannot be one of several steps"))
        .hint("call it by itself, before or after the others"))
}

impl Ops {
    /// Opens a batch in the client's GIMP, or in `instance`.
    ///
    /// # Errors
    /// What keeps a call from reaching GIMP.
    pub async fn begin_batch(&self, context: &Context, instance: Option<String>, terms: Terms) -> Result<Batch> {
        let mut begin = Request {
            operation: "begin_batch".into(),
            arguments: Map::new(),
            client: context.client.clone(),
            instance,
            timeout: Duration::from_secs(60),
            upload: None,
            cancel: context.cancel.clone(),
            progress: None,
        };
        // It has to be closed whatever becomes of the call.
        let mut end = Request { operation: "end_batch".into(), cancel: CancellationToken::new(), ..begin.clone() };
        end.timeout = CLOSING;
        begin.arguments.insert("step".into(), terms.step.into());
        begin.arguments.insert("seconds".into(), (terms.limit + CLOSING).as_secs_f64().into());
        begin.arguments.insert("on_abandon".into(), if terms.restore { "restore" } else { "keep" }.into());
        begin.arguments.insert("proof".into(), if terms.full_proof { "full" } else { "auto" }.into());
        let begun = self.gimp().call(begin).await?;
        let token = begun.get("batch").filter(|token| token.is_string()).cloned();
        let token = token.ok_or_else(|| Error::internal("begin_batch answered without a batch"))?;
        end.arguments.insert("batch".into(), token);
        Ok(Batch { ops: self.clone(), end, restore: terms.restore, closed: false })
    }
}

impl Batch {
    /// What marks a request as one of its own.
    pub fn token(&self) -> &str {
        self.end.arguments["batch"].as_str().unwrap_or_default()
    }

    /// Runs one step. Boxed, since an operation may be a batch.
    pub fn run<'a>(
        &'a self,
        name: &'a str,
        arguments: Map<String, Value>,
        context: Context,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome>> + Send + 'a>> {
        Box::pin(self.scope(self.ops.run(name, arguments, context)))
    }

    /// Work of which every request belongs to the batch.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        let running = TOKEN.scope(self.token().to_owned(), work);
        tokio::pin!(running);
        loop {
            tokio::select! {
                done = &mut running => return done,
                () = tokio::time::sleep(TOUCH) => self.touch(),
            }
        }
    }

    fn touch(&self) {
        let (gimp, request) =
            (self.ops.gimp().clone(), Request { operation: "touch_batch".into(), ..self.end.clone() });
        tokio::spawn(async move {
            if let Err(error) = gimp.call(request).await {
                tracing::debug!(%error, "a batch could not be kept open");
            }
        });
    }

    /// Closes it; with `restore` everything is taken back first. Answers with `effect` and `not_restored`.
    pub async fn end(mut self, restore: bool) -> Result<Map<String, Value>> {
        let mut end = self.end.clone();
        end.arguments.insert("restore".into(), restore.into());
        let ended = self.ops.gimp().call(end).await;
        self.closed = true;
        ended
    }

    /// Forgets it: its GIMP is gone, and the batch with it.
    pub fn give_up(mut self) {
        self.closed = true;
    }
}

impl Drop for Batch {
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

/// Calls that come one by one and are one change: the batch is opened for the first of them that changes something.
#[derive(Default)]
pub struct Joined {
    wanted: bool,
    batch: Option<Batch>,
}

impl Joined {
    /// With `wanted` false each call stays a change of its own.
    pub fn new(wanted: bool) -> Joined {
        Joined { wanted, batch: None }
    }

    /// The open batch's token.
    pub fn token(&self) -> Option<&str> {
        self.batch.as_ref().map(Batch::token)
    }

    /// Runs one of the calls.
    pub async fn run(
        &mut self,
        ops: &Ops,
        operation: &Operation,
        arguments: Map<String, Value>,
        context: Context,
    ) -> Result<Outcome> {
        if self.wanted && self.batch.is_none() && operation.changes() {
            let instance = arguments.get("instance").and_then(Value::as_str).map(str::to_owned);
            let step = format!("{} …", operation.title);
            let terms = Terms { step, limit: JOINED, full_proof: false, restore: false };
            self.batch = Some(ops.begin_batch(&context, instance, terms).await?);
        }
        match &self.batch {
            Some(batch) => batch.run(&operation.name, arguments, context).await,
            None => ops.run(&operation.name, arguments, context).await,
        }
    }

    /// Their GIMP is gone, and what had been joined with it.
    pub fn give_up(&mut self) {
        if let Some(batch) = self.batch.take() {
            batch.give_up();
        }
    }

    /// Closes the batch: what the calls changed together. `None`: no call changed anything, or nothing was joined.
    pub async fn end(&mut self) -> Option<Result<Map<String, Value>>> {
        Some(self.batch.take()?.end(false).await)
    }
}
