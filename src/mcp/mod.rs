//! The catalogue as MCP: tools, resources, prompts. Alone names rmcp.
