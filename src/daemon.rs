//! Builds the rooms and owns shutdown.
