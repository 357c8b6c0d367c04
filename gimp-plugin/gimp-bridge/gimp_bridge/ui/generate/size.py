"""How large a new layer is, as the chosen model makes pictures: two numbers, or one of the sizes that are all it knows.

The arguments are 0 as long as nobody chose a size: then it follows the image and the model, the next time too.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402

from gimp_bridge.ui.generate.kinds import SIDES, USUAL_SIZE  # noqa: E402

NAMES = "width", "height"


class SizeFields(Gtk.Box):
    """`suit(model)` fits them to a model."""

    def __init__(self, config):
        super().__init__(sensitive=False)
        self._config, self._model, self._label, self._showing = config, None, None, False
        self._sides = [self._side(name) for name in NAMES]
        self._both = Gtk.Box(spacing=6)
        for widget in (self._sides[0], Gtk.Label(label="×"), self._sides[1]):
            self._both.pack_start(widget, isinstance(widget, Gtk.SpinButton), True, 0)
        self._choice = Gtk.ComboBoxText(no_show_all=True)
        self._choice.connect("changed", self._picked)
        self.pack_start(self._both, True, True, 0)
        self.pack_start(self._choice, True, True, 0)
        self._handlers = [config.connect(f"notify::{name}", lambda *_: self._show()) for name in NAMES]
        self._show()

    def attach(self, label):
        """The label whose letter leads here."""
        self._label = label
        label.set_mnemonic_widget(self._sides[0])

    def close(self):
        for handler in self._handlers:
            self._config.disconnect(handler)

    def suit(self, model):
        """What was chosen stays where this model makes it."""
        self._model = model
        if not model.takes(*self._chosen()):
            self._set(0, 0)
        self._showing = True
        try:
            for name, side in zip(NAMES, self._sides):
                side.set_range(*model.range(name))
                side.set_increments(model.step if model.step > 1 else 8, max(model.step, 64))
                side.set_snap_to_ticks(model.step > 1)
            self._choice.remove_all()
            for width, height in model.sizes:
                self._choice.append(f"{width}x{height}", f"{width} × {height}")
        finally:
            self._showing = False
        self._choice.set_visible(bool(model.sizes))
        self._both.set_visible(not model.sizes)
        self._label.set_mnemonic_widget(self._choice if model.sizes else self._sides[0])
        self.set_sensitive(True)
        self._show()

    def _side(self, name):
        side = Gtk.SpinButton.new_with_range(*SIDES, 8)
        side.set_activates_default(True)
        side.set_tooltip_text(f"The new layer's {name} in pixels")
        side.connect("value-changed", self._typed)
        return side

    def _chosen(self):
        return tuple(self._config.get_property(name) for name in NAMES)

    def _fitting(self):
        return self._model.size if self._model is not None else USUAL_SIZE

    def _show(self):
        chosen = self._chosen()
        size = chosen if all(chosen) else self._fitting()
        self._showing = True
        try:
            for side, pixels in zip(self._sides, size):
                side.set_value(pixels)
            self._choice.set_active_id("x".join(map(str, size)))
        finally:
            self._showing = False

    def _typed(self, _side):
        if not self._showing:
            self._take(tuple(side.get_value_as_int() for side in self._sides))

    def _picked(self, choice):
        if not self._showing and choice.get_active_id():
            self._take(tuple(map(int, choice.get_active_id().split("x"))))

    def _take(self, size):
        self._set(*((0, 0) if size == self._fitting() else size))

    def _set(self, *size):
        for name, pixels in zip(NAMES, size):
            self._config.set_property(name, pixels)
        self._show()
