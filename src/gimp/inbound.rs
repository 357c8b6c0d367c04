//! Requests that the plug-in sends: a menu entry in GIMP that wants a filter run. Bounded, cancellable, each answered.

use super::link::Shared;
use super::wire;
use super::{Progress, ProgressSink};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Requests of one plug-in that run at once.
const MAX_SERVED: usize = 16;

/// One request of a plug-in.
pub struct Asked {
    pub method: String,
    pub params: Map<String, Value>,
    /// The instance that asks.
    pub instance: String,
    pub cancel: CancellationToken,
    pub progress: ProgressSink,
}

/// Whoever answers the plug-in's requests.
pub trait Inbound: Send + Sync {
    /// # Errors
    /// `unknown_operation` for a method that it does not know.
    fn answer(&self, asked: Asked) -> BoxFuture<'static, Result<Value>>;
}

/// The requests of one connection that are being answered.
#[derive(Default)]
pub struct Served {
    running: Mutex<HashMap<u64, CancellationToken>>,
}

impl Served {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `$/cancel`: the request ends with an answer all the same.
    pub fn cancel(&self, id: u64) {
        if let Some(token) = self.running().get(&id) {
            token.cancel();
        }
    }

    fn begin(&self, id: u64, ended: &CancellationToken) -> Result<CancellationToken> {
        let mut running = self.running();
        if running.contains_key(&id) {
            return Err(Error::new(Kind::ProtocolError, format!("a request with id {id} is in flight already")));
        }
        if running.len() >= MAX_SERVED {
            let message = format!("{MAX_SERVED} requests of this GIMP run already");
            return Err(Error::new(Kind::Busy, message).hint("wait until one of them is done"));
        }
        let token = ended.child_token();
        running.insert(id, token.clone());
        Ok(token)
    }
}

/// Answers one request, in a task of its own where it takes time.
pub fn serve(shared: &Arc<Shared>, id: u64, method: String, params: &Bytes) {
    let answer = |outcome| _ = shared.outbox.message(wire::response(Some(id), outcome));
    if method == "$/ping" {
        return answer(Ok(json!({"busy": null, "queued": 0})));
    }
    let Some(inbound) = shared.inbound.clone() else {
        return answer(Err(unknown(&method)));
    };
    let params: Map<String, Value> = match params.as_ref() {
        [] => Map::new(),
        bytes => match serde_json::from_slice(bytes) {
            Ok(params) => params,
            Err(_) => {
                let message = format!("params of `{method}` must be an object");
                return answer(Err(Error::new(Kind::InvalidArgument, message)));
            }
        },
    };
    let cancel = match shared.served.begin(id, &shared.ended) {
        Ok(cancel) => cancel,
        Err(error) => return answer(Err(error)),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        let reporting = shared.clone();
        let progress: ProgressSink = Arc::new(move |progress: Progress| {
            let params =
                json!({"id": id, "progress": progress.progress, "total": progress.total, "message": progress.message});
            reporting.outbox.message(wire::notification("$/progress", params));
        });
        let instance = shared.peer.instance.id.clone();
        let outcome = inbound.answer(Asked { method, params, instance, cancel, progress }).await;
        shared.served.running().remove(&id);
        shared.outbox.message(wire::response(Some(id), outcome));
    });
}

/// What a method that nobody answers gets.
pub fn unknown(method: &str) -> Error {
    Error::new(Kind::UnknownOperation, format!("this daemon has no method `{method}`"))
        .hint("update gimp-bridge, then restart it")
}
