//! `filters add`: a model from the catalogue, or an ONNX file.

use crate::config::Config;
use crate::error::Result;

/// Add a model from the catalogue, or an ONNX file of your own
#[derive(clap::Args)]
pub struct Args {
    /// An id of `filters catalogue`, an ONNX file, or a folder with a manifest
    what: String,
    /// Without asking
    #[arg(long)]
    yes: bool,
}

pub async fn run(_args: Args, _config: &Config) -> Result<()> {
    todo!()
}
