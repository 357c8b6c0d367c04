//! The greatest size of a result: a model's context is not flooded by one answer.
//!
//! What is over the bound loses the ends of its longest lists and texts, and says so in `cut`. Operations with `limit`
//! and `offset` page by themselves; this is for what still comes out too long.

use serde_json::{Map, Value, json};

/// Bytes of a result as JSON: about 25,000 tokens.
pub const MOST: usize = 100_000;

/// Texts that are cut keep this at least.
const SHORTEST_TEXT: usize = 1_000;

/// A list or a text that can be cut: where, and how many bytes it takes.
struct Candidate {
    path: Vec<Step>,
    bytes: usize,
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// Cuts `fields` to `most` bytes as JSON. `image_data`, the bytes of a file, is left alone: a program asked for it.
pub fn bound(fields: &mut Map<String, Value>, most: usize) {
    let kept_aside = fields.remove("image_data");
    if size(fields) > most {
        cut(fields, most);
    }
    if let Some(data) = kept_aside {
        fields.insert("image_data".into(), data);
    }
}

fn size(fields: &Map<String, Value>) -> usize {
    fields.iter().map(|(name, value)| name.len() + 4 + measure(value)).sum()
}

fn cut(fields: &mut Map<String, Value>, most: usize) {
    let mut cuts: Map<String, Value> = Map::new();
    let mut whole = Value::Object(std::mem::take(fields));
    // Every round takes half of the longest away, so few are needed; the note itself needs room.
    for _ in 0..200 {
        let now = measure(&whole);
        if now + 2_000 <= most {
            break;
        }
        let mut longest: Option<Candidate> = None;
        find(&whole, &mut Vec::new(), &mut longest);
        let Some(Candidate { path, bytes }) = longest else { break };
        let excess = now + 2_000 - most;
        let name = name(&path);
        let Some(place) = follow(&mut whole, &path) else { break };
        let part = (1.0 - excess as f64 / bytes as f64).clamp(0.5, 0.99);
        let before = cuts.get(&name).and_then(|cut| cut["of"].as_u64());
        let (kept, of) = shorten(place, part);
        cuts.insert(name, json!({"kept": kept, "of": before.unwrap_or(of as u64)}));
    }
    if let Value::Object(shortened) = whole {
        *fields = shortened;
    }
    fields.insert("cut".into(), cuts.into());
    let note = "this answer was too long: `cut` says what was left out; ask for less, or page with limit and offset where the operation has them";
    let note = match fields.get("note").and_then(Value::as_str) {
        Some(earlier) => format!("{earlier}; {note}"),
        None => note.to_owned(),
    };
    fields.insert("note".into(), note.into());
}

/// The bytes of a value as JSON, near enough.
fn measure(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            2 + members.iter().map(|(name, value)| name.len() + 4 + measure(value)).sum::<usize>()
        }
        Value::Array(items) => 2 + items.iter().map(|item| measure(item) + 1).sum::<usize>(),
        Value::String(text) => {
            2 + text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | 0..=31)).count()
        }
        Value::Number(number) => number.to_string().len(),
        _ => 5,
    }
}

/// Finds the list (of two items or more) or text that makes the value long; returns the value's bytes.
fn find(value: &Value, path: &mut Vec<Step>, longest: &mut Option<Candidate>) -> usize {
    let bytes = match value {
        Value::Object(members) => {
            let mut bytes = 2;
            for (name, member) in members {
                path.push(Step::Key(name.clone()));
                bytes += name.len() + 4 + find(member, path, longest);
                path.pop();
            }
            bytes
        }
        Value::Array(items) => {
            let mut bytes = 2;
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                bytes += 1 + find(item, path, longest);
                path.pop();
            }
            bytes
        }
        other => measure(other),
    };
    let can_be_cut = match value {
        Value::Array(items) => items.len() >= 2,
        Value::String(text) => text.len() > SHORTEST_TEXT,
        _ => false,
    };
    // Inner ones come first: an outer list has to be longer by more than its frame, else the inner one is the cause.
    let beats = |best: &Candidate| bytes > best.bytes / 4 * 5;
    if can_be_cut && longest.as_ref().is_none_or(beats) {
        *longest = Some(Candidate { path: path.clone(), bytes });
    }
    bytes
}

fn follow<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Keeps the beginning; gives how much is kept, and how much there was.
fn shorten(value: &mut Value, part: f64) -> (usize, usize) {
    match value {
        Value::Array(items) => {
            let of = items.len();
            items.truncate(((of as f64 * part) as usize).clamp(1, of - 1));
            (items.len(), of)
        }
        Value::String(text) => {
            let of = text.len();
            let mut end = ((of as f64 * part) as usize).max(SHORTEST_TEXT / 2);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            (end, of)
        }
        _ => (0, 0),
    }
}

fn name(path: &[Step]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Key(name) => name.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    steps.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(value: Value, most: usize) -> Map<String, Value> {
        let mut fields = value.as_object().unwrap().clone();
        bound(&mut fields, most);
        fields
    }

    #[test]
    fn what_fits_is_left_alone() {
        let small = json!({"a": [1, 2, 3], "b": "x"});
        assert_eq!(Value::from(bounded(small.clone(), 1_000)), small);
        let file = json!({"image_data": "A".repeat(500_000), "bytes": 3});
        assert_eq!(Value::from(bounded(file.clone(), 1_000)), file);
    }

    #[test]
    fn long_lists_lose_their_end_and_say_so() {
        let layer = |id: usize| json!({"id": id, "name": format!("layer {id}"), "effects": [{"a": 1}, {"b": 2}], "children": []});
        let layers: Vec<Value> = (0..2_000).map(layer).collect();
        let fields =
            bounded(json!({"basic": {"width": 3}, "structure": {"layers": layers, "num_layers": 2_000}}), 20_000);
        let length = serde_json::to_string(&fields).unwrap().len();
        assert!((15_000..20_000).contains(&length), "{length}");
        let kept = fields["structure"]["layers"].as_array().unwrap().len();
        assert_eq!(fields["cut"], json!({"structure.layers": {"kept": kept, "of": 2_000}}));
        assert_eq!(fields["structure"]["layers"][kept - 1]["id"], kept - 1);
        assert!(fields["note"].as_str().unwrap().contains("cut"));
    }

    #[test]
    fn long_texts_and_nested_lists_are_cut_where_they_are() {
        let fields = bounded(json!({"output": "ü".repeat(50_000), "note": "hello"}), 10_000);
        assert!(serde_json::to_string(&fields).unwrap().len() < 10_000);
        assert_eq!(fields["cut"]["output"]["of"], 100_000);
        assert!(fields["note"].as_str().unwrap().starts_with("hello; "));
        let children: Vec<Value> = (0..3_000).map(|id| json!({"id": id})).collect();
        let group = json!({"layers": [{"id": 1, "children": children}, {"id": 2}]});
        let fields = bounded(group, 10_000);
        assert!(fields["cut"]["layers.0.children"]["kept"].as_u64().unwrap() > 100);
        assert_eq!(fields["layers"].as_array().unwrap().len(), 2);
    }
}
