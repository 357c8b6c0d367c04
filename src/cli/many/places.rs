//! Where a run's pictures are and where their results go: files, folders, or a bucket (`s3://BUCKET/NAME`).
//!
//! A bucket's pictures pass through a folder of the run's own, one at a time.

use crate::cli::filters::stream::FileFormat;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::storage::Objects;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The type of what has no other.
const BYTES: &str = "application/octet-stream";

/// IN or OUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    Path(PathBuf),
    /// As in `s3://bucket/key`; a folder if the key ends with `/` or is empty.
    Bucket {
        bucket: String,
        key: String,
    },
}

impl Default for At {
    fn default() -> At {
        At::Path(PathBuf::new())
    }
}

impl At {
    pub fn of(word: &str) -> Result<At> {
        let Some(address) = word.strip_prefix("s3://") else {
            return Ok(At::Path(word.into()));
        };
        let (bucket, key) = address.split_once('/').unwrap_or((address, ""));
        if bucket.is_empty() {
            return Err(Error::new(Kind::InvalidArgument, format!("`{word}` names no bucket"))
                .hint("an address is s3://BUCKET/FOLDER/ or s3://BUCKET/NAME"));
        }
        Ok(At::Bucket { bucket: bucket.into(), key: key.into() })
    }

    pub fn is_folder(&self) -> bool {
        match self {
            At::Path(path) => path.is_dir(),
            At::Bucket { key, .. } => key.is_empty() || key.ends_with('/'),
        }
    }

    /// The folder that it is in, and its name there.
    fn apart(&self) -> (At, PathBuf) {
        match self {
            At::Path(path) => {
                let name = path.file_name().unwrap_or_default();
                (At::Path(path.parent().unwrap_or(Path::new("")).to_owned()), name.into())
            }
            At::Bucket { bucket, key } => {
                let at = key.rfind('/').map_or(0, |slash| slash + 1);
                (At::Bucket { bucket: bucket.clone(), key: key[..at].into() }, key[at..].into())
            }
        }
    }

    /// Whether results here would be taken for pictures there, now or by a run beside this one.
    fn is_inside(&self, other: &At) -> bool {
        match (self, other) {
            (At::Bucket { bucket, key }, At::Bucket { bucket: other, key: outer }) => {
                bucket == other && key.starts_with(outer.as_str())
            }
            _ => false,
        }
    }

    /// Something in this folder, as people write it.
    pub fn shown(&self, name: &Path) -> String {
        match self {
            At::Path(path) => path.join(name).display().to_string(),
            At::Bucket { .. } => format!("{self}{}", name.display()),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Path(path) => path.display().fmt(to),
            At::Bucket { bucket, key } => write!(to, "s3://{bucket}/{key}"),
        }
    }
}

/// A folder here or in a bucket.
pub struct Folder {
    pub at: At,
    bucket: Option<(Objects, TempDir)>,
}

impl Folder {
    fn new(at: At, config: &Config) -> Result<Folder> {
        let bucket = match &at {
            At::Path(_) => None,
            At::Bucket { bucket, key } => {
                let scratch = tempfile::Builder::new().prefix("gimp-bridge-").tempdir();
                let scratch = scratch.map_err(|error| {
                    Error::new(Kind::IoError, format!("there is no room for a picture on its way: {error}"))
                        .hint("set TMPDIR to a folder that can be written to")
                })?;
                Some((Objects::new(&config.storage, bucket, key)?, scratch))
            }
        };
        Ok(Folder { at, bucket })
    }

    /// A file of this name: its own, or the one that it passes through.
    pub fn file(&self, name: &Path) -> PathBuf {
        match (&self.bucket, &self.at) {
            (Some((_, scratch)), _) => scratch.path().join(name.file_name().unwrap_or_default()),
            (None, At::Path(path)) => path.join(name),
            (None, At::Bucket { .. }) => PathBuf::new(),
        }
    }

    /// The names of its pictures, sorted: of a bucket all that lie below, of a folder not its subfolders.
    async fn pictures(&self, rule: &Rule<'_>) -> Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> = match (&self.bucket, &self.at) {
            (Some((objects, _)), _) => objects.names().await?.into_iter().map(PathBuf::from).collect(),
            (None, At::Path(folder)) => local_pictures(folder, rule)?,
            (None, At::Bucket { .. }) => Vec::new(),
        };
        if self.bucket.is_some() {
            // What is in a bucket is known by name alone before it is fetched.
            names.retain(|name| (rule.by_name)(name));
        }
        names.sort();
        if names.is_empty() {
            return Err(Error::new(Kind::NotFound, format!("`{}` holds no pictures", self.at))
                .hint(format!("pictures are {} files", rule.formats)));
        }
        Ok(names)
    }

    pub async fn has(&self, name: &Path) -> Result<bool> {
        match &self.bucket {
            Some((objects, _)) => objects.has(&key(name)).await,
            None => Ok(self.file(name).exists()),
        }
    }

    /// Has a picture's file there.
    pub async fn fetch(&self, name: &Path) -> Result<()> {
        match &self.bucket {
            Some((objects, _)) => objects.fetch(&key(name), &self.file(name)).await,
            None => Ok(()),
        }
    }

    /// Brings a result's file to where it belongs.
    pub async fn deliver(&self, name: &Path) -> Result<()> {
        match &self.bucket {
            Some((objects, _)) => {
                let mime_type = FileFormat::of(name).map_or(BYTES, |format| format.holder().mime_type());
                objects.send(&self.file(name), &key(name), mime_type).await
            }
            None => Ok(()),
        }
    }

    /// The next picture has the room of this one.
    pub fn forget(&self, name: &Path) {
        if self.bucket.is_some() {
            let _ = std::fs::remove_file(self.file(name));
        }
    }

    /// In a text the file that a picture passes through, by its own address.
    pub fn in_words(&self, text: &str, name: &Path) -> String {
        match &self.bucket {
            Some(_) => text.replace(&*self.file(name).to_string_lossy(), &self.at.shown(name)),
            None => text.to_owned(),
        }
    }
}

/// A name as a bucket has it.
fn key(name: &Path) -> String {
    name.to_string_lossy().into_owned()
}

fn local_pictures(folder: &Path, rule: &Rule<'_>) -> Result<Vec<PathBuf>> {
    let fault = |error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)?.flatten() {
        let path = entry.path();
        if path.is_file() && (rule.by_file)(&path) {
            names.push(entry.file_name().into());
        }
    }
    Ok(names)
}

/// What counts as a picture in a folder, and what its result is called.
pub struct Rule<'a> {
    pub by_name: fn(&Path) -> bool,
    /// A file's name and content.
    pub by_file: fn(&Path) -> bool,
    pub target: &'a dyn Fn(&Path) -> PathBuf,
    /// For people.
    pub formats: &'static str,
}

/// What a run works on.
pub struct Work {
    pub source: Folder,
    pub target: Folder,
    /// Of pictures in `source`, and of their results in `target`.
    pub names: Vec<(PathBuf, PathBuf)>,
    /// Whether a folder was named, of which single pictures may fail.
    pub many: bool,
}

/// What there is from `from` to `to`; `rule` tells what counts in a folder.
///
/// # Errors
/// `not_found` for a folder without pictures; `invalid_argument` for places that do not fit together.
pub async fn work(from: &At, to: &At, config: &Config, rule: &Rule<'_>) -> Result<Work> {
    if !from.is_folder() {
        let (folder, name) = from.apart();
        let (to, goal) = if to.is_folder() { (to.clone(), (rule.target)(&name)) } else { to.apart() };
        let (source, target) = (Folder::new(folder, config)?, Folder::new(to, config)?);
        return Ok(Work { source, target, names: vec![(name, goal)], many: false });
    }
    let refused = |why: &str, hint: &str| Err(Error::new(Kind::InvalidArgument, why).hint(hint));
    match to {
        At::Bucket { .. } if !to.is_folder() => {
            let why = format!("`{from}` is a folder, and `{to}` names one object");
            return refused(&why, "the address of a folder ends with /");
        }
        At::Bucket { .. } if to.is_inside(from) => {
            let why = format!("`{to}` lies in `{from}`: results would be taken for pictures");
            return refused(&why, "give OUT another prefix");
        }
        At::Bucket { .. } => {}
        At::Path(path) => std::fs::create_dir_all(path)
            .map_err(|error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display())))?,
    }
    let (source, target) = (Folder::new(from.clone(), config)?, Folder::new(to.clone(), config)?);
    let names: Vec<(PathBuf, PathBuf)> =
        source.pictures(rule).await?.into_iter().map(|name| (name.clone(), (rule.target)(&name))).collect();
    let mut goals = HashMap::new();
    for (name, goal) in &names {
        // The later one would replace the earlier one's result.
        if let Some(other) = goals.insert(goal, name) {
            let (one, two, both) = (other.display(), name.display(), target.at.shown(goal));
            return refused(
                &format!("`{one}` and `{two}` would both become `{both}`"),
                "rename one, or run them apart",
            );
        }
    }
    Ok(Work { source, target, names, many: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_folders_or_objects() {
        let folder = At::of("s3://pictures/in/").unwrap();
        assert!(folder.is_folder() && At::of("s3://pictures").unwrap().is_folder());
        let object = At::of("s3://pictures/in/a b.png").unwrap();
        assert_eq!(object.apart(), (folder.clone(), "a b.png".into()));
        assert_eq!(object.to_string(), "s3://pictures/in/a b.png");
        assert!(At::of("s3:///a.png").unwrap_err().message.contains("names no bucket"));
        assert!(At::of("s3://pictures/in/out/").unwrap().is_inside(&folder));
        assert!(!At::of("s3://pictures/out/").unwrap().is_inside(&folder));
        assert!(!At::of("s3://other/in/").unwrap().is_inside(&folder));
    }
}
