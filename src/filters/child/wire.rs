//! What travels between this process and a model's: a length, a head as JSON, then the raw values that it announces.
//!
//! Both ends are the same program on the same machine, so values travel as they lie in memory. Reading believes nothing:
//! heads are bounded, and values are read into what the shape says and no more.

use crate::error::{Error, Kind, Result};
use crate::filters::manifest::Dtype;
use crate::filters::onnx::Port;
use crate::filters::tensor::{Data, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Names and shapes of a graph's inputs and outputs take a few kilobytes.
const LARGEST_HEAD: u32 = 1 << 20;

/// To the model's process.
#[derive(Serialize, Deserialize)]
pub enum Order {
    Start(Start),
    /// The values follow in the order of `feed`.
    Run {
        /// Bytes of working memory that the process may take for it.
        memory: u64,
        feed: Vec<Head>,
    },
    /// Whether the output of the last [`Answer::Shape`] is wanted; `None`: the run is of no use any more.
    Take(Option<bool>),
}

/// The first order.
#[derive(Serialize, Deserialize)]
pub struct Start {
    /// ONNX Runtime's library.
    pub runtime: PathBuf,
    /// As [`crate::config::Provider::name`] has it.
    pub provider: String,
    pub threads: usize,
    /// Bytes of working memory for loading the model.
    pub memory: u64,
    /// Bytes of working memory that no order may exceed.
    pub most: u64,
    pub model: Source,
}

/// Where the model comes from.
#[derive(Serialize, Deserialize)]
pub enum Source {
    /// So many bytes follow.
    Bytes(u64),
    /// A file, and those with its weights.
    Files(PathBuf, Vec<PathBuf>),
}

/// From the model's process.
#[derive(Serialize, Deserialize)]
pub enum Answer {
    Ready {
        inputs: Vec<Port>,
        outputs: Vec<Port>,
        fallback: Option<String>,
        confined: Confined,
    },
    /// The output at `place` is of this shape; an [`Order::Take`] is waited for.
    Shape {
        place: usize,
        shape: Vec<usize>,
    },
    /// The values follow of those outputs that were wanted.
    Done(Vec<Option<Head>>),
    Failed {
        kind: String,
        message: String,
        hint: Option<String>,
    },
}

/// A tensor's name, type and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

impl Head {
    pub fn of(name: &str, tensor: &Tensor) -> Head {
        Head { name: name.into(), dtype: tensor.dtype(), shape: tensor.shape.clone() }
    }
}

/// What binds a model's process, beside its memory and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// It opens no file but the model's.
    pub files: bool,
    /// It makes no connection.
    pub network: bool,
    /// The system holds it to its working memory.
    pub memory: bool,
}

/// Sends a head; the values are to follow.
pub fn send(to: &mut impl Write, head: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(head)?;
    to.write_all(&(text.len() as u32).to_le_bytes())?;
    to.write_all(&text)
}

/// Reads a head; the end of the stream is an error too.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LARGEST_HEAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a head of {length} bytes")));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Sends a tensor's values.
pub fn send_values(to: &mut impl Write, tensor: &Tensor) -> io::Result<()> {
    to.write_all(match &tensor.data {
        Data::F32(values) => bytemuck::cast_slice(values),
        Data::F16(values) => bytemuck::cast_slice(values),
        Data::U8(values) => values,
        Data::I32(values) => bytemuck::cast_slice(values),
        Data::I64(values) => bytemuck::cast_slice(values),
        Data::Bool(values) => bytemuck::cast_slice(values),
    })
}

/// Reads the values of a tensor.
pub fn receive_values(from: &mut impl Read, head: &Head) -> io::Result<Tensor> {
    let count = head.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
    let count = count.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a tensor beyond counting"))?;
    fn read<T: bytemuck::Pod>(from: &mut impl Read, count: usize) -> io::Result<Vec<T>> {
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        values.resize(count, T::zeroed());
        from.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }
    let data = match head.dtype {
        Dtype::F32 => Data::F32(read(from, count)?),
        Dtype::F16 => Data::F16(read(from, count)?),
        Dtype::U8 => Data::U8(read(from, count)?),
        Dtype::I32 => Data::I32(read(from, count)?),
        Dtype::I64 => Data::I64(read(from, count)?),
        Dtype::Bool => Data::Bool(read::<u8>(from, count)?.into_iter().map(|value| value != 0).collect()),
    };
    Ok(Tensor { shape: head.shape.clone(), data })
}

impl Answer {
    pub fn failed(error: &Error) -> Answer {
        Answer::Failed {
            kind: error.kind.name().into(),
            message: error.message.chars().take(2000).collect(),
            hint: error.hint.clone(),
        }
    }

    /// What went wrong there, as it may be said here: text of another's model, cut to a length.
    pub fn refusal(kind: &str, message: &str, hint: Option<&str>) -> Error {
        let kind = match Kind::from_name(kind) {
            known @ (Kind::TooLarge | Kind::Config | Kind::InvalidArgument | Kind::IoError) => known,
            _ => Kind::Unsupported,
        };
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(600).collect::<String>();
        let error = Error::new(kind, plain(message));
        match hint {
            Some(hint) => error.hint(plain(hint)),
            None => error,
        }
    }
}

/// The values of a fault that means that the other end is gone or talks nonsense.
pub fn broken<T>(done: io::Result<T>) -> Result<T, Broken> {
    done.map_err(|error| Broken(error.to_string()))
}

/// The other end is of no use any more.
#[derive(Debug)]
pub struct Broken(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_come_back_as_they_went() {
        for data in [
            Data::F32(vec![1.5, -2.0, f32::MAX, 0.0, 7.0, 1e-9]),
            Data::F16([1.5, -2.0, 0.25, 0.0, 7.0, 9.0].map(half::f16::from_f32).to_vec()),
            Data::U8(vec![0, 1, 2, 3, 254, 255]),
            Data::I32(vec![-1, 0, 1, i32::MIN, i32::MAX, 9]),
            Data::I64(vec![-1, 0, 1, i64::MIN, i64::MAX, 9]),
            Data::Bool(vec![true, false, true, true, false, false]),
        ] {
            let tensor = Tensor { shape: vec![1, 2, 3], data };
            let mut bytes = Vec::new();
            send(&mut bytes, &Answer::Done(vec![Some(Head::of("x", &tensor))])).unwrap();
            send_values(&mut bytes, &tensor).unwrap();
            let mut from = bytes.as_slice();
            let Answer::Done(heads) = receive(&mut from).unwrap() else { panic!("another answer") };
            assert_eq!(receive_values(&mut from, heads[0].as_ref().unwrap()).unwrap(), tensor);
            assert!(from.is_empty());
        }
    }

    #[test]
    fn what_announces_too_much_is_not_waited_for() {
        let head = |length: u32| receive::<Answer>(&mut length.to_le_bytes().as_slice()).err().unwrap();
        assert_eq!(head(LARGEST_HEAD + 1).kind(), io::ErrorKind::InvalidData);
        assert_eq!(head(8).kind(), io::ErrorKind::UnexpectedEof);
        let absurd = Head { name: "x".into(), dtype: Dtype::F32, shape: vec![usize::MAX, 2] };
        assert_eq!(receive_values(&mut io::empty(), &absurd).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_a_model_s_process_says_is_cut_and_never_ours() {
        let error = Answer::refusal("internal", &format!("a\u{1b}[2J{}", "b".repeat(9999)), Some("c"));
        assert_eq!((error.kind, error.message.len(), error.hint.as_deref()), (Kind::Unsupported, 600, Some("c")));
        assert_eq!(Answer::refusal("too_large", "x", None).kind, Kind::TooLarge);
    }
}
