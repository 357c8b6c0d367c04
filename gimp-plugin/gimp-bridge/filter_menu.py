"""Filters > AI: one temporary procedure per filter of the daemon's list, each with a dialog made from its parameters.

The work is the daemon's: it reads the layer over the same connection and puts the result in place, while the procedure
waits in a nested main loop, so that GIMP and all clients go on.
"""

from gi.repository import Gimp, Gio, GLib, GObject

import filter_list
import filter_run
from errors import OperationError

MENU = "<Image>/Filters/AI"
PREFIX = "plug-in-gimp-bridge-"
FLAGS = GObject.ParamFlags.READWRITE
# What can become of a result, in the order of the dialog
RESULTS = {
    "auto": "As usual for this filter",
    "new_layer": "A new layer",
    "replace": "The layer's own pixels",
    "new_image": "A new image",
    "layer_mask": "The layer's mask",
    "selection": "The selection",
}
BY_SCOPE = {
    "subject": ("auto", "layer_mask", "selection"),
    "whole": ("auto", "new_image", "new_layer"),
}
SAME_SIZE = ("auto", "new_layer", "replace", "new_image")


class FilterMenu:
    """Keeps the menu as the list says. All methods are for the main thread."""

    def __init__(self, bridge):
        self.bridge = bridge
        self.listed = filter_list.Listed()
        self._added = {}  # procedure name → what it was made from
        self._procedures = {}
        self._pending = 0
        file = Gio.File.new_for_path(f"{bridge.state_dir}/{filter_list.FILE}")
        self._monitor = file.monitor_file(Gio.FileMonitorFlags.WATCH_MOVES, None)
        self._monitor.connect("changed", self._changed)
        self.refresh()
        bridge.plug_in.add_temp_procedure(self._all_filters())

    def _changed(self, *_):
        if not self._pending:  # an atomic replacement comes as several events
            self._pending = GLib.timeout_add(100, self._refresh_later)

    def _refresh_later(self):
        self._pending = 0
        self.refresh()
        return GLib.SOURCE_REMOVE

    def refresh(self):
        """Adds what is new, removes what is gone, replaces what changed."""
        self.listed = filter_list.load(self.bridge.state_dir)
        wanted = {PREFIX + row["name"]: row for row in self.listed.filters}
        for name in [name for name, row in self._added.items() if wanted.get(name) != row]:
            self.bridge.plug_in.remove_temp_procedure(name)
            del self._added[name], self._procedures[name]
        for name, row in wanted.items():
            if name not in self._added:
                self._procedures[name] = self._procedure(name, row)
                self.bridge.plug_in.add_temp_procedure(self._procedures[name])
                self._added[name] = row

    def _all_filters(self):
        """An entry that is always there: GIMP's menus show only what was registered before its first window."""
        procedure = Gimp.ImageProcedure.new(
            self.bridge.plug_in, PREFIX + "filters", Gimp.PDBProcType.TEMPORARY, self._choose, None
        )
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        )
        text = "Lists all AI filters, also those added since GIMP was started, and runs the chosen one"
        procedure.set_menu_label("_All Filters…")
        procedure.set_documentation(text, text, PREFIX + "filters")
        procedure.set_attribution("gimp-bridge", "gimp-bridge, MIT licence", "2026")
        procedure.add_menu_path(MENU)
        return procedure

    def _choose(self, procedure, run_mode, image, drawables, config, _data):
        if int(run_mode) != int(Gimp.RunMode.INTERACTIVE):
            return _failed(procedure, OperationError("unsupported", "this entry is a dialog", "call the filter's own procedure"))
        import filter_dialog

        row = filter_dialog.choose(self.listed.filters)
        if row is None:
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        chosen = self._procedures[PREFIX + row["name"]]
        return self._run(chosen, run_mode, image, drawables, chosen.create_config(), row)

    def _procedure(self, name, row):
        procedure = Gimp.ImageProcedure.new(self.bridge.plug_in, name, Gimp.PDBProcType.TEMPORARY, self._run, row)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        )
        procedure.set_menu_label(row["title"] + "…")
        procedure.set_documentation(row["help"], row["help"], name)
        procedure.set_attribution("gimp-bridge", row.get("license") or "gimp-bridge", "2026")
        procedure.add_menu_path(f"{MENU}/{row['group']}")
        for parameter in row["params"]:
            add_argument(procedure, parameter)
        if row.get("style"):
            _add_file(procedure, "style", "Style _image", "The picture whose style is taken")
        choice = Gimp.Choice.new()
        for number, result in enumerate(BY_SCOPE.get(row.get("scope"), SAME_SIZE)):
            choice.add(result, number, RESULTS[result], "")
        procedure.add_choice_argument("result", "_Result", "Where the result goes", choice, "auto", FLAGS)
        return procedure

    def _run(self, procedure, run_mode, image, drawables, config, row):
        try:
            if int(run_mode) == int(Gimp.RunMode.INTERACTIVE):
                import filter_dialog

                done = filter_dialog.run(self.bridge, procedure, image, drawables, config, row)
            else:
                # Also "repeat the last filter", where GIMP has filled in the last values
                windows = int(run_mode) == int(Gimp.RunMode.WITH_LAST_VALS)
                done = filter_run.run(self.bridge, image, drawables, config, row, _watch(windows, row))
        except OperationError as error:
            return _failed(procedure, error)
        status = Gimp.PDBStatusType.SUCCESS if done else Gimp.PDBStatusType.CANCEL
        return procedure.new_return_values(status, None)


def _failed(procedure, error):
    status = Gimp.PDBStatusType.CANCEL if error.kind == "cancelled" else Gimp.PDBStatusType.EXECUTION_ERROR
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    return procedure.new_return_values(status, GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0))


def _watch(windows, row):
    if not windows:
        return filter_run.Silent()
    import filter_dialog

    return filter_dialog.ProgressWindow(row["title"])


def add_argument(procedure, parameter):
    """The procedure's argument of one parameter; one that can be measured gets a switch before it."""
    name = parameter["name"].replace("_", "-")
    label = parameter.get("label") or name
    unit = f" ({parameter['unit']})" if parameter.get("unit") else ""
    help_text, default, kind = parameter.get("help") or label, parameter.get("default"), parameter["type"]
    if filter_run.has_switch(parameter):
        procedure.add_boolean_argument(
            f"{name}-auto", f"{label}: _automatic", "Measured from the image", default == "auto", FLAGS
        )
    if kind == "bool":
        procedure.add_boolean_argument(name, label, help_text, bool(default), FLAGS)
    elif kind == "choice":
        choice = Gimp.Choice.new()
        for number, value in enumerate(parameter["choices"]):
            choice.add(value, number, value.replace("-", " ").replace("_", " ").capitalize(), "")
        procedure.add_choice_argument(name, label, help_text, choice, default, FLAGS)
    else:
        low, high = parameter["min"], parameter["max"]
        start = default if isinstance(default, (int, float)) and not isinstance(default, bool) else (low + high) / 2
        add = procedure.add_int_argument if kind == "int" else procedure.add_double_argument
        number = int if kind == "int" else float
        add(name, label + unit, help_text, number(low), number(high), number(start), FLAGS)


def _add_file(procedure, name, label, help_text):
    """3.0 and 3.2 differ in what a file argument is told."""
    try:
        procedure.add_file_argument(name, label, help_text, Gimp.FileChooserAction.OPEN, True, None, FLAGS)
    except TypeError:
        procedure.add_file_argument(name, label, help_text, FLAGS)
