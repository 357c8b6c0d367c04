//! The one test binary, so that the crate is linked once.

mod bitmap;
mod catalogue;
mod images;
