//! What files say beside their pixels, through `gimp-bridge filters run`.

use gimp_bridge::images::metadata::{self, Metadata};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageEncoder, ImageReader, RgbImage};
use std::path::Path;
use std::process::Command;

/// Big-endian EXIF: a maker, a turn to the right, 300 x 150 pixels per inch, a size, camera's notes, a latitude, and a
/// thumbnail of the bytes 0xee. The latitude reads the same in both byte orders.
fn exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let at = |place: u32| place.to_be_bytes();
    let mut block = b"MM\0\x2a\0\0\0\x08".to_vec();
    block.extend(7u16.to_be_bytes());
    block.extend(entry(0x010f, 2, 4, *b"ACM\0"));
    block.extend(entry(0x0112, 3, 1, [0, 6, 0, 0]));
    block.extend(entry(0x011a, 5, 1, at(98)));
    block.extend(entry(0x011b, 5, 1, at(106)));
    block.extend(entry(0x0128, 3, 1, [0, 2, 0, 0]));
    block.extend(entry(0x8769, 4, 1, at(114)));
    block.extend(entry(0x8825, 4, 1, at(240)));
    block.extend(at(280));
    block.extend([0, 0, 1, 44, 0, 0, 0, 1, 0, 0, 0, 150, 0, 0, 0, 1]);
    block.extend(2u16.to_be_bytes());
    block.extend(entry(0x927c, 7, 60, at(160)));
    block.extend(entry(0xa002, 4, 1, at(300)));
    block.extend(at(0));
    block.resize(160, 0);
    block.extend([0xab; 60]);
    block.resize(240, 0);
    block.extend(1u16.to_be_bytes());
    block.extend(entry(2, 5, 1, at(260)));
    block.extend(at(0));
    block.resize(260, 0);
    block.extend(*b"QZZQYXXY");
    block.resize(280, 0);
    block.extend(2u16.to_be_bytes());
    block.extend(entry(0x0201, 4, 1, at(320)));
    block.extend(entry(0x0202, 4, 1, at(40)));
    block.extend(at(0));
    block.resize(320, 0);
    block.extend([0xee; 40]);
    block
}

const XMP: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" photoshop:City="Bonn" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>"#;
const RECORDS: &[u8] = b"\x1c\x02\x78\0\x05Hello\x1c\x02\x5a\0\x04Bonn";

fn photo() -> RgbImage {
    RgbImage::from_fn(300, 200, |x, y| image::Rgb([(x * 255 / 299) as u8, (y * 255 / 199) as u8, 90]))
}

fn jpeg(path: &Path) {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 92);
    encoder.set_exif_metadata(exif()).unwrap();
    photo().write_with_encoder(encoder).unwrap();
    let said = Metadata {
        xmp: Some(XMP.into()),
        iptc: Some(RECORDS.to_vec()),
        comment: Some("a remark".into()),
        ..Metadata::default()
    };
    metadata::add_to_jpeg(&mut bytes, &said);
    std::fs::write(path, bytes).unwrap();
}

/// Exit status, and what was said.
fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
    command.args(["filters", "run", "auto-enhance", "--strength", "0"]).args(arguments).current_dir(home);
    let output = command.env("GIMP_BRIDGE_FILTERS_FOLDER", home.join("filters")).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[test]
fn metadata_goes_from_each_format_to_each_upright_and_without_a_thumbnail() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    jpeg(&home.join("a.jpg"));
    for (from, to) in [
        ("a.jpg", "a.tif"),
        ("a.jpg", "a.png"),
        ("a.jpg", "a.webp"),
        ("a.jpg", "b.jpg"),
        ("a.tif", "c.tif"),
        ("a.tif", "c.png"),
        ("a.png", "d.tif"),
        ("a.png", "d.jpg"),
        ("a.png", "d.png"),
        ("a.webp", "e.jpg"),
    ] {
        let (code, said) = run(home, &[from, to]);
        assert_eq!(code, Some(0), "{said}");
        let bytes = std::fs::read(home.join(to)).unwrap();
        let found = metadata::read(&bytes);
        let (across, down) = found.resolution.unwrap_or_default();
        assert!((across - 300.0).abs() < 0.1 && (down - 150.0).abs() < 0.1, "{to}: {across} {down}");
        let webp = [from, to].iter().any(|name| name.ends_with("webp"));
        assert_eq!(found.iptc.as_deref(), (!webp).then_some(RECORDS), "{to}");
        assert_eq!(said.contains("IPTC metadata is left out"), to.ends_with("webp"), "{said}");
        let packet = String::from_utf8(found.xmp.unwrap()).unwrap();
        assert!(packet.contains("Rating=\"4\"") && packet.contains("Bonn"), "{packet}");
        for part in [&b"ACM\0"[..], &[0xab; 60], b"remark"] {
            assert!(holds(&bytes, part), "{to}: {part:?}");
        }
        assert!(!holds(&bytes, &[0xee; 40]), "{to}: the thumbnail shows the picture as it was");
        let mut decoder = ImageReader::open(home.join(to)).unwrap().into_decoder().unwrap();
        assert_eq!(decoder.dimensions(), (200, 300));
        if !to.ends_with("tif") {
            assert!(holds(&bytes, b"QZZQYXXY"), "{to}");
            let block = decoder.exif_metadata().unwrap().unwrap();
            assert_eq!(Orientation::from_exif_chunk(&block), Some(Orientation::NoTransforms), "{to}");
        }
    }
}

#[test]
fn places_and_all_of_it_can_be_left_out() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    jpeg(&home.join("a.jpg"));
    assert_eq!(run(home, &["a.jpg", "a.tif"]).0, Some(0));
    for from in ["a.jpg", "a.tif"] {
        for to in ["o.jpg", "o.png", "o.webp", "o.tif"] {
            let (code, said) = run(home, &[from, to, "--metadata", "no-location"]);
            assert_eq!(code, Some(0), "{said}");
            let bytes = std::fs::read(home.join(to)).unwrap();
            let found = metadata::read(&bytes);
            for part in [&b"QZZQYXXY"[..], b"Bonn", &[0xab; 60]] {
                assert!(!holds(&bytes, part), "{from} -> {to}: {part:?}");
            }
            assert!(!found.iptc.is_some_and(|records| holds(&records, b"Bonn")), "a PNG's is compressed");
            assert!(holds(&bytes, b"ACM\0") && holds(&bytes, b"Rating"), "{from} -> {to}");
            assert_eq!(run(home, &[from, to, "--metadata=none"]).0, Some(0));
            let bare = metadata::read(&std::fs::read(home.join(to)).unwrap());
            assert!(bare.xmp.is_none() && bare.iptc.is_none() && bare.comment.is_none(), "{to}: {bare:?}");
            assert!(!holds(&std::fs::read(home.join(to)).unwrap(), b"ACM\0"));
            assert!((bare.resolution.unwrap().0 - 300.0).abs() < 0.1, "the resolution belongs to the picture");
        }
    }
    let (code, said) = run(home, &["a.jpg", "o.png", "--metadata", "some"]);
    assert!(code == Some(2) || code == Some(1), "{said}");
    assert!(said.contains("keep, none or no-location"), "{said}");
}

#[test]
fn texts_of_a_png_stay_or_move_or_are_said() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let file = std::fs::File::create(home.join("a.png")).unwrap();
    let mut encoder = png::Encoder::new(file, 300, 200);
    encoder.set_color(png::ColorType::Rgb);
    for (key, text) in
        [("Title", "Sea"), ("Author", "Ann"), ("Quux", "zz"), ("Comment", "a remark"), ("GPS place", "Bonn")]
    {
        encoder.add_text_chunk(key.into(), text.into()).unwrap();
    }
    encoder.add_itxt_chunk("Copyright".into(), "Jürgen Ω".into()).unwrap();
    encoder.write_header().unwrap().write_image_data(photo().as_raw()).unwrap();
    let (code, said) = run(home, &["a.png", "b.png"]);
    assert_eq!(code, Some(0), "{said}");
    let texts = |name: &str| metadata::read(&std::fs::read(home.join(name)).unwrap());
    let found = texts("b.png");
    assert_eq!(found.comment.as_deref(), Some("a remark"));
    for text in [("Title", "Sea"), ("Quux", "zz"), ("Copyright", "Jürgen Ω"), ("GPS place", "Bonn")] {
        assert!(found.texts.contains(&(text.0.into(), text.1.into())), "{text:?}");
    }
    let (_, said) = run(home, &["a.png", "b.jpg"]);
    assert!(said.contains("JPEG has no place for the text `Quux`, `GPS place`"), "{said}");
    let bytes = std::fs::read(home.join("b.jpg")).unwrap();
    assert!(holds(&bytes, b"Ann\0") && holds(&bytes, b"Sea") && holds(&bytes, "Jürgen Ω".as_bytes()));
    run(home, &["a.png", "c.png", "--metadata", "no-location"]);
    assert!(!holds(&std::fs::read(home.join("c.png")).unwrap(), b"Bonn"));
}
