"""The operations of protocol/ops/layers.json."""
