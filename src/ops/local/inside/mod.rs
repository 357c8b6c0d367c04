//! Generation inside of an image: the selection filled from words, a layer varied, variants as a group of layers.
//!
//! A generation takes minutes, and the user goes on working meanwhile: what is read and where it goes is settled when it
//! begins, and it is put in place by one call, as one step.

mod area;
mod border;
mod given;
mod place;
mod resample;

pub use area::Area;
pub use place::new_layers;

use super::super::call::Call;
use super::super::{Outcome, Right};
use super::generate::{add_links, make, message, wanted};
use crate::error::{Kind, Result};
use crate::generate::{Made, Needs, Source, Unclaimed};
use area::Begun;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub async fn fill_selection_with_prompt(call: Call<'_>) -> Result<Outcome> {
    generate(call, "fill").await
}

pub async fn vary_image(call: Call<'_>) -> Result<Outcome> {
    generate(call, "vary").await
}

async fn generate(call: Call<'_>, what: &str) -> Result<Outcome> {
    let generator = call.ops.generator()?;
    call.context.rights.need(Right::Edit, "putting an image into GIMP")?;
    let mut wanted = wanted(&call)?;
    let number = |name: &str| call.arguments.get(name).and_then(Value::as_f64);
    let margin = number("context_margin").unwrap_or_else(|| generator.context_margin());
    let words = !wanted.request.prompt.is_empty();
    let chosen = |needs| generator.chosen(wanted.backend.as_deref(), wanted.request.model.as_deref(), needs, words);
    // What is varied can be limited here, where the backend cannot; to fill, it has to see what surrounds it.
    let masks = chosen(Needs::Mask);
    let (masks, chosen) = match masks {
        Ok(chosen) => (true, chosen),
        Err(_) if what == "vary" => (false, chosen(Needs::Picture)?),
        Err(error) => return Err(error),
    };
    let size_for = |width, height| chosen.limits.size_for(width, height);
    let Begun { area, seen, size, room: _room } = area::begin(&call, what, margin, wanted.count, size_for).await?;
    (wanted.request.width, wanted.request.height) = size;
    let whole = seen.painted.iter().all(|painted| *painted);
    let mask = (masks && (what == "fill" || !whole)).then(|| seen.mask.clone());
    let strength = number("strength").unwrap_or(1.0);
    wanted.request.source = Some(Arc::new(Source { image: seen.image.clone(), mask, strength }));
    let (prompt, count) = (wanted.request.prompt.clone(), wanted.count);
    let Made { records, mut notes, unclaimed } = make(&call, generator, wanted).await?;

    let mut outcome = Outcome::default();
    let told = add_links(&call, generator, &records, &mut outcome).await?;
    scaled(&area, size, &mut notes);
    let made = message(&records, count);
    let placing = place::Placing { what, prompt: &prompt, area: &area, seen, size };
    let placed = place::inside(&call, generator, &records, placing, &mut notes).await;
    let [x, y, width, height] = area.part;
    outcome.result = Map::from_iter([
        ("image".to_owned(), json!(area.image)),
        ("group".into(), Value::Null),
        ("layers".into(), json!([])),
        ("region".into(), json!([x, y, width, height])),
    ]);
    settle(placed, made, &mut notes, &mut outcome)?;
    outcome.result.insert("images".into(), told.into());
    outcome.result.insert("notes".into(), notes.into());
    unclaimed.into_iter().for_each(Unclaimed::claim);
    Ok(outcome)
}

/// What became of putting it into GIMP; the images are stored in any case.
pub(super) fn settle(
    placed: Result<Map<String, Value>>,
    made: String,
    notes: &mut Vec<String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut message = made;
    match placed {
        Ok(mut placed) => {
            if let Some(Value::String(note)) = placed.remove("note") {
                notes.extend(note.split("; ").map(str::to_owned));
            }
            if let Some(said) = placed.get("message").and_then(Value::as_str) {
                let mut letters = said.chars();
                let first = letters.next().into_iter().flat_map(char::to_lowercase);
                message = format!("{message}, {}", first.chain(letters).collect::<String>());
            }
            outcome.result.extend(placed);
        }
        // Nobody takes the answer.
        Err(error) if error.kind == Kind::Cancelled => return Err(error),
        Err(error) => {
            notes.push(format!("it is stored, but not in GIMP: {}", error.message));
            outcome.result.insert("into_error".into(), error.to_json());
        }
    }
    let said = notes.iter().fold(message, |text, note| format!("{text}; {note}"));
    outcome.result.insert("message".into(), said.into());
    Ok(())
}

/// Says how the area was scaled.
fn scaled(area: &Area, (width, height): (u32, u32), notes: &mut Vec<String>) {
    let [_, _, wide, high] = area.box_;
    if (wide, high) == (i64::from(width), i64::from(height)) {
        return;
    }
    let mut said = format!(
        "the area of {wide} x {high} pixels was painted at {width} x {height}, which the model can, and scaled back"
    );
    let shape = (f64::from(width) * high as f64) / (f64::from(height) * wide as f64);
    if !(0.97..1.03).contains(&shape) {
        said += &format!(", stretched {:.0} % on the way", (shape.max(1.0 / shape) - 1.0) * 100.0);
    }
    notes.push(said);
}
