//! Tensors between the engine and whatever runs a graph: shape and plain samples.

use super::manifest::Dtype;
use crate::error::{Error, Kind, Result};
use half::f16;
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

impl Tensor {
    /// Numbers as `dtype`; integers are rounded and clamped.
    pub fn new(shape: Vec<usize>, values: Vec<f32>, dtype: Dtype) -> Tensor {
        let data = match dtype {
            Dtype::F32 => Data::F32(values),
            Dtype::F16 => Data::F16(values.into_iter().map(f16::from_f32).collect()),
            // Python rounds halves to even, and the models were made there.
            Dtype::U8 => Data::U8(values.into_iter().map(|value| value.round_ties_even() as u8).collect()),
            Dtype::I32 => Data::I32(values.into_iter().map(|value| value.round_ties_even() as i32).collect()),
            Dtype::I64 => Data::I64(values.into_iter().map(|value| value.round_ties_even() as i64).collect()),
            Dtype::Bool => Data::Bool(values.into_iter().map(|value| value > 0.5).collect()),
        };
        Tensor { shape, data }
    }

    pub fn dtype(&self) -> Dtype {
        match self.data {
            Data::F32(_) => Dtype::F32,
            Data::F16(_) => Dtype::F16,
            Data::U8(_) => Dtype::U8,
            Data::I32(_) => Dtype::I32,
            Data::I64(_) => Dtype::I64,
            Data::Bool(_) => Dtype::Bool,
        }
    }

    /// The samples as `f32`.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match &self.data {
            Data::F32(values) => Cow::Borrowed(values),
            Data::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
            Data::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Data::I32(values) => values.iter().map(|&value| value as f32).collect(),
            Data::I64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Bool(values) => values.iter().map(|&value| f32::from(u8::from(value))).collect(),
        }
    }

    /// Joins tensors of equal type along the second dimension, the channels.
    ///
    /// # Errors
    /// `config` when the other dimensions differ.
    pub fn concat(parts: &[Tensor]) -> Result<Tensor> {
        let fault = || Error::new(Kind::Config, "the parts of an [[input]] differ in size, type or layout");
        let first = parts.first().ok_or_else(fault)?;
        let rank = first.shape.len();
        if rank < 2 {
            return Err(fault());
        }
        let rest: usize = first.shape[2..].iter().product();
        let mut values = Vec::new();
        for batch in 0..first.shape[0] {
            for part in parts {
                if part.shape.len() != rank || part.shape[0] != first.shape[0] || part.shape[2..] != first.shape[2..] {
                    return Err(fault());
                }
                let length = part.shape[1] * rest;
                values.extend_from_slice(&part.values()[batch * length..(batch + 1) * length]);
            }
        }
        let mut shape = first.shape.clone();
        shape[1] = parts.iter().map(|part| part.shape[1]).sum();
        Ok(Tensor::new(shape, values, first.dtype()))
    }
}
