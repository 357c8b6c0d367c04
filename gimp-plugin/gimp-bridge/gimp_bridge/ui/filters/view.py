"""The preview in a filter's dialog: the picture, its switches, a line that says what is seen, and what the filter notes.

What stands in the filter's way is said there too, with a button that mends it where one can.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402

from gimp_bridge.core.errors import OperationError  # noqa: E402
from gimp_bridge.ui import mnemonics, people  # noqa: E402
from gimp_bridge.ui.filters.preview import Preview  # noqa: E402
from gimp_bridge.ui.filters.surface import Surface  # noqa: E402
from gimp_bridge.ui.mend import actions as filter_mend  # noqa: E402

MOST_NOTES = 12
TEXT_HEIGHT = 110  # pixels: some five lines, or a sentence and its button
_wanted = True  # whether the user's last dialog had its preview on


class FilterView(Gtk.Box):
    """What `Preview` shows things on; `start` begins, `close` ends it."""

    def __init__(self, run):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._run = run
        self._preview = Preview(run.bridge, run.image, run.drawables[0], run.config, run.row, self)
        marks = run.row.get("scope") == "subject"  # a click says what the subject is
        self._surface = Surface(self._preview, marks)
        self.shown_notes = ()
        rim = Gtk.EventBox()
        rim.get_style_context().add_provider(_style(), Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
        self._surface.set_property("margin", 2)
        self._surface.connect("focus-in-event", lambda *_: rim.get_style_context().add_class("focused"))
        self._surface.connect("focus-out-event", lambda *_: rim.get_style_context().remove_class("focused"))
        rim.add(self._surface)
        text = "Press on the picture to see it without the filter, drag it to see another part. "
        if marks:
            text = "Click on the subject, or with the right button beside it; Delete forgets the clicks. "
        text += "The wheel, or the keys + and −, zoom; 1 is pixel by pixel, 0 fits."
        self._surface.set_tooltip_text(text if marks else None)  # it covers what is to be seen
        self.pack_start(rim, True, True, 0)
        self.pack_start(self._switches(), False, False, 0)
        self._switch.set_tooltip_text(text)
        self._line, self._told, self._notes = (_label() for _ in range(3))
        self._mend = Gtk.Button(use_underline=True, halign=Gtk.Align.START)
        self._mend.connect("clicked", self._mended)
        self._action = None
        self.pack_start(self._texts(), False, False, 0)
        self._surface.draw()
        self.show_all()
        self._say("")

    def _texts(self):
        """Of one height, whatever is said: the picture must not jump."""
        texts = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=3)
        for widget in (self._line, self._told, self._notes, self._mend):
            texts.pack_start(widget, False, False, 0)
        scroll = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, min_content_height=TEXT_HEIGHT)
        scroll.add(texts)
        return scroll

    def _switches(self):
        self._switch = Gtk.CheckButton.new_with_mnemonic("_Preview")
        self._switch.set_active(_wanted)
        self._switch.connect("toggled", self._switched)
        self._before = Gtk.ToggleButton.new_with_mnemonic("_Before")
        self._before.set_tooltip_text("Shows the layer without the filter")
        self._before.connect("toggled", self._toggled)
        bar = Gtk.Box(spacing=6)
        bar.pack_start(self._switch, False, False, 0)
        self._zooms = Gtk.Box()
        for icon, text, act in (
            ("zoom-out", "Zoom out", self._surface.farther),
            ("zoom-in", "Zoom in", self._surface.closer),
            ("zoom-original", "Pixel by pixel", self._surface.actual),
            ("zoom-fit-best", "As it fits", self._surface.fit),
        ):
            button = Gtk.Button.new_from_icon_name(icon, Gtk.IconSize.BUTTON)
            button.set_tooltip_text(text)
            button.get_accessible().set_name(text)
            button.connect("clicked", lambda _button, act=act: act())
            self._zooms.pack_start(button, False, False, 0)
        bar.pack_start(self._zooms, False, False, 0)
        bar.pack_end(self._before, False, False, 0)
        return bar

    @property
    def marks(self):
        """Where the user clicked on the subject and beside it."""
        return self._preview.marks

    def start(self):
        self._apply_switch()

    def close(self):
        self._preview.close()

    def aim(self, layer):
        """Another layer was chosen in GIMP."""
        self._preview.aim(layer)

    def changed(self, selection):
        """The layer changed, or the selection."""
        self._preview.look_again(selection)

    # --- what Preview tells ---

    def working(self, text):
        self._line.set_text(text)

    def failed(self, told):
        self.shown_notes = ()
        self._say("", told)
        self._surface.forget_filter()

    def show(self, shown):
        if shown.after is not None:
            self.shown_notes = tuple(shown.notes)
        self._say(_line(shown), notes=self.shown_notes)
        self._surface.show_answer(shown)

    # --- the user ---

    def _switched(self, _button):
        global _wanted
        _wanted = self._switch.get_active()
        self._apply_switch()

    def _apply_switch(self):
        on = self._switch.get_active()
        self._before.set_sensitive(on)
        self._zooms.set_sensitive(on)
        if not on:
            self.shown_notes = ()
            self._say("")
            self._surface.clear()
        self._preview.switch(on)

    def _toggled(self, button):
        self._surface.before = button.get_active()
        self._surface.draw()

    def _mended(self, _button):
        """Does what the message advises, and looks what the filter makes then."""
        try:
            filter_mend.ACTIONS[self._action](self._run)
            self._preview.look_again()
        except OperationError as error:
            if error.kind != "cancelled":
                self.failed(people.told(error, self._run.row["title"], self._run.layer_name))

    def _say(self, line, told=None, notes=()):
        self._line.set_text(line)
        self._told.set_text(told.whole() if told else "")
        self._told.set_visible(bool(told))
        self._notes.set_text("\n".join(notes[:MOST_NOTES]))
        self._notes.set_tooltip_text("\n".join(notes) if len(notes) > MOST_NOTES else None)
        self._notes.set_visible(bool(notes))
        self._action = told.action if told else None
        self._mend.set_label(told.button if self._action else "")
        self._mend.set_visible(bool(self._action))
        if self._action:
            mnemonics.settle(self.get_toplevel(), self._mend)


def _label():
    # As wide as the picture, whatever is said
    return Gtk.Label(xalign=0, wrap=True, max_width_chars=1, hexpand=True)


def _style():
    """The arrow keys move the picture, so it has to be seen when they do."""
    style = Gtk.CssProvider()
    style.load_from_data(b"* { background: none } .focused { background: @theme_selected_bg_color }")
    return style


def _line(shown):
    """What is seen, in a few words."""
    what = {"part": "Part of the layer", "selection": "The selection", "whole": "The whole layer"}[shown.view]
    if shown.area[2:] == shown.layer_size:
        what = "The whole layer"
    zoom = shown.zoom
    return f"{what}, {zoom:.0%}" if zoom >= 0.1 else f"{what}, {zoom:.1%}"
