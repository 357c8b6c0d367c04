//! Two requests of one client with the same id at the same time: the second is refused, since nothing could tell their
//! answers apart.
//!
//! Both ways in end at rmcp's loop, which knows one request per id and would leave the other without an answer. So a
//! request is noted before it gets there, and forgotten when its answer has been handed over. One that was cancelled gets
//! no answer; its id stays taken for a while, for it may still be at work.

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Cancelled requests whose ids stay taken.
const CANCELLED: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// Its answer is on its way.
    Ending,
}

#[derive(Default)]
struct Known {
    requests: HashMap<RequestId, Stage>,
    cancelled: VecDeque<RequestId>,
}

/// The requests of one client; cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight {
    known: Arc<Mutex<Known>>,
    ended: Arc<Notify>,
}

impl InFlight {
    /// Notes what a client sends. An error is the answer to a request that is not let in.
    pub async fn receive(&self, message: &ClientJsonRpcMessage) -> Result<(), ServerJsonRpcMessage> {
        match message {
            ClientJsonRpcMessage::Request(request) => self.begin(&request.id).await,
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.cancel(id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn begin(&self, id: &RequestId) -> Result<(), ServerJsonRpcMessage> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            match self.lock().requests.entry(id.clone()) {
                Entry::Occupied(known) if *known.get() == Stage::Running => return Err(refusal(id)),
                // Its client has the answer, or nearly.
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    free.insert(Stage::Running);
                    return Ok(());
                }
            }
            ended.await;
        }
    }

    fn cancel(&self, id: &RequestId) {
        let mut known = self.lock();
        if known.requests.contains_key(id) && !known.cancelled.contains(id) {
            known.cancelled.push_back(id.clone());
        }
        if known.cancelled.len() > CANCELLED
            && let Some(oldest) = known.cancelled.pop_front()
        {
            known.requests.remove(&oldest);
        }
    }

    /// What is answered with this message; it ends when the value is dropped.
    fn answering(&self, message: &ServerJsonRpcMessage) -> Option<Ending> {
        let id = match message {
            ServerJsonRpcMessage::Response(response) => response.id.clone(),
            ServerJsonRpcMessage::Error(error) => error.id.clone()?,
            _ => return None,
        };
        *self.lock().requests.get_mut(&id)? = Stage::Ending;
        Some(Ending { of: self.clone(), id })
    }

    /// It has its answer, or never got to where one is made.
    pub fn forget(&self, id: &RequestId) {
        let mut known = self.lock();
        known.requests.remove(id);
        known.cancelled.retain(|cancelled| cancelled != id);
        drop(known);
        self.ended.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ending {
    of: InFlight,
    id: RequestId,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.of.forget(&self.id);
    }
}

fn refusal(id: &RequestId) -> ServerJsonRpcMessage {
    let message = format!("a request with the id `{id}` is still running, or was cancelled");
    let data = serde_json::json!({"kind": "protocol_error", "hint": "give each request an id of its own"});
    ServerJsonRpcMessage::error(ErrorData::new(ErrorCode::INVALID_REQUEST, message, Some(data)), Some(id.clone()))
}

/// A transport that notes what is answered over it and, where nobody before it did, what is asked.
pub struct Guarded<T> {
    inner: T,
    in_flight: InFlight,
    /// Whether requests come to this transport first.
    receives: bool,
}

impl<T> Guarded<T> {
    /// For a transport that requests come to first.
    pub fn new(inner: T) -> Guarded<T> {
        Guarded { inner, in_flight: InFlight::default(), receives: true }
    }

    /// For one whose requests were noted before.
    pub fn noted(inner: T, in_flight: InFlight) -> Guarded<T> {
        Guarded { inner, in_flight, receives: false }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Guarded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let ending = self.in_flight.answering(&message);
        let sent = self.inner.send(message);
        async move {
            let sent = sent.await;
            drop(ending);
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.inner.receive().await?;
            if !self.receives {
                return Some(message);
            }
            match self.in_flight.receive(&message).await {
                Ok(()) => return Some(message),
                // The first request's own answer comes later, so this one goes past what notes answers.
                Err(refusal) => {
                    if self.inner.send(refusal).await.is_err() {
                        return None;
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(value: serde_json::Value) -> ClientJsonRpcMessage {
        serde_json::from_value(value).unwrap()
    }

    fn request(id: &str) -> ClientJsonRpcMessage {
        message(json!({"jsonrpc": "2.0", "id": id, "method": "ping"}))
    }

    fn response(id: &str) -> ServerJsonRpcMessage {
        ServerJsonRpcMessage::error(ErrorData::internal_error("x", None), Some(RequestId::String(id.into())))
    }

    #[tokio::test]
    async fn an_id_is_free_again_once_its_answer_is_handed_over() {
        let in_flight = InFlight::default();
        in_flight.receive(&request("a")).await.unwrap();
        in_flight.receive(&request("b")).await.unwrap();
        let ServerJsonRpcMessage::Error(refusal) = in_flight.receive(&request("a")).await.unwrap_err() else {
            panic!("no error")
        };
        assert_eq!((refusal.error.code, refusal.id), (ErrorCode::INVALID_REQUEST, Some(RequestId::String("a".into()))));
        let ending = in_flight.answering(&response("a")).unwrap();
        // While the answer is on its way a new request waits for it, and is not refused.
        let again = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.receive(&request("a")).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!again.is_finished());
        drop(ending);
        assert!(again.await.unwrap());
        assert!(in_flight.answering(&response("c")).is_none());
    }

    #[tokio::test]
    async fn the_ids_of_cancelled_requests_stay_taken_in_bounded_number() {
        let in_flight = InFlight::default();
        for at in 0..=CANCELLED {
            in_flight.receive(&request(&at.to_string())).await.unwrap();
            let cancelled =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": at.to_string()}});
            in_flight.receive(&message(cancelled)).await.unwrap();
        }
        assert!(in_flight.receive(&request("1")).await.is_err());
        assert!(in_flight.receive(&request("0")).await.is_ok(), "the oldest is forgotten");
        assert_eq!(in_flight.lock().requests.len(), CANCELLED + 1);
    }
}
