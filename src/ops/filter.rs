//! One run of an AI filter on behalf of a caller: progress, cancel, time limit, and its time in the metrics.

use super::local::open;
use super::{Context, Ops};
use crate::error::{Error, Kind, Result};
use crate::filters::{Filters, Job, Output, Picture, Samples, Value as Parameter, Values, Watch};
use crate::gimp::Progress;
use crate::images::decode::{Decoded, decode};
use crate::metrics::METRICS;
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

impl Ops {
    /// Waits until a picture may be fetched for a filter; see [`Filters::place`](crate::filters::Filters::place).
    ///
    /// # Errors
    /// `timeout`, `cancelled`.
    pub async fn filter_place(&self, name: &str, limit: Duration, context: &Context) -> Result<OwnedSemaphorePermit> {
        if let Some(sink) = &context.progress {
            sink(Progress { progress: 0.0, total: Some(1.0), message: Some("waiting for other filters".into()) });
        }
        tokio::select! {
            place = self.filters().place() => place,
            () = context.cancel.cancelled() => Err(Error::new(Kind::Cancelled, "the filter was cancelled")),
            () = tokio::time::sleep(limit) => {
                let seconds = limit.as_secs_f64();
                let message = format!("`{name}` waited {seconds} s for other filters, its time limit");
                Err(Error::new(Kind::Timeout, message).hint("give a larger `timeout`, or try again later"))
            }
        }
    }

    /// Runs it within `limit`; its 0 to 1 is reported as `span.0` to `span.1`.
    ///
    /// # Errors
    /// `timeout`, `cancelled`, and the filter's own. A run that is told to end does so within a tile.
    pub async fn run_filter(
        &self,
        name: &str,
        job: Job,
        limit: Duration,
        span: (f64, f64),
        context: &Context,
    ) -> Result<Output> {
        let cancel = context.cancel.child_token();
        let sink = context.progress.clone();
        let watch = Watch::new(cancel.clone(), move |fraction, doing| {
            if let Some(sink) = &sink {
                let progress = span.0 + f64::from(fraction.clamp(0.0, 1.0)) * (span.1 - span.0);
                sink(Progress { progress, total: Some(1.0), message: Some(doing.to_owned()) });
            }
        });
        let began = Instant::now();
        let running = self.filters().run(name, job, watch);
        let output = Filters::within(name, limit, &cancel, running).await?;
        // Only names that exist come this far, so what callers send makes no new time series.
        METRICS.filter(name, began.elapsed());
        Ok(output)
    }
}

/// A filter's parameters as its room takes them; their names and ranges are its to check.
///
/// # Errors
/// `invalid_argument` for a value that is no number, text or boolean.
pub fn filter_parameters(given: Option<Value>) -> Result<Values> {
    let mut values = Values::default();
    let Some(Value::Object(given)) = given else { return Ok(values) };
    for (name, value) in given {
        let parameter = match value {
            Value::Null => continue,
            Value::Bool(value) => Parameter::Bool(value),
            Value::String(value) => Parameter::Text(value),
            Value::Number(number) => match number.as_i64() {
                Some(value) => Parameter::Int(value),
                None => Parameter::Float(number.as_f64().unwrap_or_default()),
            },
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    format!("`parameters.{name}` is no number, text or boolean"),
                )
                .hint("list_ai_filters shows each filter's parameters"));
            }
        };
        values.set(&name, parameter);
    }
    Ok(values)
}

/// Most bytes of raw pixels of a picture that comes with a call: 100 megapixels with alpha.
const LARGEST: u64 = 400 << 20;

/// A picture that came with a call.
pub struct Given {
    pub picture: Picture,
    /// Whether the file was whole.
    pub complete: bool,
    /// What the caller should know of it.
    pub notes: Vec<String>,
}

/// Reads a file that came with a call as `name`, in 8 bits of sRGB.
///
/// # Errors
/// `unsupported` for formats that only GIMP reads; `too_large`; `invalid_argument`.
pub async fn given_picture(bytes: Bytes, name: &'static str) -> Result<Given> {
    let decoded = tokio::task::spawn_blocking(move || decode(&bytes, LARGEST)).await.map_err(Error::internal)??;
    let decoded = decoded.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("`{name}` is of a kind that the filters do not read"))
            .hint("send PNG, JPEG, WebP, GIF, BMP or TIFF, or open it in a session")
    })?;
    let (notes, complete) = (decoded.said(), decoded.loss.is_none());
    let Decoded { width, height, channels, samples, .. } = decoded;
    let (width, height, channels) = (width as usize, height as usize, usize::from(channels));
    Ok(Given { picture: Picture { width, height, channels, samples: Samples::U8(samples) }, complete, notes })
}

/// Reads a text in base64 that serves another picture: damaged, it would spoil that one unseen.
///
/// # Errors
/// As [`given_picture`], and for a damaged file.
pub async fn given_whole(text: String, name: &'static str) -> Result<Picture> {
    let read = tokio::task::spawn_blocking(move || open::decode(&text, name)).await.map_err(Error::internal)?;
    let Given { picture, complete, notes } = given_picture(read?.0, name).await?;
    match complete {
        true => Ok(picture),
        false => {
            let lost = notes.first().map_or("", String::as_str);
            Err(Error::new(Kind::InvalidArgument, format!("`{name}`: {lost}")).hint("send a whole file"))
        }
    }
}
