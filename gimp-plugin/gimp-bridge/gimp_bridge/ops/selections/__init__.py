"""The operations of protocol/ops/selections.json."""
