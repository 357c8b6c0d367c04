//! The HTTP listener: health, Host and Origin checks; mounts `/mcp`.
