//! JPEG, as rows come: the encoder pulls one row after the other.

use super::encode::{EncodeError, Layout};
use jpeg_encoder::{EncodingError, ImageBuffer, JpegColorType, rgb_to_ycbcr};
use std::cell::RefCell;
use std::io::{Read, Write};

/// The format's own limit on a side, in pixels.
const MAX_SIDE: u32 = 65535;

pub fn encode(layout: Layout, quality: u8, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    if layout.width > MAX_SIDE || layout.height > MAX_SIDE {
        let (width, height) = (layout.width, layout.height);
        return Err(EncodeError::TooLarge { format: "jpeg", limit: "65535 pixels a side", width, height });
    }
    let source = Source {
        layout,
        state: RefCell::new(State { rows, row: vec![0; layout.row_bytes()], next: 0, broken: false }),
    };
    // The encoder writes single bytes and stops at the first error.
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, sink);
    let encoder = jpeg_encoder::Encoder::new(&mut buffered, quality);
    encoder.encode_image(source).map_err(|error: EncodingError| EncodeError::Encoder(error.to_string()))?;
    buffered.flush().map_err(|error| EncodeError::Encoder(error.to_string()))
}

/// The rows as the encoder asks for them: in order, the last one repeated to fill its block.
struct Source<'a, R> {
    layout: Layout,
    state: RefCell<State<'a, R>>,
}

struct State<'a, R> {
    rows: &'a mut R,
    row: Vec<u8>,
    /// Index of the next row to read.
    next: u32,
    /// The rows ended early; `Counted` knows why, and the rest is encoded as it is and thrown away.
    broken: bool,
}

impl<R: Read> ImageBuffer for Source<'_, R> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.layout.channels < 3 { JpegColorType::Luma } else { JpegColorType::Ycbcr }
    }

    fn width(&self) -> u16 {
        self.layout.width as u16
    }

    fn height(&self) -> u16 {
        self.layout.height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let mut state = self.state.borrow_mut();
        if u32::from(y) >= state.next && !state.broken {
            let State { rows, row, .. } = &mut *state;
            state.broken = rows.read_exact(row).is_err();
            state.next += 1;
        }
        fill(self.layout, &state.row, buffers);
    }
}

fn fill(layout: Layout, row: &[u8], buffers: &mut [Vec<u8>; 4]) {
    let step = usize::from(layout.depth / 8);
    let high = if layout.depth == 16 && cfg!(target_endian = "little") { 1 } else { 0 };
    for pixel in row.chunks_exact(layout.pixel_bytes()) {
        let sample = |channel: usize| pixel[channel * step + high];
        // JPEG has no alpha: what is transparent shows white.
        let alpha = if layout.has_alpha() { u32::from(sample(usize::from(layout.channels) - 1)) } else { 255 };
        let over_white = |channel: usize| {
            let value = u32::from(sample(channel));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        if layout.channels < 3 {
            buffers[0].push(over_white(0));
        } else {
            let (y, cb, cr) = rgb_to_ycbcr(over_white(0), over_white(1), over_white(2));
            buffers[0].push(y);
            buffers[1].push(cb);
            buffers[2].push(cr);
        }
    }
}
