//! Numbers that look random and are the same on every machine for the same seed (SplitMix64).

/// A stream of numbers.
pub struct Random(u64);

impl Random {
    /// The stream of this seed and place: streams of different places have nothing in common.
    pub fn new(seed: u64, place: u64) -> Random {
        let mut stream = Random(seed ^ place.wrapping_mul(0xd134_2543_de82_ef95));
        stream.next();
        stream
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is at least 1.
    pub fn below(&mut self, limit: usize) -> usize {
        (((self.next() >> 32) * limit as u64) >> 32) as usize
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// -1 to 1.
    pub fn signed(&mut self) -> f32 {
        self.unit() * 2.0 - 1.0
    }

    /// About a normal distribution of this deviation; never beyond three and a half times it.
    pub fn normal(&mut self, deviation: f32) -> f32 {
        let sum: f32 = (0..4).map(|_| self.signed()).sum();
        // Four uniform numbers in -1..1 have variance 4 / 3.
        sum * 0.866 * deviation
    }
}
