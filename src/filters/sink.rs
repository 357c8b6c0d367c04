//! Where a finished picture goes, row by row, so that a large one is never held as `f32`.

use super::picture::{Picture, Samples};
use super::raster::Depth;
use crate::error::Result;

/// What the rows will make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    pub depth: Depth,
}

/// Takes a picture from its first row to its last.
pub trait Sink: Send {
    /// Comes once, before the rows.
    ///
    /// # Errors
    /// When there is no place for such a picture.
    fn begin(&mut self, head: Head) -> Result<()>;

    /// The next rows: whole ones, in the head's depth.
    ///
    /// # Errors
    /// When they cannot be written.
    fn rows(&mut self, samples: &Samples) -> Result<()>;
}

/// Keeps the picture in memory.
#[derive(Default)]
pub struct MemorySink {
    picture: Option<Picture>,
}

impl MemorySink {
    pub fn picture(self) -> Option<Picture> {
        self.picture
    }
}

impl Sink for MemorySink {
    fn begin(&mut self, head: Head) -> Result<()> {
        let mut samples = Samples::zeroed(head.depth, 0);
        samples.reserve(head.width * head.height * head.channels);
        self.picture = Some(Picture { width: head.width, height: head.height, channels: head.channels, samples });
        Ok(())
    }

    fn rows(&mut self, samples: &Samples) -> Result<()> {
        if let Some(picture) = &mut self.picture {
            picture.samples.append(samples);
        }
        Ok(())
    }
}
