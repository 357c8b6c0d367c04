//! The reference page of the catalogue, `docs/operations.md`; a test compares the committed page with this one.

use super::catalogue::{Access, Catalogue, Operation};
use serde_json::{Map, Value};
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Operations

Generated from `protocol/ops/*.json`; `UPDATE=1 cargo test --test all catalogue` writes it anew. Each operation is an
MCP tool of the same name, and `gimp-bridge call NAME '{…}'` runs it from a shell.

Arguments are checked before anything runs; an error lists every problem with the value, the limit and the mend.
Some values in the wrong JSON type are taken where only one reading is possible: `640.0` and `\"640\"` for an integer,
`\"0.5\"` for a number, `\"true\"` for a boolean, a string that holds a JSON array or object, an enum's name in another
case or as GIMP's constants spell it (`RGB_IMAGE`, `FOREGROUND-FILL`), and `null` for a parameter left out.

";

/// The whole page, in Markdown.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| operation | what it is for | access |\n|---|---|---|\n");
    for operation in Catalogue::get().public() {
        let name = &operation.name;
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| [`{name}`](#{name}) | {} | {} |", operation.title, access(operation));
    }
    Catalogue::get().public().for_each(|operation| section(operation, &mut page));
    page
}

fn access(operation: &Operation) -> &'static str {
    match operation.access {
        Access::Read => "reads",
        Access::Change => "changes",
        Access::Destroy => "may lose data",
    }
}

fn section(operation: &Operation, page: &mut String) {
    let _ = write!(page, "\n## {}\n\n{}\n\n", operation.name, operation.description);
    let mut facts = vec![access(operation).to_owned()];
    if operation.idempotent {
        facts.push("idempotent".into());
    }
    if operation.takes_checkpoint() {
        facts.push("takes a checkpoint first".into());
    }
    facts.push(format!("time limit {} s", operation.timeout().as_secs_f64()));
    let _ = writeln!(page, "*{}*\n", facts.join("; "));
    table("parameter", operation.input_schema(), page);
    table("result", operation.output_schema(), page);
    if !operation.examples.is_empty() {
        page.push_str("Examples:\n\n```json\n");
        for example in &operation.examples {
            let _ = writeln!(page, "{}", Value::from(example.clone()));
        }
        page.push_str("```\n");
    }
}

fn table(what: &str, schema: &Map<String, Value>, page: &mut String) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
        return;
    };
    let _ = write!(page, "| {what} | type | |\n|---|---|---|\n");
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in properties {
        let required = what == "parameter" && required.is_some_and(|names| names.iter().any(|each| each == name));
        let mut notes: Vec<String> = Vec::new();
        if required {
            notes.push("**required**".into());
        }
        notes.extend(property["description"].as_str().map(str::to_owned));
        notes.extend(property.get("default").map(|default| format!("default `{default}`")));
        let _ = writeln!(page, "| `{name}` | {} | {} |", kind(property), notes.join("; ").replace('|', "\\|"));
    }
    page.push('\n');
}

/// A schema's type and limits in a few words.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return alternatives.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".into(),
    };
    let limits = |low: &str, high: &str| match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => format!(" {low} … {high}"),
        (Some(low), None) => format!(" from {low}"),
        (None, Some(high)) => format!(" up to {high}"),
        (None, None) => String::new(),
    };
    name + &limits("minimum", "maximum")
}
