//! The operations that run in the daemon: one file each, one arm here.

mod ai;
mod analyze;
mod batch;
mod bitmap;
pub mod describe;
mod discover;
mod exchange;
mod filter_preview;
mod generate;
mod inside;
mod instances;
pub(super) mod open;
mod path;
mod pixels;
pub(super) mod preview;
mod preview_area;
mod references;
mod save;
mod scale_image;
mod show;
mod wait;

use super::Outcome;
use super::call::Call;
use crate::error::{Error, Result};

/// Runs a `runs: daemon` operation.
pub async fn run(name: &str, call: Call<'_>) -> Result<Outcome> {
    match name {
        "batch" => batch::batch(call).await,
        "wait_for_change" => wait::wait_for_change(call).await,
        "search_operations" => discover::search_operations(call).await,
        "describe_operation" => describe::describe_operation(call).await,
        "get_image_bitmap" => bitmap::get_image_bitmap(call).await,
        "analyze_image" => analyze::analyze_image(call).await,
        "list_ai_filters" => ai::list_ai_filters(call).await,
        "preview_ai_filter" => filter_preview::preview_ai_filter(call).await,
        "run_ai_filter" => ai::run_ai_filter(call).await,
        "select_subject" => ai::select_subject(call).await,
        "generate_image" => generate::generate_image(call).await,
        "fill_selection_with_prompt" => inside::fill_selection_with_prompt(call).await,
        "vary_image" => inside::vary_image(call).await,
        "list_generated_images" => generate::list_generated_images(call).await,
        "get_generated_image_metadata" => generate::get_generated_image_metadata(call).await,
        "delete_image" => generate::delete_image(call).await,
        "list_generation_backends" => generate::list_generation_backends(call).await,
        "open_image" => open::open_image(call).await,
        "save_image" => save::save_image(call).await,
        "list_instances" => instances::list_instances(call).await,
        "select_instance" => instances::select_instance(call).await,
        _ => Err(Error::internal(format!("`{name}` runs in the daemon but has no code there"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::error::Kind;
    use crate::filters::Filters;
    use crate::generate::Generator;
    use crate::gimp::{Client, Gimp, Settings};
    use crate::ops::{Catalogue, Context, Ops, Runs};
    use tokio_util::sync::CancellationToken;

    /// Every daemon operation has an arm above: without a GIMP none of them may end as an internal error.
    #[tokio::test]
    async fn every_daemon_operation_of_the_catalogue_has_code() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { state_dir: folder.path().into(), port: None, label: "test".into(), policy: Default::default() };
        let mut config = Config::default();
        config.storage.path = folder.path().join("images");
        let ops = Ops::new(Gimp::new(settings, CancellationToken::new()), Filters::new(&config));
        let ops = ops.with_generator(Generator::new(&config).unwrap());
        let client = Client { id: "test".into(), name: "test".into() };
        let context = Context {
            client,
            cancel: CancellationToken::new(),
            progress: None,
            rights: Default::default(),
            pictures: Default::default(),
            base_url: None,
        };
        for operation in Catalogue::get().public().filter(|operation| operation.runs == Runs::Daemon) {
            let mut arguments = operation.examples.first().cloned().unwrap_or_default();
            if operation.name == "select_instance" {
                arguments.insert("id".into(), "1-1".into());
            }
            if let Err(error) = ops.run(&operation.name, arguments, context.clone()).await {
                assert_ne!(error.kind, Kind::Internal, "{}: {error}", operation.name);
            }
        }
    }
}
