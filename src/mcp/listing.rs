//! Which operations a client sees as tools, and how many bytes their list may take.
//!
//! A model carries the list with it all the time, so it costs on every turn: the default set stays under
//! [`DEFAULT_SET_BYTES`], the longest tools in shorter forms (`brief.rs`). Every operation can be called by its name,
//! listed or not.

use super::brief;
use crate::error::{Error, Kind, Result};
use crate::ops::catalogue::{Catalogue, Operation};
use crate::ops::params::nearest;
use rmcp::model::Tool;
use std::collections::HashMap;

/// The bound on the default set, as JSON; a test holds the catalogue's `core` entries to it.
pub const DEFAULT_SET_BYTES: usize = 24_000;

/// What a client sees unless it asks for others.
pub const DEFAULT: &str = "core";

/// The same where the daemon works without a GIMP.
pub const WITHOUT_GIMP: &str =
    "generate_image,list_generated_images,get_generated_image_metadata,delete_image,list_generation_backends";

/// More tools than this are not a default set: each one more may take [`EACH`] bytes.
const DEFAULT_SET: usize = 40;
const EACH: usize = 800;

/// How everything else is reached; part of every set.
const ALWAYS: [&str; 3] = ["search_operations", "describe_operation", "run_operation"];

/// All operations as tools, in all their forms, made once.
pub struct Tools {
    /// By operation, then by level of shortness: the tool and its bytes.
    forms: Vec<Vec<(Tool, usize)>>,
    by_name: HashMap<String, usize>,
}

/// The operations that one client or daemon has chosen to see, in the catalogue's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set(Vec<usize>);

impl Tools {
    pub fn new(catalogue: &Catalogue) -> Tools {
        let form = |operation: &Operation, level| {
            let tool = brief::tool(operation, level);
            // What the list's JSON takes, with a comma.
            let bytes = serde_json::to_vec(&tool).map_or(0, |text| text.len() + 1);
            (tool, bytes)
        };
        let forms = |operation: &Operation| (0..brief::LEVELS).map(|level| form(operation, level)).collect();
        let by_name = catalogue.public().enumerate().map(|(at, operation)| (operation.name.clone(), at)).collect();
        Tools { forms: catalogue.public().map(forms).collect(), by_name }
    }

    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|at| &self.forms[*at][0].0)
    }

    /// The tools of a set, the longest ones in shorter forms until all of them fit.
    pub fn listed(&self, set: &Set) -> Vec<Tool> {
        let most = DEFAULT_SET_BYTES + set.0.len().saturating_sub(DEFAULT_SET) * EACH;
        let mut levels: Vec<(usize, usize)> = set.0.iter().map(|at| (*at, 0)).collect();
        let bytes = |(at, level): (usize, usize)| self.forms[at][level].1;
        let mut total: usize = 2 + levels.iter().copied().map(bytes).sum::<usize>();
        while total >= most {
            let shortenable = levels.iter_mut().filter(|(_, level)| level + 1 < brief::LEVELS);
            let Some(longest) = shortenable.max_by_key(|form| bytes(**form)) else { break };
            total -= bytes(*longest);
            longest.1 += 1;
            total += bytes(*longest);
        }
        levels.into_iter().map(|(at, level)| self.forms[at][level].0.clone()).collect()
    }
}

impl Set {
    /// Reads `core`, `all`, names of packs and of operations, separated by commas.
    ///
    /// # Errors
    /// `config` names what is none of these.
    pub fn parse(list: &str) -> Result<Set> {
        let operations: Vec<&Operation> = Catalogue::get().public().collect();
        let packs: Vec<&str> = Catalogue::get().packs().into_iter().map(|(name, _)| name).collect();
        let wanted: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        for name in &wanted {
            let is_operation = || operations.iter().any(|operation| operation.name == *name);
            if !["core", "all"].contains(name) && !packs.contains(name) && !is_operation() {
                return Err(unknown(name, &packs));
            }
        }
        if wanted.is_empty() {
            return Err(Error::new(Kind::Config, "the list of tools is empty")
                .hint(format!("give core, all, or packs: {}", packs.join(", "))));
        }
        let listed = |operation: &Operation| {
            let named = |name: &&str| match *name {
                "all" => true,
                "core" => operation.core,
                name => name == operation.pack || name == operation.name,
            };
            ALWAYS.contains(&operation.name.as_str()) || wanted.iter().any(named)
        };
        Ok(Set((0..operations.len()).filter(|at| listed(operations[*at])).collect()))
    }
}

fn unknown(name: &str, packs: &[&str]) -> Error {
    let mut message = format!("no pack of tools `{}`", crate::ops::params::shorten(name));
    if let Some(nearest) = nearest(name, packs.iter().copied()) {
        message.push_str(&format!("; did you mean `{nearest}`?"));
    }
    Error::new(Kind::Config, message)
        .hint(format!("give core, all, names of operations, or packs: {}", packs.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_wrong_names_refused() {
        let tools = Tools::new(Catalogue::get());
        let names = |list: &str| -> Vec<String> {
            tools.listed(&Set::parse(list).unwrap()).iter().map(|tool| tool.name.to_string()).collect()
        };
        assert_eq!(names("all").len(), Catalogue::get().public().count());
        assert!(names("core").len() < names("all").len());
        let history = names("history, get_image_bitmap");
        for name in ["undo", "list_checkpoints", "get_image_bitmap", "run_operation"] {
            assert!(history.iter().any(|listed| listed == name), "{name}");
        }
        assert!(!history.iter().any(|listed| listed == "call_api"));
        let error = Set::parse("core,histroy").unwrap_err();
        assert_eq!(error.message, "no pack of tools `histroy`; did you mean `history`?");
        assert_eq!(Set::parse(" , ").unwrap_err().kind, Kind::Config);
    }
}
