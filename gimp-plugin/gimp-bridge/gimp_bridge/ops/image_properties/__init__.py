"""The operations of protocol/ops/image_properties.json."""
