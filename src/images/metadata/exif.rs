//! EXIF, and the directories of a TIFF, which are the same: read, changed, written.
//!
//! The thumbnail's directory is never read: it shows the picture as it was. A camera's notes stay at their place, since
//! many count from the block's beginning.

/// What belongs to the bytes of one file and is false for the next, or shows the picture as it was before.
const STRUCTURE: &[u16] = &[
    0x00fe, 0x00ff, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010a, 0x0111, 0x0115, 0x0116, 0x0117, 0x0118, 0x0119,
    0x011c, 0x011d, 0x0120, 0x0121, 0x0122, 0x0123, 0x0124, 0x0125, 0x0129, 0x012d, 0x013d, 0x0140, 0x0142, 0x0143,
    0x0144, 0x0145, 0x014a, 0x014c, 0x014e, 0x0152, 0x0153, 0x0156, 0x015b, 0x0200, 0x0201, 0x0202, 0x0203, 0x0205,
    0x0206, 0x0207, 0x0208, 0x0209, 0x0211, 0x0212, 0x0213, 0x0214, XMP, IPTC, PHOTOSHOP, 0x8773, 0x935c,
];
pub const XMP: u16 = 0x02bc;
pub const IPTC: u16 = 0x83bb;
pub const PHOTOSHOP: u16 = 0x8649;
pub const DESCRIPTION: u16 = 0x010e;
pub const ORIENTATION: u16 = 0x0112;
const X_RESOLUTION: u16 = 0x011a;
const Y_RESOLUTION: u16 = 0x011b;
const RESOLUTION_UNIT: u16 = 0x0128;
const EXIF: u16 = 0x8769;
const GPS: u16 = 0x8825;
const INTEROP: u16 = 0xa005;
const MAKER_NOTE: u16 = 0x927c;
const USER_COMMENT: u16 = 0x9286;
const SUBJECT_LOCATION: u16 = 0xa214;
const WIDTH: u16 = 0xa002;
const HEIGHT: u16 = 0xa003;

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

/// Entries of one directory, and bytes of one value, that are taken; more is no metadata.
const MOST_ENTRIES: usize = 2048;
const MOST_BYTES: usize = 16 << 20;

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    tag: u16,
    kind: u16,
    /// In the byte order of the whole.
    data: Vec<u8>,
    /// Where it was.
    at: usize,
}

/// The directories that are kept; empty ones are not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exif {
    little: bool,
    main: Vec<Entry>,
    exif: Vec<Entry>,
    gps: Vec<Entry>,
    interop: Vec<Entry>,
}

/// The bytes of a value's unit, and of what is swapped in it.
fn sizes(kind: u16) -> Option<(usize, usize)> {
    Some(match kind {
        BYTE | ASCII | 6 | UNDEFINED => (1, 1),
        SHORT | 8 => (2, 2),
        LONG | 9 | 11 | 13 => (4, 4),
        RATIONAL | 10 => (8, 4),
        12 => (8, 8),
        _ => return None,
    })
}

struct Source<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Source<'_> {
    fn new(bytes: &[u8]) -> Option<Source<'_>> {
        let little = match bytes.get(..4)? {
            b"II\x2a\0" => true,
            b"MM\0\x2a" => false,
            _ => return None,
        };
        Some(Source { bytes, little })
    }

    fn number(&self, at: usize, size: usize) -> Option<usize> {
        let part = self.bytes.get(at..at.checked_add(size)?)?;
        let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if self.little { part.iter().rev().fold(0, add) } else { part.iter().fold(0, add) })
    }

    /// The entries at a place that `wanted` takes, and where the next directory is.
    fn directory(&self, at: usize, wanted: fn(u16) -> bool) -> Option<(Vec<Entry>, usize)> {
        let count = self.number(at, 2)?;
        let mut entries = Vec::new();
        for number in 0..count.min(MOST_ENTRIES) {
            let at = at + 2 + 12 * number;
            let (Some(tag), Some(kind), Some(count)) =
                (self.number(at, 2), self.number(at + 2, 2), self.number(at + 4, 4))
            else {
                break;
            };
            let (tag, kind) = (tag as u16, kind as u16);
            let Some(length) = sizes(kind).and_then(|(size, _)| size.checked_mul(count)) else { continue };
            if !wanted(tag) || length > MOST_BYTES {
                continue;
            }
            let place = if length <= 4 { Some(at + 8) } else { self.number(at + 8, 4) };
            let data = place.and_then(|place| self.bytes.get(place..place.checked_add(length)?));
            if let (Some(place), Some(data)) = (place, data) {
                entries.push(Entry { tag, kind, data: data.to_vec(), at: place });
            }
        }
        Some((entries, self.number(at + 2 + 12 * count, 4).unwrap_or(0)))
    }
}

impl Exif {
    /// Of an EXIF block or a TIFF file, with or without JPEG's marker before it.
    pub fn parse(bytes: &[u8]) -> Option<Exif> {
        let source = Source::new(bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes))?;
        let all = |tag: u16| !STRUCTURE.contains(&tag);
        let (mut main, _) = source.directory(source.number(4, 4)?, all)?;
        let inner = |tag: u16, entries: &mut Vec<Entry>| {
            let at = entries.iter().position(|entry| entry.tag == tag)?;
            let place = entries.remove(at).number(source.little)?;
            source.directory(place, |_| true).map(|(entries, _)| entries)
        };
        let mut exif = inner(EXIF, &mut main).unwrap_or_default();
        let gps = inner(GPS, &mut main).unwrap_or_default();
        let interop = inner(INTEROP, &mut exif).unwrap_or_default();
        let found = Exif { little: source.little, main, exif, gps, interop };
        (!found.is_empty()).then_some(found)
    }

    pub fn is_empty(&self) -> bool {
        [&self.main, &self.exif, &self.gps, &self.interop].iter().all(|entries| entries.is_empty())
    }

    /// Takes out all that may tell a place: what is not known to tell none.
    pub fn drop_places(&mut self) {
        self.gps.clear();
        let plain = |tag: u16| tag < 0x8000 || tag == 0x8298 || (0x9c9b..=0x9c9f).contains(&tag);
        self.main.retain(|entry| plain(entry.tag));
        let known = |tag: u16| (0x8200..0xc000).contains(&tag) && tag != MAKER_NOTE && tag != SUBJECT_LOCATION;
        self.exif.retain(|entry| known(entry.tag));
    }

    /// Says that the picture lies upright and has this size, where it says anything of that.
    pub fn is_upright(&mut self, width: u32, height: u32) {
        let (one, little) = (if self.little { [1, 0] } else { [0, 1] }, self.little);
        self.main.iter_mut().filter(|entry| entry.tag == ORIENTATION).for_each(|entry| {
            (entry.kind, entry.data) = (SHORT, one.to_vec());
        });
        for (tag, side) in [(WIDTH, width), (HEIGHT, height)] {
            self.exif.iter_mut().filter(|entry| entry.tag == tag).for_each(|entry| {
                (entry.kind, entry.data) = (LONG, long(side, little).to_vec());
            });
        }
    }

    /// A text of the first directory, if it has one.
    pub fn has(&self, tag: u16) -> bool {
        self.main.iter().chain(&self.exif).any(|entry| entry.tag == tag)
    }

    pub fn set_text(&mut self, tag: u16, text: &str) {
        let data = [text.as_bytes(), b"\0"].concat();
        self.main.push(Entry { tag, kind: ASCII, data, at: 0 });
    }

    /// Whether there was room for it.
    pub fn set_comment(&mut self, text: &str) -> bool {
        if !self.has(USER_COMMENT) && text.is_ascii() {
            let data = [b"ASCII\0\0\0", text.as_bytes()].concat();
            self.exif.push(Entry { tag: USER_COMMENT, kind: UNDEFINED, data, at: 0 });
        } else if !self.has(DESCRIPTION) {
            self.set_text(DESCRIPTION, text);
        } else {
            return false;
        }
        true
    }

    /// Pixels per inch, across and down.
    pub fn resolution(&self) -> Option<(f64, f64)> {
        let value = |tag: u16| {
            let entry = self.main.iter().find(|entry| entry.tag == tag && entry.kind == RATIONAL)?;
            let part = |at: usize| entry.data.get(at..at + 4).map(|part| f64::from(to_long(part, self.little)));
            Some(part(0)? / part(4)?).filter(|value| value.is_finite() && *value > 0.0)
        };
        let unit = self.main.iter().find(|entry| entry.tag == RESOLUTION_UNIT);
        let scale = match unit.and_then(|unit| unit.number(self.little)).unwrap_or(2) {
            2 => 1.0,
            3 => 2.54,
            _ => return None,
        };
        Some((value(X_RESOLUTION)? * scale, value(Y_RESOLUTION)? * scale))
    }

    /// Whether it says anything but the resolution and which way is up.
    pub fn tells(&self) -> bool {
        let plain = [X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION];
        let more = |entry: &Entry| !plain.contains(&entry.tag);
        self.main.iter().any(more) || ![&self.exif, &self.gps].iter().all(|entries| entries.is_empty())
    }

    pub fn set_resolution(&mut self, (x, y): (f64, f64)) {
        self.main.retain(|entry| ![X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT].contains(&entry.tag));
        for (tag, value) in [(X_RESOLUTION, x), (Y_RESOLUTION, y)] {
            let parts = [(value * 1000.0).round().min(4e9) as u32, 1000];
            let data = parts.map(|part| long(part, self.little)).concat();
            self.main.push(Entry { tag, kind: RATIONAL, data, at: 0 });
        }
        let inches = if self.little { vec![2, 0] } else { vec![0, 2] };
        self.main.push(Entry { tag: RESOLUTION_UNIT, kind: SHORT, data: inches, at: 0 });
    }

    /// The bytes of a value of a TIFF's first directory, such as `XMP`.
    pub fn of_tiff(bytes: &[u8], tag: u16) -> Option<Vec<u8>> {
        let source = Source::new(bytes)?;
        let all = source.directory(source.number(4, 4)?, |_| true)?.0;
        all.into_iter().find(|entry| entry.tag == tag).map(|entry| entry.data)
    }

    /// As an EXIF block.
    pub fn block(&self) -> Vec<u8> {
        let notes = self.exif.iter().find(|entry| entry.tag == MAKER_NOTE);
        let fixed = notes.filter(|notes| notes.at >= 8).map(|notes| notes.at..notes.at + notes.data.len());
        let (at, body) = self.laid_out(8, 0, fixed);
        let head: &[u8] = if self.little { b"II\x2a\0" } else { b"MM\0\x2a" };
        [head, &long(at as u32, self.little), &body].concat()
    }

    /// Takes the camera's notes out, the largest part of most blocks; whether there were any.
    pub fn drop_notes(&mut self) -> bool {
        let before = self.exif.len();
        self.exif.retain(|entry| entry.tag != MAKER_NOTE);
        self.exif.len() < before
    }

    /// Adds this, XMP and IPTC to the first directory of a TIFF file, as a directory at its end.
    pub fn into_tiff(mut self, file: &mut Vec<u8>, xmp: Option<&[u8]>, iptc: Option<&[u8]>) -> Option<()> {
        let source = Source::new(file)?;
        let (structure, next) = source.directory(source.number(4, 4)?, |tag| tag != EXIF && tag != GPS)?;
        let little = source.little;
        self.turn_to(little);
        for (tag, data) in [(XMP, xmp), (IPTC, iptc)] {
            self.main.extend(data.map(|data| Entry { tag, kind: BYTE, data: data.to_vec(), at: 0 }));
        }
        let own: Vec<u16> = self.main.iter().map(|entry| entry.tag).collect();
        self.main.extend(structure.into_iter().filter(|entry| !own.contains(&entry.tag)));
        file.resize(file.len().next_multiple_of(2), 0);
        let (at, body) = self.laid_out(file.len(), next as u32, None);
        file.extend(body);
        file[4..8].copy_from_slice(&long(u32::try_from(at).ok()?, little));
        Some(())
    }

    fn turn_to(&mut self, little: bool) {
        if self.little == little {
            return;
        }
        self.little = little;
        for entry in [&mut self.main, &mut self.exif, &mut self.gps, &mut self.interop].into_iter().flatten() {
            let unit = sizes(entry.kind).map_or(1, |(_, unit)| unit);
            entry.data.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
    }

    /// The directories as they lie from `base` on, the camera's notes where `fixed` says; where the first one is.
    fn laid_out(&self, base: usize, next: u32, fixed: Option<std::ops::Range<usize>>) -> (usize, Vec<u8>) {
        let mut end = base;
        let mut place = |length: usize| {
            let at = match &fixed {
                Some(fixed) if end < fixed.end && end + length > fixed.start => fixed.end.next_multiple_of(2),
                _ => end,
            };
            end = (at + length).next_multiple_of(2);
            at
        };
        let pointer = |tag: u16| Entry { tag, kind: LONG, data: vec![0; 4], at: 0 };
        let mut all = [self.main.clone(), self.exif.clone(), self.interop.clone(), self.gps.clone()];
        if !self.interop.is_empty() {
            all[1].push(pointer(INTEROP));
        }
        if !all[1].is_empty() {
            all[0].push(pointer(EXIF));
        }
        if !self.gps.is_empty() {
            all[0].push(pointer(GPS));
        }
        let mut directories = [0; 4];
        let mut places = Vec::new();
        for (entries, directory) in all.iter_mut().zip(&mut directories) {
            entries.sort_by_key(|entry| entry.tag);
            if entries.is_empty() {
                continue;
            }
            *directory = place(6 + 12 * entries.len());
            places.push(
                entries
                    .iter()
                    .map(|entry| match (&fixed, entry.tag, entry.data.len()) {
                        (_, _, 0..=4) => 0,
                        (Some(fixed), MAKER_NOTE, _) => fixed.start,
                        (.., length) => place(length),
                    })
                    .collect::<Vec<usize>>(),
            );
        }
        let end = end.max(fixed.as_ref().map_or(0, |fixed| fixed.end));
        let mut out = vec![0; end - base];
        let mut put = |at: usize, bytes: &[u8]| out[at - base..at - base + bytes.len()].copy_from_slice(bytes);
        let mut places = places.into_iter();
        for (number, entries) in all.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
            let at = directories[number];
            put(at, &short(entries.len() as u16, self.little));
            for (i, (entry, value)) in entries.iter().zip(places.next().unwrap_or_default()).enumerate() {
                let row = at + 2 + 12 * i;
                let unit = sizes(entry.kind).map_or(1, |(size, _)| size);
                put(row, &short(entry.tag, self.little));
                put(row + 2, &short(entry.kind, self.little));
                put(row + 4, &long((entry.data.len() / unit) as u32, self.little));
                match entry.tag {
                    EXIF if number == 0 => put(row + 8, &long(directories[1] as u32, self.little)),
                    GPS if number == 0 => put(row + 8, &long(directories[3] as u32, self.little)),
                    INTEROP if number == 1 => put(row + 8, &long(directories[2] as u32, self.little)),
                    _ if value == 0 => put(row + 8, &entry.data),
                    _ => {
                        put(row + 8, &long(value as u32, self.little));
                        put(value, &entry.data);
                    }
                }
            }
            let after = if number == 0 { next } else { 0 };
            put(at + 2 + 12 * entries.len(), &long(after, self.little));
        }
        (directories[0], out)
    }
}

impl Entry {
    fn number(&self, little: bool) -> Option<usize> {
        match (self.kind, self.data.len()) {
            (SHORT, 2..) => Some(usize::from(to_long(&self.data[..2], little) as u16)),
            (LONG | 13, 4..) => Some(to_long(&self.data[..4], little) as usize),
            _ => None,
        }
    }
}

fn to_long(bytes: &[u8], little: bool) -> u32 {
    let add = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
    if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

fn long(value: u32, little: bool) -> [u8; 4] {
    if little { value.to_le_bytes() } else { value.to_be_bytes() }
}

fn short(value: u16, little: bool) -> [u8; 2] {
    if little { value.to_le_bytes() } else { value.to_be_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(little: bool) -> Exif {
        let mut exif = Exif { little, ..Exif::default() };
        exif.set_text(0x010f, "ACME");
        exif.main.push(Entry { tag: ORIENTATION, kind: SHORT, data: short(6, little).to_vec(), at: 0 });
        exif.set_resolution((300.0, 150.0));
        exif.exif.push(Entry { tag: WIDTH, kind: LONG, data: long(40, little).to_vec(), at: 0 });
        exif.exif.push(Entry { tag: MAKER_NOTE, kind: UNDEFINED, data: vec![7; 333], at: 300 });
        exif.exif.push(Entry { tag: SUBJECT_LOCATION, kind: SHORT, data: vec![0; 4], at: 0 });
        exif.gps.push(Entry { tag: 2, kind: RATIONAL, data: vec![3; 24], at: 0 });
        exif.interop.push(Entry { tag: 1, kind: ASCII, data: b"R98\0".to_vec(), at: 0 });
        exif
    }

    #[test]
    fn what_is_written_is_read_again_in_both_byte_orders() {
        for little in [true, false] {
            let block = sample(little).block();
            assert_eq!(block[300..633], [7; 333], "notes stay at their place");
            let mut read = Exif::parse(&block).unwrap();
            assert_eq!(read.resolution(), Some((300.0, 150.0)));
            assert_eq!((read.exif.len(), read.gps.len(), read.interop.len()), (3, 1, 1));
            assert_eq!(read.interop[0].data, b"R98\0");
            read.is_upright(200, 100);
            let found = image::metadata::Orientation::from_exif_chunk(&read.block());
            assert_eq!(found, Some(image::metadata::Orientation::NoTransforms));
            let again = Exif::parse(&read.block()).unwrap();
            assert_eq!(again.exif.iter().find(|entry| entry.tag == WIDTH).unwrap().number(little), Some(200));
            read.drop_places();
            let bare = read.block();
            assert!(!bare.windows(4).any(|part| part == [7; 4] || part == [3; 4]), "no byte of it is left");
            let bare = Exif::parse(&bare).unwrap();
            assert!(bare.gps.is_empty() && !bare.has(MAKER_NOTE) && !bare.has(SUBJECT_LOCATION) && bare.has(0x010f));
        }
    }

    #[test]
    fn cut_blocks_and_cycles_end() {
        let block = sample(true).block();
        for end in 0..block.len() {
            drop(Exif::parse(&block[..end]));
        }
        let mut wild = block.clone();
        for at in 0..wild.len() {
            let old = std::mem::replace(&mut wild[at], 0xff);
            if let Some(mut read) = Exif::parse(&wild) {
                read.is_upright(3, 3);
                assert!(read.block().len() < 1 << 20);
            }
            wild[at] = old;
        }
    }
}
