//! A whole image made larger by a filter, itself or a copy of it: each layer's pixels by the filter, all else (masks,
//! groups, text, paths, channels, guides, the selection) by GIMP, as one undo step.

use super::super::Outcome;
use super::super::batch::{self, Terms};
use super::super::call::Call;
use super::exchange::{self, Place, Read};
use crate::error::{Error, Kind, Result};
use crate::filters::{About, Depth, Job, Picture, Values};
use serde_json::{Map, Value, json};

/// Most layers that are taken through the filter.
const MOST_LAYERS: usize = 200;
/// Most bytes of results that wait for their image to be large enough: 1 GiB, as much as one picture may have.
const MOST_BYTES: usize = 1 << 30;
/// What of the progress the filter's runs are; the rest is reading and placing.
const FILTER_SPAN: (f64, f64) = (0.05, 0.9);

/// Which image becomes larger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scaled {
    /// The image itself.
    Itself,
    /// A copy of it, which is opened beside it.
    Copy,
}

/// Whether no part of the image is named.
pub fn means_all(call: &Call<'_>) -> bool {
    ["layer", "mask", "box", "points", "background_points", "source"]
        .iter()
        .all(|name| call.arguments.get(*name).is_none_or(|value| value == "auto"))
}

/// Runs the filter on every layer with pixels of its own, then scales the image and puts the results in. `step` is its
/// name in GIMP's undo history.
pub async fn scale_image(
    call: &Call<'_>,
    about: &About,
    params: Values,
    scaled: Scaled,
    step: String,
) -> Result<Outcome> {
    if !means_all(call) {
        return Err(Error::new(Kind::InvalidArgument, "`result` \"scaled_image\" scales all of the image")
            .hint("leave out `layer`, `source`, `mask`, `box` and points"));
    }
    let facts = metadata(call).await?;
    let mut layers = Vec::new();
    with_pixels(&facts["structure"]["layers"], &mut layers);
    if layers.is_empty() || layers.len() > MOST_LAYERS {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("the image has {} layers with pixels, and 1 to {MOST_LAYERS} are scaled", layers.len()),
        )
        .hint("flatten it, or use resize_image"));
    }
    let image = facts["image"].as_u64().ok_or_else(|| Error::internal("the metadata name no image"))?;
    let (width, height) = (side(&facts, "width")?, side(&facts, "height")?);

    let mut made: Vec<(Read, Picture)> = Vec::new();
    let (mut notes, mut used, mut factor) = (Vec::new(), Values::default(), None);
    for (at, layer) in layers.iter().enumerate() {
        let arguments = json!({"image": image, "layer": layer, "source": "layer"});
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
        let read = exchange::read(call, arguments).await?;
        let mut job = Job::new(read.picture.clone());
        job.params = params.clone();
        let part = |share: f64| FILTER_SPAN.0 + (FILTER_SPAN.1 - FILTER_SPAN.0) * share / layers.len() as f64;
        let span = (part(at as f64), part(at as f64 + 1.0));
        let output = call.ops.run_filter(&about.name, job, call.timeout, span, call.context).await?;
        let picture = output.image.ok_or_else(|| not_larger(about))?;
        let times = picture.width as f64 / read.picture.width as f64;
        if times <= 1.0 || (picture.height as f64 / read.picture.height as f64 - times).abs() > 1e-9 {
            return Err(not_larger(about));
        }
        factor = Some(times);
        notes.extend(output.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
        used = output.used;
        made.push((read, picture));
        if made.iter().map(|(_, picture)| bytes(picture)).sum::<usize>() > MOST_BYTES {
            return Err(Error::new(Kind::TooLarge, format!("the scaled layers are over {} MB", MOST_BYTES >> 20))
                .hint("flatten the image first, or take a smaller scale"));
        }
    }
    let factor = factor.ok_or_else(|| not_larger(about))?;
    let size = ((width as f64 * factor).round() as u64, (height as f64 * factor).round() as u64);
    let count = made.len();
    let (effect, put) = as_one_step(call, Target { image, scaled, factor, size, step }, made).await?;
    notes.extend(put.notes);
    let with = if count == 1 { "its layer".to_owned() } else { format!("all of its {count} layers") };
    let (which, result) = match &put.copy {
        None => ("the image".to_owned(), "scaled_image"),
        Some((copy, name)) => (format!("a copy of the image, image {copy} `{name}`,"), "new_image"),
    };
    let mut result = Map::from_iter([
        ("image".to_owned(), image.into()),
        ("filter".to_owned(), about.name.clone().into()),
        ("parameters".to_owned(), json!(used)),
        ("result".to_owned(), result.into()),
        ("width".to_owned(), size.0.into()),
        ("height".to_owned(), size.1.into()),
        ("layers".to_owned(), json!(put.layers)),
        ("notes".to_owned(), json!(notes)),
        (
            "message".to_owned(),
            format!("Ran {}: {which} is {}x{} pixels now, with {with}", about.name, size.0, size.1).into(),
        ),
    ]);
    if let Some((copy, _)) = put.copy {
        result.insert("new_image".into(), copy.into());
    }
    if let [layer] = put.layers[..] {
        result.insert("layer".into(), layer.into());
    }
    result.extend(effect.into_iter().filter(|(name, value)| name != "image" && *value != json!([])));
    Ok(Outcome { result, ..Outcome::default() })
}

/// What is to become of which image.
struct Target {
    image: u64,
    scaled: Scaled,
    factor: f64,
    size: (u64, u64),
    step: String,
}

/// What became of it.
struct Put {
    /// The copy's id and name.
    copy: Option<(u64, String)>,
    /// Ids of the layers that went through the filter, in the image that is larger now.
    layers: Vec<u64>,
    /// What has to be said of it.
    notes: Vec<String>,
}

/// In the batch that is open, or in one of its own, which takes all back if a part fails.
async fn as_one_step(call: &Call<'_>, target: Target, made: Vec<(Read, Picture)>) -> Result<(Map<String, Value>, Put)> {
    if batch::token().is_some() {
        return Ok((Map::new(), put_in(call, target, made).await?));
    }
    let terms = Terms { step: target.step.clone(), limit: call.timeout, full_proof: false, restore: true };
    let open = call.ops.begin_batch(call.context, call.instance.clone(), terms).await?;
    let done = open.scope(put_in(call, target, made)).await;
    let ended = open.end(done.is_err()).await;
    let put = done?;
    Ok((ended?, put))
}

async fn put_in(call: &Call<'_>, target: Target, made: Vec<(Read, Picture)>) -> Result<Put> {
    let mut put = Put { copy: None, layers: Vec::new(), notes: Vec::new() };
    let (mut image, mut twins) = (target.image, Map::new());
    if target.scaled == Scaled::Copy {
        let arguments =
            [("image".to_owned(), image.into()), ("suffix".to_owned(), format!("{}x", target.factor).into())];
        let mut copied = call.ops.gimp().call(call.request("filter_copy", Map::from_iter(arguments))).await?;
        image = side(&Value::Object(copied.clone()), "image")?;
        let name = copied.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        put.copy = Some((image, name));
        if let Some(Value::Object(pairs)) = copied.remove("layers") {
            twins = pairs;
        }
    }
    let arguments = json!({"image": image, "width": target.size.0, "height": target.size.1});
    let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
    let operation = crate::ops::Catalogue::get().find_public("resize_image")?;
    let arguments = super::super::params::check(operation, arguments)?;
    call.ops.gimp().call(call.request("resize_image", arguments)).await?;
    for (mut read, picture) in made {
        let mut layer = read.layer.ok_or_else(|| Error::internal("a layer was read without its id"))?;
        if target.scaled == Scaled::Copy {
            let twin = twins.get(&layer.to_string()).and_then(Value::as_u64);
            layer = twin.ok_or_else(|| Error::internal("a layer has no twin in the copy"))?;
        }
        (read.image, read.layer) = (Some(image), Some(layer));
        put.layers.push(layer);
        // GIMP rounds a layer's size by its own rule; the layer's is what counts
        let arguments = Map::from_iter([("layer".to_owned(), layer.into()), ("image".to_owned(), image.into())]);
        let facts = call.ops.gimp().call(call.request("filter_facts", arguments)).await?;
        let wanted = (side(&Value::Object(facts.clone()), "width")?, side(&Value::Object(facts), "height")?);
        let place = Place { kind: "scaled", name: "", step: &target.step };
        let picture = fitted(picture, (wanted.0 as usize, wanted.1 as usize));
        let placed = exchange::place(call, &read, place, picture).await?;
        let note = placed.get("note").and_then(Value::as_str).map(str::to_owned);
        put.notes.extend(note.filter(|note| !put.notes.contains(note)));
    }
    if target.scaled == Scaled::Copy {
        let arguments = Map::from_iter([("image".to_owned(), image.into())]);
        call.ops.gimp().call(call.request("filter_show", arguments)).await?;
    }
    Ok(put)
}

/// The picture in exactly that size: rows and columns beyond are left out, missing ones repeat the last.
fn fitted(picture: Picture, (width, height): (usize, usize)) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture;
    }
    let channels = picture.channels;
    let mut made = Picture::new(width, height, channels, picture.depth());
    let (mut from, mut to) = (vec![0.0; picture.width * channels], vec![0.0; width * channels]);
    for y in 0..height {
        picture.samples.read(y.min(picture.height - 1) * from.len(), &mut from);
        for x in 0..width {
            let at = x.min(picture.width - 1) * channels;
            to[x * channels..(x + 1) * channels].copy_from_slice(&from[at..at + channels]);
        }
        made.samples.write(y * to.len(), &to);
    }
    made
}

async fn metadata(call: &Call<'_>) -> Result<Value> {
    let mut arguments = Map::from_iter([("limit".to_owned(), json!(500))]);
    arguments.extend(call.arguments.get("image").map(|image| ("image".to_owned(), image.clone())));
    let operation = crate::ops::Catalogue::get().find_public("get_image_metadata")?;
    let arguments = super::super::params::check(operation, arguments)?;
    Ok(Value::Object(call.ops.gimp().call(call.request("get_image_metadata", arguments)).await?))
}

/// Ids of the layers whose pixels are their own: no groups; text stays text, which GIMP draws anew.
fn with_pixels(rows: &Value, found: &mut Vec<u64>) {
    for row in rows.as_array().into_iter().flatten() {
        match row["kind"].as_str() {
            Some("group") => with_pixels(&row["children"], found),
            Some("text") => {}
            _ => found.extend(row["id"].as_u64()),
        }
    }
}

fn side(facts: &Value, name: &str) -> Result<u64> {
    let found = facts[name].as_u64().or_else(|| facts["basic"][name].as_u64());
    found.ok_or_else(|| Error::internal(format!("no `{name}` is told")))
}

fn bytes(picture: &Picture) -> usize {
    let sample = match picture.depth() {
        Depth::U8 => 1,
        Depth::U16 => 2,
        Depth::F32 => 4,
    };
    picture.samples.len() * sample
}

fn not_larger(about: &About) -> Error {
    Error::new(Kind::InvalidArgument, format!("`{}` does not make the picture larger", about.name))
        .hint("`result` \"scaled_image\" is for filters such as upscale; leave `result` out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_walked_and_text_is_left_to_gimp() {
        let rows = json!([
            {"id": 1, "kind": "layer"},
            {"id": 2, "kind": "group", "children": [{"id": 3, "kind": "text"}, {"id": 4, "kind": "layer"}]},
        ]);
        let mut found = Vec::new();
        with_pixels(&rows, &mut found);
        assert_eq!(found, [1, 4]);
    }

    #[test]
    fn a_picture_is_cut_or_continued_by_a_pixel() {
        let mut picture = Picture::new(2, 1, 1, Depth::U8);
        picture.samples.write(0, &[0.0, 1.0]);
        let mut row = vec![0.0; 3];
        fitted(picture.clone(), (3, 2)).samples.read(3, &mut row);
        assert_eq!(row, [0.0, 1.0, 1.0]);
        assert_eq!(fitted(picture, (1, 1)).width, 1);
    }
}
