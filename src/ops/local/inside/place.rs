//! Generated pictures on their way into an image: fitted to what surrounds them, scaled back, staged, and put in place.

use super::super::super::call::Call;
use super::super::exchange::Stage;
use super::area::{Area, Box4, Seen};
use super::border;
use super::resample::Resampled;
use crate::error::{Error, Kind, Result};
use crate::filters::{Depth, Raster};
use crate::generate::Generator;
use crate::images::decode::decode;
use crate::storage::Record;
use bytes::Bytes;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Bytes of pixels that a generated picture may have.
const LARGEST: u64 = 512 << 20;
/// Characters of a prompt that name a layer, a group, an undo step.
const NAME: usize = 40;
/// How much colours must have moved along the border to be worth a note.
pub(super) const MOVED: f32 = 1.0 / 255.0;

/// What was painted, and what it is put into.
pub struct Placing<'a> {
    pub what: &'a str,
    pub prompt: &'a str,
    pub area: &'a Area,
    pub seen: Seen,
    /// What the backend painted.
    pub size: (u32, u32),
}

/// The variants of a part of the image, as a group under one mask.
pub async fn inside(
    call: &Call<'_>,
    generator: &Generator,
    records: &[Record],
    placing: Placing<'_>,
    notes: &mut Vec<String>,
) -> Result<Map<String, Value>> {
    let Placing { what, prompt, area, seen, size } = placing;
    let [x, y, width, height] = area.part;
    let (width, height) = (width as usize, height as usize);
    let mut stage = Stage::new(call);
    let placed = async {
        let mut tokens = Vec::with_capacity(records.len());
        let seen = Arc::new(seen);
        for record in records {
            let picture = picture(generator, record, notes).await?;
            let (fitted, moved) = fitted(picture, seen.clone(), size).await?;
            if moved >= MOVED {
                say(notes, "its colours were matched to what is round it".into());
            }
            let part = area.part_in(size);
            tokens.push(send(call, &mut stage, fitted, part, (width, height), area.depth).await?);
        }
        let mut arguments = arguments(area, [x, y, width as i64, height as i64], what, prompt, &tokens);
        arguments["group"] = json!(if prompt.is_empty() { "Variants".into() } else { short(prompt) });
        arguments["like"] = json!(what == "vary");
        if let Some(shape) = &seen.shape {
            let shape = shape.clone();
            let strip = move |top, rows| Bytes::copy_from_slice(&shape[top * width..(top + rows) * width]);
            arguments["mask"] = json!(stage.send((width, height), 1, 8, strip).await?);
        }
        put(call, arguments).await
    };
    let placed = placed.await;
    if placed.is_err() {
        stage.drop_all().await;
    }
    placed
}

/// Whole pictures as new layers of an image, several in a group.
pub async fn new_layers(
    call: &Call<'_>,
    generator: &Generator,
    records: &[Record],
    area: &Area,
    prompt: &str,
    notes: &mut Vec<String>,
) -> Result<Map<String, Value>> {
    let mut stage = Stage::new(call);
    let placed = async {
        let (mut tokens, mut size) = (Vec::with_capacity(records.len()), (0, 0));
        for record in records {
            let picture = picture(generator, record, notes).await?;
            size = (picture.width, picture.height);
            let part = [0.0, 0.0, size.0 as f64, size.1 as f64];
            tokens.push(send(call, &mut stage, picture, part, size, 8).await?);
        }
        let mut arguments = arguments(area, [0, 0, size.0 as i64, size.1 as i64], "generate", prompt, &tokens);
        if tokens.len() > 1 {
            arguments["group"] = json!(short(prompt));
        }
        put(call, arguments).await
    };
    let placed = placed.await;
    if placed.is_err() {
        stage.drop_all().await;
    }
    placed
}

fn arguments(area: &Area, [x, y, ..]: Box4, what: &str, prompt: &str, tokens: &[String]) -> Value {
    let name = if prompt.is_empty() { "Variant".to_owned() } else { short(prompt) };
    let names: Vec<String> = match tokens.len() {
        1 if what == "generate" => vec![name],
        count => (1..=count).map(|number| format!("{name} {number}")).collect(),
    };
    let step = if prompt.is_empty() { what.to_owned() } else { format!("{what}, {}", short(prompt)) };
    let mut arguments = json!({
        "image": area.image, "tokens": tokens, "names": names, "step": step, "x": x, "y": y, "image_size": area.image_size,
    });
    if let Some(layer) = area.layer {
        arguments["above"] = json!(layer);
    }
    arguments
}

async fn put(call: &Call<'_>, mut arguments: Value) -> Result<Map<String, Value>> {
    if let Some(verify) = call.arguments.get("verify") {
        arguments["verify"] = verify.clone();
    }
    let Value::Object(arguments) = arguments else { unreachable!("made an object by its callers") };
    call.ops.gimp().call(call.request("generate_place", arguments)).await
}

/// A stored picture as RGB in sRGB, over white where it is transparent.
pub(super) async fn picture(generator: &Generator, record: &Record, notes: &mut Vec<String>) -> Result<Raster> {
    let (_, bytes) = generator.store().bytes(record.image_id, Utc::now()).await?;
    let decoded = tokio::task::spawn_blocking(move || decode(&bytes, LARGEST)).await.map_err(Error::internal)??;
    let decoded = decoded.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("the backend's picture is {}, which is not read here", record.mime_type))
            .hint("let the backend answer with PNG, JPEG or WebP")
    })?;
    for note in decoded.said() {
        say(notes, note);
    }
    let channels = usize::from(decoded.channels);
    let mut made = Raster {
        width: decoded.width as usize,
        height: decoded.height as usize,
        channels: 3,
        data: Vec::new(),
        depth: Depth::U8,
    };
    made.data.reserve_exact(made.width * made.height * 3);
    for pixel in decoded.samples.chunks_exact(channels) {
        let value = |lane: usize| f32::from(pixel[lane]) / 255.0;
        let opaque = if channels.is_multiple_of(2) { value(channels - 1) } else { 1.0 };
        made.data.extend((0..3).map(|lane| 1.0 + (value(if channels < 3 { 0 } else { lane }) - 1.0) * opaque));
    }
    Ok(made)
}

/// The picture at the size that was asked for, meeting its surroundings, and how much its colours were moved for that.
pub(super) async fn fitted(picture: Raster, seen: Arc<Seen>, size: (u32, u32)) -> Result<(Raster, f32)> {
    let work = move || {
        let size = (size.0 as usize, size.1 as usize);
        let mut picture = Resampled::whole(picture, size);
        let moved = border::fit(&mut picture, &seen.picture, &seen.painted, &seen.sure);
        (picture, moved)
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

/// Stages a part of a picture at a size of its own.
async fn send(
    call: &Call<'_>,
    stage: &mut Stage<'_, '_>,
    picture: Raster,
    part: [f64; 4],
    (width, height): (usize, usize),
    depth: u8,
) -> Result<String> {
    if call.context.cancel.is_cancelled() {
        return Err(Error::new(Kind::Cancelled, "the generation was cancelled"));
    }
    let resampled = Resampled::new(Arc::new(picture), part, (width, height));
    let strip = move |top, rows| {
        let values = resampled.rows(top, rows);
        match depth {
            8 => values.iter().map(|value| (value * 255.0).round() as u8).collect(),
            _ => values.iter().flat_map(|value| ((value * 65535.0).round() as u16).to_ne_bytes()).collect(),
        }
    };
    stage.send((width, height), 3, depth, strip).await
}

fn say(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// A prompt as a name: its first words.
fn short(prompt: &str) -> String {
    let mut name = String::new();
    for word in prompt.split_whitespace() {
        let longer = name.chars().count() + word.chars().count() + usize::from(!name.is_empty());
        if longer > NAME {
            if name.is_empty() {
                name = word.chars().take(NAME - 1).collect();
            }
            return name.trim_end_matches([',', ';', '.', ':']).to_owned() + "…";
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name += word;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_first_words() {
        assert_eq!(short(" a  quiet\tlake "), "a quiet lake");
        let long = "a very large red balloon, over a mountain lake in the morning";
        assert_eq!(short(long), "a very large red balloon, over a…");
        assert_eq!(
            short("a very large red balloon over some hill, and more"),
            "a very large red balloon over some hill…"
        );
        assert_eq!(short(&"ä".repeat(100)).chars().count(), NAME);
        assert_eq!(short(""), "");
    }
}
