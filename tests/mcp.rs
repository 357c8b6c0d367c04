//! MCP over the real transports, without a GIMP: sessions, errors, limits, shutdown. A plain socket is the client, so
//! that each header and byte is the test's own.

use gimp_bridge::config;
use gimp_bridge::config::Config;
use gimp_bridge::filters::Filters;
use gimp_bridge::gimp::{Gimp, Settings};
use gimp_bridge::http;
use gimp_bridge::mcp::{DEFAULT_SET_BYTES, Mcp, revisions, serve_streams};
use gimp_bridge::ops::{Catalogue, Ops};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const MODERN: &str = "2026-07-28";
const PATIENCE: Duration = Duration::from_secs(60);

fn ops(shutdown: &CancellationToken) -> (Ops, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let settings =
        Settings { state_dir: state.path().into(), port: None, label: "test".into(), policy: Default::default() };
    (Ops::new(Gimp::new(settings, shutdown.clone()), Filters::new(&Config::default())), state)
}

/// A daemon on a free port.
struct Daemon {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<gimp_bridge::error::Result<()>>,
    _state: tempfile::TempDir,
}

impl Daemon {
    async fn start(settings: config::Server) -> Daemon {
        let shutdown = CancellationToken::new();
        let (ops, state) = ops(&shutdown);
        let settings = config::Server { port: 0, ..settings };
        let listener = http::bind(&settings).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = shutdown.clone();
        let mut config = config::Config { server: settings, ..Default::default() };
        config.sessions.folder = Some(state.path().join("sessions"));
        let live = http::Live::new(&config).unwrap();
        let serving = tokio::spawn(async move { http::serve(&config, live, ops, stop, listener).await });
        Daemon { address, shutdown, serving, _state: state }
    }

    async fn stop(self) -> Duration {
        let started = Instant::now();
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("it ends").unwrap().unwrap();
        started.elapsed()
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        let host = self.address.to_string();
        let defaults = [
            ("host", host.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let own = defaults.iter().filter(|(name, _)| headers.iter().all(|(given, _)| given != name));
        for (name, value) in own.chain(headers) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        tokio::time::timeout(PATIENCE, socket.read_to_end(&mut raw)).await.expect("an answer").unwrap();
        Reply::parse(&String::from_utf8(raw).unwrap())
    }

    async fn post(&self, headers: &[(&str, &str)], message: Value) -> Reply {
        self.request("POST", "/mcp", headers, &message.to_string()).await
    }

    /// One sessionless request of revision 2026-07-28.
    async fn modern(&self, method: &str, params: Value) -> Value {
        let name = params["name"].as_str().or_else(|| params["uri"].as_str()).unwrap_or("-").to_owned();
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", method), ("mcp-name", &name)];
        let headers = if name == "-" { &headers[..2] } else { &headers[..] };
        let reply = self.post(headers, modern(1, method, params)).await;
        reply.message()
    }

    async fn initialize(&self, revision: &str) -> (String, Value) {
        let reply = self.post(&[], initialize(revision)).await;
        let session = reply.header("mcp-session-id").expect("a session id").to_owned();
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&[("mcp-session-id", &session)], ready).await.status, 202);
        (session, reply.message())
    }
}

fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn initialize(revision: &str) -> Value {
    let client = json!({"name": "test", "version": "1"});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": revision, "capabilities": {}, "clientInfo": client}})
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn parse(raw: &str) -> Reply {
        let (head, mut rest) = raw.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<(String, String)> = lines.filter_map(pair).collect();
        let mut body = String::new();
        if headers.iter().any(|(name, _)| name == "transfer-encoding") {
            while let Some((length, chunk)) = rest.split_once("\r\n") {
                let length = usize::from_str_radix(length, 16).unwrap();
                body.push_str(&chunk[..length]);
                rest = chunk[length..].trim_start_matches("\r\n");
            }
        } else {
            body.push_str(rest);
        }
        Reply { status, headers, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The JSON body, or the last event's data.
    fn message(&self) -> Value {
        let events = self.header("content-type") == Some("text/event-stream");
        let data = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .rfind(|data| !data.is_empty());
        let text = if events { data.expect("an event") } else { &self.body };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[tokio::test]
async fn the_tools_are_the_catalogue_s() {
    let daemon = Daemon::start(config::Server { tools: vec!["all".into()], ..config::Server::default() }).await;
    let listed = daemon.modern("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let operations: Vec<_> = Catalogue::get().public().collect();
    assert_eq!(tools.len(), operations.len());
    for (tool, operation) in tools.iter().zip(operations) {
        assert_eq!(tool["name"], json!(operation.name));
        let (description, summary) = (tool["description"].as_str().unwrap(), operation.summary());
        let begins = description.split(" More parameters: ").next().unwrap().trim_end_matches(['.', '…']);
        assert!(summary.starts_with(begins) && begins.len() > 20, "{description}");
        // What is listed is the operation's, and what it requires is listed.
        let listed = tool["inputSchema"]["properties"].as_object().unwrap();
        assert!(listed.keys().all(|name| operation.parameter_names().any(|known| known == name)), "{tool}");
        let required = operation.input_schema().get("required");
        assert_eq!(tool["inputSchema"].get("required"), required);
        assert!(required.is_none_or(|names| {
            names.as_array().unwrap().iter().all(|name| listed.contains_key(name.as_str().unwrap()))
        }));
        assert!(tool["inputSchema"].get("additionalProperties").is_none());
        let hints = &tool["annotations"];
        assert_eq!((&hints["readOnlyHint"], &hints["openWorldHint"]), (&json!(!operation.changes()), &json!(false)));
        assert_eq!(hints.get("destructiveHint").is_some(), operation.changes());
        // What may answer with a picture has no structured content; the others say what theirs is, as clients check it.
        let shows = operation.changes() || operation.name == "get_image_bitmap";
        assert_eq!(tool.get("outputSchema").is_none(), shows, "{tool}");
        if let Some(schema) = tool.get("outputSchema") {
            let properties = schema["properties"].as_object().unwrap();
            assert!(properties.len() > 1 || operation.output_schema().get("properties").is_none(), "{tool}");
            let schema = jsonschema::validator_for(schema).unwrap();
            assert!(schema.is_valid(&json!({"status": "error", "kind": "no_gimp", "message": "x", "hint": "y"})));
            assert!(!schema.is_valid(&json!({"image": 3})));
        }
        one_type_each(tool);
    }
    daemon.stop().await;
}

/// No `type` is a list anywhere in a tool: some models' function declarations refuse it.
fn one_type_each(value: &Value) {
    match value {
        Value::Object(members) => {
            assert!(members.get("type").is_none_or(|kind| !kind.is_array()), "{value}");
            members.values().for_each(one_type_each);
        }
        Value::Array(items) => items.iter().for_each(one_type_each),
        _ => {}
    }
}

#[tokio::test]
async fn the_default_set_of_tools_is_small_and_reaches_all() {
    let daemon = Daemon::start(config::Server::default()).await;
    let listed = daemon.modern("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let bytes = serde_json::to_string(&listed["result"]["tools"]).unwrap().len();
    println!("{} tools in {bytes} bytes", tools.len());
    assert!(
        bytes < DEFAULT_SET_BYTES,
        "{} tools in {bytes} bytes: shorten summaries, or take `core` from some",
        tools.len()
    );
    assert!((12..=40).contains(&tools.len()), "{}", tools.len());
    tools.iter().for_each(one_type_each);
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for name in [
        "search_operations",
        "describe_operation",
        "run_operation",
        "call_api",
        "undo",
        "get_image_bitmap",
        "get_gimp_info",
        "close_image",
    ] {
        assert!(names.contains(&name), "{name} is not listed");
    }
    assert!(!names.contains(&"list_instances"), "{names:?}");
    // What is not listed can be called all the same, by itself and through run_operation.
    let direct = daemon.modern("tools/call", json!({"name": "list_instances", "arguments": {}})).await;
    let run = json!({"name": "run_operation", "arguments": {"name": "list_instances"}});
    let through = daemon.modern("tools/call", run).await;
    assert_eq!(direct["result"]["structuredContent"]["instances"], json!([]));
    assert_eq!(direct["result"]["structuredContent"], through["result"]["structuredContent"]);
    daemon.stop().await;
}

#[tokio::test]
async fn the_address_chooses_the_tools() {
    let daemon = Daemon::start(config::Server::default()).await;
    let listed = async |query: &str| {
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        let message = modern(1, "tools/list", json!({})).to_string();
        daemon.request("POST", &format!("/mcp{query}"), &headers, &message).await.message()
    };
    let count = |answer: &Value| answer["result"]["tools"].as_array().unwrap().len();
    assert_eq!(count(&listed("?tools=all").await), Catalogue::get().public().count());
    let history = listed("?x=1&tools=history%2Clist_instances").await;
    let names: Vec<_> =
        history["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert!(names.contains(&json!("undo")) && names.contains(&json!("list_instances")), "{names:?}");
    assert!(names.contains(&json!("run_operation")) && !names.contains(&json!("open_image")), "{names:?}");
    let wrong = listed("?tools=histroy").await;
    assert_eq!(wrong["error"]["code"], -32602);
    assert!(wrong["error"]["message"].as_str().unwrap().contains("did you mean `history`"), "{wrong}");
    daemon.stop().await;
}

#[tokio::test]
async fn operations_are_found_described_and_run() {
    let daemon = Daemon::start(config::Server::default()).await;
    let call = async |name: &str, arguments: Value| {
        let answer = daemon.modern("tools/call", json!({"name": name, "arguments": arguments})).await;
        answer["result"]["structuredContent"].clone()
    };
    let found = call("search_operations", json!({"query": "take back my last edit"})).await;
    assert!(found["operations"].as_array().unwrap().iter().take(3).any(|row| row["name"] == "undo"), "{found}");
    let all = call("search_operations", json!({"limit": 5})).await;
    assert_eq!((&all["total"], &all["next_offset"]), (&json!(Catalogue::get().public().count()), &json!(5)));
    assert!(all["packs"]["history"].as_u64().unwrap() >= 4, "{all}");
    let last = call("search_operations", json!({"limit": 5, "offset": 99_999})).await;
    assert!(last["operations"].as_array().unwrap().is_empty() && last.get("next_offset").is_none(), "{last}");
    let wrong = call("search_operations", json!({"pack": "histry"})).await;
    assert!(wrong["kind"] == "not_found" && wrong["hint"].as_str().unwrap().contains("history"), "{wrong}");
    let described =
        call("describe_operation", json!({"name": "save_image", "full": true})).await["operations"][0].take();
    let save = Catalogue::get().find("save_image").unwrap();
    assert_eq!(described["parameters"], Value::from(save.input_schema().clone()));
    assert_eq!(described["description"], save.description.as_str());
    let both = call("describe_operation", json!({"names": ["save_image", "undo"]})).await;
    assert_eq!(both["operations"][1]["parameters"]["steps"], "integer from 1 to 20, default 1. How many changes");
    assert!(
        both["common_parameters"]["timeout"].is_string()
            && both["operations"][0]["parameters"].get("timeout").is_none()
    );
    let none = call("describe_operation", json!({})).await;
    assert!(none["message"].as_str().unwrap().contains("`name` or `names`"), "{none}");
    let unknown = call("describe_operation", json!({"name": "sav_image"})).await;
    assert!(unknown["message"].as_str().unwrap().contains("did you mean `save_image`"), "{unknown}");
    // run_operation checks as the operation itself does, and takes the common ones beside the arguments.
    let refused = call("run_operation", json!({"name": "undo", "arguments": {"steps": 0}, "timeout": 5})).await;
    assert_eq!(refused["message"], "undo: `steps` must be from 1 to 20, got 0");
    let twice = call("run_operation", json!({"name": "run_operation", "arguments": {"name": "undo"}})).await;
    assert_eq!(
        (&twice["kind"], &twice["message"]),
        (&json!("invalid_argument"), &json!("run_operation cannot run itself"))
    );
    let clash = call("run_operation", json!({"name": "list_instances", "preview": 64})).await;
    assert_eq!(clash["message"], "list_instances: unknown parameter `preview`");
    daemon.stop().await;
}

#[tokio::test]
async fn an_unknown_tool_names_few_and_says_how_to_find_others() {
    let shutdown = CancellationToken::new();
    let (ops, _state) = ops(&shutdown);
    let error = Catalogue::get().find_public("rezise_the_picture").err().unwrap();
    assert!(error.details["operations"].as_array().unwrap().len() <= 5);
    assert!(error.hint.as_deref().unwrap().contains("search_operations"));
    // The same over stdio.
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(far);
    let stop = shutdown.clone();
    let serving = tokio::spawn(async move { serve_streams(Mcp::new(ops), reader, writer, 1 << 20, stop).await });
    let call = modern(1, "tools/call", json!({"name": "get_image_bitmaps", "arguments": {}}));
    near.write_all(format!("{call}\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(&mut near).read_line(&mut line).await.unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("did you mean `get_image_bitmap`"), "{answer}");
    let near_ones = answer["error"]["data"]["details"]["operations"].as_array().unwrap();
    assert!(
        near_ones.len() <= 5 && answer["error"]["data"]["hint"].as_str().unwrap().contains("search_operations"),
        "{answer}"
    );
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failed_call_says_kind_message_and_hint() {
    let daemon = Daemon::start(config::Server::default()).await;
    for (name, arguments, kind) in [
        ("get_image_metadata", json!({}), "no_gimp"),
        ("get_image_bitmap", json!({"max_width": 0}), "invalid_argument"),
        ("get_image_bitmap", json!({"maxwidth": 1}), "invalid_argument"),
    ] {
        let answer = daemon.modern("tools/call", json!({"name": name, "arguments": arguments})).await;
        let result = &answer["result"];
        assert_eq!(
            (&result["isError"], &result["structuredContent"]["kind"]),
            (&json!(true), &json!(kind)),
            "{answer}"
        );
        let message = result["structuredContent"]["message"].as_str().unwrap();
        assert!(result["content"][0]["text"].as_str().unwrap().starts_with(message));
    }
    let unknown = daemon.modern("tools/call", json!({"name": "get_image_bitmaps", "arguments": {}})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    assert!(unknown["error"]["message"].as_str().unwrap().contains("did you mean `get_image_bitmap`"), "{unknown}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_successful_call_is_structured_and_text() {
    let daemon = Daemon::start(config::Server::default()).await;
    let answer = daemon.modern("tools/call", json!({"name": "list_instances", "arguments": {}})).await;
    let result = &answer["result"];
    assert_eq!(result["structuredContent"], json!({"status": "success", "instances": [], "selected": null}));
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!((text, &result["isError"]), (result["structuredContent"].clone(), &json!(false)));
    daemon.stop().await;
}

#[tokio::test]
async fn every_revision_is_spoken() {
    let daemon = Daemon::start(config::Server::default()).await;
    for revision in revisions().into_iter().filter(|revision| *revision < MODERN) {
        let (session, answer) = daemon.initialize(revision).await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        assert!(answer["result"]["instructions"].as_str().unwrap().contains("gimp://docs/python"));
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"});
        let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", revision)];
        let prompts = daemon.post(&headers, list).await.message();
        assert_eq!(prompts["result"]["prompts"].as_array().unwrap().len(), 2);
        assert_eq!(daemon.request("DELETE", "/mcp", &headers, "").await.status, 204);
        let after = json!({"jsonrpc": "2.0", "id": 2, "method": "prompts/list"});
        assert_eq!(daemon.post(&headers, after).await.status, 404);
    }
    let discovered = daemon.modern("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"].as_array().unwrap().last().unwrap(), MODERN, "{discovered}");
    daemon.stop().await;
}

#[tokio::test]
async fn resources_and_prompts() {
    let daemon = Daemon::start(config::Server::default()).await;
    let listed = daemon.modern("resources/list", json!({})).await;
    let uris: Vec<_> =
        listed["result"]["resources"].as_array().unwrap().iter().map(|resource| &resource["uri"]).collect();
    assert_eq!(uris, ["gimp://docs/python", "gimp://images"]);
    let templates = daemon.modern("resources/templates/list", json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"].as_array().unwrap().len(), 3);
    let guide = daemon.modern("resources/read", json!({"uri": "gimp://docs/python"})).await;
    assert_eq!(guide["result"]["contents"][0]["text"], include_str!("../docs/gimp-python.md"));
    let missing = daemon.modern("resources/read", json!({"uri": "gimp://nothing"})).await;
    assert_eq!(
        (&missing["error"]["code"], &missing["error"]["data"]["uri"]),
        (&json!(-32602), &json!("gimp://nothing"))
    );
    let no_gimp = daemon.modern("resources/read", json!({"uri": "gimp://images/3/bitmap?max_width=64"})).await;
    assert_eq!((&no_gimp["error"]["code"], &no_gimp["error"]["data"]["kind"]), (&json!(-32014), &json!("no_gimp")));
    let prompt = json!({"name": "edit-step-by-step", "arguments": {"goal": "a bluer sky"}});
    let prompt = daemon.modern("prompts/get", prompt).await;
    assert!(prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("a bluer sky"));
    daemon.stop().await;
}

#[tokio::test]
async fn health_tells_versions_and_state() {
    let daemon = Daemon::start(config::Server::default()).await;
    let health = daemon.request("GET", "/health", &[], "").await;
    let said = health.message();
    assert_eq!((health.status, &said["status"]), (200, &json!("ok")));
    assert_eq!(said["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(said["gimp"], json!({"state": "none", "instances": []}));
    assert!(said["mcp"]["revisions"].as_array().unwrap().contains(&json!("2025-11-25")));
    daemon.stop().await;
}

#[tokio::test]
async fn web_pages_and_other_names_are_refused_on_every_route() {
    let daemon = Daemon::start(config::Server::default()).await;
    for path in ["/mcp", "/health", "/nothing"] {
        for headers in [[("host", "evil.example")], [("origin", "https://evil.example")], [("origin", "null")]] {
            assert_eq!(daemon.request("POST", path, &headers, "{}").await.status, 403, "{path} {headers:?}");
        }
    }
    let origin = ("origin", "http://localhost:6274");
    let asked = daemon.request("OPTIONS", "/mcp", &[origin, ("access-control-request-method", "POST")], "").await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, Some(origin.1)));
    let health = daemon.request("GET", "/health", &[origin], "").await;
    assert_eq!((health.status, health.header("access-control-allow-origin")), (200, Some(origin.1)));
    daemon.stop().await;
}

#[tokio::test]
async fn a_key_is_needed_where_one_is_set_and_on_open_addresses() {
    let key = "0123456789abcdef0123456789abcdef";
    let open = config::Server { host: "0.0.0.0".parse().unwrap(), port: 0, ..config::Server::default() };
    let refused = http::bind(&open).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("api_key"), "{}", refused.message);
    let short = config::Server { api_key: Some("short".into()), ..config::Server::default() };
    assert!(http::bind(&short).await.unwrap_err().message.contains("16"));
    let daemon = Daemon::start(config::Server { api_key: Some(key.into()), ..config::Server::default() }).await;
    let without = daemon.request("GET", "/metrics", &[], "").await;
    assert_eq!((without.status, without.header("www-authenticate")), (401, Some("Bearer")));
    // A probe learns whether the daemon is well, under whatever name it asks, and nothing else.
    for host in ["localhost", "gimp.default.svc.cluster.local:8000", "10.1.2.3"] {
        let probe = daemon.request("GET", "/health", &[("host", host)], "").await;
        assert_eq!((probe.status, probe.body.as_str()), (200, r#"{"status":"ok"}"#), "{host}");
    }
    assert_eq!(daemon.request("GET", "/health", &[("x-api-key", "0123456789abcdef")], "").await.status, 401);
    assert_eq!(daemon.request("GET", "/health", &[("x-api-key", key)], "").await.status, 200);
    let bearer = format!("Bearer {key}");
    assert_eq!(daemon.post(&[("authorization", &bearer)], initialize("2025-11-25")).await.status, 200);
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let daemon = Daemon::start(config::Server { max_body: 10_000, ..config::Server::default() }).await;
    let large = modern(1, "prompts/list", json!({"x": "x".repeat(20_000)}));
    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "prompts/list")];
    assert_eq!(daemon.post(&headers, large).await.status, 413);
    daemon.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = http::bind(&config::Server { port, ..config::Server::default() }).await.unwrap_err();
    assert!(error.message.contains(&port.to_string()) && error.hint.unwrap().contains("--port"), "{}", error.message);
}

#[tokio::test]
async fn shutdown_ends_open_streams() {
    let daemon = Daemon::start(config::Server::default()).await;
    let (session, _) = daemon.initialize("2025-11-25").await;
    let mut socket = TcpStream::connect(daemon.address).await.unwrap();
    let get = format!(
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {session}\r\n\r\n"
    );
    socket.write_all(get.as_bytes()).await.unwrap();
    let mut first = [0u8; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // And one that never finishes its request.
    let mut half = TcpStream::connect(daemon.address).await.unwrap();
    half.write_all(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{").await.unwrap();
    // The half request itself has 30 s.
    assert!(daemon.stop().await < Duration::from_secs(25));
}

/// The other end of a stdio server that runs in this process.
struct Stdio {
    to: tokio::io::WriteHalf<tokio::io::DuplexStream>,
    from: tokio::io::Lines<BufReader<tokio::io::ReadHalf<tokio::io::DuplexStream>>>,
    serving: tokio::task::JoinHandle<gimp_bridge::error::Result<()>>,
    _state: tempfile::TempDir,
}

impl Stdio {
    fn start(longest_line: usize) -> Stdio {
        let shutdown = CancellationToken::new();
        let (ops, state) = ops(&shutdown);
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(near);
        let serving = tokio::spawn(serve_streams(Mcp::new(ops), reader, writer, longest_line, shutdown));
        let (from, to) = tokio::io::split(far);
        Stdio { to, from: BufReader::new(from).lines(), serving, _state: state }
    }

    async fn send(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.from.next_line()).await.expect("an answer").unwrap();
        serde_json::from_str(&line.expect("a line")).unwrap()
    }
}

#[tokio::test]
async fn stdio_speaks_both_lifecycles_and_ends_with_its_input() {
    let mut old = Stdio::start(1 << 20);
    old.send(&initialize("2025-06-18").to_string()).await;
    assert_eq!(old.answer().await["result"]["protocolVersion"], "2025-06-18");
    old.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    old.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_instances"}}"#).await;
    assert_eq!(old.answer().await["result"]["structuredContent"]["status"], "success");
    drop(old.to);
    drop(old.from);
    tokio::time::timeout(PATIENCE, old.serving).await.expect("it ends").unwrap().unwrap();

    let mut new = Stdio::start(1 << 20);
    let call = json!({"name": "list_instances", "arguments": {}});
    new.send(&modern(1, "tools/call", call).to_string()).await;
    assert_eq!(new.answer().await["result"]["structuredContent"]["status"], "success");
    // What is asked before the input ends is still answered.
    new.send(&modern(2, "prompts/list", json!({})).to_string()).await;
    new.to.shutdown().await.unwrap();
    assert_eq!(new.answer().await["id"], 2);
    tokio::time::timeout(PATIENCE, new.serving).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn stdio_survives_garbage_and_lines_that_are_too_long() {
    let mut stdio = Stdio::start(10_000);
    stdio.send(&modern(1, "prompts/list", json!({})).to_string()).await;
    assert_eq!(stdio.answer().await["id"], 1);
    stdio.send("not JSON").await;
    stdio.send(&format!("\"{}\"", "x".repeat(50_000))).await;
    stdio.send(&modern(2, "prompts/list", json!({})).to_string()).await;
    assert_eq!(stdio.answer().await["id"], 2);
}
