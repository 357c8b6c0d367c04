"""The three entries of Filters > AI > Generate: what each asks for, and of whom. Never imports Gimp."""

import json
import os
from typing import NamedTuple

from gimp_bridge.core.folders import PROTOCOL_DIR

MOST_LETTERS = 1000  # of a prompt
MOST_VARIANTS = 8
MOST_SEED = 4294967295
SIDES = 64, 2048  # pixels of a new layer
USUAL_SIZE = 512, 512  # where nobody knows better
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


class Model(NamedTuple):
    """One model of a generator; `lacks` says why it cannot be chosen."""

    name: str  # empty: the one that is asked where none is chosen
    lacks: str | None
    can: dict
    limits: dict
    size: tuple  # at which it would paint the image

    def takes(self, width, height):
        """Whether it makes pictures of this size."""
        (low, high), (least, most) = (self.range(side) for side in ("width", "height"))
        fits = low <= width <= high and least <= height <= most and not width % self.step and not height % self.step
        return fits and (not self.sizes or (width, height) in self.sizes)

    def range(self, side):
        """The least and the most pixels of a side."""
        least, most = self.limits.get(side) or SIDES
        low, high = max(SIDES[0], least), min(SIDES[1], most)
        return -(-low // self.step) * self.step, high // self.step * self.step

    @property
    def step(self):
        return self.limits.get("multiple_of") or 1

    @property
    def sizes(self):
        """The only ones that it makes; empty: others too."""
        return [tuple(size) for size in self.limits.get("sizes") or ()]


class Generator(NamedTuple):
    """One image generator as a dialog shows it."""

    name: str
    label: str
    models: tuple  # the usual one first
    place: int | None  # in the order in which they are tried where none is chosen
    closed: bool = False  # whether it wants another key

    @property
    def lacks(self):
        """Why it cannot be chosen, with none of its models."""
        return None if any(model.lacks is None for model in self.models) else self.models[0].lacks

    def model(self, name):
        return next((model for model in self.models if model.name == name), self.models[0])


def generators(kind, backends):
    """What the daemon lists, in its order, each with whether it can do what `kind` asks for."""
    found = []
    for row in backends:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            continue
        of_models = row.get("of_models") or {}
        names = [name for name in row.get("models") or () if isinstance(name, str) and name]
        models = tuple(_model(kind, name, of_models.get(name) or row) for name in ("", *names))
        closed = row.get("reason") == "backend_closed"
        server = SERVERS.get(row.get("kind"), "")
        label = row["name"] if not server or server.lower() == row["name"].lower() else f"{row['name']} ({server})"
        place = 0 if row.get("default") else 1 if row.get("takes_over") else None
        generator = Generator(row["name"], label, models, place, closed)
        if generator.lacks is None and not row.get("ready"):
            # Without its kind: there is no room for both
            generator = generator._replace(label=f"{row['name']}, {'wants a key' if closed else 'does not answer'}")
        found.append(generator)
    return found


def _model(kind, name, told):
    can = told.get("can") if isinstance(told.get("can"), dict) else {}
    lacks = next((LACKS[need] for need in kind.needs if not can.get(need)), None)
    return Model(name, lacks, can, told.get("limits") or {}, tuple(told.get("size") or USUAL_SIZE))


def automatic(found):
    """The one that is asked first where none is chosen, or None where none of the order can."""
    able = [generator for generator in found if generator.models[0].lacks is None and generator.place is not None]
    return min(able, key=lambda generator: generator.place, default=None)


def chosen(found, backend, model):
    """The Model that is asked first, or None where there is none."""
    generator = next((each for each in found if each.name == backend), None) or automatic(found)
    return generator.model(model) if generator is not None else None
