//! `filters run NAME IN OUT`: one picture or many, with progress, and nothing half-written.
//!
//! `words.rs` has the arguments; where pictures come from and go to is `cli/many`'s.

mod words;

pub use words::Args;

use super::files::{self, Opened};
use super::film::{self, FilmSink};
use super::stream::{FileFormat, FileSink, Place};
use super::{Bar, list, print};
use crate::cli::many;
use crate::config::Config;
use crate::daemon::cancel_on_signal;
use crate::error::{Error, Kind, Result};
use crate::filters::door;
use crate::filters::{
    Depth, Filters, Head, Job, MemorySink, Output, Picture, Plane, Samples, Sink, Value, Values, Watch,
};
use crate::images::frames::Film;
use crate::images::mended::Loss;
use crate::images::metadata::Metadata;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use words::{Asked, COMMON, asks_for_help, understand};

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    if let Some(name) = asks_for_help(&args.words) {
        list::one(&Filters::new(config), name, false)?;
        print(COMMON);
        return Ok(ExitCode::SUCCESS);
    }
    let asked = understand(args.words)?;
    let mut config = config.clone();
    if config.origin("filters.threads") == crate::config::Origin::Default {
        // Nobody paints beside a command: all processors may compute.
        config.filters.threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    }
    let filters = Filters::new(&config);
    // A wrong name is said before pictures are read.
    filters.get(&asked.name)?;
    let cancel = CancellationToken::new();
    cancel_on_signal(&cancel)?;
    all(&filters, &asked, &config, &cancel).await.map_err(door::in_shell)
}

/// All that is asked for.
async fn all(filters: &Filters, asked: &Asked, config: &Config, cancel: &CancellationToken) -> Result<ExitCode> {
    let rule = many::Rule {
        by_name: has_picture_ending,
        by_file: files::is_picture,
        target: &target_of,
        formats: "PNG, JPEG, WebP, TIFF, GIF and BMP",
    };
    let work = many::work(&asked.from, &asked.to, config, &rule).await?;
    many::each(&work, asked.choice, cancel, door::in_shell, async |from: &Path, to: &Path| {
        Ok(Told { asked, done: filtered(filters, asked, from, to, cancel).await? })
    })
    .await
}

fn has_picture_ending(name: &Path) -> bool {
    FileFormat::of(name).is_ok() || name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bmp"))
}

/// The name of a picture's result: its own, as PNG where its format cannot be written.
fn target_of(name: &Path) -> PathBuf {
    if FileFormat::of(name).is_ok() {
        return name.to_owned();
    }
    // With the old ending before the new: `a.bmp` and `a.png` stay two.
    let mut name = name.as_os_str().to_owned();
    name.push(".png");
    name.into()
}

/// What a file's runs had in common.
#[derive(Default)]
struct Done {
    used: Values,
    tiles: usize,
    notes: Vec<String>,
    loss: Option<Loss>,
    frames: Option<usize>,
    seconds: f64,
}

/// What is said of it.
struct Told<'a> {
    asked: &'a Asked,
    done: Done,
}

impl many::Done for Told<'_> {
    fn texts(&mut self) -> Vec<&mut String> {
        self.done.notes.iter_mut().collect()
    }

    fn is_whole(&self) -> bool {
        self.done.loss.is_none()
    }

    /// One line for a program, or some for people.
    fn tell(&self, from: &str, to: &str) {
        let Told { asked, done } = self;
        let loss = done.loss.as_ref().map(|loss| format!("`{from}` is incomplete: {loss}; what is there was written"));
        let notes: Vec<&String> = loss.iter().chain(&done.notes).collect();
        if asked.json {
            let mut line = json!({
                "filter": asked.name, "in": from, "out": to, "parameters": done.used, "tiles": done.tiles,
                "seconds": (done.seconds * 1000.0).round() / 1000.0, "notes": notes, "complete": loss.is_none(),
            });
            if let Some(frames) = done.frames {
                line["frames"] = frames.into();
            }
            return print(&format!("{line}\n"));
        }
        notes.iter().for_each(|note| eprintln!("{note}"));
        let used: String =
            done.used.0.iter().map(|(name, value)| format!(" --{name} {}", list::shown(value))).collect();
        let frames = done.frames.map(|count| format!("{count} frames, ")).unwrap_or_default();
        let (name, tiles, seconds) = (&asked.name, done.tiles, done.seconds);
        eprintln!("{name} {from}{used}: {frames}{tiles} tiles, {seconds:.1} s -> {to}");
    }
}

/// Runs the filter on a file, into a file.
async fn filtered(
    filters: &Filters,
    asked: &Asked,
    from: &Path,
    to: &Path,
    cancel: &CancellationToken,
) -> Result<Done> {
    let begun = Instant::now();
    let format = FileFormat::of(to)?;
    let file = files::File::open(from)?;
    let mut notes = Vec::new();
    let metadata = file.metadata().allowed(asked.metadata, &mut notes);
    let common = common(filters, asked)?;
    let runner =
        Runner { filters, asked, cancel, label: from.file_name().unwrap_or_default().to_string_lossy().into_owned() };
    let mut done = match &file.film {
        Some(film) if asked.frame.is_none() && film::holds(format, film) => {
            let mut metadata = metadata;
            metadata.fit(format.holder(), &mut notes);
            whole_film(&runner, common, &file, film, (format, to), metadata).await?
        }
        several => {
            if let (Some(film), None) = (several, asked.frame) {
                let (title, all) =
                    (format.holder().title(), if film.pages { ".tif keeps" } else { ".png, .webp and .gif keep" });
                notes.push(format!(
                    "the file holds {} {}, and {title} one: the first was taken (--frame N takes another, {all} all)",
                    film.count,
                    film.called()
                ));
            }
            let opened = file.picture(asked.frame.unwrap_or(1))?;
            let sink = FileSink::new(to, opened.icc.clone(), metadata, asked.quality, &mut notes)?;
            let (mut done, sink) = runner.run(common, opened, sink, "").await?;
            done.notes.extend(sink.finish()?);
            done
        }
    };
    done.seconds = begun.elapsed().as_secs_f64();
    done.notes.splice(0..0, notes);
    Ok(done)
}

/// What every picture of a run gets beside its pixels.
#[derive(Clone)]
struct Common {
    mask: Option<Plane>,
    selection: Option<Plane>,
    style: Option<Arc<Picture>>,
    params: Values,
}

fn common(filters: &Filters, asked: &Asked) -> Result<Common> {
    let mut params = Values::default();
    let names = filters.get(&asked.name)?.about().params.iter().map(|param| param.name.clone()).collect::<Vec<_>>();
    for (name, value) in &asked.params {
        // Underscores and hyphens are the same on a command line.
        let known = names.iter().find(|known| known.replace('_', "-") == name.replace('_', "-"));
        params.set(known.unwrap_or(name), Value::Text(value.clone()));
    }
    Ok(Common {
        mask: asked.mask.as_deref().map(files::open_mask).transpose()?,
        selection: asked.selection.as_deref().map(files::open_mask).transpose()?,
        style: asked.style.as_deref().map(|path| files::open_whole(path).map(Arc::new)).transpose()?,
        params,
    })
}

struct Runner<'a> {
    filters: &'a Filters,
    asked: &'a Asked,
    cancel: &'a CancellationToken,
    label: String,
}

impl Runner<'_> {
    /// Runs the filter on one picture, into `sink`.
    async fn run<S: Sink + 'static>(&self, common: Common, opened: Opened, sink: S, which: &str) -> Result<(Done, S)> {
        let Opened { picture, jpeg_quality, loss, mut notes, .. } = opened;
        let picture = Arc::new(picture);
        let mut job = Job::new(picture.clone());
        job.jpeg_quality = jpeg_quality;
        (job.mask, job.selection, job.style, job.params) = (common.mask, common.selection, common.style, common.params);
        job.area = self.asked.area;
        job.points.clone_from(&self.asked.points);
        let (bar, label) = (Bar::new(), format!("{}{which}", self.label));
        let cancel = self.cancel.child_token();
        let watch = Watch::new(cancel.clone(), move |fraction, doing| bar.show(&label, fraction, doing));
        let running = self.filters.run_into(&self.asked.name, job, watch, Watched { sink, begun: false });
        let done = Filters::within(&self.asked.name, self.asked.limit, &cancel, running).await;
        bar.clear();
        let (output, mut sink) = done?;
        if !sink.begun {
            hand_over(&output, &picture, &mut sink)?;
        }
        notes.extend(output.notes.iter().cloned());
        Ok((Done { used: output.used, tiles: output.tiles, notes, loss, ..Done::default() }, sink.sink))
    }
}

/// Knows whether rows have come.
struct Watched<S> {
    sink: S,
    begun: bool,
}

impl<S: Sink> Sink for Watched<S> {
    fn begin(&mut self, head: Head) -> Result<()> {
        self.begun = true;
        self.sink.begin(head)
    }

    fn rows(&mut self, samples: &Samples) -> Result<()> {
        self.sink.rows(samples)
    }
}

/// Every frame or page, one after the other; what is measured is measured on the first, or an animation would flicker.
async fn whole_film(
    runner: &Runner<'_>,
    mut common: Common,
    file: &files::File,
    film: &Film,
    (format, to): (FileFormat, &Path),
    metadata: Metadata,
) -> Result<Done> {
    let mut all = Done { loss: film.loss.clone(), frames: Some(film.count), ..Done::default() };
    let mut sink: Option<FilmSink> = None;
    for (number, next) in file.pictures().enumerate() {
        let (opened, delay) = next?;
        let icc = opened.icc.clone();
        let which = format!(" {} of {}", number + 1, film.count);
        let (done, made) = runner.run(common.clone(), opened, MemorySink::default(), &which).await?;
        let picture = made.picture().ok_or_else(|| Error::internal("a picture without rows"))?;
        let sink = match &mut sink {
            Some(sink) => sink,
            None => {
                let place = Place { target: to.to_owned() };
                sink.insert(FilmSink::new(place, format, film, icc.clone(), metadata.clone())?)
            }
        };
        sink.add(&picture, icc.as_deref(), delay)?;
        all.tiles += done.tiles;
        all.loss = all.loss.or(done.loss);
        let new: Vec<String> = done.notes.into_iter().filter(|note| !all.notes.contains(note)).collect();
        all.notes.extend(new);
        if number == 0 {
            all.used = done.used;
            if !film.pages {
                common.params = all.used.clone();
            }
        }
    }
    if format == FileFormat::Tiff && !film.pages {
        all.notes.push("a TIFF holds pages: how long each frame is shown is not in it".into());
    }
    all.notes.extend(sink.ok_or_else(|| Error::internal("a film without a picture"))?.finish()?);
    Ok(all)
}

/// A mask as a grey picture; an opacity as the picture with it.
fn hand_over(output: &Output, picture: &Picture, sink: &mut dyn Sink) -> Result<()> {
    let (plane, cut) = match (&output.alpha, &output.mask) {
        (Some(alpha), _) => (alpha, true),
        (None, Some(mask)) => (mask, false),
        (None, None) => return Err(Error::new(Kind::Internal, "the filter gave no result")),
    };
    if !cut {
        sink.begin(Head { width: plane.width, height: plane.height, channels: 1, depth: Depth::U8 })?;
        let mut samples = Samples::zeroed(Depth::U8, plane.data.len());
        samples.write(0, &plane.data);
        return sink.rows(&samples);
    }
    let colours = picture.channels - usize::from(picture.has_alpha());
    let (width, depth) = (picture.width, picture.depth());
    sink.begin(Head { width, height: picture.height, channels: colours + 1, depth })?;
    for y in 0..picture.height {
        let row = picture.region(0, y, width, 1);
        let opacity = row.data.chunks_exact(row.channels).zip(&plane_row(plane, y)[..width]);
        let data: Vec<f32> = opacity
            .flat_map(|(pixel, value)| {
                let own = if row.has_alpha() { pixel[colours] } else { 1.0 };
                pixel[..colours].iter().copied().chain([own * value]).collect::<Vec<f32>>()
            })
            .collect();
        let mut samples = Samples::zeroed(depth, data.len());
        samples.write(0, &data);
        sink.rows(&samples)?;
    }
    Ok(())
}

fn plane_row(plane: &Plane, y: usize) -> &[f32] {
    &plane.data[y * plane.width..(y + 1) * plane.width]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_cannot_be_written_becomes_png() {
        assert_eq!(target_of(Path::new("deep/a.jpg")), Path::new("deep/a.jpg"));
        assert_eq!(target_of(Path::new("deep/a.bmp")), Path::new("deep/a.bmp.png"));
    }
}
