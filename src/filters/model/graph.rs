//! One tile through all graphs of a manifest: tensors from pixels, pixels from tensors.

use super::feed::{Given, feed};
use crate::error::{Error, Kind, Result};
use crate::filters::backend::Backend;
use crate::filters::job::Watch;
use crate::filters::manifest::{
    Activation, As, Cache, Channels, Input, Layout, Output, OutputNormalize, Range, Resample, Select,
};
use crate::filters::pixels::{colour, resize};
use crate::filters::raster::{Depth, Raster};
use crate::filters::tensor::Tensor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The graphs that a run needs, in order, with what their `when` left over.
pub struct Graphs {
    pub stages: Vec<Stage>,
    /// Tensors that outlive a tile, by image and id; see [`Cache::PerImage`].
    pub kept: Arc<Mutex<HashMap<String, Tensor>>>,
    /// Names the image in `kept`; `None`: nothing is kept.
    pub image: Option<String>,
}

pub struct Stage {
    pub backend: Arc<dyn Backend>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
}

/// The result of one tile; `raster` has as many channels as the output means.
pub struct Answer {
    pub kind: As,
    pub raster: Raster,
}

impl Graphs {
    /// How much larger the result is than the tile, and what it is.
    pub fn result(&self) -> Option<&Output> {
        let outputs = self.stages.iter().flat_map(|stage| &stage.outputs);
        outputs.into_iter().find(|output| !matches!(output.kind, As::Tensor | As::Score))
    }

    /// Times as large as the input.
    pub fn scale(&self) -> usize {
        self.result().map_or(1, |output| output.resize_to.unwrap_or(output.scale))
    }

    /// Tiles that may be under way at once.
    pub fn parallel(&self) -> usize {
        self.stages.iter().map(|stage| stage.backend.parallel()).min().unwrap_or(1)
    }

    /// Runs the graphs on one tile, which has the size that the model wants.
    ///
    /// # Errors
    /// `config` when manifest and model do not fit, `unsupported` when the model fails or answers nonsense.
    pub fn run(&self, given: &Given, watch: &Watch) -> Result<Answer> {
        let mut tensors: HashMap<String, Tensor> = HashMap::new();
        let mut result = None;
        for stage in &self.stages {
            if self.recalled(stage, &mut tensors) {
                continue;
            }
            let mut values = Vec::new();
            for (position, input) in stage.inputs.iter().enumerate() {
                let port =
                    port(stage.backend.inputs(), input.name.as_deref(), input.index.unwrap_or(position), "input")?;
                let tensor = feed(input, port, given, &tensors)?;
                super::feed::fits(port, &tensor)?;
                values.push((port.name.clone(), tensor));
            }
            let given_names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
            if let Some(missing) = stage.backend.inputs().iter().find(|port| !given_names.contains(&port.name.as_str()))
            {
                return Err(Error::new(Kind::Config, format!("the model's input `{}` gets nothing", missing.name))
                    .hint("add an [[input]] for it to the manifest"));
            }
            let answers = stage.backend.run(values, watch)?;
            let mut scores = Vec::new();
            for (position, output) in stage.outputs.iter().enumerate() {
                let ports = stage.backend.outputs();
                let wanted = port(ports, output.name.as_deref(), output.index.unwrap_or(position), "output")?;
                let place = ports.iter().position(|port| port.name == wanted.name).unwrap_or(0);
                let tensor = answers.get(place).ok_or_else(|| {
                    Error::new(Kind::Unsupported, format!("the model gave no output `{}`", wanted.name))
                })?;
                match output.kind {
                    As::Tensor => self.remember(output, tensor, &mut tensors),
                    As::Score => scores = tensor.values().into_owned(),
                    _ if result.is_none() => result = Some(decoded(output, &wanted.name, tensor, &scores, given)?),
                    _ => {}
                }
            }
        }
        result.ok_or_else(|| Error::new(Kind::Config, "no [[output]] applies to these parameters"))
    }

    /// Whether all that a stage makes is there from the last time this image came.
    fn recalled(&self, stage: &Stage, tensors: &mut HashMap<String, Tensor>) -> bool {
        let Some(image) = &self.image else { return false };
        let kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
        let found: Option<Vec<_>> = stage
            .outputs
            .iter()
            .map(|output| {
                let id = output.id.as_ref().filter(|_| output.cache == Some(Cache::PerImage))?;
                kept.get(&format!("{image}/{id}")).map(|tensor| (id.clone(), tensor.clone()))
            })
            .collect();
        match found {
            Some(found) if !found.is_empty() => {
                tensors.extend(found);
                true
            }
            _ => false,
        }
    }

    fn remember(&self, output: &Output, tensor: &Tensor, tensors: &mut HashMap<String, Tensor>) {
        let Some(id) = &output.id else { return };
        if let (Some(Cache::PerImage), Some(image)) = (output.cache, &self.image) {
            let mut kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
            // One image's tensors at a time: they are large, and clicks come on one image.
            kept.retain(|key, _| key.starts_with(&format!("{image}/")));
            kept.insert(format!("{image}/{id}"), tensor.clone());
        }
        tensors.insert(id.clone(), tensor.clone());
    }
}

fn port<'a>(
    ports: &'a [crate::filters::onnx::Port],
    name: Option<&str>,
    index: usize,
    what: &str,
) -> Result<&'a crate::filters::onnx::Port> {
    let found = match name {
        Some(name) => ports.iter().find(|port| port.name == name),
        None => ports.get(index),
    };
    found.ok_or_else(|| {
        let has = ports.iter().map(|port| format!("`{}`", port.name)).collect::<Vec<_>>().join(", ");
        let wanted = name.map_or_else(|| format!("number {index}"), |name| format!("`{name}`"));
        Error::new(Kind::Config, format!("the model has no {what} {wanted}; it has {has}"))
            .hint("correct the name in the manifest, or take the file that the manifest was made for")
    })
}

/// Pixels from an output tensor.
fn decoded(output: &Output, name: &str, tensor: &Tensor, scores: &[f32], given: &Given) -> Result<Answer> {
    let (channels, height, width) = match (output.layout, tensor.shape.as_slice()) {
        (Layout::NCHW, &[1, c, h, w]) | (Layout::CHW, &[c, h, w]) => (c, h, w),
        (Layout::NHWC, &[1, h, w, c]) | (Layout::HWC, &[h, w, c]) => (c, h, w),
        (Layout::NHW, &[1, h, w]) | (Layout::HW, &[h, w]) => (1, h, w),
        _ => {
            return Err(Error::new(
                Kind::Config,
                format!("the output `{name}` is {:?}, which is not {:?} of one picture", tensor.shape, output.layout),
            )
            .hint("correct `layout` in the manifest"));
        }
    };
    let values = tensor.values();
    if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::new(Kind::Unsupported, format!("the model answered `{bad}` in `{name}`"))
            .hint("the model cannot work on this picture, or `range`, `mean` and `std` in its manifest are wrong"));
    }
    let planar = !matches!(output.layout, Layout::NHWC | Layout::HWC);
    let at = |c: usize, i: usize| if planar { values[c * height * width + i] } else { values[i * channels + c] };
    let chosen: Vec<usize> = match (output.select, output.activation) {
        (Some(Select::BestScore), _) => {
            let best = (0..channels.min(scores.len())).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            vec![best.unwrap_or(0)]
        }
        (None, Some(Activation::Softmax)) => vec![channels - 1],
        _ => (0..channels).collect(),
    };
    let n = chosen.len();
    let mut data = Vec::with_capacity(height * width * n);
    for i in 0..height * width {
        if output.activation == Some(Activation::Softmax) {
            let top = (0..channels).map(|c| at(c, i)).fold(f32::MIN, f32::max);
            let sum: f32 = (0..channels).map(|c| (at(c, i) - top).exp()).sum();
            data.push((at(channels - 1, i) - top).exp() / sum);
        } else {
            data.extend(chosen.iter().map(|&c| at(c, i)));
        }
    }
    shaped(output, &mut data);
    let mut raster = Raster { width, height, channels: n, data, depth: Depth::F32 };
    let right = match output.kind {
        As::Image | As::Residual if output.channels == Channels::Y => n == 1,
        As::Image | As::Residual => matches!(n, 1 | 3),
        As::LabAb => n == 2,
        _ => n == 1,
    };
    if !right {
        return Err(Error::new(
            Kind::Config,
            format!("the output `{name}` has {n} channels, which is no {:?}", output.kind),
        )
        .hint("correct `as` or `layout` in the manifest"));
    }
    if output.channels == Channels::BGR && n == 3 {
        raster.data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    }
    placed(output, name, raster, given)
}

/// Activation, normalisation, threshold, range, inversion: in this order.
fn shaped(output: &Output, data: &mut [f32]) {
    match output.activation {
        Some(Activation::Sigmoid) => data.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Some(Activation::Tanh) => data.iter_mut().for_each(|v| *v = v.tanh()),
        _ => {}
    }
    if output.normalize == Some(OutputNormalize::Minmax) {
        let (low, high) = data.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        data.iter_mut().for_each(|v| *v = (*v - low) / (high - low).max(1e-6));
    }
    if let Some(threshold) = output.threshold {
        data.iter_mut().for_each(|v| *v = f32::from(u8::from(*v > threshold)));
    }
    if let Some(Range::Between([low, high])) = &output.range {
        // A residual has no zero point to move.
        let low = if output.kind == As::Residual { 0.0 } else { *low };
        let span = if output.kind == As::Residual { high.abs().max(1e-6) } else { high - low };
        data.iter_mut().for_each(|v| *v = (*v - low) / span);
    }
    if output.invert {
        data.iter_mut().for_each(|v| *v = 1.0 - *v);
    }
}

/// The answer at the tile's own scale: rounding of the graph is cut off, residual and luma are made whole.
fn placed(output: &Output, name: &str, mut raster: Raster, given: &Given) -> Result<Answer> {
    let picture = matches!(output.kind, As::Image | As::Residual);
    if picture && given.exact {
        let (w, h) = (given.image.width * output.scale, given.image.height * output.scale);
        if raster.width < w || raster.height < h {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "the output `{name}` is {}x{} for a tile of {}x{}",
                    raster.width, raster.height, given.image.width, given.image.height
                ),
            )
            .hint(format!("`scale` in the manifest is {}, so {w}x{h} was expected", output.scale)));
        }
        if (raster.width, raster.height) != (w, h) {
            raster = raster.crop(0, 0, w, h);
        }
    }
    if output.kind == As::Residual || (picture && output.channels == Channels::Y) {
        let base = resize::raster(given.image, raster.width, raster.height, Resample::Cubic);
        let mut whole = base.clone();
        for (i, pixel) in whole.data.chunks_exact_mut(3).enumerate() {
            let added = &raster.data[i * raster.channels..(i + 1) * raster.channels];
            for (c, value) in pixel.iter_mut().enumerate() {
                *value += match (output.kind, output.channels) {
                    (As::Image, _) => added[0] - colour::luma(&base.data[i * 3..i * 3 + 3]),
                    _ => added[c.min(raster.channels - 1)],
                };
            }
        }
        raster = Raster { depth: Depth::F32, ..whole };
    } else if picture && raster.channels == 1 {
        let data = raster.data.iter().flat_map(|&value| [value; 3]).collect();
        raster = Raster { channels: 3, data, ..raster };
    }
    if let Some(to) = output.resize_to.filter(|_| picture) {
        let (w, h) = (raster.width / output.scale * to, raster.height / output.scale * to);
        raster = resize::raster(&raster, w, h, Resample::Cubic);
    }
    if output.kind != As::LabAb {
        raster.data.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    }
    let kind = if output.kind == As::Residual { As::Image } else { output.kind };
    Ok(Answer { kind, raster })
}
