//! `images/generations` and `images/edits` of OpenAI's API, as vLLM, LocalAI, stable-diffusion.cpp and others have them too.
//!
//! The original refuses what it does not know, so steps, guidance, negative prompt, seed and strength are sent only under the
//! names that the declaration gives them.

use super::backend::{Backend, Capabilities, Painted, Request, Server, Source, Tell};
use super::limits::Limits;
use super::picture;
use crate::error::Result;
use crate::upstream::{Form, Request as HttpRequest};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What OpenAI's own models are documented to take, for declarations that say nothing of it.
struct Known {
    /// What their names begin with.
    name: &'static str,
    sizes: &'static [[u32; 2]],
    image_to_image: bool,
    masks: bool,
}

const KNOWN: [Known; 3] = [
    // Its edits take a mask, or nothing is painted.
    Known { name: "dall-e-2", sizes: &[[256, 256], [512, 512], [1024, 1024]], image_to_image: false, masks: true },
    Known { name: "dall-e-3", sizes: &[[1024, 1024], [1792, 1024], [1024, 1792]], image_to_image: false, masks: false },
    Known {
        name: "gpt-image-1",
        sizes: &[[1024, 1024], [1536, 1024], [1024, 1536]],
        image_to_image: true,
        masks: true,
    },
];

pub struct OpenAi(pub Arc<Server>);

impl OpenAi {
    fn model<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.0.declared.model.as_deref())
    }

    fn known(&self, named: Option<&str>) -> Option<&'static Known> {
        let model = self.model(named)?;
        KNOWN.iter().find(|known| model.starts_with(known.name))
    }

    /// All but the pictures.
    fn fields(&self, wanted: &Request) -> Map<String, Value> {
        let declared = &self.0.declared;
        let mut fields = declared.extra.clone();
        fields.insert(declared.sent_as("prompt", Some("prompt")).unwrap_or("prompt").into(), json!(wanted.prompt));
        fields.insert("n".into(), json!(1));
        fields.insert("size".into(), json!(format!("{}x{}", wanted.width, wanted.height)));
        if let Some(model) = self.model(wanted.model.as_deref()) {
            fields.insert("model".into(), json!(model));
        }
        for (parameter, value) in wanted.parameters() {
            if ["prompt", "image", "mask_image"].contains(&parameter) {
                continue;
            }
            if let Some(name) = declared.sent_as(parameter, None) {
                fields.insert(name.to_owned(), value);
            }
        }
        fields
    }

    async fn edits(&self, wanted: &Request, source: &Source) -> Result<HttpRequest> {
        let declared = &self.0.declared;
        let mut form = Form::begin();
        let name = |parameter, usual| declared.sent_as(parameter, Some(usual)).unwrap_or(usual).to_owned();
        form.png(&name("image", "image"), "image.png", &picture::with_alpha(source.image.clone()).await?);
        if let Some(mask) = &source.mask {
            form.png(&name("mask_image", "mask"), "mask.png", &picture::as_hole(mask.clone()).await?);
        }
        for (name, value) in self.fields(wanted) {
            form.text(&name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        Ok(form.post("/images/edits"))
    }

    async fn create(&self, wanted: &Request) -> Result<Painted> {
        let request = match &wanted.source {
            Some(source) => self.edits(wanted, source).await?,
            None => HttpRequest::json("/images/generations", &self.fields(wanted).into()),
        };
        let answer = self.0.ask(request).await?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| self.0.nonsense("no JSON"))?;
        let first = &body["data"][0];
        let bytes = match (first["b64_json"].as_str(), first["url"].as_str()) {
            (Some(text), _) => self.0.decode(text)?,
            (None, Some(url)) => self.fetch(url).await?,
            (None, None) => return Err(self.0.nonsense("without `data[0].b64_json` or `url`")),
        };
        let sent = self.0.declared.sent_as("seed", None).is_some() && self.0.declared.seed_honoured;
        let seed = first["seed"].as_u64().or(body["seed"].as_u64()).or(wanted.seed.filter(|_| sent).map(u64::from));
        let revised = first["revised_prompt"].as_str().filter(|revised| *revised != wanted.prompt);
        let notes = revised.map(|revised| format!("the backend painted another prompt: {revised}"));
        Ok(Painted {
            bytes,
            seed,
            model: body["model"].as_str().map(str::to_owned),
            notes: notes.into_iter().collect(),
        })
    }

    /// A picture that is elsewhere, asked for without the token.
    async fn fetch(&self, url: &str) -> Result<bytes::Bytes> {
        if let Some(rest) = url.strip_prefix("data:") {
            return self.0.decode(&format!("data:{rest}"));
        }
        let whole = url.starts_with("http://") || url.starts_with("https://");
        let path = if whole { url.to_owned() } else { format!("/{}", url.trim_start_matches('/')) };
        Ok(self.0.ask(HttpRequest::get(path)).await?.body)
    }
}

impl Backend for OpenAi {
    fn capabilities(&self, model: Option<&str>) -> Capabilities {
        let declared = &self.0.declared;
        let known = self.known(model);
        Capabilities {
            image_to_image: declared.image_to_image.unwrap_or(known.is_none_or(|known| known.image_to_image)),
            masks: declared.masks.unwrap_or(known.is_none_or(|known| known.masks)),
            ..Capabilities::declared(declared, false)
        }
    }

    fn limits(&self, model: Option<&str>) -> Limits {
        Limits { sizes: self.known(model).map(|known| known.sizes.to_vec()), ..Limits::default() }
    }

    fn paint<'a>(&'a self, wanted: &'a Request, _: &'a Tell) -> BoxFuture<'a, Result<Painted>> {
        Box::pin(self.create(wanted))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let answer = self.0.ask(HttpRequest::get("/models")).await?.json();
            let ids = answer["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str());
            Ok(ids.map(str::to_owned).collect())
        })
    }
}
