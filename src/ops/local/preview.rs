//! The `preview` of a changing call: a small picture of what it did, with the answer.

use super::super::Outcome;
use super::super::call::Call;
use super::pixels::{self, Fit, Header, Read1, Source};
use crate::error::{Error, Kind, Result};
use crate::images::encode::Options;
use crate::images::{Format, Picture};
use serde_json::{Value, json};

/// Adds the picture, or says why there is none: the change was made, so the call did not fail.
pub async fn add(call: &Call<'_>, side: u32, outcome: &mut Outcome) {
    match read(call, side, outcome).await {
        Ok((header, picture)) => {
            outcome.result.insert(
                "preview".into(),
                json!({
                    "image": header.image, "format": picture.format.name(), "bytes": picture.bytes,
                    "width": picture.width, "height": picture.height,
                    "original_width": header.original.0, "original_height": header.original.1,
                    "scale_map": header.scale_map(),
                }),
            );
            outcome.pictures.push(picture);
        }
        Err(error) => {
            outcome.result.insert("preview_error".into(), error.to_json());
        }
    }
}

async fn read(call: &Call<'_>, side: u32, outcome: &Outcome) -> Result<(Header, Picture)> {
    let result = &outcome.result;
    let touched = [result.get("image"), result.get("effect").map(|effect| &effect["image"])];
    let image = touched.into_iter().flatten().find_map(Value::as_u64).ok_or_else(|| {
        Error::new(Kind::NoImage, "the call touched no image, so there is nothing to preview")
            .hint("look with get_image_bitmap")
    })?;
    let fit = Fit { max_width: Some(side), max_height: Some(side), enlarge: false };
    let source = Source { image: Some(image), fit: Some(fit), ..Source::default() };
    // PNG: a model checks its edit here, and an artefact of JPEG would pass for a fault of the edit.
    let options = Options { format: Format::Png, quality: 100, max_bytes: None };
    match pixels::read(call, source, options).await? {
        (header, Read1::Picture(picture)) => Ok((header, *picture)),
        (_, Read1::TooLarge { .. }) => Err(Error::internal("a preview without a limit was over it")),
    }
}
