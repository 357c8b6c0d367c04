//! get_image_bitmap: which pixels, how large, in which format, within how many bytes.

use super::super::call::Call;
use super::super::{Link, Outcome, pictures, uri};
use super::pixels::{self, Fit, Header, Region, Source};
use super::show::{Wish, show};
use crate::error::{Error, Kind, Result};
use crate::images::{Format, Picture};
use serde_json::{Map, Value, json};

const REGION: [&str; 4] = ["origin_x", "origin_y", "width", "height"];
const REGION_FIT: [&str; 2] = ["scaled_to_width", "scaled_to_height"];
const WHOLE_FIT: [&str; 2] = ["max_width", "max_height"];

pub async fn get_image_bitmap(call: Call<'_>) -> Result<Outcome> {
    let source = source(&call)?;
    let named = pictures::named_format(call.arguments.get("format").and_then(Value::as_str));
    if call.arguments.get("as").and_then(Value::as_str) == Some("link") {
        return link(&call, source, named.unwrap_or(Format::Png)).await;
    }
    let by_content = call.pictures.by_content || call.arguments.contains_key("format");
    let format = named.or_else(|| (!by_content).then_some(Format::Png));
    let max_bytes = call.arguments.get("max_bytes").and_then(Value::as_u64);
    let pictures = if named.is_some() { call.pictures.named(max_bytes)? } else { call.pictures.asked(max_bytes)? };
    let quality = call.number("quality").map(|quality| quality as u8);
    let shown = show(&call, Wish { source, format, quality, pictures }).await?;
    let mut result = describe(&source, &shown.header, shown.picture.format);
    result["encoding"] = "base64".into();
    result["bytes"] = shown.picture.bytes.into();
    result["message"] = message(&call, &shown.header, &shown.picture, shown.quality).into();
    result["processing_applied"]["fitted_to_max_bytes"] = shown.fitted.into();
    if let Some(quality) = shown.quality {
        result["quality"] = quality.into();
    }
    let notes: Vec<String> = [shown.header.note, shown.note].into_iter().flatten().collect();
    if !notes.is_empty() {
        result["note"] = notes.join("; ").into();
    }
    Ok(Outcome { result: object(result), pictures: vec![shown.picture], links: Vec::new() })
}

/// What the picture is of, and how it was made.
fn message(call: &Call<'_>, header: &Header, picture: &Picture, quality: Option<u8>) -> String {
    let layer = call.arguments.get("layer").map(|id| format!("item {id} of ")).unwrap_or_default();
    let name = if header.name.is_empty() { String::new() } else { format!(" `{}`", header.name) };
    let (width, height) = header.original;
    let quality = quality.map(|quality| format!(" at quality {quality}")).unwrap_or_default();
    let format = picture.format.name().to_uppercase();
    let of = if call.arguments.contains_key("origin_x") {
        let Region { x, y, width, height } = header.region;
        format!("the region of {width} x {height} at ({x}, {y})")
    } else {
        format!("{width} x {height}")
    };
    format!(
        "Picture of {layer}image {}{name}, {of}, as {} x {} {format}{quality}",
        header.image, picture.width, picture.height
    )
}

/// The four modes: whole, whole fitted, region, region fitted.
fn source(call: &Call<'_>) -> Result<Source> {
    let given = |name: &&&str| call.arguments.contains_key(**name);
    let refuse = |message: String, hint: &str| Err(Error::new(Kind::InvalidArgument, message).hint(hint));
    let id = |name: &str| call.arguments.get(name).and_then(Value::as_u64);
    let region: Vec<&&str> = REGION.iter().filter(given).collect();
    let fit = match region.len() {
        0 => {
            if let Some(name) = REGION_FIT.iter().find(given) {
                let message = format!("`{name}` scales a region, and no region is given");
                return refuse(message, "use max_width and max_height for the whole image");
            }
            WHOLE_FIT
        }
        4 => {
            if let Some(name) = WHOLE_FIT.iter().find(given) {
                let message = format!("`{name}` is for the whole image, and a region is given");
                return refuse(message, "use scaled_to_width and scaled_to_height for a region");
            }
            REGION_FIT
        }
        _ => {
            let missing: Vec<String> =
                REGION.iter().filter(|name| !given(name)).map(|name| format!("`{name}`")).collect();
            let message =
                format!("a region needs origin_x, origin_y, width and height: {} missing", missing.join(", "));
            return refuse(message, "give all four, or max_width and max_height to fit the whole image");
        }
    };
    let number = |name: &str| call.number(name);
    let region = (region.len() == 4).then(|| Region {
        x: number("origin_x").unwrap_or(0),
        y: number("origin_y").unwrap_or(0),
        width: number("width").unwrap_or(1),
        height: number("height").unwrap_or(1),
    });
    // A region's size is the size that is wanted; the whole image's a bound
    let enlarge = region.is_some() || call.flag("enlarge");
    let fit = Fit { max_width: number(fit[0]), max_height: number(fit[1]), enlarge };
    let fit = (fit.max_width.is_some() || fit.max_height.is_some()).then_some(fit);
    Ok(Source { image: id("image"), layer: id("layer"), region, fit })
}

/// The address instead of the bytes; the size is known from the header, so no pixel travels.
async fn link(call: &Call<'_>, source: Source, format: Format) -> Result<Outcome> {
    let header = pixels::measure(call, source).await?;
    let mut arguments = call.arguments.clone();
    // What reads the address takes PNG for the picture itself, whoever reads it.
    if arguments.get("format").is_some_and(|format| format == "auto") {
        arguments.remove("format");
    }
    if let Some(instance) = &call.instance {
        arguments.insert("instance".into(), instance.clone().into());
    }
    let uri = uri::bitmap(header.image, &arguments);
    let mut result = describe(&source, &header, format);
    result["encoding"] = "link".into();
    result["message"] =
        format!("Linked to a picture of image {}, {} x {}", header.image, header.layout.width, header.layout.height)
            .into();
    result["uri"] = uri.clone().into();
    let link = Link {
        name: uri.split('?').next().unwrap_or_default().trim_start_matches("gimp://").to_owned(),
        uri,
        mime_type: format.mime_type().into(),
        size: None,
    };
    Ok(Outcome { result: object(result), pictures: Vec::new(), links: vec![link] })
}

fn describe(source: &Source, header: &Header, format: Format) -> Value {
    let region = header.region;
    json!({
        "image": header.image,
        "name": header.name,
        "format": format.name(),
        "mime_type": format.mime_type(),
        "width": header.layout.width,
        "height": header.layout.height,
        "original_width": header.original.0,
        "original_height": header.original.1,
        "encoding": null,
        "processing_applied": {
            "region_extracted": source.region.is_some(),
            "scaled": header.scaled(),
            "fitted_to_max_bytes": false,
            "region_coords": source.region.map(|_| json!({"x": region.x, "y": region.y, "w": region.width, "h": region.height})),
        },
        "scale_map": header.scale_map(),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
