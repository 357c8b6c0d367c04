//! One test binary, so that the crate is linked once.

mod config;
mod rooms;
mod doctor;
mod install;
mod fake_plugin;
mod link;
mod vectors;
//! The one test binary, so that the crate is linked once.

mod bitmap;
mod catalogue;
mod images;
