"""Places and lengths as clients give them, to image pixels. Never imports Gimp."""

from gimp_bridge.core.errors import OperationError

MAP_KEYS = ("offset_x", "offset_y", "scale_x", "scale_y")


class Places:
    """How one call's places map to the image: `x = left + x * scale_x`.

    `units` is "pixels", "layer" (from `origin`, the layer's corner in the image) or "relative" (0 to 1 of `size`, the
    image's); lengths without a place are pixels with all three. `scale_map` is a picture's, as an answer gave it:
    places and lengths are then that picture's pixels.
    """

    def __init__(self, size, units="pixels", scale_map=None, origin=(0, 0)):
        self.size, self.units = size, units
        self.left = self.top = 0.0
        self.scale_x = self.scale_y = self.scale = 1.0
        if scale_map is not None:
            if units != "pixels":
                raise OperationError(
                    "invalid_argument",
                    f"`units` is \"{units}\", but `from_preview` says what places count in",
                    "give one of them",
                )
            self.left, self.top, self.scale_x, self.scale_y = _read(scale_map)
            self.scale = min(self.scale_x, self.scale_y)
        elif units == "layer":
            self.left, self.top = origin
        elif units == "relative":
            self.scale_x, self.scale_y = size

    def point(self, x, y):
        """(x, y) in image pixels."""
        return self.left + x * self.scale_x, self.top + y * self.scale_y

    def points(self, pairs):
        """[(x, y), …] in image pixels."""
        return [self.point(x, y) for x, y in pairs]

    def box(self, x, y, width, height):
        """(x, y, width, height) in image pixels, as numbers that need not be whole."""
        return (*self.point(x, y), width * self.scale_x, height * self.scale_y)

    def pixel_box(self, x, y, width, height):
        """The box on whole pixels: each edge goes to the nearest, and no side is under one pixel."""
        x, y, width, height = self.box(x, y, width, height)
        left, top = round(x), round(y)
        return left, top, max(round(x + width) - left, 1), max(round(y + height) - top, 1)

    def length(self, value):
        """A length without a place (a radius, a brush's or type's size) in image pixels."""
        return value * self.scale


def _read(scale_map):
    values = [scale_map.get(key, 0 if key.startswith("offset") else None) for key in MAP_KEYS]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values) or min(values[2:]) <= 0:
        raise OperationError(
            "invalid_argument",
            f"`from_preview` is no scale map: {str(scale_map)[:100]}",
            f"pass on the `scale_map` of the picture's answer: {', '.join(MAP_KEYS)}",
        )
    return values
