//! The AI filters on a live image: read the layer, run the filter here, put the result in place as one undo step.

use super::super::Outcome;
use super::super::call::Call;
use super::super::filter::filter_parameters;
use super::exchange::{self, Read};
use crate::error::{Error, Kind, Result};
use crate::filters::{About, Job, Output, Picture, Plane, Point, Scope};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The part of the whole that the filter itself stands for in progress reports; before it reading, after it placing.
const FILTER_SPAN: (f64, f64) = (0.05, 0.95);

pub async fn list_ai_filters(call: Call<'_>) -> Result<Outcome> {
    let filters = call.ops.filters();
    let wanted = call.arguments.get("query").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let holds = |about: &About| {
        let texts = [&about.name, &about.title, &about.help, &about.group];
        texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let shown: Vec<About> = filters.list().into_iter().filter(holds).collect();
    let mut result = Map::from_iter([("filters".to_owned(), json!(shown))]);
    let broken: Vec<Value> = filters
        .broken()
        .iter()
        .map(|(name, error)| json!({"filter": name, "why": error.message, "hint": error.hint}))
        .collect();
    if !broken.is_empty() {
        result.insert("unusable".into(), broken.into());
    }
    Ok(Outcome { result, ..Outcome::default() })
}

pub async fn select_subject(mut call: Call<'_>) -> Result<Outcome> {
    call.arguments.insert("result".into(), "selection".into());
    let mut outcome = run_ai_filter(call).await?;
    outcome.result.entry("selection").or_insert(Value::Null);
    Ok(outcome)
}

pub async fn run_ai_filter(mut call: Call<'_>) -> Result<Outcome> {
    let name = call.take_text("filter").unwrap_or_default();
    let about = call.ops.filters().get(&name)?.about().clone();
    let wanted = call.take_text("result").unwrap_or_else(|| "auto".into());
    let params = filter_parameters(call.arguments.remove("parameters"))?;
    check_inputs(&call, &about)?;

    // Until the result is in GIMP: ten callers with large pictures hold a few of these.
    let _place = call.ops.filter_place(&name, call.timeout, call.context).await?;
    let began = Instant::now();
    let read = read_source(&call).await?;
    let mut job = job(&call, &about, &read).await?;
    job.params = params;
    let read_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let image = job.image.clone();
    let output = call.ops.run_filter(&name, job, call.timeout, FILTER_SPAN, call.context).await?;
    let filter_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let (notes, used) = (output.notes.clone(), output.used.clone());
    let placing = placing(output, &image, &wanted, &read)?;
    let label = format!("{} ({})", read.name, about.title);
    let mut result = exchange::place(&call, &read, placing.kind, &label, placing.picture).await?;
    let seconds = json!({"read": round(read_seconds), "filter": round(filter_seconds), "place": round(began.elapsed().as_secs_f64())});
    let message = result.get("message").and_then(Value::as_str).unwrap_or_default();
    result.insert("message".into(), format!("Ran {}: {}", about.name, lower_first(message)).into());
    result.insert("filter".into(), name.into());
    result.insert("parameters".into(), json!(used));
    result.insert("result".into(), placing.kind.into());
    result.insert("notes".into(), json!(notes));
    result.insert("seconds".into(), seconds);
    Ok(Outcome { result, ..Outcome::default() })
}

pub(super) fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// What the filter wants beside the picture, before any pixel travels.
pub(super) fn check_inputs(call: &Call<'_>, about: &About) -> Result<()> {
    let given = |name: &str| call.arguments.contains_key(name);
    if about.style && !given("style_path") && !given("style_image") {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("`{}` needs the picture whose style is taken", about.name),
        )
        .hint("give `style_path`, a file's path, or `style_image`, an open image's id"));
    }
    if !about.style && (given("style_path") || given("style_image")) {
        return Err(Error::new(Kind::InvalidArgument, format!("`{}` takes no style picture", about.name))
            .hint("leave `style_path` and `style_image` out, or use a filter that takes one"));
    }
    Ok(())
}

async fn read_source(call: &Call<'_>) -> Result<Read> {
    let mut arguments = Map::new();
    for name in ["image", "source", "layer"] {
        if let Some(value) = call.arguments.get(name) {
            arguments.insert(name.into(), value.clone());
        }
    }
    exchange::read(call, arguments).await
}

/// The picture, where to work, and what else the filter takes, all in the source's own pixels.
async fn job(call: &Call<'_>, about: &About, read: &Read) -> Result<Job> {
    let mut job = Job::new(read.picture.clone());
    if let Some(item) = call.arguments.get("mask").and_then(Value::as_u64) {
        job.mask = Some(exchange::read_mask(call, read, Some(item)).await?);
    }
    if read.selection.is_some() && about.scope != Scope::Whole {
        job.selection = Some(exchange::read_mask(call, read, None).await?);
    }
    let (left, top) = (read.offset.0 as f32, read.offset.1 as f32);
    if let Some(numbers) = numbers(call.arguments.get("box")) {
        job.area = <[f32; 4]>::try_from(numbers).ok().map(|[x, y, width, height]| [x - left, y - top, width, height]);
    }
    for (name, inside) in [("points", true), ("background_points", false)] {
        let points = call.arguments.get(name).and_then(Value::as_array).into_iter().flatten();
        job.points.extend(points.filter_map(|point| match numbers(Some(point))?.as_slice() {
            [x, y] => Some(Point { x: x - left, y: y - top, inside }),
            _ => None,
        }));
    }
    if about.style {
        job.style = Some(style(call).await?);
    }
    Ok(job)
}

/// The picture whose style is taken: a file's, or an open image's.
pub(super) async fn style(call: &Call<'_>) -> Result<Arc<Picture>> {
    let arguments = match (call.arguments.get("style_path"), call.arguments.get("style_image")) {
        (Some(path), _) => Map::from_iter([("path".to_owned(), path.clone())]),
        (None, image) => Map::from_iter([
            ("image".to_owned(), image.cloned().unwrap_or_default()),
            ("source".to_owned(), "visible".into()),
        ]),
    };
    Ok(exchange::read(call, arguments).await?.picture)
}

fn numbers(value: Option<&Value>) -> Option<Vec<f32>> {
    value?.as_array().map(|items| items.iter().filter_map(Value::as_f64).map(|number| number as f32).collect())
}

struct Placing {
    kind: &'static str,
    picture: Picture,
}

/// What the result is and where it goes.
fn placing(output: Output, source: &Arc<Picture>, wanted: &str, read: &Read) -> Result<Placing> {
    let Output { image, mask, alpha, .. } = output;
    let same_size = image.as_ref().is_none_or(|image| (image.width, image.height) == (source.width, source.height));
    let kind = match wanted {
        "auto" if image.is_some() => {
            if same_size {
                "new_layer"
            } else {
                "new_image"
            }
        }
        "auto" if alpha.is_some() && read.layer.is_some() => "layer_mask",
        "auto" if alpha.is_some() => "new_layer",
        "auto" => "selection",
        "new_layer" => "new_layer",
        "replace" => "replace",
        "new_image" => "new_image",
        "layer_mask" => "layer_mask",
        _ => "selection",
    };
    let refuse = |what: &str, hint: &str| {
        Err(Error::new(Kind::InvalidArgument, format!("`result` \"{kind}\": {what}")).hint(hint))
    };
    if read.layer.is_none() && matches!(kind, "replace" | "layer_mask") {
        return refuse("what is visible is no single layer", "give `layer`, or use \"new_layer\"");
    }
    if !same_size && kind == "replace" {
        return refuse("the result has another size than the layer", "use \"new_image\" or \"new_layer\"");
    }
    let picture = match kind {
        "layer_mask" | "selection" => match alpha.or(mask) {
            Some(plane) => exchange::gray(&plane),
            None => return refuse("this filter makes a picture, and no mask", "use \"new_layer\" or \"replace\""),
        },
        _ => match (image, alpha.or(mask)) {
            (Some(image), _) => image,
            (None, Some(plane)) => cut_out(source, &plane),
            (None, None) => return Err(Error::internal("the filter made nothing")),
        },
    };
    Ok(Placing { kind, picture })
}

/// The source, as opaque as the plane says.
pub(super) fn cut_out(source: &Picture, plane: &Plane) -> Picture {
    let colors = source.channels - usize::from(source.has_alpha());
    let mut picture = Picture::new(source.width, source.height, colors + 1, source.depth());
    let (mut row, mut made) = (vec![0.0; source.width * source.channels], vec![0.0; source.width * (colors + 1)]);
    for y in 0..source.height {
        source.samples.read(y * row.len(), &mut row);
        let pixels = row.chunks_exact(source.channels).zip(made.chunks_exact_mut(colors + 1));
        for (x, (old, new)) in pixels.enumerate() {
            new[..colors].copy_from_slice(&old[..colors]);
            new[colors] = plane.at(x, y) * if source.has_alpha() { old[colors] } else { 1.0 };
        }
        picture.samples.write(y * made.len(), &made);
    }
    picture
}
