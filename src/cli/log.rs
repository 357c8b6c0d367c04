//! Where log lines go and which: set up once, the level again at each reload. A panic is a log line too.

use super::{log_file, log_stderr};
use crate::config;
use crate::error::{Error, Kind, Result};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

static LEVEL: OnceLock<reload::Handle<EnvFilter, tracing_subscriber::Registry>> = OnceLock::new();

/// Starts logging: into `file`, else through `queue`, else straight to stderr.
pub fn start(
    level: &str,
    settings: &config::Log,
    service: &str,
    file: Option<&Path>,
    queue: Option<log_stderr::Queue>,
) -> Result<()> {
    let writer = match (file, queue) {
        (Some(path), _) => BoxMakeWriter::new(Arc::new(log_file::LogFile::open(path, settings)?)),
        (None, Some(queue)) => BoxMakeWriter::new(queue),
        (None, None) => BoxMakeWriter::new(std::io::stderr),
    };
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let _ = LEVEL.set(handle);
    let subscriber = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    if settings.json {
        let head = format!("{{\"service\":{},", serde_json::Value::from(service));
        subscriber.with(lines.json().map_writer(|writer| Named { writer, head: head.into() })).init();
    } else {
        subscriber.with(lines.with_ansi(file.is_none() && std::io::stderr().is_terminal())).init();
    }
    Ok(())
}

/// Puts the service's name into each JSON line: many services may log into one place.
struct Named<M> {
    writer: M,
    /// The beginning of an object.
    head: Arc<str>,
}

struct NamedLine<W> {
    writer: W,
    head: Arc<str>,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Named<M> {
    type Writer = NamedLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        NamedLine { writer: self.writer.make_writer(), head: self.head.clone() }
    }
}

impl<W: Write> Write for NamedLine<W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // The formatter hands over whole lines.
        match line.strip_prefix(b"{").filter(|rest| !rest.starts_with(b"}")) {
            Some(rest) => self.writer.write_all(&[self.head.as_bytes(), rest].concat())?,
            None => self.writer.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// Logs at `level` from now on.
pub fn set_level(level: &str) -> Result<()> {
    let filter = filter(level)?;
    LEVEL.get().map_or(Ok(()), |handle| handle.reload(filter).map_err(Error::internal))
}

fn filter(level: &str) -> Result<EnvFilter> {
    let text = format!("{level},{}", crate::mcp::QUIET);
    EnvFilter::try_new(text).map_err(|error| {
        Error::new(Kind::Config, format!("`{level}` is no log level: {error}")).hint("set log.level to info or debug")
    })
}

/// Lets a panic reach the log: what a daemon prints on stderr, nobody may ever see.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or("a panic without words");
        let trace = std::backtrace::Backtrace::capture();
        let trace = matches!(trace.status(), std::backtrace::BacktraceStatus::Captured).then(|| trace.to_string());
        tracing::error!(place, backtrace = trace.as_deref(), thread = std::thread::current().name(), "panic: {what}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_says_which_service_wrote_it() {
        let lines = Lines::default();
        let writer = lines.clone();
        let made = move || writer.clone();
        let named = Named { writer: made, head: "{\"service\":\"images \\\"eu\\\"\",".into() };
        let subscriber = tracing_subscriber::fmt().json().with_writer(named).finish();
        tracing::subscriber::with_default(subscriber, || tracing::info!(count = 3, "made"));
        let line: serde_json::Value = serde_json::from_slice(&lines.0.lock().unwrap()).unwrap();
        assert_eq!((&line["service"], &line["fields"]["count"]), (&"images \"eu\"".into(), &3.into()));
    }

    #[test]
    fn a_panic_is_a_log_line() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            panics();
            let ended = std::panic::catch_unwind(|| panic!("lost layer {}", 7));
            assert!(ended.is_err());
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ERROR") && text.contains("panic: lost layer 7"), "{text}");
        assert!(text.contains(&file!().replace('\\', "/")), "{text}");
    }
}
