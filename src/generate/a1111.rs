//! The API of Automatic1111's web UI, which Forge, SD.Next and koboldcpp have too.
//!
//! Its progress and its interrupt are those of whatever it works on, so it gets one picture at a time from us.

use super::backend::{Backend, Capabilities, Needs, Painted, Request, SeedUse, Server, Tell};
use crate::error::{Kind, Result};
use crate::upstream::Request as HttpRequest;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How often it is asked how far it is, and how long an answer to that may take.
const ASKED: Duration = Duration::from_millis(700);
const SHORT: Duration = Duration::from_secs(5);

pub struct A1111(pub Arc<Server>);

/// Tells the server to stop, unless the picture came.
struct Interrupt(Option<Arc<Server>>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            server.stop(vec![("/sdapi/v1/interrupt", json!({}))]);
        }
    }
}

impl A1111 {
    fn body(&self, wanted: &Request) -> Value {
        let declared = &self.0.declared;
        let mut body = declared.extra.clone();
        for (parameter, value) in wanted.parameters() {
            let usual = match parameter {
                "num_inference_steps" => "steps",
                "guidance_scale" => "cfg_scale",
                "image" => "init_images",
                "mask_image" => "mask",
                "strength" => "denoising_strength",
                own => own,
            };
            let value = if parameter == "image" { json!([value]) } else { value };
            if let Some(name) = declared.sent_as(parameter, Some(usual)) {
                body.insert(name.to_owned(), value);
            }
        }
        if wanted.needs() == Needs::Mask {
            // White is painted, from what is there, in its place: without these it enlarges the part, or softens the mask.
            let usual = [
                ("inpainting_fill", json!(1)),
                ("inpaint_full_res", json!(false)),
                ("inpainting_mask_invert", json!(0)),
                ("mask_blur", json!(0)),
            ];
            for (name, value) in usual {
                body.entry(name).or_insert(value);
            }
        }
        if let Some(model) = wanted.model.as_ref().or(declared.model.as_ref()) {
            body.entry("override_settings").or_insert_with(|| json!({}))["sd_model_checkpoint"] = json!(model);
        }
        body.into()
    }

    async fn follow(&self, tell: &Tell) -> Infallible {
        loop {
            tokio::time::sleep(ASKED).await;
            let mut request = HttpRequest::get("/sdapi/v1/progress?skip_current_image=true");
            request.timeout = Some(SHORT);
            if let Ok(answer) = self.0.ask(request).await
                && let Some(progress) = answer.json()["progress"].as_f64()
            {
                tell(progress.clamp(0.0, 1.0));
            }
        }
    }

    async fn make(&self, wanted: &Request, tell: &Tell) -> Result<Painted> {
        let body = self.body(wanted);
        let mut interrupt = Interrupt(Some(self.0.clone()));
        let path = if wanted.source.is_some() { "/sdapi/v1/img2img" } else { "/sdapi/v1/txt2img" };
        let asked = self.0.ask(HttpRequest::json(path, &body));
        let answer = tokio::select! {
            answer = asked => answer,
            never = self.follow(tell) => match never {},
        };
        // After its time limit it goes on painting; anything else is an end.
        if !answer.as_ref().is_err_and(|error| error.kind == Kind::Timeout) {
            interrupt.0 = None;
        }
        let answer: Value = serde_json::from_slice(&answer?.body).map_err(|_| self.0.nonsense("no JSON"))?;
        let text = answer["images"][0].as_str().ok_or_else(|| self.0.nonsense("without `images`"))?;
        // A text with JSON in it, in all of them.
        let info: Value = answer["info"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Ok(Painted {
            bytes: self.0.decode(text)?,
            seed: info["seed"].as_u64(),
            model: info["sd_model_name"].as_str().map(str::to_owned),
            notes: Vec::new(),
        })
    }
}

impl Backend for A1111 {
    fn capabilities(&self, _: Option<&str>) -> Capabilities {
        Capabilities {
            seed: SeedUse::Honoured,
            negative_prompt: true,
            num_inference_steps: true,
            guidance_scale: true,
            image_to_image: self.0.declared.image_to_image.unwrap_or(true),
            masks: self.0.declared.masks.unwrap_or(true),
            strength: true,
            without_words: self.0.declared.without_words.unwrap_or(true),
            progress: true,
            interrupt: true,
        }
    }

    fn paint<'a>(&'a self, wanted: &'a Request, tell: &'a Tell) -> BoxFuture<'a, Result<Painted>> {
        Box::pin(self.make(wanted, tell))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let answer = self.0.ask(HttpRequest::get("/sdapi/v1/sd-models")).await?.json();
            let names = answer.as_array().into_iter().flatten();
            let name = |model: &Value| model["model_name"].as_str().or(model["title"].as_str()).map(str::to_owned);
            Ok(names.filter_map(name).collect())
        })
    }
}
