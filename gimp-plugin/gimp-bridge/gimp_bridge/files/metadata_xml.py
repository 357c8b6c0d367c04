"""EXIF, IPTC and XMP tags of a Gimp.Metadata, by way of GIMP's own XML form of them.

The tags' own getters belong to GExiv2, whose typelib is not on every machine; the XML is. Never imports Gimp.
"""

import re
from xml.sax.saxutils import escape, quoteattr, unescape

NAME = re.compile(r"(Exif|Iptc|Xmp)\.[A-Za-z0-9]+\.[A-Za-z0-9_/\[\]:?.-]+")
_TAG = re.compile(r'<tag name="([^"]*)">(.*?)</tag>', re.DOTALL)
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#39;": "'", "&#34;": '"'}
# GIMP writes these from the image itself
DERIVED = (
    "Exif.Image.BitsPerSample", "Exif.Image.ImageLength", "Exif.Image.ImageWidth", "Exif.Image.ResolutionUnit",
    "Exif.Image.XResolution", "Exif.Image.YResolution", "Exif.Photo.ColorSpace", "Exif.Photo.PixelXDimension",
    "Exif.Photo.PixelYDimension",
)  # fmt: skip


def parse(xml):
    """{name: [value, …]} in the document's order; a tag with several values is there several times."""
    found = {}
    for name, value in _TAG.findall(xml or ""):
        found.setdefault(unescape(name, _ENTITIES), []).append(unescape(value, _ENTITIES))
    return found


def build(tags):
    """The XML of {name: [value, …]}. GIMP knows the usual XMP namespaces by their prefix."""
    return "\n".join(["<?xml version='1.0' encoding='UTF-8'?>", "<metadata>", *_rows(tags), "</metadata>", ""])


def _rows(tags):
    return [f"  <tag name={quoteattr(name)}>{escape(value)}</tag>" for name, values in tags.items() for value in values]


def change(xml, dropped, added):
    """The XML without the tags `dropped`, with those of `added`. What stays, stays as it is, its namespaces too."""
    gone = set(dropped) | set(added)
    kept = _TAG.sub(lambda found: "" if unescape(found.group(1), _ENTITIES) in gone else found.group(0), xml)
    rows = _rows(added)
    if "</metadata>" not in kept:
        return build(added)
    return kept.replace("</metadata>", "\n".join([*rows, "</metadata>"]))


def comment_text(data):
    """The text of GIMP's comment parasite, which ends with a zero byte; PyGObject hands bytes out as signed numbers."""
    return bytes(byte & 255 for byte in data).split(b"\0")[0].decode("utf-8", "replace")


def group(name):
    """What `strip` calls a tag's group: "exif", "iptc", "xmp" or "gps"."""
    if name.startswith("Exif.GPSInfo.") or name.startswith("Xmp.exif.GPS") or name == "Exif.Image.GPSTag":
        return "gps"
    return name.partition(".")[0].lower()
