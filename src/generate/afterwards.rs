//! What is still to be done for images when nobody waits for them any more: backends are told to stop, what was stored is
//! removed. The process gives it time before it ends.

use crate::error::{Error, Result};
use crate::storage::{Record, Store};
use chrono::Utc;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;
use uuid::Uuid;

/// One for the process, since it ends for all.
static UNDER_WAY: LazyLock<TaskTracker> = LazyLock::new(|| {
    let tracker = TaskTracker::new();
    tracker.close();
    tracker
});

/// A backend that does not answer is left.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits until all generations and what follows them have ended, ten seconds at most. For the end of the process, when all
/// calls are cancelled.
pub async fn settled() {
    if tokio::time::timeout(LONGEST, UNDER_WAY.wait()).await.is_err() {
        tracing::warn!("backends were not all told that their images are unwanted");
    }
}

/// Until it is dropped, [`settled`] waits.
pub fn under_way() -> TaskTrackerToken {
    UNDER_WAY.token()
}

/// Does it in a task of its own; outside of a runtime nothing is done.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        UNDER_WAY.spawn_on(work.in_current_span(), &runtime);
    }
}

/// Sees it through even where the caller is dropped meanwhile; what comes of it is dropped then.
pub async fn through<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, came) = oneshot::channel();
    spawn(async move { drop(sender.send(work.await)) });
    came.await.map_err(Error::internal)?
}

/// A stored image that nobody has been told of: dropped, it is removed.
pub struct Unclaimed {
    store: Store,
    id: Option<Uuid>,
}

impl Unclaimed {
    pub fn new(store: &Store, record: &Record) -> Unclaimed {
        Unclaimed { store: store.clone(), id: Some(record.image_id) }
    }

    /// It stays.
    pub fn claim(mut self) {
        self.id = None;
    }
}

impl std::fmt::Debug for Unclaimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unclaimed {:?}", self.id)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let store = self.store.clone();
        spawn(async move {
            if let Err(error) = store.delete(id, Utc::now()).await {
                tracing::debug!(%error, "an image of a cancelled call stays until it expires");
            }
        });
    }
}
