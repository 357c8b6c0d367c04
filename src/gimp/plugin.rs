//! The plug-in's files, embedded in the binary, and how they get into a profile's `plug-ins` folder.
//!
//! Only files that we put there are replaced or removed: a list of them stands beside them.

use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Of the plug-in that this binary holds; one number for both.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// GIMP wants the folder and the script in it to have one name.
const FOLDER: &str = "gimp-bridge";
const SCRIPT: &str = "gimp-bridge.py";
/// What we wrote, in the plug-in's folder.
const LIST: &str = "installed.json";

#[derive(RustEmbed)]
#[folder = "gimp-plugin/gimp-bridge"]
#[exclude = "*__pycache__*"]
#[exclude = ".*"]
struct Python;

#[derive(RustEmbed)]
#[folder = "protocol"]
#[include = "errors.json"]
#[include = "sentences.json"]
#[include = "procedures.json"]
#[include = "gegl.json"]
#[include = "ops/*.json"]
struct Protocol;

#[derive(Default, Serialize, Deserialize)]
struct Installed {
    version: String,
    files: Vec<PathBuf>,
}

/// Relative path to contents.
fn files() -> BTreeMap<PathBuf, Vec<u8>> {
    let python = Python::iter().filter_map(|name| Some((PathBuf::from(&*name), Python::get(&name)?.data.into_owned())));
    let protocol = Protocol::iter()
        .filter_map(|name| Some((Path::new("protocol").join(&*name), Protocol::get(&name)?.data.into_owned())));
    python.chain(protocol).collect()
}

/// Writes the plug-in into `plug_ins/gimp-bridge` and gives the files' paths. Each file is replaced as a whole; the
/// script that GIMP starts comes last. Files of an older version of ours go, others stay.
pub fn write_to(plug_ins: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = own_folder(plug_ins)?;
    let files = files();
    let before = read_list(&folder).unwrap_or_default();
    std::fs::create_dir_all(&folder)?;
    let mut written = Vec::with_capacity(files.len());
    let (script, modules): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == Path::new(SCRIPT));
    for (name, contents) in modules.into_iter().chain(script) {
        let path = folder.join(name);
        replace(&path, contents, *name == Path::new(SCRIPT))?;
        written.push(path);
    }
    for name in before.files.iter().filter(|name| !files.contains_key(*name)) {
        remove_ours(&folder, name)?;
    }
    tidy(&folder, before.files.iter().chain(files.keys()))?;
    let list = Installed { version: VERSION.into(), files: files.into_keys().collect() };
    replace(&folder.join(LIST), &serde_json::to_vec_pretty(&list)?, false)?;
    Ok(written)
}

/// Removes what [`write_to`] wrote, and the folder if nothing else is in it. Nothing there is fine.
pub fn remove_from(plug_ins: &Path) -> io::Result<()> {
    let folder = own_folder(plug_ins)?;
    if !folder.is_dir() {
        return Ok(());
    }
    // Without a list the folder was copied there by hand: what has our names goes.
    let ours = read_list(&folder).map_or_else(|| files().into_keys().collect(), |list| list.files);
    for name in ours.iter().chain([&PathBuf::from(LIST)]) {
        remove_ours(&folder, name)?;
    }
    tidy(&folder, ours.iter())?;
    remove_if_empty(&folder)
}

/// The version of the plug-in in this `plug-ins` folder; `None` if there is none or it cannot be told.
pub fn installed_version(plug_ins: &Path) -> Option<String> {
    let folder = plug_ins.join(FOLDER);
    folder.join(SCRIPT).is_file().then_some(())?;
    read_list(&folder).map(|list| list.version)
}

/// Whether the files in this `plug-ins` folder are exactly those of this binary.
pub fn is_current(plug_ins: &Path) -> bool {
    let folder = plug_ins.join(FOLDER);
    files().iter().all(|(name, contents)| std::fs::read(folder.join(name)).is_ok_and(|there| there == *contents))
}

fn own_folder(plug_ins: &Path) -> io::Result<PathBuf> {
    let folder = plug_ins.join(FOLDER);
    // A developer's link into a checkout: writing through it would change the checkout.
    if folder.is_symlink() {
        return Err(io::Error::other(format!("`{}` is a symbolic link; remove it first", folder.display())));
    }
    Ok(folder)
}

fn read_list(folder: &Path) -> Option<Installed> {
    serde_json::from_slice(&std::fs::read(folder.join(LIST)).ok()?).ok()
}

fn replace(path: &Path, contents: &[u8], executable: bool) -> io::Result<()> {
    let folder = path.parent().expect("every file of ours is in a folder");
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".gimp-bridge");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(if executable { 0o755 } else { 0o644 }));
    #[cfg(not(unix))]
    let _ = executable;
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(contents)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes a listed file; a list that points out of the folder is not ours.
fn remove_ours(folder: &Path, name: &Path) -> io::Result<()> {
    let inside = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside {
        return Ok(());
    }
    absent_is_fine(std::fs::remove_file(folder.join(name)))
}

/// In the folders of these files: Python's own caches go, as those of removed modules would still be found, and then
/// the folders that are empty.
fn tidy<'a>(folder: &Path, files: impl Iterator<Item = &'a PathBuf>) -> io::Result<()> {
    let inside = |name: &&PathBuf| name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let folders: BTreeSet<&Path> = files.filter(inside).flat_map(|name| name.ancestors().skip(1)).collect();
    // A folder comes before those in it, and the plug-in's own before all
    for name in folders.into_iter().rev() {
        let sub = folder.join(name);
        absent_is_fine(std::fs::remove_dir_all(sub.join("__pycache__")))?;
        if name != Path::new("") {
            remove_if_empty(&sub)?;
        }
    }
    Ok(())
}

fn remove_if_empty(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => absent_is_fine(other),
    }
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plug_in_names_our_version() {
        let wanted = format!("VERSION = \"{VERSION}\"");
        let versions: Vec<String> = files()
            .values()
            .filter_map(|contents| std::str::from_utf8(contents).ok())
            .flat_map(|text| text.lines().filter(|line| line.starts_with("VERSION = ")).map(str::to_owned))
            .collect();
        assert_eq!(versions, [wanted], "the plug-in's Python files say their version in one place, and it is ours");
    }

    #[test]
    fn only_ours_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        let written = write_to(dir.path()).unwrap();
        assert!(written.contains(&folder.join("protocol/errors.json")));
        assert!(written.iter().all(|path| path.is_file() && !path.to_string_lossy().contains("__pycache__")));
        assert_eq!(installed_version(dir.path()).as_deref(), Some(VERSION));
        assert!(is_current(dir.path()));

        // An older version of ours had `old.py`; `mine.py` is the user's.
        for name in ["old.py", "mine.py"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let mut list = read_list(&folder).unwrap();
        list.files.extend(["old.py".into(), "../../outside".into()]);
        std::fs::write(folder.join(LIST), serde_json::to_vec(&list).unwrap()).unwrap();
        std::fs::write(folder.join(SCRIPT), "changed").unwrap();
        assert!(!is_current(dir.path()));
        write_to(dir.path()).unwrap();
        assert!(!folder.join("old.py").exists() && folder.join("mine.py").exists() && is_current(dir.path()));

        remove_from(dir.path()).unwrap();
        let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine.py"]);
        std::fs::remove_file(folder.join("mine.py")).unwrap();
        remove_from(dir.path()).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn nothing_of_a_flat_older_version_can_be_imported_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        let flat = ["gimp-bridge.py", "history.py", "ops/__init__.py", "ops/layers.py", "protocol/errors.json"];
        let caches = ["__pycache__/history.cpython-312.pyc", "ops/__pycache__/layers.cpython-312.pyc"];
        for name in flat.iter().chain(&caches) {
            replace(&folder.join(name), b"old", false).unwrap();
        }
        let list = Installed { version: "0.0.9".into(), files: flat.iter().map(PathBuf::from).collect() };
        std::fs::write(folder.join(LIST), serde_json::to_vec(&list).unwrap()).unwrap();
        write_to(dir.path()).unwrap();
        let mut there: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        there.sort();
        assert_eq!(there, [SCRIPT, "gimp_bridge", LIST, "protocol"]);
        assert!(is_current(dir.path()));

        let cache = folder.join("gimp_bridge/net/__pycache__/wire.cpython-312.pyc");
        replace(&cache, b"", false).unwrap();
        remove_from(dir.path()).unwrap();
        assert!(!folder.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_a_checkout_is_left_alone() {
        let (dir, checkout) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(checkout.path(), dir.path().join(FOLDER)).unwrap();
        assert!(write_to(dir.path()).unwrap_err().to_string().contains("symbolic link"));
        assert_eq!(std::fs::read_dir(checkout.path()).unwrap().count(), 0);
    }
}
