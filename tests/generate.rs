//! Images from words, through the real doors, with stand-ins for the backends that are strict about what they accept.

#[path = "generate/backends.rs"]
mod backends;
#[path = "generate/comfyui.rs"]
mod comfyui;
#[path = "generate/doors.rs"]
mod doors;
#[path = "generate/edits.rs"]
mod edits;
#[path = "generate/faults.rs"]
mod faults;
#[path = "generate/from_picture.rs"]
mod from_picture;
#[path = "generate/inpainting.rs"]
mod inpainting;
#[path = "generate/painter.rs"]
mod painter;
#[path = "generate/rights.rs"]
mod rights;
#[cfg(unix)]
#[path = "generate/signals.rs"]
mod signals;

use gimp_bridge::config::Config;
use gimp_bridge::filters::Filters;
use gimp_bridge::generate::Generator;
use gimp_bridge::gimp::{Gimp, Settings};
use gimp_bridge::http;
use gimp_bridge::ops::Ops;
use painter::Painter;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A daemon on a free port, without a GIMP.
pub struct Daemon {
    pub url: String,
    pub folder: tempfile::TempDir,
    client: reqwest::Client,
    shutdown: CancellationToken,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What came back over HTTP.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Daemon {
    /// With what `set` makes of the default configuration.
    pub async fn start(set: impl FnOnce(&mut Config, &std::path::Path)) -> Daemon {
        gimp_bridge::upstream::use_ring();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.port = 0;
        config.storage.path = folder.path().join("images");
        config.sessions.folder = Some(folder.path().join("sessions"));
        config.generate.retries = 1;
        set(&mut config, folder.path());
        let shutdown = CancellationToken::new();
        let settings =
            Settings { state_dir: folder.path().into(), port: None, label: "test".into(), policy: Default::default() };
        let ops = Ops::new(Gimp::new(settings, shutdown.clone()), Filters::new(&config))
            .with_generator(Generator::new(&config).unwrap());
        let listener = http::bind(&config.server).await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let live = http::Live::new(&config).unwrap();
        let stop = shutdown.clone();
        tokio::spawn(async move { http::serve(&config, live, ops, stop, listener).await.unwrap() });
        // Without certificates, which take long to read and are for nothing here.
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        Daemon { url, folder, client, shutdown }
    }

    /// With the stand-in behind `kserve.endpoint`.
    pub async fn kserve(painter: &Painter) -> Daemon {
        Daemon::start(|config, _| config.kserve.endpoint = Some(painter.kserve())).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Reply { status, headers, body: answer.bytes().await.unwrap().to_vec() }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], None).await
    }

    /// The plan's own endpoint.
    pub async fn generate(&self, parameters: Value) -> Value {
        self.ask("POST", "/mcp/v1/tools/generate_image", &[], Some(parameters)).await.json()
    }

    /// The same, by JSON-RPC.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.ask("POST", "/jsonrpc", &[], Some(body)).await.json()
    }

    /// A tool call over MCP, revision 2026-07-28.
    pub async fn mcp(&self, tool: &str, arguments: Value) -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": meta}});
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
            ("accept", "application/json, text/event-stream"),
        ];
        self.ask("POST", "/mcp", &headers, Some(body)).await.json()["result"].clone()
    }
}

/// The notes of an answer, in one text.
pub fn notes(answer: &Value) -> String {
    answer["notes"]
        .as_array()
        .map(|notes| notes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
        .unwrap_or_default()
}
