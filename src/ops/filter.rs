//! One run of an AI filter on behalf of a caller: progress, cancel, time limit, and its time in the metrics.

use super::{Context, Ops};
use crate::error::{Error, Kind, Result};
use crate::filters::{Job, Output, Value as Parameter, Values, Watch};
use crate::gimp::Progress;
use crate::metrics::METRICS;
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
        tokio::pin!(running);
        let output = tokio::select! {
            output = &mut running => output?,
            () = tokio::time::sleep(limit) => {
                cancel.cancel();
                let _ = running.await;
                let seconds = limit.as_secs_f64();
                return Err(Error::new(Kind::Timeout, format!("`{name}` was ended at its time limit of {seconds} s"))
                    .hint("give a larger `timeout`, or work on a smaller image or selection"));
            }
        };
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
