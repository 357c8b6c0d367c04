//! What a graph's inputs are fed with.

use crate::error::{Error, Kind, Result};
use crate::filters::job::Values;
use crate::filters::manifest::{Channels, Dtype, Input, InputNormalize, Layout, Resample, Resize, Source};
use crate::filters::onnx::Port;
use crate::filters::pixels::{colour, evidence, morph, resize};
use crate::filters::raster::{Plane, Raster};
use crate::filters::tensor::Tensor;
use std::borrow::Cow;
use std::collections::HashMap;

/// One tile and what belongs to it.
pub struct Given<'a> {
    /// RGB.
    pub image: &'a Raster,
    pub mask: Option<&'a Plane>,
    /// RGB.
    pub style: Option<&'a Raster>,
    /// x, y, label (1 inside, 0 outside, 2 and 3 corners of a box) in the tile's pixels.
    pub points: &'a [[f32; 3]],
    pub params: &'a Values,
}

/// The tensor for one input.
pub fn feed(input: &Input, port: &Port, given: &Given, tensors: &HashMap<String, Tensor>) -> Result<Tensor> {
    let dtype = input.dtype.or(port.dtype).unwrap_or(Dtype::F32);
    let shape = || input.shape.clone().unwrap_or_else(|| vec![1]);
    let boxed = given.points.iter().any(|point| point[2] >= 2.0);
    Ok(match &input.source {
        Source::Tensor(id) => tensors.get(id).cloned().ok_or_else(|| {
            Error::new(Kind::Config, format!("no earlier graph made the tensor `{id}`")).hint("order the [[file]]s")
        })?,
        Source::Param(name) => {
            let value = given.params.number(name) * input.scale.unwrap_or(1.0);
            Tensor::new(shape(), vec![value as f32; shape().iter().product()], dtype)
        }
        Source::Zeros => Tensor::new(shape(), vec![0.0; shape().iter().product()], dtype),
        Source::Const => {
            let values: Vec<f32> = input.value.iter().flatten().map(|&value| value as f32).collect();
            let shape = input.shape.clone().unwrap_or_else(|| vec![values.len()]);
            if shape.iter().product::<usize>() != values.len() {
                return Err(Error::new(
                    Kind::Config,
                    format!("the constant for `{}` has {} values for shape {shape:?}", port.name, values.len()),
                ));
            }
            Tensor::new(shape, values, dtype)
        }
        Source::Size => Tensor::new(vec![2], vec![given.image.height as f32, given.image.width as f32], dtype),
        Source::Points => {
            let mut values: Vec<f32> = given.points.iter().flat_map(|point| [point[0], point[1]]).collect();
            if input.pad_point && !boxed {
                values.extend([0.0, 0.0]);
            }
            Tensor::new(vec![1, values.len() / 2, 2], values, dtype)
        }
        Source::Labels => {
            let mut values: Vec<f32> = given.points.iter().map(|point| point[2]).collect();
            if !boxed {
                values.push(-1.0);
            }
            Tensor::new(vec![1, values.len()], values, dtype)
        }
        Source::Noise => {
            let channels = input.shape.as_ref().and_then(|shape| shape.first()).copied().unwrap_or(1);
            let times = input.scale.unwrap_or(1.0);
            let (h, w) = (given.image.height as f64 * times, given.image.width as f64 * times);
            let shape = vec![1, channels, h as usize, w as usize];
            let count = shape.iter().product();
            Tensor::new(shape, noise(given.params.int("seed") as u64, count), dtype)
        }
        Source::Evidence => {
            let mask = needed(given.mask, "a mask")?;
            plane(&evidence::colour_evidence(given.image, mask), dtype)
        }
        Source::Parts => {
            let parts = input.parts.iter().map(|part| {
                let part = Input { dtype: Some(dtype), ..part.clone() };
                feed(&part, port, given, tensors)
            });
            Tensor::concat(&parts.collect::<Result<Vec<_>>>()?)?
        }
        Source::Mask => mask_tensor(input, needed(given.mask, "a mask")?, dtype),
        Source::Image => picture(input, given.image, given, dtype)?,
        Source::Style => picture(input, needed(given.style, "a style picture")?, given, dtype)?,
    })
}

fn needed<'a, T>(there: Option<&'a T>, what: &str) -> Result<&'a T> {
    there.ok_or_else(|| Error::new(Kind::InvalidArgument, format!("the filter needs {what}")))
}

fn mask_tensor(input: &Input, mask: &Plane, dtype: Dtype) -> Tensor {
    let mut mask = Cow::Borrowed(mask);
    let [low, high] = input.range.unwrap_or([0.0, 1.0]);
    if let Some(form) = &input.mask {
        if let Some(threshold) = form.threshold {
            mask.to_mut().data.iter_mut().for_each(|v| *v = f32::from(u8::from(*v > threshold)));
        }
        if form.grow > 0 {
            mask = Cow::Owned(morph::grow_round(&mask, form.grow));
        }
        if form.hole == 0 {
            mask.to_mut().data.iter_mut().for_each(|v| *v = 1.0 - *v);
        }
    }
    if input.range.is_some() {
        mask.to_mut().data.iter_mut().for_each(|v| *v = *v * (high - low) + low);
    }
    let values = mask.into_owned();
    let (w, h) = (values.width, values.height);
    Tensor::new(layout(input.layout, 1, h, w), values.data, dtype)
}

fn plane(plane: &Plane, dtype: Dtype) -> Tensor {
    Tensor::new(vec![1, 1, plane.height, plane.width], plane.data.clone(), dtype)
}

/// Resized, in the wanted colours, scaled, laid out.
fn picture(input: &Input, source: &Raster, given: &Given, dtype: Dtype) -> Result<Tensor> {
    let mut image = Cow::Borrowed(source);
    match &input.resize {
        Some(Resize::To([w, h])) => image = Cow::Owned(resize::raster(&image, *w, *h, Resample::Bilinear)),
        Some(Resize::Times(text)) => {
            let times: usize = text.trim_start_matches('x').parse().unwrap_or(1);
            let (w, h) = (image.width * times, image.height * times);
            image = Cow::Owned(resize::raster(&image, w, h, Resample::Cubic));
        }
        None => {}
    }
    if input.erase {
        let mask = needed(given.mask, "a mask")?;
        if (mask.width, mask.height) == (image.width, image.height) {
            for (pixel, &value) in image.to_mut().data.chunks_exact_mut(3).zip(&mask.data) {
                if value > 0.5 {
                    pixel.fill(0.0);
                }
            }
        }
    }
    let (w, h) = (image.width, image.height);
    let channels = if matches!(input.channels, Channels::Y | Channels::Gray) { 1 } else { 3 };
    for (name, list) in [("mean", &input.mean), ("std", &input.std)] {
        if list.as_ref().is_some_and(|list| list.len() != channels && list.len() != 1) {
            return Err(Error::new(Kind::Config, format!("`{name}` needs one number for each of {channels} channels")));
        }
    }
    let [low, high] = input.range.unwrap_or([0.0, 1.0]);
    let top = match input.normalize {
        Some(InputNormalize::Max) => image.data.iter().fold(1e-6f32, |top, &value| top.max(value)),
        None => 1.0,
    };
    // value * gain + offset, per channel.
    let of =
        |list: &Option<Vec<f32>>, c: usize, other: f32| list.as_ref().map_or(other, |list| list[c.min(list.len() - 1)]);
    let factors: Vec<(f32, f32)> = (0..channels)
        .map(|c| {
            let std = input.std.as_ref().map_or(1.0, |_| of(&input.std, c, 1.0) * (high - low));
            let mean = of(&input.mean, c, 0.0) * (high - low);
            ((high - low) / top / std, (low - mean) / std)
        })
        .collect();
    let planar = matches!(input.layout, Layout::NCHW | Layout::CHW | Layout::NHW | Layout::HW);
    let mut values = vec![0.0f32; w * h * channels];
    let size = w * h;
    for (i, pixel) in image.data.chunks_exact(3).enumerate() {
        let formed = formed(input.channels, pixel);
        for (c, &(gain, offset)) in factors.iter().enumerate() {
            values[if planar { c * size + i } else { i * channels + c }] = formed[c] * gain + offset;
        }
    }
    Ok(Tensor::new(layout(input.layout, channels, h, w), values, dtype))
}

fn formed(channels: Channels, pixel: &[f32]) -> [f32; 3] {
    match channels {
        Channels::RGB => [pixel[0], pixel[1], pixel[2]],
        Channels::BGR => [pixel[2], pixel[1], pixel[0]],
        Channels::Y | Channels::Gray | Channels::Gray3 => [colour::luma(pixel); 3],
        Channels::Lab => colour::rgb_to_lab(pixel).map(|value| value / 100.0),
        Channels::LabLRgb => colour::lab_to_rgb([colour::rgb_to_lab(pixel)[0], 0.0, 0.0]),
    }
}

fn layout(layout: Layout, c: usize, h: usize, w: usize) -> Vec<usize> {
    match layout {
        Layout::NCHW => vec![1, c, h, w],
        Layout::NHWC => vec![1, h, w, c],
        Layout::CHW => vec![c, h, w],
        Layout::HWC => vec![h, w, c],
        Layout::NHW => vec![c, h, w],
        Layout::HW => vec![h, w],
    }
}

/// Whether the graph takes the tensor; the runtime's own words are hard to read.
///
/// # Errors
/// `config` with both shapes.
pub fn fits(port: &Port, tensor: &Tensor) -> Result<()> {
    let name = &port.name;
    if port.dtype.is_some_and(|dtype| dtype != tensor.dtype()) {
        return Err(Error::new(
            Kind::Config,
            format!("the model's input `{name}` is {:?}, the manifest gives {:?}", port.dtype, tensor.dtype()),
        )
        .hint("leave `dtype` out of the manifest, or correct it"));
    }
    let same = port.shape.iter().zip(&tensor.shape).all(|(&wanted, &given)| wanted <= 0 || wanted == given as i64);
    // No declared shape at all: the model takes any.
    if port.shape.is_empty() || (port.shape.len() == tensor.shape.len() && same) {
        return Ok(());
    }
    let wanted: Vec<String> =
        port.shape.iter().map(|&side| if side <= 0 { "any".into() } else { side.to_string() }).collect();
    Err(Error::new(
        Kind::Config,
        format!("the model's input `{name}` is [{}], the manifest gives {:?}", wanted.join(", "), tensor.shape),
    )
    .hint("correct `layout`, `channels` or [size] in the manifest"))
}

/// Normal noise, the same for the same seed.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut uniform = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    };
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        let angle = std::f32::consts::TAU * uniform();
        out.extend([radius * angle.cos(), radius * angle.sin()]);
    }
    out.truncate(count);
    out
}
