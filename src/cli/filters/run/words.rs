//! The words of `filters run`, understood.

use crate::cli::many::{At, Choice, Shard};
use crate::error::{Error, Kind, Result};
use crate::filters::Point;
use crate::images::metadata::Policy;
use crate::ops::{Catalogue, MAX_TIMEOUT};
use std::path::PathBuf;
use std::time::Duration;

/// What every filter takes.
pub const COMMON: &str = "\
With any filter:
  --mask FILE                   white where it works
  --selection FILE              where the result lands
  --style FILE                  the picture whose style is taken
  --box LEFT,TOP,WIDTH,HEIGHT   round the subject
  --point X,Y, --not X,Y        on the subject, off it
  --quality 1-100               of a JPEG result
  --timeout SECONDS             for each picture; 900 if left out
  --metadata keep|none|no-location  EXIF, XMP, IPTC, comment, texts: all, none, or without places
  --frame N                     the frame or page, where OUT holds one picture or one is wanted
  --json                        one line of JSON for each picture
  --shard I/N                   of a folder only this run's share; I from 0 to N-1
  --skip-existing               leave out pictures whose result is there
IN and OUT are files, folders, or s3://BUCKET/FOLDER/ and s3://BUCKET/NAME (server and credentials: docs/filters.md).
";

/// Run a filter on a picture or on a folder of pictures
///
/// Parameters are flags with the filter's own names, such as `--scale 2`; `gimp-bridge filters run NAME --help` lists them.
/// IN and OUT are files, folders, or s3://BUCKET/FOLDER/ and s3://BUCKET/NAME.
#[derive(clap::Args)]
pub struct Args {
    /// NAME IN OUT and the filter's parameters, in any order
    ///
    /// Beside the filter's own: --mask FILE (white where it works), --selection FILE (where the result lands),
    /// --style FILE, --box LEFT,TOP,WIDTH,HEIGHT, --point X,Y (on the subject), --not X,Y (off it), --quality 1-100
    /// (of a JPEG result), --timeout SECONDS (for each picture; 900 if left out), --metadata
    /// keep|none|no-location, --frame N (of several frames or pages), --json, --shard I/N (this run's share of a folder, I
    /// from 0), --skip-existing (leave out pictures whose result is there).
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "NAME IN OUT [--PARAM VALUE]"
    )]
    pub words: Vec<String>,
}

impl Args {
    /// Whether a bucket takes part.
    pub fn names_a_bucket(&self) -> bool {
        self.words.iter().any(|word| word.starts_with("s3://"))
    }
}

/// The filter that `NAME --help` asks about; `Some("")`: none is named.
pub fn asks_for_help(words: &[String]) -> Option<&str> {
    words
        .iter()
        .any(|word| word == "--help" || word == "-h")
        .then(|| words.iter().map(String::as_str).find(|word| !word.starts_with('-')).unwrap_or_default())
}

/// The words, understood.
#[derive(Debug, Default)]
pub struct Asked {
    pub name: String,
    pub from: At,
    pub to: At,
    pub mask: Option<PathBuf>,
    pub selection: Option<PathBuf>,
    pub style: Option<PathBuf>,
    pub area: Option<[f32; 4]>,
    pub points: Vec<Point>,
    pub quality: u8,
    pub limit: Duration,
    pub metadata: Policy,
    pub frame: Option<usize>,
    pub json: bool,
    pub choice: Choice,
    pub params: Vec<(String, String)>,
}

fn wrong(text: String) -> Error {
    Error::new(Kind::InvalidArgument, text)
        .hint("usage: gimp-bridge filters run NAME IN OUT [--PARAM VALUE] [--mask FILE]")
}

/// As long as an AI client's run may take.
fn default_limit() -> Duration {
    Catalogue::get().find("run_ai_filter").map_or(Duration::from_secs(900), |operation| operation.timeout())
}

fn numbers<const N: usize>(flag: &str, text: &str) -> Result<[f32; N]> {
    let found: Vec<f32> = text.split([',', 'x']).filter_map(|part| part.trim().parse().ok()).collect();
    <[f32; N]>::try_from(found).map_err(|_| wrong(format!("`{flag} {text}` must be {N} numbers with commas")))
}

impl Asked {
    /// A flag and its value.
    fn take(&mut self, flag: String, value: String) -> Result<()> {
        match flag.as_str() {
            "mask" => self.mask = Some(value.into()),
            "selection" => self.selection = Some(value.into()),
            "style" => self.style = Some(value.into()),
            "box" => self.area = Some(numbers("--box", &value)?),
            "point" | "not" => {
                let [x, y] = numbers("--point", &value)?;
                self.points.push(Point { x, y, inside: flag == "point" });
            }
            "quality" => {
                let quality = value.parse().ok().filter(|quality| (1..=100).contains(quality));
                self.quality = quality.ok_or_else(|| wrong(format!("`--quality {value}` must be 1 to 100")))?;
            }
            "timeout" => {
                let most = f64::from(MAX_TIMEOUT);
                let seconds = value.parse().ok().filter(|seconds| (0.1..=most).contains(seconds));
                let wrong = || wrong(format!("`--timeout {value}` must be 0.1 to {most} seconds"));
                self.limit = Duration::from_secs_f64(seconds.ok_or_else(wrong)?);
            }
            "frame" => {
                let frame = value.parse().ok().filter(|frame| *frame > 0);
                self.frame = Some(frame.ok_or_else(|| wrong(format!("`--frame {value}` must be a number from 1")))?);
            }
            "shard" => self.choice.shard = Some(Shard::of(&value)?),
            "metadata" => {
                self.metadata = Policy::of(&value)
                    .ok_or_else(|| wrong(format!("`--metadata {value}` must be keep, none or no-location")))?;
            }
            "config" | "log-level" | "log-format" => {
                return Err(wrong(format!("`--{flag}` goes before `filters`")));
            }
            _ => self.params.push((flag, value)),
        }
        Ok(())
    }
}

pub fn understand(words: Vec<String>) -> Result<Asked> {
    let mut asked = Asked { quality: 92, limit: default_limit(), ..Asked::default() };
    let mut places = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            places.push(word);
            continue;
        };
        match flag {
            "json" => asked.json = true,
            "skip-existing" => asked.choice.skip_existing = true,
            _ => {
                let (flag, value) = match flag.split_once('=') {
                    Some((flag, value)) => (flag.to_owned(), value.to_owned()),
                    None => {
                        let value = words.next().ok_or_else(|| wrong(format!("`--{flag}` has no value")))?;
                        (flag.to_owned(), value)
                    }
                };
                asked.take(flag, value)?;
            }
        }
    }
    let [name, from, to] = <[String; 3]>::try_from(places).map_err(|places| {
        wrong(format!("NAME, IN and OUT are needed, there are {}: {}", places.len(), places.join(" ")))
    })?;
    (asked.name, asked.from, asked.to) = (name, At::of(&from)?, At::of(&to)?);
    if !asked.from.is_folder()
        && let Some(Shard { index, count }) = asked.choice.shard
    {
        return Err(wrong(format!("`--shard {index}/{count}` shares a folder, and `{}` is none", asked.from)));
    }
    Ok(asked)
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
        assert_eq!((asked.from, asked.to), (At::Path("in.png".into()), At::Path("out.png".into())));
        assert_eq!(asked.params, [("scale".into(), "2".into()), ("source".into(), "clean".into())]);
        assert_eq!(asked.limit, Duration::from_secs(900));
        assert_eq!(words("upscale a b --timeout 2.5").unwrap().limit, Duration::from_millis(2500));
        assert_eq!(asked.points, [Point { x: 5.0, y: 6.0, inside: false }]);
    }

    #[test]
    fn help_is_about_the_filter_that_is_named() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(asks_for_help(&words("upscale --help")), Some("upscale"));
        assert_eq!(asks_for_help(&words("-h denoise a.png")), Some("denoise"));
        assert_eq!(asks_for_help(&words("upscale a.png b.png --scale 2")), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(words("upscale in.png").unwrap_err().message.contains("there are 2"));
        assert!(words("upscale a b --scale").unwrap_err().message.contains("`--scale` has no value"));
        assert!(words("upscale a b --box 1,2").unwrap_err().message.contains("4 numbers"));
        assert!(words("upscale a b --shard 0/2").unwrap_err().message.contains("shares a folder"));
        assert!(words("upscale a b --timeout 0").unwrap_err().message.contains("0.1 to 3600"));
        assert!(words("upscale a b --log-level debug").unwrap_err().message.contains("goes before"));
    }
}
