//! What a filter would do to a part of a layer, as two small pictures for the dialog in GIMP's menu. Changes nothing.
//!
//! The filter runs as it does in full, on the part and its surroundings where these decide (`Reach::Near`), with the
//! automatic values of the whole layer; else on the whole, reduced where that is large.

use super::super::Outcome;
use super::super::call::Call;
use super::super::filter::filter_parameters;
use super::ai;
use super::exchange::{self, Read};
use super::preview_area::{self, Area, Layer, Look, Rect};
use crate::error::{Error, Kind, Result};
use crate::filters::sight::{reduce, reduce_values, rgba8};
use crate::filters::{Filter, Job, Output, Picture, Plane, Scope, Values, Watch, manifest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

pub async fn preview_ai_filter(mut call: Call<'_>) -> Result<Outcome> {
    let began = Instant::now();
    let name = call.take_text("filter").unwrap_or_default();
    let filter = call.ops.filters().get(&name)?;
    let about = filter.about();
    ai::check_inputs(&call, about)?;
    let given = filter_parameters(call.arguments.remove("parameters"))?;
    let known = filter_parameters(call.arguments.remove("measured"))?;
    let given = manifest::resolve(&about.params, &given)?;

    let run = call.flag("run");

    let (layer, source) = facts(&call).await?;
    let mut params = sized(&*filter, &given, known, &layer)?;
    if run && filter.sight(&params, (0, 0)).measures {
        params = measured(&call, &*filter, params, &layer, &source).await?;
    }
    let hole = layer.selection.map_or((0, 0), |(_, _, w, h)| (w, h));
    let number = |name: &str| call.arguments.get(name).and_then(Value::as_i64);
    let most = (call.number("width").unwrap_or(320) as usize, call.number("height").unwrap_or(320) as usize);
    let zoom = call.arguments.get("zoom").and_then(Value::as_f64);
    let look = Look { centre: number("x").zip(number("y")), zoom };
    let area = preview_area::area(&layer, about.scope, filter.sight(&params, hole), look, most)?;

    let read = read(&call, &source, area.read).await?;
    let before = if area.factor > 1 { Arc::new(reduce(&read.picture, area.factor)) } else { read.picture.clone() };
    let (x, y, width, height) = area.shown;
    let result = json!({
        "filter": name, "layer": source.get("layer"), "image": source.get("image"), "view": area.view.name(),
        "area": [x, y, width, height], "layer_size": [layer.size.0, layer.size.1],
        "width": area.width, "height": area.height, "zoom": area.zoom, "before": shown(&area, &before), "after": null,
        "measured": found(&params, &given),
    });
    let Value::Object(mut result) = result else { unreachable!("made an object above") };
    if run {
        let selection = match layer.selection {
            Some(_) if about.scope != Scope::Whole => Some(selection(&call, &read, area.factor).await?),
            _ => None,
        };
        let style = if about.style { Some(ai::style(&call).await?) } else { None };
        // As far as they lie in the part: beside it there is nothing to mark.
        let mut points = ai::points(&call, area.read.0 as f32, area.read.1 as f32);
        points
            .iter_mut()
            .for_each(|point| (point.x, point.y) = (point.x / area.factor as f32, point.y / area.factor as f32));
        let inside = |at: f32, side: usize| at >= 0.0 && at < side as f32;
        points.retain(|point| inside(point.x, before.width) && inside(point.y, before.height));
        // A part beside the selection stays as it is, and a filter would be right to say that nothing is selected.
        let beside = selection.as_ref().is_some_and(|plane| plane.data.iter().all(|value| *value == 0.0));
        let output = if beside && about.scope == Scope::Everywhere {
            Output { image: Some((*before).clone()), used: params, ..Output::default() }
        } else {
            let job = Job { selection, style, params, points, ..Job::new(before.clone()) };
            call.ops.run_filter(&name, job, call.timeout, (0.0, 1.0), call.context).await?
        };
        result.insert("parameters".into(), json!(output.used));
        result.insert("notes".into(), json!(output.notes));
        result.insert("after".into(), shown(&area, &made(output, &before)?).into());
    }
    result.insert("seconds".into(), ai::round(began.elapsed().as_secs_f64()).into());
    Ok(Outcome { result, ..Outcome::default() })
}

/// The automatic values that are known now.
fn found(params: &Values, given: &Values) -> Map<String, Value> {
    let found = params.0.iter().filter(|(name, _)| given.is_auto(name) && !params.is_auto(name));
    found.map(|(name, value)| (name.clone(), json!(value))).collect()
}

/// The layer's size and selection, and what names it in later requests.
async fn facts(call: &Call<'_>) -> Result<(Layer, Map<String, Value>)> {
    let mut arguments = Map::new();
    for name in ["image", "layer"] {
        if let Some(value) = call.arguments.get(name) {
            arguments.insert(name.into(), value.clone());
        }
    }
    let found = call.ops.gimp().call(call.request("filter_facts", arguments)).await?;
    let number = |name: &str| found.get(name).and_then(Value::as_u64).filter(|side| *side > 0);
    let (Some(width), Some(height)) = (number("width"), number("height")) else {
        return Err(Error::new(Kind::ProtocolError, "the plug-in told no size of the layer")
            .hint("update the plug-in: gimp-bridge install, then restart GIMP"));
    };
    let selection = found.get("selection").and_then(Value::as_array).and_then(|numbers| {
        let sides: Vec<usize> = numbers.iter().filter_map(Value::as_u64).map(|side| side as usize).collect();
        <[usize; 4]>::try_from(sides).ok().map(|[x, y, w, h]| (x, y, w, h))
    });
    let source = ["image", "layer"].map(|name| (name.to_owned(), found.get(name).cloned().unwrap_or_default()));
    Ok((Layer { size: (width as usize, height as usize), selection }, Map::from_iter(source)))
}

/// The parameters with automatic ones as far as they are known without the picture: `known` holds what an earlier
/// preview of the same dialog measured, so that the whole layer is read once and not with each move of a slider.
fn sized(filter: &dyn Filter, given: &Values, known: Values, layer: &Layer) -> Result<Values> {
    let mut params = filter.sized(given, layer.size);
    for (name, value) in known.0 {
        if params.is_auto(&name) {
            params.set(&name, value);
        }
    }
    manifest::resolve(&filter.about().params, &params)
}

/// The parameters with automatic ones as the full run would find them: on all of the layer.
async fn measured(
    call: &Call<'_>,
    filter: &dyn Filter,
    params: Values,
    layer: &Layer,
    source: &Map<String, Value>,
) -> Result<Values> {
    let whole = read(call, source, (0, 0, layer.size.0, layer.size.1)).await?;
    let job = Job { params, ..Job::new(whole.picture) };
    let watch = Watch::new(call.context.cancel.child_token(), |_, _| ());
    call.ops.filters().measure(&filter.about().name, job, watch).await
}

async fn read(call: &Call<'_>, source: &Map<String, Value>, (x, y, width, height): Rect) -> Result<Read> {
    let mut arguments = source.clone();
    arguments.insert("area".into(), json!([x, y, width, height]));
    exchange::read(call, arguments).await
}

/// The selection over what was read, as small as the picture is going to be.
async fn selection(call: &Call<'_>, read: &Read, factor: usize) -> Result<Plane> {
    let Picture { width, height, .. } = *read.picture;
    let values = exchange::read_values(call, read.image, read.offset, (width, height), None).await?;
    Ok(reduce_values(values, width, height, factor))
}

/// What the filter makes of the picture, as something to look at: a mask as what it leaves of it.
fn made(output: Output, source: &Picture) -> Result<Picture> {
    let Output { image, mask, alpha, .. } = output;
    match (image, alpha.or(mask)) {
        (Some(image), _) => Ok(image),
        (None, Some(plane)) => Ok(ai::cut_out(source, &plane)),
        (None, None) => Err(Error::internal("the filter made nothing")),
    }
}

/// What is shown of a picture of all that was read, whatever size it has now: RGBA of 8 bits in base64.
fn shown(area: &Area, picture: &Picture) -> String {
    let part = |from: usize, side: usize, read: usize, pixels: usize| {
        let scale = pixels as f64 / read as f64;
        let start = ((from as f64 * scale).round() as usize).min(pixels - 1);
        (start, ((side as f64 * scale).round() as usize).clamp(1, pixels - start))
    };
    let (x, w) = part(area.shown.0 - area.read.0, area.shown.2, area.read.2, picture.width);
    let (y, h) = part(area.shown.1 - area.read.1, area.shown.3, area.read.3, picture.height);
    STANDARD.encode(rgba8(picture, (x, y, w, h), area.width, area.height))
}
