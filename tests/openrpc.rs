//! The OpenRPC document against its meta-schema, and against the catalogue that it is made from.

use gimp_bridge::http::openrpc;
use gimp_bridge::ops::Catalogue;
use serde_json::Value;
use std::collections::HashSet;

fn meta_schema() -> jsonschema::Validator {
    let text = include_str!("jsonrpc/openrpc-meta-schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn methods() -> &'static Vec<Value> {
    openrpc()["methods"].as_array().unwrap()
}

#[test]
fn the_document_is_valid_against_the_meta_schema() {
    let meta = meta_schema();
    let problems: Vec<String> =
        meta.iter_errors(openrpc()).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // The validator is not one that accepts anything.
    let mut broken = openrpc().clone();
    broken["methods"][0].as_object_mut().unwrap().remove("params");
    assert!(!meta.is_valid(&broken));
}

#[test]
fn every_operation_is_a_method_once() {
    let names: Vec<&str> = methods().iter().map(|method| method["name"].as_str().unwrap()).collect();
    let unique: HashSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    for operation in Catalogue::get().public() {
        assert!(unique.contains(operation.name.as_str()), "{}", operation.name);
    }
}

#[test]
fn parameters_and_examples_agree() {
    for method in methods() {
        let name = &method["name"];
        let params = method["params"].as_array().unwrap();
        let names: HashSet<&str> = params.iter().map(|param| param["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), params.len(), "{name}: a parameter stands twice");
        // A client that sends by position would need it, and so do the readers of the document.
        let required: Vec<bool> = params.iter().map(|param| param["required"] == true).collect();
        assert!(required.is_sorted_by(|a, b| a >= b), "{name}: required parameters come first");
        for param in params {
            jsonschema::validator_for(&param["schema"]).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let open = ["mcp_operation", "gimp_load_image", "gimp_save_image"].contains(&name.as_str().unwrap());
        for example in method["examples"].as_array().unwrap() {
            let given: HashSet<&str> =
                example["params"].as_array().unwrap().iter().map(|param| param["name"].as_str().unwrap()).collect();
            assert!(open || given.is_subset(&names), "{name}: {given:?}");
        }
    }
}

#[test]
fn references_point_somewhere() {
    fn walk(value: &Value) {
        match value {
            Value::Object(members) => {
                let target = members.get("$ref").and_then(Value::as_str);
                // In an example of `batch`, "0.layer" is a step's answer
                if let Some(pointer) = target.and_then(|target| target.strip_prefix('#')) {
                    assert!(openrpc().pointer(pointer).is_some(), "{pointer}");
                }
                members.values().for_each(walk);
            }
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(openrpc());
}
