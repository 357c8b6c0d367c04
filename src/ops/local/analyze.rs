//! analyze_image: the pixels come raw, and are measured here.

use super::super::Outcome;
use super::super::call::Call;
use super::exchange;
use super::pixels::{self, Region, Source};
use crate::error::{Error, Kind, Result};
use crate::images::analysis::{Detail, Pixels, Samples, analyse};
use serde_json::{Map, Value, json};

pub async fn analyze_image(call: Call<'_>) -> Result<Outcome> {
    let detail = call.arguments.get("analysis_type").and_then(Value::as_str).and_then(Detail::from_name);
    let id = |name: &str| call.arguments.get(name).and_then(Value::as_u64);
    let source = Source { image: id("image"), layer: id("layer"), region: region(&call)?, fit: None };
    let (header, samples) = pixels::raw(&call, source).await?;
    let mask = match call.flag("selection") {
        false => None,
        true if source.layer.is_some() => {
            return Err(Error::new(
                Kind::InvalidArgument,
                "`selection` counts in what is visible, and `layer` is given",
            )
            .hint("leave one of them out"));
        }
        true => {
            let place = (i64::from(header.region.x), i64::from(header.region.y));
            let size = (header.region.width as usize, header.region.height as usize);
            Some(exchange::read_values(&call, Some(header.image), place, size, None).await?)
        }
    };
    let analysis = tokio::task::spawn_blocking(move || {
        let pixels = Pixels {
            width: header.layout.width,
            height: header.layout.height,
            channels: header.layout.channels,
            samples: Samples::Eight(&samples),
            mask: mask.as_deref(),
        };
        analyse(&pixels, detail.unwrap_or(Detail::Detailed))
    });
    let analysis = analysis.await.map_err(Error::internal)??;
    let result = Map::from_iter([
        ("analysis".to_owned(), serde_json::to_value(analysis).map_err(Error::internal)?),
        ("image".to_owned(), json!(header.image)),
    ]);
    Ok(Outcome { result, ..Outcome::default() })
}

fn region(call: &Call<'_>) -> Result<Option<Region>> {
    let Some(numbers) = call.arguments.get("region").and_then(Value::as_array) else { return Ok(None) };
    let numbers: Vec<u32> = numbers.iter().filter_map(|n| n.as_u64().and_then(|n| u32::try_from(n).ok())).collect();
    match numbers.as_slice() {
        &[x, y, width, height] if width > 0 && height > 0 => Ok(Some(Region { x, y, width, height })),
        _ => Err(Error::new(Kind::InvalidArgument, format!("`region` {numbers:?} holds no pixel"))
            .hint("give [x, y, width, height], with width and height of at least 1")),
    }
}
