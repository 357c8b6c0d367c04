//! A backend of all five protocols that paints the same picture for the same prompt, seed and size, and fails as it is
//! told to. It refuses what the real ones refuse: unknown keys, nulls, a missing token.

use super::edits::Begun;
use super::{comfyui, edits};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::Cursor;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, broadcast};

/// What happens to the next request for a picture instead of a good answer.
#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16, &'static str),
    /// The body breaks off.
    BrokenOff,
    /// 200 with this body.
    Body(&'static str),
    Endless,
    /// No answer until the test ends.
    Hang,
    /// The picture's bytes are these, or its first so many.
    NoPicture,
    Cut,
    /// Another size than asked for.
    Larger,
    /// A pipeline that does not know the parameter.
    Unknown(&'static str),
    /// A workflow whose node fails.
    Execution,
}

#[derive(Default)]
pub struct Seen {
    /// Bodies of requests for pictures, with the protocol's path.
    pub requests: Vec<(String, Value)>,
    pub tokens: Vec<String>,
    /// Paths that tell it to stop.
    pub stops: Vec<String>,
    pub now: usize,
    pub most: usize,
    /// How often a history was looked at.
    pub looks: usize,
    /// What requests began from.
    pub begun: Vec<Begun>,
}

pub struct Shared {
    pub seen: Mutex<Seen>,
    pub faults: Mutex<VecDeque<Fault>>,
    /// Pictures that may be finished; closed: all.
    pub gate: Option<Semaphore>,
    pub changed: Notify,
    /// Whether the answer of kserve-v1 names the seed.
    pub tells_seed: bool,
    pub token: Option<&'static str>,
    /// Jobs, and files in base64.
    pub history: Mutex<HashMap<String, Value>>,
    pub url: Mutex<String>,
    /// Who listens to how far it is.
    pub listeners: broadcast::Sender<Value>,
    /// Whether it opens WebSockets.
    pub sockets: AtomicBool,
    /// How long it takes to understand that it is to stop.
    pub slow_to_stop: Mutex<Duration>,
}

pub struct Painter {
    pub shared: Arc<Shared>,
    pub url: String,
}

pub type All = State<Arc<Shared>>;

impl Painter {
    pub async fn start() -> Painter {
        Painter::with(None, false, None).await
    }

    /// `gate`: pictures wait until the test lets them be finished.
    pub async fn with(token: Option<&'static str>, tells_seed: bool, gate: Option<usize>) -> Painter {
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            faults: Mutex::default(),
            gate: gate.map(Semaphore::new),
            changed: Notify::new(),
            tells_seed,
            token,
            history: Mutex::default(),
            url: Mutex::default(),
            listeners: broadcast::channel(1024).0,
            sockets: AtomicBool::new(true),
            slow_to_stop: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/models/{model}", get(kserve_ready).post(kserve))
            .route("/v2/models/{model}/ready", get(|| async { "{}" }))
            .route("/v2/models/{model}/infer", post(oip))
            .route("/v1/images/generations", post(openai))
            .route("/v1/models", get(|| async { json!({"data": [{"id": "dall-e-2"}]}).to_string() }))
            .route("/files/{name}", get(stored))
            .route("/v1/images/edits", post(edits::openai))
            .route("/sdapi/v1/txt2img", post(a1111))
            .route("/sdapi/v1/img2img", post(edits::a1111))
            .route("/sdapi/v1/progress", get(|| async { json!({"progress": 0.4}).to_string() }))
            .route(
                "/sdapi/v1/sd-models",
                get(|| async { json!([{"model_name": "dreamer", "title": "dreamer.safetensors"}]).to_string() }),
            )
            .route("/sdapi/v1/interrupt", post(stop_a1111))
            .merge(comfyui::routes())
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        shared.url.lock().unwrap().clone_from(&url);
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Painter { shared, url }
    }

    pub fn kserve(&self) -> String {
        format!("{}/v1/models/stable-diffusion", self.url)
    }

    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.lock().unwrap().extend(faults);
    }

    pub fn requests(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.shared.seen.lock().unwrap().requests)
    }

    /// Waits until what was seen is so.
    pub async fn until(&self, is_so: impl Fn(&Seen) -> bool) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if is_so(&self.shared.seen.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        // The notification may come between the look and the wait: look again now and then.
        let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut wait = Box::pin(wait);
        loop {
            if tokio::time::timeout(std::time::Duration::from_millis(200), &mut wait).await.is_ok() {
                return;
            }
            if is_so(&self.shared.seen.lock().unwrap()) {
                return;
            }
            assert!(tokio::time::Instant::now() < limit, "it does not come");
        }
    }
}

/// The picture of these words: a colour for the prompt, a gradient for the seed.
pub fn picture(prompt: &str, seed: u64, width: u32, height: u32) -> Vec<u8> {
    let hash = prompt.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let [red, green, ..] = hash.to_le_bytes();
    let paint = |x: u32, y: u32| image::Rgb([red ^ (x as u8), green, (u64::from(y) + seed) as u8]);
    let mut bytes = Vec::new();
    image::RgbImage::from_fn(width, height, paint)
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
        .unwrap();
    bytes
}

/// Counts pictures under way.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.seen.lock().unwrap().now -= 1;
        self.0.changed.notify_waiters();
    }
}

async fn paint(shared: &Arc<Shared>, prompt: &str, seed: u64, width: u64, height: u64) -> Result<Vec<u8>, Response> {
    make(shared, |share| picture(prompt, seed, width as u32 * share, height as u32 * share)).await
}

/// Waits its time; then the picture, so many times as large, or what goes wrong.
pub async fn make(shared: &Arc<Shared>, good: impl Fn(u32) -> Vec<u8>) -> Result<Vec<u8>, Response> {
    let _busy = {
        let mut seen = shared.seen.lock().unwrap();
        seen.now += 1;
        seen.most = seen.most.max(seen.now);
        Busy(shared.clone())
    };
    shared.changed.notify_waiters();
    let fault = shared.faults.lock().unwrap().pop_front();
    if let Some(gate) = &shared.gate {
        gate.acquire().await.unwrap().forget();
    }
    spoiled(fault, good).await
}

pub async fn spoiled(fault: Option<Fault>, good: impl Fn(u32) -> Vec<u8>) -> Result<Vec<u8>, Response> {
    match fault {
        None | Some(Fault::Execution) => Ok(good(1)),
        Some(Fault::Larger) => Ok(good(2)),
        Some(Fault::NoPicture) => Ok(b"<html>welcome</html>".to_vec()),
        Some(Fault::Cut) => {
            let bytes = good(1);
            Ok(bytes[..bytes.len() - 40].to_vec())
        }
        Some(Fault::Status(status, body)) => Err((StatusCode::from_u16(status).unwrap(), body).into_response()),
        Some(Fault::Unknown(name)) => {
            let said = json!({"error": format!("TypeError : __call__() got an unexpected keyword argument '{name}'")});
            Err((StatusCode::INTERNAL_SERVER_ERROR, said.to_string()).into_response())
        }
        Some(Fault::Body(body)) => Err(body.into_response()),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::BrokenOff) => {
            let pieces = [Ok("{\"predictions\""), Err(std::io::Error::other("broken"))];
            Err(Body::from_stream(futures_util::stream::iter(pieces)).into_response())
        }
        Some(Fault::Endless) => {
            let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
            Err(Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
                .into_response())
        }
    }
}

/// The body, if its keys are known and none is null; and the token.
pub fn body(
    shared: &Shared,
    path: &str,
    headers: &HeaderMap,
    text: &str,
    keys: &[&str],
) -> Result<Map<String, Value>, Response> {
    let refuse = |status: StatusCode, what: String| Err(refusal(status, what));
    identified(shared, headers)?;
    let Ok(Value::Object(mut whole)) = serde_json::from_str::<Value>(text) else {
        return refuse(StatusCode::BAD_REQUEST, "no object".into());
    };
    let own = match whole.remove("instances") {
        Some(Value::Array(mut instances)) if instances.len() == 1 => instances.remove(0),
        Some(_) => return refuse(StatusCode::BAD_REQUEST, "one instance".into()),
        None => whole.into(),
    };
    shared.seen.lock().unwrap().requests.push((path.to_owned(), own.clone()));
    let Value::Object(own) = own else { return refuse(StatusCode::BAD_REQUEST, "no object".into()) };
    for (name, value) in &own {
        if !keys.contains(&name.as_str()) || value.is_null() {
            return refuse(StatusCode::BAD_REQUEST, format!("unknown parameter {name}: {value}"));
        }
    }
    Ok(own)
}

pub fn refusal(status: StatusCode, what: impl std::fmt::Display) -> Response {
    (status, json!({"error": {"message": what.to_string()}}).to_string()).into_response()
}

pub fn identified(shared: &Shared, headers: &HeaderMap) -> Result<(), Response> {
    let given = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    shared.seen.lock().unwrap().tokens.push(given.to_owned());
    match shared.token {
        Some(token) if given != format!("Bearer {token}") => Err(refusal(StatusCode::UNAUTHORIZED, "no such key")),
        _ => Ok(()),
    }
}

pub fn number(own: &Map<String, Value>, name: &str, usual: u64) -> u64 {
    own.get(name).and_then(Value::as_u64).unwrap_or(usual)
}

const DIFFUSERS: [&str; 11] = [
    "prompt",
    "negative_prompt",
    "num_inference_steps",
    "width",
    "height",
    "guidance_scale",
    "seed",
    "scheduler",
    "image",
    "mask_image",
    "strength",
];

async fn kserve_ready(Path(model): Path<String>) -> String {
    json!({"name": model, "ready": true}).to_string()
}

async fn kserve(
    State(shared): All,
    Path(model): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<String, Response> {
    if model != "stable-diffusion:predict" {
        return Err((StatusCode::NOT_FOUND, json!({"error": format!("no model {model}")}).to_string()).into_response());
    }
    let own = body(&shared, "kserve", &headers, &text, &DIFFUSERS)?;
    let seed = number(&own, "seed", 99);
    let prompt = own["prompt"].as_str().unwrap_or_default();
    let size = (number(&own, "width", 512) as u32, number(&own, "height", 512) as u32);
    let source = edits::source(&shared, &own, size)?;
    let bytes = make(&shared, |share| edits::painted(source.as_ref(), prompt, seed, size, share)).await?;
    let mut prediction =
        json!({"model_name": "sd-tiny", "prompt": prompt, "image": {"format": "PNG", "b64": STANDARD.encode(bytes)}});
    if shared.tells_seed {
        prediction["seed"] = seed.into();
    }
    Ok(json!({"predictions": [prediction]}).to_string())
}

/// In binary if it is asked for so and the model is not called `plain`.
async fn oip(
    State(shared): All,
    Path(model): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Response> {
    let own = body(&shared, "oip", &headers, &text, &["id", "inputs", "parameters", "outputs"])?;
    let types = [
        ("prompt", "BYTES"),
        ("negative_prompt", "BYTES"),
        ("width", "INT32"),
        ("height", "INT32"),
        ("num_inference_steps", "INT32"),
        ("guidance_scale", "FP32"),
        ("seed", "INT64"),
        ("image", "BYTES"),
        ("mask_image", "BYTES"),
        ("strength", "FP32"),
    ];
    let mut values = Map::new();
    for input in own["inputs"].as_array().unwrap() {
        let (name, kind) = (input["name"].as_str().unwrap(), input["datatype"].as_str().unwrap());
        if !types.contains(&(name, kind)) || input["shape"] != json!([1]) {
            return Err(
                (StatusCode::BAD_REQUEST, json!({"error": format!("bad input {input}")}).to_string()).into_response()
            );
        }
        values.insert(name.to_owned(), input["data"][0].clone());
    }
    let seed = number(&values, "seed", 99);
    let prompt = values["prompt"].as_str().unwrap_or_default();
    let size = (number(&values, "width", 0) as u32, number(&values, "height", 0) as u32);
    let source = edits::source(&shared, &values, size)?;
    let bytes = make(&shared, |share| edits::painted(source.as_ref(), prompt, seed, size, share)).await?;
    // What there is, each asked for by name and in its own way, or all of it.
    let image = if model == "plain" { STANDARD.encode(bytes).into_bytes() } else { bytes };
    let has = [
        ("caption", "BYTES", b"a picture of a lake".to_vec()),
        ("image", "BYTES", image),
        ("seed", "INT64", seed.to_le_bytes().to_vec()),
    ];
    let all = own["parameters"]["binary_data_output"] == true && model != "plain";
    let asked: Vec<(&str, bool)> = match own.get("outputs").and_then(Value::as_array) {
        None => has
            .iter()
            .filter(|(name, ..)| *name != "caption" || model == "several")
            .map(|(name, ..)| (*name, all))
            .collect(),
        Some(outputs) => {
            let binary = |output: &Value| output["parameters"]["binary_data"].as_bool().unwrap_or(all);
            outputs.iter().map(|output| (output["name"].as_str().unwrap(), binary(output))).collect()
        }
    };
    let (mut outputs, mut tail) = (Vec::new(), Vec::new());
    for (name, binary) in asked {
        let Some((_, kind, value)) = has.iter().find(|(known, ..)| *known == name) else {
            return Err((
                StatusCode::BAD_REQUEST,
                json!({"error": format!("unexpected inference output '{name}'")}).to_string(),
            )
                .into_response());
        };
        let mut output = json!({"name": name, "datatype": kind, "shape": [1]});
        if binary {
            let before = tail.len();
            if *kind == "BYTES" {
                tail.extend_from_slice(&(value.len() as u32).to_le_bytes());
            }
            tail.extend_from_slice(value);
            output["parameters"] = json!({"binary_data_size": tail.len() - before});
        } else {
            output["data"] = match (*kind, String::from_utf8(value.clone())) {
                ("INT64", _) => json!([seed]),
                (_, Ok(text)) => json!([text]),
                (_, Err(bytes)) => json!([STANDARD.encode(bytes.into_bytes())]),
            };
        }
        outputs.push(output);
    }
    let head = json!({"outputs": outputs}).to_string();
    if tail.is_empty() {
        return Ok(head.into_response());
    }
    let headers = [("inference-header-content-length", head.len().to_string())];
    Ok((headers, [head.as_bytes(), &tail].concat()).into_response())
}

/// A model called `links` answers with an address.
async fn openai(State(shared): All, headers: HeaderMap, text: String) -> Result<String, Response> {
    let own =
        body(&shared, "openai", &headers, &text, &["model", "prompt", "n", "size", "quality", "response_format"])?;
    let (width, height) = own["size"].as_str().unwrap().split_once('x').unwrap();
    let prompt = own["prompt"].as_str().unwrap_or_default();
    let bytes = paint(&shared, prompt, 5, width.parse().unwrap(), height.parse().unwrap()).await?;
    if own.get("model").is_some_and(|model| model == "links") {
        shared.history.lock().unwrap().insert("made.png".into(), STANDARD.encode(bytes).into());
        let url = shared.url.lock().unwrap().clone();
        return Ok(
            json!({"data": [{"url": format!("{url}/files/made.png"), "revised_prompt": "a nicer lake"}]}).to_string()
        );
    }
    Ok(json!({"data": [{"b64_json": STANDARD.encode(bytes)}]}).to_string())
}

async fn stored(State(shared): All, Path(name): Path<String>, headers: HeaderMap) -> Result<Vec<u8>, StatusCode> {
    // The token is for the API alone.
    if headers.contains_key("authorization") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let history = shared.history.lock().unwrap();
    let text = history.get(&name).and_then(Value::as_str).ok_or(StatusCode::NOT_FOUND)?;
    Ok(STANDARD.decode(text).unwrap())
}

async fn a1111(State(shared): All, headers: HeaderMap, text: String) -> Result<String, Response> {
    let keys = [
        "prompt",
        "negative_prompt",
        "steps",
        "cfg_scale",
        "width",
        "height",
        "seed",
        "override_settings",
        "sampler_name",
    ];
    let own = body(&shared, "a1111", &headers, &text, &keys)?;
    let seed = number(&own, "seed", 4242);
    let prompt = own["prompt"].as_str().unwrap_or_default();
    let bytes = paint(&shared, prompt, seed, number(&own, "width", 512), number(&own, "height", 512)).await?;
    let info = json!({"seed": seed, "sd_model_name": "dreamer"}).to_string();
    Ok(json!({"images": [STANDARD.encode(bytes)], "parameters": {}, "info": info}).to_string())
}

async fn stop_a1111(State(shared): All) -> &'static str {
    let slow = *shared.slow_to_stop.lock().unwrap();
    tokio::time::sleep(slow).await;
    shared.seen.lock().unwrap().stops.push("interrupt".into());
    shared.changed.notify_waiters();
    "null"
}
