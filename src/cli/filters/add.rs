//! `filters add`: a model of the catalogue, an ONNX file of one's own, or a folder with a manifest.

use super::{Bar, print};
use crate::config::Config;
use crate::daemon::cancel_on_signal;
use crate::error::{Error, Kind, Result};
use crate::filters::catalogue::{self, Entry};
use crate::filters::inspect::{self, Inspected};
use crate::filters::manifest::{Manifest, Remote};
use crate::filters::runtime::Cache;
use crate::filters::{Filters, Watch, door, install, store};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Add a model from the catalogue, or an ONNX file of your own
///
/// What will be downloaded is shown first, with size, licence and checksum.
#[derive(clap::Args)]
pub struct Args {
    /// An id of `filters catalogue`, an ONNX file, or a folder with a manifest.toml
    what: String,
    /// Without asking
    #[arg(long)]
    yes: bool,
    /// Files fetched by other means, instead of downloading
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
    /// What to call an ONNX file's filter; from its name if left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of the ways to give it a picture that are tried, this one; asked for if left out, the best with --yes
    #[arg(long, value_name = "NUMBER")]
    take: Option<usize>,
    /// For running an ONNX file of your own on test pictures
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

pub async fn run(args: Args, config: &Config) -> Result<()> {
    let config = config.clone();
    let path = PathBuf::from(&args.what);
    let cancel = CancellationToken::new();
    cancel_on_signal(&cancel)?;
    if !path.is_dir() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
        let mut found = looked_at(&config, &path, &args, cancel.clone()).await.map_err(door::in_shell)?;
        return added(cancel, move |_| file(&config, &path, &mut found, &args)).await;
    }
    added(cancel, move |watch| {
        if path.is_dir() {
            folder(&config, &path, args.yes)
        } else {
            entry(&config, &catalogue::entry(&args.what)?, &args, watch)
        }
    })
    .await
}

/// Adds the recommended models that are not there yet. Asks on a terminal unless `yes`; where nobody can be asked, it
/// says what there is.
pub async fn recommended(config: &Config, yes: bool) -> Result<()> {
    let there: Vec<String> =
        store::find(config).into_iter().filter_map(|found| Some(found.manifest.ok()?.id)).collect();
    let cancel = CancellationToken::new();
    cancel_on_signal(&cancel)?;
    let missing = catalogue::entries()?.into_iter().filter(|entry| entry.recommended && !there.contains(&entry.id));
    for model in missing {
        if !yes && !std::io::stdin().is_terminal() {
            eprintln!("recommended: {}, {}: gimp-bridge filters add {}", model.purpose, model.shown_size(), model.id);
            continue;
        }
        let config = config.clone();
        let args = Args { what: model.id.clone(), yes, from: Vec::new(), name: None, take: None, timeout: 300 };
        added(cancel.clone(), move |watch| entry(&config, &model, &args, watch)).await?;
    }
    Ok(())
}

/// Does the work on a thread of its own, with a bar, until it is cancelled; says what was added.
async fn added(
    cancel: CancellationToken,
    work: impl FnOnce(&Watch) -> Result<Option<PathBuf>> + Send + 'static,
) -> Result<()> {
    let bar = Bar::new();
    let watch = Watch::new(cancel, move |fraction, doing| bar.show("adding", fraction, doing));
    let done = tokio::task::spawn_blocking(move || work(&watch));
    let added = done.await.map_err(Error::internal);
    bar.clear();
    if let Some(path) = added?? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        print(&format!("added {name} in {}\n", path.display()));
    }
    Ok(())
}

/// What an ONNX file seems to be.
async fn looked_at(config: &Config, path: &Path, args: &Args, cancel: CancellationToken) -> Result<Inspected> {
    let id = args.name.clone().unwrap_or_else(|| name_of(path));
    let bar = Bar::new();
    let watch = Watch::new(cancel.clone(), move |fraction, doing| bar.show("adding", fraction, doing));
    let (work, cache, model, name) = (watch.clone(), Arc::new(Cache::new(config.clone())), path.to_owned(), id.clone());
    let running = tokio::task::spawn_blocking(move || inspect::inspect(&cache, &model, &name, &work));
    let found = Filters::within(&id, Duration::from_secs(args.timeout), &cancel, watch.attended(running)).await;
    bar.clear();
    found
}

/// One fact that the user agrees to.
fn say(what: &str, value: &str) {
    eprintln!("  {what:<9} {}", shown(value));
}

/// A manifest's text on one line, and without what moves a terminal's cursor: it is somebody else's.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Where pictures and which secret would go.
fn server(remote: &Remote) {
    say("server", &format!("{}: the pictures go there", remote.url));
    say("model", &remote.model);
    match &remote.token_env {
        Some(name) => say("token", &format!("the environment variable {name}, sent to that server")),
        None => say("token", "none"),
    }
}

/// Asks on the terminal; `None`: the user said no.
fn agreed(yes: bool) -> Result<Option<()>> {
    if yes {
        return Ok(Some(()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(Kind::InvalidArgument, "nobody is there to ask").hint("add --yes to agree in a script"));
    }
    eprint!("Add it? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(Some(()));
    }
    eprintln!("nothing was added");
    Ok(None)
}

fn entry(config: &Config, entry: &Entry, args: &Args, watch: &Watch) -> Result<Option<PathBuf>> {
    eprintln!("{}: {}", entry.id, entry.purpose);
    say("size", &entry.shown_size());
    let limit = if entry.non_commercial { "  (NON-COMMERCIAL USE ONLY)" } else { "" };
    say("licence", &format!("{}{limit}", entry.license));
    say("source", &entry.source);
    let manifest = catalogue::manifest_of(entry)?;
    if let Some(remote) = manifest.as_ref().and_then(|manifest| manifest.remote.as_ref()) {
        server(remote);
    }
    let files = manifest.map(|manifest| manifest.file).unwrap_or_default();
    for file in files.iter().filter(|_| args.from.is_empty()) {
        match (&file.package, file.url.first()) {
            (Some(package), _) => say("from", &package.to_string()),
            (None, Some(url)) => say("from", url),
            (None, None) => {}
        }
    }
    match &entry.sha256 {
        Some(sum) => say("SHA-256", sum),
        None => say("SHA-256", "not published: what comes cannot be verified"),
    }
    if files.is_empty() {
        // Says where to get it.
        return install::install(config, entry, &args.from, watch).map(Some);
    }
    match agreed(args.yes)? {
        Some(()) => install::install(config, entry, &args.from, watch).map(Some),
        None => Ok(None),
    }
}

/// A name for a filter, from its file's.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let name = plain.trim_matches(['-', '.']).chars().take(48).collect::<String>();
    if name.is_empty() { "model".into() } else { name }
}

/// Which of the ways that were tried; the numbers are those of the contact sheet.
fn taken(found: &mut Inspected, args: &Args) -> Result<()> {
    if let Some(number) = args.take {
        return found.take(number);
    }
    let Some(trial) = found.trial.as_ref().filter(|trial| trial.tried.len() > 1) else { return Ok(()) };
    eprintln!("\nWays to give it a picture, tried on a photo of a cat:");
    for (index, tried) in trial.tried.iter().enumerate() {
        eprintln!("  {}  {:32} {:.2}", index + 1, tried.says, tried.score);
    }
    eprintln!("{}", trial.certainty.says());
    if args.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let fault = |error: std::io::Error| Error::new(Kind::IoError, format!("the pictures cannot be written: {error}"));
    let mut sheet = tempfile::Builder::new().prefix("trial-").suffix(".png").tempfile().map_err(fault)?;
    sheet.write_all(&trial.sheet()?).map_err(fault)?;
    eprintln!("the results side by side: {}", sheet.path().display());
    eprint!("Which one? [1] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    match line.trim() {
        "" => Ok(()),
        text => {
            let wrong = || Error::new(Kind::InvalidArgument, format!("`{text}` is no number; nothing was added"));
            found.take(text.parse().map_err(|_| wrong())?)
        }
    }
}

fn file(config: &Config, path: &Path, found: &mut Inspected, args: &Args) -> Result<Option<PathBuf>> {
    eprintln!("{} was run on one tile:", path.display());
    found.findings.iter().for_each(|finding| eprintln!("  {finding}"));
    say("licence", "unknown: the file does not tell");
    taken(found, args)?;
    eprintln!("\nThe manifest for it:\n\n{}", found.text);
    match agreed(args.yes)? {
        Some(()) => install::install_file(config, found, path).map(Some),
        None => Ok(None),
    }
}

/// A folder that somebody made: its manifest and the files that this names.
fn folder(config: &Config, path: &Path, yes: bool) -> Result<Option<PathBuf>> {
    let manifest: Manifest = store::read_manifest(&path.join(store::MANIFEST))?;
    let folder = store::Folder::Disk(path.to_owned());
    for file in &manifest.file {
        folder.read_verified(&file.path, file.sha256.as_deref())?;
        file.data.iter().try_for_each(|data| folder.verify(data, file.data_sha256.as_deref()))?;
    }
    eprintln!("{}: {}", manifest.id, shown(&manifest.name));
    say("licence", &manifest.license);
    if let Some(remote) = &manifest.remote {
        server(remote);
    }
    for file in &manifest.file {
        say("file", &file.path);
        say("SHA-256", file.sha256.as_deref().unwrap_or("not pinned: the file that is there now is taken"));
    }
    if agreed(yes)?.is_none() {
        return Ok(None);
    }
    let staging = store::Staging::begin(config, &manifest.id)?;
    let files = manifest.file.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.data));
    for name in files.map(String::as_str).chain([store::MANIFEST]) {
        let source = crate::filters::manifest::inside(path, name)?;
        install::copy(&source, &staging.path().join(name))?;
    }
    staging.finish().map(Some)
}
