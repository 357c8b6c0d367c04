//! `gimp-bridge uninstall`: takes back what `install` did and leaves everything else.

use super::client_file::{self, Journal};
use super::clients::Client;
use super::machine::Machine;
use super::{Target, payload, profiles, state_dir};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Remove the plug-in, the clients' entries, the secret and the state
///
/// What you made or fetched with it stays and is named: AI models, ONNX Runtime, sessions, your settings.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Also what would stay: models, ONNX Runtime, sessions with unsaved work, settings
    #[arg(long)]
    pub all: bool,
    /// Show what would be removed and remove nothing
    #[arg(long)]
    pub print: bool,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let machine = Machine::this();
    let target = Target { executable: super::executable(&machine)?, machine, state_dir: state_dir(config)? };
    uninstall(&args, &target, config, &mut std::io::stdout())
}

/// Goes on past a file that cannot be mended, so that one broken client keeps nothing else installed.
pub fn uninstall(args: &Args, target: &Target, config: &Config, out: &mut dyn std::io::Write) -> Result<ExitCode> {
    let print = args.print;
    let mut text = String::new();
    let mut failure = None;
    let mut journal = Journal::open(&target.state_dir);
    for client in Client::ALL {
        let Some(file) = client.file(&target.machine) else { continue };
        match take_out(client, &file, print, &mut journal) {
            Ok(line) => text += &line,
            Err(error) => {
                text += &format!("{}: {error}\n", client.title());
                failure = Some(error);
            }
        }
    }
    let removed = if print { "would remove" } else { "removed" };
    for profile in profiles::existing(&target.machine) {
        let plug_in = profile.plug_ins().join(payload::FOLDER);
        if !plug_in.is_dir() {
            continue;
        }
        if !print {
            payload::remove(&profile.plug_ins()).map_err(|error| cannot_remove(&plug_in, error))?;
            remove_if_only_ours(&profile);
        }
        text += &format!("{removed} plug-in `{}`\n", plug_in.display());
    }
    let data = target.machine.data_home().unwrap_or_default();
    let profiles = data.join("gimp-bridge").join("profiles");
    if profiles.is_dir() {
        if !print {
            payload::remove_private_profiles(&data).map_err(|error| cannot_remove(&profiles, error))?;
        }
        text += &format!("{removed} private profiles `{}`\n", profiles.display());
    }
    // A file that still has our entry keeps the journal that says how to take it out.
    if failure.is_none() && payload::has_state(&target.state_dir) {
        if !print {
            payload::remove_state(&target.state_dir).map_err(|error| cannot_remove(&target.state_dir, error))?;
        }
        text += &format!("{removed} secret and state in `{}`\n", target.state_dir.display());
    }
    if text.is_empty() {
        text = "nothing is installed\n".into();
    }
    for Left { path, what, ours } in left(target, config) {
        let at = path.display();
        if args.all && ours && failure.is_none() {
            if !print {
                std::fs::remove_dir_all(&path).map_err(|error| cannot_remove(&path, error))?;
            }
            text += &format!("{removed} {what} `{at}`\n");
        } else if ours {
            text += &format!("left {what} `{at}`; `gimp-bridge uninstall --all` removes it\n");
        } else {
            text += &format!("left {what} `{at}`; remove it yourself if nothing else needs it\n");
        }
    }
    out.write_all(text.as_bytes()).map_err(Error::internal)?;
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Something that an uninstallation leaves.
struct Left {
    path: PathBuf,
    what: &'static str,
    /// Whether the folder is ours alone, by its name and place.
    ours: bool,
}

/// What was made and fetched since the installation, as far as it is there.
fn left(target: &Target, config: &Config) -> Vec<Left> {
    let machine = &target.machine;
    let own = |base: Option<PathBuf>, what| base.map(|base| Left { path: base.join("gimp-bridge"), what, ours: true });
    let named = target.state_dir.file_name().is_some_and(|name| name == "gimp-bridge");
    let state = Left { path: target.state_dir.clone(), what: "sessions and other state", ours: named };
    let set = |path: &Option<PathBuf>, what| path.clone().map(|path| Left { path, what, ours: false });
    let mut left: Vec<Left> = [
        Some(state),
        own(machine.data_home(), "AI models, ONNX Runtime and pictures"),
        own(machine.config_home(), "your settings"),
        set(&config.filters.folder, "the folder `filters.folder`"),
        set(&config.sessions.folder, "the folder `sessions.folder`"),
        set(&Some(config.storage.path.clone()), "the folder `storage.path`"),
        set(&config.log.file, "the file `log.file`"),
        machine.cache_dir().map(|path| Left { path, what: "what scripts/setup-gimp fetched", ours: false }),
    ]
    .into_iter()
    .flatten()
    .filter(|left| left.path.is_file() || holds_more(&left.path))
    .collect();
    // One folder may be several of these, as on macOS.
    let mut seen: Vec<PathBuf> = Vec::new();
    left.retain(|left| {
        let new = !seen.contains(&left.path);
        seen.push(left.path.clone());
        new
    });
    left
}

/// Whether anything is in the folder beside what is removed in any case.
fn holds_more(folder: &Path) -> bool {
    let removed = |name: &std::ffi::OsStr| name == "profiles" || payload::STATE.iter().any(|other| name == *other);
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| !removed(&entry.file_name())))
}

fn take_out(client: Client, file: &Path, print: bool, journal: &mut Journal) -> Result<String> {
    let edit = client_file::removing(client, file, journal)?;
    if !edit.changes() {
        return Ok(String::new());
    }
    let file = edit.file.clone();
    if print {
        return Ok(format!("{}: would change `{}`\n{}", client.title(), file.display(), edit.diff()));
    }
    edit.apply(journal)?;
    Ok(format!("{}: removed from `{}`\n", client.title(), file.display()))
}

/// Removes the folders that were created for the plug-in alone; a folder that holds anything stays.
fn remove_if_only_ours(profile: &profiles::Profile) {
    let only = std::fs::read_dir(&profile.folder).is_ok_and(|entries| entries.count() == 1);
    if only && std::fs::remove_dir(profile.plug_ins()).is_ok() {
        let _ = std::fs::remove_dir(&profile.folder);
    }
}

fn cannot_remove(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("cannot remove `{}`: {error}", path.display()))
        .hint("mend its permissions and run this again")
}
