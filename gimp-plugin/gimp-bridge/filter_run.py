"""One run of a filter from GIMP's side: finds or starts a daemon, asks it, waits while GIMP goes on."""

from gi.repository import GLib

import filter_daemon
from errors import OperationError

_running = []  # titles of what runs, one at a time


class Silent:
    """Tells nobody, and is never cancelled."""

    cancelled = False

    def show(self, fraction, message):
        pass

    def close(self):
        pass


def run(bridge, image, drawables, config, row, watch):
    """Runs the filter on each drawable; True when all are done. Raises OperationError."""
    if bridge.busy():
        watch.close()
        raise OperationError(
            "unsupported",
            "this filter was started by code that GIMP Bridge itself runs, and would wait for it for ever",
            "use run_ai_filter instead",
        )
    if _running:
        watch.close()
        raise OperationError("busy", f"`{_running[0]}` is still running", "wait until it is done, or cancel it")
    _running.append(row["title"])
    try:
        connection = filter_daemon.able_connection(bridge) or start_daemon(bridge, watch)
        base = {
            "filter": row["name"],
            "parameters": parameters(config, row),
            "image": image.get_id(),
            "result": config.get_property("result"),
        }
        style = config.get_property("style") if row.get("style") else None
        if style is not None:
            base["style_path"] = style.get_path()
        for number, drawable in enumerate(drawables):
            wait(connection, {**base, "layer": drawable.get_id()}, watch, number, len(drawables))
        return True
    finally:
        _running.clear()
        watch.close()


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


def wait(connection, params, watch, number, count):
    """Asks and waits in a nested main loop: requests of this and other clients run meanwhile."""
    context = GLib.main_context_default()
    ask = connection.asking.ask("filters/run", params, context.wakeup)
    asked_to_end = False
    while not ask.done:
        context.iteration(True)
        fraction, message = ask.progress
        watch.show((number + fraction) / count, message)
        if watch.cancelled and not asked_to_end:
            asked_to_end = True
            ask.cancel()
    return ask.result()


def start_daemon(bridge, watch):
    """Starts `gimp-bridge attend` and waits until it is connected."""
    starting = filter_daemon.start(bridge)
    context = GLib.main_context_default()
    ticking = GLib.timeout_add(100, lambda: True)  # so that waiting for news has an end
    try:
        while not watch.cancelled:
            connection = starting.poll()
            if connection is not None:
                return connection
            watch.show(0.0, "starting gimp-bridge")
            context.iteration(True)
    finally:
        GLib.source_remove(ticking)
    raise OperationError("cancelled", "cancelled while gimp-bridge started")
