//! PNG at the speed of the pixels' arrival: bands of rows are filtered and compressed on several threads, and each
//! becomes an IDAT chunk of one common zlib stream.
//!
//! Only None, Sub and Up filters: decoders undo these at the speed of memory, and on camera noise the slower ones
//! gain little. One filter per band, chosen by compressing a sample with each.

use super::deflate::Deflater;
use super::encode::{EncodeError, Layout};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Mutex, mpsc};

/// Raw bytes in a band, about; a band has at least one row.
const BAND: usize = 1 << 19;

/// Most threads; beyond these, reading and base64 are what one waits for.
const MAX_THREADS: usize = 4;

/// Rows of a band that are compressed with each filter to choose one, and how many bytes of each.
const SAMPLE_ROWS: usize = 4;
const SAMPLE_BYTES: usize = 3 << 10;

/// Largest share of its size that a coded band may keep; else it is stored. Inflating camera noise costs a local client about 5 ms a megabyte of pixels,
/// and a megabyte not sent saves it about 8 ms of base64 and JSON, so noise that keeps half its size is quicker stored.
const WORTH_FAST: f64 = 0.5;

/// The same where size matters more: in pictures for a model's eyes, which the client sends on, in those with a limit,
/// and in the blocks of a band that is coded.
const WORTH_SMALL: f64 = 0.95;

/// Raw bytes up to which a picture is thought to be for a model's eyes.
const SMALL_PICTURE: u64 = 8 << 20;

#[derive(Clone, Copy)]
enum Filter {
    None = 0,
    Sub = 1,
    Up = 2,
}

/// Rows of the picture, with the row above the first one in front: the Up filter needs it.
struct Band {
    index: usize,
    raw: Vec<u8>,
}

/// A compressed band and what its part of the stream's checksum needs.
struct Piece {
    chunk: Vec<u8>,
    adler: u32,
    filtered_bytes: u64,
    /// The band's memory, to be filled again.
    raw: Vec<u8>,
}

/// Encodes `layout.height` rows; holds a few bands, never the picture.
///
/// `compact`: as small as is quick, whatever the picture's size; else large noisy pictures are stored as they are.
pub fn encode(layout: Layout, compact: bool, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    let worth = if compact || layout.total_bytes() <= SMALL_PICTURE { WORTH_SMALL } else { WORTH_FAST };
    let band_rows = (BAND / layout.row_bytes()).clamp(1, layout.height as usize);
    let bands = (layout.height as usize).div_ceil(band_rows);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MAX_THREADS).min(bands);
    write_start(layout, sink)?;
    std::thread::scope(|scope| {
        let (send_band, take_band) = mpsc::channel::<(Band, mpsc::Sender<Piece>)>();
        let take_band = std::sync::Arc::new(Mutex::new(take_band));
        for _ in 0..threads {
            let take_band = take_band.clone();
            scope.spawn(move || {
                let mut worker = Worker { layout, worth, deflater: Deflater::new(WORTH_SMALL), filtered: Vec::new() };
                loop {
                    // The lock is held while waiting, which only keeps the other idle threads in line.
                    let next = take_band.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                    let Ok((band, done)) = next else { return };
                    // Nobody waits for the piece after an error; the next `recv` ends this thread then.
                    let _ = done.send(worker.compress(band));
                }
            });
        }
        // Dropping the sender, on any way out, ends the threads.
        let mut pipeline = Pipeline { send_band, waiting: VecDeque::new(), free: Vec::new(), adler: 1, sink };
        let mut above = vec![0; layout.row_bytes()];
        for index in 0..bands {
            let count = band_rows.min(layout.height as usize - index * band_rows);
            let mut raw = pipeline.room(2 * threads)?;
            raw.clear();
            raw.extend_from_slice(&above);
            raw.resize((count + 1) * layout.row_bytes(), 0);
            rows.read_exact(&mut raw[layout.row_bytes()..]).map_err(EncodeError::Rows)?;
            above.copy_from_slice(&raw[count * layout.row_bytes()..]);
            pipeline.submit(Band { index, raw })?;
        }
        while !pipeline.waiting.is_empty() {
            pipeline.collect()?;
        }
        write_end(pipeline.adler, pipeline.sink)
    })
}

/// Bands on their way through the threads, in order.
struct Pipeline<'a, W> {
    send_band: mpsc::Sender<(Band, mpsc::Sender<Piece>)>,
    waiting: VecDeque<mpsc::Receiver<Piece>>,
    free: Vec<Vec<u8>>,
    adler: u32,
    sink: &'a mut W,
}

impl<W: Write> Pipeline<'_, W> {
    /// Memory for a band, once fewer than `most` are under way.
    fn room(&mut self, most: usize) -> Result<Vec<u8>, EncodeError> {
        while self.waiting.len() >= most {
            self.collect()?;
        }
        Ok(self.free.pop().unwrap_or_default())
    }

    fn submit(&mut self, band: Band) -> Result<(), EncodeError> {
        let (done, piece) = mpsc::channel();
        self.send_band.send((band, done)).map_err(|_| EncodeError::Encoder("no thread takes bands".into()))?;
        self.waiting.push_back(piece);
        Ok(())
    }

    /// Writes the oldest band's chunk.
    fn collect(&mut self) -> Result<(), EncodeError> {
        let Some(piece) = self.waiting.pop_front() else { return Ok(()) };
        let piece = piece.recv().map_err(|_| EncodeError::Encoder("a compressing thread ended".into()))?;
        self.sink.write_all(&piece.chunk).map_err(write_failed)?;
        self.adler = adler_combine(self.adler, piece.adler, piece.filtered_bytes);
        self.free.push(piece.raw);
        Ok(())
    }
}

struct Worker {
    layout: Layout,
    worth: f64,
    deflater: Deflater,
    filtered: Vec<u8>,
}

impl Worker {
    fn compress(&mut self, mut band: Band) -> Piece {
        let row = self.layout.row_bytes();
        if self.layout.depth == 16 && cfg!(target_endian = "little") {
            // PNG's samples are big-endian.
            band.raw.as_chunks_mut::<2>().0.iter_mut().for_each(|sample| sample.reverse());
        }
        let choice = self.choose(&band.raw);
        let filter = choice.unwrap_or(Filter::None);
        self.filtered.clear();
        self.filtered.reserve(band.raw.len());
        let pixel = self.layout.pixel_bytes();
        for (above, current) in band.raw.chunks_exact(row).zip(band.raw[row..].chunks_exact(row)) {
            push_filtered(filter, above, current, pixel, &mut self.filtered);
        }
        // zlib's header comes before the first band: deflate, 32 KiB window, fastest.
        let start: &[u8] = if band.index == 0 { &[0x78, 0x01] } else { &[] };
        let chunk = chunk(b"IDAT", |out| {
            out.extend_from_slice(start);
            match choice {
                Some(_) => self.deflater.piece(&self.filtered, out),
                None => self.deflater.store(&self.filtered, out),
            }
        });
        let adler = simd_adler32::adler32(&self.filtered.as_slice());
        Piece { chunk, adler, filtered_bytes: self.filtered.len() as u64, raw: band.raw }
    }

    /// The filter that makes a sample of the band smallest, the quickest of those that come within two percent;
    /// `None` if even that is not worth coding: then no filter either, whose undoing would cost the reader time.
    fn choose(&mut self, raw: &[u8]) -> Option<Filter> {
        let row = self.layout.row_bytes();
        let rows = raw.len() / row - 1;
        let pixel = self.layout.pixel_bytes();
        // A few neighbouring rows from the middle, so that repetition from row to row shows.
        let first = (rows / 2).min(rows.saturating_sub(SAMPLE_ROWS));
        let width = row.min(SAMPLE_BYTES / pixel * pixel);
        let mut best = (usize::MAX, Filter::None);
        let mut sample = 0;
        for filter in [Filter::Up, Filter::None, Filter::Sub] {
            self.filtered.clear();
            for index in first..rows.min(first + SAMPLE_ROWS) {
                let above = &raw[index * row..][..width];
                let current = &raw[(index + 1) * row..][..width];
                push_filtered(filter, above, current, pixel, &mut self.filtered);
            }
            sample = self.filtered.len();
            let size = self.deflater.estimate(&self.filtered);
            if size < best.0 - best.0 / 50 {
                best = (size, filter);
            }
        }
        (best.0 as f64 <= self.worth * sample as f64).then_some(best.1)
    }
}

fn push_filtered(filter: Filter, above: &[u8], current: &[u8], pixel: usize, out: &mut Vec<u8>) {
    out.push(filter as u8);
    match filter {
        Filter::None => out.extend_from_slice(current),
        Filter::Up => out.extend(current.iter().zip(above).map(|(value, above)| value.wrapping_sub(*above))),
        Filter::Sub => {
            out.extend_from_slice(&current[..pixel]);
            out.extend(current[pixel..].iter().zip(current).map(|(value, left)| value.wrapping_sub(*left)));
        }
    }
}

fn write_start(layout: Layout, sink: &mut impl Write) -> Result<(), EncodeError> {
    let color_type = match layout.channels {
        1 => 0,
        2 => 4,
        3 => 2,
        _ => 6,
    };
    let header = chunk(b"IHDR", |out| {
        out.extend_from_slice(&layout.width.to_be_bytes());
        out.extend_from_slice(&layout.height.to_be_bytes());
        // Depth, colour type, and the only compression, filter method and interlacing that are used here.
        out.extend_from_slice(&[layout.depth, color_type, 0, 0, 0]);
    });
    sink.write_all(b"\x89PNG\r\n\x1a\n").and_then(|()| sink.write_all(&header)).map_err(write_failed)
}

fn write_end(adler: u32, sink: &mut impl Write) -> Result<(), EncodeError> {
    let last = chunk(b"IDAT", |out| {
        // A final block that holds nothing, with fixed codes.
        out.extend_from_slice(&[0x03, 0x00]);
        out.extend_from_slice(&adler.to_be_bytes());
    });
    let end = chunk(b"IEND", |_| ());
    sink.write_all(&last).and_then(|()| sink.write_all(&end)).map_err(write_failed)
}

/// A PNG chunk: length, type, content, CRC of type and content.
fn chunk(kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(kind);
    fill(&mut out);
    let length = (out.len() - 8) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32fast::hash(&out[4..]);
    out.extend_from_slice(&crc.to_be_bytes());
    out
}

/// The Adler-32 of two pieces in a row, from that of each and the second's length (RFC 1950; zlib's own formula).
fn adler_combine(first: u32, second: u32, second_bytes: u64) -> u32 {
    const BASE: u64 = 65521;
    let (a1, b1) = (u64::from(first & 0xffff), u64::from(first >> 16));
    let (a2, b2) = (u64::from(second & 0xffff), u64::from(second >> 16));
    let length = second_bytes % BASE;
    let a = (a1 + a2 + BASE - 1) % BASE;
    let b = (b1 + b2 + length * (a1 + BASE - 1)) % BASE;
    (b << 16 | a) as u32
}

fn write_failed(error: io::Error) -> EncodeError {
    EncodeError::Encoder(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_pieces_combine() {
        let data: Vec<u8> = (0..200_000u32).map(|index| (index.wrapping_mul(index) >> 7) as u8).collect();
        for cut in [0, 1, 65521, 65522, 131_042, 199_999, 200_000] {
            let (first, second) = data.split_at(cut);
            let combined =
                adler_combine(simd_adler32::adler32(&first), simd_adler32::adler32(&second), second.len() as u64);
            assert_eq!(combined, simd_adler32::adler32(&data.as_slice()), "{cut}");
        }
    }
}
