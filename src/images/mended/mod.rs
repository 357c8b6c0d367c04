//! Damaged files, mended so far that an ordinary decoder reads what is there. What is lost is counted, never hidden.

pub mod jpeg;
pub mod png;
pub mod tiff;

/// How much of a picture a damaged file has lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// The last rows of so many.
    Rows { missing: u32, of: u32 },
    /// Parts in between, in percent of the picture.
    Parts { percent: f64 },
    /// All parts are there, but some hold wrong values.
    Wrong,
    /// The file ends too early, or its data is damaged; how much that concerns is not known.
    Unknown,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loss::Rows { missing, of } => write!(f, "the last {missing} of {of} rows are missing"),
            Loss::Parts { percent } => write!(f, "{percent:.1} % of the picture is missing"),
            Loss::Wrong => f.write_str("its data is damaged, parts of the picture are wrong"),
            Loss::Unknown => f.write_str("the file is truncated or damaged, how much is missing is not known"),
        }
    }
}
