//! What becomes of sessions that nobody uses: closed; their unsaved work kept for a while, then deleted.

use super::store::now;
use super::{Sessions, lock, look_every};
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

impl Sessions {
    /// Runs until `shutdown`.
    pub(super) async fn expire(self, shutdown: CancellationToken) {
        let settings = self.shared.settings.clone();
        let every = look_every(settings.idle.unwrap_or(settings.kept).min(settings.kept));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            if let Some(idle) = settings.idle {
                self.expire_idle(idle).await;
            }
            self.forget_kept(settings.kept);
        }
    }

    async fn expire_idle(&self, idle: u64) {
        let late = now().saturating_sub(idle);
        let old: Vec<_> = lock(&self.shared.open)
            .iter()
            .filter(|(_, session)| session.used.load(Ordering::Relaxed) < late)
            .map(|(id, session)| (id.clone(), session.clone()))
            .collect();
        for (id, session) in old {
            // One that works is not idle.
            let Ok(mut work) = session.work.clone().try_lock_owned() else { continue };
            if session.used.load(Ordering::Relaxed) >= late {
                continue;
            }
            work.drop_image(&self.shared.tools).await;
            work.closed = true;
            lock(&self.shared.open).remove(&id);
            self.count();
            let mut record = work.record.clone();
            if record.saved {
                self.shared.tools.store.remove(&id);
                self.shared.tools.disk.free(record.bytes);
                tracing::info!(session = %id, "expired");
                continue;
            }
            record.used = now();
            let put_aside = self.shared.tools.store.commit(&record).and_then(|()| self.shared.tools.store.keep(&id));
            match put_aside {
                Ok(()) => {
                    tracing::info!(session = %id, "expired; its unsaved work is kept");
                    lock(&self.shared.kept).insert(id, record);
                }
                // It stays where it is, and the next daemon lists it as open.
                Err(error) => tracing::warn!(session = %id, %error, "expired, but could not be put aside"),
            }
        }
    }

    fn forget_kept(&self, seconds: u64) {
        let late = now().saturating_sub(seconds);
        lock(&self.shared.kept).retain(|id, record| {
            if record.used >= late {
                return true;
            }
            self.shared.tools.store.remove_kept(id);
            self.shared.tools.disk.free(record.bytes);
            tracing::info!(session = %id, "its kept work was deleted");
            false
        });
    }
}
