//! The command line: one file per subcommand, each with its `Args` and `run`; the doc comment of `Args` is its help.
//!
//! To add a subcommand: its file, a `mod` line, and a line in `commands!`. stdout belongs to what was asked for;
//! logs, errors and hints go to stderr.

pub mod attend;
pub mod batch;
pub mod call;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod filters;
pub mod generate;
pub mod gimp;
pub mod install;
pub mod instances;
mod log;
mod log_file;
mod log_stderr;
mod many;
mod reload;
pub mod serve;
pub mod stdio;

use crate::config::{Config, Flag, Origin, Sources};
use crate::daemon::SIGNALLED;
use crate::error::{Error, Kind, Result};
use crate::filters::child;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a subcommand's futures run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// On the calling thread: short-lived commands.
    One,
    /// On `server.workers` threads: servers.
    Workers,
}

/// From one line per subcommand: the enum that clap parses, and the dispatch.
macro_rules! commands {
    ($($module:ident$(::$inner:ident)? $name:ident $threads:ident;)*) => {
        #[derive(Subcommand)]
        enum Command {
            $($name($module$(::$inner)?::Args),)*
        }

        impl Command {
            fn threads(&self) -> Threads {
                match self {
                    $(Command::$name(_) => Threads::$threads,)*
                }
            }

            async fn run(self, config: &Config) -> Result<ExitCode> {
                match self {
                    $(Command::$name(args) => $module$(::$inner)?::run(args, config).await,)*
                }
            }
        }
    };
}

commands! {
    serve Serve Workers;
    stdio Stdio Workers;
    attend Attend Workers;
    filters Filters One;
    gimp Gimp One;
    instances Instances One;
    call Call One;
    batch Batch One;
    generate Generate One;
    install Install One;
    install::uninstall Uninstall One;
    doctor Doctor One;
    config Config One;
    completions Completions One;
}

/// The bridge between AI clients and a live GIMP 3
#[derive(Parser)]
#[command(name = "gimp-bridge", version = version(), propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// Configuration file, instead of the user's and the working folder's gimp-bridge.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// error, warn, info, debug, trace, or a filter such as gimp_bridge=debug
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look on stderr
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Program, plug-in and protocol: the three that must fit together.
fn version() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        format!("{version} (plug-in {}, protocol {})", install::payload::VERSION, crate::gimp::PROTOCOL)
    })
}

/// Parses the arguments, runs the subcommand, and gives the exit code: 0 done, 1 failed, 2 asked wrongly, 130 ended by
/// a signal.
pub fn main() -> ExitCode {
    // For no person, and bound before it reads anything: neither a configuration nor other arguments.
    if std::env::args_os().nth(1).is_some_and(|word| word == child::COMMAND) {
        return child::serve();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version arrive here too, with exit code 0.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match execute(cli) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::from(exit_code(error.kind))
        }
    }
}

/// The whole command line, for completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Whether these arguments are well formed; for tests.
pub fn parses(arguments: &[&str]) -> bool {
    let matches = Cli::command().try_get_matches_from(arguments);
    matches.is_ok_and(|matches| Cli::from_arg_matches(&matches).is_ok())
}

impl Command {
    /// Whether names such as `PORT` and `KSERVE_ENDPOINT` are for it: they are of the plan for the daemon, and anybody's
    /// otherwise. `generate` does what the daemon does, `config` and `doctor` tell what it would do.
    fn reads_shared_names(&self) -> bool {
        match self {
            Command::Serve(_) | Command::Generate(_) | Command::Config(_) | Command::Doctor(_) => true,
            // With pictures in a bucket it is one of the plan's own jobs.
            Command::Filters(args) => args.names_a_bucket(),
            Command::Batch(args) => args.names_a_bucket(),
            _ => false,
        }
    }
}

fn execute(mut cli: Cli) -> Result<ExitCode> {
    let sources = sources(cli.global, cli.command.reads_shared_names());
    reload::remember(sources.clone());
    let config = match (&mut cli.command, Config::load(&sources)) {
        (_, Ok(config)) => config,
        // A broken configuration is among what the doctor is asked about, and does not matter to completions.
        (Command::Doctor(args), Err(error)) => {
            args.configuration_error = Some(error);
            Config::default()
        }
        (Command::Completions(_), Err(_)) => Config::default(),
        (_, Err(error)) => return Err(error),
    };
    let threads = cli.command.threads();
    // What a server tells about its work is noise beside the answer of a short command.
    let quiet = threads == Threads::One && config.origin("log.level") == Origin::Default;
    // Short commands answer to a person at a terminal.
    let file = config.log.file.as_deref().filter(|_| threads == Threads::Workers);
    let queue = (threads == Threads::Workers && file.is_none()).then(|| log_stderr::Queue::to(std::io::stderr()));
    log::start(if quiet { "warn" } else { &config.log.level }, &config.log, &config.service.name, file, queue.clone())?;
    if threads == Threads::Workers {
        log::panics();
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    }
    let mut runtime = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Workers => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(config.server.workers);
            runtime
        }
    };
    let runtime = runtime.enable_all().build().map_err(Error::internal)?;
    let done = runtime.block_on(async {
        let done = cli.command.run(&config).await;
        crate::generate::settled().await;
        done
    });
    // A thread that reads a terminal's stdin cannot be woken; the process does not wait for it.
    runtime.shutdown_background();
    if let Some(queue) = queue {
        queue.drain();
    }
    done
}

fn sources(global: Global, shared_names: bool) -> Sources {
    let mut flags: Vec<Flag> = Vec::new();
    flags.extend(global.log_level.map(|level| ("--log-level", "log.level", level)));
    flags.extend(global.log_format.map(|format| {
        let json = matches!(format, LogFormat::Json);
        ("--log-format", "log.json", json.to_string())
    }));
    Sources::of_process(global.config, shared_names, flags)
}

fn report(error: &Error) {
    eprintln!("error: {}", error.message);
    if let Some(hint) = &error.hint {
        eprintln!("hint: {hint}");
    }
}

/// 2 where another way of asking helps, as clap has it, 130 where a signal ended it, 1 for the rest.
fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Config | Kind::InvalidArgument | Kind::UnknownOperation => 2,
        Kind::Cancelled => SIGNALLED,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_command_explains_itself() {
        let command = Cli::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{} has no help", subcommand.get_name());
            for argument in subcommand.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", subcommand.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn global_flags_stand_anywhere() {
        assert!(parses(&["gimp-bridge", "config", "--json", "--log-level", "debug"]));
        assert!(parses(&["gimp-bridge", "--config", "x.toml", "config"]));
        assert!(!parses(&["gimp-bridge", "config", "--log-format", "xml"]));
        assert!(parses(&["gimp-bridge", "install", "--client", "vscode", "--client", "claude-code", "--print"]));
    }
}
