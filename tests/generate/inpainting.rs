//! ai_inpainting with a prompt, through the daemon: what arrives at each kind of backend, and what comes back.

use super::Daemon;
use super::edits::{Begun, repaint};
use super::from_picture::{FLOWS, SIZE, mask, photo, png, protocols};
use super::painter::Painter;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, GrayImage, Luma, RgbImage, Rgba};
use serde_json::{Value, json};

/// A daemon with this backend, which paints pictures of our size only.
async fn daemon(declaration: &str) -> Daemon {
    let text = format!("[[backend]]\nname = \"b\"\n{declaration}\nlimits = {{sizes = [[{}, {}]]}}\n", SIZE.0, SIZE.1);
    Daemon::start(|config, folder| {
        let file = folder.join("backends.toml");
        std::fs::write(&file, text).unwrap();
        FLOWS.iter().for_each(|(name, flow)| std::fs::write(folder.join(name), flow).unwrap());
        config.generate.backends = Some(file);
    })
    .await
}

/// With so much context that all of the picture is sent.
fn wanted(picture: impl Into<DynamicImage>, mask: GrayImage) -> Value {
    json!({"prompt": "a lake", "seed": 11, "strength": 0.75, "context_margin": 1,
        "image_data": STANDARD.encode(png(picture)), "mask_data": STANDARD.encode(png(mask))})
}

async fn filled(daemon: &Daemon, wanted: Value) -> (Value, DynamicImage) {
    let answer = daemon.rpc("ai_inpainting", wanted).await["result"].clone();
    assert_eq!(answer["success"], true, "{answer}");
    let bytes = STANDARD.decode(answer["image_data"].as_str().unwrap()).unwrap();
    let picture = image::load_from_memory(&bytes).unwrap();
    (answer, picture)
}

fn begun(painter: &Painter) -> Begun {
    let mut begun = std::mem::take(&mut painter.shared.seen.lock().unwrap().begun);
    assert_eq!(begun.len(), 1);
    begun.remove(0)
}

/// Most that a channel differs, where the mask is white and where it is black.
fn off(one: &RgbImage, other: &RgbImage, mask: &GrayImage) -> [u8; 2] {
    let mut most = [0, 0];
    for ((one, other), at) in one.pixels().zip(other.pixels()).zip(mask.pixels()) {
        let off = one.0.iter().zip(other.0).map(|(one, other)| one.abs_diff(other)).max().unwrap();
        let place = usize::from(at.0[0] == 0);
        most[place] = off.max(most[place]);
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_gets_the_picture_and_the_mask_that_were_sent() {
    let painter = Painter::start().await;
    for (kind, declaration, seed, takes_strength) in protocols(&painter.url) {
        let daemon = daemon(&declaration).await;
        let (answer, picture) = filled(&daemon, wanted(photo(), mask())).await;
        let arrived = begun(&painter);
        assert!(arrived.image == photo(), "{kind}: another picture");
        assert!(arrived.mask.as_ref() == Some(&mask()), "{kind}: another mask");
        let strength = if takes_strength { 0.75 } else { 1.0 };
        assert_eq!(arrived.strength, strength, "{kind}");
        let expected = repaint(&Begun { image: photo(), mask: Some(mask()), strength }, "a lake", seed);
        let [inside, outside] = off(&picture.into_rgb8(), &expected, &mask());
        assert!(inside <= 1 && outside == 0, "{kind}: {inside}, {outside}");
        // What the backend made is stored as it came.
        let stored = daemon.get(answer["url"].as_str().unwrap()).await.body;
        assert!(image::load_from_memory(&stored).unwrap().into_rgb8() == expected, "{kind}");
        assert_eq!(answer["metadata"]["begun_from"], "image and mask", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_mask_arrives_as_all_that_it_touches_and_what_is_transparent_as_grey() {
    let painter = Painter::start().await;
    let mut soft = mask();
    (40..170).for_each(|x| soft.put_pixel(x, 90, Luma([40])));
    let mut clear = DynamicImage::from(photo()).into_rgba8();
    (0..SIZE.0).for_each(|x| clear.put_pixel(x, 5, Rgba([200, 10, 10, 0])));
    for (kind, declaration, ..) in protocols(&painter.url) {
        let daemon = daemon(&declaration).await;
        let (_, picture) = filled(&daemon, wanted(clear.clone(), soft.clone())).await;
        let arrived = begun(&painter);
        assert!(arrived.mask.as_ref() == Some(&mask()), "{kind}: half of it is all of it to a model");
        let is_grey = |x| arrived.image.get_pixel(x, 5).0.iter().all(|value| value.abs_diff(128) <= 1);
        assert!((0..SIZE.0).all(is_grey), "{kind}: {:?}", arrived.image.get_pixel(9, 5));
        let picture = picture.into_rgba8();
        assert_eq!(picture.get_pixel(9, 5), clear.get_pixel(9, 5), "{kind}: it stays transparent");
        let before = photo();
        let off = |x: u32, y: u32| -> u32 {
            let lanes = picture.get_pixel(x, y).0.into_iter().zip(before.get_pixel(x, y).0);
            lanes.map(|(now, before)| u32::from(now.abs_diff(before))).sum()
        };
        let moved = |y: u32| -> u32 { (40..170).map(|x| off(x, y)).sum() };
        assert!(moved(90) > 0 && moved(90) * 3 < moved(91), "{kind}: the edge is soft: {}, {}", moved(90), moved(91));
    }
}
