//! `gimp-bridge config`: every effective setting and where it came from; secrets are masked.

use crate::config::{Config, KEYS, Origin, Value, markdown};
use crate::error::{Error, Result};
use serde_json::{Map, json};
use std::io::Write;
use std::process::ExitCode;

/// Show the effective configuration and where each value came from
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object: key to value and origin
    #[arg(long)]
    json: bool,
    /// Print the reference page of all settings instead
    #[arg(long, conflicts_with = "json")]
    reference: bool,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let text = if args.reference {
        markdown()
    } else if args.json {
        as_json(config)?
    } else {
        as_table(config)
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::internal)?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(config: &Config) -> Result<String> {
    let entry = |value: Value, origin: Origin| json!({"value": value.to_json(), "origin": origin.to_string()});
    let rows: Map<_, _> =
        KEYS.iter().map(|key| (key.name.to_owned(), entry(key.shown(config), config.origin(key.name)))).collect();
    Ok(serde_json::to_string_pretty(&rows).map_err(Error::internal)? + "\n")
}

/// As TOML reads it, with the origin beside.
fn as_table(config: &Config) -> String {
    let rows: Vec<(String, String)> = KEYS
        .iter()
        .map(|key| {
            let value = match key.shown(config) {
                Value::Nothing => "(not set)".to_owned(),
                value => value.to_json().to_string(),
            };
            (format!("{} = {value}", key.name), config.origin(key.name).to_string())
        })
        .collect();
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0).min(60);
    let rows = rows.iter().map(|(left, origin)| format!("{left:width$}  # {origin}\n"));
    let bindings = config.bindings().into_iter().map(|binding| format!("# {}\n", binding.text));
    rows.chain(bindings).collect()
}
