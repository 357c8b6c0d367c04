//! One test binary, so that the crate is linked once.

mod config;
mod rooms;
mod doctor;
mod install;
mod fake_plugin;
mod link;
mod vectors;
