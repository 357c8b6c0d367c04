//! The catalogue as a table, its schemas, the errors of the parameter check, and the committed reference page.

use gimp_bridge::error::{Error, Kind};
use gimp_bridge::ops::catalogue::{Audience, Catalogue, Operation, Runs};
use gimp_bridge::ops::params::{self, KEYWORDS};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn operation(name: &str) -> &'static Operation {
    Catalogue::get().find(name).unwrap()
}

fn check(name: &str, arguments: Value) -> Result<Value, Error> {
    params::check(operation(name), arguments.as_object().unwrap().clone()).map(Value::Object)
}

#[test]
fn entries_are_named_and_described() {
    let mut titles = HashSet::new();
    for operation in Catalogue::get().all() {
        let name = &operation.name;
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "`{name}` is not snake_case");
        assert!(titles.insert(&operation.title), "the title of `{name}` is taken");
        assert!(operation.description.ends_with('.') && operation.description.len() > 20, "`{name}`");
        assert!(
            operation.summary().len() <= 260,
            "the summary of `{name}` is {} bytes long",
            operation.summary().len()
        );
        assert!(operation.timeout().as_secs() > 0, "`{name}`");
        // One internal operation runs here: what a dialog in GIMP asks for.
        let asked = name == "preview_ai_filter";
        assert!(operation.audience == Audience::Public || operation.runs == Runs::Gimp || asked, "`{name}`");
    }
    assert!(Catalogue::get().public().count() >= 16);
}

#[test]
fn examples_are_valid_for_the_check_and_for_json_schema() {
    for operation in Catalogue::get().all() {
        let schema = Value::from(operation.input_schema().clone());
        let validator =
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        jsonschema::validator_for(&Value::from(operation.output_schema().clone())).unwrap();
        for example in &operation.examples {
            assert!(validator.is_valid(&Value::from(example.clone())), "{}: {example:?}", operation.name);
            let checked = params::check(operation, example.clone()).unwrap();
            assert!(validator.is_valid(&Value::from(checked)), "{}: filled in", operation.name);
        }
    }
}

#[test]
fn schemas_use_only_keywords_that_the_check_knows() {
    fn walk(schema: &Value, place: &str) {
        for (key, value) in schema.as_object().unwrap_or_else(|| panic!("{place} is no object")) {
            assert!(KEYWORDS.contains(&key.as_str()), "{place} uses `{key}`");
            match key.as_str() {
                "properties" => {
                    value
                        .as_object()
                        .unwrap()
                        .iter()
                        .for_each(|(name, schema)| walk(schema, &format!("{place}.{name}")));
                }
                "items" => walk(value, &format!("{place}[]")),
                "oneOf" => value.as_array().unwrap().iter().for_each(|schema| {
                    assert!(schema["type"].is_string(), "{place}: an alternative is told by its type");
                    walk(schema, place);
                }),
                "pattern" => {
                    regex::Regex::new(value.as_str().unwrap()).unwrap();
                }
                _ => (),
            }
        }
    }
    for operation in Catalogue::get().all() {
        walk(&Value::from(operation.input_schema().clone()), &operation.name);
    }
}

#[test]
fn common_parameters_and_fields_are_added_where_they_belong() {
    let names = |name: &str| operation(name).parameter_names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names("list_images"), ["timeout", "instance"]);
    assert_eq!(names("checkpoint"), ["label", "image", "timeout", "instance"]);
    assert_eq!(names("undo"), ["steps", "image", "preview", "max_bytes", "verify", "timeout", "instance"]);
    let fields = |name: &str| {
        operation(name).output_schema()["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert!(fields("undo").ends_with(
        &["image", "message", "effect", "effects", "next_image", "preview", "preview_error"].map(str::to_owned)
    ));
    assert!(!fields("list_instances").contains(&"image".to_owned()));
    for operation in Catalogue::get().all() {
        assert_eq!(operation.input_schema()["additionalProperties"], false, "{}", operation.name);
    }
}

#[test]
fn a_broken_entry_is_refused_with_its_place() {
    let entry = |change: &dyn Fn(&mut Value)| {
        let mut entry = json!({"name": "a", "title": "A", "description": "B", "runs": "gimp", "access": "read",
            "idempotent": true, "image": "none", "timeout": 1, "params": {"type": "object"},
            "result": {"type": "object"}, "examples": []});
        change(&mut entry);
        let file = json!({"pack": "p", "operations": [entry]}).to_string();
        Catalogue::load([("x.json", file.as_str())]).err().unwrap_or_default()
    };
    assert_eq!(entry(&|_| ()), "");
    assert!(entry(&|entry| entry["colour"] = 1.into()).starts_with("x.json: unknown field `colour`"));
    assert!(entry(&|entry| entry["runs"] = "both".into()).starts_with("x.json: unknown variant `both`"));
    let unknown = entry(&|entry| entry["params"]["properties"] = json!({"c": {"use": "colour"}}));
    assert_eq!(unknown, "x.json: `a` uses the unknown schema `colour`");
    let common = entry(&|entry| entry["params"]["properties"] = json!({"timeout": {}}));
    assert_eq!(common, "x.json: `a` declares the common parameter `timeout`");
    let twice = format!(
        "{{\"pack\": \"p\", \"operations\": {}}}",
        Value::from(vec![
            json!({"name": "a", "title": "A", "description": "B",
        "runs": "gimp", "access": "read", "idempotent": true, "image": "none", "timeout": 1,
        "params": {"type": "object"}, "result": {"type": "object"}, "examples": []});
            2
        ])
    );
    assert_eq!(Catalogue::load([("x.json", twice.as_str())]).err().unwrap(), "x.json: `a` is declared twice");
}

#[test]
fn defaults_are_filled_in_and_safe_conversions_made() {
    let checked = check(
        "create_new_image",
        json!({"width": 640.0, "height": "480", "alpha": "false", "base_type": "rgb",
        "resolution": "300", "name": null, "color": [1, 2.5, "3"]}),
    );
    assert_eq!(
        checked.unwrap(),
        json!({"width": 640, "height": 480, "color": [1, 2.5, 3], "base_type": "RGB", "precision": "u8",
               "linear": false, "alpha": false, "name": "Background", "resolution": 300})
    );
    let args = json!(["pyGObject-eval", ["1"]]);
    let checked = check("call_api", json!({"api_path": "exec", "args": args.to_string(), "kwargs": "{}"})).unwrap();
    assert_eq!((&checked["args"], &checked["kwargs"], &checked["max_output"]), (&args, &json!({}), &json!(100_000)));
    let pairs = json!([[1, 2], [3.5, 4]]);
    for given in [json!([1, 2, 3.5, 4]), json!([{"x": 1, "y": 2}, {"y": 4, "x": 3.5}]), json!("[1, 2, 3.5, 4]")] {
        assert_eq!(check("draw_brush_stroke", json!({"stroke_points": given})).unwrap()["stroke_points"], pairs);
    }
    let odd = check("draw_brush_stroke", json!({"stroke_points": [1, 2, 3]})).unwrap_err();
    assert!(odd.message.contains("`stroke_points[0]` must be an array"), "{odd}");
    for (name, parameter, given, taken) in [
        ("create_layer", "type_id", "RGB_IMAGE", "RGB"),
        ("create_layer", "type_id", "graya-image", "GRAYA"),
        ("create_layer", "mode", "LAYER_MODE_MULTIPLY", "multiply"),
        ("create_layer", "mode", "NORMAL-MODE", "normal"),
        ("fill_selection", "fill_type", "FOREGROUND-FILL", "foreground"),
        ("fill_selection", "fill_type", "PATTERN_FILL", "pattern"),
        ("merge_layers", "merge_type", "EXPAND-AS-NECESSARY", "expand_as_necessary"),
        ("flip_image", "direction", "ORIENTATION_VERTICAL", "vertical"),
    ] {
        let checked = check(name, json!({"name": "L", parameter: given}));
        let checked = checked.or_else(|_| check(name, json!({parameter: given})));
        assert_eq!(checked.unwrap()[parameter], taken, "{name}: {given}");
    }
    let box_ = |operation: &str| json!({"x": 0, "y": 0, "width": 5, "height": 5, "operation": operation});
    assert_eq!(check("create_rectangle_selection", box_("CHANNEL_OP_ADD")).unwrap()["operation"], "add");
    assert!(check("create_rectangle_selection", box_("CHANNEL_OP_")).is_err());
    // Text stays text where text is wanted.
    assert_eq!(check("checkpoint", json!({"label": "12"})).unwrap(), json!({"label": "12"}));
}

#[test]
fn a_wrong_call_is_answered_with_what_to_change() {
    let long = "x".repeat(300);
    for (name, arguments, message) in [
        ("create_new_image", json!({"width": 64}), "create_new_image: `height` is missing"),
        (
            "create_new_image",
            json!({"widht": 64, "width": 64, "height": 64}),
            "create_new_image: unknown parameter `widht`; did you mean `width`?",
        ),
        (
            "create_new_image",
            json!({"width": "wide", "height": 1.5}),
            "create_new_image: `width` must be an integer, got \"wide\"; `height` must be an integer, got 1.5",
        ),
        (
            "create_new_image",
            json!({"width": 0, "height": 9_000_000}),
            "create_new_image: `width` must be from 1 to 524288, got 0; `height` must be from 1 to 524288, got 9000000",
        ),
        (
            "create_new_image",
            json!({"width": true, "height": [1]}),
            "create_new_image: `width` must be an integer, got true; `height` must be an integer, got an array of 1",
        ),
        (
            "create_new_image",
            json!({"width": 1, "height": 1, "precision": "u18"}),
            "create_new_image: `precision` must be one of \"u8\", \"u16\", \"u32\", \"half\", \"float\", \"double\", got \"u18\"; did you mean \"u16\"?",
        ),
        (
            "create_new_image",
            json!({"width": 1, "height": 1, "color": {"r": 1}}),
            "create_new_image: `color` must be a string or an array, got an object",
        ),
        (
            "create_new_image",
            json!({"width": 1, "height": 1, "color": [1, 300, 2]}),
            "create_new_image: `color[1]` must be from 0 to 255, got 300",
        ),
        (
            "create_new_image",
            json!({"width": 1, "height": 1, "color": [1, 2]}),
            "create_new_image: `color` has 2 items, the least is 3",
        ),
        (
            "create_new_image",
            json!({"width": 1, "height": 1, "alpha": 1}),
            "create_new_image: `alpha` must be a boolean, got 1",
        ),
        ("checkpoint", json!({"label": ""}), "checkpoint: `label` is empty"),
        ("checkpoint", json!({"label": long}), "checkpoint: `label` has 300 characters, the most is 200"),
        ("save_image", json!({"format": ".png"}), "save_image: `format` must match ^[A-Za-z0-9]{2,10}$, got \".png\""),
        ("undo", json!({"preview": 5}), "undo: `preview` must be from 16 to 2048, got 5"),
        ("undo", json!({"timeout": 0}), "undo: `timeout` must be from 0.1 to 3600, got 0"),
        (
            "list_images",
            json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 10}),
            "list_images: unknown parameter `a`; unknown parameter `b`; unknown parameter `c`; unknown parameter `d`; \
             unknown parameter `e`; unknown parameter `f`; unknown parameter `g`; unknown parameter `h`; and 2 more",
        ),
    ] {
        let error = check(name, arguments).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (Kind::InvalidArgument, message));
    }
    let hint = check("checkpoint", json!({"lable": "x"})).unwrap_err().hint.unwrap();
    assert_eq!(hint, "checkpoint takes label, image, timeout, instance");
}

#[test]
fn an_unknown_operation_names_the_nearest_ones() {
    let error = Catalogue::get().find_public("get_bitmap_image").err().unwrap();
    assert_eq!(error.message, "no operation `get_bitmap_image`; did you mean `get_image_bitmap`?");
    assert!(error.hint.unwrap().starts_with("near are get_image_bitmap, "));
    // Internal operations are not for clients.
    assert_eq!(Catalogue::get().find_public("read_pixels").err().unwrap().kind, Kind::UnknownOperation);
}

#[test]
fn the_reference_page_is_the_catalogues() {
    let page = gimp_bridge::ops::docs::page();
    let path = repository().join("docs/operations.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/operations.md is not the catalogue's: UPDATE=1 cargo test catalogue");
}
