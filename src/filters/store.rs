//! Where manifests and models lie: embedded in the program, or in the user's folder of installed filters.
//!
//! Refuses paths out of a filter's folder, files whose checksum is another, and half-installed filters.

use super::manifest::{self, Manifest};
use super::runtime::setup::hex;
use crate::config::Config;
use crate::error::{Error, Kind, Reason, Result};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the manifest in a filter's folder.
pub const MANIFEST: &str = "manifest.toml";
/// A manifest is a page or two of text.
const LARGEST_MANIFEST: u64 = 1 << 20;

#[derive(RustEmbed)]
#[folder = "filters/"]
#[include = "*/manifest.toml"]
#[include = "*/*.onnx"]
struct Bundled;

/// A filter's folder.
#[derive(Clone, Debug)]
pub enum Folder {
    Bundled(String),
    Disk(PathBuf),
}

impl Folder {
    /// Names it in cache keys and errors.
    pub fn name(&self) -> String {
        match self {
            Folder::Bundled(name) => format!("bundled:{name}"),
            Folder::Disk(path) => path.display().to_string(),
        }
    }

    /// `bundled` or `installed`.
    pub fn origin(&self) -> &'static str {
        match self {
            Folder::Bundled(_) => "bundled",
            Folder::Disk(_) => "installed",
        }
    }

    /// The file's path.
    ///
    /// # Errors
    /// `forbidden` when it is not inside, `not_found`, `unsupported` for bundled ones, which have none.
    pub fn path(&self, file: &str) -> Result<PathBuf> {
        match self {
            Folder::Disk(folder) => manifest::inside(folder, file),
            Folder::Bundled(_) => {
                Err(Error::new(Kind::Unsupported, "a bundled model cannot keep its weights in a second file"))
            }
        }
    }

    /// Bytes of a file; 0 if it is not there.
    pub fn size(&self, file: &str) -> u64 {
        match self {
            Folder::Bundled(name) => Bundled::get(&format!("{name}/{file}")).map_or(0, |file| file.data.len() as u64),
            Folder::Disk(folder) => {
                let path = manifest::inside(folder, file).ok();
                path.and_then(|path| fs::metadata(path).ok()).map_or(0, |data| data.len())
            }
        }
    }

    /// The file's bytes, if their checksum is right.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_argument` with both checksums.
    pub fn read_verified(&self, file: &str, sha256: Option<&str>) -> Result<Vec<u8>> {
        let bytes = match self {
            Folder::Bundled(name) => Bundled::get(&format!("{name}/{file}"))
                .ok_or_else(|| Error::new(Kind::NotFound, format!("the bundled filter `{name}` has no `{file}`")))?
                .data
                .into_owned(),
            Folder::Disk(_) => {
                let path = self.path(file)?;
                fs::read(&path).map_err(|error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display())))?
            }
        };
        check_sum(file, &hex(&Sha256::digest(&bytes)), sha256)?;
        Ok(bytes)
    }

    /// Checks a file's checksum without holding the file.
    ///
    /// # Errors
    /// As [`Folder::read_verified`].
    pub fn verify(&self, file: &str, sha256: Option<&str>) -> Result<()> {
        if sha256.is_some() { check_sum(file, &file_sum(&self.path(file)?)?, sha256) } else { Ok(()) }
    }
}

fn check_sum(file: &str, found: &str, wanted: Option<&str>) -> Result<()> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(found) => {
            Err(Error::new(Kind::InvalidArgument, format!("`{file}` has SHA-256 {found}, the manifest pins {wanted}"))
                .hint("the file is damaged or another export of the model; take the one the manifest was made for")
                .because(Reason::ModelUnfit))
        }
        _ => Ok(()),
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// `io_error` when it cannot be read.
pub fn file_sum(path: &Path) -> Result<String> {
    let fault = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display()));
    let mut file = fs::File::open(path).map_err(fault)?;
    let mut sum = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut block).map_err(fault)? {
            0 => return Ok(hex(&sum.finalize())),
            count => sum.update(&block[..count]),
        }
    }
}

/// The folder of installed filters; `None`: the user has no data folder.
pub fn user_folder(config: &Config) -> Option<PathBuf> {
    config.filters.folder.clone().or_else(|| Some(dirs::data_dir()?.join("gimp-bridge/filters")))
}

/// A filter that was found, or why it cannot be used.
pub struct Found {
    pub folder: Folder,
    pub manifest: Result<Manifest>,
}

/// All manifests, bundled ones first. A broken one is found too, with its error: it must not hide the others.
pub fn find(config: &Config) -> Vec<Found> {
    let mut names: Vec<String> =
        Bundled::iter().filter_map(|path| path.strip_suffix("/manifest.toml").map(str::to_owned)).collect();
    names.sort();
    let mut found: Vec<Found> = names
        .into_iter()
        .map(|name| {
            let place = format!("filters/{name}/{MANIFEST}");
            let text =
                Bundled::get(&format!("{name}/{MANIFEST}")).map(|file| file.data.into_owned()).unwrap_or_default();
            let manifest = manifest::parse(&String::from_utf8_lossy(&text), &place);
            Found { folder: Folder::Bundled(name), manifest }
        })
        .collect();
    let entries = user_folder(config).and_then(|folder| fs::read_dir(folder).ok());
    let mut paths: Vec<PathBuf> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.join(MANIFEST).is_file()) {
        // What begins with a dot is being installed.
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            let manifest = read_manifest(&path.join(MANIFEST));
            found.push(Found { folder: Folder::Disk(path), manifest });
        }
    }
    found
}

/// Reads a manifest from a file.
///
/// # Errors
/// `io_error`, `too_large`, and those of [`manifest::parse`].
pub fn read_manifest(path: &Path) -> Result<Manifest> {
    let fault = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display()));
    let size = fs::metadata(path).map_err(fault)?.len();
    if size > LARGEST_MANIFEST {
        return Err(Error::new(
            Kind::TooLarge,
            format!("`{}` is {size} bytes, a manifest at most 1 MiB", path.display()),
        ));
    }
    manifest::parse(&fs::read_to_string(path).map_err(fault)?, &path.display().to_string())
}

/// A folder in the making, beside the others; it becomes visible by one rename.
pub struct Staging {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl Staging {
    /// # Errors
    /// `invalid_argument` when a filter of that name is installed, `io_error`.
    pub fn begin(config: &Config, id: &str) -> Result<Staging> {
        let parent = user_folder(config)
            .ok_or_else(|| Error::new(Kind::IoError, "the user has no data folder").hint("set `filters.folder`"))?;
        let fault = |error: std::io::Error| {
            Error::new(Kind::IoError, format!("`{}`: {error}", parent.display()))
                .hint("check its space and permissions")
        };
        fs::create_dir_all(&parent).map_err(fault)?;
        let target = parent.join(id);
        if target.exists() {
            return Err(Error::new(Kind::InvalidArgument, format!("the filter `{id}` is installed already"))
                .hint(format!("run `gimp-bridge filters remove {id}` first")));
        }
        let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent).map_err(fault)?;
        Ok(Staging { folder, target })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it visible.
    ///
    /// # Errors
    /// `io_error`.
    pub fn finish(self) -> Result<PathBuf> {
        let target = self.target;
        let path = self.folder.keep();
        let renamed = set_readable(&path).and_then(|()| fs::rename(&path, &target));
        renamed.map_err(|error| {
            // Nothing half-made stays.
            let _ = fs::remove_dir_all(&path);
            Error::new(Kind::IoError, format!("`{}`: {error}", target.display()))
                .hint("check its space and permissions")
        })?;
        Ok(target)
    }
}

/// Temporary folders are their owner's alone; an installed filter is like any other file.
#[cfg(unix)]
fn set_readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn set_readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Removes an installed filter.
///
/// # Errors
/// `not_found` with the names there are, `invalid_argument` for a bundled one.
pub fn remove(config: &Config, id: &str) -> Result<PathBuf> {
    let matching = find(config).into_iter().find(|found| match &found.folder {
        Folder::Disk(path) => path.file_name().is_some_and(|name| name == id),
        Folder::Bundled(name) => name == id,
    });
    match matching.map(|found| found.folder) {
        Some(Folder::Disk(path)) => {
            fs::remove_dir_all(&path)
                .map_err(|error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display())))?;
            Ok(path)
        }
        Some(Folder::Bundled(_)) => {
            Err(Error::new(Kind::InvalidArgument, format!("`{id}` comes with gimp-bridge and cannot be removed")))
        }
        None => {
            Err(Error::new(Kind::NotFound, format!("no filter `{id}` is installed"))
                .hint("run `gimp-bridge filters list`"))
        }
    }
}
