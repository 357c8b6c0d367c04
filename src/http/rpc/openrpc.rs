//! The OpenRPC document: the table of methods and the catalogue, in the form that generators and explorers read.

use super::methods::{Method, TABLE};
use crate::ops::{Access, Catalogue, Operation, Right};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The version of the OpenRPC specification that the document follows.
const OPENRPC: &str = "1.2.6";

/// Made once: it changes only with the program.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

fn make() -> Value {
    let api = TABLE.methods.iter().map(api_method);
    let operations = Catalogue::get().public().map(operation_method);
    let schemas: Map<String, Value> =
        TABLE.results.iter().map(|(name, schema)| (title(name), schema.clone())).collect();
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "gimp-bridge",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Image editing in GIMP 3 over JSON-RPC 2.0. POST /jsonrpc; with `Accept: text/event-stream` \
                progress comes as events, with `Prefer: respond-async` the call becomes a job at /jobs/{id}; /ws speaks \
                the same over a WebSocket. Each operation of the catalogue is a method of its own too; its parameters \
                are those of mcp_operation without `operation`.",
            "license": {"name": "MIT"},
        },
        "servers": [{"name": "this machine", "url": "http://localhost:8000/jsonrpc"}],
        "methods": api.chain(operations).collect::<Vec<Value>>(),
        "components": {"schemas": schemas, "errors": errors()},
    })
}

fn api_method(method: &Method) -> Value {
    let mut entry = json!({
        "name": method.name,
        "summary": method.summary,
        "description": method.description,
        "paramStructure": "by-name",
        "params": parameters(method.check.input_schema(), &[]),
        "result": {"name": "result", "schema": {"$ref": format!("#/components/schemas/{}", title(&method.result))}},
        "errors": references(),
        "x-right": method.right.name(),
    });
    let examples: Vec<Value> = method
        .examples
        .iter()
        .enumerate()
        .map(|(index, example)| pairing(&format!("{}-{}", method.name, index + 1), example.as_object()))
        .collect();
    entry["examples"] = examples.into();
    entry
}

fn operation_method(operation: &Operation) -> Value {
    let session = ["session_id", "image_data", "upload", "include_image_data"];
    let check = &TABLE.methods[0].check;
    let mut params = parameters(operation.input_schema(), &[]);
    let taken: Vec<String> = operation.parameter_names().map(str::to_owned).collect();
    let Value::Array(shared) = parameters(check.input_schema(), &session) else { return Value::Null };
    if let Value::Array(params) = &mut params {
        params.extend(shared.into_iter().filter(|param| !taken.iter().any(|name| param["name"] == name.as_str())));
    }
    let mut schema = TABLE.results["operation"].clone();
    schema["properties"]["result"] = operation.output_schema().clone().into();
    let examples: Vec<Value> = operation
        .examples
        .iter()
        .enumerate()
        .map(|(index, example)| pairing(&format!("{}-{}", operation.name, index + 1), Some(example)))
        .collect();
    json!({
        "name": operation.name,
        "summary": operation.title,
        "description": operation.description,
        "tags": [{"name": operation.pack}],
        "paramStructure": "by-name",
        "params": params,
        "result": {"name": "result", "schema": schema},
        "errors": references(),
        "examples": examples,
        "x-right": Right::of(operation).name(),
        "x-access": match operation.access { Access::Read => "read", Access::Change => "change", Access::Destroy => "destroy" },
    })
}

/// A schema's properties as content descriptors, the required ones first; all of them, or those named.
fn parameters(schema: &Map<String, Value>, only: &[&str]) -> Value {
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut list: Vec<Value> = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| only.is_empty() || only.contains(&name.as_str()))
        .map(|(name, schema)| json!({"name": name, "required": required(name), "schema": schema}))
        .collect();
    list.sort_by_key(|param| param["required"] != true);
    list.into()
}

fn pairing(name: &str, example: Option<&Map<String, Value>>) -> Value {
    let params: Vec<Value> =
        example.into_iter().flatten().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"name": name, "params": params})
}

/// The closed list of error kinds.
fn errors() -> Value {
    let table: Value = serde_json::from_str(include_str!("../../../protocol/errors.json")).expect("it is JSON");
    let mut errors = Map::new();
    for row in table["kinds"].as_array().into_iter().flatten() {
        let name = row["kind"].as_str().unwrap_or_default().to_owned();
        errors.insert(name.clone(), json!({"code": row["code"], "message": name}));
    }
    errors.into()
}

/// The kinds that any method may answer as a JSON-RPC error.
fn references() -> Value {
    ["invalid_argument", "forbidden", "internal", "unsupported"]
        .iter()
        .map(|kind| json!({"$ref": format!("#/components/errors/{kind}")}))
        .collect::<Vec<_>>()
        .into()
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
        + "Result"
}
