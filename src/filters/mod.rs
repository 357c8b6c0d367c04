//! AI filters: pictures in, pictures or masks out, by ONNX models in manifests and by native code.
//!
//! Alone names `ort`. Knows no GIMP, no MCP, no picture file: callers hand over [`Picture`]s. Native filters live in
//! `native/` and know only [`job`], [`raster`] and [`picture`].
//!
//! To add a filter of an ONNX file: a folder with a manifest, no code. A native one: its file, and a line in
//! `native::all`.

pub mod backend;
pub mod catalogue;
pub mod child;
pub mod door;
pub mod fetch;
mod gpu;
pub mod inspect;
pub mod install;
pub mod job;
pub mod manifest;
mod model;
pub mod native;
pub mod onnx;
pub mod packages;
pub mod picture;
mod pixels;
pub mod publish;
pub mod raster;
pub mod remote;
pub mod runtime;
pub mod sight;
pub mod sink;
pub mod store;
mod subject;
pub mod tensor;
pub mod trial;
pub mod watch;

pub use job::{About, Filter, Job, Output, Param, ParamKind, Point, Scope, Value, Values, Watch};
pub use model::ModelFilter;
pub use picture::{Picture, Samples};
pub use raster::{Depth, Plane, Raster};
pub use sight::{Reach, Sight};
pub use sink::{Head, MemorySink, Sink};

use crate::config::Config;
use crate::error::{Error, Kind, Reason, Result};
use runtime::Cache;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::Found;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Pictures that are read while others still run, so that the next run begins at once.
const READ_AHEAD: usize = 2;

/// All filters of a process. Cheap to clone.
#[derive(Clone)]
pub struct Filters {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<Config>,
    cache: Arc<Cache>,
    known: Mutex<Known>,
    /// Runs at once; more wait, so that memory is bounded.
    runs: Semaphore,
    /// Pictures of callers who run a filter, are about to, or put its result away.
    places: Arc<Semaphore>,
    sweeping: AtomicBool,
}

#[derive(Default)]
struct Known {
    filters: Vec<Arc<dyn Filter>>,
    /// Manifests that cannot be used.
    broken: Vec<(String, Error)>,
}

impl Filters {
    /// Reads all manifests; loads no model.
    pub fn new(config: &Config) -> Filters {
        let config = Arc::new(config.clone());
        let filters = Filters {
            inner: Arc::new(Inner {
                cache: Arc::new(Cache::new((*config).clone())),
                runs: Semaphore::new(config.filters.parallel.max(1)),
                places: Arc::new(Semaphore::new(config.filters.parallel.max(1) + READ_AHEAD)),
                known: Mutex::default(),
                sweeping: AtomicBool::new(false),
                config,
            }),
        };
        filters.reload();
        filters
    }

    /// Reads the manifests again, after filters were added or removed; whether the list of names changed.
    pub fn reload(&self) -> bool {
        let mut known = Known { filters: native::all(), ..Known::default() };
        let (mut bundled, mut subjects) = (None, Vec::new());
        for Found { folder, manifest } in store::find(&self.inner.config) {
            match manifest {
                Ok(manifest) => {
                    let (cache, config) = (self.inner.cache.clone(), self.inner.config.clone());
                    if matches!(folder, store::Folder::Bundled(_)) && manifest.id == subject::NAME {
                        bundled = Some(ModelFilter::new(subject::plain(manifest), folder, cache, config));
                        continue;
                    }
                    let finds = subject::finds_subjects(&manifest);
                    let filter = Arc::new(ModelFilter::new(manifest, folder, cache, config));
                    known.filters.push(filter.clone());
                    // A name that is taken means the other filter.
                    let taken = subject::NAME == filter.about().name
                        || known.filters.iter().rev().skip(1).any(|other| other.about().name == filter.about().name);
                    subjects.extend(Some(filter).filter(|_| finds && !taken));
                }
                Err(error) => {
                    tracing::warn!(folder = folder.name(), error = error.message, "a filter cannot be used");
                    known.broken.push((folder.name(), error));
                }
            }
        }
        if let Some(bundled) = bundled {
            known.filters.insert(0, Arc::new(subject::CutOut::new(bundled, subjects)));
        }
        // A native or bundled name wins: a folder of the user's must not change what `upscale` means.
        let mut seen = std::collections::HashSet::new();
        known.filters.retain(|filter| seen.insert(filter.about().name.clone()));
        known.filters.sort_by(|a, b| a.about().name.cmp(&b.about().name));
        let names = |known: &Known| -> Vec<String> { known.filters.iter().map(|f| f.about().name.clone()).collect() };
        let mut current = self.known();
        let changed = names(&current) != names(&known);
        *current = known;
        changed
    }

    /// What they were made with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// All filters, by name.
    pub fn list(&self) -> Vec<About> {
        self.known().filters.iter().map(|filter| filter.about().clone()).collect()
    }

    /// Folders whose manifest cannot be used, and why.
    pub fn broken(&self) -> Vec<(String, Error)> {
        self.known().broken.clone()
    }

    /// The filter of this name.
    ///
    /// # Errors
    /// `not_found` with the names that come near.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Filter>> {
        let known = self.known();
        if let Some(filter) = known.filters.iter().find(|filter| filter.about().name == name) {
            return Ok(filter.clone());
        }
        if let Some((_, error)) = known.broken.iter().find(|(folder, _)| folder.ends_with(name)) {
            return Err(error.clone());
        }
        let near = |filter: &&Arc<dyn Filter>| strsim::jaro_winkler(&filter.about().name, name) > 0.8;
        let near: Vec<String> =
            known.filters.iter().filter(near).map(|filter| format!("`{}`", filter.about().name)).collect();
        let error = Error::new(Kind::NotFound, format!("there is no filter `{name}`")).because(Reason::FilterGone);
        Err(if near.is_empty() {
            error.hint("`gimp-bridge filters list` shows all, `filters catalogue` what can be added")
        } else {
            error.hint(format!("did you mean {}?", near.join(" or ")))
        })
    }

    /// A place for one picture. Who fetches a picture for a filter waits for one before, and gives it back when the
    /// result is away: however many callers there are, few hold a picture.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub async fn place(&self) -> Result<OwnedSemaphorePermit> {
        self.inner.places.clone().acquire_owned().await.map_err(Error::internal)
    }

    /// Waits for a run of the filter `name`, and cancels it by its `cancel` when `limit` is over.
    ///
    /// # Errors
    /// `timeout`, and the run's own. A run that is told to end does so within a tile.
    pub async fn within<T>(
        name: &str,
        limit: Duration,
        cancel: &CancellationToken,
        running: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::pin!(running);
        tokio::select! {
            done = &mut running => done,
            () = tokio::time::sleep(limit) => {
                cancel.cancel();
                let _ = running.await;
                let seconds = limit.as_secs_f64();
                Err(Error::new(Kind::Timeout, format!("`{name}` was ended at its time limit of {seconds} s"))
                    .hint("give a larger `timeout`, or work on a smaller image or selection"))
            }
        }
    }

    /// Runs a filter on a thread of its own, and waits. [`Output::image`] holds the picture.
    ///
    /// # Errors
    /// `not_found`, and those of [`Filter::run`].
    pub async fn run(&self, name: &str, job: Job, watch: Watch) -> Result<Output> {
        let mut sink = MemorySink::default();
        let (mut output, sink) = self
            .run_on_thread(name, job, watch, move |filter, job, watch| {
                let output = filter.run_into(job, watch, &mut sink)?;
                Ok((output, sink))
            })
            .await?;
        output.image = sink.picture();
        Ok(output)
    }

    /// As [`Filters::run`], but the picture goes to `sink`, which comes back.
    ///
    /// # Errors
    /// As [`Filters::run`], and the sink's.
    pub async fn run_into<S: Sink + 'static>(
        &self,
        name: &str,
        job: Job,
        watch: Watch,
        sink: S,
    ) -> Result<(Output, S)> {
        self.run_on_thread(name, job, watch, move |filter, job, watch| {
            let mut sink = sink;
            let output = filter.run_into(job, watch, &mut sink)?;
            Ok((output, sink))
        })
        .await
    }

    /// The job's parameters with automatic ones measured on its picture.
    ///
    /// # Errors
    /// `not_found`, `invalid_argument`, `cancelled`.
    pub async fn measure(&self, name: &str, job: Job, watch: Watch) -> Result<Values> {
        self.run_on_thread(name, job, watch, |filter, job, _| filter.measure(job)).await
    }

    async fn run_on_thread<T: Send + 'static>(
        &self,
        name: &str,
        mut job: Job,
        watch: Watch,
        work: impl FnOnce(&dyn Filter, &Job, &Watch) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let filter = self.get(name)?;
        job.params = manifest::resolve(&filter.about().params, &job.params)?;
        used_or_refused(filter.about(), &mut job)?;
        let _ = watch.step(0.0, "waiting for other filters");
        let _permit = tokio::select! {
            permit = self.inner.runs.acquire() => permit.map_err(Error::internal)?,
            () = watch.cancelled() => return Err(Error::new(Kind::Cancelled, "the filter was cancelled")),
        };
        watch.check()?;
        let begun = std::time::Instant::now();
        let inner_watch = watch.clone();
        let running = tokio::task::spawn_blocking(move || work(&*filter, &job, &inner_watch));
        let done = watch.attended(running).await;
        self.sweep_later();
        let (models, model_bytes) = self.loaded();
        let seconds = (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        tracing::info!(filter = name, seconds, models, model_bytes, "filter ran");
        done
    }

    /// Unloads idle models after a while, as long as there are any.
    fn sweep_later(&self) {
        if self.inner.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let idle = Duration::from_secs(self.inner.config.filters.idle);
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle.min(Duration::from_secs(60))).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.cache.sweep(idle) == 0 {
                    inner.sweeping.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }

    /// Models that are loaded now, and the bytes of their files.
    pub fn loaded(&self) -> (usize, u64) {
        self.inner.cache.loaded()
    }
}

/// What was given and the filter has no use for is refused: a caller would believe that it counted.
fn used_or_refused(about: &About, job: &mut Job) -> Result<()> {
    let refuse = |what: &str, hint: &str| {
        Err(Error::new(Kind::InvalidArgument, format!("`{}` takes no {what}", about.name)).hint(hint))
    };
    let subject = about.scope == Scope::Subject;
    if !job.points.is_empty() && !subject {
        return refuse("points", "leave them out, or use `cut-out`, which takes any subject model as its `model`");
    }
    if job.area.is_some() && !matches!(about.scope, Scope::Subject | Scope::Hole) {
        return refuse("box", "leave it out, or select a rectangle");
    }
    match about.scope {
        Scope::Hole if job.mask.is_none() && job.area.is_some() => job.mask = model::hole(job)?,
        // A mask says where, and so does a selection.
        Scope::Everywhere if job.mask.is_some() => job.selection = job.mask.take(),
        Scope::Whole if job.mask.is_some() => return refuse("mask", "it works on all of the picture: leave it out"),
        _ => {}
    }
    Ok(())
}
