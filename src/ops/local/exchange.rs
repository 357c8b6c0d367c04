//! Whole pictures between GIMP and the daemon in their own depth: for filters and for the analysis.

use super::super::call::Call;
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::{Depth, Picture, Plane, Samples};
use crate::gimp::Streamed;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most pixels that travel at once: 1 GiB of 8-bit RGB, and what a filter holds of it, is as much as is sensible.
const MAX_PIXELS: u64 = 400_000_000;
/// Bytes of one strip on its way into GIMP; whole rows, at least one.
const STRIP: usize = 32 << 20;

/// A picture with where it came from.
pub struct Read {
    pub picture: Arc<Picture>,
    pub image: Option<u64>,
    pub layer: Option<u64>,
    /// Whether that is a group: the picture is what its layers make together.
    pub group: bool,
    pub name: String,
    /// Of the picture's corner in the image, in pixels.
    pub offset: (i64, i64),
    /// Left, top, width, height in the picture; `None`: nothing is selected, so everything is meant.
    pub selection: Option<[u64; 4]>,
}

/// Reads what `arguments` of `filter_read` say.
pub async fn read(call: &Call<'_>, arguments: Map<String, Value>) -> Result<Read> {
    let streamed = call.ops.gimp().stream(call.request("filter_read", arguments)).await?;
    let header = streamed.header.clone();
    let number = |name: &str| header.get(name).and_then(Value::as_u64).ok_or_else(|| broken(name));
    let (width, height) = (number("width")?, number("height")?);
    if width * height > MAX_PIXELS {
        return Err(Error::new(
            Kind::TooLarge,
            format!("{width} x {height} pixels are over the limit of {MAX_PIXELS}"),
        )
        .hint("work on a smaller layer, or crop a part into an image of its own")
        .because(Reason::OutOfMemory));
    }
    let channels = usize::try_from(number("channels")?).ok().filter(|count| (1..=4).contains(count));
    let channels = channels.ok_or_else(|| broken("channels"))?;
    let depth = match number("depth")? {
        8 => Depth::U8,
        16 => Depth::U16,
        32 => Depth::F32,
        _ => return Err(broken("depth")),
    };
    let (width, height) = (width as usize, height as usize);
    let (samples, result) = collect(streamed, width * height * channels, depth).await?;
    let pair = |name: &str| Some((result.get(name)?.get(0)?.as_i64()?, result.get(name)?.get(1)?.as_i64()?));
    let selection = result.get("selection").and_then(Value::as_array).and_then(|numbers| {
        let numbers: Vec<u64> = numbers.iter().filter_map(Value::as_u64).collect();
        <[u64; 4]>::try_from(numbers).ok()
    });
    Ok(Read {
        picture: Arc::new(Picture { width, height, channels, samples }),
        image: result.get("image").and_then(Value::as_u64),
        layer: result.get("layer").and_then(Value::as_u64),
        group: result.get("group").and_then(Value::as_bool).unwrap_or(false),
        name: result.get("name").and_then(Value::as_str).unwrap_or("layer").to_owned(),
        offset: pair("offset").unwrap_or((0, 0)),
        selection,
    })
}

/// Reads the selection, or how bright an item is, over the picture's place in the image.
pub async fn read_mask(call: &Call<'_>, read: &Read, item: Option<u64>) -> Result<Plane> {
    let Picture { width, height, .. } = *read.picture;
    let samples = Samples::U8(read_values(call, read.image, read.offset, (width, height), item).await?);
    let mut plane = Plane::filled(width, height, 0.0);
    samples.read(0, &mut plane.data);
    Ok(plane)
}

/// One byte a pixel of the selection, or of how bright an item is, at a place of the image.
pub async fn read_values(
    call: &Call<'_>,
    image: Option<u64>,
    (x, y): (i64, i64),
    (width, height): (usize, usize),
    item: Option<u64>,
) -> Result<Vec<u8>> {
    let mut arguments = json!({"width": width, "height": height, "x": x, "y": y});
    arguments["image"] = json!(image);
    if let Some(item) = item {
        arguments["item"] = json!(item);
    }
    let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
    let streamed = call.ops.gimp().stream(call.request("filter_read_mask", arguments)).await?;
    match collect(streamed, width * height, Depth::U8).await? {
        (Samples::U8(values), _) => Ok(values),
        _ => Err(broken("depth")),
    }
}

/// The stream's samples, as many as the header promised; chunks need not end where samples do.
async fn collect(mut streamed: Streamed, count: usize, depth: Depth) -> Result<(Samples, Map<String, Value>)> {
    let bytes_per = match depth {
        Depth::U8 => 1,
        Depth::U16 => 2,
        Depth::F32 => 4,
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(count * bytes_per);
    while let Some(chunk) = streamed.chunks.recv().await {
        if bytes.len() + chunk.len() > count * bytes_per {
            return Err(broken("stream"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let result = streamed.result.await.map_err(Error::internal)??;
    if bytes.len() != count * bytes_per {
        return Err(broken("stream"));
    }
    let samples = match depth {
        Depth::U8 => Samples::U8(bytes),
        Depth::U16 => Samples::U16(bytes.as_chunks().0.iter().map(|pair| u16::from_ne_bytes(*pair)).collect()),
        Depth::F32 => Samples::F32(bytes.as_chunks().0.iter().map(|four| f32::from_ne_bytes(*four)).collect()),
    };
    Ok((samples, result))
}

fn broken(what: &str) -> Error {
    tracing::error!(what, "the plug-in's pixels are broken");
    Error::new(Kind::ProtocolError, format!("the plug-in's pixels have a bad `{what}`"))
        .hint("update the plug-in: gimp-bridge install, then restart GIMP")
}

/// Where a result goes, and what it is called there.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub kind: &'a str,
    /// Of the layer or image.
    pub name: &'a str,
    /// Of the step in GIMP's undo history.
    pub step: &'a str,
}

/// Sends a picture in strips and puts it where `place.kind` says; the answer is the plug-in's, with the proof of effect.
pub async fn place(
    call: &Call<'_>,
    read: &Read,
    Place { kind, name, step }: Place<'_>,
    picture: Picture,
) -> Result<Map<String, Value>> {
    let mut stage = Stage::new(call);
    let placed = async {
        let Picture { width, height, channels, samples } = picture;
        let depth = match samples {
            Samples::U8(_) => 8,
            Samples::U16(_) => 16,
            Samples::F32(_) => 32,
        };
        let row = width * channels;
        let strip = move |top, rows| bytes_of(&samples, top * row, rows * row);
        let token = stage.send((width, height), channels, depth, strip).await?;
        let mut arguments =
            json!({"token": token, "kind": kind, "name": name, "step": step, "x": read.offset.0, "y": read.offset.1});
        arguments["image"] = json!(read.image);
        if let Some(layer) = read.layer {
            arguments["layer"] = json!(layer);
        }
        if let Some(verify) = call.arguments.get("verify") {
            arguments["verify"] = verify.clone();
        }
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
        call.ops.gimp().call(call.request("filter_place", arguments)).await
    };
    let placed: Result<Map<String, Value>> = placed.await;
    if placed.is_err() {
        stage.drop_all().await;
    }
    placed
}

/// Pictures that wait in the plug-in until a call puts them in place.
pub struct Stage<'a, 'b> {
    call: &'a Call<'b>,
    tokens: Vec<String>,
}

impl<'a, 'b> Stage<'a, 'b> {
    pub fn new(call: &'a Call<'b>) -> Stage<'a, 'b> {
        Stage { call, tokens: Vec::new() }
    }

    /// Sends a picture in strips, and gives its token. `strip` makes rows (the first one and how many) of samples of
    /// `depth` bits, on a thread that may block.
    pub async fn send(
        &mut self,
        (width, height): (usize, usize),
        channels: usize,
        depth: u8,
        strip: impl Fn(usize, usize) -> Bytes + Send + Sync + 'static,
    ) -> Result<String> {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let token = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        self.tokens.push(token.clone());
        let rows = (STRIP / (width * channels * usize::from(depth) / 8).max(1)).max(1);
        let strip = Arc::new(strip);
        for top in (0..height).step_by(rows) {
            let (strip, count) = (strip.clone(), rows.min(height - top));
            let bytes = tokio::task::spawn_blocking(move || strip(top, count)).await.map_err(Error::internal)?;
            let arguments = json!({"token": token, "width": width, "height": height, "channels": channels, "depth": depth, "top": top});
            let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
            self.call.ops.gimp().call(self.call.upload("filter_stage", arguments, bytes)).await?;
        }
        Ok(token)
    }

    /// After a failure: also after a cancel, so without its token. Strips that nobody drops go by themselves after a
    /// while.
    pub async fn drop_all(&self) {
        for token in &self.tokens {
            let arguments = Map::from_iter([("token".to_owned(), Value::from(token.as_str()))]);
            let mut request = self.call.request("filter_drop", arguments);
            request.cancel = tokio_util::sync::CancellationToken::new();
            let _ = self.call.ops.gimp().call(request).await;
        }
    }
}

fn bytes_of(samples: &Samples, from: usize, count: usize) -> Bytes {
    match samples {
        Samples::U8(samples) => Bytes::copy_from_slice(&samples[from..from + count]),
        Samples::U16(samples) => samples[from..from + count].iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
        Samples::F32(samples) => samples[from..from + count].iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
    }
}

/// A plane as a picture of one channel of 8 bits.
pub fn gray(plane: &Plane) -> Picture {
    let mut samples = Samples::zeroed(Depth::U8, plane.data.len());
    samples.write(0, &plane.data);
    Picture { width: plane.width, height: plane.height, channels: 1, samples }
}
