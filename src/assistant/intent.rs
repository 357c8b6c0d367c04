//! One meaning: what is said, the operation that answers it, and how its parameters come from the scene.

use super::scene::Scene;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// What an intent makes of a wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The parameters, and what they do as the end of "I can …".
    Do(Map<String, Value>, String),
    /// Something is missing: the question.
    Ask(String),
    /// A question that the scene itself answers.
    Say(String),
    /// Not meant after all; the next intent is asked.
    Pass,
}

/// A row of the tables in `light`, `shape` and `make`.
pub struct Intent {
    pub operation: &'static str,
    pub kind: &'static str,
    /// A regular expression over the lower-case wish.
    pub said: &'static str,
    /// One that must not match; empty for none.
    pub unless: &'static str,
    /// Whether two of it in one message become one call.
    pub merges: bool,
    pub build: fn(&Scene<'_>) -> Answer,
}

/// An intent without exceptions, of which each wish is a call of its own.
pub const fn row(
    operation: &'static str,
    kind: &'static str,
    said: &'static str,
    build: fn(&Scene<'_>) -> Answer,
) -> Intent {
    Intent { operation, kind, said, unless: "", merges: false, build }
}

impl Intent {
    pub fn matches(&self, text: &str) -> bool {
        is_match(self.said, text) && (self.unless.is_empty() || !is_match(self.unless, text))
    }
}

/// Whether a constant pattern is in the text; each is compiled once.
pub fn is_match(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    compiled.entry(pattern).or_insert_with(|| Regex::new(pattern).expect("a constant pattern")).is_match(text)
}

/// `Answer::Do` from `json!({…})`.
pub fn act(parameters: Value, words: impl Into<String>) -> Answer {
    match parameters {
        Value::Object(parameters) => Answer::Do(parameters, words.into()),
        _ => Answer::Pass,
    }
}
