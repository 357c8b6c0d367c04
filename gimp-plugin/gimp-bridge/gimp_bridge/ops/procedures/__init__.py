"""The operations of protocol/ops/procedures.json."""
