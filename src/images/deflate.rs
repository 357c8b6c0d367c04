//! Deflate for filtered picture rows, many times faster than a general one: each call compresses one piece on its
//! own and ends it at a byte boundary, so that pieces made on several threads join into one stream.
//!
//! Matches are found with one probe of a small hash table and a stride that grows where nothing matches, so that
//! camera noise costs little and flat areas still shrink to almost nothing. Each block has its own Huffman codes, or
//! is stored where they gain too little to be worth the reader's time. (RFC 1951; the stride is LZ4's idea.)

use super::huffman::{Code, code_lengths, codes};

/// Bytes in a block: enough to make its codes' header small, few enough to follow a change in the picture.
const BLOCK: usize = 1 << 17;

const HASH_BITS: u32 = 14;
const WINDOW: usize = 32768;
const MIN_MATCH: usize = 5;
const MAX_MATCH: usize = 258;
const END_OF_BLOCK: usize = 256;

/// Literal and length codes are at most this long, so that four fit into the bit buffer at once.
const MAX_BITS: u8 = 12;

/// `literals` bytes as they are, then `length` bytes from `distance` before; the last of a block has length 0.
#[derive(Clone, Copy)]
struct Sequence {
    literals: u32,
    length: u16,
    distance: u16,
}

/// Reusable memory of one thread.
pub struct Deflater {
    table: Vec<u32>,
    sequences: Vec<Sequence>,
    /// Largest share of its size that a block may keep when it is coded; what keeps more is stored.
    worth: f64,
}

impl Deflater {
    /// `worth`: a block is coded if that makes it smaller than this share of its size, else stored as it is, which
    /// reads back at the speed of memory.
    pub fn new(worth: f64) -> Deflater {
        Deflater { table: vec![0; 1 << HASH_BITS], sequences: Vec::new(), worth }
    }

    /// Appends `data` as stored blocks.
    pub fn store(&self, data: &[u8], out: &mut Vec<u8>) {
        BitWriter::new(out).stored(data);
    }

    /// Appends `data` as non-final blocks that end at a byte boundary.
    pub fn piece(&mut self, data: &[u8], out: &mut Vec<u8>) {
        // Positions are stored plus one, so zero means none.
        self.table.fill(0);
        let mut bits = BitWriter::new(out);
        let mut start = 0;
        while start < data.len() {
            let end = data.len().min(start + BLOCK);
            self.find_matches(data, start, end);
            self.write_block(data, start, end, &mut bits);
            start = end;
        }
        // An empty stored block pads to the boundary.
        bits.put(0, 3);
        bits.align();
        bits.out.extend_from_slice(&[0, 0, 0xff, 0xff]);
    }

    /// About how many bytes `data` would shrink to.
    pub fn estimate(&mut self, data: &[u8]) -> usize {
        self.table.fill(0);
        self.find_matches(data, 0, data.len());
        let (literals, distances, extra) = self.count(data, 0);
        (entropy_bits(&literals) + entropy_bits(&distances) + extra as f64) as usize / 8
    }

    fn find_matches(&mut self, data: &[u8], start: usize, end: usize) {
        self.sequences.clear();
        let (mut at, mut literals_from, mut misses, mut distance) = (start, start, 0usize, 1);
        // A match reads eight bytes at once.
        let last = end.saturating_sub(8);
        while at < last {
            let word = read_u64(data, at);
            let same = |place: usize| (read_u64(data, place) ^ word) << (64 - 8 * MIN_MATCH) == 0;
            let slot = &mut self.table[hash(word)];
            let candidate = *slot as usize;
            *slot = at as u32 + 1;
            // The last distance first: what repeats goes on repeating, and its code is short then.
            if at < distance || !same(at - distance) {
                if candidate == 0 || at + 1 - candidate > WINDOW || !same(candidate - 1) {
                    misses += 1;
                    at += 1 + (misses >> 5);
                    continue;
                }
                distance = at + 1 - candidate;
            }
            // The stride may have jumped over the beginning.
            while at > literals_from && at > distance && data[at - 1] == data[at - 1 - distance] {
                at -= 1;
            }
            let length = match_length(data, at - distance, at, end.min(at + MAX_MATCH));
            self.sequences.push(Sequence {
                literals: (at - literals_from) as u32,
                length: length as u16,
                // 32768 is the most, which u16 holds.
                distance: distance as u16,
            });
            at += length;
            literals_from = at;
            misses = 0;
        }
        self.sequences.push(Sequence { literals: (end - literals_from) as u32, length: 0, distance: 0 });
    }

    /// How often each symbol comes, and how many extra bits the matches take.
    fn count(&self, data: &[u8], start: usize) -> ([u32; 286], [u32; 30], usize) {
        // Four tables, so that a run of equal bytes does not wait for its own last count.
        let mut counts = [[0u32; 256]; 4];
        let (mut literals, mut distances) = ([0u32; 286], [0u32; 30]);
        let (mut at, mut extra) = (start, 0);
        for sequence in &self.sequences {
            let run = &data[at..at + sequence.literals as usize];
            let (groups, rest) = run.as_chunks::<4>();
            for group in groups {
                counts[0][usize::from(group[0])] += 1;
                counts[1][usize::from(group[1])] += 1;
                counts[2][usize::from(group[2])] += 1;
                counts[3][usize::from(group[3])] += 1;
            }
            rest.iter().for_each(|byte| counts[0][usize::from(*byte)] += 1);
            at += run.len();
            if sequence.length > 0 {
                let (length, distance) = (length_symbol(sequence.length), distance_symbol(sequence.distance));
                literals[257 + length.symbol] += 1;
                distances[distance.symbol] += 1;
                extra += usize::from(length.bits + distance.bits);
                at += usize::from(sequence.length);
            }
        }
        for byte in 0..256 {
            literals[byte] = counts.iter().map(|count| count[byte]).sum();
        }
        literals[END_OF_BLOCK] = 1;
        (literals, distances, extra)
    }

    fn write_block(&self, data: &[u8], start: usize, end: usize, bits: &mut BitWriter) {
        let (literals, mut distances, extra) = self.count(data, start);
        if distances.iter().all(|count| *count == 0) {
            // One distance code must be declared even when none is used.
            distances[0] = 1;
        }
        let literal_lengths: [u8; 286] = code_lengths(&literals, MAX_BITS);
        let distance_lengths: [u8; 30] = code_lengths(&distances, MAX_BITS);
        let size = |counts: &[u32], lengths: &[u8]| -> usize {
            counts.iter().zip(lengths).map(|(count, length)| *count as usize * usize::from(*length)).sum()
        };
        let coded = (size(&literals, &literal_lengths) + size(&distances, &distance_lengths) + extra) / 8 + 120;
        if coded as f64 > self.worth * (end - start) as f64 {
            return bits.stored(&data[start..end]);
        }
        write_header(&literal_lengths, &distance_lengths, bits);
        let (literal_codes, distance_codes) = (codes(&literal_lengths), codes(&distance_lengths));
        let mut at = start;
        bits.out.reserve(coded + 64);
        for sequence in &self.sequences {
            let run = &data[at..at + sequence.literals as usize];
            bits.literals(run, &literal_codes);
            at += run.len();
            if sequence.length == 0 {
                continue;
            }
            let (length, distance) = (length_symbol(sequence.length), distance_symbol(sequence.distance));
            let (length_code, distance_code) = (literal_codes[257 + length.symbol], distance_codes[distance.symbol]);
            bits.put(length_code.bits, length_code.length);
            bits.put(u32::from(length.extra), length.bits);
            bits.put(distance_code.bits, distance_code.length);
            bits.put(u32::from(distance.extra), distance.bits);
            at += usize::from(sequence.length);
        }
        bits.put(literal_codes[END_OF_BLOCK].bits, literal_codes[END_OF_BLOCK].length);
    }
}

/// The code lengths of a dynamic block, each in four plain bits' worth of code: a header of about 150 bytes for
/// 128 KiB needs no run lengths of its own.
fn write_header(literals: &[u8; 286], distances: &[u8; 30], bits: &mut BitWriter) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let mut counts = [0u32; 19];
    literals.iter().chain(distances).for_each(|length| counts[usize::from(*length)] += 1);
    let lengths: [u8; 19] = code_lengths(&counts, 7);
    let codes = codes(&lengths);
    bits.put(0b100, 3);
    bits.put(286 - 257, 5);
    bits.put(30 - 1, 5);
    bits.put(19 - 4, 4);
    ORDER.iter().for_each(|symbol| bits.put(u32::from(lengths[*symbol]), 3));
    for length in literals.iter().chain(distances) {
        let code = codes[usize::from(*length)];
        bits.put(code.bits, code.length);
    }
}

fn entropy_bits(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) * (total / f64::from(*count)).log2()).sum()
}

fn read_u64(data: &[u8], at: usize) -> u64 {
    data[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn hash(word: u64) -> usize {
    // The low five bytes, spread by a large odd number.
    ((word << (64 - 8 * MIN_MATCH)).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH_BITS)) as usize
}

/// How many bytes from `a` equal those from `b`, up to `end` (of `b`).
fn match_length(data: &[u8], a: usize, b: usize, end: usize) -> usize {
    let mut length = MIN_MATCH;
    while b + length + 8 <= end {
        let difference = read_u64(data, a + length) ^ read_u64(data, b + length);
        if difference != 0 {
            return length + difference.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    while b + length < end && data[a + length] == data[b + length] {
        length += 1;
    }
    length
}

/// A symbol with extra bits, as RFC 1951 section 3.2.5 tabulates them.
struct Symbol {
    symbol: usize,
    extra: u16,
    bits: u8,
}

/// For a match of 3 to 258 bytes; symbols count from 257.
fn length_symbol(length: u16) -> Symbol {
    if length == 258 {
        return Symbol { symbol: 28, extra: 0, bits: 0 };
    }
    let value = length - 3;
    if value < 8 {
        return Symbol { symbol: usize::from(value), extra: 0, bits: 0 };
    }
    let bits = value.ilog2() as u8 - 2;
    let symbol = usize::from(bits) * 4 + 4 + usize::from(value >> bits & 3);
    Symbol { symbol, extra: value & ((1 << bits) - 1), bits }
}

/// For a distance of 1 to 32768.
fn distance_symbol(distance: u16) -> Symbol {
    let value = distance - 1;
    if value < 4 {
        return Symbol { symbol: usize::from(value), extra: 0, bits: 0 };
    }
    let bits = value.ilog2() as u8 - 1;
    let symbol = usize::from(bits) * 2 + 2 + usize::from(value >> bits & 1);
    Symbol { symbol, extra: value & ((1 << bits) - 1), bits }
}

/// Bits from the lowest up, as deflate wants them.
struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    buffer: u64,
    count: u8,
}

impl<'a> BitWriter<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter { out, buffer: 0, count: 0 }
    }

    /// At most 16 bits.
    fn put(&mut self, bits: u32, count: u8) {
        self.buffer |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.out.extend_from_slice(&(self.buffer as u32).to_le_bytes());
            self.buffer >>= 32;
            self.count -= 32;
        }
    }

    /// A run of literals, four at a time between the writes.
    fn literals(&mut self, run: &[u8], codes: &[Code; 286]) {
        // Between two near matches the set-up below would cost more than it saves.
        let (groups, rest) = if run.len() < 12 { (&[][..], run) } else { run.as_chunks::<4>() };
        let mut at = self.out.len();
        // Six bytes hold four codes of twelve bits; eight are written at once.
        self.out.resize(at + groups.len() * 6 + 16, 0);
        let (mut buffer, mut count) = (self.buffer, u32::from(self.count));
        for group in groups {
            // Whole bytes go out; at most 7 bits stay, or 31 from before the first group.
            if let Some(place) = self.out[at..].first_chunk_mut::<8>() {
                *place = buffer.to_le_bytes();
            }
            let bytes = count / 8;
            at += bytes as usize;
            buffer >>= bytes * 8;
            count &= 7;
            for byte in group {
                let code = codes[usize::from(*byte)];
                buffer |= u64::from(code.bits) << count;
                count += u32::from(code.length);
            }
        }
        if let Some(place) = self.out[at..].first_chunk_mut::<8>() {
            *place = buffer.to_le_bytes();
        }
        let bytes = count / 8;
        self.out.truncate(at + bytes as usize);
        self.buffer = buffer >> (bytes * 8);
        self.count = (count & 7) as u8;
        for byte in rest {
            let code = codes[usize::from(*byte)];
            self.put(code.bits, code.length);
        }
    }

    /// Pads with zero bits to a whole byte.
    fn align(&mut self) {
        let bytes = usize::from(self.count.div_ceil(8));
        self.out.extend_from_slice(&self.buffer.to_le_bytes()[..bytes]);
        (self.buffer, self.count) = (0, 0);
    }

    fn stored(&mut self, data: &[u8]) {
        for part in data.chunks(65535) {
            self.put(0, 3);
            self.align();
            let length = part.len() as u16;
            self.out.extend_from_slice(&length.to_le_bytes());
            self.out.extend_from_slice(&(!length).to_le_bytes());
            self.out.extend_from_slice(part);
        }
    }
}
