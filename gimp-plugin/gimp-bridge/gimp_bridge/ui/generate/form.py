"""The fields of a dialog that makes pictures from words, each tied to the procedure's argument of the same name."""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, GObject, Gtk  # noqa: E402

from gimp_bridge.ui.generate import prompts as generate_history  # noqa: E402
from gimp_bridge.ui.generate.kinds import GUIDANCE, MOST_LETTERS, MOST_SEED, MOST_VARIANTS, STEPS, automatic, chosen  # noqa: E402
from gimp_bridge.ui.generate.run import RANDOM  # noqa: E402
from gimp_bridge.ui.generate.size import SizeFields  # noqa: E402

BOTH = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
WIDTH = 340  # pixels of the fields
LINES = 76  # pixels: some three lines of a prompt
GROWN_MS = 150  # until the window has its new size
_unfolded = False  # whether the user's last dialog showed more


class Form(Gtk.Box):
    """All fields. `offer(generators)` fills in who can make it; `entered` is called when Return is pressed in the prompt,
    `grown` when the form has another height, `chosen` when who makes it is another."""

    def __init__(self, kind, config, history, entered, grown, chosen):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6, width_request=WIDTH)
        self._kind, self._config, self._history, self._entered = kind, config, history, entered
        self._grown, self._chosen = grown, chosen
        self._generators = []
        self._filling = False
        self.pack_start(self._prompt(), True, True, 0)
        self._grid = self._new_grid()
        self.pack_start(self._grid, False, False, 0)
        self._row("_Negative prompt:", self._text("negative-prompt", "What shall not be seen"))
        self._by = self._combo("Made _by:", "Which image generator makes it", self._by_chosen)
        self._model = self._combo("_Model:", "Which of its models", self._model_chosen)
        self._size = None
        if not kind.area:
            self._size = SizeFields(config)
            self._size.attach(self._row("_Size:", self._size))
        if kind.strength == 0.5:
            self._row("_Strength:", self._strength())
        self._row("_Variants:", self._number("count", 1, MOST_VARIANTS, 1, "Each becomes a layer; the first one is shown"))
        self.pack_start(self._more(), False, False, 0)
        self._config_handler = config.connect("notify::seed", self._seed_set)

    def close(self):
        self._config.disconnect(self._config_handler)
        if self._size is not None:
            self._size.close()

    # --- what is there ---

    def _prompt(self):
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=3)
        self.prompt = Gtk.TextView(wrap_mode=Gtk.WrapMode.WORD_CHAR, accepts_tab=False, left_margin=6, right_margin=6,
                                   top_margin=4, bottom_margin=4)  # fmt: skip
        self.prompt.get_buffer().connect("insert-text", self._bounded)
        self._config.bind_property("prompt", self.prompt.get_buffer(), "text", BOTH)
        self.prompt.connect("key-press-event", self._key)
        self._prompt_label = label = Gtk.Label(use_underline=True, xalign=0, ellipsize=3)
        label.set_mnemonic_widget(self.prompt)
        self._earlier = Gtk.MenuButton(label="_Earlier", use_underline=True)
        self._earlier.set_tooltip_text("Prompts that you gave before")
        top = Gtk.Box(spacing=6)
        top.pack_start(label, True, True, 0)
        top.pack_end(self._earlier, False, False, 0)
        scroll = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, shadow_type=Gtk.ShadowType.IN,
                                    min_content_height=LINES)  # fmt: skip
        scroll.add(self.prompt)
        box.pack_start(top, False, False, 0)
        box.pack_start(scroll, True, True, 0)
        self._fill_earlier()
        self._ask_for_words()
        return box

    def _ask_for_words(self):
        generator = self.generator
        name = generator.name if generator is not None else ""
        self._prompt_label.set_label(
            "_Prompt:" if self._kind.prompt else f"_Prompt, which “{name.replace('_', '__')}” needs:" if self.needs_words else "_Prompt, if you like:"
        )

    def _fill_earlier(self):
        menu = Gtk.Menu()
        for row in self._history.prompts:
            item = Gtk.MenuItem(label=generate_history.shown(row))
            item.set_tooltip_text(row[0] if not row[1] else f"{row[0]}\n\nNot: {row[1]}")
            item.connect("activate", lambda _item, row=row: self._take(row))
            menu.append(item)
        menu.append(Gtk.SeparatorMenuItem())
        forget = Gtk.MenuItem(label="_Forget All", use_underline=True)
        forget.connect("activate", lambda _item: (self._history.clear(), self._fill_earlier()))
        menu.append(forget)
        menu.show_all()
        self._earlier.set_popup(menu)
        self._earlier.set_sensitive(bool(self._history.prompts))

    def _take(self, row):
        self._config.set_property("prompt", row[0])
        self._config.set_property("negative-prompt", row[1])
        self.prompt.grab_focus()

    def _more(self):
        more = Gtk.Expander(label="M_ore", use_underline=True, expanded=_unfolded)
        more.connect("notify::expanded", self._folded)
        outer, self._grid = self._grid, self._new_grid()
        if self._kind.strength == 1.0:
            self._row("_Strength:", self._strength())
        self._steps = self._number("num-inference-steps", *STEPS, 1, "More take longer")
        self._row("S_teps:", self._steps)
        self._guidance = self._number("guidance-scale", *GUIDANCE, 0.5, "How closely the prompt is followed", 1)
        self._row("G_uidance:", self._guidance)
        self._row("See_d:", self._seed())
        self._grid.set_margin_start(12)
        self._grid.set_margin_top(6)
        more.add(self._grid)
        self._grid = outer
        return more

    def _folded(self, more, _spec):
        global _unfolded
        _unfolded = more.get_expanded()
        GLib.timeout_add(GROWN_MS, lambda: self._grown() and False)

    @staticmethod
    def _new_grid():
        return Gtk.Grid(row_spacing=6, column_spacing=12)

    def _row(self, text, widget):
        label = Gtk.Label(label=text, use_underline=True, xalign=0)
        field = widget[0] if isinstance(widget, tuple) else widget
        label.set_mnemonic_widget(field)
        row = len(self._grid.get_children()) // 2
        self._grid.attach(label, 0, row, 1, 1)
        shown = widget[1] if isinstance(widget, tuple) else widget
        shown.set_hexpand(True)
        self._grid.attach(shown, 1, row, 1, 1)
        return label

    def _text(self, name, help_text):
        entry = Gtk.Entry(max_length=MOST_LETTERS, activates_default=True)
        entry.set_tooltip_text(help_text)
        self._config.bind_property(name, entry, "text", BOTH)
        return entry

    def _number(self, name, low, high, step, help_text, digits=0):
        spin = Gtk.SpinButton.new_with_range(low, high, step)
        spin.set_digits(digits)
        spin.set_snap_to_ticks(False)
        spin.set_activates_default(True)
        spin.set_tooltip_text(help_text)
        self._config.bind_property(name, spin, "value", BOTH)
        return spin

    def _strength(self):
        scale = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, 1, 0.05)
        scale.set_value_pos(Gtk.PositionType.RIGHT)
        scale.connect("format-value", lambda _scale, value: f"{value:.0%}")
        scale.set_tooltip_text("0% leaves it as it is, 100% begins anew")
        self._config.bind_property("strength", scale.get_adjustment(), "value", BOTH)
        return scale

    def _combo(self, text, help_text, chosen):
        store = Gtk.ListStore(str, str, bool)  # the argument's value, what is shown, whether it can be chosen
        combo = Gtk.ComboBox(model=store, id_column=0)
        cell = Gtk.CellRendererText(ellipsize=3, width_chars=20)
        combo.pack_start(cell, True)
        combo.add_attribute(cell, "text", 1)
        combo.add_attribute(cell, "sensitive", 2)
        combo.set_tooltip_text(help_text)
        combo.set_sensitive(False)
        combo.connect("changed", chosen)
        label = self._row(text, combo)
        combo.connect("notify::visible", lambda *_: label.set_visible(combo.get_visible()))
        return combo

    def _seed(self):
        self._seed_entry = Gtk.Entry(placeholder_text="Another each time", max_length=len(str(MOST_SEED)), width_chars=16,
                                     activates_default=True, input_purpose=Gtk.InputPurpose.DIGITS)  # fmt: skip
        self._seed_entry.set_tooltip_text("The same seed, prompt and settings make the same picture again")
        self._seed_entry.connect("changed", self._seed_typed)
        self._again = Gtk.Button(label="_Again", use_underline=True)
        self._again.set_tooltip_text("Takes the seed of the last picture")
        self._again.set_sensitive(self._history.seed is not None)
        self._again.connect("clicked", lambda _button: self._config.set_property("seed", float(self._history.seed)))
        box = Gtk.Box(spacing=6)
        box.pack_start(self._seed_entry, True, True, 0)
        box.pack_end(self._again, False, False, 0)
        self._seed_set()
        return self._seed_entry, box

    # --- who makes it ---

    @property
    def generator(self):
        """The one that is asked, as far as that is known."""
        name = self._config.get_property("backend")
        return next((each for each in self._generators if each.name == name), None) or automatic(self._generators)

    @property
    def needs_words(self):
        model = chosen(self._generators, self._config.get_property("backend"), self._config.get_property("model"))
        return self._kind.prompt or (model is not None and not model.can.get("without_words", True))

    def offer(self, generators):
        """Shows who is there; what was chosen stays where that is possible."""
        self._generators = generators
        first = automatic(generators)
        rows = [("", f"Automatic: {first.name}", True)] if first is not None else []
        # Those that can before those that cannot
        for each in sorted(generators, key=lambda each: each.lacks is not None):
            rows.append((each.name, each.label if each.lacks is None else f"{each.name} {each.lacks}", each.lacks is None))
        self._fill(self._by, rows, "backend")
        self._by_chosen(self._by)

    def _fill(self, combo, rows, name):
        able = [value for value, _, can in rows if can]
        value = self._config.get_property(name) or ""
        if value not in able:
            value = next(iter(able), "")
        self._filling = True
        try:
            store = combo.get_model()
            store.clear()
            for row in rows:
                store.append(row)
            combo.set_active_id(value)
            self._config.set_property(name, value)
        finally:
            self._filling = False
        combo.set_sensitive(len(rows) > 1)

    def _by_chosen(self, combo):
        if self._filling:
            return
        self._config.set_property("backend", combo.get_active_id() or "")
        models = self.generator.models if self.generator is not None else ()
        rows = []
        for model in models:
            shown = model.name or "As set up"
            rows.append((model.name, shown if model.lacks is None else f"{shown} {model.lacks}", model.lacks is None))
        self._fill(self._model, rows or [("", "As set up", True)], "model")
        self._model.set_visible(len(models) > 2)
        self._model_chosen(self._model)

    def _model_chosen(self, combo):
        if self._filling:
            return
        self._config.set_property("model", combo.get_active_id() or "")
        model = self.generator.model(combo.get_active_id() or "") if self.generator is not None else None
        can = model.can if model is not None else {}
        self._steps.set_sensitive(can.get("num_inference_steps", True))
        self._guidance.set_sensitive(can.get("guidance_scale", True))
        if self._size is not None and model is not None:
            self._size.suit(model)
        self._ask_for_words()
        self._chosen()

    # --- what is typed ---

    def _bounded(self, buffer, _place, text, _length):
        if buffer.get_char_count() + len(text) > MOST_LETTERS:
            buffer.stop_emission_by_name("insert-text")

    def _key(self, _view, event):
        entered = event.keyval in (Gdk.KEY_Return, Gdk.KEY_KP_Enter) and not event.state & Gdk.ModifierType.SHIFT_MASK
        if entered:
            self._entered()
        return entered

    def _seed_typed(self, entry):
        digits = "".join(filter(str.isdecimal, entry.get_text()))
        if digits != entry.get_text():
            entry.set_text(digits)
            return
        self._config.set_property("seed", float(min(int(digits), MOST_SEED)) if digits else float(RANDOM))

    def _seed_set(self, *_):
        seed = int(self._config.get_property("seed"))
        text = "" if seed < 0 else str(seed)
        if self._seed_entry.get_text() != text:
            self._seed_entry.set_text(text)
