//! XMP: what is false for the new picture, or shows the old one, goes; on demand whatever may tell a place.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::{NsReader, Writer};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
/// Namespaces whose names can be judged.
const KNOWN: &[&str] = &[
    RDF,
    "adobe:ns:meta/",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/xap/1.0/",
    "http://ns.adobe.com/xap/1.0/rights/",
    "http://ns.adobe.com/xap/1.0/mm/",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    "http://ns.adobe.com/xmp/1.0/DynamicMedia/",
    "http://ns.adobe.com/photoshop/1.0/",
    "http://ns.adobe.com/tiff/1.0/",
    "http://ns.adobe.com/exif/1.0/",
    "http://cipa.jp/exif/1.0/",
    "http://ns.adobe.com/exif/1.0/aux/",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "http://ns.useplus.org/ldf/xmp/1.0/",
    "http://ns.adobe.com/lightroom/1.0/",
    "http://creativecommons.org/ns#",
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/pdf/1.3/",
    "http://www.gimp.org/xmp/",
];
/// Pictures and parts of files inside of XMP.
const PICTURES: &[&str] = &[
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.adobe.com/xmp/note/",
];
/// Of the file that was.
const STRUCTURE: &[&str] =
    &["Orientation", "ImageWidth", "ImageLength", "PixelXDimension", "PixelYDimension", "Thumbnails"];

/// Whether a name speaks of a place.
pub fn is_place(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words =
        ["gps", "geo", "location", "latitude", "longitude", "altitude", "city", "countr", "province", "coverage"];
    words.iter().any(|word| name.contains(word))
        || name.replace("statement", "").contains("state")
        || name.replace("regions", "").contains("region")
}

/// The packet as it may go along; `None`: it is no XML.
pub fn cleaned(xmp: &[u8], places: bool) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(xmp).ok()?.trim_matches(['\0', '\u{feff}', ' ', '\n', '\r', '\t']);
    let mut reader = NsReader::from_str(text);
    let mut writer = Writer::new(Vec::new());
    loop {
        let event = reader.read_event().ok()?;
        match event {
            Event::Eof => break,
            Event::Start(start) => {
                if goes(&reader, start.name(), false, places) {
                    reader.read_to_end(start.to_end().name()).ok()?;
                } else {
                    writer.write_event(Event::Start(without(&reader, &start, places)?)).ok()?;
                }
            }
            Event::Empty(empty) if goes(&reader, empty.name(), false, places) => {}
            Event::Empty(empty) => writer.write_event(Event::Empty(without(&reader, &empty, places)?)).ok()?,
            // No property, but a place to write anything.
            Event::Comment(_) | Event::CData(_) | Event::DocType(_) if !places => {}
            other => writer.write_event(other).ok()?,
        }
    }
    Some(writer.into_inner())
}

fn goes(reader: &NsReader<&[u8]>, name: QName<'_>, attribute: bool, places: bool) -> bool {
    let resolver = reader.resolver();
    let (space, local) = if attribute { resolver.resolve_attribute(name) } else { resolver.resolve_element(name) };
    let local = local.into_inner();
    if attribute && name.as_namespace_binding().is_some() {
        return false;
    }
    let space = match space {
        ResolveResult::Bound(space) => space.0,
        _ => return !places,
    };
    PICTURES.contains(&space)
        || space != RDF && STRUCTURE.contains(&local)
        || !places && (!KNOWN.contains(&space) || is_place(local))
}

fn without<'a>(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, places: bool) -> Option<BytesStart<'a>> {
    let name = start.name().into_inner().to_owned();
    let mut out = BytesStart::new(name);
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        if !goes(reader, attribute.key, true, places) {
            out.push_attribute(attribute);
        }
    }
    Some(out.into_owned())
}

/// A packet with a title only.
pub fn of_title(title: &str) -> Vec<u8> {
    let title = quick_xml::escape::escape(title);
    format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">{title}\
         </rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:q="http://ns.adobe.com/tiff/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:me="http://example.com/me/" q:Orientation="6" photoshop:City="Bonn" me:home="Bonn" xmp:Rating="4"><xmp:Thumbnails><rdf:Alt><rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails><dc:subject><rdf:Bag><rdf:li>sea &amp; sun</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"#;

    #[test]
    fn what_is_old_goes_and_places_on_demand() {
        let kept = String::from_utf8(cleaned(PACKET.as_bytes(), true).unwrap()).unwrap();
        assert!(!kept.contains("Orientation") && !kept.contains("Thumbnails") && !kept.contains("AAAA"), "{kept}");
        assert!(kept.contains("Bonn") && kept.contains("me:home") && kept.contains("sea &amp; sun"), "{kept}");
        let bare = String::from_utf8(cleaned(PACKET.as_bytes(), false).unwrap()).unwrap();
        assert!(!bare.contains("Bonn") && bare.contains("Rating=\"4\"") && bare.contains("sea &amp; sun"), "{bare}");
        assert!(cleaned(bare.as_bytes(), false).is_some() && cleaned(b"<a><b></a>", true).is_none());
        assert!(is_place("CountryCode") && is_place("State") && !is_place("UsageStatement") && !is_place("Regions"));
    }
}
