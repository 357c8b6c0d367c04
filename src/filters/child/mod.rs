//! Models that a user added run in a process of their own: the same program, started again, with limits of memory, without
//! network, and without files but the model. What it does to itself ends it and is an error of the run, not of ours.
//!
//! One process for each loaded model; [`Cache`](super::runtime::Cache) keeps it warm and lets it go. A run that is
//! cancelled or runs out of time ends its process; the next one starts another.

mod confine;
mod limits;
mod process;
mod wire;
mod work;

pub use confine::available;
pub use wire::Confined;
pub use work::serve;

use super::backend::{Backend, Take};
use super::job::Watch;
use super::onnx::Port;
use super::runtime::{Origin, find};
use super::tensor::Tensor;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use process::{Process, handle};
use std::sync::{Mutex, MutexGuard};
use wire::{Answer, Broken, Head, Order, broken, receive, receive_values, send, send_values};

/// The first word of the command line that starts [`serve`].
pub const COMMAND: &str = "model-worker";

/// A model in a process of its own.
pub struct ChildModel {
    origin: Origin,
    config: Config,
    /// Of the model's files.
    bytes: u64,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Why it runs on the processor although something faster was asked for.
    pub fallback: Option<String>,
    /// `None`: it has ended; the next run starts another.
    process: Mutex<Option<Process>>,
}

impl ChildModel {
    /// Starts the process and loads the model in it.
    ///
    /// # Errors
    /// Those of `origin`; `too_large` when memory does not suffice; `unsupported` with what the runtime said, or how the
    /// process ended; `cancelled`.
    pub fn load(origin: Origin, bytes: u64, config: &Config, watch: &Watch) -> Result<ChildModel> {
        let (process, ready) = started(&origin, bytes, config, watch)?;
        let Ready { inputs, outputs, fallback } = ready;
        Ok(ChildModel {
            origin,
            config: config.clone(),
            bytes,
            inputs,
            outputs,
            fallback,
            process: Mutex::new(Some(process)),
        })
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// What the process told of the model.
struct Ready {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    fallback: Option<String>,
}

/// A process that has the model loaded.
fn started(origin: &Origin, bytes: u64, config: &Config, watch: &Watch) -> Result<(Process, Ready)> {
    watch.check()?;
    let source = origin()?;
    let runtime = find(config)?;
    // Links are followed here: there it may not.
    let runtime = runtime.canonicalize().unwrap_or(runtime);
    let mut process = Process::start(config, &runtime)?;
    let end = handle(&process);
    let done = watch.interruptible(move || end.end(), || process.load(&runtime, source, bytes, config));
    watch.check()?;
    match done {
        Ok(Answer::Ready { inputs, outputs, fallback, confined }) => {
            process::say_what_is_not_kept(confined);
            Ok((process, Ready { inputs, outputs, fallback }))
        }
        Ok(Answer::Failed { kind, message, hint }) => {
            Err(process.explained(Answer::refusal(&kind, &message, hint.as_deref())))
        }
        Ok(_) => Err(process.died("it answered another question")),
        Err(Broken(why)) => Err(process.died(&why)),
    }
}

impl Backend for ChildModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&self, feed: Vec<(String, Tensor)>, take: &Take, watch: &Watch) -> Result<Vec<Option<Tensor>>> {
        let mut slot = self.process();
        watch.check()?;
        // It may have been ended by a cancel, or by the system while nobody looked.
        let mut process = match slot.take().filter(Process::alive) {
            Some(process) => process,
            None => started(&self.origin, self.bytes, &self.config, watch)?.0,
        };
        process.allow(limits::run(&self.config, self.bytes, &feed));
        let end = handle(&process);
        let done = watch.interruptible(move || end.end(), || exchange(&mut process, &feed, self.outputs.len(), take));
        watch.check()?;
        match done {
            Ok(answer) => {
                let answer = answer.map_err(|error| process.explained(error));
                *slot = Some(process);
                answer
            }
            Err(Broken(why)) => Err(process.died(&why)),
        }
    }
}

/// One run over the wire. The outer error: the process is of no use any more; the inner one: the run failed.
fn exchange(
    process: &mut Process,
    feed: &[(String, Tensor)],
    outputs: usize,
    take: &Take,
) -> Result<Result<Vec<Option<Tensor>>>, Broken> {
    let heads = feed.iter().map(|(name, tensor)| Head::of(name, tensor)).collect();
    let memory = process.memory;
    broken(send(&mut process.orders, &Order::Run { memory, feed: heads }))?;
    feed.iter().try_for_each(|(_, tensor)| broken(send_values(&mut process.orders, tensor)))?;
    broken(process.flush())?;
    let mut shapes: Vec<(bool, Vec<usize>)> = Vec::new();
    let mut refused: Option<Error> = None;
    loop {
        match broken(receive::<Answer>(&mut process.answers))? {
            Answer::Shape { place, shape } if place == shapes.len() && place < outputs && refused.is_none() => {
                let wanted = take(place, &shape);
                let said = wanted.as_ref().ok().copied();
                shapes.push((said == Some(true), shape));
                refused = wanted.err();
                broken(send(&mut process.orders, &Order::Take(said)).and_then(|()| process.flush()))?;
            }
            // Only what was agreed to is read.
            Answer::Done(heads) if refused.is_none() && heads.len() == outputs && shapes.len() == outputs => {
                let tensors = heads.iter().zip(&shapes).map(|(head, (wanted, shape))| match head {
                    Some(head) if *wanted && head.shape == *shape => {
                        broken(receive_values(&mut process.answers, head)).map(Some)
                    }
                    None if !wanted => Ok(None),
                    _ => Err(Broken("it answered what nobody asked for".into())),
                });
                return tensors.collect::<Result<Vec<_>, Broken>>().map(Ok);
            }
            Answer::Failed { kind, message, hint } => {
                let own = || Answer::refusal(&kind, &message, hint.as_deref());
                return Ok(Err(refused.unwrap_or_else(own)));
            }
            _ => return Err(Broken("it answered another question".into())),
        }
    }
}

/// What is not held here, for `doctor`; `None`: all is.
pub fn lacking(kept: Confined) -> Option<String> {
    let lacks: Vec<&str> =
        [(kept.files, "which files they read"), (kept.network, "their network"), (kept.memory, "their memory")]
            .into_iter()
            .filter_map(|(kept, what)| (!kept).then_some(what))
            .collect();
    (!lacks.is_empty())
        .then(|| format!("this system does not limit, for AI models that you add, {}", lacks.join(" and ")))
}

/// The error of a process that cannot be started at all.
fn no_process(error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("a process for the model cannot be started: {error}"))
        .hint("check the limits of processes and memory of this user")
}
