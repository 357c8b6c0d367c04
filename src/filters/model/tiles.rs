//! A picture through a model in tiles: aligned origins, overlap, blending, finished rows handed on as they come.

use super::feed::Given;
use super::graph::{Answer, Graphs};
use super::view::{Rect, View};
use crate::error::{Error, Kind, Result};
use crate::filters::job::{Values, Watch};
use crate::filters::manifest::{Blend, Pad};
use crate::filters::raster::{Depth, Plane, Raster};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a picture is cut.
#[derive(Clone, Copy, Debug)]
pub struct Tiling {
    /// Pixels, multiples of `multiple`.
    pub width: usize,
    pub height: usize,
    pub overlap: usize,
    pub multiple: usize,
    pub min: usize,
    pub pad: Pad,
    pub blend: Blend,
    /// The model takes no other size: nothing can be halved.
    pub fixed: bool,
}

/// Takes finished rows: the samples of whole rows, and the number of channels.
pub type Rows<'a> = dyn FnMut(&[f32], usize) -> Result<()> + 'a;

/// What stays the same for all tiles of a run.
pub struct Work<'a> {
    pub graphs: &'a Graphs,
    pub style: Option<&'a Raster>,
    pub params: &'a Values,
    pub watch: &'a Watch,
    /// Tiles done, all halves counted.
    pub done: Arc<AtomicUsize>,
    /// The side above which tiles are halved without another try; memory ran out there.
    pub largest: Arc<AtomicUsize>,
}

impl<'a> Work<'a> {
    pub fn new(graphs: &'a Graphs, style: Option<&'a Raster>, params: &'a Values, watch: &'a Watch) -> Work<'a> {
        Work { graphs, style, params, watch, done: Arc::default(), largest: Arc::new(AtomicUsize::new(usize::MAX)) }
    }
}

fn up(value: usize, multiple: usize) -> usize {
    value.div_ceil(multiple) * multiple
}

/// Where tiles begin so that they cover `length`; the last one ends with it.
fn starts(length: usize, tile: usize, overlap: usize) -> Vec<usize> {
    if length <= tile {
        return vec![0];
    }
    let step = tile - overlap;
    let mut starts: Vec<usize> = (0..length - overlap).step_by(step).map(|at| at.min(length - tile)).collect();
    starts.dedup();
    starts
}

/// The smallest tile that covers `length` in as many pieces as `tile` does: the last one would else compute again what
/// its neighbour has.
fn even(length: usize, tile: usize, overlap: usize, multiple: usize) -> usize {
    if length <= tile {
        return tile;
    }
    let count = (length - overlap).div_ceil(tile - overlap);
    up((length + (count - 1) * overlap).div_ceil(count), multiple).min(tile)
}

/// How much each pixel along one side of a tile counts.
fn weights(length: usize, overlap: usize, blend: Blend, first: bool, last: bool) -> Vec<f32> {
    let weight = |from_edge: usize, open: bool| match blend {
        Blend::Linear => ((from_edge + 1) as f32 / overlap.max(1) as f32).min(1.0),
        Blend::Smooth if open => 1.0,
        Blend::Smooth => {
            let margin = overlap / 4;
            let ramp = (overlap - 2 * margin).max(1) as f32;
            let t = ((from_edge as f32 + 0.5 - margin as f32) / ramp).clamp(0.0, 1.0);
            t * t * (3.0 - 2.0 * t)
        }
    };
    (0..length).map(|i| weight(i, first).min(weight(length - 1 - i, last))).collect()
}

/// Runs all tiles of `view`, row of tiles by row of tiles.
///
/// # Errors
/// The model's, the sink's, `cancelled`, and `too_large` when even small tiles do not fit in memory.
pub fn run(work: &Work, view: &View, mask: Option<&Plane>, tiling: &Tiling, rows: &mut Rows) -> Result<()> {
    let (k, scale) = (tiling.multiple, work.graphs.scale());
    let (mut whole_w, mut whole_h) = (up(view.width(), k), up(view.height(), k));
    if tiling.fixed {
        (whole_w, whole_h) = (whole_w.max(tiling.width), whole_h.max(tiling.height));
    }
    let (mut tile_w, mut tile_h) = (tiling.width.min(whole_w), tiling.height.min(whole_h));
    let overlap = |tile: usize| if tile < 2 * tiling.overlap { tile / 2 / k * k } else { tiling.overlap / k * k };
    let (over_w, over_h) = (overlap(tile_w), overlap(tile_h));
    if !tiling.fixed {
        (tile_w, tile_h) = (even(whole_w, tile_w, over_w, k), even(whole_h, tile_h, over_h, k));
    }
    let (xs, ys) = (starts(whole_w, tile_w, over_w), starts(whole_h, tile_h, over_h));
    let side = |starts: &[usize], index: usize, tile: usize, over: usize| {
        weights(tile * scale, over * scale, tiling.blend, index == 0, index + 1 == starts.len())
    };
    let sums = |starts: &[usize], tile: usize, over: usize, whole: usize| {
        let mut sum = vec![0.0f32; whole * scale];
        for (index, start) in starts.iter().enumerate() {
            let part = sum[start * scale..(start + tile) * scale].iter_mut();
            part.zip(side(starts, index, tile, over)).for_each(|(sum, weight)| *sum += weight);
        }
        sum
    };
    let (sum_x, sum_y) = (sums(&xs, tile_w, over_w, whole_w), sums(&ys, tile_h, over_h, whole_h));
    let (out_w, out_h) = (view.width() * scale, view.height() * scale);
    let total = (xs.len() * ys.len()) as f32;
    let mut band: Vec<f32> = Vec::new();
    let mut finished: Vec<f32> = Vec::new();
    for (row, &y) in ys.iter().enumerate() {
        let down = side(&ys, row, tile_h, over_h);
        let mut channels = 0;
        for (group, columns) in xs.chunks(work.graphs.parallel().max(1)).enumerate() {
            let rect = |&x: &usize| Rect { x, y, width: tile_w, height: tile_h };
            let answers = together(columns, |x| tile(work, view, mask, rect(x), tiling))?;
            for (index, answer) in answers.iter().enumerate() {
                let column = group * work.graphs.parallel().max(1) + index;
                channels = answer.raster.channels;
                // The first tile tells how many channels there are.
                band.resize(tile_h * scale * whole_w * scale * channels, 0.0);
                let across = side(&xs, column, tile_w, over_w);
                let line = whole_w * scale * channels;
                for (i, &weight_y) in down.iter().enumerate() {
                    let target = &mut band[i * line + xs[column] * scale * channels..][..tile_w * scale * channels];
                    let source = answer.raster.row(i);
                    for ((out, pixel), &weight_x) in
                        target.chunks_exact_mut(channels).zip(source.chunks_exact(channels)).zip(&across)
                    {
                        let weight = weight_x * weight_y;
                        out.iter_mut().zip(pixel).for_each(|(out, value)| *out += value * weight);
                    }
                }
                let done = (row * xs.len() + column + 1) as f32;
                work.watch.step(done / total, &format!("tile {done} of {total}"))?;
            }
        }
        // Rows above the next row of tiles get nothing more.
        let next = ys.get(row + 1).map_or(whole_h, |&next| next);
        let line = whole_w * scale * channels;
        let ready = (next - y) * scale;
        let wanted = ready.min(out_h.saturating_sub(y * scale));
        finished.clear();
        for i in 0..wanted {
            let weight_y = sum_y[y * scale + i];
            let source = &band[i * line..][..out_w * channels];
            for (pixel, weight_x) in source.chunks_exact(channels).zip(&sum_x) {
                let weight = 1.0 / (weight_y * weight_x);
                finished.extend(pixel.iter().map(|value| value * weight));
            }
        }
        if wanted > 0 {
            rows(&finished, channels)?;
        }
        band.copy_within(ready * line.., 0);
        let kept = band.len() - ready * line;
        band[kept..].fill(0.0);
    }
    Ok(())
}

/// Runs `work` on each item at the same time; the first error wins.
fn together<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if let [only] = items {
        return Ok(vec![work(only)?]);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| work(item))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::internal("a tile panicked"))))
            .collect()
    })
}

/// One tile; halved when memory runs out.
fn tile(work: &Work, view: &View, mask: Option<&Plane>, rect: Rect, tiling: &Tiling) -> Result<Answer> {
    work.watch.check()?;
    let image = view.read(rect, tiling.pad);
    let mask = mask.map(|mask| View::read_mask(mask, rect));
    let smallest = up(32.max(tiling.min), tiling.multiple);
    let side = rect.width.max(rect.height);
    let divisible = !tiling.fixed && side > 2 * smallest;
    if !divisible || side <= work.largest.load(Ordering::Relaxed) {
        match once(work, &image, mask.as_ref(), tiling) {
            Err(error) if error.kind == Kind::TooLarge && divisible => {
                tracing::warn!(side, "memory ran out, the tile is halved");
                work.largest.fetch_min(side - 1, Ordering::Relaxed);
            }
            Err(error) if error.kind == Kind::TooLarge => {
                let said = error.hint.is_some();
                return Err(if said {
                    error
                } else {
                    error.hint("free memory, or use a smaller picture or selection")
                });
            }
            other => return other,
        }
    }
    let half = |length: usize| up((length / 2 + tiling.overlap).min(length), tiling.multiple);
    let mut smaller = *tiling;
    smaller.width = half(rect.width).min(up(side * 3 / 4, tiling.multiple));
    smaller.height = half(rect.height).min(up(side * 3 / 4, tiling.multiple));
    let scale = work.graphs.scale();
    let (mut data, mut channels) = (Vec::new(), 0);
    run(
        &Work { watch: &Watch::quiet(work.watch), done: work.done.clone(), largest: work.largest.clone(), ..*work },
        &View::Raster(&image),
        mask.as_ref(),
        &smaller,
        &mut |rows, n| {
            data.extend_from_slice(rows);
            channels = n;
            Ok(())
        },
    )?;
    let kind = work.graphs.result().map_or(crate::filters::manifest::As::Image, |output| output.kind);
    let (width, height) = (rect.width * scale, rect.height * scale);
    Ok(Answer { kind, raster: Raster { width, height, channels, data, depth: Depth::F32 } })
}

/// One run of the graphs, padded up to the smallest size that the model takes.
fn once(work: &Work, image: &Raster, mask: Option<&Plane>, tiling: &Tiling) -> Result<Answer> {
    let (w, h) = (image.width, image.height);
    let least = up(tiling.min, tiling.multiple);
    let (wide, high) = (up(w, tiling.multiple).max(least), up(h, tiling.multiple).max(least));
    let rect = Rect { x: 0, y: 0, width: wide, height: high };
    let padded = (wide, high) != (w, h);
    let image = if padded { &View::Raster(image).read(rect, tiling.pad) } else { image };
    let wide_mask = mask.filter(|_| padded).map(|mask| View::read_mask(mask, rect));
    let given = Given { image, mask: wide_mask.as_ref().or(mask), style: work.style, points: &[], params: work.params };
    let mut answer = work.graphs.run(&given, work.watch)?;
    work.done.fetch_add(1, Ordering::Relaxed);
    if padded {
        let scale = work.graphs.scale();
        answer.raster = answer.raster.crop(0, 0, w * scale, h * scale);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::backend::{Backend, Take};
    use crate::filters::manifest::{self, Dtype};
    use crate::filters::model::graph::Stage;
    use crate::filters::onnx::Port;
    use crate::filters::tensor::Tensor;
    use std::sync::Mutex;

    /// Answers its input, as long as the tile is not larger than there is memory for.
    struct Small {
        port: [Port; 1],
        most: usize,
        tried: Mutex<Vec<usize>>,
    }

    impl Backend for Small {
        fn inputs(&self) -> &[Port] {
            &self.port
        }

        fn outputs(&self) -> &[Port] {
            &self.port
        }

        fn run(&self, feed: Vec<(String, Tensor)>, take: &Take, _watch: &Watch) -> Result<Vec<Option<Tensor>>> {
            let side = feed[0].1.shape[2].max(feed[0].1.shape[3]);
            self.tried.lock().unwrap().push(side);
            if side > self.most {
                return Err(Error::new(Kind::TooLarge, "out of memory"));
            }
            assert!(take(0, &feed[0].1.shape)?);
            Ok(feed.into_iter().map(|(_, tensor)| Some(tensor)).collect())
        }
    }

    fn halving(most: usize) -> (Result<Vec<f32>>, Vec<f32>, Vec<usize>) {
        let text = "schema = 1\nid = \"t\"\nname = \"T\"\ntask = \"filter\"\nlicense = \"project\"\n[[file]]\n\
                    path = \"x.onnx\"\n[size]\npolicy = \"multiple\"\nmultiple = 4\n[[input]]\nsource = \"image\"\n\
                    [[output]]\nas = \"image\"\n";
        let manifest = manifest::parse(text, "test").unwrap();
        let port = Port { name: "x".into(), dtype: Some(Dtype::F32), shape: Vec::new() };
        let small = Arc::new(Small { port: [port], most, tried: Mutex::default() });
        let stage = Stage { backend: small.clone(), inputs: manifest.input, outputs: manifest.output };
        let graphs = Graphs { stages: vec![stage], kept: Arc::default(), image: None };
        let mut image = Raster::new(301, 217, 3, Depth::F32);
        image.data.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 1009) as f32 / 1008.0);
        let tiling = Tiling {
            width: 256,
            height: 256,
            overlap: 16,
            multiple: 4,
            min: 1,
            pad: Pad::Reflect,
            blend: Blend::Smooth,
            fixed: false,
        };
        let (params, watch) = (Values::default(), Watch::silent());
        let work = Work::new(&graphs, None, &params, &watch);
        let mut out = Vec::new();
        let done = run(&work, &View::Raster(&image), None, &tiling, &mut |rows, _| {
            out.extend_from_slice(rows);
            Ok(())
        });
        let tried = small.tried.lock().unwrap().clone();
        (done.map(|()| out), image.data, tried)
    }

    #[test]
    fn a_tile_that_does_not_fit_in_memory_is_halved_once_and_for_all() {
        let (out, image, tried) = halving(100);
        for (out, wanted) in out.unwrap().iter().zip(&image) {
            assert!((out - wanted).abs() < 1e-5);
        }
        // A size that failed is not tried again: those after it begin small.
        let mut failed: Vec<usize> = tried.into_iter().filter(|&side| side > 100).collect();
        let count = failed.len();
        failed.dedup();
        assert!((1..=3).contains(&count) && failed.len() == count, "{failed:?}");
    }

    #[test]
    fn a_model_that_never_fits_ends_with_an_error() {
        let (out, _, tried) = halving(8);
        assert_eq!(out.unwrap_err().kind, Kind::TooLarge);
        assert!(tried.len() < 12, "{tried:?}");
    }

    #[test]
    fn tiles_cover_everything_and_begin_on_the_grid() {
        for (length, tile, overlap) in [(100, 100, 16), (101, 32, 8), (64, 32, 16), (1000, 256, 48), (33, 32, 16)] {
            let most = starts(length, tile, overlap).len();
            let tile = even(length, tile, overlap, 4).min(tile);
            let starts = starts(length, tile, overlap);
            assert_eq!(starts.len(), most);
            assert_eq!((starts[0], starts.last().unwrap() + tile), (0, length.max(tile)));
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] + tile - overlap));
        }
    }
}
