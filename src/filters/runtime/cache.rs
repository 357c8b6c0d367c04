//! Loaded models: a bounded number, loaded once however many ask, dropped when idle.

use super::library;
use super::session::{LocalModel, Model};
use crate::config::Config;
use crate::error::Result;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What makes two models the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// Of the file's bytes, as far as known, and its place.
    pub identity: String,
    pub patched: bool,
}

struct Slot {
    /// Held while loading, so that a second caller waits and then shares.
    model: Arc<Mutex<Option<Arc<LocalModel>>>>,
    used: Instant,
    bytes: u64,
}

/// The cache; a process has one.
pub struct Cache {
    slots: Mutex<HashMap<ModelKey, Slot>>,
    config: Config,
}

impl Cache {
    pub fn new(config: Config) -> Cache {
        Cache { slots: Mutex::default(), config }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ModelKey, Slot>> {
        self.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// The model under `key`, which takes about `bytes`; `source` is asked where it comes from if it is not loaded.
    ///
    /// # Errors
    /// When there is no runtime, or the model does not load.
    pub fn get(
        &self,
        key: &ModelKey,
        bytes: u64,
        source: impl FnOnce() -> Result<ModelSource>,
    ) -> Result<Arc<LocalModel>> {
        let slot = {
            let mut slots = self.slots();
            let slot =
                slots.entry(key.clone()).or_insert_with(|| Slot { model: Arc::default(), used: Instant::now(), bytes });
            slot.used = Instant::now();
            slot.model.clone()
        };
        let mut model = slot.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(ready) = &*model {
            return Ok(ready.clone());
        }
        self.make_room(key, bytes);
        // The file first: what is wrong with it is said even where there is no runtime.
        let loaded = source().and_then(|source| {
            let environment = library::environment(&self.config)?;
            let begun = Instant::now();
            let loaded = match source {
                ModelSource::Bytes(bytes) => LocalModel::load(&environment, &self.config, &Model::Bytes(&bytes)),
                ModelSource::File(path) => LocalModel::load(&environment, &self.config, &Model::File(&path)),
            }?;
            tracing::debug!(?key, ms = begun.elapsed().as_millis() as u64, "model loaded");
            Ok(Arc::new(loaded))
        });
        match loaded {
            Ok(loaded) => {
                *model = Some(loaded.clone());
                Ok(loaded)
            }
            Err(error) => {
                drop(model);
                self.slots().remove(key);
                Err(error)
            }
        }
    }

    /// Drops what was used longest ago and is not in use, until the new one fits.
    fn make_room(&self, keep: &ModelKey, bytes: u64) {
        let mut slots = self.slots();
        // A loaded graph takes about twice its file: weights, and the copies that suit the processor.
        let budget = u64::from(self.config.filters.model_memory_mb) << 20;
        loop {
            let others: u64 = slots.iter().filter(|(key, _)| *key != keep).map(|(_, slot)| slot.bytes).sum();
            if slots.len() <= self.config.filters.models && (others + bytes) * 2 <= budget {
                return;
            }
            let idle = slots.iter().filter(|(key, slot)| *key != keep && is_idle(slot));
            let Some(oldest) = idle.min_by_key(|(_, slot)| slot.used).map(|(key, _)| key.clone()) else { return };
            tracing::debug!(key = ?oldest, "model unloaded to make room");
            slots.remove(&oldest);
        }
    }

    /// Drops what nobody has used for `idle`; says how many stay.
    pub fn sweep(&self, idle: Duration) -> usize {
        let mut slots = self.slots();
        slots.retain(|_, slot| slot.used.elapsed() < idle || !is_idle(slot));
        slots.len()
    }

    /// Models that are loaded now.
    pub fn loaded(&self) -> usize {
        self.slots().len()
    }
}

/// Neither loading nor running: the cache holds the only reference.
fn is_idle(slot: &Slot) -> bool {
    Arc::strong_count(&slot.model) == 1
        && slot.model.try_lock().is_ok_and(|model| model.as_ref().is_none_or(|model| Arc::strong_count(model) == 1))
}

/// Where a model's bytes come from.
pub enum ModelSource {
    Bytes(Vec<u8>),
    File(PathBuf),
}
