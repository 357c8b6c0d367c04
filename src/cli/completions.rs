//! `gimp-bridge completions`: a completion script, made from the command line's own definition.

use crate::config::Config;
use crate::error::Result;
use std::process::ExitCode;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell to write for
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub async fn run(args: Args, _config: &Config) -> Result<ExitCode> {
    clap_complete::generate(args.shell, &mut super::command(), "gimp-bridge", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
