"""What a change is called in GIMP's undo history, in a person's words: "AI: blur, radius 3". Never imports Gimp."""

PREFIX = "AI: "
LONGEST = 60  # characters; GIMP's menus show the whole name
MOST = 3  # parameters
LONGEST_TEXT = 24
# Numbers that say nothing to a person, and texts that no person chose
_UNTOLD = {
    "layer", "layer_id", "layers", "image", "channel", "mask", "path", "item", "parent", "source_layer", "aux_layer", "aux2_layer",
    "layer_effect", "checkpoint", "session", "home", "but", "token", "to_image", "from_image", "seed", "position",
    "as_effect", "max_output", "file", "folder", "svg", "remove",
}
_KINDS = {"style", "to", "what", "fill", "action", "direction", "mode", "method", "tool", "result"}
_CALLS = {"call_procedure": "procedure", "apply_gegl_operation": "operation"}
_PREFIXES = ("gimp-", "plug-in-", "script-fu-", "python-fu-", "gegl:", "svg:")


def step_name(entry, arguments):
    """The name of the step that this call is; `entry` is a catalogue.Entry, defaults are filled in."""
    if "step" in arguments:  # the daemon knows what this part of its work is for
        return named(arguments["step"])
    if entry.name == "call_api":
        called = arguments["api_path"]
        return named(_words(called) if called.startswith(_PREFIXES) else "Python")
    if entry.name in _CALLS:  # a procedure's arguments are ids for the most part
        return named(_words(arguments[_CALLS[entry.name]]), _told(arguments.get("properties") or {}))
    given = {
        name: arguments[name]
        for name in sorted(entry.order, key=entry.places.__contains__)  # sizes and strengths before places
        if name in arguments and arguments[name] != entry.defaults.get(name)
    }
    title = entry.title
    return named(title if title[1:2].isupper() else title[:1].lower() + title[1:], _told(given))


def named(title, parameters=()):
    """The title with as many of the parameters as fit."""
    name = PREFIX + _line(title)
    if len(name) > LONGEST:
        name = name[: LONGEST - 1].rstrip() + "…"
    for parameter in list(parameters)[:MOST]:
        if len(name) + 2 + len(parameter) <= LONGEST:
            name += f", {parameter}"
    return name


def _told(given):
    found = []
    for name, value in given.items():
        if name in _UNTOLD:
            continue
        spoken = name.replace("_", " ").replace("-", " ")
        if value is True:
            found.append(spoken)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append(f"{spoken} {value:.6g}")
        elif isinstance(value, str) and value:
            free = name in ("text", "name")
            text = _line(value if free else value.replace("_", " "))
            if len(text) > LONGEST_TEXT:
                text = text[: LONGEST_TEXT - 1].rstrip() + "…"
            alone = name.endswith("_type") or name in _KINDS
            found.append(f"“{text}”" if free else text if alone else f"{spoken} {text}")
    return found


def _words(procedure):
    name = procedure
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name.replace("-", " ").replace("_", " ").replace(":", " ")


def _line(text):
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
