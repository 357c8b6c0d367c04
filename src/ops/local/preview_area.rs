//! Where a preview of a filter looks: what is shown, what has to be read for it, and at which size. Numbers only.

use crate::error::{Error, Kind, Result};
use crate::filters::{Reach, Scope, Sight};

/// A filter that needs more pixels than this sees a reduced picture: a preview is there at once or not at all.
const MOST_PIXELS: usize = 2_000_000;
/// What is read begins at multiples of it, so that grids (JPEG's, a model's) lie where they lie in the whole.
const GRID: usize = 16;

/// Left, top, width, height.
pub type Rect = (usize, usize, usize, usize);

/// What is known of the layer before its pixels are.
pub struct Layer {
    pub size: (usize, usize),
    /// The selection's bounds on the layer; `None`: nothing is selected. Sides of 0: it lies beside the layer.
    pub selection: Option<Rect>,
}

/// What decides the part, which is all that the caller wants to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Any part; the user may look at another.
    Part,
    /// Around what is selected.
    Selection,
    Whole,
}

impl View {
    pub fn name(self) -> &'static str {
        match self {
            View::Part => "part",
            View::Selection => "selection",
            View::Whole => "whole",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Area {
    pub view: View,
    /// What is shown, in the layer's pixels.
    pub shown: Rect,
    /// What the filter sees: that with its surroundings.
    pub read: Rect,
    /// Squares of so many pixels are one for the filter.
    pub factor: usize,
    /// Of the two pictures in the answer.
    pub width: usize,
    pub height: usize,
}

/// The part of a layer to make a preview from; `most` is the largest answer, `centre` where the user wants to look.
///
/// # Errors
/// `invalid_argument` where the filter needs a selection and none touches the layer.
pub fn area(
    layer: &Layer,
    scope: Scope,
    sight: Sight,
    centre: Option<(i64, i64)>,
    most: (usize, usize),
) -> Result<Area> {
    let (width, height) = layer.size;
    let whole = (0, 0, width, height);
    let selected = layer.selection.filter(|&(_, _, w, h)| w > 0 && h > 0);
    let selects = matches!(scope, Scope::Hole | Scope::Subject);
    let bounds = match selected {
        None if selects => return Err(unselected(layer)),
        bounds => bounds,
    };
    let (view, shown, near) = match (sight.reach, bounds) {
        (Reach::Near(near), Some(bounds)) if selects => (View::Selection, around(bounds, most, layer.size), near),
        (Reach::Near(near), bounds) => {
            let room = (most.0.div_ceil(sight.growth), most.1.div_ceil(sight.growth));
            let middle = |at: usize, side: usize| (at + side / 2) as i64;
            let (x, y, w, h) = bounds.unwrap_or(whole);
            let centre = centre.unwrap_or((middle(x, w), middle(y, h)));
            (View::Part, place(centre, room, layer.size), near)
        }
        (Reach::Whole, _) => (View::Whole, whole, 0),
    };
    let read = match (view, bounds) {
        (View::Whole, _) => whole,
        // What is filled is filled from its own surroundings, however much of it is shown.
        (View::Selection, Some(bounds)) => clipped(join(shown, grown(bounds, near)), layer.size),
        _ => clipped(grown(shown, near), layer.size),
    };
    let factor = (1..).find(|k| read.2.div_ceil(*k) * read.3.div_ceil(*k) <= MOST_PIXELS).unwrap_or(1);
    let (shown_w, shown_h) = ((shown.2 * sight.growth) as f64, (shown.3 * sight.growth) as f64);
    let zoom = (most.0 as f64 / shown_w).min(most.1 as f64 / shown_h).min(1.0);
    let side = |side: f64| ((side * zoom).round() as usize).max(1);
    Ok(Area { view, shown, read, factor, width: side(shown_w), height: side(shown_h) })
}

fn unselected(layer: &Layer) -> Error {
    let message = match layer.selection {
        Some(_) => "the selection does not touch this layer",
        None => "nothing is selected",
    };
    Error::new(Kind::InvalidArgument, message).hint("select what the filter shall work on")
}

/// Bounds with some of what lies around them, and no less than fits into the answer.
fn around((x, y, w, h): Rect, most: (usize, usize), size: (usize, usize)) -> Rect {
    let margin = (w.max(h) / 4).max(16);
    let centre = ((x + w / 2) as i64, (y + h / 2) as i64);
    place(centre, ((w + 2 * margin).max(most.0), (h + 2 * margin).max(most.1)), size)
}

/// A rectangle of that room around a centre, moved into the layer, or all of a layer that is smaller.
fn place((x, y): (i64, i64), room: (usize, usize), size: (usize, usize)) -> Rect {
    let start = |centre: i64, room: usize, size: usize| {
        centre.saturating_sub(room as i64 / 2).clamp(0, (size - room) as i64) as usize
    };
    let (w, h) = (room.0.min(size.0), room.1.min(size.1));
    (start(x, w, size.0), start(y, h, size.1), w, h)
}

/// Left, top, right, bottom; may begin before the layer, which [`clipped`] mends.
fn grown((x, y, w, h): Rect, by: usize) -> (i64, i64, i64, i64) {
    let (left, top) = (x as i64 - by as i64, y as i64 - by as i64);
    (left, top, (x + w + by) as i64, (y + h + by) as i64)
}

/// What holds both.
fn join((x, y, w, h): Rect, (left, top, right, bottom): (i64, i64, i64, i64)) -> (i64, i64, i64, i64) {
    (left.min(x as i64), top.min(y as i64), right.max((x + w) as i64), bottom.max((y + h) as i64))
}

fn clipped((left, top, right, bottom): (i64, i64, i64, i64), size: (usize, usize)) -> Rect {
    let start = |at: i64| at.max(0) as usize / GRID * GRID;
    let (x, y) = (start(left), start(top));
    (x, y, (right as usize).min(size.0) - x, (bottom as usize).min(size.1) - y)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: (usize, usize) = (320, 320);

    fn near(reach: usize, growth: usize) -> Sight {
        Sight { reach: Reach::Near(reach), growth, measures: false }
    }

    fn layer(width: usize, height: usize, selection: Option<Rect>) -> Layer {
        Layer { size: (width, height), selection }
    }

    fn of(layer: &Layer, scope: Scope, sight: Sight, centre: Option<(i64, i64)>) -> Area {
        area(layer, scope, sight, centre, MOST).unwrap()
    }

    #[test]
    fn a_part_is_shown_pixel_for_pixel_with_context_on_the_grid() {
        let area = of(&layer(4000, 3000, None), Scope::Everywhere, near(64, 1), None);
        assert_eq!((area.view, area.shown), (View::Part, (1840, 1340, 320, 320)));
        assert_eq!(area.read, (1776, 1264, 448, 460));
        assert_eq!((area.factor, area.width, area.height), (1, 320, 320));
        let corner = of(&layer(4000, 3000, None), Scope::Everywhere, near(64, 1), Some((-9, 99_999)));
        assert_eq!((corner.shown, corner.read), ((0, 2680, 320, 320), (0, 2608, 384, 392)));
        let selected = of(&layer(4000, 3000, Some((100, 200, 400, 40))), Scope::Everywhere, near(64, 1), None);
        assert_eq!(selected.shown, (140, 60, 320, 320));
    }

    #[test]
    fn a_filter_that_enlarges_shows_less_of_the_layer() {
        let area = of(&layer(400, 300, None), Scope::Whole, near(32, 4), None);
        assert_eq!((area.shown, area.width, area.height), ((160, 110, 80, 80), 320, 320));
        let small = of(&layer(20, 10, None), Scope::Whole, near(32, 2), None);
        assert_eq!((small.shown, small.width, small.height), ((0, 0, 20, 10), 40, 20));
        assert_eq!(small.read, (0, 0, 20, 10));
    }

    #[test]
    fn a_hole_is_shown_whole_and_read_with_all_that_fills_it() {
        let area = of(&layer(4000, 3000, Some((1000, 1000, 800, 400))), Scope::Hole, near(300, 1), None);
        assert_eq!((area.view, area.shown), (View::Selection, (800, 800, 1200, 800)));
        assert_eq!((area.read, area.width, area.height), ((688, 688, 1412, 1012), 320, 213));
        let small = of(&layer(4000, 3000, Some((1000, 1000, 8, 4))), Scope::Hole, near(50, 1), None);
        assert_eq!((small.shown.2, small.width), (320, 320));
        let huge = of(&layer(4000, 3000, Some((0, 0, 4000, 2500))), Scope::Hole, near(400, 1), None);
        assert_eq!((huge.read, huge.factor), ((0, 0, 4000, 3000), 3));
    }

    #[test]
    fn without_a_selection_a_filter_that_wants_one_says_so() {
        for selection in [None, Some((0, 0, 0, 0))] {
            let layer = layer(40, 30, selection);
            for scope in [Scope::Hole, Scope::Subject] {
                let error = area(&layer, scope, near(9, 1), None, MOST).unwrap_err();
                assert_eq!(error.kind, Kind::InvalidArgument);
                assert!(error.message.contains("select"), "{}", error.message);
            }
            assert_eq!(of(&layer, Scope::Everywhere, near(9, 1), None).shown, (0, 0, 40, 30));
        }
    }

    #[test]
    fn whole_pictures_are_bounded() {
        let area = of(&layer(20_000, 10, None), Scope::Everywhere, Sight::default(), Some((3, 3)));
        assert_eq!((area.view, area.shown, area.factor), (View::Whole, (0, 0, 20_000, 10), 1));
        assert_eq!((area.width, area.height), (320, 1));
        let large = of(&layer(8000, 6000, None), Scope::Everywhere, Sight::default(), None);
        assert_eq!((large.factor, large.width, large.height), (5, 320, 240));
    }
}
