//! The settings that are one of a few words.

use super::field::Word;
use super::value::Type;

/// Declares an enum and the names of its variants in settings.
macro_rules! choices {
    ($(
        $(#[$about:meta])+
        $Choice:ident {$(
            $(#[$note:meta])* $Variant:ident = $name:literal,
        )+}
    )+) => {$(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $Choice {
            $($(#[$note])* $Variant,)+
        }

        impl $Choice {
            /// Of all variants, as settings have them.
            pub const NAMES: &[&str] = &[$($name),+];

            /// The name in settings.
            pub fn name(self) -> &'static str {
                match self {
                    $($Choice::$Variant => $name,)+
                }
            }

            /// The variant that has this name in settings.
            pub fn from_name(name: &str) -> Option<$Choice> {
                match name {
                    $($name => Some($Choice::$Variant),)+
                    _ => None,
                }
            }
        }

        impl Word for $Choice {
            const ALONE: Type = Type::Choice($Choice::NAMES);

            fn to_text(&self) -> String {
                self.name().into()
            }

            fn from_text(text: String) -> Option<Self> {
                $Choice::from_name(&text)
            }
        }
    )+};
}

choices! {
    /// Whether to use running GIMPs or to start one.
    GimpMode {
        #[default]
        Attach = "attach",
        Headless = "headless",
        Gui = "gui",
        /// None is looked for.
        None = "none",
    }

    /// When a log file is put aside for a new one.
    Rotate {
        #[default]
        Daily = "daily",
        Size = "size",
        Never = "never",
    }

    /// What keeps generated images.
    StorageBackend {
        #[default]
        File = "file",
        S3 = "s3",
    }

    /// What computes: the processor, or a device that the library has a provider for.
    Provider {
        #[default]
        Cpu = "cpu",
        Cuda = "cuda",
        Tensorrt = "tensorrt",
        Coreml = "coreml",
        Directml = "directml",
        Openvino = "openvino",
    }
}
