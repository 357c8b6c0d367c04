//! The AI clients that the server can be registered with: where each keeps its file, and the entry it wants there.

use super::machine::{Machine, Os};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The name of our entry in every client's file.
pub const ENTRY: &str = "gimp-bridge";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    Vscode,
}

impl Client {
    pub const ALL: [Client; 4] = [Client::ClaudeDesktop, Client::ClaudeCode, Client::Cursor, Client::Vscode];

    pub fn title(self) -> &'static str {
        match self {
            Client::ClaudeDesktop => "Claude Desktop",
            Client::ClaudeCode => "Claude Code",
            Client::Cursor => "Cursor",
            Client::Vscode => "VS Code",
        }
    }

    /// The object in the file that holds the servers.
    pub fn table(self) -> &'static str {
        match self {
            Client::Vscode => "servers",
            _ => "mcpServers",
        }
    }

    /// The user's file of this client; `None` if the machine's variables do not tell.
    pub fn file(self, machine: &Machine) -> Option<PathBuf> {
        match self {
            Client::ClaudeDesktop => Some(machine.config_home()?.join("Claude").join("claude_desktop_config.json")),
            Client::Vscode => Some(machine.config_home()?.join("Code").join("User").join("mcp.json")),
            Client::ClaudeCode => Some(match machine.variable("CLAUDE_CONFIG_DIR") {
                Some(folder) => Path::new(folder).join(".claude.json"),
                None => machine.home()?.join(".claude.json"),
            }),
            Client::Cursor => Some(machine.home()?.join(".cursor").join("mcp.json")),
        }
    }

    /// What the client needs to start `gimp-bridge stdio`.
    pub fn entry(self, executable: &Path) -> Map<String, Value> {
        let mut entry = Map::new();
        if matches!(self, Client::ClaudeCode | Client::Vscode) {
            entry.insert("type".into(), json!("stdio"));
        }
        entry.insert("command".into(), json!(executable.to_string_lossy()));
        entry.insert("args".into(), json!(["stdio"]));
        entry
    }

    /// What the user does for the client to see the change.
    pub fn afterwards(self, os: Os) -> &'static str {
        match self {
            Client::ClaudeDesktop if os == Os::MacOs => "quit Claude with Cmd+Q and start it again",
            Client::ClaudeDesktop => "quit Claude, also from the tray, and start it again",
            Client::ClaudeCode => "start a new session; `/mcp` shows the server",
            Client::Cursor => "enable it under Settings > MCP if it is off",
            Client::Vscode => "run `MCP: List Servers` and start it",
        }
    }
}
