//! Encoders: every channel count and depth comes back pixel for pixel, whatever the sizes and the cutting into chunks.

use gimp_bridge::images::encode::{EncodeError, Layout, Options, encode};
use gimp_bridge::images::{Format, Picture, sniff};
use std::io::{self, Read};

/// Gives bytes in chunks of changing odd lengths, as a network does.
struct Chunked<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl Read for Chunked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.length = self.length * 7 % 8191 + 1;
        let count = buffer.len().min(self.bytes.len()).min(self.length);
        let (head, tail) = self.bytes.split_at(count);
        buffer[..count].copy_from_slice(head);
        self.bytes = tail;
        Ok(count)
    }
}

/// What pictures are made of: each kind takes another way through the PNG encoder.
#[derive(Clone, Copy, Debug)]
enum Content {
    Flat,
    Stripes,
    Smooth,
    Noise,
}

const CONTENTS: [Content; 4] = [Content::Flat, Content::Stripes, Content::Smooth, Content::Noise];

fn raw(layout: Layout, content: Content) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let row = layout.row_bytes();
    (0..layout.total_bytes() as usize)
        .map(|index| match content {
            Content::Flat => 77,
            Content::Stripes => (index / 13 % 5 * 50) as u8,
            Content::Smooth => (index % row / 3 + index / row) as u8,
            Content::Noise => {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            }
        })
        .collect()
}

fn picture(layout: Layout, bytes: &[u8], options: Options) -> Result<Picture, EncodeError> {
    encode(layout, options, Chunked { bytes, length: 1 })
}

fn png(layout: Layout, bytes: &[u8]) -> Picture {
    picture(layout, bytes, Options { format: Format::Png, quality: 85, max_bytes: None }).unwrap()
}

#[test]
fn png_keeps_every_pixel() {
    for (channels, depth) in (1..=4).flat_map(|channels| [(channels, 8), (channels, 16)]) {
        for (width, height) in [(1, 1), (1, 300), (331, 1), (253, 127)] {
            for content in CONTENTS {
                let layout = Layout { width, height, channels, depth };
                let bytes = raw(layout, content);
                let encoded = png(layout, &bytes).decode();
                assert_eq!(sniff::sniff(&encoded), Some(("png", width, height)));
                let image = image::load_from_memory(&encoded).unwrap();
                assert_eq!(image.color().channel_count(), channels, "{layout:?}");
                assert!(image.as_bytes() == bytes, "{layout:?} {content:?}");
            }
        }
    }
}

#[test]
fn png_of_many_bands_is_one_picture() {
    // Many bands, the last one shorter.
    for (width, height) in [(1201, 1111), (2003, 1501)] {
        for content in CONTENTS {
            let layout = Layout { width, height, channels: 3, depth: 8 };
            let bytes = raw(layout, content);
            let image = image::load_from_memory(&png(layout, &bytes).decode()).unwrap();
            assert!(image.as_bytes() == bytes, "{layout:?} {content:?}");
        }
    }
}

#[test]
fn flat_pictures_become_small() {
    let layout = Layout { width: 1920, height: 1080, channels: 4, depth: 8 };
    for (content, most) in [(Content::Flat, 100), (Content::Stripes, 50), (Content::Smooth, 50)] {
        let bytes = png(layout, &raw(layout, content)).bytes;
        assert!(bytes * most < layout.total_bytes(), "{content:?}: {bytes} bytes");
    }
    // Noise cannot shrink, and must not grow by more than the format's frame.
    let bytes = png(layout, &raw(layout, Content::Noise)).bytes;
    assert!(bytes < layout.total_bytes() * 1004 / 1000, "{bytes} bytes");
}

#[test]
fn webp_at_100_keeps_every_pixel() {
    for channels in 1..=4 {
        let layout = Layout { width: 61, height: 37, channels, depth: 8 };
        // Opaque, because a pixel that cannot be seen may lose its colour.
        let mut bytes = raw(layout, Content::Noise);
        if layout.has_alpha() {
            bytes.iter_mut().skip(usize::from(channels) - 1).step_by(channels.into()).for_each(|alpha| *alpha |= 1);
        }
        let options = Options { format: Format::Webp, quality: 100, max_bytes: None };
        let encoded = picture(layout, &bytes, options).unwrap().decode();
        assert_eq!(sniff::sniff(&encoded), Some(("webp", 61, 37)));
        let image = image::load_from_memory(&encoded).unwrap();
        let colors = match channels {
            1 => image.to_luma8().into_raw(),
            2 => image.to_luma_alpha8().into_raw(),
            3 => image.to_rgb8().into_raw(),
            _ => image.to_rgba8().into_raw(),
        };
        assert!(colors == bytes, "{channels} channels");
    }
}

#[test]
fn lossy_formats_come_near_and_follow_their_quality() {
    for (channels, depth) in (1..=4).flat_map(|channels| [(channels, 8), (channels, 16)]) {
        let layout = Layout { width: 101, height: 67, channels, depth };
        let mut bytes = Vec::new();
        let level = |x: u32, y: u32, channel: u8| ((x + y + 20 * u32::from(channel)) % 256) as u8;
        for (y, x) in (0..67).flat_map(|y| (0..101).map(move |x| (y, x))) {
            for channel in 0..channels {
                let alpha = channel == channels - 1 && layout.has_alpha();
                let sample = if alpha { 255 } else { level(x, y, channel) };
                bytes.extend(std::iter::repeat_n(sample, usize::from(depth / 8)));
            }
        }
        for format in [Format::Jpeg, Format::Webp] {
            let with = |quality| picture(layout, &bytes, Options { format, quality, max_bytes: None }).unwrap();
            assert!(with(20).bytes < with(95).bytes, "{format:?}");
            let image = image::load_from_memory(&with(95).decode()).unwrap().to_rgb8();
            let grey = channels < 3;
            let error: u32 = image
                .enumerate_pixels()
                .flat_map(|(x, y, pixel)| (0..3).map(move |c| (x, y, c, pixel[usize::from(c)])))
                .map(|(x, y, c, value)| u32::from(value.abs_diff(level(x, y, if grey { 0 } else { c }))))
                .sum();
            let mean = f64::from(error) / f64::from(101 * 67 * 3);
            // The gradients are smooth, so that a mean error above a few levels is a wrong channel, not the format's.
            assert!(mean < 4.0, "{format:?} {layout:?}: {mean}");
        }
    }
}

#[test]
fn jpeg_shows_transparency_as_white() {
    let layout = Layout { width: 16, height: 16, channels: 4, depth: 8 };
    let bytes = [255, 0, 0, 0].repeat(256);
    let options = Options { format: Format::Jpeg, quality: 95, max_bytes: None };
    let image = image::load_from_memory(&picture(layout, &bytes, options).unwrap().decode()).unwrap().to_rgb8();
    assert!(image.pixels().all(|pixel| pixel.0.iter().all(|value| *value > 250)));
}

#[test]
fn max_bytes_stops_the_encoder() {
    let layout = Layout { width: 800, height: 600, channels: 3, depth: 8 };
    let bytes = raw(layout, Content::Noise);
    for format in [Format::Png, Format::Jpeg, Format::Webp] {
        let with = |max_bytes| picture(layout, &bytes, Options { format, quality: 85, max_bytes });
        let full = with(None).unwrap().bytes;
        assert_eq!(with(Some(full)).unwrap().bytes, full, "{format:?}");
        let error = with(Some(full / 3)).unwrap_err();
        let EncodeError::OverMaxBytes { expected } = error else { panic!("{format:?}: {error}") };
        assert!(expected > full / 3 && expected < full * 2, "{format:?}: expected {expected}, is {full}");
    }
}

#[test]
fn rows_that_end_early_are_an_error() {
    let layout = Layout { width: 80, height: 60, channels: 3, depth: 8 };
    let bytes = raw(layout, Content::Smooth);
    for format in [Format::Png, Format::Jpeg, Format::Webp] {
        let options = Options { format, quality: 85, max_bytes: None };
        let error = picture(layout, &bytes[..bytes.len() - 1], options).unwrap_err();
        assert!(matches!(error, EncodeError::Rows(_)), "{format:?}: {error}");
    }
}

#[test]
fn sizes_that_a_format_lacks_are_refused() {
    for (format, width, message) in [
        (Format::Jpeg, 65536, "jpeg holds at most 65535 pixels a side, the picture is 65536 x 1"),
        (Format::Webp, 16384, "webp holds at most 16383 pixels a side, the picture is 16384 x 1"),
    ] {
        let layout = Layout { width, height: 1, channels: 1, depth: 8 };
        let options = Options { format, quality: 85, max_bytes: None };
        assert_eq!(picture(layout, &[], options).unwrap_err().to_string(), message);
    }
    let layout = Layout { width: 1, height: 1, channels: 5, depth: 8 };
    let options = Options { format: Format::Png, quality: 85, max_bytes: None };
    assert!(matches!(picture(layout, &[], options).unwrap_err(), EncodeError::Layout(_)));
}

/// Rows that are made as they are read, so that only the encoder's own memory counts.
struct Endless {
    state: u64,
    noise: bool,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for group in buffer.chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let bytes = if self.noise { self.state.to_le_bytes() } else { [40; 8] };
            group.copy_from_slice(&bytes[..group.len()]);
        }
        Ok(buffer.len())
    }
}

/// Peak resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs in a process of its own, because other tests' memory would count too.
#[cfg(target_os = "linux")]
#[test]
fn encoding_holds_the_encoded_text_and_a_window() {
    const CASE: &str = "GIMP_BRIDGE_TEST_MEMORY";
    let cases = [("png", false), ("png", true), ("jpeg", false), ("jpeg", true)];
    if let Ok(case) = std::env::var(CASE) {
        let (name, noise) = cases[case.parse::<usize>().unwrap()];
        let layout = Layout { width: 4000, height: 3000, channels: 3, depth: 8 };
        let options = Options { format: Format::from_name(name).unwrap(), quality: 85, max_bytes: None };
        // Else the code that runs for the first time would count too.
        let small = Layout { width: 300, height: 200, ..layout };
        encode(small, options, Endless { state: 1, noise }).unwrap();
        let before = peak_memory();
        let picture = encode(layout, options, Endless { state: 1, noise }).unwrap();
        println!("MEMORY {} {}", peak_memory() - before, picture.bytes);
        return;
    }
    for (index, case) in cases.iter().enumerate() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "images::encoding_holds_the_encoded_text_and_a_window", "--nocapture"])
            .env(CASE, index.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text
            .split_once("MEMORY ")
            .unwrap_or_else(|| panic!("{text}"))
            .1
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let (grown, encoded) = (numbers[0], numbers[1]);
        // A window: a few bands of half a megabyte for each of at most four threads, and their outputs.
        let window = 18 << 20;
        assert!(grown < encoded * 3 / 2 + window, "{case:?}: grew by {grown} for {encoded} encoded bytes");
    }
}
