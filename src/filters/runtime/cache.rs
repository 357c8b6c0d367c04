//! Loaded models: a bounded number, loaded once however many ask, dropped when idle.

use super::library;
use super::session::{LocalModel, Model};
use crate::config::Config;
use crate::error::Result;
use crate::filters::backend::Backend;
use crate::filters::child::ChildModel;
use crate::filters::job::Watch;
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

/// Tells where a model comes from, as often as it is loaded.
pub type Origin = Arc<dyn Fn() -> Result<ModelSource> + Send + Sync>;

/// A model as it is asked for.
pub struct Wanted {
    pub key: ModelKey,
    /// Of its files.
    pub bytes: u64,
    pub origin: Origin,
    /// It came with this program, or is the very one that the catalogue pins: then it runs in this process. All others run in
    /// one of their own.
    pub trusted: bool,
}

/// A loaded model.
#[derive(Clone)]
pub struct Loaded {
    pub backend: Arc<dyn Backend>,
    /// Why it runs on the processor although something faster was asked for.
    pub fallback: Option<String>,
}

struct Slot {
    /// Held while loading, so that a second caller waits and then shares.
    model: Arc<Mutex<Option<Loaded>>>,
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

    pub fn config(&self) -> &Config {
        &self.config
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ModelKey, Slot>> {
        self.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// The model, loaded.
    ///
    /// # Errors
    /// When there is no runtime, or the model does not load.
    pub fn get(&self, wanted: &Wanted, watch: &Watch) -> Result<Loaded> {
        let Wanted { key, bytes, .. } = wanted;
        let slot = {
            let new = || Slot { model: Arc::default(), used: Instant::now(), bytes: *bytes };
            let mut slots = self.slots();
            let slot = slots.entry(key.clone()).or_insert_with(new);
            slot.used = Instant::now();
            slot.model.clone()
        };
        let mut model = slot.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(ready) = &*model {
            return Ok(ready.clone());
        }
        self.make_room(key, *bytes);
        let begun = Instant::now();
        match self.load(wanted, watch) {
            Ok(loaded) => {
                let ms = begun.elapsed().as_millis() as u64;
                let provider = self.config.filters.provider.name();
                tracing::info!(
                    model = key.identity,
                    bytes,
                    ms,
                    provider,
                    own_process = !wanted.trusted,
                    "model loaded"
                );
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

    fn load(&self, wanted: &Wanted, watch: &Watch) -> Result<Loaded> {
        if !wanted.trusted {
            let model = ChildModel::load(wanted.origin.clone(), wanted.bytes, &self.config, watch)?;
            return Ok(Loaded { fallback: model.fallback.clone(), backend: Arc::new(model) });
        }
        // The file first: what is wrong with it is said even where there is no runtime.
        let source = (wanted.origin)()?;
        let environment = library::environment(&self.config)?;
        let model = match &source {
            ModelSource::Bytes(bytes) => LocalModel::load(&environment, &self.config, &Model::Bytes(bytes)),
            ModelSource::Files(path, _) => LocalModel::load(&environment, &self.config, &Model::File(path)),
        }?;
        Ok(Loaded { fallback: model.fallback.clone(), backend: Arc::new(model) })
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

    /// Models that are loaded now, and the bytes of their files.
    pub fn loaded(&self) -> (usize, u64) {
        let slots = self.slots();
        (slots.len(), slots.values().map(|slot| slot.bytes).sum())
    }
}

/// Neither loading nor running: the cache holds the only reference.
fn is_idle(slot: &Slot) -> bool {
    Arc::strong_count(&slot.model) == 1
        && slot
            .model
            .try_lock()
            .is_ok_and(|model| model.as_ref().is_none_or(|model| Arc::strong_count(&model.backend) == 1))
}

/// Where a model's bytes come from.
pub enum ModelSource {
    Bytes(Vec<u8>),
    /// The model's file, and those with its weights.
    Files(PathBuf, Vec<PathBuf>),
}
