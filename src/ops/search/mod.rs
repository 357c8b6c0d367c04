//! Finding operations by what they do: a ranked index over the catalogue, the AI filters and GEGL's operations.
//!
//! Owns the ranking. The words that people use for an operation stand beside it in the catalogue (`keywords`), those
//! for a filter in its manifest. Knows nothing of what an operation does beyond its entry.

mod index;
mod words;

use super::catalogue::{Catalogue, Operation};
use crate::filters::About;
use index::Index;
use serde::Deserialize;
use std::sync::{Arc, LazyLock, Mutex};

/// Something that can be done.
#[derive(Clone, Debug)]
pub enum Hit {
    Operation(&'static Operation),
    /// `run_ai_filter` with this filter.
    Filter(Arc<About>),
    /// `apply_gegl_operation` with this operation.
    Gegl(&'static str),
}

/// What a query finds.
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// The query's words that the best hit does not know, as they were written.
    pub unknown: Vec<String>,
    /// Whether the best hit knows most of the query's words.
    pub fits: bool,
}

/// Everything that matches `query`, best first; the pack's operations in the catalogue's order for an empty one.
pub fn find(query: &str, pack: Option<&str>, filters: Vec<About>) -> Found {
    // Filters come and go while the daemon runs.
    static LAST: Mutex<Option<(Vec<About>, Arc<Index>)>> = Mutex::new(None);
    let index = {
        let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*last {
            Some((known, index)) if *known == filters => index.clone(),
            _ => {
                let index = Arc::new(Index::new(hits(&filters)));
                *last = Some((filters, index.clone()));
                index
            }
        }
    };
    index.find(query, pack)
}

/// The public operations alone that match `query`, best first.
pub fn search(query: &str) -> Vec<&'static Operation> {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(hits(&[])));
    let found = INDEX.find(query, None).hits.into_iter();
    found
        .filter_map(|hit| match hit {
            Hit::Operation(operation) => Some(operation),
            Hit::Filter(_) | Hit::Gegl(_) => None,
        })
        .collect()
}

fn hits(filters: &[About]) -> Vec<Hit> {
    #[derive(Deserialize)]
    struct Gegl {
        operations: Vec<String>,
    }
    static GEGL: LazyLock<Gegl> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../../protocol/gegl.json")).expect("a test of the policies reads it too")
    });
    let operations = Catalogue::get().public().map(Hit::Operation);
    let filters = filters.iter().cloned().map(Arc::new).map(Hit::Filter);
    operations.chain(filters).chain(GEGL.operations.iter().map(|name| Hit::Gegl(name))).collect()
}

impl Hit {
    /// The operation that does it.
    pub fn operation(&self) -> &'static str {
        match self {
            Hit::Operation(operation) => &operation.name,
            Hit::Filter(_) => "run_ai_filter",
            Hit::Gegl(_) => "apply_gegl_operation",
        }
    }

    pub fn pack(&self) -> &'static str {
        let found = Catalogue::get().find(self.operation());
        found.map_or("", |operation| operation.pack.as_str())
    }
}

#[cfg(test)]
mod tests;
