//! The profile folders that get the plug-in.
//!
//! All 3.x folders that are there. A folder is created only for a GIMP that has never run under that base: GIMP
//! imports the settings **and plug-ins** of the version before into a new profile, but only while that profile's
//! folder does not exist (tried with 3.0 and 3.2). Creating it first would cost the user their settings.

use super::found::Found;
use super::machine::{Machine, Os};
use std::path::{Path, PathBuf};

/// How a GIMP is packaged, which decides where its profile is and what it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packaging {
    Native,
    Flatpak,
    Snap,
}

/// One profile folder, such as `~/.config/GIMP/3.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub packaging: Packaging,
    pub folder: PathBuf,
    pub exists: bool,
}

impl Profile {
    pub fn plug_ins(&self) -> PathBuf {
        self.folder.join("plug-ins")
    }
}

/// Profile folders to use, and what the user should know about those that are not used.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub profiles: Vec<Profile>,
    pub notes: Vec<String>,
}

/// The folders that hold the profiles of all versions.
pub fn bases(machine: &Machine) -> Vec<(Packaging, PathBuf)> {
    let mut bases = Vec::new();
    if let Some(config) = machine.config_home() {
        bases.push((Packaging::Native, config.join("GIMP")));
    }
    if let (Os::Linux, Some(home)) = (machine.os, machine.home()) {
        bases.push((Packaging::Flatpak, home.join(".var/app/org.gimp.GIMP/config/GIMP")));
        bases.push((Packaging::Snap, snap_data(&home).join(".config/GIMP")));
    }
    bases
}

/// The Snap's data folder of the revision in use; snapd copies it to the next revision on an update.
fn snap_data(home: &Path) -> PathBuf {
    let snap = home.join("snap/gimp");
    let current = snap.join("current");
    let newest = || subfolders(&snap).into_iter().filter_map(|name| name.parse::<u32>().ok()).max();
    match newest() {
        Some(revision) if !current.exists() => snap.join(revision.to_string()),
        _ => current,
    }
}

/// Every 3.x profile on this machine.
pub fn existing(machine: &Machine) -> Vec<Profile> {
    let in_base = |(packaging, base): (Packaging, PathBuf)| {
        let mut versions: Vec<String> = subfolders(&base).into_iter().filter(|name| is_version_3(name)).collect();
        versions.sort_by_key(|name| name[2..].parse::<u32>().unwrap_or(0));
        versions.into_iter().map(move |name| Profile { packaging, folder: base.join(name), exists: true })
    };
    bases(machine).into_iter().flat_map(in_base).collect()
}

/// What an installation does, given the GIMPs that were found.
pub fn plan(machine: &Machine, found: &[Found]) -> Plan {
    let mut plan = Plan { profiles: existing(machine), notes: Vec::new() };
    let bases = bases(machine);
    for gimp in found.iter().filter(|gimp| gimp.is_version_3()) {
        // The Flatpak uses the ordinary folder where there is one, its own otherwise.
        let shares = gimp.packaging == Packaging::Flatpak
            && bases.iter().any(|(packaging, base)| *packaging == Packaging::Native && base.is_dir());
        let packaging = if shares { Packaging::Native } else { gimp.packaging };
        let Some((_, base)) = bases.iter().find(|(of, _)| *of == packaging) else { continue };
        if plan.profiles.iter().any(|profile| profile.folder.parent() == Some(base)) {
            continue;
        }
        if let Some(older) = subfolders(base).into_iter().find(|name| name.starts_with("2.")) {
            plan.notes.push(format!(
                "{} has not run yet and will import your settings of {older} when it does: start it once, then run \
                 `gimp-bridge install` again",
                gimp.title()
            ));
            continue;
        }
        for version in gimp.profile_versions() {
            plan.profiles.push(Profile { packaging, folder: base.join(version), exists: false });
        }
    }
    plan
}

fn is_version_3(name: &str) -> bool {
    name.strip_prefix("3.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()))
}

fn subfolders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
