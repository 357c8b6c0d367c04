"""The plug-in's part of `batch`: begin, end, and the way back. The daemon runs the steps in between."""

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import gimp_port, undo_names
from gimp_bridge.dispatch.batches import BATCHES, Batch
from gimp_bridge.dispatch.call import take_all
from gimp_bridge.dispatch.dispatcher import changed_first
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.undo import rollback
from gimp_bridge.undo.transaction import Transaction


@operation("begin_batch")
def begin_batch(call, seconds, on_abandon, step, proof="auto"):
    transaction = Transaction([], "batch", proof)
    opened = gimp_port.transaction([], call, proof)  # for a batch that touches no image that was open

    def close(batch, restore):
        lost, effects = [], []
        try:
            if restore:
                lost = take_back(batch)
        finally:  # whatever became of that, no undo group stays open
            effects = transaction.finish() or opened.finish()
            gimp_port.flush_displays()
        return lost, effects

    batch = Batch(call.request, call.client, transaction, seconds, on_abandon == "restore", close,
                  undo_names.named(step))
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
    if batch.client.image_id not in (None, batch.chosen):  # a step made it, or was the last to change it
        answer["next_image"] = batch.client.image_id
    return answer


def take_back(batch):
    """Brings every image back to the state before the batch; returns what could not be."""
    transaction = batch.transaction
    begun = [(image, checkpoint) for image, checkpoint, _ in transaction.begun
             if checkpoint.image_id in transaction.visible]
    stays = take_all(batch.ways_back)
    lost, _ = rollback.take_back(begun, transaction.visible)
    batch.client.image_id = batch.chosen
    return stays + lost
