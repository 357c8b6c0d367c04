//! The bound on MCP sessions over HTTP: clients that vanish without ending theirs must not pile up.

use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
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

/// Counts the sessions and ends what is too many; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub manager: Arc<LocalSessionManager>,
    last_call: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Sessions {
    pub fn new() -> Sessions {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(IDLE);
        config.completed_cache_ttl = REPLY_KEPT;
        config.sse_retry = Some(RETRY);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        Sessions { manager: Arc::new(manager), last_call: Arc::default() }
    }

    /// A request of that session came.
    pub fn called(&self, id: &str) {
        if let Some(at) = self.lock().get_mut(id) {
            *at = Instant::now();
        }
    }

    /// The client ended it.
    pub fn ended(&self, id: &str) {
        self.lock().remove(id);
    }

    /// A session began. Ends the one idle for longest if there are too many.
    pub async fn begun(&self, id: &str) {
        let Some(gone) = self.insert(id, Instant::now()) else { return };
        tracing::warn!(most = MOST, "too many MCP sessions; the one idle for longest ends");
        if let Err(error) = self.manager.close_session(&gone.into()).await {
            tracing::debug!(%error, "the session had ended already");
        }
    }

    fn insert(&self, id: &str, now: Instant) -> Option<String> {
        let mut last_call = self.lock();
        // rmcp has ended these by itself.
        last_call.retain(|_, at| now.duration_since(*at) < IDLE);
        last_call.insert(id.to_owned(), now);
        if last_call.len() <= MOST {
            return None;
        }
        let gone = last_call.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone())?;
        last_call.remove(&gone);
        Some(gone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.last_call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_session_idle_for_longest_ends() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        for id in 0..MOST {
            assert_eq!(sessions.insert(&id.to_string(), start + Duration::from_millis(id as u64)), None);
        }
        assert_eq!(sessions.insert("new", start + Duration::from_secs(1)).as_deref(), Some("0"));
        sessions.ended("1");
        assert_eq!(sessions.insert("newer", start + Duration::from_secs(2)), None);
        assert_eq!(sessions.insert("last", start + IDLE + Duration::from_secs(3)), None);
        assert_eq!(sessions.lock().len(), 1);
    }
}
