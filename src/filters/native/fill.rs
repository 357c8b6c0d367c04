//! Exemplar fill: a hole becomes a patchwork of its surroundings, from coarse to fine (Wexler et al. 2007, Newson et
//! al. 2014). Works on one window in memory; knows no pictures and no files.

use super::level::Level;
use super::patches::{Matches, Spot, Texel};
use super::random::Random;
use crate::error::Result;
use crate::filters::Watch;

/// What is known about a pixel of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be compared with and copied from.
    Source,
    /// To be compared with, never copied from: filled before.
    Known,
    /// To be filled.
    Hole,
    /// Says nothing: transparent, another hole, outside the picture.
    Void,
}

/// The part of a picture that a fill looks at.
pub struct Window {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue, 0 to 1; the fourth is free.
    pub texels: Vec<Texel>,
    pub states: Vec<State>,
}

/// What a hole's pixel becomes.
#[derive(Clone, Copy)]
pub struct Filled {
    pub texel: Texel,
    /// The pixel of the window whose surroundings are most like this one's.
    pub from: Spot,
}

/// The coarsest level keeps at least this many patches to copy from.
const MIN_SOURCES: usize = 150;
/// The coarsest level's hole reaches no deeper than this.
const COARSEST_DEPTH: f32 = 9.0;

/// Fills the window's hole; `None` when there is no whole patch to copy from. One entry a pixel of the window, of
/// which only those of the hole mean something.
pub fn fill(window: &Window, seed: u64, watch: &Watch) -> Result<Option<Vec<Filled>>> {
    let mut levels = vec![Level::new(window, &vary(window, seed))];
    if levels[0].sources < MIN_SOURCES {
        levels = vec![Level::new(window, &window.states)];
    }
    if levels[0].sources == 0 {
        return Ok(None);
    }
    loop {
        let last = &levels[levels.len() - 1];
        if last.depth() <= COARSEST_DEPTH {
            break;
        }
        let next = last.half();
        if next.sources < MIN_SOURCES || levels.len() > 12 {
            break;
        }
        levels.push(next);
        watch.check()?;
    }
    let total: usize = levels.iter().map(|level| level.targets).sum();
    let (mut done, mut finer): (usize, Option<Matches>) = (0, None);
    for (index, level) in levels.iter_mut().enumerate().rev() {
        let span = (done as f32 / total as f32, (done + level.targets) as f32 / total as f32);
        done += level.targets;
        let part = watch.part(span.0, span.1);
        finer = Some(match finer.take() {
            None => level.begin(seed, &part)?,
            Some(matches) => {
                let matches = level.inherit(&matches, seed);
                level.refine(matches, if index == 0 { 2 } else { 4 }, 48, seed ^ index as u64, &part)?
            }
        });
    }
    let Some(matches) = finer else { return Ok(None) };
    Ok(Some(levels[0].result(&matches)))
}

/// The states with some of the sources closed, others for each seed but 0: the best fill is one, and another
/// variation must come from elsewhere.
fn vary(window: &Window, seed: u64) -> Vec<State> {
    let cell = (window.width.max(window.height) / 9).max(8);
    let mut states = window.states.clone();
    for (at, state) in states.iter_mut().enumerate().filter(|(_, state)| **state == State::Source) {
        let (x, y) = (at % window.width / cell, at / window.width / cell);
        if seed != 0 && Random::new(seed, (y << 24 | x) as u64).unit() < 0.2 {
            *state = State::Known;
        }
    }
    states
}
