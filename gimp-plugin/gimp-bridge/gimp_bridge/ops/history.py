"""Operations on checkpoints: take, list, go back, undo."""

import time

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.undo import history
from gimp_bridge.undo.rollback import back_to


@operation("checkpoint")
def checkpoint(call, label=None):
    with call.masked():
        taken = history.HISTORY.take(call.image, "checkpoint", label, automatic=False)
        call.way_back(lambda: history.HISTORY.forget(taken))
        history.HISTORY.keep(taken)
    return {"message": f"Took checkpoint {taken.id}", "checkpoint": taken.id, "label": label}


@operation("list_checkpoints")
def list_checkpoints(call):
    history.sweep()
    now = time.time()
    rows = [{
        "checkpoint": kept.id, "label": kept.label, "automatic": kept.automatic, "before": kept.operation,
        "age_seconds": round(now - kept.taken, 1), "undoable": kept.undoable,
        "megabytes": round(kept.cost / 1048576, 1),
    } for kept in reversed(history.HISTORY.of(call.image))]
    answer = {"checkpoints": rows}
    dropped = history.HISTORY.dropped.get(call.image.get_id())
    if dropped:
        answer["dropped"] = {"count": dropped[0], "why": f"the oldest went because of {dropped[1]}"}
    return answer


@operation("restore_checkpoint")
def restore_checkpoint(call, checkpoint):
    wanted = history.HISTORY.find(call.image, checkpoint)
    return {"message": f"Restored checkpoint {wanted.id}", "restored": wanted.id, "not_restored": bring_back(call, wanted).lost}


@operation("undo")
def undo(call, steps=1):
    image = call.image
    chain = history.HISTORY.undoable(image)
    if steps > len(chain) and chain:
        raise OperationError("not_found", f"`steps` is {steps}, but image {image.get_id()} has {len(chain)} to undo",
                             f"Give `steps` of at most {len(chain)}", steps=len(chain))
    call.way_back(lambda: mark_undoable(chain))
    if any(taken.uncertain for taken in chain[:steps]):
        undone, done = undo_one_by_one(call, chain, steps)
    else:
        undone = chain[:steps]
        done = bring_back(call, undone[-1]) if undone else None
    for taken in undone:
        taken.undoable = False
    if done is None:
        raise OperationError("not_found", f"Image {image.get_id()} has no change through the bridge to undo",
                             "list_checkpoints shows what restore_checkpoint can go back to")
    message = f"Undid {', '.join(taken.operation for taken in undone)}"
    return {"message": message, "undone": [taken.operation for taken in undone], "restored": undone[-1].id, "not_restored": done.lost}


def mark_undoable(chain):
    for taken in chain:
        taken.undoable = True


def undo_one_by_one(call, chain, steps):
    """Where a reduced proof could not tell whether a call changed anything: steps that changed nothing do not count."""
    undone, done = [], None
    for taken in chain:
        step = bring_back(call, taken)
        if step.differed:
            undone.append(taken)
            done = step
        else:
            taken.undoable = False
        if len(undone) == steps:
            break
    return undone, done


def bring_back(call, wanted):
    return back_to(call.image, wanted, call.check)
