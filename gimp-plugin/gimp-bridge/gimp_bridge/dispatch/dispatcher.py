"""Wraps each operation: policy, image, transaction, time limit, errors. Never imports Gimp."""

import dataclasses
import difflib
import sys
import traceback

from gimp_bridge.core import running
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import undo_names
from gimp_bridge.dispatch.batches import BATCHES
from gimp_bridge.dispatch.call import Call
from gimp_bridge.dispatch.registry import OPERATIONS, PLANS, Plan
from gimp_bridge.safety.watchdog import Interrupted


class Dispatcher:
    """Runs one request: policy, image, transaction, time limit, errors.

    `gimp` is what touches GIMP (gimp_port.py), `catalogue` the entries by name.
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
        running.call = call
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
        make_plan = PLANS.get(entry.name)
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


def changed_first(effects):
    """Without the first image's effect if only others changed: `effect` alone must not say that nothing did."""
    changed = [effect for effect in effects if effect.get("changed") is not False]
    if not changed or changed[0] is effects[0]:
        return effects
    opened = {key: effects[0][key] for key in ("images_added", "images_removed") if key in effects[0]}
    return [{**changed[0], **opened}, *changed[1:]]
