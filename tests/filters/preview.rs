//! `filters/preview`: what GIMP's dialogs show is what the filter does, and comes from as few pixels as possible.

use super::Installed;
use super::bundled::{psnr, smooth};
use crate::fake_plugin::{Conn, Fake};
use base64::Engine;
use gimp_bridge::error::{Error, Kind};
use gimp_bridge::filters::{Filters, Job, Output, Picture, Plane, Samples, Value as Parameter, Watch};
use gimp_bridge::gimp::inbound::{Asked, Inbound};
use gimp_bridge::ops::Ops;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A layer at (0, 0), what is selected on it, and what of it was read.
struct Scene {
    layer: Picture,
    /// Left, top, width, height: all of it selected.
    selection: Option<[usize; 4]>,
    read: Vec<[usize; 4]>,
    /// The user closes the dialog when the pixels are on their way.
    cancel_at_read: Option<CancellationToken>,
}

impl Scene {
    fn new(layer: Picture, selection: Option<[usize; 4]>) -> Scene {
        Scene { layer, selection, read: Vec::new(), cancel_at_read: None }
    }

    fn selected(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize, start: usize, side: usize| (start..start + side).contains(&at);
        self.selection.is_none_or(|[left, top, w, h]| inside(x, left, w) && inside(y, top, h))
    }

    fn plane(&self) -> Plane {
        let mut plane = Plane::filled(self.layer.width, self.layer.height, 0.0);
        for (i, value) in plane.data.iter_mut().enumerate() {
            *value = f32::from(u8::from(self.selected(i % self.layer.width, i / self.layer.width)));
        }
        plane
    }

    /// Answers as the plug-in does, as long as the daemon asks.
    async fn play(&mut self, conn: &mut Conn) {
        while let Some(message) = conn.next().await {
            if message["method"] != "call" {
                continue;
            }
            let arguments = &message["params"]["arguments"];
            let number = |name: &str| arguments[name].as_u64().unwrap() as usize;
            let (width, height) = (self.layer.width, self.layer.height);
            let facts = json!({"image": 1, "layer": 2, "name": "photo", "width": width, "height": height,
                "offset": [0, 0], "selection": self.selection});
            match message["params"]["operation"].as_str().unwrap() {
                "filter_facts" => conn.answer(&message, facts).await,
                "filter_read" => {
                    let area: [usize; 4] = serde_json::from_value(arguments["area"].clone()).unwrap();
                    self.read.push(area);
                    let [x, y, w, h] = area;
                    let part = Picture::from_raster(&self.layer.region(x, y, w, h));
                    let Samples::U8(bytes) = part.samples else { panic!("8 bits went in") };
                    let mut result = facts;
                    result["offset"] = json!([x, y]);
                    if let Some(cancel) = &self.cancel_at_read {
                        cancel.cancel();
                    }
                    send(
                        conn,
                        &message,
                        json!({"width": w, "height": h, "channels": part.channels, "depth": 8}),
                        bytes,
                        result,
                    )
                    .await;
                }
                "filter_read_mask" => {
                    let (x, y, w, h) = (number("x"), number("y"), number("width"), number("height"));
                    let value = |i: usize| if self.selected(x + i % w, y + i / w) { 255 } else { 0 };
                    let bytes = (0..w * h).map(value).collect();
                    send(conn, &message, json!({"width": w, "height": h, "channels": 1, "depth": 8}), bytes, json!({}))
                        .await;
                }
                other => panic!("a preview has no use for `{other}`"),
            }
        }
    }
}

async fn send(conn: &mut Conn, request: &Value, header: Value, bytes: Vec<u8>, mut result: Value) {
    result["stream"] = json!({"bytes": bytes.len()});
    conn.stream(request, header).await;
    for chunk in bytes.chunks(1 << 20) {
        conn.chunk(request["id"].as_u64().unwrap(), chunk.to_vec()).await;
    }
    conn.answer(request, result).await;
}

/// What the daemon answers to the plug-in's request.
async fn ask(scene: &mut Scene, params: Value, cancel: &CancellationToken) -> Result<Value, Error> {
    let (fake, installed) = (Fake::new().await, Installed::new());
    let ops = Ops::new(fake.gimp(), Filters::new(&installed.config));
    let mut params: Map<String, Value> = params.as_object().unwrap().clone();
    params.extend([("image".to_owned(), json!(1)), ("layer".to_owned(), json!(2))]);
    let (method, cancel) = ("filters/preview".into(), cancel.clone());
    let answering = ops.answer(Asked { method, params, instance: fake.id(), cancel, progress: Arc::new(|_| ()) });
    let playing = async {
        let mut conn = fake.accept().await;
        scene.play(&mut conn).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answering => answer,
        () = playing => unreachable!("it never ends"),
    }
}

async fn preview(scene: &mut Scene, params: Value) -> Result<Value, Error> {
    ask(scene, params, &CancellationToken::new()).await
}

/// The whole layer through the filter, as `filters/run` does it.
async fn full(scene: &Scene, name: &str, params: &[(&str, Parameter)]) -> Output {
    let mut job = Job::new(Arc::new(scene.layer.clone()));
    job.selection = scene.selection.map(|_| scene.plane());
    params.iter().for_each(|(name, value)| job.params.set(name, value.clone()));
    Filters::new(&Installed::new().config).run(name, job, Watch::silent()).await.unwrap()
}

/// One of an answer's pictures, without its alpha, which is 255.
fn picture(answer: &Value, name: &str) -> Picture {
    let bytes = base64::engine::general_purpose::STANDARD.decode(answer[name].as_str().unwrap()).unwrap();
    let (width, height) = (answer["width"].as_u64().unwrap() as usize, answer["height"].as_u64().unwrap() as usize);
    assert_eq!(bytes.len(), width * height * 4);
    assert!(bytes.iter().skip(3).step_by(4).all(|&alpha| alpha == 255));
    let samples = bytes.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
    Picture { width, height, channels: 3, samples: Samples::U8(samples) }
}

fn area(answer: &Value) -> [usize; 4] {
    serde_json::from_value(answer["area"].clone()).unwrap()
}

fn cut(picture: &Picture, [x, y, w, h]: [usize; 4]) -> Picture {
    Picture::from_raster(&picture.region(x, y, w, h))
}

#[tokio::test]
async fn a_part_looks_as_the_full_run_makes_it_with_what_is_measured_on_the_whole() {
    let mut scene = Scene::new(smooth(900, 700, 20.0), None);
    let answer = preview(&mut scene, json!({"filter": "denoise", "width": 200, "height": 160})).await.unwrap();
    assert_eq!((answer["view"].as_str(), area(&answer)), (Some("part"), [350, 270, 200, 160]));
    assert_eq!(picture(&answer, "before"), cut(&scene.layer, area(&answer)));
    let strength = answer["measured"]["strength"].as_f64().unwrap();
    assert!((30.0..50.0).contains(&strength), "{strength}");
    assert_eq!(scene.read[0], [0, 0, 900, 700], "the noise is measured on all of it");
    assert_eq!(scene.read[1], [272, 192, 342, 302], "and the filter sees a part with its surroundings");
    let whole = full(&scene, "denoise", &[]).await.image.unwrap();
    let (after, wanted) = (picture(&answer, "after"), cut(&whole, area(&answer)));
    assert!(psnr(&after, &wanted, 0) > 55.0, "{}", psnr(&after, &wanted, 0));
    assert!(psnr(&after, &picture(&answer, "before"), 0) < 30.0);

    // What was measured comes along: nothing but the part is read.
    scene.read.clear();
    let params =
        json!({"filter": "denoise", "width": 200, "height": 160, "x": 890, "y": 0, "measured": answer["measured"]});
    let answer = preview(&mut scene, params).await.unwrap();
    assert_eq!((area(&answer), scene.read.len()), ([700, 0, 200, 160], 1));
    assert_eq!(answer["measured"]["strength"].as_f64(), Some(strength));
}

#[tokio::test]
async fn an_enlarged_part_stands_beside_an_interpolated_one() {
    let mut scene = Scene::new(smooth(300, 260, 0.0), None);
    let params =
        json!({"filter": "upscale", "parameters": {"scale": 3, "source": "clean"}, "width": 120, "height": 120});
    let answer = preview(&mut scene, params).await.unwrap();
    assert_eq!((area(&answer), answer["width"].as_u64()), ([130, 110, 40, 40], Some(120)));
    let given = [("scale", Parameter::Int(3)), ("source", Parameter::Text("clean".into()))];
    let whole = full(&scene, "upscale", &given).await.image.unwrap();
    let wanted = cut(&whole, [390, 330, 120, 120]);
    assert!(psnr(&picture(&answer, "after"), &wanted, 0) > 50.0);
    let before = psnr(&picture(&answer, "before"), &wanted, 0);
    assert!((25.0..49.0).contains(&before), "the same place, as sharp as interpolation is: {before}");
}

#[tokio::test]
async fn a_fill_is_the_very_one_that_the_full_run_makes() {
    let mut scene = Scene::new(super::picture(400, 300), Some([150, 120, 30, 24]));
    for seed in [0, 5] {
        let params = json!({"filter": "remove-object", "parameters": {"seed": seed}, "width": 128, "height": 96});
        let answer = preview(&mut scene, params).await.unwrap();
        assert_eq!((answer["view"].as_str(), area(&answer)), (Some("selection"), [101, 84, 128, 96]));
        let whole = full(&scene, "remove-object", &[("seed", Parameter::Int(seed))]).await.image.unwrap();
        assert_eq!(picture(&answer, "after"), cut(&whole, area(&answer)));
        assert_ne!(picture(&answer, "after"), picture(&answer, "before"));
    }
}

#[tokio::test]
async fn what_is_cut_out_is_transparent_around() {
    let mut layer = smooth(200, 150, 2.0);
    if let Samples::U8(samples) = &mut layer.samples {
        for (x, y) in (50..90).flat_map(|y| (75..125).map(move |x| (x, y))) {
            samples[(y * 200 + x) * 3..][..3].copy_from_slice(&[250, 240, 20]);
        }
    }
    let mut scene = Scene::new(layer, Some([60, 40, 80, 60]));
    let answer = preview(&mut scene, json!({"filter": "cut-out"})).await.unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(answer["after"].as_str().unwrap()).unwrap();
    let (width, [x, y, ..]) = (answer["width"].as_u64().unwrap() as usize, area(&answer));
    let opacity = |px: usize, py: usize| bytes[((py - y) * width + px - x) * 4 + 3];
    assert_eq!((opacity(x, y), answer["view"].as_str()), (0, Some("selection")), "outside of the rough selection");
    assert!(opacity(100, 70) > 200 && opacity(63, 43) < 50, "the subject in it, and what is beside the subject");
}

#[tokio::test]
async fn points_say_what_is_cut_out_and_need_no_selection() {
    let mut layer = smooth(400, 260, 2.0);
    if let Samples::U8(samples) = &mut layer.samples {
        for (x, y) in (80..180).flat_map(|y| (50..150).chain(240..340).map(move |x| (x, y))) {
            samples[(y * 400 + x) * 3..][..3].copy_from_slice(&[250, 240, 20]);
        }
    }
    let mut scene = Scene::new(layer, None);
    for (marked, wanted) in
        [(json!({"points": [[290, 120]]}), [false, true]), (json!({"background_points": [[300, 130]]}), [true, false])]
    {
        let mut params = json!({"filter": "cut-out"});
        params.as_object_mut().unwrap().extend(marked.as_object().unwrap().clone());
        let answer = preview(&mut scene, params).await.unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(answer["after"].as_str().unwrap()).unwrap();
        assert_eq!((answer["view"].as_str(), area(&answer)), (Some("whole"), [0, 0, 400, 260]));
        let width = answer["width"].as_u64().unwrap() as usize;
        let opacity = |x: usize, y: usize| bytes[(y * width / 400 * width + x * width / 400) * 4 + 3];
        let found = [opacity(100, 130), opacity(290, 130)].map(|opacity| opacity > 200);
        assert_eq!(found, wanted, "{marked}");
        assert!(opacity(200, 130) < 50 && opacity(20, 20) < 50);
    }
}

#[tokio::test]
async fn filters_that_look_at_the_whole_get_it_reduced() {
    let mut scene = Scene::new(smooth(1700, 1300, 0.0), None);
    let answer = preview(&mut scene, json!({"filter": "auto-enhance", "x": 3, "y": 3})).await.unwrap();
    assert_eq!((answer["view"].as_str(), area(&answer)), (Some("whole"), [0, 0, 1700, 1300]));
    assert_eq!((answer["width"].as_u64(), answer["height"].as_u64()), (Some(320), Some(245)));
    assert_eq!(scene.read, [[0, 0, 1700, 1300]]);
    assert_ne!(answer["after"], answer["before"]);
    assert!(!answer["notes"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_layer_alone_comes_without_running_or_measuring() {
    let mut scene = Scene::new(smooth(900, 700, 20.0), None);
    let answer = preview(&mut scene, json!({"filter": "denoise", "run": false})).await.unwrap();
    assert_eq!((&answer["after"], &answer["measured"], scene.read.len()), (&Value::Null, &json!({}), 1));
    assert_eq!(picture(&answer, "before"), cut(&scene.layer, area(&answer)));
    let answer = preview(&mut scene, json!({"filter": "oil-painting", "run": false})).await.unwrap();
    assert_eq!(answer["measured"]["brush"].as_f64().map(|brush| brush.round()), Some(19.0), "from the whole's size");
}

#[tokio::test]
async fn a_selection_limits_what_is_seen_to_change() {
    let mut scene = Scene::new(smooth(500, 400, 20.0), Some([200, 150, 60, 40]));
    let params = json!({"filter": "denoise", "parameters": {"strength": 60}, "width": 100, "height": 100});
    let answer = preview(&mut scene, params).await.unwrap();
    let ([left, top, ..], before, after) = (area(&answer), picture(&answer, "before"), picture(&answer, "after"));
    assert_eq!([left, top], [180, 120]);
    let (before, after) = (before.to_raster(), after.to_raster());
    let mut changed = 0;
    for (x, y) in (0..100).flat_map(|y| (0..100).map(move |x| (x, y))) {
        let same = before.pixel(x, y) == after.pixel(x, y);
        assert!(same || scene.selected(left + x, top + y), "({x}, {y}) is not selected");
        changed += usize::from(!same);
    }
    assert!(changed > 2000, "{changed} pixels");
}

#[tokio::test]
async fn a_part_beside_the_selection_stays_as_it_is() {
    let mut scene = Scene::new(smooth(1500, 400, 20.0), Some([0, 0, 40, 40]));
    let params = json!({"filter": "denoise", "parameters": {"strength": 60}, "x": 1300, "y": 300});
    let answer = preview(&mut scene, params).await.unwrap();
    assert!(area(&answer)[0] > 1000);
    assert_eq!(answer["after"], answer["before"]);
}

#[tokio::test]
async fn a_zoomed_part_comes_pixel_by_pixel_or_smaller() {
    let mut scene = Scene::new(smooth(1500, 1000, 20.0), None);
    let zoomed = |zoom: f64| json!({"filter": "denoise", "parameters": {"strength": 60}, "width": 600, "zoom": zoom});
    let near = preview(&mut scene, zoomed(4.0)).await.unwrap();
    assert_eq!((area(&near)[2..].to_vec(), &near["width"], &near["height"]), (vec![150, 80], &json!(150), &json!(80)));
    assert_eq!((picture(&near, "before"), &near["zoom"]), (cut(&scene.layer, area(&near)), &json!(4.0)));
    let far = preview(&mut scene, zoomed(0.5)).await.unwrap();
    assert_eq!((area(&far)[2..].to_vec(), &far["width"], &far["height"]), (vec![1200, 640], &json!(600), &json!(320)));
    assert_ne!(far["after"], far["before"]);
}

#[tokio::test]
async fn what_cannot_be_previewed_says_why_and_reads_nothing() {
    let mut scene = Scene::new(super::picture(40, 30), None);
    for (params, part) in [
        (json!({"filter": "remove-object"}), "nothing is selected"),
        (json!({"filter": "style-from-image"}), "style"),
        (json!({"filter": "denoise", "parameters": {"strength": 101}}), "`strength` is `101`"),
        (json!({"filter": "denoise", "measured": {"strength": -1}}), "`strength` is `-1`"),
        (json!({"filter": "denoise", "width": 1025}), "1025"),
        (json!({"filter": "no-such"}), "no-such"),
    ] {
        let error = preview(&mut scene, params.clone()).await.unwrap_err();
        assert!(error.message.contains(part), "{params}: {error}");
    }
    assert!(scene.read.is_empty());
}

#[tokio::test]
async fn a_preview_that_nobody_wants_any_more_ends() {
    let mut scene = Scene::new(smooth(900, 700, 0.0), None);
    let cancel = CancellationToken::new();
    scene.cancel_at_read = Some(cancel.clone());
    let error = ask(&mut scene, json!({"filter": "oil-painting"}), &cancel).await.unwrap_err();
    assert_eq!(error.kind, Kind::Cancelled);
}
