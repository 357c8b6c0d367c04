"""Operations by name, and the dispatcher that wraps each one."""

import contextlib
import dataclasses
import difflib
import sys
import time
import traceback

import undo_names
from batches import BATCHES
from errors import OperationError
from places import Places
from watchdog import Interrupted

OPERATIONS = {}
_PLANS = {}
running = None  # the Call that ran last or runs, for work that is deep below it


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
    whole     whether it is all or nothing: if it fails, what it had changed is taken back. False for a client's code,
              which is many changes, and whose variables name what it made
    """

    def __init__(self, changes, images=None, isolated=False, whole=True):
        self.changes, self.images, self.isolated, self.whole = changes, images, isolated, whole


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
    beside(image)                      a context manager for long work before the first change to `image`
    way_back(action)                   before a change outside of images: `action()` takes it back if the call fails or
                                       is ended, or if its batch is taken back; a string that it gives says what stays
    commit()                           right before what nothing takes back: from then on the call is not ended, and a
                                       cancel comes too late
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
        self.ways_back = []
        self.transaction = None  # round this call alone, if it is to change an image
        self.committed = False
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

    @contextlib.contextmanager
    def beside(self, image):
        """Round long work that is kept out of `image` until it ends: see history.Transaction.beside."""
        if self.transaction is None:
            yield
            return
        with self.masked(), self.transaction.beside(image), self.unmasked():
            yield

    def way_back(self, action):
        self.ways_back.append(action)

    def take_back(self):
        """Takes back what was changed outside of images; returns what could not be, in words."""
        return take_all(self.ways_back)

    def commit(self):
        self._watchdog.commit()
        self.committed = True

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
        client = self.clients.get(request.client_id, request.client_name)
        call = Call(request, client, settings, self.watchdog)
        call.arguments, call._common = arguments, common
        global running
        running = call
        with self.gimp.called_by(client) as made:
            try:
                result = self._execute(call, entry, function, batch)
            finally:
                if batch is not None:
                    batch.ways_back += call.ways_back
            made(result)
            return result

    def _execute(self, call, entry, function, batch):
        request, arguments, common = call.request, call.arguments, call._common
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
            made = function(call, **arguments)
            if request.cancelled and not call.committed:  # when its work was done: nobody waits for it any more
                raise Interrupted
            return made

        chosen = call.client.image_id
        if plan.changes:
            def change():
                return self._change_and_choose(call, entry, plan, common.get("verify", "auto"), run, batch)

            images = plan.images if plan.images is not None else call.image is not None
            begins_steps = entry.checkpoint and images and batch is None  # a batch has begun its own
            name = undo_names.step_name(entry, arguments) if begins_steps else None
            result, effects = self.gimp.named(name, change) if name else change()
        else:
            back = self.gimp.step([], call)
            try:
                result = self._guarded(call, run)
            except BaseException as error:  # images that it made for itself, and a cancel let it leave behind
                self._take_back(back, call, error)
                call.client.image_id = chosen
                raise
            effects = [{"changed": False}] if entry.checkpoint and batch is None else []
        chooses = plan.changes and entry.checkpoint or call.client.image_id != chosen
        if not chooses:
            self._say_which(call, chosen)
        result = self._complete(call, entry, result, effects)
        if chooses and result["image"] is not None and call.client.image_id not in (None, result["image"]):
            result["next_image"] = call.client.image_id
        return result

    def _change_and_choose(self, call, entry, plan, verify, run, batch):
        """Runs a change. The client's next call without `image` means the image that holds its result."""
        chosen = call.client.image_id
        acted_on = self.gimp.image_id(call.image) if entry.checkpoint and call.image is not None else chosen
        call.client.image_id = acted_on
        try:
            result, effects = self._change(call, entry, plan, verify, run, batch)
        except BaseException:
            call.client.image_id = chosen
            raise
        effects = changed_first(effects) if effects else effects
        if call.client.image_id in (None, acted_on):  # else the operation itself said which
            if entry.checkpoint and call.image is not None:
                acted_on = self.gimp.image_id(call.image)
            call.client.image_id = self._holder(effects, (acted_on, chosen))
        return result, effects

    def _holder(self, effects, others):
        """The open image that a change made or changed, else the first of `others` that is open."""
        effect = effects[0] if effects else {}
        added = [image for image in effect.get("images_added", ()) if self.gimp.is_open(image)]
        parts = ("region", "layers_added", "layers_removed", "layers_changed", "properties_changed")
        if added and (effect.get("image") in added or not any(effect.get(part) for part in parts)):
            return added[-1]
        changed = (effect.get("image"),) if effect.get("changed") is not False else ()
        return next((image for image in (*changed, *others) if self.gimp.is_open(image)), None)

    def _say_which(self, call, chosen):
        """Looking at another image than the chosen one does not choose it, which its client has to know."""
        seen = self.gimp.image_id(call.image)
        if seen is not None and chosen not in (None, seen) and self.gimp.is_open(chosen):
            said = f"this is image {seen}; calls without `image` go on with image {chosen}"
            call.note = f"{call.note}; {said}" if call.note else said

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
            transaction = call.transaction = self.gimp.transaction(images, call, verify)
        # A batch that takes everything back if a step fails needs no way back for the step alone
        back = transaction if plan.whole else self.gimp.step([], call)  # of code the images that it opened
        if plan.whole and back is None and not (batch is not None and batch.restore_if_abandoned):
            back = self.gimp.step(images if entry.checkpoint else [], call)
        context = self.gimp.push_context() if plan.isolated else False
        effects = []
        try:
            try:
                result = self._guarded(call, run)
            finally:
                if context:
                    self.gimp.pop_context()
        except BaseException as error:
            cancelled = isinstance(error, OperationError) and error.kind == "cancelled"
            if back is not None and (plan.whole or cancelled):
                self._take_back(back, call, error)
            if transaction is not None:
                effects = transaction.abort()
                if isinstance(error, OperationError) and any(e.get("changed") is not False for e in effects):
                    error.details["effects"] = effects
            self.gimp.flush_displays()
            raise
        finally:
            if back is not None and back is not transaction:
                back.end()
        if transaction is not None:
            effects = transaction.finish()
        if batch is None:
            self.gimp.flush_displays()
        return result, effects

    @staticmethod
    def _take_back(back, call, error):
        """A refused call changes nothing. Whatever hinders that, the call's own error is what the client gets."""
        try:
            stays = call.take_back()
            lost, differed = back.take_back()
            lost, differed = stays + lost, differed or bool(stays)
        except Exception:
            print(f"gimp-bridge: what `{call.operation}` had changed could not be taken back", file=sys.stderr)
            traceback.print_exc()
            lost, differed = ["what the call had changed could not be taken back"], True
        if isinstance(error, OperationError) and differed:
            error.details["taken_back"] = not lost
            if lost:
                error.details["not_restored"] = lost

    def _complete(self, call, entry, result, effects):
        if call.stream_bytes is not None:
            result["stream"] = {"bytes": call.stream_bytes}
        if call.note:
            result.setdefault("note", call.note)
        if "image" not in result:
            result["image"] = self.gimp.image_id(call.image)
        if effects and "effect" not in result:
            result["effect"] = effects[0]
            if len(effects) > 1:
                result["effects"] = effects
            if result["image"] is None:
                result["image"] = effects[0].get("image")
            if effects[0].get("changed") is False and "message" in result:
                result["message"] += "; nothing in the image changed"
        return result


def take_all(ways_back):
    """Goes all the ways back, the last change first, and empties the list."""
    said = []
    while ways_back:
        said.append(ways_back.pop()())
    return [words for words in said if isinstance(words, str)]


def changed_first(effects):
    """Without the first image's effect if only others changed: `effect` alone must not say that nothing did."""
    changed = [effect for effect in effects if effect.get("changed") is not False]
    if not changed or changed[0] is effects[0]:
        return effects
    opened = {key: effects[0][key] for key in ("images_added", "images_removed") if key in effects[0]}
    return [{**changed[0], **opened}, *changed[1:]]
