//! A client's file on disk: what an edit would do, doing it atomically with a backup beside it, and taking it back.
//!
//! `clients.json` in the state folder remembers each edit, so that an uninstall brings back the very bytes as long as
//! nobody else wrote to the file since; otherwise only our entry is taken out.

use super::clients::{Client, ENTRY};
use super::json_edit::{self, Refusal};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What an edit does; nothing is written before [`Edit::apply`].
#[derive(Debug)]
pub struct Edit {
    /// The file itself, behind any symbolic links.
    pub file: PathBuf,
    /// `None`: there is no file.
    pub before: Option<String>,
    /// `None`: the file is removed.
    pub after: Option<String>,
    /// The backup that `after` was read from, and that is not needed any more.
    spent_backup: Option<PathBuf>,
    needs_backup: bool,
    record: Option<Record>,
}

/// What we did to a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// Holds the bytes from before; `None`: there was no file, or they cannot be brought back exactly.
    backup: Option<PathBuf>,
    created_file: bool,
    created_table: bool,
    /// Of the file as we left it; `None`: undo takes out the entry only.
    sha256: Option<String>,
}

/// The records of all files, in the state folder.
pub struct Journal {
    path: PathBuf,
    records: BTreeMap<PathBuf, Record>,
}

impl Journal {
    /// A journal that is missing or damaged costs only the exactness of an uninstall.
    pub fn open(state_dir: &Path) -> Journal {
        let path = state_dir.join("clients.json");
        let records = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Journal { path, records: records.unwrap_or_default() }
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.records).map_err(Error::internal)?;
        write(&self.path, &text)
    }
}

/// The edit that registers the server; `before == after` if it is registered already.
pub fn adding(client: Client, file: &Path, entry: &Map<String, Value>, journal: &Journal) -> Result<Edit> {
    let (file, before) = read(file)?;
    let table = client.table();
    let refused = |refusal| refused(&file, refusal);
    let text = before.as_deref().unwrap_or("");
    let old = journal.records.get(&file);
    if json_edit::set(text, table, ENTRY, entry).map_err(refused)? == text {
        return Ok(Edit { after: before.clone(), file, before, spent_backup: None, needs_backup: false, record: None });
    }
    // An edit of ours that nobody touched is redone from the original, so that it stays exactly undoable.
    let untouched = old.and_then(|record| Some((record, original(record, before.as_deref())?)));
    let base = untouched.as_ref().map_or(text, |(_, original)| original.as_deref().unwrap_or(""));
    let after = json_edit::set(base, table, ENTRY, entry).map_err(refused)?;
    let exact = json_edit::get(base, table, ENTRY).map_err(refused)?.is_none();
    let record = match &untouched {
        Some((old, _)) => Record { sha256: Some(digest(&after)), ..(*old).clone() },
        None => Record {
            backup: None,
            created_file: before.is_none() || old.is_some_and(|old| old.created_file),
            created_table: !json_edit::has_table(base, table).map_err(refused)?
                || old.is_some_and(|old| old.created_table),
            sha256: exact.then(|| digest(&after)),
        },
    };
    let needs_backup = untouched.is_none() && before.is_some();
    Ok(Edit { after: Some(after), needs_backup, spent_backup: None, record: Some(record), file, before })
}

/// The edit that takes the entry out; `before == after` if there is none.
pub fn removing(client: Client, file: &Path, journal: &Journal) -> Result<Edit> {
    let (file, before) = read(file)?;
    let record = journal.records.get(&file);
    let mut edit = Edit { after: before.clone(), before, file, spent_backup: None, needs_backup: false, record: None };
    let Some(text) = edit.before.as_deref() else { return Ok(edit) };
    if let Some((record, original)) = record.and_then(|record| Some((record, original(record, Some(text))?))) {
        edit.spent_backup = record.backup.clone();
        edit.after = original;
        return Ok(edit);
    }
    let created_table = record.is_some_and(|record| record.created_table);
    let after = json_edit::remove(text, client.table(), ENTRY, created_table);
    let after = after.map_err(|refusal| refused(&edit.file, refusal))?;
    edit.needs_backup = after != text;
    let ours = record.is_some_and(|record| record.created_file) && after.trim() == "{}";
    edit.after = (!ours).then_some(after);
    Ok(edit)
}

impl Edit {
    pub fn changes(&self) -> bool {
        self.before != self.after
    }

    /// Writes the file atomically, keeping its permissions; returns the backup if one was made.
    pub fn apply(mut self, journal: &mut Journal) -> Result<Option<PathBuf>> {
        if !self.changes() {
            return Ok(None);
        }
        let backup = match &self.before {
            Some(before) if self.needs_backup => Some(back_up(&self.file, before)?),
            _ => None,
        };
        match (&self.after, &mut self.record) {
            (_, Some(record)) => {
                if let Some(backup) = backup.clone().filter(|_| record.sha256.is_some()) {
                    record.backup = Some(backup);
                }
                journal.records.insert(self.file.clone(), record.clone());
            }
            (_, None) => {
                journal.records.remove(&self.file);
            }
        }
        // First the journal: if the next step fails, the digest tells that the file is not as recorded.
        if self.record.is_some() || journal.path.exists() {
            journal.save()?;
        }
        match &self.after {
            Some(after) => write(&self.file, after)?,
            None => std::fs::remove_file(&self.file).map_err(|error| failed("remove", &self.file, error))?,
        }
        if let Some(spent) = &self.spent_backup {
            let _ = std::fs::remove_file(spent);
        }
        Ok(backup)
    }

    /// The changed lines, as a unified diff shows them.
    pub fn diff(&self) -> String {
        let lines = |text: &Option<String>| -> Vec<String> {
            text.as_deref().unwrap_or("").lines().map(str::to_owned).collect()
        };
        let (old, new) = (lines(&self.before), lines(&self.after));
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let (cut, put) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
        let mut text = format!("@@ -{},{} +{},{} @@\n", head + 1, cut.len(), head + 1, put.len());
        for (sign, lines) in [('-', cut), ('+', put)] {
            for line in lines {
                text += &format!("{sign}{line}\n");
            }
        }
        text
    }
}

/// The bytes from before our edit, if the file is still as we left it: `Some(None)` if there was no file.
fn original(record: &Record, now: Option<&str>) -> Option<Option<String>> {
    if record.sha256.as_deref()? != digest(now?) {
        return None;
    }
    match &record.backup {
        Some(backup) => std::fs::read_to_string(backup).ok().map(Some),
        None => record.created_file.then_some(None),
    }
}

fn read(file: &Path) -> Result<(PathBuf, Option<String>)> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    match std::fs::read(&file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok((file, Some(text))),
            Err(_) => Err(Error::new(Kind::Config, format!("`{}` is not UTF-8 text", file.display()))
                .hint("save it as UTF-8; it was not changed")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((file, None)),
        Err(error) => Err(failed("read", &file, error)),
    }
}

fn refused(file: &Path, refusal: Refusal) -> Error {
    let Refusal { line, column, message } = refusal;
    let message = message.trim_end_matches('.');
    Error::new(Kind::Config, format!("{}:{line}:{column}: {message}", file.display()))
        .hint("mend the file there and try again; it was not changed")
}

fn failed(what: &str, file: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::IoError, format!("cannot {what} `{}`: {error}", file.display()))
        .hint("mend the permissions of the file and its folder")
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Beside the file, with its permissions: such files hold other servers' keys.
fn back_up(file: &Path, text: &str) -> Result<PathBuf> {
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for count in 0.. {
        let suffix = if count == 0 { String::new() } else { format!("-{count}") };
        let backup = file.with_file_name(format!("{name}.before-gimp-bridge-{stamp}{suffix}"));
        let temporary = temporary(file, text)?;
        match temporary.persist_noclobber(&backup) {
            Ok(_) => return Ok(backup),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists && count < 100 => {}
            Err(error) => return Err(failed("write", &backup, error.error)),
        }
    }
    unreachable!("the loop ends with a result")
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
    }
    temporary(file, text)?.persist(file).map_err(|error| failed("write", file, error.error))?;
    Ok(())
}

/// A file beside `file` with this text and the permissions of `file`, or private if that does not exist.
fn temporary(file: &Path, text: &str) -> Result<tempfile::NamedTempFile> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let make = || -> std::io::Result<tempfile::NamedTempFile> {
        let mut temporary = tempfile::Builder::new().prefix(".gimp-bridge").tempfile_in(folder)?;
        temporary.write_all(text.as_bytes())?;
        if let Ok(old) = std::fs::metadata(file) {
            temporary.as_file().set_permissions(old.permissions())?;
        }
        temporary.as_file().sync_all()?;
        Ok(temporary)
    };
    make().map_err(|error| failed("write", file, error))
}
