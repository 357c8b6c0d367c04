//! What may stand in a log line: parameters without secrets, pictures and long texts, and the first line of an error.

use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// Characters of one text, and items of one list.
const TEXT: usize = 120;
const ITEMS: usize = 16;
/// Characters of a line.
const LINE: usize = 2000;
const MASK: &str = "********";

static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(pass(word|wd|phrase)?|secret|token|credential|authorization|cookie|(api|access|private|secret)[_-]?key)$",
    )
});
/// `Bearer …`, `password=…`, `https://user:password@…`, keys of well-known services.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(?P<head>\b(?:bearer|basic)\s+|\b[a-z_-]*(?:pass(?:word|wd|phrase)?|secret|token|signature|api_?key|access_?key)\b\s*[=:]\s*['\x22]?|://[^/\s:@]*:)",
        r"[^\s'\x22@&;,)]+",
        r"|\b(?:sk|ghp|gho|github_pat|xox[abp]|AKIA|hf)[-_]?[A-Za-z0-9_-]{16,}"
    ))
});
static DATA: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:data:[\w/+.-]*;base64,)?[A-Za-z0-9+/_-]{100,}={0,2}"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is sound")
}

/// An operation's parameters as one line.
pub fn parameters(arguments: &Map<String, Value>) -> String {
    let shown: Map<String, Value> =
        arguments.iter().map(|(name, value)| (name.clone(), of_name(name, value))).collect();
    cut(&Value::Object(shown).to_string(), LINE)
}

/// The first line of an error's message.
pub fn first_line(message: &str) -> String {
    cut(&text(message.lines().next().unwrap_or_default()), 2 * TEXT)
}

fn of_name(name: &str, value: &Value) -> Value {
    if SECRET_NAME.is_match(name) && !value.is_null() { MASK.into() } else { tame(value) }
}

fn tame(value: &Value) -> Value {
    match value {
        Value::String(words) => cut(&text(words), TEXT).into(),
        Value::Array(items) => {
            let mut shown: Vec<Value> = items.iter().take(ITEMS).map(tame).collect();
            if items.len() > ITEMS {
                shown.push(format!("… {} more", items.len() - ITEMS).into());
            }
            shown.into()
        }
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), of_name(name, value))).collect(),
        other => other.clone(),
    }
}

fn text(words: &str) -> String {
    // Patterns look at the part that can be shown; a picture has megabytes.
    let head = cut(words, 64 << 10);
    let plain = DATA.replace_all(&head, |found: &Captures| format!("<{} characters of data>", found[0].len()));
    SECRETS
        .replace_all(&plain, |found: &Captures| {
            format!("{}{MASK}", found.name("head").map_or("", |head| head.as_str()))
        })
        .into_owned()
}

fn cut(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        None => words.to_owned(),
        Some((at, _)) => format!("{}… ({} characters)", &words[..at], words.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(arguments: Value) -> String {
        parameters(arguments.as_object().unwrap())
    }

    #[test]
    fn parameters_are_shown_and_secrets_are_not() {
        assert_eq!(
            shown(json!({"radius": 3, "layer": 7, "path": "/home/me/a.png"})),
            r#"{"radius":3,"layer":7,"path":"/home/me/a.png"}"#
        );
        for arguments in [
            json!({"api_key": "hush-hush"}),
            json!({"nested": {"Password": "hush-hush"}}),
            json!({"token": ["hush-hush"]}),
            json!({"code": "login(password='hush-hush')"}),
            json!({"code": "headers = {'Authorization': 'Bearer hush-hush'}"}),
            json!({"uri": "https://me:hush-hush@example.test/a.png"}),
            json!({"uri": "https://example.test/a.png?token=hush-hush&x=1"}),
            json!({"args": ["exec", ["AWS_SECRET=hush-hush"]]}),
        ] {
            let line = shown(arguments.clone());
            assert!(!line.contains("hush-hush") && line.contains(MASK), "{arguments} {line}");
        }
        for key in ["sk-abcdefghijklmnopqrstuv", "ghp_abcdefghijklmnopqrstuv"] {
            assert!(!shown(json!({"text": format!("use {key}")})).contains(key));
        }
    }

    #[test]
    fn pictures_and_long_texts_are_cut() {
        let picture = "iVBORw0KGgo".repeat(40_000);
        let line = shown(json!({"image_data": picture, "text": "word ".repeat(100), "points": vec![1; 50]}));
        assert!(line.len() < 500 && line.contains("characters of data") && line.contains("(500 characters)"), "{line}");
        assert!(line.contains("… 34 more"), "{line}");
        assert!(
            shown(json!({"a": vec!["word ".repeat(40); 40], "b": vec!["word ".repeat(40); 40]})).chars().count() < 2100
        );
    }

    #[test]
    fn of_an_error_the_first_line() {
        assert_eq!(first_line("no layer `7`\nTraceback"), "no layer `7`");
        assert_eq!(first_line("cannot open `https://me:hush@h/x`"), "cannot open `https://me:********@h/x`");
        assert_eq!(first_line(""), "");
    }
}
