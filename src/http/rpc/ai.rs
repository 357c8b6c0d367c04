//! ai_inpainting, ai_style_transfer, ai_upscaling: filters on a picture that comes with the call, or on a session's.
//!
//! A picture that comes along needs no GIMP. In a session it is `run_ai_filter` on its image, in the image's own depth
//! and within its selection, as one undo step: the result is a new layer; upscaling scales all layers.

use super::in_session::{self, Session, Steps, Within};
use super::methods::text;
use super::{Answer, Rpc, answer, inpaint, wrong};
use crate::error::{Error, Kind, Result};
use crate::filters::{self, Depth, Job, Plane, Samples};
use crate::http::keys::Identity;
use crate::images::Format;
use crate::images::encode::{Layout, Options, encode};
use crate::ops::{Context, Given, filter_parameters, given_picture, given_whole};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) const DEFAULT_SECONDS: f64 = 600.0;

/// One of the methods: its own parameters that are the filter's, and the filter it stands for.
pub(super) async fn ai_method(
    rpc: &Rpc,
    method: &str,
    mut given: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Answer {
    let (own, usual): (&[&str], &str) = match method {
        "ai_upscaling" => (&["scale", "source"], "upscale"),
        "ai_inpainting" => (&["seed"], "remove-object"),
        _ if given.contains_key("style_data") => (&["strength"], "style-from-image"),
        _ => (&["strength"], "oil-painting"),
    };
    let is_said = ["mask_data", "region", "session_id"].iter().any(|name| given.contains_key(*name));
    if method == "ai_inpainting" && !is_said {
        return Err(wrong("what to fill is not said", "give `mask_data`, a picture that is white there, or `region`"));
    }
    if given.contains_key("prompt") {
        let done = inpaint::inpaint(rpc, given, identity, context).await;
        return Ok(done.unwrap_or_else(|error| answer::failed(&error)));
    }
    let only_words = inpaint::PARAMETERS.iter().filter(|name| !["seed", "timeout"].contains(name));
    let unfit = only_words.filter(|_| method == "ai_inpainting").find(|name| given.contains_key(**name));
    if let Some(name) = unfit {
        return Err(wrong(format!("`{name}` is for an image generator"), "give `prompt` too, or leave it out"));
    }
    let mut parameters = match given.remove("parameters") {
        Some(Value::Object(parameters)) => parameters,
        _ => Map::new(),
    };
    for name in own {
        if let Some(value) = given.remove(*name) {
            parameters.insert((*name).to_owned(), value);
        }
    }
    let filter = text(&given, "filter").unwrap_or(usual).to_owned();
    if given.contains_key("session_id") {
        let result = if method == "ai_upscaling" { "scaled_image" } else { "auto" };
        let mut arguments = json!({"filter": filter, "parameters": parameters, "result": result});
        arguments["timeout"] = given.get("timeout").cloned().unwrap_or(DEFAULT_SECONDS.into());
        if let Some(style) = given.remove("style_data") {
            arguments["style_data"] = style;
        }
        let Value::Object(arguments) = arguments else { return Err(Error::internal("an object was expected")) };
        return Ok(on_session(rpc, given, arguments, identity, context).await);
    }
    Ok(run(rpc, given, filter, parameters, identity, context).await.unwrap_or_else(|error| answer::failed(&error)))
}

/// run_ai_filter on the session's image, with `arguments`.
async fn on_session(
    rpc: &Rpc,
    given: Map<String, Value>,
    mut arguments: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Value {
    let is_within = given.contains_key("mask_data") || given.contains_key("region");
    if !is_within && arguments.get("result").is_some_and(|result| result == "auto") {
        arguments.remove("result");
    }
    let ran = in_session::run(rpc, given, ("run_ai_filter", arguments), identity, context, through_mask).await;
    let mut done = ran.unwrap_or_else(|failed| failed);
    for name in ["filter", "parameters", "notes"] {
        if let Some(value) = done["result"].get(name).cloned() {
            done[name] = value;
        }
    }
    done
}

/// The steps of a run within a mask: it becomes a layer that nobody sees, and goes again.
async fn through_mask(_: &Session<'_>, within: Within) -> std::result::Result<Steps, Value> {
    let Within { mut arguments, mask, selected } = within;
    let mask = mask_png(mask).await.map_err(|error| answer::failed(&error))?;
    let layer = json!({"$ref": "mask.layers.0"});
    match selected.as_slice() {
        [only] => arguments.insert("layer".into(), only.clone()),
        _ => arguments.insert("source".into(), "visible".into()),
    };
    arguments.insert("mask".into(), layer.clone());
    let steps = json!([
        {"id": "mask", "name": "open_image", "arguments": {"image_data": mask, "as": "layer", "name": "mask"}},
        {"name": "set_layer_properties", "arguments": {"layer": layer, "visible": false}},
        {"name": "run_ai_filter", "arguments": arguments},
        {"name": "delete_layer", "arguments": {"layer": layer}},
    ]);
    Ok((steps, 2))
}

async fn mask_png(mask: Plane) -> Result<String> {
    let mut samples = Samples::zeroed(Depth::U8, mask.data.len());
    samples.write(0, &mask.data);
    let picture = filters::Picture { width: mask.width, height: mask.height, channels: 1, samples };
    tokio::task::spawn_blocking(move || png(picture)).await.map_err(Error::internal)?
}

async fn run(
    rpc: &Rpc,
    mut given: Map<String, Value>,
    filter: String,
    parameters: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Result<Value> {
    let Some(bytes) = rpc.about(&mut given, identity, None).await?.into_bytes() else {
        return Err(wrong("no picture is given", "give image_data, upload or session_id"));
    };
    let Given { picture, complete, mut notes } = given_picture(bytes, "image_data").await?;
    let (width, height) = (picture.width, picture.height);
    let mut job = Job::new(Arc::new(picture));
    job.params = filter_parameters(Some(Value::Object(parameters)))?;
    job.mask = mask(&given, width, height).await?;
    if let Some(style) = text(&given, "style_data") {
        job.style = Some(Arc::new(given_whole(style.to_owned(), "style_data").await?));
    }
    let seconds = given.get("timeout").and_then(Value::as_f64).unwrap_or(DEFAULT_SECONDS);
    let limit = Duration::from_secs_f64(seconds);
    let output = rpc.ops.run_filter(&filter, job, limit, (0.0, 1.0), &context).await?;
    notes.extend(output.notes);
    let made = output.image.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("the filter `{filter}` makes no picture"))
            .hint("list_ai_filters shows what each makes")
    })?;
    let (width, height) = (made.width, made.height);
    let encoded = tokio::task::spawn_blocking(move || png(made)).await.map_err(Error::internal)??;
    let mut message = format!("Ran {filter}: the result is {width}x{height} pixels");
    if !complete {
        message.push_str("; the picture that was sent is incomplete");
    }
    Ok(json!({
        "success": true, "message": message, "image_data": encoded,
        "image_dimensions": {"width": width, "height": height},
        "filter": filter, "parameters": output.used, "notes": notes, "complete": complete,
    }))
}

/// Where to work: white in `mask_data`, or a region.
pub(super) async fn mask(given: &Map<String, Value>, width: usize, height: usize) -> Result<Option<Plane>> {
    if let Some(encoded) = text(given, "mask_data") {
        let mask = given_whole(encoded.to_owned(), "mask_data").await?;
        if (mask.width, mask.height) != (width, height) {
            return Err(wrong(
                format!("`mask_data` is {}x{} pixels and the picture {width}x{height}", mask.width, mask.height),
                "give a mask of the picture's size",
            ));
        }
        let raster = mask.to_raster();
        let value = |pixel: &[f32]| match pixel {
            [gray] => *gray,
            [gray, alpha] => gray * alpha,
            [red, green, blue] => (red + green + blue) / 3.0,
            [red, green, blue, alpha, ..] => (red + green + blue) / 3.0 * alpha,
            [] => 0.0,
        };
        let data = raster.data.chunks_exact(raster.channels).map(value).collect();
        return Ok(Some(Plane { width, height, data }));
    }
    let Some(region) = given.get("region") else { return Ok(None) };
    let side = |name: &str| region[name].as_u64().map(|value| value as usize);
    let (Some(x), Some(y), Some(wide), Some(high)) = (side("x"), side("y"), side("width"), side("height")) else {
        return Err(wrong("`region` lacks one of x, y, width and height", "give all four, in pixels"));
    };
    if x >= width || y >= height || wide == 0 || high == 0 {
        return Err(wrong(
            format!("`region` holds no pixel of the {width}x{height}"),
            "x and y count from the top left corner",
        ));
    }
    let mut plane = Plane::filled(width, height, 0.0);
    for row in plane.data.chunks_exact_mut(width).skip(y).take(high) {
        row[x..(x + wide).min(width)].fill(1.0);
    }
    Ok(Some(plane))
}

pub(super) fn png(picture: filters::Picture) -> Result<String> {
    let Samples::U8(samples) = &picture.samples else { return Err(Error::internal("8-bit samples were expected")) };
    let side = |length: usize| u32::try_from(length).map_err(Error::internal);
    let layout = Layout {
        width: side(picture.width)?,
        height: side(picture.height)?,
        channels: u8::try_from(picture.channels).map_err(Error::internal)?,
        depth: 8,
    };
    let options = Options { format: Format::Png, quality: 100, max_bytes: None };
    let encoded = encode(layout, options, samples.as_slice()).map_err(Error::internal)?;
    match Value::from(encoded.base64) {
        Value::String(text) => Ok(text),
        _ => Err(Error::internal("a text was expected")),
    }
}
