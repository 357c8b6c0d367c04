//! A signal ends the program and what is painted for it: the backend is told, and nothing stays stored.

use super::from_picture::{FLOWS, protocols};
use super::painter::{Painter, Seen};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// A folder in which one backend is declared.
fn declared(declaration: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[[backend]]\nname = \"b\"\n{declaration}\n");
    std::fs::write(folder.path().join("backends.toml"), text).unwrap();
    FLOWS.iter().for_each(|(name, flow)| std::fs::write(folder.path().join(name), flow).unwrap());
    folder
}

fn begin(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    command.env("GIMP_BRIDGE_GENERATE_BACKENDS", "backends.toml").env("GIMP_BRIDGE_STORAGE_PATH", "images");
    command.env("GIMP_BRIDGE_STATE_DIR", folder.join("state"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), signal).unwrap();
}

fn stored(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("images")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Whether a picture is being painted; ComfyUI counts none.
fn paints(kind: &str, seen: &Seen) -> bool {
    seen.requests.iter().any(|(path, _)| path == kind) || seen.now > 0
}

const WANTED: &str = r#"{"prompt": "a lake", "width": 96, "height": 64}"#;

#[tokio::test(flavor = "multi_thread")]
async fn call_and_generate_tell_every_backend_to_stop() {
    let ways = [
        (&["call", "generate_image", WANTED][..], Signal::INT),
        (&["call", "generate_image", WANTED][..], Signal::TERM),
        (&["generate", "a lake", "--width", "96", "--height", "64", "--out", "lake.png"][..], Signal::INT),
        (&["generate", "a lake", "--width", "96", "--height", "64", "--out", "lake.png"][..], Signal::TERM),
    ];
    for (arguments, ending) in ways {
        let painter = Painter::with(None, false, Some(0)).await;
        for (kind, declaration, ..) in protocols(&painter.url) {
            let what = format!("{kind}, {} by {ending:?}", arguments[0]);
            let folder = declared(&declaration);
            let child = begin(folder.path(), arguments);
            painter.until(|seen| paints(kind, seen)).await;
            signal(&child, ending);
            let done = child.wait_with_output().await.unwrap();
            let said = String::from_utf8(done.stderr).unwrap();
            assert_eq!((done.status.code(), said.as_str()), (Some(130), "the generation was cancelled\n"), "{what}");
            assert!(done.stdout.is_empty() && !folder.path().join("lake.png").exists(), "{what}");
            // The program ends when it has told it, not before.
            let stops = std::mem::take(&mut painter.shared.seen.lock().unwrap().stops);
            match kind {
                "a1111" => assert_eq!(stops, ["interrupt"], "{what}"),
                "comfyui" => {
                    let names = |part: &str| stops.iter().any(|stop| stop.contains(part) && stop.contains("job-"));
                    assert!(names("delete") && names("prompt_id"), "{what}: {stops:?}");
                }
                _ => assert!(stops.is_empty(), "{what}: {stops:?}"),
            }
            painter.until(|seen| seen.now == 0).await;
            painter.requests();
            assert_eq!(stored(folder.path()), [""; 0], "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_came_before_the_signal_goes_too() {
    let painter = Painter::with(None, false, Some(1)).await;
    let declaration = format!("kind = \"kserve-v1\"\nurl = \"{}\"\nparallel = 2", painter.kserve());
    let folder = declared(&declaration);
    let child = begin(folder.path(), &["generate", "a lake", "--width", "96", "--height", "64", "--count", "2"]);
    let limit = Instant::now() + Duration::from_secs(60);
    while !stored(folder.path()).iter().any(|name| name.ends_with(".json")) {
        assert!(Instant::now() < limit, "no variant comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    signal(&child, Signal::INT);
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(130));
    assert_eq!(stored(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_answer_is_left_by_the_second_signal() {
    let painter = Painter::with(None, false, Some(0)).await;
    *painter.shared.slow_to_stop.lock().unwrap() = Duration::from_secs(600);
    let folder = declared(&format!("kind = \"a1111\"\nurl = \"{}\"", painter.url));
    let mut child = begin(folder.path(), &["call", "generate_image", WANTED]);
    painter.until(|seen| seen.now == 1).await;
    signal(&child, Signal::INT);
    // That it was cancelled is said before it waits for the backend.
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).await.unwrap();
    assert_eq!(said, "the generation was cancelled\n");
    let began = Instant::now();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_end_tell_it_too() {
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "generate_image", "arguments": {"prompt": "a lake", "width": 96, "height": 64}}});
    for way in ["request", "job", "mcp", "stdio", "closed stdio"] {
        let painter = Painter::with(None, false, Some(0)).await;
        let folder = declared(&format!("kind = \"a1111\"\nurl = \"{}\"", painter.url));
        let is_stdio = way.ends_with("stdio");
        let serve = ["serve", "--gimp", "none", "--port", "0"];
        let mut child = begin(folder.path(), if is_stdio { &["stdio", "--gimp", "none"] } else { &serve });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let asking = if is_stdio {
            let stdin = child.stdin.as_mut().unwrap();
            let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
            stdin.write_all(format!("{begin}\n").as_bytes()).await.unwrap();
            lines.next_line().await.unwrap().unwrap();
            let begun = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            stdin.write_all(format!("{begun}\n{call}\n").as_bytes()).await.unwrap();
            None
        } else {
            let line = lines.next_line().await.unwrap().unwrap();
            let url = line.split(' ').next_back().unwrap().trim_end_matches("/mcp").to_owned();
            Some(tokio::spawn(ask(url, way)))
        };
        painter.until(|seen| seen.now == 1).await;
        match way {
            "closed stdio" => drop(child.stdin.take()),
            _ => signal(&child, Signal::TERM),
        }
        let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{way}: {status}");
        assert_eq!(painter.shared.seen.lock().unwrap().stops, ["interrupt"], "{way}");
        assert_eq!(stored(folder.path()), [""; 0], "{way}");
        if let Some(asking) = asking {
            asking.await.unwrap();
        }
    }
}

/// Asks for an image, and does not mind what comes.
async fn ask(url: String, way: &str) {
    let (path, headers, body) = match way {
        "request" => ("/mcp/v1/tools/generate_image", vec![], WANTED.to_owned()),
        "job" => {
            let params: serde_json::Value = serde_json::from_str(WANTED).unwrap();
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": params});
            ("/jsonrpc", vec![("prefer", "respond-async")], body.to_string())
        }
        _ => {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let arguments: serde_json::Value = serde_json::from_str(WANTED).unwrap();
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "generate_image", "arguments": arguments, "_meta": meta}});
            let headers = vec![
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "generate_image"),
                ("accept", "application/json, text/event-stream"),
            ];
            ("/mcp", headers, body.to_string())
        }
    };
    gimp_bridge::upstream::use_ring();
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let mut request = client.post(format!("{url}{path}")).header("content-type", "application/json").body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let _ = request.send().await;
}
