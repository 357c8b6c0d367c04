//! The settings table, precedence, and the texts of configuration errors.

use gimp_bridge::config::{Config, Flag, GimpMode, KEYS, Key, Origin, Sources, StorageBackend, Type, Value, markdown};
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
    let sources = Sources { user_folder: Some(user), working_folder: work, shared_names: true, ..Sources::default() };
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
fn another_value(key: &Key) -> String {
    let default = key.get(&Config::default());
    let other =
        |names: &[&str]| names.iter().find(|name| default != Value::Text(name.to_string())).unwrap().to_string();
    match key.kind {
        Type::Bool => (default != Value::Bool(true)).to_string(),
        Type::Int(min, max) => if default == Value::Int(max) { min } else { max }.to_string(),
        Type::Limit(max) => max.to_string(),
        Type::Share => "0.5".into(),
        Type::SecondsOrNever => "17".into(),
        Type::Text => "other".into(),
        Type::Choice(names) | Type::ChoiceOrNone(names) => other(names),
        Type::Address => "192.0.2.7".into(),
        Type::Url | Type::BaseUrl => "https://example.test/v1".into(),
        Type::LogFilter => "trace".into(),
        Type::Path | Type::PathsOrAny => if cfg!(windows) { r"C:\x" } else { "/x/y" }.into(),
        Type::List => "a,b".into(),
        Type::Networks => "10.0.0.0/8,::1".into(),
    }
}

#[test]
fn every_key_is_set_by_every_one_of_its_names() {
    for key in KEYS {
        let text = another_value(key);
        for name in key.env_names() {
            let mut folders = folders();
            let config = folders.env(&[(&name, &text)]).load();
            assert_ne!(key.get(&config), key.get(&Config::default()), "{name} did not change {}", key.name);
            assert_eq!(config.origin(key.name), Origin::Environment(name));
            // Setting the folders turns code off, as its own test says.
            let follows = |other: &str| key.name == "plugin.folders" && other == "plugin.exec";
            for other in KEYS.iter().filter(|other| other.name != key.name && !follows(other.name)) {
                assert_eq!(other.get(&config), other.get(&Config::default()), "{} moved {}", key.name, other.name);
            }
        }
    }
}

/// The range of a row and the Rust type of its field are two things.
#[test]
fn every_bound_fits_its_field() {
    for key in KEYS {
        let bounds = match key.kind {
            Type::Int(min, max) => vec![min, max],
            Type::Limit(max) => vec![0, max],
            _ => continue,
        };
        for bound in bounds {
            let mut folders = folders();
            let config = folders.env(&[(&key.env_name(), &bound.to_string())]).load();
            assert_eq!(key.get(&config), Value::Int(bound), "{}", key.name);
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

/// Python knows no folders: one who sets them and does not name `exec` there means to limit what clients reach.
#[test]
fn folders_turn_exec_off_unless_the_same_place_allows_it() {
    let set = |text: &str, env: &[(&str, &str)]| {
        let mut folders = folders();
        folders.user(text);
        let config = folders.env(env).load();
        (config.plugin.exec, config.origin("plugin.exec").to_string())
    };
    let (exec, origin) = set("[plugin]\nfolders = [\"/pictures\"]\n", &[]);
    assert!(
        !exec && origin.contains("follows from plugin.folders") && origin.contains("gimp-bridge.toml:2"),
        "{origin}"
    );
    assert!(!set("[plugin]\nfolders = []\n", &[]).0);
    assert!(set("[plugin]\nfolders = [\"/pictures\"]\nexec = true\n", &[]).0);
    assert!(set("[plugin]\nfolders = false\n", &[]).0);
    assert!(!set("[plugin]\nexec = true\n", &[("GIMP_BRIDGE_FOLDERS", "/pictures")]).0);
    assert!(!set("[plugin]\nfolders = [\"/pictures\"]\n", &[("GIMP_BRIDGE_EXEC", "true")]).0);
    assert!(set("", &[("GIMP_BRIDGE_FOLDERS", "/pictures"), ("GIMP_BRIDGE_EXEC", "true")]).0);
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
            ("STORAGE_PATH", "/mnt/shared-storage/images"),
            ("S3_BUCKET", "pictures"),
            ("S3_PREFIX", "other/"),
            ("S3_ENDPOINT_URL", ""),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("KSERVE_MODEL_NAME", "other"),
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
    assert_eq!((config.storage.s3_bucket.as_str(), config.storage.s3_prefix.as_str()), ("pictures", "other/"));
    assert_eq!(config.storage.path, Path::new("/mnt/shared-storage/images"));
    assert_eq!((config.kserve.model_name.as_str(), config.storage.aws_access_key_id.as_deref()), ("other", Some("id")));
    assert!(!format!("{config:?} {:?}", config.storage).contains("hush"), "a secret is printed");
    assert!(format!("{:?}", config.storage).contains("********"));
    // Where generation is configured, what is left out is as the plan has it.
    let defaults = Config::default();
    if cfg!(unix) {
        assert_eq!(defaults.storage.path, Path::new("/tmp/mcp-images"));
    }
    assert_eq!(
        (defaults.storage.s3_bucket.as_str(), defaults.storage.s3_prefix.as_str()),
        ("image-generation", "mcp-server/")
    );
    assert_eq!(
        (defaults.images.cleanup_interval, defaults.images.ttl, defaults.images.max_size),
        (300, 3600, 10_485_760)
    );
    assert_eq!((defaults.kserve.model_name.as_str(), defaults.kserve.timeout), ("stable-diffusion", 60));
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
    assert_eq!(config.storage.path, folders.sources.user_folder.as_ref().unwrap().join("out"));
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
    let folders = folders();
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
}

/// Shells, hosting platforms and Kubernetes set such names for purposes of their own.
#[test]
fn names_that_are_not_ours_stop_nothing() {
    let foreign = [
        ("HOST", "mybox"),
        ("HOST", "x86_64-pc-linux-gnu"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("WORKERS", "auto"),
        ("WORKERS", "0"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_LEVEL", "3"),
        ("STORAGE_BACKEND", "gcs"),
        ("S3_ENDPOINT_URL", "minio:9000"),
        ("KSERVE_ENDPOINT", "diffusers"),
        ("KSERVE_TIMEOUT", "1m"),
        ("IMAGE_TTL", "1h"),
        ("MAX_IMAGE_SIZE", "10MB"),
    ];
    for (name, value) in foreign {
        let mut folders = folders();
        let config = folders.env(&[(name, value)]).load();
        let [warning] = &config.warnings[..] else { panic!("{name}={value}: {:?}", config.warnings) };
        assert!(warning.starts_with(&format!("environment variable {name}: `{value}` is not allowed")), "{warning}");
        assert!(warning.contains(&format!("wins over {name}")), "{warning}");
        for key in KEYS {
            assert_eq!(key.get(&config), key.get(&Config::default()), "{name} moved {}", key.name);
        }
        // Nobody but `serve` looks at them at all.
        folders.sources.shared_names = false;
        assert!(folders.load().warnings.is_empty(), "{name}");
    }
    let mut folders = folders();
    folders.env(&[("HOST", "my-laptop"), ("GIMP_BRIDGE_SERVER_HOST", "localhost")]);
    let config = folders.load();
    assert!(config.server.host.is_loopback() && config.warnings.is_empty());
    folders.env(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1"), ("PORT", "81")]);
    assert_eq!((folders.load().storage.aws_region.as_deref(), folders.load().server.port), (Some("eu-west-1"), 81));
    folders.sources.shared_names = false;
    assert_eq!((folders.load().storage.aws_region, folders.load().server.port), (None, 8000));
}

#[test]
fn the_variables_of_kubernetes_services_are_left_alone() {
    let mut folders = folders();
    let config = folders
        .env(&[
            ("GIMP_BRIDGE_PORT", "tcp://10.0.0.1:80"),
            ("GIMP_BRIDGE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("GIMP_BRIDGE_PORT_8000_TCP_PROTO", "tcp"),
            ("GIMP_BRIDGE_PORT_8000_TCP_PORT", "8000"),
            ("GIMP_BRIDGE_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("GIMP_BRIDGE_SERVICE_HOST", "10.0.0.1"),
            ("GIMP_BRIDGE_SERVICE_PORT", "8000"),
            ("GIMP_BRIDGE_SERVICE_PORT_HTTP", "8000"),
            ("GIMP_BRIDGE_SERVER_PORT", "tcp://10.0.0.2:81"),
            ("GIMP_BRIDGE_SERVER_SERVICE_HOST", "10.0.0.2"),
        ])
        .load();
    assert_eq!((config.plugin.port, config.server.port, config.warnings.len()), (9877, 8000, 0));
    for (name, value) in [
        ("GIMP_BRIDGE_PORT", "http://10.0.0.1:80"),
        ("GIMP_BRIDGE_PORT", "99999"),
        ("GIMP_BRIDGE_SERVER_PORT", "auto"),
        ("GIMP_BRIDGE_SERVER_HOST", "mybox"),
        ("GIMP_BRIDGE_LOG_LEVEL", "verbose"),
        ("GIMP_BRIDGE_SERVICE_HOSTS", "10.0.0.1"),
        ("GIMP_BRIDGE_PORT_TCP", "10.0.0.1"),
        ("GIMP_BRIDGE_SERVER_TRUSTED_PROXIES", "everybody"),
    ] {
        folders.env(&[(name, value)]);
        assert!(folders.refused().message.contains(name), "{name}={value}");
    }
}

#[test]
fn seconds_may_be_a_switch() {
    let mut folders = folders();
    for (text, seconds) in [("true", Some(300)), ("false", None), ("17", Some(17)), ("1", Some(1))] {
        folders.env(&[("GIMP_BRIDGE_AUTO_DISCONNECT", text)]);
        assert_eq!(folders.load().plugin.auto_disconnect, seconds, "{text}");
        folders.env(&[]);
        folders.user(&format!("[plugin]\nauto_disconnect = {text}\n"));
        assert_eq!(folders.load().plugin.auto_disconnect, seconds, "{text}");
        folders.user("");
    }
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
    std::fs::write(folders.sources.working_folder.join(".env"), b"NAME=caf\xe9\nPORT=\"\n").unwrap();
    folders.load();
    folders.local(".env", "A=1\nGIMP_BRIDGE_NO=1\n");
    let env = folders.sources.working_folder.join(".env");
    assert_eq!(folders.refused().message, format!("{}:2: unknown variable `GIMP_BRIDGE_NO`", env.display()));
}

/// What a cloned repository may choose: a new key is not among it until somebody has thought about that.
const FROM_A_PROJECT: [&str; 19] = [
    "server.port",
    "server.workers",
    "server.tools",
    "gimp.mode",
    "gimp.port",
    "plugin.port",
    "plugin.auto_disconnect",
    "log.level",
    "log.json",
    "service.name",
    "images.cleanup_interval",
    "images.max_size",
    "filters.provider",
    "filters.threads",
    "filters.memory_mb",
    "filters.models",
    "filters.model_memory_mb",
    "filters.idle",
    "filters.parallel",
];

/// A cloned repository must not choose what is run, where pictures and keys go, or loosen the policies.
#[test]
fn the_working_folder_sets_only_what_the_list_allows() {
    for key in KEYS {
        let free = FROM_A_PROJECT.contains(&key.name);
        assert_eq!(!key.guarded, free, "whether {} may come from a project's files", key.name);
        let text = another_value(key);
        for name in key.env_names() {
            let folders = folders();
            folders.local(".env", &format!("\n{name}={text}\n"));
            if !key.guarded {
                assert_ne!(key.get(&folders.load()), key.get(&Config::default()), "{name}");
            } else if name.starts_with("GIMP_BRIDGE_") {
                let error = folders.refused();
                assert!(error.message.contains(".env:2: ") && error.message.contains(key.name), "{}", error.message);
            } else {
                // Other programs have such lines for themselves: left alone, and `serve` says so.
                let config = folders.load();
                assert_eq!(key.get(&config), key.get(&Config::default()), "{name}");
                assert!(config.warnings[0].contains(key.name), "{:?}", config.warnings);
            }
        }
    }
    for text in [
        "[storage]\ns3_endpoint_url = 'http://evil.example'\n",
        "[storage]\nbackend = 's3'\n",
        "[kserve]\nendpoint = 'http://evil.example'\n",
        "[assistant]\nurl = 'http://evil.example'\n",
        "[server]\nhost = '0.0.0.0'\n",
        "[server]\napi_key = '0123456789abcdef'\n",
        "[server]\ntrusted_proxies = ['0.0.0.0/0']\n",
    ] {
        let folders = folders();
        folders.local("gimp-bridge.toml", text);
        assert!(folders.refused().message.contains("is not taken from the working folder"), "{text}");
    }
    let folders = folders();
    folders.local("gimp-bridge.toml", "[gimp]\nexecutable = './evil'\n");
    assert!(folders.refused().hint.unwrap().contains("--config"));
    folders.user("[gimp]\nexecutable = '/usr/bin/gimp'\n").local("gimp-bridge.toml", "");
    assert!(folders.load().gimp.executable.is_some());
}

/// Python's virtual environments are called so now and then.
#[test]
fn a_folder_called_env_is_no_configuration() {
    let folders = folders();
    std::fs::create_dir(folders.sources.working_folder.join(".env")).unwrap();
    assert!(folders.load().warnings.is_empty());
}
