//! What a path must look like before it goes to the plug-in, which alone knows the files and the allowed folders.

use crate::error::{Error, Kind, Result};

/// Refuses relative paths and URLs: GIMP's current folder is not the client's.
pub fn check(path: &str) -> Result<()> {
    let bytes = path.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'/' | b'\\');
    if path.contains('\0') {
        return Err(Error::new(Kind::InvalidArgument, "`path` holds a NUL character"));
    }
    if path.starts_with('/')
        || path.starts_with("\\\\")
        || drive
        || path == "~"
        || path.starts_with("~/")
        || path.starts_with("~\\")
    {
        return Ok(());
    }
    let shown = super::super::params::shorten(path);
    if path.contains("://") {
        return Err(Error::new(Kind::InvalidArgument, format!("`path` must be a path, got the URL `{shown}`"))
            .hint("give the file's absolute path on the machine where GIMP runs, or its bytes as `image_data`"));
    }
    Err(Error::new(Kind::InvalidArgument, format!("`path` must be absolute, got `{shown}`"))
        .hint("GIMP's current folder is not yours: give the absolute path, or one that starts with ~/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_and_home_paths_pass() {
        for path in ["/a/b.png", "~/b.png", "~", "C:\\b.png", "c:/b.png", "\\\\server\\share\\b.png"] {
            check(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }

    #[test]
    fn relative_paths_and_urls_are_refused_with_the_mend() {
        for (path, message) in [
            ("b.png", "`path` must be absolute, got `b.png`"),
            ("./b.png", "`path` must be absolute, got `./b.png`"),
            ("~user/b.png", "`path` must be absolute, got `~user/b.png`"),
            ("C:b.png", "`path` must be absolute, got `C:b.png`"),
            ("file:///b.png", "`path` must be a path, got the URL `file:///b.png`"),
            ("/a\0b", "`path` holds a NUL character"),
        ] {
            assert_eq!(check(path).unwrap_err().message, message);
        }
    }
}
