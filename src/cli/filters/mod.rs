//! `gimp-bridge filters`: AI filters on files, and the models behind them.

mod add;
pub(super) mod files;
mod film;
mod list;
mod run;
pub(super) mod stream;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::filters::{Filters, Watch, runtime::setup, store};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// AI filters on files: run them, list them, add models
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

impl Args {
    /// Whether a bucket takes part.
    pub fn names_a_bucket(&self) -> bool {
        matches!(&self.command, Command::Run(args) if args.names_a_bucket())
    }
}

#[derive(clap::Subcommand)]
enum Command {
    /// Every filter that can run here
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One filter: what it does, its parameters, where it comes from
    Show {
        /// Its name
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a filter on a picture or on a folder of pictures
    Run(run::Args),
    /// Public models that can be added
    Catalogue {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a model from the catalogue, or an ONNX file of your own
    Add(add::Args),
    /// Remove an added model
    Remove {
        /// Its name
        name: String,
    },
    /// Get ONNX Runtime, which model filters need, and the models that are recommended
    ///
    /// On a terminal it asks before it fetches a model; elsewhere it fetches none without --models.
    Setup {
        /// Even if it is there
        #[arg(long)]
        force: bool,
        /// A wheel that was fetched on another machine
        #[arg(long, value_name = "FILE")]
        wheel: Option<PathBuf>,
        /// The recommended models too, without asking
        #[arg(long)]
        models: bool,
        /// No models, without asking
        #[arg(long, conflicts_with = "models")]
        no_models: bool,
    },
}

/// Runs the subcommand.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    match args.command {
        Command::List { json } => list::all(&Filters::new(config), json),
        Command::Show { name, json } => list::one(&Filters::new(config), &name, json),
        Command::Run(args) => return run::run(args, config).await,
        Command::Catalogue { json } => list::catalogue(config, json),
        Command::Add(args) => add::run(args, config).await,
        Command::Remove { name } => {
            let path = store::remove(config, &name)?;
            print(&format!("removed {}\n", path.display()));
            Ok(())
        }
        Command::Setup { force, wheel, models, no_models } => {
            get_runtime(config, force, wheel).await?;
            if no_models { Ok(()) } else { add::recommended(config, models).await }
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Gets ONNX Runtime's library, unless it is there.
pub async fn get_runtime(config: &Config, force: bool, wheel: Option<PathBuf>) -> Result<()> {
    if let (Ok(path), false) = (crate::filters::runtime::find(config), force || wheel.is_some()) {
        print(&format!("ONNX Runtime is there: {}\n", path.display()));
        return Ok(());
    }
    if wheel.is_none() {
        eprintln!("fetching ONNX Runtime {} with pip", setup::VERSION);
    }
    let config = config.clone();
    let work = tokio::task::spawn_blocking(move || setup::setup(&config, wheel.as_deref(), &Watch::silent()));
    let path = work.await.map_err(Error::internal)??;
    print(&format!("installed {}\n", path.display()));
    Ok(())
}

/// Prints what was asked for; a reader that is gone needs nothing.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A progress bar on stderr, if somebody looks at it.
#[derive(Clone, Copy)]
struct Bar {
    shown: bool,
}

impl Bar {
    fn new() -> Bar {
        Bar { shown: std::io::stderr().is_terminal() }
    }

    fn show(self, label: &str, fraction: f32, doing: &str) {
        if self.shown {
            let full = (fraction * 24.0) as usize;
            let bar: String = (0..24).map(|at| if at < full { '#' } else { '.' }).collect();
            eprint!("\r\x1b[K{label} [{bar}] {:3.0} % {doing}", fraction * 100.0);
        }
    }

    fn clear(self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
