//! The list of filters that GIMP's menu is made from: a file in the state folder, which the plug-in watches.

use super::{About, Filters};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// In the state folder; the plug-in knows the name.
pub const FILE: &str = "filters.json";
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Published<'a> {
    version: u32,
    /// What the plug-in starts when it needs a daemon.
    program: &'a Path,
    filters: &'a [About],
}

impl Filters {
    /// Writes the list for GIMP's menu, unless it says the same already.
    ///
    /// # Errors
    /// `io_error` when the folder cannot be written.
    pub fn publish(&self, state_dir: &Path) -> Result<()> {
        let fault = |error: std::io::Error| {
            Error::new(Kind::IoError, format!("`{}` cannot be written: {error}", state_dir.join(FILE).display()))
        };
        let program = std::env::current_exe().map_err(fault)?;
        let list = Published { version: VERSION, program: &program, filters: &self.list() };
        let text = serde_json::to_vec_pretty(&list).map_err(Error::internal)?;
        let path = state_dir.join(FILE);
        if std::fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        std::fs::create_dir_all(state_dir).map_err(fault)?;
        // Replaced as a whole: GIMP may read it at any moment.
        let mut file = tempfile::NamedTempFile::new_in(state_dir).map_err(fault)?;
        file.write_all(&text).map_err(fault)?;
        file.persist(&path).map_err(|error| fault(error.error))?;
        Ok(())
    }
}
