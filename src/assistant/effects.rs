//! Looks, colour exchange, files of a given size, and what is done to one layer: meanings that are narrower than those
//! of `make`, `shape` and `light`, and are asked first.

use super::intent::{Answer, Intent, act, row};
use super::scene::Scene;
use serde_json::{Map, Value, json};

pub static INTENTS: &[Intent] = &[
    row(
        "replace_color",
        "adjustment",
        r"\b(replace|swap|exchange)\b.*\b(with|by|for|to|into)\b|\b(change|turn|make) (all |every )?(the )?\w+( \w+)? (to|into)\b",
        replace_color,
    ),
    row(
        "auto_levels",
        "adjustment",
        r"white[- ]?balance|colou?r cast|neutral(i[sz]e)? (the )?(colou?rs|gr[ae]ys)",
        |scene| {
            if scene.given().is_some() {
                return Answer::Pass;
            }
            act(json!({"mode": "white_balance"}), "balance its white by what the pixels hold")
        },
    ),
    row(
        "adjust_color_temperature",
        "adjustment",
        r"\b(has|have|remove|too|reduce|fix|get rid|there|without|see)\b.*\b(yellow|orange|blue)(ish)? (tint|tinge|cast|hue)\b",
        super::light::temperature,
    ),
    row(
        "adjust_color_balance",
        "adjustment",
        r"\b(too|less|more|remove|a) (the )?(red|green|blue|magenta|cyan|yellow)(ish)?( (tint|tinge|cast|hue))?$|\b(red|green|blue|yellow)(d?er|ish)\b|\b(tint|tinge|cast)\b",
        color_balance,
    ),
    row("add_noise", "filter", r"\b(add|more|with|give)\b.*\b(noise|grain)\b|film grain", |scene| {
        if scene.says(r"less|remove|reduce|too") {
            return Answer::Pass;
        }
        let amount = scene.given().map_or(15.0 * scene.wish.strength, f64::abs).clamp(1.0, 100.0);
        act(json!({"amount": amount, "monochrome": true}), format!("add film grain of {amount} %"))
    }),
    row("apply_glow", "filter", r"\bglow|\bbloom\b|soft focus|dreamy|orton", |scene| {
        let kind = if scene.says("soft|dreamy|orton") { "soft" } else { "bloom" };
        act(json!({"glow_type": kind}), "let its light parts glow")
    }),
    row("tone_map", "adjustment", r"\bhdr\b|tone[- ]?map", |_| act(json!({}), "give it the HDR look by tone mapping")),
    row(
        "apply_artistic",
        "filter",
        r"cartoon|\bcomic|photocopy|\bcubis[mt]|stained glass|newsprint|halftone|\bcrt\b",
        artistic,
    ),
    row(
        "apply_distortion",
        "filter",
        r"\bswirl|\bwhirl|\btwirl|\bripple|\bwaves?\b|fish-?eye|\bspheri[sz]e|kaleidoscope|\bpinch\b",
        distortion,
    ),
    row(
        "export_for_web",
        "file",
        r"\b(file ?size|k?bytes?|kb|kib|mb|mib|kilobytes?|megabytes?)\b|\bfor the web\b|\bcompress\b",
        small_file,
    ),
    row("set_image_resolution", "file", r"\b\d+ ?(dpi|ppi)\b", |scene| match scene.wish.number {
        Some((resolution, _)) if resolution >= 1.0 => {
            act(json!({"resolution": resolution}), format!("set its print resolution to {resolution} pixels per inch"))
        }
        _ => Answer::Pass,
    }),
    row("set_file_metadata", "file", r"\b(gps|location|geotags?|metadata|exif)\b", |scene| {
        if !scene.says(r"remove|strip|delete|clear|without|get rid|no ") {
            return Answer::Pass;
        }
        let (group, words) = if scene.says(r"gps|location|geotag") {
            ("gps", "take the place out of its metadata")
        } else {
            ("all", "take out its metadata")
        };
        act(json!({"strip": [group]}), words)
    }),
    row("convert_image_mode", "adjustment", r"\b\d+ colou?rs\b|indexed|colou?r palette", |scene| {
        let colors = scene.pixels().map_or(256.0, f64::abs).clamp(2.0, 256.0) as u64;
        act(json!({"mode": "INDEXED", "colors": colors}), format!("reduce it to a palette of {colors} colours"))
    }),
    row(
        "duplicate_image",
        "file",
        r"\b(duplicate|copy|clone) (of )?(the |this |my )?(whole )?(image|picture|photo)",
        |_| act(json!({}), "make a copy of the image"),
    ),
    row(
        "select_subject",
        "selection",
        r"\bselect\b.*\b(subject|person|people|man|woman|child|dog|cat|face|foreground|object)\b",
        |_| act(json!({}), "select its subject"),
    ),
    row("draw_gradient", "drawing", r"\bgradient\b", |scene| {
        if scene.says(r"gradient map") {
            return Answer::Pass;
        }
        match scene.wish.colors.as_slice() {
            [_, _, ..] => act(
                json!({"colors": scene.wish.colors}),
                format!("draw a gradient from {}", scene.wish.colors.join(" to ")),
            ),
            _ => Answer::Ask("Which colours shall the gradient have? Name two, such as \"from red to blue\"".into()),
        }
    }),
    row(
        "clear_selection",
        "drawing",
        r"\b(clear|delete|erase|empty)\b.*\b(selected (area|pixels|part|region)|contents? of the selection|(everything )?in(side)? the selection)",
        |_| act(json!({}), "make what is selected transparent"),
    ),
    row("rotate_layer", "layer", r"\b(rotate|turn)\b.*\blayer\b", |scene| {
        let angle = scene.wish.number.map_or(90.0, |(angle, _)| angle);
        let angle = if scene.says(r"counter|anti|\bleft\b") { -angle } else { angle };
        act(json!({"angle": angle}), format!("rotate the layer by {angle} degrees"))
    }),
    row("flip_layer", "layer", r"\b(flip|mirror)\b.*\blayer\b", |scene| {
        let direction = if scene.says(r"vertical|upside") { "vertical" } else { "horizontal" };
        act(json!({"direction": direction}), format!("flip the layer {direction}ly"))
    }),
    row(
        "scale_layer",
        "layer",
        r"\b(scale|resi[sz]e|enlarge|shrink|make)\b.*\blayer\b.*(\d|twice|half|double)|\bdouble the layer",
        scale_layer,
    ),
    row(
        "move_layer",
        "layer",
        r"\b(move|shift|nudge|align|cent(er|re)) (the |this |my )?(\w+ )?(layer|text|logo|watermark)\b",
        move_layer,
    ),
];

/// "Replace red with blue": the colours in the order in which they are said.
fn replace_color(scene: &Scene<'_>) -> Answer {
    match scene.wish.colors.as_slice() {
        [from, to] if !scene.says(r"gradient|text|background|border|\bfrom \w+ to\b.*gradient") => act(
            json!({"from_color": from, "to_color": to, "tolerance": 60}),
            format!("exchange {from}, and what is near it, for {to}"),
        ),
        _ => Answer::Pass,
    }
}

/// A cast is taken out, "more blue" is put in.
fn color_balance(scene: &Scene<'_>) -> Answer {
    let (name, toward, color) = if scene.says(r"\bred") {
        ("cyan_red", 1.0, "red")
    } else if scene.says(r"\bcyan") {
        ("cyan_red", -1.0, "cyan")
    } else if scene.says(r"\bgreen") {
        ("magenta_green", 1.0, "green")
    } else if scene.says(r"\b(magenta|pink|purple)") {
        ("magenta_green", -1.0, "magenta")
    } else if scene.says(r"\b(yellow|orange)") {
        // That is the light's warmth, a row of its own
        return Answer::Pass;
    } else if scene.says(r"\bblue") && !scene.says(r"\b(too|less)\b") {
        ("yellow_blue", 1.0, "blue")
    } else {
        return Answer::Pass;
    };
    // "It has a green tint" asks for less of it, "give it a green tint" for more
    let out = scene.says(r"\b(too|less|remove|reduce|has|have|without|fix|get rid|there'?s|there is|see)\b")
        && !scene.says(r"\b(add|give)\b");
    let value = scene.amount(25.0, 100.0, if out { -toward } else { toward });
    let words = if out { format!("take out {color}") } else { format!("add {color}") };
    act(json!({name: value}), words)
}

fn artistic(scene: &Scene<'_>) -> Answer {
    let style = [
        ("cartoon", r"cartoon|\bcomic"),
        ("photocopy", "photocopy"),
        ("cubism", "cubis"),
        ("stained_cells", "stained"),
        ("newsprint", "newsprint|halftone"),
        ("crt_screen", r"\bcrt\b"),
    ];
    match style.into_iter().find(|(_, said)| scene.says(said)) {
        Some((style, _)) => act(json!({"style": style}), format!("redraw it as {}", style.replace('_', " "))),
        None => Answer::Pass,
    }
}

fn distortion(scene: &Scene<'_>) -> Answer {
    let mut parameters = Map::new();
    let (kind, words) = if scene.says(r"swirl|whirl|twirl") {
        ("whirl", "swirl it about its middle")
    } else if scene.says(r"\bripple") {
        ("ripple", "lay ripples over it")
    } else if scene.says(r"\bwaves?\b") {
        ("waves", "lay waves over it")
    } else if scene.says(r"fish-?eye|spheri") {
        parameters.insert("amount".into(), json!(60));
        ("spherize", "bend it as a fisheye lens does")
    } else if scene.says("kaleidoscope") {
        parameters.insert("amount".into(), json!(6));
        ("kaleidoscope", "show it through a kaleidoscope")
    } else {
        parameters.insert("amount".into(), json!(50));
        ("pinch", "pinch its middle")
    };
    parameters.insert("distortion_type".into(), json!(kind));
    act(Value::Object(parameters), words)
}

/// A copy on disk that is small enough: a quality is searched for, nothing is done to the image.
fn small_file(scene: &Scene<'_>) -> Answer {
    let Some(most) = scene.wish.bytes.filter(|bytes| *bytes >= 1000.0) else {
        if scene.says(r"how (big|large)|what") {
            return Answer::Pass;
        }
        return Answer::Ask("How large may the file be? Give it as \"below 200 kB\"".into());
    };
    let path = scene.path().unwrap_or_else(|| "~/image-small.jpg".into());
    act(
        json!({"path": path, "max_bytes": most as u64, "overwrite": false}),
        format!("write a copy of at most {} kB to {path}", most / 1000.0),
    )
}

fn scale_layer(scene: &Scene<'_>) -> Answer {
    if let Some((width, height)) = scene.wish.size {
        return act(json!({"width": width, "height": height}), format!("scale the layer to {width}x{height} pixels"));
    }
    let down = scene.says(r"small|shrink|reduce");
    let factor = match (scene.wish.percent.map(f64::abs), scene.wish.factor) {
        (Some(percent), _) if scene.says(r"\bto\b|\bof\b") => percent / 100.0,
        (Some(percent), _) if down => 1.0 - percent.min(99.0) / 100.0,
        (Some(percent), _) if scene.says(r"larger|bigger|enlarge|\bby\b") => 1.0 + percent / 100.0,
        (Some(percent), _) => percent / 100.0,
        (None, Some(factor)) if down && factor > 1.0 => 1.0 / factor,
        (None, Some(factor)) => factor,
        (None, None) => {
            return Answer::Ask("How large shall the layer be? Give \"50 %\", \"twice\" or \"400x300\"".into());
        }
    };
    act(json!({"factor": factor}), format!("scale the layer by {factor}"))
}

fn move_layer(scene: &Scene<'_>) -> Answer {
    if let Some((pixels, _)) = scene.wish.number {
        let step = pixels.abs();
        let (x, y) = if scene.says(r"\bleft\b") {
            (-step, 0.0)
        } else if scene.says(r"\bright\b") {
            (step, 0.0)
        } else if scene.says(r"\bup(wards?)?\b|\bhigher\b") {
            (0.0, -step)
        } else if scene.says(r"\bdown(wards?)?\b|\blower\b") {
            (0.0, step)
        } else {
            return Answer::Ask("In which direction shall the layer move?".into());
        };
        return act(json!({"x": x, "y": y, "relative": true}), format!("move the layer by ({x}, {y}) pixels"));
    }
    let place = match scene.wish.place {
        Some(place) => place.name(),
        None if scene.says(r"\bcent(er|re)\b") => "center",
        None => return Answer::Ask("Where shall the layer go? Give a place, such as \"to the top right\"".into()),
    };
    act(json!({"align": place}), format!("move the layer to the {}", place.replace('-', " ")))
}
