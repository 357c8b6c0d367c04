//! AI filters: pictures in, pictures or masks out, by ONNX models in manifests and by native code.
//!
//! Alone names `ort`. Knows no GIMP, no MCP, no picture file: callers hand over [`Picture`]s. Native filters live in
//! `native/` and know only [`job`], [`raster`] and [`picture`].

pub mod job;
pub mod native;
pub mod picture;
pub mod raster;

pub use job::{About, Filter, Job, Output, Param, ParamKind, Point, Scope, Value, Values, Watch};
pub use picture::{Picture, Samples};
pub use raster::{Depth, Plane, Raster};
