"""What of an image's EXIF, XMP, IPTC, comment and texts goes into a file: all, none, or all but the place.

GIMP writes the tags; this decides which, and puts in what GIMP leaves out. What shows the picture as it was before (a
thumbnail, a second picture inside XMP) never goes: it may show what was taken out since.
"""

import re

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.files import metadata_xml, origin
from gimp_bridge.files.shaping import title
from gimp_bridge.formats import file_text

POLICIES = ("keep", "none", "no-location")
COMMENT = "gimp-comment"
_OWN_COMMENT = ("jpeg", "png", "tiff")  # GIMP's option would put the comment in place of the EXIF description
SHOWN = 5  # names in a sentence
_NOT_TAKEN = "did not come along, as GIMP does not write that"
_GIMPS_OWN_RESOLUTION = 72.0
_GROUPS = ("exif", "iptc", "xmp")
_PREVIEWS = re.compile(r"Exif\.(Thumbnail|SubImage\d*)\.|Xmp\.xmp\.Thumbnails|Xmp\.(GImage|GDepth|GAudio|GContainer|Container|Item)\.|Xmp\.xmpNote\.")
# How a TIFF's bytes lie, and blocks that are read apart: true of the file that was, not of the one that comes
_STRUCTURE = re.compile(
    r"Exif\.Image\d+\.|Exif\.Image\.(Compression|PhotometricInterpretation|(Strip|Tile)\w+|RowsPerStrip|SamplesPerPixel"
    r"|PlanarConfiguration|SampleFormat|ExtraSamples|Predictor|(New)?SubfileType|FillOrder|ColorMap|Page(Name|Number)"
    r"|XMLPacket|IPTCNAA|ImageResources|InterColorProfile|JPEG\w+|YCbCr\w+|SubIFDs)$"
)
# A tag's name that speaks of a place, in any of the three groups
_PLACE = re.compile(r"gps|geo|location|latitude|longitude|altitude|city|countr|state(?!ment)|province|region(?!s)|coverage", re.IGNORECASE)
# Without a place only what is known can stay: another program's namespace, or a camera's notes, may hold one
_KNOWN = re.compile(
    r"Exif\.(Image|Photo|Iop)\.(?!MakerNote|XMLPacket|IPTCNAA|ImageResources|PrintImageMatching|DNGPrivateData)"
    r"|Iptc\.(Envelope|Application2)\."
    r"|Xmp\.(dc|xmp|xmpRights|xmpMM|xmpDM|photoshop|tiff|exif|exifEX|aux|iptc|iptcExt|plus|lr|cc|crs|pdf|GIMP)\."
)
# PNG's registered keywords, and the tag that other formats have for each
_TEXT_TAGS = {
    "Title": ("Xmp.dc.title", 'lang="x-default" {}'),
    "Author": ("Exif.Image.Artist", "{}"),
    "Description": ("Exif.Image.ImageDescription", "{}"),
    "Copyright": ("Exif.Image.Copyright", "{}"),
    "Software": ("Exif.Image.Software", "{}"),
    "Source": ("Exif.Image.Model", "{}"),
}
# Written by programs for themselves: no loss where a format has no place for it
_NOT_MISSED = ("date:create", "date:modify", "date:timestamp", "software")


class Kept:
    """For a file of format `name` that shows `source`: `values` are options of GIMP's exporter.

    `dress` prepares the image that GIMP writes, `finish` adds to the file; `said` tells what is left out.
    """

    def __init__(self, source, name, specs, policy="keep"):
        if policy not in POLICIES:
            raise OperationError(
                "invalid_argument", f"`metadata` is `{str(policy)[:50]}`", f"give one of {', '.join(POLICIES)}"
            )
        self._source, self.name, self.policy = source, name, policy
        self.said, self.values = [], {}
        specs = {spec.name if hasattr(spec, "name") else spec for spec in specs}
        metadata = source.get_metadata() if policy != "none" else None
        self._xml = metadata.serialize() if metadata is not None else ""
        tags = metadata_xml.parse(self._xml)
        self._dropped = [tag for tag in tags if self._is_left_out(tag)]
        self._tags = {tag: values for tag, values in tags.items() if tag not in self._dropped}
        self._added = {}
        self._texts = self._given_texts()
        self._comment = self._own_comment()
        if name != "png":
            self._texts_as_tags(specs)
        self._choose(specs)

    def take(self, options):
        """Takes the option about the comment out of the caller's, where the comment is written here."""
        if self.name in _OWN_COMMENT and not options.pop("include-comment", True):
            self._comment = None

    def dress(self, copy):
        """Gives the copy that GIMP writes the tags that may go, and no more."""
        for parasite in copy.get_parasite_list() or ():
            if (parasite == COMMENT and not (self.name == "gif" and self._comment)) or (parasite.startswith("psd-image-resource") and self.policy != "keep"):
                copy.detach_parasite(parasite)
        if not self._tags and not self._added:
            xml = metadata_xml.build({})
        else:
            xml = metadata_xml.change(self._xml, self._dropped, self._added)
            present = copy.get_metadata()
            if present is not None and present.serialize() == xml:
                return
        made = Gimp.Metadata.deserialize(xml)
        if made is not None:
            copy.set_metadata(made)

    def finish(self, path):
        """Adds to the written file what GIMP has no way for."""
        if self.name == "png":
            texts = [*self._texts, *([["Comment", self._comment]] if self._comment else [])]
            if texts:
                file_text.add_png(path, texts)
        elif self.name == "jpeg" and self._comment:
            file_text.add_jpeg_comment(path, self._comment)
        self._compare(path)

    def _compare(self, path):
        """Says which tags are not in the written file, whatever GIMP made of them."""
        wanted = [
            tag
            for tag in (*self._tags, *self._added)
            if self.values.get(f"include-{_group(tag)}") and tag not in metadata_xml.DERIVED and not _is_noise(tag)
        ]
        if not wanted or (self.name == "webp" and all(tag.startswith("Iptc") for tag in wanted)):
            return
        try:
            written = Gimp.Metadata.load_from_file(Gio.File.new_for_path(path))
        except GLib.Error:  # a format whose metadata GIMP writes, but reads by its loader only
            return
        present = metadata_xml.parse(written.serialize()) if written is not None else {}
        dates = [tags.get("Exif.Image.DateTime", [""])[0] for tags in (present, self._tags)]
        if all(dates) and dates[0] != dates[1]:
            file_text.replace_date(path, *dates)  # GIMP writes the time of saving, and some photos have no other date
        lost = [tag for tag in wanted if tag not in present and not (self.name == "webp" and tag.startswith("Iptc"))]
        self.said = [text for text in self.said if not text.endswith(_NOT_TAKEN)]  # of an earlier trial
        if present and lost:
            names = ", ".join(f"`{tag}`" for tag in lost[:SHOWN])
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            self.said.append(f"{names}{more} {_NOT_TAKEN}")

    def _is_left_out(self, tag):
        if _PREVIEWS.match(tag) or _STRUCTURE.match(tag):
            return True
        return self.policy == "no-location" and (_PLACE.search(tag) is not None or not _KNOWN.match(tag))

    def _given_texts(self):
        if self.policy == "none":
            return []
        return [
            [key, text]
            for key, text in origin.of(self._source).get("texts", ())
            if key != "Comment" and (self.policy == "keep" or not _PLACE.search(key))
        ]

    def _own_comment(self):
        """The file's comment, unless it is the EXIF description or comment that GIMP shows as one."""
        parasite = self._source.get_parasite(COMMENT) if self.policy != "none" else None
        if parasite is None:
            return None
        text = metadata_xml.comment_text(parasite.get_data())
        same = [
            value.partition(" ")[2] if value.startswith("charset=") else value
            for tag in ("Exif.Image.ImageDescription", "Exif.Photo.UserComment")
            for value in self._tags.get(tag, ())
        ]
        if text.strip() not in ("", *(value.strip() for value in same)):
            return text
        # GIMP shows the EXIF text in its place
        return next((text for key, text in origin.of(self._source).get("texts", ()) if key == "Comment"), None)

    def _texts_as_tags(self, specs):
        """Puts texts where other formats have a tag for them; says which have none."""
        left = []
        for key, text in self._texts:
            tag, form = _TEXT_TAGS.get(key, (None, None))
            group = metadata_xml.group(tag) if tag else None
            if tag in self._tags:
                continue
            if tag and f"include-{group}" in specs:
                self._added[tag] = [form.format(text)]
            elif key.lower() not in _NOT_MISSED:
                left.append(f"`{key}`")
        if self._comment and self.name not in ("jpeg", "gif"):
            where = next((tag for tag in ("Exif.Photo.UserComment", "Exif.Image.ImageDescription")
                          if tag not in self._tags and tag not in self._added), None)  # fmt: skip
            if where and "include-exif" in specs:
                self._added[where] = [self._comment]
            else:
                left.append("the comment")
        if left:
            names = ", ".join(left[:SHOWN]) + (f" and {len(left) - SHOWN} more" if len(left) > SHOWN else "")
            self.said.append(f"{title(self.name)} has no place for the text {names}")

    def _choose(self, specs):
        """Which groups the file gets; GIMP's own derived tags are no reason for one."""
        present = {
            group: any(_group(tag) == group and tag not in metadata_xml.DERIVED and not _is_noise(tag)
                       for tag in (*self._tags, *self._added))
            for group in _GROUPS
        }  # fmt: skip
        missing = [group.upper() for group in _GROUPS if present[group] and f"include-{group}" not in specs]
        if missing:
            self.said.append(f"{' and '.join(missing)} metadata is left out: {title(self.name)} holds none of it")
        if self.name == "webp" and present["iptc"]:
            self.said.append("IPTC metadata is left out: WebP holds none of it")
        resolution = self._source.get_resolution()[1:]
        if self.name == "webp" and any(abs(value - _GIMPS_OWN_RESOLUTION) > 0.5 for value in resolution):
            present["exif"] = True  # the only place for it
        for group in _GROUPS:
            if f"include-{group}" in specs:
                self.values[f"include-{group}"] = present[group]
        if "include-comment" in specs:
            self.values["include-comment"] = self.name not in _OWN_COMMENT and self._comment is not None
        if self.policy == "none" and "time" in specs:
            self.values["time"] = False


def _group(tag):
    group = metadata_xml.group(tag)
    return tag.partition(".")[0].lower() if group == "gps" else group


def _is_noise(tag):
    """Offsets and what GIMP notes for itself."""
    return tag in ("Exif.Image.ExifTag", "Exif.Image.GPSTag", "Exif.Image.Orientation", "Iptc.Application2.RecordVersion") or (
        tag.startswith(("Xmp.GIMP.", "Xmp.xmpMM.", "Xmp.tiff.Orientation"))
    )
