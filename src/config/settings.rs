//! Every setting, declared once: field, type, default, environment names, and the sentences of the reference page.

use super::field::Field;
use super::key::{Key, settings};
use super::value::Type;
use super::{Config, GimpMode, Host, Network, Provider, Rotate, StorageBackend};
use std::path::PathBuf;

settings! {
    /// The HTTP daemon.
    server: Server {
        /// Address that the HTTP daemon listens on; `localhost` is 127.0.0.1 and [::1]; any but loopback needs
        /// `server.api_key` or `server.api_keys`.
        host: Host = Host::LOOPBACK, env("HOST");
        /// Port that the HTTP daemon listens on; 0 takes a free one.
        port: u16 = 8000, env("PORT"), project;
        /// Host header values accepted beside the loopback names and `server.host`.
        allowed_hosts: Vec<String> = vec![];
        /// Origin header values accepted beside loopback origins.
        allowed_origins: Vec<String> = vec![];
        /// Addresses and networks (`10.0.0.0/8`) of reverse proxies whose Forwarded and X-Forwarded-* headers are
        /// believed; from any other peer such headers need a key.
        trusted_proxies: Vec<Network> = vec![];
        /// Key with every right, sent as bearer token or `X-API-Key`; with one set, every request must carry a key.
        api_key: Option<String> = None, secret;
        /// More keys, each `NAME:RIGHTS:KEY` with rights `read`, `edit`, `exec`, `generate` joined by `+`.
        api_keys: Vec<String> = vec![], secret;
        /// Whether keys with the right `exec` may run Python in GIMP when `server.host` is no loopback address.
        exec_remote: bool = false;
        /// PEM file with the certificate chain; with `server.tls_key` the daemon speaks HTTPS.
        tls_certificate: Option<PathBuf> = None;
        /// PEM file with the private key.
        tls_key: Option<PathBuf> = None;
        /// Requests a second for each client, twice as many in a burst; 0 for no limit.
        rate_limit: Option<u64> as Limit(1_000_000) = Some(1000);
        /// Requests that run at once, all clients together, three quarters of them for one client at most; more are
        /// answered 429.
        max_requests: usize as Int(1, 65535) = 512;
        /// Connections at once; with one more, the one that has waited longest for a request is closed.
        max_connections: usize as Int(16, 65535) = 1024;
        /// Largest HTTP request body, in bytes.
        max_body: usize as Int(1024, 4 << 30) = 256 << 20;
        /// Threads that serve requests.
        workers: usize as Int(1, 256) = 2, env("WORKERS"), project;
        /// What MCP clients see as tools: `core` (about 30), `all`, names of packs (`paint`, `layers`, …) or
        /// operations; every operation can be called in any case.
        tools: Vec<String> = vec!["core".into()], env("GIMP_BRIDGE_TOOLS"), project;
        /// Address under which clients reach this daemon, such as `https://images.example.org`; links to images begin
        /// with it. Left out: what a trusted proxy says, else the name that the client used.
        public_url: Option<String> as BaseUrl = None;
        /// Rights of callers without a key when `server.host` is no loopback address: `generate`, `read`, `edit`.
        /// Without any, such callers are refused. They may not name files, nor list or delete generated images.
        anonymous: Vec<String> = vec![];
    }

    /// The sessions of the JSON-RPC API, and what is uploaded to it.
    sessions: Sessions {
        /// Folder that holds the state of JSON-RPC sessions and uploads; one in the state folder if left out.
        folder: Option<PathBuf> = None;
        /// Sessions that may be open at once.
        max: usize as Int(1, 4096) = 64;
        /// Seconds without a request after which a session expires.
        idle: Option<u64> as SecondsOrNever = Some(3600);
        /// Seconds that the unsaved work of an expired session is kept; until then its id brings it back.
        kept: u64 as SECONDS = 86_400;
        /// MiB on disk for sessions, kept work and uploads together.
        disk_mb: u64 as Int(16, 1 << 30) = 10_240;
        /// Largest upload, in MiB.
        upload_mb: u64 as Int(1, 1024) = 1024;
        /// Seconds that an upload is kept after its last byte came.
        upload_kept: u64 as SECONDS = 3600;
    }

    /// Which GIMP to use.
    gimp: Gimp {
        /// Use running GIMPs, start one without or with a window, or look for none: images from words and filters on
        /// pictures that are sent work all the same.
        mode: GimpMode = GimpMode::Attach, project;
        /// GIMP to start: the program, its folder, or a folder that scripts/setup-gimp made; found by itself if left
        /// out.
        executable: Option<PathBuf> = None;
        /// Profile folder of a started GIMP; a private one if left out.
        profile: Option<PathBuf> = None;
        /// Use only the GIMP whose plug-in listens on this port.
        port: Option<u16> as Int(1, 65535) = None, project;
        /// Folder of the secret, the plug-in's settings and the list of running GIMPs; the user's state folder if left
        /// out.
        state_dir: Option<PathBuf> = None, env("GIMP_BRIDGE_STATE_DIR");
    }

    /// What goes into `plugin.json`, the plug-in's policies.
    plugin: Plugin {
        /// Port that the plug-in listens on inside GIMP; a second GIMP takes a free one.
        port: u16 = 9877, env("GIMP_BRIDGE_PORT"), project;
        /// Seconds after which the plug-in closes an idle connection; `true` for the usual 300, `false` for never.
        auto_disconnect: Option<u64> as SecondsOrNever = Some(300), env("GIMP_BRIDGE_AUTO_DISCONNECT"), project;
        /// Whether clients may run Python inside GIMP.
        exec: bool = true, env("GIMP_BRIDGE_EXEC");
        /// Refuse everything that changes an image or writes a file.
        read_only: bool = false, env("GIMP_BRIDGE_READ_ONLY");
        /// The only folders in which clients may open and save files. Turns `plugin.exec` off unless the same file sets
        /// it.
        folders: Option<Vec<PathBuf>> = None, env("GIMP_BRIDGE_FOLDERS");
        /// Automatic checkpoints kept for each image.
        checkpoints: u32 as Int(0, 1000) = 20, env("GIMP_BRIDGE_CHECKPOINTS");
        /// Memory for all checkpoints together, in MiB; the oldest go first.
        checkpoint_memory_mb: u64 as Int(16, 1 << 20) = 1024, env("GIMP_BRIDGE_CHECKPOINT_MEMORY_MB");
        /// Seconds beyond a call's own time limit after which the plug-in of a GIMP without windows, and if need be
        /// that GIMP, is started again because nothing runs in it any more.
        restart_after: Option<u64> as SecondsOrNever = Some(60), env("GIMP_BRIDGE_RESTART_AFTER");
    }

    /// Logging to stderr or to a file.
    log: Log {
        /// How much is logged.
        level: String as LogFilter = "info".into(), env("LOG_LEVEL"), project;
        /// One JSON object per log line.
        json: bool = false, project;
        /// Log into this file instead of stderr.
        file: Option<PathBuf> = None;
        /// When the log file is put aside for a new one: at midnight UTC, at `log.max_mb`, or never.
        rotate: Rotate = Rotate::Daily;
        /// MiB of one log file with `log.rotate` size.
        max_mb: u64 as Int(1, 1 << 20) = 20;
        /// Older log files that stay.
        keep: usize as Int(0, 1000) = 7;
    }

    /// What the service calls itself in logs and metrics.
    service: Service {
        /// What the service calls itself in JSON logs, metrics and `/health`.
        name: String = "gimp-bridge".into(), env("SERVICE_NAME"), project;
    }

    /// Where generated images are kept.
    storage: Storage {
        /// Where generated images are kept.
        backend: StorageBackend = StorageBackend::File, env("STORAGE_BACKEND");
        /// The other backend, which takes new images while `storage.backend` fails; answers say so.
        fallback: Option<StorageBackend> as ChoiceOrNone(StorageBackend::NAMES) = None;
        /// Folder of the `file` backend.
        path: PathBuf = images_folder(), env("STORAGE_PATH");
        /// Bucket of the `s3` backend.
        s3_bucket: String = "image-generation".into(), env("S3_BUCKET");
        /// Put before every object's name.
        s3_prefix: String = "mcp-server/".into(), env("S3_PREFIX");
        /// Server of the `s3` backend, for MinIO and others that are not AWS.
        s3_endpoint_url: Option<String> as Url = None, env("S3_ENDPOINT_URL");
        /// Region of the bucket.
        aws_region: Option<String> = None, env("AWS_REGION", "AWS_DEFAULT_REGION");
        /// Access key of the `s3` backend. Left out: the role of the instance, container or service account.
        aws_access_key_id: Option<String> = None, env("AWS_ACCESS_KEY_ID"), secret;
        /// Secret key of the `s3` backend.
        aws_secret_access_key: Option<String> = None, env("AWS_SECRET_ACCESS_KEY"), secret;
        /// Token of temporary credentials.
        aws_session_token: Option<String> = None, env("AWS_SESSION_TOKEN"), secret;
        /// Whether the links to images lead to the bucket itself, signed until the image expires, instead of to this
        /// daemon.
        presigned: bool = false;
        /// MiB of generated images together; the oldest go first. 0: no bound.
        quota_mb: Option<u64> as Limit(1 << 30) = Some(10_240);
    }

    /// A model behind `ai_assistant`, instead of the embedded intents.
    assistant: Assistant {
        /// OpenAI-compatible API whose model answers `ai_assistant`, such as `http://127.0.0.1:11434/v1`; the embedded
        /// assistant if left out.
        url: Option<String> as Url = None;
        /// Name of that model.
        model: String = "default".into();
        /// Bearer token for that API.
        api_key: Option<String> = None, secret;
        /// Seconds that the model may take.
        timeout: u64 as Int(1, 3600) = 60;
    }

    /// The cluster that generates images.
    kserve: Kserve {
        /// URL of a text-to-image model on KServe (protocol v1), such as
        /// `http://diffusers-runtime:8080/v1/models/stable-diffusion`, or the server's address alone; declares the
        /// backend `kserve`.
        endpoint: Option<String> as Url = None, env("KSERVE_ENDPOINT");
        /// Name of that model, where the endpoint does not have it.
        model_name: String = "stable-diffusion".into(), env("KSERVE_MODEL_NAME");
        /// Seconds that this backend may take for one image.
        timeout: u64 as SECONDS = 60, env("KSERVE_TIMEOUT");
    }

    /// What makes images from words, beside the one of [`Kserve`].
    generate: Generate {
        /// TOML file that declares more backends ([generation.md](generation.md)).
        backends: Option<PathBuf> = None;
        /// Backends by name: the first is the default, the others take over in turn when it fails. Left out: the one of
        /// `kserve.endpoint`, else the first of the file, and no other takes over.
        order: Vec<String> = vec![];
        /// Images that one backend makes at once, unless its declaration says otherwise; more wait, each client in its
        /// turn.
        parallel: usize as Int(1, 256) = 4;
        /// Tries again after a failure that may pass, unless the backend's declaration says otherwise.
        retries: u32 as Int(0, 10) = 2;
        /// File with a regular expression a line; a prompt that one of them matches is refused. A line that begins with
        /// `#` names the rule below it.
        prompt_patterns: Option<PathBuf> = None;
        /// Program that gets each request as JSON on stdin; exit status 1 refuses it, and the first line of its output
        /// says why.
        prompt_hook: Option<PathBuf> = None;
        /// How much round a selection is sent as context when it is filled or varied inside GIMP: a share of its longer
        /// side.
        context_margin: f64 = 0.25;
    }

    /// How long generated images live, how large they may be, and who may see them.
    images: Images {
        /// Whether an image's address, which nobody can guess, is enough to get it; else that takes a key with
        /// `generate`.
        public: bool = true;
        /// Seconds between two sweeps for expired images.
        cleanup_interval: u64 as SECONDS = 300, env("IMAGE_CLEANUP_INTERVAL"), project;
        /// Seconds that a generated image is kept.
        ttl: u64 as SECONDS = 3600, env("IMAGE_TTL");
        /// Largest image that is stored or served, in bytes.
        max_size: u64 as Int(1024, 4 << 30) = 10 << 20, env("MAX_IMAGE_SIZE"), project;
    }

    /// The pictures in answers to AI clients.
    pictures: Pictures {
        /// Kilobytes of base64 that the pictures of one answer to an MCP client may have, unless the call gives
        /// `max_bytes`; 0: no bound. Claude Desktop refuses answers above 1,048.
        max_kb: u64 as Int(0, 1_000_000) = 600;
    }

    /// AI filters.
    filters: Filters {
        /// Folder of installed AI models; one in the user's data folder if left out.
        folder: Option<PathBuf> = None;
        /// ONNX Runtime's library; if left out, the one of `gimp-bridge filters setup`, or the system's.
        runtime: Option<PathBuf> = None, env("ORT_DYLIB_PATH");
        /// What computes AI filters, if the library can; else the processor does, and the answer says so.
        provider: Provider = Provider::Cpu, project;
        /// Threads that compute AI filters; 0 leaves one processor to GIMP.
        threads: usize as Int(0, 256) = 0, project;
        /// Memory for one tile's work, in MiB; larger pictures go through in more tiles. The process of a model that
        /// you added gets this much and what model and program take; more where the model looks at more at once (8 KiB
        /// for each pixel), up to half of the machine.
        memory_mb: u32 as Int(64, 1 << 20) = 768, project;
        /// AI models kept loaded.
        models: usize as Int(1, 64) = 4, project;
        /// Memory for loaded AI models together, in MiB, as far as their files tell.
        model_memory_mb: u32 as Int(64, 1 << 20) = 4096, project;
        /// Seconds after which an unused AI model is unloaded.
        idle: u64 as SECONDS = 300, project;
        /// AI filters that run at once; more wait their turn.
        parallel: usize as Int(1, 64) = 2, project;
    }
}

fn images_folder() -> PathBuf {
    if cfg!(unix) { "/tmp/mcp-images".into() } else { std::env::temp_dir().join("mcp-images") }
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
