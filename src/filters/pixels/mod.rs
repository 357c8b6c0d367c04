//! What the engine does to pixels itself: resizing, colour spaces, masks, transparent pixels. Knows no model.

pub mod blocks;
pub mod colour;
pub mod evidence;
pub mod geodesic;
pub mod grabcut;
pub mod guided;
pub mod maxflow;
pub mod measure;
pub mod morph;
pub mod noise;
pub mod resize;
pub mod transparent;
