//! The catalogue as MCP: tools, resources, prompts. Alone names rmcp.
pub mod blob;
