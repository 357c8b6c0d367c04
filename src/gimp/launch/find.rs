//! Which GIMP to start: the named one, the machine's own, a Flatpak, or the private root of `scripts/setup-gimp`.

use super::Mode;
use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// `gimp --version` starts no plug-in; a slow disk is the most that it waits for.
const VERSION_TIME: Duration = Duration::from_secs(20);
pub(super) const FLATPAK: &str = "org.gimp.GIMP";

/// Major, minor, micro.
pub type Version = (u32, u32, u32);

/// A GIMP that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub how: How,
    pub version: Version,
}

/// How it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    Native(PathBuf),
    Flatpak,
    /// A folder with a whole Debian in it, entered with bubblewrap.
    Root(PathBuf),
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, micro) = self.version;
        write!(f, "GIMP {major}.{minor}.{micro} ")?;
        match &self.how {
            How::Native(path) => write!(f, "at `{}`", path.display()),
            How::Flatpak => write!(f, "of the Flatpak {FLATPAK}"),
            How::Root(root) => write!(f, "in the root folder `{}`", root.display()),
        }
    }
}

/// The GIMP to start; `named` is an executable, its folder, or a private root folder.
///
/// # Errors
/// `no_gimp` when there is none; `unsupported` when the named one is older than 3.0.
pub async fn find(mode: Mode, named: Option<&Path>) -> Result<Program> {
    if let Some(path) = named {
        return explicit(mode, path).await;
    }
    let mut too_old = Vec::new();
    for path in candidates(mode) {
        match version(&path).await {
            Some(version) if version.0 >= 3 => return Ok(Program { how: How::Native(path), version }),
            Some((major, minor, _)) => too_old.push(format!("`{}` is {major}.{minor}", path.display())),
            None => {}
        }
    }
    if let Some(version) = flatpak_version().await
        && version.0 >= 3
    {
        return Ok(Program { how: How::Flatpak, version });
    }
    for root in roots() {
        if let Some(version) = root_version(&root).await {
            return Ok(Program { how: How::Root(root), version });
        }
    }
    let why = if too_old.is_empty() { String::new() } else { format!(": {}", too_old.join(", ")) };
    Err(Error::new(Kind::NoGimp, format!("no GIMP 3 was found on this machine{why}")).hint(
        "install GIMP 3, or run `scripts/setup-gimp` of gimp-bridge's repository, or name one in `gimp.executable`",
    ))
}

/// What a path names: a private root (also by the program in it, which runs only inside), or a program, by itself or by
/// its folder. `None`: a folder without any.
pub fn locate(mode: Mode, named: &Path) -> Option<How> {
    let is_root = |folder: &Path| folder.parent().is_some() && console(folder).is_some();
    if named.is_dir() {
        if is_root(named) {
            return Some(How::Root(named.to_owned()));
        }
        let folders = [".", "bin", "usr/bin", "Contents/MacOS", "GIMP.app/Contents/MacOS"];
        let folders: Vec<PathBuf> =
            folders.iter().map(|sub| if *sub == "." { named.to_owned() } else { named.join(sub) }).collect();
        return programs(mode, &folders).into_iter().next().map(How::Native);
    }
    let root = named.ancestors().nth(3).filter(|root| named.starts_with(root.join("usr/bin")));
    match root.filter(|root| is_root(root) && root.join("etc/debian_version").exists()) {
        Some(root) => Some(How::Root(root.to_owned())),
        None => Some(How::Native(named.to_owned())),
    }
}

async fn explicit(mode: Mode, named: &Path) -> Result<Program> {
    let path = match locate(mode, named) {
        Some(How::Native(path)) => path,
        Some(How::Root(root)) => {
            let version = root_version(&root).await.ok_or_else(|| nothing_in(named))?;
            return Ok(Program { how: How::Root(root), version });
        }
        _ => return Err(nothing_in(named)),
    };
    let path = path.as_path();
    let version = version(path).await.ok_or_else(|| {
        Error::new(Kind::NoGimp, format!("`{}` does not say a GIMP version with --version", path.display()))
            .hint("name GIMP's executable in `gimp.executable`")
    })?;
    if version.0 < 3 {
        let (major, minor, _) = version;
        return Err(Error::new(Kind::Unsupported, format!("`{}` is GIMP {major}.{minor}", path.display()))
            .hint("gimp-bridge needs GIMP 3.0 or newer"));
    }
    Ok(Program { how: How::Native(path.to_owned()), version })
}

fn nothing_in(folder: &Path) -> Error {
    Error::new(Kind::NoGimp, format!("there is no GIMP 3 in the folder `{}`", folder.display()))
        .hint("name GIMP's executable or its folder, or a folder that `scripts/setup-gimp` made")
}

/// The programs in these folders, in the order of preference. A headless GIMP needs the console program: it links no
/// windows.
fn programs(mode: Mode, folders: &[PathBuf]) -> Vec<PathBuf> {
    const VERSIONS: [&str; 5] = ["-3.4", "-3.2", "-3.0", "-3", ""];
    let names = |stem: &'static str| {
        VERSIONS.iter().map(move |version| format!("{stem}{version}{}", std::env::consts::EXE_SUFFIX))
    };
    let names: Vec<String> = match mode {
        Mode::Headless => names("gimp-console").chain(names("gimp")).collect(),
        Mode::Gui => names("gimp").collect(),
    };
    let paths = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    paths.filter(|path| path.is_file()).collect()
}

/// Executables in the usual places.
fn candidates(mode: Mode) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if cfg!(target_os = "macos") {
        folders.push("/Applications/GIMP.app/Contents/MacOS".into());
        folders.extend(dirs::home_dir().map(|home| home.join("Applications/GIMP.app/Contents/MacOS")));
    }
    if cfg!(windows) {
        let under = |variable: &str, sub: &str| std::env::var_os(variable).map(|base| Path::new(&base).join(sub));
        folders.extend(under("ProgramFiles", r"GIMP 3\bin"));
        folders.extend(under("LOCALAPPDATA", r"Programs\GIMP 3\bin"));
    }
    // A snap sees neither the state folder nor a profile outside of its own: it can be used, but not be started here.
    folders.retain(|folder| !folder.ends_with("snap/bin"));
    programs(mode, &folders)
}

/// Asks an executable.
async fn version(path: &Path) -> Option<Version> {
    output(tokio::process::Command::new(path).arg("--version")).await.and_then(|text| parse_version(&text))
}

async fn flatpak_version() -> Option<Version> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let text = output(tokio::process::Command::new("flatpak").args(["info", FLATPAK])).await?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Version:"))?;
    parse_version(&format!("version {}", line.trim()))
}

async fn output(command: &mut tokio::process::Command) -> Option<String> {
    let command = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIME, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// From "GNU Image Manipulation Program version 3.0.4".
fn parse_version(text: &str) -> Option<Version> {
    let (_, number) = text.split_once("version ")?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// Private roots, the newest GIMP first.
fn roots() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("GIMP_BRIDGE_CACHE_DIR").or_else(|| dirs::cache_dir().map(|cache| cache.join("gimp-bridge")));
    let Some(cache) = cache else { return Vec::new() };
    let mut roots: Vec<PathBuf> = std::fs::read_dir(cache)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    roots.retain(|root| console(root).is_some());
    roots.sort_by_key(|root| std::cmp::Reverse(console(root)));
    roots
}

/// Asks the GIMP in a root folder.
async fn root_version(root: &Path) -> Option<Version> {
    let (major, minor) = console(root)?;
    let mut command = tokio::process::Command::new("bwrap");
    command.arg("--bind").arg(root).args(["/", "--dev", "/dev", "--proc", "/proc"]);
    command.arg(format!("/usr/bin/gimp-console-{major}.{minor}")).arg("--version").env_remove("GIMP3_DIRECTORY");
    // Where bubblewrap may not work, starting GIMP says why.
    output(&mut command).await.and_then(|text| parse_version(&text)).or(Some((major, minor, 0)))
}

/// The newest GIMP in a root folder, by the name of its executable.
fn console(root: &Path) -> Option<(u32, u32)> {
    let entries = std::fs::read_dir(root.join("usr/bin")).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| {
            let (major, minor) = name.strip_prefix("gimp-console-")?.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        })
        .filter(|version: &(u32, u32)| version.0 >= 3)
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("GNU Image Manipulation Program version 3.0.4\n"), Some((3, 0, 4)));
        assert_eq!(parse_version("GNU Image Manipulation Program version 2.10.34"), Some((2, 10, 34)));
        assert_eq!(parse_version("usage: sleep"), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_named_gimp_is_asked_for_its_version() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let program = |name: &str, version: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho GNU Image Manipulation Program version {version}\n"))
                .unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (new, old) = (program("new", "3.2.6"), program("old", "2.10.34"));
        assert_eq!(find(Mode::Gui, Some(&new)).await.unwrap().version, (3, 2, 6));
        assert_eq!(find(Mode::Gui, Some(&old)).await.unwrap_err().kind, Kind::Unsupported);
        assert_eq!(find(Mode::Gui, Some(dir.path())).await.unwrap_err().kind, Kind::NoGimp);
        // Its folder names a program too, and so does the folder above that.
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let inside = program("bin/gimp-3.2", "3.2.6");
        for folder in [dir.path().join("bin"), dir.path().to_owned()] {
            assert_eq!(find(Mode::Headless, Some(&folder)).await.unwrap().how, How::Native(inside.clone()));
        }
        // The program in a private root runs only inside of it.
        let root = dir.path().join("root");
        for folder in ["usr/bin", "etc"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("etc/debian_version"), "13\n").unwrap();
        let console = program("root/usr/bin/gimp-console-3.0", "3.0.4");
        assert_eq!(locate(Mode::Headless, &console), Some(How::Root(root.clone())));
        assert_eq!(locate(Mode::Headless, &root), Some(How::Root(root)));
        assert_eq!(find(Mode::Gui, Some(&dir.path().join("none"))).await.unwrap_err().kind, Kind::NoGimp);
    }
}
