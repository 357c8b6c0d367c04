//! The pictures that requests begin from, as a protocol wants them.

use crate::error::{Error, Result};
use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Rgba, RgbaImage};

/// With an opaque alpha channel: some servers refuse a picture without one.
///
/// # Errors
/// `internal` for what is no PNG.
pub async fn with_alpha(image: Bytes) -> Result<Vec<u8>> {
    apart(move || encode(read(&image)?.to_rgba8())).await
}

/// A mask whose transparent pixels are to be painted, from one that is white there. Those are white in it too, so that a
/// server which looks at colours alone understands the same.
///
/// # Errors
/// `internal` for what is no PNG.
pub async fn as_hole(mask: Bytes) -> Result<Vec<u8>> {
    apart(move || {
        let mask: GrayImage = read(&mask)?.to_luma8();
        let hole = |x, y| match mask.get_pixel(x, y).0 {
            // There is no half: what is painted a little is painted.
            [0] => Rgba([0, 0, 0, 255]),
            _ => Rgba([255, 255, 255, 0]),
        };
        encode(RgbaImage::from_fn(mask.width(), mask.height(), hole))
    })
    .await
}

/// Pictures are computed where nobody waits for the thread.
async fn apart(work: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

fn read(bytes: &[u8]) -> Result<DynamicImage> {
    image::load_from_memory_with_format(bytes, ImageFormat::Png).map_err(Error::internal)
}

fn encode(picture: RgbaImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive))
        .map_err(Error::internal)?;
    Ok(bytes)
}
