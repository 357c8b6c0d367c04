//! What a generation inside of an image begins from: the part that is painted, what is sent of the image round it, and
//! where the result shows, as they are in GIMP when it begins. What the user does there meanwhile does not matter.

use super::super::super::call::Call;
use super::resample::Resampled;
use crate::error::{Error, Kind, Result};
use crate::filters::{Depth, Raster};
use crate::images::Format;
use crate::images::encode::{Layout, Options, encode};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Pixels of the part, times the variants, at most.
const MOST_PIXELS: u64 = 400_000_000;
/// What stands for what is transparent: the middle of black and white.
const NEUTRAL: f32 = 0.5;
/// Megabytes of selections that wait for their pictures, all callers together; more calls wait for those.
static HELD: Semaphore = Semaphore::const_new(HELD_MB as usize);
const HELD_MB: u32 = 1024;
/// How often a selection may change between two looks at it.
const TRIES: usize = 3;

/// [x, y, width, height] in image pixels.
pub type Box4 = [i64; 4];

/// Where it is painted; from the plug-in, which knows.
#[derive(Clone, Debug)]
pub struct Area {
    pub image: u64,
    /// What is varied, or what the results go above.
    pub layer: Option<u64>,
    pub image_size: [u64; 2],
    /// Bits of a sample of the result.
    pub depth: u8,
    pub part: Box4,
    /// The part with its context; grown to the shape that the backend paints.
    pub box_: Box4,
    pub(super) frame: Box4,
}

/// What is there, at the size that the backend paints.
pub struct Seen {
    /// RGB, transparent parts neutral.
    pub picture: Raster,
    /// How opaque each pixel was.
    pub sure: Vec<f32>,
    /// What the result shows of each pixel of the part at its own size; `None`: all of all.
    pub shape: Option<Bytes>,
    /// Whether each pixel of the picture is painted.
    pub painted: Vec<bool>,
    /// The picture as PNG, and what is painted of it in white.
    pub image: Bytes,
    pub mask: Bytes,
}

impl Area {
    /// Asks the plug-in, which refuses what it could not put in place later.
    pub async fn ask(call: &Call<'_>, what: &str, margin: f64) -> Result<Area> {
        let mut arguments =
            Map::from_iter([("what".to_owned(), json!(what)), ("context_margin".into(), json!(margin))]);
        for name in ["image", "layer"] {
            if let Some(value) = call.arguments.get(name) {
                arguments.insert(name.into(), value.clone());
            }
        }
        let told = call.ops.gimp().call(call.request("generate_area", arguments)).await?;
        let number = |name: &str| told.get(name).and_then(Value::as_u64);
        let box4 = |name: &str| -> Result<Box4> {
            match told.get(name) {
                None => Ok([0; 4]),
                Some(value) => numbers(value).ok_or_else(|| broken(name)),
            }
        };
        let size: Option<[i64; 2]> = told.get("image_size").and_then(numbers);
        Ok(Area {
            image: number("image").ok_or_else(|| broken("image"))?,
            layer: number("layer"),
            image_size: size.ok_or_else(|| broken("image_size"))?.map(|side| side.unsigned_abs()),
            depth: if number("depth") == Some(8) { 8 } else { 16 },
            part: box4("part")?,
            box_: box4("box")?,
            frame: box4("frame")?,
        })
    }

    /// Refuses what is larger than is sensible to hold.
    pub fn check(&self, count: u32) -> Result<()> {
        let pixels = self.part[2].unsigned_abs() * self.part[3].unsigned_abs() * u64::from(count);
        if pixels <= MOST_PIXELS {
            return Ok(());
        }
        let message = format!(
            "{count} variants of {} x {} pixels are over the limit of {MOST_PIXELS} pixels",
            self.part[2], self.part[3]
        );
        Err(Error::new(Kind::TooLarge, message).hint("select a smaller part, or ask for fewer variants"))
    }

    /// Grows the box towards the shape of a picture of this size, as far as there is image.
    pub fn shape_for(&mut self, width: u32, height: u32) {
        let aspect = f64::from(width) / f64::from(height);
        let [x, y, wide, high] = self.box_;
        let wider = ((high as f64 * aspect).round() as i64).max(wide);
        let higher = ((wide as f64 / aspect).round() as i64).max(high);
        let (x, width) = along(x, wide, wider, self.frame[0], self.frame[2]);
        let (y, height) = along(y, high, higher, self.frame[1], self.frame[3]);
        self.box_ = [x, y, width, height];
    }

    /// Reads what is there. `size` is what the backend paints.
    pub async fn read(&self, call: &Call<'_>, what: &str, size: (u32, u32)) -> Result<Seen> {
        let mut arguments = json!({
            "image": self.image, "what": what, "part": self.part, "box": self.box_,
            "max_width": size.0 * 2, "max_height": size.1 * 2,
        });
        if let Some(layer) = self.layer.filter(|_| what == "vary") {
            arguments["layer"] = json!(layer);
        }
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
        let mut streamed = call.ops.gimp().stream(call.request("generate_read", arguments)).await?;
        let header = &streamed.header;
        let number = |name: &str| header.get(name).and_then(Value::as_u64).map(|number| number as usize);
        let (width, height) = number("width").zip(number("height")).ok_or_else(|| broken("width"))?;
        let planes = number("planes").filter(|planes| *planes <= 3).ok_or_else(|| broken("planes"))?;
        let hidden = header.get("hidden").and_then(Value::as_bool).unwrap_or(false);
        if width == 0 || height == 0 || width > size.0 as usize * 2 || height > size.1 as usize * 2 {
            return Err(broken("width"));
        }
        let part = (self.part[2] * self.part[3]) as usize;
        let expected = width * height * (4 + usize::from(hidden)) + part * planes;
        let mut bytes: Vec<u8> = Vec::with_capacity(expected);
        while let Some(chunk) = streamed.chunks.recv().await {
            if bytes.len() + chunk.len() > expected {
                return Err(broken("stream"));
            }
            bytes.extend_from_slice(&chunk);
        }
        streamed.result.await.map_err(Error::internal)??;
        if bytes.len() != expected {
            return Err(broken("stream"));
        }
        let (part, box_) = (self.part, self.box_);
        let work = move || seen(&bytes, (width, height), hidden, planes, (part, box_), size);
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// The part's place in a picture of the box, in that picture's pixels.
    pub fn part_in(&self, (width, height): (u32, u32)) -> [f64; 4] {
        let (across, down) = (f64::from(width) / self.box_[2] as f64, f64::from(height) / self.box_[3] as f64);
        [
            (self.part[0] - self.box_[0]) as f64 * across,
            (self.part[1] - self.box_[1]) as f64 * down,
            self.part[2] as f64 * across,
            self.part[3] as f64 * down,
        ]
    }
}

/// What a generation begins from.
pub struct Begun {
    pub area: Area,
    pub seen: Seen,
    /// What the backend is to paint.
    pub size: (u32, u32),
    /// Held until the result is in place.
    pub room: SemaphorePermit<'static>,
}

/// Room for what is held of the area, when others have theirs in place.
pub(super) async fn room(call: &Call<'_>, area: &Area) -> Result<SemaphorePermit<'static>> {
    let megabytes = u32::try_from((area.part[2] * area.part[3]) >> 20).unwrap_or(HELD_MB).min(HELD_MB);
    tokio::select! {
        room = HELD.acquire_many(megabytes) => room.map_err(Error::internal),
        () = call.context.cancel.cancelled() => Err(Error::new(Kind::Cancelled, "the generation was cancelled")),
        () = tokio::time::sleep(call.timeout) => {
            Err(Error::new(Kind::Busy, "other generations hold all the memory there is for large selections")
                .hint("try again when one is done, or select a smaller part"))
        }
    }
}

/// Asks where it is painted and reads what is there, again where the selection changed in between.
pub async fn begin(
    call: &Call<'_>,
    what: &str,
    margin: f64,
    count: u32,
    size_for: impl Fn(u32, u32) -> (u32, u32),
) -> Result<Begun> {
    let mut tries = 0;
    loop {
        let mut area = Area::ask(call, what, margin).await?;
        area.check(count)?;
        let held = room(call, &area).await?;
        let side = |side: i64| u32::try_from(side).unwrap_or(u32::MAX);
        let size = size_for(side(area.box_[2]), side(area.box_[3]));
        area.shape_for(size.0, size.1);
        tries += 1;
        match area.read(call, what, size).await {
            Err(error) if error.kind == Kind::Busy && tries < TRIES => {}
            read => return Ok(Begun { seen: read?, area, size, room: held }),
        }
    }
}

/// A side that grows to both ends, within those of the frame.
fn along(from: i64, length: i64, wanted: i64, least: i64, room: i64) -> (i64, i64) {
    let wanted = wanted.clamp(length, room.max(length));
    ((from - (wanted - length) / 2).min(least + room - wanted).max(least), wanted)
}

pub(super) fn seen(
    bytes: &[u8],
    (width, height): (usize, usize),
    hidden: bool,
    planes: usize,
    (part, box_): (Box4, Box4),
    size: (u32, u32),
) -> Result<Seen> {
    let (pixels, rest) = bytes.split_at(width * height * 4);
    let (cover, rest) = rest.split_at(if hidden { width * height } else { 0 });
    let mut own = Raster { width, height, channels: 4, data: Vec::with_capacity(pixels.len()), depth: Depth::U8 };
    for (at, pixel) in pixels.chunks_exact(4).enumerate() {
        let mut opaque = f32::from(pixel[3]) / 255.0;
        if let Some(cover) = cover.get(at) {
            opaque *= f32::from(*cover) / 255.0;
        }
        own.data.extend(pixel[..3].iter().map(|value| NEUTRAL + (f32::from(*value) / 255.0 - NEUTRAL) * opaque));
        own.data.push(opaque);
    }
    let (wide, high) = (size.0 as usize, size.1 as usize);
    let fitted = Resampled::whole(own, (wide, high));
    let mut picture = Raster::new(wide, high, 3, Depth::U8);
    let mut sure = Vec::with_capacity(wide * high);
    for (from, to) in fitted.data.chunks_exact(4).zip(picture.data.chunks_exact_mut(3)) {
        (0..3).for_each(|lane| to[lane] = from[lane].clamp(0.0, 1.0));
        sure.push(from[3].clamp(0.0, 1.0));
    }
    let shape = shape(rest, (part[2] * part[3]) as usize, planes);
    if shape.as_ref().is_some_and(|shape| shape.iter().all(|value| *value == 0)) {
        return Err(Error::new(
            Kind::InvalidArgument,
            "nothing that shows is selected, so nothing would be seen of it",
        )
        .hint("select a place where the layer is opaque, or use fill_selection_with_prompt"));
    }
    let painted = painted(shape.as_deref(), part, box_, (wide, high));
    let data: Vec<u8> = picture.data.iter().map(|value| (value * 255.0).round() as u8).collect();
    let white: Vec<u8> = painted.iter().map(|painted| u8::from(*painted) * 255).collect();
    let (image, mask) = (png(&data, size, 3)?, png(&white, size, 1)?);
    Ok(Seen { picture, sure, shape: shape.map(Bytes::from), painted, image, mask })
}

/// All planes together: what is selected, and as opaque as the layer and its mask are.
fn shape(planes: &[u8], pixels: usize, count: usize) -> Option<Vec<u8>> {
    let (first, rest) = planes.split_at_checked(pixels).filter(|_| count > 0)?;
    let mut shape = first.to_vec();
    for plane in rest.chunks_exact(pixels.max(1)) {
        let both = |one: u8, other: u8| ((u16::from(one) * u16::from(other) + 127) / 255) as u8;
        shape.iter_mut().zip(plane).for_each(|(value, other)| *value = both(*value, *other));
    }
    Some(shape)
}

/// Pixels of the picture that hold any of the shape, however little.
fn painted(shape: Option<&[u8]>, part: Box4, box_: Box4, (width, height): (usize, usize)) -> Vec<bool> {
    let across = spans(part[0] - box_[0], part[2], box_[2], width);
    let down = spans(part[1] - box_[1], part[3], box_[3], height);
    let mut painted = vec![false; width * height];
    for (y, rows) in down.iter().enumerate() {
        for (x, columns) in across.iter().enumerate() {
            painted[y * width + x] = match shape {
                None => !rows.is_empty() && !columns.is_empty(),
                Some(shape) => rows.clone().any(|row| {
                    let start = row * part[2] as usize;
                    shape[start + columns.start..start + columns.end].iter().any(|value| *value > 0)
                }),
            };
        }
    }
    painted
}

/// For each of `count` pixels across the box, the part's pixels that fall into it.
fn spans(offset: i64, length: i64, whole: i64, count: usize) -> Vec<std::ops::Range<usize>> {
    let step = whole as f64 / count as f64;
    let span = |index: usize| {
        let from = ((index as f64 * step + 1e-6).floor() as i64 - offset).clamp(0, length);
        let to = (((index + 1) as f64 * step - 1e-6).ceil() as i64 - offset).clamp(from, length);
        from as usize..to as usize
    };
    (0..count).map(span).collect()
}

/// A PNG of 8 bits.
fn png(data: &[u8], (width, height): (u32, u32), channels: u8) -> Result<Bytes> {
    let layout = Layout { width, height, channels, depth: 8 };
    let options = Options { format: Format::Png, quality: 100, max_bytes: None };
    let made = encode(layout, options, data).map_err(Error::internal)?;
    Ok(made.decode().into())
}

fn numbers<const N: usize>(value: &Value) -> Option<[i64; N]> {
    let numbers: Option<Vec<i64>> = value.as_array()?.iter().map(Value::as_i64).collect();
    numbers?.try_into().ok()
}

fn broken(what: &str) -> Error {
    tracing::error!(what, "the plug-in's area is broken");
    Error::new(Kind::ProtocolError, format!("the plug-in's area has a bad `{what}`"))
        .hint("update the plug-in: gimp-bridge install, then restart GIMP")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(box_: Box4, frame: Box4) -> Area {
        Area { image: 1, layer: None, image_size: [2000, 1500], depth: 8, part: box_, box_, frame }
    }

    #[test]
    fn the_box_takes_the_pictures_shape_where_there_is_room() {
        let canvas = [0, 0, 2000, 1500];
        for (box_, size, grown) in [
            ([100, 100, 300, 200], (512, 512), [100, 50, 300, 300]),
            ([0, 700, 1500, 40], (512, 256), [0, 345, 1500, 750]),
            ([1990, 0, 10, 1500], (1024, 1024), [500, 0, 1500, 1500]),
            ([0, 0, 2000, 10], (64, 64), [0, 0, 2000, 1500]),
        ] {
            let mut area = area(box_, canvas);
            area.shape_for(size.0, size.1);
            assert_eq!(area.box_, grown);
        }
        let mut off = area([-50, -20, 30, 500], [-50, -20, 400, 600]);
        off.shape_for(512, 512);
        assert_eq!(off.box_, [-50, -20, 400, 500]);
    }

    #[test]
    fn whatever_shows_a_little_is_painted() {
        let (part, box_) = ([4, 2, 3, 2], [0, 0, 12, 6]);
        let shape = [0, 1, 0, 0, 0, 255];
        let at = |size| painted(Some(&shape), part, box_, size);
        let marked = |painted: Vec<bool>| painted.iter().enumerate().filter(|(_, on)| **on).map(|(at, _)| at).collect();
        let same: Vec<usize> = marked(at((12, 6)));
        assert_eq!(same, [2 * 12 + 5, 3 * 12 + 6]);
        let small: Vec<usize> = marked(at((6, 3)));
        assert_eq!(small, [6 + 2, 6 + 3]);
        let large: Vec<usize> = marked(at((24, 12)));
        assert_eq!(
            large,
            [4 * 24 + 10, 4 * 24 + 11, 5 * 24 + 10, 5 * 24 + 11, 6 * 24 + 12, 6 * 24 + 13, 7 * 24 + 12, 7 * 24 + 13]
        );
    }
}
