//! Size, crop, turning and flipping.

use super::intent::{Answer, Intent, act, row};
use super::scene::Scene;
use super::wish::{Place, Unit};
use serde_json::json;

const NO_SIZE: &str = "I need the image's width and height for that: give `image_state`";

pub static INTENTS: &[Intent] = &[
    row("flip_image", "transform", r"\bflip|\bmirror", |scene| {
        let vertical = scene.says(r"vertical|upside|top (to|and) bottom|up-?down");
        let direction = if vertical { "vertical" } else { "horizontal" };
        act(json!({"direction": direction}), format!("flip it {direction}ly"))
    }),
    row(
        "rotate_image",
        "transform",
        r"\brotat|\bturn (it|the (image|picture|photo)|this)( by| to the)? ?(\d|right|left|around|upside|clockwise|counter|anti|sideways|a quarter)|upside[- ]down|straighten|\btilt|\bsideways\b|counter-?clockwise|anti-?clockwise|clockwise|\d+ ?(°|degrees)|portrait orientation|landscape orientation|crooked|\bslant|\bleans?\b|\baskew\b|\bskewed\b|\blevel the horizon|horizon",
        rotate,
    ),
    row("resize_canvas", "transform", r"\bcanvas\b.*\d|\bpad(ding)? it\b|square\b.*without cropping", canvas),
    row(
        "crop_image",
        "transform",
        r"\bcrop|\btrim\b|cut (off|out|away) (the )?(top|bottom|left|right|\d)|\bcut\b.*\b(off|from)\b.*\b(sides?|edges?|top|bottom|left|right)\b|\bsquare\b(.*\b(image|picture|photo|it|instagram)\b)?|\d+:\d+|aspect ratio|auto-?crop|remove the (empty|white|black|blank) (borders?|edges?|margins?)",
        crop,
    ),
    row(
        "resize_image",
        "transform",
        r"\bresi[sz]e|\bscale\b|\benlarge|\bshrink|\bdownsi[sz]e|\b(bigger|smaller|larger|tiny|huge)\b|as (large|big|wide|tall|small)|\bwidth\b|\bheight\b|\d+ ?(px|pixels)? (wide|tall|high)|\b\d+ ?x ?\d+\b|(half|double|twice|third|quarter) (of )?(the|its) size|\bthumbnail|\b(hd|4k|full hd|1080p|720p)\b|\b(image|picture|photo) is too (small|big|large|tiny)|\bfit\b.*\d",
        resize,
    ),
    row("resize_canvas", "transform", r"\b(add|put|draw|with|give)\b.*\b(border|frame|margin|padding)\b", border),
];

/// A canvas of another size, the picture in its middle.
fn canvas(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\b(new|blank|create)\b") {
        return Answer::Pass;
    }
    let done = |(width, height): (f64, f64)| {
        let (width, height) = (width.max(1.0) as u64, height.max(1.0) as u64);
        act(json!({"width": width, "height": height}), format!("make the canvas {width}x{height} pixels"))
    };
    if let Some(size) = scene.wish.size {
        return done(size);
    }
    let Some((width, height)) = scene.size() else { return Answer::Ask(NO_SIZE.into()) };
    if scene.says("square") {
        return done((width.max(height), width.max(height)));
    }
    match scene.pixels() {
        Some(pixels) => {
            let sides = if scene.says(r"(all|every|each) (sides?|edges?)|all around") { 2.0 } else { 1.0 };
            let more = if scene.says(r"shrink|smaller|reduce|cut") { -sides } else { sides } * pixels.abs();
            done((width + more, height + more))
        }
        None => Answer::Ask("How large shall the canvas be? Give it as \"1000x800\"".into()),
    }
}

/// The canvas grows on all sides, so that the border covers nothing.
fn border(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\b(selection|layer|text)\b") {
        return Answer::Pass;
    }
    let Some((width, height)) = scene.size() else { return Answer::Ask(NO_SIZE.into()) };
    let thick = scene.pixels().unwrap_or_else(|| scene.length(0.03, 8.0)).abs().clamp(1.0, 100_000.0).round();
    let color = scene.wish.colors.first().map_or("white", String::as_str);
    let parameters =
        json!({"width": (width + 2.0 * thick) as u64, "height": (height + 2.0 * thick) as u64, "fill": color});
    act(parameters, format!("add a {color} border of {thick} pixels"))
}

fn rotate(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\bhue") {
        return Answer::Pass;
    }
    let left = scene.says(r"counter|anti|\bleft\b");
    // "It is tilted 3 degrees to the left" asks to turn it back, "tilt it to the left" to turn it so
    let is_fault = scene.says(
        r"\b(is|are|looks?|seems?|was|by|it's|'s|hangs?)( \w+){0,2} (tilted|crooked|slant(ed|ing)|leaning|askew|skewed|off|rotated|turned)\b|\bleans?\b|^(tilted|crooked|slanted|leaning|askew|skewed)\b|\btoo far\b",
    );
    let straightens = is_fault || scene.says(r"straighten|crooked|\blevel\b|horizon");
    let angle = match scene.wish.number {
        Some((angle, Unit::Degrees | Unit::None)) => angle,
        _ if scene.says(r"upside|around|half turn") => 180.0,
        _ if straightens || scene.says(r"\btilt|\bslant") => {
            return Answer::Ask("By how many degrees shall I turn it? A positive number is clockwise".into());
        }
        _ => 90.0,
    };
    let sided = left || angle < 0.0 || scene.says(r"\bright\b|clockwise");
    if is_fault && !sided && angle.abs() < 90.0 {
        return Answer::Ask(format!("To which side does it lean? I turn it back by {angle} degrees then"));
    }
    let angle = if left != is_fault { -angle } else { angle };
    if straightens {
        let words = format!("turn it by {angle} degrees and crop the empty corners");
        return act(json!({"angle": angle, "cut_corners": true}), words);
    }
    act(json!({"angle": angle, "expand": true}), format!("rotate it by {angle} degrees"))
}

fn resize(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\b(selection|layer|text|font|brush)\b|canvas") {
        return Answer::Pass;
    }
    let whole = |length: f64| length.round().clamp(1.0, 524_288.0) as u64;
    let done = |width: f64, height: f64| {
        let (width, height) = (whole(width), whole(height));
        act(json!({"width": width, "height": height}), format!("resize it to {width}x{height} pixels"))
    };
    if let Some((width, height)) = scene.wish.size {
        if scene
            .says(r"thumbnail|\bfit\b|\bwithin\b|\binside\b|at most|\bmax|without (stretch|distort|squash|squeez)|keep")
        {
            return fit(scene, width, height);
        }
        return match scene.size() {
            Some((has_width, has_height)) if ((has_width / has_height) / (width / height)).ln().abs() > 0.02 => act(
                json!({"width": whole(width), "height": whole(height)}),
                format!(
                    "resize it to {width}x{height} pixels, which stretches it (say \"fit into {width}x{height}\" to keep its proportions)"
                ),
            ),
            _ => done(width, height),
        };
    }
    let Some((width, height)) = scene.size() else {
        return Answer::Ask(NO_SIZE.into());
    };
    if let Some((_, lines)) = [(r"\b1080p", 1080.0), (r"\b720p", 720.0)].iter().find(|(said, _)| scene.says(said)) {
        return done(width * lines / height, *lines);
    }
    let named = [(r"\b4k\b", 3840.0), (r"\bfull hd\b", 1920.0), (r"\bhd\b", 1280.0), (r"thumbnail", 256.0)];
    let side = named.iter().find(|(said, _)| scene.says(said)).map(|(_, side)| *side);
    if let Some(side) = side.filter(|_| scene.pixels().is_none()) {
        let factor = side / width.max(height);
        return done(width * factor, height * factor);
    }
    if let Some(pixels) =
        scene.pixels().filter(|pixels| *pixels >= 1.0 && scene.wish.factor.is_none() && scene.wish.percent.is_none())
    {
        let tall = scene.says(r"\btall\b|\bhigh\b|height");
        let longest = scene.says(r"long(est)? (side|edge)");
        let factor = pixels
            / if longest {
                width.max(height)
            } else if tall {
                height
            } else {
                width
            };
        return done(width * factor, height * factor);
    }
    // "It is too small" asks for more
    let down = scene.says(r"small|shrink|downsi[sz]e|reduce|tiny|too (big|large|huge)|scale (it )?down")
        && !scene.says(r"too (small|tiny)");
    let factor = match (scene.wish.percent.map(f64::abs), scene.wish.factor) {
        // "by 20 %" and "20 % larger" are changes, "to 20 %" is the result
        (Some(percent), _) if scene.says(r"\bto\b|\bof (the|its)") => percent / 100.0,
        (Some(percent), _) if down => 1.0 - percent.min(99.0) / 100.0,
        (Some(percent), _) if scene.says(r"larger|bigger|enlarge|by|increase|grow") => 1.0 + percent / 100.0,
        (Some(percent), _) => percent / 100.0,
        (None, Some(factor)) if down && factor > 1.0 => 1.0 / factor,
        (None, Some(factor)) => factor,
        (None, None) if down => 1.0 / (1.0 + scene.wish.strength.min(1.5)),
        (None, None) if scene.says(r"bigger|larger|enlarge|huge|increase|too (small|tiny)") => {
            1.0 + scene.wish.strength
        }
        (None, None) => {
            return Answer::Ask(
                "To what size shall I scale it? Give it as \"800x600\", \"50 %\" or \"twice as large\"".into(),
            );
        }
    };
    if factor <= 0.0 {
        return Answer::Ask("The new size must be more than nothing".into());
    }
    done(width * factor, height * factor)
}

/// The largest size inside a box, in the image's own proportions.
fn fit(scene: &Scene<'_>, width: f64, height: f64) -> Answer {
    let words = |width: f64, height: f64| format!("resize it to fit into {width}x{height} pixels");
    let (wide, high) = match scene.size() {
        Some((has_width, has_height)) => {
            let factor = (width / has_width).min(height / has_height);
            ((has_width * factor).round().max(1.0), (has_height * factor).round().max(1.0))
        }
        None => (width, height),
    };
    act(json!({"width": wide as u64, "height": high as u64, "fit": "contain"}), words(width, height))
}

fn crop(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\b(to|around) (the |my )?selection|what is selected") {
        return act(json!({"to": "selection"}), "crop it to the selection");
    }
    if scene.says(
        r"auto-?crop|\b(empty|white|black|blank|transparent|even|plain)\b.*\b(borders?|edges?|margins?|space|frame)\b",
    ) {
        return act(json!({"to": "content"}), "cut its even border away");
    }
    // "4 by 5" and "4x6" are proportions
    let ratio =
        scene.wish.ratio.or_else(|| scene.wish.size.filter(|(a, b)| a.max(*b) <= 32.0 && !scene.says(r"px|pixel")));
    let size_said = scene.wish.size.filter(|_| ratio.is_none());
    let Some((width, height)) = scene.size() else {
        return match (size_said, scene.wish.points.first()) {
            (Some((wide, high)), Some((x, y))) => done((*x, *y), (wide, high)),
            _ => Answer::Ask(NO_SIZE.into()),
        };
    };
    let place = scene.wish.place.unwrap_or(Place { across: 0, down: 0 });
    if scene.says(r"\b(each|every|all|both) (sides?|edges?)|all around") {
        let part = |length: f64| {
            scene
                .wish
                .percent
                .map_or_else(|| scene.pixels().unwrap_or(length * 0.1), |percent| length * percent / 100.0)
        };
        let along = |length: f64| part(length).abs().min((length - 1.0) / 2.0);
        let (x, y) = (along(width), along(height));
        return done((x, y), (width - 2.0 * x, height - 2.0 * y));
    }
    // "Cut off the top 100 pixels", "the left 10 %"
    if scene.says(r"\boff\b|\baway\b|\bout\b|\btrim\b|\bremove\b|from the (top|bottom|left|right)")
        && scene.wish.place.is_some()
        && size_said.is_none()
    {
        let along = |length: f64| {
            scene
                .wish
                .percent
                .map_or_else(|| scene.pixels().unwrap_or(length * 0.1), |percent| length * percent / 100.0)
                .min(length - 1.0)
        };
        let (cut_x, cut_y) =
            (if place.across == 0 { 0.0 } else { along(width) }, if place.down == 0 { 0.0 } else { along(height) });
        let corner = (if place.across < 0 { cut_x } else { 0.0 }, if place.down < 0 { cut_y } else { 0.0 });
        return done(corner, (width - cut_x, height - cut_y));
    }
    let size = if let Some((wide, high)) = size_said {
        (wide.min(width), high.min(height))
    } else if let Some((across, down)) = ratio.or_else(|| scene.says(r"\bsquare\b").then_some((1.0, 1.0))) {
        let factor = (width / across).min(height / down);
        (across * factor, down * factor)
    } else if scene.says(r"\bhalf\b|\bthird\b|\bquarter\b") && scene.wish.place.is_some() {
        let share = if scene.says("half") {
            0.5
        } else if scene.says("third") {
            1.0 / 3.0
        } else {
            0.25
        };
        (if place.across == 0 { width } else { width * share }, if place.down == 0 { height } else { height * share })
    } else if let Some(percent) = scene.wish.percent {
        let keep = if scene.says(r"\bby\b") { 1.0 - percent.min(99.0) / 100.0 } else { percent / 100.0 };
        (width * keep, height * keep)
    } else if scene.wish.place.is_some() {
        (width * 0.5, height * 0.5)
    } else {
        return Answer::Ask(
            "What shall I crop to? Give a size (\"400x300\"), a ratio (\"16:9\"), \"a square\" or \"the left half\""
                .into(),
        );
    };
    let corner = scene.wish.points.first().copied().unwrap_or_else(|| place.corner((width, height), size, 0.0));
    done(corner, size)
}

fn done((x, y): (f64, f64), (width, height): (f64, f64)) -> Answer {
    let (x, y, width, height) =
        (x.round() as i64, y.round() as i64, width.round().max(1.0) as i64, height.round().max(1.0) as i64);
    act(
        json!({"x": x, "y": y, "width": width, "height": height}),
        format!("crop it to {width}x{height} pixels from ({x}, {y})"),
    )
}
