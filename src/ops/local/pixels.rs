//! Pixels from GIMP to an encoded picture: one streamed request, encoded while its rows arrive.

use super::super::call::Call;
use crate::error::{Error, Kind, Result};
use crate::gimp::{Progress, ProgressSink, Streamed};
use crate::images::Picture;
use crate::images::encode::{EncodeError, Layout, Options, encode};
use bytes::{Buf, Bytes};
use serde_json::{Map, Value, json};
use std::io::{self, Read};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Most bytes of pixels that are held at once.
const MAX_RAW: usize = 2 << 30;

/// A rectangle in image or drawable pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Fit inside, keeping the aspect ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    pub max_width: Option<u32>,
    pub max_height: Option<u32>,
    pub enlarge: bool,
}

/// What to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    pub image: Option<u64>,
    pub layer: Option<u64>,
    pub region: Option<Region>,
    pub fit: Option<Fit>,
}

impl Source {
    /// The arguments of the internal operation `read_pixels`.
    fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        if let Some(image) = self.image {
            arguments.insert("image".into(), image.into());
        }
        if let Some(layer) = self.layer {
            arguments.insert("layer".into(), layer.into());
        }
        if let Some(region) = self.region {
            let region = json!({"x": region.x, "y": region.y, "w": region.width, "h": region.height});
            arguments.insert("region".into(), region);
        }
        if let Some(fit) = self.fit {
            let mut value = json!({"enlarge": fit.enlarge});
            for (name, limit) in [("max_width", fit.max_width), ("max_height", fit.max_height)] {
                if let Some(limit) = limit {
                    value[name] = limit.into();
                }
            }
            arguments.insert("fit".into(), value);
        }
        arguments.insert("depth".into(), 8.into());
        arguments
    }
}

/// What the plug-in says it streams.
#[derive(Clone, Debug)]
pub struct Header {
    pub layout: Layout,
    /// The image acted on.
    pub image: u64,
    /// The image's (or drawable's) size in pixels.
    pub original: (u32, u32),
    /// What was read of it, clipped to it.
    pub region: Region,
    /// What a person calls the image.
    pub name: String,
    /// What the plug-in wants said with the answer, such as why it was this image.
    pub note: Option<String>,
}

impl Header {
    /// Reads a `read_pixels` header; a peer that breaks the contract gets no allocation out of it.
    pub fn parse(header: &Map<String, Value>) -> Result<Header> {
        let broken = |what: &str| {
            tracing::error!(what, "the plug-in's pixel header is broken");
            Error::new(Kind::ProtocolError, format!("the plug-in's pixel header has a bad `{what}`"))
                .hint("update the plug-in: gimp-bridge install, then restart GIMP")
        };
        let number = |value: &Value, name: &str| {
            value.as_u64().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| broken(name))
        };
        let field = |name: &str| number(header.get(name).unwrap_or(&Value::Null), name);
        let small = |name: &str| field(name).and_then(|value| u8::try_from(value).map_err(|_| broken(name)));
        let side = |name: &str| number(&header.get("region").unwrap_or(&Value::Null)[name], "region");
        let layout = Layout {
            width: field("width")?,
            height: field("height")?,
            channels: small("channels")?,
            depth: small("depth")?,
        };
        if header.get("row_bytes").and_then(Value::as_u64) != Some(layout.row_bytes() as u64) {
            return Err(broken("row_bytes"));
        }
        Ok(Header {
            layout,
            image: header.get("image").and_then(Value::as_u64).ok_or_else(|| broken("image"))?,
            original: (field("original_width")?, field("original_height")?),
            region: Region { x: side("x")?, y: side("y")?, width: side("w")?, height: side("h")? },
            name: header.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            note: None,
        })
    }

    /// `image_x = offset_x + x * scale_x`, from the picture's pixels to the image's.
    pub fn scale_map(&self) -> Value {
        json!({
            "offset_x": self.region.x,
            "offset_y": self.region.y,
            "scale_x": f64::from(self.region.width) / f64::from(self.layout.width),
            "scale_y": f64::from(self.region.height) / f64::from(self.layout.height),
        })
    }

    /// Whether the picture's size is not that of what was read.
    pub fn scaled(&self) -> bool {
        (self.layout.width, self.layout.height) != (self.region.width, self.region.height)
    }

    fn noted(mut self, result: &Map<String, Value>) -> Header {
        self.note = result.get("note").and_then(Value::as_str).map(str::to_owned);
        self
    }
}

/// A picture, or how large it would have been.
pub enum Read1 {
    Picture(Box<Picture>),
    /// Over `max_bytes`; about this many bytes in all.
    TooLarge {
        expected: u64,
    },
}

/// Asks GIMP for pixels and encodes them as they come.
pub async fn read(call: &Call<'_>, source: Source, options: Options) -> Result<(Header, Read1)> {
    let (header, streamed, stop) = open(call, source).await?;
    let layout = header.layout;
    let (read, result) = encode_stream(streamed, layout, options, stop, call.context.progress.clone()).await?;
    Ok((header.noted(&result), read))
}

/// Asks GIMP for pixels of 8 bits and gives them as they are, rows from the top without padding.
pub async fn raw(call: &Call<'_>, source: Source) -> Result<(Header, Vec<u8>)> {
    let (header, streamed, stop) = open(call, source).await?;
    collect(header, streamed, &stop).await
}

/// The same where there are at most `most` pixels, else only the header.
pub async fn raw_up_to(call: &Call<'_>, source: Source, most: u64) -> Result<(Header, Option<Vec<u8>>)> {
    let (header, streamed, stop) = open(call, source).await?;
    if header.layout.pixels() > most {
        stop.cancel();
        return Ok((header, None));
    }
    let (header, bytes) = collect(header, streamed, &stop).await?;
    Ok((header, Some(bytes)))
}

async fn collect(header: Header, mut streamed: Streamed, stop: &CancellationToken) -> Result<(Header, Vec<u8>)> {
    let expected = header.layout.row_bytes() * header.layout.height as usize;
    let mut bytes = Vec::with_capacity(expected.min(MAX_RAW));
    while let Some(chunk) = streamed.chunks.recv().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_RAW {
            stop.cancel();
            return Err(Error::new(
                Kind::TooLarge,
                format!("{expected} bytes of pixels are over the limit of {MAX_RAW}"),
            )
            .hint("give a region"));
        }
    }
    let result = streamed.result.await.map_err(Error::internal)??;
    if bytes.len() != expected {
        return Err(Error::internal(format!("{} bytes of pixels came instead of {expected}", bytes.len())));
    }
    Ok((header.noted(&result), bytes))
}

/// Only the header: what would be read, without the pixels.
pub async fn measure(call: &Call<'_>, source: Source) -> Result<Header> {
    let (header, _, stop) = open(call, source).await?;
    stop.cancel();
    Ok(header)
}

async fn open(call: &Call<'_>, source: Source) -> Result<(Header, Streamed, CancellationToken)> {
    match open_exactly(call, source).await {
        // Only GIMP knows the size: it refuses a region that is not inside, and says it.
        Err(error) if error.kind == Kind::InvalidArgument && source.region.is_some() => {
            let region = source.region.and_then(|region| clip(region, &error).transpose()).ok_or(error)??;
            open_exactly(call, Source { region: Some(region), ..source }).await
        }
        answer => answer,
    }
}

async fn open_exactly(call: &Call<'_>, source: Source) -> Result<(Header, Streamed, CancellationToken)> {
    // A token of its own, so that giving up on the stream does not cancel the call.
    let stop = call.context.cancel.child_token();
    let mut request = call.request("read_pixels", source.arguments());
    request.cancel = stop.clone();
    request.progress = None;
    let streamed = call.ops.gimp().stream(request).await?;
    match Header::parse(&streamed.header) {
        Ok(header) => Ok((header, streamed, stop)),
        Err(error) => {
            stop.cancel();
            Err(error)
        }
    }
}

/// The part of the region inside the size that a refusal told; `None` if it told none.
fn clip(region: Region, refusal: &Error) -> Result<Option<Region>> {
    let side = |name: &str| refusal.details.get(name).and_then(Value::as_u64).and_then(|side| u32::try_from(side).ok());
    let (Some(width), Some(height)) = (side("width"), side("height")) else { return Ok(None) };
    let Region { x, y, width: wanted_width, height: wanted_height } = region;
    if x >= width || y >= height {
        let message = format!(
            "the region of {wanted_width} x {wanted_height} at ({x}, {y}) is outside the {width} x {height} pixels"
        );
        return Err(Error::new(Kind::InvalidArgument, message)
            .hint(format!("origin_x must be below {width} and origin_y below {height}")));
    }
    let inside = Region { x, y, width: wanted_width.min(width - x), height: wanted_height.min(height - y) };
    // The same region again would be refused again, for another reason.
    Ok((inside != region).then_some(inside))
}

/// Encodes a stream's rows on a thread that may block; ends the stream when the picture cannot be made. Gives the
/// response too, which is empty where the stream was ended.
async fn encode_stream(
    streamed: Streamed,
    layout: Layout,
    options: Options,
    stop: CancellationToken,
    progress: Option<ProgressSink>,
) -> Result<(Read1, Map<String, Value>)> {
    let rows = ChunkReader { chunks: streamed.chunks, chunk: Bytes::new(), meter: Meter::new(layout, progress) };
    let encoded = tokio::task::spawn_blocking(move || encode(layout, options, rows)).await.map_err(Error::internal)?;
    match encoded {
        Ok(picture) => {
            // All rows came; the response still has to confirm them.
            let result = streamed.result.await.map_err(Error::internal)??;
            Ok((Read1::Picture(Box::new(picture)), result))
        }
        Err(EncodeError::OverMaxBytes { expected }) => {
            stop.cancel();
            Ok((Read1::TooLarge { expected }, Map::new()))
        }
        Err(EncodeError::Rows(cause)) => {
            // A stream that ends early has its reason in the response.
            streamed.result.await.map_err(Error::internal)??;
            Err(Error::internal(format!("the plug-in's pixel stream is short: {cause}")))
        }
        Err(error) => {
            stop.cancel();
            Err(not_encoded(error))
        }
    }
}

/// What a client hears of a picture that no try can make.
pub fn not_encoded(error: EncodeError) -> Error {
    match error {
        EncodeError::TooLarge { .. } => Error::new(Kind::TooLarge, error.to_string())
            .hint("use format png, or make it smaller with max_width or scaled_to_width"),
        error => Error::internal(error),
    }
}

/// A stream's chunks as one sequence of bytes. For threads that may block.
struct ChunkReader {
    chunks: mpsc::Receiver<Bytes>,
    chunk: Bytes,
    meter: Meter,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        self.meter.add(count as u64);
        Ok(count)
    }
}

/// Reports how much of a picture has come, in at most twenty steps.
struct Meter {
    sink: Option<ProgressSink>,
    total: u64,
    done: u64,
    next: u64,
}

/// Pictures below this many raw bytes come too fast for progress to be worth a message.
const QUIET_BELOW: u64 = 64 << 20;

impl Meter {
    fn new(layout: Layout, sink: Option<ProgressSink>) -> Meter {
        let total = layout.total_bytes();
        Meter { sink: sink.filter(|_| total >= QUIET_BELOW), total, done: 0, next: total / 20 }
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(sink) = &self.sink
            && self.done >= self.next
        {
            self.next += self.total / 20;
            let share = self.done as f64 / self.total as f64;
            sink(Progress { progress: share, total: Some(1.0), message: Some("reading and encoding pixels".into()) });
        }
    }
}

#[cfg(test)]
#[path = "pixels_tests.rs"]
mod tests;
