"""The `Transaction` round each changing call: every change through the bridge can be taken back, and is proved.

The comparison is proof.py's, the way back restore.py's.

The dispatcher's part:

    transaction = Transaction(images, operation, verify)    before it; images[0] is `call.image`
    try:
        result = function(call, **arguments)
    except BaseException:
        lost, differed = transaction.take_back()    what the call had changed is as before, but for `lost`
        effects = transaction.abort()       groups ended, what is changed keeps its checkpoint; put in error details
        raise
    effects = transaction.finish()          effects[0] is `effect`, all of them `effects`

`finish` and `abort` end the undo groups first. A cancel or a deadline (an asynchronous exception) that comes during the
proof leaves the groups ended and the checkpoints in place, and passes on. Best: let the watchdog rest during
`Transaction(…)` (a few ms) and `finish` (bounded, unless `verify` is "full"). Should `finish` raise all the same, call `abort` once: it goes on where it was. For exec and PDB calls pass
every image of `visible_images()`, the resolved one first; for other operations the resolved image alone. Only images
that changed get an effect, and the first one always.
"""

import contextlib

from gimp_bridge.undo import proof as effects, rollback
from gimp_bridge.undo.checkpoints import HISTORY, file_path
from gimp_bridge.undo.history import close_groups, end_groups, visible_images
from gimp_bridge.undo.snapshot import Snapshot


class Transaction:
    """One changing call round one or more images: a checkpoint and one undo step each, then the proof."""

    def __init__(self, images, operation, verify="auto"):
        self.operation = operation
        self.budget = effects.Budget(verify)
        HISTORY.sweep()
        self.visible = {image.get_id() for image in visible_images()}
        self.begun = []  # [(image, Checkpoint, undo was enabled)]
        self.effects = None
        HISTORY.touched = set()
        try:
            for image in images:
                self._begin(image)
        except BaseException:
            self._end_groups()
            for _, checkpoint, _ in self.begun:
                checkpoint.delete()
            raise

    def _begin(self, image):
        label = f"before {self.operation}" if self.operation == "undo" else None
        checkpoint = HISTORY.take(image, self.operation, label)
        enabled = image.undo_is_enabled()
        self.begun.append((image, checkpoint, enabled))
        if enabled:
            image.undo_group_start()

    def include(self, images):
        """Takes images in later: a batch begins with none, and its steps tell which they change."""
        known = {image.get_id() for image, _, _ in self.begun}
        for image in images:
            if image.get_id() not in known:
                self._begin(image)

    def leave(self, image):
        """Lets go of an image that has no state to go back to: it was made in here, say, and is whole only now."""
        for row in [row for row in self.begun if row[0].get_id() == image.get_id()]:
            self.begun.remove(row)
            row[1].delete()

    @contextlib.contextmanager
    def beside(self, image):
        """For long work that is kept out of the image: what comes into it meanwhile is the user's.

        If the work fails, there is nothing of it to take back. Else the call's own change begins after it, from the state
        that it then finds. Does nothing where the call has changed the image already, or it is not this call's.
        """
        checkpoint = self.checkpoint(image)
        if checkpoint is None or not self._is_as_before(image, checkpoint):
            yield
            return
        end_groups(image)
        try:
            yield
        except BaseException:
            try:
                if image.is_valid() and self._is_as_before(image, checkpoint):
                    self._clean(image, checkpoint)
            finally:  # whatever becomes of that look: what is in the image now is not this call's
                self.leave(image)
            raise
        place = next(number for number, row in enumerate(self.begun) if row[1] is checkpoint)
        self.leave(image)
        self._begin(image)
        self.begun.insert(place, self.begun.pop())

    def _is_as_before(self, image, checkpoint):
        if not checkpoint.comparable():
            return False
        return not effects.Difference(checkpoint.snapshot(), Snapshot(image), checkpoint.live_ids())

    def checkpoint(self, image):
        """The checkpoint that this call took of `image`, or None."""
        return next((taken for begun, taken, _ in self.begun if begun.get_id() == image.get_id()), None)

    def finish(self):
        """Ends the undo groups and proves the effect: `[effect, …]`, the first for the first image."""
        if self.effects is None:
            try:
                self._end_groups()
            finally:
                self._keep()  # before the proof, so that an interrupted one loses nothing
            self.effects = self._prove()
            for effect in self.effects:
                if effect["changed"] is not False and effect["image"] is not None:
                    HISTORY.note_edit(effect["image"])
        return self.effects

    # After a failure the same holds: what had changed before it is proved, kept and undoable
    abort = finish

    def take_back(self):
        """After a failure of a call that is all or nothing, before `abort`: see rollback.take_back."""
        return rollback.take_back([(image, checkpoint) for image, checkpoint, _ in self.begun], self.visible)

    def _keep(self):
        for image, checkpoint, _ in self.begun:
            if image.is_valid():
                checkpoint.undoable = self.operation != "undo"
                HISTORY.keep(checkpoint)
            else:
                checkpoint.delete()

    def _end_groups(self):
        """Ends every undo group that is open, also those that the call itself left open or frozen."""
        interrupted = None
        pending = list(self.begun)
        while pending:
            try:
                image, _, enabled = pending[-1]
                if enabled and image.is_valid():
                    close_groups(image)
                pending.pop()
            except BaseException as error:  # a cancel that comes now may not leave a group open
                if interrupted is not None:
                    raise
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _prove(self):
        answers = []
        for place, (image, checkpoint, _) in enumerate(self.begun):
            if not image.is_valid():
                HISTORY.drop_image(checkpoint.image_id)
                if place == 0:
                    answers.append(gone(checkpoint.image_id))
                continue
            if not checkpoint.comparable():
                answers.append(unknown(checkpoint))
                continue
            ids = checkpoint.live_ids()
            now = Snapshot(image)
            difference = effects.Difference(checkpoint.snapshot(), now, ids, self.budget, likely=HISTORY.touched)
            answer = effects.report(image.get_id(), difference, checkpoint.id)
            replaced = {str(old): new for old, new in zip(checkpoint.ids, ids) if old != new}
            if replaced:  # by a restore in this call; the old ids go on working in `layer` parameters
                answer["new_ids"] = replaced
            path = file_path(image)
            if path != checkpoint.file:
                answer["properties_changed"].append("file")
                answer["changed"] = True
            if answer["changed"] is False:
                self._unchanged(image, checkpoint)
                answer["checkpoint"] = None
            else:
                checkpoint.uncertain = answer["changed"] is None
                HISTORY.charge(checkpoint, difference.bytes_unshared())
            if place == 0 or answer["changed"] is not False:
                answers.append(answer)
        self._images_changed(answers)
        return answers

    def _unchanged(self, image, checkpoint):
        HISTORY.forget(checkpoint)
        self._clean(image, checkpoint)

    @staticmethod
    def _clean(image, checkpoint):
        if not checkpoint.dirty and image.is_dirty():
            image.clean_all()  # opening an undo group alone marks an image as unsaved

    def _images_changed(self, answers):
        if not answers:
            return
        now = {image.get_id() for image in visible_images()}
        answers[0]["images_added"] = sorted(now - self.visible)
        answers[0]["images_removed"] = sorted(self.visible - now)
        if now != self.visible:
            answers[0]["changed"] = True


def blank(image_id, changed, checkpoint=None):
    return {"image": image_id, "changed": changed, "region": None, "layers_added": [], "layers_removed": [],
            "layers_changed": [], "properties_changed": [], "verified": "full", "checkpoint": checkpoint}


def gone(image_id):
    """The effect on an image that the call closed."""
    return blank(image_id, True)


def unknown(checkpoint):
    note = "GIMP's own duplicate of this image has other layers than the image, so nothing could be compared"
    return {**blank(checkpoint.image_id, None, checkpoint.id), "verified": "reduced", "scale": 0, "note": note}
