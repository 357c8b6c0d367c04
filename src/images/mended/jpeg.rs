//! JPEG: walks the entropy-coded data of a baseline file, finds what is missing or wrong, and writes a stream that any
//! decoder takes. As libjpeg does: a bad code counts as zero, and at a restart marker all is well again.

use super::Loss;
use std::ops::Range;

/// What the walk found.
pub struct Mended {
    /// A whole file; `None` where the file is good as it is.
    pub bytes: Option<Vec<u8>>,
    pub loss: Option<Loss>,
    /// Rectangles without data, as left, top, right, bottom in pixels.
    pub holes: Vec<[u32; 4]>,
}

/// The value bits that follow a code are kept as they are, so a block is a list of (bits, count).
type Bits = (u32, u8);

struct Table {
    /// By the next 16 bits: length of the code, or 0, and its symbol.
    lookup: Vec<(u8, u8)>,
    /// The code of symbol 0: no difference, or the block's end.
    zero: Option<Bits>,
}

impl Table {
    fn new(counts: &[u8], symbols: &[u8]) -> Option<Table> {
        let mut table = Table { lookup: vec![(0, 0); 1 << 16], zero: None };
        let (mut code, mut symbols) = (0usize, symbols.iter());
        for (length, &count) in (1u8..).zip(counts) {
            for _ in 0..count {
                let symbol = *symbols.next()?;
                let shift = 16 - usize::from(length);
                table.lookup.get_mut(code << shift..(code + 1) << shift)?.fill((length, symbol));
                if symbol == 0 && table.zero.is_none() {
                    table.zero = Some((code as u32, length));
                }
                code += 1;
            }
            code <<= 1;
        }
        Some(table)
    }
}

#[derive(Default)]
struct Frame {
    width: u32,
    height: u32,
    /// Identifier, horizontal and vertical sampling.
    components: Vec<(u8, u32, u32)>,
}

/// What the headers say, up to the first scan's data.
struct Head {
    frame: Frame,
    /// Of each component of the scan: blocks in a unit, table of the DC and of the AC values.
    scan: Vec<(u32, usize, usize)>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: u32,
    data: usize,
}

/// `None` for what is not walked: progressive, arithmetic, several scans, 12 bits, broken headers.
fn head(bytes: &[u8]) -> Option<Head> {
    let (mut frame, mut restart, mut at) = (None::<Frame>, 0, 2);
    let (mut dc, mut ac) = ([const { None }; 4], [const { None }; 4]);
    loop {
        while *bytes.get(at)? != 0xff || matches!(*bytes.get(at + 1)?, 0 | 0xff) {
            at += 1;
        }
        let marker = bytes[at + 1];
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        let body = bytes.get(at + 4..at + 2 + length)?;
        match marker {
            0xc0 | 0xc1 => {
                let [8, h0, h1, w0, w1, count, ..] = *body else { return None };
                let components = body
                    .get(6..6 + 3 * usize::from(count))?
                    .chunks_exact(3)
                    .map(|c| (c[0], u32::from(c[1] >> 4), u32::from(c[1] & 15)));
                let found = Frame {
                    width: u16::from_be_bytes([w0, w1]).into(),
                    height: u16::from_be_bytes([h0, h1]).into(),
                    components: components.collect(),
                };
                let sampled = |&(_, h, v): &(u8, u32, u32)| (1..=4).contains(&h) && (1..=4).contains(&v);
                if found.width == 0 || found.height == 0 || count == 0 || !found.components.iter().all(sampled) {
                    return None;
                }
                frame = Some(found);
            }
            0xc4 => {
                let mut rest = body;
                while rest.len() >= 17 {
                    let total: usize = rest[1..17].iter().map(|&count| usize::from(count)).sum();
                    let table = Table::new(&rest[1..17], rest.get(17..17 + total)?)?;
                    let tables = if rest[0] >> 4 == 0 { &mut dc } else { &mut ac };
                    *tables.get_mut(usize::from(rest[0] & 15))? = Some(table);
                    rest = &rest[17 + total..];
                }
            }
            0xdd => restart = u16::from_be_bytes([*body.first()?, *body.get(1)?]).into(),
            0xda => {
                let frame = frame?;
                let count = usize::from(*body.first()?);
                if count != frame.components.len() {
                    return None;
                }
                let mut scan = Vec::new();
                for part in body.get(1..1 + 2 * count)?.chunks_exact(2) {
                    let &(_, h, v) = frame.components.iter().find(|&&(id, ..)| id == part[0])?;
                    // Alone, a component comes block by block whatever its sampling.
                    let blocks = if count == 1 { 1 } else { h * v };
                    scan.push((blocks, usize::from(part[1] >> 4) & 3, usize::from(part[1] & 3)));
                }
                return Some(Head { frame, scan, dc, ac, restart, data: at + 2 + length });
            }
            0xc2..=0xcf | 0xd8 | 0xd9 => return None,
            _ => {}
        }
        at += 2 + length;
    }
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    bits: u64,
    count: u32,
    /// A marker or the file's end was met.
    ended: bool,
}

impl Reader<'_> {
    fn fill(&mut self) {
        while self.count <= 48 && !self.ended {
            match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.push(0xff);
                    self.at += 2;
                }
                (Some(0xff) | None, _) => self.ended = true,
                (Some(&byte), _) => {
                    self.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn push(&mut self, byte: u8) {
        self.bits = self.bits << 8 | u64::from(byte);
        self.count += 8;
    }

    /// The next 16 bits, zeros behind the end.
    fn peek(&mut self) -> usize {
        self.fill();
        let bits = if self.count >= 16 { self.bits >> (self.count - 16) } else { self.bits << (16 - self.count) };
        (bits & 0xffff) as usize
    }

    fn take(&mut self, n: u8) -> Option<u32> {
        self.fill();
        self.count = self.count.checked_sub(u32::from(n))?;
        Some((self.bits >> self.count & ((1 << n) - 1)) as u32)
    }

    /// The next marker's second byte, and whether bytes lay before it.
    fn marker(&mut self) -> (Option<u8>, bool) {
        let from = self.at;
        while let Some(rest) = self.data.get(self.at..).filter(|rest| rest.len() >= 2) {
            if rest[0] == 0xff && !matches!(rest[1], 0 | 0xff) {
                return (Some(rest[1]), self.at > from + 1);
            }
            self.at += 1;
        }
        (None, true)
    }

    fn begin_again(&mut self) {
        (self.bits, self.count, self.ended) = (0, 0, false);
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Writer {
    fn put(&mut self, (bits, count): Bits) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += u32::from(count);
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    fn marker(&mut self, marker: u8) {
        if self.count > 0 {
            let fill = 8 - self.count as u8;
            self.put(((1 << fill) - 1, fill));
        }
        self.bytes.extend([0xff, marker]);
    }
}

/// What became of a block.
enum Block {
    Good,
    Wrong,
    /// The data ended in it.
    Missing,
}

fn block(reader: &mut Reader, dc: &Table, ac: &Table, out: &mut Vec<Bits>) -> Option<Block> {
    let (zero, end) = (dc.zero?, ac.zero?);
    let mut fate = Block::Good;
    let mut k = 0;
    while k < 64 {
        let table = if k == 0 { dc } else { ac };
        let next = reader.peek();
        let (length, symbol) = table.lookup[next];
        let size = symbol & 15;
        let bad = length == 0 || (k == 0 && symbol > 11);
        let Some(_) = reader.take(if bad { 16 } else { length }) else { return Some(Block::Missing) };
        if bad {
            out.push(if k == 0 { zero } else { end });
            fate = Block::Wrong;
            if k > 0 {
                break;
            }
            k = 1;
            continue;
        }
        let Some(value) = reader.take(size) else { return Some(Block::Missing) };
        let code = ((next >> (16 - length)) as u32, length);
        if k == 0 {
            out.extend([code, (value, size)]);
            k = 1;
            continue;
        }
        let run = usize::from(symbol >> 4);
        if size == 0 && run != 15 {
            out.push(end);
            break;
        }
        k += run + 1;
        // Beyond the block: dropped, and the block ends here.
        if k > 64 {
            out.push(end);
            fate = Block::Wrong;
            break;
        }
        out.extend([code, (value, size)]);
    }
    Some(fate)
}

/// Looks at a JPEG's data and mends it; `None` where this cannot tell.
pub fn mend(bytes: &[u8]) -> Option<Mended> {
    let head = head(bytes)?;
    let Frame { width, height, components } = &head.frame;
    let alone = components.len() == 1;
    let largest =
        |part: fn(&(u8, u32, u32)) -> u32| if alone { 1 } else { components.iter().map(part).max().unwrap_or(1) };
    let (unit_width, unit_height) = (8 * largest(|c| c.1), 8 * largest(|c| c.2));
    let across = width.div_ceil(unit_width);
    let total = across * height.div_ceil(unit_height);

    let mut reader = Reader { data: bytes, at: head.data, bits: 0, count: 0, ended: false };
    let mut writer = Writer::default();
    let (mut wrong, mut missing) = (false, Vec::<Range<u32>>::new());
    let interval = if head.restart == 0 { total } else { head.restart };
    let mut skipped = false;
    for (number, from) in (0..total).step_by(interval as usize).enumerate() {
        if number > 0 {
            let expected = 0xd0 + ((number - 1) % 8) as u8;
            writer.marker(expected);
            skipped = false;
            loop {
                let (found, junk) = reader.marker();
                wrong |= junk && found.is_some();
                let ahead = found.map(|found| found.wrapping_sub(expected) & 7);
                match found {
                    Some(0xd0..=0xd7) if matches!(ahead, Some(1 | 2)) => skipped = true,
                    // One that is late, or nonsense: look for the next.
                    Some(1..=0xbf) => {
                        reader.at += 2;
                        wrong = true;
                        continue;
                    }
                    Some(0xd0..=0xd7) if matches!(ahead, Some(6 | 7)) => {
                        reader.at += 2;
                        wrong = true;
                        continue;
                    }
                    Some(0xd0..=0xd7) => reader.at += 2,
                    _ => skipped = true,
                }
                break;
            }
            reader.begin_again();
        }
        let to = total.min(from.saturating_add(interval));
        let mut unit = from;
        while unit < to && !skipped {
            let mut out = Vec::new();
            let mut whole = true;
            'unit: for &(blocks, dc, ac) in &head.scan {
                let (dc, ac) = (head.dc[dc].as_ref()?, head.ac[ac].as_ref()?);
                for _ in 0..blocks {
                    match block(&mut reader, dc, ac, &mut out)? {
                        Block::Good => {}
                        Block::Wrong => wrong = true,
                        Block::Missing => {
                            whole = false;
                            break 'unit;
                        }
                    }
                }
            }
            if !whole {
                break;
            }
            out.into_iter().for_each(|bits| writer.put(bits));
            unit += 1;
        }
        if unit < to {
            missing.push(unit..to);
        }
        for _ in unit..to {
            for &(blocks, dc, ac) in &head.scan {
                let (dc, ac) = (head.dc[dc].as_ref()?.zero?, head.ac[ac].as_ref()?.zero?);
                (0..blocks).for_each(|_| [dc, ac].into_iter().for_each(|bits| writer.put(bits)));
            }
        }
    }
    if !wrong && missing.is_empty() {
        return Some(Mended { bytes: None, loss: None, holes: Vec::new() });
    }
    writer.marker(0xd9);
    let lost: u32 = missing.iter().map(|range| range.end - range.start).sum();
    let loss = match missing.as_slice() {
        [] => Loss::Wrong,
        [first, ..] if total - first.start == lost => {
            let row = first.start / across * unit_height;
            Loss::Rows { missing: height - row, of: *height }
        }
        _ => Loss::Parts { percent: f64::from(lost) * 100.0 / f64::from(total) },
    };
    let mut holes = Vec::new();
    for range in missing {
        for row in range.start / across..range.end.div_ceil(across) {
            let of_row = range.start.max(row * across)..range.end.min((row + 1) * across);
            let (left, right) = (of_row.start - row * across, of_row.end - row * across);
            let (right, bottom) = ((right * unit_width).min(*width), ((row + 1) * unit_height).min(*height));
            holes.push([left * unit_width, row * unit_height, right, bottom]);
        }
    }
    Some(Mended { bytes: Some([&bytes[..head.data], &writer.bytes].concat()), loss: Some(loss), holes })
}

/// Whether the file ends as a JPEG does, for those that are not walked.
pub fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).rposition(|pair| pair == [0xff, 0xd9]).is_some_and(|end| {
        // An end before the last scan is a thumbnail's.
        bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).is_none_or(|scan| scan < end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(quality: u8, restart: Option<u16>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels: Vec<u8> = (0..300 * 200 * 3u32).map(|i| ((i / 3 % 300) / 2 + i / 900 + i % 3 * 20) as u8).collect();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
        restart.into_iter().for_each(|interval| encoder.set_restart_interval(interval));
        encoder.encode(&pixels, 300, 200, jpeg_encoder::ColorType::Rgb).unwrap();
        bytes
    }

    fn decoded(bytes: &[u8]) -> image::RgbImage {
        image::load_from_memory(bytes).unwrap().into_rgb8()
    }

    #[test]
    fn a_good_file_is_left_alone_also_without_its_end_marker() {
        for restart in [None, Some(7), Some(19)] {
            let good = picture(90, restart);
            for file in [&good[..], &good[..good.len() - 2]] {
                let mended = mend(file).unwrap();
                assert!(mended.bytes.is_none() && mended.loss.is_none(), "{restart:?} {:?}", mended.loss);
            }
        }
    }

    #[test]
    fn the_rows_that_a_truncated_file_lacks_are_counted_and_the_others_exact() {
        for restart in [None, Some(7)] {
            let good = picture(90, restart);
            let mended = mend(&good[..good.len() / 2]).unwrap();
            let Some(Loss::Rows { missing, of: 200 }) = mended.loss else { panic!("{:?}", mended.loss) };
            assert!((60..150).contains(&missing), "{missing}");
            let (whole, half) = (decoded(&good), decoded(&mended.bytes.unwrap()));
            // The last row of units touches what is missing.
            for y in 0..200 - missing - 16 {
                assert!((0..300).all(|x| whole.get_pixel(x, y) == half.get_pixel(x, y)), "row {y}");
            }
            assert_eq!(mended.holes.last().unwrap()[2..], [300, 200]);
        }
    }

    #[test]
    fn after_a_fault_the_next_restart_marker_sets_all_right() {
        let good = picture(90, Some(19));
        let marker = |n: u8| good.windows(2).position(|pair| pair == [0xff, 0xd0 + n]).unwrap();
        let mut bad = good.clone();
        bad[marker(2) + 12..marker(2) + 30].fill(0xfe);
        let mended = mend(&bad).unwrap();
        assert!(mended.loss.is_some());
        let (whole, mended) = (decoded(&good), decoded(&mended.bytes.unwrap()));
        // Units are 16 rows high; a row of them is an interval.
        for y in (0..46).chain(66..200) {
            assert!((0..300).all(|x| whole.get_pixel(x, y) == mended.get_pixel(x, y)), "row {y}");
        }
    }

    #[test]
    fn a_lost_interval_is_a_hole_and_the_others_stay_in_their_places() {
        let good = picture(90, Some(19));
        let marker = |n: u8| good.windows(2).position(|pair| pair == [0xff, 0xd0 + n]).unwrap();
        let bad = [&good[..marker(2)], &good[marker(3)..]].concat();
        let mended = mend(&bad).unwrap();
        assert_eq!(mended.holes, [[0, 48, 300, 64]]);
        assert!(matches!(mended.loss, Some(Loss::Parts { percent }) if (7.0..9.0).contains(&percent)));
        let (whole, mended) = (decoded(&good), decoded(&mended.bytes.unwrap()));
        for y in (0..46).chain(66..200) {
            assert!((0..300).all(|x| whole.get_pixel(x, y) == mended.get_pixel(x, y)), "row {y}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = picture(60, Some(5));
        for cut in 0..good.len().min(900) {
            let _ = mend(&good[..cut]);
        }
        for at in (0..good.len()).step_by(3) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let _ = mend(&bad);
        }
    }
}
