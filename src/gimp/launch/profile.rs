//! What a started GIMP finds in its profile: the plug-in, and a gimprc that lets it start without a question.

use super::{How, Launch, Profile, Program, Version, gimprc};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::gimp::{plugin, secret};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Switches that a profile of ours gets where it has none: nothing may wait for a click, nothing goes online. The
/// version is there because a profile that never met this GIMP is welcomed all the same.
fn switches((major, minor, micro): Version) -> [(&'static str, String); 3] {
    [
        ("show-welcome-dialog", "no".into()),
        ("check-updates", "no".into()),
        ("config-version", format!("\"{major}.{minor}.{micro}\"")),
    ]
}

/// The folders where GIMP and its plug-ins keep what users make.
const DATA: [&str; 23] = [
    "brushes",
    "dynamics",
    "patterns",
    "gradients",
    "palettes",
    "fonts",
    "tool-presets",
    "plug-ins",
    "plug-in-settings",
    "modules",
    "interpreters",
    "environ",
    "scripts",
    "templates",
    "themes",
    "icons",
    "filters",
    "curves",
    "levels",
    "fractalexplorer",
    "gfig",
    "gflare",
    "gimpressionist",
];

/// Writes the plug-in, its settings and the secret; gives the profile folder.
pub fn prepare(launch: &Launch, program: &Program) -> Result<PathBuf> {
    secret::ensure(&launch.state_dir)?;
    let folder = folder(launch, program)?;
    let plug_ins = folder.join("plug-ins");
    let cannot = |error: io::Error| {
        Error::new(Kind::IoError, format!("the profile `{}` could not be prepared: {error}", folder.display()))
            .hint("make it writable, or name another one with --profile")
    };
    // Rewriting unchanged files would make GIMP query the plug-in again.
    if !plugin::is_current(&plug_ins) {
        std::fs::create_dir_all(&plug_ins).map_err(cannot)?;
        plugin::write_to(&plug_ins).map_err(cannot)?;
    }
    if let Some(paths) = gimprc::other_plug_ins(&folder) {
        let message = format!(
            "`{}` has the plug-in-path `{paths}`, so GIMP never finds the bridge",
            folder.join("gimprc").display()
        );
        return Err(Error::new(Kind::Config, message).hint(gimprc::MEND));
    }
    if launch.profile != Profile::User {
        set_switches(&folder.join("gimprc"), program.version).map_err(cannot)?;
        // GIMP makes these at its first start with windows, and without one never: what then saves a brush fails.
        DATA.iter().try_for_each(|name| std::fs::create_dir_all(folder.join(name))).map_err(cannot)?;
    }
    Ok(folder)
}

fn folder(launch: &Launch, program: &Program) -> Result<PathBuf> {
    let homeless = || Error::new(Kind::Config, "there is no home folder for a profile").hint("name one with --profile");
    let (major, minor, _) = program.version;
    match &launch.profile {
        Profile::Folder(folder) => std::path::absolute(folder).map_err(Error::internal),
        Profile::Private => {
            let data = dirs::data_dir().ok_or_else(homeless)?;
            Ok(data.join("gimp-bridge/profiles").join(format!("{major}.{minor}")))
        }
        // The Flatpak shares the ordinary folder where there is one.
        Profile::User => {
            let ordinary = dirs::config_dir().ok_or_else(homeless)?.join("GIMP");
            let base = match program.how {
                How::Flatpak if !ordinary.is_dir() => dirs::home_dir()
                    .ok_or_else(homeless)?
                    .join(format!(".var/app/{}/config/GIMP", super::find::FLATPAK)),
                _ => ordinary,
            };
            Ok(base.join(format!("{major}.{minor}")))
        }
    }
}

/// `plugin.json`, as protocol/README.md has it.
fn settings_json(settings: &config::Plugin) -> serde_json::Value {
    json!({
        "port": settings.port,
        "auto_disconnect": settings.auto_disconnect.map_or(json!(false), |seconds| json!(seconds)),
        "exec": settings.exec,
        "read_only": settings.read_only,
        "folders": settings.folders,
        "checkpoints": settings.checkpoints,
        "checkpoint_memory_mb": settings.checkpoint_memory_mb,
        "restart_after": settings.restart_after.map_or(json!(false), |seconds| json!(seconds)),
    })
}

/// Writes `plugin.json` into the state folder.
pub fn write_settings(state_dir: &Path, settings: &config::Plugin) -> Result<()> {
    let path = state_dir.join("plugin.json");
    let text = serde_json::to_string_pretty(&settings_json(settings)).map_err(Error::internal)?;
    replace(&path, text.as_bytes()).map_err(|error| {
        Error::new(Kind::IoError, format!("`{}` could not be written: {error}", path.display()))
            .hint("make its folder writable, or set GIMP_BRIDGE_STATE_DIR")
    })
}

/// Adds the switches that a gimprc lacks; what the user set stays.
fn set_switches(path: &Path, version: Version) -> io::Result<()> {
    let before = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let missing = switches(version).into_iter().filter(|(key, _)| !before.contains(&format!("({key} ")));
    let added: String = missing.map(|(key, value)| format!("({key} {value})\n")).collect();
    if added.is_empty() { Ok(()) } else { replace(path, format!("{}\n{added}", before.trim_end()).as_bytes()) }
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file =
        tempfile::Builder::new().prefix(".gimp-bridge").tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(contents)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gimp::launch::Mode;

    #[test]
    fn a_profile_gets_what_it_lacks_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let (state, profile) = (dir.path().join("state"), dir.path().join("profile"));
        let config = config::Config {
            gimp: config::Gimp { state_dir: Some(state.clone()), profile: Some(profile.clone()), ..Default::default() },
            ..Default::default()
        };
        let launch = Launch::new(&config, Mode::Headless).unwrap();
        let program = Program { how: How::Flatpak, version: (3, 0, 4) };
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("gimprc"), "# mine\n(check-updates yes)\n").unwrap();
        assert_eq!(prepare(&launch, &program).unwrap(), profile);
        let gimprc = std::fs::read_to_string(profile.join("gimprc")).unwrap();
        assert_eq!(gimprc, "# mine\n(check-updates yes)\n(show-welcome-dialog no)\n(config-version \"3.0.4\")\n");
        assert!(plugin::is_current(&profile.join("plug-ins")));
        write_settings(&state, &launch.plugin).unwrap();
        let settings: serde_json::Value =
            serde_json::from_slice(&std::fs::read(state.join("plugin.json")).unwrap()).unwrap();
        assert_eq!((&settings["port"], &settings["folders"]), (&json!(9877), &json!(null)));
        for name in ["brushes", "patterns", "gradients", "palettes", "fonts", "dynamics", "tool-presets"] {
            assert!(profile.join(name).is_dir(), "{name}");
        }
        // A second time changes nothing.
        prepare(&launch, &program).unwrap();
        assert_eq!(std::fs::read_to_string(profile.join("gimprc")).unwrap(), gimprc);
    }
}
