"""The operations of protocol/ops/color.json."""
