//! A gimprc whose `plug-in-path` leaves out the folder that the bridge is in: GIMP then starts without it, for ever.

use std::path::Path;

/// What the user can do about it.
pub const MEND: &str = "remove the line `(plug-in-path …)` from that gimprc, or add `${gimp_dir}/plug-ins` to it";

/// The `plug-in-path` of the profile `folder`, if it has one that does not hold the profile's own `plug-ins`.
pub fn other_plug_ins(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join("gimprc")).ok()?;
    let paths = plug_in_path(&String::from_utf8_lossy(&text))?;
    let own = folder.join("plug-ins");
    let separator = if cfg!(windows) { ';' } else { ':' };
    let holds = paths.split(separator).map(|path| path.replace("${gimp_dir}", &folder.to_string_lossy())).any(|path| {
        let path = Path::new(&path);
        path == own || path.canonicalize().is_ok_and(|real| own.canonicalize().is_ok_and(|own| real == own))
    });
    (!holds).then_some(paths)
}

/// The value of the last `(plug-in-path "…")` that is no comment; GIMP takes the last.
fn plug_in_path(gimprc: &str) -> Option<String> {
    let code: String = gimprc
        .lines()
        .map(|line| if line.trim_start().starts_with('#') { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = None;
    for (at, _) in code.match_indices("(plug-in-path") {
        let rest = code[at + "(plug-in-path".len()..].trim_start();
        let Some(rest) = rest.strip_prefix('"') else { continue };
        let (mut value, mut letters) = (String::new(), rest.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => value.extend(letters.next()),
                letter => value.push(letter),
            }
        }
        found = Some(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plug_in_path_without_the_profiles_own_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let told = |gimprc: &str| {
            std::fs::write(dir.path().join("gimprc"), gimprc).unwrap();
            other_plug_ins(dir.path())
        };
        assert_eq!(other_plug_ins(dir.path()), None);
        assert_eq!(told("(check-updates no)\n# (plug-in-path \"/nowhere\")\n"), None);
        assert_eq!(told("(plug-in-path \"/nowhere\")\n").as_deref(), Some("/nowhere"));
        assert_eq!(
            told("(plug-in-path\n    \"/a:${gimp_plug_in_dir}/plug-ins\")").as_deref(),
            Some("/a:${gimp_plug_in_dir}/plug-ins")
        );
        assert_eq!(told("(plug-in-path \"${gimp_dir}/plug-ins:${gimp_plug_in_dir}/plug-ins\")"), None);
        assert_eq!(told(&format!("(plug-in-path \"/a:{}/plug-ins\")", dir.path().display())), None);
        assert_eq!(told("(plug-in-path \"${gimp_dir}/plug-ins\")\n(plug-in-path \"\")").as_deref(), Some(""));
    }
}
