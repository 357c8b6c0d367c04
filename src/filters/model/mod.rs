//! A filter that is a manifest and its graphs.

mod feed;
mod finish;
mod graph;
mod plan;
mod results;
mod tiles;
mod view;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::backend::Backend;
use crate::filters::catalogue;
use crate::filters::job::{About, Filter, Job, Output, ParamKind, Scope, Value, Values, Watch};
use crate::filters::manifest::{self, As, Fit, Input, Manifest, Measure, Mode, Source, Task, TileMode};
use crate::filters::picture::Picture;
use crate::filters::pixels::measure;
use crate::filters::remote::RemoteModel;
use crate::filters::runtime::{Cache, ModelKey, ModelSource, Origin, Wanted};
use crate::filters::sight::{Reach, Sight};
use crate::filters::sink::{Head, MemorySink, Sink};
use crate::filters::store::Folder;
use crate::filters::tensor::Tensor;
use graph::{Graphs, Stage};
pub(super) use results::{check, hole};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
pub(super) use view::{Rect, rgb};

/// A model filter. Cheap: models are loaded when it runs.
pub struct ModelFilter {
    about: About,
    pub manifest: Manifest,
    folder: Folder,
    cache: Arc<Cache>,
    config: Arc<Config>,
    /// See [`manifest::Cache::PerImage`].
    kept: Arc<Mutex<HashMap<String, Tensor>>>,
    trusted: OnceLock<bool>,
}

impl ModelFilter {
    pub fn new(manifest: Manifest, folder: Folder, cache: Arc<Cache>, config: Arc<Config>) -> ModelFilter {
        let about = about(&manifest, &folder);
        ModelFilter { about, manifest, folder, cache, config, kept: Arc::default(), trusted: OnceLock::new() }
    }

    /// Whether its graphs may run in this process; see docs/security.md.
    fn trusted(&self) -> bool {
        let known = || matches!(self.folder, Folder::Bundled(_)) || catalogue::is_own(&self.manifest);
        *self.trusted.get_or_init(known)
    }

    /// The job with automatic parameters measured; what was found, as notes.
    fn measured(&self, job: &Job) -> Result<(Job, Vec<String>)> {
        let mut job = job.clone();
        job.params = manifest::resolve(&self.about.params, &job.params)?;
        let mut notes = Vec::new();
        for param in &self.manifest.param {
            let Some(what) = param.auto.filter(|_| job.params.is_auto(&param.name)) else { continue };
            let mut found = measure::measure(what, &job);
            if let Value::Float(value) = found {
                found = fitted(value * param.auto_scale.unwrap_or(1.0), &param.about().kind);
            }
            let shown = match &found {
                Value::Float(value) => format!("{value:.2}"),
                Value::Text(text) => text.clone(),
                other => format!("{other:?}"),
            };
            notes.push(format!("{} was measured as {shown}", param.about().label.to_lowercase()));
            job.params.set(&param.name, found);
        }
        Ok((job, notes))
    }

    /// The graphs that these parameters need, loaded.
    fn graphs(&self, job: &Job, notes: &mut Vec<String>, watch: &Watch) -> Result<Graphs> {
        let values = &job.params;
        let mut stages = Vec::new();
        let mut stage = |graph: &str, backend: Arc<dyn Backend>| {
            let inputs = self.manifest.input.iter();
            let inputs = inputs.filter(|input| input.graph == graph && manifest::applies(&input.when, values));
            let outputs = self.manifest.output.iter();
            let outputs = outputs.filter(|output| output.graph == graph && manifest::applies(&output.when, values));
            stages.push(Stage { backend, inputs: inputs.cloned().collect(), outputs: outputs.cloned().collect() });
        };
        if let Some(remote) = &self.manifest.remote {
            stage("main", Arc::new(RemoteModel::connect(remote, &self.manifest)?));
        }
        for file in self.manifest.file.iter().filter(|file| manifest::applies(&file.when, values)) {
            let identity = format!("{}/{}@{}", self.folder.name(), file.path, file.sha256.as_deref().unwrap_or("-"));
            let key = ModelKey { identity, patched: file.patch.is_some() };
            let bytes = self.folder.size(&file.path) + file.data.as_deref().map_or(0, |data| self.folder.size(data));
            let (folder, of) = (self.folder.clone(), file.clone());
            let origin: Origin = Arc::new(move || source(&folder, &of));
            let model = self.cache.get(&Wanted { key, bytes, origin, trusted: self.trusted() }, watch);
            let model = model.map_err(|error| Error {
                message: format!("the filter `{}`: {}", self.manifest.id, error.message),
                ..error
            })?;
            notes.extend(model.fallback);
            stage(&file.graph, model.backend);
        }
        let keeps = self.manifest.output.iter().any(|output| output.cache.is_some());
        // Around a mask the model sees another part each time.
        let image = (keeps && self.manifest.size.fit != Fit::CropToMask).then(|| job.image.fingerprint());
        let graphs = Graphs { stages, kept: self.kept.clone(), image };
        if graphs.result().is_none() {
            return Err(Error::new(Kind::Config, "no [[output]] applies to these parameters")
                .hint("correct `when` in the manifest"));
        }
        Ok(graphs)
    }

    /// Why the picture is left as it is: none of what the filter takes away is there. Asked to take away nothing, a
    /// network still changes some pixels.
    fn nothing_to_take(&self, params: &Values) -> Option<String> {
        let param = self.manifest.param.iter().find(|param| {
            let amount = matches!(param.auto, Some(Measure::NoiseLevel | Measure::JpegQuality));
            let range = param.max.unwrap_or(1.0) - param.min.unwrap_or(0.0);
            // Half a percent: below what 8 bits show.
            amount && param.min == Some(0.0) && params.number(&param.name) < range / 200.0
        })?;
        let label = param.about().label.to_lowercase();
        Some(format!("the {label} is hardly above 0, so there is nothing to take away: the picture is left as it is"))
    }
}

/// The model's bytes, verified; or its files, where weights lie beside it.
fn source(folder: &Folder, file: &manifest::File) -> Result<ModelSource> {
    let bytes = folder.read_verified(&file.path, file.sha256.as_deref())?;
    let graph = crate::filters::onnx::read(&bytes)
        .map_err(|error| Error { message: format!("`{}`: {}", file.path, error.message), ..error })?;
    if !graph.external.is_empty() {
        let weights = graph.external.iter().map(|data| {
            let known = file.data.as_deref() == Some(data);
            folder.verify(data, file.data_sha256.as_deref().filter(|_| known))?;
            folder.path(data)
        });
        return Ok(ModelSource::Files(folder.path(&file.path)?, weights.collect::<Result<_>>()?));
    }
    Ok(ModelSource::Bytes(match file.patch {
        Some(manifest::Patch::FreeHw) => crate::filters::onnx::free_height_and_width(&bytes)?,
        None => bytes,
    }))
}

impl Filter for ModelFilter {
    fn about(&self) -> &About {
        &self.about
    }

    fn sight(&self, params: &Values, hole: (usize, usize)) -> Sight {
        let size = &self.manifest.size;
        let tile = &size.tile;
        let scaled = size.max_side.or(size.long_side).or(size.short_side).is_some();
        let reach = match size.fit {
            // A square around the hole's middle, as plan::around takes it.
            Fit::CropToMask => {
                let longest = hole.0.max(hole.1).max(128);
                Reach::Near((longest as f32 * (0.5 + size.context)) as usize + 32)
            }
            Fit::Tile if tile.mode == TileMode::Ok && !scaled => Reach::Near(tile.overlap.max(32)),
            _ => Reach::Whole,
        };
        // What is still to be measured decides on the file, not on the size.
        let outputs = self.manifest.output.iter().filter(|output| {
            let decided = output.when.iter().filter(|(name, _)| !params.is_auto(name));
            manifest::applies(&decided.map(|(name, allowed)| (name.clone(), allowed.clone())).collect(), params)
        });
        let growth = outputs.map(|output| output.resize_to.unwrap_or(output.scale)).max().unwrap_or(1).max(1);
        let measures = self.manifest.param.iter().any(|param| param.auto.is_some() && params.is_auto(&param.name));
        Sight { reach, growth, measures }
    }

    fn measure(&self, job: &Job) -> Result<Values> {
        Ok(self.measured(job)?.0.params)
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        let mut sink = MemorySink::default();
        let mut output = self.run_into(job, watch, &mut sink)?;
        output.image = sink.picture();
        Ok(output)
    }

    fn run_into(&self, job: &Job, watch: &Watch, sink: &mut dyn Sink) -> Result<Output> {
        let (job, mut notes) = self.measured(job)?;
        if let Some(note) = self.nothing_to_take(&job.params) {
            let Picture { width, height, channels, .. } = *job.image;
            sink.begin(Head { width, height, channels, depth: job.image.depth() })?;
            sink.rows(&job.image.samples)?;
            notes.push(note);
            return Ok(Output { notes, used: job.params, ..Output::default() });
        }
        watch.step(0.0, "loading the model")?;
        let graphs = self.graphs(&job, &mut notes, watch)?;
        let mut output =
            results::run(&self.manifest, &self.about, &graphs, &job, watch, sink, self.config.filters.memory_mb)?;
        notes.append(&mut output.notes);
        Ok(Output { notes, used: job.params, ..output })
    }
}

/// A measured number as the parameter takes it, never outside of its range: a picture is as noisy as it likes.
fn fitted(value: f64, kind: &ParamKind) -> Value {
    match *kind {
        ParamKind::Float { min, max, .. } => Value::Float(value.clamp(min, max)),
        ParamKind::Int { min, max } => Value::Int((value.round() as i64).clamp(min, max)),
        ParamKind::Bool | ParamKind::Choice { .. } => Value::Float(value),
    }
}

fn uses(inputs: &[Input], source: &Source) -> bool {
    inputs.iter().any(|input| input.source == *source || uses(&input.parts, source))
}

fn about(manifest: &Manifest, folder: &Folder) -> About {
    let needs_mask = manifest.size.fit == Fit::CropToMask
        || [Source::Mask, Source::Evidence].iter().any(|source| uses(&manifest.input, source));
    let picture = manifest.output.iter().any(|output| matches!(output.kind, As::Image | As::Residual | As::LabAb));
    let grows = manifest.output.iter().any(|output| output.resize_to.unwrap_or(output.scale) > 1);
    let scope = match () {
        () if picture && grows => Scope::Whole,
        () if picture && (needs_mask || manifest.compose.mode == Mode::PasteInMask) => Scope::Hole,
        () if picture => Scope::Everywhere,
        () if needs_mask || uses(&manifest.input, &Source::Points) => Scope::Subject,
        () => Scope::Whole,
    };
    let (group, help, words) = match manifest.task {
        Task::Upscale => ("Enhance", "Makes the picture larger, with detail.", "upscale, super resolution, enlarge"),
        Task::Denoise => ("Enhance", "Removes noise.", "denoise, noise reduction"),
        Task::Deblur => (
            "Enhance",
            "Makes a blurred picture sharp.",
            "deblur, unblur, fix camera shake, sharpen a blurry photo, out of focus",
        ),
        Task::Restore => ("Repair", "Removes the marks of compression or damage.", "restore, repair compression"),
        Task::Inpaint => (
            "Repair",
            "Fills the selection from its surroundings.",
            "inpaint, remove object, content aware fill, magic eraser",
        ),
        Task::Face => {
            ("Repair", "Restores a face.", "restore faces, fix old portraits, enhance face, face restoration")
        }
        Task::Matte => ("Select", "Finds the subject, with soft edges.", "remove background, matting, cut out"),
        Task::Segment => ("Select", "Selects what was clicked or boxed.", "segment, click to select, segment anything"),
        Task::Style => ("Style", "Paints the picture in a style.", "style transfer, artistic style"),
        Task::StyleArbitrary => ("Style", "Takes the style of another picture.", "style transfer, paint like"),
        Task::Colorize => (
            "Enhance",
            "Gives colour to a black-and-white picture.",
            "colorize black and white, colorise old photo, add color to grayscale",
        ),
        Task::Depth => {
            ("Other", "Estimates how near everything is; light is near.", "depth map, depth estimation, distance")
        }
        Task::Lowlight => ("Enhance", "Brightens a dark picture.", "low light, brighten night photo, dark photo"),
        Task::Lineart => ("Style", "Draws the picture's lines.", "line art, sketch, line drawing, pencil drawing"),
        Task::Filter => ("Other", "Runs the model on the picture.", "ai model"),
    };
    About {
        name: manifest.id.clone(),
        title: manifest.name.clone(),
        group: manifest.group.clone().unwrap_or_else(|| group.into()),
        help: manifest.help.clone().unwrap_or_else(|| help.into()),
        keywords: words.split(", ").map(str::to_owned).chain(manifest.keywords.iter().cloned()).collect(),
        scope,
        enlarges: picture && grows,
        style: uses(&manifest.input, &Source::Style),
        params: manifest.param.iter().map(manifest::Param::about).collect(),
        license: manifest.license.clone(),
        origin: folder.origin().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_stays_in_the_parameter_s_range() {
        let float = ParamKind::Float { min: 0.0, max: 100.0, step: None };
        assert_eq!(fitted(151.2, &float), Value::Float(100.0));
        assert_eq!(fitted(-3.0, &float), Value::Float(0.0));
        assert_eq!(fitted(61.25, &float), Value::Float(61.25));
        let int = ParamKind::Int { min: 1, max: 9 };
        assert_eq!([12.0, 4.6, 0.2].map(|value| fitted(value, &int)), [9, 5, 1].map(Value::Int));
    }
}
