"""The operations of protocol/ops/paint.json."""
