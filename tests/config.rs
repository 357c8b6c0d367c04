//! The settings table, precedence, and the texts of configuration errors.

use gimp_bridge::config::{Config, Flag, GimpMode, KEYS, Origin, Sources, StorageBackend, markdown};
use gimp_bridge::error::{Error, Kind};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

struct Folders {
    _keep: tempfile::TempDir,
    sources: Sources,
}

/// Empty user and working folders.
fn folders() -> Folders {
    let keep = tempfile::tempdir().unwrap();
    let (user, work) = (keep.path().join("user"), keep.path().join("work"));
    std::fs::create_dir_all(&user).unwrap();
    std::fs::create_dir_all(&work).unwrap();
    let sources = Sources { user_folder: Some(user), working_folder: work, ..Sources::default() };
    Folders { _keep: keep, sources }
}

impl Folders {
    fn user(&self, text: &str) -> &Self {
        std::fs::write(self.sources.user_folder.as_ref().unwrap().join("gimp-bridge.toml"), text).unwrap();
        self
    }

    fn local(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.sources.working_folder.join(name), text).unwrap();
        self
    }

    fn env(&mut self, pairs: &[(&str, &str)]) -> &Self {
        self.sources.environment =
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<BTreeMap<_, _>>();
        self
    }

    fn flag(&mut self, flag: Flag) -> &Self {
        self.sources.flags = vec![flag];
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.sources).unwrap()
    }

    fn refused(&self) -> Error {
        let error = Config::load(&self.sources).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
        error
    }
}

#[test]
fn names_are_unique_and_documented() {
    let mut seen = HashSet::new();
    for key in KEYS {
        for name in std::iter::once(key.name.to_owned()).chain(key.env_names()) {
            assert!(seen.insert(name.clone()), "`{name}` is declared twice");
        }
        assert!(key.doc.ends_with('.') && key.doc.len() > 12, "{}", key.name);
        assert_eq!(key.name.split('.').count(), 2, "{}", key.name);
    }
}

#[test]
fn the_reference_page_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let committed = std::fs::read_to_string(page).unwrap().replace("\r\n", "\n");
    assert_eq!(committed, markdown(), "run `gimp-bridge config --reference > docs/configuration.md`");
}

/// A text that the key allows and that is not its default.
fn another_value(name: &str) -> &'static str {
    match name {
        "server.host" => "192.0.2.7",
        "gimp.mode" => "gui",
        "storage.backend" => "s3",
        "log.level" => "trace",
        "log.json" | "plugin.read_only" | "server.exec_remote" => "true",
        "log.rotate" => "size",
        "server.api_keys" => "ci:read:0123456789abcdef",
        "sessions.upload_mb" | "log.keep" => "101",
        "plugin.exec" => "false",
        "storage.s3_endpoint_url" | "kserve.endpoint" | "assistant.url" => "https://example.test/v1",
        "plugin.folders"
        | "gimp.executable"
        | "gimp.profile"
        | "gimp.state_dir"
        | "storage.path"
        | "sessions.folder"
        | "log.file"
        | "server.tls_certificate"
        | "server.tls_key" => {
            if cfg!(windows) {
                r"C:\x"
            } else {
                "/x/y"
            }
        }
        "server.allowed_hosts" | "server.allowed_origins" => "a.test,b.test",
        "service.name" | "kserve.model_name" => "other",
        name if name.starts_with("storage.") || name == "server.api_key" => "text",
        "filters.folder" | "filters.runtime" => "/opt/filters",
        "filters.provider" => "cuda",
        "filters.threads" | "filters.models" | "filters.parallel" => "7",
        _ => "1025",
    }
}

#[test]
fn every_key_is_set_by_every_one_of_its_names() {
    for key in KEYS {
        let text = another_value(key.name);
        let text = if key.name == "server.workers" || key.name == "plugin.checkpoints" { "101" } else { text };
        for name in key.env_names() {
            let mut folders = folders();
            let config = folders.env(&[(&name, text)]).load();
            assert_ne!(key.get(&config), key.get(&Config::default()), "{name} did not change {}", key.name);
            assert_eq!(config.origin(key.name), Origin::Environment(name));
            for other in KEYS.iter().filter(|other| other.name != key.name) {
                assert_eq!(other.get(&config), other.get(&Config::default()), "{} moved {}", key.name, other.name);
            }
        }
    }
}

#[test]
fn later_sources_win() {
    let mut folders = folders();
    folders.user("[server]\nport = 1\n");
    assert_eq!(folders.load().server.port, 1);
    folders.local("gimp-bridge.toml", "\n[server]\nport = 2\n");
    assert_eq!(folders.load().server.port, 2);
    assert_eq!(
        folders.load().origin("server.port"),
        Origin::File(folders.sources.working_folder.join("gimp-bridge.toml"), 3)
    );
    folders.local(".env", "# theirs\nexport PORT=3 # ours\n");
    assert_eq!(folders.load().server.port, 3);
    assert_eq!(folders.load().origin("server.port"), Origin::File(folders.sources.working_folder.join(".env"), 2));
    folders.env(&[("PORT", "4")]);
    assert_eq!(folders.load().server.port, 4);
    folders.env(&[("PORT", "4"), ("GIMP_BRIDGE_SERVER_PORT", "5")]);
    assert_eq!(folders.load().server.port, 5);
    folders.flag(("--port", "server.port", "6".into()));
    assert_eq!(folders.load().server.port, 6);
    assert_eq!(folders.load().origin("server.port").to_string(), "flag --port");
}

#[test]
fn a_named_file_replaces_the_other_two() {
    let mut folders = folders();
    folders
        .user("[server]\nport = 1\n")
        .local("gimp-bridge.toml", "nonsense")
        .local("own.toml", "[log]\njson = true\n");
    let own = folders.sources.working_folder.join("own.toml");
    folders.env(&[("GIMP_BRIDGE_CONFIG", own.to_str().unwrap())]);
    let config = folders.load();
    assert_eq!((config.server.port, config.log.json), (8000, true));
    folders.sources.file = Some(own.with_file_name("absent.toml"));
    assert!(folders.refused().message.contains("absent.toml"));
}

#[test]
fn the_specified_variables_work() {
    let mut folders = folders();
    let config = folders
        .env(&[
            ("SERVICE_NAME", "mcp-image-server"),
            ("LOG_LEVEL", "WARNING"),
            ("STORAGE_BACKEND", "S3"),
            ("S3_BUCKET", "image-generation"),
            ("S3_PREFIX", "mcp-server/"),
            ("S3_ENDPOINT_URL", ""),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("KSERVE_ENDPOINT", "http://diffusers-runtime:8080/v1/models/stable-diffusion"),
            ("KSERVE_TIMEOUT", "90"),
            ("IMAGE_CLEANUP_INTERVAL", "30"),
            ("IMAGE_TTL", "60"),
            ("MAX_IMAGE_SIZE", "2048"),
            ("HOST", "0.0.0.0"),
            ("PORT", "80"),
            ("WORKERS", "4"),
        ])
        .load();
    assert_eq!((config.service.name.as_str(), config.log.level.as_str()), ("mcp-image-server", "warn"));
    assert_eq!((config.storage.backend, config.storage.s3_endpoint_url.clone()), (StorageBackend::S3, None));
    assert_eq!((config.kserve.timeout, config.images.ttl, config.images.max_size), (90, 60, 2048));
    assert_eq!(
        (config.server.host.to_string().as_str(), config.server.port, config.server.workers),
        ("0.0.0.0", 80, 4)
    );
    assert!(!format!("{config:?}").contains("hush"), "a secret is printed");
}

#[test]
fn toml_values_have_their_types() {
    let folders = folders();
    folders.user(
        "gimp.mode = 'headless'\n[plugin]\nauto_disconnect = false\nexec = false\nport = 0x1_00\n[storage]\npath = 'out'\n",
    );
    let config = folders.load();
    assert_eq!(
        (config.gimp.mode, config.plugin.auto_disconnect, config.plugin.exec),
        (GimpMode::Headless, None, false)
    );
    assert_eq!(config.plugin.port, 256);
    assert_eq!(config.storage.path, Some(folders.sources.user_folder.as_ref().unwrap().join("out")));
}

#[test]
fn an_unknown_key_names_the_line_and_the_nearest() {
    let folders = folders();
    let file = folders.sources.user_folder.as_ref().unwrap().join("gimp-bridge.toml");
    for (text, line, key, nearest) in [
        ("[server]\n# x\nprot = 1\n", 3, "server.prot", Some("server.port")),
        ("[server]\nhost = '::1'\n\n[gimp]\nheadless = true\n", 5, "gimp.headless", None),
        ("max_body = 1\n", 1, "max_body", Some("server.max_body")),
        ("[plugin.exec]\nallow = true\n", 1, "plugin.exec", None),
    ] {
        folders.user(text);
        let error = folders.refused();
        if key == "plugin.exec" {
            assert_eq!(
                error.message,
                format!("{}:1: `[plugin.exec]` is not allowed for `plugin.exec`", file.display())
            );
            continue;
        }
        assert_eq!(error.message, format!("{}:{line}: unknown key `{key}`", file.display()));
        match nearest {
            Some(nearest) => assert_eq!(error.hint.unwrap(), format!("did you mean `{nearest}`?")),
            None => assert_eq!(error.hint.unwrap(), "docs/configuration.md lists the keys"),
        }
    }
}

#[test]
fn a_bad_value_names_place_value_and_what_is_allowed() {
    let mut folders = folders();
    let file = folders.sources.user_folder.as_ref().unwrap().join("gimp-bridge.toml");
    folders.user("[server]\nport = 70000\n");
    let error = folders.refused();
    assert_eq!(error.message, format!("{}:2: `70000` is not allowed for `server.port`", file.display()));
    assert_eq!(error.hint.unwrap(), "allowed: a whole number from 0 to 65535");
    for text in [
        "[server]\nport = '80'",
        "[server]\nport = -1",
        "[log]\nlevel = 'loud'",
        "[log]\njson = 1",
        "[gimp]\nmode = 'x'",
    ] {
        folders.user(text);
        assert!(folders.refused().hint.unwrap().starts_with("allowed: "), "{text}");
    }
    folders.user("[server\n");
    assert!(folders.refused().message.starts_with(&format!("{}:1: ", file.display())));
    folders.user("");
    folders.env(&[("HOST", "my-laptop")]);
    let error = folders.refused();
    assert_eq!(error.message, "environment variable HOST: `my-laptop` is not allowed for `server.host`");
    assert!(error.hint.unwrap().ends_with("GIMP_BRIDGE_SERVER_HOST wins over HOST"));
    folders.env(&[("HOST", "my-laptop"), ("GIMP_BRIDGE_SERVER_HOST", "localhost")]);
    assert!(folders.load().server.host.is_loopback());
}

#[test]
fn an_unknown_variable_is_named_only_if_it_is_ours() {
    let mut folders = folders();
    folders.env(&[("GIMP_BRIDGE_SERVER_PROT", "1")]);
    let error = folders.refused();
    assert_eq!(error.message, "unknown environment variable `GIMP_BRIDGE_SERVER_PROT`");
    assert_eq!(error.hint.unwrap(), "did you mean `GIMP_BRIDGE_SERVER_PORT`?");
    folders.env(&[("GIMP_BRIDGE_TEST_GIMP", "3.0"), ("GIMP_BRIDGE_BIN", "x"), ("GIMP_BRIDGE_CACHE_DIR", "y")]);
    folders.local(".env", "THEIRS=\"unclosed\n SOME WORDS\nAWS_PROFILE=x\n");
    folders.load();
    folders.local(".env", "A=1\nGIMP_BRIDGE_NO=1\n");
    let env = folders.sources.working_folder.join(".env");
    assert_eq!(folders.refused().message, format!("{}:2: unknown variable `GIMP_BRIDGE_NO`", env.display()));
}

/// A cloned repository must not choose what is run or loosen the policies.
#[test]
fn the_working_folder_cannot_set_guarded_keys() {
    for key in KEYS.iter().filter(|key| key.guarded) {
        let folders = folders();
        folders.local(".env", &format!("\n{}={}\n", key.env_name(), another_value(key.name)));
        let error = folders.refused();
        assert!(error.message.contains(".env:2: ") && error.message.contains(key.name), "{}", error.message);
    }
    let folders = folders();
    folders.local("gimp-bridge.toml", "[gimp]\nexecutable = './evil'\n");
    assert!(folders.refused().hint.unwrap().contains("--config"));
    folders.user("[gimp]\nexecutable = '/usr/bin/gimp'\n").local("gimp-bridge.toml", "");
    assert!(folders.load().gimp.executable.is_some());
}
