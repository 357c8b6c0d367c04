//! What the server tells a model of itself when it begins: how the tools belong together.
//!
//! Claude Code cuts it at 2 kB, so what is said in any configuration is shorter.

use crate::ops::Ops;

const GIMP: &str = "\
These tools work inside a live GIMP 3. Look first: get_image_metadata (fast) and get_image_bitmap (max_width 1024 is \
enough to judge a photo). Only the commonest operations are listed as tools: search_operations finds the others by what \
they do, describe_operation tells parameters in full, run_operation runs it; call_api reaches whatever has no \
operation. Do several steps in one call with batch. \
Parameters that many tools share: `image` and `layer` (ids; left out: the image last changed, opened or chosen, the \
selected layer), `preview` (also return a picture of the result, longest side in pixels: 768 is good). Pictures stay \
within what clients take, but for those of get_image_bitmap with a named `format`. Not listed, but taken: `max_bytes` (bound of an answer's pictures, 0 for none) by every tool that takes \
`preview`; `timeout` (seconds) and `instance` (another GIMP, from list_instances) by every tool; `verify` (\"full\" proves \
the effect pixel by pixel above 24 megapixels too) by those that change an image; by those that take places `units` \
(pixels, layer, or relative: 0 to 1 of the image; radii, feathers and sizes of type stay in pixels), and `from_preview` \
(the `scale_map` of a picture: places and lengths are then that picture's pixels). Colours are CSS names, #rrggbb[aa], \
rgb(), hsl() or [r, g, b(, a)] with 0-255. \
`effect` in an answer says what really changed. Everything can be taken back: undo, or checkpoint and \
restore_checkpoint. Name images and layers by the ids from the answers. Paths are on the machine where GIMP runs. \
Read the resource gimp://docs/python before you write code for GIMP 3: its API differs from GIMP 2.";

/// Where a backend that generates images is configured, too.
const GENERATION: &str = " An image generator is configured: generate_image makes images from words, for `into` as a new \
image or layer too; fill_selection_with_prompt paints words into the selection and sees what is round it; vary_image makes \
variants of a layer. Look at a `preview`. Variants come as a group with its first layer shown: set_layer_properties shows \
another.";

/// For a daemon without a GIMP.
const ALONE: &str = "\
This server makes images from words; it has no GIMP. generate_image makes them: ask for a `preview` and look at it, and \
give the user the link in the answer. list_generation_backends tells what can be asked for. Images are stored until they \
expire: list_generated_images, get_generated_image_metadata and delete_image are about those. Other operations, which \
search_operations finds, need a GIMP and say so.";

/// The same without a backend.
const NOTHING: &str = "This server has no GIMP, and no image generator is configured: its tools say what to set.";

pub fn instructions(ops: &Ops) -> String {
    text(ops.gimp().is_absent(), ops.generates())
}

fn text(has_no_gimp: bool, generates: bool) -> String {
    match (has_no_gimp, generates) {
        (false, false) => GIMP.to_owned(),
        (false, true) => format!("{GIMP}{GENERATION}"),
        (true, true) => ALONE.to_owned(),
        (true, false) => NOTHING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::catalogue::Catalogue;

    const MOST: usize = 2048;

    /// Words of a text that are names: in backquotes, or of several parts.
    fn names(text: &str) -> Vec<&str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '`';
        let words = text.split(|c: char| !is_part(c)).filter(|word| word.contains('_') || word.starts_with('`'));
        words.map(|word| word.trim_matches('`')).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn it_fits_and_names_only_what_there_is() {
        let public = || Catalogue::get().public();
        let is_tool = |name: &str| public().any(|operation| operation.name == name);
        let is_parameter = |name: &str| {
            let answers = ["effect", "scale_map"];
            answers.contains(&name) || public().any(|operation| operation.parameter_names().any(|own| own == name))
        };
        for (has_no_gimp, generates) in [(false, false), (false, true), (true, false), (true, true)] {
            let text = text(has_no_gimp, generates);
            assert!(text.len() < MOST, "{} bytes", text.len());
            for name in names(&text) {
                assert!(is_tool(name) || is_parameter(name), "`{name}` is neither a tool nor a parameter");
            }
            assert_eq!(names(&text).contains(&"generate_image"), generates);
            assert_eq!(names(&text).contains(&"get_image_bitmap"), !has_no_gimp);
        }
        // Those of one word are told from words by hand.
        for name in ["batch", "undo", "checkpoint"] {
            assert!(GIMP.contains(name) && is_tool(name), "{name}");
        }
    }
}
