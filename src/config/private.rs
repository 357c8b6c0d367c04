//! Files with secrets: who else may read them.

use std::io;
use std::path::Path;

/// The file's mode where others than its owner can read or change it.
#[cfg(unix)]
pub fn exposed(path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(path)?.mode() & 0o777;
    Ok(Some(mode).filter(|mode| mode & 0o077 != 0))
}

/// Windows keeps the folders of a user's profile from other users by inherited access lists.
#[cfg(not(unix))]
pub fn exposed(_path: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}
