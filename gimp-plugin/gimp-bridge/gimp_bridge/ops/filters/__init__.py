"""The operations of protocol/ops/filters.json."""
