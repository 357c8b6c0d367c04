//! What a picture's file says beside its pixels: EXIF, XMP, IPTC, resolution, comment and texts. Read from JPEG, PNG, WebP
//! and TIFF, and written to each of them, in the words and with the rules of GIMP's side (`files/kept_metadata.py`).

mod exif;
mod iptc;
mod jpeg;
mod xmp;

pub use exif::Exif;
pub use jpeg::{add as add_to_jpeg, segments as jpeg_segments};

use image::{ImageDecoder, ImageFormat, ImageReader};
use std::borrow::Cow;
use std::io::Cursor;

/// What may go along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Keep,
    None,
    NoLocation,
}

impl Policy {
    /// By its name in the catalogue.
    pub fn of(name: &str) -> Option<Policy> {
        match name {
            "keep" => Some(Policy::Keep),
            "none" => Some(Policy::None),
            "no-location" => Some(Policy::NoLocation),
            _ => None,
        }
    }
}

/// What a file can hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Png,
    Jpeg,
    Webp,
    Tiff,
    Gif,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    pub exif: Option<Exif>,
    pub xmp: Option<Vec<u8>>,
    pub iptc: Option<Vec<u8>>,
    /// Pixels per inch, across and down.
    pub resolution: Option<(f64, f64)>,
    /// A PNG's texts by keyword.
    pub texts: Vec<(String, String)>,
    pub comment: Option<String>,
}

/// PNG's registered keywords and the EXIF tag of each.
const TEXT_TAGS: [(&str, u16); 5] = [
    ("Author", 0x013b),
    ("Description", exif::DESCRIPTION),
    ("Copyright", 0x8298),
    ("Software", 0x0131),
    ("Source", 0x0110),
];
/// Written by programs for themselves: no loss where a format has no place for it.
const NOT_MISSED: [&str; 4] = ["date:create", "date:modify", "date:timestamp", "software"];
/// Names in a sentence.
const SHOWN: usize = 5;
const INCH: f64 = 0.0254;
const RAW_PROFILE: &str = "Raw profile type ";
const XMP_TEXT: &str = "XML:com.adobe.xmp";

/// What a file says; of other formats, and where it cannot be read, nothing.
pub fn read(bytes: &[u8]) -> Metadata {
    let mut found = match super::read::format(bytes) {
        Some(ImageFormat::Jpeg) => jpeg::read(bytes),
        Some(ImageFormat::Png) => png(bytes),
        Some(format @ ImageFormat::WebP) => {
            let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder();
            decoder.map_or_else(
                |_| Metadata::default(),
                |mut decoder| Metadata {
                    exif: decoder.exif_metadata().ok().flatten().and_then(|block| Exif::parse(&block)),
                    xmp: decoder.xmp_metadata().ok().flatten(),
                    ..Metadata::default()
                },
            )
        }
        Some(ImageFormat::Tiff) => Metadata {
            exif: Exif::parse(bytes),
            xmp: Exif::of_tiff(bytes, exif::XMP),
            iptc: Exif::of_tiff(bytes, exif::IPTC)
                .or_else(|| iptc::of_photoshop(&Exif::of_tiff(bytes, exif::PHOTOSHOP)?)),
            ..Metadata::default()
        },
        _ => Metadata::default(),
    };
    found.resolution = found.resolution.or_else(|| found.exif.as_ref()?.resolution());
    found
}

fn png(bytes: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    let Ok(mut reader) = png::Decoder::new(Cursor::new(bytes)).read_info() else { return found };
    // Texts may stand behind the pixels; of a damaged file those before them are enough.
    let _ = reader.finish();
    let info = reader.info();
    found.exif = info.exif_metadata.as_ref().and_then(|block| Exif::parse(block));
    found.resolution = info.pixel_dims.filter(|dims| dims.unit == png::Unit::Meter).and_then(|dims| {
        let side = |value: u32| (value > 0).then_some(f64::from(value) * INCH);
        Some((side(dims.xppu)?, side(dims.yppu)?))
    });
    let mut texts: Vec<(String, String)> =
        info.uncompressed_latin1_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.text.clone())).collect();
    texts.extend(
        info.compressed_latin1_text.iter().filter_map(|chunk| Some((chunk.keyword.clone(), chunk.get_text().ok()?))),
    );
    texts.extend(info.utf8_text.iter().filter_map(|chunk| Some((chunk.keyword.clone(), chunk.get_text().ok()?))));
    for (key, text) in texts {
        match key.strip_prefix(RAW_PROFILE) {
            Some("iptc") => found.iptc = found.iptc.or_else(|| iptc::of_photoshop(&iptc::of_hex(&text)?)),
            Some("exif" | "APP1") => found.exif = found.exif.or_else(|| Exif::parse(&iptc::of_hex(&text)?)),
            Some("xmp") => found.xmp = found.xmp.or_else(|| iptc::of_hex(&text)),
            // A profile of colours, or a thumbnail
            Some(_) => {}
            None if key == XMP_TEXT => found.xmp = Some(text.into_bytes()),
            None if key == "Comment" && found.comment.is_none() => found.comment = Some(text),
            None => found.texts.push((key, text)),
        }
    }
    found
}

impl Metadata {
    /// What may go along by `policy`, and a sentence for what could not be judged.
    pub fn allowed(mut self, policy: Policy, said: &mut Vec<String>) -> Metadata {
        if policy == Policy::None {
            return Metadata { resolution: self.resolution, ..Metadata::default() };
        }
        if let Some(packet) = self.xmp.take() {
            self.xmp = xmp::cleaned(&packet, policy == Policy::Keep);
            if self.xmp.is_none() {
                said.push("XMP metadata is left out: it is no valid XML".into());
            }
        }
        if policy == Policy::NoLocation {
            self.exif.as_mut().map(Exif::drop_places);
            self.iptc = self.iptc.map(|records| iptc::without_places(&records));
            self.texts.retain(|(key, _)| !xmp::is_place(key));
        }
        self.exif = self.exif.filter(|exif| !exif.is_empty());
        self.iptc = self.iptc.filter(|records| !records.is_empty());
        self
    }

    /// Moves what a format has no place for to where it has one, and says what is left out.
    pub fn fit(&mut self, holder: Holder, said: &mut Vec<String>) {
        let title = holder.title();
        if holder == Holder::Gif {
            let groups = [
                (self.exif.as_ref().is_some_and(Exif::tells), "EXIF"),
                (self.xmp.is_some(), "XMP"),
                (self.iptc.is_some(), "IPTC"),
            ];
            let missing: Vec<&str> = groups.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect();
            if !missing.is_empty() {
                said.push(format!("{} metadata is left out: GIF holds none of it", missing.join(" and ")));
            }
            (self.exif, self.xmp, self.iptc) = (None, None, None);
        }
        if holder == Holder::Webp && self.iptc.take().is_some() {
            said.push("IPTC metadata is left out: WebP holds none of it".into());
        }
        if holder != Holder::Png {
            let mut left = self.texts_as_tags(holder);
            if holder != Holder::Jpeg
                && let Some(comment) = self.comment.take()
                && (holder == Holder::Gif || !self.exif.get_or_insert_default().set_comment(&comment))
            {
                left.push("the comment".into());
            }
            if !left.is_empty() {
                let more = left.len().saturating_sub(SHOWN);
                left.truncate(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                said.push(format!("{title} has no place for the text {}{more}", left.join(", ")));
            }
        }
        // WebP has no other place for it; a TIFF's own is EXIF's.
        if let (Some(resolution), Holder::Webp | Holder::Tiff) = (self.resolution, holder) {
            self.exif.get_or_insert_default().set_resolution(resolution);
        }
        if holder == Holder::Jpeg {
            said.extend(jpeg::shorten(self).iter().map(|name| format!("left out for want of room in a JPEG: {name}")));
        }
    }

    fn texts_as_tags(&mut self, holder: Holder) -> Vec<String> {
        let mut left = Vec::new();
        for (key, text) in std::mem::take(&mut self.texts) {
            let tag = TEXT_TAGS.iter().find(|(name, _)| *name == key).map(|(_, tag)| *tag);
            match tag {
                Some(tag) if holder != Holder::Gif => {
                    let exif = self.exif.get_or_insert_default();
                    if !exif.has(tag) {
                        exif.set_text(tag, &text);
                    }
                }
                None if key == "Title" && self.xmp.is_none() && holder != Holder::Gif => {
                    self.xmp = Some(xmp::of_title(&text));
                }
                _ if NOT_MISSED.contains(&key.to_lowercase().as_str()) => {}
                _ => left.push(format!("`{key}`")),
            }
        }
        left
    }

    /// EXIF as a block, for a picture of this size that lies upright.
    pub fn exif_block(&self, width: u32, height: u32) -> Option<Vec<u8>> {
        let mut exif = self.exif.clone()?;
        exif.is_upright(width, height);
        Some(exif.block())
    }

    /// What a PNG's header says of it.
    pub fn into_png(self, info: &mut png::Info<'_>) {
        info.exif_metadata = self.exif_block(info.width, info.height).map(Cow::Owned);
        info.pixel_dims = self.resolution.map(|(x, y)| {
            let [xppu, yppu] = [x, y].map(|side| (side / INCH).round().min(f64::from(i32::MAX)) as u32);
            png::PixelDimensions { xppu, yppu, unit: png::Unit::Meter }
        });
        let comment = self.comment.map(|comment| ("Comment".to_owned(), comment));
        for (key, text) in self.texts.into_iter().chain(comment) {
            if text.chars().all(|letter| (letter as u32) < 256) {
                info.uncompressed_latin1_text.push(png::text_metadata::TEXtChunk::new(key, text));
            } else {
                info.utf8_text.push(png::text_metadata::ITXtChunk::new(key, text));
            }
        }
        if let Some(packet) = self.xmp.and_then(|packet| String::from_utf8(packet).ok()) {
            info.utf8_text.push(png::text_metadata::ITXtChunk::new(XMP_TEXT, packet));
        }
        if let Some(records) = self.iptc {
            let text = iptc::to_hex("iptc", &records);
            info.compressed_latin1_text.push(png::text_metadata::ZTXtChunk::new(format!("{RAW_PROFILE}iptc"), text));
        }
    }

    /// Adds it to the first page of an encoded TIFF.
    pub fn add_to_tiff(&self, file: &mut Vec<u8>, width: u32, height: u32) {
        let mut exif = self.exif.clone().unwrap_or_default();
        exif.is_upright(width, height);
        if !exif.is_empty() || self.xmp.is_some() || self.iptc.is_some() {
            let _ = exif.into_tiff(file, self.xmp.as_deref(), self.iptc.as_deref());
        }
    }
}

impl Holder {
    pub fn mime_type(self) -> &'static str {
        match self {
            Holder::Png => "image/png",
            Holder::Jpeg => "image/jpeg",
            Holder::Webp => "image/webp",
            Holder::Tiff => "image/tiff",
            Holder::Gif => "image/gif",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Holder::Png => "PNG",
            Holder::Jpeg => "JPEG",
            Holder::Webp => "WebP",
            Holder::Tiff => "TIFF",
            Holder::Gif => "GIF",
        }
    }
}
