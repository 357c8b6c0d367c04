//! `filters setup`: gets ONNX Runtime's library, pinned and checksummed, out of its Python wheel.
//!
//! Nothing but the one library is kept of it.

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::job::Watch;
use crate::filters::packages::{self, Package, Registry};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The release that this project is tested with.
pub const VERSION: &str = "1.31.1";

/// The library's file name here.
#[cfg(target_os = "windows")]
pub const LIBRARY: &str = "onnxruntime.dll";
#[cfg(target_os = "macos")]
pub const LIBRARY: &str = "libonnxruntime.dylib";
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
pub const LIBRARY: &str = "libonnxruntime.so";

/// One wheel: for which machine, pip's name of that, and its SHA-256.
struct Wheel {
    os: &'static str,
    arch: &'static str,
    platform: &'static str,
    sha256: &'static str,
}

const WHEELS: [Wheel; 4] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_14_0_arm64",
        sha256: "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
    },
    Wheel {
        os: "windows",
        arch: "x86_64",
        platform: "win_amd64",
        sha256: "c3d91b5de31e2fc82d71bd65b2b22bddee8b49057a3a36338e9a868e0ea90c05",
    },
];

/// A wheel is 20 MB, its library 30; beyond this it is not what was pinned.
const LARGEST_LIBRARY: u64 = 512 << 20;

/// Where the library of `filters setup` lies; `None`: the user has no data folder.
pub fn folder(config: &Config) -> Option<PathBuf> {
    let data = match &config.filters.folder {
        Some(folder) => folder.parent()?.to_owned(),
        None => dirs::data_dir()?.join("gimp-bridge"),
    };
    Some(data.join("onnxruntime").join(VERSION))
}

/// Gets the library, from pip or from a wheel that lies here already; gives its path. Blocks.
///
/// # Errors
/// `unsupported` on a machine without a pinned wheel, `io_error` with what failed and what to do.
pub fn setup(config: &Config, wheel: Option<&Path>, watch: &Watch) -> Result<PathBuf> {
    let pinned = WHEELS
        .iter()
        .find(|wheel| wheel.os == std::env::consts::OS && wheel.arch == std::env::consts::ARCH)
        .ok_or_else(|| {
        let machine = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        Error::new(Kind::Unsupported, format!("there is no pinned ONNX Runtime for {machine}"))
            .hint("install ONNX Runtime 1.17 or newer yourself and set `filters.runtime` to its library")
    })?;
    let target = folder(config)
        .ok_or_else(|| Error::new(Kind::IoError, "the user has no data folder").hint("set `filters.folder`"))?;
    let io = |error: std::io::Error| {
        Error::new(Kind::IoError, format!("`{}`: {error}", target.display())).hint("check its space and permissions")
    };
    fs::create_dir_all(&target).map_err(io)?;
    let work = tempfile::tempdir_in(&target).map_err(io)?;
    let wheel = match wheel {
        Some(path) => path.to_owned(),
        None => download(pinned, work.path(), watch)?,
    };
    let bytes = fs::read(&wheel).map_err(|error| {
        Error::new(Kind::IoError, format!("`{}`: {error}", wheel.display())).hint("name a wheel that is there")
    })?;
    let sum = hex(&Sha256::digest(&bytes));
    if sum != pinned.sha256 {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("`{}` has SHA-256 {sum}, expected {}", wheel.display(), pinned.sha256),
        )
        .hint(format!("take onnxruntime {VERSION} for CPython 3.11 and {}", pinned.platform)));
    }
    let unpacked = work.path().join(LIBRARY);
    unpack(&bytes, &unpacked)?;
    let library = target.join(LIBRARY);
    // A rename: a daemon that looks meanwhile sees no library or a whole one.
    fs::rename(&unpacked, &library).map_err(io)?;
    Ok(library)
}

/// Has pip fetch the wheel into `folder`.
fn download(wheel: &Wheel, folder: &Path, watch: &Watch) -> Result<PathBuf> {
    let package = Package {
        registry: Registry::Pypi,
        name: "onnxruntime".into(),
        version: VERSION.into(),
        sha256: wheel.sha256.into(),
        bytes: None,
        files: Vec::new(),
    };
    let platform =
        ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform", wheel.platform];
    packages::download(&package, &platform, folder, watch).map_err(|error| match error.kind {
        Kind::IoError => error.hint(format!(
            "on a machine with a network: {}; then here: gimp-bridge filters setup --wheel FILE.whl",
            package.by_hand(&platform)
        )),
        _ => error,
    })
}

/// Takes the library out of the wheel, which is a ZIP archive.
fn unpack(wheel: &[u8], target: &Path) -> Result<()> {
    let fault = |cause: String| Error::new(Kind::IoError, format!("the wheel cannot be unpacked: {cause}"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(wheel)).map_err(|error| fault(error.to_string()))?;
    let name = archive
        .file_names()
        .find(|name| {
            let file = name.strip_prefix("onnxruntime/capi/").unwrap_or_default();
            file == "onnxruntime.dll"
                || file.starts_with("libonnxruntime.so")
                || (file.starts_with("libonnxruntime.") && file.ends_with(".dylib"))
        })
        .map(str::to_owned)
        .ok_or_else(|| fault("it holds no ONNX Runtime library".into()))?;
    let entry = archive.by_name(&name).map_err(|error| fault(error.to_string()))?;
    let mut out = fs::File::create(target).map_err(|error| fault(error.to_string()))?;
    std::io::copy(&mut entry.take(LARGEST_LIBRARY), &mut out).map_err(|error| fault(error.to_string()))?;
    out.sync_all().map_err(|error| fault(error.to_string()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
