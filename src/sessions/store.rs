//! A session on disk: a folder with its record and the XCF of its last acknowledged state.
//!
//! The XCF is written beside the old one and synced, then the record that names it replaces the old record: a crash at
//! any moment leaves one whole state. Knows no GIMP.

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const RECORD: &str = "session.json";

/// What is known of a session beside its pixels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    /// Whose key made it; only that key finds it.
    pub owner: String,
    /// Unix seconds.
    pub created: u64,
    pub used: u64,
    /// Counts the acknowledged changes.
    pub generation: u64,
    /// File name of the XCF, in the same folder.
    pub file: String,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
    /// For each layer, mask, channel and path every id that the client may know it by; the plug-in's to read.
    pub items: serde_json::Value,
    /// The ids that the image had in the GIMPs it lived in, the present one last.
    pub images: Vec<u64>,
    /// Whether the last state is also where the client wanted it.
    pub saved: bool,
}

/// The folders of all sessions.
#[derive(Clone, Debug)]
pub struct Store {
    open: PathBuf,
    kept: PathBuf,
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn failed(what: &str, path: &Path, error: impl Display) -> Error {
    Error::new(Kind::IoError, format!("cannot {what} `{}`: {error}", path.display()))
        .hint("check the disk's space and the rights on sessions.folder")
}

impl Store {
    /// Makes the folders, readable by their owner only: images are private.
    pub fn open(folder: &Path) -> Result<Store> {
        let store = Store { open: folder.join("open"), kept: folder.join("kept") };
        for path in [folder, &store.open, &store.kept] {
            make_private(path)?;
        }
        Ok(store)
    }

    /// The records of open and of kept sessions. A folder without a readable record is from a session that never
    /// answered: it goes.
    pub fn load(&self) -> Result<(Vec<Record>, Vec<Record>)> {
        Ok((load(&self.open)?, load(&self.kept)?))
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.open.join(id)
    }

    /// Where the state of an open session lies.
    pub fn state(&self, record: &Record) -> PathBuf {
        self.folder(&record.id).join(&record.file)
    }

    /// Where the next state is to be written; its folder is made.
    pub fn next(&self, id: &str, generation: u64) -> Result<(PathBuf, String)> {
        let folder = self.folder(id);
        make_private(&folder)?;
        let name = format!("{generation}.xcf");
        Ok((folder.join(&name), name))
    }

    /// Makes `record` the session's: from now on its file is the state.
    pub fn commit(&self, record: &Record) -> Result<()> {
        write_record(&self.folder(&record.id), record)
    }

    /// Deletes a state that the record no longer names.
    pub fn remove_state(&self, id: &str, file: &str) {
        let path = self.folder(id).join(file);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "an old state could not be deleted");
        }
    }

    /// Deletes all of an open session.
    pub fn remove(&self, id: &str) {
        remove(&self.folder(id));
    }

    /// Puts an open session's state aside.
    pub fn keep(&self, id: &str) -> Result<()> {
        let (from, to) = (self.folder(id), self.kept.join(id));
        fs::rename(&from, &to).map_err(|error| failed("put aside", &from, error))
    }

    /// Takes a kept session back.
    pub fn take_back(&self, id: &str) -> Result<()> {
        let (from, to) = (self.kept.join(id), self.folder(id));
        fs::rename(&from, &to).map_err(|error| failed("take back", &from, error))
    }

    pub fn remove_kept(&self, id: &str) {
        remove(&self.kept.join(id));
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %folder.display(), "a session's folder could not be deleted");
    }
}

/// Takes a folder for this process, until the returned file is dropped; `None` while another process has it.
pub fn take_folder(path: &Path) -> Result<Option<fs::File>> {
    make_private(path)?;
    let name = path.join("lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| failed("open", &name, error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(failed("lock", &name, error)),
    }
}

/// A folder that only its owner can enter.
pub fn make_private(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| failed("make the folder", path, error))
}

fn write_record(folder: &Path, record: &Record) -> Result<()> {
    let (path, part) = (folder.join(RECORD), folder.join("session.json.part"));
    let text = serde_json::to_vec(record).map_err(Error::internal)?;
    let write = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&part, &path)?;
        sync_folder(folder)
    };
    write().map_err(|error| failed("write", &path, error))
}

/// Makes the names in a folder as lasting as the files.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn load(folder: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed("read", folder, error))?.flatten() {
        let path = entry.path();
        match read(&path) {
            Some(record) => {
                // What a crash left half written.
                for file in fs::read_dir(&path).into_iter().flatten().flatten() {
                    let name = file.file_name();
                    if name != RECORD && name != record.file.as_str() {
                        let _ = fs::remove_file(file.path());
                    }
                }
                records.push(record);
            }
            None => remove(&path),
        }
    }
    Ok(records)
}

fn read(folder: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    let named = folder.file_name()?.to_str()? == record.id && !record.file.contains(['/', '\\']);
    (named && folder.join(&record.file).is_file()).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, generation: u64) -> Record {
        Record {
            id: id.into(),
            owner: "me".into(),
            created: 1,
            used: 2,
            generation,
            file: format!("{generation}.xcf"),
            bytes: 3,
            width: 4,
            height: 5,
            items: serde_json::json!([[1]]),
            images: vec![1],
            saved: false,
        }
    }

    #[test]
    fn a_crash_at_any_moment_leaves_the_last_whole_state() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        fs::write(store.next("a", 1).unwrap().0, "one").unwrap();
        store.commit(&record("a", 1)).unwrap();
        // The next state was written, its record not.
        fs::write(store.next("a", 2).unwrap().0, "half").unwrap();
        // Another session never came to its first record.
        fs::write(store.next("b", 1).unwrap().0, "half").unwrap();
        let (open, kept) = Store::open(folder.path()).unwrap().load().unwrap();
        assert_eq!(open.iter().map(|r| (r.id.as_str(), r.generation)).collect::<Vec<_>>(), [("a", 1)]);
        assert!(kept.is_empty());
        assert_eq!(fs::read(store.state(&open[0])).unwrap(), b"one");
        assert!(!store.folder("a").join("2.xcf").exists() && !store.folder("b").exists());
    }

    #[test]
    fn kept_sessions_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        fs::write(store.next("a", 1).unwrap().0, "one").unwrap();
        store.commit(&record("a", 1)).unwrap();
        store.keep("a").unwrap();
        assert_eq!(store.load().unwrap().1.len(), 1);
        store.take_back("a").unwrap();
        assert_eq!(store.load().unwrap().0.len(), 1);
        store.remove("a");
        assert!(store.load().unwrap().0.is_empty());
    }

    #[test]
    fn a_folder_is_one_process_s() {
        let folder = tempfile::tempdir().unwrap();
        let first = take_folder(folder.path()).unwrap();
        assert!(first.is_some() && take_folder(folder.path()).unwrap().is_none());
        drop(first);
        assert!(take_folder(folder.path()).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_look_in() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        Store::open(&path).unwrap();
        assert_eq!(fs::metadata(path.join("open")).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
