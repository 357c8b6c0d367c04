//! From a model's rows to the picture's own: alpha, grey, opacity, selection, depth.
//!
//! What lies outside of the selection, and what is fully transparent, keeps its samples bit by bit.

use super::view::Rect;
use crate::error::Result;
use crate::filters::manifest::Resample;
use crate::filters::picture::{Picture, Samples};
use crate::filters::pixels::{colour, resize};
use crate::filters::raster::Plane;
use crate::filters::sink::{Head, Sink};

/// What a result is blended with.
pub struct Finish<'a> {
    pub picture: &'a Picture,
    /// The part that the rows are of; the whole picture if it grows.
    pub rect: Rect,
    /// How much larger the result is.
    pub scale: usize,
    /// As large as the picture: 1 takes the result.
    pub through: Option<&'a Plane>,
    /// As large as `rect`, in place of `through`.
    pub paste: Option<&'a Plane>,
    /// Share of the result.
    pub opacity: f32,
    /// A grey picture becomes coloured.
    pub colours: bool,
}

/// Takes the rows of `rect` and hands whole rows of the picture on.
pub struct Finisher<'a> {
    finish: Finish<'a>,
    sink: &'a mut dyn Sink,
    channels: usize,
    /// Rows of `rect` that have come, in the result's pixels.
    come: usize,
}

impl<'a> Finisher<'a> {
    /// Begins the picture and hands on what lies above the rectangle.
    ///
    /// # Errors
    /// The sink's.
    pub fn new(finish: Finish<'a>, sink: &'a mut dyn Sink) -> Result<Finisher<'a>> {
        let picture = finish.picture;
        let channels = if finish.colours && picture.channels <= 2 { picture.channels + 2 } else { picture.channels };
        sink.begin(Head {
            width: picture.width * finish.scale,
            height: picture.height * finish.scale,
            channels,
            depth: picture.depth(),
        })?;
        let mut finisher = Finisher { finish, sink, channels, come: 0 };
        finisher.unchanged(0, finisher.finish.rect.y)?;
        Ok(finisher)
    }

    /// Rows of the source as they are. Only where the size stays.
    fn unchanged(&mut self, from: usize, to: usize) -> Result<()> {
        let picture = self.finish.picture;
        // Some MiB at a time, so that the copy stays small.
        let step = (4 << 20) / (picture.width * picture.channels).max(1) + 1;
        let mut y = from;
        while y < to {
            let count = step.min(to - y);
            let rows = self.source_rows(y, count);
            self.sink.rows(&rows)?;
            y += count;
        }
        Ok(())
    }

    fn source_rows(&self, y: usize, count: usize) -> Samples {
        let picture = self.finish.picture;
        let line = picture.width * picture.channels;
        if self.channels == picture.channels {
            let mut rows = Samples::zeroed(picture.depth(), line * count);
            rows.copy_from(0, &picture.samples, y * line, line * count);
            return rows;
        }
        let part = picture.region(0, y, picture.width, count);
        let pixels = part.data.chunks_exact(part.channels);
        let data: Vec<f32> =
            pixels.flat_map(|pixel| [pixel[0]; 3].into_iter().chain(pixel[1..].iter().copied())).collect();
        let mut rows = Samples::zeroed(picture.depth(), data.len());
        rows.write(0, &data);
        rows
    }

    /// The next rows of the rectangle; `channels` is 3 or 1.
    ///
    /// # Errors
    /// The sink's.
    pub fn rows(&mut self, data: &[f32], channels: usize) -> Result<()> {
        let width = self.finish.rect.width * self.finish.scale * channels;
        let count = data.len() / width.max(1);
        let rows = if self.finish.scale == 1 {
            self.blended(data, channels, count)
        } else {
            self.grown(data, channels, count)
        };
        self.come += count;
        self.sink.rows(&rows)
    }

    fn blended(&self, data: &[f32], channels: usize, count: usize) -> Samples {
        let Finish { picture, rect, .. } = &self.finish;
        let top = rect.y + self.come;
        let mut rows = self.source_rows(top, count);
        let (n, colours) = (self.channels, self.channels - usize::from(picture.has_alpha()));
        let mut line = vec![0.0; rect.width * n];
        for row in 0..count {
            let at = (row * picture.width + rect.x) * n;
            rows.read(at, &mut line);
            let result = &data[row * rect.width * channels..][..rect.width * channels];
            let y = top + row;
            for (x, (pixel, result)) in line.chunks_exact_mut(n).zip(result.chunks_exact(channels)).enumerate() {
                let through = match (self.finish.paste, self.finish.through) {
                    (Some(paste), _) => paste.at(x, y - rect.y),
                    (None, Some(through)) => through.at(rect.x + x, y),
                    (None, None) => 1.0,
                };
                let share = through * self.finish.opacity;
                if share > 0.0 && !(picture.has_alpha() && pixel[colours] == 0.0) {
                    mix(&mut pixel[..colours], result, share);
                }
            }
            // Samples that were only read come back bit by bit: 255 and 65535 steps survive `f32`.
            rows.write(at, &line);
        }
        rows
    }

    fn grown(&self, data: &[f32], channels: usize, count: usize) -> Samples {
        let picture = self.finish.picture;
        let width = picture.width * self.finish.scale;
        let (n, colours) = (self.channels, self.channels - usize::from(picture.has_alpha()));
        let alpha = picture.has_alpha().then(|| self.grown_alpha(count));
        let mut rows = Samples::zeroed(picture.depth(), width * count * n);
        let mut line = vec![0.0; width * n];
        for row in 0..count {
            let result = &data[row * width * channels..][..width * channels];
            for (x, (pixel, result)) in line.chunks_exact_mut(n).zip(result.chunks_exact(channels)).enumerate() {
                mix(&mut pixel[..colours], result, 1.0);
                if let Some(alpha) = &alpha {
                    pixel[colours] = alpha[row * width + x];
                }
            }
            rows.write(row * width * n, &line);
        }
        rows
    }

    /// Alpha of the next `count` result rows, from the source rows around them.
    fn grown_alpha(&self, count: usize) -> Vec<f32> {
        let (picture, scale) = (self.finish.picture, self.finish.scale);
        let first = (self.come / scale).saturating_sub(3);
        let last = ((self.come + count).div_ceil(scale) + 3).min(picture.height);
        let part = picture.region(0, first, picture.width, last - first);
        let alpha: Vec<f32> = part.data.chunks_exact(part.channels).map(|pixel| pixel[part.channels - 1]).collect();
        if alpha.iter().all(|&value| value == 1.0) {
            return vec![1.0; picture.width * scale * count];
        }
        let to = (picture.width * scale, (last - first) * scale);
        let grown = resize::resize(&alpha, (picture.width, last - first), 1, to, Resample::Cubic);
        let skip = (self.come - first * scale) * to.0;
        grown[skip..skip + count * to.0].iter().map(|value| value.clamp(0.0, 1.0)).collect()
    }

    /// Hands on what lies below the rectangle.
    ///
    /// # Errors
    /// The sink's.
    pub fn end(mut self) -> Result<()> {
        let Rect { y, height, .. } = self.finish.rect;
        let bottom = self.finish.picture.height;
        if self.finish.scale == 1 { self.unchanged(y + height, bottom) } else { Ok(()) }
    }
}

/// Moves a pixel towards the result; grey takes the result's luma.
fn mix(pixel: &mut [f32], result: &[f32], share: f32) {
    let result = match (pixel.len(), result.len()) {
        (1, 3) => [colour::luma(result); 3],
        (_, 1) => [result[0]; 3],
        _ => [result[0], result[1], result[2]],
    };
    for (value, result) in pixel.iter_mut().zip(result) {
        *value += (result - *value) * share;
    }
}
