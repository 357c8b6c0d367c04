//! The one test binary, so that the crate is linked once.

mod assistant;
mod bitmap;
mod catalogue;
mod config;
mod doctor;
mod fake_plugin;
mod filters;
mod generate;
mod images;
mod install;
mod instances;
mod link;
mod live;
mod live_gimp;
mod mcp;
mod openrpc;
mod rooms;
mod vectors;
