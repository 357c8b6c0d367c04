//! Pictures that begin from a picture, whole or behind a mask, by each protocol.

use super::Daemon;
use super::edits::{Begun, repaint};
use super::painter::{Fault, Painter};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;
use gimp_bridge::config::Config;
use gimp_bridge::error::{Error, Kind};
use gimp_bridge::generate::{Generator, Made, Needs, Request, Source, Wanted};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use serde_json::{Value, json};
use std::io::Cursor;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SIZE: (u32, u32) = (320, 200);

pub const FLOWS: [(&str, &str); 3] = [
    (
        "flow.json",
        r#"{"1": {"class_type": "Painter", "inputs":
        {"text": "{{prompt}}", "width": "{{width}}", "height": "{{height}}", "seed": "{{seed}}", "steps": "{{steps}}"}}}"#,
    ),
    (
        "image.json",
        r#"{"1": {"class_type": "Repainter", "inputs": {"text": "{{prompt}}", "width": "{{width}}", "height": "{{height}}",
        "seed": "{{seed}}", "steps": "{{steps}}", "denoise": "{{strength}}", "pixels": ["2", 0]}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}}}"#,
    ),
    (
        "mask.json",
        r#"{"1": {"class_type": "Repainter", "inputs": {"text": "{{prompt}}", "width": "{{width}}", "height": "{{height}}",
        "seed": "{{seed}}", "steps": "{{steps}}", "denoise": "{{strength}}", "pixels": ["2", 0], "mask": ["3", 0]}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}},
        "3": {"class_type": "LoadImageMask", "inputs": {"image": "{{mask}}", "channel": "red"}}}"#,
    ),
];

/// A declaration for each protocol, with the seed that its stand-in uses for 11 and whether it takes a strength.
pub fn protocols(url: &str) -> [(&'static str, String, u64, bool); 5] {
    let both = "image_to_image = true\nmasks = true";
    [
        ("a1111", format!("kind = \"a1111\"\nurl = \"{url}\""), 11, true),
        ("openai", format!("kind = \"openai\"\nurl = \"{url}/v1\""), 5, false),
        (
            "comfyui",
            format!(
                "kind = \"comfyui\"\nurl = \"{url}\"\nworkflow = \"flow.json\"\nimage_workflow = \"image.json\"\n\
                 mask_workflow = \"mask.json\""
            ),
            11,
            true,
        ),
        ("kserve-v1", format!("kind = \"kserve-v1\"\nurl = \"{url}/v1/models/stable-diffusion\"\n{both}"), 11, true),
        ("oip-v2", format!("kind = \"oip-v2\"\nurl = \"{url}\"\nmodel = \"sd\"\n{both}"), 11, true),
    ]
}

/// The rooms behind the doors, with the pictures that the doors make of a layer and a selection.
struct Here {
    generator: Generator,
    _folder: tempfile::TempDir,
}

impl Here {
    fn new(declaration: &str, set: impl FnOnce(&mut Config)) -> Here {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backends.toml");
        std::fs::write(&file, format!("[[backend]]\nname = \"b\"\n{declaration}\n")).unwrap();
        for (name, flow) in FLOWS {
            std::fs::write(folder.path().join(name), flow).unwrap();
        }
        let mut config = Config::default();
        config.storage.path = folder.path().join("images");
        config.generate.retries = 1;
        config.generate.backends = Some(file);
        set(&mut config);
        Here { generator: Generator::new(&config).unwrap(), _folder: folder }
    }

    async fn make(&self, wanted: Wanted) -> Result<Made, Error> {
        self.generator.generate(wanted, Arc::new(|_, _| {})).await
    }

    async fn picture(&self, made: &Made) -> RgbImage {
        let (_, bytes) = self.generator.store().bytes(made.records[0].image_id, Utc::now()).await.unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }
}

pub fn png(picture: impl Into<DynamicImage>) -> Bytes {
    let mut bytes = Vec::new();
    picture.into().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes.into()
}

pub fn photo() -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgb([(x / 2) as u8, y as u8, ((x * y) % 251) as u8]))
}

/// White in a part that lies in no corner and is symmetric to nothing.
pub fn mask() -> GrayImage {
    GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        Luma([if (40..170).contains(&x) && (90..185).contains(&y) { 255 } else { 0 }])
    })
}

fn wanted(mask: Option<GrayImage>, strength: f64) -> Wanted {
    let source = Source { image: png(photo()), mask: mask.map(png), strength };
    Wanted {
        request: Request {
            prompt: "a lake".into(),
            negative_prompt: None,
            width: SIZE.0,
            height: SIZE.1,
            num_inference_steps: 8,
            guidance_scale: 4.0,
            seed: Some(11),
            model: None,
            source: Some(Arc::new(source)),
        },
        count: 1,
        backend: None,
        client: "test".into(),
        limit: Duration::from_secs(60),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_paints_from_a_picture_and_only_where_the_mask_is_white() {
    let painter = Painter::start().await;
    for (kind, declaration, seed, takes_strength) in protocols(&painter.url) {
        let here = Here::new(&declaration, |_| {});
        for masked in [false, true] {
            let made =
                here.make(wanted(masked.then(mask), 0.5)).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            let strength = if takes_strength { 0.5 } else { 1.0 };
            let begun = Begun { image: photo(), mask: masked.then(mask), strength };
            let (seen, expected) = (here.picture(&made).await, repaint(&begun, "a lake", seed));
            assert!(seen == expected, "{kind}, masked: {masked}");
            let (before, mask) = (photo(), mask());
            let outside =
                |(at, pixel): (&image::Luma<u8>, (&Rgb<u8>, &Rgb<u8>))| (at.0[0] == 0).then_some(pixel.0 == pixel.1);
            let mut kept = mask.pixels().zip(seen.pixels().zip(before.pixels())).filter_map(outside);
            assert_eq!(kept.all(|same| same), masked, "{kind}: what is not white stays");
            assert_eq!(
                made.notes.join("; ").contains("takes no strength"),
                !takes_strength,
                "{kind}: {:?}",
                made.notes
            );
            let told = &made.records[0].parameters;
            assert_eq!(told["begun_from"], if masked { "image and mask" } else { "image" });
            assert_eq!(told["strength"], 0.5);
        }
        let can = here.generator.chosen(None, None, Needs::Mask, true).unwrap().can;
        assert!(can.image_to_image && can.masks && can.strength == takes_strength, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strength_goes_from_nothing_to_all() {
    let painter = Painter::start().await;
    let here = Here::new(&format!("kind = \"a1111\"\nurl = \"{}\"", painter.url), |_| {});
    for strength in [0.0, 0.25, 1.0] {
        let made = here.make(wanted(None, strength)).await.unwrap();
        let seen = here.picture(&made).await;
        assert_eq!(seen == photo(), strength == 0.0);
        assert!(seen == repaint(&Begun { image: photo(), mask: None, strength }, "a lake", 11));
    }
    let refused = here.make(wanted(None, 1.5)).await.unwrap_err();
    assert!(refused.kind == Kind::InvalidArgument && refused.message.contains("from 0 to 1"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_the_protocols_know() {
    let painter = Painter::start().await;
    let [a1111, openai, comfyui, ..] = protocols(&painter.url);
    Here::new(&a1111.1, |_| {}).make(wanted(Some(mask()), 0.5)).await.unwrap();
    let (path, mut sent) = painter.requests().remove(0);
    let pictures = ["init_images", "mask"].map(|name| sent.as_object_mut().unwrap().remove(name).unwrap());
    assert_eq!(pictures, [json!([STANDARD.encode(png(photo()))]), json!(STANDARD.encode(png(mask())))]);
    let plain = json!({"prompt": "a lake", "width": 320, "height": 200, "steps": 8, "cfg_scale": 4.0, "seed": 11,
        "denoising_strength": 0.5, "inpainting_fill": 1, "inpaint_full_res": false, "inpainting_mask_invert": 0, "mask_blur": 0});
    assert_eq!((path.as_str(), sent), ("img2img", plain));
    // What the user declares goes before what we would send.
    let own = format!("{}\nextra = {{inpainting_fill = 2}}", a1111.1);
    Here::new(&own, |_| {}).make(wanted(Some(mask()), 0.5)).await.unwrap();
    assert_eq!(painter.requests()[0].1["inpainting_fill"], 2);

    let own =
        format!("{}\nmodel = \"dall-e-2\"\nlimits = {{width = [64, 2048]}}\nextra = {{quality = \"high\"}}", openai.1);
    let edits = Here::new(&own, |_| {});
    edits.make(wanted(Some(mask()), 1.0)).await.unwrap();
    let plain = json!({"quality": "high", "prompt": "a lake", "n": "1", "size": "320x200", "model": "dall-e-2"});
    assert_eq!(painter.requests(), [("edits".to_owned(), plain)]);

    // Variants share what they begin from: the same file under the same name.
    let flow = Here::new(&comfyui.1, |_| {});
    flow.make(Wanted { count: 2, ..wanted(Some(mask()), 0.5) }).await.unwrap();
    let requests = painter.requests();
    let mut uploads: Vec<&Value> = requests.iter().filter(|(path, _)| path == "upload").map(|(_, name)| name).collect();
    assert_eq!(uploads.len(), 4);
    uploads.sort_by_key(|name| name.to_string());
    uploads.dedup();
    assert_eq!(uploads.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_is_not_asked_and_those_that_can_are_named() {
    let painter = Painter::start().await;
    let words = format!("kind = \"kserve-v1\"\nurl = \"{}/v1/models/stable-diffusion\"", painter.url);
    let alone = Here::new(&words, |_| {});
    let refused = alone.make(wanted(Some(mask()), 1.0)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unsupported);
    assert!(refused.message.contains("`b` paints no part of a picture"), "{refused:?}");
    assert!(refused.hint.unwrap().contains("docs/generation.md"));
    let both = format!("{words}\n[[backend]]\nname = \"spare\"\nkind = \"a1111\"\nurl = \"{}\"", painter.url);
    let here = Here::new(&both, |_| {});
    let named = Wanted { backend: Some("b".into()), ..wanted(None, 1.0) };
    let refused = here.make(named).await.unwrap_err();
    assert!(refused.message.contains("begins from no picture"), "{refused:?}");
    assert_eq!(refused.hint.unwrap(), "these can: spare; give `backend`");
    assert!(painter.requests().is_empty());
    // In the order, the one that cannot is passed over.
    let here = Here::new(&both, |config| config.generate.order = vec!["b".into(), "spare".into()]);
    let made = here.make(wanted(None, 1.0)).await.unwrap();
    assert_eq!(made.records[0].parameters["backend"], "spare");
    assert_eq!(here.generator.chosen(None, None, Needs::Words, true).unwrap().backend, "b");
    assert_eq!(here.generator.chosen(None, None, Needs::Picture, true).unwrap().backend, "spare");
    // A declaration takes away what the protocol could do.
    let off = Here::new(&format!("kind = \"a1111\"\nurl = \"{}\"\nmasks = false", painter.url), |_| {});
    assert!(off.generator.chosen(None, None, Needs::Picture, true).is_ok());
    assert!(off.generator.chosen(None, None, Needs::Mask, true).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_prompt_nobody_is_asked_who_wants_one() {
    let painter = Painter::start().await;
    let wordless = || {
        let mut wanted = wanted(None, 0.5);
        wanted.request.prompt.clear();
        wanted
    };
    for (kind, declaration, seed, takes_strength) in protocols(&painter.url) {
        let here = Here::new(&declaration, |_| {});
        let can = here.generator.chosen(None, None, Needs::Picture, true).unwrap().can;
        assert_eq!(can.without_words, ["a1111", "comfyui"].contains(&kind), "{kind}");
        let (here, declared) = if can.without_words {
            (here, "")
        } else {
            let refused = here.make(wordless()).await.unwrap_err();
            assert_eq!(
                (refused.kind, &refused.details["reason"]),
                (Kind::InvalidArgument, &json!("words_needed")),
                "{kind}"
            );
            assert!(refused.message.contains("without words") && painter.requests().is_empty(), "{kind}: {refused:?}");
            (Here::new(&format!("{declaration}\nwithout_words = true"), |_| {}), "declared to")
        };
        let made = here.make(wordless()).await.unwrap_or_else(|error| panic!("{kind} {declared}: {error:?}"));
        let strength = if takes_strength { 0.5 } else { 1.0 };
        let expected = repaint(&Begun { image: photo(), mask: None, strength }, "", seed);
        assert!(here.picture(&made).await == expected, "{kind} {declared}");
        painter.requests();
    }
    // In the order, the one that wants words is passed over, and its size is not taken.
    let both = format!(
        "kind = \"openai\"\nurl = \"{0}/v1\"\nmodel = \"gpt-image-1\"\n[[backend]]\nname = \"spare\"\nkind = \"a1111\"\nurl = \"{0}\"",
        painter.url
    );
    let here = Here::new(&both, |config| config.generate.order = vec!["b".into(), "spare".into()]);
    assert_eq!(here.generator.chosen(None, None, Needs::Picture, false).unwrap().backend, "spare");
    assert_eq!(here.make(wordless()).await.unwrap().records[0].parameters["backend"], "spare");
    let alone = Here::new(&both, |config| config.generate.order = vec!["b".into()]);
    let refused = alone.generator.chosen(None, None, Needs::Picture, false).unwrap_err();
    assert_eq!(
        refused.hint.unwrap(),
        "say in `prompt` what the picture is to become; these can: spare; give `backend`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_otherwise_for_a_model_is_listed_with_the_size_that_suits_it() {
    let painter = Painter::start().await;
    let declaration = format!(
        "kind = \"openai\"\nurl = \"{}/v1\"\nmodel = \"gpt-image-1\"\n[backend.models.dall-e-3]\n[backend.models.flux]\n\
         native = 1024\n[backend.models.gpt-image-1-mini]\n",
        painter.url
    );
    let here = Here::new(&declaration, |_| {});
    let told = here.generator.backends(Some((3000, 2000))).await.remove(0);
    assert_eq!((&told["size"], &told["can"]["masks"]), (&json!([1536, 1024]), &json!(true)), "{told}");
    let own = &told["of_models"];
    assert_eq!(
        (&own["dall-e-3"]["size"], &own["dall-e-3"]["can"]["masks"]),
        (&json!([1792, 1024]), &json!(false)),
        "{own}"
    );
    assert_eq!(
        (&own["flux"]["size"], &own["flux"]["limits"]),
        (&json!([1256, 840]), &json!({"native": 1024})),
        "{own}"
    );
    assert!(own["gpt-image-1-mini"].is_null(), "like the usual one: {own}");
    assert!(here.generator.backends(None).await[0]["size"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_own_models_are_known_before_they_are_asked() {
    let painter = Painter::start().await;
    let here = Here::new(&format!("kind = \"openai\"\nurl = \"{}/v1\"\nmodel = \"gpt-image-1\"", painter.url), |_| {});
    let chosen = |model, needs| here.generator.chosen(None, model, needs, true);
    let first = chosen(None, Needs::Mask).unwrap();
    assert_eq!(first.limits.size_for(300, 200), (1536, 1024));
    assert_eq!(chosen(Some("dall-e-2"), Needs::Mask).unwrap().limits.size_for(300, 290), (512, 512));
    assert!(chosen(Some("dall-e-2"), Needs::Picture).unwrap_err().message.contains("with the model `dall-e-2`"));
    assert!(chosen(Some("dall-e-3"), Needs::Mask).is_err() && chosen(Some("dall-e-3"), Needs::Words).is_ok());
    assert!(chosen(Some("flux"), Needs::Picture).unwrap().limits.sizes.is_none());
    let refused = here.make(wanted(None, 1.0)).await.unwrap_err();
    assert!(refused.message.contains("one of 1024 x 1024, 1536 x 1024, 1024 x 1536"), "{refused:?}");
    assert!(painter.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_told_by_every_protocol() {
    let painter = Painter::start().await;
    for (kind, declaration, seed, _) in protocols(&painter.url) {
        let here = Here::new(&format!("{declaration}\ntimeout = 20"), |config| config.images.max_size = 1 << 20);
        let expected = repaint(&Begun { image: photo(), mask: Some(mask()), strength: 1.0 }, "a lake", seed);
        // What goes well in between keeps the breaker closed.
        for (fault, told) in [
            (Fault::Status(503, "loading"), Ok("")),
            (Fault::Status(500, "{\"error\": \"CUDA out of memory\"}"), Err("answers 500: CUDA out of memory")),
            (Fault::Status(400, "{\"error\": \"bad words\"}"), Err("answers 400: bad words")),
            (Fault::Body("<html>hello</html>"), Err("answers ")),
            (Fault::Status(429, "slow down"), Ok("")),
            (Fault::Body("{\"predictions\": [\"not base64!\"], \"images\": [\"not base64!\"]}"), Err("answers ")),
            (Fault::NoPicture, Err("picture that is no base64|bytes that are no picture")),
            (Fault::Cut, Err("cut short")),
            (Fault::BrokenOff, Ok("")),
            (Fault::Endless, Err("answers more than")),
            (Fault::Larger, Ok("made 640 x 400 pixels instead of 320 x 200")),
        ] {
            painter.fail([fault.clone()]);
            match (here.make(wanted(Some(mask()), 1.0)).await, told) {
                (Ok(made), Ok(note)) => {
                    assert!(made.notes.join("; ").contains(note), "{kind}, {fault:?}: {:?}", made.notes);
                    assert!(!note.is_empty() || here.picture(&made).await == expected, "{kind}, {fault:?}");
                }
                (Err(error), Err(what)) => {
                    let says = what.split('|').any(|what| error.message.contains(what));
                    assert!(says, "{kind}, {fault:?}: {error:?}");
                    assert!(error.hint.is_some(), "{kind}, {fault:?}: {error:?}");
                }
                (outcome, _) => panic!("{kind}, {fault:?}: {outcome:?}"),
            }
        }
        let slow = Here::new(&format!("{declaration}\ntimeout = 1"), |_| {});
        painter.fail([Fault::Hang]);
        let error = slow.make(wanted(Some(mask()), 1.0)).await.unwrap_err();
        assert!(error.kind == Kind::Timeout && error.message.contains("1 s"), "{kind}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_knows_no_seed_paints_without_it_and_one_that_knows_no_mask_does_not_paint() {
    let painter = Painter::start().await;
    let declaration = protocols(&painter.url)[3].1.clone();
    let here = Here::new(&declaration, |_| {});
    painter.fail([Fault::Unknown("seed")]);
    let made = here.make(wanted(Some(mask()), 1.0)).await.unwrap();
    assert!(made.notes.join("; ").contains("does not know `seed`") && made.records[0].parameters["seed"].is_null());
    let requests = painter.requests();
    assert!(requests.len() == 2 && requests[1].1.get("seed").is_none() && requests[1].1["mask_image"].is_string());
    for name in ["mask_image", "image"] {
        painter.fail([Fault::Unknown(name)]);
        let error = here.make(wanted(Some(mask()), 1.0)).await.unwrap_err();
        assert!(error.message.contains(name) && painter.requests().len() == 1, "{error:?}");
    }
    // Under names of the model's own, the stand-in does not know them.
    let renamed = Here::new(&format!("{declaration}\nrequest = {{image = \"init\", strength = \"\"}}"), |_| {});
    let error = renamed.make(wanted(None, 0.5)).await.unwrap_err();
    assert!(error.message.contains("unknown parameter init"), "{error:?}");
    assert!(painter.requests()[0].1.get("strength").is_none());
}

/// Pictures of another kind, size or channel never leave.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_of_the_requests_size_is_not_sent() {
    let painter = Painter::start().await;
    let here = Here::new(&protocols(&painter.url)[0].1, |_| {});
    let mut other = wanted(Some(GrayImage::new(32, 20)), 1.0);
    assert_eq!(here.make(other.clone()).await.unwrap_err().kind, Kind::Internal);
    other.request.source = Some(Arc::new(Source { image: Bytes::from_static(b"GIF89a"), mask: None, strength: 1.0 }));
    assert_eq!(here.make(other).await.unwrap_err().kind, Kind::Internal);
    assert!(painter.requests().is_empty());
}

/// How far it was said to be, in turn.
async fn followed(here: &Here, wanted: Wanted) -> (Made, Vec<f64>) {
    let shares = Arc::new(Mutex::new(Vec::new()));
    let told = shares.clone();
    let made =
        here.generator.generate(wanted, Arc::new(move |share, _| told.lock().unwrap().push(share))).await.unwrap();
    let mut shares = shares.lock().unwrap().clone();
    shares.dedup();
    (made, shares)
}

#[tokio::test(flavor = "multi_thread")]
async fn comfyui_tells_every_step_and_its_history_alone_will_do() {
    let painter = Painter::start().await;
    let here = Here::new(&protocols(&painter.url)[2].1, |_| {});
    let (_, shares) = followed(&here, wanted(Some(mask()), 0.5)).await;
    // Three nodes, of which one has eight steps.
    let expected: Vec<f64> =
        (1..=8).map(|step| (2.0 + f64::from(step)) / 10.0).map(|share| f64::min(share, 0.99)).collect();
    let found = |share: &f64| shares.iter().any(|seen| (seen - share).abs() < 1e-9);
    assert!(expected.iter().all(found) && shares.is_sorted() && shares.last() == Some(&1.0), "{shares:?}");
    assert!(painter.shared.seen.lock().unwrap().looks <= 2, "what is told need not be asked for");

    painter.shared.sockets.store(false, Ordering::Relaxed);
    let (made, shares) = followed(&here, wanted(None, 0.5)).await;
    assert!(here.picture(&made).await == repaint(&Begun { image: photo(), mask: None, strength: 0.5 }, "a lake", 11));
    assert_eq!(shares, [1.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn comfyui_whose_websocket_breaks_off_is_followed_by_its_history() {
    let painter = Painter::with(None, false, Some(2)).await;
    let here = Here::new(&protocols(&painter.url)[2].1, |_| {});
    let breaking = async {
        let client = loop {
            let requests = painter.shared.seen.lock().unwrap().requests.clone();
            if let Some((_, body)) = requests.iter().find(|(path, _)| path == "comfyui") {
                break body["client_id"].clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        painter.shared.listeners.send(json!({"type": "close", "client": client})).unwrap();
        painter.shared.gate.as_ref().unwrap().add_permits(20);
    };
    let ((made, shares), ()) = tokio::join!(followed(&here, wanted(None, 0.5)), breaking);
    assert_eq!(made.records.len(), 1);
    assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_asked_for_by_name_and_the_picture_is_found_among_several() {
    let painter = Painter::start().await;
    let declared = |model: &str, more: &str| {
        format!(
            "kind = \"oip-v2\"\nurl = \"{}\"\nmodel = \"{model}\"\nimage_to_image = true\nmasks = true\n{more}",
            painter.url
        )
    };
    let expected = repaint(&Begun { image: photo(), mask: Some(mask()), strength: 1.0 }, "a lake", 11);
    for (model, more) in [
        ("several", ""),
        ("several", "extra = {binary_data_output = false}"),
        ("several", "answer = \"image\"\nseed_answer = \"seed\""),
        ("plain", "answer = \"image\"\nseed_answer = \"seed\""),
    ] {
        let here = Here::new(&declared(model, more), |_| {});
        let made =
            here.make(wanted(Some(mask()), 1.0)).await.unwrap_or_else(|error| panic!("{model}, {more}: {error:?}"));
        assert!(here.picture(&made).await == expected, "{model}, {more}");
        assert_eq!(made.records[0].parameters["seed"], 11, "{model}, {more}");
        let sent = painter.requests().remove(0).1;
        let named = json!([{"name": "image", "parameters": {"binary_data": true}}, {"name": "seed", "parameters": {"binary_data": false}}]);
        assert_eq!(sent.get("outputs"), more.starts_with("answer").then_some(&named));
    }
    let here = Here::new(&declared("several", "answer = \"caption\""), |_| {});
    let error = here.make(wanted(Some(mask()), 1.0)).await.unwrap_err();
    assert!(error.message.contains("no base64"), "{error:?}");
    let here = Here::new(&declared("several", "answer = \"picture\""), |_| {});
    let error = here.make(wanted(Some(mask()), 1.0)).await.unwrap_err();
    assert!(error.message.contains("unexpected inference output 'picture'"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_can_is_listed() {
    let painter = Painter::start().await;
    let daemon = Daemon::start(|config, folder| {
        let all = protocols(&painter.url)
            .map(|(name, declaration, ..)| format!("[[backend]]\nname = \"{name}\"\n{declaration}\n"));
        let file = folder.join("backends.toml");
        std::fs::write(&file, all.concat()).unwrap();
        FLOWS.iter().for_each(|(name, flow)| std::fs::write(folder.join(name), flow).unwrap());
        config.generate.backends = Some(file);
        config.kserve.endpoint = Some(painter.kserve());
    })
    .await;
    let told = daemon.mcp("list_generation_backends", json!({})).await["structuredContent"]["backends"].clone();
    for backend in told.as_array().unwrap() {
        let can = backend["name"] != "kserve";
        assert_eq!(
            (&backend["can"]["image_to_image"], &backend["can"]["masks"]),
            (&json!(can), &json!(can)),
            "{backend}"
        );
        assert_eq!(
            backend["can"]["progress"] == true,
            ["a1111", "comfyui"].contains(&backend["name"].as_str().unwrap())
        );
    }
    assert_eq!(told.as_array().unwrap().len(), 6);
}
