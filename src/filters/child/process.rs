//! The process that a model runs in, as its starter sees it: started bare, ended for certain, and its end explained.

use super::limits;
use super::wire::{Answer, Broken, Confined, Order, Source, Start, broken, receive, send};
use super::{COMMAND, lacking, no_process};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::runtime::ModelSource;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

const BUFFER: usize = 1 << 20;
/// What is kept of what it wrote on stderr.
const LAST_WORDS: usize = 4 << 10;
/// A process that has closed its pipes is gone within this.
const LAST_BREATH: Duration = Duration::from_secs(5);
/// Variables that libraries for graphics cards read; nothing else of this process's environment is passed on.
const PASSED: [&str; 6] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_", "NVIDIA_", "SystemRoot", "PATH"];

/// Ends the process from another thread.
#[derive(Clone)]
pub struct Handle {
    child: Arc<Mutex<Child>>,
    ended: Arc<AtomicBool>,
}

impl Handle {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Ends it and all that it may have started.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        let mut child = self.child();
        // Not yet reaped, so the number is still its.
        if matches!(child.try_wait(), Ok(None)) {
            #[cfg(unix)]
            {
                use rustix::process::{Pid, Signal, kill_process_group};
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            }
            let _ = child.kill();
        }
    }
}

/// One running process.
pub struct Process {
    handle: Handle,
    pub orders: BufWriter<ChildStdin>,
    pub answers: BufReader<ChildStdout>,
    /// What it wrote on stderr, once that is closed.
    words: Receiver<String>,
    /// Bytes of working memory that it may take now.
    pub memory: u64,
}

/// To end `process` with, while it is used.
pub fn handle(process: &Process) -> Handle {
    process.handle.clone()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.handle.end();
        let _ = self.handle.child().wait();
    }
}

/// This very program, also where its file was replaced since.
fn program(config: &Config) -> io::Result<PathBuf> {
    match &config.worker {
        Some(path) => Ok(path.clone()),
        None if cfg!(target_os = "linux") => Ok("/proc/self/exe".into()),
        None => std::env::current_exe(),
    }
}

impl Process {
    /// # Errors
    /// `io_error` when the system starts none.
    pub fn start(config: &Config, runtime: &Path) -> Result<Process> {
        let mut command = Command::new(program(config).map_err(|error| no_process(&error))?);
        command.arg(COMMAND).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let wanted = |name: &str| match name {
            // Windows finds libraries by it; elsewhere it says nothing that is needed.
            "PATH" => cfg!(windows),
            _ => PASSED.iter().any(|passed| name == *passed || passed.ends_with('_') && name.starts_with(passed)),
        };
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(wanted)));
        #[cfg(unix)]
        {
            // A Ctrl-C at the terminal is for the one who runs the filter; and what it starts ends with it.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        // ONNX Runtime lets a graph that comes as bytes name files below the working folder: here are none but its own.
        command.current_dir(runtime.parent().unwrap_or(runtime));
        let mut child = command.spawn().map_err(|error| no_process(&error))?;
        let (Some(orders), Some(answers), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::internal("a process without pipes"));
        };
        tracing::debug!(pid = child.id(), "a process for a model was started");
        Ok(Process {
            handle: Handle { child: Arc::new(Mutex::new(child)), ended: Arc::default() },
            orders: BufWriter::with_capacity(BUFFER, orders),
            answers: BufReader::with_capacity(BUFFER, answers),
            words: listened(errors),
            memory: 0,
        })
    }

    /// Whether it can be asked again.
    pub fn alive(&self) -> bool {
        !self.handle.ended.load(Ordering::Acquire) && matches!(self.handle.child().try_wait(), Ok(None))
    }

    /// Hands over the model; the answer is whether it loads.
    pub fn load(&mut self, runtime: &Path, source: ModelSource, bytes: u64, config: &Config) -> Result<Answer, Broken> {
        self.memory = limits::load(config, bytes);
        let (model, bytes_of) = match source {
            ModelSource::Bytes(model) => (Source::Bytes(model.len() as u64), model),
            ModelSource::Files(path, weights) => (Source::Files(path, weights), Vec::new()),
        };
        let start = Start {
            runtime: runtime.to_owned(),
            provider: config.filters.provider.name().into(),
            threads: config.filters.threads_or_default(),
            memory: self.memory,
            most: limits::most(config, bytes),
            model,
        };
        broken(send(&mut self.orders, &Order::Start(start)))?;
        broken(self.orders.write_all(&bytes_of))?;
        drop(bytes_of);
        broken(self.flush())?;
        broken(receive(&mut self.answers))
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.orders.flush()
    }

    /// Sets what the next run may take.
    pub fn allow(&mut self, memory: u64) {
        self.memory = memory;
    }

    /// An error of the model's, with the limit where that is what it met.
    pub fn explained(&self, error: Error) -> Error {
        if error.kind == Kind::TooLarge { too_large(self.memory, &error.message) } else { error }
    }

    /// The error of a process that is gone, or must go.
    pub fn died(self, why: &str) -> Error {
        let until = Instant::now() + LAST_BREATH;
        let status = loop {
            match self.handle.child().try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < until => {}
                _ => break None,
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.handle.end();
        let words = self.words.recv_timeout(LAST_BREATH).unwrap_or_default();
        tracing::warn!(?status, why, words, "a model's process ended");
        explained(status, &words, self.memory, why)
    }
}

/// Reads stderr to its end, and keeps the last of it.
fn listened(mut errors: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut last: Vec<u8> = Vec::new();
        let mut part = [0; 1024];
        while let Ok(count @ 1..) = errors.read(&mut part) {
            last.extend_from_slice(&part[..count]);
            let over = last.len().saturating_sub(LAST_WORDS);
            last.drain(..over);
        }
        let _ = sender.send(String::from_utf8_lossy(&last).into_owned());
    });
    receiver
}

fn too_large(memory: u64, said: &str) -> Error {
    Error::new(Kind::TooLarge, format!("the model needs more memory than the {} MiB it may take: {said}", memory >> 20))
        .hint("work on a smaller picture or selection, or set a larger `filters.memory_mb`")
}

/// Why it ended, as far as can be told.
fn explained(status: Option<ExitStatus>, words: &str, memory: u64, why: &str) -> Error {
    let out_of_memory = ["memory allocation of", "bad_alloc", "out of memory", "Cannot allocate memory"];
    if let Some(said) = words.lines().find(|line| out_of_memory.iter().any(|sign| line.contains(sign))) {
        return too_large(memory, &said.chars().filter(|c| !c.is_control()).take(200).collect::<String>());
    }
    let how = match status {
        Some(status) => match signal(status) {
            // Nobody here sends it: the system does where memory runs out.
            Some(9) => return too_large(memory, "the system ended its process"),
            Some(signal) => format!("by signal {signal}"),
            None => format!("with status {}", status.code().unwrap_or(-1)),
        },
        None => why.to_owned(),
    };
    Error::new(Kind::Unsupported, format!("the model's process ended {how}")).hint(
        "the model asks for something that ONNX Runtime cannot do, or that a model may not: take another export; nothing \
         else is affected",
    )
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Said once in the log: it is the system's doing and stays so.
pub fn say_what_is_not_kept(confined: Confined) {
    static SAID: Once = Once::new();
    if let Some(lacks) = lacking(confined) {
        SAID.call_once(|| tracing::warn!("{lacks}"));
    }
}
