//! `filters run NAME IN OUT`: one picture or a folder of them, with progress, and nothing half-written.

use super::files::{self, Opened};
use super::stream::FileSink;
use super::{Bar, list, print};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::{Depth, Filters, Head, Job, Output, Picture, Plane, Point, Samples, Sink, Value, Watch};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Run a filter on a picture or on a folder of pictures
///
/// Parameters are flags with the filter's own names, such as `--scale 2`; `gimp-bridge filters show NAME` lists them.
#[derive(clap::Args)]
pub struct Args {
    /// NAME IN OUT and the filter's parameters, in any order
    ///
    /// Beside the filter's own: --mask FILE (white where it works), --selection FILE (where the result lands),
    /// --style FILE, --box LEFT,TOP,WIDTH,HEIGHT, --point X,Y (on the subject), --not X,Y (off it), --quality 1-100
    /// (of a JPEG result), --json.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "NAME IN OUT [--PARAM VALUE]"
    )]
    words: Vec<String>,
}

/// The words, understood.
#[derive(Debug, Default)]
struct Asked {
    name: String,
    from: PathBuf,
    to: PathBuf,
    mask: Option<PathBuf>,
    selection: Option<PathBuf>,
    style: Option<PathBuf>,
    area: Option<[f32; 4]>,
    points: Vec<Point>,
    quality: u8,
    json: bool,
    params: Vec<(String, String)>,
}

fn wrong(text: String) -> Error {
    Error::new(Kind::InvalidArgument, text)
        .hint("usage: gimp-bridge filters run NAME IN OUT [--PARAM VALUE] [--mask FILE]")
}

fn numbers<const N: usize>(flag: &str, text: &str) -> Result<[f32; N]> {
    let found: Vec<f32> = text.split([',', 'x']).filter_map(|part| part.trim().parse().ok()).collect();
    <[f32; N]>::try_from(found).map_err(|_| wrong(format!("`{flag} {text}` must be {N} numbers with commas")))
}

fn understand(words: Vec<String>) -> Result<Asked> {
    let mut asked = Asked { quality: 92, ..Asked::default() };
    let mut places = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            places.push(word);
            continue;
        };
        if flag == "json" {
            asked.json = true;
            continue;
        }
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), value.to_owned()),
            None => {
                let value = words.next().ok_or_else(|| wrong(format!("`--{flag}` has no value")))?;
                (flag.to_owned(), value)
            }
        };
        match flag.as_str() {
            "mask" => asked.mask = Some(value.into()),
            "selection" => asked.selection = Some(value.into()),
            "style" => asked.style = Some(value.into()),
            "box" => asked.area = Some(numbers("--box", &value)?),
            "point" | "not" => {
                let [x, y] = numbers("--point", &value)?;
                asked.points.push(Point { x, y, inside: flag == "point" });
            }
            "quality" => {
                let quality = value.parse().ok().filter(|quality| (1..=100).contains(quality));
                asked.quality = quality.ok_or_else(|| wrong(format!("`--quality {value}` must be 1 to 100")))?;
            }
            "config" | "log-level" | "log-format" => {
                return Err(wrong(format!("`--{flag}` goes before `filters`")));
            }
            _ => asked.params.push((flag, value)),
        }
    }
    let [name, from, to] = <[String; 3]>::try_from(places).map_err(|places| {
        wrong(format!("NAME, IN and OUT are needed, there are {}: {}", places.len(), places.join(" ")))
    })?;
    (asked.name, asked.from, asked.to) = (name, from.into(), to.into());
    Ok(asked)
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
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
    let interrupted = cancel.clone();
    let signal = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let outcome = if asked.from.is_dir() {
        folder(&filters, &asked, &cancel).await
    } else {
        one(&filters, &asked, &asked.from, &target_in(&asked), &cancel).await.map(|()| ExitCode::SUCCESS)
    };
    signal.abort();
    match outcome {
        Err(error) if error.kind == Kind::Cancelled => {
            eprintln!("cancelled; nothing was written");
            Ok(ExitCode::from(130))
        }
        other => other,
    }
}

/// OUT, or the picture's name in OUT when that is a folder.
fn target_in(asked: &Asked) -> PathBuf {
    match asked.from.file_name() {
        Some(name) if asked.to.is_dir() => asked.to.join(name),
        _ => asked.to.clone(),
    }
}

/// Every picture of a folder; one that fails does not stop the others.
async fn folder(filters: &Filters, asked: &Asked, cancel: &CancellationToken) -> Result<ExitCode> {
    let fault =
        |path: &Path, error: std::io::Error| Error::new(Kind::IoError, format!("`{}`: {error}", path.display()));
    std::fs::create_dir_all(&asked.to).map_err(|error| fault(&asked.to, error))?;
    let entries = std::fs::read_dir(&asked.from).map_err(|error| fault(&asked.from, error))?;
    let mut pictures: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    pictures.retain(|path| path.is_file() && super::stream::FileFormat::of(path).is_ok());
    pictures.sort();
    if pictures.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("`{}` holds no pictures", asked.from.display()))
            .hint("pictures end in .png, .jpg, .webp or .tif"));
    }
    let mut failed = 0;
    for path in &pictures {
        let target = asked.to.join(path.file_name().unwrap_or_default());
        match one(filters, asked, path, &target, cancel).await {
            Err(error) if error.kind == Kind::Cancelled => return Err(error),
            Err(error) => {
                failed += 1;
                eprintln!("error: {}: {}", path.display(), error.message);
                if let Some(hint) = &error.hint {
                    eprintln!("hint: {hint}");
                }
            }
            Ok(()) => {}
        }
    }
    eprintln!("{} of {} pictures done", pictures.len() - failed, pictures.len());
    Ok(ExitCode::from(u8::from(failed > 0)))
}

async fn one(filters: &Filters, asked: &Asked, from: &Path, to: &Path, cancel: &CancellationToken) -> Result<()> {
    let begun = Instant::now();
    let Opened { picture, icc, jpeg_quality } = files::open(from)?;
    let sink = FileSink::new(to, icc.clone(), asked.quality)?;
    let picture = Arc::new(picture);
    let mut job = Job::new(picture.clone());
    job.jpeg_quality = jpeg_quality;
    job.mask = asked.mask.as_deref().map(files::open_mask).transpose()?;
    job.selection = asked.selection.as_deref().map(files::open_mask).transpose()?;
    job.style =
        asked.style.as_deref().map(|path| files::open(path).map(|style| Arc::new(style.picture))).transpose()?;
    job.area = asked.area;
    job.points.clone_from(&asked.points);
    for (name, value) in &asked.params {
        // Underscores and hyphens are the same on a command line.
        let names = filters.get(&asked.name)?.about().params.iter().map(|param| param.name.clone()).collect::<Vec<_>>();
        let known = names.into_iter().find(|known| known.replace('_', "-") == name.replace('_', "-"));
        job.params.set(&known.unwrap_or_else(|| name.clone()), Value::Text(value.clone()));
    }
    let bar = Bar::new();
    let label = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let watch = Watch::new(cancel.clone(), move |fraction, doing| bar.show(&label, fraction, doing));
    let done = filters.run_into(&asked.name, job, watch, sink).await;
    bar.clear();
    let (output, mut sink) = done?;
    if !sink.begun() {
        hand_over(&output, &picture, &mut sink)?;
    }
    sink.finish()?;
    let seconds = begun.elapsed().as_secs_f64();
    if asked.json {
        let line = json!({
            "filter": asked.name, "in": from, "out": to, "parameters": output.used, "tiles": output.tiles,
            "seconds": (seconds * 1000.0).round() / 1000.0, "notes": output.notes,
        });
        print(&format!("{line}\n"));
    } else {
        output.notes.iter().for_each(|note| eprintln!("{note}"));
        let used: String =
            output.used.0.iter().map(|(name, value)| format!(" --{name} {}", list::shown(value))).collect();
        eprintln!(
            "{} {}{used}: {} tiles, {seconds:.1} s -> {}",
            asked.name,
            from.display(),
            output.tiles,
            to.display()
        );
    }
    Ok(())
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

    fn words(text: &str) -> Result<Asked> {
        understand(text.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn parameters_stand_anywhere() {
        let asked = words("upscale --scale 2 in.png out.png --source=clean --json --box 1,2,3,4 --not 5,6").unwrap();
        assert_eq!((asked.name.as_str(), asked.json, asked.area), ("upscale", true, Some([1.0, 2.0, 3.0, 4.0])));
        assert_eq!((asked.from.to_str(), asked.to.to_str()), (Some("in.png"), Some("out.png")));
        assert_eq!(asked.params, [("scale".into(), "2".into()), ("source".into(), "clean".into())]);
        assert_eq!(asked.points, [Point { x: 5.0, y: 6.0, inside: false }]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(words("upscale in.png").unwrap_err().message.contains("there are 2"));
        assert!(words("upscale a b --scale").unwrap_err().message.contains("`--scale` has no value"));
        assert!(words("upscale a b --box 1,2").unwrap_err().message.contains("4 numbers"));
        assert!(words("upscale a b --log-level debug").unwrap_err().message.contains("goes before"));
    }
}
