//! A JPEG's segments before its pixels: what they say of the picture, and new ones.

use super::{Metadata, exif::Exif, iptc};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const COMMENT: u8 = 0xfe;
/// Most bytes of one segment's data.
pub const SEGMENT: usize = 65_533;

/// Marker and data of each segment up to the pixels.
pub fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        while rest.starts_with(b"\xff\xff") {
            rest = &rest[1..];
        }
        let [0xff, marker, high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
        let data = tail.get(..length).filter(|_| *marker != 0xda && *marker != 0xd9)?;
        rest = &tail[length..];
        Some((*marker, data))
    })
}

pub fn read(bytes: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    for (marker, data) in segments(bytes) {
        match marker {
            0xe0 if data.starts_with(b"JFIF\0") && data.len() >= 12 => {
                let side = |at: usize| f64::from(u16::from_be_bytes([data[at], data[at + 1]]));
                let scale = [None, Some(1.0), Some(2.54)].get(usize::from(data[7])).copied().flatten();
                found.resolution =
                    scale.map(|scale| (side(8) * scale, side(10) * scale)).filter(|(x, y)| *x > 0.0 && *y > 0.0);
            }
            0xe1 if data.starts_with(b"Exif\0") => found.exif = found.exif.or_else(|| Exif::parse(data)),
            0xe1 => {
                let packet = data.strip_prefix(XMP).map(<[u8]>::to_vec);
                found.xmp = found.xmp.or(packet);
            }
            0xed => found.iptc = found.iptc.or_else(|| iptc::of_photoshop(data)),
            COMMENT if found.comment.is_none() => {
                let text = String::from_utf8_lossy(data).trim_end_matches('\0').trim().to_owned();
                found.comment = Some(text).filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
    found
}

/// Leaves out what is too long for a segment; names it.
pub fn shorten(metadata: &mut Metadata) -> Vec<&'static str> {
    let mut long = Vec::new();
    if metadata.xmp.take_if(|packet| packet.len() + XMP.len() > SEGMENT).is_some() {
        long.push("XMP metadata");
    }
    if metadata.iptc.take_if(|records| iptc::to_photoshop(records).len() > SEGMENT).is_some() {
        long.push("IPTC metadata");
    }
    if metadata.comment.take_if(|comment| comment.len() > SEGMENT).is_some() {
        long.push("the comment");
    }
    if let Some(exif) = &mut metadata.exif
        && exif.block().len() + 6 > SEGMENT
    {
        if exif.drop_notes() && exif.block().len() + 6 <= SEGMENT {
            long.push("the camera's notes");
        } else {
            metadata.exif = None;
            long.push("EXIF metadata");
        }
    }
    long
}

/// Puts XMP, IPTC and the comment into an encoded file, after what stands at its beginning.
pub fn add(file: &mut Vec<u8>, metadata: &Metadata) {
    let mut added = Vec::new();
    let mut segment = |marker: u8, data: &[u8]| {
        added.extend([0xff, marker]);
        added.extend(((data.len() + 2) as u16).to_be_bytes());
        added.extend(data);
    };
    if let Some(packet) = &metadata.xmp {
        segment(0xe1, &[XMP, packet].concat());
    }
    if let Some(records) = &metadata.iptc {
        segment(0xed, &iptc::to_photoshop(records));
    }
    if let Some(comment) = &metadata.comment {
        segment(COMMENT, comment.as_bytes());
    }
    let is_head = |(marker, data): &(u8, &[u8])| *marker == 0xe0 || *marker == 0xe1 && data.starts_with(b"Exif\0");
    let at = 2 + segments(file).take_while(is_head).map(|(_, data)| data.len() + 4).sum::<usize>();
    file.splice(at..at, added);
}
