//! Finding operations by what they do: a small ranked index over the catalogue.
//!
//! Owns the words that people use for the same thing. Knows nothing of what an operation does beyond its entry.

use super::catalogue::{Catalogue, Operation};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a word counts for where it stands.
const NAME: f64 = 6.0;
const TITLE: f64 = 4.0;
const PACK: f64 = 3.0;
const SUMMARY: f64 = 2.0;
const CHOICE: f64 = 1.5;
const REST: f64 = 1.0;

/// What a match counts for if it is not the very word: another word for the same thing, a beginning, a misspelling.
const SYNONYM: f64 = 0.7;
const BEGINNING: f64 = 0.6;
const MISSPELT: f64 = 0.5;

/// How much more an entry counts whose name is said in full.
const NAME_SAID: f64 = 0.4;

/// Below this part of the best score a result is noise.
const NOISE: f64 = 0.15;

/// From this length on two slips of the keyboard are forgiven, below it one.
const LONG: usize = 8;

/// Most words of a query that are looked at.
const MOST_WORDS: usize = 32;

/// Words for the same thing, in the form that [`stem`] gives them.
const SYNONYMS: &[&[&str]] = &[
    &["blur", "soften", "smooth", "defocus", "bokeh", "gaussian"],
    &["sharpen", "crisp", "unsharp", "clarity", "deblur"],
    &["delete", "remove", "discard"],
    &["erase", "eraser", "remove"],
    &["create", "new", "add", "insert"],
    &["resize", "scale", "size", "shrink", "enlarge", "bigger", "smaller", "thumbnail", "dimension"],
    &["crop", "trim", "cut", "autocrop"],
    &["rotate", "turn", "straighten", "angle", "orientation", "tilt"],
    &["flip", "mirror"],
    &["text", "caption", "title", "write", "label", "lettering", "type", "word", "watermark"],
    &["color", "colour", "hue", "tint", "yellow", "red", "blue", "green", "orange", "cast"],
    &["brightness", "lighten", "darken", "exposure", "bright", "dark", "light"],
    &["contrast", "level", "curve", "tone", "stretch"],
    &["saturation", "vibrance", "vivid", "saturate"],
    &["grayscale", "desaturate", "greyscale", "gray", "grey", "monochrome", "black"],
    &["temperature", "warm", "cool", "white", "balance"],
    &["select", "selection", "marquee", "lasso"],
    &["rectangle", "square", "box"],
    &["ellipse", "circle", "oval", "round"],
    &["save", "export", "store", "write", "download"],
    &["open", "load", "import", "read"],
    &["paint", "draw", "brush", "stroke", "pencil"],
    &["fill", "bucket", "flood"],
    &["undo", "revert", "back", "restore", "rollback"],
    &["picture", "image", "photo"],
    &["see", "view", "look", "show", "bitmap", "screenshot", "preview"],
    &["transparent", "alpha", "opacity", "transparency"],
    &["effect", "filter", "gegl"],
    &["merge", "combine", "flatten"],
    &["copy", "duplicate"],
    &["heal", "retouch", "spot", "blemish", "inpaint"],
    &["border", "frame", "outline"],
    &["warp", "distort", "perspective", "skew", "shear", "deform"],
    &["noise", "grain", "denoise"],
    &["script", "python", "code", "exec", "procedure", "pdb"],
    &["vignette", "corner"],
    &["path", "vector", "svg", "bezier"],
    &["list", "find", "search"],
    &["info", "metadata", "property", "detail", "structure"],
    &["wait", "watch", "change", "notify"],
    &["batch", "several", "sequence", "many"],
    &["move", "offset", "position", "translate"],
    &["sprite", "sheet", "animation", "gif", "frame"],
    &["upscale", "superresolution", "enlarge"],
    &["shadow", "glow"],
    &["background", "subject", "cutout", "matte", "foreground"],
    &["hide", "visible", "visibility", "show"],
    &["stack", "order", "raise", "lower", "reorder"],
];

/// One operation with the weight of each of its words.
struct Entry {
    operation: &'static Operation,
    words: HashMap<String, f64>,
}

struct Index {
    entries: Vec<Entry>,
    /// How telling a word is: high for what few operations say.
    rarity: HashMap<String, f64>,
    synonyms: HashMap<&'static str, HashSet<&'static str>>,
}

/// The public operations that match `query`, best first; all of them, in the catalogue's order, for an empty one.
pub fn search(query: &str, pack: Option<&str>) -> Vec<&'static Operation> {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(Catalogue::get()));
    INDEX.search(query, pack)
}

impl Index {
    fn new(catalogue: &'static Catalogue) -> Index {
        let entries: Vec<Entry> = catalogue.public().map(Entry::new).collect();
        let mut counts: HashMap<String, f64> = HashMap::new();
        for word in entries.iter().flat_map(|entry| entry.words.keys()) {
            *counts.entry(word.clone()).or_default() += 1.0;
        }
        let total = entries.len() as f64;
        let rarity = counts.into_iter().map(|(word, count)| (word, (1.0 + total / count).ln())).collect();
        let mut synonyms: HashMap<&str, HashSet<&str>> = HashMap::new();
        for group in SYNONYMS {
            for word in *group {
                synonyms.entry(word).or_default().extend(group.iter().filter(|other| *other != word));
            }
        }
        Index { entries, rarity, synonyms }
    }

    fn search(&self, query: &str, pack: Option<&str>) -> Vec<&'static Operation> {
        let entries = self.entries.iter().filter(|entry| pack.is_none_or(|pack| entry.operation.pack == pack));
        let wanted = words(query);
        if wanted.is_empty() {
            return entries.map(|entry| entry.operation).collect();
        }
        let exact = query.trim().to_lowercase().replace([' ', '-'], "_");
        let mut found: Vec<(f64, &'static Operation)> = entries
            .map(|entry| {
                let own: f64 = wanted.iter().take(MOST_WORDS).map(|word| self.score(entry, word)).sum();
                let own = own * (1.0 + NAME_SAID * entry.named_by(&wanted));
                (if entry.operation.name == exact { own + 1e3 } else { own }, entry.operation)
            })
            .filter(|(score, _)| *score > 0.0)
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = found.first().map_or(0.0, |(best, _)| best.min(1e2) * NOISE);
        found.into_iter().filter(|(score, _)| *score >= least).map(|(_, operation)| operation).collect()
    }

    /// What one word of a query gives for an entry: its best kind of match.
    fn score(&self, entry: &Entry, word: &str) -> f64 {
        let weigh = |found: &str, part: f64| {
            let rarity = self.rarity.get(found).copied().unwrap_or(1.0);
            entry.words.get(found).map_or(0.0, |weight| weight * rarity * part)
        };
        let mut best = weigh(word, 1.0);
        for other in self.synonyms.get(word).into_iter().flatten() {
            best = best.max(weigh(other, SYNONYM));
        }
        if best > 0.0 || word.len() < 4 {
            return best;
        }
        for known in entry.words.keys() {
            if known.starts_with(word) || (known.len() >= 4 && word.starts_with(known.as_str())) {
                best = best.max(weigh(known, BEGINNING));
            } else if known.len().abs_diff(word.len()) <= 2
                && strsim::osa_distance(known, word) <= 1 + usize::from(word.len() >= LONG)
            {
                best = best.max(weigh(known, MISSPELT));
            }
        }
        best
    }
}

impl Entry {
    fn new(operation: &'static Operation) -> Entry {
        let mut entry = Entry { operation, words: HashMap::new() };
        entry.add(&operation.name, NAME);
        entry.add(&operation.title, TITLE);
        entry.add(&operation.pack, PACK);
        entry.add(&operation.summary(), SUMMARY);
        entry.add(&operation.description, REST);
        let properties = operation.input_schema().get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten().filter(|(name, _)| !operation.is_common(name)) {
            entry.add(name, REST);
            for choice in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                entry.add(choice, CHOICE);
            }
        }
        entry
    }

    /// The part of the name's words that a query has.
    fn named_by(&self, wanted: &[String]) -> f64 {
        let name = words(&self.operation.name);
        let said = name.iter().filter(|word| wanted.contains(word)).count();
        said as f64 / name.len().max(1) as f64
    }

    /// A word counts once, for the best place where it stands.
    fn add(&mut self, text: &str, weight: f64) {
        for word in words(text) {
            let known = self.words.entry(word).or_default();
            *known = known.max(weight);
        }
    }
}

/// The words of a text that tell something, stemmed.
fn words(text: &str) -> Vec<String> {
    const EMPTY: [&str; 38] = [
        "the", "a", "an", "of", "to", "in", "on", "is", "it", "and", "or", "for", "with", "from", "by", "as", "at",
        "my", "me", "i", "want", "please", "how", "do", "that", "this", "be", "its", "can", "one", "into", "make",
        "less", "more", "some", "very", "all", "not",
    ];
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| stem(&word.to_lowercase()))
        .filter(|word| !EMPTY.contains(&word.as_str()))
        .collect()
}

/// Takes the usual endings off: enough that "blurred layers" finds "blur" and "layer".
fn stem(word: &str) -> String {
    let without = |ending: &str| word.strip_suffix(ending).filter(|rest| rest.len() >= 3 && rest.is_ascii());
    let undouble = |rest: &str| {
        let bytes = rest.as_bytes();
        let doubled = bytes.len() > 3 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
        // "blurr-ed" is blur, but "fill-ed" is fill.
        if doubled && !rest.ends_with("ll") && !rest.ends_with("ss") {
            rest[..rest.len() - 1].to_owned()
        } else {
            rest.to_owned()
        }
    };
    if let Some(rest) = without("ies") {
        return format!("{rest}y");
    }
    for ending in ["ing", "ed"] {
        if let Some(rest) = without(ending) {
            return undouble(rest);
        }
    }
    match without("s") {
        Some(rest) if !rest.ends_with('s') && !rest.ends_with('u') && !rest.ends_with('i') => rest.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_go() {
        for (word, root) in [
            ("blurred", "blur"),
            ("layers", "layer"),
            ("cropping", "crop"),
            ("filled", "fill"),
            ("properties", "property"),
            ("canvas", "canva"),
            ("brightness", "brightness"),
            ("red", "red"),
            ("größe", "größe"),
        ] {
            assert_eq!(stem(word), root);
        }
    }

    #[test]
    fn people_s_words_find_operations() {
        for (query, name) in [
            ("get_image_bitmap", "get_image_bitmap"),
            ("look at the picture", "get_image_bitmap"),
            ("revert my last change", "undo"),
            ("python script", "call_api"),
            ("exporting a jpeg", "export_for_web"),
            ("save as png", "save_image"),
            ("load a file", "open_image"),
            ("new images", "create_new_image"),
            ("metdata", "get_image_metadata"),
        ] {
            let found: Vec<&str> = search(query, None).iter().take(3).map(|each| each.name.as_str()).collect();
            assert!(found.contains(&name), "{query}: {found:?}");
        }
        assert!(search("xyzzy", None).is_empty());
        assert!(search("undo", Some("history")).iter().all(|each| each.pack == "history"));
        assert_eq!(search(" ", None).len(), Catalogue::get().public().count());
        assert_eq!(search("undo", None)[0].name, "undo");
    }
}
