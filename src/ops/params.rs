//! Arguments against the catalogue: checks with errors that teach, defaults, and the few conversions that are safe.
//!
//! Clients and models send some values in the wrong JSON type although only one reading is possible. These are
//! taken: `640.0` and `"640"` for an integer, `"0.5"` for a number, `"true"` for a boolean, a string holding a JSON
//! array or object for an array or object, an enum's name in another spelling (`RGB_IMAGE`, `FOREGROUND-FILL` and
//! `CHANNEL_OP_ADD`, as GIMP's own documentation has them), `null` for a parameter left out, and points as `{"x": 1, "y": 2}` or as one flat array, `[x1, y1, x2, y2]`, for `[x, y]`.
//! Nothing else is guessed: `"640px"`, `640.5` for an integer and `1` for a boolean are errors.

use super::catalogue::Operation;
use crate::error::{Error, Kind, Result};
use regex::Regex;
use serde_json::{Map, Number, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// Most problems that one message lists.
const MAX_PROBLEMS: usize = 8;

/// Most characters of a given value that a message repeats.
const MAX_SHOWN: usize = 60;

/// The schema keywords that this validator checks or that only document; a test holds the catalogue to them.
pub const KEYWORDS: [&str; 18] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "enum",
    "const",
    "oneOf",
    "default",
    "description",
    "title",
];

/// Checks a call's arguments and fills in defaults; every problem is in the one error.
pub fn check(operation: &Operation, arguments: Map<String, Value>) -> Result<Map<String, Value>> {
    check_known(operation, arguments, |_| false)
}

/// The same for arguments of which some parts are not known yet, those that `open` is true for: they may be anything.
pub fn check_known(
    operation: &Operation,
    arguments: Map<String, Value>,
    open: fn(&Value) -> bool,
) -> Result<Map<String, Value>> {
    let mut problems = Problems { found: Vec::new(), open };
    let checked = object(operation.input_schema(), arguments, "", &mut problems);
    let mut problems = problems.found;
    if problems.is_empty() {
        return Ok(checked);
    }
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    let mut message = format!("{}: {}", operation.name, problems.join("; "));
    if more > 0 {
        message.push_str(&format!("; and {more} more"));
    }
    Err(Error::new(Kind::InvalidArgument, message).hint(signature(operation)).detail("problems", problems))
}

/// The nearest of `names`, if one is near enough to be meant.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    // A long name is not worth the quadratic comparison, and is no slip of the keyboard.
    if given.chars().count() > 64 {
        return None;
    }
    names
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `text`, cut to what fits in a message.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// As many whole sentences or clauses of a text as `most` bytes hold; else as many words, with a mark.
pub fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let last = |mark: &'static str| text.match_indices(mark).map(|(at, _)| at).take_while(|at| *at < most).last();
    match last(". ").or_else(|| last("; ")) {
        Some(end) => format!("{}.", text[..end].trim_end_matches('.')).into(),
        // Three bytes for the mark.
        None => {
            let end = text.match_indices(' ').map(|(at, _)| at).take_while(|at| at + 3 <= most).last().unwrap_or(0);
            format!("{}…", text[..end].trim_end_matches(&[',', ':', ' '][..])).into()
        }
    }
}

fn signature(operation: &Operation) -> String {
    let required = operation.input_schema().get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let names: Vec<String> = operation
        .parameter_names()
        .map(|name| if is_required(name) { format!("{name} (required)") } else { name.to_owned() })
        .collect();
    format!("{} takes {}", operation.name, names.join(", "))
}

/// What is wrong with a call's arguments.
struct Problems {
    found: Vec<String>,
    /// Whether a value is not known yet.
    open: fn(&Value) -> bool,
}

impl Problems {
    fn push(&mut self, problem: String) {
        self.found.push(problem);
    }
}

fn object(
    schema: &Map<String, Value>,
    mut given: Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) -> Map<String, Value> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let mut checked = Map::new();
    for (name, property) in properties {
        let place = join(path, name);
        match given.remove(name) {
            Some(Value::Null) | None => {
                if let Some(default) = property.get("default") {
                    checked.insert(name.clone(), default.clone());
                } else if is_listed(schema.get("required"), name) {
                    problems.push(format!("`{place}` is missing"));
                }
            }
            Some(given) => {
                if let Some(given) = value(property, given, &place, problems) {
                    checked.insert(name.clone(), given);
                }
            }
        }
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        for name in given.keys() {
            let place = join(path, &shorten(name));
            match nearest(name, properties.keys().map(String::as_str)) {
                Some(nearest) => problems.push(format!("unknown parameter `{place}`; did you mean `{nearest}`?")),
                None => problems.push(format!("unknown parameter `{place}`")),
            }
        }
    } else {
        checked.append(&mut given);
    }
    checked
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_listed(list: Option<&Value>, name: &str) -> bool {
    list.and_then(Value::as_array).is_some_and(|names| names.iter().any(|listed| listed == name))
}

/// The value as the schema wants it, or `None` with the problems added.
fn value(schema: &Value, given: Value, place: &str, problems: &mut Problems) -> Option<Value> {
    if (problems.open)(&given) {
        return Some(given);
    }
    let given = convert(schema, given, problems.open);
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return one_of(alternatives, given, place, problems);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return one_of_enum(choices, given, place, problems);
    }
    if let Some(wanted) = schema.get("const")
        && given != *wanted
    {
        problems.push(format!("`{place}` must be {}, got {}", show(wanted), show(&given)));
        return None;
    }
    if !has_type(schema, &given) {
        problems.push(format!("`{place}` must be {}, got {}", wanted_types(schema), show(&given)));
        return None;
    }
    let before = problems.found.len();
    let given = match given {
        Value::Number(number) => {
            check_range(schema, &number, place, problems);
            Value::Number(number)
        }
        Value::String(text) => {
            check_text(schema, &text, place, problems);
            Value::String(text)
        }
        Value::Array(items) => Value::Array(array(schema, items, place, problems)),
        Value::Object(members) => match schema.as_object() {
            Some(schema) => Value::Object(object(schema, members, place, problems)),
            None => Value::Object(members),
        },
        other => other,
    };
    (problems.found.len() == before).then_some(given)
}

/// The alternatives of the catalogue differ in their JSON type, so the type tells which one was meant.
fn one_of(alternatives: &[Value], given: Value, place: &str, problems: &mut Problems) -> Option<Value> {
    match alternatives.iter().find(|alternative| has_type(alternative, &given)) {
        Some(alternative) => value(alternative, given, place, problems),
        None => {
            let types: Vec<String> = alternatives.iter().map(wanted_types).collect();
            problems.push(format!("`{place}` must be {}, got {}", types.join(" or "), show(&given)));
            None
        }
    }
}

fn one_of_enum(choices: &[Value], given: Value, place: &str, problems: &mut Problems) -> Option<Value> {
    if choices.contains(&given) {
        return Some(given);
    }
    let text = given.as_str();
    if let Some(choice) = text.and_then(|text| spelled_otherwise(choices, text)) {
        return Some(choice.clone());
    }
    let list: Vec<String> = choices.iter().map(show).collect();
    let mut problem = format!("`{place}` must be one of {}, got {}", list.join(", "), show(&given));
    if let Some(nearest) = text.and_then(|text| nearest(text, choices.iter().filter_map(Value::as_str))) {
        problem.push_str(&format!("; did you mean \"{nearest}\"?"));
    }
    problems.push(problem);
    None
}

/// The one choice that a name means in another case, with other separators, or with the affixes of GIMP's constants.
fn spelled_otherwise<'a>(choices: &'a [Value], text: &str) -> Option<&'a Value> {
    const PREFIXES: [&str; 9] = [
        "gimp-",
        "channel-op-",
        "layer-mode-",
        "orientation-",
        "interpolation-",
        "merge-type-",
        "fill-type-",
        "add-mask-",
        "mask-",
    ];
    const SUFFIXES: [&str; 5] = ["-image", "-fill", "-layer-mode", "-mode", "-mask"];
    // Longer than any constant's name: not worth the work.
    if text.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.trim().to_lowercase().replace(['_', ' '], "-");
    let mut forms = vec![plain(text)];
    for affix in PREFIXES {
        forms.extend(forms.last().and_then(|form| form.strip_prefix(affix)).map(str::to_owned));
    }
    for affix in SUFFIXES {
        forms.extend(forms.last().and_then(|form| form.strip_suffix(affix)).map(str::to_owned));
    }
    // The whole name first: an affix may be part of a choice.
    forms.iter().find_map(|form| {
        let mut meant = choices.iter().filter(|choice| choice.as_str().is_some_and(|choice| plain(choice) == *form));
        meant.next().filter(|_| meant.next().is_none())
    })
}

fn array(schema: &Value, items: Vec<Value>, place: &str, problems: &mut Problems) -> Vec<Value> {
    let count = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
        problems.push(format!("`{place}` has {count} items, the least is {least}"));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
        problems.push(format!("`{place}` has {count} items, the most is {most}"));
    }
    match schema.get("items") {
        Some(schema) => items
            .into_iter()
            .enumerate()
            .filter_map(|(index, item)| value(schema, item, &format!("{place}[{index}]"), problems))
            .collect(),
        None => items,
    }
}

fn check_range(schema: &Value, given: &Number, place: &str, problems: &mut Problems) {
    let (least, most) = (&schema["minimum"], &schema["maximum"]);
    // Limits in the catalogue are far below 2^53, so comparing as f64 loses nothing.
    let number = given.as_f64().unwrap_or(f64::NAN);
    let low = least.as_f64().is_some_and(|least| number < least);
    let high = most.as_f64().is_some_and(|most| number > most);
    if low || high {
        let range = match (least.is_null(), most.is_null()) {
            (false, false) => format!("from {least} to {most}"),
            (false, true) => format!("at least {least}"),
            _ => format!("at most {most}"),
        };
        problems.push(format!("`{place}` must be {range}, got {given}"));
    }
}

fn check_text(schema: &Value, given: &str, place: &str, problems: &mut Problems) {
    let least = schema["minLength"].as_u64().unwrap_or(0);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    // Bytes bound characters from above, which spares counting a long base64 text that fits anyway.
    if (given.len() as u64) > most || least > 0 {
        let count = given.chars().take(usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX)).count() as u64;
        if count == 0 && least > 0 {
            problems.push(format!("`{place}` is empty"));
        } else if count < least {
            problems.push(format!("`{place}` has {count} characters, the least is {least}"));
        } else if count > most {
            problems.push(format!("`{place}` has {} characters, the most is {most}", given.chars().count()));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !matches(pattern, given)
    {
        problems.push(format!("`{place}` must match {pattern}, got {}", show(&Value::from(shorten(given)))));
    }
}

fn matches(pattern: &str, given: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).expect("a test compiles every pattern of the catalogue"));
    regex.is_match(given)
}

/// The conversions that the module's text lists; anything else comes back as it was.
fn convert(schema: &Value, given: Value, open: fn(&Value) -> bool) -> Value {
    if has_type(schema, &given) {
        return match &given {
            Value::Array(flat)
                if is_pair(&schema["items"])
                    && flat.len() % 2 == 0
                    && flat.iter().any(Value::is_number)
                    && flat.iter().all(|part| part.is_number() || open(part)) =>
            {
                flat.chunks(2).map(Value::from).collect()
            }
            // JSON Schema counts 640.0 as an integer; the plug-in should see 640.
            Value::Number(number) if accepts(schema, "integer") => integral(number).map_or(given, Value::Number),
            _ => given,
        };
    }
    let given = match given {
        Value::Object(point) if is_pair(schema) && point.len() == 2 => match (point.get("x"), point.get("y")) {
            (Some(x), Some(y)) => return json!([x, y]),
            _ => return Value::Object(point),
        },
        other => other,
    };
    let Value::String(text) = &given else { return given };
    let Ok(parsed) = serde_json::from_str::<Value>(text.trim()) else { return given };
    let safe = !parsed.is_string() && !parsed.is_null() && schema.get("type").is_some() && has_type(schema, &parsed);
    if safe { convert(schema, parsed, open) } else { given }
}

/// Whether a schema is that of a point: two numbers.
fn is_pair(schema: &Value) -> bool {
    schema["items"]["type"] == "number" && schema["minItems"] == 2 && schema["maxItems"] == 2
}

fn integral(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    // Beyond 2^53 an f64 no longer names one integer.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then(|| Number::from(float as i64))
}

fn has_type(schema: &Value, given: &Value) -> bool {
    if schema.get("type").is_none() {
        return true;
    }
    match given {
        Value::Null => accepts(schema, "null"),
        Value::Bool(_) => accepts(schema, "boolean"),
        Value::Number(number) => {
            accepts(schema, "number") || accepts(schema, "integer") && (!number.is_f64() || integral(number).is_some())
        }
        Value::String(_) => accepts(schema, "string"),
        Value::Array(_) => accepts(schema, "array"),
        Value::Object(_) => accepts(schema, "object"),
    }
}

fn accepts(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(only) => only == name,
        Value::Array(several) => several.iter().any(|each| each == name),
        _ => false,
    }
}

fn wanted_types(schema: &Value) -> String {
    let article = |name: &str| match name {
        "integer" | "array" | "object" => format!("an {name}"),
        "null" => name.to_owned(),
        _ => format!("a {name}"),
    };
    match &schema["type"] {
        Value::String(only) => article(only),
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(article).collect::<Vec<_>>().join(" or "),
        _ => "another value".to_owned(),
    }
}

/// A given value with its type, cut to what fits in a message.
fn show(given: &Value) -> String {
    match given {
        Value::Null | Value::Bool(_) | Value::Number(_) => given.to_string(),
        Value::String(text) => Value::from(shorten(text)).to_string(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
