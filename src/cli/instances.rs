//! `gimp-bridge instances`: the GIMPs that run with the plug-in.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::gimp::launch::state_dir;
use crate::gimp::{Client, Gimp, Instance, Settings};
use std::io::Write;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// List the running GIMPs that have the plug-in
///
/// The one marked with * is the one that calls go to unless another is chosen: the newest that answers.
#[derive(clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Asks each instance how it is.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let _ends_links = shutdown.clone().drop_guard();
    let settings = Settings {
        state_dir: state_dir(config)?,
        port: config.gimp.port,
        label: "instances".into(),
        policy: config.plugin.clone(),
    };
    let gimp = Gimp::new(settings, shutdown);
    let instances = gimp.probe().await;
    let nobody = Client { id: "instances".into(), name: "gimp-bridge instances".into() };
    let selected = gimp.selected_instance(&nobody).await;
    let text = if args.json {
        let value = serde_json::json!({"instances": instances, "selected": selected});
        serde_json::to_string_pretty(&value).map_err(Error::internal)? + "\n"
    } else {
        table(&instances, selected.as_deref())
    };
    if instances.is_empty() && !args.json {
        eprintln!("no GIMP with the plug-in runs; `gimp-bridge gimp --headless` starts one");
    }
    // A reader that is gone needs no list.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// One line each, aligned.
fn table(instances: &[Instance], selected: Option<&str>) -> String {
    let line = |instance: &Instance| {
        let mark = if selected == Some(&instance.id) { '*' } else { ' ' };
        let windows = if instance.headless { "headless" } else { "windows" };
        format!(
            "{mark} {:<16} port {:<5}  GIMP {:<8} plug-in {:<8} {windows:<8}  {}\n",
            instance.id, instance.port, instance.gimp_version, instance.plugin_version, instance.state
        )
    };
    instances.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_one_is_marked() {
        let instance = |id: &str, state: &str| Instance {
            id: id.into(),
            port: 9877,
            pid: 7,
            gimp_version: "3.0.4".into(),
            plugin_version: "0.1.0".into(),
            headless: true,
            state: state.into(),
        };
        let text = table(&[instance("7-9877", "connected"), instance("8-40000", "busy")], Some("8-40000"));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("  7-9877") && lines[0].ends_with("connected"), "{text}");
        assert!(lines[1].starts_with("* 8-40000") && lines[1].ends_with("busy"), "{text}");
    }
}
