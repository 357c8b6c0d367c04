//! The map in `src/lib.rs` holds: who may name what.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(folder, ending, &mut found);
    assert!(!found.is_empty(), "no .{ending} files in {}", folder.display());
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

fn src() -> Vec<(PathBuf, String)> {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs")
}

/// The first folder (or file stem) below `src/`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines of code that name `what`, outside comments.
fn names(text: &str, what: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(what))
}

#[test]
fn only_its_own_room_names_a_library() {
    for (library, owner) in [
        ("rmcp", "mcp"),
        ("tokio_util::codec", "gimp"),
        ("axum", "http"),
        (" ort::", "filters"),
        ("reqwest::", "upstream"),
        ("object_store", "storage"),
    ] {
        for (path, text) in src() {
            let here = room(&path);
            // The pictures in MCP replies are HTTP bodies too.
            let allowed = here == owner || (library == "axum" && here == "mcp");
            assert!(allowed || !names(&text, library), "`{}` names {library}", path.display());
        }
    }
}

/// The map's rows: a room, and those that it may use.
fn map() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("//! | [`")) {
        let [_, room, _, reach, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("a row has three columns: {line}");
        };
        let above: Vec<String> = rows.iter().map(|(room, _)| room.clone()).collect();
        let reach = match reach {
            "nothing" => Vec::new(),
            "all above" => above,
            listed => listed.split(", ").map(str::to_owned).collect(),
        };
        rows.push((room.trim_matches(['[', ']', '`']).to_owned(), reach));
    }
    rows
}

#[test]
fn the_map_names_each_room_and_every_arrow_points_up() {
    let map = map();
    let mut named: Vec<&str> = map.iter().map(|(room, _)| room.as_str()).collect();
    let mut there: Vec<String> = src().iter().map(|(path, _)| room(path)).collect();
    there.retain(|room| !["lib", "main"].contains(&room.as_str()));
    there.sort();
    there.dedup();
    for (place, (room, reach)) in map.iter().enumerate() {
        for other in reach {
            let at = named.iter().position(|name| name == other);
            assert!(at.is_some_and(|at| at < place), "`{room}` may use `{other}`, which is no room above it");
        }
    }
    named.sort_unstable();
    assert_eq!(named, there);
}

#[test]
fn rooms_reach_only_what_the_map_allows() {
    let map = map();
    for (path, text) in src() {
        let here = room(&path);
        let Some((_, reach)) = map.iter().find(|(name, _)| *name == here) else { continue };
        for (other, _) in map.iter().filter(|(name, _)| *name != here) {
            let used = names(&text, &format!("crate::{other}::")) || names(&text, &format!("crate::{other};"));
            assert!(!used || reach.contains(other), "`{}` reaches into `{other}`", path.display());
        }
    }
}

#[test]
fn no_module_of_the_plug_in_calls_gimp_at_import_or_swallows_every_error() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("gimp-plugin/gimp-bridge");
    for (path, text) in sources(&plugin, "py") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for line in text.lines().filter(|line| line.starts_with("Gimp.") || line.starts_with("Gegl.init")) {
            // The entry script's last line hands over to GIMP.
            assert!(line.starts_with("Gimp.main("), "`{name}` calls GIMP at import: {line}");
        }
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let catches_all = |line: &str| {
            ["except:", "except Exception", "except BaseException"].iter().any(|start| line.starts_with(start))
        };
        let silent = |pair: &[&str]| catches_all(pair[0]) && (pair[0].ends_with("pass") || pair[1] == "pass");
        assert!(!lines.windows(2).any(silent), "`{name}` swallows every error");
    }
}
