//! `gimp-bridge uninstall`: takes back what `install` did and leaves everything else.

use super::client_file::{self, Journal};
use super::clients::Client;
use super::machine::Machine;
use super::{Target, payload, profiles, state_dir};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use std::path::Path;
use std::process::ExitCode;

/// Remove the plug-in, the clients' entries, the secret and the state
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show what would be removed and remove nothing
    #[arg(long)]
    pub print: bool,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let machine = Machine::this();
    let target = Target { executable: super::executable(&machine)?, machine, state_dir: state_dir(config)? };
    uninstall(args.print, &target, &mut std::io::stdout())
}

/// Goes on past a file that cannot be mended, so that one broken client keeps nothing else installed.
pub fn uninstall(print: bool, target: &Target, out: &mut dyn std::io::Write) -> Result<ExitCode> {
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
    if failure.is_none() && target.state_dir.is_dir() {
        if !print {
            payload::remove_state(&target.state_dir).map_err(|error| cannot_remove(&target.state_dir, error))?;
        }
        text += &format!("{removed} secret and state in `{}`\n", target.state_dir.display());
    }
    if text.is_empty() {
        text = "nothing is installed\n".into();
    }
    out.write_all(text.as_bytes()).map_err(Error::internal)?;
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
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
