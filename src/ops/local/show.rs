//! A picture as its viewer can take it: in the format that was named or that suits it, no larger than its bound.

use super::super::call::Call;
use super::super::pictures::Pictures;
use super::pixels::{self, Fit, Header, Read1, Region, Source};
use crate::error::{Error, Kind, Result};
use crate::images::by_content::{Suited, format_of, suit};
use crate::images::encode::{EncodeError, Options};
use crate::images::{Format, Picture};

/// The quality where a format is named and none is given.
const QUALITY: u8 = 85;

/// Most reads that a bound may cost.
const MAX_TRIES: usize = 6;

/// The longest side that no call asked for, in pixels: chats break above it.
const LONGEST_SIDE: u32 = 8000;

/// Pixels that are held to be encoded in several ways; 64 MiB. More than that fits into no bound unless it is flat.
const MOST_HELD: u64 = 1 << 24;

/// The longest side of the sample that tells a large picture's look.
const SAMPLE: u32 = 1024;

/// What a call wants of its picture.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub source: Source,
    /// `None`: the one that suits the picture.
    pub format: Option<Format>,
    pub quality: Option<u8>,
    pub pictures: Pictures,
}

/// A picture, and what was done to it.
pub struct Shown {
    pub header: Header,
    pub picture: Picture,
    /// Where its format loses something.
    pub quality: Option<u8>,
    /// Whether it is smaller than asked for, to keep a bound.
    pub fitted: bool,
    /// What else its viewer should know.
    pub note: Option<String>,
}

/// Reads and encodes it.
///
/// # Errors
/// `too_large` where nothing fits into the bound, and what reading pixels gives.
pub async fn show(call: &Call<'_>, wish: Wish) -> Result<Shown> {
    let (header, picture, quality) = match wish.format {
        Some(format) => named(call, wish, format).await?,
        None => suited(call, wish).await?,
    };
    let asked = asked_size(header.region, wish.source.fit);
    let fitted = (picture.width, picture.height) != asked;
    let note = if fitted {
        let bytes = wish.pictures.max_bytes.map(|most| format!("{most} bytes"));
        let side = wish.format.is_none().then(|| format!("{LONGEST_SIDE} pixels a side"));
        let bounds: Vec<String> = bytes.into_iter().chain(side).collect();
        let ((from_width, from_height), (width, height)) = (asked, (picture.width, picture.height));
        Some(format!(
            "scaled down from {from_width} x {from_height} to {width} x {height} to stay within {}; a region or a larger \
             `max_bytes` shows more",
            bounds.join(" and ")
        ))
    } else {
        wish.pictures.warning(&picture)
    };
    Ok(Shown { header, picture, quality, fitted, note })
}

/// In the named format: at the size asked for, or at the largest one within the bound.
async fn named(call: &Call<'_>, wish: Wish, format: Format) -> Result<(Header, Picture, Option<u8>)> {
    let quality = wish.quality.unwrap_or(QUALITY);
    let options = Options { format, quality, max_bytes: wish.pictures.max_bytes };
    let told = (format != Format::Png).then_some(quality);
    let mut search = Search::new(wish);
    loop {
        match pixels::read(call, search.source, options).await? {
            (header, Read1::Picture(picture)) => search.fits(header, *picture, told),
            (header, Read1::TooLarge { expected }) => search.is_over(&header, expected),
        }
        if let Some(answer) = search.ended() {
            return answer;
        }
    }
}

/// In the format that suits the picture.
async fn suited(call: &Call<'_>, mut wish: Wish) -> Result<(Header, Picture, Option<u8>)> {
    let fit = wish.source.fit.unwrap_or_default();
    let side = |side: Option<u32>| Some(side.unwrap_or(LONGEST_SIDE));
    wish.source.fit =
        Some(Fit { max_width: side(fit.max_width), max_height: side(fit.max_height), enlarge: fit.enlarge });
    let max_bytes = wish.pictures.max_bytes;
    let mut search = Search::new(wish);
    loop {
        let (header, rows) = pixels::raw_up_to(call, search.source, MOST_HELD).await?;
        let Some(rows) = rows else {
            if let Some((header, picture, quality)) = large(call, wish).await? {
                return Ok((header, picture, quality));
            }
            let size = (header.layout.width, header.layout.height);
            let share = (MOST_HELD as f64 / header.layout.pixels() as f64).sqrt();
            search.source.fit = Some(exactly(scaled(size, share)));
            continue;
        };
        let (layout, quality) = (header.layout, wish.quality);
        let encoded = tokio::task::spawn_blocking(move || suit(layout, &rows, quality, max_bytes));
        match encoded.await.map_err(Error::internal)? {
            Ok(Suited { picture, quality }) => search.fits(header, picture, quality),
            Err(EncodeError::OverMaxBytes { expected }) => search.is_over(&header, expected),
            Err(error) => return Err(pixels::not_encoded(error)),
        }
        if let Some(answer) = search.ended() {
            return answer;
        }
    }
}

/// A picture that is too large to be held: encoded while it arrives. `None`: it has to be smaller.
async fn large(call: &Call<'_>, wish: Wish) -> Result<Option<(Header, Picture, Option<u8>)>> {
    let max_bytes = wish.pictures.max_bytes;
    let format = match max_bytes {
        // Only what is flat can fit.
        Some(_) => Format::Png,
        None => {
            let fit = Fit { max_width: Some(SAMPLE), max_height: Some(SAMPLE), enlarge: false };
            let (header, rows) = pixels::raw(call, Source { fit: Some(fit), ..wish.source }).await?;
            let look = tokio::task::spawn_blocking(move || format_of(header.layout, &rows));
            look.await.map_err(Error::internal)?.map_err(pixels::not_encoded)?
        }
    };
    let quality = wish.quality.unwrap_or(QUALITY);
    match pixels::read(call, wish.source, Options { format, quality, max_bytes }).await? {
        (header, Read1::Picture(picture)) => Ok(Some((header, *picture, (format != Format::Png).then_some(quality)))),
        (_, Read1::TooLarge { .. }) => Ok(None),
    }
}

/// The size of a region fitted as the call asks; the plug-in computes it in the same way.
fn asked_size(region: Region, fit: Option<Fit>) -> (u32, u32) {
    let size = (region.width, region.height);
    let Some(fit) = fit else { return size };
    let bounds = [(fit.max_width, size.0), (fit.max_height, size.1)];
    let scales = bounds.iter().filter_map(|(most, side)| Some(f64::from((*most)?) / f64::from(*side)));
    let scale = scales.fold(f64::INFINITY, f64::min);
    let scale = if scale.is_infinite() || scale > 1.0 && !fit.enlarge { 1.0 } else { scale };
    let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    (side(size.0), side(size.1))
}

/// Looks for the largest size within a bound.
///
/// Bytes grow with a power of the side: 2 where each pixel costs the same, less where small pictures have more detail
/// in each pixel. The first step supposes 2, the next ones the power that the last two sizes showed.
struct Search {
    /// What to read next.
    source: Source,
    max_bytes: Option<u64>,
    tries: usize,
    best: Option<(Header, Picture, Option<u8>)>,
    over: bool,
    steps: Steps,
}

impl Search {
    fn new(wish: Wish) -> Search {
        let max_bytes = wish.pictures.max_bytes;
        Search { source: wish.source, max_bytes, tries: 0, best: None, over: false, steps: Steps::default() }
    }

    fn fits(&mut self, header: Header, picture: Picture, quality: Option<u8>) {
        let (size, bytes) = ((picture.width, picture.height), picture.bytes);
        self.best = Some((header, picture, quality));
        // What fits at the first try has the size asked for.
        self.over = self.tries > 0 && self.step(size, bytes);
        self.tries += 1;
    }

    fn is_over(&mut self, header: &Header, expected: u64) {
        let bytes = expected.max(self.max_bytes.unwrap_or_default() + 1);
        self.over = self.step((header.layout.width, header.layout.height), bytes);
        self.tries += 1;
    }

    /// Whether there is another size to try.
    fn step(&mut self, size: (u32, u32), bytes: u64) -> bool {
        let next = self.max_bytes.and_then(|most| self.steps.next(size, bytes, most));
        if let Some(size) = next {
            self.source.fit = Some(exactly(size));
        }
        next.is_some()
    }

    fn ended(&mut self) -> Option<Result<(Header, Picture, Option<u8>)>> {
        if self.over && self.tries < MAX_TRIES {
            return None;
        }
        let most = self.max_bytes.unwrap_or_default();
        Some(self.best.take().ok_or_else(|| {
            Error::new(Kind::TooLarge, format!("the picture does not fit into {most} bytes"))
                .hint("raise max_bytes, or use format jpeg or webp with a lower quality")
        }))
    }
}

fn exactly((width, height): (u32, u32)) -> Fit {
    Fit { max_width: Some(width), max_height: Some(height), enlarge: true }
}

#[derive(Default)]
struct Steps {
    /// The size first asked for; shares below are of its sides.
    first: Option<(u32, u32)>,
    /// Share and bytes of the last try.
    last: Option<(f64, u64)>,
    /// Largest share that fitted, smallest that did not.
    fits: Option<f64>,
    over: Option<f64>,
}

impl Steps {
    /// The next size to try after `size` gave `bytes`, or `None` when the search may end.
    fn next(&mut self, size: (u32, u32), bytes: u64, max_bytes: u64) -> Option<(u32, u32)> {
        let first = *self.first.get_or_insert(size);
        let share = f64::from(size.0.max(size.1)) / f64::from(first.0.max(first.1));
        let power = self.last.replace((share, bytes)).map_or(2.0, |(last_share, last_bytes)| {
            ((bytes as f64 / last_bytes as f64).ln() / (share / last_share).ln()).clamp(0.5, 2.0)
        });
        // Two thirds of the budget is near enough: another read would cost more than it shows.
        if bytes <= max_bytes && (bytes * 3 >= max_bytes * 2 || share >= 1.0) || bytes > max_bytes && size == (1, 1) {
            return None;
        }
        let fits = bytes <= max_bytes;
        *(if fits { &mut self.fits } else { &mut self.over }) = Some(share);
        // Eight percent below the prediction: just over the limit would be a read for nothing.
        let mut next = share * (max_bytes as f64 * 0.92 / bytes as f64).powf(1.0 / power);
        if let Some(over) = self.over {
            next = next.min(over * 0.95);
        }
        if self.fits.is_some_and(|fits| next < fits * 1.05) {
            return None;
        }
        Some(scaled(first, next)).filter(|next| *next != size)
    }
}

fn scaled(size: (u32, u32), share: f64) -> (u32, u32) {
    let side = |side: u32| ((f64::from(side) * share) as u32).max(1);
    (side(size.0), side(size.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search on pictures of `density` bytes per pixel, plus a share that grows when small.
    fn search(first: (u32, u32), max_bytes: u64, bytes_of: impl Fn((u32, u32)) -> u64) -> (usize, Option<(u32, u32)>) {
        let mut search = Steps::default();
        let (mut size, mut best) = (first, None);
        for tries in 1..=MAX_TRIES {
            let bytes = bytes_of(size);
            if bytes <= max_bytes {
                best = Some(size);
            }
            match search.next(size, bytes, max_bytes) {
                Some(next) => size = next,
                None => return (tries, best),
            }
        }
        (MAX_TRIES, best)
    }

    #[test]
    fn a_limit_is_met_in_few_tries_and_well_used() {
        let pixels = |size: (u32, u32)| f64::from(size.0) * f64::from(size.1);
        let even = |size| (pixels(size) * 1.7) as u64 + 900;
        let sharper_when_small = |size| (pixels(size) * (0.3 + 600.0 / pixels(size).sqrt())) as u64;
        for max_bytes in [1024, 20_000, 1 << 20, 8 << 20] {
            for bytes_of in [&even as &dyn Fn((u32, u32)) -> u64, &sharper_when_small] {
                let (tries, best) = search((4000, 3000), max_bytes, bytes_of);
                let best = best.unwrap_or_else(|| panic!("nothing fits into {max_bytes}"));
                assert!(tries <= MAX_TRIES);
                assert!(max_bytes < 4096 || bytes_of(best) * 2 >= max_bytes, "{best:?} wastes {max_bytes}");
            }
        }
    }

    #[test]
    fn the_search_ends_at_one_pixel() {
        assert_eq!(search((3, 2), 10, |_| 70).1, None);
    }

    #[test]
    fn the_size_asked_for_is_that_of_the_plug_in() {
        let region = Region { x: 5, y: 5, width: 3001, height: 2000 };
        let fit = |max_width, max_height, enlarge| Some(Fit { max_width, max_height, enlarge });
        assert_eq!(asked_size(region, None), (3001, 2000));
        assert_eq!(asked_size(region, fit(Some(1000), None, false)), (1000, 666));
        assert_eq!(asked_size(region, fit(Some(1000), Some(100), false)), (150, 100));
        assert_eq!(asked_size(region, fit(None, Some(4000), false)), (3001, 2000));
        assert_eq!(asked_size(region, fit(None, Some(4000), true)), (6002, 4000));
    }
}
