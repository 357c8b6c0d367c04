//! How a picture has to be turned to lie upright, from its EXIF or XMP, as GIMP's side reads it.

use image::ImageDecoder;
use image::metadata::Orientation;

/// What makes the picture upright; `NoTransforms` where its metadata does not say, or cannot be read.
pub fn of(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    // Some writers of WebP and PNG put JPEG's marker before it.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif);
    if let Some(found) = Orientation::from_exif_chunk(exif) {
        return found;
    }
    match decoder.orientation() {
        Ok(found) if found != Orientation::NoTransforms => found,
        _ => from_xmp(&decoder.xmp_metadata().ok().flatten().unwrap_or_default()).unwrap_or(Orientation::NoTransforms),
    }
}

fn from_xmp(xmp: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let at = xmp.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    // An attribute (="6") or an element (>6<).
    let value = xmp[at..].iter().find(|byte| !matches!(byte, b'=' | b'"' | b'\'' | b'>' | b' '))?;
    Orientation::from_exif(value.checked_sub(b'0')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xmp_says_it_as_attribute_or_element() {
        assert_eq!(from_xmp(b"<x tiff:Orientation=\"6\"/>"), Some(Orientation::Rotate90));
        assert_eq!(from_xmp(b"<tiff:Orientation>3</tiff:Orientation>"), Some(Orientation::Rotate180));
        assert_eq!(from_xmp(b"<tiff:Orientation/>"), None);
        assert_eq!(from_xmp(b"<x/>"), None);
    }
}
