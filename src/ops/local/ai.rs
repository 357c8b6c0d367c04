//! The AI filters on a live image: read the layer, run the filter here, put the result in place as one undo step.

use super::super::Outcome;
use super::super::call::Call;
use super::super::filter::{filter_parameters, given_whole};
use super::exchange::{self, Place, Read};
use super::scale_image::{Scaled, means_all, scale_image};
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::{About, Job, Output, ParamKind, Picture, Plane, Point, Scope, Value as FilterValue, Values};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The part of the whole that the filter itself stands for in progress reports; before it reading, after it placing.
const FILTER_SPAN: (f64, f64) = (0.05, 0.95);

/// The filter that selects subjects.
const SUBJECT: &str = "cut-out";

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
    // A model that only looks at pictures is asked through the filter that knows boxes, points and selections.
    let name = call.arguments.get("filter").and_then(Value::as_str).unwrap_or(SUBJECT).to_owned();
    let cut_out = call.ops.filters().get(SUBJECT)?;
    let models = cut_out.about().params.iter().filter_map(|param| match &param.kind {
        ParamKind::Choice { choices } if param.name == "model" => Some(choices),
        _ => None,
    });
    if models.flatten().any(|model| *model == name) {
        call.arguments.insert("filter".into(), SUBJECT.into());
        call.arguments.insert("parameters".into(), json!({"model": name}));
    }
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

    let step = step(&about, &params);
    // What is larger than its image needs one of its own, with all that is in the image
    let copies = about.enlarges && means_all(&call) && matches!(wanted.as_str(), "auto" | "new_image");
    if wanted == "scaled_image" || copies {
        let _place = call.ops.filter_place(&name, call.timeout, call.context).await?;
        let scaled = if copies { Scaled::Copy } else { Scaled::Itself };
        return scale_image(&call, &about, params, scaled, step).await;
    }
    // Until the result is in GIMP: ten callers with large pictures hold a few of these.
    let _place = call.ops.filter_place(&name, call.timeout, call.context).await?;
    let began = Instant::now();
    let read = read_source(&call).await?;
    if read.group && wanted == "replace" {
        let message = format!("`result` \"replace\": `{}` is a group, which has no pixels of its own", read.name);
        return Err(Error::new(Kind::InvalidArgument, message)
            .hint("use \"new_layer\", which gets the group's picture with the filter, or give a layer inside it")
            .because(Reason::GroupHasNoPixels));
    }
    let mut job = job(&call, &about, &read).await?;
    job.params = params;
    let read_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let image = job.image.clone();
    let output = call.ops.run_filter(&name, job, call.timeout, FILTER_SPAN, call.context).await?;
    let filter_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let (notes, used) = (output.notes.clone(), output.used.clone());
    // A picture that is as it was goes nowhere; only who wants an image gets one.
    let unchanged = wanted != "new_image" && output.image.as_ref().is_some_and(|made| *made == *image);
    if unchanged {
        let mut result = Map::new();
        result.insert("status".into(), "success".into());
        result.insert("message".into(), format!("Ran {}: nothing to do, the picture is as it was", about.name).into());
        result.insert("image".into(), json!(read.image));
        result.insert("layer".into(), json!(read.layer));
        result.insert("width".into(), image.width.into());
        result.insert("height".into(), image.height.into());
        let seconds = json!({"read": round(read_seconds), "filter": round(filter_seconds), "place": 0.0});
        return Ok(told(result, &name, &used, "unchanged", &notes, seconds));
    }
    let placing = placing(output, &image, &wanted, &read)?;
    let label = format!("{} ({})", read.name, about.title);
    let place = Place { kind: placing.kind, name: &label, step: &step };
    let mut result = exchange::place(&call, &read, place, placing.picture).await?;
    let seconds = json!({"read": round(read_seconds), "filter": round(filter_seconds), "place": round(began.elapsed().as_secs_f64())});
    let message = result.get("message").and_then(Value::as_str).unwrap_or_default();
    result.insert("message".into(), format!("Ran {}: {}", about.name, lower_first(message)).into());
    Ok(told(result, &name, &used, placing.kind, &notes, seconds))
}

/// The answer with what was run and what became of it.
fn told(
    mut result: Map<String, Value>,
    filter: &str,
    used: &Values,
    kind: &str,
    notes: &[String],
    seconds: Value,
) -> Outcome {
    result.insert("filter".into(), filter.into());
    result.insert("parameters".into(), json!(used));
    result.insert("result".into(), kind.into());
    result.insert("notes".into(), json!(notes));
    result.insert("seconds".into(), seconds);
    Outcome { result, ..Outcome::default() }
}

/// What the run is called in GIMP's undo history: its title and what the caller chose.
fn step(about: &About, params: &Values) -> String {
    let mut step = about.title.clone();
    for (name, value) in params.0.iter().take(2) {
        let name = name.replace('_', " ");
        match value {
            FilterValue::Text(value) => step += &format!(", {name} {value}"),
            FilterValue::Int(value) => step += &format!(", {name} {value}"),
            FilterValue::Float(value) => step += &format!(", {name} {}", (value * 100.0).round() / 100.0),
            FilterValue::Bool(true) => step += &format!(", {name}"),
            FilterValue::Bool(false) => {}
        }
    }
    step
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
    let given = ["style_path", "style_image", "style_data"].into_iter().filter(|name| given(name)).count();
    let (message, hint) = match (about.style, given) {
        (true, 0) => (
            "needs the picture whose style is taken",
            "give `style_path`, a file's path, `style_image`, an open image's id, or `style_data`, a file in base64",
        ),
        (true, 2..) => {
            ("takes one style picture", "give one of `style_path`, `style_image` and `style_data`, not several")
        }
        (false, 1..) => {
            ("takes no style picture", "leave `style_…` out, or use a filter that takes one, such as style-from-image")
        }
        _ => return Ok(()),
    };
    let error = Error::new(Kind::InvalidArgument, format!("`{}` {message}", about.name)).hint(hint);
    Err(if given == 0 { error.because(Reason::StyleMissing) } else { error })
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
    job.points = points(call, left, top);
    if about.style {
        job.style = Some(style(call).await?);
    }
    Ok(job)
}

/// What the caller marked as subject and as none, from a place on.
pub(super) fn points(call: &Call<'_>, left: f32, top: f32) -> Vec<Point> {
    let marked = |name: &str, inside: bool| -> Vec<Point> {
        let points = call.arguments.get(name).and_then(Value::as_array).into_iter().flatten();
        let place = |point: &Value| match numbers(Some(point))?.as_slice() {
            [x, y] => Some(Point { x: x - left, y: y - top, inside }),
            _ => None,
        };
        points.filter_map(place).collect()
    };
    [marked("points", true), marked("background_points", false)].concat()
}

/// The picture whose style is taken: a file's, an open image's, or one that came along.
pub(super) async fn style(call: &Call<'_>) -> Result<Arc<Picture>> {
    if let Some(data) = call.arguments.get("style_data").and_then(Value::as_str) {
        return given_whole(data.to_owned(), "style_data").await.map(Arc::new);
    }
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
    let refused =
        |what: &str, hint: &str| Error::new(Kind::InvalidArgument, format!("`result` \"{kind}\": {what}")).hint(hint);
    if read.layer.is_none() && matches!(kind, "replace" | "layer_mask") {
        return Err(refused("what is visible is no single layer", "give `layer`, or use \"new_layer\""));
    }
    if !same_size && kind == "replace" {
        return Err(refused("the result has another size than the layer", "use \"new_image\" or \"new_layer\"")
            .because(Reason::OtherSize));
    }
    let picture = match kind {
        "layer_mask" | "selection" => match alpha.or(mask) {
            Some(plane) => exchange::gray(&plane),
            None => {
                return Err(refused("this filter makes a picture, and no mask", "use \"new_layer\" or \"replace\"")
                    .because(Reason::NoMask));
            }
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
