//! The operations that run in the daemon: one file each, one arm here.

mod bitmap;
mod instances;
mod open;
mod path;
mod pixels;
pub(super) mod preview;
mod save;

use super::Outcome;
use super::call::Call;
use crate::error::{Error, Result};

/// The operations with an arm below; a test holds this to the catalogue.
#[cfg(test)]
pub const NAMES: [&str; 5] = ["get_image_bitmap", "open_image", "save_image", "list_instances", "select_instance"];

/// Runs a `runs: daemon` operation.
pub async fn run(name: &str, call: Call<'_>) -> Result<Outcome> {
    match name {
        "get_image_bitmap" => bitmap::get_image_bitmap(call).await,
        "open_image" => open::open_image(call).await,
        "save_image" => save::save_image(call).await,
        "list_instances" => instances::list_instances(call).await,
        "select_instance" => instances::select_instance(call).await,
        _ => Err(Error::internal(format!("`{name}` runs in the daemon but has no code there"))),
    }
}
