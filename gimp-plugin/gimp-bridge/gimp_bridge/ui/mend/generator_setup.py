"""The windows that set up an image generator: what kind of server, where it is, and the key that lets one in."""

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402

from gimp_bridge.ui.mend.generator_settings import SERVERS, is_address, is_key  # noqa: E402

TEXT = (
    "Pictures from words are made by a server of yours, on this computer or another one. What is sent there: the prompt, "
    "and the part of the image that a dialog shows."
)


class Setup:
    """`ask` gives (kind, address, workflow or None, key or None), or None if the user gave up."""

    def __init__(self):
        GimpUi.init("gimp-bridge")
        self._dialog = GimpUi.Dialog(title="Set Up an Image Generator", role="gimp-bridge-setup")
        self._dialog.add_button("_Cancel", Gtk.ResponseType.CANCEL)
        self._dialog.add_button("_Set Up", Gtk.ResponseType.OK)
        self._dialog.set_default_response(Gtk.ResponseType.OK)
        self._kind, self._address = Gtk.ComboBoxText(), Gtk.Entry(activates_default=True, width_chars=44)
        for kind, (title, _, _) in SERVERS.items():
            self._kind.append(kind, title)
        self._workflow = Gtk.FileChooserButton(title="ComfyUI's workflow")
        self._workflow.set_tooltip_text("A workflow that ComfyUI exported, with placeholders where the prompt and the rest go")
        grid = Gtk.Grid(row_spacing=6, column_spacing=12, border_width=18)
        label = Gtk.Label(label=TEXT, xalign=0, wrap=True, max_width_chars=60)
        grid.attach(label, 0, 0, 2, 1)
        self._key = _key_entry(placeholder_text="Only if the server wants one")
        rows = ("_Kind:", self._kind), ("_Address:", self._address), ("Ke_y:", self._key), ("_Workflow:", self._workflow)
        for row, (text, widget) in enumerate(rows, 1):
            name = Gtk.Label(label=text, use_underline=True, xalign=0, mnemonic_widget=widget)
            grid.attach(name, 0, row, 1, 1)
            grid.attach(widget, 1, row, 1, 1)
            widget.set_hexpand(True)
        self._workflow_label = name
        self._dialog.get_content_area().pack_start(grid, True, True, 0)
        grid.show_all()
        self._kind.connect("changed", self._chosen)
        self._address.connect("changed", self._allow)
        self._key.connect("changed", self._allow)
        self._workflow.connect("selection-changed", self._allow)
        self._kind.set_active(0)
        self._dialog.set_keep_above(True)

    def ask(self):
        try:
            self._address.grab_focus()
            if self._dialog.run() != Gtk.ResponseType.OK:
                return None
            return self._kind.get_active_id(), self._address.get_text().strip(), self._file(), self._key.get_text().strip() or None
        finally:
            self._dialog.destroy()

    def _file(self):
        return self._workflow.get_filename() if self._kind.get_active_id() == "comfyui" else None

    def _chosen(self, combo):
        comfy = combo.get_active_id() == "comfyui"
        self._workflow.set_visible(comfy)
        self._workflow_label.set_visible(comfy)
        self._address.set_text(SERVERS[combo.get_active_id()][1])
        self._allow()

    def _allow(self, *_):
        whole = is_address(self._address.get_text()) and (self._kind.get_active_id() != "comfyui" or bool(self._file()))
        key = self._key.get_text().strip()
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, whole and (not key or is_key(key)))


class Key:
    """Asks for the key of a generator that is set up: `ask` gives it, or None if the user gave up."""

    def __init__(self, name):
        GimpUi.init("gimp-bridge")
        self._dialog = GimpUi.Dialog(title="Key of an Image Generator", role="gimp-bridge-key")
        self._dialog.add_button("_Cancel", Gtk.ResponseType.CANCEL)
        self._dialog.add_button("_Keep", Gtk.ResponseType.OK)
        self._dialog.set_default_response(Gtk.ResponseType.OK)
        self._entry = _key_entry(width_chars=44, hexpand=True)
        self._entry.connect("changed", self._allow)
        grid = Gtk.Grid(row_spacing=6, column_spacing=12, border_width=18)
        text = f"The key or token that “{name}” lets you in with. It is kept in a file that only you can read."
        grid.attach(Gtk.Label(label=text, xalign=0, wrap=True, max_width_chars=60), 0, 0, 2, 1)
        grid.attach(Gtk.Label(label="Ke_y:", use_underline=True, xalign=0, mnemonic_widget=self._entry), 0, 1, 1, 1)
        grid.attach(self._entry, 1, 1, 1, 1)
        self._dialog.get_content_area().pack_start(grid, True, True, 0)
        grid.show_all()
        self._dialog.set_keep_above(True)
        self._allow()

    def ask(self):
        try:
            self._entry.grab_focus()
            return self._entry.get_text().strip() if self._dialog.run() == Gtk.ResponseType.OK else None
        finally:
            self._dialog.destroy()

    def _allow(self, *_):
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, is_key(self._entry.get_text().strip()))


def _key_entry(**properties):
    entry = Gtk.Entry(visibility=False, input_purpose=Gtk.InputPurpose.PASSWORD, activates_default=True, **properties)
    entry.set_tooltip_text("A key or token, which the server's provider gave you")
    return entry
