//! The secret file that both sides prove to know, and the state folder it lives in.

use super::handshake::hex;
#[cfg(unix)]
use crate::config::private;
use crate::error::{Error, Kind, Result};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// 32 random bytes. Never printed: `Debug` says nothing of them.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where the secret, `plugin.json` and `instances/` live unless configured otherwise; see protocol/README.md.
pub fn default_state_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = variable("GIMP_BRIDGE_STATE_DIR") {
        return Some(dir);
    }
    let parent = if cfg!(windows) {
        variable("LOCALAPPDATA").or_else(dirs::data_local_dir)
    } else if cfg!(target_os = "macos") {
        dirs::home_dir().map(|home| home.join("Library/Application Support"))
    } else {
        // The plug-in takes the variable as it is, so a relative one must not be dropped here.
        variable("XDG_STATE_HOME").or_else(|| dirs::home_dir().map(|home| home.join(".local/state")))
    };
    parent.map(|dir| dir.join("gimp-bridge"))
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("secret")
}

/// The secret, created if there is none. Safe against the plug-in creating it at the same time.
///
/// # Errors
/// `config` when the file is readable by others or is no secret; `io_error` when it cannot be written.
pub fn ensure(state_dir: &Path) -> Result<Secret> {
    let path = path(state_dir);
    let failed = |error: io::Error| {
        Error::new(Kind::IoError, format!("the secret `{}` could not be created: {error}", path.display()))
            .hint("make its folder writable, or set GIMP_BRIDGE_STATE_DIR")
    };
    create_private_dir(state_dir).map_err(failed)?;
    if !path.exists() {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        // A temporary file is 0600 from its first moment, and the link that names it fails if somebody was first.
        let mut file = tempfile::Builder::new().prefix(".secret").tempfile_in(state_dir).map_err(failed)?;
        file.write_all(hex(&bytes).as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
    }
    load(state_dir)
}

/// Reads the secret.
///
/// # Errors
/// `no_gimp` when there is none; `config` when the file is readable by others or is no secret.
pub fn load(state_dir: &Path) -> Result<Secret> {
    let path = path(state_dir);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Error::new(Kind::NoGimp, format!("there is no secret at `{}`: no plug-in has run yet", path.display()))
                .hint("run `gimp-bridge install`, then restart GIMP; or run `gimp-bridge gimp --headless`")
        } else {
            Error::new(Kind::IoError, format!("the secret `{}` could not be read: {error}", path.display()))
                .hint("it must belong to you; remove it and restart GIMP and gimp-bridge")
        }
    })?;
    check_private(&path)?;
    decode(text.trim_end()).map(Secret).ok_or_else(|| {
        Error::new(Kind::Config, format!("`{}` does not hold 64 lower-case hex characters", path.display()))
            .hint("remove it and restart GIMP and gimp-bridge: a new one is made")
    })
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Creates a folder that only its owner can enter; one that exists is left as it is.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).map_err(Error::internal)?;
    if let Some(mode) = private::exposed(path).map_err(Error::internal)? {
        return Err(Error::new(
            Kind::Config,
            format!("others can read the secret `{}` (mode {mode:04o})", path.display()),
        )
        .hint(format!("it may be known by now: run `rm '{}'` and restart GIMP and gimp-bridge", path.display())));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::new(
            Kind::Config,
            format!("the secret `{}` belongs to user {}", path.display(), meta.uid()),
        )
        .hint("set GIMP_BRIDGE_STATE_DIR to a folder of your own"));
    }
    Ok(())
}

/// Windows keeps `%LOCALAPPDATA%` from other users by inherited access lists.
#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_racers_get_the_same_secret() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        let racers: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn({
                    let state = state.clone();
                    move || ensure(&state).unwrap().0
                })
            })
            .collect();
        let secrets: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
        assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(load(&state).unwrap().0, secrets[0]);
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        ensure(dir.path()).unwrap();
        let path = path(dir.path());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = ensure(dir.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
        assert!(error.message.contains("0640") && error.hint.unwrap().contains("rm "), "{}", error.message);
    }

    #[test]
    fn a_file_that_is_no_secret_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap_err().kind, Kind::NoGimp);
        ensure(dir.path()).unwrap();
        std::fs::write(path(dir.path()), "hello").unwrap();
        assert_eq!(load(dir.path()).unwrap_err().kind, Kind::Config);
    }
}
