//! Public models that can be added; data in `filters/catalogue.toml`.

use crate::error::Result;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub id: String,
    pub purpose: String,
    pub license: String,
    pub non_commercial: bool,
}

impl Entry {
    pub fn shown_size(&self) -> String {
        String::new()
    }
}

pub fn entries() -> Result<Vec<Entry>> {
    Ok(Vec::new())
}
