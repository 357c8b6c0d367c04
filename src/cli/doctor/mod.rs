//! `gimp-bridge doctor`: what works, what does not, and the mend. Looks only; changes nothing, starts no GIMP.

mod checks;
mod python;
mod running;
mod socket;

use super::install::machine::Machine;
use crate::config::Config;
use crate::error::{Error, Result};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check GIMP, the plug-in, ports, the secret and running instances
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object with all findings
    #[arg(long)]
    pub json: bool,
    /// Why the configuration could not be read; the checks run with the defaults then.
    #[arg(skip)]
    pub configuration_error: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Something is missing that is not needed yet.
    Warn,
    /// Something is broken.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub status: Status,
    pub message: String,
    /// What the user can do.
    pub mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Finding {
        Finding { check, status: Status::Ok, message: message.into(), mend: None }
    }

    fn warn(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { check, status: Status::Warn, message: message.into(), mend: Some(mend.into()) }
    }

    fn fail(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { check, status: Status::Fail, message: message.into(), mend: Some(mend.into()) }
    }

    fn of_error(check: &'static str, error: &Error) -> Finding {
        Finding { check, status: Status::Fail, message: error.message.clone(), mend: error.hint.clone() }
    }
}

/// What the checks look at; an argument, so that tests look at a machine of their own.
pub struct Patient<'a> {
    pub config: &'a Config,
    pub machine: Machine,
    pub state_dir: PathBuf,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let machine = Machine::this();
    let state_dir = super::install::state_dir(config)?;
    let patient = Patient { config, machine, state_dir };
    let mut findings: Vec<Finding> = match &args.configuration_error {
        Some(error) => vec![Finding::of_error("configuration", error)],
        None => vec![Finding::ok("configuration", "read; `gimp-bridge config` shows it")],
    };
    let mend = "take the variable out of the environment, or set the one that begins with GIMP_BRIDGE_";
    findings.extend(config.warnings.iter().map(|warning| Finding::warn("configuration", warning, mend)));
    findings.extend(examine(&patient).await);
    let broken = findings.iter().any(|finding| finding.status == Status::Fail);
    let text = if args.json { as_json(&findings, broken)? } else { as_lines(&findings) };
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::internal)?;
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All checks but the configuration's, in the order in which things depend on each other.
pub async fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let found = super::install::found::find(&patient.machine, patient.config.gimp.executable.as_deref());
    let private = super::install::found::private_roots(&patient.machine, patient.config.gimp.executable.as_deref());
    let mut findings = checks::gimps(&found, &private);
    findings.extend(checks::profiles(patient, &found, &private));
    findings.extend(checks::flatpak(patient, &found));
    findings.extend(python::check(&patient.machine, &found, &private));
    findings.extend(checks::policies(patient.config));
    findings.push(checks::secret(patient));
    findings.extend(checks::instances_and_ports(patient).await);
    findings.push(checks::onnx_runtime(patient.config));
    findings.push(checks::models());
    findings
}

fn as_lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let status = match finding.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        text += &format!("{status}  {:<13}  {}", finding.check, finding.message);
        if let Some(mend) = &finding.mend {
            text += &format!(" -> {mend}");
        }
        text.push('\n');
    }
    text
}

fn as_json(findings: &[Finding], broken: bool) -> Result<String> {
    let report = serde_json::json!({"broken": broken, "findings": findings});
    Ok(serde_json::to_string_pretty(&report).map_err(Error::internal)? + "\n")
}
