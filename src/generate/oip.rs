//! The Open Inference Protocol v2 (KServe, Triton): a tensor of one element for each parameter, texts as BYTES.

use super::backend::{Backend, Capabilities, Painted, Request, Server, Tell};
use crate::error::{Error, Kind, Result};
use crate::images::sniff::sniff;
use crate::upstream::Request as HttpRequest;
use crate::upstream::oip::{Data, Output, outputs};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

pub struct OipV2(pub Arc<Server>);

impl OipV2 {
    fn model<'a>(&'a self, wanted: Option<&'a str>) -> Result<&'a str> {
        wanted.or(self.0.declared.model.as_deref()).ok_or_else(|| {
            Error::new(
                Kind::InvalidArgument,
                format!("the backend `{}` needs to know which model", self.0.declared.name),
            )
            .hint("give `model`, or set one in its declaration")
        })
    }

    fn inputs(&self, wanted: &Request) -> Vec<Value> {
        let declared = &self.0.declared;
        let tensor = |(parameter, value): (&'static str, Value)| {
            let name = declared.sent_as(parameter, Some(parameter))?;
            let datatype = match parameter {
                "width" | "height" | "num_inference_steps" => "INT32",
                "guidance_scale" | "strength" => "FP32",
                "seed" => "INT64",
                _ => "BYTES",
            };
            Some(json!({"name": name, "shape": [1], "datatype": datatype, "data": [value]}))
        };
        wanted.parameters().into_iter().filter_map(tensor).collect()
    }

    async fn infer(&self, wanted: &Request) -> Result<Painted> {
        let model = self.model(wanted.model.as_deref())?;
        let mut body = json!({
            // KServe answers with the request's id, and fails without one.
            "id": "image", "inputs": self.inputs(wanted), "parameters": {"binary_data_output": true},
        });
        for (name, value) in &self.0.declared.extra {
            body["parameters"][name] = value.clone();
        }
        if let Some(outputs) = self.outputs() {
            body["outputs"] = outputs;
        }
        let answer = self.0.ask(HttpRequest::json(format!("/v2/models/{model}/infer"), &body)).await?;
        let found = outputs(&answer).map_err(|what| self.0.nonsense(what))?;
        let bytes = self.picture(&found)?;
        let name = self.0.declared.seed_answer.as_deref().unwrap_or("seed");
        let seed = found.iter().find(|output| output.name == name).and_then(whole_number);
        let honoured = wanted.seed.filter(|_| self.0.declared.seed_honoured).map(u64::from);
        Ok(Painted { bytes, seed: seed.or(honoured), model: None, notes: Vec::new() })
    }

    /// Those that the declaration names, the picture as it is; without names the server sends all it has.
    fn outputs(&self) -> Option<Value> {
        let named = self.0.declared.answer.as_deref()?;
        let picture = json!({"name": named, "parameters": {"binary_data": true}});
        let seed = self.0.declared.seed_answer.as_deref();
        let seed = seed.map(|name| json!({"name": name, "parameters": {"binary_data": false}}));
        Some(std::iter::once(picture).chain(seed).collect())
    }

    /// The first element of the named output, or the first of any BYTES output that is one: others may hold texts.
    fn picture(&self, found: &[Output]) -> Result<Bytes> {
        let named = self.0.declared.answer.as_deref();
        let mut wrong = self.0.nonsense(match named {
            Some(_) => "without the output that `answer` names",
            None => "no output of type BYTES with a picture",
        });
        let may_be = |output: &&Output| named.map_or(output.datatype == "BYTES", |name| output.name == name);
        for output in found.iter().filter(may_be) {
            for element in output.data.texts() {
                match self.file(element) {
                    Ok(bytes) if named.is_some() || sniff(&bytes).is_some() => return Ok(bytes),
                    Ok(_) => wrong = self.0.nonsense("bytes that are no picture"),
                    Err(error) => wrong = error,
                }
            }
        }
        Err(wrong)
    }

    /// A BYTES element holds the file itself, or its base64.
    fn file(&self, element: Bytes) -> Result<Bytes> {
        if sniff(&element).is_some() {
            return Ok(element);
        }
        let text = std::str::from_utf8(&element).map_err(|_| self.0.nonsense("bytes that are no picture"))?;
        self.0.decode(text)
    }
}

/// The first element of an integer tensor.
fn whole_number(output: &Output) -> Option<u64> {
    match &output.data {
        Data::Json(data) => {
            let mut first = data;
            while let Some(inner) = first.get(0) {
                first = inner;
            }
            first.as_u64()
        }
        Data::Binary(bytes) => match output.datatype.as_str() {
            "INT64" | "UINT64" => bytes.get(..8)?.try_into().ok().map(u64::from_le_bytes),
            "INT32" | "UINT32" => bytes.get(..4)?.try_into().ok().map(u32::from_le_bytes).map(u64::from),
            _ => None,
        },
    }
}

impl Backend for OipV2 {
    fn capabilities(&self, _: Option<&str>) -> Capabilities {
        Capabilities::declared(&self.0.declared, true)
    }

    fn paint<'a>(&'a self, wanted: &'a Request, _: &'a Tell) -> BoxFuture<'a, Result<Painted>> {
        Box::pin(self.infer(wanted))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let Some(model) = &self.0.declared.model else {
                self.0.ask(HttpRequest::get("/v2/health/ready")).await?;
                return Ok(self.0.declared.models.keys().cloned().collect());
            };
            self.0.ask(HttpRequest::get(format!("/v2/models/{model}/ready"))).await?;
            Ok(vec![model.clone()])
        })
    }
}
