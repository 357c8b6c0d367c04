//! ai_inpainting, ai_style_transfer, ai_upscaling: filters on a picture that comes with the call, or on a session's.
//!
//! A picture that comes along needs no GIMP. A session's is taken as it is shown; the result is a new layer in it, or
//! its new image where the size changes.

use super::methods::{flag, text};
use super::operations::About;
use super::{Answer, Rpc, answer, wrong};
use crate::error::{Error, Kind, Result};
use crate::filters::{self, Job, Plane, Samples};
use crate::http::keys::Identity;
use crate::images::Format;
use crate::images::decode::decode;
use crate::images::encode::{Layout, Options, encode};
use crate::ops::{Context, decode_image_data, filter_parameters};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of raw pixels that a filter takes here: 100 megapixels with alpha.
const LARGEST: u64 = 400 << 20;
const DEFAULT_SECONDS: f64 = 600.0;

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
    if method == "ai_inpainting" && !given.contains_key("mask_data") && !given.contains_key("region") {
        return Err(wrong("what to fill is not said", "give `mask_data`, a picture that is white there, or `region`"));
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
    Ok(run(rpc, given, filter, parameters, identity, context).await.unwrap_or_else(|error| answer::failed(&error)))
}

async fn run(
    rpc: &Rpc,
    mut given: Map<String, Value>,
    filter: String,
    parameters: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Result<Value> {
    let include = flag(&given, "include_image_data");
    let about = rpc.about(&mut given, identity, None).await?;
    let session = about.session().map(str::to_owned);
    let image = match (&session, about.into_bytes()) {
        (Some(id), _) => shown(rpc, id, identity, &context).await?,
        (None, Some(bytes)) => picture(bytes.to_vec(), "image_data").await?,
        (None, None) => return Err(wrong("no picture is given", "give image_data, upload or session_id")),
    };
    let (width, height) = (image.width, image.height);
    let mut job = Job::new(Arc::new(image));
    job.params = filter_parameters(Some(Value::Object(parameters)))?;
    job.mask = mask(&given, width, height).await?;
    if let Some(style) = text(&given, "style_data") {
        job.style = Some(Arc::new(picture(data(style.to_owned()).await?, "style_data").await?));
    }
    let seconds = given.get("timeout").and_then(Value::as_f64).unwrap_or(DEFAULT_SECONDS);
    let limit = Duration::from_secs_f64(seconds);
    let output = rpc.ops.run_filter(&filter, job, limit, (0.0, 1.0), &context).await?;
    let (used, notes) = (json!(output.used), output.notes.clone());
    let made = output.image.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("the filter `{filter}` makes no picture"))
            .hint("list_ai_filters shows what each makes")
    })?;
    let (size, resized) = ((made.width, made.height), (made.width, made.height) != (width, height));
    let encoded = tokio::task::spawn_blocking(move || png(made)).await.map_err(Error::internal)??;
    let message = format!("Ran {filter}: the result is {}x{} pixels", size.0, size.1);
    let mut body = match session {
        None => json!({"success": true, "message": message, "image_data": encoded}),
        Some(id) => {
            let kind = if resized { "image" } else { "layer" };
            let opening = json!({"session_id": id, "image_data": encoded, "as": kind, "name": filter});
            let Value::Object(opening) = opening else { return Err(Error::internal("an object was expected")) };
            let mut done = rpc.operation("open_image", opening, identity, context).await;
            if done["success"] != true {
                return Ok(done);
            }
            done["message"] = message.into();
            if include {
                done["image_data"] = encoded.into();
            }
            done
        }
    };
    body["image_dimensions"] = json!({"width": size.0, "height": size.1});
    body["filter"] = filter.into();
    body["parameters"] = used;
    body["notes"] = json!(notes);
    Ok(body)
}

/// A session's image as it is shown.
async fn shown(rpc: &Rpc, session: &str, identity: &Identity, context: &Context) -> Result<filters::Picture> {
    let mut done = rpc.run(About::shown(session), Vec::new(), true, identity, context.clone()).await?;
    let outcome = done.picture.take().ok_or_else(|| Error::internal("the session gave no picture"))??;
    let seen = outcome.pictures.into_iter().next().ok_or_else(|| Error::internal("the session gave no picture"))?;
    let Value::String(encoded) = Value::from(seen.base64) else { return Err(Error::internal("a text was expected")) };
    picture(data(encoded).await?, "session_id").await
}

async fn data(text: String) -> Result<Vec<u8>> {
    let (bytes, _) = tokio::task::spawn_blocking(move || decode_image_data(&text)).await.map_err(Error::internal)??;
    Ok(bytes.to_vec())
}

async fn picture(bytes: Vec<u8>, name: &'static str) -> Result<filters::Picture> {
    let decoded = tokio::task::spawn_blocking(move || decode(&bytes, LARGEST)).await.map_err(Error::internal)??;
    let decoded = decoded.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("`{name}` is of a kind that the filters do not read"))
            .hint("send PNG, JPEG, WebP, GIF, BMP or TIFF, or open it in a session")
    })?;
    Ok(filters::Picture {
        width: decoded.width as usize,
        height: decoded.height as usize,
        channels: usize::from(decoded.channels),
        samples: Samples::U8(decoded.samples),
    })
}

/// Where to work: white in `mask_data`, or a region.
async fn mask(given: &Map<String, Value>, width: usize, height: usize) -> Result<Option<Plane>> {
    if let Some(encoded) = text(given, "mask_data") {
        let mask = picture(data(encoded.to_owned()).await?, "mask_data").await?;
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

fn png(picture: filters::Picture) -> Result<String> {
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
