//! Images from words: which backend makes one, in whose turn, and what is stored of it.
//!
//! Refuses what a backend cannot before it is asked; claims of an answer only what the backend said.
//!
//! | file | what it holds |
//! |---|---|
//! | `declare.rs`, `limits.rs` | the backends of the configuration, and what their models can |
//! | `backend.rs` | what every backend is, and checks of what it answers |
//! | `choose.rs` | who is asked, and what the request must keep to there |
//! | `kserve.rs`, `oip.rs`, `openai.rs`, `a1111.rs`, `comfyui.rs` | one protocol each |
//! | `picture.rs` | the pictures that requests begin from, as a protocol wants them |
//! | `queue.rs` | turns at a backend, fair among clients |
//! | `afterwards.rs` | what is left to do where nobody waits for an image any more |
//! | `prompt.rs` | prompts that are refused |
//!
//! To add a protocol: its file with a `backend::Backend`, a line in `declare::Protocol` and in `connect`, a stand-in
//! in `tests/generate/`.

mod a1111;
mod afterwards;
mod backend;
mod choose;
mod comfyui;
mod declare;
mod kserve;
mod limits;
mod oip;
mod openai;
mod picture;
mod prompt;
mod queue;

pub use afterwards::{Unclaimed, settled};
pub use backend::{Capabilities, Needs, Request, SeedUse, Source};
pub use choose::Chosen;
pub use limits::Limits;

use crate::config::Config;
use crate::error::{Error, Kind, Reason, Result};
use crate::metrics::METRICS;
use crate::storage::{New, Record, Store};
use crate::upstream::{Settings, Upstream};
use backend::{Backend, Painted, Server, Tell};
use chrono::Utc;
use declare::{Declaration, Protocol};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prompt::PromptFilter;
use queue::{Queue, Turn};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a backend may take to say whether it is ready.
const READY: Duration = Duration::from_secs(3);

/// Makes images and keeps them; cheap to clone.
#[derive(Clone)]
pub struct Generator {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    backends: Vec<One>,
    /// Indices: the default, then those that take over.
    order: Vec<usize>,
    prompts: PromptFilter,
    interval: Duration,
    public_url: Option<String>,
    context_margin: f64,
}

/// A backend, and who waits for it.
struct One {
    declared: Declaration,
    backend: Box<dyn Backend>,
    server: Arc<Server>,
    queue: Queue,
}

/// What a caller wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub request: Request,
    /// Variants.
    pub count: u32,
    /// `None`: the default, and those that take over.
    pub backend: Option<String>,
    /// Whose turn it is.
    pub client: String,
    /// What is not made by then is given up.
    pub limit: Duration,
}

/// What there is of it.
#[derive(Debug)]
pub struct Made {
    pub records: Vec<Record>,
    /// What was lost, changed or left out.
    pub notes: Vec<String>,
    /// To be claimed by whoever tells of the records.
    pub unclaimed: Vec<Unclaimed>,
}

/// Takes how far all of it is, 0 to 1, and in words.
pub type Progress = Arc<dyn Fn(f64, &str) + Send + Sync>;

impl Generator {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `config` for declarations, patterns and stores that cannot be.
    pub fn new(config: &Config) -> Result<Generator> {
        let store = Store::new(config)?;
        let declared = declare::read(config)?;
        let mut backends = Vec::with_capacity(declared.len());
        for declared in declared {
            backends.push(connect(declared, config)?);
        }
        let named = |name: &String| backends.iter().position(|one| one.declared.name == *name);
        let mut order: Vec<usize> = config.generate.order.iter().filter_map(named).collect();
        if order.is_empty() && !backends.is_empty() {
            order.push(0);
        }
        let prompts = PromptFilter::new(&config.generate)?;
        let interval = Duration::from_secs(config.images.cleanup_interval);
        let public_url = config.server.public_url.clone();
        let context_margin = config.generate.context_margin;
        let inner = Inner { store, backends, order, prompts, interval, public_url, context_margin };
        Ok(Generator { inner: Arc::new(inner) })
    }

    /// Where a daemon that serves the images is reached, if that is configured.
    pub fn public_url(&self) -> Option<&str> {
        self.inner.public_url.as_deref()
    }

    /// How much round a selection is sent as context: a share of its longer side.
    pub fn context_margin(&self) -> f64 {
        self.inner.context_margin
    }

    /// Whether any backend is declared.
    pub fn is_on(&self) -> bool {
        !self.inner.backends.is_empty()
    }

    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Sweeps the store again and again until `shutdown`.
    pub async fn sweep(self, shutdown: CancellationToken) {
        loop {
            let swept = self.inner.store.sweep(Utc::now()).await;
            tracing::debug!(?swept, "swept the image store");
            tokio::select! {
                () = tokio::time::sleep(self.inner.interval) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Each backend: what it can, whether it is the default, whether it is ready, its models, and the size at which it
    /// would paint an `area`.
    pub async fn backends(&self, area: Option<(u32, u32)>) -> Vec<Value> {
        let asked = self.inner.backends.iter().enumerate().map(|(index, one)| async move {
            let ready = match tokio::time::timeout(READY, one.backend.models()).await {
                Ok(Ok(models)) => Ok(models),
                Ok(Err(error)) => Err((error.message, error.details.get("reason").cloned())),
                Err(_) => Err((format!("no answer within {} s", READY.as_secs()), None)),
            };
            let place = self.inner.order.iter().position(|at| *at == index);
            let mut told = json!({
                "name": one.declared.name, "kind": one.declared.kind.name(), "default": place == Some(0),
                "takes_over": place.is_some_and(|place| place > 0), "ready": ready.is_ok(),
            });
            one.tell(None, area, &mut told);
            let declared = one.declared.model.iter().chain(one.declared.models.keys());
            let mut models: Vec<String> = declared.cloned().collect();
            match ready {
                // Where models are declared, no others are taken.
                Ok(found) => {
                    models.extend(found.into_iter().filter(|model| one.declared.check_model(Some(model)).is_ok()))
                }
                Err((why, reason)) => {
                    told["why"] = why.into();
                    told["reason"] = reason.unwrap_or_default();
                }
            }
            let mut seen = std::collections::HashSet::new();
            models.retain(|model| seen.insert(model.clone()));
            let unlike = |model: &&String| {
                let model = Some(model.as_str());
                let can = |model| one.backend.capabilities(model);
                (one.limits(model), can(model)) != (one.limits(None), can(None))
            };
            let own = models.iter().filter(unlike).map(|model| {
                let mut own = json!({});
                one.tell(Some(model), area, &mut own);
                (model.clone(), own)
            });
            told["of_models"] = Value::Object(own.collect());
            told["models"] = models.into();
            told
        });
        futures_util::future::join_all(asked).await
    }

    /// The backends and whether they are left alone after failures; asks nobody.
    pub fn states(&self) -> Vec<Value> {
        let state = |one: &One| {
            let open = one.server.upstream.breaker().is_open();
            json!({"name": one.declared.name, "kind": one.declared.kind.name(), "state": if open { "failing" } else { "ok" }})
        };
        self.inner.backends.iter().map(state).collect()
    }

    /// Makes and stores all variants. Dropped, it stops, at the backends too where they can, and nothing stays stored.
    ///
    /// # Errors
    /// Where there is not one image: why the last backend did not make it, or the store did not take it; `timeout`.
    pub async fn generate(&self, wanted: Wanted, progress: Progress) -> Result<Made> {
        let _under_way = afterwards::under_way();
        let deadline = tokio::time::Instant::now() + wanted.limit;
        let backends = self.to_try(&wanted)?;
        self.inner.prompts.check(&wanted.request, &wanted.client).await?;
        if let Some(source) = &wanted.request.source {
            source.check(wanted.request.width, wanted.request.height)?;
        }
        let count = wanted.count.max(1);
        let shares = Arc::new(Mutex::new(vec![0.0; count as usize]));
        let mut running = FuturesUnordered::new();
        for index in 0..count {
            let mut request = wanted.request.clone();
            // Variants of one seed are told apart and can be made again.
            request.seed = request.seed.map(|seed| seed.wrapping_add(index));
            let (shares, progress, backends) = (shares.clone(), progress.clone(), &backends);
            let client = &wanted.client;
            let tell: Tell = Arc::new(move |share| {
                let mut shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
                let own = &mut shares[index as usize];
                *own = share.max(*own);
                let all = shares.iter().sum::<f64>() / f64::from(count);
                progress(all, "generating");
            });
            running.push(async move { (index, self.one(backends, &request, client, &tell).await) });
        }
        let mut made: Vec<(u32, Kept)> = Vec::new();
        let mut failed: Option<Error> = None;
        loop {
            match tokio::time::timeout_at(deadline, running.next()).await {
                Ok(Some((index, Ok(kept)))) => made.push((index, kept)),
                Ok(Some((_, Err(error)))) => drop(failed.get_or_insert(error)),
                Ok(None) => break,
                Err(_) => {
                    failed.get_or_insert(too_long(wanted.limit));
                    break;
                }
            }
        }
        if made.is_empty() {
            return Err(failed.unwrap_or_else(|| Error::internal("no image and no error")));
        }
        made.sort_by_key(|(index, ..)| *index);
        let mut notes: Vec<String> = Vec::new();
        if let Some(error) = failed {
            notes.push(format!("{} of {count} images were not made: {}", count as usize - made.len(), error.message));
        }
        let (mut records, mut unclaimed) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
        for (_, Kept { record, notes: own, unclaimed: one }) in made {
            records.push(record);
            unclaimed.push(one);
            for note in own {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        Ok(Made { records, notes, unclaimed })
    }

    /// One image, by the first backend that makes it.
    async fn one(&self, backends: &[&One], request: &Request, client: &str, tell: &Tell) -> Result<Kept> {
        let mut notes: Vec<String> = Vec::new();
        let mut last = None;
        for one in backends {
            match one.paint(request, client, tell).await {
                Ok(done) => {
                    if let Some(error) = last.take() {
                        let error: Error = error;
                        notes.push(format!("`{}` took over: {}", one.declared.name, error.message));
                    }
                    tell(1.0);
                    return self.keep(one, request, done, notes).await;
                }
                Err(error) if passes_on(error.kind) => {
                    tracing::warn!(backend = one.declared.name, reason = error.message, "a backend failed");
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("no backend was asked")))
    }

    async fn keep(&self, one: &One, request: &Request, done: Done, mut notes: Vec<String>) -> Result<Kept> {
        let Done { painted, mime_type, width, height, seconds } = done;
        notes.extend(one.remarks(request, &painted, (width, height)));
        notes.extend(painted.notes);
        let mut parameters = Map::from_iter([("prompt".to_owned(), json!(request.prompt))]);
        if let Some(text) = &request.negative_prompt {
            parameters.insert("negative_prompt".into(), json!(text));
        }
        let model = painted.model.or_else(|| request.model.clone()).or_else(|| one.declared.model.clone());
        parameters.insert("requested_width".into(), json!(request.width));
        parameters.insert("requested_height".into(), json!(request.height));
        parameters.insert("num_inference_steps".into(), json!(request.num_inference_steps));
        parameters.insert("guidance_scale".into(), json!(request.guidance_scale));
        if let Some(source) = &request.source {
            parameters.insert("strength".into(), json!(source.strength));
            parameters
                .insert("begun_from".into(), json!(if source.mask.is_some() { "image and mask" } else { "image" }));
        }
        parameters.insert("seed".into(), json!(painted.seed));
        parameters.insert("model".into(), json!(model));
        parameters.insert("backend".into(), json!(one.declared.name));
        parameters.insert("seconds".into(), json!((seconds * 1000.0).round() / 1000.0));
        if !notes.is_empty() {
            parameters.insert("notes".into(), json!(notes));
        }
        let new = New { bytes: painted.bytes, mime_type, width, height, parameters };
        let store = self.inner.store.clone();
        let put = async move {
            let record = store.put(new, Utc::now()).await?;
            Ok((Unclaimed::new(&store, &record), record))
        };
        let (unclaimed, record) = afterwards::through(put).await?;
        if let Some(place) = &record.stored_in {
            notes.push(format!("the image store failed, so the image is in its fallback, {place}"));
        }
        Ok(Kept { record, notes, unclaimed })
    }
}

fn too_long(limit: Duration) -> Error {
    Error::new(Kind::Timeout, format!("the generation was ended at its time limit of {} s", limit.as_secs_f64()))
        .hint("give a larger `timeout`, fewer steps or a smaller size")
}

/// A picture that was stored.
struct Kept {
    record: Record,
    notes: Vec<String>,
    unclaimed: Unclaimed,
}

/// A picture that was checked.
struct Done {
    painted: Painted,
    mime_type: &'static str,
    width: u32,
    height: u32,
    seconds: f64,
}

/// A turn. Where its picture is given up it ends once the backend was told, which would stop the next one otherwise.
struct UntilTold {
    turn: Option<Turn>,
    server: Arc<Server>,
}

impl Drop for UntilTold {
    fn drop(&mut self) {
        let turn = self.turn.take();
        if !self.server.told.is_empty() {
            let server = self.server.clone();
            afterwards::spawn(async move {
                server.told.wait().await;
                drop(turn);
            });
        }
    }
}

impl One {
    /// What it can with a model, or the usual one.
    fn tell(&self, model: Option<&str>, area: Option<(u32, u32)>, told: &mut Value) {
        let limits = self.limits(model);
        told["can"] = json!(self.backend.capabilities(model));
        told["limits"] = json!(limits);
        if let Some((width, height)) = area {
            told["size"] = json!(limits.size_for(width, height));
        }
    }

    async fn paint(&self, request: &Request, client: &str, tell: &Tell) -> Result<Done> {
        let _turn = UntilTold { turn: Some(self.queue.turn(client).await?), server: self.server.clone() };
        let began = Instant::now();
        let outcome = self.backend.paint(request, tell).await.and_then(|painted| {
            let (mime_type, width, height) = self.server.check(&painted.bytes)?;
            Ok((painted, mime_type, width, height))
        });
        let outcome = outcome.map_err(|error| self.in_words(error));
        let took = began.elapsed();
        METRICS.generation(
            &self.declared.name,
            outcome.as_ref().map_or_else(|error| error.kind.name(), |_| "ok"),
            took,
        );
        let (painted, mime_type, width, height) = outcome?;
        Ok(Done { painted, mime_type, width, height, seconds: took.as_secs_f64() })
    }

    /// The error with what GIMP's windows say of it.
    fn in_words(&self, error: Error) -> Error {
        let reason = match error.kind {
            Kind::IoError | Kind::ConnectionLost | Kind::NotFound => Reason::BackendAway,
            Kind::Timeout => Reason::BackendSlow,
            Kind::Busy => Reason::BackendBusy,
            Kind::InvalidArgument | Kind::Unsupported => Reason::BackendRefuses,
            Kind::ProtocolError | Kind::TooLarge => Reason::BackendStrange,
            _ => return error,
        };
        if error.details.contains_key("reason") {
            return error.detail("other", self.declared.name.as_str());
        }
        error.because(reason).detail("other", self.declared.name.as_str())
    }

    /// What came otherwise than it was asked for.
    fn remarks(&self, request: &Request, painted: &Painted, (width, height): (u32, u32)) -> Vec<String> {
        let name = &self.declared.name;
        let can = self.backend.capabilities(request.model.as_deref());
        let mut notes = Vec::new();
        if (width, height) != (request.width, request.height) {
            notes.push(format!(
                "`{name}` made {width} x {height} pixels instead of {} x {}",
                request.width, request.height
            ));
        }
        match (request.seed, painted.seed) {
            (Some(_), None) if can.seed == SeedUse::Ignored => notes.push(format!("`{name}` takes no seed")),
            (Some(_), None) => {
                notes.push(format!("`{name}` does not say whether it used the seed, so it counts as unknown"))
            }
            (Some(asked), Some(used)) if u64::from(asked) != used => {
                notes.push(format!("`{name}` used the seed {used} instead of {asked}"));
            }
            _ => {}
        }
        if request.negative_prompt.is_some() && !can.negative_prompt {
            notes.push(format!("`{name}` takes no negative prompt"));
        }
        if request.source.as_ref().is_some_and(|source| source.strength < 1.0) && !can.strength {
            notes.push(format!("`{name}` takes no strength"));
        }
        notes
    }
}

/// Whether another backend may do better.
fn passes_on(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Timeout
            | Kind::IoError
            | Kind::Busy
            | Kind::ConnectionLost
            | Kind::ProtocolError
            | Kind::TooLarge
            | Kind::NotFound
    )
}

fn connect(declared: Declaration, config: &Config) -> Result<One> {
    let setting = if declared.name == declare::KSERVE && config.kserve.endpoint.is_some() {
        "kserve.endpoint (KSERVE_ENDPOINT) and kserve.timeout".into()
    } else {
        format!("the declaration of `{}`", declared.name)
    };
    let settings = Settings {
        name: declared.name.clone(),
        url: declared.url.trim_end_matches('/').to_owned(),
        timeout: declared.timeout(),
        retries: declared.retries.unwrap_or(config.generate.retries),
        token: declared.token()?,
        // Base64, and room for what stands beside it.
        largest: config.images.max_size / 3 * 4 + (1 << 20),
        setting,
        sockets: declared.kind == Protocol::ComfyUi,
    };
    let upstream = Upstream::new(settings, declared.ca_file.as_deref())?;
    let server = Arc::new(Server::new(declared.clone(), upstream));
    let shared = server.clone();
    let backend: Box<dyn Backend> = match declared.kind {
        Protocol::KserveV1 => Box::new(kserve::KserveV1(shared)),
        Protocol::OipV2 => Box::new(oip::OipV2(shared)),
        Protocol::OpenAi => Box::new(openai::OpenAi(shared)),
        Protocol::A1111 => Box::new(a1111::A1111(shared)),
        Protocol::ComfyUi => Box::new(comfyui::ComfyUi::new(shared)?),
    };
    // What a web UI works on and what it is told to stop must be one picture.
    let usual = if declared.kind == Protocol::A1111 { 1 } else { config.generate.parallel };
    let queue = Queue::new(declared.parallel.unwrap_or(usual));
    Ok(One { declared, backend, server, queue })
}
