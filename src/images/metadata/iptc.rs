//! IPTC's records, the Photoshop blocks that hold them in a JPEG, and the texts that do in a PNG.

/// City, part of it, province, country and its code, and the codes of content's places.
const PLACES: [u8; 7] = [26, 27, 90, 92, 95, 100, 101];
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
const BLOCK: u16 = 0x0404;

/// The records in a Photoshop block, or bare ones.
pub fn of_photoshop(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PHOTOSHOP).unwrap_or(bytes);
    if rest.first() == Some(&0x1c) {
        return Some(rest.to_vec());
    }
    while let Some(block) = rest.strip_prefix(b"8BIM") {
        let id = u16::from_be_bytes([*block.first()?, *block.get(1)?]);
        let name = (usize::from(*block.get(2)?) + 1).next_multiple_of(2);
        let length = block.get(2 + name..6 + name)?;
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let data = block.get(6 + name..6 + name + length)?;
        if id == BLOCK {
            return Some(data.to_vec());
        }
        rest = block.get(6 + name + length.next_multiple_of(2)..)?;
    }
    None
}

/// The records as a Photoshop block.
pub fn to_photoshop(records: &[u8]) -> Vec<u8> {
    let head = [PHOTOSHOP, b"8BIM", &BLOCK.to_be_bytes(), &[0, 0], &(records.len() as u32).to_be_bytes()].concat();
    let mut block = [&head, records].concat();
    block.resize(block.len() + records.len() % 2, 0);
    block
}

/// The records without those that name a place; what comes after a record that cannot be read is left out.
pub fn without_places(records: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), records);
    while let [0x1c, record, number, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length & 0x8000 != 0 || length > tail.len() {
            break;
        }
        if !(*record == 2 && PLACES.contains(number)) {
            out.extend_from_slice(&rest[..5 + length]);
        }
        rest = &tail[length..];
    }
    out
}

/// The bytes of a PNG's text `Raw profile type …`: a name, a length, and hexadecimal digits.
pub fn of_hex(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.trim_start().lines();
    let (_name, length) = (lines.next()?, lines.next()?.trim().parse::<usize>().ok()?);
    let digits: Vec<u8> =
        lines.flat_map(str::bytes).filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).take(length).collect();
    (bytes.len() == length).then_some(bytes)
}

/// The reverse of [`of_hex`].
pub fn to_hex(name: &str, bytes: &[u8]) -> String {
    let mut text = format!("\n{name}\n{:8}", bytes.len());
    for line in bytes.chunks(36) {
        text.push('\n');
        line.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_travel_and_lose_their_places() {
        let records = [&b"\x1c\x02\x78\0\x05Hello"[..], b"\x1c\x02\x5a\0\x04Bonn", b"\x1c\x02\x19\0\x03sea"].concat();
        assert_eq!(of_photoshop(&to_photoshop(&records)).unwrap(), records);
        assert_eq!(of_hex(&to_hex("iptc", &records)).unwrap(), records);
        assert_eq!(without_places(&records), [&b"\x1c\x02\x78\0\x05Hello"[..], b"\x1c\x02\x19\0\x03sea"].concat());
        assert_eq!(of_photoshop(b"Photoshop 3.0\08BIM\x04"), None);
    }
}
