//! Whether a plug-in keeps the policies that this daemon is configured with.

use crate::config;
use crate::error::{Error, Kind};
use serde_json::{Map, Value};
use std::path::Path;

/// The error that calls get when the plug-in allows more than `ours`: its `plugin.json` is not what we would write.
pub fn laxer(theirs: &Map<String, Value>, ours: &config::Plugin) -> Option<Error> {
    let flag = |key: &str, unsaid: bool| theirs.get(key).and_then(Value::as_bool).unwrap_or(unsaid);
    let mut found = Vec::new();
    if !ours.exec && flag("exec", true) {
        found.push("it runs Python, and `plugin.exec` is off".to_owned());
    }
    if ours.read_only && !flag("read_only", false) {
        found.push("it makes changes, and `plugin.read_only` is on".to_owned());
    }
    if let Some(allowed) = &ours.folders {
        match theirs.get("folders").and_then(Value::as_array) {
            None => found.push("it opens every folder, and `plugin.folders` names the allowed ones".to_owned()),
            Some(folders) => {
                let outside = folders
                    .iter()
                    .find(|folder| folder.as_str().is_none_or(|folder| !inside(Path::new(folder), allowed)));
                found.extend(outside.map(|folder| format!("it opens {folder}, which `plugin.folders` does not allow")));
            }
        }
    }
    (!found.is_empty()).then(|| {
        Error::new(Kind::Forbidden, format!("GIMP's plug-in is laxer than this gimp-bridge: {}", found.join("; ")))
            .hint("run `gimp-bridge install` with this configuration, then restart GIMP")
            .detail("plugin", Value::Object(theirs.clone()))
    })
}

fn inside(folder: &Path, allowed: &[std::path::PathBuf]) -> bool {
    let whole = |path: &Path| path.components().all(|part| part != std::path::Component::ParentDir);
    whole(folder) && allowed.iter().any(|parent| folder.starts_with(parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(theirs: Value, ours: config::Plugin) -> Option<String> {
        laxer(theirs.as_object().unwrap(), &ours).map(|error| error.message)
    }

    #[test]
    fn a_plug_in_that_allows_more_is_told_from_one_that_allows_as_much_or_less() {
        let strict =
            || config::Plugin { exec: false, read_only: true, folders: Some(vec!["/a".into()]), ..Default::default() };
        let as_strict = json!({"exec": false, "read_only": true, "folders": ["/a/b", "/a"]});
        assert_eq!(told(as_strict, strict()), None);
        assert_eq!(told(json!({"exec": false, "read_only": true, "folders": []}), strict()), None);
        for (key, value, word) in [
            ("exec", json!(true), "Python"),
            ("read_only", json!(false), "changes"),
            ("folders", json!(null), "every folder"),
            ("folders", json!(["/a", "/ab"]), "/ab"),
            ("folders", json!(["/a/../etc"]), "/a/../etc"),
        ] {
            let mut theirs = json!({"exec": false, "read_only": true, "folders": ["/a"]});
            theirs[key] = value;
            assert!(told(theirs, strict()).unwrap().contains(word), "{key}");
        }
        // What a plug-in does not say, it does not keep
        assert!(told(json!({}), strict()).unwrap().contains("Python"));
        assert_eq!(told(json!({}), config::Plugin::default()), None);
        assert_eq!(told(json!({"exec": false, "read_only": true, "folders": []}), config::Plugin::default()), None);
    }
}
