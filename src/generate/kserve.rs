//! KServe's v1 protocol, and what runs behind it: `POST {model}:predict` with one instance.
//!
//! KServe has no text-to-image runtime of its own. Those of others hand the instance to a pipeline as it is, so only what
//! was given is sent, and a parameter that the pipeline does not know is left out in a second try.

use super::backend::{Backend, Capabilities, Painted, Request, Server, Tell};
use crate::error::{Error, Kind, Result};
use crate::upstream::{Answer, Request as HttpRequest};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where pictures are in the usual answers.
const PLACES: [&str; 12] = [
    "/image/b64",
    "/image/b64_json",
    "/image/data",
    "/image",
    "/image_b64",
    "/image_data",
    "/image_base64",
    "/b64_json",
    "/images",
    "/generated_image",
    "/data",
    "/output",
];
const WELL: &str = "see that the model is loaded";

pub struct KserveV1(pub Arc<Server>);

impl KserveV1 {
    /// The model's path behind the server's URL; nothing where the URL is the model's own.
    fn path(&self, model: Option<&str>) -> String {
        let declared = &self.0.declared;
        let url = self.0.upstream.settings().url.as_str();
        let named = model.or(declared.model.as_deref());
        match (url.contains("/v1/models/"), named) {
            (false, Some(model)) => format!("/v1/models/{model}"),
            _ => String::new(),
        }
    }

    fn instance(&self, wanted: &Request, left_out: &BTreeSet<String>) -> Map<String, Value> {
        let declared = &self.0.declared;
        let mut instance = declared.extra.clone();
        for (parameter, value) in wanted.parameters() {
            if let Some(name) = declared.sent_as(parameter, Some(parameter))
                && !left_out.contains(name)
            {
                instance.insert(name.to_owned(), value);
            }
        }
        instance
    }

    /// Whether the picture would be another one without it.
    fn is_needed(&self, name: &str) -> bool {
        let needed = ["prompt", "image", "mask_image"];
        needed.iter().any(|needed| self.0.declared.sent_as(needed, Some(needed)) == Some(name))
    }

    async fn predict(&self, wanted: &Request) -> Result<Painted> {
        let mut left_out = BTreeSet::new();
        let path = format!("{}:predict", self.path(wanted.model.as_deref()));
        loop {
            let instance = self.instance(wanted, &left_out);
            let request = HttpRequest::json(&path, &json!({"instances": [&instance]}));
            let answer = self.0.upstream.send(request).await?;
            if answer.status == 200 {
                let mut painted = self.read(&answer, wanted)?;
                painted.notes.extend(
                    left_out.iter().map(|name| format!("the model does not know `{name}`, which was left out")),
                );
                return Ok(painted);
            }
            match unexpected(&answer).filter(|name| instance.contains_key(name) && !self.is_needed(name)) {
                // One try without each is enough: none comes twice.
                Some(name) if left_out.insert(name.clone()) => {}
                _ => return Err(self.0.refused(&answer)),
            }
        }
    }

    fn read(&self, answer: &Answer, wanted: &Request) -> Result<Painted> {
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| self.0.nonsense("no JSON"))?;
        let prediction = match &body["predictions"] {
            Value::Array(all) => all.first(),
            Value::Null => None,
            one => Some(one),
        };
        let prediction = prediction.ok_or_else(|| self.0.nonsense("without `predictions`"))?;
        let found = match &self.0.declared.answer {
            Some(place) => prediction.pointer(place).and_then(text_of),
            None => text_of(prediction)
                .or_else(|| PLACES.iter().find_map(|place| prediction.pointer(place).and_then(text_of))),
        };
        let text = found.ok_or_else(|| self.0.nonsense("no picture that could be found"))?;
        let sent = self.0.declared.sent_as("seed", Some("seed")).is_some();
        let seed = match &self.0.declared.seed_answer {
            Some(place) => prediction.pointer(place).unwrap_or(&Value::Null),
            None => &prediction["seed"],
        };
        let seed = seed.as_u64();
        let honoured = wanted.seed.filter(|_| sent && self.0.declared.seed_honoured).map(u64::from);
        Ok(Painted {
            bytes: self.0.decode(text)?,
            seed: seed.or(honoured),
            model: prediction["model_name"].as_str().map(str::to_owned),
            notes: Vec::new(),
        })
    }
}

/// A text that may be a picture: itself, or the first of a list.
fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Array(items) => items.first().and_then(|first| match first {
            Value::Object(_) => ["b64", "b64_json", "data", "image"].iter().find_map(|key| first[*key].as_str()),
            _ => text_of(first),
        }),
        _ => None,
    }
}

/// The parameter that a Python function did not know.
fn unexpected(answer: &Answer) -> Option<String> {
    let said = String::from_utf8_lossy(&answer.body);
    let (_, rest) = said.split_once("unexpected keyword argument")?;
    let quote = |c: char| c == '\'' || c == '"' || c == '`' || c == '\\' || c.is_whitespace();
    let name: String =
        rest.trim_start_matches(quote).chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Some(name).filter(|name| !name.is_empty())
}

impl Backend for KserveV1 {
    fn capabilities(&self, _: Option<&str>) -> Capabilities {
        Capabilities::declared(&self.0.declared, true)
    }

    fn paint<'a>(&'a self, wanted: &'a Request, _: &'a Tell) -> BoxFuture<'a, Result<Painted>> {
        Box::pin(self.predict(wanted))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let answer = self.0.ask(HttpRequest::get(self.path(None))).await?.json();
            if answer["ready"] == false || answer["ready"] == "False" {
                return Err(
                    Error::new(Kind::Busy, format!("the model of `{}` is not ready", self.0.declared.name)).hint(WELL)
                );
            }
            Ok(answer["name"].as_str().map(str::to_owned).into_iter().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_parameter_is_found_in_what_python_says() {
        for (body, name) in [
            (r#"{"error": "TypeError : __call__() got an unexpected keyword argument 'seed'"}"#, Some("seed")),
            (r#"{"error": "f() got an unexpected keyword argument \"num_steps\""}"#, Some("num_steps")),
            (r#"{"error": "out of memory"}"#, None),
        ] {
            let answer = Answer { status: 500, headers: Default::default(), body: body.into() };
            assert_eq!(unexpected(&answer).as_deref(), name);
        }
    }

    #[test]
    fn pictures_are_found_in_the_usual_places() {
        for prediction in [
            json!("AAAA"),
            json!(["AAAA"]),
            json!({"image": {"format": "PNG", "b64": "AAAA"}}),
            json!({"image_b64": "AAAA"}),
            json!({"image_data": "AAAA"}),
            json!({"images": [{"b64": "AAAA"}]}),
            json!({"images": ["AAAA", "BBBB"]}),
        ] {
            let found = text_of(&prediction)
                .or_else(|| PLACES.iter().find_map(|place| prediction.pointer(place).and_then(text_of)));
            assert_eq!(found, Some("AAAA"), "{prediction}");
        }
    }
}
