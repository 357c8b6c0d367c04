"""Operations on checkpoints: take, list, go back, undo."""

import time

import history
from errors import OperationError
from registry import operation
from restore import restore


@operation("checkpoint")
def checkpoint(call, label=None):
    taken = history.HISTORY.take(call.image, "checkpoint", label, automatic=False)
    history.HISTORY.keep(taken)
    return {"checkpoint": taken.id, "label": label}


@operation("list_checkpoints")
def list_checkpoints(call):
    history.sweep()
    now = time.time()
    rows = [{
        "checkpoint": kept.id, "label": kept.label, "automatic": kept.automatic, "before": kept.operation,
        "age_seconds": round(now - kept.taken, 1), "undoable": kept.undoable, "megabytes": round(kept.cost / 1048576, 1),
    } for kept in reversed(history.HISTORY.of(call.image))]
    answer = {"checkpoints": rows}
    dropped = history.HISTORY.dropped.get(call.image.get_id())
    if dropped:
        answer["dropped"] = {"count": dropped[0], "why": f"the oldest went because of {dropped[1]}"}
    return answer


@operation("restore_checkpoint")
def restore_checkpoint(call, checkpoint):
    wanted = history.HISTORY.find(call.image, checkpoint)
    return {"restored": wanted.id, "not_restored": bring_back(call, wanted)}


@operation("undo")
def undo(call, steps=1):
    image = call.image
    chain = history.HISTORY.undoable(image)
    if not chain:
        raise OperationError("not_found", f"Image {image.get_id()} has no change through the bridge to undo",
                             "list_checkpoints shows what restore_checkpoint can go back to")
    if steps > len(chain):
        raise OperationError("not_found", f"`steps` is {steps}, but image {image.get_id()} has {len(chain)} to undo",
                             f"Give `steps` of at most {len(chain)}", steps=len(chain))
    undone = chain[:steps]
    not_restored = bring_back(call, undone[-1])
    for taken in undone:
        taken.undoable = False
    return {"undone": [taken.operation for taken in undone], "restored": undone[-1].id, "not_restored": not_restored}


def bring_back(call, wanted):
    image = call.image
    lost = restore(image, wanted, call.check, history.note_moved)
    saved_since = history.file_path(image) != wanted.file or history.file_stamp(wanted.file) != wanted.stamp
    if not lost and not wanted.dirty and not saved_since:
        image.clean_all()  # it is again what the file holds
    return lost
