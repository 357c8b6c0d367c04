//! JPEG, as rows come: the encoder pulls one row after the other.

use super::encode::{EncodeError, Layout};
use jpeg_encoder::{ImageBuffer, JpegColorType, rgb_to_ycbcr};
use std::cell::{Cell, RefCell};
use std::io::{self, BufWriter, Read, Write};

/// The format's own limit on a side, in pixels.
const MAX_SIDE: u32 = 65535;

pub fn encode(layout: Layout, quality: u8, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    if layout.width > MAX_SIDE || layout.height > MAX_SIDE {
        let (width, height) = (layout.width, layout.height);
        return Err(EncodeError::TooLarge { format: "jpeg", limit: "65535 pixels a side", width, height });
    }
    let broken = Cell::new(false);
    let state = State { rows, row: vec![0; layout.row_bytes()], next: 0 };
    let source = Source { layout, state: RefCell::new(state), broken: &broken };
    // The encoder writes single bytes and stops at the first error.
    let mut sink = BufWriter::with_capacity(1 << 16, Gate { sink, broken: &broken });
    let encoder = jpeg_encoder::Encoder::new(&mut sink, quality);
    let failed = |error: &dyn std::fmt::Display| EncodeError::Encoder(error.to_string());
    encoder.encode_image(source).map_err(|error| failed(&error))?;
    sink.flush().map_err(|error| failed(&error))
}

/// The rows as the encoder asks for them: in order, the last one repeated to fill its block.
struct Source<'a, R> {
    layout: Layout,
    state: RefCell<State<'a, R>>,
    broken: &'a Cell<bool>,
}

struct State<'a, R> {
    rows: &'a mut R,
    row: Vec<u8>,
    /// Index of the next row to read.
    next: u32,
}

/// The encoder cannot be told that rows ended early, so from then on its output fails.
struct Gate<'a, W> {
    sink: W,
    broken: &'a Cell<bool>,
}

impl<W: Write> Write for Gate<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.get() { Err(io::Error::other("the rows ended early")) } else { self.sink.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
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
        if u32::from(y) >= state.next && !self.broken.get() {
            let State { rows, row, .. } = &mut *state;
            self.broken.set(rows.read_exact(row).is_err());
            state.next += 1;
        }
        fill(self.layout, &state.row, buffers);
    }
}

fn fill(layout: Layout, row: &[u8], buffers: &mut [Vec<u8>; 4]) {
    match (layout.channels, layout.depth) {
        (1, 8) => buffers[0].extend_from_slice(row),
        (3, 8) => push_rgb(row.as_chunks::<3>().0.iter().copied(), buffers),
        (4, 8) => push_rgb(
            row.as_chunks::<4>().0.iter().map(|[r, g, b, a]| [r, g, b].map(|value| on_white(*value, *a))),
            buffers,
        ),
        (channels, _) => {
            let pixels = row.chunks_exact(layout.pixel_bytes()).map(|pixel| over_white(layout, pixel));
            if channels < 3 { buffers[0].extend(pixels.map(|[grey, ..]| grey)) } else { push_rgb(pixels, buffers) }
        }
    }
}

fn push_rgb(pixels: impl ExactSizeIterator<Item = [u8; 3]>, buffers: &mut [Vec<u8>; 4]) {
    let start = buffers[0].len();
    buffers[..3].iter_mut().for_each(|buffer| buffer.resize(start + pixels.len(), 0));
    let [luma, blue, red, _] = buffers;
    let places = luma[start..].iter_mut().zip(&mut blue[start..]).zip(&mut red[start..]);
    for ([r, g, b], ((luma, blue), red)) in pixels.zip(places) {
        (*luma, *blue, *red) = rgb_to_ycbcr(r, g, b);
    }
}

/// A pixel's 8-bit colour; JPEG has no alpha, so what is transparent shows white.
fn over_white(layout: Layout, pixel: &[u8]) -> [u8; 3] {
    let step = usize::from(layout.depth / 8);
    // Of a 16-bit sample the high byte is the 8-bit value.
    let high = usize::from(layout.depth == 16 && cfg!(target_endian = "little"));
    let sample = |channel: u8| pixel[usize::from(channel) * step + high];
    let alpha = if layout.has_alpha() { sample(layout.channels - 1) } else { 255 };
    let colour = |channel: u8| on_white(sample(channel), alpha);
    if layout.channels < 3 { [colour(0); 3] } else { [colour(0), colour(1), colour(2)] }
}

fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
