//! The contact sheet: the photo and the results side by side, each with its number.

use crate::error::{Error, Result};
use crate::filters::manifest::Resample;
use crate::filters::picture::Picture;
use crate::filters::pixels::resize;
use image::{Rgb, RgbImage};

/// Pixels; each picture is as wide, in the photo's own proportion.
const WIDTH: usize = 300;
const GAP: usize = 12;
const COLUMNS: usize = 4;
/// Each digit's five rows of three dots, from the top; the highest bit is the left one.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 3, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 2, 2, 2],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];
/// Pixels of a dot.
const DOT: usize = 4;

/// PNG bytes: the photo first, without a number, then the results from 1 on.
pub fn sheet(photo: &Picture, results: &[&Picture]) -> Result<Vec<u8>> {
    let height = WIDTH * photo.height / photo.width;
    let count = results.len() + 1;
    let (columns, rows) = (count.min(COLUMNS), count.div_ceil(COLUMNS));
    let side = |count: usize, each: usize| (GAP + count * (each + GAP)) as u32;
    let mut sheet = RgbImage::from_pixel(side(columns, WIDTH), side(rows, height), Rgb([128; 3]));
    for (index, picture) in std::iter::once(&photo).chain(results).enumerate() {
        let (left, top) = (GAP + index % COLUMNS * (WIDTH + GAP), GAP + index / COLUMNS * (height + GAP));
        let small = resize::raster(&picture.to_raster(), WIDTH, height, Resample::Area);
        for (at, pixel) in small.data.chunks_exact(small.channels).enumerate() {
            let byte = |c: usize| (pixel[c.min(small.channels - 1)].clamp(0.0, 1.0) * 255.0).round() as u8;
            let (x, y) = (left + at % WIDTH, top + at / WIDTH);
            sheet.put_pixel(x as u32, y as u32, Rgb([byte(0), byte(1), byte(2)]));
        }
        if index > 0 {
            number(&mut sheet, index, left + DOT, top + DOT);
        }
    }
    let mut bytes = Vec::new();
    let mut target = std::io::Cursor::new(&mut bytes);
    sheet.write_to(&mut target, image::ImageFormat::Png).map_err(Error::internal)?;
    Ok(bytes)
}

/// White on black, at the picture's corner.
fn number(sheet: &mut RgbImage, number: usize, left: usize, top: usize) {
    for (place, digit) in number.to_string().bytes().enumerate() {
        let left = left + place * 4 * DOT;
        let dots = DIGITS[usize::from(digit - b'0')];
        for y in 0..7 * DOT {
            for x in 0..5 * DOT {
                let (row, column) = ((y / DOT).wrapping_sub(1), (x / DOT).wrapping_sub(1));
                let lit = row < 5 && column < 3 && dots[row] >> (2 - column) & 1 == 1;
                sheet.put_pixel((left + x) as u32, (top + y) as u32, Rgb([if lit { 255 } else { 0 }; 3]));
            }
        }
    }
}
