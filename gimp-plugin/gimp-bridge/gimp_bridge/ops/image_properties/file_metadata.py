"""get_file_metadata and set_file_metadata: EXIF, IPTC and XMP tags, and the comment."""

import difflib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.files import metadata_xml, origin
from gimp_bridge.items import targets

COMMENT = "gimp-comment"
MAX_VALUE = 2_000  # characters of one value that are given
PAGE = 200
MAX_SET = 20_000  # characters of one value that is set
MAX_TAGS = 500  # that are set at once


@operation("get_file_metadata")
def get_file_metadata(call, groups=None, search=None, offset=0, limit=PAGE):
    tags = _tags(call.image)
    wanted = [
        name
        for name in sorted(tags)
        if (not groups or metadata_xml.group(name) in groups) and (not search or search.lower() in name.lower())
    ]
    page = wanted[offset : offset + limit]
    result = {
        "tags": {name: _shown(tags[name]) for name in page},
        "count": len(wanted),
        "comment": _comment(call.image),
        "texts": {key: text for key, text in origin.of(call.image).get("texts", ()) if key != "Comment"},
    }
    if offset + limit < len(wanted):
        result["next_offset"] = offset + limit
    return result


def _shown(values):
    cut = [
        value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]} [{len(value) - MAX_VALUE} cut]" for value in values
    ]
    return cut[0] if len(cut) == 1 else cut


def _tags(image):
    metadata = image.get_metadata()
    return metadata_xml.parse(metadata.serialize()) if metadata is not None else {}


def _comment(image):
    parasite = image.get_parasite(COMMENT)
    return metadata_xml.comment_text(parasite.get_data()) if parasite is not None else None


@operation("set_file_metadata")
def set_file_metadata(call, tags=None, remove=None, strip=None, comment=None):
    if tags is None and remove is None and strip is None and comment is None:
        raise OperationError(
            "invalid_argument", "nothing to set is given", "give `tags`, `remove`, `strip` or `comment`"
        )
    image = call.image
    before = _tags(image)
    wanted = {
        name: values
        for name, values in before.items()
        if not _stripped(name, strip or ()) or name in metadata_xml.DERIVED
    }
    for name in remove or ():
        if name not in before:
            near = difflib.get_close_matches(name, before, 1, 0.6)
            raise OperationError(
                "not_found",
                f"the image has no tag `{name}`",
                f"did you mean `{near[0]}`?" if near else "get_file_metadata lists the tags",
            )
        wanted.pop(name, None)
    if len(tags or ()) > MAX_TAGS:
        raise OperationError("too_large", f"{len(tags)} tags are given at once", f"give up to {MAX_TAGS}")
    given = {name: _values(name, value) for name, value in (tags or {}).items()}
    wanted.update(given)
    if wanted != before:
        _store(image, wanted, given)
    dropped_comment = "comment" in (strip or ()) or "all" in (strip or ())
    if comment or (comment == "" or dropped_comment) and image.get_parasite(COMMENT) is not None:
        image.detach_parasite(COMMENT)
        if comment:
            # PyGObject takes bytes as signed numbers
            data = [byte - 256 if byte > 127 else byte for byte in comment.encode() + b"\0"]
            image.attach_parasite(Gimp.Parasite.new(COMMENT, Gimp.PARASITE_PERSISTENT, data))
    texts = 0
    if dropped_comment or comment is not None:
        texts = origin.drop_texts(image, None if "all" in (strip or ()) else "Comment")
    after = _tags(image)
    left = [name for name in after if name in metadata_xml.DERIVED]
    if (strip or remove) and left:
        targets.add_note(call, "GIMP writes size and resolution tags from the image itself, so they stay")
    gone = sum(name not in after for name in before) + (texts if "all" in (strip or ()) else 0)
    return {
        "message": f"Set {len(given)} and removed {gone} metadata tags",
        "tags": {name: _shown(after[name]) for name in given},
        "removed": gone,
        "comment": _comment(image),
    }


def _stripped(name, strip):
    group = metadata_xml.group(name)
    # A picture's place is part of its EXIF data, too
    return "all" in strip or group in strip or (group == "gps" and name.partition(".")[0].lower() in strip)


def _values(name, value):
    if not metadata_xml.NAME.fullmatch(name):
        raise OperationError(
            "invalid_argument",
            f"`{name[:100]}` is no tag's name",
            "give it in full, such as Exif.Image.Artist, Iptc.Application2.Caption or Xmp.dc.title",
        )
    if name in metadata_xml.DERIVED:
        raise OperationError(
            "invalid_argument",
            f"GIMP writes `{name}` from the image itself",
            "change the image: set_image_resolution, resize_image, convert_image_precision",
        )
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in values):
        raise OperationError(
            "invalid_argument", f"the value of `{name}` is no text or number", "give one, or a list of them"
        )
    values = [str(item) for item in values]
    for item in values:
        if len(item) > MAX_SET:
            raise OperationError(
                "too_large", f"the value of `{name}` has {len(item)} characters", f"give up to {MAX_SET}"
            )
        if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in item):
            raise OperationError("invalid_argument", f"the value of `{name}` has control characters", "leave them out")
    return values


def _store(image, wanted, given):
    """Sets the tags and checks that GIMP took each of those given; it leaves out what it does not know, silently."""
    old = image.get_metadata()
    made = Gimp.Metadata.deserialize(metadata_xml.build(wanted))
    taken = metadata_xml.parse(made.serialize()) if made is not None else {}
    refused = [name for name in given if name not in taken]
    if refused:
        raise OperationError(
            "invalid_argument",
            f"GIMP does not take `{refused[0]}` with the value `{given[refused[0]][0][:100]}`",
            "check the tag's name (exiv2.org lists them) and the form of its value",
            tags=refused,
        )
    image.set_metadata(made)
    after = _tags(image)
    lost = [name for name in given if name not in after]
    if lost:
        if old is not None:
            image.set_metadata(old)
        raise OperationError("unsupported", f"GIMP did not keep `{lost[0]}`", "leave it out", tags=lost)
