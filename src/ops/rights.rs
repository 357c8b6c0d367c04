//! What a caller may do: four rights, and whether it may name files on this machine.
//!
//! Every way in gives them with its [`Context`](super::Context); a nested operation (a step of a batch) runs with its
//! caller's. Refuses by the catalogue: an operation's access and pack say which right it takes.

use super::catalogue::{Access, Operation};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

/// One right, as keys name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Look at images.
    Read,
    /// Change images, open and save them.
    Edit,
    /// Run Python or any PDB procedure inside GIMP.
    Exec,
    /// Generate images and run AI filters.
    Generate,
}

const NAMES: [(Right, &str); 4] =
    [(Right::Read, "read"), (Right::Edit, "edit"), (Right::Exec, "exec"), (Right::Generate, "generate")];

impl Right {
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The right that running this operation takes.
    pub fn of(operation: &Operation) -> Right {
        match (operation.pack.as_str(), operation.name.as_str()) {
            ("script", _) | (_, "call_api" | "call_procedure") => Right::Exec,
            ("generate", _) => Right::Generate,
            ("ai", _) if operation.access != Access::Read => Right::Generate,
            _ if operation.access == Access::Read => Right::Read,
            _ => Right::Edit,
        }
    }
}

/// Parameters that name files where GIMP runs; a test holds the catalogue to them.
const FILES: [&str; 8] = ["path", "folder", "to_folder", "paths", "file", "atlas_path", "style_path", "profile"];

/// Of the operations on generated images those that reach no image of others; a new one is behind a key until it is here.
const OF_NOBODY_ELSE: [&str; 4] =
    ["generate_image", "fill_selection_with_prompt", "vary_image", "list_generation_backends"];

/// The name of the key that a request came with: whose its sessions are. In the request's extensions behind the guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyName(pub String);

/// A set of rights. The default is all of them, for callers on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    bits: u8,
    /// Whether `path` and `folder` may name files where GIMP runs.
    pub files: bool,
    /// Whoever comes without a key where keys are usual: one of many, who may not see what the others made.
    pub anonymous: bool,
}

impl Default for Rights {
    fn default() -> Rights {
        Rights { bits: 0b1111, files: true, anonymous: false }
    }
}

impl Rights {
    /// No right at all.
    pub const NONE: Rights = Rights { bits: 0, files: false, anonymous: false };

    /// From names joined by `+`; the error is the name that is none.
    pub fn parse(names: &str) -> Result<Rights, String> {
        let mut rights = Rights { bits: 0, files: true, anonymous: false };
        for name in names.split('+').map(str::trim) {
            let (right, _) = NAMES.iter().find(|(_, known)| *known == name).ok_or_else(|| name.to_owned())?;
            rights.bits |= 1 << *right as u8;
        }
        Ok(rights)
    }

    pub fn has(self, right: Right) -> bool {
        self.bits & 1 << right as u8 != 0
    }

    pub fn without(self, right: Right) -> Rights {
        Rights { bits: self.bits & !(1 << right as u8), ..self }
    }

    /// The names of the rights in it.
    pub fn names(self) -> Vec<&'static str> {
        NAMES.iter().filter(|(right, _)| self.has(*right)).map(|(_, name)| *name).collect()
    }

    /// Refuses without the right.
    pub fn need(self, right: Right, what: &str) -> Result<()> {
        if self.has(right) {
            return Ok(());
        }
        let mine = self.names();
        let mine = if mine.is_empty() { "none".to_owned() } else { mine.join(", ") };
        Err(Error::new(Kind::Forbidden, format!("{what} takes the right `{}`, and this key has {mine}", right.name()))
            .hint(match right {
                Right::Exec => {
                    "use a key with it in server.api_keys; from other machines server.exec_remote too must allow it"
                }
                _ => "use a key with it: server.api_keys gives each its rights",
            })
            .detail("right", right.name()))
    }

    /// Refuses an operation that takes a right that is not in it, and files where they may not be named.
    pub fn check(self, operation: &Operation, arguments: &Map<String, Value>) -> Result<()> {
        self.need(Right::of(operation), &format!("`{}`", operation.name))?;
        let opens = operation.name == "open_image" && arguments.contains_key("image_id");
        if opens {
            self.need(Right::Generate, "opening a generated image")?;
        }
        let of_others = operation.pack == "generate" && !OF_NOBODY_ELSE.contains(&operation.name.as_str());
        if self.anonymous && (opens || of_others) {
            return Err(Error::new(
                Kind::Forbidden,
                format!("`{}` takes a key with the right `generate`", operation.name),
            )
            .hint("the images of others are behind it: send `Authorization: Bearer KEY`, a key of server.api_keys"));
        }
        let given = |name: &&str| match arguments.get(*name) {
            // A number is an id, such as that of a path in the image.
            None | Some(Value::Null | Value::Number(_)) => false,
            // A profile is a file only if it is no name of a built-in one.
            Some(Value::String(text)) if *name == "profile" => text.contains(['/', '\\', '~']),
            Some(_) => true,
        };
        let named = FILES.into_iter().find(given);
        match named {
            Some(name) if !self.files => Err(Error::new(
                Kind::Forbidden,
                format!("`{name}` names a file on this machine, which callers from other machines may not"),
            )
            .hint("send and receive bytes (image_data, /uploads, /sessions/ID/image), or set plugin.folders to the folders that they may use")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Catalogue;

    /// A path is as long as paths may be; no other text of the catalogue has that bound.
    #[test]
    fn every_parameter_that_names_a_file_is_known() {
        for operation in Catalogue::get().public() {
            let properties = operation.input_schema()["properties"].as_object().unwrap();
            for (name, schema) in properties {
                let is_path = schema["maxLength"] == 4096;
                assert_eq!(
                    is_path,
                    FILES.contains(&name.as_str()) && schema["type"] == "string",
                    "{}: {name}",
                    operation.name
                );
            }
        }
    }

    #[test]
    fn names_are_read_and_written() {
        let rights = Rights::parse("read+exec").unwrap();
        assert_eq!(rights.names(), ["read", "exec"]);
        assert_eq!(Rights::parse("read+write").unwrap_err(), "write");
        assert_eq!(Rights::default().names().len(), 4);
        assert!(Rights::NONE.names().is_empty());
        assert!(!Rights::default().without(Right::Exec).has(Right::Exec));
        for (index, (right, _)) in NAMES.iter().enumerate() {
            assert_eq!(*right as usize, index);
        }
    }

    #[test]
    fn operations_take_the_right_that_fits_them() {
        let right = |name: &str| Right::of(Catalogue::get().find(name).unwrap());
        assert_eq!(right("list_images"), Right::Read);
        assert_eq!(right("create_new_image"), Right::Edit);
        assert_eq!(right("save_image"), Right::Edit);
        assert_eq!(right("call_api"), Right::Exec);
        for operation in Catalogue::get().public().filter(|operation| operation.pack == "generate") {
            assert_eq!(Right::of(operation), Right::Generate, "{}", operation.name);
        }
    }

    #[test]
    fn who_has_no_key_reaches_no_image_of_others() {
        let anonymous = Rights { anonymous: true, ..Rights::default() };
        for operation in Catalogue::get().public().filter(|operation| operation.pack == "generate") {
            let stored = operation.name.contains("generated") || operation.name == "delete_image";
            assert_eq!(anonymous.check(operation, &Map::new()).is_ok(), !stored, "{}", operation.name);
        }
    }

    #[test]
    fn opening_a_generated_image_takes_both_rights_and_a_key() {
        let open = Catalogue::get().find("open_image").unwrap();
        let arguments = serde_json::json!({"image_id": "x"}).as_object().unwrap().clone();
        for (rights, anonymous, allowed) in [
            ("edit+generate", false, true),
            ("edit+generate", true, false),
            ("edit+read", false, false),
            ("generate", false, false),
        ] {
            let rights = Rights { anonymous, ..Rights::parse(rights).unwrap() };
            assert_eq!(rights.check(open, &arguments).is_ok(), allowed, "{rights:?}");
        }
    }

    #[test]
    fn files_are_refused_where_they_may_not_be_named() {
        let save = Catalogue::get().find("save_image").unwrap();
        let arguments = serde_json::json!({"path": "/x.png"}).as_object().unwrap().clone();
        assert!(Rights::default().check(save, &arguments).is_ok());
        let remote = Rights { files: false, ..Rights::default() };
        assert_eq!(remote.check(save, &arguments).unwrap_err().kind, Kind::Forbidden);
        assert!(remote.check(save, &Map::new()).is_ok());
    }
}
