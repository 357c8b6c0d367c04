//! Everyday requests to the assistant: the operation that answers each, and the range of each parameter.

use gimp_bridge::assistant::{Knowledge, Reply, suggest, suggest_after};
use serde_json::{Value, json};

/// An 800x600 photo of that mean brightness and contrast.
fn analysis(brightness: f64, contrast: f64) -> Value {
    json!({
        "dimensions": {"width": 800, "height": 600, "aspect_ratio": 1.33},
        "color_analysis": {"average_color": {"rgb": [120, 110, 100], "hex": "#786e64"}, "brightness": brightness,
            "contrast": contrast, "is_grayscale": false, "dominant_colors": ["Gray"]}
    })
}

fn ask(message: &str) -> Reply {
    let analysis = analysis(120.0, 50.0);
    suggest(message, Knowledge { image_state: None, analysis: Some(&analysis) })
}

/// What a parameter must be.
enum Want {
    Is(Value),
    From(f64, f64),
}
use Want::{From, Is};

fn number(value: f64) -> Want {
    From(value - 0.6, value + 0.6)
}

fn text(value: &str) -> Want {
    Is(json!(value))
}

type Step = (&'static str, Vec<(&'static str, Want)>);

fn requests() -> Vec<(&'static str, Vec<Step>)> {
    let bc = "adjust_brightness_contrast";
    let hs = "adjust_hue_saturation";
    vec![
        ("reduce the saturation by half", vec![(hs, vec![("saturation", number(-50.0))])]),
        ("resize to 1080p", vec![("resize_image", vec![("width", number(1440.0)), ("height", number(1080.0))])]),
        (
            "make a thumbnail 200px wide",
            vec![("resize_image", vec![("width", number(200.0)), ("height", number(150.0))])],
        ),
        (
            "add a red border of 10 pixels",
            vec![("resize_canvas", vec![("width", number(820.0)), ("height", number(620.0)), ("fill", text("red"))])],
        ),
        ("remove the red eyes", vec![("apply_gegl_operation", vec![("operation", text("gegl:red-eye-removal"))])]),
        ("Make this image brighter", vec![(bc, vec![("brightness", From(10.0, 50.0)), ("contrast", number(0.0))])]),
        ("make it a bit darker", vec![(bc, vec![("brightness", From(-25.0, -3.0))])]),
        ("The photo is much too dark!", vec![(bc, vec![("brightness", From(20.0, 127.0))])]),
        ("it's too bright", vec![(bc, vec![("brightness", From(-80.0, -5.0))])]),
        ("brightness +40", vec![(bc, vec![("brightness", number(40.0))])]),
        ("increase the brightness by 20 %", vec![(bc, vec![("brightness", number(20.0))])]),
        ("More contrast please", vec![(bc, vec![("contrast", From(5.0, 60.0)), ("brightness", number(0.0))])]),
        ("reduce the contrast slightly", vec![(bc, vec![("contrast", From(-20.0, -2.0))])]),
        ("The colours look washed out", vec![(bc, vec![("contrast", From(5.0, 60.0))])]),
        (
            "Increase brightness and contrast",
            vec![(bc, vec![("brightness", From(5.0, 60.0)), ("contrast", From(5.0, 60.0))])],
        ),
        ("make the colors more vivid", vec![(hs, vec![("saturation", From(10.0, 60.0))])]),
        ("less saturated", vec![(hs, vec![("saturation", From(-60.0, -5.0))])]),
        ("The colours are too dull", vec![(hs, vec![("saturation", From(5.0, 60.0))])]),
        ("shift the hue by 90 degrees", vec![(hs, vec![("hue", number(90.0))])]),
        ("make it warmer", vec![("adjust_color_temperature", vec![("warmth", From(5.0, 100.0))])]),
        ("It looks too yellow", vec![("adjust_color_temperature", vec![("warmth", From(-100.0, -5.0))])]),
        ("a little cooler", vec![("adjust_color_temperature", vec![("warmth", From(-30.0, -2.0))])]),
        ("raise the exposure by 1.5 stops", vec![("adjust_exposure", vec![("exposure", number(1.5))])]),
        ("lift the shadows", vec![("adjust_shadows_highlights", vec![("shadows", From(5.0, 100.0))])]),
        ("recover the highlights", vec![("adjust_shadows_highlights", vec![("highlights", From(-100.0, -5.0))])]),
        ("turn it black and white", vec![("desaturate", vec![])]),
        ("give it a sepia tone", vec![("apply_sepia", vec![])]),
        ("Invert the colours", vec![("invert_colors", vec![])]),
        ("posterize to 5 levels", vec![("posterize", vec![("levels", number(5.0))])]),
        ("blur it", vec![("apply_blur", vec![("blur_type", text("gaussian")), ("radius", From(1.0, 20.0))])]),
        ("Blur the image with a radius of 12 pixels", vec![("apply_blur", vec![("radius", number(12.0))])]),
        ("just a slight blur", vec![("apply_blur", vec![("radius", From(0.5, 4.0))])]),
        ("add motion blur", vec![("apply_blur", vec![("blur_type", text("motion"))])]),
        ("pixelate it", vec![("apply_blur", vec![("blur_type", text("pixelize"))])]),
        ("sharpen the picture a lot", vec![("apply_sharpen", vec![("amount", From(0.7, 3.0))])]),
        ("it's blurry", vec![("apply_sharpen", vec![("amount", From(0.1, 3.0))])]),
        ("rotate 90 degrees", vec![("rotate_image", vec![("angle", number(90.0))])]),
        ("Rotate it 45° counterclockwise", vec![("rotate_image", vec![("angle", number(-45.0))])]),
        ("turn it upside down", vec![("rotate_image", vec![("angle", number(180.0))])]),
        ("rotate left", vec![("rotate_image", vec![("angle", number(-90.0))])]),
        ("flip it horizontally", vec![("flip_image", vec![("direction", text("horizontal"))])]),
        ("mirror the image vertically", vec![("flip_image", vec![("direction", text("vertical"))])]),
        ("make it twice as large", vec![("resize_image", vec![("width", number(1600.0)), ("height", number(1200.0))])]),
        ("scale to 50 %", vec![("resize_image", vec![("width", number(400.0)), ("height", number(300.0))])]),
        ("resize to 1024x768", vec![("resize_image", vec![("width", number(1024.0)), ("height", number(768.0))])]),
        ("make it 400 pixels wide", vec![("resize_image", vec![("width", number(400.0)), ("height", number(300.0))])]),
        ("half the size", vec![("resize_image", vec![("width", number(400.0))])]),
        (
            "crop to a square",
            vec![("crop_image", vec![("width", number(600.0)), ("height", number(600.0)), ("x", number(100.0))])],
        ),
        (
            "Crop it to 16:9",
            vec![("crop_image", vec![("width", number(800.0)), ("height", number(450.0)), ("y", number(75.0))])],
        ),
        (
            "crop the left half",
            vec![("crop_image", vec![("x", number(0.0)), ("width", number(400.0)), ("height", number(600.0))])],
        ),
        ("cut off the bottom 100 pixels", vec![("crop_image", vec![("y", number(0.0)), ("height", number(500.0))])]),
        (
            "crop 400x300 from the top left",
            vec![("crop_image", vec![("x", number(0.0)), ("y", number(0.0)), ("width", number(400.0))])],
        ),
        (
            "Add the text \"Hello World\" in the bottom right corner in white",
            vec![(
                "add_text_layer",
                vec![
                    ("text", text("Hello World")),
                    ("color", text("white")),
                    ("x", From(400.0, 800.0)),
                    ("y", From(450.0, 600.0)),
                ],
            )],
        ),
        (
            "write 'Sale' at the top in big red letters",
            vec![("add_text_layer", vec![("text", text("Sale")), ("color", text("red")), ("y", From(0.0, 100.0))])],
        ),
        (
            "select the top half",
            vec![(
                "create_rectangle_selection",
                vec![("y", number(0.0)), ("height", number(300.0)), ("width", number(800.0))],
            )],
        ),
        (
            "select a circle in the middle",
            vec![("create_ellipse_selection", vec![("width", number(300.0)), ("x", number(250.0))])],
        ),
        ("deselect", vec![("select_none", vec![])]),
        ("select everything", vec![("select_all", vec![])]),
        ("fill the selection with dark blue", vec![("fill_selection", vec![("color", text("darkblue"))])]),
        (
            "create a new 800x600 image with a red background",
            vec![(
                "create_new_image",
                vec![("width", number(800.0)), ("height", number(600.0)), ("color", text("red"))],
            )],
        ),
        ("duplicate the layer", vec![("duplicate_layer", vec![])]),
        ("flatten the image", vec![("merge_layers", vec![])]),
        ("add a new layer called \"Sky\"", vec![("create_layer", vec![("name", text("Sky"))])]),
        ("set the layer opacity to 40 %", vec![("set_layer_properties", vec![("opacity", number(40.0))])]),
        (
            "save it as jpg with quality 85",
            vec![("save_image", vec![("format", text("jpeg")), ("quality", number(85.0))])],
        ),
        ("undo the last 2 steps", vec![("undo", vec![("steps", number(2.0))])]),
        ("draw a red circle in the center", vec![("draw_ellipse", vec![("x", From(250.0, 350.0))])]),
        (
            "Make it a bit brighter, then crop to a square and add the text 'Hi' at the top left",
            vec![
                (bc, vec![("brightness", From(3.0, 30.0))]),
                ("crop_image", vec![("width", number(600.0))]),
                ("add_text_layer", vec![("text", text("Hi")), ("x", From(0.0, 100.0)), ("y", From(0.0, 100.0))]),
            ],
        ),
        (
            "Put the text 'DRAFT' in the center, size 120, red",
            vec![("add_text_layer", vec![("size", number(120.0)), ("color", text("red")), ("anchor", text("center"))])],
        ),
        (
            "write \"Hello\" in blue at 50, 80",
            vec![("add_text_layer", vec![("x", number(50.0)), ("y", number(80.0)), ("color", text("blue"))])],
        ),
        ("select all red pixels", vec![("select_by_color", vec![("color", text("red"))])]),
        ("add a drop shadow to the text", vec![("apply_drop_shadow", vec![])]),
        ("crop out the bottom 50 pixels", vec![("crop_image", vec![("y", number(0.0)), ("height", number(550.0))])]),
        ("This photo is way too dark, can you fix it?", vec![(bc, vec![("brightness", From(20.0, 127.0))])]),
        ("remove the noise", vec![("run_ai_filter", vec![("filter", text("denoise"))])]),
        ("upscale it 4x", vec![("run_ai_filter", vec![("filter", text("upscale"))])]),
        ("turn it into an oil painting", vec![("run_ai_filter", vec![("filter", text("oil-painting"))])]),
        ("remove the selected object", vec![("run_ai_filter", vec![("filter", text("remove-object"))])]),
    ]
}

/// What was asked from outside, and the like.
fn more_requests() -> Vec<(&'static str, Vec<Step>)> {
    let bc = "adjust_brightness_contrast";
    let hs = "adjust_hue_saturation";
    let filter = |name: &'static str| vec![("run_ai_filter", vec![("filter", text(name))])];
    let size =
        |width: f64, height: f64| vec![("resize_image", vec![("width", number(width)), ("height", number(height))])];
    let balance =
        |name: &'static str, least: f64, most: f64| vec![("adjust_color_balance", vec![(name, From(least, most))])];
    let cropped = |x: f64, y: f64, width: f64, height: f64| {
        let sides = vec![("x", number(x)), ("y", number(y)), ("width", number(width)), ("height", number(height))];
        vec![("crop_image", sides)]
    };
    let turned = |angle: f64| vec![("rotate_image", vec![("angle", number(angle))])];
    vec![
        ("get rid of the background", filter("cut-out")),
        ("make the background transparent", filter("cut-out")),
        ("make the white background transparent", vec![("color_to_alpha", vec![("color", text("white"))])]),
        ("double the size without losing quality", filter("upscale")),
        ("make it bigger without losing detail", filter("upscale")),
        ("restore this old photo", filter("auto-enhance")),
        ("select the person", vec![("select_subject", vec![])]),
        (
            "replace red with blue",
            vec![("replace_color", vec![("from_color", text("red")), ("to_color", text("blue"))])],
        ),
        (
            "change the green to yellow",
            vec![("replace_color", vec![("from_color", text("green")), ("to_color", text("yellow"))])],
        ),
        ("reduce file size below 200 kb", vec![("export_for_web", vec![("max_bytes", number(200_000.0))])]),
        ("save it under 1.5 MB", vec![("export_for_web", vec![("max_bytes", number(1_500_000.0))])]),
        ("compress it to 80 KB", vec![("export_for_web", vec![("max_bytes", number(80_000.0))])]),
        ("300x300 thumbnail", size(300.0, 225.0)),
        ("fit it into 1000x1000", size(1000.0, 750.0)),
        ("resize to 500 px on the long side", size(500.0, 375.0)),
        ("the picture is too small, make it 3 times bigger", size(2400.0, 1800.0)),
        ("make it 20% smaller", size(640.0, 480.0)),
        ("reduce the width to 640", size(640.0, 480.0)),
        ("crop to 4 by 5", cropped(160.0, 0.0, 480.0, 600.0)),
        ("cut 50 pixels off every side", cropped(50.0, 50.0, 700.0, 500.0)),
        ("crop 10% from each side", cropped(80.0, 60.0, 640.0, 480.0)),
        ("crop to the selection", vec![("crop_image", vec![("to", text("selection"))])]),
        ("trim the white borders", vec![("crop_image", vec![("to", text("content"))])]),
        (
            "make it square without cropping",
            vec![("resize_canvas", vec![("width", number(800.0)), ("height", number(800.0))])],
        ),
        (
            "change the canvas size to 1000x900",
            vec![("resize_canvas", vec![("width", number(1000.0)), ("height", number(900.0))])],
        ),
        ("turn it to the left", turned(-90.0)),
        ("straighten it by 2 degrees", turned(2.0)),
        ("fix the white balance", vec![("auto_levels", vec![("mode", text("white_balance"))])]),
        ("remove the colour cast", vec![("auto_levels", vec![("mode", text("white_balance"))])]),
        ("the picture has a green tint, remove it", balance("magenta_green", -60.0, -5.0)),
        ("it is too red", balance("cyan_red", -60.0, -5.0)),
        ("add film grain", vec![("add_noise", vec![("monochrome", Is(json!(true)))])]),
        ("make it look like a cartoon", vec![("apply_artistic", vec![("style", text("cartoon"))])]),
        ("give it a soft glow", vec![("apply_glow", vec![("glow_type", text("soft"))])]),
        ("give it an HDR look", vec![("tone_map", vec![])]),
        ("swirl it", vec![("apply_distortion", vec![("distortion_type", text("whirl"))])]),
        ("add a gradient from red to blue", vec![("draw_gradient", vec![("colors", Is(json!(["red", "blue"])))])]),
        (
            "reduce it to 16 colours",
            vec![("convert_image_mode", vec![("mode", text("INDEXED")), ("colors", number(16.0))])],
        ),
        ("set the resolution to 300 dpi", vec![("set_image_resolution", vec![("resolution", number(300.0))])]),
        ("remove the GPS location", vec![("set_file_metadata", vec![("strip", Is(json!(["gps"])))])]),
        ("duplicate the image", vec![("duplicate_image", vec![])]),
        ("erase the selected area", vec![("clear_selection", vec![])]),
        ("move the layer to the top right", vec![("move_layer", vec![("align", text("top-right"))])]),
        ("rotate the layer by 20 degrees", vec![("rotate_layer", vec![("angle", number(20.0))])]),
        ("flip the layer vertically", vec![("flip_layer", vec![("direction", text("vertical"))])]),
        ("make the layer twice as large", vec![("scale_layer", vec![("factor", number(2.0))])]),
        ("remove the blur", vec![("apply_sharpen", vec![])]),
        ("reduce the sharpness", vec![("apply_blur", vec![])]),
        ("sharpen with a radius of 2 pixels", vec![("apply_sharpen", vec![("radius", number(2.0))])]),
        (
            "make it darker but keep the contrast",
            vec![(bc, vec![("brightness", From(-60.0, -5.0)), ("contrast", number(0.0))])],
        ),
        ("warm it up a little", vec![("adjust_color_temperature", vec![("warmth", From(3.0, 25.0))])]),
        ("cool it down", vec![("adjust_color_temperature", vec![("warmth", From(-60.0, -5.0))])]),
        ("make the colours pop", vec![(hs, vec![("saturation", From(5.0, 60.0))])]),
        ("darken it by 30%", vec![(bc, vec![("brightness", number(-30.0))])]),
        ("not so dark please", vec![(bc, vec![("brightness", From(5.0, 60.0))])]),
        ("desaturate it by 30 %", vec![(hs, vec![("saturation", number(-30.0))])]),
        (
            "lighten the shadows and darken the highlights",
            vec![(
                "adjust_shadows_highlights",
                vec![("shadows", From(5.0, 100.0)), ("highlights", From(-100.0, -5.0))],
            )],
        ),
        ("undo the last three steps", vec![("undo", vec![("steps", number(3.0))])]),
        (
            "export as webp at 80% quality",
            vec![("save_image", vec![("format", text("webp")), ("quality", number(80.0))])],
        ),
        ("crop it to the left third", cropped(0.0, 0.0, 267.0, 600.0)),
    ]
}

/// Signs and directions: what goes the wrong way is worse than nothing.
fn signed_requests() -> Vec<(&'static str, Vec<Step>)> {
    let one = |operation: &'static str, name: &'static str, value: f64| vec![(operation, vec![(name, number(value))])];
    let bc = "adjust_brightness_contrast";
    let warmth = "adjust_color_temperature";
    let shadows = "adjust_shadows_highlights";
    vec![
        ("brightness -15", one(bc, "brightness", -15.0)),
        ("brightness: −15", one(bc, "brightness", -15.0)),
        ("set brightness to minus 15", one(bc, "brightness", -15.0)),
        ("brightness plus 15", one(bc, "brightness", 15.0)),
        ("contrast -10", one(bc, "contrast", -10.0)),
        ("reduce brightness by 20", one(bc, "brightness", -20.0)),
        ("reduce brightness by -20", one(bc, "brightness", -20.0)),
        ("saturation -30", one("adjust_hue_saturation", "saturation", -30.0)),
        ("hue -40", one("adjust_hue_saturation", "hue", -40.0)),
        ("warmth -20", one(warmth, "warmth", -20.0)),
        ("20% cooler", one(warmth, "warmth", -20.0)),
        ("it has a yellow tint", vec![(warmth, vec![("warmth", From(-60.0, -5.0))])]),
        ("exposure -1.5", one("adjust_exposure", "exposure", -1.5)),
        ("make it 2 stops darker", one("adjust_exposure", "exposure", -2.0)),
        ("make it 2 stops brighter", one("adjust_exposure", "exposure", 2.0)),
        ("it is underexposed by one stop", one("adjust_exposure", "exposure", 1.0)),
        ("it is overexposed by one stop", one("adjust_exposure", "exposure", -1.0)),
        ("highlights +20", one(shadows, "highlights", 20.0)),
        ("highlights -20", one(shadows, "highlights", -20.0)),
        ("shadows -20", one(shadows, "shadows", -20.0)),
        ("shadows +20", one(shadows, "shadows", 20.0)),
        ("the horizon is tilted 3 degrees to the left", one("rotate_image", "angle", 3.0)),
        ("the photo is tilted 3 degrees to the right, please straighten it", one("rotate_image", "angle", -3.0)),
        ("it leans 2 degrees to the left", one("rotate_image", "angle", 2.0)),
        ("tilt it 5 degrees to the left", one("rotate_image", "angle", -5.0)),
        ("rotate it 5 degrees to the right", one("rotate_image", "angle", 5.0)),
        ("rotate by minus 10 degrees", one("rotate_image", "angle", -10.0)),
        ("rotate 10 degrees anticlockwise", one("rotate_image", "angle", -10.0)),
    ]
}

#[test]
fn everyday_requests_find_their_operation_and_amounts() {
    assert!(requests().len() >= 60 && more_requests().len() >= 60);
    let all: Vec<_> = requests().into_iter().chain(more_requests()).chain(signed_requests()).collect();
    let mut wrong = Vec::new();
    for (message, steps) in all {
        let reply = ask(message);
        let found: Vec<&str> = reply.suggestions.iter().map(|found| found.operation.as_str()).collect();
        let wanted: Vec<&str> = steps.iter().map(|(operation, _)| *operation).collect();
        if found != wanted {
            wrong.push(format!("`{message}`: {found:?} instead of {wanted:?}; {}", reply.message));
            continue;
        }
        for (suggestion, (_, parameters)) in reply.suggestions.iter().zip(&steps) {
            for (name, want) in parameters {
                let value = suggestion.parameters.get(*name).unwrap_or(&Value::Null);
                let right = match want {
                    Is(wanted) => value == wanted,
                    From(least, most) => value.as_f64().is_some_and(|value| (*least..=*most).contains(&value)),
                };
                if !right {
                    wrong.push(format!("`{message}`: `{name}` is {value}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_specification_s_example() {
    let state = json!({"metadata": {"width": 800, "height": 600}});
    let reply = suggest("Make this image brighter", Knowledge { image_state: Some(&state), analysis: None });
    let suggestion = reply.suggestions[0].to_json();
    assert_eq!(
        suggestion,
        json!({"type": "adjustment", "operation": "adjust_brightness_contrast", "parameters": {"brightness": 30.0, "contrast": 0}})
    );
    assert_eq!(reply.message, "I can increase the brightness of your image. Would you like me to do that?");
}

#[test]
fn what_follows_a_wish_is_about_it() {
    let analysis = analysis(120.0, 50.0);
    let after = |history: &[Value], message: &str| {
        suggest_after(message, history, Knowledge { image_state: None, analysis: Some(&analysis) })
    };
    let wished = |said: &str, answered: &str| {
        vec![json!({"role": "user", "content": said}), json!({"role": "assistant", "content": answered})]
    };
    let brightness = |reply: &Reply, at: usize| reply.suggestions[at].parameters["brightness"].as_f64().unwrap();
    let offered = wished("make it brighter", "I can increase the brightness of your image.");
    let applied = wished("make it brighter", "Done: increase the brightness of your image.");
    let whole = brightness(&after(&offered, "yes"), 0);
    assert!(whole > 0.0);
    assert_eq!(brightness(&after(&applied, "a bit more"), 0), (whole * 5.0).round() / 10.0);
    assert_eq!(brightness(&after(&applied, "Much more!"), 0), whole * 2.0);
    assert_eq!(brightness(&after(&offered, "a bit less"), 0), (whole * 7.5).round() / 10.0);
    let less = after(&applied, "that's too much");
    assert_eq!(
        (less.suggestions[0].operation.as_str(), less.suggestions[0].parameters["steps"].as_u64()),
        ("undo", Some(1))
    );
    assert_eq!(brightness(&less, 1), (whole * 5.0).round() / 10.0);
    assert!(less.message.contains("take the last change back"), "{}", less.message);
    let twice = [applied, wished("a bit more", "Done: increase the brightness of your image.")].concat();
    assert_eq!(brightness(&after(&twice, "more"), 0), whole);
    let numbered = wished("blur it with a radius of 12 pixels", "Done: blur it.");
    assert_eq!(after(&numbered, "a bit more").suggestions[0].parameters["radius"], json!(6.0));
    assert!(after(&[], "a bit more").suggestions.is_empty());
}

#[test]
fn a_stretched_picture_is_announced_and_a_lean_without_side_is_asked_for() {
    let reply = ask("resize to 500x500");
    assert_eq!(reply.suggestions[0].parameters["width"], 500);
    assert!(reply.message.contains("stretches"), "{}", reply.message);
    assert!(!ask("resize to 400x300").message.contains("stretches"));
    let reply = ask("it is crooked by 2 degrees");
    assert!(reply.suggestions.is_empty() && reply.message.contains("which side"), "{}", reply.message);
    let reply = ask("colorize this black and white photo");
    assert!(reply.suggestions.is_empty() && reply.message.contains("model"), "{}", reply.message);
    let reply = ask("fill the background with white");
    assert!(reply.suggestions.is_empty() && reply.message.contains("select the place first"), "{}", reply.message);
    let nothing = json!({"selection": {"empty": true}});
    let reply = suggest("remove the car", Knowledge { image_state: Some(&nothing), analysis: None });
    assert!(reply.suggestions.is_empty() && reply.message.contains("Select what shall go"), "{}", reply.message);
}

#[test]
fn a_darker_image_takes_more_light() {
    let step = |mean: f64| {
        let analysis = analysis(mean, 50.0);
        let reply = suggest("brighter", Knowledge { image_state: None, analysis: Some(&analysis) });
        reply.suggestions[0].parameters["brightness"].as_f64().unwrap()
    };
    assert!(step(30.0) > step(120.0) && step(120.0) > step(220.0));
    let flat = |spread: f64| {
        let analysis = analysis(120.0, spread);
        let reply = suggest("more contrast", Knowledge { image_state: None, analysis: Some(&analysis) });
        reply.suggestions[0].parameters["contrast"].as_f64().unwrap()
    };
    assert!(flat(20.0) > flat(70.0));
}

#[test]
fn what_cannot_be_done_is_said() {
    for message in ["book me a flight to Rome", "what is the meaning of life", "play some music"] {
        let reply = ask(message);
        assert!(reply.suggestions.is_empty(), "{message}: {:?}", reply.suggestions);
        assert!(reply.message.contains("found nothing"), "{}", reply.message);
    }
    let reply = suggest("make it twice as large", Knowledge::default());
    assert!(reply.suggestions.is_empty() && reply.message.contains("width and height"), "{}", reply.message);
    assert!(ask("add some text").message.contains("quotes"));
    assert!(ask("don't blur it").suggestions.is_empty());
    assert!(ask("what can you do?").message.contains("Tell me what to do"));
    for message in ["blur the background", "make her skin brighter", "black and white except for the reds"] {
        let reply = ask(message);
        assert!(reply.suggestions.is_empty() && reply.message.contains("select the place first"), "{}", reply.message);
    }
    let selected = json!({"selection": {"empty": false}});
    let reply = suggest("blur the background", Knowledge { image_state: Some(&selected), analysis: None });
    assert_eq!(reply.suggestions[0].operation, "apply_blur");
    assert!(!ask("").message.is_empty());
}

#[test]
fn any_text_gets_an_answer() {
    let pieces = [
        "red",
        "“red”",
        "—blue",
        "é",
        "größer",
        "50",
        "%",
        "²",
        "\u{1F600}",
        "x",
        "\"",
        "'",
        "#ff",
        "#ff0000",
        "12,",
        "make",
        "it",
        "half",
        "twice",
        "top",
        "left",
        "text",
        "ﬁll",
        "İ",
        "ß",
        " ",
        "\n",
        "(",
        "-",
        "3x",
        "800x600",
        "and",
        ",",
        "size 5",
        "select",
        "draw a line",
    ];
    let mut state = 7u64;
    for _ in 0..1000 {
        let mut message = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            message.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            if state >> 62 != 0 {
                message.push(' ');
            }
        }
        assert!(!ask(&message).message.is_empty(), "{message}");
    }
}
