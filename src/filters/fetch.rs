//! Downloading a model's file: with progress, resumed where it broke off, verified before anyone sees it.

use super::job::Watch;
use super::store::file_sum;
use crate::error::{Error, Kind, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Nothing in the catalogue is larger than a tenth of it.
const LARGEST: u64 = 16 << 30;

/// What to fetch.
pub struct Download<'a> {
    pub urls: &'a [String],
    pub sha256: Option<&'a str>,
    /// Bytes, where known.
    pub size: Option<u64>,
    /// Where parts are kept until they are whole.
    pub folder: &'a Path,
    /// What to do by hand instead.
    pub by_hand: String,
}

/// Fetches from the first address that answers; the file in `folder`, verified.
///
/// # Errors
/// `io_error` with each address's answer and what to do; `invalid_argument` when the checksum is wrong; `cancelled`.
pub fn fetch(download: &Download, watch: &Watch) -> Result<PathBuf> {
    fs::create_dir_all(download.folder).map_err(|error| fault(download.folder, &error))?;
    let name = match (download.sha256, download.urls.first()) {
        (Some(sum), _) => sum.to_owned(),
        // Without a checksum a rest of another day's file must not be continued.
        (None, url) => format!("{:08x}-{}", crc32fast::hash(url.map_or(b"", |url| url.as_bytes())), std::process::id()),
    };
    let part = download.folder.join(format!("{name}.part"));
    let mut answers = Vec::new();
    for url in download.urls {
        match one(url, &part, download, watch) {
            Ok(()) => return verified(&part, download),
            Err(error) if error.kind == Kind::Cancelled => return Err(error),
            Err(error) => answers.push(error.message),
        }
    }
    Err(Error::new(Kind::IoError, format!("the model could not be fetched: {}", answers.join("; ")))
        .hint(download.by_hand.clone()))
}

fn fault(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("`{}`: {error}", path.display())).hint("check its space and permissions")
}

fn verified(part: &Path, download: &Download) -> Result<PathBuf> {
    let Some(wanted) = download.sha256 else { return Ok(part.to_owned()) };
    let found = file_sum(part)?;
    if found == wanted.to_ascii_lowercase() {
        return Ok(part.to_owned());
    }
    // What is wrong once stays wrong.
    let _ = fs::remove_file(part);
    Err(Error::new(Kind::InvalidArgument, format!("what was fetched has SHA-256 {found}, expected {wanted}"))
        .hint("the model at its source has changed; nothing was installed"))
}

fn one(url: &str, part: &Path, download: &Download, watch: &Watch) -> Result<()> {
    let refused = |why: String| Error::new(Kind::IoError, format!("{url}: {why}"));
    let agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut have = fs::metadata(part).map_or(0, |data| data.len());
    if download.size == Some(have) {
        return Ok(());
    }
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut answer = request.call().map_err(|error| refused(error.to_string()))?;
    let mut file = match answer.status().as_u16() {
        206 => OpenOptions::new().append(true).open(part),
        // The server cannot continue: from the beginning.
        200 => {
            have = 0;
            File::create(part)
        }
        416 => {
            let _ = fs::remove_file(part);
            return Err(refused("the part that was there does not fit; run it again".into()));
        }
        status => return Err(refused(format!("status {status}"))),
    }
    .map_err(|error| fault(part, &error))?;
    let announced = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let total = announced.map(|rest| rest + have).or(download.size);
    let limit = download.size.unwrap_or(LARGEST);
    let mut body = answer.body_mut().as_reader();
    let mut block = vec![0; 1 << 18];
    loop {
        let count =
            body.read(&mut block).map_err(|error| refused(format!("broke off: {error}; run it again to go on")))?;
        if count == 0 {
            break;
        }
        have += count as u64;
        if have > limit {
            let _ = fs::remove_file(part);
            return Err(refused(format!("sends more than the {limit} bytes that were announced")));
        }
        file.write_all(&block[..count]).map_err(|error| freed(part, &error))?;
        let share = total.map_or(0.0, |total| have as f32 / total.max(1) as f32);
        watch.step(share, &format!("{} of {} MB", have / 1_000_000, total.unwrap_or(0) / 1_000_000))?;
    }
    if total.is_some_and(|total| have < total) {
        return Err(refused(format!("broke off after {have} bytes; run it again to go on")));
    }
    file.sync_all().map_err(|error| freed(part, &error))
}

/// A full disk is freed of what filled it.
fn freed(part: &Path, error: &std::io::Error) -> Error {
    let _ = fs::remove_file(part);
    fault(part, error)
}
