//! One struct; defaults < `gimp-bridge.toml` < `.env` < environment < flags.

use std::net::IpAddr;
use std::path::PathBuf;

/// The effective configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub server: Server,
    pub gimp: Gimp,
    pub plugin: Plugin,
    pub log: Log,
}

/// The HTTP daemon.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: IpAddr,
    pub port: u16,
    /// Host header values accepted beside the loopback names and `host`.
    pub allowed_hosts: Vec<String>,
    /// Origin header values accepted; empty: requests that carry an Origin are refused unless it is loopback.
    pub allowed_origins: Vec<String>,
    /// Bearer token or `X-API-Key`; required on a non-loopback `host`.
    pub api_key: Option<String>,
    /// Bytes; the largest HTTP request body.
    pub max_body: usize,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8000,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            api_key: None,
            max_body: 256 << 20,
        }
    }
}

/// Which GIMP to use.
#[derive(Clone, Debug, Default)]
pub struct Gimp {
    /// `attach` uses running instances; `headless` and `gui` start one.
    pub mode: GimpMode,
    /// The gimp executable; found by itself if left out.
    pub executable: Option<PathBuf>,
    /// Profile folder for a started GIMP; a private one if left out.
    pub profile: Option<PathBuf>,
    /// Only the instance on this port.
    pub port: Option<u16>,
    /// Holds secret, plugin.json, instances/; see protocol/README.md for the default.
    pub state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GimpMode {
    #[default]
    Attach,
    Headless,
    Gui,
}

/// What goes into `plugin.json`, the plug-in's policies.
#[derive(Clone, Debug)]
pub struct Plugin {
    pub port: u16,
    /// Seconds; `None`: never.
    pub auto_disconnect: Option<u64>,
    pub exec: bool,
    pub read_only: bool,
    /// `None`: every folder.
    pub folders: Option<Vec<PathBuf>>,
    pub checkpoints: u32,
    pub checkpoint_memory_mb: u64,
}

impl Default for Plugin {
    fn default() -> Self {
        Plugin {
            port: 9877,
            auto_disconnect: Some(300),
            exec: true,
            read_only: false,
            folders: None,
            checkpoints: 20,
            checkpoint_memory_mb: 1024,
        }
    }
}

/// Logging to stderr.
#[derive(Clone, Debug)]
pub struct Log {
    /// A tracing filter, such as `info` or `gimp_bridge=debug`.
    pub level: String,
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), json: false }
    }
}
