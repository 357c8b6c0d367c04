"""The operations of protocol/ops/canvas.json."""
