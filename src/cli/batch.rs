//! `gimp-bridge batch STEPS IN OUT`: the same operations on many pictures, in a GIMP.

use super::call;
use super::many::{self, At, Choice, Rule, Shard};
use super::serve::Mode;
use crate::config::{Config, GimpMode};
use crate::daemon::Daemon;
use crate::error::{Error, Kind, Result};
use crate::ops::{Context, Ops};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a folder's files may be called.
const ENDINGS: [&str; 20] = [
    "png", "jpg", "jpeg", "webp", "tif", "tiff", "gif", "bmp", "psd", "xcf", "exr", "avif", "heic", "heif", "jxl",
    "jp2", "tga", "pcx", "ico", "svg",
];
/// Bytes of a file of steps.
const MOST: u64 = 4 << 20;

/// Run operations on a picture or on a folder of pictures, in a GIMP
///
/// Each picture is opened, goes through STEPS as one `batch`, and is saved into OUT; one that fails does not stop the others.
#[derive(clap::Args)]
pub struct Args {
    /// File with a JSON array of steps, as `batch` takes them: [{"name": "resize_image", "arguments": {"width": 800}}, …]; - reads stdin
    steps: String,
    /// A picture, a folder, s3://BUCKET/FOLDER/ or s3://BUCKET/NAME
    #[arg(value_name = "IN")]
    from: String,
    /// The same; pictures keep their names
    #[arg(value_name = "OUT")]
    to: String,
    /// Ending of the results, such as webp [default: each picture's own]
    #[arg(long, value_name = "ENDING", value_parser = ending)]
    format: Option<String>,
    /// Of lossy formats
    #[arg(long, value_name = "1-100", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Of a folder only this run's share; I from 0 to N-1
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Leave out pictures whose result is there
    #[arg(long)]
    skip_existing: bool,
    /// One line of JSON for each picture
    #[arg(long)]
    json: bool,
    /// Which GIMP to work with [default: attach]
    #[arg(long, value_enum)]
    gimp: Option<Mode>,
}

impl Args {
    /// Whether a bucket takes part.
    pub fn names_a_bucket(&self) -> bool {
        [&self.from, &self.to].iter().any(|place| place.starts_with("s3://"))
    }
}

/// Runs until all are done, or SIGINT or SIGTERM.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let mut config = config.clone();
    config.gimp.mode = args.gimp.map_or(config.gimp.mode, GimpMode::from);
    let steps = steps(&args.steps)?;
    let (from, to) = (At::of(&args.from)?, At::of(&args.to)?);
    let choice = Choice { shard: args.shard.as_deref().map(Shard::of).transpose()?, skip_existing: args.skip_existing };
    if choice.shard.is_some() && !from.is_folder() {
        return Err(Error::new(Kind::InvalidArgument, format!("--shard shares a folder, and `{from}` is none")));
    }
    let format = args.format.clone();
    let target = move |name: &Path| match &format {
        Some(ending) => name.with_extension(ending),
        None => name.to_owned(),
    };
    let rule = Rule {
        by_name: has_ending,
        by_file: has_ending,
        target: &target,
        formats: "PNG, JPEG, WebP, TIFF, PSD, XCF, …",
    };
    let work = many::work(&from, &to, &config, &rule).await?;
    let daemon = Daemon::new(&config, "batch")?;
    let gimp = daemon.start_gimp(&config)?;
    let context = call::context("batch")?;
    let one = Each { ops: &daemon.ops, context: &context, steps: &steps, args: &args };
    let done = many::each(
        &work,
        choice,
        &context.cancel,
        |error| error,
        async |from: &Path, to: &Path| one.picture(from, to).await,
    );
    let done = done.await;
    daemon.ops.gimp().client_closed(&context.client);
    daemon.shutdown.cancel();
    gimp.await.map_err(Error::internal)??;
    done
}

/// An ending that names a format, without its dot.
fn ending(text: &str) -> std::result::Result<String, String> {
    let fits = (2..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| text.to_owned()).ok_or_else(|| "give an ending such as webp, without a dot".to_owned())
}

fn has_ending(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The array in the file, or on stdin for `-`.
fn steps(place: &str) -> Result<Value> {
    let cannot = |error: std::io::Error| Error::new(Kind::IoError, format!("`{place}` cannot be read: {error}"));
    let mut text = String::new();
    let read = match place {
        "-" => std::io::stdin().take(MOST).read_to_string(&mut text),
        file => std::fs::File::open(file).map_err(cannot)?.take(MOST).read_to_string(&mut text),
    };
    read.map_err(cannot)?;
    match serde_json::from_str(&text) {
        Ok(Value::Array(steps)) if !steps.is_empty() => Ok(steps.into()),
        given => {
            let why = given.map_or_else(|error| format!(": {error}"), |_| String::new());
            Err(Error::new(Kind::InvalidArgument, format!("`{place}` holds no JSON array of steps{why}"))
                .hint("such as [{\"name\": \"resize_image\", \"arguments\": {\"width\": 800}}]"))
        }
    }
}

/// A picture after its steps.
struct Worked {
    /// What save_image answered.
    saved: Value,
    /// The images that steps opened or made of it, such as a larger one.
    others: Vec<Value>,
    /// What the steps had to say.
    notes: Vec<String>,
}

/// What every picture goes through.
struct Each<'a> {
    ops: &'a Ops,
    context: &'a Context,
    steps: &'a Value,
    args: &'a Args,
}

impl<'a> Each<'a> {
    async fn picture(&self, from: &Path, to: &Path) -> Result<Told<'a>> {
        let begun = Instant::now();
        let opened = self.call("open_image", json!({"path": call::absolute(from)?})).await?;
        let image = opened["image"].clone();
        let done = self.worked_on(&image, to).await;
        // Whatever became of it, the next picture finds room.
        let closed = self.close(&image).await;
        let Worked { saved, others, mut notes } = done?;
        for other in &others {
            self.close(other).await?;
        }
        closed?;
        let complete = opened["complete"].as_bool() != Some(false);
        if !complete {
            notes.insert(0, text(&opened, "message"));
        }
        Ok(Told { args: self.args, saved, notes, complete, seconds: begun.elapsed().as_secs_f64() })
    }

    async fn worked_on(&self, image: &Value, to: &Path) -> Result<Worked> {
        let ran = self.call("batch", json!({"image": image, "operations": self.steps})).await?;
        let steps = ran["results"].as_array().into_iter().flatten();
        let notes = steps.filter_map(|step| step["note"].as_str().map(str::to_owned)).collect();
        let result = ran.get("next_image").filter(|next| next.is_u64()).unwrap_or(image);
        let others = ran["effect"]["images_added"].as_array().cloned().unwrap_or_default();
        let mut wanted = json!({"image": result, "path": call::absolute(to)?, "overwrite": true});
        if let Some(quality) = self.args.quality {
            wanted["quality"] = quality.into();
        }
        Ok(Worked { saved: self.call("save_image", wanted).await?, others, notes })
    }

    /// Also after a signal: the GIMP may be a person's.
    async fn close(&self, image: &Value) -> Result<Value> {
        let context = Context { cancel: CancellationToken::new(), ..self.context.clone() };
        self.call_as(context, "close_image", json!({"image": image, "discard_changes": true})).await
    }

    async fn call(&self, operation: &str, arguments: Value) -> Result<Value> {
        self.call_as(self.context.clone(), operation, arguments).await
    }

    async fn call_as(&self, context: Context, operation: &str, arguments: Value) -> Result<Value> {
        let Value::Object(arguments) = arguments else { return Err(Error::internal("arguments are an object")) };
        Ok(Value::Object(self.ops.run(operation, arguments, context).await?.result))
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_default().to_owned()
}

/// What is said of a picture.
struct Told<'a> {
    args: &'a Args,
    saved: Value,
    notes: Vec<String>,
    complete: bool,
    seconds: f64,
}

impl many::Done for Told<'_> {
    fn texts(&mut self) -> Vec<&mut String> {
        self.notes.iter_mut().collect()
    }

    fn is_whole(&self) -> bool {
        self.complete
    }

    fn tell(&self, from: &str, to: &str) {
        let (width, height, seconds) = (&self.saved["width"], &self.saved["height"], self.seconds);
        if self.args.json {
            let mut line = Map::from_iter([("in".to_owned(), from.into()), ("out".to_owned(), to.into())]);
            for name in ["format", "bytes", "width", "height", "flattened", "alpha_lost"] {
                line.extend(self.saved.get(name).map(|value| (name.to_owned(), value.clone())));
            }
            line.insert("complete".into(), self.complete.into());
            line.insert("notes".into(), json!(self.notes));
            line.insert("seconds".into(), ((seconds * 1000.0).round() / 1000.0).into());
            let _ = call::print(&Value::Object(line));
            return;
        }
        self.notes.iter().for_each(|note| eprintln!("{note}"));
        eprintln!("{from}: {width} x {height}, {seconds:.1} s -> {to}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_an_array_that_is_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("steps.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            steps(file.to_str().unwrap())
        };
        assert_eq!(read(r#"[{"name": "flip_image"}]"#).unwrap()[0]["name"], "flip_image");
        for wrong in ["[]", "{}", "[", ""] {
            let error = read(wrong).unwrap_err();
            assert!(error.message.contains("no JSON array") && error.hint.is_some(), "{wrong}");
        }
        assert_eq!(steps("/no/such/steps.json").unwrap_err().kind, Kind::IoError);
    }

    #[test]
    fn a_format_is_an_ending() {
        assert_eq!(ending("webp").unwrap(), "webp");
        for wrong in ["", ".webp", "a/b", "../x"] {
            assert!(ending(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pictures_are_known_by_their_names() {
        assert!(has_ending(Path::new("a/b.JPG")) && has_ending(Path::new("x.xcf")));
        assert!(!has_ending(Path::new("notes.txt")) && !has_ending(Path::new("png")));
    }
}
