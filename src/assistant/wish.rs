//! A message taken apart: one [`Wish`] for each thing asked for, with its amounts, colours, places and quoted texts.
//!
//! Owns the English that amounts and places are said in; knows nothing of operations.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Most wishes that one message is read for; what follows is not looked at.
pub const MAX_WISHES: usize = 12;

/// One thing asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Lower case; quoted texts are replaced by `""`.
    pub text: String,
    /// Quoted texts, as written.
    pub quoted: Vec<String>,
    /// How strongly, 1 being what is meant when nothing is said.
    pub strength: f64,
    /// `50 %`.
    pub percent: Option<f64>,
    /// `twice`, `half`, `3x`, `three times`.
    pub factor: Option<f64>,
    /// `800 x 600`.
    pub size: Option<(f64, f64)>,
    /// `16:9`.
    pub ratio: Option<(f64, f64)>,
    /// `(10, 20)`, `10,20`.
    pub points: Vec<(f64, f64)>,
    /// A plain number, with its unit if one is said. Below 0 if it is said so: "brightness -15", "minus 15".
    pub number: Option<(f64, Unit)>,
    /// A file's size in bytes: `200 kB`.
    pub bytes: Option<f64>,
    /// +1 for more, -1 for less, 0 if not said.
    pub direction: i8,
    /// CSS names and `#rrggbb`, in their order.
    pub colors: Vec<String>,
    /// `top left` and the like.
    pub place: Option<Place>,
    /// "don't": the wish is that it not be done.
    pub negated: bool,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Pixels,
    Degrees,
    Stops,
}

/// A place in the image: -1 left or top, 0 middle, 1 right or bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub across: i8,
    pub down: i8,
}

impl Place {
    /// The place's name in the catalogue, such as `top-left`.
    pub fn name(self) -> &'static str {
        match (self.down, self.across) {
            (-1, -1) => "top-left",
            (-1, 0) => "top",
            (-1, _) => "top-right",
            (0, -1) => "left",
            (0, 0) => "center",
            (0, _) => "right",
            (_, -1) => "bottom-left",
            (_, 0) => "bottom",
            (_, _) => "bottom-right",
        }
    }

    /// The corner of a box of that size, put at this place of the image with a margin.
    pub fn corner(self, image: (f64, f64), size: (f64, f64), margin: f64) -> (f64, f64) {
        let along = |place: i8, length: f64, own: f64| match place {
            -1 => margin,
            1 => length - own - margin,
            _ => (length - own) / 2.0,
        };
        (along(self.across, image.0, size.0).max(0.0), along(self.down, image.1, size.1).max(0.0))
    }
}

/// Takes a message apart. A part that only names a noun ("… and contrast") takes over the direction before it.
pub fn wishes(message: &str) -> Vec<Wish> {
    let (text, quoted) = take_quotes(message);
    let mut quoted = quoted.into_iter();
    let mut all: Vec<Wish> = Vec::new();
    for part in parts(&text).into_iter().take(MAX_WISHES) {
        let count = part.matches("\"\"").count();
        let mut wish = read(&part);
        wish.quoted = quoted.by_ref().take(count).collect();
        if wish.direction == 0
            && let Some(before) = all.last()
            && !has_verb(&wish.text)
        {
            wish.direction = before.direction;
        }
        all.push(wish);
    }
    all
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a constant pattern"));
    };
}

pattern!(QUOTED, "\"([^\"]{0,2000})\"|“([^”]{0,2000})”|«([^»]{0,2000})»|(?:^|[\\s(:])'([^']{1,2000})'(?:$|[\\s).,!?])");

fn take_quotes(message: &str) -> (String, Vec<String>) {
    let mut quoted = Vec::new();
    let text = QUOTED.replace_all(message, |found: &Captures| {
        let inner = found.iter().skip(1).flatten().next().map_or("", |inner| inner.as_str());
        quoted.push(inner.to_owned());
        " \"\" "
    });
    (plain_numbers(&text.to_lowercase().replace('’', "'")), quoted)
}

pattern!(SIGN_WORD, r"\b(minus|negative|plus) (\d)");
pattern!(TYPED_MINUS, r"[−–](\d)");
// "10-20" is a range and "size-20" a name: the hyphen is no sign
pattern!(NO_SIGN, r"(\w)-(\d)");
pattern!(
    NUMBER_WORD,
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten) (degrees?|pixels?|stops?|steps?|percent|times|levels|colou?rs)\b"
);

/// Numbers in the one form that is read: `-15` for "minus 15" and "−15", `3 degrees` for "three degrees".
fn plain_numbers(text: &str) -> String {
    const WORDS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let text = NO_SIGN.replace_all(text, "$1 $2");
    let text = TYPED_MINUS.replace_all(&text, "-$1");
    let text = SIGN_WORD
        .replace_all(&text, |found: &Captures| format!("{}{}", if &found[1] == "plus" { '+' } else { '-' }, &found[2]));
    let counted = |found: &Captures| {
        let number = WORDS.iter().position(|word| *word == &found[1]).map_or(0, |at| at + 1);
        format!("{number} {}", &found[2])
    };
    NUMBER_WORD.replace_all(&text, counted).into_owned()
}

// Pairs that belong together although "and" stands in them
const TOGETHER: [(&str, &str); 9] = [
    ("black and white", "black-and-white"),
    ("black & white", "black-and-white"),
    ("b&w", "black-and-white"),
    ("b/w", "black-and-white"),
    ("shadows and highlights", "shadows-highlights"),
    ("highlights and shadows", "shadows-highlights"),
    ("width and height", "size"),
    ("left and right", "horizontally"),
    ("cut and paste", "cut-paste"),
];

pattern!(
    BREAK,
    r"(?:\s*[;!?]+\s*|\s*,\s+(?:(?:and|then|also|plus|but)\s+)*|\.\s+|\.$|\s+(?:and|then|plus|but|also|after that|afterwards|&)\s+)+"
);

// "at 50, 80" is one place
pattern!(PAIR, r"(\d),\s+(\d)");
// ", size 120, red": what only says how or where belongs to the wish before it
pattern!(
    MODIFIER,
    r"^(?:(?:in|at|on|of|with|to|size|colou?r|a|the|font|bold|big|large|huge|small|tiny|top|bottom|upper|lower|left|right|center|centre|middle|corner|light|dark|red|blue|green|white|black|yellow|orange|purple|pink|brown|gr[ae]y|gold|silver|ivory|navy|teal|cyan|magenta|px|pixels?|pt|points?|#[0-9a-f]{3,8}|[\d.]+(?:px|pt)?)(?:\s+|$))+$"
);

fn parts(text: &str) -> Vec<String> {
    let text = TOGETHER.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let text = PAIR.replace_all(&text, "$1,$2");
    let mut parts: Vec<String> = Vec::new();
    let found = BREAK
        .split(&text)
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|part| !part.is_empty());
    for part in found {
        match parts.last_mut() {
            Some(before) if MODIFIER.is_match(&part) => {
                before.push(' ');
                before.push_str(&part);
            }
            _ => parts.push(part),
        }
    }
    parts
}

pattern!(
    VERB,
    r"\b(make|add|put|write|set|change|turn|rotate|flip|mirror|crop|cut|resize|scale|shrink|enlarge|blur|sharpen|remove|delete|fill|draw|select|save|export|undo|convert|apply|create|increase|decrease|reduce|raise|lower|boost|duplicate|merge|flatten|hide|show|invert|fix|give|denoise|paint)\b"
);

fn has_verb(text: &str) -> bool {
    VERB.is_match(text)
}

pattern!(PERCENT, r"([-+]?\d+(?:\.\d+)?)\s*(?:%|percent|per cent)");
pattern!(SIZE, r"(\d+(?:\.\d+)?)\s*(?:px|pixels)?\s*(?:x|×|by)\s*(\d+(?:\.\d+)?)");
pattern!(RATIO, r"\b(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\b");
pattern!(POINT, r"\(?\b(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\b\)?");
pattern!(NUMBER, r"([-+]?\d+(?:\.\d+)?)\s*(px\b|pixels?\b|points?\b|pt\b|°|deg(?:rees?)?\b|ev\b|stops?\b)?");
pattern!(
    TIMES,
    r"\b(\d+(?:\.\d+)?)\s*(?:x\b|times\b|-fold\b)|\bx\s?(\d+(?:\.\d+)?)\b|\bfactor (?:of )?(\d+(?:\.\d+)?)"
);
pattern!(BYTES, r"(\d+(?:\.\d+)?)\s*(kb|kib|mb|mib|kilobytes?|megabytes?|k)\b");
pattern!(HEX, r"#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b");

fn read(text: &str) -> Wish {
    let mut rest = text.to_owned();
    // Each reading is taken out of the text, so that "50 %" is not also the number 50
    let mut take = |pattern: &Regex| -> Option<Vec<f64>> {
        let found = pattern.captures(&rest)?;
        let values = found.iter().skip(1).flatten().filter_map(|value| value.as_str().parse().ok()).collect();
        let range = found.get(0)?.range();
        rest.replace_range(range, " ");
        Some(values)
    };
    let pair = |values: Vec<f64>| Some((*values.first()?, *values.get(1)?));
    let mut hexes = Vec::new();
    while let Some(found) = HEX.find(&text[hexes.iter().map(|(end, _)| *end).max().unwrap_or(0)..]) {
        let base = hexes.iter().map(|(end, _)| *end).max().unwrap_or(0);
        hexes.push((base + found.end(), found.as_str().to_owned()));
    }
    while take(&HEX).is_some() {}
    let bytes = BYTES.captures(text).and_then(|found| {
        let unit = if found[2].starts_with('m') { 1e6 } else { 1e3 };
        Some(found[1].parse::<f64>().ok()? * unit)
    });
    // "4k" alone is a size of pictures
    let bytes = bytes.filter(|_| FILE_SIZE.is_match(text));
    if bytes.is_some() {
        take(&BYTES);
    }
    let size = take(&SIZE).and_then(pair);
    let ratio = take(&RATIO).and_then(pair);
    let percent = take(&PERCENT).and_then(|values| values.first().copied());
    let mut points = Vec::new();
    while let Some(point) = take(&POINT).and_then(pair) {
        points.push(point);
    }
    let factor = take(&TIMES).and_then(|values| values.first().copied()).or_else(|| factor_word(text));
    let number = NUMBER.captures(&rest).and_then(|found| {
        let unit = match found.get(2).map_or("", |unit| unit.as_str()) {
            unit if unit.starts_with('p') => Unit::Pixels,
            unit if unit.starts_with('d') || unit == "°" => Unit::Degrees,
            unit if unit.starts_with("ev") || unit.starts_with("stop") => Unit::Stops,
            _ => Unit::None,
        };
        Some((found[1].parse().ok()?, unit))
    });
    Wish {
        text: text.to_owned(),
        quoted: Vec::new(),
        strength: strength(text),
        percent,
        factor,
        size,
        ratio,
        points,
        number,
        direction: direction(text),
        colors: colors(text, hexes.into_iter().map(|(_, name)| name).collect()),
        place: place(text),
        negated: NEGATED.is_match(&SPARED.replace_all(text, "")),
        bytes,
    }
}

pattern!(FILE_SIZE, r"\d\s*(kb|kib|mb|mib|kilobytes?|megabytes?)\b|\b(file|size|under|below|less than|at most)\b");

pattern!(
    NEGATED,
    r"\b(don't|do not|never|without)\b|^(keep|preserve|maintain|leave)\b.*\b(contrast|colou?rs?|proportions?|quality|brightness|size|rest|same|as (it|they) (is|are)|alone|unchanged)\b"
);
// What is to be spared while something is done negates nothing
pattern!(
    SPARED,
    r"\bwithout (losing|loss|any|changing|stretching|distort|squashing|squeezing|cropping|cutting)[\w ]*|\bwithout (quality |detail )?loss\b|\bkeep(ing)? the (proportions|aspect ratio|ratio)\b"
);

fn factor_word(text: &str) -> Option<f64> {
    const WORDS: [(&str, f64); 12] = [
        ("one and a half times", 1.5),
        ("half again", 1.5),
        ("three times", 3.0),
        ("four times", 4.0),
        ("two times", 2.0),
        ("twice", 2.0),
        ("double", 2.0),
        ("triple", 3.0),
        ("quadruple", 4.0),
        ("a quarter", 0.25),
        ("a third", 1.0 / 3.0),
        ("half", 0.5),
    ];
    // "the left half" is a place
    static PLACED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(left|right|top|bottom|upper|lower)(-hand)? (half|quarter|third)").expect("a constant pattern")
    });
    if PLACED.is_match(text) {
        return None;
    }
    WORDS.iter().find(|(word, _)| has_word(text, word)).map(|(_, factor)| *factor)
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| stands_alone(text, at, word.len()))
}

/// Whether no letter or digit touches the `length` bytes at `at`, which begin and end between characters.
fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// How strongly, 1 being what is meant when nothing is said.
pub fn strength(text: &str) -> f64 {
    const WORDS: [(&[&str], f64); 4] = [
        (&["tiny bit", "a touch", "a tad", "a hint", "barely", "very slightly", "ever so slightly"], 0.3),
        (
            &[
                "a bit",
                "a little",
                "slightly",
                "somewhat",
                "gently",
                "subtly",
                "subtle",
                "slight",
                "little bit",
                "lightly",
                "soft",
            ],
            0.5,
        ),
        (&["as much as possible", "completely", "fully", "maximum", "extremely", "to the max", "totally"], 3.0),
        (
            &[
                "a lot",
                "much",
                "very",
                "strongly",
                "strong",
                "heavily",
                "heavy",
                "really",
                "way",
                "dramatically",
                "dramatic",
                "significantly",
                "far",
                "super",
                "intense",
            ],
            2.0,
        ),
    ];
    // "a bit much" is a bit: the small words are looked for first
    WORDS.iter().find(|(words, _)| words.iter().any(|word| has_word(text, word))).map_or(1.0, |(_, strength)| *strength)
}

fn direction(text: &str) -> i8 {
    const UP: [&str; 17] = [
        "increase",
        "raise",
        "more",
        "boost",
        "add",
        "enhance",
        "higher",
        "stronger",
        "up",
        "intensify",
        "improve",
        "not enough",
        "lacks",
        "lacking",
        "bigger",
        "grow",
        "expand",
    ];
    const DOWN: [&str; 20] = [
        "decrease", "reduce", "less", "lower", "down", "weaker", "remove", "drop", "tone", "mute", "diminish",
        "too much", "cut", "soften", "not so", "fewer", "smaller", "shrink", "rid", "too",
    ];
    let first =
        |words: &[&str]| words.iter().filter(|word| has_word(text, word)).filter_map(|word| text.find(word)).min();
    match (first(&UP), first(&DOWN)) {
        (Some(up), Some(down)) => {
            if up < down {
                1
            } else {
                -1
            }
        }
        (Some(_), None) => 1,
        (None, Some(_)) => -1,
        (None, None) => 0,
    }
}

/// Colour words of everyday speech that every CSS parser knows.
const COLORS: [&str; 40] = [
    "dark blue",
    "dark green",
    "dark red",
    "dark gray",
    "dark grey",
    "light blue",
    "light green",
    "light gray",
    "light grey",
    "sky blue",
    "navy blue",
    "hot pink",
    "forest green",
    "royal blue",
    "white",
    "black",
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "purple",
    "pink",
    "brown",
    "cyan",
    "magenta",
    "gray",
    "grey",
    "turquoise",
    "teal",
    "navy",
    "gold",
    "silver",
    "beige",
    "violet",
    "maroon",
    "olive",
    "lime",
    "coral",
    "ivory",
];

fn colors(text: &str, hexes: Vec<String>) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut taken = text.to_owned();
    for name in COLORS {
        while let Some(at) = taken.find(name) {
            let word = stands_alone(&taken, at, name.len());
            taken.replace_range(at..at + name.len(), &"_".repeat(name.len()));
            if word {
                let css = name.replace("navy blue", "navy").replace(' ', "");
                found.push((at, css));
            }
        }
    }
    found.sort_unstable();
    hexes.into_iter().chain(found.into_iter().map(|(_, name)| name)).collect()
}

fn place(text: &str) -> Option<Place> {
    let any = |words: &[&str]| words.iter().any(|word| has_word(text, word));
    let down = if any(&["top", "upper", "above"]) {
        Some(-1)
    } else if any(&["bottom", "lower left", "lower right", "lower half", "lower third", "below", "underneath"]) {
        Some(1)
    } else {
        None
    };
    let across = if any(&["left", "left-hand"]) {
        Some(-1)
    } else if any(&["right", "right-hand"]) {
        Some(1)
    } else {
        None
    };
    let middle = any(&["middle", "center", "centre", "centered", "centred"]);
    if down.is_none() && across.is_none() && !middle {
        return None;
    }
    Some(Place { across: across.unwrap_or(0), down: down.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(message: &str) -> Wish {
        let mut all = wishes(message);
        assert_eq!(all.len(), 1, "{message}: {all:?}");
        all.remove(0)
    }

    #[test]
    fn messages_come_apart_at_their_joints() {
        let texts = |message: &str| wishes(message).into_iter().map(|wish| wish.text).collect::<Vec<_>>();
        assert_eq!(texts("Make it brighter, then blur it and save it."), ["make it brighter", "blur it", "save it"]);
        assert_eq!(texts("Turn it black and white"), ["turn it black-and-white"]);
        assert_eq!(texts("crop to 100,50 with 1.5 px"), ["crop to 100,50 with 1.5 px"]);
        assert_eq!(wishes("less brightness and contrast")[1].direction, -1);
        assert_eq!(wishes(&"blur it, ".repeat(50)).len(), MAX_WISHES);
    }

    #[test]
    fn amounts_sizes_and_numbers() {
        assert_eq!(one("make it 50 % larger").percent, Some(50.0));
        assert_eq!(one("make it twice as large").factor, Some(2.0));
        assert_eq!(one("scale by 3x").factor, Some(3.0));
        assert_eq!(one("resize to 800 x 600").size, Some((800.0, 600.0)));
        assert_eq!(one("crop to 16:9").ratio, Some((16.0, 9.0)));
        assert_eq!(one("rotate 45.5 degrees").number, Some((45.5, Unit::Degrees)));
        assert_eq!(one("from 10,20 to 30,40").points, [(10.0, 20.0), (30.0, 40.0)]);
        assert_eq!(one("crop the left half").factor, None);
        assert!(one("a bit brighter").strength < 1.0 && one("much brighter").strength > 1.0);
    }

    #[test]
    fn colours_places_and_quotes() {
        assert_eq!(one("fill with dark blue").colors, ["darkblue"]);
        assert_eq!(one("from red to #00ff7f").colors, ["#00ff7f", "red"]);
        assert_eq!(one("reduced noise").colors, [""; 0]);
        assert_eq!(one("in the top left corner").place, Some(Place { across: -1, down: -1 }));
        let wish = one("Write 'Hello, World and more' in white");
        assert_eq!(
            (wish.quoted.as_slice(), wish.colors.as_slice()),
            (&["Hello, World and more".to_owned()][..], &["white".to_owned()][..])
        );
        assert!(one("don't make it darker").negated);
    }
}
