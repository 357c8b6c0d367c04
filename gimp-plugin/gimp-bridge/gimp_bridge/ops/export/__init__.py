"""The operations of protocol/ops/export.json."""
