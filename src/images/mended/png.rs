//! PNG: takes what its compressed data still holds, with zeros (black, or transparent) for the rest.

use super::Loss;
use flate2::{Decompress, FlushDecompress, Status};

/// The bytes of a pass of this size, with a filter byte before each row.
fn pass_bytes(width: u64, height: u64, bits: u64) -> u64 {
    if width == 0 { 0 } else { height * (1 + (width * bits).div_ceil(8)) }
}

/// A whole file of what is there; `None` where even the header is damaged, or more than `largest` bytes would be held.
pub fn mend(bytes: &[u8], largest: u64) -> Option<(Vec<u8>, Loss)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let mut out = bytes[..8].to_vec();
    let mut data = Vec::new();
    let mut header = None;
    let mut at = 0;
    while let Some(start) = rest.get(at..at + 8) {
        let length = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) as usize;
        let name = [start[4], start[5], start[6], start[7]];
        let body = &rest[at + 8..rest.len().min((at + 8).saturating_add(length))];
        let whole = body.len() == length;
        match &name {
            b"IDAT" => data.extend_from_slice(body),
            b"IEND" => break,
            // What comes behind the pixels is of no use here, and of an animation the first frame is taken.
            _ if !data.is_empty() || !whole || matches!(&name, b"acTL" | b"fcTL" | b"fdAT") => {}
            _ => {
                if &name == b"IHDR" {
                    header = Some(body);
                }
                chunk(&mut out, &name, body);
            }
        }
        at = (at + 12).saturating_add(length);
    }
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, 0, 0, interlaced] = header? else { return None };
    let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let channels = [1, 0, 3, 1, 2, 0, 4].get(usize::from(colour)).filter(|&&channels| channels > 0)?;
    let (w, h, bits) = (u64::from(width), u64::from(height), u64::from(depth) * channels);
    let total = if interlaced == 0 {
        pass_bytes(w, h, bits)
    } else {
        // First column and row of the seven passes, and their steps.
        const PASSES: [[u64; 4]; 7] =
            [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
        let count = |size: u64, first: u64, step: u64| size.saturating_sub(first).div_ceil(step);
        PASSES.iter().map(|[x, y, dx, dy]| pass_bytes(count(w, *x, *dx), count(h, *y, *dy), bits)).sum()
    };
    if total > largest {
        return None;
    }
    let mut rows = Vec::with_capacity(total as usize);
    let mut inflate = Decompress::new(true);
    loop {
        let (from, room) = (inflate.total_in() as usize, rows.capacity());
        let before = rows.len();
        // A fault in the data: what came before it counts.
        let done = inflate.decompress_vec(&data[from..], &mut rows, FlushDecompress::Sync);
        let stuck = rows.len() == before && inflate.total_in() as usize == from;
        if stuck || rows.len() == room || !matches!(done, Ok(Status::Ok)) {
            break;
        }
    }
    let there = rows.len() as u64;
    rows.resize(total as usize, 0);
    // A filter that does not exist stands for none.
    if interlaced == 0 {
        let stride = pass_bytes(w, 1, bits) as usize;
        rows.chunks_mut(stride).filter(|row| row[0] > 4).for_each(|row| row[0] = 0);
    }
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut deflate, &rows).ok()?;
    chunk(&mut out, b"IDAT", &deflate.finish().ok()?);
    chunk(&mut out, b"IEND", &[]);
    let loss = if there >= total {
        Loss::Wrong
    } else if interlaced == 0 {
        Loss::Rows { missing: height - (there / pass_bytes(w, 1, bits)) as u32, of: height }
    } else {
        Loss::Parts { percent: (total - there) as f64 * 100.0 / total as f64 }
    };
    Some((out, loss))
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend((body.len() as u32).to_be_bytes());
    let from = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(body);
    let sum = crc32fast::hash(&out[from..]);
    out.extend(sum.to_be_bytes());
}
