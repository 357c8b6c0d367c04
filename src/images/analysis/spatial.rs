//! What needs a pixel's neighbours: the Laplacian for sharpness, Immerkaer's mask for noise.
//!
//! A 3 x 3 window counts when all its nine pixels count (their weight is not 0); there is no weighting beyond that.

/// Sums over the 3 x 3 windows of a band of rows, fed row by row.
pub struct Spatial {
    width: usize,
    /// The last three rows, the oldest first, and whether each pixel counts (empty: all do).
    rows: [Vec<i16>; 3],
    counted: [Vec<i16>; 3],
    /// Windows counted, the sum of their Laplacians, and the sum of squares.
    pub windows: u64,
    pub laplacian: i64,
    pub laplacian_squares: u64,
    /// Sum of the absolute noise responses.
    pub noise: u64,
    /// One noise sum for each whole block of 16 x 16 windows inside the counted area.
    pub blocks: Vec<u32>,
    /// Of the current row of blocks: sums, windows counted, sums of luma.
    open: Vec<(u32, u32, u32)>,
}

/// Vector sums of 32 bits hold this many squares of the largest Laplacian, 1020.
const CHUNK: usize = 2048;

impl Spatial {
    /// Windows along each side of a noise block.
    pub const BLOCK: usize = 16;

    pub fn new(width: usize) -> Spatial {
        Spatial {
            width,
            rows: Default::default(),
            counted: Default::default(),
            windows: 0,
            laplacian: 0,
            laplacian_squares: 0,
            noise: 0,
            blocks: Vec::new(),
            open: vec![(0, 0, 0); width.saturating_sub(2) / Spatial::BLOCK],
        }
    }

    pub fn add(&mut self, other: &Spatial) {
        self.windows += other.windows;
        self.laplacian += other.laplacian;
        self.laplacian_squares += other.laplacian_squares;
        self.noise += other.noise;
        self.blocks.extend_from_slice(&other.blocks);
    }

    /// The next row of luma; `index` counts the band's rows from 0.
    pub fn push(&mut self, luma: &[i16], weights: Option<&[u32]>, index: usize) {
        self.rows.rotate_left(1);
        self.rows[2].clear();
        self.rows[2].extend_from_slice(luma);
        self.counted.rotate_left(1);
        self.counted[2].clear();
        if let Some(weights) = weights {
            self.counted[2].extend(weights.iter().map(|&weight| i16::from(weight > 0)));
        }
        if index < 2 || self.width < 3 {
            return;
        }
        self.windows_of_row();
        if (index - 1).is_multiple_of(Spatial::BLOCK) {
            self.close_blocks();
        }
    }

    /// Forgets the row of blocks that the picture's lower edge cut.
    pub fn finish(&mut self) {
        self.open.clear();
    }

    fn windows_of_row(&mut self) {
        let count = self.width - 2;
        let weighted = !self.counted[2].is_empty();
        let mut inside = [1i16; CHUNK];
        let mut noise = [0i16; CHUNK];
        // The chunk is a multiple of the block, so that blocks are never cut.
        for start in (0..count).step_by(CHUNK) {
            let chunk = CHUNK.min(count - start);
            let [a, b, c] = [0, 1, 2].map(|row: usize| &self.rows[row][start..start + chunk + 2]);
            if weighted {
                let [a, b, c] = [0, 1, 2].map(|row: usize| &self.counted[row][start..start + chunk + 2]);
                for x in 0..chunk {
                    inside[x] = a[x] & a[x + 1] & a[x + 2] & b[x] & b[x + 1] & b[x + 2] & c[x] & c[x + 1] & c[x + 2];
                }
            }
            let (mut sum, mut squares, mut responses, mut windows) = (0i32, 0u32, 0u32, 0u32);
            for x in 0..chunk {
                let cross = a[x + 1] + b[x] + b[x + 2] + c[x + 1];
                let laplacian = i32::from((cross - 4 * b[x + 1]) * inside[x]);
                sum += laplacian;
                squares += (laplacian * laplacian) as u32;
                let corners = a[x] + a[x + 2] + c[x] + c[x + 2];
                noise[x] = (corners - 2 * cross + 4 * b[x + 1]).abs() * inside[x];
                responses += noise[x] as u32;
                windows += inside[x] as u32;
            }
            self.laplacian += i64::from(sum);
            self.laplacian_squares += u64::from(squares);
            self.noise += u64::from(responses);
            self.windows += u64::from(windows);
            let blocks = self.open[start / Self::BLOCK..].iter_mut();
            let parts = noise[..chunk].chunks_exact(Self::BLOCK).zip(inside[..chunk].chunks_exact(Self::BLOCK));
            for (block, ((noise, inside), luma)) in blocks.zip(parts.zip(b[1..].chunks_exact(Self::BLOCK))) {
                block.0 += noise.iter().map(|&v| v as u32).sum::<u32>();
                block.1 += inside.iter().map(|&v| v as u32).sum::<u32>();
                block.2 += luma.iter().map(|&v| v as u32).sum::<u32>();
            }
        }
    }

    fn close_blocks(&mut self) {
        let area = (Self::BLOCK * Self::BLOCK) as u32;
        for block in &mut self.open {
            let (noise, windows, luma) = std::mem::take(block);
            // Noise cannot be seen where it is cut off at black or white.
            if windows == area && (4 * area..=251 * area).contains(&luma) {
                self.blocks.push(noise);
            }
        }
    }

    /// Variance of the Laplacian; none without a window.
    pub fn sharpness(&self) -> Option<f64> {
        super::report::variance(self.windows, self.laplacian, self.laplacian_squares)
    }

    /// Standard deviation of the noise on the 8-bit scale, by Immerkaer (1996).
    ///
    /// Texture answers the mask as noise does, so the estimate is that of the quarter of blocks with the least: the
    /// block at rank `(n - 1) / 4`. Fewer than four whole blocks leave the mean of all windows.
    pub fn noise_sigma(&mut self) -> Option<f64> {
        let scale = (std::f64::consts::PI / 2.0).sqrt() / 6.0;
        if self.blocks.len() >= 4 {
            let rank = (self.blocks.len() - 1) / 4;
            let (_, &mut quarter, _) = self.blocks.select_nth_unstable(rank);
            return Some(scale * f64::from(quarter) / (Self::BLOCK * Self::BLOCK) as f64);
        }
        (self.windows > 0).then(|| scale * self.noise as f64 / self.windows as f64)
    }
}
