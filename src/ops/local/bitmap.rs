//! get_image_bitmap: which pixels, how large, in which format, within how many bytes.

use super::super::call::Call;
use super::super::{Link, Outcome, uri};
use super::pixels::{self, Fit, Header, Read1, Region, Source};
use crate::error::{Error, Kind, Result};
use crate::images::encode::Options;
use crate::images::{Format, Picture};
use serde_json::{Map, Value, json};

const REGION: [&str; 4] = ["origin_x", "origin_y", "width", "height"];
const REGION_FIT: [&str; 2] = ["scaled_to_width", "scaled_to_height"];
const WHOLE_FIT: [&str; 2] = ["max_width", "max_height"];

/// Most reads that `max_bytes` may cost.
const MAX_TRIES: usize = 6;

pub async fn get_image_bitmap(call: Call<'_>) -> Result<Outcome> {
    let source = source(&call)?;
    let format =
        call.arguments.get("format").and_then(Value::as_str).and_then(Format::from_name).unwrap_or(Format::Png);
    let quality = call.number("quality").map_or(85, |quality| quality as u8);
    let options = Options { format, quality, max_bytes: call.arguments.get("max_bytes").and_then(Value::as_u64) };
    if call.arguments.get("as").and_then(Value::as_str) == Some("link") {
        return link(&call, source, options).await;
    }
    let (header, picture, fitted) = fitting(&call, source, options).await?;
    let mut result = describe(&source, &header, format);
    result["encoding"] = "base64".into();
    result["bytes"] = picture.bytes.into();
    result["processing_applied"]["fitted_to_max_bytes"] = fitted.into();
    Ok(Outcome { result: object(result), pictures: vec![picture], links: Vec::new() })
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
    let fit = Fit { max_width: number(fit[0]), max_height: number(fit[1]), enlarge: call.flag("enlarge") };
    let fit = (fit.max_width.is_some() || fit.max_height.is_some()).then_some(fit);
    Ok(Source { image: id("image"), layer: id("layer"), region, fit })
}

/// Reads at the size asked for; where that is over `max_bytes`, at smaller ones until it fits.
async fn fitting(call: &Call<'_>, source: Source, options: Options) -> Result<(Header, Picture, bool)> {
    let Some(max_bytes) = options.max_bytes else {
        return match pixels::read(call, source, options).await? {
            (header, Read1::Picture(picture)) => Ok((header, *picture, false)),
            (_, Read1::TooLarge { .. }) => Err(Error::internal("a picture without a limit was over it")),
        };
    };
    let mut best: Option<(Header, Picture)> = None;
    let mut tried = source;
    let mut search = Search::default();
    for attempt in 0..MAX_TRIES {
        let (header, bytes) = match pixels::read(call, tried, options).await? {
            (header, Read1::Picture(picture)) => {
                if attempt == 0 {
                    return Ok((header, *picture, false));
                }
                let bytes = picture.bytes;
                best = Some((header.clone(), *picture));
                (header, bytes)
            }
            (header, Read1::TooLarge { expected }) => (header, expected.max(max_bytes + 1)),
        };
        let Some((width, height)) = search.next((header.layout.width, header.layout.height), bytes, max_bytes) else {
            break;
        };
        tried.fit = Some(Fit { max_width: Some(width), max_height: Some(height), enlarge: true });
    }
    match best {
        Some((header, picture)) => Ok((header, picture, true)),
        None => Err(Error::new(Kind::TooLarge, format!("the picture does not fit into {max_bytes} bytes"))
            .hint("raise max_bytes, or use format jpeg or webp with a lower quality")),
    }
}

/// Looks for the largest size within a byte limit.
///
/// Bytes grow with a power of the side: 2 where each pixel costs the same, less where small pictures have more detail
/// in each pixel. The first step supposes 2, the next ones the power that the last two sizes showed.
#[derive(Default)]
struct Search {
    /// The size first asked for; shares below are of its sides.
    first: Option<(u32, u32)>,
    /// Share and bytes of the last try.
    last: Option<(f64, u64)>,
    /// Largest share that fitted, smallest that did not.
    fits: Option<f64>,
    over: Option<f64>,
}

impl Search {
    /// The next size to try after `size` gave `bytes`, or `None` when the search may end.
    fn next(&mut self, size: (u32, u32), bytes: u64, max_bytes: u64) -> Option<(u32, u32)> {
        let first = *self.first.get_or_insert(size);
        let share = f64::from(size.0.max(size.1)) / f64::from(first.0.max(first.1));
        let power = self.last.replace((share, bytes)).map_or(2.0, |(last_share, last_bytes)| {
            ((bytes as f64 / last_bytes as f64).ln() / (share / last_share).ln()).clamp(0.5, 2.0)
        });
        // Two thirds of the budget is near enough: another read would cost more than it shows.
        if bytes <= max_bytes && (bytes * 3 >= max_bytes * 2 || share >= 1.0) || bytes > max_bytes && size == (1, 1) {
            return None;
        }
        let fits = bytes <= max_bytes;
        *(if fits { &mut self.fits } else { &mut self.over }) = Some(share);
        // Eight percent below the prediction: just over the limit would be a read for nothing.
        let mut next = share * (max_bytes as f64 * 0.92 / bytes as f64).powf(1.0 / power);
        if let Some(over) = self.over {
            next = next.min(over * 0.95);
        }
        if self.fits.is_some_and(|fits| next < fits * 1.05) {
            return None;
        }
        Some(scaled(first, next)).filter(|next| *next != size)
    }
}

fn scaled(size: (u32, u32), share: f64) -> (u32, u32) {
    let side = |side: u32| ((f64::from(side) * share) as u32).max(1);
    (side(size.0), side(size.1))
}

/// The address instead of the bytes; the size is known from the header, so no pixel travels.
async fn link(call: &Call<'_>, source: Source, options: Options) -> Result<Outcome> {
    let header = pixels::measure(call, source).await?;
    let mut arguments = call.arguments.clone();
    if let Some(instance) = &call.instance {
        arguments.insert("instance".into(), instance.clone().into());
    }
    let uri = uri::bitmap(header.image, &arguments);
    let mut result = describe(&source, &header, options.format);
    result["encoding"] = "link".into();
    result["uri"] = uri.clone().into();
    let link = Link {
        name: uri.split('?').next().unwrap_or_default().trim_start_matches("gimp://").to_owned(),
        uri,
        mime_type: options.format.mime_type().into(),
        size: None,
    };
    Ok(Outcome { result: object(result), pictures: Vec::new(), links: vec![link] })
}

fn describe(source: &Source, header: &Header, format: Format) -> Value {
    let region = header.region;
    json!({
        "image": header.image,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search on pictures of `density` bytes per pixel, plus a share that grows when small.
    fn search(first: (u32, u32), max_bytes: u64, bytes_of: impl Fn((u32, u32)) -> u64) -> (usize, Option<(u32, u32)>) {
        let mut search = Search::default();
        let (mut size, mut best) = (first, None);
        for tries in 1..=MAX_TRIES {
            let bytes = bytes_of(size);
            if bytes <= max_bytes {
                best = Some(size);
            }
            match search.next(size, bytes, max_bytes) {
                Some(next) => size = next,
                None => return (tries, best),
            }
        }
        (MAX_TRIES, best)
    }

    #[test]
    fn a_limit_is_met_in_few_tries_and_well_used() {
        let pixels = |size: (u32, u32)| f64::from(size.0) * f64::from(size.1);
        let even = |size| (pixels(size) * 1.7) as u64 + 900;
        let sharper_when_small = |size| (pixels(size) * (0.3 + 600.0 / pixels(size).sqrt())) as u64;
        for max_bytes in [1024, 20_000, 1 << 20, 8 << 20] {
            for bytes_of in [&even as &dyn Fn((u32, u32)) -> u64, &sharper_when_small] {
                let (tries, best) = search((4000, 3000), max_bytes, bytes_of);
                let best = best.unwrap_or_else(|| panic!("nothing fits into {max_bytes}"));
                assert!(tries <= MAX_TRIES);
                assert!(max_bytes < 4096 || bytes_of(best) * 2 >= max_bytes, "{best:?} wastes {max_bytes}");
            }
        }
    }

    #[test]
    fn the_search_ends_at_one_pixel() {
        assert_eq!(search((3, 2), 10, |_| 70).1, None);
    }
}
