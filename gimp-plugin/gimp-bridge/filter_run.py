"""One run of a filter from GIMP's side: finds or starts a daemon, asks it, waits while GIMP goes on."""

import os
import subprocess
import time

from gi.repository import GLib

from errors import OperationError

START_SECONDS = 30  # for a daemon that we start
ABLE = ("serve", "stdio", "attend")  # labels of daemons that run filters
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
        connection = able_connection(bridge) or start_daemon(bridge, watch)
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


def able_connection(bridge):
    """The newest connection to a daemon that runs filters, or None."""
    if bridge.server is None:
        return None
    able = [c for c in bridge.server.connections() if c.authenticated and c.is_open and c.label in ABLE]
    return able[-1] if able else None


def start_daemon(bridge, watch):
    """Starts `gimp-bridge attend` and waits until it is connected."""
    if bridge.server is None and not bridge.listen():
        raise OperationError("no_gimp", f"GIMP Bridge does not listen: {bridge.problem}", "see Tools > GIMP Bridge > Status")
    program = os.environ.get("GIMP_BRIDGE_BIN") or bridge.filters.listed.program
    if program is None or not os.path.isfile(program):
        raise OperationError(
            "not_found",
            f"the program `{program or 'gimp-bridge'}`, which runs the AI filters, is not there",
            "install it again with: gimp-bridge install",
        )
    log_path = os.path.join(bridge.state_dir, "attend.log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [program, "attend", "--port", str(bridge.server.port), "--state-dir", bridge.state_dir],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    context, deadline = GLib.main_context_default(), time.monotonic() + START_SECONDS
    GLib.timeout_add(100, lambda: not (process.poll() is not None or time.monotonic() > deadline + 1))
    while time.monotonic() < deadline and not watch.cancelled:
        connection = able_connection(bridge)
        if connection is not None:
            return connection
        if process.poll() is not None:
            break
        watch.show(0.0, "starting gimp-bridge")
        context.iteration(False) or time.sleep(0.02)
    if watch.cancelled:
        raise OperationError("cancelled", "cancelled while gimp-bridge started")
    process.poll() is None and process.terminate()
    raise OperationError("no_gimp", f"gimp-bridge did not start: {_tail(log_path)}", f"try it in a terminal: {program} doctor")


def _tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
    except OSError as error:
        return str(error)
    return lines[-1][:300] if lines else "it said nothing"
