//! Every setting, declared once: name, type, environment names, meaning, and the field it fills.

use super::value::{Type, Value};
use super::{Config, GimpMode, Plugin, Provider, Rotate, Sessions, StorageBackend};
use std::path::PathBuf;

/// One setting. Its TOML path is its name; its first environment name is `GIMP_BRIDGE_` and the path in capitals.
pub struct Key {
    pub name: &'static str,
    /// Environment names beside the derived one, in falling precedence.
    pub aliases: &'static [&'static str],
    pub kind: Type,
    pub doc: &'static str,
    /// Never printed.
    pub secret: bool,
    /// Not taken from files in the working folder, which may be a stranger's: all but what [`Key::open_to_projects`] names.
    pub guarded: bool,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, Value),
}

impl Key {
    const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        kind: Type,
        doc: &'static str,
        get: fn(&Config) -> Value,
        set: fn(&mut Config, Value),
    ) -> Key {
        Key { name, aliases, kind, doc, secret: false, guarded: true, get, set }
    }

    const fn secret(mut self) -> Key {
        self.secret = true;
        self
    }

    /// A project's own files may set it: neither an address, a credential, a path nor a policy, and nothing of the
    /// user's is lost by it.
    const fn open_to_projects(mut self) -> Key {
        self.guarded = false;
        self
    }

    /// The derived name, such as `GIMP_BRIDGE_SERVER_PORT`.
    pub fn env_name(&self) -> String {
        format!("GIMP_BRIDGE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// All environment names, in falling precedence.
    pub fn env_names(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.env_name()).chain(self.aliases.iter().map(|name| name.to_string()))
    }

    pub fn get(&self, config: &Config) -> Value {
        (self.get)(config)
    }

    /// The value, or asterisks for a secret that is set.
    pub fn shown(&self, config: &Config) -> Value {
        match self.get(config) {
            Value::Nothing => Value::Nothing,
            _ if self.secret => Value::from("********"),
            value => value,
        }
    }

    /// `value` has passed `self.kind`.
    pub(super) fn set(&self, config: &mut Config, value: Value) {
        (self.set)(config, value);
    }
}

/// Names with our prefix that are no settings: switches of the scripts, the tests and the launcher.
pub const OTHER_NAMES: &[(&str, &str)] = &[
    ("GIMP_BRIDGE_CONFIG", "the configuration file, as with --config"),
    ("GIMP_BRIDGE_CACHE_DIR", "where scripts/setup-gimp keeps its GIMPs"),
    ("GIMP_BRIDGE_RESTARTED", "set by gimp-bridge for a GIMP that it starts again: why"),
    ("GIMP_BRIDGE_BIN", "the gimp-bridge executable that the plug-in and the tests start"),
    ("GIMP_BRIDGE_TOKEN_*", "bearer token of the backend of that name, such as GIMP_BRIDGE_TOKEN_KSERVE"),
    ("GIMP_BRIDGE_TEST_*", "switches of the test suites"),
];

const PORT: Type = Type::Int(0, 65535);
const SECONDS: Type = Type::Int(1, 31_536_000);

/// The table. Sections stay together: the reference page is printed in this order.
pub static KEYS: &[Key] = &[
    Key::new(
        "server.host",
        &["HOST"],
        Type::Address,
        "Address that the HTTP daemon listens on; `localhost` is 127.0.0.1 and [::1]; any but loopback needs `server.api_key` or `server.api_keys`.",
        |c| c.server.host.to_string().as_str().into(),
        |c, v| c.server.host = v.text().and_then(|text| text.parse().ok()).unwrap_or(c.server.host),
    ),
    Key::new(
        "server.port",
        &["PORT"],
        PORT,
        "Port that the HTTP daemon listens on; 0 takes a free one.",
        |c| u64::from(c.server.port).into(),
        |c, v| c.server.port = v.int() as u16,
    )
    .open_to_projects(),
    Key::new(
        "server.allowed_hosts",
        &[],
        Type::List,
        "Host header values accepted beside the loopback names and `server.host`.",
        |c| Value::List(c.server.allowed_hosts.clone()),
        |c, v| c.server.allowed_hosts = v.list().unwrap_or_default(),
    ),
    Key::new(
        "server.allowed_origins",
        &[],
        Type::List,
        "Origin header values accepted beside loopback origins.",
        |c| Value::List(c.server.allowed_origins.clone()),
        |c, v| c.server.allowed_origins = v.list().unwrap_or_default(),
    ),
    Key::new(
        "server.trusted_proxies",
        &[],
        Type::Networks,
        "Addresses and networks (`10.0.0.0/8`) of reverse proxies whose Forwarded and X-Forwarded-* headers are believed; from any other peer such headers need a key.",
        |c| Value::List(c.server.trusted_proxies.iter().map(ToString::to_string).collect()),
        |c, v| {
            let networks = v.list().unwrap_or_default();
            c.server.trusted_proxies = networks.iter().filter_map(|text| text.parse().ok()).collect();
        },
    ),
    Key::new(
        "server.api_key",
        &[],
        Type::Text,
        "Key with every right, sent as bearer token or `X-API-Key`; with one set, every request must carry a key.",
        |c| c.server.api_key.as_deref().into(),
        |c, v| c.server.api_key = v.text(),
    )
    .secret(),
    Key::new(
        "server.api_keys",
        &[],
        Type::List,
        "More keys, each `NAME:RIGHTS:KEY` with rights `read`, `edit`, `exec`, `generate` joined by `+`.",
        |c| Value::List(c.server.api_keys.clone()),
        |c, v| c.server.api_keys = v.list().unwrap_or_default(),
    )
    .secret(),
    Key::new(
        "server.exec_remote",
        &[],
        Type::Bool,
        "Whether keys with the right `exec` may run Python in GIMP when `server.host` is no loopback address.",
        |c| c.server.exec_remote.into(),
        |c, v| c.server.exec_remote = v.bool(),
    ),
    Key::new(
        "server.tls_certificate",
        &[],
        Type::Path,
        "PEM file with the certificate chain; with `server.tls_key` the daemon speaks HTTPS.",
        |c| c.server.tls_certificate.as_deref().into(),
        |c, v| c.server.tls_certificate = v.text().map(PathBuf::from),
    ),
    Key::new(
        "server.tls_key",
        &[],
        Type::Path,
        "PEM file with the private key.",
        |c| c.server.tls_key.as_deref().into(),
        |c, v| c.server.tls_key = v.text().map(PathBuf::from),
    ),
    Key::new(
        "server.rate_limit",
        &[],
        Type::Int(0, 1_000_000),
        "Requests a second for each client, twice as many in a burst; 0 for no limit.",
        |c| c.server.rate_limit.unwrap_or(0).into(),
        |c, v| c.server.rate_limit = Some(v.int()).filter(|limit| *limit > 0),
    ),
    Key::new(
        "server.max_requests",
        &[],
        Type::Int(1, 65535),
        "Requests that run at once, all clients together, three quarters of them for one client at most; more are answered 429.",
        |c| (c.server.max_requests as u64).into(),
        |c, v| c.server.max_requests = v.int() as usize,
    ),
    Key::new(
        "server.max_connections",
        &[],
        Type::Int(16, 65535),
        "Connections at once; with one more, the one that has waited longest for a request is closed.",
        |c| (c.server.max_connections as u64).into(),
        |c, v| c.server.max_connections = v.int() as usize,
    ),
    Key::new(
        "server.max_body",
        &[],
        Type::Int(1024, 4 << 30),
        "Largest HTTP request body, in bytes.",
        |c| (c.server.max_body as u64).into(),
        |c, v| c.server.max_body = v.int() as usize,
    ),
    Key::new(
        "server.workers",
        &["WORKERS"],
        Type::Int(1, 256),
        "Threads that serve requests.",
        |c| (c.server.workers as u64).into(),
        |c, v| c.server.workers = v.int() as usize,
    )
    .open_to_projects(),
    Key::new(
        "server.tools",
        &["GIMP_BRIDGE_TOOLS"],
        Type::List,
        "What MCP clients see as tools: `core` (about 30), `all`, names of packs (`paint`, `layers`, …) or operations; every operation can be called in any case.",
        |c| Value::List(c.server.tools.clone()),
        |c, v| c.server.tools = v.list().unwrap_or_default(),
    )
    .open_to_projects(),
    Key::new(
        "server.public_url",
        &[],
        Type::Url,
        "Address under which clients reach this daemon, such as `https://images.example.org`; links to images begin with it. Left out: what a trusted proxy says, else the name that the client used.",
        |c| c.server.public_url.as_deref().into(),
        |c, v| c.server.public_url = v.text().map(|url| url.trim_end_matches('/').to_owned()),
    ),
    Key::new(
        "server.anonymous",
        &[],
        Type::List,
        "Rights of callers without a key when `server.host` is no loopback address: `generate`, `read`, `edit`. Without any, such callers are refused. They may not name files, nor list or delete generated images.",
        |c| Value::List(c.server.anonymous.clone()),
        |c, v| c.server.anonymous = v.list().unwrap_or_default(),
    ),
    Key::new(
        "sessions.folder",
        &[],
        Type::Path,
        "Folder that holds the state of JSON-RPC sessions and uploads; one in the state folder if left out.",
        |c| c.sessions.folder.as_deref().into(),
        |c, v| c.sessions.folder = v.text().map(PathBuf::from),
    ),
    Key::new(
        "sessions.max",
        &[],
        Type::Int(1, 4096),
        "Sessions that may be open at once.",
        |c| (c.sessions.max as u64).into(),
        |c, v| c.sessions.max = v.int() as usize,
    ),
    Key::new(
        "sessions.idle",
        &[],
        Type::SecondsOrNever,
        "Seconds without a request after which a session expires.",
        |c| c.sessions.idle.into(),
        |c, v| c.sessions.idle = v.seconds(Sessions::default().idle),
    ),
    Key::new(
        "sessions.kept",
        &[],
        SECONDS,
        "Seconds that the unsaved work of an expired session is kept; until then its id brings it back.",
        |c| c.sessions.kept.into(),
        |c, v| c.sessions.kept = v.int(),
    ),
    Key::new(
        "sessions.disk_mb",
        &[],
        Type::Int(16, 1 << 30),
        "MiB on disk for sessions, kept work and uploads together.",
        |c| c.sessions.disk_mb.into(),
        |c, v| c.sessions.disk_mb = v.int(),
    ),
    Key::new(
        "sessions.upload_mb",
        &[],
        Type::Int(1, 1024),
        "Largest upload, in MiB.",
        |c| c.sessions.upload_mb.into(),
        |c, v| c.sessions.upload_mb = v.int(),
    ),
    Key::new(
        "sessions.upload_kept",
        &[],
        SECONDS,
        "Seconds that an upload is kept after its last byte came.",
        |c| c.sessions.upload_kept.into(),
        |c, v| c.sessions.upload_kept = v.int(),
    ),
    Key::new(
        "gimp.mode",
        &[],
        Type::Choice(&["attach", "headless", "gui", "none"]),
        "Use running GIMPs, start one without or with a window, or look for none: images from words and filters on pictures that are sent work all the same.",
        |c| mode_name(c.gimp.mode).into(),
        |c, v| {
            c.gimp.mode = match v.text().as_deref() {
                Some("headless") => GimpMode::Headless,
                Some("gui") => GimpMode::Gui,
                Some("none") => GimpMode::None,
                _ => GimpMode::Attach,
            }
        },
    )
    .open_to_projects(),
    Key::new(
        "gimp.executable",
        &[],
        Type::Path,
        "GIMP to start: the program, its folder, or a folder that scripts/setup-gimp made; found by itself if left out.",
        |c| c.gimp.executable.as_deref().into(),
        |c, v| c.gimp.executable = v.text().map(PathBuf::from),
    ),
    Key::new(
        "gimp.profile",
        &[],
        Type::Path,
        "Profile folder of a started GIMP; a private one if left out.",
        |c| c.gimp.profile.as_deref().into(),
        |c, v| c.gimp.profile = v.text().map(PathBuf::from),
    ),
    Key::new(
        "gimp.port",
        &[],
        Type::Int(1, 65535),
        "Use only the GIMP whose plug-in listens on this port.",
        |c| c.gimp.port.map(u64::from).into(),
        |c, v| c.gimp.port = v.optional_int().map(|port| port as u16),
    )
    .open_to_projects(),
    Key::new(
        "gimp.state_dir",
        &["GIMP_BRIDGE_STATE_DIR"],
        Type::Path,
        "Folder of the secret, the plug-in's settings and the list of running GIMPs; the user's state folder if left out.",
        |c| c.gimp.state_dir.as_deref().into(),
        |c, v| c.gimp.state_dir = v.text().map(PathBuf::from),
    ),
    Key::new(
        "plugin.port",
        &["GIMP_BRIDGE_PORT"],
        PORT,
        "Port that the plug-in listens on inside GIMP; a second GIMP takes a free one.",
        |c| u64::from(c.plugin.port).into(),
        |c, v| c.plugin.port = v.int() as u16,
    )
    .open_to_projects(),
    Key::new(
        "plugin.auto_disconnect",
        &["GIMP_BRIDGE_AUTO_DISCONNECT"],
        Type::SecondsOrNever,
        "Seconds after which the plug-in closes an idle connection; `true` for the usual 300, `false` for never.",
        |c| c.plugin.auto_disconnect.into(),
        |c, v| c.plugin.auto_disconnect = v.seconds(Plugin::default().auto_disconnect),
    )
    .open_to_projects(),
    Key::new(
        "plugin.exec",
        &["GIMP_BRIDGE_EXEC"],
        Type::Bool,
        "Whether clients may run Python inside GIMP.",
        |c| c.plugin.exec.into(),
        |c, v| c.plugin.exec = v.bool(),
    ),
    Key::new(
        "plugin.read_only",
        &["GIMP_BRIDGE_READ_ONLY"],
        Type::Bool,
        "Refuse everything that changes an image or writes a file.",
        |c| c.plugin.read_only.into(),
        |c, v| c.plugin.read_only = v.bool(),
    ),
    Key::new(
        "plugin.folders",
        &["GIMP_BRIDGE_FOLDERS"],
        Type::PathsOrAny,
        "The only folders in which clients may open and save files. Turns `plugin.exec` off unless the same file sets it.",
        |c| paths(c.plugin.folders.as_deref()),
        |c, v| c.plugin.folders = v.list().map(|list| list.into_iter().map(PathBuf::from).collect()),
    ),
    Key::new(
        "plugin.checkpoints",
        &["GIMP_BRIDGE_CHECKPOINTS"],
        Type::Int(0, 1000),
        "Automatic checkpoints kept for each image.",
        |c| u64::from(c.plugin.checkpoints).into(),
        |c, v| c.plugin.checkpoints = v.int() as u32,
    ),
    Key::new(
        "plugin.checkpoint_memory_mb",
        &["GIMP_BRIDGE_CHECKPOINT_MEMORY_MB"],
        Type::Int(16, 1 << 20),
        "Memory for all checkpoints together, in MiB; the oldest go first.",
        |c| c.plugin.checkpoint_memory_mb.into(),
        |c, v| c.plugin.checkpoint_memory_mb = v.int(),
    ),
    Key::new(
        "plugin.restart_after",
        &["GIMP_BRIDGE_RESTART_AFTER"],
        Type::SecondsOrNever,
        "Seconds beyond a call's own time limit after which the plug-in of a GIMP without windows, and if need be that GIMP, is started again because nothing runs in it any more.",
        |c| c.plugin.restart_after.into(),
        |c, v| c.plugin.restart_after = v.seconds(Plugin::default().restart_after),
    ),
    Key::new(
        "log.level",
        &["LOG_LEVEL"],
        Type::LogFilter,
        "How much is logged.",
        |c| c.log.level.as_str().into(),
        |c, v| c.log.level = v.text().unwrap_or_default(),
    )
    .open_to_projects(),
    Key::new(
        "log.json",
        &[],
        Type::Bool,
        "One JSON object per log line.",
        |c| c.log.json.into(),
        |c, v| c.log.json = v.bool(),
    )
    .open_to_projects(),
    Key::new(
        "log.file",
        &[],
        Type::Path,
        "Log into this file instead of stderr.",
        |c| c.log.file.as_deref().into(),
        |c, v| c.log.file = v.text().map(PathBuf::from),
    ),
    Key::new(
        "log.rotate",
        &[],
        Type::Choice(&["daily", "size", "never"]),
        "When the log file is put aside for a new one: at midnight UTC, at `log.max_mb`, or never.",
        |c| {
            match c.log.rotate {
                Rotate::Daily => "daily",
                Rotate::Size => "size",
                Rotate::Never => "never",
            }
            .into()
        },
        |c, v| {
            c.log.rotate = match v.text().as_deref() {
                Some("size") => Rotate::Size,
                Some("never") => Rotate::Never,
                _ => Rotate::Daily,
            }
        },
    ),
    Key::new(
        "log.max_mb",
        &[],
        Type::Int(1, 1 << 20),
        "MiB of one log file with `log.rotate` size.",
        |c| c.log.max_mb.into(),
        |c, v| c.log.max_mb = v.int(),
    ),
    Key::new(
        "log.keep",
        &[],
        Type::Int(0, 1000),
        "Older log files that stay.",
        |c| (c.log.keep as u64).into(),
        |c, v| c.log.keep = v.int() as usize,
    ),
    Key::new(
        "service.name",
        &["SERVICE_NAME"],
        Type::Text,
        "What the service calls itself in JSON logs, metrics and `/health`.",
        |c| c.service.name.as_str().into(),
        |c, v| c.service.name = v.text().unwrap_or_default(),
    )
    .open_to_projects(),
    Key::new(
        "storage.backend",
        &["STORAGE_BACKEND"],
        Type::Choice(&["file", "s3"]),
        "Where generated images are kept.",
        |c| c.storage.backend.name().into(),
        |c, v| c.storage.backend = v.text().and_then(|name| StorageBackend::from_name(&name)).unwrap_or_default(),
    ),
    Key::new(
        "storage.fallback",
        &[],
        Type::Choice(&["none", "file", "s3"]),
        "The other backend, which takes new images while `storage.backend` fails; answers say so.",
        |c| c.storage.fallback.map_or("none", StorageBackend::name).into(),
        |c, v| c.storage.fallback = v.text().and_then(|name| StorageBackend::from_name(&name)),
    ),
    Key::new(
        "storage.path",
        &["STORAGE_PATH"],
        Type::Path,
        "Folder of the `file` backend.",
        |c| Value::Text(c.storage.path.to_string_lossy().into_owned()),
        |c, v| c.storage.path = v.text().map(PathBuf::from).unwrap_or_default(),
    ),
    Key::new(
        "storage.s3_bucket",
        &["S3_BUCKET"],
        Type::Text,
        "Bucket of the `s3` backend.",
        |c| c.storage.s3_bucket.as_str().into(),
        |c, v| c.storage.s3_bucket = v.text().unwrap_or_default(),
    ),
    Key::new(
        "storage.s3_prefix",
        &["S3_PREFIX"],
        Type::Text,
        "Put before every object's name.",
        |c| c.storage.s3_prefix.as_str().into(),
        |c, v| c.storage.s3_prefix = v.text().unwrap_or_default(),
    ),
    Key::new(
        "storage.s3_endpoint_url",
        &["S3_ENDPOINT_URL"],
        Type::Url,
        "Server of the `s3` backend, for MinIO and others that are not AWS.",
        |c| c.storage.s3_endpoint_url.as_deref().into(),
        |c, v| c.storage.s3_endpoint_url = v.text(),
    ),
    Key::new(
        "storage.aws_region",
        &["AWS_REGION", "AWS_DEFAULT_REGION"],
        Type::Text,
        "Region of the bucket.",
        |c| c.storage.aws_region.as_deref().into(),
        |c, v| c.storage.aws_region = v.text(),
    ),
    Key::new(
        "storage.aws_access_key_id",
        &["AWS_ACCESS_KEY_ID"],
        Type::Text,
        "Access key of the `s3` backend. Left out: the role of the instance, container or service account.",
        |c| c.storage.aws_access_key_id.as_deref().into(),
        |c, v| c.storage.aws_access_key_id = v.text(),
    )
    .secret(),
    Key::new(
        "storage.aws_secret_access_key",
        &["AWS_SECRET_ACCESS_KEY"],
        Type::Text,
        "Secret key of the `s3` backend.",
        |c| c.storage.aws_secret_access_key.as_deref().into(),
        |c, v| c.storage.aws_secret_access_key = v.text(),
    )
    .secret(),
    Key::new(
        "storage.aws_session_token",
        &["AWS_SESSION_TOKEN"],
        Type::Text,
        "Token of temporary credentials.",
        |c| c.storage.aws_session_token.as_deref().into(),
        |c, v| c.storage.aws_session_token = v.text(),
    )
    .secret(),
    Key::new(
        "storage.presigned",
        &[],
        Type::Bool,
        "Whether the links to images lead to the bucket itself, signed until the image expires, instead of to this daemon.",
        |c| c.storage.presigned.into(),
        |c, v| c.storage.presigned = v.bool(),
    ),
    Key::new(
        "storage.quota_mb",
        &[],
        Type::Int(0, 1 << 30),
        "MiB of generated images together; the oldest go first. 0: no bound.",
        |c| c.storage.quota_mb.unwrap_or(0).into(),
        |c, v| c.storage.quota_mb = Some(v.int()).filter(|most| *most > 0),
    ),
    Key::new(
        "assistant.url",
        &[],
        Type::Url,
        "OpenAI-compatible API whose model answers `ai_assistant`, such as `http://127.0.0.1:11434/v1`; the embedded assistant if left out.",
        |c| c.assistant.url.as_deref().into(),
        |c, v| c.assistant.url = v.text(),
    ),
    Key::new(
        "assistant.model",
        &[],
        Type::Text,
        "Name of that model.",
        |c| c.assistant.model.as_str().into(),
        |c, v| c.assistant.model = v.text().unwrap_or_default(),
    ),
    Key::new(
        "assistant.api_key",
        &[],
        Type::Text,
        "Bearer token for that API.",
        |c| c.assistant.api_key.as_deref().into(),
        |c, v| c.assistant.api_key = v.text(),
    )
    .secret(),
    Key::new(
        "assistant.timeout",
        &[],
        Type::Int(1, 3600),
        "Seconds that the model may take.",
        |c| c.assistant.timeout.into(),
        |c, v| c.assistant.timeout = v.int(),
    ),
    Key::new(
        "kserve.endpoint",
        &["KSERVE_ENDPOINT"],
        Type::Url,
        "URL of a text-to-image model on KServe (protocol v1), such as `http://diffusers-runtime:8080/v1/models/stable-diffusion`, or the server's address alone; declares the backend `kserve`.",
        |c| c.kserve.endpoint.as_deref().into(),
        |c, v| c.kserve.endpoint = v.text(),
    ),
    Key::new(
        "kserve.model_name",
        &["KSERVE_MODEL_NAME"],
        Type::Text,
        "Name of that model, where the endpoint does not have it.",
        |c| c.kserve.model_name.as_str().into(),
        |c, v| c.kserve.model_name = v.text().unwrap_or_default(),
    ),
    Key::new(
        "kserve.timeout",
        &["KSERVE_TIMEOUT"],
        SECONDS,
        "Seconds that this backend may take for one image.",
        |c| c.kserve.timeout.into(),
        |c, v| c.kserve.timeout = v.int(),
    ),
    Key::new(
        "generate.backends",
        &[],
        Type::Path,
        "TOML file that declares more backends ([generation.md](generation.md)).",
        |c| c.generate.backends.as_deref().into(),
        |c, v| c.generate.backends = v.text().map(PathBuf::from),
    ),
    Key::new(
        "generate.order",
        &[],
        Type::List,
        "Backends by name: the first is the default, the others take over in turn when it fails. Left out: the one of `kserve.endpoint`, else the first of the file, and no other takes over.",
        |c| Value::List(c.generate.order.clone()),
        |c, v| c.generate.order = v.list().unwrap_or_default(),
    ),
    Key::new(
        "generate.parallel",
        &[],
        Type::Int(1, 256),
        "Images that one backend makes at once, unless its declaration says otherwise; more wait, each client in its turn.",
        |c| (c.generate.parallel as u64).into(),
        |c, v| c.generate.parallel = v.int() as usize,
    ),
    Key::new(
        "generate.retries",
        &[],
        Type::Int(0, 10),
        "Tries again after a failure that may pass, unless the backend's declaration says otherwise.",
        |c| u64::from(c.generate.retries).into(),
        |c, v| c.generate.retries = v.int() as u32,
    ),
    Key::new(
        "generate.prompt_patterns",
        &[],
        Type::Path,
        "File with a regular expression a line; a prompt that one of them matches is refused. A line that begins with `#` names the rule below it.",
        |c| c.generate.prompt_patterns.as_deref().into(),
        |c, v| c.generate.prompt_patterns = v.text().map(PathBuf::from),
    ),
    Key::new(
        "generate.prompt_hook",
        &[],
        Type::Path,
        "Program that gets each request as JSON on stdin; exit status 1 refuses it, and the first line of its output says why.",
        |c| c.generate.prompt_hook.as_deref().into(),
        |c, v| c.generate.prompt_hook = v.text().map(PathBuf::from),
    ),
    Key::new(
        "generate.context_margin",
        &[],
        Type::Share,
        "How much round a selection is sent as context when it is filled or varied inside GIMP: a share of its longer side.",
        |c| Value::Share(c.generate.context_margin),
        |c, v| c.generate.context_margin = v.share(),
    ),
    Key::new(
        "images.public",
        &[],
        Type::Bool,
        "Whether an image's address, which nobody can guess, is enough to get it; else that takes a key with `generate`.",
        |c| c.images.public.into(),
        |c, v| c.images.public = v.bool(),
    ),
    Key::new(
        "images.cleanup_interval",
        &["IMAGE_CLEANUP_INTERVAL"],
        SECONDS,
        "Seconds between two sweeps for expired images.",
        |c| c.images.cleanup_interval.into(),
        |c, v| c.images.cleanup_interval = v.int(),
    )
    .open_to_projects(),
    Key::new(
        "images.ttl",
        &["IMAGE_TTL"],
        SECONDS,
        "Seconds that a generated image is kept.",
        |c| c.images.ttl.into(),
        |c, v| c.images.ttl = v.int(),
    ),
    Key::new(
        "images.max_size",
        &["MAX_IMAGE_SIZE"],
        Type::Int(1024, 4 << 30),
        "Largest image that is stored or served, in bytes.",
        |c| c.images.max_size.into(),
        |c, v| c.images.max_size = v.int(),
    )
    .open_to_projects(),
    Key::new(
        "pictures.max_kb",
        &[],
        Type::Int(0, 1_000_000),
        "Kilobytes of base64 that the pictures of one answer to an MCP client may have, unless the call gives `max_bytes`; 0: no bound. Claude Desktop refuses answers above 1,048.",
        |c| c.pictures.max_kb.into(),
        |c, v| c.pictures.max_kb = v.int(),
    ),
    Key::new(
        "filters.folder",
        &[],
        Type::Path,
        "Folder of installed AI models; one in the user's data folder if left out.",
        |c| c.filters.folder.as_deref().into(),
        |c, v| c.filters.folder = v.text().map(PathBuf::from),
    ),
    Key::new(
        "filters.runtime",
        &["ORT_DYLIB_PATH"],
        Type::Path,
        "ONNX Runtime's library; if left out, the one of `gimp-bridge filters setup`, or the system's.",
        |c| c.filters.runtime.as_deref().into(),
        |c, v| c.filters.runtime = v.text().map(PathBuf::from),
    ),
    Key::new(
        "filters.provider",
        &[],
        Type::Choice(Provider::NAMES),
        "What computes AI filters, if the library can; else the processor does, and the answer says so.",
        |c| c.filters.provider.name().into(),
        |c, v| c.filters.provider = v.text().and_then(|name| Provider::from_name(&name)).unwrap_or_default(),
    )
    .open_to_projects(),
    Key::new(
        "filters.threads",
        &[],
        Type::Int(0, 256),
        "Threads that compute AI filters; 0 leaves one processor to GIMP.",
        |c| (c.filters.threads as u64).into(),
        |c, v| c.filters.threads = v.int() as usize,
    )
    .open_to_projects(),
    Key::new(
        "filters.memory_mb",
        &[],
        Type::Int(64, 1 << 20),
        "Memory for one tile's work, in MiB; larger pictures go through in more tiles. The process of a model that you added gets this much and what model and program take; more where the model looks at more at once (8 KiB for each pixel), up to half of the machine.",
        |c| u64::from(c.filters.memory_mb).into(),
        |c, v| c.filters.memory_mb = v.int() as u32,
    )
    .open_to_projects(),
    Key::new(
        "filters.models",
        &[],
        Type::Int(1, 64),
        "AI models kept loaded.",
        |c| (c.filters.models as u64).into(),
        |c, v| c.filters.models = v.int() as usize,
    )
    .open_to_projects(),
    Key::new(
        "filters.model_memory_mb",
        &[],
        Type::Int(64, 1 << 20),
        "Memory for loaded AI models together, in MiB, as far as their files tell.",
        |c| u64::from(c.filters.model_memory_mb).into(),
        |c, v| c.filters.model_memory_mb = v.int() as u32,
    )
    .open_to_projects(),
    Key::new(
        "filters.idle",
        &[],
        SECONDS,
        "Seconds after which an unused AI model is unloaded.",
        |c| c.filters.idle.into(),
        |c, v| c.filters.idle = v.int(),
    )
    .open_to_projects(),
    Key::new(
        "filters.parallel",
        &[],
        Type::Int(1, 64),
        "AI filters that run at once; more wait their turn.",
        |c| (c.filters.parallel as u64).into(),
        |c, v| c.filters.parallel = v.int() as usize,
    )
    .open_to_projects(),
];

fn mode_name(mode: GimpMode) -> &'static str {
    match mode {
        GimpMode::Attach => "attach",
        GimpMode::Headless => "headless",
        GimpMode::Gui => "gui",
        GimpMode::None => "none",
    }
}

fn paths(folders: Option<&[PathBuf]>) -> Value {
    folders.map_or(Value::Nothing, |list| {
        Value::List(list.iter().map(|path| path.to_string_lossy().into_owned()).collect())
    })
}
