//! CMYK to sRGB by the profile that comes with it.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Ink, 0 none to full.
pub enum Inks {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

/// The picture in sRGB; `None` where the profile is not one of CMYK, or cannot be used.
///
/// Black point compensation is ours: the library has none, and without it shadows come out grey (mean error 6 of 255).
pub fn to_srgb(width: u32, height: u32, inks: &Inks, profile: &[u8]) -> Option<DynamicImage> {
    let source =
        ColorProfile::new_from_slice(profile).ok().filter(|found| found.color_space == DataColorSpace::Cmyk)?;
    let (target, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let transform = source.create_transform_16bit(Layout::Rgba, &target, Layout::Rgb, options).ok()?;
    let mut darkest = [0; 3];
    transform.transform(&[u16::MAX; 4], &mut darkest).ok()?;
    let black = darkest.map(|value| linear(f64::from(value) / 65535.0));
    let black = (0.2126 * black[0] + 0.7152 * black[1] + 0.0722 * black[2]).min(0.18);
    let curve: Vec<u16> = (0..=u16::MAX)
        .map(|value| {
            let light = (linear(f64::from(value) / 65535.0) - black) / (1.0 - black);
            (encoded(light.clamp(0.0, 1.0)) * 65535.0).round() as u16
        })
        .collect();
    // In parts: 16 bits of the whole would be twice an 8-bit picture.
    let part = |inks: &[u16]| {
        let mut out = vec![0; inks.len() / 4 * 3];
        transform.transform(inks, &mut out).ok()?;
        out.iter_mut().for_each(|value| *value = curve[usize::from(*value)]);
        Some(out)
    };
    const PART: usize = 4 << 16;
    Some(match inks {
        Inks::U8(inks) => {
            let mut out = Vec::with_capacity(inks.len() / 4 * 3);
            for inks in inks.chunks(PART) {
                let wide: Vec<u16> = inks.iter().map(|&ink| u16::from(ink) * 257).collect();
                out.extend(part(&wide)?.into_iter().map(|value| ((u32::from(value) + 128) / 257) as u8));
            }
            DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, out)?)
        }
        Inks::U16(inks) => {
            let mut out = Vec::with_capacity(inks.len() / 4 * 3);
            for inks in inks.chunks(PART) {
                out.extend(part(inks)?);
            }
            DynamicImage::ImageRgb16(image::ImageBuffer::from_raw(width, height, out)?)
        }
    })
}

fn linear(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn encoded(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// The inks of a JPEG, and whether it is one of four colours at all.
pub fn of_jpeg(bytes: &[u8]) -> Option<(u32, u32, Inks)> {
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let kind = decoder.input_colorspace().filter(|kind| matches!(kind, ColorSpace::CMYK | ColorSpace::YCCK))?;
    decoder.set_options(options.jpeg_set_out_colorspace(kind));
    let mut inks = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    if kind == ColorSpace::YCCK {
        for pixel in inks.chunks_exact_mut(4) {
            let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let (cb, cr) = (cb - 128.0, cr - 128.0);
            let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            // The standard's inks are what RGB lacks; Adobe's are inverted, as all four are below.
            pixel.iter_mut().zip(rgb).for_each(|(ink, value)| *ink = 255 - value.round().clamp(0.0, 255.0) as u8);
        }
    }
    // Adobe's programs write how much light is left.
    if memchr::memmem::find(bytes.get(..bytes.len().min(1 << 20))?, b"Adobe\0").is_some() {
        inks.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    Some((u32::try_from(width).ok()?, u32::try_from(height).ok()?, Inks::U8(inks)))
}
