//! Calls that go on without their client: `GET /jobs/{id}` tells how far one is and has its answer in the end,
//! `DELETE` cancels it, `GET /jobs/{id}/events` follows it.
//!
//! Answers are kept for ten minutes, within a bound of jobs and of bytes; a daemon that ends takes its jobs with it,
//! what they did in sessions stays.

use super::keys::Identity;
use super::post::event;
use super::rpc::{Notify, Reply, methods};
use super::state::{Refusal, State};
use crate::error::{Error, Kind, Result};
use crate::ops::params::shorten;
use crate::sessions::new_id;
use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Jobs that run or whose answers are kept.
const MOST: usize = 256;
/// Bytes of kept answers; the oldest go first.
const BYTES: usize = 512 << 20;
const KEPT: Duration = Duration::from_secs(600);
/// Of a batch's methods, and characters of a prompt, that are told.
const CALLS: usize = 8;
const WORDS: usize = 200;

/// What is told of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    pub job: String,
    /// The method that was called, or several of a batch; `unknown` for what is none.
    pub method: String,
    /// The first words of an image that is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `running`, `cancelling`, `done`, `cancelled`.
    pub status: &'static str,
    /// The last report: progress, total, message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Value>,
    pub seconds: f64,
    /// The JSON-RPC answer, once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
}

struct Job {
    owner: String,
    about: About,
    began: Instant,
    cancel: CancellationToken,
    state: watch::Sender<Stage>,
}

/// What its owner knows it by.
#[derive(Clone, Default)]
pub struct About {
    method: String,
    prompt: Option<String>,
}

impl About {
    /// Of a body that is not checked yet.
    pub fn read(body: &[u8]) -> About {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let calls = match &body {
            Value::Array(batch) => batch.as_slice(),
            single => std::slice::from_ref(single),
        };
        let method = |call: &Value| methods::known(call["method"].as_str().unwrap_or_default()).unwrap_or("unknown");
        let method: Vec<&str> = calls.iter().take(CALLS).map(method).collect();
        let prompt = calls.iter().find_map(|call| call["params"]["prompt"].as_str());
        About { method: method.join(","), prompt: prompt.map(|prompt| prompt.chars().take(WORDS).collect()) }
    }
}

#[derive(Clone, Default)]
struct Stage {
    progress: Option<Value>,
    ended: Option<Instant>,
    response: Option<Value>,
    bytes: usize,
}

/// All jobs; cheap to clone.
#[derive(Clone, Default)]
pub struct Jobs {
    jobs: Arc<Mutex<HashMap<String, Arc<Job>>>>,
}

pub fn routes() -> Router<State> {
    Router::new()
        .route("/jobs/{id}", get(show).delete(cancel))
        .route("/jobs/{id}/events", get(follow))
        .route("/jobs", get(list))
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call that nobody waits for.
    pub fn begin<F>(
        &self,
        owner: &str,
        about: About,
        shutdown: &CancellationToken,
        call: impl FnOnce(CancellationToken, Notify) -> F,
    ) -> Result<Info>
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let cancel = shutdown.child_token();
        let job = Arc::new(Job {
            owner: owner.into(),
            about,
            began: Instant::now(),
            cancel: cancel.clone(),
            state: watch::Sender::new(Stage::default()),
        });
        let id = new_id();
        {
            let mut jobs = self.lock();
            forget(&mut jobs);
            if jobs.len() >= MOST {
                return Err(Error::new(Kind::Busy, format!("{MOST} jobs are there already"))
                    .hint("wait for some to end; finished ones are forgotten with DELETE /jobs/ID"));
            }
            jobs.insert(id.clone(), job.clone());
        }
        let reporting = job.clone();
        let notify: Notify = Arc::new(move |mut message: Value| {
            reporting.state.send_modify(|stage| stage.progress = Some(message["params"].take()));
        });
        let call = call(cancel, notify);
        let info = job.info(&id);
        tokio::spawn(async move {
            let reply = call.await;
            let bytes = reply.body.as_ref().map_or(0, |body| body.to_string().len());
            job.state.send_modify(|stage| {
                stage.ended = Some(Instant::now());
                stage.response = reply.body;
                stage.bytes = bytes;
            });
        });
        Ok(info)
    }

    fn find(&self, id: &str, owner: &str) -> Result<Arc<Job>> {
        let mut jobs = self.lock();
        forget(&mut jobs);
        jobs.get(id).filter(|job| job.owner == owner).cloned().ok_or_else(|| {
            Error::new(Kind::NotFound, format!("no job `{}`", shorten(id)))
                .hint("answers are kept for ten minutes; GET /jobs lists yours")
        })
    }
}

/// Drops answers that are too old, and the oldest while they are too many bytes.
fn forget(jobs: &mut HashMap<String, Arc<Job>>) {
    jobs.retain(|_, job| job.state.borrow().ended.is_none_or(|ended| ended.elapsed() < KEPT));
    loop {
        let bytes: usize = jobs.values().map(|job| job.state.borrow().bytes).sum();
        let oldest = jobs.iter().filter_map(|(id, job)| Some((job.state.borrow().ended?, id.clone()))).min();
        match oldest {
            Some((_, id)) if bytes > BYTES || jobs.len() >= MOST => drop(jobs.remove(&id)),
            _ => return,
        }
    }
}

impl Job {
    fn info(&self, id: &str) -> Info {
        let stage = self.state.borrow().clone();
        let status = match (stage.ended, self.cancel.is_cancelled()) {
            (Some(_), true) => "cancelled",
            (Some(_), false) => "done",
            (None, true) => "cancelling",
            (None, false) => "running",
        };
        let seconds = stage.ended.map_or(self.began.elapsed(), |ended| ended - self.began).as_secs_f64();
        let About { method, prompt } = self.about.clone();
        Info { job: id.into(), method, prompt, status, progress: stage.progress, seconds, response: stage.response }
    }
}

async fn show(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<Json<Info>, Refusal> {
    Ok(Json(state.jobs.find(&id, &identity.name)?.info(&id)))
}

async fn list(Shared(state): Shared<State>, Extension(identity): Extension<Identity>) -> Json<Value> {
    let mut jobs = state.jobs.lock();
    forget(&mut jobs);
    // Those without a key share a name, and know each their own ids.
    let mine = jobs.iter().filter(|(_, job)| job.owner == identity.name && !identity.rights.anonymous);
    let mut mine: Vec<_> = mine.collect();
    mine.sort_by_key(|(_, job)| job.began);
    let jobs: Vec<Info> = mine.into_iter().map(|(id, job)| Info { response: None, ..job.info(id) }).collect();
    Json(serde_json::json!({"jobs": jobs}))
}

/// Cancels a job that runs; forgets one that has ended.
async fn cancel(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<Json<Info>, Refusal> {
    let job = state.jobs.find(&id, &identity.name)?;
    if job.state.borrow().ended.is_some() {
        state.jobs.lock().remove(&id);
    } else {
        job.cancel.cancel();
    }
    Ok(Json(job.info(&id)))
}

/// Events `progress` while it runs, then `result` with the same as `GET /jobs/{id}`.
async fn follow(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let job = state.jobs.find(&id, &identity.name)?;
    let changes = job.state.subscribe();
    let stream = futures_util::stream::unfold(Some((job, changes, id, true)), |state| async move {
        let (job, mut changes, id, first) = state?;
        if !first {
            changes.changed().await.ok()?;
        }
        let ended = changes.borrow_and_update().ended.is_some();
        let info = serde_json::to_value(job.info(&id)).ok()?;
        let event = event(if ended { "result" } else { "progress" }, &info);
        Some((Ok::<_, std::convert::Infallible>(event), (!ended).then_some((job, changes, id, false))))
    });
    let mut response = Body::from_stream(stream).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
