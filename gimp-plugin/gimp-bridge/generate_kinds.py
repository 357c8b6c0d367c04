"""The three entries of Filters > AI > Generate: what each asks for, and of whom. Never imports Gimp."""

import json
import os
from typing import NamedTuple

from errors import PROTOCOL_DIR

MOST_LETTERS = 1000  # of a prompt
MOST_VARIANTS = 8
MOST_SEED = 4294967295
SIDES = 64, 2048  # pixels of a new layer
STEPS = 1, 200
GUIDANCE = 1.0, 20.0


class Kind(NamedTuple):
    """`needs` names what a generator has to be able to do, `area` that a part of the image is sent along."""

    name: str  # of the procedure, without what all of ours begin with
    title: str
    label: str  # of the menu's entry
    help: str
    method: str  # what the daemon is asked
    operation: str  # what that is in the catalogue
    needs: tuple = ()
    area: bool = False
    prompt: bool = True  # whether it cannot do without
    strength: float | None = None


KINDS = (
    Kind(
        "fill-from-words",
        "Fill Selection from Words",
        "_Fill Selection from Words…",
        "Paints what you describe into the selection, so that it goes with what is around it.",
        "generate/fill",
        "fill_selection_with_prompt",
        ("image_to_image", "masks"),
        area=True,
        strength=1.0,
    ),
    Kind(
        "layer-from-words",
        "New Layer from Words",
        "_New Layer from Words…",
        "Paints what you describe on a new layer.",
        "generate/layer",
        "generate_image",
    ),
    Kind(
        "vary-layer",
        "Vary Layer",
        "_Vary Layer…",
        "Paints the layer again, or what is selected of it, as near to it or as far from it as you like.",
        "generate/vary",
        "vary_image",
        ("image_to_image",),
        area=True,
        prompt=False,
        strength=0.5,
    ),
)


def offered():
    """Those whose operation there is."""
    with open(os.path.join(PROTOCOL_DIR, "ops", "generate.json"), encoding="utf-8") as file:
        declared = {row["name"] for row in json.load(file)["operations"]}
    return [kind for kind in KINDS if kind.operation in declared]


LACKS = {
    "image_to_image": "cannot begin from a picture",
    "masks": "cannot paint a part of a picture",
}
SERVERS = {
    "kserve-v1": "KServe",
    "oip-v2": "Open Inference Protocol",
    "openai": "OpenAI",
    "a1111": "Stable Diffusion web UI",
    "comfyui": "ComfyUI",
}


class Generator(NamedTuple):
    """One image generator as a dialog shows it; `lacks` says why it cannot be chosen."""

    name: str
    label: str
    models: tuple
    place: int | None  # in the order in which they are tried where none is chosen
    lacks: str | None
    can: dict


def generators(kind, backends):
    """What the daemon lists, in its order, each with whether it can do what `kind` asks for."""
    found = []
    for row in backends:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            continue
        can = row.get("can") if isinstance(row.get("can"), dict) else {}
        lacks = next((LACKS[need] for need in kind.needs if not can.get(need)), None)
        server = SERVERS.get(row.get("kind"), "")
        label = row["name"] if not server or server.lower() == row["name"].lower() else f"{row['name']} ({server})"
        if lacks is None and not row.get("ready"):
            label += ", does not answer"
        models = tuple(model for model in row.get("models") or () if isinstance(model, str))
        place = 0 if row.get("default") else 1 if row.get("takes_over") else None
        found.append(Generator(row["name"], label, models, place, lacks, can))
    return found


def automatic(found):
    """The one that is asked first where none is chosen, or None where none of the order can."""
    able = [generator for generator in found if generator.lacks is None and generator.place is not None]
    return min(able, key=lambda generator: generator.place, default=None)


def fitting_size(width, height, area=512 * 512, step=64):
    """Sides in the proportions of an image, of about so many pixels: what most models were made for."""
    scale = (area / (width * height)) ** 0.5
    low, high = SIDES
    return tuple(min(max(round(side * scale / step) * step, low), high) for side in (width, height))
