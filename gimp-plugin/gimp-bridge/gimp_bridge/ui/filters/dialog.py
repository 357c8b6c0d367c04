"""A filter's dialog, made from its parameters."""

from typing import NamedTuple

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, GLib, Gtk  # noqa: E402

from gimp_bridge.core.errors import OperationError  # noqa: E402
from gimp_bridge.ui import mnemonics, people  # noqa: E402
from gimp_bridge.ui.filters import run as filter_run  # noqa: E402
from gimp_bridge.ui.filters.follow import Follower  # noqa: E402
from gimp_bridge.ui.filters.view import FilterView  # noqa: E402


class Answers(NamedTuple):
    """What the user said beside the parameters, and the notes that the dialog showed."""

    marks: filter_run.Marks | None
    shown: tuple


def ask(procedure, run):
    """Asks for the parameters: Answers, or None if the user cancelled. The run's layers may be others afterwards."""
    GimpUi.init("gimp-bridge")
    row, config = run.row, run.config
    dialog = GimpUi.ProcedureDialog.new(procedure, config, row["title"])
    without_help(dialog)
    for parameter in row["params"]:
        name = parameter["name"].replace("_", "-")
        if parameter["type"] in ("float", "int"):
            dialog.get_scale_entry(name, 1.0).set_logarithmic(bool(parameter.get("logarithmic")))
        if filter_run.has_switch(parameter):
            _bind(dialog, config, name)
    help_label = dialog.get_label("help", people.note(row["help"]), False, False)
    help_label.set_line_wrap(True)
    help_label.set_max_width_chars(60)
    help_label.set_width_chars(50)
    help_label.set_xalign(0)
    view = _lay_out(dialog, row, FilterView(run))
    closed = []

    def gone():
        closed.append(True)
        dialog.response(Gtk.ResponseType.CANCEL)

    def moved(layers):
        run.drawables = layers
        view.aim(layers[0])

    follower = Follower(run.image, run.drawables, gone, moved, view.changed)
    try:
        view.start()
        wanted = dialog.run()
    finally:
        follower.close()
        view.close()
        dialog.destroy()
    if closed:
        raise OperationError("cancelled", "the image was closed")
    return Answers(view.marks, view.shown_notes) if wanted else None


def without_help(dialog):
    """GIMP's manual has no page of ours, and its button would lead nowhere."""
    button = dialog.get_widget_for_response(Gtk.ResponseType.HELP)
    if button is not None:
        button.destroy()


def _lay_out(dialog, row, view):
    """The preview at the left, which takes what room the window has, and the parameters beside it."""
    controls = dialog.fill_box("controls", ["help"] + _order(row))
    controls.set_spacing(6)
    controls.set_hexpand(False)  # its sliders want all the room there is
    dialog.fill(["controls"])
    parent = controls.get_parent()
    parent.remove(controls)
    both = Gtk.Box(spacing=18, border_width=12)
    both.pack_start(view, True, True, 0)
    both.pack_start(controls, False, False, 0)
    parent.pack_start(both, True, True, 0)
    parent.child_set_property(both, "expand", True)
    both.show()
    mnemonics.settle(dialog)
    return view


def choose(rows):
    """Lets the user choose among the filters: a row, or None."""
    GimpUi.init("gimp-bridge")
    dialog = GimpUi.Dialog(title="AI Filters", role="gimp-bridge-filters")
    dialog.add_button("_Cancel", Gtk.ResponseType.CANCEL)
    dialog.add_button("_Open", Gtk.ResponseType.OK)
    dialog.set_default_response(Gtk.ResponseType.OK)
    box = Gtk.ListBox(selection_mode=Gtk.SelectionMode.BROWSE, activate_on_single_click=False)
    for row in rows:
        label = Gtk.Label(xalign=0, wrap=True, max_width_chars=60, margin=6)
        title, text = (GLib.markup_escape_text(part) for part in (row["title"], people.note(row["help"])))
        label.set_markup(f"<b>{title}</b>\n{text}")
        box.add(label)
    box.connect("row-activated", lambda *_: dialog.response(Gtk.ResponseType.OK))
    scroll = Gtk.ScrolledWindow(min_content_width=460, min_content_height=360)
    scroll.add(box)
    dialog.get_content_area().pack_start(scroll, True, True, 0)
    dialog.show_all()
    try:
        response, selected = dialog.run(), box.get_selected_row()
    finally:
        dialog.destroy()
    return rows[selected.get_index()] if response == Gtk.ResponseType.OK and selected is not None else None


def _order(row):
    names = []
    for parameter in row["params"]:
        name = parameter["name"].replace("_", "-")
        names += [f"{name}-auto", name] if filter_run.has_switch(parameter) else [name]
    return names + (["style"] if row.get("style") else []) + ["result"]


def _bind(dialog, config, name):
    """A value that is measured cannot be set by hand."""
    dialog.set_sensitive(name, True, config, f"{name}-auto", True)
