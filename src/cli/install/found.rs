//! The GIMPs on this machine, for the installer and the doctor. Asks each for its version; starts none.

use super::machine::{Machine, Os};
use super::profiles::Packaging;
use crate::gimp::launch::{How, Mode, locate};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FLATPAK_ID: &str = "org.gimp.GIMP";
/// A program that does not print its version in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// One GIMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub packaging: Packaging,
    /// Major, minor, micro; `None`: it could not be told.
    pub version: Option<[u32; 3]>,
    pub place: PathBuf,
}

impl Found {
    /// True also for a version that could not be told.
    pub fn is_version_3(&self) -> bool {
        self.version.is_none_or(|version| version[0] == 3)
    }

    pub fn title(&self) -> String {
        let version = self.version.map_or("GIMP".to_owned(), |[a, b, c]| format!("GIMP {a}.{b}.{c}"));
        format!("{version} at `{}`", self.place.display())
    }

    /// The names of its profile folder; both stable ones if the version could not be told.
    pub fn profile_versions(&self) -> Vec<String> {
        match self.version {
            Some([major, minor, _]) => vec![format!("{major}.{minor}")],
            None => vec!["3.0".into(), "3.2".into()],
        }
    }
}

/// Every GIMP that can be found, the preferred one first; `configured` is `gimp.executable`.
pub fn find(machine: &Machine, configured: Option<&Path>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let configured = configured.and_then(|path| match locate(Mode::Gui, path) {
        Some(How::Native(program)) => Some(program),
        // A private root is none of these; a folder without a GIMP is shown as what it is.
        Some(_) => None,
        None => Some(path.to_owned()),
    });
    for place in configured.into_iter().chain(executables(machine)) {
        let version = version_of(&place);
        // `gimp` and `gimp-3.0` are mostly one program.
        if !found.iter().any(|other| other.version == version && other.place.parent() == place.parent()) {
            found.push(Found { packaging: Packaging::Native, version, place });
        }
    }
    if machine.os == Os::Linux {
        found.extend(flatpak(machine));
        found.extend(snap(machine));
    }
    found
}

/// The private GIMPs that scripts/setup-gimp made: the configured one, then those in the cache folder, newest version
/// first. They need no installation: `gimp-bridge gimp` gives them a profile with the plug-in.
pub fn private_roots(machine: &Machine, configured: Option<&Path>) -> Vec<PathBuf> {
    let configured = configured.and_then(|path| match locate(Mode::Headless, path) {
        Some(How::Root(root)) => Some(root),
        _ => None,
    });
    let cached =
        machine.cache_dir().into_iter().flat_map(|cache| ["gimp-3.2", "gimp-3.0"].map(|name| cache.join(name)));
    let mut roots: Vec<PathBuf> = Vec::new();
    for root in configured.into_iter().chain(cached).filter(|root| root.join("usr/bin/gimp").is_file()) {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

/// The executables that exist among the usual names and places.
fn executables(machine: &Machine) -> Vec<PathBuf> {
    let file = |name: &str| if machine.os == Os::Windows { format!("{name}.exe") } else { name.to_owned() };
    let names = ["gimp-3.2", "gimp-3.0", "gimp-3", "gimp"].map(file);
    let mut folders: Vec<PathBuf> =
        machine.variable("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    match machine.os {
        Os::Linux => {}
        Os::MacOs => {
            folders.push(machine.system("Applications/GIMP.app/Contents/MacOS"));
            folders.extend(machine.home().map(|home| home.join("Applications/GIMP.app/Contents/MacOS")));
        }
        Os::Windows => {
            let programs = ["ProgramFiles", "ProgramW6432", "LOCALAPPDATA"];
            for folder in programs.iter().filter_map(|name| machine.variable(name)) {
                folders.push(Path::new(folder).join("GIMP 3").join("bin"));
                folders.push(Path::new(folder).join("Programs").join("GIMP 3").join("bin"));
            }
        }
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders {
        // A Snap's launcher stands on PATH too; it is found as a Snap.
        if folder.ends_with("snap/bin") {
            continue;
        }
        found.extend(names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()));
    }
    let mut seen = Vec::new();
    found.retain(|path| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    found
}

fn flatpak(machine: &Machine) -> Option<Found> {
    let user = machine.home().map(|home| home.join(".local/share/flatpak/app").join(FLATPAK_ID));
    let system = machine.system("var/lib/flatpak/app").join(FLATPAK_ID);
    let place = user.into_iter().chain([system]).find(|folder| folder.is_dir())?;
    let text = output("flatpak", ["info", FLATPAK_ID]).unwrap_or_default();
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Version:")).and_then(version_in);
    Some(Found { packaging: Packaging::Flatpak, version, place })
}

fn snap(machine: &Machine) -> Option<Found> {
    let place = machine.system("snap/gimp/current");
    let text = std::fs::read_to_string(place.join("meta/snap.yaml")).unwrap_or_default();
    let version = text.lines().find_map(|line| line.strip_prefix("version:")).and_then(version_in);
    place.is_dir().then_some(Found { packaging: Packaging::Snap, version, place })
}

fn version_of(executable: &Path) -> Option<[u32; 3]> {
    // 3.0 says `GNU Image Manipulation Program version 3.0.4`, translated; the number stays.
    output(executable, ["--version"]).as_deref().and_then(version_in)
}

/// The first `a.b.c` in a text.
fn version_in(text: &str) -> Option<[u32; 3]> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let numbers: Option<Vec<u32>> = word.trim_matches('.').split('.').map(|part| part.parse().ok()).collect();
        numbers?.try_into().ok()
    })
}

/// Flatpak's answer to what the GIMP in it may do, as `flatpak info --show-permissions` prints it.
pub fn flatpak_permissions() -> Option<String> {
    output("flatpak", ["info", "--show-permissions", FLATPAK_ID])
}

/// What these permissions lack for the plug-in, as `flatpak override` options.
pub fn flatpak_lacks(permissions: &str, state_dir: &Path) -> Vec<String> {
    let value = |name: &str| {
        permissions.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("").to_owned()
    };
    let has = |list: &str, names: &[&str]| list.split(';').any(|item| names.contains(&item));
    let mut lacks = Vec::new();
    if !has(&value("shared"), &["network"]) {
        lacks.push("--share=network".into());
    }
    let state = state_dir.to_string_lossy();
    let reaches = |item: &str| {
        matches!(item, "host" | "home") || state.starts_with(item.trim_end_matches(":create")) && item.starts_with('/')
    };
    if !value("filesystems").split(';').any(reaches) {
        lacks.push(format!("--filesystem={state}:create"));
    }
    lacks
}

/// What a short-lived program prints; `None` if it is not there, fails or takes too long.
pub fn output(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    // A version fits into the pipe's buffer, so the child never waits for this reader.
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(child.stdout.take()?, 1 << 16), &mut text).ok()?;
    status.success().then_some(text)
}
