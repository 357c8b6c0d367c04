//! Light, colour, sharpness and effects.

use super::intent::{Answer, Intent, act, row};
use super::scene::Scene;
use super::wish::Unit;
use serde_json::json;

pub static INTENTS: &[Intent] = &[
    row(
        "desaturate",
        "adjustment",
        r"black-and-white|gr[ae]y-?scale|monochrome|(remove|without|no|take out|strip)( all)?( the)? colou?rs?$|\bdesaturate (it|the image|this)|\bgr[ae]y\b.*\b(image|picture|photo|it)\b|\b(image|picture|photo|it) gr[ae]y\b",
        desaturate,
    ),
    row("apply_sepia", "adjustment", r"\bsepia\b|(like|look) .*\bold(-fashioned)? (photo|picture)|vintage", |scene| {
        let strength =
            scene.given().map_or((60.0 * scene.wish.strength + 40.0).min(100.0), |given| given.clamp(1.0, 100.0));
        act(json!({"strength": strength}), "tone it sepia")
    }),
    row("colorize", "adjustment", r"colou?ri[sz]e|\btint\b|\btoned?\b.* (blue|red|green|brown)", colorize),
    row("invert_colors", "adjustment", r"\binvert|\bnegative\b|reverse the colou?rs|\binverse\b", |_| {
        act(json!({}), "invert the colours")
    }),
    row(
        "apply_threshold",
        "adjustment",
        r"\bthreshold|(only|pure) black-and-white|two(-| )tone|\bbinar(y|i[sz]e)",
        |scene| {
            scene.given().map_or_else(
                || act(json!({}), "reduce it to black and white by a threshold"),
                |level| act(json!({"low": level.clamp(0.0, 255.0)}), format!("apply a threshold at {level}")),
            )
        },
    ),
    row(
        "posterize",
        "adjustment",
        r"\bposteri[sz]e|fewer colou?rs|\b(reduce|limit).*\bcolou?rs? to\b|comic|cartoon",
        |scene| {
            let levels = scene.given().map_or(4.0, f64::abs).clamp(2.0, 255.0).round() as u64;
            act(json!({"levels": levels}), format!("posterise it to {levels} levels"))
        },
    ),
    row("apply_blur", "filter", r"pixelat|pixeli[sz]e|mosaic|\bcensor", |scene| {
        let radius = scene.pixels().unwrap_or_else(|| scene.length(0.02, 10.0));
        act(
            json!({"blur_type": "pixelize", "radius": radius}),
            format!("pixelate it in blocks of about {radius} pixels"),
        )
    }),
    Intent {
        operation: "adjust_shadows_highlights",
        kind: "adjustment",
        said: r"shadows?\b|highlights?\b",
        unless: "",
        merges: true,
        build: shadows_highlights,
    },
    row(
        "adjust_color_temperature",
        "adjustment",
        r"\bwarm|\bcool(er|ing)?\b|\bcold(er)?\b|too (blue|yellow|orange)|temperature|\b(yellow|orange|blue)(ish)? (tint|tinge|cast)|cosy|cozy|golden hour|sunny",
        temperature,
    ),
    Intent {
        operation: "adjust_brightness_contrast",
        kind: "adjustment",
        said: r"\bcontrast|\bflat\b|washed[- ]out|\bpunch(y|ier)?\b|\bcrisp(er)? colou?rs|make (it|the image|this) pop\b|\bhaz(y|e)\b|\bdull\b.*contrast",
        unless: "",
        merges: true,
        build: contrast,
    },
    Intent {
        operation: "adjust_hue_saturation",
        kind: "adjustment",
        said: r"saturat|\bvivid|\bvibran|colou?rful|\bmuted\b|\bdull\b|\bpale\b|richer|(strong|intens|weak|bright)\w* colou?rs|colou?rs? (more|less|pop|stronger|weaker)|\bhue\b|shift the colou?rs",
        unless: "",
        merges: true,
        build: saturation,
    },
    row("adjust_exposure", "adjustment", r"\bexposure\b|\d (stops?|ev)\b|\bby a stop", |scene| {
        let down = scene.says(r"over-?exposed|underexpose\b|dark") && !scene.says(r"too dark|under-?exposed");
        let direction = if down || scene.is_negative() { -1.0 } else { scene.direction(1.0) };
        let stops = match scene.wish.number {
            Some((stops, Unit::Stops | Unit::None)) => stops.abs(),
            _ => 0.5 * scene.wish.strength,
        };
        let stops = stops.min(5.0) * direction;
        act(json!({"exposure": stops}), format!("change the exposure by {stops:+} stops"))
    }),
    Intent {
        operation: "adjust_brightness_contrast",
        kind: "adjustment",
        said: r"bright|\blight(er|en|ness)\b|too light|\bdark|\bdim(mer)?\b|\bgloomy\b|\bglare\b|over-?exposed|under-?exposed|more light|less light|\bshiny\b",
        unless: r"bright(er)? colou?rs",
        merges: true,
        build: brightness,
    },
    row("apply_gegl_operation", "filter", r"red[- ]?eyes?\b", |_| {
        let parameters = json!({"operation": "gegl:red-eye-removal"});
        act(parameters, "take the strong red out of the eyes (select them first, else it is done everywhere)")
    }),
    row(
        "apply_sharpen",
        "filter",
        r"sharp|\bcrisp|too (blurry|soft)|out of focus|\bblurry\b|more detail|unsharp|\bfuzzy\b|(remove|reduce|less|fix|undo)( the| all)? (blur|blurriness)\b|unblur|deblur",
        |scene| {
            if scene.says(r"(too|over-?)\s?sharp|less sharp|(reduce|lower|decrease)\b.*sharpness")
                || scene.is_negative()
            {
                return Answer::Pass;
            }
            let amount =
                (scene.wish.percent.map_or(0.5 * scene.wish.strength, |percent| percent / 100.0)).clamp(0.05, 5.0);
            let mut parameters = json!({"amount": amount});
            if let Some(radius) = scene.pixels().filter(|radius| *radius > 0.0 && scene.says("radius|px|pixel")) {
                parameters["radius"] = json!(radius.min(1500.0));
            }
            act(parameters, format!("sharpen it by {amount}"))
        },
    ),
    row("apply_blur", "filter", r"\bmotion blur|\bspeed\b.*\bblur|movement", |scene| {
        let radius = scene.pixels().unwrap_or_else(|| (scene.length(0.02, 10.0) * scene.wish.strength).round());
        act(json!({"blur_type": "motion", "radius": radius}), format!("apply motion blur over {radius} pixels"))
    }),
    row(
        "apply_blur",
        "filter",
        r"\bblur|\bsoft(er|en)?\b|\bsmooth|(too|less) sharp|(reduce|lower|decrease)\b.*sharpness|sharpness -|bokeh|out-of-focus|defocus",
        blur,
    ),
    row("apply_vignette", "filter", r"\bvignette|dark(er|en)? (the )?(edges|corners)", |_| {
        act(json!({}), "add a vignette")
    }),
    row("apply_emboss", "filter", r"\bemboss", |_| act(json!({}), "emboss it")),
    row("detect_edges", "filter", r"\bedges?\b|outlines? of|line drawing|sketch", |_| act(json!({}), "find its edges")),
    row("apply_drop_shadow", "filter", r"\bdrop ?shadow|\bshadow (under|behind|below)", |_| {
        act(json!({}), "add a drop shadow")
    }),
    row(
        "color_to_alpha",
        "adjustment",
        r"(make|turn) (the )?(\w+ )?(white|black|red|green|blue|yellow|colou?r).* transparent|remove (the )?white( background)?",
        |scene| {
            let color = scene.wish.colors.first().cloned().unwrap_or_else(|| "white".into());
            act(json!({"color": color}), format!("make {color} transparent"))
        },
    ),
    row(
        "auto_levels",
        "adjustment",
        r"auto[- ]?(levels|colou?r|contrast|adjust|tone)|normali[sz]e|stretch|enhance|improve|fix (it|this|the (image|photo|picture|colou?rs|lighting))|look (better|nicer|great|good)|beautif|touch up",
        |_| act(json!({"mode": "contrast"}), "stretch its tones to the full range"),
    ),
];

fn desaturate(scene: &Scene<'_>) -> Answer {
    // By how much is `saturation`'s; and "colourise the black and white photo" is no wish for grey
    if scene.says(r"colou?ri[sz]e")
        || (scene.says("desaturate") && (scene.given().is_some() || scene.wish.strength < 1.0))
    {
        return Answer::Pass;
    }
    if scene.is_grayscale() {
        return Answer::Say("The image has no colour already. ".into());
    }
    act(json!({}), "turn it black and white")
}

fn colorize(scene: &Scene<'_>) -> Answer {
    if scene.wish.colors.iter().all(|color| ["black", "white"].contains(&color.as_str()))
        && scene.says(r"colou?ri[sz]e")
    {
        return Answer::Ask(
            "True colours for a grey photo take a model that is not built in (`gimp-bridge filters catalogue` lists \
             some). Or name a colour and I tone it"
                .into(),
        );
    }
    let (hue, saturation, words) = match scene.wish.colors.first().map(String::as_str) {
        Some("blue" | "darkblue" | "lightblue" | "navy" | "skyblue") => (220.0, 50.0, "blue"),
        Some("green" | "darkgreen" | "lightgreen") => (120.0, 40.0, "green"),
        Some("red" | "darkred") => (0.0, 50.0, "red"),
        Some("yellow" | "gold") => (50.0, 50.0, "yellow"),
        Some("orange") => (30.0, 60.0, "orange"),
        Some("purple" | "violet") => (280.0, 40.0, "purple"),
        Some("cyan" | "teal" | "turquoise") => (180.0, 40.0, "cyan"),
        Some("pink" | "magenta") => (320.0, 45.0, "pink"),
        _ => (35.0, 30.0, "brown"),
    };
    act(json!({"hue": hue, "saturation": saturation}), format!("tone it {words}"))
}

fn brightness(scene: &Scene<'_>) -> Answer {
    let word = if scene.says(r"too (bright|light)|over-?exposed|\bglare\b|less (bright|light)|not so bright") {
        -1.0
    } else if scene
        .says(r"too dark|\bgloomy\b|under-?exposed|less dark|not so dark|not bright enough|so dark|very dark")
    {
        1.0
    } else if scene.says(r"\bdark|\bdim") {
        -1.0
    } else if scene.says(r"bright(er|en)|light(er|en)") {
        1.0
    } else {
        scene.direction(1.0)
    };
    let value = scene.amount(scene.light_step(word), 127.0, word);
    act(json!({"brightness": value, "contrast": 0}), format!("{} the brightness of your image", verb(value)))
}

fn contrast(scene: &Scene<'_>) -> Answer {
    let word = if scene.says(r"\bflat\b|washed|punch|pop\b|haz|low contrast") {
        1.0
    } else if scene.says(r"(too|so) (much|high|strong)|too contrast") {
        -1.0
    } else {
        scene.direction(1.0)
    };
    // A flat image (a small spread) takes more
    let usual = scene.contrast().map_or(20.0, |spread| {
        if word > 0.0 {
            (20.0 * 55.0 / spread.max(15.0)).clamp(6.0, 60.0)
        } else {
            (20.0 * spread / 55.0).clamp(6.0, 60.0)
        }
    });
    let value = scene.amount(usual.round(), 127.0, word);
    act(json!({"brightness": 0, "contrast": value}), format!("{} its contrast", verb(value)))
}

fn saturation(scene: &Scene<'_>) -> Answer {
    if scene.says(r"\bhue\b|shift the colou?rs") {
        let degrees = scene.wish.number.map_or(30.0, |(degrees, _)| degrees).clamp(-180.0, 180.0);
        return act(
            json!({"hue": degrees, "saturation": 0, "lightness": 0}),
            format!("turn its hues by {degrees} degrees"),
        );
    }
    let word = if scene.says(r"\b(dull|pale)\b|not colou?rful|lacks") {
        1.0
    } else if scene.says(r"too|over-?saturated|\bmuted\b|weak|desaturat") {
        -1.0
    } else {
        scene.direction(1.0)
    };
    let value = scene.amount(25.0, 100.0, word);
    act(json!({"hue": 0, "saturation": value, "lightness": 0}), format!("{} its saturation", verb(value)))
}

fn verb(value: f64) -> &'static str {
    if value < 0.0 { "reduce" } else { "increase" }
}

pub(super) fn temperature(scene: &Scene<'_>) -> Answer {
    let warmer = if scene.says(
        r"too (yellow|orange|warm)|\b(yellow|orange)(ish)? (tint|tinge|cast)|\bcool(er|ing)?\b|\bcold(er)?\b|less warm",
    ) {
        -1.0
    } else if scene.says(r"too (blue|cold|cool)|\bblue(ish)? (tint|tinge|cast)|\bwarm|cosy|cozy|golden|sunny") {
        1.0
    } else {
        scene.direction(1.0)
    };
    let value = scene.amount(25.0, 100.0, warmer);
    act(json!({"warmth": value}), format!("make its colours {}", if value < 0.0 { "cooler" } else { "warmer" }))
}

fn shadows_highlights(scene: &Scene<'_>) -> Answer {
    if scene.says(r"drop ?shadow|shadow (under|behind|below)") {
        return Answer::Pass;
    }
    let mut parameters = serde_json::Map::new();
    let mut said = Vec::new();
    if scene.says(r"shadows?") {
        let direction = if scene.says(r"dark(en|er)|deep") {
            -1.0
        } else {
            scene.direction(1.0).max(if scene.says(r"too dark|lift|open|bright|light|recover") { 1.0 } else { -1.0 })
        };
        let value = scene.amount(40.0, 100.0, direction);
        parameters.insert("shadows".into(), json!(value));
        said.push(if value < 0.0 { "deepen the shadows" } else { "lift the shadows" });
    }
    if scene.says(r"highlights?") {
        let direction =
            if scene.says(r"bright(en|er)|boost|increase|more|raise|\+\d") && !scene.says("too") { 1.0 } else { -1.0 };
        let value = scene.amount(40.0, 100.0, direction);
        parameters.insert("highlights".into(), json!(value));
        said.push(if value < 0.0 { "bring the highlights back" } else { "raise the highlights" });
    }
    act(parameters.into(), said.join(" and "))
}

fn blur(scene: &Scene<'_>) -> Answer {
    if scene.says(r"(remove|reduce|less|fix)\b.*\bblur|unblur|deblur") {
        return Answer::Pass;
    }
    let radius =
        scene.pixels().map_or_else(|| (scene.length(0.004, 5.0) * scene.wish.strength).max(0.5), f64::abs).min(500.0);
    act(json!({"blur_type": "gaussian", "radius": radius}), format!("blur it with a radius of {radius} pixels"))
}
