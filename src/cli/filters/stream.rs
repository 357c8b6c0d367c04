//! Writing a result: PNG row by row, so that a large picture is never held; the others from memory. A file appears
//! whole, by a rename, or not at all.

use super::film::{Reduced, gif_frame};
use crate::error::{Error, Kind, Result};
use crate::filters::{Depth, Head, MemorySink, Picture, Samples, Sink};
use crate::images;
use crate::images::metadata::{self, Holder, Metadata};
use image::codecs::jpeg::{PixelDensity, PixelDensityUnit};
use image::error::UnsupportedError;
use image::{ExtendedColorType, ImageEncoder};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Png,
    Jpeg,
    Webp,
    Tiff,
    Gif,
}

impl FileFormat {
    /// By the name's ending.
    ///
    /// # Errors
    /// `invalid_argument` with the endings there are.
    pub fn of(path: &Path) -> Result<FileFormat> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "png" => Ok(FileFormat::Png),
            "jpg" | "jpeg" => Ok(FileFormat::Jpeg),
            "webp" => Ok(FileFormat::Webp),
            "tif" | "tiff" => Ok(FileFormat::Tiff),
            "gif" => Ok(FileFormat::Gif),
            _ => Err(Error::new(Kind::InvalidArgument, format!("`{}` has no known ending", path.display()))
                .hint("use .png, .jpg, .webp, .tif or .gif")),
        }
    }
}

impl FileFormat {
    pub fn holder(self) -> Holder {
        match self {
            FileFormat::Png => Holder::Png,
            FileFormat::Jpeg => Holder::Jpeg,
            FileFormat::Webp => Holder::Webp,
            FileFormat::Tiff => Holder::Tiff,
            FileFormat::Gif => Holder::Gif,
        }
    }
}

/// Where a file appears, whole or not at all.
#[derive(Clone)]
pub struct Place {
    pub target: PathBuf,
}

impl Place {
    pub fn fault(&self, error: impl std::fmt::Display) -> Error {
        Error::new(Kind::IoError, format!("`{}`: {error}", self.target.display()))
            .hint("check the disk's space and permissions")
    }

    /// # Errors
    /// `io_error`.
    pub fn temporary(&self) -> Result<NamedTempFile> {
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::Builder::new().prefix(".gimp-bridge-").tempfile_in(folder).map_err(|error| self.fault(error))
    }

    /// # Errors
    /// `io_error`.
    pub fn appear(&self, file: NamedTempFile) -> Result<()> {
        file.as_file().sync_all().map_err(|error| self.fault(error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any other program's files: temporary ones are their owner's alone.
            let mode = std::fs::metadata(&self.target).map_or(0o644, |data| data.permissions().mode());
            let _ = std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode));
        }
        file.persist(&self.target).map(drop).map_err(|error| self.fault(error.error))
    }
}

/// Where a result goes.
pub struct FileSink {
    place: Place,
    format: FileFormat,
    icc: Option<Vec<u8>>,
    metadata: Metadata,
    quality: u8,
    /// What a palette took away.
    reduced: Reduced,
    /// What is being written; a PNG streams into it.
    state: State,
}

enum State {
    Waiting,
    /// The writer has a handle of its own to the file.
    Png(Box<png::StreamWriter<'static, BufWriter<std::fs::File>>>, NamedTempFile),
    Memory(MemorySink),
}

impl FileSink {
    /// `metadata` is what may go along; `said` gets what of it the format cannot hold.
    ///
    /// # Errors
    /// As [`FileFormat::of`].
    pub fn new(
        target: &Path,
        icc: Option<Vec<u8>>,
        mut metadata: Metadata,
        quality: u8,
        said: &mut Vec<String>,
    ) -> Result<FileSink> {
        let format = FileFormat::of(target)?;
        metadata.fit(format.holder(), said);
        let place = Place { target: target.to_owned() };
        Ok(FileSink { format, place, icc, metadata, quality, state: State::Waiting, reduced: Reduced::default() })
    }

    /// Writes what is left and makes the file appear; what is to be said of it.
    ///
    /// # Errors
    /// `io_error`, `unsupported` when the format cannot hold the picture.
    pub fn finish(mut self) -> Result<Vec<String>> {
        let file = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Waiting => return Err(Error::internal("a picture without rows")),
            State::Png(writer, file) => {
                writer.finish().map_err(|error| self.place.fault(error))?;
                file
            }
            State::Memory(sink) => {
                let picture = sink.picture().ok_or_else(|| Error::internal("a picture without rows"))?;
                let mut file = self.place.temporary()?;
                let encoded = self.encode(&picture)?;
                file.write_all(&encoded).map_err(|error| self.place.fault(error))?;
                file
            }
        };
        self.place.appear(file)?;
        Ok(self.reduced.said())
    }

    fn encode(&mut self, picture: &Picture) -> Result<Vec<u8>> {
        if self.format == FileFormat::Gif {
            return self.encode_gif(picture);
        }
        let (w, h) = (picture.width as u32, picture.height as u32);
        let narrow = matches!(self.format, FileFormat::Jpeg | FileFormat::Webp);
        let picture = if narrow { &eight_bits(picture, self.format == FileFormat::Jpeg) } else { picture };
        let grey_alpha = self.format == FileFormat::Tiff && picture.channels == 2;
        let picture = if grey_alpha { &coloured(picture) } else { picture };
        let colour = colour(picture.channels, picture.depth());
        let bytes = bytes(&picture.samples);
        let profile = profile_for(&self.icc, picture.channels);
        let cannot_hold = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Unsupported, format!("`{}` cannot hold the result: {error}", self.place.target.display()))
                .hint("write a PNG or TIFF file")
        };
        let unsupported = |error: image::ImageError| match error {
            image::ImageError::IoError(error) => self.place.fault(error),
            error => cannot_hold(&error),
        };
        let color = colour.ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!(
                    "`{}` cannot hold {} channels of {:?}",
                    self.place.target.display(),
                    picture.channels,
                    picture.depth()
                ),
            )
            .hint("write a PNG file")
        })?;
        let mut out = Vec::new();
        let exif = || self.metadata.exif_block(w, h);
        let kept = |kept: std::result::Result<(), UnsupportedError>| {
            if let Err(error) = kept {
                tracing::warn!(%error, "a part of the metadata is not kept");
            }
        };
        match self.format {
            FileFormat::Jpeg => {
                let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, self.quality);
                if let Some((x, y)) = self.metadata.resolution {
                    let density = [x, y].map(|side| side.round().clamp(1.0, 65535.0) as u16).into();
                    encoder.set_pixel_density(PixelDensity { density, unit: PixelDensityUnit::Inches });
                }
                profile.into_iter().for_each(|profile| kept(encoder.set_icc_profile(profile)));
                exif().into_iter().for_each(|exif| kept(encoder.set_exif_metadata(exif)));
                encoder.write_image(&bytes, w, h, color).map_err(unsupported)?;
                metadata::add_to_jpeg(&mut out, &self.metadata);
            }
            FileFormat::Webp => {
                let mut encoder = image_webp::WebPEncoder::new(&mut out);
                encoder.set_icc_profile(profile.unwrap_or_default());
                encoder.set_exif_metadata(exif().unwrap_or_default());
                encoder.set_xmp_metadata(self.metadata.xmp.clone().unwrap_or_default());
                let color = match color {
                    ExtendedColorType::L8 => image_webp::ColorType::L8,
                    ExtendedColorType::La8 => image_webp::ColorType::La8,
                    ExtendedColorType::Rgb8 => image_webp::ColorType::Rgb8,
                    _ => image_webp::ColorType::Rgba8,
                };
                encoder.encode(&bytes, w, h, color).map_err(|error| cannot_hold(&error))?;
            }
            FileFormat::Tiff => {
                let mut encoder = image::codecs::tiff::TiffEncoder::new(std::io::Cursor::new(&mut out));
                profile.into_iter().for_each(|profile| kept(encoder.set_icc_profile(profile)));
                encoder.write_image(&bytes, w, h, color).map_err(unsupported)?;
                self.metadata.add_to_tiff(&mut out, w, h);
            }
            // Written row by row, or above.
            FileFormat::Png | FileFormat::Gif => return Err(Error::internal("a PNG in memory")),
        }
        Ok(out)
    }
}

impl FileSink {
    fn encode_gif(&mut self, picture: &Picture) -> Result<Vec<u8>> {
        let frame = gif_frame(picture, &mut self.reduced, &self.place)?;
        let mut out = Vec::new();
        let encoder = gif::Encoder::new(&mut out, frame.width, frame.height, &[]);
        let written = encoder.and_then(|mut encoder| encoder.write_frame(&frame));
        written.map_err(|error| self.place.fault(error))?;
        Ok(out)
    }
}

/// The profile, if it is for such pixels.
pub fn profile_for(icc: &Option<Vec<u8>>, channels: usize) -> Option<Vec<u8>> {
    let wanted: &[u8] = if channels < 3 { b"GRAY" } else { b"RGB " };
    icc.clone().filter(|profile| profile.get(16..20) == Some(wanted))
}

/// Begins a PNG for rows of this kind; there are no floats in one, and 16 bits are the most it holds.
pub fn begin_png<W: Write>(
    sink: W,
    info: png::Info<'_>,
    head: Head,
) -> std::result::Result<png::Encoder<'_, W>, png::EncodingError> {
    images::png::begin(sink, info, head.channels, if head.depth == Depth::U8 { 8 } else { 16 })
}

impl Sink for FileSink {
    fn begin(&mut self, head: Head) -> Result<()> {
        if self.format != FileFormat::Png {
            let mut sink = MemorySink::default();
            sink.begin(head)?;
            self.state = State::Memory(sink);
            return Ok(());
        }
        let file = self.place.temporary()?;
        let handle = file.reopen().map_err(|error| self.place.fault(error))?;
        let mut info = png::Info::with_size(head.width as u32, head.height as u32);
        info.icc_profile = profile_for(&self.icc, head.channels).map(Into::into);
        std::mem::take(&mut self.metadata).into_png(&mut info);
        let begun = begin_png(BufWriter::new(handle), info, head).and_then(png::Encoder::write_header);
        let writer = begun.and_then(png::Writer::into_stream_writer).map_err(|error| self.place.fault(error))?;
        self.state = State::Png(Box::new(writer), file);
        Ok(())
    }

    fn rows(&mut self, samples: &Samples) -> Result<()> {
        let written = match &mut self.state {
            State::Waiting => Ok(()),
            State::Memory(sink) => return sink.rows(samples),
            State::Png(writer, _) => match samples {
                Samples::U8(samples) => writer.write_all(samples),
                Samples::U16(samples) => samples.chunks(1 << 16).try_for_each(|part| {
                    writer.write_all(&part.iter().flat_map(|sample| sample.to_be_bytes()).collect::<Vec<u8>>())
                }),
                Samples::F32(samples) => samples.chunks(1 << 16).try_for_each(|part| {
                    let wide = part.iter().map(|sample| (sample * 65535.0).round() as u16);
                    writer.write_all(&wide.flat_map(u16::to_be_bytes).collect::<Vec<u8>>())
                }),
            },
        };
        written.map_err(|error| self.place.fault(error))
    }
}

/// The picture in 8 bits; without alpha where the format has none: on white, as a viewer would show it.
pub fn eight_bits(picture: &Picture, opaque: bool) -> Picture {
    if picture.depth() == Depth::U8 && !(opaque && picture.has_alpha()) {
        return picture.clone();
    }
    let (from, to) =
        (picture.channels, if opaque { picture.channels - usize::from(picture.has_alpha()) } else { picture.channels });
    let mut out = Picture::new(picture.width, picture.height, to, Depth::U8);
    let mut line = vec![0.0; picture.width * from];
    let mut target = vec![0.0; picture.width * to];
    for y in 0..picture.height {
        picture.samples.read(y * line.len(), &mut line);
        for (pixel, out) in line.chunks_exact(from).zip(target.chunks_exact_mut(to)) {
            let alpha = if from == to { 1.0 } else { pixel[to] };
            out.iter_mut().zip(pixel).for_each(|(out, value)| *out = value * alpha + 1.0 - alpha);
        }
        out.samples.write(y * target.len(), &target);
    }
    out
}

/// Grey and alpha as RGBA, which more formats hold.
pub fn coloured(picture: &Picture) -> Picture {
    let mut out = Picture::new(picture.width, picture.height, 4, picture.depth());
    let raster = picture.to_raster();
    let data: Vec<f32> =
        raster.data.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect();
    out.samples.write(0, &data);
    out
}

fn colour(channels: usize, depth: Depth) -> Option<ExtendedColorType> {
    Some(match (channels, depth) {
        (1, Depth::U8) => ExtendedColorType::L8,
        (1, Depth::U16) => ExtendedColorType::L16,
        (2, Depth::U8) => ExtendedColorType::La8,
        (2, Depth::U16) => ExtendedColorType::La16,
        (3, Depth::U8) => ExtendedColorType::Rgb8,
        (3, Depth::U16) => ExtendedColorType::Rgb16,
        (3, Depth::F32) => ExtendedColorType::Rgb32F,
        (4, Depth::U8) => ExtendedColorType::Rgba8,
        (4, Depth::U16) => ExtendedColorType::Rgba16,
        (4, Depth::F32) => ExtendedColorType::Rgba32F,
        _ => return None,
    })
}

/// In the machine's own byte order, as the encoders want it.
pub fn bytes(samples: &Samples) -> std::borrow::Cow<'_, [u8]> {
    match samples {
        Samples::U8(samples) => samples.as_slice().into(),
        Samples::U16(samples) => samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
        Samples::F32(samples) => samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
    }
}
