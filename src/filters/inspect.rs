//! An unknown ONNX file: what it seems to be, found by its shapes and by running one tile, as a manifest.

use super::backend::Backend;
use super::job::Watch;
use super::manifest::{self, Dtype, Manifest, SCHEMA};
use super::onnx::{self, Graph, Port};
use super::runtime::setup::hex;
use super::runtime::{Cache, ModelKey, ModelSource, Origin, Wanted};
use super::tensor::Tensor;
use super::trial::{Place, Trial};
use crate::error::{Error, Kind, Result};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// An enlargement that a manifest can declare.
const LARGEST_SCALE: usize = 16;

/// What was found.
pub struct Inspected {
    pub manifest: Manifest,
    /// The manifest as it is to be saved.
    pub text: String,
    /// One sentence each: what was inferred, and from what.
    pub findings: Vec<String>,
    /// Files with weights, beside the model.
    pub data: Vec<String>,
    /// Ways to give it a picture, where there is more than one.
    pub trial: Option<Trial>,
}

impl Inspected {
    /// Takes another way than the one that did best; `number` counts from 1, as the contact sheet does.
    ///
    /// # Errors
    /// `invalid_argument` when there is no such way.
    pub fn take(&mut self, number: usize) -> Result<()> {
        let tried = self.trial.as_ref().map_or(&[][..], |trial| &trial.tried);
        let taken = number.checked_sub(1).and_then(|index| tried.get(index)).ok_or_else(|| {
            Error::new(Kind::InvalidArgument, format!("there is no way {number} to give it a picture"))
                .hint(format!("there are {} of them; leave the number out for the first", tried.len()))
        })?;
        self.text =
            format!("# `{}` was chosen of {} ways by whoever added it\n{}", taken.says, tried.len(), taken.text);
        self.manifest = taken.manifest.clone();
        Ok(())
    }
}

/// How the pixels of an input lie.
struct Pixels<'a> {
    port: &'a Port,
    channels: usize,
    /// NHWC rather than NCHW.
    last: bool,
    /// Height and width, where pinned.
    pinned: Option<(usize, usize)>,
}

fn unclear(what: String) -> Error {
    Error::new(Kind::Unsupported, what).hint(
        "write a manifest for it by hand (docs/filter-manifest.md), in a folder beside the file, and add the folder",
    )
}

/// Inspects the file at `path`; it is to be called `id`.
///
/// # Errors
/// `invalid_argument` when it is no ONNX, `unsupported` when it is not understood, with what was seen.
pub fn inspect(cache: &Arc<Cache>, path: &Path, id: &str, watch: &Watch) -> Result<Inspected> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::new(Kind::NotFound, format!("`{}` cannot be read: {error}", path.display())))?;
    let sum = hex(&Sha256::digest(&bytes));
    let graph = onnx::read(&bytes)
        .map_err(|error| Error { message: format!("`{}`: {}", path.display(), error.message), ..error })?;
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real.parent().unwrap_or(Path::new("/"));
    let file = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let image = image_input(&graph)?;
    let mut findings = vec![format!(
        "input `{}` is a picture of {} channels, {}, {}",
        image.port.name,
        image.channels,
        if image.last { "NHWC" } else { "NCHW" },
        image.pinned.map_or("of any size".into(), |(h, w)| format!("of {w}x{h}"))
    )];
    watch.step(0.1, "loading the model")?;
    // As the filter itself will name it, so that it is loaded once.
    let key = ModelKey { identity: format!("{}/{file}@{sum}", folder.display()), patched: false };
    let weights = graph.external.iter().map(|data| manifest::inside(folder, data)).collect::<Result<Vec<_>>>()?;
    let sizes = weights.iter().flat_map(|path| path.metadata()).map(|data| data.len());
    let size = bytes.len() as u64 + sizes.sum::<u64>();
    let model = real.clone();
    let origin: Origin = Arc::new(move || {
        if weights.is_empty() {
            Ok(ModelSource::Bytes(bytes.clone()))
        } else {
            Ok(ModelSource::Files(model.clone(), weights.clone()))
        }
    });
    // Nobody knows it yet: in a process of its own.
    let model = cache.get(&Wanted { key, bytes: size, origin, trusted: false }, watch)?;
    let probe = Probe { model: &*model.backend, graph: &graph, image: &image, watch };
    let (output, trials) = probe.ranges()?;
    let mut sections = Sections::default();
    sections.extras(&graph, &image, &mut findings)?;
    let task = match &output {
        Shape::Picture { scale } => {
            let best = &trials[0];
            findings.push(format!("output `{}` is a picture, {scale} times as large", graph.outputs[0].name));
            findings.push(format!(
                "values from {} to {} go in, from {} to {} come out: so the answer is nearest to the picture",
                best.input[0], best.input[1], best.output[0], best.output[1]
            ));
            (sections.input, sections.output) = best.lines(*scale);
            if sections.inputs.contains("\"mask\"") && *scale == 1 {
                findings.push("with a mask it is taken as filling the mask: only masked pixels change".into());
                sections.more += "[compose]\nmode = \"paste-in-mask\"\nfeather = 3\n";
                "inpaint"
            } else if *scale > 1 {
                "upscale"
            } else {
                "filter"
            }
        }
        Shape::Mask { low, high, flat } => {
            sections.flat = *flat;
            findings.push(format!("output `{}` has one channel: a mask, {low:.2} to {high:.2}", graph.outputs[0].name));
            sections.output += "as = \"alpha\"\n";
            if *low < -0.01 || *high > 1.01 {
                findings.push("it is not in 0 to 1, so it is taken as logits".into());
                sections.output += "activation = \"sigmoid\"\n";
            }
            sections.more += "[compose]\nmode = \"layer-mask\"\n";
            "matte"
        }
    };
    sections.size(&probe, &output, &mut findings)?;
    let text = |input: &str, output: &str| {
        let sections = Sections { input: input.into(), output: output.into(), ..sections.clone() };
        sections.text(id, task, &file, &sum, &image)
    };
    let place = Place { cache, folder, watch };
    let several = image.port.dtype != Some(Dtype::U8) && image.channels == 3 && !sections.inputs.contains("\"mask\"");
    let trial = match &output {
        Shape::Mask { .. } if several => {
            Some(place.subject(|input, more| text(input, &format!("{}{more}", sections.output)))?)
        }
        Shape::Picture { scale } if several => {
            let mut ways: Vec<(String, String)> = Vec::new();
            for trial in &trials {
                let says = format!("{} to {}", trial.input[0], trial.input[1]);
                let (input, output) = trial.lines(*scale);
                // The likeliest reading of each way: they come best first.
                if ways.iter().all(|(other, _)| *other != says) {
                    ways.push((says, text(&input, &output)));
                }
            }
            Some(place.pictures(ways)?)
        }
        _ => None,
    };
    let trial = trial.filter(|trial| !trial.tried.is_empty());
    let (text, manifest) = match trial.as_ref().and_then(|trial| Some((trial, trial.tried.first()?))) {
        Some((trial, best)) => {
            findings.push(trial.sentence());
            (format!("# {}\n{}", trial.sentence(), best.text), best.manifest.clone())
        }
        None => {
            let text = text(&sections.input, &sections.output);
            let manifest = manifest::parse(&text, "the inferred manifest")?;
            (text, manifest)
        }
    };
    Ok(Inspected { manifest, text, findings, data: graph.external, trial })
}

/// The input that takes the picture.
fn image_input(graph: &Graph) -> Result<Pixels<'_>> {
    let channels = |side: i64| matches!(side, 1 | 3);
    for port in &graph.inputs {
        let &[batch, a, b, c] = port.shape.as_slice() else { continue };
        if batch > 1 || port.dtype.is_none() {
            continue;
        }
        let pinned = |h: i64, w: i64| (h > 0 && w > 0).then_some((h as usize, w as usize));
        if channels(a) && !(channels(c) && a == 1 && c == 3) {
            return Ok(Pixels { port, channels: a as usize, last: false, pinned: pinned(b, c) });
        }
        if channels(c) {
            return Ok(Pixels { port, channels: c as usize, last: true, pinned: pinned(a, b) });
        }
    }
    let seen: Vec<String> = graph.inputs.iter().map(|port| format!("`{}` {:?}", port.name, port.shape)).collect();
    Err(unclear(format!("no input is a picture of 1 or 3 channels; there are {}", seen.join(", "))))
}

enum Shape {
    Picture {
        scale: usize,
    },
    Mask {
        low: f32,
        high: f32,
        /// Without a dimension for its channel.
        flat: bool,
    },
}

/// One way to put values in and read them out, and how near the answer came.
struct Reading {
    input: [f32; 2],
    output: [f32; 2],
    error: f64,
}

impl Reading {
    /// For a manifest's input and output.
    fn lines(&self, scale: usize) -> (String, String) {
        let range = |[low, high]: [f32; 2]| format!("range = [{low:.1}, {high:.1}]\n");
        let scale = if scale > 1 { format!("scale = {scale}\n") } else { String::new() };
        (range(self.input), format!("as = \"image\"\n{}{scale}", range(self.output)))
    }
}

struct Probe<'a> {
    model: &'a dyn Backend,
    graph: &'a Graph,
    image: &'a Pixels<'a>,
    watch: &'a Watch,
}

/// A picture that no filter takes for noise: smooth, with one edge.
fn sample(x: usize, y: usize, c: usize, width: usize) -> f32 {
    let wave = 0.5 + 0.35 * ((x + 5 * c) as f32 / 11.0).sin() * (y as f32 / 7.0).cos();
    if x * 3 > width * 2 { 0.9 - wave * 0.5 } else { wave }
}

impl Probe<'_> {
    /// Runs a tile with values in `range`.
    fn run(&self, h: usize, w: usize, range: [f32; 2]) -> Result<Tensor> {
        self.watch.check()?;
        let n = self.image.channels;
        let scaled = |value: f32| value * (range[1] - range[0]) + range[0];
        let mut values = Vec::with_capacity(h * w * n);
        if self.image.last {
            (0..h).for_each(|y| (0..w).for_each(|x| (0..n).for_each(|c| values.push(scaled(sample(x, y, c, w))))));
        } else {
            (0..n).for_each(|c| (0..h).for_each(|y| (0..w).for_each(|x| values.push(scaled(sample(x, y, c, w))))));
        }
        let shape = if self.image.last { vec![1, h, w, n] } else { vec![1, n, h, w] };
        let dtype = self.image.port.dtype.unwrap_or(Dtype::F32);
        let mut feed = vec![(self.image.port.name.clone(), Tensor::new(shape, values, dtype))];
        for port in self.graph.inputs.iter().filter(|port| port.name != self.image.port.name) {
            let dtype = port.dtype.unwrap_or(Dtype::F32);
            let tensor = if is_mask(port) {
                Tensor::new(vec![1, 1, h, w], vec![0.0; h * w], dtype)
            } else {
                let shape: Vec<usize> = port.shape.iter().map(|&side| side.max(1) as usize).collect();
                let count = shape.iter().product();
                Tensor::new(shape, vec![0.5; count], dtype)
            };
            feed.push((port.name.clone(), tensor));
        }
        self.first(feed)
    }

    /// The first answer to `feed`, if it is not absurd in size.
    fn first(&self, feed: Vec<(String, Tensor)>) -> Result<Tensor> {
        let fed: usize = feed.iter().map(|(_, tensor)| tensor.shape.iter().product::<usize>()).sum();
        let take = |place: usize, shape: &[usize]| {
            let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
            if place == 0 && count.is_none_or(|count| count > fed * LARGEST_SCALE * LARGEST_SCALE) {
                return Err(unclear(format!("the first output is {shape:?}, for inputs of {fed} numbers")));
            }
            Ok(place == 0)
        };
        let answer = self.model.run(feed, &take, self.watch)?.into_iter().next().flatten();
        answer.ok_or_else(|| unclear("the model answers nothing".into()))
    }

    fn side(&self) -> (usize, usize) {
        self.image.pinned.unwrap_or((64, 64))
    }

    /// Channels, height, width of an answer.
    fn shape(&self, tensor: &Tensor) -> Result<(usize, usize, usize)> {
        match (tensor.shape.as_slice(), self.image.last) {
            (&[1, c, h, w], false) | (&[1, h, w, c], true) => Ok((c, h, w)),
            (&[1, h, w], _) => Ok((1, h, w)),
            (shape, _) => Err(unclear(format!("the first output is {shape:?}, which is no picture"))),
        }
    }

    /// What the answer is, and the likeliest ranges, best first.
    fn ranges(&self) -> Result<(Shape, Vec<Reading>)> {
        let (h, w) = self.side();
        let u8s = self.image.port.dtype == Some(Dtype::U8);
        let inputs: &[[f32; 2]] = if u8s { &[[0.0, 255.0]] } else { &[[0.0, 1.0], [0.0, 255.0], [-1.0, 1.0]] };
        let mut shape = None;
        let mut trials = Vec::new();
        for &input in inputs {
            let answer = self.run(h, w, input)?;
            let values = answer.values();
            let (channels, out_h, out_w) = self.shape(&answer)?;
            if channels == 1 && self.image.channels == 3 {
                let ends = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
                let flat = answer.shape.len() == 3;
                return Ok((Shape::Mask { low: ends.0, high: ends.1, flat }, trials));
            }
            if out_h % h != 0 || out_w % w != 0 || out_h / h != out_w / w {
                return Err(unclear(format!("a tile of {w}x{h} becomes {out_w}x{out_h}, which is no whole multiple")));
            }
            let scale = out_h / h;
            shape = Some(scale);
            for output in [[0.0, 1.0], [0.0, 255.0], [-1.0, 1.0]] {
                let mut error = 0.0f64;
                for c in 0..channels.min(self.image.channels) {
                    for y in 0..out_h {
                        for x in 0..out_w {
                            let at = if self.image.last {
                                (y * out_w + x) * channels + c
                            } else {
                                (c * out_h + y) * out_w + x
                            };
                            let value = (values[at] - output[0]) / (output[1] - output[0]);
                            error += f64::from(value - sample(x / scale, y / scale, c, w)).powi(2);
                        }
                    }
                }
                trials.push(Reading { input, output, error: error / values.len() as f64 });
            }
        }
        // A model that answers no number with any range is beyond guessing.
        trials.retain(|trial| trial.error.is_finite());
        let best = trials.iter().map(|trial| trial.error).fold(f64::MAX, f64::min);
        // A model that treats all ranges alike wants none: the plain one is tried first.
        trials.sort_by(|a, b| a.error.total_cmp(&b.error));
        if let Some(plain) = trials.iter().position(|trial| trial.input == [0.0, 1.0] && trial.output == [0.0, 1.0])
            && trials[plain].error <= best * 1.02 + 1e-5
        {
            trials.swap(0, plain);
        }
        match (shape, trials.first()) {
            (Some(scale), Some(_)) => Ok((Shape::Picture { scale }, trials)),
            _ => Err(unclear("the model answers no numbers".into())),
        }
    }

    /// The number that height and width must be a multiple of.
    fn multiple(&self, scale: usize) -> usize {
        [(63, 1), (62, 2), (60, 4), (56, 8), (48, 16), (32, 32)]
            .into_iter()
            .find(|&(side, _)| {
                let answer = self.run(side, side, [0.0, 1.0]).and_then(|answer| self.shape(&answer));
                answer.is_ok_and(|(_, h, w)| (h, w) == (side * scale, side * scale))
            })
            .map_or(64, |(_, multiple)| multiple)
    }

    /// Whether a part of the picture gives the same pixels as the whole.
    fn tiles(&self, multiple: usize, scale: usize) -> bool {
        let round = |side: usize| side.div_ceil(multiple) * multiple;
        let (h, whole, part) = (round(96), round(192), round(128));
        let (Ok(a), Ok(b)) = (self.run_cut(h, whole, whole), self.run_cut(h, whole, part)) else { return false };
        let (a, b) = (a.values(), b.values());
        let channels = a.len() / (h * whole * scale * scale);
        let same = |c: usize, y: usize, x: usize| {
            let at = |width: usize| {
                let (height, width) = (h * scale, width * scale);
                if self.image.last { (y * width + x) * channels + c } else { (c * height + y) * width + x }
            };
            (a[at(whole)] - b[at(part)]).abs()
        };
        let range = a.iter().fold(0.0f32, |most, value| most.max(value.abs())).max(1e-6);
        let columns = round(64) * scale;
        (0..channels).all(|c| (0..h * scale).all(|y| (0..columns).all(|x| same(c, y, x) / range < 0.01)))
    }

    /// The first `part` columns of a picture of `whole`.
    fn run_cut(&self, h: usize, whole: usize, part: usize) -> Result<Tensor> {
        let full = self.image.channels;
        let mut values = Vec::with_capacity(h * part * full);
        if self.image.last {
            (0..h).for_each(|y| (0..part).for_each(|x| (0..full).for_each(|c| values.push(sample(x, y, c, whole)))));
        } else {
            (0..full).for_each(|c| (0..h).for_each(|y| (0..part).for_each(|x| values.push(sample(x, y, c, whole)))));
        }
        let shape = if self.image.last { vec![1, h, part, full] } else { vec![1, full, h, part] };
        let dtype = self.image.port.dtype.unwrap_or(Dtype::F32);
        let feed = vec![(self.image.port.name.clone(), Tensor::new(shape, values, dtype))];
        self.first(feed)
    }
}

fn is_mask(port: &Port) -> bool {
    matches!(port.shape.as_slice(), [1 | -1, 1, h, w] if (*h < 0 || *h > 8) && (*w < 0 || *w > 8))
}

/// The manifest's text in the making.
#[derive(Clone, Default)]
struct Sections {
    size: String,
    input: String,
    inputs: String,
    output: String,
    more: String,
    /// The output is rows of numbers.
    flat: bool,
}

impl Sections {
    /// Inputs beside the picture: a mask, or one number.
    fn extras(&mut self, graph: &Graph, image: &Pixels, findings: &mut Vec<String>) -> Result<()> {
        for port in graph.inputs.iter().filter(|port| port.name != image.port.name) {
            let numbers: i64 = port.shape.iter().map(|&side| side.max(1)).product();
            if is_mask(port) {
                findings.push(format!("input `{}` is a mask, 1 where the filter works", port.name));
                self.inputs += &format!("[[input]]\nname = {:?}\nsource = \"mask\"\n", port.name);
            } else if numbers == 1 && !self.more.contains("strength") {
                findings.push(format!("input `{}` is one number: the parameter `strength`, 0 to 1", port.name));
                let shape: Vec<i64> = port.shape.iter().map(|&side| side.max(1)).collect();
                self.inputs +=
                    &format!("[[input]]\nname = {:?}\nsource = \"param:strength\"\nshape = {shape:?}\n", port.name);
                self.more += "[[param]]\nname = \"strength\"\ntype = \"float\"\nmin = 0\nmax = 1\ndefault = 0.5\n";
            } else {
                return Err(unclear(format!("the input `{}` of {:?} is not understood", port.name, port.shape)));
            }
        }
        Ok(())
    }

    fn size(&mut self, probe: &Probe, output: &Shape, findings: &mut Vec<String>) -> Result<()> {
        let fills = self.more.contains("paste-in-mask");
        match (probe.image.pinned, output) {
            (Some((h, w)), _) if fills => {
                self.size = format!("policy = \"fixed\"\nfixed = [{w}, {h}]\nfit = \"crop-to-mask\"\n");
            }
            (None, Shape::Picture { scale }) if fills => {
                let multiple = probe.multiple(*scale);
                self.size =
                    format!("policy = \"multiple\"\nmultiple = {multiple}\nfit = \"crop-to-mask\"\nmax_side = 1024\n");
            }
            (Some((h, w)), Shape::Picture { .. }) => {
                self.size =
                    format!("policy = \"fixed\"\nfixed = [{w}, {h}]\ntile = {{ mode = \"ok\", overlap = 16 }}\n");
            }
            (Some((h, w)), Shape::Mask { .. }) => {
                self.size = format!("policy = \"fixed\"\nfixed = [{w}, {h}]\nfit = \"stretch\"\n");
            }
            (None, Shape::Picture { scale }) => {
                let multiple = probe.multiple(*scale);
                let tiles = probe.graph.inputs.len() == 1 && probe.tiles(multiple, *scale);
                findings.push(format!("sides must be multiples of {multiple}"));
                findings.push(if tiles {
                    "a part gives the same pixels as the whole, so large pictures go through in tiles".into()
                } else {
                    "it looks at the picture as a whole; tiles are used only where memory demands them".into()
                });
                let mode = if tiles { "ok" } else { "discouraged" };
                self.size = format!(
                    "policy = \"multiple\"\nmultiple = {multiple}\ntile = {{ mode = \"{mode}\", size = 256, overlap = 64 }}\n"
                );
            }
            (None, Shape::Mask { .. }) => {
                self.size = "policy = \"multiple\"\nmultiple = 32\nlong_side = 640\nfit = \"stretch\"\n".into();
            }
        }
        Ok(())
    }

    fn text(&self, id: &str, task: &str, file: &str, sum: &str, image: &Pixels) -> String {
        let layout = if image.last { "layout = \"NHWC\"\n" } else { "" };
        let channels = if image.channels == 1 { "channels = \"Y\"\n" } else { "" };
        let Sections { size, input, inputs, output, more, flat } = self;
        let out = if *flat { "layout = \"NHW\"\n" } else { layout };
        format!(
            "schema = {SCHEMA}\nid = {id:?}\nname = {id:?}\ntask = \"{task}\"\nlicense = \"unknown\"\n\
             help = \"Added from {file}.\"\n\
             [[file]]\npath = {file:?}\nsha256 = \"{sum}\"\n[size]\n{size}[[input]]\nname = {:?}\nsource = \"image\"\n{layout}{channels}{input}\
             {inputs}[[output]]\nindex = 0\n{out}{channels}{output}{more}",
            image.port.name
        )
    }
}
