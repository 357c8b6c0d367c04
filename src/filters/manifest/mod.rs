//! The manifest of a model filter: the TOML beside the ONNX files. Schema 1; docs/filter-manifest.md explains each key.
//!
//! Owns the types and their checks. Refuses unknown keys with their place, references to what is not there, and
//! paths that leave the manifest's folder.

mod check;
mod params;

pub use check::{TOKEN_PREFIX, inside, parse};
pub use params::{applies, resolve};

use super::packages::Package;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only schema so far.
pub const SCHEMA: u32 = 1;

/// A whole manifest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema: u32,
    /// Lower case with hyphens; the filter's name.
    pub id: String,
    /// For people.
    pub name: String,
    pub task: Task,
    /// SPDX name, `project`, or what the author calls it.
    pub license: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What else people call it, for searches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Other filters that must be installed too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    #[serde(default)]
    pub file: Vec<File>,
    /// A server that runs the graphs instead of files here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    pub size: Size,
    pub input: Vec<Input>,
    pub output: Vec<Output>,
    #[serde(default)]
    pub compose: Compose,
    #[serde(default)]
    pub param: Vec<Param>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    Upscale,
    Denoise,
    Deblur,
    Restore,
    Inpaint,
    Matte,
    Segment,
    Style,
    StyleArbitrary,
    Colorize,
    Depth,
    Lowlight,
    Lineart,
    Face,
    Filter,
}

/// Parameter values under which an entry counts: `{ scale = [2, 3], source = "clean" }`.
pub type When = BTreeMap<String, toml::Value>;

/// One ONNX file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The name that inputs and outputs use.
    #[serde(default = "main_graph")]
    pub graph: String,
    /// Inside the manifest's folder.
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub url: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// A package of a registry that holds it, instead of `url` or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Of the archive at `url`, when that is a ZIP that holds `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_sha256: Option<String>,
    /// Weights that the graph keeps outside of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
    #[serde(default, skip_serializing_if = "When::is_empty")]
    pub when: When,
}

impl File {
    /// Whether there is a place to fetch it from.
    pub fn fetched(&self) -> bool {
        !self.url.is_empty() || self.package.is_some()
    }
}

fn main_graph() -> String {
    "main".into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Patch {
    /// Height and width of graph inputs and outputs become free, where the export pinned them without need.
    FreeHw,
}

/// A server that speaks the Open Inference Protocol.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// `http://host:port` without `/v2`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    #[serde(default)]
    pub protocol: Protocol,
    /// Seconds for one tile.
    #[serde(default = "remote_timeout")]
    pub timeout: u64,
    /// Tiles under way at once.
    #[serde(default = "remote_parallel")]
    pub parallel: usize,
    /// Tries again after a failure that may pass.
    #[serde(default = "remote_retries")]
    pub retries: u32,
    /// The environment variable that holds a bearer token; its name begins with [`TOKEN_PREFIX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
}

fn remote_timeout() -> u64 {
    60
}

fn remote_parallel() -> usize {
    4
}

fn remote_retries() -> u32 {
    2
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Protocol {
    /// Open Inference Protocol, binary tensors (KServe, Triton).
    #[default]
    #[serde(rename = "v2")]
    V2,
    /// KServe's and TensorFlow Serving's `:predict`.
    #[serde(rename = "v1")]
    V1,
}

/// Which sizes the model takes, and how a picture gets there.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub policy: Policy,
    /// Width and height must be multiples of it, and tiles begin at multiples of it.
    #[serde(default = "one")]
    pub multiple: usize,
    #[serde(default = "one")]
    pub min: usize,
    /// Width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<[usize; 2]>,
    #[serde(default)]
    pub fit: Fit,
    #[serde(default)]
    pub filter: Resample,
    #[serde(default)]
    pub pad: Pad,
    /// Margin around the mask, in parts of its longer side.
    #[serde(default = "one_f32")]
    pub context: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side: Option<usize>,
    /// Where the five landmarks of a face go, for `fit = "face-align"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    #[serde(default)]
    pub tile: Tile,
}

fn one() -> usize {
    1
}

fn one_f32() -> f32 {
    1.0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    Dynamic,
    Multiple,
    Fixed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    #[default]
    Tile,
    Stretch,
    KeepAspect,
    CropToMask,
    FaceAlign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Template {
    #[serde(rename = "ffhq_512")]
    Ffhq512,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resample {
    Nearest,
    #[default]
    Bilinear,
    Cubic,
    Lanczos,
    Area,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pad {
    #[default]
    Reflect,
    Edge,
    Zero,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    #[serde(default)]
    pub mode: TileMode,
    /// Pixels of a tile's side, before the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    #[serde(default = "overlap")]
    pub overlap: usize,
    #[serde(default)]
    pub blend: Blend,
}

fn overlap() -> usize {
    16
}

impl Default for Tile {
    fn default() -> Tile {
        Tile { mode: TileMode::Never, size: None, overlap: overlap(), blend: Blend::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TileMode {
    Ok,
    /// Only where memory demands it: the model looks at the picture as a whole.
    Discouraged,
    #[default]
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// A ramp over the whole overlap.
    Linear,
    /// The outer quarter of the overlap is dropped, where padding shows, and the rest fades smoothly.
    #[default]
    Smooth,
}

/// What one input of a graph is fed with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    #[serde(default = "main_graph")]
    pub graph: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Position among the graph's inputs, where there is no name; else the position here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    pub source: Source,
    #[serde(default)]
    pub layout: Layout,
    /// What the graph declares, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    #[serde(default)]
    pub channels: Channels,
    /// What 0 and 1 become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f32; 2]>,
    /// In parts of the range, one per channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f32>>,
    /// `max`: divided by the picture's own largest sample first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<InputNormalize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pad_point: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Vec<f64>>,
    /// For `source = "parts"`: concatenated along the channels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Input>,
    /// The masked pixels are 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erase: bool,
    /// A parameter is multiplied by it; noise is so much larger than the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    #[serde(default, skip_serializing_if = "When::is_empty")]
    pub when: When,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    Image,
    Mask,
    Style,
    Points,
    Labels,
    /// Height and width of what the model sees.
    Size,
    Zeros,
    Const,
    Noise,
    /// How much a pixel's colour belongs to the inside of the mask, -1 to 1.
    Evidence,
    Parts,
    Param(String),
    Tensor(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Source, String> {
        Ok(match text.as_str() {
            "image" => Source::Image,
            "mask" => Source::Mask,
            "style" => Source::Style,
            "points" => Source::Points,
            "labels" => Source::Labels,
            "size" => Source::Size,
            "zeros" => Source::Zeros,
            "const" => Source::Const,
            "noise" => Source::Noise,
            "evidence" => Source::Evidence,
            "parts" => Source::Parts,
            other => match other.split_once(':') {
                Some(("param", name)) => Source::Param(name.into()),
                Some(("tensor", id)) => Source::Tensor(id.into()),
                _ => {
                    return Err(format!(
                        "unknown source `{text}`; use image, mask, style, points, labels, size, zeros, const, noise, \
                         evidence, parts, param:NAME or tensor:ID"
                    ));
                }
            },
        })
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        match source {
            Source::Image => "image".into(),
            Source::Mask => "mask".into(),
            Source::Style => "style".into(),
            Source::Points => "points".into(),
            Source::Labels => "labels".into(),
            Source::Size => "size".into(),
            Source::Zeros => "zeros".into(),
            Source::Const => "const".into(),
            Source::Noise => "noise".into(),
            Source::Evidence => "evidence".into(),
            Source::Parts => "parts".into(),
            Source::Param(name) => format!("param:{name}"),
            Source::Tensor(id) => format!("tensor:{id}"),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Layout {
    #[default]
    NCHW,
    NHWC,
    CHW,
    HWC,
    NHW,
    HW,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    F16,
    U8,
    I32,
    I64,
    Bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Channels {
    #[default]
    RGB,
    BGR,
    /// Luma alone; as an output, colour comes from the picture.
    Y,
    #[serde(rename = "gray")]
    Gray,
    /// Luma three times.
    #[serde(rename = "gray3")]
    Gray3,
    /// CIE L*, a*, b*, divided by 100.
    Lab,
    /// CIE Lab with a = b = 0, back to RGB.
    #[serde(rename = "lab-l-rgb")]
    LabLRgb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputNormalize {
    Max,
}

/// How a mask is handed over.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaskForm {
    /// The value of masked pixels, 1 or 0.
    #[serde(default = "one_u8")]
    pub hole: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Pixels that it grows by first.
    #[serde(default)]
    pub grow: usize,
}

fn one_u8() -> u8 {
    1
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Resize {
    /// Width, height.
    To([usize; 2]),
    /// `x4`: that many times as large, cubic.
    Times(String),
}

/// What one output of a graph is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    #[serde(default = "main_graph")]
    pub graph: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    #[serde(rename = "as")]
    pub kind: As,
    /// The name of a tensor for a later graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default)]
    pub channels: Channels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<OutputNormalize>,
    /// Times as large as the input.
    #[serde(default = "one")]
    pub scale: usize,
    /// Times as large as the input after each tile has been resized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_to: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
    #[serde(default, skip_serializing_if = "When::is_empty")]
    pub when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum As {
    Image,
    /// Added to the picture.
    Residual,
    Alpha,
    Mask,
    Depth,
    LabAb,
    Tensor,
    Score,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Range {
    Between([f32; 2]),
    /// `raw`: as the model answers.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    Sigmoid,
    Tanh,
    /// Over the channels; the last one is taken.
    Softmax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputNormalize {
    Minmax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    BestScore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// Kept while the same picture is asked about again.
    PerImage,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    #[serde(default)]
    pub mode: Mode,
    /// Pixels.
    #[serde(default)]
    pub feather: usize,
    /// A parameter from 0 to 1 that mixes the result with the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opacity_param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refine: Option<Refine>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Replace,
    NewLayer,
    LayerMask,
    Selection,
    PasteInMask,
    PasteFace,
    LabAb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Refine {
    #[serde(rename = "guided")]
    Guided,
    #[serde(rename = "grabcut+guided")]
    GrabcutGuided,
}

/// A parameter that the user sees.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(rename = "type")]
    pub kind: ParamType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    pub default: toml::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<Measure>,
    /// The measured value is multiplied by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_scale: Option<f64>,
    /// How a dialog's slider runs; without it, logarithmic where the default lies in the lowest fifth of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slider: Option<Slider>,
}

/// How a slider's values lie on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Slider {
    Linear,
    /// Small values get more room.
    Logarithmic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    Float,
    Int,
    Bool,
    Choice,
}

/// What `auto` measures on the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Standard deviation in 8-bit levels.
    NoiseLevel,
    /// (100 - quality) / 200.
    JpegQuality,
    /// `clean` or `compressed`.
    Compression,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Measure::NoiseLevel => "noise-level",
            Measure::JpegQuality => "jpeg-quality",
            Measure::Compression => "compression",
        }
    }
}
