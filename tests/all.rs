//! All integration tests in one binary: they link once.

mod config;
mod doctor;
mod install;
