//! The Open Inference Protocol v2 (KServe, Triton): an answer's outputs, in JSON or in binary behind it.

use super::Answer;
use bytes::Bytes;
use serde_json::Value;

/// The length of the JSON before the binary tensors, of a request and of an answer.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// One tensor of an answer.
#[derive(Debug)]
pub struct Output {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<usize>,
    pub data: Data,
}

#[derive(Debug)]
pub enum Data {
    Json(Value),
    /// Little-endian; texts with their lengths before them.
    Binary(Bytes),
}

impl Data {
    /// The texts of a BYTES tensor.
    pub fn texts(&self) -> Vec<Bytes> {
        let mut texts = Vec::new();
        match self {
            Data::Json(value) => leaves(value, 0, &mut texts),
            Data::Binary(bytes) => {
                let mut rest = bytes.clone();
                while rest.len() >= 4 {
                    let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                    let Some(end) = length.checked_add(4).filter(|end| *end <= rest.len()) else { break };
                    texts.push(rest.slice(4..end));
                    rest = rest.slice(end..);
                }
            }
        }
        texts
    }
}

fn leaves(value: &Value, depth: usize, texts: &mut Vec<Bytes>) {
    match value {
        Value::String(text) => texts.push(Bytes::copy_from_slice(text.as_bytes())),
        Value::Array(items) if depth < 9 => items.iter().for_each(|item| leaves(item, depth + 1, texts)),
        _ => {}
    }
}

/// The outputs of an answer; an error is what is wrong with it.
pub fn outputs(answer: &Answer) -> Result<Vec<Output>, &'static str> {
    let header = answer.headers.get(JSON_LENGTH).and_then(|value| value.to_str().ok());
    let length = header.and_then(|text| text.parse().ok()).unwrap_or(answer.body.len());
    if length > answer.body.len() {
        return Err("less than it announced");
    }
    let (text, mut binary) = (answer.body.slice(..length), answer.body.slice(length..));
    let answer: Value = serde_json::from_slice(&text).map_err(|_| "no JSON")?;
    let mut found = Vec::new();
    for output in answer["outputs"].as_array().into_iter().flatten() {
        let sides = output["shape"].as_array().into_iter().flatten();
        let data = match output["parameters"]["binary_data_size"].as_u64() {
            Some(size) => {
                let size = usize::try_from(size).ok().filter(|size| *size <= binary.len());
                Data::Binary(binary.split_to(size.ok_or("less than it announced")?))
            }
            // KServe may answer JSON all the same.
            None => Data::Json(output["data"].clone()),
        };
        found.push(Output {
            name: output["name"].as_str().unwrap_or_default().into(),
            datatype: output["datatype"].as_str().unwrap_or_default().into(),
            shape: sides.map(|side| side.as_u64().unwrap_or(0) as usize).collect(),
            data,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn answer(body: Vec<u8>, json: Option<usize>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(length) = json {
            headers.insert(JSON_LENGTH, HeaderValue::from(length));
        }
        Answer { status: 200, headers, body: body.into() }
    }

    #[test]
    fn texts_come_in_json_and_in_binary() {
        let json = br#"{"outputs":[{"name":"a","datatype":"BYTES","shape":[2],"data":[["x"],"yz"]}]}"#;
        let read = outputs(&answer(json.to_vec(), None)).unwrap();
        assert_eq!(read[0].data.texts(), ["x", "yz"]);
        let head = br#"{"outputs":[{"name":"a","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}]}"#;
        let body = [&head[..], b"\x01\0\0\0x", b"\x02\0\0\0yz"].concat();
        let read = outputs(&answer(body.clone(), Some(head.len()))).unwrap();
        assert_eq!((read[0].data.texts(), read[0].shape.as_slice()), (vec!["x".into(), "yz".into()], &[2][..]));
        // Cut short at any place it is an error or fewer texts, never a fault.
        for end in 0..body.len() {
            let _ = outputs(&answer(body[..end].to_vec(), Some(head.len())));
        }
    }
}
