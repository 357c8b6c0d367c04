//! gimp-bridge: the way AI works inside GIMP 3.
//!
//! The rooms, in reading order, and what each may touch (`tests/rooms.rs` reads this table):
//!
//! | room | owns | may use |
//! |---|---|---|
//! | [`error`] | the one edge error: kind, message, hint | nothing |
//! | [`config`] | one struct; defaults < file < `.env` < environment < flags | error |
//! | [`metrics`] | what the daemon counts, for `/metrics` | nothing |
//! | [`images`] | encode and decode with limits, formats, scale maps | error |
//! | [`upstream`] | HTTP to model servers: pool, retries, circuit breaker; alone names reqwest | error, metrics |
//! | [`filters`] | AI filters: manifests, ONNX sessions, tiles, native filters; alone names ort | upstream, images, error, config |
//! | [`storage`] | generated images in a folder or bucket until they expire; alone names object_store | upstream, error, config, metrics |
//! | [`generate`] | images from words: backends, queue, prompt rules | storage, upstream, images, error, config, metrics |
//! | [`gimp`] | frames, handshake, links to GIMP instances, launching GIMP; alone knows the frame codec | error, config, metrics |
//! | [`ops`] | the catalogue, parameter checks, routing, the daemon's own operations | gimp, filters, generate, storage, images, error, config, metrics |
//! | [`assistant`] | wishes in words to operations of the catalogue, embedded or by a model | ops, error, config |
//! | [`sessions`] | JSON-RPC sessions: one image each, on disk before each answer; uploads | ops, gimp, images, error, config, metrics |
//! | [`mcp`] | the catalogue as MCP tools, resources, prompts; alone names rmcp | ops, images, gimp, error, config |
//! | [`http`] | the listener, keys and limits, JSON-RPC, jobs, the gallery, health, metrics; mounts `/mcp` | mcp, sessions, assistant, ops, gimp, generate, storage, filters, images, error, config, metrics |
//! | [`daemon`] | builds the rooms, owns shutdown | all above |
//! | [`cli`] | one file per subcommand | all above |
//!
//! To add an operation: an entry in `protocol/ops/*.json`, a Python function in the module of the same name in
//! `gimp-plugin/gimp-bridge/gimp_bridge/ops/` (or, for `runs: daemon`, an arm in `ops::local`), a test in `tests/gimp/`.
//! The plug-in's folders, and what each may import, are in the texts of their `__init__.py`.
//!
//! To add an AI filter: a folder `filters/NAME` with a manifest (docs/filter-manifest.md) and an ONNX file; or, without a
//! model, a file and a line in `filters::native`.
//!
//! To add a backend that generates images: a file and a line in `generate`, a stand-in in `tests/generate/`.
//!
//! To add a setting: a row in `config/settings.rs` and the code that reads its field (docs/architecture.md).
//!
//! Invariants: stdout belongs to MCP in `stdio`; logs never hold image data or secrets; no request waits for
//! ever; no buffer grows without a bound; no telemetry, and nothing is downloaded that nobody asked for.

pub mod assistant;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod error;
pub mod filters;
pub mod generate;
pub mod gimp;
pub mod http;
pub mod images;
pub mod mcp;
pub mod metrics;
pub mod ops;
pub mod sessions;
pub mod storage;
pub mod upstream;
