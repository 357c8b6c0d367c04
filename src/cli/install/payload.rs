//! What an installation writes beside clients' entries: the plug-in's folder and the state folder.

use super::profiles::Packaging;
use crate::config::Plugin;
use crate::error::{Error, Kind, Result};
use crate::gimp::{launch, plugin, secret};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// The plug-in's folder inside `plug-ins`.
pub const FOLDER: &str = "gimp-bridge";
/// Of the plug-in that this binary holds.
pub const VERSION: &str = plugin::VERSION;
/// Tells the plug-in where the state folder is: inside a sandbox, and for a GIMP started from a menu, the environment
/// does not.
const LOCATION: &str = "location.json";

pub fn default_state_dir() -> Option<PathBuf> {
    secret::default_state_dir()
}

/// The version of the plug-in in this `plug-ins` folder.
pub fn installed_version(plug_ins: &Path) -> Option<String> {
    plugin::installed_version(plug_ins)
}

/// Whether the plug-in's files there are those of this binary.
pub fn is_current(plug_ins: &Path) -> bool {
    plugin::is_current(plug_ins)
}

/// The state folder that the plug-in in this `plug-ins` folder was told.
pub fn location(plug_ins: &Path) -> Option<PathBuf> {
    let text = std::fs::read(plug_ins.join(FOLDER).join(LOCATION)).ok()?;
    let location: serde_json::Value = serde_json::from_slice(&text).ok()?;
    location["state_dir"].as_str().map(PathBuf::from)
}

/// Creates the secret and writes the plug-in's settings.
pub fn ensure_state(state_dir: &Path, settings: &Plugin) -> Result<()> {
    secret::ensure(state_dir)?;
    launch::write_settings(state_dir, settings)
}

/// Writes the plug-in and where its state folder is.
pub fn write(plug_ins: &Path, state_dir: &Path, packaging: Packaging) -> Result<()> {
    std::fs::create_dir_all(plug_ins).map_err(|error| cannot_write(plug_ins, error))?;
    plugin::write_to(plug_ins).map_err(|error| cannot_write(plug_ins, error))?;
    let path = plug_ins.join(FOLDER).join(LOCATION);
    let location = json!({"state_dir": state_dir, "packaging": packaging});
    write_private(&path, &location).map_err(|error| cannot_write(&path, error))
}

/// Removes the plug-in's folder.
pub fn remove(plug_ins: &Path) -> io::Result<()> {
    match std::fs::remove_file(plug_ins.join(FOLDER).join(LOCATION)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    plugin::remove_from(plug_ins)
}

/// Removes the profiles that `gimp-bridge gimp` made for the GIMPs that it starts.
pub fn remove_private_profiles(data_home: &Path) -> io::Result<bool> {
    let ours = data_home.join("gimp-bridge");
    match std::fs::remove_dir_all(ours.join("profiles")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        gone => gone?,
    }
    // Models and libraries of the filters may be in it; then it stays.
    let _ = std::fs::remove_dir(ours);
    Ok(true)
}

/// What an installation, running daemons and the plug-in put into the state folder, beside work of the user's.
pub const STATE: [&str; 8] = [
    "secret",
    "plugin.json",
    "clients.json",
    crate::filters::publish::FILE,
    "attend.log",
    "instances",
    "stopped",
    "prompts.json",
];

/// Whether there is anything that [`remove_state`] removes.
pub fn has_state(state_dir: &Path) -> bool {
    STATE.iter().any(|name| state_dir.join(name).exists())
}

/// Removes what we put into the folder, and the folder if nothing else is in it: unsaved work of sessions may be.
pub fn remove_state(state_dir: &Path) -> io::Result<()> {
    for name in STATE {
        let path = state_dir.join(name);
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // Not empty: then it stays.
    let _ = std::fs::remove_dir(state_dir);
    Ok(())
}

/// Atomic and readable by its owner only, as temporary files are.
fn write_private(path: &Path, value: &serde_json::Value) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".gimp-bridge").tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::IoError, format!("cannot write `{}`: {error}", path.display()))
        .hint("mend the permissions of the folder and run this again")
}
