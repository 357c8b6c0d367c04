"""Two objects of GIMP's are equal if they stand for the same thing.

GIMP's library makes one Python object per image, layer, … and forgets them all whenever a procedure of this plug-in ends
(undo/undo_step.py runs one for each change). What client code keeps from an earlier call would then equal nothing any more.
"""

from gi.repository import Gimp


def install():
    for kind in (Gimp.Image, Gimp.Item, Gimp.Display, Gimp.Resource):
        _by_id(kind)


def _by_id(kind):
    get_id = kind.get_id

    def __eq__(self, other):
        return self is other or isinstance(other, kind) and get_id(self) == get_id(other)

    def __hash__(self):
        return hash((kind, get_id(self)))

    kind.__eq__, kind.__hash__ = __eq__, __hash__
