"""Asks a daemon for pictures: finds one that has image generators, sends what a dialog or a caller gave, waits for it.

Knows no widget.
"""

from gi.repository import GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import targets
from gimp_bridge.ui import daemon_process
from gimp_bridge.ui.filters import run as filter_run
from gimp_bridge.ui.generate.kinds import MOST_LETTERS, MOST_SEED, USUAL_SIZE, chosen, generators

BACKENDS = "generate/backends"
LOOK_MS = 100
MARGIN = 0.25  # as the settings have it, unless somebody changed them
RANDOM = -1  # of the argument `seed`: another one each time


class Found:
    """The generators that a daemon lists, what it sends round a selection (a share of its longer side), and the way to it."""

    def __init__(self, connection, backends, margin):
        self.connection, self.backends, self.margin = connection, backends, margin


class Search:
    """Looks for a daemon that has image generators, the newest first; at last one is started, which reads the settings
    as they are now. Never blocks: poll it."""

    def __init__(self, bridge, asked, afresh=False):
        self._bridge, self._asked = bridge, asked
        self._asks = {}  # connection → its Ask
        # What reads the settings only when it starts knows nothing of those that have changed
        self._passed = daemon_process.able_connections(bridge) if afresh else []
        self._starting = self._started = None

    def poll(self):
        """Found, or None as long as nobody knows. Raises OperationError when there are none."""
        self._ask_new()
        waiting = False
        for connection, ask in self._asks.items():
            if not ask.done:
                waiting = True
            elif found := _found(connection, ask):
                return found
        if waiting:
            return None
        if self._started is None:
            self._start()
            return None
        if self._started.asking.idle:  # it serves nobody
            self._starting.end()
        raise _none()

    def _start(self):
        try:
            self._starting = self._starting or daemon_process.start(self._bridge)
            self._started = self._starting.poll()  # asked when it is looked at next
        except OperationError as error:
            raise _none() if self._asks else error

    def _ask_new(self):
        for connection in reversed(daemon_process.able_connections(self._bridge)):
            if connection not in self._asks and connection not in self._passed:
                self._asks[connection] = connection.asking.ask(BACKENDS, self._asked, GLib.main_context_default().wakeup)


def _found(connection, ask):
    """What it lists; None where it generates no images, is older than that, or has gone."""
    try:
        answer = ask.result()
    except OperationError:
        return None
    rows, margin = answer.get("backends"), answer.get("context_margin")
    if not isinstance(rows, list) or not rows:
        return None
    return Found(connection, rows, margin if isinstance(margin, (int, float)) else MARGIN)


def _none():
    message = "no backend that generates images is configured"
    hint = "declare one in the file of generate.backends (docs/generation.md)"
    return OperationError("unsupported", message, hint, reason="no_backend")


class Run:
    """One picture that is about to be made; what is chosen in GIMP may still change."""

    def __init__(self, bridge, kind, image, drawables, config):
        self.bridge, self.kind, self.image, self.config = bridge, kind, image, config
        self.drawables = drawables
        self.found = None  # what a dialog has seen of the generators
        self.afresh = False  # whether the settings have changed since the daemons read them
        self.other = ""  # the generator that the last sentence is about

    @property
    def layer(self):
        """The layer that is chosen, or None."""
        first = self.drawables[0] if self.drawables else None
        return first if first is not None and first.is_valid() and first.is_layer() else None

    @property
    def layer_name(self):
        return self.layer.get_name() if self.layer is not None else ""

    def check(self):
        """Raises OperationError for what cannot be sent."""
        if self.kind.prompt and not self.config.get_property("prompt").strip():
            message, hint = "`prompt` has only blanks", "say what shall be painted"
            raise OperationError("invalid_argument", message, hint, reason="no_prompt")
        self.check_place()

    def check_place(self):
        """Raises OperationError where there is no layer to begin from."""
        targets.check_nothing_floats(self.image)
        if self.kind.area and self.layer is None:
            raise OperationError("no_image", "no layer is chosen", "choose a layer", reason="no_layer")

    def search(self):
        """Looks for who can make it, and at which size where that is free."""
        asked = {} if self.kind.area else {"width": self.image.get_width(), "height": self.image.get_height()}
        return Search(self.bridge, asked, self.afresh)

    def _size(self, found):
        """A new layer's: where none was given, what suits the image and the model."""
        size = tuple(self.config.get_property(side) for side in ("width", "height"))
        if all(size):
            return size
        able = generators(self.kind, found.backends)
        model = chosen(able, self.config.get_property("backend"), self.config.get_property("model"))
        return model.size if model is not None else USUAL_SIZE

    def params(self, found):
        """As the daemon takes them: only what says something."""
        value = self.config.get_property
        params = {
            "image": self.image.get_id(),
            "count": value("count"),
            "num_inference_steps": value("num-inference-steps"),
            "guidance_scale": value("guidance-scale"),
        }
        for name in ("prompt", "negative-prompt", "backend", "model"):
            if text := (value(name) or "").strip()[:MOST_LETTERS]:
                params[name.replace("-", "_")] = text
        seed = int(value("seed"))
        if 0 <= seed <= MOST_SEED:
            params["seed"] = seed
        if self.kind.area:
            params["layer"] = self.layer.get_id()
            params["strength"] = round(value("strength"), 4)
        else:
            width, height = self._size(found)
            params.update(into="new_layer", width=width, height=height)
        return params


def run(run_, watch):
    """The daemon's answer, once the layers are in place. Raises OperationError."""
    with filter_run.turn(run_.bridge, run_.kind.title, watch, "generate_image"):
        run_.check()
        found = _find(run_, watch)
        answer = filter_run.wait(found.connection, run_.kind.method, run_.params(found), watch, run_.image)
    if isinstance(lost := answer.get("into_error"), dict):  # it was made, and did not come into the image
        details = lost["details"] if isinstance(lost.get("details"), dict) else {}
        raise OperationError(lost.get("kind", "internal"), str(lost.get("message")), lost.get("hint"), **details)
    return answer


def _find(run_, watch):
    if run_.found is not None and run_.found.connection.is_open:
        return run_.found
    search, context = run_.search(), GLib.main_context_default()
    ticking = GLib.timeout_add(LOOK_MS, lambda: True)  # so that waiting for news has an end
    try:
        while not watch.cancelled:
            found = search.poll()
            if found is not None:
                return found
            watch.show(None, "looking for image generators")
            context.iteration(True)
    finally:
        GLib.source_remove(ticking)
    raise OperationError("cancelled", "cancelled while image generators were looked for")


def seed_used(answer):
    """The seed of the first picture, or None where the generator does not tell it."""
    metadata = answer.get("metadata") or next(iter(answer.get("images") or ()), {}).get("metadata") or {}
    seed = metadata.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None
