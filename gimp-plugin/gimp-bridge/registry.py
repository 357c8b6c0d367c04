"""Operations by name, and the dispatcher that wraps each one."""

import dataclasses
import difflib
import sys
import time
import traceback

from batches import BATCHES
from errors import OperationError
from places import Places
from watchdog import Interrupted

OPERATIONS = {}
_PLANS = {}


def operation(name, plan=None):
    """Registers a function under a catalogue name: `function(call, **arguments) -> dict`.

    `call` is a `Call`. Arguments arrive validated against the catalogue, with defaults filled in, without the
    common ones (`image` is resolved to `call.image`).

    `plan(call, **arguments) -> Plan` is for an operation whose access depends on its arguments; it runs before an
    image that is left out is resolved, and may keep what it worked out on `call.prepared`.
    """

    def register(function):
        if name in OPERATIONS:
            raise ValueError(f"operation `{name}` is registered twice")
        OPERATIONS[name] = function
        if plan is not None:
            _PLANS[name] = plan
        return function

    return register


class Plan:
    """What one call is going to do.

    changes   whether it may change anything; False: no checkpoint, no undo group, no proof
    images    the images that it may change, or None for the resolved one
    isolated  whether it runs in a context (colours, brush) of its own
    """

    def __init__(self, changes, images=None, isolated=False):
        self.changes, self.images, self.isolated = changes, images, isolated


class Call:
    """One running request, as an operation sees it.

    request   the Request (inflight.py)
    image     the resolved Gimp.Image, or None
    client    `.id`, `.name`, `.namespace` (dict for exec), `.image_id` (chosen image or None; operations may set it)
    upload    path of the spooled upload, or None
    timeout   seconds
    settings  the plug-in's Settings, for policies
    progress(fraction, message=None)   fraction 0..1
    places(layer=None)                 for entries with `places`: from the client's places to image pixels (places.py)
    check()                            raises if the request was cancelled or is past its deadline
    stream(header, chunks)             sends a `$/stream` header and an iterable of bytes-like chunks (any length;
                                       cut to 1 MiB), waiting while the outgoing queue is full; returns the byte count.
                                       At most once per call; the dispatcher adds `stream: {bytes}` to the result.
                                       A chunk must not be changed after it was given
    masked()  unmasked()               context managers: code that a cancel or a deadline must not interrupt, and
                                       foreign code in the middle of it
    """

    PROGRESS_SECONDS = 0.1  # at most so often

    def __init__(self, request, client, settings, watchdog):
        self.request, self._watchdog = request, watchdog
        self.operation, self.client, self.settings = request.operation, client, settings
        self.timeout = request.timeout
        self.upload = request.upload.path if request.upload is not None else None
        self.image = None
        self.arguments = {}  # as the client gave them, with defaults; an item among them says which image is meant
        self._common = {}
        self.note = None  # what has to be said with the answer
        self.prepared = None
        self.partial = {}  # what an error's details get too: the output so far
        self.stream_bytes = None
        self._last_progress = 0.0
        self.check, self.masked, self.unmasked = watchdog.check, watchdog.masked, watchdog.unmasked

    def places(self, layer=None):
        """How this call's places map to the image; `layer` is what `units: "layer"` counts from."""
        return Places(
            (self.image.get_width(), self.image.get_height()),
            self._common.get("units", "pixels"),
            self._common.get("from_preview"),
            layer.get_offsets()[-2:] if layer is not None else (0, 0),
        )

    def progress(self, fraction, message=None):
        now = time.monotonic()
        if now - self._last_progress < self.PROGRESS_SECONDS and fraction < 1:
            return
        self._last_progress = now
        params = {"id": self.request.id, "progress": min(max(float(fraction), 0.0), 1.0), "total": 1}
        if message is not None:
            params["message"] = str(message)
        self._notify("$/progress", params)

    def stream(self, header, chunks):
        if self.stream_bytes is not None:
            raise RuntimeError("a call streams at most once")
        self.stream_bytes = 0
        self._notify("$/stream", {"id": self.request.id, "header": header})
        for chunk in chunks:
            view = memoryview(chunk).cast("B")
            for start in range(0, len(view), 1024 * 1024):
                self._send_chunk(view[start : start + 1024 * 1024])
        return self.stream_bytes

    def _notify(self, method, params):
        with self._watchdog.masked():  # the outbox has a lock
            self.request.connection.send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send_chunk(self, piece):
        connection = self.request.connection
        with self._watchdog.masked():
            while not connection.send_chunk(self.request.id, piece, 0.05):
                self.check()
                if not connection.is_open:
                    raise Interrupted
        self.stream_bytes += len(piece)


class Dispatcher:
    """Runs one request: policy, image, transaction, time limit, errors.

    `gimp` is what touches GIMP (gimp_side.py), `catalogue` the entries by name.
    """

    def __init__(self, catalogue, gimp, clients, settings, watchdog):
        self.catalogue, self.gimp, self.clients = catalogue, gimp, clients
        self.settings, self.watchdog = settings, watchdog

    def execute(self, request):
        """The result, or an OperationError."""
        entry, function = self.catalogue.get(request.operation), OPERATIONS.get(request.operation)
        if entry is None or function is None:
            near = difflib.get_close_matches(request.operation, sorted(OPERATIONS), 1)
            raise OperationError(
                "unknown_operation",
                f"the plug-in has no operation `{request.operation[:100]}`",
                hint=f"did you mean `{near[0]}`?" if near else "update the plug-in: gimp-bridge install",
            )
        batch = BATCHES.of(request)
        arguments, common = entry.arguments(request.arguments)
        settings = self.settings
        if common.get("files") is False:  # whatever parameter names one, a GEGL operation's property too
            settings = dataclasses.replace(settings, folders=[])
        call = Call(request, self.clients.get(request.client_id, request.client_name), settings, self.watchdog)
        call.arguments, call._common = arguments, common
        make_plan = _PLANS.get(entry.name)
        if entry.image != "none" and (make_plan is None or common.get("image") is not None):
            call.image = self.gimp.resolve_image(call, common.get("image"), entry)
        plan = make_plan(call, **arguments) if make_plan else Plan(entry.changes, isolated=entry.changes)
        if plan.changes and self.settings.read_only:
            raise OperationError(
                "forbidden",
                f"`{entry.name}` would change something, and this GIMP is read-only",
                hint="the policy `read_only` in plugin.json of GIMP's user decides",
            )

        def run():
            if request.cancelled:
                raise Interrupted
            return function(call, **arguments)

        if plan.changes:
            result, effects = self._change(call, entry, plan, common.get("verify", "auto"), run, batch)
        else:
            result = self._guarded(call, run)
            effects = [{"changed": False}] if entry.checkpoint and batch is None else []
        return self._complete(call, entry, result, effects)

    def _guarded(self, call, run):
        try:
            return self._run(call, run)
        except OperationError as error:
            error.details.update(call.partial)
            raise

    def _run(self, call, run):
        try:
            return self.watchdog.guard(call.request, call.timeout, run)
        except OperationError:
            raise
        except Interrupted as end:
            raise self._ended(call, end) from None
        except OSError as error:
            if self.gimp.is_gimp_error(error):
                raise OperationError("gimp_error", self.gimp.error_text(error)) from error
            raise OperationError(
                "io_error", f"{error.strerror or error}: `{error.filename}`" if error.filename else str(error)
            ) from error
        except Exception as error:
            if self.gimp.is_gimp_error(error):
                raise OperationError("gimp_error", self.gimp.error_text(error)) from error
            raise
        except BaseException as error:  # SystemExit and the like must not end the plug-in
            print(f"gimp-bridge: `{call.operation}` raised {error!r}", file=sys.stderr)
            traceback.print_exc()
            raise OperationError("internal", f"`{call.operation}` raised {type(error).__name__}") from None

    @staticmethod
    def _ended(call, end):
        if end.reason == "timeout":
            return OperationError(
                "timeout",
                f"`{call.operation}` was ended at its time limit of {call.timeout:g} s",
                hint="give a larger `timeout`, or do the work in smaller steps",
            )
        return OperationError("cancelled", f"`{call.operation}` was cancelled and ended")

    def _change(self, call, entry, plan, verify, run, batch=None):
        """Runs it between a checkpoint and the proof; what had changed goes with an error too.

        In a batch both are the batch's, once for all of its calls.
        """
        images = plan.images if plan.images is not None else [call.image] if call.image is not None else []
        transaction = None
        if entry.checkpoint and batch is not None:
            batch.transaction.include(images)
        elif entry.checkpoint:
            transaction = self.gimp.transaction(images, call, verify)
        context = self.gimp.push_context() if plan.isolated else False
        effects = []
        try:
            try:
                result = self._guarded(call, run)
            finally:
                if context:
                    self.gimp.pop_context()
        except BaseException as error:
            if transaction is not None:
                effects = transaction.abort()
                if isinstance(error, OperationError) and any(e.get("changed") is not False for e in effects):
                    error.details["effects"] = effects
            self.gimp.flush_displays()
            raise
        if transaction is not None:
            effects = transaction.finish()
        if batch is None:
            self.gimp.flush_displays()
        return result, effects

    def _complete(self, call, entry, result, effects):
        if call.stream_bytes is not None:
            result["stream"] = {"bytes": call.stream_bytes}
        if call.note:
            result.setdefault("note", call.note)
        if "image" not in result:
            result["image"] = self.gimp.image_id(call.image)
        if effects and "effect" not in result:
            effects = changed_first(effects)
            result["effect"] = effects[0]
            if len(effects) > 1:
                result["effects"] = effects
            if result["image"] is None:
                result["image"] = effects[0].get("image")
            if effects[0].get("changed") is False and "message" in result:
                result["message"] += "; nothing in the image changed"
        return result


def changed_first(effects):
    """Without the first image's effect if only others changed: `effect` alone must not say that nothing did."""
    changed = [effect for effect in effects if effect.get("changed") is not False]
    if not changed or changed[0] is effects[0]:
        return effects
    opened = {key: effects[0][key] for key in ("images_added", "images_removed") if key in effects[0]}
    return [{**changed[0], **opened}, *changed[1:]]
