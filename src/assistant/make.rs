//! Text, shapes, fills, selections, layers, files, undo, and AI filters.

use super::intent::{Answer, Intent, act, row};
use super::scene::Scene;
use super::wish::Place;
use serde_json::{Map, Value, json};

pub static INTENTS: &[Intent] = &[
    row("undo", "history", r"\bundo\b|take (that|it) back|go back|revert( that| the last)?", |scene| {
        let steps = scene.given().unwrap_or(1.0).clamp(1.0, 20.0) as u64;
        act(json!({"steps": steps}), format!("undo {steps} step{}", if steps == 1 { "" } else { "s" }))
    }),
    row(
        "get_image_metadata",
        "information",
        r"how (big|large|wide|tall)|what (size|are the dimensions)|dimensions|what('s| is) the size",
        |scene| match scene.size() {
            Some((width, height)) => Answer::Say(format!("The image is {width} pixels wide and {height} high. ")),
            None => act(json!({}), "look up its size"),
        },
    ),
    row(
        "run_ai_filter",
        "ai_filter",
        r"\bai\b.*\b(upscale|enlarge)|\bupscal|super[- ]?resolution|(increase|double|triple|quadruple|enhance|higher|more) (the |its )?resolution|\b(double|triple|twice|enlarge|bigger|larger|increase|scale (it )?up|\dx)\b.*\b(without (losing|loss|any)|lossless|keep(ing)? (the |its )?(quality|detail|sharp))",
        |scene| {
            let scale = scene.wish.factor.filter(|factor| *factor > 1.0).unwrap_or(2.0).round().clamp(2.0, 4.0) as u64;
            filter("upscale", json!({"scale": scale}), format!("upscale it {scale} times with the AI filter"))
        },
    ),
    row("run_ai_filter", "ai_filter", r"\bde-?noise|\bnois[ey]|\bgrain(y)?\b", |scene| {
        if scene.says(r"\badd\b|more (noise|grain)|film grain") {
            return Answer::Pass;
        }
        let parameters =
            scene.given().map_or_else(|| json!({}), |strength| json!({"strength": strength.clamp(0.0, 100.0)}));
        filter("denoise", parameters, "remove its noise")
    }),
    row(
        "run_ai_filter",
        "ai_filter",
        r"jpe?g artifacts|jpe?g artefacts|compression|\bblocky\b|artifacts|artefacts",
        |_| filter("jpeg-cleanup", json!({}), "clean up the compression artefacts"),
    ),
    row(
        "run_ai_filter",
        "ai_filter",
        r"(remove|cut out|delete|erase|drop|take (away|out)|get rid of|lose)( the| its| all of the)? background|background (removed|away|gone)|(make|turn) (the |its )?background transparent|transparent background|no background|without (the |a )?background|cut[- ]?out|isolate|extract the|\bsubject\b",
        |_| filter("cut-out", json!({}), "cut out its subject"),
    ),
    row("run_ai_filter", "ai_filter", r"oil[- ]paint|\bpainting\b|like a painting|painterly", |_| {
        filter("oil-painting", json!({}), "paint it in oil")
    }),
    row(
        "run_ai_filter",
        "ai_filter",
        r"\b(remove|erase|get rid of|delete|retouch) (the |this |that |an? |my )?(selected |unwanted )?(object|person|man|woman|people|car|sign|wire|spot|selection|tree|thing|logo|watermark|power ?lines?|spoon|trash|dirt|scratch(es)?|blemish(es)?|pimples?|(\w+ )?(in|on) the (background|left|right|middle))\b",
        |scene| {
            if scene.has_selection() == Some(false) {
                return Answer::Ask("Select what shall go first (a rough selection is enough), then ask again".into());
            }
            filter("remove-object", json!({}), "remove what is selected and fill the place from its surroundings")
        },
    ),
    row(
        "run_ai_filter",
        "ai_filter",
        r"auto[- ]?enhance|(enhance|improve|restore|repair) (it|this|the|my)( |$)|look (better|nicer|great|good)|make (it|this) (nice|beautiful|pretty)|beautify",
        |_| filter("auto-enhance", json!({}), "enhance it from what its analysis says"),
    ),
    Intent {
        operation: "add_text_layer",
        kind: "text",
        said: r"\b(add|write|put|insert|place|type)\b.*(\btext\b|\bcaption\b|\btitle\b|\bwords?\b|\blabel\b|\bheading\b|\bwatermark\b|\x22\x22)|\bsays?\b.*\x22\x22|\btext\b.*\x22\x22|\x22\x22.*\b(on|at|in)\b",
        // The quotes may hold a layer's name
        unless: r"\b(new|empty|another) layer\b|\blayer (called|named)|\brename\b|\bshadow\b",
        merges: false,
        build: text,
    },
    row(
        "select_none",
        "selection",
        r"\bdeselect|\bunselect|select (none|nothing)|(remove|clear|drop) (the |my )?selection",
        |_| act(json!({}), "clear the selection"),
    ),
    row(
        "invert_selection",
        "selection",
        r"invert (the |my )?selection|reverse the selection|select the (rest|opposite)",
        |_| act(json!({}), "invert the selection"),
    ),
    row(
        "select_all",
        "selection",
        r"select (all$|all of|everything|the (whole|entire))|\bselect all( the)? (image|picture|photo)",
        |_| act(json!({}), "select everything"),
    ),
    row(
        "modify_selection",
        "selection",
        r"\b(grow|expand|shrink|feather|soften|border)\b.*selection|selection.*\b(bigger|smaller|softer|larger)",
        |scene| {
            let kind = if scene.says("feather|soft") {
                "feather"
            } else if scene.says("shrink|smaller") {
                "shrink"
            } else if scene.says("border") {
                "border"
            } else {
                "grow"
            };
            let radius = scene.pixels().unwrap_or(10.0).abs().max(1.0);
            act(json!({"action": kind, "amount": radius}), format!("{kind} the selection by {radius} pixels"))
        },
    ),
    row("create_ellipse_selection", "selection", r"\bselect\b.*\b(circle|circular|ellipse|oval|round)", |scene| {
        area(scene, "an ellipse")
    }),
    row(
        "create_rectangle_selection",
        "selection",
        r"\bselect\b.*\b(rectangle|square|area|region|half|third|quarter|corner|top|bottom|left|right|middle|cent(er|re)|\d)",
        |scene| area(scene, "a rectangle"),
    ),
    row(
        "select_by_color",
        "selection",
        r"\bselect\b.*\b(colou?r|pixels|red|green|blue|white|black|yellow|orange|pink|purple|sky)\b",
        |scene| match scene.wish.colors.first() {
            Some(color) => act(json!({"color": color}), format!("select everything that is {color}")),
            None => Answer::Ask("Which colour shall I select?".into()),
        },
    ),
    row("create_new_image", "file", r"\b(new|blank|empty|create)\b.*\b(image|canvas|document|picture)\b", |scene| {
        let (width, height) = scene.wish.size.unwrap_or((1920.0, 1080.0));
        let color = scene
            .wish
            .colors
            .first()
            .cloned()
            .unwrap_or_else(|| if scene.says("transparent") { "transparent".into() } else { "white".into() });
        act(
            json!({"width": width as u64, "height": height as u64, "color": color}),
            format!("create a new {width}x{height} image"),
        )
    }),
    row("save_image", "file", r"\bsave|\bexport|\bdownload\b", |scene| {
        let format = ["png", "jpeg", "webp", "tiff", "gif", "bmp", "xcf", "psd"]
            .into_iter()
            .find(|format| scene.wish.text.contains(format));
        let format = format.or_else(|| scene.says(r"\bjpg\b").then_some("jpeg")).unwrap_or("png");
        let mut parameters = Map::from_iter([("format".to_owned(), json!(format))]);
        if let Some(quality) = scene.given().filter(|_| scene.says("quality|%")) {
            parameters.insert("quality".into(), json!(quality.clamp(1.0, 100.0) as u64));
        }
        act(parameters.into(), format!("save it as {}", format.to_uppercase()))
    }),
    row("duplicate_layer", "layer", r"(duplicate|copy) (the |this |my )?(current )?layer", |_| {
        act(json!({}), "duplicate the layer")
    }),
    row(
        "merge_layers",
        "layer",
        r"\bflatten|merge( all| the| my)*( visible)? layers|merge (down|everything)|combine (all )?(the )?layers",
        |scene| {
            if scene.says("flatten") {
                act(json!({"merge_type": "flatten_image"}), "flatten the image")
            } else if scene.says("down") {
                act(json!({"layers": "down"}), "merge the layer with the one below")
            } else {
                act(json!({"layers": "visible"}), "merge the visible layers")
            }
        },
    ),
    row(
        "set_layer_properties",
        "layer",
        r"\bopacity\b|semi-?transparent|translucent|see-?through|(hide|show) (the |this )?layer|rename (the |this )?layer",
        layer_properties,
    ),
    row("delete_layer", "layer", r"(delete|remove) (the |this |my )?(current )?layer", |_| {
        act(json!({}), "delete the layer")
    }),
    row("create_layer", "layer", r"\b(new|another|add|create|empty)\b.*\blayer\b", |scene| {
        let name = scene.wish.quoted.first().cloned().unwrap_or_else(|| "New layer".into());
        act(json!({"name": name}), "add a layer")
    }),
    row("draw_line", "drawing", r"\b(draw|add|paint)\b.*\bline\b", |scene| match scene.wish.points.as_slice() {
        [(x1, y1), (x2, y2), ..] => act(with_color(json!({"points": [[x1, y1], [x2, y2]]}), scene), "draw a line"),
        _ => Answer::Ask(
            "From where to where shall the line go? Give two points, such as \"from 10,10 to 200,50\"".into(),
        ),
    }),
    row("draw_ellipse", "drawing", r"\b(draw|add|paint)\b.*\b(circle|ellipse|oval|dot)\b", |scene| {
        shape(scene, "an ellipse")
    }),
    row("draw_rectangle", "drawing", r"\b(draw|add|paint)\b.*\b(rectangle|square|box)\b", |scene| {
        shape(scene, "a rectangle")
    }),
    row("draw_brush_stroke", "drawing", r"\b(brush|stroke)\b", |scene| {
        if scene.wish.points.len() < 2 {
            return Answer::Ask("Where shall the stroke go? Give its points, such as \"from 10,10 to 200,50\"".into());
        }
        let points: Vec<Value> = scene.wish.points.iter().map(|(x, y)| json!([x, y])).collect();
        act(with_color(json!({"stroke_points": points}), scene), "draw a brush stroke")
    }),
    row(
        "fill_selection",
        "drawing",
        r"\bfill|\bpaint (it|the (background|selection|layer))|\bbackground (to|in) |make the background|set the background",
        |scene| match scene.wish.colors.first() {
            Some(color) => {
                act(json!({"fill_type": "color", "color": color}), format!("fill the selection with {color}"))
            }
            None if scene.says("transparent") => {
                act(json!({"fill_type": "transparent"}), "make the selection transparent")
            }
            None => Answer::Ask("With which colour shall I fill it?".into()),
        },
    ),
];

fn filter(name: &str, parameters: Value, words: impl Into<String>) -> Answer {
    act(json!({"filter": name, "parameters": parameters}), words)
}

fn with_color(mut parameters: Value, scene: &Scene<'_>) -> Value {
    if let Some(color) = scene.wish.colors.first() {
        parameters["color"] = json!(color);
    }
    parameters
}

fn text(scene: &Scene<'_>) -> Answer {
    let Some(text) = scene.wish.quoted.first().filter(|text| !text.is_empty()) else {
        return Answer::Ask("What shall the text say? Put it in quotes".into());
    };
    let size = match scene.pixels().filter(|_| scene.says(r"\d ?(px|pixels|pt|points?)|size")) {
        Some(size) => size.clamp(1.0, 8192.0),
        None => {
            let step = if scene.says(r"\b(big|large|huge|bold)\b") {
                2.0
            } else if scene.says(r"\b(small|tiny|little)\b") {
                0.5
            } else {
                1.0
            };
            scene.length(0.05, 32.0) * step
        }
    };
    let color = scene.wish.colors.first().cloned().unwrap_or_else(|| {
        if scene.brightness().is_some_and(|mean| mean < 110.0) { "white".into() } else { "black".into() }
    });
    let margin = size / 2.0;
    let (x, y, anchor) = match (scene.wish.points.first(), scene.wish.place, scene.size()) {
        (Some((x, y)), _, _) => (*x, *y, "top_left".to_owned()),
        (None, Some(place), Some(image)) => {
            let (x, y) = place.corner(image, (0.0, 0.0), margin);
            (x, y, place.name().replace('-', "_"))
        }
        _ => (margin, margin, "top_left".to_owned()),
    };
    act(
        json!({"text": text, "size": size, "color": color, "x": x.round(), "y": y.round(), "anchor": anchor}),
        format!("add the text \"{text}\" in {color}"),
    )
}

fn area(scene: &Scene<'_>, what: &str) -> Answer {
    match bounds(scene, 1.0) {
        Ok((x, y, width, height)) => act(
            json!({"x": x, "y": y, "width": width, "height": height}),
            format!("select {what} of {width}x{height} pixels at ({x}, {y})"),
        ),
        Err(ask) => ask,
    }
}

fn shape(scene: &Scene<'_>, what: &str) -> Answer {
    match bounds(scene, 0.25) {
        Ok((x, y, width, height)) => {
            let color = scene.wish.colors.first().cloned().unwrap_or_else(|| "black".into());
            act(
                json!({"x": x, "y": y, "width": width, "height": height, "fill_color": color}),
                format!("draw {what} in {color}"),
            )
        }
        Err(ask) => ask,
    }
}

/// (x, y, width, height) of the area that is meant; `usual` is the share of the image's shorter side for a shape.
fn bounds(scene: &Scene<'_>, usual: f64) -> Result<(f64, f64, f64, f64), Answer> {
    if let (Some((width, height)), Some((x, y))) = (scene.wish.size, scene.wish.points.first()) {
        return Ok((*x, *y, width, height));
    }
    let image = scene
        .size()
        .ok_or_else(|| Answer::Ask("I need the image's width and height for that: give `image_state`".into()))?;
    let place = scene.wish.place.unwrap_or(Place { across: 0, down: 0 });
    let share = if scene.says("half") {
        0.5
    } else if scene.says("third") {
        1.0 / 3.0
    } else {
        0.25
    };
    let size = if let Some(size) = scene.wish.size {
        size
    } else if let Some(percent) = scene.wish.percent {
        (image.0 * percent / 100.0, image.1 * percent / 100.0)
    } else if usual < 1.0 || (scene.says(r"circle|round|square") && !scene.says("half")) {
        let side = image.0.min(image.1) * if usual < 1.0 { usual } else { 0.5 };
        (side, side)
    } else if scene.says(r"half|third|quarter") {
        (
            if place.across == 0 { image.0 } else { image.0 * share },
            if place.down == 0 { image.1 } else { image.1 * share },
        )
    } else {
        (image.0 * 0.5, image.1 * 0.5)
    };
    let (x, y) = scene.wish.points.first().copied().unwrap_or_else(|| place.corner(image, size, 0.0));
    Ok((x.round(), y.round(), size.0.round().max(1.0), size.1.round().max(1.0)))
}

fn layer_properties(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\bhide\b") {
        return act(json!({"visible": false}), "hide the layer");
    }
    if scene.says(r"\bshow\b") {
        return act(json!({"visible": true}), "show the layer");
    }
    if scene.says("rename") {
        return match scene.wish.quoted.first() {
            Some(name) => act(json!({"name": name}), format!("rename the layer to \"{name}\"")),
            None => Answer::Ask("What shall the layer be called? Put the name in quotes".into()),
        };
    }
    let opacity =
        scene.given().or_else(|| scene.wish.factor.map(|factor| factor * 100.0)).unwrap_or(50.0).clamp(0.0, 100.0);
    let opacity = if scene.says("transparen") && !scene.says("semi|opacity") { 100.0 - opacity } else { opacity };
    act(json!({"opacity": opacity}), format!("set the layer's opacity to {opacity} %"))
}
