//! Where a preview of a filter looks: what is shown, what has to be read for it, and at which size. Numbers only.

use crate::error::{Error, Kind, Reason, Result};
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

#[derive(Debug, PartialEq)]
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
    /// Pixels of the screen for one of the result's.
    pub zoom: f64,
}

/// Where the user wants to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// The middle, in the layer's pixels.
    pub centre: Option<(i64, i64)>,
    /// Pixels of the screen for one of the result's; without it what fits the view. What is enlarged is sent pixel by
    /// pixel: whoever shows it makes squares of them.
    pub zoom: Option<f64>,
}

/// The part of a layer to make a preview from; `most` is the largest answer.
///
/// # Errors
/// `invalid_argument` where the filter needs a selection and none touches the layer.
pub fn area(layer: &Layer, scope: Scope, sight: Sight, look: Look, most: (usize, usize)) -> Result<Area> {
    let (width, height) = layer.size;
    let whole = (0, 0, width, height);
    let selected = layer.selection.filter(|&(_, _, w, h)| w > 0 && h > 0);
    let selects = matches!(scope, Scope::Hole | Scope::Subject);
    let bounds = match selected {
        // A subject is found without a selection too, but not beside one.
        None if scope == Scope::Hole || (selects && layer.selection.is_some()) => return Err(unselected(layer)),
        bounds => bounds,
    };
    let part = |zoom: f64| {
        let room = |most: usize| ((most as f64 / (sight.growth as f64 * zoom)).ceil() as usize).max(1);
        let middle = |at: usize, side: usize| (at + side / 2) as i64;
        let (x, y, w, h) = bounds.unwrap_or(whole);
        let centre = look.centre.unwrap_or((middle(x, w), middle(y, h)));
        place(centre, (room(most.0), room(most.1)), layer.size)
    };
    let (view, shown) = match (look.zoom, sight.reach, bounds) {
        (Some(zoom), ..) => (View::Part, part(zoom)),
        (None, Reach::Near(_), Some(bounds)) if selects => (View::Selection, around(bounds, most, layer.size)),
        (None, Reach::Near(_), _) => (View::Part, part(1.0)),
        (None, Reach::Whole, _) => (View::Whole, whole),
    };
    let read = match (sight.reach, bounds) {
        (Reach::Whole, _) => whole,
        // What is filled is filled from its own surroundings, however much of it is shown.
        (Reach::Near(near), Some(bounds)) if selects => clipped(join(shown, grown(bounds, near)), layer.size),
        (Reach::Near(near), _) => clipped(grown(shown, near), layer.size),
    };
    let factor = (1..).find(|k| read.2.div_ceil(*k) * read.3.div_ceil(*k) <= MOST_PIXELS).unwrap_or(1);
    let (shown_w, shown_h) = ((shown.2 * sight.growth) as f64, (shown.3 * sight.growth) as f64);
    let zoom = (most.0 as f64 / shown_w).min(most.1 as f64 / shown_h).min(look.zoom.unwrap_or(1.0)).min(1.0);
    let side = |side: f64, most: usize| ((side * zoom).round() as usize).clamp(1, most);
    let (width, height) = (side(shown_w, most.0), side(shown_h, most.1));
    let zoom = look.zoom.filter(|zoom| *zoom > 1.0).unwrap_or(zoom);
    Ok(Area { view, shown, read, factor, width, height, zoom })
}

fn unselected(layer: &Layer) -> Error {
    let (message, reason) = match layer.selection {
        Some(_) => ("the selection does not touch this layer", Reason::SelectionBeside),
        None => ("nothing is selected", Reason::NothingSelected),
    };
    Error::new(Kind::InvalidArgument, message).hint("select what the filter shall work on").because(reason)
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
        area(layer, scope, sight, Look { centre, zoom: None }, MOST).unwrap()
    }

    fn zoomed(layer: &Layer, scope: Scope, sight: Sight, zoom: f64) -> Area {
        area(layer, scope, sight, Look { centre: None, zoom: Some(zoom) }, MOST).unwrap()
    }

    #[test]
    fn a_zoomed_view_shows_less_or_more_in_the_same_room() {
        let large = layer(4000, 3000, None);
        let near = zoomed(&large, Scope::Everywhere, near(64, 1), 4.0);
        assert_eq!((near.view, near.shown), (View::Part, (1960, 1460, 80, 80)));
        assert_eq!((near.width, near.height, near.factor), (80, 80, 1));
        let far = zoomed(&large, Scope::Everywhere, Sight { reach: Reach::Near(8), ..Sight::default() }, 0.25);
        assert_eq!((far.shown, far.width, far.height), ((1360, 860, 1280, 1280), 320, 320));
        // Farther than the layer is large: all of it, no larger than asked
        let all =
            zoomed(&layer(400, 200, None), Scope::Everywhere, Sight { reach: Reach::Near(8), ..Sight::default() }, 0.5);
        assert_eq!((all.shown, all.width, all.height), ((0, 0, 400, 200), 200, 100));
        // A filter that looks at the whole still sees it
        let whole = zoomed(&large, Scope::Everywhere, Sight::default(), 1.0);
        assert_eq!((whole.view, whole.shown, whole.read), (View::Part, (1840, 1340, 320, 320), (0, 0, 4000, 3000)));
        let hole = zoomed(
            &layer(4000, 3000, Some((1000, 1000, 800, 400))),
            Scope::Hole,
            Sight { reach: Reach::Near(300), ..Sight::default() },
            2.0,
        );
        assert_eq!((hole.shown, hole.read), ((1320, 1120, 160, 160), (688, 688, 1412, 1012)));
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
        let beside = Some((0, 0, 0, 0));
        for (selection, scope) in [(None, Scope::Hole), (beside, Scope::Hole), (beside, Scope::Subject)] {
            let error = area(&layer(40, 30, selection), scope, near(9, 1), Look::default(), MOST).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidArgument);
            assert!(error.message.contains("select"), "{}", error.message);
        }
        for selection in [None, beside] {
            let layer = layer(40, 30, selection);
            assert_eq!(of(&layer, Scope::Everywhere, near(9, 1), None).shown, (0, 0, 40, 30));
        }
        let subject = of(&layer(400, 300, None), Scope::Subject, Sight::default(), None);
        assert_eq!((subject.view, subject.shown), (View::Whole, (0, 0, 400, 300)));
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
