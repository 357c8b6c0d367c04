//! Running GIMPs, as they announce themselves in files of the state folder. Reads and tidies; connects to none.

use super::process::{self, Life};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// One instance file; see protocol/README.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub port: u16,
    /// The plug-in's process.
    pub pid: u32,
    /// GIMP's own, the plug-in's parent.
    #[serde(default)]
    pub gimp_pid: Option<u32>,
    /// Unix seconds.
    #[serde(default)]
    pub started: f64,
    #[serde(default)]
    pub gimp_version: String,
    #[serde(default)]
    pub plugin_version: String,
    #[serde(default)]
    pub headless: bool,
    #[serde(default)]
    pub profile: String,
    /// Its user has stopped GIMP Bridge: it is there and listens on no port.
    #[serde(default)]
    pub stopped: bool,
    /// Why the plug-in was started again, if it had to end itself or its GIMP had to be ended.
    #[serde(default)]
    pub restarted: Option<String>,
}

impl Record {
    /// Whether the plug-in's process is gone, or is none here: it may be one in a container.
    pub fn has_ended(&self) -> bool {
        self.pid != 0 && process::life(self.pid) == Life::Gone
    }
}

/// Why the plug-in of GIMP `gimp_pid` ended itself, as its life file says.
pub fn last_words(state_dir: &Path, gimp_pid: u32) -> Option<String> {
    #[derive(Deserialize)]
    struct Life {
        ended: Option<String>,
    }
    let text = std::fs::read(state_dir.join("instances").join(format!("{gimp_pid}.life"))).ok()?;
    serde_json::from_slice::<Life>(&text).ok()?.ended
}

/// An instance file has some 250 bytes.
const MAX_FILE: u64 = 64 << 10;
/// More GIMPs than this on one machine are a fault.
const MAX_FILES: usize = 256;
/// A folder whose last change is younger may change again within the clock's step.
const CLOCK_STEP: Duration = Duration::from_millis(100);

/// The announced instances, read again only when the folder has changed.
pub struct Announced {
    dir: PathBuf,
    cache: Mutex<Option<(SystemTime, Vec<Record>)>>,
}

impl Announced {
    pub fn new(state_dir: &Path) -> Announced {
        Announced { dir: state_dir.join("instances"), cache: Mutex::new(None) }
    }

    /// Newest first. Costs one `stat` when nothing has changed.
    pub fn list(&self) -> Vec<Record> {
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Ok(changed) = std::fs::metadata(&self.dir).and_then(|meta| meta.modified()) else {
            *cache = None;
            return Vec::new();
        };
        if let Some((at, records)) = &*cache
            && *at == changed
        {
            return records.clone();
        }
        let now = SystemTime::now();
        let records = scan(&self.dir);
        let settled = now.duration_since(changed).is_ok_and(|age| age > CLOCK_STEP);
        *cache = settled.then(|| (changed, records.clone()));
        records
    }

    /// Forgets what was read: a process that died without a word left the folder as it was.
    pub fn refresh(&self) {
        *self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

/// Reads all instance files, newest first, and removes stale ones.
fn scan(dir: &Path) -> Vec<Record> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut records: Vec<Record> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .take(MAX_FILES)
        .filter_map(|path| read(&path))
        .collect();
    records.sort_by(|a, b| b.started.total_cmp(&a.started).then_with(|| b.pid.cmp(&a.pid)));
    records
}

fn read(path: &Path) -> Option<Record> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        tracing::warn!(path = %path.display(), "not an instance file");
        return None;
    }
    let text = std::fs::read(path).ok()?;
    let record: Record = match serde_json::from_slice(&text) {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "an instance file that cannot be read");
            return None;
        }
    };
    if is_stale(&record) {
        tracing::debug!(path = %path.display(), "removing the instance file of a GIMP that is gone");
        let _ = std::fs::remove_file(path);
        return None;
    }
    Some(record)
}

/// Whether the GIMP is gone. A pid that is none here may be one in a container: its port decides.
fn is_stale(record: &Record) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, record.port));
    // Only a refusal says that nobody is there: a connection can also fail for want of descriptors here.
    record.has_ended()
        && (record.stopped
            || TcpStream::connect_timeout(&address, Duration::from_millis(200))
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announce(dir: &Path, pid: u32, port: u16, started: f64) {
        let record = serde_json::json!({"id": format!("{pid}-{port}"), "port": port, "pid": pid, "started": started});
        std::fs::write(dir.join(format!("{pid}.json")), record.to_string()).unwrap();
    }

    #[test]
    fn stale_files_go_and_the_newest_is_first() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("instances");
        std::fs::create_dir(&dir).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        let us = std::process::id();
        announce(&dir, child.id(), 1, 3.0);
        announce(&dir, us, 2, 1.0);
        std::fs::write(dir.join("x.json"), "{").unwrap();
        let parent = 1;
        announce(&dir, parent, 4, 2.0);
        let listed: Vec<_> = Announced::new(state.path()).list().into_iter().map(|record| record.port).collect();
        assert_eq!(listed, [4, 2]);
        assert!(!dir.join(format!("{}.json", child.id())).exists());
    }

    #[test]
    fn a_new_file_is_seen_at_once() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("instances");
        let announced = Announced::new(state.path());
        assert!(announced.list().is_empty());
        std::fs::create_dir(&dir).unwrap();
        assert!(announced.list().is_empty());
        announce(&dir, std::process::id(), 7, 1.0);
        assert_eq!(announced.list().len(), 1);
        std::fs::remove_file(dir.join(format!("{}.json", std::process::id()))).unwrap();
        assert!(announced.list().is_empty());
    }
}
