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
- An unknown key, an unknown `GIMP_BRIDGE_…` variable and a bad value are errors that name the place.
- Names without our prefix, such as `PORT`, belong to whoever sets them. `serve` and `generate` alone read them (`config`
  and `doctor` tell what they would do), and a bad value of one is a warning. The variables that Kubernetes and Docker set about a
  service called `gimp-bridge` (`GIMP_BRIDGE_SERVICE_HOST`, `GIMP_BRIDGE_PORT=tcp://…`, …) are left alone.
- The working folder may be a repository that somebody else wrote. So its `gimp-bridge.toml` and `.env` may set only what
  is marked **project**: nothing that is an address, a credential, a path or a policy. The rest is an error there, or
  under a name without our prefix a warning.
- SIGHUP makes a running daemon read its configuration again: log level, keys, limits, allowed names and proxies, and
  the list of filters change at once; what needs a restart is named in the log.
- Relative paths in a TOML file start at that file's folder, others at the working folder; `~/` is the home folder.
";

const PLAN: &str = "
## Where the defaults of the image generation plan differ

The 18 variables of the plan all work, and have its defaults but for these:

| variable | plan | here | why |
|---|---|---|---|
| `HOST` | `0.0.0.0` | `127.0.0.1` | who reaches the port can work in the user's GIMP: other machines are let in by a key, or by `server.anonymous` |
| `WORKERS` | `4` | `2` | threads here, not processes: two serve thousands of requests a second |
| `SERVICE_NAME` | `mcp-image-server` | `gimp-bridge` | the same program is more than an image server; a deployment sets it |
| `KSERVE_ENDPOINT` | `http://diffusers-runtime:8080/v1/models/stable-diffusion` | not set | nothing is asked of a network that nobody configured; generation is on where it, or `generate.backends`, is set |
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
    page += PLAN;
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
    let mark = if key.guarded { "" } else { " **project**" };
    format!("| `{short}` | {names} | {} | {default} | {}{mark} |\n", key.kind.expected(), key.doc)
}
