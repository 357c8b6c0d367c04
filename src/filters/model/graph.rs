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

/// Numbers that a graph may hand to another: 256 MiB of them.
const LARGEST_TENSOR: usize = 1 << 26;
/// Masks or classes that one is chosen from.
const LARGEST_CHOICE: usize = 1024;

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
            let ports = stage.backend.outputs();
            let places = stage.outputs.iter().enumerate().map(|(position, output)| {
                let wanted = port(ports, output.name.as_deref(), output.index.unwrap_or(position), "output")?;
                Ok(ports.iter().position(|port| port.name == wanted.name).unwrap_or(0))
            });
            let places = places.collect::<Result<Vec<_>>>()?;
            let take = |place: usize, shape: &[usize]| {
                let declared = stage.outputs.iter().zip(&places).filter(|(_, at)| **at == place);
                let checked = declared.map(|(output, _)| declares(output, &ports[place].name, shape, given));
                Ok(!checked.collect::<Result<Vec<()>>>()?.is_empty())
            };
            let answers = stage.backend.run(values, &take, watch)?;
            let mut scores = Vec::new();
            for (output, &place) in stage.outputs.iter().zip(&places) {
                let name = &ports[place].name;
                let tensor = answers.get(place).and_then(Option::as_ref);
                let tensor = tensor
                    .ok_or_else(|| Error::new(Kind::Unsupported, format!("the model gave no output `{name}`")))?;
                match output.kind {
                    As::Tensor => self.remember(output, tensor, &mut tensors),
                    As::Score => scores = tensor.values().into_owned(),
                    _ if result.is_none() => result = Some(decoded(output, name, tensor, &scores, given)?),
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

/// Checks that an answer is of the shape that the manifest declares, before anybody holds its values.
fn declares(output: &Output, name: &str, shape: &[usize], given: &Given) -> Result<()> {
    if matches!(output.kind, As::Tensor | As::Score) {
        let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        return match count {
            Some(0..=LARGEST_TENSOR) => Ok(()),
            _ => Err(Error::new(
                Kind::Unsupported,
                format!("the output `{name}` is {shape:?}, more than the {LARGEST_TENSOR} numbers a tensor may have"),
            )),
        };
    }
    let (channels, height, width) = sides(output, name, shape)?;
    let one = output.select.is_some() || output.activation == Some(Activation::Softmax);
    let (right, expected) = match output.kind {
        _ if one => ((1..=LARGEST_CHOICE).contains(&channels), format!("1 to {LARGEST_CHOICE} to choose from")),
        As::Image | As::Residual if output.channels == Channels::Y => (channels == 1, "1".into()),
        As::Image | As::Residual => (matches!(channels, 1 | 3), "3 or 1".into()),
        As::LabAb => (channels == 2, "2".into()),
        _ => (channels == 1, "1".into()),
    };
    if !right {
        let kind = output.kind;
        return Err(Error::new(
            Kind::Config,
            format!("the output `{name}` has {channels} channels, {expected} were expected of {kind:?}"),
        )
        .hint("correct `as` or `layout` in the manifest"));
    }
    // A mask may be coarser than the picture; a picture is the very size.
    let picture = matches!(output.kind, As::Image | As::Residual);
    let (w, h) = (given.image.width * output.scale, given.image.height * output.scale);
    let right = if picture { (width, height) == (w, h) } else { (1..=w).contains(&width) && (1..=h).contains(&height) };
    if !right {
        let (iw, ih) = (given.image.width, given.image.height);
        let most = if picture { "" } else { "at most " };
        return Err(Error::new(
            Kind::Config,
            format!(
                "the output `{name}` is {width}x{height} for an input of {iw}x{ih}; {most}{w}x{h} was expected, since its `scale` is {}",
                output.scale
            ),
        )
        .hint("correct `scale` or [size] in the manifest, or take the model that it was made for"));
    }
    Ok(())
}

/// Channels, height and width.
fn sides(output: &Output, name: &str, shape: &[usize]) -> Result<(usize, usize, usize)> {
    match (output.layout, shape) {
        (Layout::NCHW, &[1, c, h, w]) | (Layout::CHW, &[c, h, w]) => Ok((c, h, w)),
        (Layout::NHWC, &[1, h, w, c]) | (Layout::HWC, &[h, w, c]) => Ok((c, h, w)),
        (Layout::NHW, &[1, h, w]) | (Layout::HW, &[h, w]) => Ok((1, h, w)),
        _ => Err(Error::new(
            Kind::Config,
            format!("the output `{name}` is {shape:?}, which is not {:?} of one picture", output.layout),
        )
        .hint("correct `layout` in the manifest")),
    }
}

/// Pixels from an output tensor, whose shape [`declares`] has checked.
fn decoded(output: &Output, name: &str, tensor: &Tensor, scores: &[f32], given: &Given) -> Result<Answer> {
    let (channels, height, width) = sides(output, name, &tensor.shape)?;
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
    if output.channels == Channels::BGR && n == 3 {
        raster.data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    }
    Ok(placed(output, raster, given))
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

/// The answer at the tile's own scale; residual and luma are made whole.
fn placed(output: &Output, mut raster: Raster, given: &Given) -> Answer {
    let picture = matches!(output.kind, As::Image | As::Residual);
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
    Answer { kind, raster }
}
