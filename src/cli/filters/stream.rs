//! Writing a result: PNG row by row, so that a large picture is never held; the others from memory. A file appears
//! whole, by a rename, or not at all.

use crate::error::{Error, Kind, Result};
use crate::filters::{Depth, Head, MemorySink, Picture, Samples, Sink};
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
            _ => Err(Error::new(Kind::InvalidArgument, format!("`{}` has no known ending", path.display()))
                .hint("use .png, .jpg, .webp or .tif")),
        }
    }
}

/// Where a result goes.
pub struct FileSink {
    target: PathBuf,
    format: FileFormat,
    icc: Option<Vec<u8>>,
    quality: u8,
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
    /// # Errors
    /// As [`FileFormat::of`].
    pub fn new(target: &Path, icc: Option<Vec<u8>>, quality: u8) -> Result<FileSink> {
        Ok(FileSink { format: FileFormat::of(target)?, target: target.to_owned(), icc, quality, state: State::Waiting })
    }

    /// Whether rows have come.
    pub fn begun(&self) -> bool {
        !matches!(self.state, State::Waiting)
    }

    fn fault(&self, error: impl std::fmt::Display) -> Error {
        Error::new(Kind::IoError, format!("`{}`: {error}", self.target.display()))
            .hint("check the disk's space and permissions")
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::Builder::new().prefix(".gimp-bridge-").tempfile_in(folder).map_err(|error| self.fault(error))
    }

    /// The profile, if it is for such pixels.
    fn profile(&self, channels: usize) -> Option<Vec<u8>> {
        let wanted: &[u8] = if channels < 3 { b"GRAY" } else { b"RGB " };
        self.icc.clone().filter(|profile| profile.get(16..20) == Some(wanted))
    }

    /// Writes what is left and makes the file appear.
    ///
    /// # Errors
    /// `io_error`, `unsupported` when the format cannot hold the picture.
    pub fn finish(mut self) -> Result<()> {
        let file = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Waiting => return Err(Error::internal("a picture without rows")),
            State::Png(writer, file) => {
                writer.finish().map_err(|error| self.fault(error))?;
                file
            }
            State::Memory(sink) => {
                let picture = sink.picture().ok_or_else(|| Error::internal("a picture without rows"))?;
                let mut file = self.temporary()?;
                let mut out = BufWriter::new(&mut file);
                self.encode(&picture, &mut out)?;
                out.flush().map_err(|error| self.fault(error))?;
                drop(out);
                file
            }
        };
        self.appear(file)
    }

    fn appear(&self, file: NamedTempFile) -> Result<()> {
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

    fn encode(&self, picture: &Picture, out: &mut (impl Write + std::io::Seek)) -> Result<()> {
        let (w, h) = (picture.width as u32, picture.height as u32);
        let narrow = matches!(self.format, FileFormat::Jpeg | FileFormat::Webp);
        let picture = if narrow { &eight_bits(picture, self.format == FileFormat::Jpeg) } else { picture };
        let grey_alpha = self.format == FileFormat::Tiff && picture.channels == 2;
        let picture = if grey_alpha { &coloured(picture) } else { picture };
        let colour = colour(picture.channels, picture.depth());
        let bytes = bytes(&picture.samples);
        let profile = self.profile(picture.channels);
        let unsupported = |error: image::ImageError| match error {
            image::ImageError::IoError(error) => self.fault(error),
            error => {
                Error::new(Kind::Unsupported, format!("`{}` cannot hold the result: {error}", self.target.display()))
                    .hint("write a PNG or TIFF file")
            }
        };
        let color = colour.ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!(
                    "`{}` cannot hold {} channels of {:?}",
                    self.target.display(),
                    picture.channels,
                    picture.depth()
                ),
            )
            .hint("write a PNG file")
        })?;
        macro_rules! write_with {
            ($encoder:expr) => {{
                let mut encoder = $encoder;
                if let Some(profile) = profile {
                    if let Err(error) = encoder.set_icc_profile(profile) {
                        tracing::warn!(%error, "the colour profile is not kept");
                    }
                }
                encoder.write_image(&bytes, w, h, color).map_err(unsupported)
            }};
        }
        match self.format {
            FileFormat::Jpeg => write_with!(image::codecs::jpeg::JpegEncoder::new_with_quality(out, self.quality)),
            FileFormat::Webp => write_with!(image::codecs::webp::WebPEncoder::new_lossless(out)),
            FileFormat::Tiff => write_with!(image::codecs::tiff::TiffEncoder::new(out)),
            FileFormat::Png => write_with!(image::codecs::png::PngEncoder::new(out)),
        }
    }
}

impl Sink for FileSink {
    fn begin(&mut self, head: Head) -> Result<()> {
        if self.format != FileFormat::Png {
            let mut sink = MemorySink::default();
            sink.begin(head)?;
            self.state = State::Memory(sink);
            return Ok(());
        }
        let file = self.temporary()?;
        let handle = file.reopen().map_err(|error| self.fault(error))?;
        let mut info = png::Info::with_size(head.width as u32, head.height as u32);
        info.color_type = match head.channels {
            1 => png::ColorType::Grayscale,
            2 => png::ColorType::GrayscaleAlpha,
            3 => png::ColorType::Rgb,
            _ => png::ColorType::Rgba,
        };
        info.bit_depth = if head.depth == Depth::U8 { png::BitDepth::Eight } else { png::BitDepth::Sixteen };
        info.icc_profile = self.profile(head.channels).map(Into::into);
        let mut encoder = png::Encoder::with_info(BufWriter::new(handle), info).map_err(|error| self.fault(error))?;
        encoder.set_compression(png::Compression::Fast);
        let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
        self.state = State::Png(Box::new(writer.map_err(|error| self.fault(error))?), file);
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
                // PNG has no floats; 16 bits are the most it holds.
                Samples::F32(samples) => samples.chunks(1 << 16).try_for_each(|part| {
                    let wide = part.iter().map(|sample| (sample * 65535.0).round() as u16);
                    writer.write_all(&wide.flat_map(u16::to_be_bytes).collect::<Vec<u8>>())
                }),
            },
        };
        written.map_err(|error| self.fault(error))
    }
}

/// The picture in 8 bits; without alpha where the format has none: on white, as a viewer would show it.
fn eight_bits(picture: &Picture, opaque: bool) -> Picture {
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
fn coloured(picture: &Picture) -> Picture {
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
fn bytes(samples: &Samples) -> std::borrow::Cow<'_, [u8]> {
    match samples {
        Samples::U8(samples) => samples.as_slice().into(),
        Samples::U16(samples) => samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
        Samples::F32(samples) => samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(),
    }
}
