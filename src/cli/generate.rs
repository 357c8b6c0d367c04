//! `gimp-bridge generate`: an image from words, from the shell. stdout gets the answer as JSON.

use super::call;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::filters::Filters;
use crate::generate::Generator;
use crate::gimp::{Gimp, Settings};
use crate::ops::Ops;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Generate an image from words with a configured backend
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to paint, at most 1000 characters
    pub prompt: String,
    /// Write the image here; with --count above 1, numbered
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What not to paint
    #[arg(long, value_name = "PROMPT")]
    pub negative_prompt: Option<String>,
    /// Pixels, from 64 to 2048 [default: 512]
    #[arg(long)]
    pub width: Option<u32>,
    /// Pixels, from 64 to 2048 [default: 512]
    #[arg(long)]
    pub height: Option<u32>,
    /// Inference steps, from 1 to 200 [default: 50]
    #[arg(long)]
    pub steps: Option<u32>,
    /// How closely to follow the prompt, from 1 to 20 [default: 7.5]
    #[arg(long)]
    pub guidance: Option<f64>,
    /// Makes the same image again, where the backend honours it
    #[arg(long)]
    pub seed: Option<u32>,
    /// Variants, at most 8 [default: 1]
    #[arg(long)]
    pub count: Option<u32>,
    /// A model of the backend
    #[arg(long)]
    pub model: Option<String>,
    /// A declared backend [default: the first of generate.order]
    #[arg(long)]
    pub backend: Option<String>,
    /// Put it into GIMP too
    #[arg(long, value_enum)]
    pub into: Option<Into>,
}

/// Where in GIMP it goes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Into {
    NewImage,
    NewLayer,
}

impl Args {
    /// The arguments of generate_image.
    fn arguments(&self) -> Map<String, Value> {
        let into = self.into.map(|into| match into {
            Into::NewImage => "new_image",
            Into::NewLayer => "new_layer",
        });
        let given = [
            ("prompt", Some(json!(self.prompt))),
            ("negative_prompt", self.negative_prompt.as_ref().map(|text| json!(text))),
            ("width", self.width.map(|value| json!(value))),
            ("height", self.height.map(|value| json!(value))),
            ("num_inference_steps", self.steps.map(|value| json!(value))),
            ("guidance_scale", self.guidance.map(|value| json!(value))),
            ("seed", self.seed.map(|value| json!(value))),
            ("count", self.count.map(|value| json!(value))),
            ("model", self.model.as_ref().map(|text| json!(text))),
            ("backend", self.backend.as_ref().map(|text| json!(text))),
            ("into", into.map(|text| json!(text))),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let settings = Settings {
        state_dir: super::install::state_dir(config)?,
        port: config.gimp.port,
        label: "generate".into(),
        policy: config.plugin.clone(),
    };
    let generator = Generator::new(config)?;
    let ops = Ops::new(Gimp::new(settings, shutdown.clone()), Filters::new(config)).with_generator(generator.clone());
    let context = call::context("generate")?;
    let answer = make(&args, &ops, &generator, &context).await;
    ops.gimp().client_closed(&context.client);
    shutdown.cancel();
    call::ended(answer)
}

async fn make(args: &Args, ops: &Ops, generator: &Generator, context: &crate::ops::Context) -> Result<()> {
    let outcome = ops.run("generate_image", args.arguments(), context.clone()).await?;
    if let Some(out) = &args.out {
        let one = [Value::Object(outcome.result.clone())];
        let images = outcome.result.get("images").and_then(Value::as_array).map_or(&one[..], Vec::as_slice);
        for (index, image) in images.iter().enumerate() {
            let id = crate::storage::parse_id(image["image_id"].as_str().unwrap_or_default())?;
            let (record, bytes) = generator.store().bytes(id, Utc::now()).await?;
            let place = call::place(out, "generate_image", record.ending(), index, images.len());
            std::fs::write(&place, &bytes).map_err(|error| {
                Error::new(Kind::IoError, format!("`{}` cannot be written: {error}", place.display()))
            })?;
            eprintln!("wrote {} ({} bytes)", place.display(), bytes.len());
        }
    }
    call::print(&Value::Object(outcome.result))
}
