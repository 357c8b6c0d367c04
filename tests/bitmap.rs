//! get_image_bitmap's parameters, checked before any GIMP is asked; its pixels are tested in real GIMP.

use gimp_bridge::config::Config;
use gimp_bridge::error::{Error, Kind};
use gimp_bridge::filters::Filters;
use gimp_bridge::gimp::{Client, Gimp, Settings};
use gimp_bridge::ops::{Context, Ops};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn run(name: &str, arguments: Value) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { state_dir: folder.path().into(), port: None, label: "test".into(), policy: Default::default() };
    let ops = Ops::new(Gimp::new(settings, CancellationToken::new()), Filters::new(&Config::default()));
    let client = Client { id: "test".into(), name: "test".into() };
    let context = Context {
        client,
        cancel: CancellationToken::new(),
        progress: None,
        rights: Default::default(),
        pictures: Default::default(),
        base_url: None,
    };
    ops.run(name, arguments.as_object().unwrap().clone(), context).await.err().unwrap()
}

#[tokio::test]
async fn region_parameters_belong_together() {
    for (arguments, message) in [
        (
            json!({"width": 100, "height": 50}),
            "a region needs origin_x, origin_y, width and height: `origin_x`, `origin_y` missing",
        ),
        (
            json!({"origin_x": 1, "origin_y": 1, "width": 5}),
            "a region needs origin_x, origin_y, width and height: `height` missing",
        ),
        (json!({"scaled_to_width": 5}), "`scaled_to_width` scales a region, and no region is given"),
        (
            json!({"origin_x": 1, "origin_y": 1, "width": 5, "height": 5, "max_height": 5}),
            "`max_height` is for the whole image, and a region is given",
        ),
    ] {
        let error = run("get_image_bitmap", arguments).await;
        assert_eq!((error.kind, error.message.as_str()), (Kind::InvalidArgument, message));
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn the_four_modes_reach_gimp() {
    for arguments in [
        json!({}),
        json!({"max_width": 5}),
        json!({"origin_x": 1, "origin_y": 1, "width": 5, "height": 5}),
        json!({"origin_x": 1, "origin_y": 1, "width": 5, "height": 5, "scaled_to_height": 2}),
    ] {
        assert_eq!(run("get_image_bitmap", arguments).await.kind, Kind::NoGimp);
    }
}

#[tokio::test]
async fn opening_and_saving_check_where_the_file_is() {
    for (name, arguments, message) in [
        ("open_image", json!({}), "open_image: `path`, `image_data` or `image_id` is missing"),
        (
            "open_image",
            json!({"path": "/a.png", "image_data": "UE5H"}),
            "open_image: `path`, `image_data` and `image_id` stand for one image each",
        ),
        ("open_image", json!({"path": "a.png"}), "`path` must be absolute, got `a.png`"),
        ("save_image", json!({"path": "out/a.png"}), "`path` must be absolute, got `out/a.png`"),
    ] {
        let error = run(name, arguments).await;
        assert_eq!((error.kind, error.message.as_str()), (Kind::InvalidArgument, message));
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn a_cancelled_call_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { state_dir: folder.path().into(), port: None, label: "test".into(), policy: Default::default() };
    let ops = Ops::new(Gimp::new(settings, CancellationToken::new()), Filters::new(&Config::default()));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let context = Context {
        client: Client { id: "a".into(), name: "b".into() },
        cancel,
        progress: None,
        rights: Default::default(),
        pictures: Default::default(),
        base_url: None,
    };
    let error = ops.run("list_images", Default::default(), context).await.err().unwrap();
    assert_eq!(error.kind, Kind::Cancelled);
}
