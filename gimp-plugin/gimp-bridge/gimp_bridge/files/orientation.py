"""The EXIF orientation of a picture: what its metadata says, the turn that makes it upright, and the tag after it."""

import re

from gi.repository import Gimp

# EXIF's value -> (quarter turns clockwise, the flip after them, in words)
TURNS = {
    2: (0, "HORIZONTAL", "flipped left to right"),
    3: (2, None, "rotated by 180 degrees"),
    4: (0, "VERTICAL", "flipped top to bottom"),
    5: (1, "HORIZONTAL", "rotated by 90 degrees clockwise and flipped left to right"),
    6: (1, None, "rotated by 90 degrees clockwise"),
    7: (1, "VERTICAL", "rotated by 90 degrees clockwise and flipped top to bottom"),
    8: (3, None, "rotated by 90 degrees counterclockwise"),
}
_TAG = re.compile(r'(<tag name="(?:Exif\.Image|Xmp\.tiff)\.Orientation"[^>]*>)\s*([^<]*?)\s*(</tag>)')


def stored(image):
    """The orientation in the image's metadata, 2 to 8, or None where it is upright or not said. EXIF comes before XMP."""
    metadata = image.get_metadata()
    found = sorted(_TAG.findall((metadata.serialize() or "") if metadata is not None else ""))
    value = found[0][1] if found else ""
    return int(value) if value.isdigit() and int(value) in TURNS else None


def apply(image, value):
    """Turns the whole image as `value` asks, exactly, and resets the tag."""
    quarters, flip, _ = TURNS[value]
    kinds = Gimp.RotationType
    if quarters:
        image.rotate((None, kinds.DEGREES90, kinds.DEGREES180, kinds.DEGREES270)[quarters])
    if flip:
        image.flip(getattr(Gimp.OrientationType, flip))
    reset(image)


def reset(image):
    """Says "upright" in the metadata, if it says anything else: for after the picture itself has been turned."""
    metadata = image.get_metadata()
    xml = (metadata.serialize() or "") if metadata is not None else ""
    upright = _TAG.sub(r"\g<1>1\3", xml)
    if upright != xml and stored(image) is not None:
        image.set_metadata(Gimp.Metadata.deserialize(upright))
