//! What every backend is: it makes one picture of a request, and says before what it can.

use super::afterwards;
use super::declare::Declaration;
use super::limits::Limits;
use crate::error::{Error, Kind, Reason, Result};
use crate::images::sniff::sniff;
use crate::upstream::{Answer, Request as HttpRequest, Upstream};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Pixels; a picture that is larger was not asked for.
const LONGEST_SIDE: u32 = 16_384;
const MOST_PIXELS: u64 = 64 << 20;
/// How long an answer may take to what it is told of a picture that was given up.
const STOPPING: Duration = Duration::from_secs(5);

/// One picture that is wanted. Names and ranges are those of `generate_image`.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub prompt: String,
    pub negative_prompt: Option<String>,
    pub width: u32,
    pub height: u32,
    pub num_inference_steps: u32,
    pub guidance_scale: f64,
    pub seed: Option<u32>,
    pub model: Option<String>,
    /// `None`: from words alone.
    pub source: Option<Arc<Source>>,
}

/// A picture to begin from.
#[derive(Clone, PartialEq)]
pub struct Source {
    /// PNG, 8-bit RGB, of the request's size.
    pub image: Bytes,
    /// PNG, 8-bit grey, of the same size, white where it is to be painted. `None`: everywhere.
    pub mask: Option<Bytes>,
    /// 0 to 1: how far the result may be from it.
    pub strength: f64,
}

impl std::fmt::Debug for Source {
    // Pictures do not belong into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mask = self.mask.as_ref().map(Bytes::len);
        write!(f, "Source {{ image: {} bytes, mask: {mask:?} bytes, strength: {} }}", self.image.len(), self.strength)
    }
}

/// What a request takes of a backend beside words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Words,
    /// To begin from a picture.
    Picture,
    /// To paint a part of one.
    Mask,
}

impl Request {
    /// What was given, under our own names; pictures in base64.
    pub fn parameters(&self) -> Vec<(&'static str, Value)> {
        let mut all = vec![("prompt", json!(self.prompt))];
        all.extend(self.negative_prompt.as_ref().map(|text| ("negative_prompt", json!(text))));
        all.extend([
            ("width", json!(self.width)),
            ("height", json!(self.height)),
            ("num_inference_steps", json!(self.num_inference_steps)),
            ("guidance_scale", json!(self.guidance_scale)),
        ]);
        all.extend(self.seed.map(|seed| ("seed", json!(seed))));
        if let Some(source) = &self.source {
            all.push(("image", STANDARD.encode(&source.image).into()));
            all.extend(source.mask.as_ref().map(|mask| ("mask_image", STANDARD.encode(mask).into())));
            all.push(("strength", json!(source.strength)));
        }
        all
    }

    pub fn needs(&self) -> Needs {
        match self.source.as_deref() {
            None => Needs::Words,
            Some(Source { mask: None, .. }) => Needs::Picture,
            Some(_) => Needs::Mask,
        }
    }
}

impl Source {
    /// Holds callers to what every protocol relies on.
    ///
    /// # Errors
    /// `internal`.
    pub fn check(&self, width: u32, height: u32) -> Result<()> {
        for (name, bytes) in [("image", Some(&self.image)), ("mask", self.mask.as_ref())] {
            let Some(bytes) = bytes else { continue };
            if sniff(bytes) != Some(("png", width, height)) {
                return Err(Error::internal(format!("the source's {name} is no PNG of {width} x {height}")));
            }
        }
        if (0.0..=1.0).contains(&self.strength) {
            return Ok(());
        }
        Err(Error::new(Kind::InvalidArgument, format!("`strength` must be from 0 to 1, got {}", self.strength)))
    }
}

/// Whether a seed makes the same picture again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedUse {
    /// The backend says which it used, or is known to use the one it gets.
    Honoured,
    /// It is sent; what becomes of it only the answer can tell.
    Sent,
    Ignored,
}

/// What a backend makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Capabilities {
    pub seed: SeedUse,
    pub negative_prompt: bool,
    pub num_inference_steps: bool,
    pub guidance_scale: bool,
    /// Whether it begins from a picture, and whether it paints only a part of one.
    pub image_to_image: bool,
    pub masks: bool,
    /// Whether it can be told how far from that picture to go.
    pub strength: bool,
    /// Whether it begins from a picture without a prompt.
    pub without_words: bool,
    /// Whether it tells how far it is.
    pub progress: bool,
    /// Whether a cancelled picture is given up there too, beyond the closed connection.
    pub interrupt: bool,
}

impl Capabilities {
    /// Of a protocol that tells nothing of its model: what `declared` lets be sent. `named`: whether a parameter goes under
    /// its own name where the declaration has no other.
    pub fn declared(declared: &Declaration, named: bool) -> Capabilities {
        let has = |parameter| declared.sent_as(parameter, named.then_some(parameter)).is_some();
        let seed = match (has("seed"), declared.seed_honoured) {
            (false, _) => SeedUse::Ignored,
            (true, true) => SeedUse::Honoured,
            (true, false) => SeedUse::Sent,
        };
        Capabilities {
            seed,
            negative_prompt: has("negative_prompt"),
            num_inference_steps: has("num_inference_steps"),
            guidance_scale: has("guidance_scale"),
            image_to_image: declared.image_to_image.unwrap_or(false),
            masks: declared.masks.unwrap_or(false),
            strength: has("strength"),
            without_words: declared.without_words.unwrap_or(false),
            progress: false,
            interrupt: false,
        }
    }

    pub fn meets(self, needs: Needs) -> bool {
        match needs {
            Needs::Words => true,
            Needs::Picture => self.image_to_image,
            Needs::Mask => self.masks,
        }
    }
}

/// What came back.
#[derive(Debug, Default)]
pub struct Painted {
    pub bytes: Bytes,
    /// Only what the backend itself says.
    pub seed: Option<u64>,
    pub model: Option<String>,
    pub notes: Vec<String>,
}

/// Takes how far a picture is, 0 to 1.
pub type Tell = Arc<dyn Fn(f64) + Send + Sync>;

pub trait Backend: Send + Sync {
    /// With this model, or the usual one.
    fn capabilities(&self, model: Option<&str>) -> Capabilities;

    /// What the protocol itself is known to allow.
    fn limits(&self, _model: Option<&str>) -> Limits {
        Limits::default()
    }

    /// Makes the picture; dropped, it stops.
    fn paint<'a>(&'a self, wanted: &'a Request, tell: &'a Tell) -> BoxFuture<'a, Result<Painted>>;

    /// Asks whether it is ready, and for its models as far as the protocol tells them.
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>>;
}

/// What the protocols have in common: a declaration and its server.
pub struct Server {
    pub declared: Declaration,
    pub upstream: Upstream,
    /// What it is told of pictures that were given up.
    pub told: TaskTracker,
}

impl Server {
    pub fn new(declared: Declaration, upstream: Upstream) -> Server {
        let told = TaskTracker::new();
        // Closed, it can be waited for; it takes tasks all the same.
        told.close();
        Server { declared, upstream, told }
    }

    /// Tells it that a picture is not wanted any more, by these paths and bodies.
    pub fn stop(self: &Arc<Self>, requests: Vec<(&'static str, Value)>) {
        let server = self.clone();
        let told = self.told.track_future(async move {
            for (path, body) in requests {
                let mut request = HttpRequest::json(path, &body);
                request.timeout = Some(STOPPING);
                if let Err(error) = server.upstream.send(request).await {
                    tracing::debug!(%error, "a cancelled picture goes on at its backend");
                }
            }
        });
        afterwards::spawn(told);
    }

    /// An answer of status 200; others as errors in words.
    pub async fn ask(&self, request: HttpRequest) -> Result<Answer> {
        let answer = self.upstream.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    pub fn refused(&self, answer: &Answer) -> Error {
        let (name, status) = (&self.declared.name, answer.status);
        let said = answer.said();
        let said = if said.is_empty() { "nothing".into() } else { said };
        let message = format!("the backend `{name}` answers {status}: {said}");
        let setting = &self.upstream.settings().setting;
        match status {
            400 | 413 | 422 => Error::new(Kind::InvalidArgument, message).hint("another prompt, size or model may do"),
            401 | 403 => Error::new(Kind::IoError, message).because(Reason::BackendClosed).hint(format!(
                "set its token in the environment, {}, or in the file of `token_file`",
                self.declared.token_name()
            )),
            404 | 405 => Error::new(Kind::IoError, message).hint(format!("check its address and model in {setting}")),
            429 | 503 => Error::new(Kind::Busy, message).hint("try again later"),
            _ => Error::new(Kind::IoError, message).hint("see the backend's own log"),
        }
    }

    /// An answer that is none.
    pub fn nonsense(&self, what: &str) -> Error {
        Error::new(Kind::ProtocolError, format!("the backend `{}` answers {what}", self.declared.name))
            .hint(format!("check its kind and how its answer is read in {}", self.upstream.settings().setting))
    }

    /// A picture from base64 or a data: URL.
    pub fn decode(&self, text: &str) -> Result<Bytes> {
        let text = text.trim();
        let text = match text.strip_prefix("data:") {
            Some(rest) => rest.split_once(',').map_or("", |(_, body)| body),
            None => text,
        };
        from_base64(text).map(Bytes::from).ok_or_else(|| self.nonsense("a picture that is no base64"))
    }

    /// What kind of picture the bytes are, and its size.
    ///
    /// # Errors
    /// Where they are none, not all of one, or of a size that nobody asked for.
    pub fn check(&self, bytes: &[u8]) -> Result<(&'static str, u32, u32)> {
        let (format, width, height) = sniff(bytes).ok_or_else(|| self.nonsense("bytes that are no picture"))?;
        if width.max(height) > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(self.nonsense(&format!("a picture of {width} x {height}")));
        }
        if !is_whole(format, bytes) {
            return Err(self.nonsense("a picture that is cut short"));
        }
        let mime_type = match format {
            "jpeg" => "image/jpeg",
            "webp" => "image/webp",
            "gif" => "image/gif",
            "bmp" => "image/bmp",
            "tiff" => "image/tiff",
            _ => "image/png",
        };
        Ok((mime_type, width, height))
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let engine = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let whole = engine.decode(text).ok();
    // Some break their lines, as MIME does.
    whole.or_else(|| engine.decode(text.split_ascii_whitespace().collect::<String>()).ok())
}

/// Whether the end of the file is there.
fn is_whole(format: &str, bytes: &[u8]) -> bool {
    match format {
        "png" => bytes.len() > 12 && bytes[bytes.len().saturating_sub(64)..].windows(4).any(|four| four == b"IEND"),
        // Some writers pad with zeros.
        "jpeg" => bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .is_some_and(|last| last > 0 && bytes[last - 1..=last] == [0xff, 0xd9]),
        "webp" => bytes.get(4..8).is_some_and(|four| {
            u64::from(u32::from_le_bytes([four[0], four[1], four[2], four[3]])) + 8 <= bytes.len() as u64
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat};
    use std::io::Cursor;

    #[test]
    fn base64_is_read_with_and_without_line_breaks_and_padding() {
        for length in 0..200_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = STANDARD.encode(&bytes);
            let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
            for form in [text.as_str(), text.trim_end_matches('='), &lines.join("\r\n"), &lines.join("\n")] {
                assert_eq!(from_base64(form).as_deref(), Some(bytes.as_slice()), "{form}");
            }
        }
        assert_eq!(from_base64("AAAA*AAA"), None);
    }

    #[test]
    fn a_picture_that_is_cut_short_is_known() {
        let picture = DynamicImage::new_rgb8(40, 30);
        for (format, name) in [(ImageFormat::Png, "png"), (ImageFormat::Jpeg, "jpeg"), (ImageFormat::WebP, "webp")] {
            let mut bytes = Vec::new();
            picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
            assert!(is_whole(name, &bytes), "{name}");
            assert!(!is_whole(name, &bytes[..bytes.len() - 13]), "{name}");
        }
    }
}
