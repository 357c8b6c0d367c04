//! `gimp-bridge install`: the plug-in into the profiles, the secret, the server into the clients' files.
//!
//! Plans first, then writes; `--print` stops between the two. `uninstall` takes all of it back.

pub mod client_file;
pub mod clients;
pub mod found;
pub mod json_edit;
pub mod machine;
pub mod payload;
pub mod profiles;
pub mod uninstall;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use client_file::Journal;
use clients::Client;
use machine::Machine;
use profiles::Packaging;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Install the plug-in into GIMP and register the server with AI clients
#[derive(Debug, clap::Args)]
pub struct Args {
    /// AI client to register the server with; may be given several times
    #[arg(long, value_enum)]
    pub client: Vec<Client>,
    /// Get ONNX Runtime too, which AI filters with a model need; asked for if left out
    #[arg(long)]
    pub runtime: bool,
    /// Show what would be written and write nothing
    #[arg(long)]
    pub print: bool,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let machine = Machine::this();
    let target = Target { executable: executable(&machine)?, machine, state_dir: state_dir(config)? };
    let found = found::find(&target.machine, config.gimp.executable.as_deref());
    let private = found::private_roots(&target.machine, config.gimp.executable.as_deref());
    let done = install(&args, &target, &found, &private, &config.plugin, &mut std::io::stdout())?;
    if !args.print {
        // The filters are in GIMP's menu from its next start on, before any daemon has run.
        crate::filters::Filters::new(config).publish(&target.state_dir)?;
        offer_runtime(args.runtime, config).await?;
    }
    Ok(done)
}

/// Nothing is downloaded unless the user asked for it: with `--runtime`, or when asked at a terminal.
async fn offer_runtime(wanted: bool, config: &Config) -> Result<()> {
    if crate::filters::runtime::find(config).is_ok() {
        return Ok(());
    }
    if !wanted {
        let text = "AI filters with a model need ONNX Runtime (20 MB, fetched with pip)";
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            eprintln!("note: {text}: run `gimp-bridge filters setup`, or install with --runtime");
            return Ok(());
        }
        eprint!("{text}. Get it now? [y/N] ");
        let mut line = String::new();
        let _ = std::io::stdin().lock().read_line(&mut line);
        if !matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            eprintln!("not now; `gimp-bridge filters setup` gets it");
            return Ok(());
        }
    }
    super::filters::get_runtime(config, false, None).await
}

/// Where an installation goes.
pub struct Target {
    pub machine: Machine,
    pub state_dir: PathBuf,
    /// The program that clients start.
    pub executable: PathBuf,
}

/// The path to register: the one on PATH if it leads here, since package managers move what it points to.
pub fn executable(machine: &Machine) -> Result<PathBuf> {
    let this = std::env::current_exe().map_err(Error::internal)?;
    let name = format!("gimp-bridge{}", std::env::consts::EXE_SUFFIX);
    let folders: Vec<PathBuf> =
        machine.variable("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let real = this.canonicalize().unwrap_or_else(|_| this.clone());
    let on_path = folders.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(&name));
    Ok(on_path.into_iter().find(|path| path.canonicalize().is_ok_and(|path| path == real)).unwrap_or(this))
}

/// The folder of the secret, by configuration or by default.
pub fn state_dir(config: &Config) -> Result<PathBuf> {
    let configured = config.gimp.state_dir.clone().or_else(payload::default_state_dir);
    let absolute = configured.and_then(|dir| std::path::absolute(dir).ok());
    absolute.ok_or_else(|| {
        Error::new(Kind::Config, "the home folder cannot be told").hint("set HOME, or GIMP_BRIDGE_STATE_DIR")
    })
}

/// Does what `args` say and tells `out`.
pub fn install(
    args: &Args,
    target: &Target,
    found: &[found::Found],
    private: &[PathBuf],
    settings: &crate::config::Plugin,
    out: &mut dyn std::io::Write,
) -> Result<ExitCode> {
    let plan = profiles::plan(&target.machine, found);
    let mut journal = Journal::open(&target.state_dir);
    // All edits are planned before anything is written, so that one broken file stops the whole.
    let mut edits = Vec::new();
    for client in &args.client {
        let file = client_file_of(*client, &target.machine)?;
        edits.push((*client, client_file::adding(*client, &file, &client.entry(&target.executable), &journal)?));
    }
    let mut text = String::new();
    let would = if args.print { "would write" } else { "wrote" };
    if !args.print {
        payload::ensure_state(&target.state_dir, settings)?;
    }
    for profile in &plan.profiles {
        let plug_ins = profile.plug_ins();
        if !args.print {
            payload::write(&plug_ins, &target.state_dir, profile.packaging)?;
        }
        let new = if profile.exists { "" } else { " (new profile folder)" };
        text += &format!("{would} plug-in {} to `{}`{new}\n", payload::VERSION, plug_ins.display());
        text += &sandbox_note(profile.packaging, target);
    }
    for note in &plan.notes {
        text += &format!("note: {note}\n");
    }
    for (client, edit) in edits {
        text += &report(client, edit, args.print, &mut journal, &target.machine)?;
    }
    if !args.print && !plan.profiles.is_empty() {
        text += "restart GIMP for it to load the plug-in; `gimp-bridge doctor` checks the whole\n";
    }
    for root in private {
        text +=
            &format!("the GIMP in `{}` needs nothing: `gimp-bridge gimp` starts it with the plug-in\n", root.display());
    }
    out.write_all(text.as_bytes()).map_err(Error::internal)?;
    if plan.profiles.is_empty() && plan.notes.is_empty() && private.is_empty() {
        return Err(Error::new(Kind::NoGimp, "no GIMP 3 and no GIMP 3 profile was found: no plug-in was installed")
            .hint("install GIMP 3 and run this again, or name it as `gimp.executable` in gimp-bridge.toml"));
    }
    Ok(ExitCode::SUCCESS)
}

fn client_file_of(client: Client, machine: &Machine) -> Result<PathBuf> {
    client.file(machine).ok_or_else(|| {
        Error::new(Kind::Config, format!("the folder of {}'s configuration cannot be told", client.title()))
            .hint("set HOME")
    })
}

fn report(
    client: Client,
    edit: client_file::Edit,
    print: bool,
    journal: &mut Journal,
    machine: &Machine,
) -> Result<String> {
    let (title, file) = (client.title(), edit.file.clone());
    if !edit.changes() {
        return Ok(format!("{title}: `{}` has the entry already\n", file.display()));
    }
    let diff = edit.diff();
    if print {
        return Ok(format!("{title}: would change `{}`\n{diff}", file.display()));
    }
    let backup = edit.apply(journal)?.map_or_else(String::new, |path| format!(" (backup `{}`)", path.display()));
    Ok(format!("{title}: registered in `{}`{backup}; {}\n", file.display(), client.afterwards(machine.os)))
}

/// What the user must know about a sandboxed GIMP.
fn sandbox_note(packaging: Packaging, target: &Target) -> String {
    match packaging {
        Packaging::Native => String::new(),
        Packaging::Flatpak => match found::flatpak_permissions() {
            Some(permissions) => {
                let lacks = found::flatpak_lacks(&permissions, &target.state_dir);
                if lacks.is_empty() {
                    return String::new();
                }
                format!("note: the Flatpak needs `flatpak override --user {} org.gimp.GIMP`\n", lacks.join(" "))
            }
            None => "note: the Flatpak needs network and the home folder, which it has by default\n".into(),
        },
        Packaging::Snap if snap_can_read(&target.machine, &target.state_dir) => {
            "note: if no instance appears in `gimp-bridge instances`, the Snap's confinement refuses the plug-in's \
             port; use GIMP from another package\n"
                .into()
        }
        Packaging::Snap => {
            let folder = target.machine.home().unwrap_or_default().join("snap/gimp/common/gimp-bridge");
            format!(
                "note: the Snap cannot read `{}`: set `gimp.state_dir = \"{}\"` in your gimp-bridge.toml and run \
                 this again\n",
                target.state_dir.display(),
                folder.display()
            )
        }
    }
}

/// A Snap reaches no hidden folder of the home folder, only its own.
fn snap_can_read(machine: &Machine, state_dir: &Path) -> bool {
    machine.home().is_some_and(|home| state_dir.starts_with(home.join("snap/gimp/common")))
}
