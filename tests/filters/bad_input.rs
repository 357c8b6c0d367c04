//! What is wrong with a model, a manifest or a picture is said, with value and mend, and nothing else happens.

use super::{Installed, here, job, manifest, picture, rectangle};
use gimp_bridge::config::Config;
use gimp_bridge::error::{Error, Kind};
use gimp_bridge::filters::manifest::parse;
use gimp_bridge::filters::{Filters, Plane, Value};

const DYNAMIC: &str = "policy = \"dynamic\"";

fn run(manifest: &str, graph: &str) -> Error {
    let installed = Installed::new();
    installed.add("test", manifest, &[graph]);
    installed.run("test", job(picture(24, 20))).unwrap_err()
}

#[test]
fn a_model_that_is_cut_off() {
    let installed = Installed::new();
    let text = manifest("double.onnx", DYNAMIC, "", "scale = 2", "");
    let folder = installed.add("test", &text, &[]);
    let bytes = std::fs::read(here().join("mocks/double.onnx")).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(folder.join("double.onnx"), &bytes[..length]).unwrap();
        let error = installed.run("test", job(picture(8, 8))).unwrap_err();
        assert!(error.message.contains("double.onnx") && error.message.contains("cut off"), "{length}: {error:?}");
    }
}

#[test]
fn a_wrong_checksum_names_both() {
    let text = manifest("double.onnx", DYNAMIC, "", "scale = 2", "");
    let text = text.replace("[size]", &format!("sha256 = \"{}\"\n[size]", "0".repeat(64)));
    let error = run(&text, "double.onnx");
    assert!(error.message.contains("has SHA-256") && error.message.contains(&"0".repeat(64)), "{error:?}");
}

#[test]
fn wrong_tensor_names_are_answered_with_the_right_ones() {
    let error = run(&manifest("double.onnx", DYNAMIC, "name = \"picture\"", "scale = 2", ""), "double.onnx");
    assert!(error.message.contains("no input `picture`; it has `x`"), "{error:?}");
    let error = run(&manifest("double.onnx", DYNAMIC, "", "name = \"out\"", ""), "double.onnx");
    assert!(error.message.contains("no output `out`; it has `y`"), "{error:?}");
}

#[test]
fn a_wrong_rank_or_size_shows_both_shapes() {
    let error = run(&manifest("rank3.onnx", DYNAMIC, "", "", ""), "rank3.onnx");
    assert!(error.message.contains("[3, any, any]") && error.message.contains("[1, 3, 20, 24]"), "{error:?}");
    let error = run(&manifest("mosaic-9.onnx", DYNAMIC, "", "", ""), "mosaic-9.onnx");
    assert!(error.message.contains("[1, 3, 224, 224]"), "{error:?}");
    let error = run(&manifest("double.onnx", DYNAMIC, "", "scale = 4", ""), "double.onnx");
    assert!(error.message.contains("48x40") && error.message.contains("96x80"), "{}", error.message);
}

#[test]
fn an_answer_has_the_size_and_the_channels_that_the_manifest_declares() {
    let fixed = "policy = \"fixed\"\nfixed = [320, 320]\nfit = \"stretch\"";
    for (graph, size, output, said) in [
        // Larger is as wrong as smaller: which part of it would be the picture?
        ("double.onnx", DYNAMIC, "scale = 1", ["is 48x40 for an input of 24x20", "24x20 was expected"]),
        ("double.onnx", DYNAMIC, "scale = 3", ["is 48x40 for an input of 24x20", "72x60 was expected"]),
        ("realesr-general-x4v3.onnx", DYNAMIC, "scale = 2", ["is 96x80", "48x40 was expected"]),
        ("u2netp.onnx", fixed, "as = \"lab-ab\"", ["has 1 channels", "2 were expected"]),
        ("double.onnx", DYNAMIC, "as = \"alpha\"", ["has 3 channels", "1 were expected"]),
        ("double.onnx", DYNAMIC, "layout = \"NHWC\"\nscale = 2", ["has 48 channels", "3 or 1 were expected"]),
    ] {
        let output = if output.contains("as = ") { output.to_owned() } else { format!("as = \"image\"\n{output}") };
        let text = manifest(graph, size, "", "", "").replace("as = \"image\"", &output);
        let error = run(&text, graph);
        assert_eq!(error.kind, Kind::Config, "{error:?}");
        assert!(said.iter().all(|part| error.message.contains(part)), "{graph} {output}: {}", error.message);
    }
    // A mask may be coarser than what the model saw, not finer.
    let grey =
        manifest("model.onnx", DYNAMIC, "", "", "").replace("as = \"image\"", "as = \"alpha\"\nlayout = \"NHW\"");
    let installed = Installed::new();
    installed.add("test", &grey, &["model.onnx"]);
    assert!(installed.run("test", job(picture(24, 20))).is_ok());
}

#[test]
fn a_manifest_names_no_variable_but_its_own_tokens() {
    let of = |token: &str| {
        let text = manifest("x.onnx", DYNAMIC, "name = \"x\"", "", "");
        let server = format!("[remote]\nurl = \"http://127.0.0.1:1\"\nmodel = \"m\"\ntoken_env = \"{token}\"");
        text.replace("[[file]]\npath = \"x.onnx\"", &server)
    };
    for right in ["GIMP_BRIDGE_TOKEN_KSERVE", "GIMP_BRIDGE_TOKEN_2"] {
        assert_eq!(parse(&of(right), "m.toml").unwrap().remote.unwrap().token_env.as_deref(), Some(right));
    }
    for wrong in [
        "AWS_SECRET_ACCESS_KEY",
        "HOME",
        "",
        "GIMP_BRIDGE_TOKEN_",
        "GIMP_BRIDGE_SERVER_KEY",
        "XGIMP_BRIDGE_TOKEN_A",
        "gimp_bridge_token_a",
        "GIMP_BRIDGE_TOKEN_A=B",
    ] {
        let error = parse(&of(wrong), "m.toml").unwrap_err();
        let said = format!("remote.token_env is `{wrong}`, must be `GIMP_BRIDGE_TOKEN_`");
        assert!(error.kind == Kind::Config && error.message.contains(&said), "{}", error.message);
    }
    // One that lies in the folder already is not run either.
    let installed = Installed::new();
    installed.add("test", &of("HOME"), &[]);
    let error = installed.run("test", job(picture(8, 8))).unwrap_err();
    assert!(error.message.contains("token_env is `HOME`"), "{error:?}");
}

#[test]
fn a_model_that_answers_no_number() {
    let error = run(&manifest("nan.onnx", DYNAMIC, "", "", ""), "nan.onnx");
    assert!(error.message.contains("the model answered `NaN`"), "{error:?}");
}

#[test]
fn a_manifest_fault_names_file_and_line() {
    let right = manifest("double.onnx", DYNAMIC, "", "scale = 2", "");
    parse(&right, "m.toml").unwrap();
    for (from, to, said) in [
        ("policy = \"dynamic\"", "policy = \"dynamic\"\ncolour = 1", "`m.toml`:10: unknown field `colour`"),
        ("source = \"image\"", "source = \"picture\"", "unknown source `picture`"),
        ("schema = 1", "schema = 2", "schema is 2"),
        ("id = \"test\"", "id = \"Te/st\"", "id `Te/st`"),
        ("scale = 2", "scale = 99", "scale is 99"),
        ("path = \"double.onnx\"", "path = \"../double.onnx\"", "`../double.onnx` leaves"),
        ("path = \"double.onnx\"", "path = \"/etc/passwd\"", "`/etc/passwd` leaves"),
        ("path = \"double.onnx\"", "path = 'a\\b.onnx'", "leaves the filter's folder"),
        ("source = \"image\"", "source = \"param:strength\"", "no [[param]] has name = \"strength\""),
        ("source = \"image\"", "source = \"tensor:t\"", "no [[output]] has id = \"t\""),
    ] {
        assert!(right.contains(from), "{from}");
        let error = parse(&right.replace(from, to), "m.toml").unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains(said), "{to}: {}", error.message);
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let installed = Installed::new();
    let folder = installed.add("test", &manifest("double.onnx", DYNAMIC, "", "scale = 2", ""), &[]);
    std::os::unix::fs::symlink(here().join("mocks/double.onnx"), folder.join("double.onnx")).unwrap();
    let error = installed.run("test", job(picture(8, 8))).unwrap_err();
    assert!(error.kind == Kind::Forbidden && error.message.contains("leaves"), "{error:?}");
}

#[test]
fn a_broken_manifest_does_not_hide_the_others() {
    let installed = Installed::new();
    installed.add("broken", "schema = 1", &[]);
    installed.add("test", &manifest("double.onnx", DYNAMIC, "", "scale = 2", ""), &["double.onnx"]);
    let filters = Filters::new(&installed.config);
    assert!(filters.list().iter().any(|about| about.name == "test"));
    assert_eq!(filters.broken().len(), 1);
    assert!(filters.get("broken").err().unwrap().message.contains("missing field"));
    assert!(filters.get("tset").err().unwrap().hint.unwrap().contains("`test`"));
}

#[test]
fn masks_that_are_missing_empty_full_or_of_another_size() {
    let installed = Installed::new();
    let (text, graphs) = super::catalogued("lama-carve-512");
    installed.add("lama-carve-512", &text, &[&graphs[0]]);
    let said = |mask: Option<Plane>| {
        let mut job = job(picture(30, 20));
        job.mask = mask;
        let error = installed.run("lama-carve-512", job).unwrap_err();
        assert!(error.kind == Kind::InvalidArgument && error.hint.is_some(), "{error:?}");
        error.message
    };
    assert!(said(None).contains("needs a selection or a mask"));
    assert!(said(Some(Plane::filled(30, 20, 0.3))).contains("the mask is empty"));
    assert!(said(Some(Plane::filled(30, 20, 1.0))).contains("covers the whole picture"));
    assert!(said(Some(rectangle(31, 20, 3..5, 3..5))).contains("31x20, the picture 30x20"));
}

#[test]
fn parameters_out_of_range_or_unknown() {
    let installed = Installed::new();
    let more = "[[param]]\nname = \"strength\"\ntype = \"int\"\nmin = 0\nmax = 100\ndefault = 50";
    installed.add("test", &manifest("double.onnx", DYNAMIC, "", "scale = 2", more), &["double.onnx"]);
    let said = |name: &str, value: Value| {
        let mut job = job(picture(8, 8));
        job.params.set(name, value);
        let error = installed.run("test", job).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument);
        error.message
    };
    assert_eq!(said("strength", Value::Int(101)), "`strength` is `101`, must be a whole number from 0 to 100");
    assert_eq!(
        said("strength", Value::Text("auto".into())),
        "`strength` is `auto`, must be a whole number from 0 to 100"
    );
    assert_eq!(said("power", Value::Int(1)), "the filter has no parameter `power`");
}

#[test]
fn without_the_runtime_the_command_that_gets_it_is_named() {
    let installed = Installed::new();
    installed.add("test", &manifest("double.onnx", DYNAMIC, "", "scale = 2", ""), &["double.onnx"]);
    let mut config = Config::default();
    config.filters.folder = installed.config.filters.folder.clone();
    config.filters.runtime = Some("/nowhere/libonnxruntime.so".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let filters = Filters::new(&config);
    assert!(filters.list().iter().any(|about| about.name == "test"));
    let run = filters.run("test", job(picture(8, 8)), gimp_bridge::filters::Watch::silent());
    let error = runtime.block_on(run).unwrap_err();
    assert!(error.message.contains("/nowhere/libonnxruntime.so"), "{error:?}");
    assert!(error.hint.unwrap().contains("gimp-bridge filters setup"));
}
