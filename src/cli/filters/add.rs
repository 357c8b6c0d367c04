//! `filters add`: a model of the catalogue, an ONNX file of one's own, or a folder with a manifest.

use super::{Bar, print};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::catalogue::{self, Entry};
use crate::filters::manifest::Manifest;
use crate::filters::runtime::Cache;
use crate::filters::{Watch, inspect, install, store};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
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
}

pub async fn run(args: Args, config: &Config) -> Result<()> {
    let config = config.clone();
    let cancel = CancellationToken::new();
    let asked = cancel.clone();
    let signal = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.cancel();
        }
    });
    let bar = Bar::new();
    let watch = Watch::new(cancel, move |fraction, doing| bar.show("adding", fraction, doing));
    let done = tokio::task::spawn_blocking(move || {
        let path = PathBuf::from(&args.what);
        if path.is_dir() {
            folder(&config, &path, args.yes)
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
            file(&config, &path, &args, &watch)
        } else {
            entry(&config, &catalogue::entry(&args.what)?, &args, &watch)
        }
    });
    let added = done.await.map_err(Error::internal);
    bar.clear();
    signal.abort();
    if let Some(path) = added?? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        print(&format!("added {name} in {}\n", path.display()));
    }
    Ok(())
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
    eprintln!("  size      {}", entry.shown_size());
    let limit = if entry.non_commercial { "  (NON-COMMERCIAL USE ONLY)" } else { "" };
    eprintln!("  licence   {}{limit}", entry.license);
    eprintln!("  source    {}", entry.source);
    let files = catalogue::manifest_of(entry)?.map(|manifest| manifest.file).unwrap_or_default();
    for url in files.iter().filter_map(|file| file.url.first()).filter(|_| args.from.is_empty()) {
        eprintln!("  from      {url}");
    }
    match &entry.sha256 {
        Some(sum) => eprintln!("  SHA-256   {sum}"),
        None => eprintln!("  SHA-256   not published: what comes cannot be verified"),
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

fn file(config: &Config, path: &Path, args: &Args, watch: &Watch) -> Result<Option<PathBuf>> {
    let id = args.name.clone().unwrap_or_else(|| name_of(path));
    let cache = Cache::new(config.clone());
    let found = inspect::inspect(&cache, path, &id, watch)?;
    Bar::new().clear();
    eprintln!("{} was run on one tile:", path.display());
    found.findings.iter().for_each(|finding| eprintln!("  {finding}"));
    eprintln!("\nThe manifest for it:\n\n{}", found.text);
    match agreed(args.yes)? {
        Some(()) => install::install_file(config, &found, path).map(Some),
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
    eprintln!("{}: {} (licence {})", manifest.id, manifest.name, manifest.license);
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
