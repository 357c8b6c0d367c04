//! A log file that is put aside for a new one at midnight UTC or at a size, with a bound on how many stay.
//!
//! `NAME` is always the present file; older ones are `NAME.2026-11-20` (daily) or `NAME.1`, `NAME.2`, … (by size).

use crate::config::{Log, Rotate};
use crate::error::{Error, Kind, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// A writer for the subscriber; any thread may write.
pub struct LogFile(Mutex<Open>);

struct Open {
    path: PathBuf,
    rotate: Rotate,
    most: u64,
    keep: usize,
    file: File,
    bytes: u64,
    /// Days since 1970 of what is in the file.
    day: u64,
}

impl LogFile {
    /// Opens the file that `settings` name, going on where it ended.
    pub fn open(path: &Path, settings: &Log) -> Result<LogFile> {
        let failed = |error: io::Error| {
            Error::new(Kind::Config, format!("cannot open the log file `{}`: {error}", path.display()))
                .hint("set log.file to a file in a folder that exists and can be written")
        };
        let file = append(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        let day = about.modified().ok().filter(|_| about.len() > 0).map_or_else(today, day_of);
        let (rotate, most, keep) = (settings.rotate, settings.max_mb << 20, settings.keep);
        Ok(LogFile(Mutex::new(Open { path: path.into(), rotate, most, keep, file, bytes: about.len(), day })))
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.make_room(line.len() as u64, today());
        // One call for each line: lines of several threads do not mix.
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

impl Open {
    /// Puts the file aside if it is time. A failure is no reason to lose lines: the present file goes on.
    fn make_room(&mut self, more: u64, today: u64) {
        let due = match self.rotate {
            Rotate::Never => false,
            Rotate::Daily => today != self.day,
            Rotate::Size => self.bytes > 0 && self.bytes + more > self.most,
        };
        if due {
            let moved = match self.rotate {
                Rotate::Size => self.shift(),
                _ => std::fs::rename(&self.path, beside(&self.path, &date(self.day))),
            };
            if let Ok(file) = moved.and_then(|()| append(&self.path)) {
                (self.file, self.bytes) = (file, 0);
            }
            self.day = today;
            if self.rotate == Rotate::Daily {
                self.drop_old_days();
            }
        }
    }

    /// `NAME.1` becomes `NAME.2` and so on; the last goes.
    fn shift(&self) -> io::Result<()> {
        let at = |number: usize| beside(&self.path, &number.to_string());
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev().filter(|number| at(*number).exists()) {
            std::fs::rename(at(number), at(number + 1))?;
        }
        std::fs::rename(&self.path, at(1))
    }

    fn drop_old_days(&self) {
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else { return };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut old: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                let other = entry.file_name();
                let ending = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
                ending.is_some_and(is_date)
            })
            .map(|entry| entry.path())
            .collect();
        // Dates sort as text.
        old.sort();
        let surplus = old.len().saturating_sub(self.keep);
        old.drain(..surplus).for_each(|path| drop(std::fs::remove_file(path)));
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

fn today() -> u64 {
    day_of(SystemTime::now())
}

fn day_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY)
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// Days since 1970 as `YYYY-MM-DD` (Howard Hinnant's civil_from_days).
fn date(days: u64) -> String {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn open(folder: &Path, rotate: Rotate, keep: usize) -> LogFile {
        let settings = Log { rotate, max_mb: 1, keep, ..Log::default() };
        LogFile::open(&folder.join("log"), &settings).unwrap()
    }

    #[test]
    fn dates() {
        assert_eq!((date(0), date(59), date(19_782)), ("1970-01-01".into(), "1970-03-01".into(), "2024-02-29".into()));
        assert!(is_date("2024-02-29") && !is_date("2024-02-2x") && !is_date("1"));
    }

    #[test]
    fn by_size_the_last_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(folder.path(), Rotate::Size, 2);
        let line = vec![b'x'; 700 << 10];
        for _ in 0..5 {
            (&file).write_all(&line).unwrap();
        }
        assert_eq!(names(folder.path()), ["log", "log.1", "log.2"]);
        assert_eq!(std::fs::metadata(folder.path().join("log")).unwrap().len(), 700 << 10);
    }

    #[test]
    fn by_day_the_last_days_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(folder.path(), Rotate::Daily, 2);
        let mut inner = file.0.lock().unwrap();
        inner.day = 100;
        for day in [100, 101, 101, 102, 103] {
            inner.make_room(1, day);
            inner.file.write_all(b"x").unwrap();
        }
        let expected = ["log".to_owned(), format!("log.{}", date(101)), format!("log.{}", date(102))];
        assert_eq!(names(folder.path()), expected);
        assert_eq!(std::fs::read(folder.path().join(&expected[1])).unwrap(), b"xx");
    }

    #[test]
    fn it_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["a", "b"] {
            (&open(folder.path(), Rotate::Never, 0)).write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read(folder.path().join("log")).unwrap(), b"ab");
    }
}
