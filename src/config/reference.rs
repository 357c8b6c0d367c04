//! The reference page, printed from the table; `docs/configuration.md` is compared with it by a test.

use super::{Config, KEYS, Key, OTHER_NAMES};

const HEAD: &str = "\
# Configuration

<!-- Printed by `gimp-bridge config --reference`; a test compares the two. -->

Settings come from, later ones winning: defaults, `gimp-bridge.toml` in the user's configuration folder
(`~/.config/gimp-bridge/` on Linux), `gimp-bridge.toml` in the working folder, `.env` in the working folder, the
environment, flags. `--config FILE` or `GIMP_BRIDGE_CONFIG` names one file instead of the first two.
`gimp-bridge config` shows every effective value and where it came from.

- In TOML, `server.port` is the key `port` in the table `[server]`. In the environment it is `GIMP_BRIDGE_SERVER_PORT`,
  or one of the other names listed with it; the first that is set wins. An empty variable counts as not set.
- Lists are separated by commas in the environment, folders by `:` (`;` on Windows).
- An unknown key, an unknown `GIMP_BRIDGE_…` variable and a bad value are errors that name the place. Other variables,
  and other projects' lines in `.env`, are not looked at.
- Settings marked **guarded** run programs or loosen what protects you. They are refused in the working folder's
  `gimp-bridge.toml` and `.env`, because that folder may be a repository that somebody else wrote.
- Relative paths in a TOML file start at that file's folder, others at the working folder; `~/` is the home folder.
";

/// The whole page.
pub fn markdown() -> String {
    let defaults = Config::default();
    let mut page = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        let (of, short) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            page += &format!(
                "\n## [{section}]\n\n| key | environment | allowed | default | meaning |\n|---|---|---|---|---|\n"
            );
        }
        page += &row(key, short, &defaults);
    }
    page += "\n## Other variables\n\n| variable | meaning |\n|---|---|\n";
    for (name, meaning) in OTHER_NAMES {
        page += &format!("| `{name}` | {meaning} |\n");
    }
    page
}

fn row(key: &Key, short: &str, defaults: &Config) -> String {
    let names = key.env_names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let default = match key.get(defaults).to_json() {
        serde_json::Value::Null => "not set".to_owned(),
        value => format!("`{value}`"),
    };
    let mark = if key.guarded { " **guarded**" } else { "" };
    format!("| `{short}` | {names} | {} | {default} | {}{mark} |\n", key.kind.expected(), key.doc)
}
