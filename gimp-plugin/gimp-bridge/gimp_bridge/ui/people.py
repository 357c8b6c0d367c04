"""What a person in front of GIMP is told: sentences of protocol/sentences.json, never an error's own words.

An error's message and hint are for whoever calls: they name parameters, ids and commands. So all that goes wrong comes
by here on its way to a window. Never imports Gimp.
"""

import json
import os
import re
import sys
from typing import NamedTuple

from gimp_bridge.core.folders import PROTOCOL_DIR

with open(os.path.join(PROTOCOL_DIR, "sentences.json"), encoding="utf-8") as _file:
    SENTENCES = json.load(_file)

_COMMAND = re.compile(r" ?\([^()]*`[^()]*\)")  # what a note says for those who have a shell


class Told(NamedTuple):
    """`action` is a name of filter_mend's, and `button` its label; both or neither."""

    text: str
    advice: str | None = None
    button: str | None = None
    action: str | None = None

    def whole(self):
        return f"{self.text} {self.advice}" if self.advice else self.text


def told(error, title, layer):
    """An OperationError as sentences; `title` is the filter's, `layer` a layer's name. The rest goes to the log."""
    print(f"gimp-bridge: {title}: {error.kind}: {error.message}", file=sys.stderr, flush=True)
    reasons = SENTENCES["reasons"]
    row = reasons.get(error.details.get("reason")) or SENTENCES["kinds"][error.kind]
    names = {"filter": title, "layer": layer, "other": error.details.get("other", "")}
    filled = {key: value.format_map(names) if key in ("text", "advice") else value for key, value in row.items()}
    return Told(**filled)


def note(text):
    """A filter's note as a sentence, without what is for a shell."""
    text = _COMMAND.sub("", text).replace("`", "").strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def doing(message):
    """What a filter is at, for its progress bar."""
    text = (message or "").replace("`", "")
    return text[:1].upper() + text[1:]
