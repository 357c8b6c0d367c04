"""Files that a picture file refers to, or would run, found in its content whatever its name says. Never imports Gimp.

Only where a policy binds. What a file refers to is held to the same rule as the file; a kind that runs code or another
program is refused, and so is what cannot be read well enough to tell.
"""

import bz2
import contextlib
import gzip
import lzma
import mmap
import os
import re
import tempfile
import urllib.parse
import zipfile

from gimp_bridge.core.errors import OperationError
from gimp_bridge.formats import table as formats
from gimp_bridge.policy import references_svg, references_xcf

MAX_DEPTH = 4  # links to links, packed in packed files
MAX_UNPACKED = 1 << 30  # bytes of a packed file
MAX_MEMBERS = 4096  # of an archive

_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open, b"]\0\0": lzma.open}
_PACKED_ENDINGS = ("gz", "bz2", "xz")
_PACKED_XCF = ("xcfgz", "xcfbz2", "xcfxz", "svgz")
# Endings beside those of formats.FORMATS whose loaders read one file and start nothing
_OTHER_PICTURES = frozenset(
    """
ani apng cel data dcx fli flc g3 gbr gih gpb hgt hrz jfif jif otb paa pix matte mask als pnt psp psppalette pspimage pvr
raw tim tub vda wbmp wmf xmc cursor
""".split()
)
_REFUSED = {"ps": "a PostScript file is a program", "eps": "a PostScript file is a program"}


class Forbidden(OperationError):
    """A file that a policy keeps closed for what is in it."""

    def __init__(self, shown, what, hint="save it as a picture of another format, without references"):
        super().__init__("forbidden", f"`{shown}` is not opened under the policy of this GIMP: {what}", hint)


def check(path, name, shown, follow, depth=0, base=""):
    """Raises where the file `path` is not safe to open under the name `name` (None for bytes that came without one).

    `follow(path, depth)` checks a file that it refers to. Relative references count from the file's folder; with `base`
    None there is none that means anything, and they are refused. `shown` is for messages.
    """
    if depth > MAX_DEPTH:
        raise Forbidden(shown, f"files are packed in it or linked from it more than {MAX_DEPTH} deep")
    ending = _ending(name, shown)
    with open(path, "rb") as file:
        head = file.read(formats.HEAD_BYTES)
    for magic, unpack in _PACKED.items():
        if head.startswith(magic):
            with _unpacked(path, unpack, shown) as inner:
                check(inner, _inner_name(name), shown, follow, depth + 1, base=None)
            return
    if head.startswith(b"PK") or ending == "ora":
        if ending != "ora":
            raise Forbidden(shown, "it is an archive", "unpack it first")
        _check_archive(path, name, shown, follow, depth)
        return
    found = formats.sniff(head)
    if ending in _REFUSED or head.startswith((b"%!", b"\xc5\xd0\xd3\xc6")):
        raise Forbidden(shown, _REFUSED["ps"])
    if b"[Desktop Entry]" in head and (found is None or ending == "desktop"):
        raise Forbidden(shown, "it is a link to another file", "name that file itself")
    base = os.path.dirname(path) if base == "" else None
    if head.startswith(b"gimp xcf"):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            references_xcf.check(data, shown, lambda text: _refer(text, base, shown, follow, depth))
    elif ending == "svg" or references_svg.looks_like(head):
        references_svg.check(path, shown, lambda text: _refer(text, base, shown, follow, depth))


def _ending(name, shown):
    """The ending that GIMP goes by, without those of packers; an unknown one is refused."""
    if name is None:
        return ""
    stem = os.path.basename(name).lower()
    while True:
        stem, ending = os.path.splitext(stem)
        ending = ending[1:]
        if ending not in _PACKED_ENDINGS:
            break
    known = ending in formats.ENDINGS or ending in _OTHER_PICTURES or ending in _PACKED_XCF
    if ending and not known:
        raise Forbidden(
            shown, f"`.{ending[:20]}` is no ending of a picture that is one file", "give it the ending of its format"
        )
    if ending in ("fit", "fits") and any(letter in os.path.basename(name) for letter in "[]()|"):
        raise Forbidden(shown, "its name has brackets, which mean something to the reader of FITS", "rename it")
    return ending


def _inner_name(name):
    """The name that a packed file has inside: GIMP takes the ending of the packer off."""
    if name is None:
        return None
    stem, ending = os.path.splitext(name)
    return stem if ending[1:].lower() in _PACKED_ENDINGS else name


@contextlib.contextmanager
def _unpacked(path, unpack, shown):
    """The unpacked content as a file, bounded."""
    with tempfile.TemporaryDirectory(prefix="gimp-bridge-") as folder:
        inner = os.path.join(folder, "inner")
        try:
            with unpack(path, "rb") as source, open(inner, "wb") as target:
                _copy(source, target, shown)
        except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
            if isinstance(error, OperationError):
                raise
            raise Forbidden(shown, f"what is packed in it cannot be read: {error}", "pack it again") from error
        yield inner


def _copy(source, target, shown):
    left = MAX_UNPACKED
    while piece := source.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise Forbidden(shown, f"it unpacks to more than {MAX_UNPACKED >> 20} MiB", "unpack it first")
        target.write(piece)


def _check_archive(path, name, shown, follow, depth):
    """Every member of an OpenRaster file: GIMP loads its layers by their content, whatever their names say."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED:
                raise Forbidden(shown, f"it holds more than {MAX_MEMBERS} files or {MAX_UNPACKED >> 20} MiB")
            for member in members:
                if member.filename in ("mimetype", "stack.xml"):
                    continue  # they name other members only
                with archive.open(member) as source:
                    if _harmless(source.read(formats.HEAD_BYTES), member.filename):
                        continue
                with _unpacked(path, lambda *_: archive.open(member), shown) as inner:  # noqa: B023
                    check(inner, None, shown, follow, depth + 1)
                _ending(member.filename, shown)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, OperationError):
            raise
        raise Forbidden(shown, f"the archive cannot be read: {error}") from error


def _harmless(head, member):
    """A picture that is told by its first bytes and refers to nothing, under a name that says so."""
    found = formats.sniff(head)
    ending = os.path.splitext(member)[1][1:].lower()
    return found is not None and found.format in ("png", "jpeg", "webp", "gif", "bmp", "tiff") and ending in formats.ENDINGS


def _refer(text, base, shown, follow, depth):
    """Checks one reference: a path, or a URI."""
    text = text.strip()
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if scheme and scheme.group(1).lower() != "file":
        raise Forbidden(shown, f"it refers to `{text[:200]}`, which is no file on this machine")
    bare = re.sub(r"^file:(//[^/]*)?", "", text, flags=re.IGNORECASE) if scheme else text
    candidates = {bare, bare.partition("#")[0].partition("?")[0]}
    candidates |= {urllib.parse.unquote(each) for each in candidates}
    for each in sorted(candidates - {""}):
        if not os.path.isabs(each):
            if base is None:
                raise Forbidden(shown, f"it refers to the file `{each[:200]}`")
            each = os.path.join(base, each)
        try:
            follow(each, depth + 1)
        except OperationError as error:
            if error.kind == "not_found":
                continue  # inside of what is allowed, and not there: GIMP shows nothing for it
            raise Forbidden(shown, f"it refers to `{text[:200]}`: {error.message}") from error

