"""What an SVG refers to outside of itself: pictures, style sheets, included text, entities. Never imports Gimp."""

import codecs
import re
from xml.parsers import expat

from gimp_bridge.core.errors import OperationError

MAX_BYTES = 64 << 20
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ENCODINGS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "utf-16")
_URL = re.compile(r"url\(\s*(.*?)\s*\)", re.IGNORECASE | re.DOTALL)
_PICTURE_DATA = re.compile(r"data:image/(png|jpe?g|gif|webp)[;,]", re.IGNORECASE)
_INCLUDE = "http://www.w3.org/2001/XInclude"
_XML = "http://www.w3.org/XML/1998/namespace"


def looks_like(head):
    """Whether this is XML, in any encoding that an XML reader takes without being told."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<")):
        return True
    for bom in _BOMS:
        head = head.removeprefix(bom)
    return head.lstrip().startswith(b"<") or b"<svg" in head[:4096] and b"\0" not in head[:4096]


def check(path, shown, refer):
    """`refer(text)` checks a reference. What is no well-formed XML without declarations of its own is refused."""

    def forbid(what):
        raise OperationError(
            "forbidden", f"`{shown}` is not opened under the policy of this GIMP: {what}", "save it as plain SVG"
        )

    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        forbid(f"an SVG of more than {MAX_BYTES >> 20} MiB is not searched for references")
    reader = _Reader(forbid, refer)
    try:
        reader.parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, OperationError):
            raise
        forbid(f"it is no well-formed XML ({error})")
    reader.finish()


class _Reader:
    """Looks at every element, attribute and style."""

    def __init__(self, forbid, refer):
        self._forbid, self._refer = forbid, refer
        self._style = None  # the text of the style element that is open
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = lambda *_: forbid("it declares entities")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        parser.XmlDeclHandler = self._declaration

    def finish(self):
        if self._style is not None:
            self._css("".join(self._style))

    def _doctype(self, _name, _system, _public, internal):
        if internal:
            self._forbid("its DOCTYPE declares something")

    def _declaration(self, _version, encoding, _standalone):
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            self._forbid(f"its encoding is `{encoding[:40]}`")

    def _instruction(self, target, _data):
        if target.lower().startswith("xml-"):
            self._forbid(f"it has an instruction `{target[:40]}`, which names another file")

    def _start(self, element, attributes):
        space, _, name = element.rpartition(" ")
        if space == _INCLUDE or name == "include":
            self._forbid("it includes another file")
        if name == "style":
            self._style = []
        for attribute, value in attributes.items():
            attribute_space, _, local = attribute.rpartition(" ")
            if attribute_space == _XML and local == "base":
                self._forbid("it has `xml:base`")
            if local in ("href", "src") and name != "a":
                self._link(value)
            elif not attribute_space:
                self._css(value)

    def _end(self, element):
        if element.rpartition(" ")[2] == "style" and self._style is not None:
            self._css("".join(self._style))
            self._style = None

    def _text(self, text):
        if self._style is not None:
            self._style.append(text)

    def _css(self, text):
        if "\\" in text and ("(" in text or "@" in text):
            self._forbid("a style has escaped letters")
        if "@import" in text.lower():
            self._forbid("a style imports another")
        for match in _URL.finditer(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
            self._link(match.group(1).strip("'\""))

    def _link(self, value):
        value = value.strip()
        if not value or value.startswith("#") or _PICTURE_DATA.match(value):
            return
        if value.lower().startswith("data:"):
            self._forbid("it holds data that is no plain picture")
        self._refer(value)
