//! One loaded model.

use super::edge;
use crate::config::{Config, Provider};
use crate::error::{Error, Kind, Result};
use crate::filters::backend::{Backend, Take};
use crate::filters::job::Watch;
use crate::filters::manifest::Dtype;
use crate::filters::onnx::Port;
use crate::filters::tensor::{Data, Tensor};
use ort::ep;
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A model in ONNX Runtime. Callers take turns, tile by tile, so that its memory does not grow with their number.
pub struct LocalModel {
    session: Mutex<Session>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Why it runs on the processor although something faster was asked for.
    pub fallback: Option<String>,
}

/// What a model is loaded from.
pub enum Model<'a> {
    Bytes(&'a [u8]),
    /// With weights beside it.
    File(&'a Path),
}

impl LocalModel {
    /// Loads a model with the configured provider, or else on the processor.
    ///
    /// # Errors
    /// `unsupported` with what the runtime said.
    pub fn load(environment: &ort::environment::Environment, config: &Config, model: &Model) -> Result<LocalModel> {
        let provider = config.filters.provider;
        let mut fallback = None;
        let mut session = None;
        if provider != Provider::Cpu {
            match open(environment, config, model, provider) {
                Ok(opened) => session = Some(opened),
                Err(error) => {
                    let why =
                        format!("{} is not to be had, so the processor works: {}", provider.name(), error.message);
                    tracing::warn!("{why}");
                    fallback = Some(why);
                }
            }
        }
        let session = match session {
            Some(session) => session,
            None => open(environment, config, model, Provider::Cpu)?,
        };
        let (inputs, outputs) =
            (session.inputs().iter().map(port).collect(), session.outputs().iter().map(port).collect());
        Ok(LocalModel { session: Mutex::new(session), inputs, outputs, fallback })
    }
}

fn open(
    environment: &ort::environment::Environment,
    config: &Config,
    model: &Model,
    provider: Provider,
) -> Result<Session> {
    let fail = |error: ort::Error<ort::session::builder::SessionBuilder>| edge(&error);
    let mut builder = Session::builder(environment)
        .map_err(|error| edge(&error))?
        .with_intra_threads(config.filters.threads_or_default())
        .map_err(fail)?
        .with_inter_threads(1)
        .map_err(fail)?
        // Spinning threads would take the processor from GIMP between tiles.
        .with_intra_op_spinning(false)
        .map_err(fail)?
        // Weights kept as int8 are to be widened, not computed with: see docs/filter-manifest.md.
        .with_quant_qdq(false)
        .map_err(fail)?;
    let chosen = match provider {
        Provider::Cpu => None,
        Provider::Cuda => Some(ep::CUDA::default().build()),
        Provider::Tensorrt => Some(ep::TensorRT::default().build()),
        Provider::Coreml => Some(ep::CoreML::default().build()),
        Provider::Directml => Some(ep::DirectML::default().build()),
        Provider::Openvino => Some(ep::OpenVINO::default().build()),
    };
    if let Some(chosen) = chosen {
        builder = builder.with_execution_providers([chosen.error_on_failure()]).map_err(fail)?;
    }
    let session = match model {
        Model::Bytes(bytes) => builder.commit_from_memory(bytes),
        Model::File(path) => builder.commit_from_file(path),
    };
    session.map_err(|error| edge(&error).hint("the file may be damaged, or newer than the runtime"))
}

fn port(outlet: &Outlet) -> Port {
    let (dtype, shape) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (dtype(*ty), shape.to_vec()),
        _ => (None, Vec::new()),
    };
    Port { name: outlet.name().to_owned(), dtype, shape }
}

fn dtype(kind: TensorElementType) -> Option<Dtype> {
    match kind {
        TensorElementType::Float32 => Some(Dtype::F32),
        TensorElementType::Float16 => Some(Dtype::F16),
        TensorElementType::Uint8 => Some(Dtype::U8),
        TensorElementType::Int32 => Some(Dtype::I32),
        TensorElementType::Int64 => Some(Dtype::I64),
        TensorElementType::Bool => Some(Dtype::Bool),
        _ => None,
    }
}

impl Backend for LocalModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&self, feed: Vec<(String, Tensor)>, take: &Take, watch: &Watch) -> Result<Vec<Option<Tensor>>> {
        let mut session = self.session.lock().unwrap_or_else(|broken| broken.into_inner());
        watch.check()?;
        let values =
            feed.iter().map(|(name, tensor)| Ok((name.as_str(), value(tensor)?))).collect::<Result<Vec<_>>>()?;
        let options = Arc::new(RunOptions::new().map_err(|error| edge(&error))?);
        let stop = options.clone();
        // A whole picture in one go can take minutes; this ends it between two of the graph's operators.
        let answer = watch.interruptible(
            move || drop(stop.terminate()),
            || {
                let answer = session.run_with_options(values, &*options).map_err(|error| edge(&error))?;
                let outputs = self.outputs.iter().enumerate();
                outputs.map(|(place, port)| taken(place, port, answer.get(&port.name), take)).collect()
            },
        );
        // A run that was ended says so in its own words.
        watch.check()?;
        answer
    }
}

/// A view: nothing is copied.
fn value(tensor: &Tensor) -> Result<SessionInputValue<'_>> {
    let shape = tensor.shape.clone();
    let value = match &tensor.data {
        Data::F32(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
        Data::F16(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
        Data::U8(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
        Data::I32(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
        Data::I64(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
        Data::Bool(data) => TensorRef::from_array_view((shape, &**data)).map(Into::into),
    };
    value.map_err(|error| edge(&error))
}

/// The values of an output, if they are wanted.
fn taken(place: usize, port: &Port, value: Option<&DynValue>, take: &Take) -> Result<Option<Tensor>> {
    let shape = match value.map(DynValue::dtype) {
        Some(ValueType::Tensor { shape, .. }) => shape.iter().map(|&side| side.max(0) as usize).collect(),
        _ => Vec::new(),
    };
    if take(place, &shape)? { tensor(&port.name, value).map(Some) } else { Ok(None) }
}

fn tensor(name: &str, value: Option<&DynValue>) -> Result<Tensor> {
    let value = value.ok_or_else(|| Error::new(Kind::Unsupported, format!("the model gave no output `{name}`")))?;
    let kind = match value.dtype() {
        ValueType::Tensor { ty, .. } => dtype(*ty),
        _ => None,
    };
    let fault = |error: ort::Error| edge(&error);
    let (shape, data) = match kind {
        Some(Dtype::F32) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::F32(d.to_vec()))).map_err(fault)?
        }
        Some(Dtype::F16) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::F16(d.to_vec()))).map_err(fault)?
        }
        Some(Dtype::U8) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::U8(d.to_vec()))).map_err(fault)?
        }
        Some(Dtype::I32) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::I32(d.to_vec()))).map_err(fault)?
        }
        Some(Dtype::I64) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::I64(d.to_vec()))).map_err(fault)?
        }
        Some(Dtype::Bool) => {
            value.try_extract_tensor().map(|(s, d)| (s.to_vec(), Data::Bool(d.to_vec()))).map_err(fault)?
        }
        None => {
            return Err(Error::new(
                Kind::Unsupported,
                format!("the output `{name}` is {:?}, which is not supported", value.dtype()),
            ));
        }
    };
    Ok(Tensor { shape: shape.into_iter().map(|side| side.max(0) as usize).collect(), data })
}
