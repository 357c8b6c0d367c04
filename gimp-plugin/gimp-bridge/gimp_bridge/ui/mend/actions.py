"""What the button of a message does: what its sentence advises. One function for each action of protocol/sentences.json.

Each takes a Run and may change it; then the filter runs again. May raise OperationError.
"""

import os
import subprocess

from gi.repository import Gimp, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import targets
from gimp_bridge.ui.mend import generator_settings


class Run:
    """One filter that is about to run: the layers that it works on, and where its result goes, may still change."""

    def __init__(self, bridge, image, drawables, config, row):
        self.bridge, self.image, self.drawables, self.config, self.row = bridge, image, drawables, config, row

    @property
    def layer_name(self):
        first = self.drawables[0] if self.drawables else None
        return first.get_name() if first is not None and first.is_valid() else ""

    def check(self):
        """Raises OperationError where what is chosen in GIMP is no layer, or not yet one."""
        targets.check_nothing_floats(self.image)
        other = layer_instead(self.image)
        strange = [item for item in self.drawables if not item.is_layer()]
        if other is None or not self.drawables:
            raise OperationError("no_image", "no layer is chosen", "choose a layer", reason="no_layer")
        if strange:
            message = f"`{strange[0].get_name()}` is a channel, not a layer"
            raise OperationError("invalid_argument", message, "give layers", reason="not_a_layer", other=other.get_name())


def failed(procedure, error):
    """What another plug-in is answered: an error's own words are for callers."""
    status = Gimp.PDBStatusType.CANCEL if error.kind == "cancelled" else Gimp.PDBStatusType.EXECUTION_ERROR
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    return procedure.new_return_values(status, GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0))


def again(run):
    """Nothing has to be done but to run it again."""


def select_all(run):
    Gimp.Selection.all(run.image)
    Gimp.displays_flush()


def use_layer(run):
    layer = layer_instead(run.image)
    run.image.set_selected_layers([layer])
    run.drawables = [layer]
    Gimp.displays_flush()


def new_layer(run):
    run.config.set_property("result", "new_layer")


def new_image(run):
    run.config.set_property("result", "new_image")


def get_runtime(run):
    """Has gimp-bridge fetch ONNX Runtime, and waits, with a way to cancel."""
    from gimp_bridge.ui import progress_window

    program = os.environ.get("GIMP_BRIDGE_BIN") or run.bridge.filters.listed.program
    watch = progress_window.ProgressWindow(run.row["title"])
    try:
        fetching = subprocess.Popen([program, "filters", "setup", "--force", "--no-models"], stdin=subprocess.DEVNULL)
    except (OSError, TypeError) as error:
        watch.close()
        raise OperationError("not_found", f"`{program}` does not start: {error}", reason="program_missing") from error
    ticking = GLib.timeout_add(100, lambda: True)
    try:
        while fetching.poll() is None:
            watch.show(None, "Getting ONNX Runtime")
            GLib.main_context_default().iteration(True)
            if watch.cancelled:
                fetching.terminate()
                fetching.wait()
                raise OperationError("cancelled", "cancelled while ONNX Runtime was fetched")
    finally:
        GLib.source_remove(ticking)
        watch.close()
    if fetching.returncode != 0:
        raise OperationError("io_error", f"filters setup ended with {fetching.returncode}", reason="runtime_not_got")


def set_up_generator(run):
    """Asks for a server that makes pictures, and puts it into gimp-bridge's settings."""
    from gimp_bridge.ui.mend import generator_setup

    given = generator_setup.Setup().ask()
    if given is None:
        raise OperationError("cancelled", "cancelled while an image generator was set up")
    generator_settings.declare(*given)
    run.afresh = True


def give_key(run):
    """Asks for the key of the generator that the last sentence is about, and keeps it for it."""
    from gimp_bridge.ui.mend import generator_setup

    name = run.other
    generator_settings.check_key(name)
    key = generator_setup.Key(name).ask()
    if key is None:
        raise OperationError("cancelled", f"cancelled while the key of `{name}` was asked for")
    generator_settings.give_key(name, key)
    run.afresh = True


def float_to_layer(run):
    floating = run.image.get_floating_sel()
    if floating is not None and not Gimp.floating_sel_to_layer(floating):
        raise OperationError("gimp_error", f"GIMP made no layer of it: {Gimp.get_pdb().get_last_error()}")
    run.drawables = run.image.get_selected_layers()
    Gimp.displays_flush()


def layer_instead(image):
    """The layer to work on where a channel is chosen: the topmost that is seen, else the topmost."""
    layers = image.get_layers()
    return next((layer for layer in layers if layer.get_visible()), layers[0] if layers else None)


_ALL = again, select_all, use_layer, new_layer, new_image, get_runtime, set_up_generator, give_key, float_to_layer
ACTIONS = {action.__name__: action for action in _ALL}
