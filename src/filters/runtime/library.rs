//! ONNX Runtime's library: where it may lie, and the process's one environment made from it.

use super::setup;
use crate::config::Config;
use crate::error::{Error, Kind, Reason, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The library once it is loaded, and its path. ONNX Runtime allows one environment in a process.
static LOADED: Mutex<Option<(PathBuf, ort::environment::Environment)>> = Mutex::new(None);

/// Candidates in order: the configured one alone, or the user's data folder, beside the executable, the system's.
fn candidates(config: &Config) -> Vec<PathBuf> {
    if let Some(path) = &config.filters.runtime {
        return vec![path.clone()];
    }
    let mut found = Vec::new();
    if let Some(folder) = setup::folder(config) {
        found.push(folder.join(setup::LIBRARY));
    }
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        found.push(folder.join(setup::LIBRARY));
        found.push(folder.join("../lib").join(setup::LIBRARY));
    }
    for folder in [
        "/usr/lib",
        "/usr/local/lib",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/opt/homebrew/lib",
    ] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut here: Vec<PathBuf> = entries
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("libonnxruntime.so") || name.starts_with("libonnxruntime.dylib")
            })
            .collect();
        // The newest version first.
        here.sort();
        found.extend(here.into_iter().rev());
    }
    found
}

/// The library that would be loaded.
///
/// # Errors
/// `unsupported`, with the command that gets one.
pub fn find(config: &Config) -> Result<PathBuf> {
    let candidates = candidates(config);
    if let Some(path) = candidates.iter().find(|path| path.is_file()) {
        return Ok(path.clone());
    }
    let error = Error::new(Kind::Unsupported, "AI models need ONNX Runtime, which is not installed");
    Err(match &config.filters.runtime {
        Some(path) => Error::new(
            Kind::Config,
            format!("there is no ONNX Runtime library at `{}` (filters.runtime)", path.display()),
        )
        .hint("name libonnxruntime.so there, or leave the setting out and run `gimp-bridge filters setup`")
        .because(Reason::RuntimeElsewhere),
        None => error.hint("run `gimp-bridge filters setup`; it fetches 30 MB, once").because(Reason::RuntimeMissing),
    })
}

/// The environment; loads the library at first.
///
/// # Errors
/// As [`find`], and `unsupported` when the library does not load.
pub fn environment(config: &Config) -> Result<ort::environment::Environment> {
    let path = find(config)?;
    let mut loaded = LOADED.lock().unwrap_or_else(|broken| broken.into_inner());
    if let Some((first, environment)) = &*loaded {
        if *first != path {
            tracing::warn!(loaded = %first.display(), wanted = %path.display(), "one ONNX Runtime serves a process");
        }
        return Ok(environment.clone());
    }
    let failed = |cause: String| {
        Error::new(Kind::Unsupported, format!("ONNX Runtime at `{}` does not load: {cause}", path.display()))
            .hint("run `gimp-bridge filters setup --force`, or set `filters.runtime` to another library")
            .because(match config.filters.runtime {
                Some(_) => Reason::RuntimeElsewhere,
                None => Reason::RuntimeBroken,
            })
    };
    let builder = ort::init_from(&path).map_err(|error| failed(chain(&error)))?;
    let made = builder
        .with_name("gimp-bridge")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(super::edge(&error).message))?;
    // Its errors come back as errors; logged too, each would be said twice.
    made.set_log_level(ort::logging::LogLevel::Fatal);
    tracing::info!(library = %path.display(), "ONNX Runtime is loaded");
    *loaded = Some((path, made.clone()));
    Ok(made)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
