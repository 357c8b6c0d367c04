//! Whatever runs a graph: ONNX Runtime in this process, or a server.

use super::job::Watch;
use super::onnx::Port;
use super::tensor::Tensor;
use crate::error::Result;

pub trait Backend: Send + Sync {
    fn inputs(&self) -> &[Port];

    fn outputs(&self) -> &[Port];

    /// Tiles that may be under way at once.
    fn parallel(&self) -> usize {
        1
    }

    /// Runs the graph once; the answer is in the order of [`Backend::outputs`].
    ///
    /// # Errors
    /// `too_large` when memory ran out: a smaller tile may do. `cancelled`. Else what the runtime said.
    fn run(&self, feed: Vec<(String, Tensor)>, watch: &Watch) -> Result<Vec<Tensor>>;
}
