//! What goes into a filter and what comes out: the contract that model filters and native ones share.

use super::picture::Picture;
use super::raster::{Plane, Raster};
use super::sight::Sight;
use super::sink::{Head, Sink};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a filter is told about one run. Positions count in the image's pixels from its top left corner.
#[derive(Clone, Debug)]
pub struct Job {
    pub image: Arc<Picture>,
    /// Where the result shall land, soft, as large as the image; `None`: everywhere. The engine blends through it:
    /// a filter of kind [`Scope::Everywhere`] need not look at it.
    pub selection: Option<Plane>,
    /// What the filter works on (the hole to fill), as large as the image; instead of the selection.
    pub mask: Option<Plane>,
    /// The picture whose style is taken.
    pub style: Option<Arc<Picture>>,
    /// Left, top, width, height.
    pub area: Option<[f32; 4]>,
    pub points: Vec<Point>,
    /// Checked against [`About::params`], defaults filled in, before a filter sees them.
    pub params: Values,
    /// The picture's file or GIMP knows that it was a JPEG of this quality, 1 to 100.
    pub jpeg_quality: Option<u8>,
}

impl Job {
    /// A job with nothing but the image.
    pub fn new(image: Arc<Picture>) -> Job {
        Job {
            image,
            selection: None,
            mask: None,
            style: None,
            area: None,
            points: Vec::new(),
            params: Values::default(),
            jpeg_quality: None,
        }
    }

    /// The image as `f32`.
    pub fn raster(&self) -> Raster {
        self.image.to_raster()
    }

    /// The mask, or else the selection: what an inpainting filter fills.
    pub fn hole(&self) -> Option<&Plane> {
        self.mask.as_ref().or(self.selection.as_ref())
    }
}

/// A click of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
    /// Whether it lies on the subject.
    pub inside: bool,
}

/// What a filter made; at least one of the first three is there.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Of the image's depth and channels; maybe of another size.
    pub image: Option<Picture>,
    /// A selection, as large as the image.
    pub mask: Option<Plane>,
    /// The subject's opacity, as large as the image.
    pub alpha: Option<Plane>,
    /// Tiles that went through the model.
    pub tiles: usize,
    /// One sentence each, for the user: what was estimated, what was left as it was.
    pub notes: Vec<String>,
    /// Parameters as they were used, automatic ones with the value that was found.
    pub used: Values,
}

/// How a filter treats the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Works on the picture; the engine hands it the selection's surroundings and blends the result through it.
    Everywhere,
    /// Needs a mask or a selection, and changes only what lies in it by its own means.
    Hole,
    /// Needs a selection, a box or points as a hint, and answers with a mask.
    Subject,
    /// Changes the size or answers with something else; the selection does not matter.
    Whole,
}

/// A parameter's declaration; dialogs, help and checks derive from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    pub name: String,
    pub label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
    #[serde(flatten)]
    pub kind: ParamKind,
    pub default: Value,
    /// Such as `%` or `px`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The value may be the text `auto`: then this is measured. `noise-level`, `jpeg-quality`, or a filter's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<String>,
    /// Whether its slider gives small values more room: what matters lies in the lowest fifth of the range.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub logarithmic: bool,
}

impl Param {
    /// Whether the default itself lies in the lowest fifth of a range that begins at 0 or above: then so does what is
    /// mostly wanted.
    pub fn starts_low(&self) -> bool {
        let (min, max) = match self.kind {
            ParamKind::Float { min, max, .. } => (min, max),
            ParamKind::Int { min, max } => (min as f64, max as f64),
            ParamKind::Bool | ParamKind::Choice { .. } => return false,
        };
        let default = match self.default {
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            Value::Bool(_) | Value::Text(_) => return false,
        };
        // A few whole numbers, such as 2 to 4, are as easy to hit on a plain slider.
        min >= 0.0 && max - min > 20.0 && default < min + (max - min) / 5.0
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ParamKind {
    Float {
        min: f64,
        max: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    Int {
        min: i64,
        max: i64,
    },
    Bool,
    Choice {
        choices: Vec<String>,
    },
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// Parameters by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Values(pub BTreeMap<String, Value>);

impl Values {
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// A number; a missing one is a programming error that shows as 0.
    pub fn number(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Float(value)) => *value,
            Some(Value::Int(value)) => *value as f64,
            Some(Value::Bool(value)) => f64::from(u8::from(*value)),
            _ => 0.0,
        }
    }

    pub fn int(&self, name: &str) -> i64 {
        self.number(name) as i64
    }

    pub fn bool(&self, name: &str) -> bool {
        self.number(name) != 0.0
    }

    pub fn text(&self, name: &str) -> &str {
        if let Some(Value::Text(value)) = self.0.get(name) { value } else { "" }
    }

    /// Whether the value shall be measured.
    pub fn is_auto(&self, name: &str) -> bool {
        self.text(name) == "auto"
    }
}

/// What users see of a filter before they run it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct About {
    /// Lower case with hyphens, unique.
    pub name: String,
    pub title: String,
    /// The submenu: `Enhance`, `Repair`, `Select`, `Style`, `Other`.
    pub group: String,
    /// One or two sentences: what it does and when to use it.
    pub help: String,
    /// What else people call it, for searches.
    #[serde(skip)]
    pub keywords: Vec<String>,
    pub scope: Scope,
    /// Whether what it makes is larger than what it is given.
    pub enlarges: bool,
    /// Whether it wants a style picture.
    pub style: bool,
    pub params: Vec<Param>,
    /// SPDX name, or `project`.
    pub license: String,
    /// `bundled`, `native`, or `installed`.
    pub origin: String,
}

type Stop = Box<dyn Fn() + Send>;
type Tell = dyn Fn(f32, &str) + Send + Sync;

/// How a run tells where it stands, and learns that nobody wants it any more.
#[derive(Clone)]
pub struct Watch {
    cancel: CancellationToken,
    tell: Arc<Tell>,
    /// Ends what is being computed right now, by the thread that computes it.
    stops: Arc<Mutex<Vec<(u64, Stop)>>>,
    /// The part of the whole that this watch's 0 to 1 stands for.
    from: f32,
    span: f32,
}

impl Watch {
    /// `tell` gets the fraction done, 0 to 1, and what is being done.
    pub fn new(cancel: CancellationToken, tell: impl Fn(f32, &str) + Send + Sync + 'static) -> Watch {
        Watch { cancel, tell: Arc::new(tell), stops: Arc::default(), from: 0.0, span: 1.0 }
    }

    /// Tells nobody, and is never cancelled.
    pub fn silent() -> Watch {
        Watch::new(CancellationToken::new(), |_, _| ())
    }

    /// Cancelled with `watch`, but tells nobody.
    pub fn quiet(watch: &Watch) -> Watch {
        Watch { tell: Arc::new(|_, _| ()), ..watch.clone() }
    }

    /// For a step of the work: its 0 to 1 is this one's `from` to `to`.
    pub fn part(&self, from: f32, to: f32) -> Watch {
        Watch { from: self.from + from * self.span, span: (to - from) * self.span, ..self.clone() }
    }

    /// Fails if the run was cancelled. Call it at least every 200 ms of work.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "the filter was cancelled"));
        }
        Ok(())
    }

    /// Runs `work`; `stop` is called from another thread if the run is cancelled meanwhile.
    pub fn interruptible<T>(&self, stop: impl Fn() + Send + 'static, work: impl FnOnce() -> T) -> T {
        let lock = || self.stops.lock().unwrap_or_else(|broken| broken.into_inner());
        let id = {
            let mut stops = lock();
            let id = stops.last().map_or(0, |(id, _)| id + 1);
            // A cancel that came before this could be heard is heard now.
            if self.cancel.is_cancelled() {
                stop();
            }
            stops.push((id, Box::new(stop)));
            id
        };
        let done = work();
        lock().retain(|(other, _)| *other != id);
        done
    }

    /// Waits for the cancel.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Waits for `running`, a thread that works for this watch. It ends by itself, within a tile: its answer is waited for even
    /// after a cancel, so that whoever asked knows that nothing goes on.
    ///
    /// # Errors
    /// The work's own.
    pub async fn attended<T>(&self, running: JoinHandle<Result<T>>) -> Result<T> {
        tokio::pin!(running);
        let done = tokio::select! {
            done = &mut running => done,
            () = self.interrupt_on_cancel() => running.await,
        };
        done.map_err(Error::internal)?
    }

    /// Waits for the cancel and then ends what is being computed. Whoever runs a filter keeps this going beside it.
    pub async fn interrupt_on_cancel(&self) {
        self.cancel.cancelled().await;
        for (_, stop) in self.stops.lock().unwrap_or_else(|broken| broken.into_inner()).iter() {
            stop();
        }
    }

    /// [`Watch::check`], and tells the fraction done, 0 to 1.
    pub fn step(&self, fraction: f32, doing: &str) -> Result<()> {
        self.check()?;
        (self.tell)(self.from + fraction.clamp(0.0, 1.0) * self.span, doing);
        Ok(())
    }
}

/// Something that makes pictures from pictures. Runs on a blocking thread; calls `watch` often.
pub trait Filter: Send + Sync {
    fn about(&self) -> &About;

    /// What it looks at with these parameters and a hole or subject this large: a preview is made from no more.
    fn sight(&self, _params: &Values, _hole: (usize, usize)) -> Sight {
        Sight::default()
    }

    /// The parameters with what follows from the picture's size alone in the place of `auto`.
    fn sized(&self, params: &Values, _size: (usize, usize)) -> Values {
        params.clone()
    }

    /// The job's parameters with what is measured on its picture in the place of `auto`, as [`Filter::run`] does it.
    ///
    /// # Errors
    /// `invalid_argument` for a value out of range.
    fn measure(&self, job: &Job) -> Result<Values> {
        Ok(job.params.clone())
    }

    /// # Errors
    /// `cancelled`, `invalid_argument` with the value and the mend, `unsupported`, `too_large`, `internal`.
    fn run(&self, job: &Job, watch: &Watch) -> Result<Output>;

    /// As [`Filter::run`], but the image goes to `sink` row by row and [`Output::image`] stays empty: for pictures
    /// that are too large to hold twice.
    ///
    /// # Errors
    /// As [`Filter::run`], and the sink's.
    fn run_into(&self, job: &Job, watch: &Watch, sink: &mut dyn Sink) -> Result<Output> {
        let mut output = self.run(job, watch)?;
        if let Some(mut image) = output.image.take() {
            // Where a mask says what to work on, the selection is no limit; else nothing outside of it changes
            let limited = match self.about().scope {
                Scope::Everywhere => true,
                Scope::Hole => job.mask.is_none(),
                Scope::Subject | Scope::Whole => false,
            };
            if let (true, Some(selection)) = (limited, &job.selection) {
                image.blend(&job.image, selection);
            }
            let (width, height, channels) = (image.width, image.height, image.channels);
            sink.begin(Head { width, height, channels, depth: image.depth() })?;
            sink.rows(&image.samples)?;
        }
        Ok(output)
    }
}
