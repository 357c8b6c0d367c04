//! A plug-in in this process, played by the tests: announces itself, proves the secret, and then does what they say.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gimp_bridge::error::{Kind, Result};
use gimp_bridge::gimp::frame::{Frame, FrameCodec};
use gimp_bridge::gimp::handshake::proof;
use gimp_bridge::gimp::secret::{self, Secret};
use gimp_bridge::gimp::{Client, Gimp, Request, Settings};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

pub struct Fake {
    pub state: tempfile::TempDir,
    pub port: u16,
    pub pid: u32,
    pub version: &'static str,
    pub started: f64,
    listener: TcpListener,
    secret: Secret,
}

impl Fake {
    /// Listens and announces itself under this test's own process.
    pub async fn new() -> Fake {
        Fake::with_pid(std::process::id()).await
    }

    pub async fn with_pid(pid: u32) -> Fake {
        let state = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let secret = secret::ensure(state.path()).unwrap();
        let fake = Fake { state, port, pid, version: env!("CARGO_PKG_VERSION"), started: 1.0, listener, secret };
        fake.announce();
        fake
    }

    pub fn record(&self) -> Value {
        json!({"id": self.id(), "port": self.port, "pid": self.pid, "started": self.started,
               "gimp_version": "3.0.4", "plugin_version": self.version, "protocol": 1, "headless": true, "profile": "/p"})
    }

    pub fn announce(&self) {
        self.announce_in(self.state.path());
    }

    pub fn announce_in(&self, state: &Path) {
        let dir = state.join("instances");
        std::fs::create_dir_all(&dir).unwrap();
        // Whole or not at all, as the plug-in does it.
        let mut file = tempfile::NamedTempFile::new_in(&dir).unwrap();
        file.write_all(self.record().to_string().as_bytes()).unwrap();
        file.persist(dir.join(format!("{}.json", self.pid))).unwrap();
    }

    pub fn id(&self) -> String {
        format!("{}-{}", self.pid, self.port)
    }

    pub fn proof(&self, role: &str, daemon_nonce: &str, plugin_nonce: &str) -> String {
        proof(&self.secret, role, self.port, daemon_nonce, plugin_nonce)
    }

    pub fn gimp(&self) -> Gimp {
        let settings = Settings {
            state_dir: self.state.path().into(),
            port: None,
            label: "test".into(),
            policy: Default::default(),
        };
        Gimp::new(settings, CancellationToken::new())
    }

    pub async fn accept_raw(&self) -> Conn {
        let (socket, _) = self.listener.accept().await.unwrap();
        Conn { framed: Framed::new(socket, FrameCodec::new()) }
    }

    /// Accepts one connection and sees it through the handshake.
    pub async fn accept(&self) -> Conn {
        let mut conn = self.accept_raw().await;
        let hello = conn.message().await.unwrap();
        let theirs = hello["params"]["nonce"].as_str().unwrap().to_owned();
        let ours = "5a".repeat(32);
        conn.answer(&hello, json!({"protocol": 1, "nonce": ours})).await;
        let prove = conn.message().await.unwrap();
        assert_eq!(prove["params"]["proof"], self.proof("daemon", &theirs, &ours));
        conn.framed.codec_mut().open();
        let result = json!({
            "proof": self.proof("plugin", &theirs, &ours),
            "software": {"name": "gimp-bridge-plugin", "version": self.version},
            "instance": self.record(), "policy": {},
        });
        conn.answer(&prove, result).await;
        let keep = conn.message().await.unwrap();
        assert_eq!(keep["method"], "disable_auto_disconnect");
        conn.answer(&keep, json!({"auto_disconnect": false})).await;
        conn
    }
}

/// The fake's end of one connection.
pub struct Conn {
    pub framed: Framed<TcpStream, FrameCodec>,
}

impl Conn {
    /// The next message; `None` at the end of the connection.
    pub async fn message(&mut self) -> Option<Value> {
        match self.frame().await? {
            Frame::Message(body) => Some(serde_json::from_slice(&body).unwrap()),
            chunk => panic!("a message was expected, not {chunk:?}"),
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Option<Frame> {
        match tokio::time::timeout(Duration::from_secs(30), self.framed.next()).await.expect("a frame within 30 s") {
            Some(Ok(frame)) => Some(frame),
            _ => None,
        }
    }

    /// The next message that is no ping; pings are answered on the way.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let message = self.message().await?;
            if message["method"] != "$/ping" {
                return Some(message);
            }
            self.answer(&message, json!({"busy": null, "queued": 0})).await;
        }
    }

    /// Answers pings for ever; returns when the daemon closes.
    pub async fn serve_pings(&mut self) {
        while self.next().await.is_some() {}
    }

    pub async fn send(&mut self, message: Value) {
        let _ = self.framed.send(Frame::Message(Bytes::from(message.to_string()))).await;
    }

    pub async fn answer(&mut self, request: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
    }

    pub async fn stream(&mut self, request: &Value, header: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": "$/stream", "params": {"id": request["id"], "header": header}}))
            .await;
    }

    pub async fn chunk(&mut self, id: u64, data: impl Into<Bytes>) {
        let _ = self.framed.send(Frame::ReplyChunk { id, data: data.into() }).await;
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt;
        self.framed.get_mut().write_all(bytes).await.unwrap();
    }
}

pub fn client(id: &str) -> Client {
    Client { id: id.into(), name: "test".into() }
}

/// A call of `operation` with `{"n": n}`.
pub fn request(operation: &str, n: u64) -> Request {
    Request {
        operation: operation.into(),
        arguments: Map::from_iter([("n".to_owned(), n.into())]),
        client: client("c"),
        instance: None,
        timeout: Duration::from_secs(30),
        upload: None,
        cancel: CancellationToken::new(),
        progress: None,
    }
}

type Answer = Result<Map<String, Value>>;

/// The kind of a call's error.
pub fn kind(answer: Answer) -> Kind {
    answer.expect_err("the call should fail").kind
}

/// Accepts the link of `call` and plays `plugin` on it.
pub async fn with_plugin<T>(fake: &Fake, call: impl Future<Output = T>, plugin: impl AsyncFnOnce(&mut Conn)) -> T {
    let play = async {
        let mut conn = fake.accept().await;
        plugin(&mut conn).await;
        conn
    };
    // The connection lives until the call has ended.
    let (_conn, answer) = tokio::join!(play, call);
    answer
}
