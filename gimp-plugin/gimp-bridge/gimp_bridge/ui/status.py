"""Tools > GIMP Bridge: status, stop listening, start listening. Temporary procedures inside the extension."""

from gi.repository import Gimp, GLib, GObject

MENU = "<Image>/Tools/GIMP Bridge"
STATUS, START, STOP = (f"plug-in-gimp-bridge-{name}" for name in ("status", "start", "stop"))
_ENTRIES = (
    (STATUS, "_Status…", "Shows whether AI clients can reach this GIMP, and which ones are connected"),
    (START, "St_art Listening", "Lets AI clients connect to this GIMP"),
    (STOP, "St_op Listening", "Ends all connections of AI clients, and takes none until you start it again"),
)


def install(bridge):
    """Adds the entries to the plug-in that `bridge` belongs to."""
    for name, label, blurb in _ENTRIES:
        procedure = Gimp.Procedure.new(bridge.plug_in, name, Gimp.PDBProcType.TEMPORARY, _run, bridge)
        # GIMP wants a run mode of a procedure in the image menu, and these work without an image
        procedure.add_enum_argument(
            "run-mode",
            "Run mode",
            "The run mode",
            Gimp.RunMode.__gtype__,
            Gimp.RunMode.NONINTERACTIVE,
            GObject.ParamFlags.READWRITE,
        )
        procedure.add_string_return_value("report", "Report", "The status as text", "", GObject.ParamFlags.READWRITE)
        procedure.set_menu_label(label)
        procedure.set_documentation(blurb, blurb, name)
        procedure.set_attribution("gimp-bridge", "gimp-bridge, MIT licence", "2026")
        procedure.add_menu_path(MENU)
        bridge.plug_in.add_temp_procedure(procedure)


def _run(procedure, config, bridge):
    name = procedure.get_name()
    if name != STATUS and bridge.runs_operation():
        text = "only GIMP's user starts and stops GIMP Bridge, in the menu Tools > GIMP Bridge"
        error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0)
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)
    if name == START:
        bridge.user_starts()
    elif name == STOP:
        bridge.user_stops()
    text = report(bridge)
    if config.get_property("run-mode") == Gimp.RunMode.INTERACTIVE:
        # From the idle loop: GIMP waits for a temporary procedure, and must not wait for a dialog
        GLib.idle_add(_show, bridge)
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, text)
    return values


def report(bridge):
    """The status as lines of text."""
    lines = [f"gimp-bridge {bridge.version}, GIMP {Gimp.version()}"]
    if bridge.server is None:
        if bridge.stopped:
            lines.append("Stopped by you: no AI client can reach this GIMP until you choose Start Listening")
        else:
            lines.append("Not listening")
            lines += [f"Problem: {line}".replace("`", "") for line in (bridge.problem or "").splitlines()]
        return "\n".join(lines)
    lines.append(f"Listening on 127.0.0.1:{bridge.server.port}")
    if bridge.settings.port not in (0, bridge.server.port):
        lines.append(f"(port {bridge.settings.port} was taken)")
    lines.append("Secret: present, readable by you only")
    lines += _policy(bridge.settings)
    busy = bridge.busy()
    if busy:
        lines.append(
            f"Running: {busy['operation'].replace('_', ' ')} for {busy['seconds']:.0f} s"
            + (", cannot be ended" if busy["unresponsive"] else "")
        )
    connections = [c for c in bridge.server.connections() if c.authenticated]
    lines.append(f"Connected: {len(connections) or 'nobody'}")
    for connection in connections:
        software = " ".join(
            filter(None, (connection.software.get("name"), connection.software.get("version"), connection.label))
        )
        names = sorted(set(connection.clients.values()))
        lines.append(f"  {software}" + (f": {', '.join(names)}" if names else ""))
    return "\n".join(lines)


def _policy(settings):
    yield "Policy: " + ", ".join(
        (
            "read-only" if settings.read_only else "may change images",
            "Python code allowed" if settings.exec else "Python code refused",
            "all folders" if settings.folders is None else f"folders: {', '.join(settings.folders) or 'none'}",
        )
    )
    limit = settings.auto_disconnect
    yield f"Idle connections are closed after {limit:g} s" if limit else "Idle connections are kept"


_dialog = None


def _show(bridge):
    """Opens the status window, or brings it to the front."""
    global _dialog
    import gi

    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi, Gtk

    if _dialog is not None:
        _dialog.destroy()
    GimpUi.init("gimp-bridge")
    dialog = _dialog = GimpUi.Dialog(title="GIMP Bridge", role="gimp-bridge-status")
    dialog.add_button("_Refresh", 1)
    dialog.add_button("Stop _Listening" if bridge.server else "Start _Listening", 2)
    dialog.add_button("_Close", Gtk.ResponseType.CLOSE)
    label = Gtk.Label(label=report(bridge), selectable=True, xalign=0, margin=18)
    dialog.get_content_area().pack_start(label, True, True, 0)
    dialog.connect("response", _respond, bridge)
    dialog.connect("destroy", _forget)
    dialog.set_keep_above(True)
    dialog.show_all()
    dialog.present()
    return GLib.SOURCE_REMOVE


def _respond(dialog, response, bridge):
    if response == 2:
        bridge.user_stops() if bridge.server else bridge.user_starts()
    if response in (1, 2):
        GLib.idle_add(_show, bridge)
    else:
        dialog.destroy()


def _forget(dialog):
    global _dialog
    if _dialog is dialog:
        _dialog = None
