//! The `preview` of a changing call: a small picture of what it did, with the answer.

use super::super::Outcome;
use super::super::call::Call;
use super::pixels::{Fit, Source};
use super::show::{Shown, Wish, show};
use crate::error::{Error, Kind, Result};
use crate::images::Format;
use serde_json::{Map, Value, json};

/// Adds the picture, or says why there is none: the change was made, so the call did not fail.
pub async fn add(call: &Call<'_>, side: u32, outcome: &mut Outcome) {
    match read(call, side, &outcome.result).await {
        Ok(shown) => {
            let Shown { header, picture, .. } = &shown;
            let mut preview = json!({
                "image": header.image, "name": header.name, "format": picture.format.name(), "bytes": picture.bytes,
                "width": picture.width, "height": picture.height,
                "original_width": header.original.0, "original_height": header.original.1,
                "scale_map": header.scale_map(),
            });
            if let Some(quality) = shown.quality {
                preview["quality"] = quality.into();
            }
            if let Some(note) = shown.note {
                preview["note"] = note.into();
            }
            outcome.result.insert("preview".into(), preview);
            outcome.pictures.push(shown.picture);
        }
        Err(error) => {
            outcome.result.insert("preview_error".into(), error.to_json());
        }
    }
}

async fn read(call: &Call<'_>, side: u32, result: &Map<String, Value>) -> Result<Shown> {
    let image = holder(result).ok_or_else(|| {
        Error::new(Kind::NoImage, "the call touched no image, so there is nothing to preview")
            .hint("look with get_image_bitmap")
    })?;
    let fit = Fit { max_width: Some(side), max_height: Some(side), enlarge: false };
    let source = Source { image: Some(image), fit: Some(fit), ..Source::default() };
    // An exact one for programs, which compare it; a model's is worked out so that its eyes see no difference.
    let format = (!call.pictures.by_content).then_some(Format::Png);
    show(call, Wish { source, format, quality: None, pictures: call.pictures }).await
}

/// The image that holds what the call made: the one that the plug-in goes on with, else the one acted on.
fn holder(result: &Map<String, Value>) -> Option<u64> {
    let places = [result.get("next_image"), result.get("image"), result.get("effect").map(|effect| &effect["image"])];
    places.into_iter().flatten().find_map(Value::as_u64)
}
