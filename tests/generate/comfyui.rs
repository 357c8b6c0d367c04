//! ComfyUI's stand-in: it takes uploads, queues a workflow of the nodes that it knows, tells how far it is over its WebSocket,
//! and has the picture in its history.

use super::edits::{Begun, form, painted, read};
use super::painter::{All, Fault, Shared, body, identified, refusal, spoiled};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/upload/image", post(upload))
        .route("/ws", get(ws))
        .route("/prompt", post(queue))
        .route("/history/{id}", get(history))
        .route("/view", get(view))
        .route("/queue", post(stop))
        .route("/interrupt", post(stop))
}

/// The nodes, with the inputs that each takes.
const NODES: [(&str, &[&str]); 4] = [
    ("Painter", &["text", "width", "height", "seed", "steps"]),
    ("LoadImage", &["image"]),
    ("LoadImageMask", &["image", "channel"]),
    ("Repainter", &["text", "width", "height", "seed", "steps", "denoise", "pixels", "mask"]),
];

async fn upload(State(shared): All, headers: HeaderMap, content: Bytes) -> Result<String, Response> {
    identified(&shared, &headers)?;
    let (mut name, mut kind) = (String::new(), "input".to_owned());
    for field in form(&headers, &content)? {
        match (field.name.as_str(), field.file) {
            ("image", Some((file, _))) => {
                name.clone_from(&file);
                shared.history.lock().unwrap().insert(format!("uploads/{file}"), STANDARD.encode(field.content).into());
            }
            ("type", None) => kind = String::from_utf8(field.content).unwrap(),
            (other, _) => return Err(refusal(StatusCode::BAD_REQUEST, format!("unknown field {other}"))),
        }
    }
    shared.seen.lock().unwrap().requests.push(("upload".into(), json!(name)));
    Ok(json!({"name": name, "subfolder": "", "type": kind}).to_string())
}

async fn ws(
    State(shared): All,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    asked: WebSocketUpgrade,
) -> Response {
    if !shared.sockets.load(Ordering::Relaxed) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Err(refused) = identified(&shared, &headers) {
        return refused;
    }
    let client = query.get("clientId").cloned().unwrap_or_default();
    let told = shared.listeners.subscribe();
    asked.on_upgrade(move |socket| tell(socket, client, told))
}

async fn tell(mut socket: WebSocket, client: String, mut told: tokio::sync::broadcast::Receiver<Value>) {
    let status = json!({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": client}});
    let _ = socket.send(Message::text(status.to_string())).await;
    // A preview, as a real one sends them between the texts.
    let _ = socket.send(Message::binary(vec![0, 0, 0, 1, 0, 0, 0, 2, 0xff])).await;
    while let Ok(message) = told.recv().await {
        if message["client"] != client {
            continue;
        }
        if message["type"] == "close" || socket.send(Message::text(message.to_string())).await.is_err() {
            return;
        }
    }
}

/// The uploaded file that a node's input names.
fn loaded(shared: &Shared, nodes: &Map<String, Value>, link: &Value, size: (u32, u32)) -> Option<image::DynamicImage> {
    let name = nodes.get(link[0].as_str()?)?["inputs"]["image"].as_str()?.strip_suffix(" [temp]")?;
    let history = shared.history.lock().unwrap();
    let bytes = STANDARD.decode(history.get(&format!("uploads/{name}"))?.as_str()?).unwrap();
    read(name, &bytes, size).ok()
}

/// What goes wrong with a node, as ComfyUI checks a prompt before it queues it.
fn mistaken(shared: &Shared, nodes: &Map<String, Value>) -> Option<String> {
    for (id, node) in nodes {
        let class = node["class_type"].as_str().unwrap_or_default();
        let Some((_, inputs)) = NODES.iter().find(|(name, _)| *name == class) else {
            return Some(format!("no node {class}"));
        };
        for (name, value) in node["inputs"].as_object().unwrap() {
            if !inputs.contains(&name.as_str()) || value.is_null() || value.to_string().contains("{{") {
                return Some(format!("node {id}: {name}: {value}"));
            }
        }
        if class.starts_with("Load") {
            let name = node["inputs"]["image"].as_str().unwrap_or_default();
            let file = format!("uploads/{}", name.trim_end_matches(" [temp]"));
            if !shared.history.lock().unwrap().contains_key(&file) {
                return Some(format!("Custom validation failed for node: image - Invalid image file: {name}"));
            }
        }
    }
    None
}

async fn queue(State(shared): All, headers: HeaderMap, text: String) -> Result<String, Response> {
    let own = body(&shared, "comfyui", &headers, &text, &["prompt", "client_id"])?;
    let nodes = own["prompt"].as_object().unwrap().clone();
    if let Some(what) = mistaken(&shared, &nodes) {
        return Err(refusal(StatusCode::BAD_REQUEST, what));
    }
    let (sampler, node) = nodes.iter().find(|(_, node)| node["inputs"]["seed"].is_u64()).unwrap();
    let inputs = &node["inputs"];
    let side = |name: &str| inputs[name].as_u64().unwrap() as u32;
    let size = (side("width"), side("height"));
    let begun = match inputs.get("pixels") {
        None => None,
        Some(link) => {
            let image =
                loaded(&shared, &nodes, link, size).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "pixels"))?;
            let mask = inputs.get("mask").map(|link| {
                let red = link[0].as_str().is_some_and(|id| nodes[id]["inputs"]["channel"] == "red");
                loaded(&shared, &nodes, link, size).filter(|_| red)
            });
            if matches!(mask, Some(None)) {
                return Err(refusal(StatusCode::BAD_REQUEST, "mask"));
            }
            let mask = mask.flatten().map(image::DynamicImage::into_luma8);
            let strength = inputs["denoise"].as_f64().unwrap();
            Some(Begun { image: image.into_rgb8(), mask, strength }.noted(&shared))
        }
    };
    let fault = shared.faults.lock().unwrap().pop_front();
    let id = format!("job-{}", shared.history.lock().unwrap().len());
    let messages = json!([["execution_error", {"node_type": "KSampler", "exception_message": "out of memory"}]]);
    let failed = json!({"status": {"status_str": "error", "messages": messages}, "outputs": {}});
    let entry = match fault {
        Some(Fault::Hang) => Value::Null,
        Some(Fault::Execution) => failed,
        other => {
            let prompt = inputs["text"].as_str().unwrap();
            let good = |share| painted(begun.as_ref(), prompt, inputs["seed"].as_u64().unwrap(), size, share);
            let bytes = spoiled(other, good).await?;
            shared.history.lock().unwrap().insert("a b.png".into(), STANDARD.encode(bytes).into());
            let image = json!({"filename": "a b.png", "subfolder": "x", "type": "output"});
            json!({"status": {"status_str": "success", "completed": true}, "outputs": {"9": {"images": [image]}}})
        }
    };
    shared.history.lock().unwrap().insert(id.clone(), Value::Null);
    let client = own["client_id"].clone();
    tokio::spawn(work(shared, id.clone(), client, nodes.clone(), sampler.clone(), side("steps"), entry));
    Ok(json!({"prompt_id": id, "number": 1, "node_errors": {}}).to_string())
}

/// Goes through the nodes and the steps, tells of each, and files the picture.
async fn work(
    shared: Arc<Shared>,
    id: String,
    client: Value,
    nodes: Map<String, Value>,
    sampler: String,
    steps: u32,
    entry: Value,
) {
    let tell = |kind: &str, data: Value| {
        let mut data = data;
        data["prompt_id"] = json!(id);
        let _ = shared.listeners.send(json!({"type": kind, "data": data, "client": client}));
    };
    tell("execution_start", json!({}));
    tell("execution_cached", json!({"nodes": []}));
    for node in nodes.keys().filter(|node| **node != sampler).chain([&sampler]) {
        tell("executing", json!({"node": node}));
    }
    for step in 1..=steps {
        // A gate holds every step, so that a test can look at each.
        if let Some(gate) = &shared.gate {
            gate.acquire().await.unwrap().forget();
        }
        tell("progress", json!({"node": sampler, "value": step, "max": steps}));
        tokio::task::yield_now().await;
    }
    if entry.is_null() {
        return;
    }
    shared.history.lock().unwrap().insert(id.clone(), entry);
    tell("executing", json!({"node": null}));
}

async fn history(State(shared): All, Path(id): Path<String>) -> String {
    shared.seen.lock().unwrap().looks += 1;
    let history = shared.history.lock().unwrap();
    match history.get(&id).filter(|entry| !entry.is_null()) {
        Some(entry) => json!({id: entry}).to_string(),
        None => "{}".into(),
    }
}

async fn view(State(shared): All, Query(query): Query<HashMap<String, String>>) -> Result<Vec<u8>, StatusCode> {
    if query.get("subfolder").map(String::as_str) != Some("x")
        || query.get("type").map(String::as_str) != Some("output")
    {
        return Err(StatusCode::BAD_REQUEST);
    }
    let history = shared.history.lock().unwrap();
    let text = query
        .get("filename")
        .and_then(|name| history.get(name))
        .and_then(Value::as_str)
        .ok_or(StatusCode::NOT_FOUND)?;
    Ok(STANDARD.decode(text).unwrap())
}

async fn stop(State(shared): All, text: String) -> &'static str {
    shared.seen.lock().unwrap().stops.push(text);
    shared.changed.notify_waiters();
    "{}"
}
