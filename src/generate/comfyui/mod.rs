//! ComfyUI: workflows of the user's own (its API format) with placeholders, queued, followed until there is a picture.
//!
//! How far it is comes over its WebSocket; whether it is done is what its history says, also where there is no WebSocket.

mod steps;
mod workflow;

use super::afterwards;
use super::backend::{Backend, Capabilities, Needs, Painted, Request, SeedUse, Server, Source, Tell};
use crate::error::{Error, Kind, Result};
use crate::upstream::{Form, Request as HttpRequest, Socket};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use steps::{Said, Steps};
use uuid::Uuid;
use workflow::Workflow;

/// How often the history is looked at: where nothing else tells, and where the WebSocket does.
const ASKED: Duration = Duration::from_millis(300);
const ASKED_SELDOM: Duration = Duration::from_secs(3);

pub struct ComfyUi {
    server: Arc<Server>,
    words: Workflow,
    image: Option<Workflow>,
    mask: Option<Workflow>,
}

/// A picture that is queued or worked on; dropped, it is taken out.
struct Queued {
    server: Arc<Server>,
    id: Option<String>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            // The first takes it out of the queue, the second ends it where it runs already.
            self.server.stop(vec![("/queue", json!({"delete": [&id]})), ("/interrupt", json!({"prompt_id": &id}))]);
        }
    }
}

impl ComfyUi {
    /// # Errors
    /// `config` for a workflow that cannot be read, or has no place for what it is about.
    pub fn new(server: Arc<Server>) -> Result<ComfyUi> {
        let declared = &server.declared;
        let words = Workflow::read(&declared.workflow.clone().unwrap_or_default(), &["prompt"])?;
        let other = |file: &Option<std::path::PathBuf>, said: Option<bool>, needed: &[&str]| {
            let file = file.as_deref().filter(|_| said != Some(false));
            file.map(|file| Workflow::read(file, needed)).transpose()
        };
        let image = other(&declared.image_workflow, declared.image_to_image, &["prompt", "image"])?;
        let mask = other(&declared.mask_workflow, declared.masks, &["prompt", "image", "mask"])?;
        Ok(ComfyUi { server, words, image, mask })
    }

    fn workflow(&self, needs: Needs) -> Result<&Workflow> {
        let found = match needs {
            Needs::Words => Some(&self.words),
            Needs::Picture => self.image.as_ref(),
            Needs::Mask => self.mask.as_ref(),
        };
        // Who lacks it is not asked for it.
        found.ok_or_else(|| Error::internal("no workflow for the request"))
    }

    async fn queue(&self, wanted: &Request, tell: &Tell) -> Result<Painted> {
        let workflow = self.workflow(wanted.needs())?;
        let seed = wanted.seed.unwrap_or_else(random_seed);
        let model = wanted.model.as_ref().or(self.server.declared.model.as_ref());
        let mut values = Map::from_iter([
            ("prompt".to_owned(), json!(wanted.prompt)),
            ("negative_prompt".to_owned(), json!(wanted.negative_prompt.as_deref().unwrap_or_default())),
            ("width".to_owned(), json!(wanted.width)),
            ("height".to_owned(), json!(wanted.height)),
            ("num_inference_steps".to_owned(), json!(wanted.num_inference_steps)),
            ("steps".to_owned(), json!(wanted.num_inference_steps)),
            ("guidance_scale".to_owned(), json!(wanted.guidance_scale)),
            ("seed".to_owned(), json!(seed)),
            ("model".to_owned(), model.map_or(Value::Null, |model| json!(model))),
        ]);
        if let Some(source) = &wanted.source {
            values.extend(self.upload(source).await?);
        }
        let client = Uuid::new_v4();
        // Opened first, so that nothing is told before somebody listens.
        let mut socket = match self.server.upstream.socket(&format!("/ws?clientId={client}")).await {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::debug!(%error, "the history alone tells how far it is");
                None
            }
        };
        let body = json!({"prompt": workflow.filled(&values), "client_id": client});
        let server = self.server.clone();
        // Only its answer says by which name it is taken out again.
        let mut queued = afterwards::through(async move {
            let answer = server.ask(HttpRequest::json("/prompt", &body)).await?.json();
            let id = answer["prompt_id"].as_str().ok_or_else(|| server.nonsense("without `prompt_id`"))?;
            Ok(Queued { id: Some(id.to_owned()), server })
        })
        .await?;
        let id = queued.id.clone().unwrap_or_default();
        let mut steps = Steps::new(id.clone(), workflow.nodes(), wanted.num_inference_steps);
        let entry = self.ended(&id, &mut socket, &mut steps, tell).await?;
        queued.id = None;
        let bytes = self.picture(&entry).await?;
        Ok(Painted { bytes, seed: workflow.has("seed").then_some(u64::from(seed)), model: None, notes: Vec::new() })
    }

    /// The pictures, under the names that the server gives them.
    async fn upload(&self, source: &Source) -> Result<Vec<(String, Value)>> {
        let mut values = vec![("strength".to_owned(), json!(source.strength))];
        values.push(("image".to_owned(), self.uploaded(&source.image).await?));
        if let Some(mask) = &source.mask {
            values.push(("mask".to_owned(), self.uploaded(mask).await?));
        }
        Ok(values)
    }

    async fn uploaded(&self, bytes: &Bytes) -> Result<Value> {
        // Named by its content, so that variants share one. It goes where ComfyUI itself tidies up.
        let hash: String = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut form = Form::begin();
        form.png("image", &format!("gimp-bridge-{hash}.png"), bytes);
        form.text("type", "temp");
        let answer = self.server.ask(form.post("/upload/image")).await?.json();
        let name = answer["name"].as_str().ok_or_else(|| self.server.nonsense("an upload without `name`"))?;
        let (folder, kind) = (answer["subfolder"].as_str().unwrap_or_default(), answer["type"].as_str());
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        Ok(format!("{path} [{}]", kind.unwrap_or("temp")).into())
    }

    /// The history's entry, once it is there.
    async fn ended(&self, id: &str, socket: &mut Option<Socket>, steps: &mut Steps, tell: &Tell) -> Result<Value> {
        let begun = Instant::now();
        let limit = self.server.declared.timeout();
        loop {
            if begun.elapsed() > limit {
                let name = &self.server.declared.name;
                return Err(Error::new(
                    Kind::Timeout,
                    format!("`{name}` made no picture within {} s", limit.as_secs()),
                )
                .hint("set a larger `timeout` in its declaration"));
            }
            let pause = if socket.is_some() { ASKED_SELDOM } else { ASKED };
            let pause = pause.min(limit.saturating_sub(begun.elapsed()) + Duration::from_millis(1));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = listen(socket, steps, tell) => {}
            }
            let history = self.server.ask(HttpRequest::get(format!("/history/{id}"))).await?.json();
            let entry = &history[id];
            let status = &entry["status"];
            if status["status_str"] == "error" {
                return Err(self.failed(status));
            }
            if entry["outputs"].as_object().is_some_and(|outputs| !outputs.is_empty()) {
                return Ok(entry.clone());
            }
            if status["completed"] == true {
                return Err(self.server.nonsense("a workflow without a picture"));
            }
        }
    }

    fn failed(&self, status: &Value) -> Error {
        let messages = status["messages"].as_array().into_iter().flatten();
        let said = messages.filter(|message| message[0] == "execution_error").find_map(|message| {
            let text = message[1]["exception_message"].as_str()?;
            Some(format!("{}: {text}", message[1]["node_type"].as_str().unwrap_or("a node")))
        });
        let said: String = said.unwrap_or_else(|| "an error without words".into()).trim().chars().take(300).collect();
        Error::new(Kind::IoError, format!("the backend `{}` failed: {said}", self.server.declared.name))
            .hint("run the workflow in ComfyUI itself")
    }

    /// The first picture of kind `output`; a preview if there is no other.
    async fn picture(&self, entry: &Value) -> Result<Bytes> {
        let outputs = entry["outputs"].as_object().into_iter().flatten();
        let images: Vec<&Value> =
            outputs.flat_map(|(_, output)| output["images"].as_array().into_iter().flatten()).collect();
        let chosen = images.iter().find(|image| image["type"] == "output").or(images.first());
        let image = chosen.ok_or_else(|| self.server.nonsense("a workflow without a picture"))?;
        let part = |name: &str| encoded(image[name].as_str().unwrap_or_default());
        let path = format!("/view?filename={}&subfolder={}&type={}", part("filename"), part("subfolder"), part("type"));
        Ok(self.server.ask(HttpRequest::get(path)).await?.body)
    }
}

/// A query's value.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn random_seed() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness any seed will do.
    let _ = getrandom::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// Tells how far it is, until it has ended or nothing more is heard.
async fn listen(socket: &mut Option<Socket>, steps: &mut Steps, tell: &Tell) {
    let Some(open) = socket else { return std::future::pending().await };
    while let Some(text) = open.text().await {
        match steps.hear(&text) {
            Said::Progress(share) => tell(share),
            Said::Ended => break,
            Said::Nothing => {}
        }
    }
    *socket = None;
}

impl Backend for ComfyUi {
    fn capabilities(&self, _: Option<&str>) -> Capabilities {
        let words = &self.words;
        let others = [&self.image, &self.mask];
        Capabilities {
            seed: if words.has("seed") { SeedUse::Honoured } else { SeedUse::Ignored },
            negative_prompt: words.has("negative_prompt"),
            num_inference_steps: words.has("steps") || words.has("num_inference_steps"),
            guidance_scale: words.has("guidance_scale"),
            image_to_image: self.image.is_some(),
            masks: self.mask.is_some(),
            strength: others.into_iter().flatten().all(|workflow| workflow.has("strength")),
            without_words: self.server.declared.without_words.unwrap_or(true),
            progress: true,
            interrupt: true,
        }
    }

    fn paint<'a>(&'a self, wanted: &'a Request, tell: &'a Tell) -> BoxFuture<'a, Result<Painted>> {
        Box::pin(self.queue(wanted, tell))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let answer = self.server.ask(HttpRequest::get("/models/checkpoints")).await?.json();
            let names = answer.as_array().into_iter().flatten().filter_map(Value::as_str);
            Ok(names.map(str::to_owned).collect())
        })
    }
}
