//! Images from words: made, listed, told of and deleted; put into GIMP where that is wanted.

use super::super::call::Call;
use super::super::{Link, Outcome, Right};
use super::inside::{self, Area};
use crate::error::{Error, Kind, Result};
use crate::generate::{Generator, Made, Progress, Request, Unclaimed, Wanted};
use crate::gimp::Progress as Report;
use crate::images::thumbnail::{Bound, Wish, thumbnail};
use crate::storage::{Record, parse_id};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Characters of a prompt that name an image.
const NAME: usize = 60;

pub async fn generate_image(call: Call<'_>) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    let wanted = wanted(&call)?;
    let into = call.arguments.get("into").and_then(Value::as_str).unwrap_or("nothing").to_owned();
    if into != "nothing" {
        call.context.rights.need(Right::Edit, "putting an image into GIMP")?;
    }
    // An image costs time and perhaps money: that there is no place for it is said before.
    let area = match into.as_str() {
        "new_layer" => Some(Area::ask(&call, "new_layer", 0.0).await?),
        "new_image" => {
            call.ops.gimp().call(call.request("list_images", Map::new())).await?;
            None
        }
        _ => None,
    };
    let (prompt, count) = (wanted.request.prompt.clone(), wanted.count);
    let Made { records, mut notes, unclaimed } = make(&call, generator, wanted).await?;
    let mut outcome = Outcome::default();
    let told = add_links(&call, generator, &records, &mut outcome).await?;
    outcome.result = object(told.first().cloned().unwrap_or_default());
    let made = message(&records, count);
    let placed = match (&area, into.as_str()) {
        (Some(area), _) => inside::new_layers(&call, generator, &records, area, &prompt, &mut notes).await,
        (None, "new_image") => insert(&call, generator, &records, &prompt).await,
        _ => Ok(Map::new()),
    };
    inside::settle(placed, made, &mut notes, &mut outcome)?;
    if call.flag("include_image_data") {
        let (_, bytes) = generator.store().bytes(records[0].image_id, Utc::now()).await?;
        outcome.result.insert("image_data".into(), STANDARD.encode(bytes).into());
    }
    if let Some(side) = call.preview {
        preview(&call, generator, &records[0], side, &mut outcome).await;
    }
    if count > 1 {
        outcome.result.insert("images".into(), told.into());
    }
    if !notes.is_empty() {
        outcome.result.insert("notes".into(), notes.into());
    }
    unclaimed.into_iter().for_each(Unclaimed::claim);
    Ok(outcome)
}

/// Generates until it is done, cancelled, or its time is up.
pub(super) async fn make(call: &Call<'_>, generator: &Generator, wanted: Wanted) -> Result<Made> {
    tokio::select! {
        made = generator.generate(wanted, progress(call)) => made,
        () = call.context.cancel.cancelled() => Err(Error::new(Kind::Cancelled, "the generation was cancelled")),
    }
}

/// `image_id`, `url` and `metadata` of each, which the outcome links to.
pub(super) async fn add_links(
    call: &Call<'_>,
    generator: &Generator,
    records: &[Record],
    outcome: &mut Outcome,
) -> Result<Vec<Value>> {
    let mut told = Vec::with_capacity(records.len());
    for record in records {
        let entry = entry(call, generator, record).await?;
        if let Some(url) = entry["url"].as_str() {
            outcome.links.push(Link {
                uri: url.to_owned(),
                name: format!("{}.{}", record.image_id, record.ending()),
                mime_type: record.mime_type.clone(),
                size: Some(record.bytes),
            });
        }
        told.push(entry);
    }
    Ok(told)
}

/// What the arguments ask for. A prompt that is left out, where the catalogue lets it, is an empty one.
pub(super) fn wanted(call: &Call<'_>) -> Result<Wanted> {
    let text = |name: &str| call.arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let prompt = text("prompt");
    if prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) {
        return Err(Error::new(Kind::InvalidArgument, "`prompt` has only blanks").hint("say what the image shows"));
    }
    Ok(Wanted {
        request: Request {
            prompt: prompt.unwrap_or_default(),
            negative_prompt: text("negative_prompt").filter(|text| !text.trim().is_empty()),
            width: call.number("width").unwrap_or(512),
            height: call.number("height").unwrap_or(512),
            num_inference_steps: call.number("num_inference_steps").unwrap_or(50),
            guidance_scale: call.arguments.get("guidance_scale").and_then(Value::as_f64).unwrap_or(7.5),
            seed: call.number("seed"),
            model: text("model"),
            source: None,
        },
        count: call.number("count").unwrap_or(1),
        backend: text("backend"),
        client: call.context.client.id.clone(),
        limit: call.timeout,
    })
}

fn progress(call: &Call<'_>) -> Progress {
    let sink = call.context.progress.clone();
    if let Some(sink) = &sink {
        sink(Report { progress: 0.0, total: Some(1.0), message: Some("asking for the image".into()) });
    }
    Arc::new(move |share, doing| {
        if let Some(sink) = &sink {
            sink(Report { progress: share, total: Some(1.0), message: Some(doing.to_owned()) });
        }
    })
}

pub(super) fn message(records: &[Record], count: u32) -> String {
    let Some(first) = records.first() else { return "Generated nothing".into() };
    let size = format!("{} x {}", first.width, first.height);
    let by = first.parameters["backend"].as_str().unwrap_or_default();
    let seed = match first.parameters["seed"].as_u64() {
        Some(seed) => format!("seed {seed}"),
        None => "an unknown seed".to_owned(),
    };
    match (records.len(), count) {
        (1, 1) => format!("Generated an image of {size} with {by}, {seed}"),
        (made, _) => format!("Generated {made} of {count} images of {size} with {by}, the first with {seed}"),
    }
}

/// `image_id`, `url` and `metadata`.
async fn entry(call: &Call<'_>, generator: &Generator, record: &Record) -> Result<Value> {
    let url = url(call, generator, record).await?;
    Ok(json!({"image_id": record.image_id, "url": url, "metadata": record.metadata()}))
}

/// Where the image is for this caller: in the bucket, at a daemon, in a folder of this machine.
async fn url(call: &Call<'_>, generator: &Generator, record: &Record) -> Result<Option<String>> {
    if let Some(signed) = generator.store().signed_url(record, Utc::now()).await? {
        return Ok(Some(signed));
    }
    let base = generator.public_url().or(call.context.base_url.as_ref().map(|base| &*base.0));
    if let Some(base) = base {
        return Ok(Some(format!("{base}/images/{}", record.image_id)));
    }
    let file = generator.store().file_of(record);
    Ok(file.and_then(|file| url::Url::from_file_path(file).ok()).map(String::from))
}

/// New images in GIMP; the answer's fields are those of the last one, with all layers.
async fn insert(
    call: &Call<'_>,
    generator: &Generator,
    records: &[Record],
    prompt: &str,
) -> Result<Map<String, Value>> {
    let (mut fields, mut layers, mut effects) = (Map::new(), Vec::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        let (_, bytes) = generator.store().bytes(record.image_id, Utc::now()).await?;
        let number = if records.len() > 1 { format!(" {}", index + 1) } else { String::new() };
        let name = short_name(prompt);
        let arguments = Map::from_iter([
            ("suffix".to_owned(), json!(record.ending())),
            ("name".to_owned(), json!(format!("{name}{number}"))),
        ]);
        let mut placed = upload(call, arguments, bytes).await?;
        if let Some(Value::Array(own)) = placed.remove("layers") {
            layers.extend(own);
        }
        effects.extend(placed.get("effect").cloned());
        let kept = |name: &String| ["image", "next_image", "effect"].contains(&name.as_str());
        fields = placed.into_iter().filter(|(name, _)| kept(name)).collect();
    }
    if effects.len() > 1 {
        fields.insert("effects".into(), effects.into());
    }
    fields.insert("layers".into(), layers.into());
    Ok(fields)
}

/// The prompt's first words, as the name of a layer or image.
pub fn short_name(prompt: &str) -> String {
    prompt.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME).collect()
}

async fn upload(call: &Call<'_>, arguments: Map<String, Value>, bytes: Bytes) -> Result<Map<String, Value>> {
    call.ops.gimp().call(call.upload("open_file", arguments, bytes)).await
}

/// A small picture with the answer, or why there is none: the image was made.
async fn preview(call: &Call<'_>, generator: &Generator, record: &Record, side: u32, outcome: &mut Outcome) {
    let wish =
        Wish { bound: Bound::Side(side), by_content: call.pictures.by_content, max_bytes: call.pictures.max_bytes };
    let made = async {
        let (_, bytes) = generator.store().bytes(record.image_id, Utc::now()).await?;
        tokio::task::spawn_blocking(move || thumbnail(&bytes, wish)).await.map_err(Error::internal)?
    };
    match made.await {
        Ok(picture) => {
            let about = json!({
                "format": picture.format.name(), "bytes": picture.bytes, "width": picture.width, "height": picture.height,
                "original_width": record.width, "original_height": record.height,
            });
            outcome.result.insert("preview".into(), about);
            outcome.pictures.push(picture);
        }
        Err(error) => drop(outcome.result.insert("preview_error".into(), error.to_json())),
    }
}

pub async fn list_generated_images(call: Call<'_>) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    let text = |name: &str| call.arguments.get(name).and_then(Value::as_str).map(str::to_lowercase);
    let (prompt, model) = (text("prompt"), text("model"));
    let holds = |record: &Record, name: &str, part: &Option<String>| {
        part.as_ref()
            .is_none_or(|part| record.parameters[name].as_str().is_some_and(|text| text.to_lowercase().contains(part)))
    };
    let matches = |record: &Record| holds(record, "prompt", &prompt) && holds(record, "model", &model);
    let (offset, limit) = (call.number("offset").unwrap_or(0) as usize, call.number("limit").unwrap_or(20) as usize);
    let page = generator.store().list(matches, offset, limit, Utc::now()).await?;
    let mut images = Vec::with_capacity(page.records.len());
    for record in &page.records {
        images.push(entry(&call, generator, record).await?);
    }
    let end = offset + images.len();
    let message = format!("{} of {} generated images", images.len(), page.total);
    let mut result = Map::from_iter([
        ("images".to_owned(), images.into()),
        ("total".to_owned(), json!(page.total)),
        ("next_offset".to_owned(), json!((end < page.total).then_some(end))),
        ("message".to_owned(), message.into()),
    ]);
    if !page.notes.is_empty() {
        result.insert("notes".into(), page.notes.into());
    }
    Ok(Outcome { result, ..Outcome::default() })
}

pub async fn get_generated_image_metadata(call: Call<'_>) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    let record = generator.store().record(id(&call)?, Utc::now()).await?;
    let result = object(entry(&call, generator, &record).await?);
    Ok(Outcome { result, ..Outcome::default() })
}

pub async fn delete_image(call: Call<'_>) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    let record = generator.store().delete(id(&call)?, Utc::now()).await?;
    let id = record.image_id;
    let result = object(json!({"image_id": id, "message": format!("Deleted the generated image {id}")}));
    Ok(Outcome { result, ..Outcome::default() })
}

pub async fn list_generation_backends(call: Call<'_>) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    let area = call.number("width").zip(call.number("height"));
    let backends = generator.backends(area).await;
    let result = object(json!({"backends": backends, "context_margin": generator.context_margin()}));
    Ok(Outcome { result, ..Outcome::default() })
}

fn id(call: &Call<'_>) -> Result<uuid::Uuid> {
    match call.arguments.get("image_id") {
        Some(Value::String(text)) => parse_id(text),
        Some(other) => parse_id(&other.to_string()),
        None => parse_id(""),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
