//! One struct; defaults < user's `gimp-bridge.toml` < `./gimp-bridge.toml` < `./.env` < environment < flags.
//!
//! [`keys`] declares every setting once; loading, `gimp-bridge config` and `docs/configuration.md` derive from it.
//! Refuses: unknown keys, bad values, and from the working folder, which may be a stranger's repository, all but the
//! settings that a table allows it.

mod bindings;
mod foreign;
mod keys;
mod load;
mod network;
mod place;
mod reference;
mod value;

pub use bindings::Binding;
pub use keys::{KEYS, Key, OTHER_NAMES};
pub use load::{Flag, Sources};
pub use network::{Host, Network};
pub use place::Origin;
pub use reference::markdown;
pub use value::{Type, Value};

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The effective configuration.
#[derive(Clone, Default)]
pub struct Config {
    pub server: Server,
    pub sessions: Sessions,
    pub gimp: Gimp,
    pub plugin: Plugin,
    pub log: Log,
    pub service: Service,
    pub storage: Storage,
    pub kserve: Kserve,
    pub generate: Generate,
    pub images: Images,
    pub pictures: Pictures,
    pub filters: Filters,
    pub assistant: Assistant,
    /// Where each key's value came from; a key that is not in it has its default.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What was left out because it is not meant for us, as whole sentences.
    pub warnings: Vec<String>,
}

/// Prints keys with secrets masked, so that a logged configuration tells nobody anything.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(KEYS.iter().map(|key| (key.name, key.shown(self)))).finish()
    }
}

/// The HTTP daemon.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: Host,
    pub port: u16,
    /// Host header values accepted beside the loopback names and `host`.
    pub allowed_hosts: Vec<String>,
    /// Origin header values accepted; empty: requests that carry an Origin are refused unless it is loopback.
    pub allowed_origins: Vec<String>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Bearer token or `X-API-Key` with every right; it or one of `api_keys` is required on a non-loopback `host`.
    pub api_key: Option<String>,
    /// `NAME:RIGHT+RIGHT:KEY` each; `http::keys` reads them.
    pub api_keys: Vec<String>,
    /// Whether keys with the right `exec` may run Python on a non-loopback `host`.
    pub exec_remote: bool,
    /// PEM files; both or neither.
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Requests a second for each client; `None`: no limit.
    pub rate_limit: Option<u64>,
    /// Requests that run at once, all clients together.
    pub max_requests: usize,
    /// At once, half-open ones included.
    pub max_connections: usize,
    /// Bytes; the largest HTTP request body.
    pub max_body: usize,
    /// Threads that serve requests.
    pub workers: usize,
    /// What MCP clients see as tools: `core`, `all`, names of packs and operations.
    pub tools: Vec<String>,
    /// Under which address clients reach this daemon, without a slash at its end.
    pub public_url: Option<String>,
    /// Rights of callers without a key where other machines reach the daemon; `http::keys` reads them.
    pub anonymous: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            host: Host::LOOPBACK,
            port: 8000,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            api_key: None,
            api_keys: Vec::new(),
            exec_remote: false,
            tls_certificate: None,
            tls_key: None,
            rate_limit: Some(1000),
            max_requests: 512,
            max_connections: 1024,
            max_body: 256 << 20,
            workers: 2,
            tools: vec!["core".into()],
            public_url: None,
            anonymous: Vec::new(),
        }
    }
}

/// A model behind `ai_assistant`, instead of the embedded intents.
#[derive(Clone, Debug)]
pub struct Assistant {
    /// Of an OpenAI-compatible API, up to and with `/v1`.
    pub url: Option<String>,
    pub model: String,
    pub api_key: Option<String>,
    /// Seconds.
    pub timeout: u64,
}

impl Default for Assistant {
    fn default() -> Self {
        Assistant { url: None, model: "default".into(), api_key: None, timeout: 60 }
    }
}

/// The sessions of the JSON-RPC API, and what is uploaded to it.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// One in the state folder if left out.
    pub folder: Option<PathBuf>,
    pub max: usize,
    /// Seconds without a request; `None`: never.
    pub idle: Option<u64>,
    /// Seconds that the unsaved work of an expired session is kept.
    pub kept: u64,
    /// MiB of sessions, kept work and uploads together.
    pub disk_mb: u64,
    /// MiB of one upload.
    pub upload_mb: u64,
    /// Seconds after its last byte came.
    pub upload_kept: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions {
            folder: None,
            max: 64,
            idle: Some(3600),
            kept: 86_400,
            disk_mb: 10_240,
            upload_mb: 1024,
            upload_kept: 3600,
        }
    }
}

/// Which GIMP to use.
#[derive(Clone, Debug, Default)]
pub struct Gimp {
    /// `attach` uses running instances; `headless` and `gui` start one; `none` works without.
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
    /// None is looked for.
    None,
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
    /// Seconds; `None`: never.
    pub restart_after: Option<u64>,
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
            restart_after: Some(60),
        }
    }
}

/// Logging to stderr or to a file.
#[derive(Clone, Debug)]
pub struct Log {
    /// A tracing filter, such as `info` or `gimp_bridge=debug`.
    pub level: String,
    pub json: bool,
    /// Instead of stderr.
    pub file: Option<PathBuf>,
    pub rotate: Rotate,
    /// MiB of one file with `rotate` size.
    pub max_mb: u64,
    /// Older files that stay beside the present one.
    pub keep: usize,
}

/// When a log file is put aside for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    #[default]
    Daily,
    Size,
    Never,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), json: false, file: None, rotate: Rotate::Daily, max_mb: 20, keep: 7 }
    }
}

/// What the service calls itself in logs and metrics.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
}

impl Default for Service {
    fn default() -> Self {
        Service { name: "gimp-bridge".into() }
    }
}

/// Where generated images are kept.
#[derive(Clone)]
pub struct Storage {
    pub backend: StorageBackend,
    /// Takes over while `backend` fails.
    pub fallback: Option<StorageBackend>,
    /// Folder of the `file` backend.
    pub path: PathBuf,
    pub s3_bucket: String,
    pub s3_prefix: String,
    /// Set for MinIO and other servers that are not AWS.
    pub s3_endpoint_url: Option<String>,
    pub aws_region: Option<String>,
    pub aws_access_key_id: Option<String>,
    pub aws_secret_access_key: Option<String>,
    pub aws_session_token: Option<String>,
    /// Whether links lead to the bucket itself.
    pub presigned: bool,
    /// MiB of all images together; `None`: no bound.
    pub quota_mb: Option<u64>,
}

impl Default for Storage {
    fn default() -> Self {
        let path = if cfg!(unix) { PathBuf::from("/tmp/mcp-images") } else { std::env::temp_dir().join("mcp-images") };
        Storage {
            backend: StorageBackend::File,
            fallback: None,
            path,
            s3_bucket: "image-generation".into(),
            s3_prefix: "mcp-server/".into(),
            s3_endpoint_url: None,
            aws_region: None,
            aws_access_key_id: None,
            aws_secret_access_key: None,
            aws_session_token: None,
            presigned: false,
            quota_mb: Some(10_240),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageBackend {
    #[default]
    File,
    S3,
}

impl StorageBackend {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        if self == StorageBackend::S3 { "s3" } else { "file" }
    }

    fn from_name(name: &str) -> Option<StorageBackend> {
        [StorageBackend::File, StorageBackend::S3].into_iter().find(|backend| backend.name() == name)
    }
}

/// The cluster that generates images.
#[derive(Clone, Debug)]
pub struct Kserve {
    pub endpoint: Option<String>,
    pub model_name: String,
    /// Seconds.
    pub timeout: u64,
}

impl Default for Kserve {
    fn default() -> Self {
        Kserve { endpoint: None, model_name: "stable-diffusion".into(), timeout: 60 }
    }
}

/// What makes images from words, beside the one of [`Kserve`].
#[derive(Clone, Debug)]
pub struct Generate {
    /// A TOML file that declares backends; `generate::declare` reads it.
    pub backends: Option<PathBuf>,
    /// Names of backends: the default, then those that take over when it fails.
    pub order: Vec<String>,
    /// Images that one backend makes at once, unless its declaration says otherwise.
    pub parallel: usize,
    /// Tries again after a failure that may pass, likewise.
    pub retries: u32,
    /// A file with one pattern a line: prompts that one of them matches are refused.
    pub prompt_patterns: Option<PathBuf>,
    /// A program that is asked about each prompt.
    pub prompt_hook: Option<PathBuf>,
    /// How much round a selection is sent as context: a share of its longer side.
    pub context_margin: f64,
}

impl Default for Generate {
    fn default() -> Self {
        Generate {
            backends: None,
            order: Vec::new(),
            parallel: 4,
            retries: 2,
            prompt_patterns: None,
            prompt_hook: None,
            context_margin: 0.25,
        }
    }
}

/// How long generated images live, how large they may be, and who may see them.
#[derive(Clone, Debug)]
pub struct Images {
    /// Whether knowing an image's address is enough to get it.
    pub public: bool,
    /// Seconds between two sweeps.
    pub cleanup_interval: u64,
    /// Seconds.
    pub ttl: u64,
    /// Bytes.
    pub max_size: u64,
}

impl Default for Images {
    fn default() -> Self {
        Images { public: true, cleanup_interval: 300, ttl: 3600, max_size: 10 << 20 }
    }
}

/// The pictures in answers to AI clients.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Kilobytes of base64 in one answer; 0: no bound.
    pub max_kb: u64,
}

impl Default for Pictures {
    fn default() -> Self {
        Pictures { max_kb: 600 }
    }
}

/// AI filters.
#[derive(Clone, Debug)]
pub struct Filters {
    /// Installed models, one folder each; one in the user's data folder if left out.
    pub folder: Option<PathBuf>,
    /// ONNX Runtime's library; found by itself if left out.
    pub runtime: Option<PathBuf>,
    pub provider: Provider,
    /// Threads that compute; 0: all processors but one.
    pub threads: usize,
    /// MiB for one tile's work, as far as that can be estimated.
    pub memory_mb: u32,
    /// Models kept loaded.
    pub models: usize,
    /// MiB for loaded models together.
    pub model_memory_mb: u32,
    /// Seconds after which an unused model is unloaded.
    pub idle: u64,
    /// Filters that run at once; more wait.
    pub parallel: usize,
    /// The program that runs models which a user added, instead of this one; for tests, which are another program.
    pub worker: Option<PathBuf>,
}

impl Default for Filters {
    fn default() -> Self {
        Filters {
            folder: None,
            runtime: None,
            provider: Provider::Cpu,
            threads: 0,
            memory_mb: 768,
            models: 4,
            model_memory_mb: 4096,
            idle: 300,
            parallel: 2,
            worker: None,
        }
    }
}

impl Filters {
    /// Threads that compute: one processor stays free for GIMP.
    pub fn threads_or_default(&self) -> usize {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.threads == 0 { (all - 1).max(1) } else { self.threads }
    }
}

/// What computes: the processor, or a device that the library has a provider for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    #[default]
    Cpu,
    Cuda,
    Tensorrt,
    Coreml,
    Directml,
    Openvino,
}

impl Provider {
    pub const NAMES: &[&str] = &["cpu", "cuda", "tensorrt", "coreml", "directml", "openvino"];
    const ALL: [Provider; 6] =
        [Provider::Cpu, Provider::Cuda, Provider::Tensorrt, Provider::Coreml, Provider::Directml, Provider::Openvino];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        Provider::NAMES[self as usize]
    }

    pub fn from_name(name: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.name() == name)
    }
}
