//! Installing and uninstalling: the paths of every system, the fidelity of edits, and taking all of it back.

use gimp_bridge::cli::install::clients::Client;
use gimp_bridge::cli::install::found::{Found, flatpak_lacks};
use gimp_bridge::cli::install::machine::{Machine, Os};
use gimp_bridge::cli::install::profiles::{self, Packaging};
use gimp_bridge::cli::install::uninstall;
use gimp_bridge::cli::install::{Args, Target, install, json_edit, payload};
use gimp_bridge::config::{Config, Plugin};
use gimp_bridge::error::{Kind, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A home folder of its own, seen as this system's.
struct Home {
    keep: tempfile::TempDir,
    target: Target,
}

fn home(os: Os) -> Home {
    let keep = tempfile::tempdir().unwrap();
    let at = keep.path().canonicalize().unwrap();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let variables = BTreeMap::from([
        ("HOME".to_owned(), text(at.join("home"))),
        ("USERPROFILE".to_owned(), text(at.join("home"))),
        ("APPDATA".to_owned(), text(at.join("home/AppData/Roaming"))),
    ]);
    let machine = Machine { os, variables, root: at.join("root") };
    let target =
        Target { machine, state_dir: at.join("home/state/gimp-bridge"), executable: "/opt/gimp-bridge".into() };
    std::fs::create_dir_all(at.join("home")).unwrap();
    Home { keep, target }
}

impl Home {
    fn path(&self, path: &str) -> PathBuf {
        self.keep.path().canonicalize().unwrap().join("home").join(path)
    }

    fn folder(&self, path: &str) -> &Self {
        std::fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    fn file(&self, path: &str, bytes: &[u8]) -> &Self {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), bytes).unwrap();
        self
    }

    fn read(&self, path: &str) -> String {
        String::from_utf8(std::fs::read(self.path(path)).unwrap()).unwrap()
    }

    fn install(&self, clients: &[Client], print: bool) -> (Result<std::process::ExitCode>, String) {
        self.install_with(clients, print, &[gimp(Packaging::Native, [3, 0, 4])])
    }

    fn install_with(
        &self,
        clients: &[Client],
        print: bool,
        found: &[Found],
    ) -> (Result<std::process::ExitCode>, String) {
        let mut out = Vec::new();
        let args = Args { client: clients.to_vec(), runtime: false, print };
        let result = install(&args, &self.target, found, &[], &Plugin::default(), &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    fn uninstall(&self, print: bool) -> (Result<std::process::ExitCode>, String) {
        self.uninstall_with(&uninstall::Args { print, ..Default::default() })
    }

    fn uninstall_with(&self, args: &uninstall::Args) -> (Result<std::process::ExitCode>, String) {
        let mut out = Vec::new();
        let result = uninstall::uninstall(args, &self.target, &Config::default(), &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    /// Every path below the home folder with its bytes.
    fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry.clone());
                }
                all.insert(entry.clone(), entry.is_file().then(|| std::fs::read(&entry).unwrap()));
            }
        }
        all
    }

    fn planned(&self, found: &[Found]) -> Vec<(String, bool)> {
        let home = self.path("");
        let plan = profiles::plan(&self.target.machine, found);
        plan.profiles
            .into_iter()
            .map(|profile| (profile.folder.strip_prefix(&home).unwrap().to_string_lossy().into_owned(), profile.exists))
            .collect()
    }
}

fn gimp(packaging: Packaging, version: [u32; 3]) -> Found {
    Found { packaging, version: Some(version), place: "/usr/bin/gimp".into() }
}

fn old(path: &str) -> (String, bool) {
    (path.to_owned(), true)
}

fn new(path: &str) -> (String, bool) {
    (path.to_owned(), false)
}

#[test]
fn profiles_of_every_system_and_package_are_found() {
    for (os, folder) in [
        (Os::Linux, ".config/GIMP"),
        (Os::Linux, ".var/app/org.gimp.GIMP/config/GIMP"),
        (Os::Linux, "snap/gimp/current/.config/GIMP"),
        (Os::Linux, "snap/gimp/611/.config/GIMP"),
        (Os::MacOs, "Library/Application Support/GIMP"),
        (Os::Windows, "AppData/Roaming/GIMP"),
    ] {
        let home = home(os);
        for version in ["2.10", "3.0", "3.2", "3.10", "3.x", "30"] {
            home.folder(&format!("{folder}/{version}"));
        }
        let expected: Vec<_> = ["3.0", "3.2", "3.10"].map(|version| old(&format!("{folder}/{version}"))).into();
        assert_eq!(home.planned(&[gimp(Packaging::Native, [3, 0, 4])])[..3], expected, "{os:?}");
    }
    let mut home = home(Os::Linux);
    home.folder("conf/GIMP/3.0").folder(".config/GIMP/3.0");
    let conf = home.path("conf").to_string_lossy().into_owned();
    home.target.machine.variables.insert("XDG_CONFIG_HOME".into(), conf);
    assert_eq!(home.planned(&[]), [old("conf/GIMP/3.0")]);
}

#[test]
fn a_snap_uses_the_revision_in_use() {
    let home = home(Os::Linux);
    home.folder("snap/gimp/9/.config/GIMP/3.0").folder("snap/gimp/10/.config/GIMP/3.0");
    assert_eq!(home.planned(&[]), [old("snap/gimp/10/.config/GIMP/3.0")]);
    home.folder("snap/gimp/current/.config/GIMP/3.0");
    assert_eq!(home.planned(&[]), [old("snap/gimp/current/.config/GIMP/3.0")]);
}

#[test]
fn a_gimp_that_never_ran_gets_a_profile() {
    let fresh = home(Os::Linux);
    assert_eq!(fresh.planned(&[gimp(Packaging::Native, [3, 2, 6])]), [new(".config/GIMP/3.2")]);
    assert_eq!(fresh.planned(&[gimp(Packaging::Flatpak, [3, 0, 6])]), [new(".var/app/org.gimp.GIMP/config/GIMP/3.0")]);
    assert_eq!(fresh.planned(&[gimp(Packaging::Snap, [3, 0, 6])]), [new("snap/gimp/current/.config/GIMP/3.0")]);
    let unsure = Found { version: None, ..gimp(Packaging::Native, [0; 3]) };
    assert_eq!(fresh.planned(&[unsure]), [new(".config/GIMP/3.0"), new(".config/GIMP/3.2")]);
    assert_eq!(fresh.planned(&[gimp(Packaging::Native, [2, 10, 34])]), []);
    // The Flatpak uses the ordinary folder where there is one.
    fresh.folder(".config/GIMP/3.0");
    assert_eq!(fresh.planned(&[gimp(Packaging::Flatpak, [3, 0, 6])]), [old(".config/GIMP/3.0")]);
}

/// GIMP imports settings and plug-ins of the version before, but only into a folder that does not exist.
#[test]
fn a_profile_that_gimp_would_import_is_not_created() {
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0");
    assert_eq!(home.planned(&[gimp(Packaging::Native, [3, 2, 6])]), [old(".config/GIMP/3.0")]);
    let other = self::home(Os::Linux);
    other.folder(".config/GIMP/2.10");
    assert_eq!(other.planned(&[gimp(Packaging::Native, [3, 0, 4])]), []);
    let (result, out) = other.install_with(&[], false, &[gimp(Packaging::Native, [3, 0, 4])]);
    assert!(result.is_ok() && out.contains("settings of 2.10") && out.contains("start it once"), "{out}");
}

#[test]
fn clients_have_their_files_on_every_system() {
    for (os, client, file) in [
        (Os::Linux, Client::ClaudeDesktop, ".config/Claude/claude_desktop_config.json"),
        (Os::MacOs, Client::ClaudeDesktop, "Library/Application Support/Claude/claude_desktop_config.json"),
        (Os::Windows, Client::ClaudeDesktop, "AppData/Roaming/Claude/claude_desktop_config.json"),
        (Os::Linux, Client::ClaudeCode, ".claude.json"),
        (Os::Windows, Client::ClaudeCode, ".claude.json"),
        (Os::MacOs, Client::Cursor, ".cursor/mcp.json"),
        (Os::Linux, Client::Vscode, ".config/Code/User/mcp.json"),
        (Os::MacOs, Client::Vscode, "Library/Application Support/Code/User/mcp.json"),
        (Os::Windows, Client::Vscode, "AppData/Roaming/Code/User/mcp.json"),
    ] {
        let home = home(os);
        assert_eq!(client.file(&home.target.machine), Some(home.path(file)), "{os:?}");
    }
}

#[test]
fn an_installation_can_be_used_repeated_and_taken_back() {
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0/plug-ins/other")
        .file(".config/GIMP/3.0/gimprc", b"(undo-levels 7)")
        .folder(".var/app/org.gimp.GIMP/config/GIMP/3.0")
        .file(".cursor/mcp.json", b"{\"mcpServers\":{\"a\":{\"command\":\"x\"}}}")
        .file(".claude.json", b"{\n  \"numStartups\": 3\n}\n");
    let before = home.snapshot();

    let (result, shown) = home.install(&Client::ALL, true);
    result.unwrap();
    assert_eq!(home.snapshot(), before, "--print wrote something");
    assert!(shown.contains("+    \"gimp-bridge\": {") && shown.contains("would write plug-in"), "{shown}");

    home.install(&Client::ALL, false).0.unwrap();
    let script = home.path(".config/GIMP/3.0/plug-ins/gimp-bridge/gimp-bridge.py");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&script) & 0o111, 0o111);
        assert_eq!(mode(&home.target.state_dir.join("secret")), 0o600);
    }
    let plug_ins = home.path(".var/app/org.gimp.GIMP/config/GIMP/3.0/plug-ins");
    assert_eq!(payload::installed_version(&plug_ins).as_deref(), Some(payload::VERSION));
    assert_eq!(payload::location(&plug_ins).as_ref(), Some(&home.target.state_dir));
    let settings: Value =
        serde_json::from_slice(&std::fs::read(home.target.state_dir.join("plugin.json")).unwrap()).unwrap();
    assert_eq!((&settings["port"], &settings["folders"]), (&json!(9877), &Value::Null));
    for client in Client::ALL {
        let file: Value =
            serde_json::from_slice(&std::fs::read(client.file(&home.target.machine).unwrap()).unwrap()).unwrap();
        let entry = &file[client.table()]["gimp-bridge"];
        assert_eq!((&entry["command"], &entry["args"]), (&json!("/opt/gimp-bridge"), &json!(["stdio"])));
    }

    let installed = home.snapshot();
    let (result, again) = home.install(&Client::ALL, false);
    result.unwrap();
    assert_eq!(again.matches("has the entry already").count(), 4, "{again}");
    let repeated = home.snapshot();
    assert_eq!(repeated.keys().collect::<Vec<_>>(), installed.keys().collect::<Vec<_>>());
    let json = |all: &BTreeMap<PathBuf, Option<Vec<u8>>>| -> Vec<Option<Vec<u8>>> { all.values().cloned().collect() };
    assert_eq!(json(&repeated), json(&installed), "the second run changed a file");

    home.file(".local/share/gimp-bridge/profiles/3.0/gimprc", b"of a started GIMP");
    let installed = home.snapshot();
    let (result, _) = home.uninstall(true);
    result.unwrap();
    assert_eq!(home.snapshot(), installed, "--print removed something");
    home.uninstall(false).0.unwrap();
    let mut left = home.snapshot();
    assert!(!home.path(".local/share/gimp-bridge").exists());
    // Folders that clients keep their files in may stay, empty.
    left.retain(|path, bytes| bytes.is_some() || before.contains_key(path));
    let mut before = before;
    before.retain(|path, _| left.contains_key(path) || !path.ends_with("org.gimp.GIMP/config/GIMP/3.0"));
    assert_eq!(left, before);
    assert_eq!(home.uninstall(false).1, "nothing is installed\n");
}

#[test]
fn what_stays_is_named_and_all_takes_it() {
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0").install(&[], false).0.unwrap();
    home.file(".local/share/gimp-bridge/filters/mine/manifest.toml", b"id = 'mine'")
        .file(".local/share/gimp-bridge/onnxruntime/1/lib.so", b"x")
        .file(".config/gimp-bridge/gimp-bridge.toml", b"[server]\nport = 8001\n")
        .file("state/gimp-bridge/sessions/s1/image.xcf", b"unsaved")
        .file(".cache/gimp-bridge/gimp-3.0/usr/bin/gimp", b"");
    let kept = [".local/share/gimp-bridge", ".config/gimp-bridge", "state/gimp-bridge"];
    let before = home.snapshot();
    let all = uninstall::Args { all: true, print: true };
    let told = home.uninstall_with(&all).1;
    assert_eq!(home.snapshot(), before, "--print removed something");
    for folder in kept {
        assert!(told.contains("would remove") && told.contains(&home.path(folder).display().to_string()), "{told}");
    }
    let told = home.uninstall(false).1;
    for folder in kept.into_iter().chain([".cache/gimp-bridge"]) {
        let place = format!("`{}`", home.path(folder).display());
        let line = told.lines().find(|line| line.starts_with("left ") && line.contains(&place));
        assert_eq!(
            line.unwrap_or_else(|| panic!("{folder}: {told}")).contains("--all"),
            folder != ".cache/gimp-bridge"
        );
    }
    assert_eq!(home.read("state/gimp-bridge/sessions/s1/image.xcf"), "unsaved");
    assert!(!home.path("state/gimp-bridge/secret").exists());
    home.uninstall_with(&uninstall::Args { all: true, print: false }).0.unwrap();
    for folder in kept {
        assert!(!home.path(folder).exists(), "{folder}");
    }
    assert!(home.path(".cache/gimp-bridge/gimp-3.0").exists(), "the scripts' own folder");
}

#[test]
fn a_newer_binary_updates_the_entry_and_uninstall_still_knows_the_original() {
    let mut home = home(Os::MacOs);
    let original = "{ \"mcpServers\": {}\r\n}";
    home.folder("Library/Application Support/GIMP/3.0").file(".cursor/mcp.json", original.as_bytes());
    home.install(&[Client::Cursor], false).0.unwrap();
    home.target.executable = "/elsewhere/gimp-bridge".into();
    home.install(&[Client::Cursor], false).0.unwrap();
    assert!(home.read(".cursor/mcp.json").contains("/elsewhere/gimp-bridge"));
    assert!(!home.read(".cursor/mcp.json").contains("/opt/gimp-bridge"));
    home.uninstall(false).0.unwrap();
    assert_eq!(home.read(".cursor/mcp.json"), original);
    assert_eq!(std::fs::read_dir(home.path(".cursor")).unwrap().count(), 1, "a backup is left");
}

#[test]
fn what_others_wrote_since_stays() {
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0").file(".claude.json", b"{\"a\": 1}\n");
    home.install(&[Client::ClaudeCode, Client::Vscode], false).0.unwrap();
    // Claude Code rewrites its file all the time, VS Code's is edited by hand.
    let mut value: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    value["numStartups"] = json!(4);
    home.file(".claude.json", serde_json::to_string_pretty(&value).unwrap().as_bytes());
    let file = ".config/Code/User/mcp.json";
    home.file(file, home.read(file).replace("{\n  \"servers\"", "{\n  \"inputs\": [],\n  \"servers\"").as_bytes());
    home.uninstall(false).0.unwrap();
    assert_eq!(home.read(".claude.json"), "{\n  \"a\": 1,\n  \"numStartups\": 4\n}");
    assert_eq!(home.read(file), "{\n  \"inputs\": []\n}\n");
}

#[test]
fn a_broken_file_is_named_and_nothing_is_written() {
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0").file(".cursor/mcp.json", b"{\n  \"mcpServers\": {\n    oops\n  }\n}\n");
    let before = home.snapshot();
    let error = home.install(&[Client::Vscode, Client::Cursor], false).0.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert!(
        error.message.starts_with(&format!("{}:3:5: ", home.path(".cursor/mcp.json").display())),
        "{}",
        error.message
    );
    assert_eq!(home.snapshot(), before);
    home.file(".cursor/mcp.json", b"{\"mcpServers\": []}");
    let error = home.install(&[Client::Cursor], false).0.unwrap_err();
    assert!(error.message.ends_with("mcp.json:1:16: `mcpServers` is not an object"), "{}", error.message);
}

#[test]
fn the_users_own_settings_of_our_entry_stay() {
    let text = "{\n\t\"mcpServers\": {\n\t\t\"gimp-bridge\": { \"command\": \"old\", \"env\": {\"A\": \"1\"} }, // mine\n\t},\n}";
    let edited = json_edit::set(text, "mcpServers", "gimp-bridge", &entry()).unwrap();
    assert_eq!(
        edited,
        text.replace("\"old\"", "\"/opt/gimp-bridge\"").replace("\"1\"} }", "\"1\"}, \"args\": [\"stdio\"] }")
    );
}

#[cfg(unix)]
#[test]
fn links_and_permissions_of_a_file_stay() {
    use std::os::unix::fs::PermissionsExt;
    let home = home(Os::Linux);
    home.folder(".config/GIMP/3.0").folder(".cursor").file("dotfiles/mcp.json", b"{}");
    std::os::unix::fs::symlink(home.path("dotfiles/mcp.json"), home.path(".cursor/mcp.json")).unwrap();
    std::fs::set_permissions(home.path("dotfiles/mcp.json"), std::fs::Permissions::from_mode(0o640)).unwrap();
    home.install(&[Client::Cursor], false).0.unwrap();
    assert!(home.path(".cursor/mcp.json").is_symlink());
    for entry in std::fs::read_dir(home.path("dotfiles")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(std::fs::read_dir(home.path("dotfiles")).unwrap().count(), 2, "the file and its backup");
}

#[test]
fn without_a_gimp_clients_are_registered_and_the_error_says_so() {
    let home = home(Os::Windows);
    let error = home.install_with(&[Client::Cursor], false, &[]).0.unwrap_err();
    assert_eq!(error.kind, Kind::NoGimp);
    assert!(home.read(".cursor/mcp.json").contains("gimp-bridge"));
}

#[test]
fn a_flatpak_that_was_locked_up_is_told_what_it_lacks() {
    let state = Path::new("/home/me/.local/state/gimp-bridge");
    let usual = "[Context]\nshared=network;ipc;\nfilesystems=xdg-config/GIMP;/tmp;host;\n";
    assert_eq!(flatpak_lacks(usual, state), Vec::<String>::new());
    let locked = "[Context]\nshared=ipc;\nfilesystems=xdg-pictures;\n";
    assert_eq!(
        flatpak_lacks(locked, state),
        ["--share=network", "--filesystem=/home/me/.local/state/gimp-bridge:create"]
    );
    let opened = "[Context]\nshared=network;\nfilesystems=/home/me/.local/state/gimp-bridge:create;\n";
    assert_eq!(flatpak_lacks(opened, state), Vec::<String>::new());
}

fn entry() -> Map<String, Value> {
    Client::Cursor.entry(Path::new("/opt/gimp-bridge"))
}

/// Files as they are found: the text before, and exactly what an installation makes of it.
const EDITS: &[(&str, &str)] = &[
    (
        "",
        "{\n  \"mcpServers\": {\n    \"gimp-bridge\": {\n      \"command\": \"/opt/gimp-bridge\",\n      \"args\": [\"stdio\"]\n    }\n  }\n}\n",
    ),
    (
        "{}",
        "{\n  \"mcpServers\": {\n    \"gimp-bridge\": {\n      \"command\": \"/opt/gimp-bridge\",\n      \"args\": [\"stdio\"]\n    }\n  }\n}",
    ),
    (
        "{\"a\":1,\"mcpServers\":{\"b\":{}}}",
        "{\"a\":1,\"mcpServers\":{\"b\":{}, \"gimp-bridge\": {\"command\": \"/opt/gimp-bridge\", \"args\": [\"stdio\"]}}}",
    ),
    (
        "{\"mcpServers\":{}}",
        "{\"mcpServers\":{\"gimp-bridge\": {\"command\": \"/opt/gimp-bridge\", \"args\": [\"stdio\"]}}}",
    ),
    (
        "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"b\": {}\r\n\t}\r\n}\r\n",
        "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"b\": {},\r\n\t\t\"gimp-bridge\": {\r\n\t\t\t\"command\": \"/opt/gimp-bridge\",\r\n\t\t\t\"args\": [\"stdio\"]\r\n\t\t}\r\n\t}\r\n}\r\n",
    ),
    (
        "{\n   \"mcpServers\": {\n      \"b\": {}, // theirs\n      /* end */\n   },\n}",
        "{\n   \"mcpServers\": {\n      \"b\": {}, // theirs\n      \"gimp-bridge\": {\n         \"command\": \"/opt/gimp-bridge\",\n         \"args\": [\"stdio\"]\n      },\n      /* end */\n   },\n}",
    ),
    (
        "{\n  \"mcpServers\": {\n    \"b\": {} // no comma\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    \"b\": {}, // no comma\n    \"gimp-bridge\": {\n      \"command\": \"/opt/gimp-bridge\",\n      \"args\": [\"stdio\"]\n    }\n  }\n}\n",
    ),
    (
        "{\n  \"mcpServers\": {\n    // none yet\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    // none yet\n    \"gimp-bridge\": {\n      \"command\": \"/opt/gimp-bridge\",\n      \"args\": [\"stdio\"]\n    }\n  }\n}\n",
    ),
];

#[test]
fn edits_are_exact_and_removing_gives_the_bytes_back() {
    for (before, after) in EDITS {
        let edited = json_edit::set(before, "mcpServers", "gimp-bridge", &entry()).unwrap();
        assert_eq!(edited, *after);
        assert_eq!(json_edit::set(&edited, "mcpServers", "gimp-bridge", &entry()).unwrap(), edited, "not idempotent");
        let made_table = !json_edit::has_table(before, "mcpServers").unwrap();
        let removed = json_edit::remove(&edited, "mcpServers", "gimp-bridge", made_table).unwrap();
        assert_eq!(removed, if before.is_empty() { "{}\n" } else { before });
    }
}

#[test]
fn an_entry_is_removed_from_any_place() {
    let ours = "\"gimp-bridge\": {\"command\": \"x\"}";
    for (text, left) in [
        (format!("{{\"s\": {{{ours}, \"b\": 1}}}}"), "{\"s\": { \"b\": 1}}"),
        (format!("{{\"s\": {{\n  {ours},\n  \"b\": 1\n}}}}"), "{\"s\": {\n  \"b\": 1\n}}"),
        (format!("{{\"s\": {{\n  \"a\": 1,\n  {ours},\n  \"b\": 1\n}}}}"), "{\"s\": {\n  \"a\": 1,\n  \"b\": 1\n}}"),
        (format!("{{\"s\": {{\n  \"a\": 1, // a\n  {ours}}}}}"), "{\"s\": {\n  \"a\": 1 // a\n}}"),
        (format!("{{\"s\": {{\n  // keep\n  {ours}, // and this\n}}}}"), "{\"s\": {\n  // keep\n // and this\n}}"),
        (format!("{{\"s\": {{\"a\": 1 /* , */, {ours}}}}}"), "{\"s\": {\"a\": 1 /* , */}}"),
    ] {
        assert_eq!(json_edit::remove(&text, "s", "gimp-bridge", false).unwrap(), left, "{text}");
    }
}

/// Comments, commas, line ends and repeated edits in every combination keep all other bytes.
#[test]
fn no_combination_of_styles_loses_a_byte() {
    let mut count = 0;
    for newline in ["\n", "\r\n", " "] {
        for members in ["", "\"a\": {\"command\": \"x\"}", "\"a\": [1, {\"é\": \"}\"}],~\"b\": \"//\""] {
            for comma in ["", ","] {
                for comment in ["", " /* { , */", " // \"x\": {"] {
                    if (members.is_empty() && !comma.is_empty()) || (newline == " " && comment.contains("//")) {
                        continue;
                    }
                    let members = members.replace('~', newline);
                    let text = format!(
                        "{{{newline}\"x\": 1,{newline}\"mcpServers\": {{{newline}{members}{comma}{comment}{newline}}}{newline}}}"
                    );
                    let edited = json_edit::set(&text, "mcpServers", "gimp-bridge", &entry()).unwrap();
                    let mut rest = edited.chars();
                    let lost: String = text.chars().filter(|c| !rest.any(|other| other == *c)).collect();
                    let bare_space_object = members.is_empty() && comment.is_empty();
                    assert!(lost.is_empty() || bare_space_object, "lost `{lost}` of {text:?} in {edited:?}");
                    let removed = json_edit::remove(&edited, "mcpServers", "gimp-bridge", false).unwrap();
                    if !bare_space_object && (newline != " " || !members.is_empty()) {
                        assert_eq!(removed, text);
                    }
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 40);
}
