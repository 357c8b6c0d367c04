//! Suggestions for what a person asks in words: operations of the catalogue with parameters that are valid.
//!
//! Owns the intents (what is said, which operation answers it, how much) and reads amounts from the image's analysis:
//! how dark it really is decides how much brighter it gets. Runs nothing; refuses to guess where a size or a text is
//! missing, and says so. No model is needed; `remote` asks one where it is configured.

mod effects;
mod follow_up;
mod intent;
mod light;
mod make;
pub mod remote;
mod scene;
mod shape;
mod wish;

use crate::ops::{Catalogue, params};
use intent::{Answer, Intent, is_match};
use scene::Scene;
use serde_json::{Map, Value, json};

/// Longest message that is read, in characters.
pub const MAX_MESSAGE: usize = 8_000;

/// One operation that would do what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// `adjustment`, `filter`, `transform`, `selection`, `drawing`, `text`, `layer`, `file`, `history`, `ai_filter`.
    pub kind: &'static str,
    pub operation: String,
    /// Valid against the catalogue.
    pub parameters: Map<String, Value>,
    /// What it does, as the end of "I can …".
    pub words: String,
}

impl Suggestion {
    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!({"type": self.kind, "operation": self.operation, "parameters": self.parameters})
    }
}

/// What the assistant answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub message: String,
    /// In the order in which they were asked for.
    pub suggestions: Vec<Suggestion>,
    /// Parts of the message that nothing was found for, or that lack something.
    pub open: Vec<String>,
}

/// What is known of the image: its state and its analysis as the API's clients pass them on, both optional.
#[derive(Clone, Copy, Default)]
pub struct Knowledge<'a> {
    pub image_state: Option<&'a Value>,
    pub analysis: Option<&'a Value>,
}

pub use follow_up::{suggest_after, taken_up};

/// Answers a message from the embedded intents alone.
pub fn suggest(message: &str, knowledge: Knowledge<'_>) -> Reply {
    grant(wish::wishes(message), knowledge)
}

fn grant(wishes: Vec<wish::Wish>, knowledge: Knowledge<'_>) -> Reply {
    let mut reply = Reply::default();
    for wish in wishes {
        if wish.negated {
            let spared = is_match(r"^(keep|preserve|maintain|leave)\b", &wish.text);
            let what = if spared { "I change nothing for" } else { "I leave out" };
            reply.open.push(format!("{what} \"{}\"", wish.text));
            continue;
        }
        // After a wish, "can you fix it" asks for nothing more
        if !reply.suggestions.is_empty() && (ASIDES.contains(&wish.text.as_str()) || is_match(MEND_IT, &wish.text)) {
            continue;
        }
        let scene = Scene::new(wish, knowledge);
        if is_match(
            r"what (all )?(can|could) you do|how (can|could) you help|^help( me)?$|what are you able",
            &scene.wish.text,
        ) {
            reply.message.push_str(HELP);
            continue;
        }
        if is_match(r"\bexcept|\bapart from\b|\bother than\b", &scene.wish.text) {
            reply.open.push(format!("I cannot leave something out by myself (\"{}\"): {SELECT}", scene.wish.text));
            continue;
        }
        match answer(&scene) {
            Some((intent, Answer::Do(_, words))) if is_elsewhere(intent, &scene) => {
                reply.open.push(format!("To {words} only there, as in \"{}\": {SELECT}", scene.wish.text));
            }
            Some((intent, Answer::Do(parameters, words))) => match checked(intent.operation, parameters) {
                Ok(parameters) => push(&mut reply, intent, parameters, words),
                Err(why) => reply.open.push(format!("\"{}\": {why}", scene.wish.text)),
            },
            Some((_, Answer::Ask(question))) => reply.open.push(question),
            Some((_, Answer::Say(words))) => reply.message.push_str(&words),
            Some((_, Answer::Pass)) | None if ASIDES.contains(&scene.wish.text.as_str()) => (),
            Some((_, Answer::Pass)) | None => {
                reply.open.push(format!("I found nothing in GIMP's operations for \"{}\"", scene.wish.text))
            }
        }
    }
    reply.message = words(&reply);
    reply
}

/// What to do where a wish is about a part of the picture that only a person sees.
const SELECT: &str = "select the place first (select_subject, select_by_color, invert_selection), then ask again";

/// Whether a change of colour or sharpness is meant for a thing in the picture, and no selection says where that is.
fn is_elsewhere(intent: &Intent, scene: &Scene<'_>) -> bool {
    let names_a_thing = is_match(
        r"\b(the|her|his|my|their|its) (\w+ )?(background|foreground|sky|faces?|skin|teeth|hair|subject|person|people|man|woman|water|grass|trees?)\b",
        &scene.wish.text,
    );
    let changes_pixels = matches!(intent.kind, "adjustment" | "filter") && intent.operation != "color_to_alpha"
        || intent.operation == "fill_selection";
    changes_pixels && names_a_thing && scene.has_selection() != Some(true)
}

/// What follows a fault that was told: "it is tilted 3 degrees to the left, please straighten it".
const MEND_IT: &str = r"^(please )?((can|could|would) you )?(please )?(fix|correct|straighten|remove|mend|change|adjust) (it|this|that)( please| for me)?$";

/// What people say around a wish.
const ASIDES: [&str; 16] = [
    "please",
    "thanks",
    "thank you",
    "hi",
    "hello",
    "hey",
    "ok",
    "okay",
    "can you",
    "could you please",
    "can you fix it",
    "can you fix this",
    "can you help",
    "fix that",
    "would you",
    "thanks a lot",
];

fn answer(scene: &Scene<'_>) -> Option<(&'static Intent, Answer)> {
    let known =
        |intent: &&'static Intent| Catalogue::get().public().any(|operation| operation.name == intent.operation);
    intents().filter(|intent| intent.matches(&scene.wish.text)).filter(known).find_map(|intent| {
        match (intent.build)(scene) {
            Answer::Pass => None,
            answer => Some((intent, answer)),
        }
    })
}

fn intents() -> impl Iterator<Item = &'static Intent> {
    // Narrow meanings come before wide ones: "blur the background" before "blur"
    effects::INTENTS.iter().chain(make::INTENTS).chain(shape::INTENTS).chain(light::INTENTS)
}

/// Parameters as a client would send them, proved against the catalogue.
fn checked(operation: &str, parameters: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let entry = Catalogue::get().find_public(operation).map_err(|error| error.message)?;
    params::check(entry, parameters.clone()).map_err(|error| error.message)?;
    Ok(parameters)
}

/// Two wishes for one adjustment are one call: brightness and contrast go together.
fn push(reply: &mut Reply, intent: &'static Intent, parameters: Map<String, Value>, words: String) {
    if intent.merges
        && let Some(last) = reply.suggestions.iter_mut().find(|last| last.operation == intent.operation)
    {
        for (name, value) in parameters {
            let nothing = value == json!(0) || value == json!(0.0);
            if !nothing || !last.parameters.contains_key(&name) {
                last.parameters.insert(name, value);
            }
        }
        last.words = format!("{} and {words}", last.words);
        return;
    }
    // "It is too small, make it three times larger" is one wish: what is asked for replaces what followed from the fault
    if matches!(intent.operation, "resize_image" | "rotate_image" | "auto_levels" | "run_ai_filter")
        && reply.suggestions.last().is_some_and(|last| last.operation == intent.operation && last.kind == intent.kind)
        && (intent.kind != "ai_filter"
            || reply.suggestions.last().is_some_and(|last| last.parameters["filter"] == parameters["filter"]))
    {
        reply.suggestions.pop();
    }
    reply.suggestions.push(Suggestion { kind: intent.kind, operation: intent.operation.to_owned(), parameters, words });
}

fn words(reply: &Reply) -> String {
    let mut sentences: Vec<String> = Vec::new();
    let said = reply.message.trim();
    if !said.is_empty() {
        sentences.push(said.to_owned());
    }
    if !reply.suggestions.is_empty() {
        let what: Vec<&str> = reply.suggestions.iter().map(|suggestion| suggestion.words.as_str()).collect();
        sentences.push(format!("I can {}. Would you like me to do that?", what.join(", then ")));
    }
    sentences.extend(reply.open.iter().map(|open| {
        let end = if open.ends_with(['?', '.', '!']) { "" } else { "." };
        format!("{open}{end}")
    }));
    if sentences.is_empty() {
        return HELP.to_owned();
    }
    sentences.join(" ")
}

const HELP: &str = "Tell me what to do with the image, such as \"make it a bit brighter\", \"crop to a square\" or \"add the \
                    text 'Hello' at the bottom right\".";
