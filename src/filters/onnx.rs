//! Reading an ONNX file's own description without a runtime: what goes in and out, where weights lie, and the one
//! change that some exports need. A walker over protocol buffers, nothing more.
//!
//! Refuses what is cut off or no ONNX. Field numbers are from onnx.proto3.

use super::manifest::Dtype;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// One input or output of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    pub name: String,
    /// `None`: a type that the engine does not feed.
    pub dtype: Option<Dtype>,
    /// -1: free.
    pub shape: Vec<i64>,
}

/// What an ONNX file says about itself.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub nodes: usize,
    /// Files that hold weights, relative to the ONNX file.
    pub external: Vec<String>,
}

/// A field of a message: number and, for length-delimited ones, the bytes.
struct Field<'a> {
    number: u64,
    varint: u64,
    bytes: &'a [u8],
    /// The whole field with its key, for copying.
    raw: &'a [u8],
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn broken() -> Error {
    Error::new(Kind::InvalidArgument, "the file is no ONNX model, or is cut off").hint("download or export it again")
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Walk<'a> {
        Walk { bytes, at: 0 }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(broken)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(broken())
    }

    fn next(&mut self) -> Result<Option<Field<'a>>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let begin = self.at;
        let key = self.varint()?;
        let (mut varint, mut bytes) = (0, &self.bytes[..0]);
        let length = match key & 7 {
            0 => {
                varint = self.varint()?;
                0
            }
            1 => 8,
            2 => usize::try_from(self.varint()?).map_err(|_| broken())?,
            5 => 4,
            _ => return Err(broken()),
        };
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or_else(broken)?;
        if key & 7 == 2 {
            bytes = &self.bytes[self.at..end];
        }
        self.at = end;
        Ok(Some(Field { number: key >> 3, varint, bytes, raw: &self.bytes[begin..end] }))
    }
}

/// Calls `visit` for each field.
fn fields<'a>(bytes: &'a [u8], mut visit: impl FnMut(Field<'a>) -> Result<()>) -> Result<()> {
    let mut walk = Walk::new(bytes);
    while let Some(field) = walk.next()? {
        visit(field)?;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads the description.
///
/// # Errors
/// `invalid_argument` when the bytes are no ONNX model.
pub fn read(model: &[u8]) -> Result<Graph> {
    let mut graph = None;
    fields(model, |field| {
        if field.number == 7 {
            graph = Some(field.bytes);
        }
        Ok(())
    })?;
    let graph = graph.ok_or_else(broken)?;
    let mut found = Graph::default();
    let mut initializers = Vec::new();
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    fields(graph, |field| {
        match field.number {
            1 => found.nodes += 1,
            5 => {
                let (name, external) = initializer(field.bytes)?;
                initializers.push(name);
                found.external.extend(external);
            }
            11 => inputs.push(port(field.bytes)?),
            12 => outputs.push(port(field.bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    if outputs.is_empty() || found.nodes == 0 {
        return Err(broken());
    }
    // Old exports list weights among the inputs.
    found.inputs = inputs.into_iter().filter(|port| !initializers.contains(&port.name)).collect();
    found.outputs = outputs;
    found.external.sort();
    found.external.dedup();
    Ok(found)
}

/// Name, and the file that holds the data if it lies outside.
fn initializer(bytes: &[u8]) -> Result<(String, Option<String>)> {
    let (mut name, mut external) = (String::new(), None);
    fields(bytes, |field| {
        match field.number {
            8 => name = text(field.bytes),
            13 => {
                let (mut key, mut value) = (String::new(), String::new());
                fields(field.bytes, |entry| {
                    match entry.number {
                        1 => key = text(entry.bytes),
                        2 => value = text(entry.bytes),
                        _ => {}
                    }
                    Ok(())
                })?;
                if key == "location" {
                    external = Some(value);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok((name, external))
}

fn port(bytes: &[u8]) -> Result<Port> {
    let mut port = Port { name: String::new(), dtype: None, shape: Vec::new() };
    fields(bytes, |field| {
        match field.number {
            1 => port.name = text(field.bytes),
            2 => fields(field.bytes, |kind| {
                if kind.number != 1 {
                    return Ok(());
                }
                fields(kind.bytes, |tensor| {
                    match tensor.number {
                        1 => {
                            port.dtype = match tensor.varint {
                                1 => Some(Dtype::F32),
                                2 => Some(Dtype::U8),
                                6 => Some(Dtype::I32),
                                7 => Some(Dtype::I64),
                                9 => Some(Dtype::Bool),
                                10 => Some(Dtype::F16),
                                _ => None,
                            }
                        }
                        2 => fields(tensor.bytes, |dimension| {
                            let mut size = -1;
                            fields(dimension.bytes, |value| {
                                if value.number == 1 && value.varint > 0 {
                                    size = value.varint as i64;
                                }
                                Ok(())
                            })?;
                            port.shape.push(size);
                            Ok(())
                        })?,
                        _ => {}
                    }
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(port)
}

/// The model with height and width of each four-dimensional input and output free; inferred shapes inside the graph
/// are dropped, since they follow from the pinned ones.
///
/// # Errors
/// As [`read`].
pub fn free_height_and_width(model: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(model.len());
    fields(model, |field| {
        if field.number == 7 {
            let mut graph = Vec::with_capacity(field.bytes.len());
            fields(field.bytes, |inner| {
                match inner.number {
                    11 | 12 => put(&mut graph, inner.number, &freed(inner.bytes)?),
                    13 => {}
                    _ => graph.extend_from_slice(inner.raw),
                }
                Ok(())
            })?;
            put(&mut out, 7, &graph);
        } else {
            out.extend_from_slice(field.raw);
        }
        Ok(())
    })?;
    Ok(out)
}

fn freed(value_info: &[u8]) -> Result<Vec<u8>> {
    let name = port(value_info)?.name;
    if port(value_info)?.shape.len() != 4 {
        return Ok(value_info.to_vec());
    }
    // Down ValueInfo.type (2), Type.tensor_type (1), Tensor.shape (2) to its dimensions (1).
    rewritten(value_info, &[2, 1, 2], &mut |shape| {
        let (mut out, mut index) = (Vec::new(), 0);
        fields(shape, |field| {
            if field.number == 1 {
                match index {
                    2 | 3 => {
                        let mut dimension = Vec::new();
                        put(&mut dimension, 2, format!("{}_{name}", ["h", "w"][index - 2]).as_bytes());
                        put(&mut out, 1, &dimension);
                    }
                    _ => out.extend_from_slice(field.raw),
                }
                index += 1;
            } else {
                out.extend_from_slice(field.raw);
            }
            Ok(())
        })?;
        Ok(out)
    })
}

fn rewritten(message: &[u8], path: &[u64], change: &mut dyn FnMut(&[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let Some((&number, rest)) = path.split_first() else { return change(message) };
    let mut out = Vec::with_capacity(message.len());
    fields(message, |field| {
        if field.number == number {
            put(&mut out, number, &rewritten(field.bytes, rest, change)?);
        } else {
            out.extend_from_slice(field.raw);
        }
        Ok(())
    })?;
    Ok(out)
}

fn put(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    for mut value in [number << 3 | 2, bytes.len() as u64] {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    out.extend_from_slice(bytes);
}
