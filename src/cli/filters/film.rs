//! Writing several pictures into one file: an animation as GIF, PNG (APNG) or WebP, pages as TIFF.

use super::stream::{FileFormat, Place, begin_png, bytes, coloured, eight_bits, profile_for};
use crate::error::{Error, Kind, Result};
use crate::filters::{Head, Picture, Samples};
use crate::images::frames::{Delay, Film};
use crate::images::metadata::Metadata;
use std::fs::File;
use std::io::{BufWriter, Write};
use tempfile::NamedTempFile;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::{ResolutionUnit, Tag};

/// How thoroughly the palette is sought, from 1, all pixels, to 30.
const SAMPLING: i32 = 3;

/// Takes the pictures one by one.
pub struct FilmSink {
    place: Place,
    count: u32,
    plays: Option<u16>,
    icc: Option<Vec<u8>>,
    metadata: Metadata,
    state: State,
    /// Size, channels and depth of the first one.
    head: Option<Head>,
    palette: Reduced,
    rounded: bool,
}

enum State {
    Png(Option<png::Writer<BufWriter<File>>>, NamedTempFile),
    Gif(Option<gif::Encoder<BufWriter<File>>>, NamedTempFile),
    Webp { frames: Vec<u8>, alpha: bool },
    Tiff(TiffEncoder<File>, NamedTempFile),
}

/// What a palette took away.
#[derive(Default)]
pub struct Reduced {
    frames: usize,
    error: f64,
    samples: f64,
    hard: bool,
}

/// Whether a format holds them all.
pub fn holds(format: FileFormat, film: &Film) -> bool {
    match format {
        FileFormat::Gif | FileFormat::Png | FileFormat::Webp => !film.pages,
        FileFormat::Tiff => true,
        FileFormat::Jpeg => false,
    }
}

impl FilmSink {
    /// # Errors
    /// `io_error`.
    pub fn new(
        place: Place,
        format: FileFormat,
        film: &Film,
        icc: Option<Vec<u8>>,
        metadata: Metadata,
    ) -> Result<FilmSink> {
        let state = match format {
            FileFormat::Png => State::Png(None, place.temporary()?),
            FileFormat::Gif => State::Gif(None, place.temporary()?),
            FileFormat::Webp => State::Webp { frames: Vec::new(), alpha: false },
            _ => {
                let file = place.temporary()?;
                let handle = file.reopen().map_err(|error| place.fault(error))?;
                State::Tiff(TiffEncoder::new(handle).map_err(|error| place.fault(error))?, file)
            }
        };
        let (count, plays) = (film.count as u32, film.plays);
        let palette = Reduced::default();
        Ok(FilmSink { place, count, plays, icc, metadata, state, head: None, palette, rounded: false })
    }

    /// # Errors
    /// `io_error`; `unsupported` for a picture that the format cannot hold.
    pub fn add(&mut self, picture: &Picture, icc: Option<&[u8]>, (delay, unit): Delay) -> Result<()> {
        let head =
            Head { width: picture.width, height: picture.height, channels: picture.channels, depth: picture.depth() };
        let first = *self.head.get_or_insert(head);
        let pages = matches!(self.state, State::Tiff(..));
        if first != head && !pages {
            return Err(Error::new(Kind::Unsupported, "the filter made frames of different sizes")
                .hint("take one frame with --frame N"));
        }
        let (place, unit) = (&self.place, unit.max(1));
        let (width, height) = (picture.width as u32, picture.height as u32);
        let millis = f64::from(delay) / f64::from(unit);
        match &mut self.state {
            State::Png(writer, file) => {
                let fraction = match (delay, unit.saturating_mul(1000)) {
                    (delay @ 0..=0xffff, unit @ 1..=0xffff) => (delay as u16, unit as u16),
                    _ => ((millis / 10.0).round().min(65535.0) as u16, 100),
                };
                if writer.is_none() {
                    let mut info = png::Info::with_size(width, height);
                    info.icc_profile = profile_for(&self.icc, head.channels).map(Into::into);
                    std::mem::take(&mut self.metadata).into_png(&mut info);
                    let handle = file.reopen().map_err(|error| place.fault(error))?;
                    let begun = begin_png(BufWriter::new(handle), info, head).and_then(|mut encoder| {
                        encoder.set_animated(self.count, self.plays.map_or(0, |plays| u32::from(plays.max(1))))?;
                        encoder.set_frame_delay(fraction.0, fraction.1)?;
                        encoder.write_header()
                    });
                    *writer = Some(begun.map_err(|error| place.fault(error))?);
                } else if let Some(writer) = writer {
                    writer.set_frame_delay(fraction.0, fraction.1).map_err(|error| place.fault(error))?;
                }
                let wide;
                let rows: &[u8] = match &picture.samples {
                    Samples::U8(samples) => samples,
                    Samples::U16(samples) => {
                        wide = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect::<Vec<u8>>();
                        &wide
                    }
                    Samples::F32(samples) => {
                        let deep = |sample: &f32| ((sample * 65535.0).round() as u16).to_be_bytes();
                        wide = samples.iter().flat_map(deep).collect();
                        &wide
                    }
                };
                let Some(writer) = writer else { return Err(Error::internal("a PNG without a writer")) };
                writer.write_image_data(rows).map_err(|error| place.fault(error))
            }
            State::Gif(encoder, file) => {
                let mut frame = gif_frame(picture, &mut self.palette, place)?;
                let ticks = (millis / 10.0).round();
                self.rounded |= (ticks * 10.0 - millis).abs() > 0.01;
                frame.delay = ticks.min(65535.0) as u16;
                frame.dispose = gif::DisposalMethod::Background;
                if encoder.is_none() {
                    let handle = BufWriter::new(file.reopen().map_err(|error| place.fault(error))?);
                    let mut made = gif::Encoder::new(handle, frame.width, frame.height, &[])
                        .map_err(|error| place.fault(error))?;
                    let said = match self.plays {
                        None => made.set_repeat(gif::Repeat::Infinite),
                        Some(0) => Ok(()),
                        Some(plays) => made.set_repeat(gif::Repeat::Finite(plays)),
                    };
                    said.map_err(|error| place.fault(error))?;
                    *encoder = Some(made);
                }
                let Some(encoder) = encoder else { return Err(Error::internal("a GIF without an encoder")) };
                encoder.write_frame(&frame).map_err(|error| place.fault(error))
            }
            State::Webp { frames, alpha } => {
                let picture = eight_bits(picture, false);
                *alpha |= picture.has_alpha();
                let still = webp_still(&picture).map_err(|error| place.fault(error))?;
                let size = |side: u32| (side - 1).to_le_bytes();
                let mut body = vec![0; 6];
                body.extend(&size(width)[..3]);
                body.extend(&size(height)[..3]);
                body.extend(&(millis.round() as u32).min(0xff_ffff).to_le_bytes()[..3]);
                // Not blended with what was before: each is whole.
                body.push(2);
                body.extend(still);
                chunk(frames, b"ANMF", &body);
                Ok(())
            }
            State::Tiff(encoder, _) => {
                let profile = profile_for(&icc.map(<[u8]>::to_vec), picture.channels);
                tiff_page(encoder, picture, profile, self.metadata.resolution).map_err(|error| place.fault(error))
            }
        }
    }

    /// Makes the file appear; what is to be said of it.
    ///
    /// # Errors
    /// `io_error`.
    pub fn finish(self) -> Result<Vec<String>> {
        let place = self.place;
        let mut said = self.palette.said();
        if self.rounded {
            said.push(
                "a GIF counts time in hundredths of a second: some frames are shown a little longer or shorter".into(),
            );
        }
        let head = self.head.ok_or_else(|| Error::internal("a film without a picture"))?;
        let (width, height) = (head.width as u32, head.height as u32);
        let in_memory = |encoded: Vec<u8>| -> Result<NamedTempFile> {
            let mut file = place.temporary()?;
            file.write_all(&encoded).map_err(|error| place.fault(error))?;
            Ok(file)
        };
        let file = match self.state {
            State::Png(writer, file) => {
                let writer = writer.ok_or_else(|| Error::internal("a PNG without a writer"))?;
                writer.finish().map_err(|error| place.fault(error))?;
                file
            }
            State::Gif(encoder, file) => {
                let encoder = encoder.ok_or_else(|| Error::internal("a GIF without an encoder"))?;
                let mut out = encoder.into_inner().map_err(|error| place.fault(error))?;
                out.flush().map_err(|error| place.fault(error))?;
                file
            }
            State::Webp { frames, alpha } => {
                let icc = profile_for(&self.icc, head.channels);
                let (exif, xmp) = (self.metadata.exif_block(width, height), self.metadata.xmp);
                let flag = |there: bool, bit: u8| if there { bit } else { 0 };
                let mut extended = vec![0; 4];
                extended[0] =
                    2 | flag(alpha, 16) | flag(icc.is_some(), 32) | flag(exif.is_some(), 8) | flag(xmp.is_some(), 4);
                extended.extend(&(width - 1).to_le_bytes()[..3]);
                extended.extend(&(height - 1).to_le_bytes()[..3]);
                let mut body = b"WEBP".to_vec();
                chunk(&mut body, b"VP8X", &extended);
                icc.iter().for_each(|icc| chunk(&mut body, b"ICCP", icc));
                let plays = self.plays.map_or(0, |plays| plays.max(1)).to_le_bytes();
                chunk(&mut body, b"ANIM", &[0, 0, 0, 0, plays[0], plays[1]]);
                body.extend(frames);
                exif.iter().for_each(|exif| chunk(&mut body, b"EXIF", exif));
                xmp.iter().for_each(|packet| chunk(&mut body, b"XMP ", packet));
                let mut encoded = Vec::new();
                chunk(&mut encoded, b"RIFF", &body);
                in_memory(encoded)?
            }
            State::Tiff(encoder, file) => {
                drop(encoder);
                if self.count > 1 {
                    said.push(
                        "the pages of the TIFF after the first have the first one's resolution and their own colour profile, \
                         and no other metadata"
                            .into(),
                    );
                }
                let mut encoded = std::fs::read(file.path()).map_err(|error| place.fault(error))?;
                self.metadata.add_to_tiff(&mut encoded, width, height);
                in_memory(encoded)?
            }
        };
        place.appear(file)?;
        Ok(said)
    }
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend(name);
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out.resize(out.len() + data.len() % 2, 0);
}

/// The chunk with the pixels, lossless.
fn webp_still(picture: &Picture) -> std::result::Result<Vec<u8>, image_webp::EncodingError> {
    let colour = match picture.channels {
        1 => image_webp::ColorType::L8,
        2 => image_webp::ColorType::La8,
        3 => image_webp::ColorType::Rgb8,
        _ => image_webp::ColorType::Rgba8,
    };
    let mut file = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    image_webp::WebPEncoder::new(&mut file).encode(&bytes(&picture.samples), width, height, colour)?;
    Ok(file.split_off(12))
}

/// A frame with a palette of its own: exact up to 256 colours; else the best ones that a network finds.
pub fn gif_frame(picture: &Picture, reduced: &mut Reduced, place: &Place) -> Result<gif::Frame<'static>> {
    let picture = eight_bits(picture, false);
    let (Ok(width), Ok(height)) = (u16::try_from(picture.width), u16::try_from(picture.height)) else {
        let message = format!("`{}`: a GIF is at most 65535 pixels wide and high", place.target.display());
        return Err(Error::new(Kind::Unsupported, message).hint("write a PNG or TIFF file"));
    };
    let samples = bytes(&picture.samples);
    let mut pixels: Vec<[u8; 4]> = match picture.channels {
        1 => samples.iter().map(|&grey| [grey, grey, grey, 255]).collect(),
        2 => samples.chunks_exact(2).map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect(),
        3 => samples.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect(),
        _ => samples.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]]).collect(),
    };
    for pixel in &mut pixels {
        reduced.hard |= !matches!(pixel[3], 0 | 255);
        *pixel = if pixel[3] < 128 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], 255] };
    }
    let colours: std::collections::HashSet<[u8; 4]> = pixels.iter().copied().collect();
    if colours.len() <= 256 {
        let mut flat = pixels.concat();
        return Ok(gif::Frame::from_rgba_speed(width, height, &mut flat, SAMPLING));
    }
    // What is transparent has an index of its own, which no colour can take.
    let clear = colours.contains(&[0; 4]);
    let opaque: Vec<u8> = pixels.iter().filter(|pixel| pixel[3] == 255).flatten().copied().collect();
    let most = if clear { 255 } else { 256 };
    let network = color_quant::NeuQuant::new(SAMPLING, most, &opaque);
    let mut palette = network.color_map_rgb();
    palette.resize(3 * 256, 0);
    let mut known = std::collections::HashMap::new();
    let buffer: Vec<u8> =
        pixels
            .iter()
            .map(|pixel| {
                if pixel[3] == 0 { 255 } else { *known.entry(*pixel).or_insert_with(|| network.index_of(pixel) as u8) }
            })
            .collect();
    for (pixel, &index) in pixels.iter().zip(&buffer).filter(|(pixel, _)| pixel[3] != 0) {
        let found = &palette[3 * usize::from(index)..][..3];
        reduced.error += (0..3).map(|c| f64::from(pixel[c].abs_diff(found[c]))).sum::<f64>();
        reduced.samples += 3.0;
    }
    reduced.frames += 1;
    let transparent = clear.then_some(255);
    Ok(gif::Frame { width, height, buffer: buffer.into(), palette: Some(palette), transparent, ..Default::default() })
}

impl Reduced {
    /// What is to be said.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.frames > 0 {
            let error = self.error / self.samples.max(1.0);
            said.push(format!(
                "a GIF holds 256 colours a frame: they were chosen for each, mean error {error:.1} of 255"
            ));
        }
        if self.hard {
            said.push("a GIF holds no soft transparency: it was made hard at one half".into());
        }
        said
    }
}

fn tiff_page(
    encoder: &mut TiffEncoder<File>,
    picture: &Picture,
    profile: Option<Vec<u8>>,
    resolution: Option<(f64, f64)>,
) -> tiff::TiffResult<()> {
    let rgba;
    let picture = if picture.channels == 2 {
        rgba = coloured(picture);
        &rgba
    } else {
        picture
    };
    let (width, height) = (picture.width as u32, picture.height as u32);
    macro_rules! page {
        ($kind:ty, $samples:expr) => {{
            let mut page = encoder.new_image::<$kind>(width, height)?;
            if let Some(profile) = &profile {
                page.encoder().write_tag(Tag::IccProfile, profile.as_slice())?;
            }
            if let Some((x, y)) = resolution {
                let ratio = |side: f64| tiff::encoder::Rational { n: (side * 1000.0).round().min(4e9) as u32, d: 1000 };
                page.resolution_unit(ResolutionUnit::Inch);
                page.x_resolution(ratio(x));
                page.y_resolution(ratio(y));
            }
            page.write_data($samples)
        }};
    }
    match (&picture.samples, picture.channels) {
        (Samples::U8(samples), 1) => page!(colortype::Gray8, samples),
        (Samples::U8(samples), 3) => page!(colortype::RGB8, samples),
        (Samples::U8(samples), _) => page!(colortype::RGBA8, samples),
        (Samples::U16(samples), 1) => page!(colortype::Gray16, samples),
        (Samples::U16(samples), 3) => page!(colortype::RGB16, samples),
        (Samples::U16(samples), _) => page!(colortype::RGBA16, samples),
        (Samples::F32(samples), 1) => page!(colortype::Gray32Float, samples),
        (Samples::F32(samples), 3) => page!(colortype::RGB32Float, samples),
        (Samples::F32(samples), _) => page!(colortype::RGBA32Float, samples),
    }
}
