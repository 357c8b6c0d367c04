//! One struct; defaults < `gimp-bridge.toml` < `.env` < environment < flags.
