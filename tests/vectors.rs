//! Runs `protocol/vectors/` against the Rust side, as the plug-in's tests run them against the Python side.

use crate::fake_plugin::{Conn, Fake};
use bytes::{Bytes, BytesMut};
use gimp_bridge::gimp::frame::{Frame, FrameCodec, FrameError};
use gimp_bridge::gimp::handshake;
use gimp_bridge::gimp::link::Link;
use gimp_bridge::gimp::secret::{self, Secret};
use gimp_bridge::gimp::wire::{self, MessageError};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_util::codec::{Decoder, Framed};
use tokio_util::sync::CancellationToken;

fn vectors(name: &str) -> Value {
    let path = format!("{}/protocol/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(text: &Value) -> Secret {
    Secret::from_bytes(unhex(text.as_str().unwrap()).try_into().unwrap())
}

fn bytes_of(case: &Value) -> Vec<u8> {
    let part = |part: &Value| {
        let once =
            part["hex"].as_str().map(unhex).unwrap_or_else(|| part["text"].as_str().unwrap().as_bytes().to_vec());
        once.repeat(part["times"].as_u64().unwrap_or(1) as usize)
    };
    case["bytes"].as_array().unwrap().iter().flat_map(part).collect()
}

/// What a decoder gives for `bytes` in `packets` pieces, shaped as `expected` is.
fn events(case: &Value, bytes: &[u8], packets: usize, expected: &[Value]) -> Vec<Value> {
    let mut codec = FrameCodec::new();
    if case["before_handshake"] != true {
        codec.open();
    }
    let (mut buffer, mut seen) = (BytesMut::new(), Vec::new());
    for packet in bytes.chunks(bytes.len().div_ceil(packets)) {
        buffer.extend_from_slice(packet);
        loop {
            let lengths_only = expected.get(seen.len()).is_some_and(|event| {
                event.get("message_length").is_some() || event.pointer("/reply_chunk/length").is_some()
            });
            match codec.decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some(frame)) => match event(frame, lengths_only) {
                    Ok(event) => seen.push(event),
                    Err(reason) => return [seen, vec![json!({"close": reason})]].concat(),
                },
                Err(error) => return [seen, vec![json!({"close": frame_reason(&error)})]].concat(),
            }
        }
    }
    if case["end"] == true {
        seen.push(json!({"close": if buffer.is_empty() { "end" } else { "truncated" }}));
    }
    seen
}

fn event(frame: Frame, lengths_only: bool) -> Result<Value, &'static str> {
    let chunk = |id: u64, data: Bytes| match lengths_only {
        true => json!({"id": id, "length": data.len()}),
        false => json!({"id": id, "hex": hex(&data)}),
    };
    Ok(match frame {
        Frame::ReplyChunk { id, data } => json!({"reply_chunk": chunk(id, data)}),
        Frame::RequestChunk { id, data } => json!({"request_chunk": chunk(id, data)}),
        Frame::Message(body) => {
            wire::parse(&body).map_err(|error| match error {
                MessageError::NotUtf8 => "not_utf8",
                MessageError::TooDeep => "too_deep",
                MessageError::NotJson => "not_json",
                MessageError::NotObject => "not_an_object",
            })?;
            match lengths_only {
                true => json!({"message_length": body.len()}),
                false => json!({"message": serde_json::from_slice::<Value>(&body).unwrap()}),
            }
        }
    })
}

fn frame_reason(error: &FrameError) -> &'static str {
    match error {
        FrameError::Empty => "zero_length",
        FrameError::TooLong { .. } => "too_long",
        FrameError::UnknownKind(_) => "unknown_kind",
        FrameError::ShortChunk(_) => "short_chunk",
        FrameError::Io(_) => "io",
    }
}

#[test]
fn framing() {
    let file = vectors("framing");
    for case in file["cases"].as_array().unwrap() {
        let (name, bytes) = (case["name"].as_str().unwrap(), bytes_of(case));
        let expected = case["events"].as_array().unwrap();
        let given = case["packets"].as_u64().unwrap_or(1) as usize;
        // The events are the same for any cut; long cases are cut less finely to stay quick.
        for packets in [given, 2, 13, bytes.len().min(300)] {
            assert_eq!(&events(case, &bytes, packets.max(1), expected), expected, "{name}, in {packets} packets");
        }
    }
}

#[test]
fn proofs() {
    for row in vectors("handshake")["proofs"].as_array().unwrap() {
        let text = |key: &str| row[key].as_str().unwrap();
        let (port, secret) = (row["port"].as_u64().unwrap() as u16, secret(&row["secret"]));
        for role in ["daemon", "plugin"] {
            let proof = handshake::proof(&secret, role, port, text("daemon_nonce"), text("plugin_nonce"));
            assert_eq!(proof, text(&format!("{role}_proof")), "{role} on {port}");
        }
    }
}

/// Every key of `expected` is in `got` with an equal value, in objects at any depth.
fn matches(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            expected.iter().all(|(key, value)| got.get(key).is_some_and(|other| matches(value, other)))
        }
        _ => expected == got,
    }
}

/// Plays the plug-in's part of an exchange.
async fn play(conn: &mut Conn, exchange: &[Value], name: &str) {
    for step in exchange {
        if step["plugin"] == "close" {
            conn.framed.get_mut().shutdown().await.unwrap();
        } else if let Some(message) = step.get("plugin") {
            conn.send(message.clone()).await;
        } else if let Some(bytes) = step["plugin_hex"].as_str() {
            conn.raw(&unhex(bytes)).await;
        } else if step["daemon"] == "close" {
            assert!(conn.frame().await.is_none(), "{name}: the daemon should close");
        } else {
            let mut expected = step["daemon"].clone();
            // Our version changes with every release, the vector does not.
            if let Some(version) = expected.pointer_mut("/params/software/version") {
                *version = env!("CARGO_PKG_VERSION").into();
            }
            let got = loop {
                let got = conn.message().await.unwrap_or_else(|| panic!("{name}: closed instead of {expected}"));
                // On a slow machine the heartbeat comes between; no vector expects it.
                if got["method"] != "$/ping" || expected["method"] == "$/ping" {
                    break got;
                }
            };
            assert!(matches(&expected, &got), "{name}: expected {expected}, got {got}");
        }
    }
}

#[tokio::test]
async fn handshakes() {
    let file = vectors("handshake");
    let (secret, port) = (secret(&file["secret"]), file["port"].as_u64().unwrap() as u16);
    let nonce = file["daemon_nonce"].as_str().unwrap().to_owned();
    for case in file["cases"].as_array().unwrap().iter().filter(|case| case["side"] == "daemon") {
        let name = case["name"].as_str().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (secret, nonce) = (secret.clone(), nonce.clone());
        let daemon = tokio::spawn(async move {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut wire = Framed::new(socket, FrameCodec::new());
            handshake::steps(&mut wire, port, &secret, "serve", &nonce).await
        });
        let mut conn = Conn { framed: Framed::new(listener.accept().await.unwrap().0, FrameCodec::new()) };
        play(&mut conn, case["exchange"].as_array().unwrap(), name).await;
        let error = daemon.await.unwrap().expect_err(name);
        assert_eq!(error.kind.name(), case["error"].as_str().unwrap(), "{name}: {error}");
        assert!(error.hint.is_some(), "{name}");
    }
}

#[tokio::test]
async fn sessions() {
    let file = vectors("session");
    for case in file["cases"].as_array().unwrap().iter().filter(|case| case["side"] != "plugin") {
        let name = case["name"].as_str().unwrap();
        let fake = Fake::new().await;
        let (secret, shutdown) = (secret::load(fake.state.path()).unwrap(), CancellationToken::new());
        let free = Default::default();
        let (mut conn, link) =
            tokio::join!(fake.accept(), Link::connect(fake.port, &secret, "test", &free, None, &shutdown));
        let _link = link.unwrap();
        play(&mut conn, case["exchange"].as_array().unwrap(), name).await;
    }
}
