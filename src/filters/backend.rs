//! Whatever runs a graph: ONNX Runtime in this process, or a server.

use super::job::Watch;
use super::onnx::Port;
use super::tensor::Tensor;
use crate::error::Result;

/// Told an output's place and its shape before the values are copied: whether they are wanted, or why the run fails.
pub type Take<'a> = dyn Fn(usize, &[usize]) -> Result<bool> + 'a;

pub trait Backend: Send + Sync {
    fn inputs(&self) -> &[Port];

    fn outputs(&self) -> &[Port];

    /// Tiles that may be under way at once.
    fn parallel(&self) -> usize {
        1
    }

    /// Runs the graph once; the answer is in the order of [`Backend::outputs`], without those that `take` does not want.
    ///
    /// # Errors
    /// `too_large` when memory ran out: a smaller tile may do. `cancelled`. What `take` said, or the runtime.
    fn run(&self, feed: Vec<(String, Tensor)>, take: &Take, watch: &Watch) -> Result<Vec<Option<Tensor>>>;
}
