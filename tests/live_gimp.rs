//! A real GIMP for tests, version `GIMP_BRIDGE_TEST_GIMP` (3.0 if unset) of `scripts/setup-gimp`. No GIMP: they fail.

use crate::fake_plugin::client;
use gimp_bridge::config::Config;
use gimp_bridge::gimp::launch::{self, Launch, Mode, Profile, Running};
use gimp_bridge::gimp::{Gimp, Request, Settings};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// Its threads live as long as the test process, and with them the shared GIMP.
static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
static SHARED: OnceCell<(Running, Live)> = OnceCell::const_new();

/// A state folder with a GIMP in it.
#[derive(Clone)]
pub struct Live {
    pub state_dir: PathBuf,
    pub gimp: Gimp,
}

pub fn version() -> String {
    std::env::var("GIMP_BRIDGE_TEST_GIMP").unwrap_or_else(|_| "3.0".into())
}

/// How the tests' GIMPs are started: all in one profile, on any free port.
pub fn how(state_dir: PathBuf) -> Launch {
    let cache = std::env::var_os("GIMP_BRIDGE_CACHE_DIR").map(PathBuf::from);
    let cache = cache.or_else(|| dirs::cache_dir().map(|cache| cache.join("gimp-bridge"))).unwrap();
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("profile-{}", version()));
    let mut config = Config::default();
    config.gimp.executable = Some(cache.join(format!("gimp-{}", version())));
    config.gimp.state_dir = Some(state_dir);
    Launch { profile: Profile::Folder(profile), port: Some(0), ..Launch::new(&config, Mode::Headless).unwrap() }
}

/// The GIMP that tests share which do not end it.
pub async fn shared() -> Live {
    let start = async {
        let live = Live::in_folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("state-{}", version())));
        let running = launch::start(how(live.state_dir.clone()), CancellationToken::new()).await.unwrap();
        (running, live)
    };
    // On a runtime of its own: a test's ends with the test.
    let started = RUNTIME.spawn(async move { SHARED.get_or_init(|| start).await.1.state_dir.clone() }).await.unwrap();
    Live::in_folder(started)
}

impl Live {
    pub fn in_folder(state_dir: PathBuf) -> Live {
        let settings =
            Settings { state_dir: state_dir.clone(), port: None, label: "test".into(), policy: Default::default() };
        Live { state_dir, gimp: Gimp::new(settings, CancellationToken::new()) }
    }

    pub async fn call(&self, operation: &str, arguments: Value) -> gimp_bridge::error::Result<Value> {
        self.gimp.call(live_request(operation, arguments)).await.map(Value::Object)
    }

    /// The value of a Python expression inside GIMP.
    pub async fn eval(&self, expression: &str) -> gimp_bridge::error::Result<Value> {
        let arguments =
            json!({"api_path": "exec", "args": ["pyGObject-eval", [expression]], "kwargs": {}, "max_output": 1000});
        Ok(self.call("call_api", arguments).await?["value"].clone())
    }
}

pub fn live_request(operation: &str, arguments: Value) -> Request {
    Request {
        operation: operation.into(),
        arguments: arguments.as_object().unwrap().clone(),
        client: client("live"),
        instance: None,
        timeout: Duration::from_secs(30),
        upload: None,
        cancel: CancellationToken::new(),
        progress: None,
    }
}
