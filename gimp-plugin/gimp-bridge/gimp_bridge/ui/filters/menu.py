"""Filters > AI: one temporary procedure per filter of the daemon's list, each with a dialog made from its parameters.

The work is the daemon's: it reads the layer over the same connection and puts the result in place, while the procedure
waits in a nested main loop, so that GIMP and all clients go on.
"""

from gi.repository import Gimp, Gio, GLib, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.ui import people
from gimp_bridge.ui.filters import listed as filter_list, run as filter_run
from gimp_bridge.ui.mend import actions as filter_mend

MENU = "<Image>/Filters/AI"
PREFIX = "plug-in-gimp-bridge-"
FLAGS = GObject.ParamFlags.READWRITE
# What can become of a result, in the order of the dialog
RESULTS = {
    "auto": "As usual for this filter",
    "new_layer": "A new layer",
    "replace": "The layer's own pixels",
    "new_image": "A new image",
    "scaled_image": "This image, with all its layers",
    "layer_mask": "The layer's mask",
    "selection": "The selection",
}
BY_SCOPE = {
    "subject": ("auto", "layer_mask", "selection"),
    "whole": ("auto", "new_image", "new_layer"),
}
ENLARGED = ("auto", "new_image", "scaled_image", "new_layer")
CHOICES = {"auto": "Automatic"}
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
            return filter_mend.failed(procedure, OperationError("unsupported", "this entry is a dialog", "call the filter's own procedure"))
        from gimp_bridge.ui.filters import dialog as filter_dialog

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
        text = people.note(row["help"])
        procedure.set_documentation(text, text, name)
        procedure.set_attribution("gimp-bridge", row.get("license") or "gimp-bridge", "2026")
        procedure.add_menu_path(f"{MENU}/{row['group']}")
        for parameter in row["params"]:
            add_argument(procedure, parameter)
        if row.get("style"):
            _add_file(procedure, "style", "Style _image", "The picture whose style is taken")
        choice = Gimp.Choice.new()
        for number, result in enumerate(ENLARGED if row.get("enlarges") else BY_SCOPE.get(row.get("scope"), SAME_SIZE)):
            choice.add(result, number, RESULTS[result], "")
        procedure.add_choice_argument("result", "_Result", "Where the result goes", choice, "auto", FLAGS)
        return procedure

    def _run(self, procedure, run_mode, image, drawables, config, row):
        run = filter_mend.Run(self.bridge, image, filter_run.layers(drawables), config, row)
        with self.bridge.worker():
            if int(run_mode) == int(Gimp.RunMode.NONINTERACTIVE):
                try:
                    run.check()
                    done = filter_run.run(self.bridge, image, run.drawables, config, row, filter_run.Silent())
                except OperationError as error:
                    return filter_mend.failed(procedure, error)
            else:
                # Also "repeat the last filter", where GIMP has filled in the last values
                done = _with_windows(procedure, run, int(run_mode) == int(Gimp.RunMode.INTERACTIVE))
        status = Gimp.PDBStatusType.SUCCESS if done else Gimp.PDBStatusType.CANCEL
        return procedure.new_return_values(status, None)


def _with_windows(procedure, run, ask):
    """Asks for the parameters, runs the filter, and tells what stands in its way, until it is done or given up. What goes
    wrong is told here, in whole sentences: GIMP would put the words "execution error" before them."""
    from gimp_bridge.ui.filters import dialog as filter_dialog
    from gimp_bridge.ui import message as filter_message
    from gimp_bridge.ui import progress_window

    title, mend = run.row["title"], None
    answers = None if ask else filter_dialog.Answers(None, ())
    while True:
        layer = run.layer_name
        try:
            if mend is not None:
                filter_mend.ACTIONS[mend](run)
            run.check()
            answers = answers or filter_dialog.ask(procedure, run)
            if answers is None:
                return False
            layer, watch = run.layer_name, progress_window.ProgressWindow(title)
            results = filter_run.run(run.bridge, run.image, run.drawables, run.config, run.row, watch, answers.marks)
            _tell(run, results, answers.shown)
            return True
        except OperationError as error:
            if error.kind == "cancelled":
                return False
            told = people.told(error, title, run.layer_name or layer)
        if not filter_message.ask(title, told):
            return False
        mend = told.action


def _tell(run, results, shown):
    """What the filter notes and the dialog did not show, and above all that there was nothing to do."""
    from gimp_bridge.ui import message as filter_message

    if all(result.get("result") == "unchanged" for result in results):
        filter_message.mention(run.row["title"], ["There was nothing to do, and nothing was added."])  # the preview says why
        return
    notes = (people.note(note) for result in results for note in result.get("notes") or ())
    filter_message.mention(run.row["title"], (note for note in notes if note not in shown))


def add_argument(procedure, parameter):
    """The procedure's argument of one parameter; one that can be measured gets a switch before it."""
    name = parameter["name"].replace("_", "-")
    label = parameter.get("label") or name
    unit = f" ({parameter['unit']})" if parameter.get("unit") else ""
    help_text, default, kind = people.note(parameter.get("help") or label), parameter.get("default"), parameter["type"]
    if filter_run.has_switch(parameter):
        procedure.add_boolean_argument(
            f"{name}-auto", f"{label}: _automatic", "Measured from the image", default == "auto", FLAGS
        )
    if kind == "bool":
        procedure.add_boolean_argument(name, label, help_text, bool(default), FLAGS)
    elif kind == "choice":
        choice = Gimp.Choice.new()
        for number, value in enumerate(parameter["choices"]):
            choice.add(value, number, CHOICES.get(value) or value.replace("-", " ").replace("_", " ").capitalize(), "")
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
