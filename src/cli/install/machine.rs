//! The machine as the installer sees it: operating system, variables, root. An argument, so that one machine can
//! test the paths of all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Linux,
    MacOs,
    Windows,
}

/// Nothing here touches the disk.
#[derive(Clone, Debug)]
pub struct Machine {
    pub os: Os,
    pub variables: BTreeMap<String, String>,
    /// `/`, or a folder in its stead.
    pub root: PathBuf,
}

impl Machine {
    pub fn this() -> Machine {
        let os = match std::env::consts::OS {
            "macos" => Os::MacOs,
            "windows" => Os::Windows,
            _ => Os::Linux,
        };
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = variables.filter_map(|(name, value)| Some((name, value.into_string().ok()?))).collect();
        Machine { os, variables, root: PathBuf::from("/") }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn home(&self) -> Option<PathBuf> {
        let names: &[&str] = if self.os == Os::Windows { &["USERPROFILE", "HOME"] } else { &["HOME"] };
        names.iter().find_map(|name| self.variable(name)).map(PathBuf::from)
    }

    /// Where programs keep the user's configuration.
    pub fn config_home(&self) -> Option<PathBuf> {
        match self.os {
            Os::Linux => match self.variable("XDG_CONFIG_HOME").map(Path::new).filter(|path| path.is_absolute()) {
                Some(folder) => Some(folder.to_owned()),
                None => Some(self.home()?.join(".config")),
            },
            Os::MacOs => Some(self.home()?.join("Library").join("Application Support")),
            Os::Windows => match self.variable("APPDATA") {
                Some(folder) => Some(PathBuf::from(folder)),
                None => Some(self.home()?.join("AppData").join("Roaming")),
            },
        }
    }

    /// Where programs keep the user's data.
    pub fn data_home(&self) -> Option<PathBuf> {
        match self.os {
            Os::Linux => match self.variable("XDG_DATA_HOME").map(Path::new).filter(|path| path.is_absolute()) {
                Some(folder) => Some(folder.to_owned()),
                None => Some(self.home()?.join(".local").join("share")),
            },
            _ => self.config_home(),
        }
    }

    /// Where our scripts keep what they fetch.
    pub fn cache_dir(&self) -> Option<PathBuf> {
        let ours = self.variable("GIMP_BRIDGE_CACHE_DIR").map(PathBuf::from);
        let user = || match self.variable("XDG_CACHE_HOME") {
            Some(folder) => Some(PathBuf::from(folder)),
            None => Some(self.home()?.join(".cache")),
        };
        ours.or_else(|| Some(user()?.join("gimp-bridge")))
    }

    /// An absolute path below `root`.
    pub fn system(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
