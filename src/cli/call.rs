//! `gimp-bridge call`: one operation from the shell, by the same way as an AI client's.
//!
//! stdout gets the result as JSON and nothing else; pictures go to files, progress and errors to stderr.

use crate::config::Config;
use crate::daemon::cancel_on_signal;
use crate::error::{Error, Kind, Result};
use crate::filters::Filters;
use crate::generate::Generator;
use crate::gimp::{Client, Gimp, Progress, ProgressSink, Settings};
use crate::images::Picture;
use crate::ops::catalogue::{Catalogue, ImageUse, Operation};
use crate::ops::{Context, Ops, Outcome};
use base64::Engine;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Run one operation in GIMP and print its result as JSON
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the operation, such as get_image_metadata; docs/operations.md lists all
    pub operation: String,
    /// The arguments as a JSON object; - reads them from stdin
    #[arg(default_value = "{}", hide_default_value = true, value_name = "JSON")]
    pub arguments: String,
    /// Open this file first and run the operation on it; with several files, on each in turn
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub image: Vec<PathBuf>,
    /// Write the picture (or the saved bytes) here; into a folder, named after the operation
    #[arg(long, value_name = "FILE|DIR")]
    pub out: Option<PathBuf>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let settings = Settings {
        state_dir: super::install::state_dir(config)?,
        port: config.gimp.port,
        label: "call".into(),
        policy: config.plugin.clone(),
    };
    let ops = Ops::new(Gimp::new(settings, shutdown.clone()), Filters::new(config));
    let answer = run_with(&ops.with_generator(Generator::new(config)?), args).await;
    shutdown.cancel();
    answer
}

/// The same through given links; also for a GIMP that the caller started.
pub async fn run_with(ops: &Ops, args: Args) -> Result<ExitCode> {
    let answer = understood_and_run(ops, &args).await;
    ended(answer)
}

async fn understood_and_run(ops: &Ops, args: &Args) -> Result<()> {
    let operation = Catalogue::get().find_public(&args.operation)?;
    // Before signals mean anything else: nobody may ever write to stdin.
    let arguments = arguments(&args.arguments)?;
    let context = context("call")?;
    let answer = run_each(ops, operation, arguments, args, &context).await;
    ops.gimp().client_closed(&context.client);
    answer
}

/// This process as a client of its own, whose calls are cancelled by SIGINT and SIGTERM.
pub(super) fn context(command: &str) -> Result<Context> {
    let client = Client { id: format!("{command}-{}", std::process::id()), name: format!("gimp-bridge {command}") };
    let cancel = CancellationToken::new();
    cancel_on_signal(&cancel)?;
    Ok(Context {
        client,
        cancel,
        progress: progress_on_terminal(),
        rights: Default::default(),
        pictures: Default::default(),
        base_url: None,
    })
}

/// The exit code; an error goes to stderr.
pub(super) fn ended(answer: Result<()>) -> Result<ExitCode> {
    match answer {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            match error.kind {
                Kind::Cancelled => eprintln!("{}", error.message),
                kind => eprintln!("error: {} ({})", error.message, kind.name()),
            }
            if let Some(hint) = &error.hint {
                eprintln!("hint: {hint}");
            }
            Ok(ExitCode::from(super::exit_code(error.kind)))
        }
    }
}

async fn run_each(
    ops: &Ops,
    operation: &Operation,
    arguments: Map<String, Value>,
    args: &Args,
    context: &Context,
) -> Result<()> {
    if args.image.is_empty() {
        let outcome = ops.run(&operation.name, arguments, context.clone()).await?;
        return finish(operation, outcome, args, 0);
    }
    if operation.image != ImageUse::None && arguments.contains_key("image") {
        return Err(Error::new(Kind::InvalidArgument, "the image is given twice: `image` in the JSON and --image")
            .hint("leave one of them out"));
    }
    for (index, file) in args.image.iter().enumerate() {
        let image = open(ops, file, context).await?;
        let mut arguments = arguments.clone();
        if operation.image != ImageUse::None {
            arguments.insert("image".into(), image);
        }
        let outcome = ops.run(&operation.name, arguments, context.clone()).await?;
        finish(operation, outcome, args, index)?;
    }
    Ok(())
}

/// The JSON object in `text`, or on stdin for `-`.
fn arguments(text: &str) -> Result<Map<String, Value>> {
    let mut given = text.to_owned();
    if text == "-" {
        given.clear();
        let read = std::io::stdin().read_to_string(&mut given);
        read.map_err(|error| Error::new(Kind::InvalidArgument, format!("stdin cannot be read: {error}")))?;
    }
    let hint = "give one JSON object, such as '{\"max_width\": 512}', or - to read it from stdin";
    match serde_json::from_str(&given) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(Error::new(Kind::InvalidArgument, "the arguments are JSON, but not an object").hint(hint)),
        Err(error) => Err(Error::new(Kind::InvalidArgument, format!("the arguments are not JSON: {error}")).hint(hint)),
    }
}

/// A path for GIMP, which has a current folder of its own.
pub(super) fn absolute(file: &Path) -> Result<String> {
    let failed = |error| Error::new(Kind::IoError, format!("`{}`: {error}", file.display()));
    let path = std::path::absolute(file).map_err(failed)?;
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::InvalidArgument, format!("`{}` is not UTF-8, which JSON cannot carry", file.display()))
    })
}

async fn open(ops: &Ops, file: &Path, context: &Context) -> Result<Value> {
    let arguments = Map::from_iter([("path".to_owned(), json!(absolute(file)?))]);
    let outcome = ops.run("open_image", arguments, context.clone()).await?;
    let image = outcome.result.get("image").filter(|image| image.is_u64()).cloned();
    image.ok_or_else(|| Error::internal("open_image answered without an image"))
}

fn finish(operation: &Operation, mut outcome: Outcome, args: &Args, index: usize) -> Result<()> {
    let files = files(&mut outcome, args.out.is_some());
    for (number, (bytes, ending)) in files.iter().enumerate() {
        let Some(out) = &args.out else {
            eprintln!("a picture of {} bytes ({ending}) came too: --out FILE writes it", bytes.len());
            continue;
        };
        let place = place(out, &operation.name, ending, index + number, args.image.len().max(files.len()));
        std::fs::write(&place, bytes)
            .map_err(|error| Error::new(Kind::IoError, format!("`{}` cannot be written: {error}", place.display())))?;
        eprintln!("wrote {} ({} bytes)", place.display(), bytes.len());
    }
    for link in &outcome.links {
        eprintln!("link: {}", link.uri);
    }
    print(&Value::Object(outcome.result))
}

/// The answer's pictures as file contents with their endings; with `take_saved`, save_image's bytes too.
fn files(outcome: &mut Outcome, take_saved: bool) -> Vec<(Vec<u8>, String)> {
    let ending = |picture: &Picture| picture.format.name().to_owned();
    let mut files: Vec<(Vec<u8>, String)> =
        outcome.pictures.iter().map(|picture| (picture.decode(), ending(picture))).collect();
    if take_saved && let Some(Value::String(text)) = outcome.result.remove("image_data") {
        let format = outcome.result.get("format").and_then(Value::as_str).unwrap_or("bin").to_owned();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
        files.push((bytes, format));
    }
    files
}

/// Where the `index`th file of `count` goes: `out` itself, or a name in it if it is a folder.
pub(super) fn place(out: &Path, operation: &str, ending: &str, index: usize, count: usize) -> PathBuf {
    let number = if count > 1 { format!("-{}", index + 1) } else { String::new() };
    if out.is_dir() {
        return out.join(format!("{operation}{number}.{ending}"));
    }
    match (out.file_stem(), out.extension()) {
        (Some(stem), Some(extension)) if count > 1 => {
            out.with_file_name(format!("{}{number}.{}", stem.to_string_lossy(), extension.to_string_lossy()))
        }
        _ if count > 1 => PathBuf::from(format!("{}{number}", out.display())),
        _ => out.to_owned(),
    }
}

/// One line for a program, indented for a person.
pub(super) fn print(result: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let text = if stdout.is_terminal() { format!("{result:#}") } else { result.to_string() };
    match writeln!(stdout, "{text}") {
        // A reader such as `head` may have enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::IoError, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn progress_on_terminal() -> Option<ProgressSink> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    Some(Arc::new(|report: Progress| {
        let share = report.total.map(|total| format!("{:.0} % ", 100.0 * report.progress / total)).unwrap_or_default();
        eprintln!("{share}{}", report.message.unwrap_or_default());
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_one_json_object() {
        assert_eq!(arguments("{\"a\": 1}").unwrap().len(), 1);
        assert_eq!(arguments("[1]").unwrap_err().message, "the arguments are JSON, but not an object");
        let error = arguments("{a: 1}").unwrap_err();
        assert_eq!(error.message, "the arguments are not JSON: key must be a string at line 1 column 2");
    }

    #[test]
    fn several_files_get_numbers() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(place(folder.path(), "op", "png", 0, 1), folder.path().join("op.png"));
        assert_eq!(place(folder.path(), "op", "png", 1, 2), folder.path().join("op-2.png"));
        assert_eq!(place(Path::new("/x/a.png"), "op", "png", 0, 1), Path::new("/x/a.png"));
        assert_eq!(place(Path::new("/x/a.png"), "op", "png", 1, 3), Path::new("/x/a-2.png"));
        assert_eq!(place(Path::new("/x/a"), "op", "png", 1, 3), Path::new("/x/a-2"));
    }
}
