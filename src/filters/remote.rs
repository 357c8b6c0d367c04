//! A model on a server: the Open Inference Protocol v2 with binary tensors (KServe, Triton), or KServe's v1 JSON.
//!
//! Each tile is one request with a deadline; failures that may pass are tried again, a bounded number of times.

use super::backend::{Backend, Take};
use super::job::Watch;
use super::manifest::{Dtype, Manifest, Protocol, Remote};
use super::onnx::Port;
use super::tensor::{Data, Tensor};
use crate::error::{Error, Kind, Result};
use crate::upstream::oip::{self, JSON_LENGTH};
use crate::upstream::{self, Answer, Request, Settings, Upstream};
use half::f16;
use serde_json::{Value, json};
use std::time::Duration;

/// An answer larger than this is refused: 16 megapixels of RGBA as f32.
const LARGEST_ANSWER: u64 = 256 << 20;

pub struct RemoteModel {
    remote: Remote,
    upstream: Upstream,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl RemoteModel {
    /// Asks the server what the model takes.
    ///
    /// # Errors
    /// `io_error` when it does not answer; `config` when it has no such model.
    pub fn connect(remote: &Remote, manifest: &Manifest) -> Result<RemoteModel> {
        let token = match &remote.token_env {
            None => None,
            Some(name) => Some(std::env::var(name).map_err(|_| {
                Error::new(
                    Kind::Config,
                    format!("the environment variable `{name}` with the server's token is not set"),
                )
            })?),
        };
        let settings = Settings {
            name: remote.model.clone(),
            url: remote.url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(remote.timeout),
            retries: remote.retries,
            token,
            largest: LARGEST_ANSWER,
            setting: "the manifest's `[remote]`".into(),
            sockets: false,
        };
        let upstream = Upstream::new(settings, None)?;
        let mut model = RemoteModel { remote: remote.clone(), upstream, inputs: Vec::new(), outputs: Vec::new() };
        let named = |name: &Option<String>, dtype: Option<Dtype>| {
            name.clone().map(|name| Port { name, dtype, shape: Vec::new() })
        };
        match remote.protocol {
            Protocol::V2 => {
                let answer = upstream::block_on(model.upstream.send(Request::get(model.path(""))))?;
                if answer.status != 200 {
                    return Err(model.refused(&answer));
                }
                let answer = answer.json();
                (model.inputs, model.outputs) = (ports(&answer["inputs"]), ports(&answer["outputs"]));
                // A server need not say; then the manifest's names must do.
                if model.inputs.is_empty() {
                    model.inputs = manifest.input.iter().filter_map(|input| named(&input.name, input.dtype)).collect();
                }
                if model.outputs.is_empty() {
                    model.outputs = manifest.output.iter().filter_map(|output| named(&output.name, None)).collect();
                }
            }
            Protocol::V1 => {
                model.inputs = manifest.input.iter().filter_map(|input| named(&input.name, input.dtype)).collect();
                let name = |output: &super::manifest::Output| output.name.clone().unwrap_or_else(|| "output".into());
                model.outputs = manifest
                    .output
                    .iter()
                    .map(|output| Port { name: name(output), dtype: None, shape: Vec::new() })
                    .collect();
            }
        }
        Ok(model)
    }

    fn path(&self, verb: &str) -> String {
        let version = if self.remote.protocol == Protocol::V2 { "v2" } else { "v1" };
        format!("/{version}/models/{}{verb}", self.remote.model)
    }

    fn refused(&self, answer: &Answer) -> Error {
        let (url, model, status) = (&self.remote.url, &self.remote.model, answer.status);
        let kind = match status {
            404 => Kind::NotFound,
            401 | 403 => Kind::Unauthorized,
            _ => Kind::Unsupported,
        };
        Error::new(kind, format!("the model server at `{url}` answers {status} for `{model}`: {}", answer.said()))
            .hint("check `remote.model` and the tensor names in the manifest")
    }

    fn body(&self, feed: &[(String, Tensor)]) -> (Vec<u8>, Option<usize>) {
        if self.remote.protocol == Protocol::V1 {
            let nested: serde_json::Map<String, Value> =
                feed.iter().map(|(name, tensor)| (name.clone(), nest(&tensor.values(), &tensor.shape))).collect();
            // One instance is one picture: the batch dimension belongs to the protocol.
            let first = |value: &Value| value.get(0).cloned().unwrap_or(Value::Null);
            let instance = match feed {
                [(name, _)] => first(&nested[name]),
                _ => Value::Object(nested.iter().map(|(name, value)| (name.clone(), first(value))).collect()),
            };
            return (json!({"instances": [instance]}).to_string().into_bytes(), None);
        }
        let raw: Vec<Vec<u8>> = feed.iter().map(|(_, tensor)| bytes(tensor)).collect();
        let inputs: Vec<Value> = feed
            .iter()
            .zip(&raw)
            .map(|((name, tensor), raw)| {
                json!({"name": name, "shape": tensor.shape, "datatype": wire_name(tensor.dtype()),
                       "parameters": {"binary_data_size": raw.len()}})
            })
            .collect();
        let outputs: Vec<Value> =
            self.outputs.iter().map(|port| json!({"name": port.name, "parameters": {"binary_data": true}})).collect();
        // KServe answers with the request's id, and fails without one.
        let mut body = json!({"id": "tile", "inputs": inputs, "outputs": outputs}).to_string().into_bytes();
        let length = body.len();
        raw.iter().for_each(|raw| body.extend_from_slice(raw));
        (body, Some(length))
    }

    fn answer_v1(&self, body: &[u8]) -> Result<Vec<Tensor>> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| self.nonsense("no JSON"))?;
        let prediction = &answer["predictions"][0];
        self.outputs
            .iter()
            .map(|port| {
                let value = prediction.get(&port.name).unwrap_or(prediction);
                let mut values = Vec::new();
                flatten(value, 0, &mut values).ok_or_else(|| self.nonsense("no numbers"))?;
                let shape: Vec<usize> = std::iter::once(1).chain(sides(value)).collect();
                if shape.iter().product::<usize>() != values.len() {
                    return Err(self.nonsense("a ragged array"));
                }
                Ok(Tensor { shape, data: Data::F32(values) })
            })
            .collect()
    }

    fn answer_v2(&self, answer: &Answer) -> Result<Vec<Tensor>> {
        let mut found: Vec<(String, Tensor)> = Vec::new();
        for output in oip::outputs(answer).map_err(|what| self.nonsense(what))? {
            let values = match &output.data {
                oip::Data::Binary(bytes) => numbers(&output.datatype, bytes),
                oip::Data::Json(data) => {
                    let mut values = Vec::new();
                    flatten(data, 0, &mut values).map(|()| values)
                }
            };
            let values = values.ok_or_else(|| self.nonsense(&format!("the type `{}`", output.datatype)))?;
            if output.shape.iter().product::<usize>() != values.len() {
                return Err(self.nonsense("a tensor that does not fill its shape"));
            }
            found.push((output.name, Tensor { shape: output.shape, data: Data::F32(values) }));
        }
        self.outputs
            .iter()
            .map(|port| {
                let tensor = found.iter().find(|(name, _)| *name == port.name).map(|(_, tensor)| tensor.clone());
                tensor.ok_or_else(|| self.nonsense(&format!("no output `{}`", port.name)))
            })
            .collect()
    }

    fn nonsense(&self, what: &str) -> Error {
        Error::new(Kind::ProtocolError, format!("the model server at `{}` answers {what}", self.remote.url))
    }
}

impl Backend for RemoteModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn parallel(&self) -> usize {
        self.remote.parallel
    }

    fn run(&self, feed: Vec<(String, Tensor)>, take: &Take, watch: &Watch) -> Result<Vec<Option<Tensor>>> {
        watch.check()?;
        let (body, json) = self.body(&feed);
        let v2 = self.remote.protocol == Protocol::V2;
        let kind = if json.is_some() { "application/octet-stream" } else { "application/json" };
        let mut request = Request::post(self.path(if v2 { "/infer" } else { ":predict" }), kind, body);
        if let Some(length) = json {
            request = request.header(JSON_LENGTH, length.to_string());
        }
        let answer = upstream::block_on(async {
            tokio::select! {
                answer = self.upstream.send(request) => answer.map(Some),
                () = watch.cancelled() => Ok(None),
            }
        })?;
        watch.check()?;
        let answer = answer.ok_or_else(|| Error::new(Kind::Cancelled, "the filter was cancelled"))?;
        let answers = match (answer.status, v2) {
            (200, true) => self.answer_v2(&answer),
            (200, false) => self.answer_v1(&answer.body),
            _ => Err(self.refused(&answer)),
        }?;
        // What came is bounded already.
        let wanted = |(place, tensor): (usize, Tensor)| Ok(take(place, &tensor.shape)?.then_some(tensor));
        answers.into_iter().enumerate().map(wanted).collect()
    }
}

fn ports(list: &Value) -> Vec<Port> {
    let port = |value: &Value| Port {
        name: value["name"].as_str().unwrap_or_default().into(),
        dtype: match value["datatype"].as_str().unwrap_or_default() {
            "FP32" => Some(Dtype::F32),
            "FP16" => Some(Dtype::F16),
            "UINT8" => Some(Dtype::U8),
            "INT32" => Some(Dtype::I32),
            "INT64" => Some(Dtype::I64),
            "BOOL" => Some(Dtype::Bool),
            _ => None,
        },
        shape: value["shape"].as_array().into_iter().flatten().map(|side| side.as_i64().unwrap_or(-1)).collect(),
    };
    list.as_array().into_iter().flatten().map(port).collect()
}

fn wire_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "FP32",
        Dtype::F16 => "FP16",
        Dtype::U8 => "UINT8",
        Dtype::I32 => "INT32",
        Dtype::I64 => "INT64",
        Dtype::Bool => "BOOL",
    }
}

/// Little-endian, as the protocol has it.
fn bytes(tensor: &Tensor) -> Vec<u8> {
    match &tensor.data {
        Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Data::F16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Data::U8(values) => values.clone(),
        Data::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Data::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Data::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
    }
}

fn numbers(kind: &str, raw: &[u8]) -> Option<Vec<f32>> {
    Some(match kind {
        "FP32" => raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        "FP16" => raw.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        "UINT8" | "BOOL" => raw.iter().map(|&byte| f32::from(byte)).collect(),
        "INT32" => raw.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32).collect(),
        "INT64" => raw
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        _ => return None,
    })
}

/// Values as nested arrays.
fn nest(values: &[f32], shape: &[usize]) -> Value {
    match shape {
        [] => values.first().map_or(Value::Null, |value| json!(value)),
        [_] => json!(values),
        [count, rest @ ..] => {
            Value::Array(values.chunks((values.len() / count.max(&1)).max(1)).map(|part| nest(part, rest)).collect())
        }
    }
}

/// All numbers of nested arrays.
fn flatten(value: &Value, depth: usize, values: &mut Vec<f32>) -> Option<()> {
    match value {
        Value::Array(items) if depth < 9 => items.iter().try_for_each(|item| flatten(item, depth + 1, values)),
        Value::Number(number) => {
            values.push(number.as_f64()? as f32);
            Some(())
        }
        Value::Bool(on) => {
            values.push(f32::from(u8::from(*on)));
            Some(())
        }
        _ => None,
    }
}

/// The sizes of nested arrays, as their first elements have it; a ragged one shows in the count.
fn sides(value: &Value) -> impl Iterator<Item = usize> {
    std::iter::successors(value.as_array(), |items| items.first()?.as_array()).map(Vec::len)
}
