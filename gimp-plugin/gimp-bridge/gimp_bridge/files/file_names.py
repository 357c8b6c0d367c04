"""Names for written files: from patterns, each once, and such that every system takes them. Never imports Gimp."""

import re
import unicodedata

from gimp_bridge.core.errors import OperationError

MAX_NAME = 100  # characters without the ending


class Names:
    """File names from a pattern, each once."""

    def __init__(self, pattern, known):
        for key in re.findall(r"\{([^}]*)\}", pattern):
            if key not in known:
                raise OperationError(
                    "invalid_argument",
                    f"the pattern `{pattern[:100]}` has `{{{key}}}`",
                    f"it knows {', '.join(f'{{{name}}}' for name in known)}",
                )
        if "/" in pattern or "\\" in pattern:
            raise OperationError(
                "invalid_argument", f"the pattern `{pattern[:100]}` has a folder in it", "give the folder in `folder`"
            )
        self._pattern, self._taken = pattern, set()

    def next(self, ending, **values):
        text = re.sub(r"\{([^}]*)\}", lambda match: str(values[match.group(1)]), self._pattern)
        stem = file_name(text)
        name, number = f"{stem}.{ending}", 1
        while name.lower() in self._taken:  # some file systems take upper and lower case for the same
            number += 1
            name = f"{stem}-{number}.{ending}"
        self._taken.add(name.lower())
        return name


def file_name(text):
    """A text as part of a file's name on every system."""
    text = unicodedata.normalize("NFC", text)
    safe = "".join(letter if letter.isalnum() or letter in "-_.() #+" else "_" for letter in text)
    safe = safe.strip(" .")[:MAX_NAME].strip(" .")
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)", safe, re.IGNORECASE)
    return f"_{safe}" if reserved or not safe else safe
