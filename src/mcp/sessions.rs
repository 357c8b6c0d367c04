//! MCP sessions over HTTP: whose each is, and the bound on them, since clients that vanish without ending theirs must not
//! pile up. And what is rmcp's own manager's, but for ids in flight.

use super::in_flight::{Guarded, InFlight};
use crate::ops::KeyName;
use futures_util::{Stream, StreamExt, stream};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker, SessionConfig,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A person may leave a chat open overnight; many clients do not recover from a session that ended.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// With one more, the session that has been idle for longest ends.
const MOST: usize = 256;

/// How long a finished reply can be fetched again by a client whose connection broke. Every call costs a look at
/// all replies kept, so not long.
const REPLY_KEPT: Duration = Duration::from_secs(4);

/// What a client waits before it fetches a reply again; must be well below [`REPLY_KEPT`].
pub const RETRY: Duration = Duration::from_secs(1);

struct Known {
    owner: KeyName,
    last_call: Instant,
}

/// Counts the sessions and ends what is too many; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub manager: Arc<Manager>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl Sessions {
    pub fn new() -> Sessions {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(IDLE);
        config.completed_cache_ttl = REPLY_KEPT;
        config.sse_retry = Some(RETRY);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        let manager = Manager { inner: manager, in_flight: Mutex::default() };
        Sessions { manager: Arc::new(manager), known: Arc::default() }
    }

    /// A request for that session came. False where it is not this key's: for all others there is no such session.
    pub fn called(&self, id: &str, owner: &KeyName) -> bool {
        match self.lock().get_mut(id) {
            Some(known) if known.owner == *owner => {
                known.last_call = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// The client ended it.
    pub fn ended(&self, id: &str) {
        self.lock().remove(id);
    }

    /// A session began. Ends the one idle for longest if there are too many.
    pub async fn begun(&self, id: &str, owner: KeyName) {
        let Some(gone) = self.insert(id, owner, Instant::now()) else { return };
        tracing::warn!(most = MOST, "too many MCP sessions; the one idle for longest ends");
        if let Err(error) = self.manager.close_session(&gone.into()).await {
            tracing::debug!(%error, "the session had ended already");
        }
    }

    fn insert(&self, id: &str, owner: KeyName, now: Instant) -> Option<String> {
        let mut known = self.lock();
        // rmcp has ended these by itself.
        known.retain(|_, session| now.duration_since(session.last_call) < IDLE);
        known.insert(id.to_owned(), Known { owner, last_call: now });
        if known.len() <= MOST {
            return None;
        }
        let gone = known.iter().min_by_key(|(_, session)| session.last_call).map(|(id, _)| id.clone())?;
        known.remove(&gone);
        Some(gone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// rmcp's manager of sessions, with a look at the ids of requests before they get there.
pub struct Manager {
    inner: LocalSessionManager,
    in_flight: Mutex<HashMap<SessionId, InFlight>>,
}

impl Manager {
    fn in_flight(&self, id: &SessionId) -> InFlight {
        // Of a session that is gone there is nothing to keep.
        self.all_in_flight().get(id).cloned().unwrap_or_default()
    }

    fn all_in_flight(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, InFlight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Manager {
    type Error = LocalSessionManagerError;
    type Transport = Guarded<WorkerTransport<LocalSessionWorker>>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.inner.create_session().await?;
        let in_flight = InFlight::default();
        self.all_in_flight().insert(id.clone(), in_flight.clone());
        Ok((id, Guarded::noted(transport, in_flight)))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    /// Also called when a session ended by itself.
    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.all_in_flight().remove(id);
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let in_flight = self.in_flight(id);
        if let Err(refusal) = in_flight.receive(&message).await {
            let refusal = ServerSseMessage::from_message(refusal);
            return Ok(stream::once(std::future::ready(refusal)).left_stream());
        }
        let asked = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        match self.inner.create_stream(id, message).await {
            Ok(events) => Ok(events.right_stream()),
            Err(error) => {
                asked.iter().for_each(|asked| in_flight.forget(asked));
                Err(error)
            }
        }
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        // A notification is never refused.
        let _ = self.in_flight(id).receive(&message).await;
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.resume(id, last_event_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_session_idle_for_longest_ends() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        for id in 0..MOST {
            assert_eq!(
                sessions.insert(&id.to_string(), KeyName::default(), start + Duration::from_millis(id as u64)),
                None
            );
        }
        assert_eq!(sessions.insert("new", KeyName::default(), start + Duration::from_secs(1)).as_deref(), Some("0"));
        sessions.ended("1");
        assert_eq!(sessions.insert("newer", KeyName::default(), start + Duration::from_secs(2)), None);
        assert_eq!(sessions.insert("last", KeyName::default(), start + IDLE + Duration::from_secs(3)), None);
        assert_eq!(sessions.lock().len(), 1);
    }

    #[tokio::test]
    async fn a_session_is_its_key_s() {
        let sessions = Sessions::new();
        let key = |name: &str| KeyName(name.to_owned());
        sessions.begun("a", key("alice")).await;
        assert!(sessions.called("a", &key("alice")));
        assert!(!sessions.called("a", &key("bob")) && !sessions.called("a", &KeyName::default()));
        assert!(!sessions.called("b", &key("alice")));
    }
}
