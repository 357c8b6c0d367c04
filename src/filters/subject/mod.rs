//! *Cut out*: the subject of a picture, of a rough selection, or at the places that the user marked.
//!
//! The best subject model that is installed says what the subject is, the bundled one where there is none; what the
//! user marked limits its answer; GrabCut and a guided filter bring it to the picture's edges.

mod look;
mod marks;
mod shape;

use super::catalogue;
use super::job::{About, Filter, Job, Output, Param, ParamKind, Value, Values, Watch};
use super::manifest::{As, Manifest, Mode, Source, Task, resolve};
use super::model::{self, ModelFilter};
use super::sight::{Reach, Sight};
use crate::error::{Error, Kind, Reason, Result};
use look::{Found, Look};
use std::sync::Arc;

/// The bundled filter that this one takes the place of.
pub const NAME: &str = "cut-out";
/// Values of the parameter `model` beside the names of installed ones.
const BEST: &str = "best";
const BUNDLED: &str = "bundled";

/// A model that says what the subject of a picture is.
#[derive(Clone)]
struct Model {
    name: String,
    filter: Arc<dyn Filter>,
    /// Takes a rough mask of the subject; else it looks at a picture of it.
    prompted: bool,
    /// Higher is better; `None`: nobody knows, so it is used by its name alone.
    rank: Option<u8>,
}

/// The filter. Made anew whenever filters are added or removed.
pub struct CutOut {
    about: About,
    bundled: Model,
    /// Installed ones, the best first.
    models: Vec<Model>,
}

/// Whether an installed filter can say what a picture's subject is.
pub fn finds_subjects(manifest: &Manifest) -> bool {
    let plain = |input: &super::manifest::Input| matches!(input.source, Source::Image | Source::Const | Source::Zeros);
    manifest.task == Task::Matte
        && manifest.input.iter().all(plain)
        && manifest.output.iter().any(|output| matches!(output.kind, As::Alpha | As::Mask))
}

/// The bundled manifest without its refinement, which is done here for all models.
pub fn plain(mut manifest: Manifest) -> Manifest {
    manifest.compose.refine = None;
    manifest.compose.mode = Mode::LayerMask;
    manifest
}

impl CutOut {
    /// `bundled` is made of [`plain`]'s manifest; `installed` are those that [`finds_subjects`].
    pub fn new(bundled: ModelFilter, installed: Vec<Arc<ModelFilter>>) -> CutOut {
        let mut models: Vec<Model> = installed
            .into_iter()
            .map(|filter| Model {
                name: filter.about().name.clone(),
                rank: catalogue::subject_rank(&filter.manifest),
                prompted: false,
                filter,
            })
            .collect();
        models.sort_by(|a, b| b.rank.cmp(&a.rank).then(a.name.cmp(&b.name)));
        let mut about = bundled.about().clone();
        let names = models.iter().map(|model| model.name.clone()).filter(|name| name != BEST && name != BUNDLED);
        about.params = vec![Param {
            name: "model".into(),
            label: "Model".into(),
            help: "What finds the subject: the best model that is installed, a certain one, or the bundled one".into(),
            kind: ParamKind::Choice {
                choices: [BEST.to_owned()].into_iter().chain(names).chain([BUNDLED.to_owned()]).collect(),
            },
            default: Value::Text(BEST.into()),
            unit: None,
            auto: None,
            logarithmic: false,
        }];
        let bundled = Model { name: BUNDLED.into(), filter: Arc::new(bundled), prompted: true, rank: None };
        CutOut { about, bundled, models }
    }

    fn model(&self, wanted: &str) -> &Model {
        let found = match wanted {
            BEST => self.models.iter().find(|model| model.rank.is_some()),
            name => self.models.iter().find(|model| model.name == name),
        };
        found.unwrap_or(&self.bundled)
    }

    /// What is found with the model; `None`: nothing is.
    fn looked(&self, model: &Model, job: &Job, watch: &Watch) -> Result<Option<Found>> {
        Look::new(model, job, watch)?.find()
    }
}

impl Filter for CutOut {
    fn about(&self) -> &About {
        &self.about
    }

    fn sight(&self, params: &Values, (width, height): (usize, usize)) -> Sight {
        let reach = match width.max(height) {
            0 => Reach::Whole,
            longest => Reach::Near(look::margin(longest, self.model(params.text("model")).prompted) + 32),
        };
        Sight { reach, ..Sight::default() }
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        model::check(job)?;
        let job = Job { params: resolve(&self.about.params, &job.params)?, ..job.clone() };
        let best = job.params.text("model") == BEST;
        let mut model = self.model(job.params.text("model"));
        let mut found = self.looked(model, &job, &watch.part(0.0, 0.8))?;
        let mut notes = Vec::new();
        if found.is_none() && best && !model.prompted {
            notes.push(format!("`{}` found no subject", model.name));
            model = &self.bundled;
            found = self.looked(model, &job, &watch.part(0.0, 0.8))?;
        }
        watch.step(0.8, "finding edges")?;
        let alpha = match found {
            Some(found) => shape::shaped(&job, found, model.prompted, &watch.part(0.8, 1.0))?,
            None => None,
        };
        let Some(alpha) = alpha else {
            let tried = if model.prompted { "the bundled model".to_owned() } else { format!("`{}`", model.name) };
            return Err(Error::new(Kind::NotFound, format!("{tried} found no subject there"))
                .hint("select roughly where all of it is, or give a `box` round it or `points` on it")
                .because(Reason::NoSubject));
        };
        notes.push(match (model.prompted, best) {
            (false, _) => format!("the subject was found by `{}`", model.name),
            (true, true) if self.models.iter().all(|model| model.rank.is_none()) => {
                "the subject was found by the small bundled model; there is a better one, of 4.6 MB \
                 (`gimp-bridge filters add u2netp`)"
                    .to_owned()
            }
            (true, _) => "the subject was found by the bundled model".to_owned(),
        });
        let mut used = job.params.clone();
        used.set("model", Value::Text(model.name.clone()));
        Ok(Output { mask: Some(alpha), tiles: 1, notes, used, ..Output::default() })
    }
}
