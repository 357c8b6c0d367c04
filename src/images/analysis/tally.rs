//! One pass over the pixels: histograms, colour cells and sums, on a few threads.

use super::spatial::Spatial;
use super::{Pixels, Samples};
use std::thread;

/// Colour cells take the upper five bits of each channel.
pub const CELLS: usize = 1 << 15;

/// Enough for 12 megapixels in a tenth of a second, few enough to leave GIMP its processors.
const MAX_THREADS: usize = 4;

/// Sums of 32 bits hold this many pixels of the largest value.
const CHUNK: usize = 2048;

/// Weights and sums of weighted values; a weight of an opaque picture without a mask is 1.
pub struct Tally {
    /// Weight of the selection, transparent pixels included, in the unit of `weight`.
    pub selected: u64,
    /// Selected weight of pixels with alpha 0, and of those with alpha between the ends (not weighted by alpha).
    pub transparent: u64,
    pub translucent: u64,
    /// Weight of all counted pixels.
    pub weight: u64,
    pub luma: [u64; 256],
    /// Red, green, blue.
    pub channels: [[u64; 256]; 3],
    /// Weight, red, green and blue by colour cell.
    pub cells: Vec<[u64; 4]>,
    /// Largest difference between the channels of a counted pixel.
    pub spread: u8,
    pub sum_spread: u64,
    pub sum_max: u64,
    /// R - G and R + G - 2 B: sums and sums of squares.
    pub opponents: [(i64, u64); 2],
    pub spatial: Option<Spatial>,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            selected: 0,
            transparent: 0,
            translucent: 0,
            weight: 0,
            luma: [0; 256],
            channels: [[0; 256]; 3],
            cells: vec![[0; 4]; CELLS],
            spread: 0,
            sum_spread: 0,
            sum_max: 0,
            opponents: [(0, 0); 2],
            spatial: None,
        }
    }

    fn add(&mut self, other: &Tally) {
        self.selected += other.selected;
        self.transparent += other.transparent;
        self.translucent += other.translucent;
        self.weight += other.weight;
        add_all(&mut self.luma, &other.luma);
        for (mine, theirs) in self.channels.iter_mut().zip(&other.channels) {
            add_all(mine, theirs);
        }
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            add_all(mine, theirs);
        }
        self.spread = self.spread.max(other.spread);
        self.sum_spread += other.sum_spread;
        self.sum_max += other.sum_max;
        for (mine, theirs) in self.opponents.iter_mut().zip(&other.opponents) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
        if let (Some(mine), Some(theirs)) = (&mut self.spatial, &other.spatial) {
            mine.add(theirs);
        }
    }
}

fn add_all(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

/// Counts all pixels; `spatial` adds what needs a pixel's neighbours.
pub fn count(pixels: &Pixels, spatial: bool) -> Tally {
    let height = pixels.height as usize;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    // Bands begin where a row of noise blocks begins, so that no block is cut.
    let blocks = height.div_ceil(Spatial::BLOCK);
    let edge = |band: usize| if band == threads { height } else { (blocks * band / threads) * Spatial::BLOCK };
    let band = |index: usize| count_rows(pixels, edge(index), edge(index + 1), spatial);
    if pixels.width as usize * height < 1 << 16 {
        return count_rows(pixels, 0, height, spatial);
    }
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|index| scope.spawn(move || band(index))).collect();
        let mut tally = band(0);
        for other in others {
            // A panic in a band is a fault of ours and goes on as one.
            tally.add(&other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        tally
    })
}

/// Rows `from..to`. The spatial part of the band is that of the 3 x 3 windows whose upper row lies in it.
fn count_rows(pixels: &Pixels, from: usize, to: usize, spatial: bool) -> Tally {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let mut tally = Tally::new();
    let mut row = Row::new(width);
    let mut counts = Box::new(Counts([[[0; 256]; 4]; 2]));
    let mut windows = spatial.then(|| Spatial::new(width));
    let last = if spatial { (to + 2).min(height) } else { to };
    for y in from..last.max(to) {
        row.load(pixels, y);
        if y < to {
            tally.count_row(&row, &mut counts);
        }
        if let Some(windows) = &mut windows {
            windows.push(&row.luma, row.weights.as_deref(), y - from);
        }
    }
    if let Some(windows) = &mut windows {
        windows.finish();
    }
    tally.spatial = windows;
    tally
}

/// Two banks of four histograms: neighbours are often equal, and a bank of their own spares the wait for the other's
/// store.
struct Counts([[[u32; 256]; 4]; 2]);

/// One row, its channels apart.
struct Row {
    red: Vec<u8>,
    green: Vec<u8>,
    blue: Vec<u8>,
    luma: Vec<i16>,
    /// Opacity times selection; none when every pixel counts in full.
    weights: Option<Vec<u32>>,
    selected: u64,
    transparent: u64,
    translucent: u64,
}

impl Row {
    fn new(width: usize) -> Row {
        let channel = vec![0; width];
        Row {
            red: channel.clone(),
            green: channel.clone(),
            blue: channel,
            luma: vec![0; width],
            weights: None,
            selected: 0,
            transparent: 0,
            translucent: 0,
        }
    }

    fn load(&mut self, pixels: &Pixels, y: usize) {
        let (width, channels) = (pixels.width as usize, usize::from(pixels.channels));
        let range = y * width * channels..(y + 1) * width * channels;
        let mask = pixels.mask.map(|mask| &mask[y * width..(y + 1) * width]);
        match pixels.samples {
            Samples::Eight(samples) => self.split(&samples[range], channels, mask, |v| v),
            Samples::Sixteen(samples) => {
                self.split(&samples[range], channels, mask, |v| ((u32::from(v) + 128) / 257) as u8);
            }
        }
        let rgb = self.red.iter().zip(&self.green).zip(&self.blue);
        for (luma, ((&red, &green), &blue)) in self.luma.iter_mut().zip(rgb) {
            *luma = luma_of(red, green, blue) as i16;
        }
    }

    fn split<T: Copy>(&mut self, row: &[T], channels: usize, mask: Option<&[u8]>, eight: impl Fn(T) -> u8) {
        let coloured = channels >= 3;
        for (x, pixel) in row.chunks_exact(channels).enumerate() {
            self.red[x] = eight(pixel[0]);
            self.green[x] = if coloured { eight(pixel[1]) } else { self.red[x] };
            self.blue[x] = if coloured { eight(pixel[2]) } else { self.red[x] };
        }
        let width = self.red.len();
        (self.selected, self.transparent, self.translucent) = (width as u64, 0, 0);
        let has_alpha = channels.is_multiple_of(2);
        if mask.is_none() && !has_alpha {
            return;
        }
        let weights = self.weights.get_or_insert_with(|| vec![0; width]);
        self.selected = 0;
        for x in 0..width {
            let selected = mask.map_or(255, |mask| u32::from(mask[x]));
            let alpha = if has_alpha { u32::from(eight(row[(x + 1) * channels - 1])) } else { 255 };
            weights[x] = selected * alpha;
            self.selected += u64::from(selected) * 255;
            match alpha {
                0 => self.transparent += u64::from(selected) * 255,
                255 => {}
                _ => self.translucent += u64::from(selected) * 255,
            }
        }
    }
}

/// Rec. 601 luma in whole numbers, as Pillow's mode `L` has it.
pub fn luma_of(red: u8, green: u8, blue: u8) -> u32 {
    (u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16
}

impl Tally {
    fn count_row(&mut self, row: &Row, counts: &mut Counts) {
        self.selected += row.selected;
        self.transparent += row.transparent;
        self.translucent += row.translucent;
        match &row.weights {
            None => self.count_plain(row, counts),
            Some(weights) => self.count_weighted(row, weights),
        }
    }

    fn count_plain(&mut self, row: &Row, counts: &mut Counts) {
        let width = row.red.len();
        self.weight += width as u64;
        for start in (0..width).step_by(CHUNK) {
            let end = (start + CHUNK).min(width);
            let (red, green, blue) = (&row.red[start..end], &row.green[start..end], &row.blue[start..end]);
            self.sum_chunk(red, green, blue);
            for (x, luma) in row.luma[start..end].iter().enumerate() {
                let (r, g, b) = (usize::from(red[x]), usize::from(green[x]), usize::from(blue[x]));
                let bank = &mut counts.0[x & 1];
                bank[0][r] += 1;
                bank[1][g] += 1;
                bank[2][b] += 1;
                bank[3][*luma as usize & 255] += 1;
                let cell = &mut self.cells[(r >> 3) << 10 | (g >> 3) << 5 | b >> 3];
                for (sum, value) in cell.iter_mut().zip([1, r as u64, g as u64, b as u64]) {
                    *sum += value;
                }
            }
        }
        for bank in &mut counts.0 {
            for (histogram, counted) in self.channels.iter_mut().chain([&mut self.luma]).zip(bank.iter_mut()) {
                for (sum, count) in histogram.iter_mut().zip(counted.iter_mut()) {
                    *sum += u64::from(std::mem::take(count));
                }
            }
        }
    }

    /// Plain sums over a chunk of pixels, in a form that becomes vector instructions.
    fn sum_chunk(&mut self, red: &[u8], green: &[u8], blue: &[u8]) {
        let (mut largest, mut spreads, mut maxima) = (0u8, 0u32, 0u32);
        let (mut rg, mut rg2, mut yb, mut yb2) = (0i32, 0u32, 0i32, 0u32);
        for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
            let max = r.max(g).max(b);
            let spread = max - r.min(g).min(b);
            largest = largest.max(spread);
            spreads += u32::from(spread);
            maxima += u32::from(max);
            let (first, second) = opponents(r, g, b);
            rg += first;
            rg2 += (first * first) as u32;
            yb += second;
            yb2 += (second * second) as u32;
        }
        self.spread = self.spread.max(largest);
        self.sum_spread += u64::from(spreads);
        self.sum_max += u64::from(maxima);
        for (sums, (sum, squares)) in self.opponents.iter_mut().zip([(rg, rg2), (yb, yb2)]) {
            sums.0 += i64::from(sum);
            sums.1 += u64::from(squares);
        }
    }

    fn count_weighted(&mut self, row: &Row, weights: &[u32]) {
        for (x, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let (r, g, b) = (row.red[x], row.green[x], row.blue[x]);
            let weight = u64::from(weight);
            self.weight += weight;
            self.luma[row.luma[x] as usize & 255] += weight;
            for (histogram, value) in self.channels.iter_mut().zip([r, g, b]) {
                histogram[usize::from(value)] += weight;
            }
            let cell = usize::from(r >> 3) << 10 | usize::from(g >> 3) << 5 | usize::from(b >> 3);
            let values = [1, u64::from(r), u64::from(g), u64::from(b)];
            for (sum, value) in self.cells[cell].iter_mut().zip(values) {
                *sum += weight * value;
            }
            let max = r.max(g).max(b);
            let spread = max - r.min(g).min(b);
            self.spread = self.spread.max(spread);
            self.sum_spread += weight * u64::from(spread);
            self.sum_max += weight * u64::from(max);
            let (first, second) = opponents(r, g, b);
            for (sums, value) in self.opponents.iter_mut().zip([first, second]) {
                sums.0 += weight as i64 * i64::from(value);
                sums.1 += weight * (value * value) as u64;
            }
        }
    }
}

/// R - G, and R + G - 2 B (twice the usual yellow-blue, to stay whole).
fn opponents(red: u8, green: u8, blue: u8) -> (i32, i32) {
    let (red, green, blue) = (i32::from(red), i32::from(green), i32::from(blue));
    (red - green, red + green - 2 * blue)
}
