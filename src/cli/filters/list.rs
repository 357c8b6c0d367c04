//! `filters list`, `show` and `catalogue`: what there is, as text or JSON.

use super::print;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::filters::{About, Filters, ParamKind, Value, catalogue as models, store};
use serde_json::json;

pub fn all(filters: &Filters, as_json: bool) -> Result<()> {
    let list = filters.list();
    let broken = filters.broken();
    if as_json {
        let broken: Vec<_> = broken.iter().map(|(at, error)| json!({"folder": at, "error": error.to_json()})).collect();
        return print_json(&json!({"filters": list, "broken": broken}));
    }
    let width = list.iter().map(|about| about.name.len()).max().unwrap_or(0);
    for about in &list {
        print(&format!("{:width$}  {:9}  {}\n", about.name, about.origin, about.help));
    }
    for (folder, error) in broken {
        eprintln!("warning: {folder} cannot be used: {}", error.message);
    }
    Ok(())
}

pub fn one(filters: &Filters, name: &str, as_json: bool) -> Result<()> {
    let filter = filters.get(name)?;
    let about = filter.about();
    if as_json {
        return print_json(&json!(about));
    }
    let mut page = format!("{} ({})\n{}\n", about.name, about.title, about.help);
    page += &format!("group {}, licence {}, {}\n", about.group, about.license, about.origin);
    if about.style {
        page += "  --style FILE  the picture whose style is taken\n";
    }
    for param in &about.params {
        page += &line(param);
    }
    page += &format!("\ngimp-bridge filters run {}{} IN OUT\n", about.name, usage(about));
    print(&page);
    Ok(())
}

fn usage(about: &About) -> String {
    let style = if about.style { " --style FILE" } else { "" };
    let params: String = about.params.iter().map(|param| format!(" [--{} VALUE]", param.name)).collect();
    style.to_owned() + &params
}

fn line(param: &crate::filters::Param) -> String {
    let allowed = match &param.kind {
        ParamKind::Float { min, max, .. } => format!("{min} to {max}"),
        ParamKind::Int { min, max } => format!("{min} to {max}"),
        ParamKind::Bool => "true or false".into(),
        ParamKind::Choice { choices } => choices.join(", "),
    };
    let auto = match (&param.auto, &param.kind) {
        (Some(_), ParamKind::Float { .. } | ParamKind::Int { .. }) => ", or auto",
        _ => "",
    };
    let unit = param.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let help = if param.help.is_empty() { &param.label } else { &param.help };
    format!("  --{} {allowed}{unit}{auto}; default {}: {help}\n", param.name, shown(&param.default))
}

/// A value as one would type it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Bool(on) => on.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

pub fn catalogue(config: &Config, as_json: bool) -> Result<()> {
    let installed: Vec<String> =
        store::find(config).into_iter().filter_map(|found| found.manifest.ok().map(|manifest| manifest.id)).collect();
    let entries = models::entries()?;
    if as_json {
        return print_json(&json!(entries));
    }
    let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
    for entry in &entries {
        let here = if installed.contains(&entry.id) { "  (installed)" } else { "" };
        let limit = if entry.non_commercial { "  NON-COMMERCIAL" } else { "" };
        print(&format!(
            "{:width$}  {:>8}  {}{limit}{here}\n{:width$}            {}\n",
            entry.id,
            entry.shown_size(),
            entry.purpose,
            "",
            entry.license,
        ));
    }
    print("\nAdd one with: gimp-bridge filters add ID\n");
    Ok(())
}

fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&(serde_json::to_string_pretty(value).map_err(Error::internal)? + "\n"));
    Ok(())
}
