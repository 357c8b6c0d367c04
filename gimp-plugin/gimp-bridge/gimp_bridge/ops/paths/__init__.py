"""The operations of protocol/ops/paths.json."""
