//! Filters that are added or removed while the process runs: by `gimp-bridge filters add`, by hand, by a package.
//!
//! The folder is looked at, rather than watched by the system: it is one folder with a few manifests, it may lie on a
//! network disk that tells of nothing, and it may not exist yet.

use super::{Filters, store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps a process's filters and GIMP's menu as the folder is. Cheap to clone.
#[derive(Clone)]
pub struct Watcher {
    filters: Filters,
    state_dir: PathBuf,
    now: Arc<Notify>,
    changes: watch::Sender<u64>,
}

/// Every manifest's path, time and size: what a change changes.
type Looks = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Watcher {
    /// `state_dir` holds the list that GIMP's menu is made from.
    pub fn new(filters: Filters, state_dir: PathBuf) -> Watcher {
        Watcher { filters, state_dir, now: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// Looks at once, whatever the files' times say.
    pub fn look_now(&self) {
        self.now.notify_one();
    }

    /// Counts up whenever the list of filters became another.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Looks again and again, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        // What was installed while the filters were first read is seen at the first look.
        let mut known = Looks::new();
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.now.notified() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let looks = self.looks().await;
            if asked || looks != known {
                known = looks;
                self.reload().await;
            }
        }
    }

    async fn looks(&self) -> Looks {
        let folder = store::user_folder(self.filters.config());
        let look = tokio::task::spawn_blocking(move || folder.map(|folder| look(&folder)).unwrap_or_default());
        look.await.unwrap_or_default()
    }

    async fn reload(&self) {
        let watcher = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let changed = watcher.filters.reload();
            if let Err(error) = watcher.filters.publish(&watcher.state_dir) {
                tracing::warn!(%error, "GIMP's menu of AI filters may be out of date");
            }
            changed
        });
        if work.await.unwrap_or_default() {
            tracing::info!(filters = self.filters.list().len(), "the list of AI filters changed");
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

fn look(folder: &std::path::Path) -> Looks {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut looks: Looks = entries
        .filter_map(|entry| {
            let manifest = entry.path().join(store::MANIFEST);
            let about = std::fs::metadata(&manifest).ok()?;
            Some((manifest, about.modified().ok(), about.len()))
        })
        .collect();
    looks.sort();
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const MANIFEST: &str = include_str!("../../filters/jpeg-cleanup/manifest.toml");

    #[tokio::test]
    async fn an_added_filter_is_there_and_a_removed_one_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("filters");
        let mut config = Config::default();
        config.filters.folder = Some(folder.clone());
        let filters = Filters::new(&config);
        let watcher = Watcher::new(filters.clone(), home.path().join("state"));
        let mut changes = watcher.changes();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(watcher.run(shutdown.clone()));
        let listed = || filters.list().iter().any(|about| about.name == "mine");
        assert!(!listed());
        std::fs::create_dir_all(folder.join("mine")).unwrap();
        let manifest: String = MANIFEST
            .lines()
            .map(|line| if line.starts_with("id =") { "id = \"mine\"\n".to_owned() } else { format!("{line}\n") })
            .collect();
        std::fs::write(folder.join("mine").join(store::MANIFEST), manifest).unwrap();
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, changes.changed()).await.unwrap().unwrap();
        assert!(listed());
        let published =
            || std::fs::read_to_string(home.path().join("state").join(super::super::publish::FILE)).unwrap();
        assert!(published().contains("\"mine\""));
        std::fs::remove_dir_all(folder.join("mine")).unwrap();
        tokio::time::timeout(patience, changes.changed()).await.unwrap().unwrap();
        assert!(!listed() && !published().contains("\"mine\""));
        shutdown.cancel();
        running.await.unwrap();
    }
}
