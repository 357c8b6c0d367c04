"""One run of a filter from GIMP's side: finds or starts a daemon, asks it, waits while GIMP goes on."""

import contextlib

from gi.repository import GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import lookup
from gimp_bridge.ui import daemon_process

METHOD = "filters/run"
# Results of a filter that enlarges which are all of the image, and not a layer of it
WHOLE = ("auto", "new_image", "scaled_image")
LOOK_MS = 250  # between two looks at whether the image is still open
_running = []  # titles of what runs, one at a time


class Silent:
    """Tells nobody, and is never cancelled."""

    cancelled = False

    def show(self, fraction, message):
        pass

    def close(self):
        pass


class Marks:
    """Places of a layer that the user says are on the subject, or not on it."""

    MOST = 64  # of each kind; the catalogue's limit

    def __init__(self):
        self.on, self.off = [], []

    def add(self, x, y, inside):
        places = self.on if inside else self.off
        if len(places) < self.MOST:
            places.append([x, y])

    def params(self, left=0, top=0):
        """As the daemon takes them, from another origin."""
        named = {"points": self.on, "background_points": self.off}
        return {name: [[x + left, y + top] for x, y in places] for name, places in named.items() if places}


def run(bridge, image, drawables, config, row, watch, marks=None):
    """Runs the filter on each drawable; the results when all are done. `marks` are of the first. Raises OperationError."""
    with turn(bridge, row["title"], watch, "run_ai_filter"):
        connection = daemon_process.able_connection(bridge) or start_daemon(bridge, watch)
        base = {
            "filter": row["name"],
            "parameters": parameters(config, row),
            "image": image.get_id(),
            "result": config.get_property("result"),
        }
        if row.get("enlarges") and base["result"] in WHOLE:
            return [wait(connection, METHOD, base, watch, image)]
        style = config.get_property("style") if row.get("style") else None
        if style is not None:
            base["style_path"] = style.get_path()
        results = []
        for number, drawable in enumerate(drawables):
            if not drawable.is_valid():
                raise OperationError("not_found", "a layer is not there any more", reason="layer_gone")
            marked = marks.params(*drawable.get_offsets()[1:]) if marks is not None and number == 0 else {}
            asked = {**base, **marked, "layer": drawable.get_id()}
            results.append(wait(connection, METHOD, asked, watch, image, number, len(drawables)))
        return results


@contextlib.contextmanager
def turn(bridge, title, watch, instead):
    """One at a time; the watch is closed at the end. `instead` is the operation for those who may not begin one here.
    Raises OperationError."""
    try:
        if bridge.busy():
            raise OperationError(
                "unsupported",
                "this was started by code that GIMP Bridge itself runs, and would wait for it for ever",
                f"use {instead} instead",
                reason="started_by_code",
            )
        if _running:
            message, hint = f"`{_running[0]}` is still running", "wait until it is done, or cancel it"
            raise OperationError("busy", message, hint, reason="already_running", other=_running[0])
        _running.append(title)
        try:
            yield
        finally:
            _running.clear()
    finally:
        watch.close()


def layers(drawables):
    """What is selected in GIMP as layers, each once: where a mask is active GIMP names that and not its layer."""
    return list({item.get_id(): item for item in map(lookup.layer_of, drawables)}.values())


def parameters(config, row):
    """The dialog's values as the daemon takes them."""
    values = {}
    for parameter in row["params"]:
        name = parameter["name"].replace("_", "-")
        if has_switch(parameter) and config.get_property(f"{name}-auto"):
            values[parameter["name"]] = "auto"
        else:
            values[parameter["name"]] = config.get_property(name)
    return values


def has_switch(parameter):
    """Whether the value can be measured, and the kind of value leaves no place for saying so."""
    return bool(parameter.get("auto")) and "auto" not in parameter.get("choices", ())


def wait(connection, method, params, watch, image, number=0, count=1):
    """Asks and waits in a nested main loop: requests of this and other clients run meanwhile. Ends with the image."""
    context = GLib.main_context_default()
    ask = connection.asking.ask(method, params, context.wakeup)
    asked_to_end = closed = False
    looking = GLib.timeout_add(LOOK_MS, lambda: True)  # GIMP tells of no image that is closed
    try:
        while not ask.done:
            context.iteration(True)
            fraction, message = ask.progress
            watch.show((number + fraction) / count, message)
            closed = closed or not image.is_valid()
            if (watch.cancelled or closed) and not asked_to_end:
                asked_to_end = True
                ask.cancel()
    finally:
        GLib.source_remove(looking)
    if closed:
        raise OperationError("image_gone", "the image was closed meanwhile")
    return ask.result()


def start_daemon(bridge, watch):
    """Starts `gimp-bridge attend` and waits until it is connected."""
    starting = daemon_process.start(bridge)
    context = GLib.main_context_default()
    ticking = GLib.timeout_add(100, lambda: True)  # so that waiting for news has an end
    try:
        while not watch.cancelled:
            connection = starting.poll()
            if connection is not None:
                return connection
            watch.show(0.0, "starting the program that runs the AI filters")
            context.iteration(True)
    finally:
        GLib.source_remove(ticking)
    raise OperationError("cancelled", "cancelled while gimp-bridge started")
