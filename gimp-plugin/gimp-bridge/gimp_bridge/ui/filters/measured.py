"""Values that can be measured, in an open dialog: what is found stands in the dialog, and stays when the user takes over."""

from gimp_bridge.ui.filters import run as filter_run


class Values:
    """The parameters of one dialog's config; `measured` is what is known of the automatic ones by their names."""

    def __init__(self, config, row):
        self._config, self._row = config, row
        self._switched = {_property(p): p for p in row["params"] if filter_run.has_switch(p)}
        self._telling = False  # we set it, not the user
        self._taken = set()  # taken over before it was measured: the value comes yet, unless the user sets one
        self.measured = {}

    @property
    def asked(self):
        """Whether a value is taken over that is not measured yet."""
        return bool(self._taken)

    def changed(self, name):
        """A property was set; whether the filter would make something else now."""
        if self._telling:
            return False
        base = name.removesuffix("-auto")
        if base in self._switched and name != base:
            if self._config.get_property(name):
                self._taken.discard(base)
            elif self._switched[base]["name"] not in self.measured:
                self._taken.add(base)
        elif name in self._taken:
            self._taken.discard(name)
        return True

    def parameters(self):
        """As the daemon takes them."""
        values = filter_run.parameters(self._config, self._row)
        return values | {self._switched[name]["name"]: "auto" for name in self._taken}

    def found(self, measured):
        """What a preview measured: automatic values show it."""
        self.measured.update(measured)
        self._telling = True
        try:
            for name, parameter in self._switched.items():
                value = self.measured.get(parameter["name"])
                automatic = self._config.get_property(f"{name}-auto") or name in self._taken
                if automatic and isinstance(value, (int, float)):
                    self._config.set_property(name, int(value) if parameter["type"] == "int" else float(value))
                    self._taken.discard(name)
        finally:
            self._telling = False

    def forget(self):
        """The layer is another, or looks otherwise."""
        self.measured = {}

    def settle(self):
        """Nothing more comes: what was not measured is automatic after all, and not the middle of its range."""
        self._telling = True
        try:
            for name in self._taken:
                self._config.set_property(f"{name}-auto", True)
            self._taken.clear()
        finally:
            self._telling = False


def _property(parameter):
    return parameter["name"].replace("_", "-")
