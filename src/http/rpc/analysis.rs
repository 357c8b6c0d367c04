//! image_analysis: which pixels are meant, and what they are like.
//!
//! Files of formats that the daemon reads itself never go to GIMP; a session's image is read as GIMP shows it.

use super::methods::{text, with_status};
use super::{Answer, Rpc, wrong};
use crate::error::{Error, Kind, Result};
use crate::gimp::{Client, Request};
use crate::http::keys::Identity;
use crate::images::analysis::{Detail, Pixels, Samples, analyse};
use crate::images::decode::{Decoded, decode};
use crate::ops::{Context, decode_image_data};
use crate::sessions::is_lost;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Most bytes of raw pixels that are analysed at once: 100 megapixels with alpha.
const LARGEST: u64 = 400 << 20;
const LIMIT: Duration = Duration::from_secs(120);

/// Where the picture is.
enum Source {
    Data(String),
    Upload(String),
    Session(String),
    Image(u64),
}

/// A rectangle in image pixels.
#[derive(Clone, Copy)]
struct Region {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// Raw rows of 8-bit samples.
struct Raw {
    width: u32,
    height: u32,
    channels: u8,
    bytes: Vec<u8>,
    /// What the caller should know of the file, and whether it was whole.
    notes: Vec<String>,
    complete: bool,
}

pub(super) async fn image_analysis(
    rpc: &Rpc,
    given: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Answer {
    let detail = text(&given, "analysis_type").and_then(Detail::from_name).unwrap_or(Detail::Basic);
    let region = given.get("region").and_then(region);
    let source = source(given)?;
    let analysed = async {
        let mut raw = read(rpc, source, region, identity, &context).await?;
        let (notes, complete) = (std::mem::take(&mut raw.notes), raw.complete);
        let job = move || {
            let samples = Samples::Eight(&raw.bytes);
            let pixels = Pixels { width: raw.width, height: raw.height, channels: raw.channels, samples, mask: None };
            analyse(&pixels, detail)
        };
        let analysis = tokio::task::spawn_blocking(job).await.map_err(Error::internal)??;
        let mut body = json!({"analysis": analysis, "status": "success", "complete": complete, "notes": notes});
        if let Some(lost) = notes.first().filter(|_| !complete) {
            body["message"] = format!("Measured what is there of the picture: {lost}").into();
        }
        Ok(body)
    };
    Ok(with_status(analysed.await))
}

/// The one picture that is named; `image_state` may be base64 or hold the same names.
fn source(mut given: Map<String, Value>) -> Result<Source> {
    match given.remove("image_state") {
        Some(Value::String(data)) => {
            given.insert("image_data".into(), data.into());
        }
        Some(Value::Object(state)) => {
            let names = ["image_data", "upload", "session_id", "image"];
            given.extend(state.into_iter().filter(|(name, _)| names.contains(&name.as_str())));
        }
        _ => {}
    }
    let mut taken = |name: &str| match given.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let found: Vec<Source> = [
        taken("image_data").map(Source::Data),
        taken("upload").map(Source::Upload),
        taken("session_id").map(Source::Session),
        given.get("image").and_then(Value::as_u64).map(Source::Image),
    ]
    .into_iter()
    .flatten()
    .collect();
    let count = found.len();
    match (found.into_iter().next(), count) {
        (Some(source), 1) => Ok(source),
        (None, _) => Err(wrong(
            "no picture is given",
            "give image_data, upload, session_id or image, beside analysis_type or inside image_state",
        )),
        _ => Err(wrong(format!("{count} pictures are given"), "give one of image_data, upload, session_id and image")),
    }
}

fn region(given: &Value) -> Option<Region> {
    let side = |name: &str| given[name].as_u64().and_then(|side| u32::try_from(side).ok());
    Some(Region { x: side("x")?, y: side("y")?, width: side("width")?, height: side("height")? })
}

async fn read(
    rpc: &Rpc,
    source: Source,
    region: Option<Region>,
    identity: &Identity,
    context: &Context,
) -> Result<Raw> {
    match source {
        Source::Data(data) => {
            let (bytes, _) = tokio::task::spawn_blocking(move || decode_image_data(&data, "image_data"))
                .await
                .map_err(Error::internal)??;
            file(rpc, bytes, region, context).await
        }
        Source::Upload(id) => file(rpc, rpc.uploads.read(&id, &identity.name).await?, region, context).await,
        Source::Session(id) => {
            let place = rpc.sessions.place(&id, &identity.name).await?;
            let image = Shown { client: place.client.clone(), instance: place.instance.clone(), image: place.image };
            match pixels(rpc, &image, region, context).await {
                Err(error) if is_lost(&error) => place.give_up(),
                answer => return answer,
            }
            let place = rpc.sessions.place(&id, &identity.name).await?;
            let image = Shown { client: place.client.clone(), instance: place.instance.clone(), image: place.image };
            pixels(rpc, &image, region, context).await
        }
        Source::Image(image) if rpc.sessions.holds(image, &identity.name) => {
            Err(wrong(format!("image `{image}` is a session's"), "give that session's session_id"))
        }
        Source::Image(image) => {
            pixels(rpc, &Shown { client: context.client.clone(), instance: None, image }, region, context).await
        }
    }
}

/// A file's pixels: decoded here where the format is one of ours, else opened in GIMP for the moment.
async fn file(rpc: &Rpc, bytes: Bytes, region: Option<Region>, context: &Context) -> Result<Raw> {
    let here = bytes.clone();
    let decoded = tokio::task::spawn_blocking(move || decode(&here, LARGEST)).await.map_err(Error::internal)??;
    if let Some(picture) = decoded {
        let (notes, complete) = (picture.said(), picture.loss.is_none());
        let Decoded { width, height, channels, samples: bytes, .. } = picture;
        let raw = Raw { width, height, channels, bytes, notes, complete };
        return match region {
            Some(region) => crop(raw, region),
            None => Ok(raw),
        };
    }
    let suffix = crate::images::sniff::suffix(&bytes).unwrap_or_default();
    let open = Map::from_iter([("suffix".to_owned(), suffix.into()), ("as".to_owned(), "image".into())]);
    let mut request = request("open_file", open, &context.client, None, context);
    request.upload = Some(bytes);
    let opened = rpc.ops.gimp().call(request.clone()).await?;
    let image =
        opened.get("image").and_then(Value::as_u64).ok_or_else(|| Error::internal("open_file named no image"))?;
    let shown = Shown { client: context.client.clone(), instance: None, image };
    let mut answer = pixels(rpc, &shown, region, context).await;
    if let Ok(raw) = &mut answer {
        raw.complete = opened.get("complete").and_then(Value::as_bool).unwrap_or(true);
        let said = opened.get("notes").and_then(Value::as_array).into_iter().flatten();
        raw.notes = said.filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let close = Map::from_iter([("image".to_owned(), image.into()), ("discard_changes".to_owned(), true.into())]);
    let mut closing = self::request("close_image", close, &context.client, None, context);
    closing.cancel = Default::default();
    if let Err(error) = rpc.ops.gimp().call(closing).await {
        tracing::warn!(%error, "the analysed image could not be closed");
    }
    answer
}

/// An image in a GIMP.
struct Shown {
    client: Client,
    instance: Option<String>,
    image: u64,
}

async fn pixels(rpc: &Rpc, shown: &Shown, region: Option<Region>, context: &Context) -> Result<Raw> {
    let mut arguments = Map::from_iter([("image".to_owned(), shown.image.into()), ("depth".to_owned(), 8.into())]);
    if let Some(Region { x, y, width, height }) = region {
        arguments.insert("region".into(), json!({"x": x, "y": y, "w": width, "h": height}));
    }
    let request = request("read_pixels", arguments, &shown.client, shown.instance.clone(), context);
    let mut streamed = rpc.ops.gimp().stream(request).await?;
    let number = |name: &str| streamed.header.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (width, height, channels) = (number("width"), number("height"), number("channels"));
    let expected = width.saturating_mul(height).saturating_mul(channels);
    if expected > LARGEST {
        return Err(too_large(expected));
    }
    let mut bytes = Vec::with_capacity(expected as usize);
    while let Some(chunk) = streamed.chunks.recv().await {
        if (bytes.len() + chunk.len()) as u64 > expected {
            return Err(Error::internal("the plug-in sent more pixels than it said"));
        }
        bytes.extend_from_slice(&chunk);
    }
    streamed.result.await.map_err(Error::internal)??;
    let (width, height, channels) = (width as u32, height as u32, channels as u8);
    Ok(Raw { width, height, channels, bytes, notes: Vec::new(), complete: true })
}

fn request(
    name: &str,
    arguments: Map<String, Value>,
    client: &Client,
    instance: Option<String>,
    context: &Context,
) -> Request {
    Request {
        operation: name.into(),
        arguments,
        client: client.clone(),
        instance,
        timeout: LIMIT,
        upload: None,
        cancel: context.cancel.clone(),
        progress: None,
    }
}

fn crop(raw: Raw, region: Region) -> Result<Raw> {
    let Region { x, y, width, height } = region;
    if x >= raw.width || y >= raw.height {
        let message = format!("the region begins at ({x}, {y}), outside the {} x {} pixels", raw.width, raw.height);
        return Err(wrong(message, "x and y count from the picture's top left corner"));
    }
    let (width, height) = (width.min(raw.width - x), height.min(raw.height - y));
    let pixel = usize::from(raw.channels);
    let (row, part) = (raw.width as usize * pixel, width as usize * pixel);
    let rows = raw.bytes.chunks_exact(row).skip(y as usize).take(height as usize);
    let bytes = rows.flat_map(|row| &row[x as usize * pixel..x as usize * pixel + part]).copied().collect();
    Ok(Raw { width, height, bytes, ..raw })
}

fn too_large(bytes: u64) -> Error {
    Error::new(Kind::TooLarge, format!("the picture has {bytes} bytes of pixels, the most is {LARGEST}"))
        .hint("give a `region`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_is_named() {
        let given = |value: Value| source(value.as_object().unwrap().clone());
        assert!(matches!(given(json!({"image_data": "AAAA"})), Ok(Source::Data(_))));
        assert!(matches!(given(json!({"image_state": "AAAA"})), Ok(Source::Data(_))));
        assert!(matches!(given(json!({"image_state": {"session_id": "x", "metadata": {}}})), Ok(Source::Session(_))));
        assert!(given(json!({"image_state": {"metadata": {}}})).is_err());
        assert!(given(json!({"image_data": "AAAA", "image": 3})).is_err());
    }

    #[test]
    fn a_region_is_clipped_to_the_picture() {
        let bytes = vec![1, 2, 3, 4, 5, 6];
        let raw = || Raw { width: 3, height: 2, channels: 1, bytes: bytes.clone(), notes: Vec::new(), complete: true };
        let part = crop(raw(), Region { x: 1, y: 1, width: 9, height: 9 }).unwrap();
        assert_eq!((part.width, part.height, part.bytes), (2, 1, vec![5, 6]));
        assert!(crop(raw(), Region { x: 3, y: 0, width: 1, height: 1 }).is_err());
    }
}
