//! What the stand-ins do with pictures that requests begin from: as strict as the protocols are, and to the pixel.

use super::painter::{All, Shared, body, identified, make, number, picture, refusal};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use serde_json::{Map, Value, json};
use std::io::Cursor;

/// What a request begins from, as a stand-in understands it.
#[derive(Clone)]
pub struct Begun {
    pub image: RgbImage,
    /// Above zero: to be painted.
    pub mask: Option<GrayImage>,
    pub strength: f64,
}

impl Begun {
    /// For the test to look at.
    pub fn noted(self, shared: &Shared) -> Begun {
        shared.seen.lock().unwrap().begun.push(self.clone());
        self
    }
}

/// The picture of these words, so far from the source as `strength` says, and only where the mask is white.
pub fn repaint(source: &Begun, prompt: &str, seed: u64) -> RgbImage {
    let (width, height) = source.image.dimensions();
    let new = image::load_from_memory(&picture(prompt, seed, width, height)).unwrap().into_rgb8();
    RgbImage::from_fn(width, height, |x, y| {
        let old = *source.image.get_pixel(x, y);
        let cover = source.mask.as_ref().map_or(1.0, |mask| f64::from(mask.get_pixel(x, y).0[0]) / 255.0);
        let mut pixel = *new.get_pixel(x, y);
        for (new, old) in pixel.0.iter_mut().zip(old.0) {
            let (from, to) = (f64::from(old), f64::from(*new));
            *new = (from + (to - from) * source.strength * cover).round() as u8;
        }
        pixel
    })
}

/// As bytes, so many times as large.
pub fn painted(source: Option<&Begun>, prompt: &str, seed: u64, (width, height): (u32, u32), share: u32) -> Vec<u8> {
    let Some(source) = source else { return picture(prompt, seed, width * share, height * share) };
    let made = DynamicImage::from(repaint(source, prompt, seed));
    let made = made.resize_exact(width * share, height * share, image::imageops::FilterType::Nearest);
    let mut bytes = Vec::new();
    made.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// A PNG of that size.
pub fn read(name: &str, bytes: &[u8], size: (u32, u32)) -> Result<DynamicImage, Response> {
    let refuse = |what: String| Err(refusal(StatusCode::BAD_REQUEST, format!("{name}: {what}")));
    match image::load_from_memory_with_format(bytes, ImageFormat::Png) {
        Ok(picture) if (picture.width(), picture.height()) == size => Ok(picture),
        Ok(picture) => refuse(format!("{} x {} instead of {size:?}", picture.width(), picture.height())),
        Err(error) => refuse(error.to_string()),
    }
}

fn of_base64(own: &Map<String, Value>, name: &str, size: (u32, u32)) -> Result<Option<DynamicImage>, Response> {
    let Some(value) = own.get(name) else { return Ok(None) };
    let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    read(name, &bytes.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, format!("{name} is no base64")))?, size).map(Some)
}

/// `image`, `mask_image` and `strength`, as diffusers' pipelines take them.
pub fn source(shared: &Shared, own: &Map<String, Value>, size: (u32, u32)) -> Result<Option<Begun>, Response> {
    let mask = of_base64(own, "mask_image", size)?.map(DynamicImage::into_luma8);
    let strength = own.get("strength").map(|value| value.as_f64().unwrap());
    match of_base64(own, "image", size)? {
        // The usual strength of the pipelines.
        Some(image) => {
            let begun = Begun { image: image.into_rgb8(), mask, strength: strength.unwrap_or(0.8) };
            Ok(Some(begun.noted(shared)))
        }
        None if mask.is_some() || strength.is_some() => {
            Err(refusal(StatusCode::BAD_REQUEST, "a mask or a strength without an image"))
        }
        None => Ok(None),
    }
}

/// The web UI's own defaults enlarge the masked part and blur the mask: what relies on them is refused.
pub async fn a1111(State(shared): All, headers: HeaderMap, text: String) -> Result<String, Response> {
    let keys = [
        "prompt",
        "negative_prompt",
        "steps",
        "cfg_scale",
        "width",
        "height",
        "seed",
        "override_settings",
        "sampler_name",
        "init_images",
        "mask",
        "denoising_strength",
        "inpainting_fill",
        "inpaint_full_res",
        "inpainting_mask_invert",
        "mask_blur",
    ];
    let own = body(&shared, "img2img", &headers, &text, &keys)?;
    let refuse = |what: &str| Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, what));
    let size = (number(&own, "width", 512) as u32, number(&own, "height", 512) as u32);
    let image = match own.get("init_images").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(text)]) => read("init_images", &STANDARD.decode(text).unwrap_or_default(), size)?,
        _ => return refuse("init_images"),
    };
    let mut mask = of_base64(&own, "mask", size)?.map(DynamicImage::into_luma8);
    if let Some(mask) = &mut mask {
        if own.get("inpaint_full_res") != Some(&json!(false)) || own.get("mask_blur") != Some(&json!(0)) {
            return refuse("only masked, or blurred: not what was asked for");
        }
        if own.get("inpainting_mask_invert").is_some_and(|invert| *invert == 1) {
            mask.pixels_mut().for_each(|pixel| pixel.0[0] = 255 - pixel.0[0]);
        }
    }
    let strength = own.get("denoising_strength").and_then(Value::as_f64).unwrap_or(0.75);
    let begun = Begun { image: image.into_rgb8(), mask, strength }.noted(&shared);
    let seed = number(&own, "seed", 4242);
    let prompt = own["prompt"].as_str().unwrap_or_default();
    let bytes = make(&shared, |share| painted(Some(&begun), prompt, seed, size, share)).await?;
    let info = json!({"seed": seed, "sd_model_name": "dreamer"}).to_string();
    Ok(json!({"images": [STANDARD.encode(bytes)], "parameters": {}, "info": info}).to_string())
}

/// A form's fields: name, the file's name and type if it is a file, content.
pub struct Field {
    pub name: String,
    pub file: Option<(String, String)>,
    pub content: Vec<u8>,
}

/// Reads multipart/form-data as RFC 7578 has it, and nothing else.
pub fn form(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Field>, Response> {
    let bad = |what: &str| refusal(StatusCode::BAD_REQUEST, format!("form: {what}"));
    let kind = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").ok_or_else(|| bad("content type"))?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let whole = [b"\r\n", body].concat();
    let at = |from: usize| {
        whole[from..]
            .windows(delimiter.len())
            .position(|window| window == delimiter.as_bytes())
            .map(|place| from + place)
    };
    let mut fields = Vec::new();
    let mut start = at(0).filter(|first| *first == 0).ok_or_else(|| bad("no boundary"))? + delimiter.len();
    while !whole[start..].starts_with(b"--\r\n") {
        let end = at(start).ok_or_else(|| bad("no end"))?;
        let part = whole[start..end].strip_prefix(b"\r\n").ok_or_else(|| bad("a part's begin"))?;
        let split = part.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(|| bad("a part's head"))?;
        let head = std::str::from_utf8(&part[..split]).map_err(|_| bad("a head's letters"))?;
        let quoted = |key: &str| head.split_once(&format!("{key}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let name = quoted("; name").ok_or_else(|| bad("a name"))?.to_owned();
        let kind = head.split_once("Content-Type: ").map(|(_, kind)| kind.trim().to_owned());
        let file = quoted("; filename").map(|file| (file.to_owned(), kind.unwrap_or_default()));
        fields.push(Field { name, file, content: part[split + 4..].to_vec() });
        start = end + delimiter.len();
    }
    Ok(fields)
}

/// `dall-e-2` edits nothing without a mask; every model wants alpha channels and masks of the image's size.
pub async fn openai(State(shared): All, headers: HeaderMap, content: Bytes) -> Result<String, Response> {
    identified(&shared, &headers)?;
    let refuse = |what: String| refusal(StatusCode::BAD_REQUEST, what);
    let (mut texts, mut files) = (Map::new(), std::collections::HashMap::new());
    for field in form(&headers, &content)? {
        match field.file {
            Some((_, kind)) if ["image", "mask"].contains(&field.name.as_str()) && kind == "image/png" => {
                files.insert(field.name, field.content);
            }
            None if ["model", "prompt", "n", "size", "quality", "input_fidelity"].contains(&field.name.as_str()) => {
                texts.insert(field.name, String::from_utf8(field.content).unwrap().into());
            }
            _ => return Err(refuse(format!("Unknown parameter: '{}'.", field.name))),
        }
    }
    shared.seen.lock().unwrap().requests.push(("edits".into(), Value::Object(texts.clone())));
    let text = |name: &str| texts.get(name).and_then(Value::as_str).unwrap_or_default();
    let (width, height) = text("size").split_once('x').ok_or_else(|| refuse("size".into()))?;
    let size = (width.parse().unwrap(), height.parse().unwrap());
    let with_alpha = |name: &str| -> Result<Option<DynamicImage>, Response> {
        let Some(bytes) = files.get(name) else { return Ok(None) };
        let picture = read(name, bytes, size)?;
        match picture.color().has_alpha() {
            true => Ok(Some(picture)),
            false => Err(refuse(format!("Invalid input {name} - format must be in ['RGBA', 'LA', 'L'], got RGB."))),
        }
    };
    let image = with_alpha("image")?.ok_or_else(|| refuse("image is required".into()))?;
    let mask = with_alpha("mask")?.map(|mask| {
        let mask = mask.into_rgba8();
        GrayImage::from_fn(size.0, size.1, |x, y| image::Luma([if mask.get_pixel(x, y).0[3] == 0 { 255 } else { 0 }]))
    });
    if mask.is_none() && text("model") == "dall-e-2" {
        return Err(refuse("image has no transparent areas".into()));
    }
    let begun = Begun { image: image.into_rgb8(), mask, strength: 1.0 }.noted(&shared);
    let bytes = make(&shared, |share| painted(Some(&begun), text("prompt"), 5, size, share)).await?;
    Ok(json!({"data": [{"b64_json": STANDARD.encode(bytes)}]}).to_string())
}
