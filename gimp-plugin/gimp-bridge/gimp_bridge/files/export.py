"""Runs GIMP's export procedures: which exist, their options, and the one call that lets pixels out."""

import difflib

from gi.repository import Gegl, Gimp, Gio, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.files import hidden_colors
from gimp_bridge.formats import apng, table as formats
from gimp_bridge.items import targets

DEFAULT_QUALITY = 90
# Brush files, which need arguments of their own: file-gih-export waits for ever without
_REFUSED = ("gih", "gbr")
_SKIPPED = ("run-mode", "image", "drawables", "file", "options")
# With one of these true the caller wants the colours below full transparency in the file
_HIDDEN_TOO = ("save-transparent", "save-transparent-pixels")
_NO_REASON = ("", "success", "execution error", "calling error")


def writable_formats():
    """Names of all formats that this GIMP writes."""
    stems = {formats.export_stem(name): name for name in formats.FORMATS}
    found = Gimp.get_pdb().query_procedures("^file-.*-export$", *[".*"] * 7)
    return sorted({"xcf", *(stems.get(name[5:-7], name[5:-7]) for name in found if name[5:-7] not in _REFUSED)})


def find_procedure(name):
    """The export procedure of a format, or an error that lists the formats there are."""
    procedure = Gimp.get_pdb().lookup_procedure(f"file-{formats.export_stem(name)}-export")
    if procedure is None or name in _REFUSED:
        known = writable_formats()
        near = difflib.get_close_matches(name, known, 1)
        known_elsewhere = name in formats.FORMATS
        raise OperationError(
            "unsupported",
            f"this GIMP writes no `{name}`" + (": it was built without it" if known_elsewhere else ""),
            f"did you mean `{near[0]}`?" if near and near[0] != name else f"it writes {', '.join(known)}",
            formats=known,
        )
    return procedure


def specs(procedure):
    """{option: its declaration} of an export procedure."""
    return {spec.name: spec for spec in procedure.get_arguments() if spec.name not in _SKIPPED}


def prepare_options(procedure, name, quality, options, alpha):
    """({property: value} to set, note). Options are checked against the procedure's own declarations."""
    known = specs(procedure)
    values, note = {}, None
    for key, value in (options or {}).items():
        spec = known.get(key.replace("_", "-"))
        if spec is None:
            near = difflib.get_close_matches(key.replace("_", "-"), known, 1, 0.5)
            raise OperationError(
                "invalid_argument",
                f"format `{name}` has no option `{key}`",
                f"did you mean `{near[0]}`?" if near else f"its options are {', '.join(known) or 'none'}",
                options=sorted(known),
            )
        values[spec.name] = _checked(name, spec, value)
    mapped = _quality_options(name, known, DEFAULT_QUALITY if quality is None else quality)
    if quality is not None and not mapped:
        note = f"`quality` has no meaning for {name} and was not used"
    if quality is not None and any(key in values for key in mapped):
        raise OperationError(
            "invalid_argument",
            f"both `quality` and the option `{next(key for key in mapped if key in values)}` are given",
            "give one of them",
        )
    if not any(key in values for key in mapped) and not values.get("lossless"):
        values.update(mapped)
    if alpha and name == "bmp":
        values.setdefault("rgb-format", "rgba-8888")  # GIMP's default drops the alpha channel that BMP can hold
    if "include-thumbnail" in known:
        # GIMP's default adds one: it makes small files large, and GIMP 3.2 then opens a TIFF's thumbnail as the picture
        values.setdefault("include-thumbnail", False)
    return values, note


def _quality_options(name, specs, quality):
    """What `quality` 1 to 100 means in a format's own terms; empty for formats without loss."""
    if name == "jxl" and "compression" in specs:
        if quality == 100:
            return {"lossless": True}
        # libjxl's own scale from quality to Butteraugli distance
        distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else 53 / 3000 * quality**2 - 23 / 20 * quality + 25
        return {"compression": min(specs["compression"].maximum, max(specs["compression"].minimum, distance))}
    spec = specs.get("quality")
    if spec is None:
        return {}
    value = quality / 100 if spec.maximum <= 1 else quality
    return {"quality": float(value) if spec.value_type == GObject.TYPE_DOUBLE else int(value)}


def _checked(name, spec, value):
    """The value for a property, or an error that names the range."""

    def bad(what):
        return OperationError(
            "invalid_argument",
            f"option `{spec.name}` of `{name}` {what}, not `{str(value)[:100]}`",
            spec.get_blurb() or None,
        )

    kind = spec.value_type
    if spec.__gtype__.name == "GimpParamChoice":
        choices = list(Gimp.param_spec_choice_get_choice(spec).list_nicks())
        if value not in choices:
            raise bad(f"must be one of {', '.join(choices)}")
        return value
    if kind == GObject.TYPE_BOOLEAN:
        if not isinstance(value, bool):
            raise bad("must be true or false")
        return value
    if kind in (GObject.TYPE_INT, GObject.TYPE_UINT, GObject.TYPE_DOUBLE):
        whole = kind != GObject.TYPE_DOUBLE
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (whole and value != int(value)):
            raise bad("must be a whole number" if whole else "must be a number")
        if not spec.minimum <= value <= spec.maximum:
            raise bad(f"must be from {spec.minimum} to {spec.maximum}")
        return int(value) if whole else float(value)
    if kind == GObject.TYPE_STRING:
        if not isinstance(value, str):
            raise bad("must be text")
        return value
    raise OperationError(
        "unsupported",
        f"option `{spec.name}` of `{name}` is of a kind ({kind.name}) that cannot be given here",
        "use call_api",
    )


def run(procedure, image, path, values):
    """Writes `image`, which is changed, to `path`; raises io_error with GIMP's own message.

    Everything that is exported passes here: colours below full transparency stay behind.
    """
    if not any(values.get(key) for key in _HIDDEN_TOO):
        hidden_colors.clean(image)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_property("file", Gio.File.new_for_path(path))
    known = specs(procedure)
    if "include-color-profile" in known:
        # Without its profile the colours would be read wrongly
        config.set_property("include-color-profile", image.get_color_profile() is not None)
    for key, value in values.items():
        config.set_property(key, value)
    Gimp.context_push()
    try:
        # What a format without alpha flattens on
        Gimp.context_set_background(Gegl.Color.new("white"))
        result = procedure.run(config)
    finally:
        Gimp.context_pop()
    if int(result.index(0)) != int(Gimp.PDBStatusType.SUCCESS):
        raise OperationError("io_error", f"GIMP could not write it: {_reason(result, image)}", _other_format(procedure))
    if values.get("animation"):
        apng.tell_alpha(path)


def _reason(result, image):
    """GIMP's own message, in the return values or kept by the PDB (which may say `success` of an earlier call).

    Where it has none that says anything, what the picture is: most exporters stop at a kind that they do not know.
    """
    texts = [result.index(i) for i in range(1, result.length())] + [Gimp.get_pdb().get_last_error()]
    given = next((text for text in texts if isinstance(text, str) and text.lower() not in _NO_REASON), None)
    profile = image.get_color_profile()
    what = f"a picture of {image.get_width()}x{image.get_height()} pixels, {targets.base_type(image)}" + (
        f", with the profile `{profile.get_label()}`" if profile is not None else ""
    )
    return f"{given} ({what})" if given else f"its exporter stopped at {what}, without a reason"


def _other_format(procedure):
    other = "tiff" if "-png-" in procedure.get_name() else "png"
    return f"save it as {other}, or change the image's mode or size"
