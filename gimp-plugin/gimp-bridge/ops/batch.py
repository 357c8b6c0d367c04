"""The plug-in's part of `batch`: begin, end, and the way back. The daemon runs the steps in between."""

import gimp_side
import history
import lookup
from batches import BATCHES, Batch
from errors import OperationError
from registry import changed_first, operation


@operation("begin_batch")
def begin_batch(call, seconds, on_abandon, proof="auto"):
    transaction = history.Transaction([], "batch", call.client, proof)
    opened = gimp_side.transaction([], call, proof)  # for a batch that touches no image that was open

    def close(batch, restore):
        lost, effects = [], []
        try:
            if restore:
                lost = take_back(batch)
        finally:  # whatever became of that, no undo group stays open
            effects = transaction.finish() or opened.finish()
            gimp_side.flush_displays()
        return lost, effects

    batch = Batch(call.request, call.client, transaction, seconds, on_abandon == "restore", close)
    batch.undoable = [(kept, kept.undoable) for row in history.HISTORY.images.values() for kept in row]
    BATCHES.begin(batch)
    return {"batch": batch.token}


@operation("touch_batch")
def touch_batch(call):
    return {}


@operation("end_batch")
def end_batch(call, restore=False):
    batch = BATCHES.of(call.request)
    if batch is None:
        raise OperationError("invalid_argument", "`end_batch` needs `batch`, which begin_batch gave")
    lost, effects = BATCHES.end(batch, restore)
    effects = changed_first(effects)
    answer = {"not_restored": lost, "effect": effects[0]}
    if len(effects) > 1:
        answer["effects"] = effects
    return answer


def take_back(batch):
    """Brings every image back to the state before the batch; returns what could not be."""
    import display
    from ops.history import back_to

    lost = []
    for image, checkpoint, _ in batch.transaction.begun:
        number = checkpoint.image_id
        if image.is_valid():
            if number in batch.transaction.visible:
                lost += [f"image {number}: {what}" for what in back_to(image, checkpoint).lost]
        elif number in batch.transaction.visible:
            lost.append(f"image {number} was closed")
    for image in history.visible_images():
        number = image.get_id()
        # One that the user opened meanwhile is in a window that plug-ins cannot close, and stays
        if number not in batch.transaction.visible and display.close(image):
            lookup.forget(number)
    for checkpoint, undoable in batch.undoable:
        checkpoint.undoable = undoable
    batch.client.image_id = batch.chosen
    return lost
