//! Files of several frames or pages, through `gimp-bridge filters run`.

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::LoopCount;
use image::{AnimationDecoder, Rgba, RgbaImage};
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

const DELAYS: [u32; 4] = [100, 250, 30, 400];

/// Exit status, and what was said.
fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
    command.args(["filters", "run", "auto-enhance", "--strength", "0"]).args(arguments).current_dir(home);
    let output = command.env("GIMP_BRIDGE_FILTERS_FOLDER", home.join("filters")).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A square that moves over a ground of few colours; around both nothing.
fn frame(number: u32) -> RgbaImage {
    RgbaImage::from_fn(300, 200, |x, y| match (x, y) {
        (0..10, _) => Rgba([0; 4]),
        (_, 50..100) if (40 * number + 20..40 * number + 70).contains(&x) => Rgba([230, 60, 40, 255]),
        _ => Rgba([20, (y / 20 * 20) as u8, 160, 255]),
    })
}

/// A GIF whose later frames hold what changed only, shown three times.
fn write_gif(path: &Path) {
    let mut encoder = gif::Encoder::new(std::fs::File::create(path).unwrap(), 300, 200, &[]).unwrap();
    encoder.set_repeat(gif::Repeat::Finite(3)).unwrap();
    for (number, delay) in DELAYS.iter().enumerate() {
        let number = number as u32;
        let part = if number == 0 { (0, 0, 300, 200) } else { (40 * (number - 1) + 20, 50, 90, 50) };
        let mut pixels =
            image::imageops::crop_imm(&frame(number), part.0, part.1, part.2, part.3).to_image().into_raw();
        let mut made = gif::Frame::from_rgba_speed(part.2 as u16, part.3 as u16, &mut pixels, 10);
        (made.left, made.top, made.delay) = (part.0 as u16, part.1 as u16, (delay / 10) as u16);
        made.dispose = gif::DisposalMethod::Keep;
        encoder.write_frame(&made).unwrap();
    }
}

/// Frames, how long each is shown, and how often all are.
fn read(path: &Path) -> (Vec<RgbaImage>, Vec<u32>, LoopCount) {
    let bytes = Cursor::new(std::fs::read(path).unwrap());
    fn both<'a>(decoder: impl AnimationDecoder<'a>) -> (LoopCount, image::Frames<'a>) {
        (decoder.loop_count(), decoder.into_frames())
    }
    let (plays, frames) = match path.extension().unwrap().to_str().unwrap() {
        "gif" => both(GifDecoder::new(bytes).unwrap()),
        "png" => both(PngDecoder::new(bytes).unwrap().apng().unwrap()),
        _ => both(WebPDecoder::new(bytes).unwrap()),
    };
    let frames: Vec<image::Frame> = frames.map(Result::unwrap).collect();
    let delays = frames.iter().map(|frame| frame.delay().numer_denom_ms()).map(|(top, unit)| top / unit).collect();
    (frames.into_iter().map(image::Frame::into_buffer).collect(), delays, plays)
}

#[test]
fn every_frame_is_filtered_and_kept_where_the_format_holds_frames() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write_gif(&home.join("a.gif"));
    for (from, to) in [("a.gif", "b.gif"), ("a.gif", "b.png"), ("b.png", "c.webp"), ("c.webp", "d.gif")] {
        let (code, said) = run(home, &[from, to]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("4 frames"), "{said}");
        let (frames, delays, plays) = read(&home.join(to));
        assert_eq!(delays, DELAYS, "{to}");
        assert!(matches!(plays, LoopCount::Finite(plays) if plays.get() == 3), "{to}");
        for (number, found) in frames.iter().enumerate() {
            let wanted = frame(number as u32);
            let off = found.pixels().zip(wanted.pixels()).filter(|(a, b)| a[3] != b[3] || b[3] > 0 && a != b).count();
            assert_eq!(off, 0, "{from} -> {to}, frame {number}");
        }
    }
    let (_, said) = run(home, &["a.gif", "b.jpg", "--quality", "95"]);
    assert!(
        said.contains("the file holds 4 frames, and JPEG one: the first was taken (--frame N takes another"),
        "{said}"
    );
    assert_eq!(run(home, &["a.gif", "third.png", "--frame", "3"]).0, Some(0));
    let third = image::open(home.join("third.png")).unwrap().into_rgba8();
    assert_eq!(third.get_pixel(110, 60), &Rgba([230, 60, 40, 255]));
    let (code, said) = run(home, &["a.gif", "none.png", "--frame", "5"]);
    assert!(code == Some(2) && said.contains("`--frame 5`") && said.contains("holds 4"), "{said}");
    let whole = std::fs::read(home.join("a.gif")).unwrap();
    std::fs::write(home.join("half.gif"), &whole[..whole.len() - 60]).unwrap();
    let (code, said) = run(home, &["half.gif", "half.png"]);
    assert!(code == Some(1) && said.contains("incomplete"), "{said}");
}

#[test]
fn a_gif_of_many_colours_says_what_its_palette_took() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let photo = RgbaImage::from_fn(300, 200, |x, y| {
        Rgba([(x * 255 / 299) as u8, (y * 255 / 199) as u8, 90, if x < 50 { 128 + (y / 4) as u8 } else { 255 }])
    });
    photo.save(home.join("a.png")).unwrap();
    let (code, said) = run(home, &["a.png", "a.gif"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("256 colours a frame") && said.contains("no soft transparency"), "{said}");
    let found = image::open(home.join("a.gif")).unwrap().into_rgba8();
    let off: u64 =
        found.pixels().zip(photo.pixels()).flat_map(|(a, b)| (0..3).map(|c| u64::from(a[c].abs_diff(b[c])))).sum();
    assert!(off / (300 * 200 * 3) < 8, "mean error {}", off / (300 * 200 * 3));
    assert!(found.pixels().all(|pixel| pixel[3] == 255), "128 and more is opaque");
}

#[test]
fn every_page_keeps_its_size_and_depth() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let deep: Vec<u16> = (0..300 * 200).map(|i| (i * 7 % 65536) as u16).collect();
    let color: Vec<u8> = (0..210 * 330 * 3).map(|i| (i % 251) as u8).collect();
    let mut encoder = tiff::encoder::TiffEncoder::new(std::fs::File::create(home.join("a.tif")).unwrap()).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray16>(300, 200, &deep).unwrap();
    encoder.write_image::<tiff::encoder::colortype::RGB8>(210, 330, &color).unwrap();
    drop(encoder);
    let (code, said) = run(home, &["a.tif", "b.tif"]);
    assert!(code == Some(0) && said.contains("2 frames"), "{said}");
    assert!(
        said.contains("after the first have the first one's resolution") && said.contains("no other metadata"),
        "{said}"
    );
    let mut pages = tiff::decoder::Decoder::new(std::fs::File::open(home.join("b.tif")).unwrap()).unwrap();
    assert!(matches!(pages.read_image().unwrap(), tiff::decoder::DecodingResult::U16(found) if found == deep));
    pages.next_image().unwrap();
    assert_eq!(pages.dimensions().unwrap(), (210, 330));
    assert!(matches!(pages.read_image().unwrap(), tiff::decoder::DecodingResult::U8(found) if found == color));
    assert!(!pages.more_images());
    let (_, said) = run(home, &["a.tif", "b.png"]);
    assert!(said.contains("the file holds 2 pages, and PNG one"), "{said}");
    assert_eq!(run(home, &["a.tif", "second.png", "--frame", "2"]).0, Some(0));
    assert_eq!(image::open(home.join("second.png")).unwrap().into_rgb8().into_raw(), color);
}
