//! A picture that comes with a call, filled from words without a GIMP: the same area, mask and border as in an image.

use super::super::super::call::Call;
use super::super::super::{Catalogue, Context, Ops, Outcome};
use super::super::generate::{add_links, make, message, wanted};
use super::area::{Area, Seen, room, seen};
use super::resample::Resampled;
use super::{place, scaled};
use crate::error::{Error, Kind, Result};
use crate::filters::{Picture, Plane, Raster};
use crate::generate::{Made, Needs, Source, Unclaimed};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What became of it.
pub struct FilledPicture {
    pub picture: Picture,
    /// image_id, url and metadata of what the backend made, which is stored.
    pub image: Value,
    pub message: String,
    pub notes: Vec<String>,
}

impl Ops {
    /// Paints what `arguments` say, those of fill_selection_with_prompt, where `mask` is above zero.
    ///
    /// # Errors
    /// `unsupported` without a backend that can; `invalid_argument`; the backend's own; `timeout`, `cancelled`.
    pub async fn fill_picture(
        &self,
        picture: Picture,
        mask: Plane,
        arguments: Map<String, Value>,
        context: &Context,
    ) -> Result<FilledPicture> {
        let operation = Catalogue::get().find_public("fill_selection_with_prompt")?;
        let call = Call::new(self, operation, arguments, context)?;
        let generator = self.generator()?;
        let mut wanted = wanted(&call)?;
        let chosen = generator.chosen(wanted.backend.as_deref(), wanted.request.model.as_deref(), Needs::Mask, true)?;
        let number = |name: &str| call.arguments.get(name).and_then(Value::as_f64);
        let margin = number("context_margin").unwrap_or_else(|| generator.context_margin());
        let mut area = area(&picture, &mask, margin).ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "the mask is black, so there is nothing to fill")
                .hint("make it white where to fill")
        })?;
        area.check(1)?;
        let _room = room(&call, &area).await?;
        let [_, _, wide, high] = area.box_.map(|side| side as u32);
        let size = chosen.limits.size_for(wide, high);
        area.shape_for(size.0, size.1);
        let (picture, mask) = (Arc::new(picture), Arc::new(mask));
        let (from, over, at) = (picture.clone(), mask.clone(), area.clone());
        let looked = tokio::task::spawn_blocking(move || look(&from, &over, &at, size));
        let seen = looked.await.map_err(Error::internal)??;
        (wanted.request.width, wanted.request.height) = size;
        let (image, mask_image) = (seen.image.clone(), Some(seen.mask.clone()));
        let strength = number("strength").unwrap_or(1.0);
        wanted.request.source = Some(Arc::new(Source { image, mask: mask_image, strength }));
        wanted.count = 1;
        let Made { records, mut notes, unclaimed } = make(&call, generator, wanted).await?;
        let image = add_links(&call, generator, &records, &mut Outcome::default()).await?.into_iter().next();
        scaled(&area, size, &mut notes);
        let made = place::picture(generator, &records[0], &mut notes).await?;
        let (made, moved) = place::fitted(made, Arc::new(seen), size).await?;
        if moved >= place::MOVED {
            notes.push("its colours were matched to what is round it".into());
        }
        let done = move || composed(&picture, &mask, &area, made, size);
        let picture = tokio::task::spawn_blocking(done).await.map_err(Error::internal)?;
        unclaimed.into_iter().for_each(Unclaimed::claim);
        Ok(FilledPicture { picture, image: image.unwrap_or_default(), message: message(&records, 1), notes })
    }
}

/// What the mask covers, with its context; `None`: nothing.
fn area(picture: &Picture, mask: &Plane, margin: f64) -> Option<Area> {
    let (x, y, width, height) = mask.bounds(0.0)?;
    let part = [x, y, width, height].map(|side| side as i64);
    let whole = [picture.width, picture.height].map(|side| side as i64);
    let more = (margin * part[2].max(part[3]) as f64).round() as i64;
    let along = |from: i64, length: i64, whole: i64| {
        let first = (from - more).max(0);
        (first, (from + length + more).min(whole) - first)
    };
    let (left, wide) = along(part[0], part[2], whole[0]);
    let (top, high) = along(part[1], part[3], whole[1]);
    Some(Area {
        image: 0,
        layer: None,
        image_size: whole.map(i64::unsigned_abs),
        depth: 8,
        part,
        box_: [left, top, wide, high],
        frame: [0, 0, whole[0], whole[1]],
    })
}

/// What is there, as the plug-in would send it.
fn look(picture: &Picture, mask: &Plane, area: &Area, size: (u32, u32)) -> Result<Seen> {
    let [x, y, width, height] = area.box_.map(|side| side as usize);
    let box_ = picture.region(x, y, width, height);
    let byte = |value: f32| (value * 255.0).round() as u8;
    let mut bytes = Vec::with_capacity(width * height * 4);
    for pixel in box_.data.chunks_exact(box_.channels) {
        let gray = box_.channels < 3;
        bytes.extend((0..3).map(|lane| byte(pixel[if gray { 0 } else { lane }])));
        bytes.push(if picture.has_alpha() { byte(pixel[box_.channels - 1]) } else { 255 });
    }
    let [x, y, wide, high] = area.part.map(|side| side as usize);
    for row in y..y + high {
        // However little is covered is painted.
        bytes.extend(
            (x..x + wide).map(|column| mask.at(column, row)).map(|value| byte(value).max(u8::from(value > 0.0))),
        );
    }
    seen(&bytes, (width, height), false, 1, (area.part, area.box_), size)
}

/// The picture with what was made over it, as far as the mask says; elsewhere as it was, to the bit.
fn composed(picture: &Picture, mask: &Plane, area: &Area, made: Raster, size: (u32, u32)) -> Picture {
    let [x, y, width, height] = area.part.map(|side| side as usize);
    let resampled = Resampled::new(Arc::new(made), area.part_in(size), (width, height));
    let mut result = picture.clone();
    let channels = picture.channels;
    let (colors, alpha) = if picture.has_alpha() { (channels - 1, true) } else { (channels, false) };
    let mut row = vec![0.0; width * channels];
    for line in 0..height {
        let new = resampled.rows(line, 1);
        let start = ((y + line) * picture.width + x) * channels;
        picture.samples.read(start, &mut row);
        let mut changed = false;
        for (at, (old, new)) in row.chunks_exact_mut(channels).zip(new.chunks_exact(3)).enumerate() {
            let cover = mask.at(x + at, y + line).clamp(0.0, 1.0);
            if cover <= 0.0 {
                continue;
            }
            changed = true;
            let under = if alpha { old[colors] } else { 1.0 };
            let opaque = cover + under * (1.0 - cover);
            let gray = 0.2126 * new[0] + 0.7152 * new[1] + 0.0722 * new[2];
            for lane in 0..colors {
                let new = if colors == 1 { gray } else { new[lane] }.clamp(0.0, 1.0);
                old[lane] = (new * cover + old[lane] * under * (1.0 - cover)) / opaque;
            }
            if alpha {
                old[colors] = opaque;
            }
        }
        if changed {
            result.samples.write(start, &row);
        }
    }
    result
}
