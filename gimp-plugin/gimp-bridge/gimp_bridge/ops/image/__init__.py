"""The operations of protocol/ops/image.json."""
