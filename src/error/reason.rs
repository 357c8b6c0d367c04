//! What stands in the way of a filter or an image generator, told apart for a person in front of GIMP.
//!
//! An error's message and hint are for whoever calls; GIMP's windows show neither. They have a sentence for each of
//! these, and often a button that mends it: `protocol/sentences.json`, which the plug-in reads.

/// Declares the enum and its names, so that neither can be without the other.
macro_rules! reasons {
    ($($reason:ident $name:literal $meaning:literal,)*) => {
        /// Why what was asked cannot be done, as `details.reason` of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $meaning] $reason,)*
        }

        impl Reason {
            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Reason::$reason => $name,)*
                }
            }

            #[cfg(test)]
            const ALL: &[Reason] = &[$(Reason::$reason,)*];
        }
    };
}

reasons! {
    NothingSelected "nothing_selected" "The filter fills a hole, and there is none.",
    NeedsSelection "needs_selection" "The filter works on what is selected, which may be everything.",
    SelectionBeside "selection_beside" "What is selected lies beside the layer.",
    SelectionFaint "selection_faint" "No pixel is selected by more than half.",
    CoversAll "covers_all" "The hole is as large as the picture.",
    NoSubject "no_subject" "Nothing that looks like a subject was found.",
    StyleMissing "style_missing" "The filter takes the style of another picture, and got none.",
    AllTransparent "all_transparent" "One of the pictures has nothing to be seen.",
    RuntimeMissing "runtime_missing" "ONNX Runtime is not installed.",
    RuntimeBroken "runtime_broken" "ONNX Runtime is there and does not load.",
    RuntimeElsewhere "runtime_elsewhere" "The configuration names a place for ONNX Runtime where it is not.",
    ModelUnfit "model_unfit" "A model and its description do not go together, or one of its files is damaged.",
    OutOfMemory "out_of_memory" "The picture is too large for the memory that is there.",
    FilterGone "filter_gone" "The filter is not installed any more.",
    GroupHasNoPixels "group_has_no_pixels" "A group's own pixels cannot be replaced.",
    OtherSize "other_size" "The result is larger or smaller than the layer whose pixels it shall replace.",
    NoBackend "no_backend" "No backend generates images.",
    BackendAway "backend_away" "A backend cannot be reached, or fails.",
    BackendSlow "backend_slow" "A backend took longer than its time limit.",
    BackendBusy "backend_busy" "A backend has too much to do, or is left alone after failures.",
    BackendClosed "backend_closed" "A backend lets nobody in without its token.",
    BackendRefuses "backend_refuses" "A backend does not take the prompt, the size or another value.",
    BackendStrange "backend_strange" "A backend answers what is no picture.",
    PromptRefused "prompt_refused" "A rule of the settings refuses the prompt.",
    WordsNeeded "words_needed" "A backend takes no picture without a prompt.",
    NoMask "no_mask" "The filter makes a picture, and a mask or a selection was asked for.",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn every_reason_has_a_sentence_and_travels_as_a_detail() {
        let file: serde_json::Value = serde_json::from_str(include_str!("../../protocol/sentences.json")).unwrap();
        for reason in Reason::ALL {
            let text = file["reasons"][reason.name()]["text"].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "`{}` has no sentence", reason.name());
            let error = Error::new(Kind::InvalidArgument, "x").because(*reason);
            assert_eq!(Error::from_json_rpc(&error.to_json_rpc()).details["reason"], reason.name());
        }
    }
}
