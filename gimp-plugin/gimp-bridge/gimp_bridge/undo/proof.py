"""What a call changed: an image compared with its checkpoint, in structure and in pixels.

Owns the shape of `effect`. Reads only. It never guesses: what was compared whole is `verified: "full"`; where the sum
of the drawables is over the budget the answer is `"reduced"` with `scale` (the part of the pixels that was compared),
and finding nothing there is `changed: null`, not false.
"""

from bisect import bisect_left

from gimp_bridge.core.errors import OperationError
from gimp_bridge.images.pixel_diff import compare
from gimp_bridge.undo.snapshot import encoding

FULL_PIXELS = 24_000_000  # pixels of all drawables that one call's proof compares whole
SMALL_PIXELS = 262_144  # a drawable this small is compared whole in any case
# Properties of a layer that show in the picture: their change makes the layer's whole extent the region
VISIBLE = {"visibility", "opacity", "mode", "blend_space", "composite_space", "composite_mode", "offsets", "size",
           "format", "effects", "text", "vector", "link", "rasterized", "mask", "parent", "order", "kind"}
WHOLE_IMAGE = {"size", "mode", "precision", "profile", "colormap"}


class Budget:
    """Pixels that the proofs of one call may still compare; the images of one call share it."""

    def __init__(self, verify="auto", pixels=FULL_PIXELS):
        if verify not in ("auto", "full"):
            raise OperationError("invalid_argument", f"`verify` is `{verify}`", "Give `auto` or `full`")
        self.full, self.left = verify == "full", pixels

    def shares(self, pairs):
        """The part of each pair's pixels to compare: small ones and selected layers first."""
        total = sum(pair.pixels for pair in pairs)
        if self.full or total <= self.left:
            self.left -= 0 if self.full else total
            return [1.0] * len(pairs)
        small = sum(pair.pixels for pair in pairs if pair.pixels <= SMALL_PIXELS)
        left = max(self.left - small, SMALL_PIXELS)
        likely = sum(pair.pixels for pair in pairs if pair.likely and pair.pixels > SMALL_PIXELS)
        rest = total - small - likely
        # Three quarters for what the call most likely worked on, unless there is nothing else
        likely_share = min(1.0, (left if not rest else left * 0.75) / likely) if likely else 0
        rest_share = min(1.0, max(left - likely * likely_share, SMALL_PIXELS) / rest) if rest else 0
        self.left = SMALL_PIXELS
        return [1.0 if pair.pixels <= SMALL_PIXELS else likely_share if pair.likely else rest_share for pair in pairs]


class Pair:
    """Two drawables of equal size and format, to be compared by their pixels."""

    def __init__(self, node, what, old, new, offsets, size, likely=False, area=None):
        self.node, self.what, self.old, self.new, self.offsets = node, what, old, new, offsets
        self.size, self.likely, self.area = size, likely, area
        self.coverage = False  # whether one is linear and one gamma-encoded
        self.region = None
        box = area or (0, 0, *size)
        self.pixels = (box[2] - box[0]) * (box[3] - box[1])


class Difference:
    """Everything that differs between two snapshots: what `effect` reports and what `restore` mends."""

    def __init__(self, before, after, ids, budget=None, check=None, only=None, likely=(), lenient=False):
        """`before`: the checkpoint's Snapshot, whose items had the ids `ids` (in walk order) in the live image.

        `only`: ids of the items whose pixels are compared, where the caller knows that no other was touched;
        `likely`: ids that come first where the budget does not reach for all. `lenient`: see `_selection_pair`.
        """
        self.before, self.after = before, after
        self.old_nodes = dict(zip(ids, before.walk()))
        self.new_nodes = {node.id: node for node in after.walk()}
        self.common = [id_ for id_ in ids if id_ in self.new_nodes]
        self.added = [id_ for id_ in self.new_nodes if id_ not in self.old_nodes]
        self.removed = [id_ for id_ in ids if id_ not in self.new_nodes]
        self.changed = {}  # id -> {what}
        self.properties = {name for name, value in before.properties.items() if after.properties.get(name) != value}
        self.likely = after.selected.union(likely)
        self.pairs, self.whole, self.scale = [], True, 1.0
        by_old_id = {node.id: id_ for id_, node in self.old_nodes.items()}
        # Ids in the live image, some of which may be gone
        self.selected = {by_old_id[id_] for id_ in before.selected if id_ in by_old_id}
        if self.selected.difference(self.removed) != after.selected.difference(self.added):
            if not (before.properties["floating_selection"] and after.properties["floating_selection"]):
                # (in GIMP's duplicate of a floating selection it is always another)
                self.properties.add("selected_layers")
        self._structure()
        self._pixels(budget or Budget("full"), check, only, lenient)

    def __bool__(self):
        return bool(self.added or self.removed or self.changed or self.properties)

    def _mark(self, id_, what):
        self.changed.setdefault(id_, set()).add(what)

    def _structure(self):
        self.old_parents = {child.id: id_ for id_, node in self.old_nodes.items() for child in node.children}
        for id_ in self.common:
            old, new = self.old_nodes[id_], self.new_nodes[id_]
            if old.kind != new.kind:
                self._mark(id_, "kind")
            for name in old.properties.keys() | new.properties.keys():
                if old.properties.get(name) != new.properties.get(name):
                    self._mark(id_, name)
            new_parent = new.parent.id if new.parent else None
            if self.old_parents.get(old.id) != new_parent:
                self._mark(id_, "parent")
        self._order()

    def _order(self):
        """Marks items whose place among the siblings that both states share has changed."""
        by_old_id = {node.id: id_ for id_, node in self.old_nodes.items()}

        def siblings(snapshot, live):
            for nodes in (snapshot.layers, snapshot.channels, snapshot.paths,
                          *(node.children for node in snapshot.walk_layers())):
                yield [node.id if live else by_old_id[node.id] for node in nodes]

        old_place = {id_: row for row in siblings(self.before, False) for id_ in row}
        for row in siblings(self.after, True):
            kept = [id_ for id_ in row if id_ in old_place and "parent" not in self.changed.get(id_, ())]
            if not kept:
                continue
            places = {id_: place for place, id_ in enumerate(old_place[kept[0]])}
            still = longest_rise([places[id_] for id_ in kept])
            for id_ in kept:
                if places[id_] not in still:
                    self._mark(id_, "order")

    def _pixels(self, budget, check, only, lenient):
        for id_ in self.common:
            old, new = self.old_nodes[id_], self.new_nodes[id_]
            if old.kind == "path" or (only is not None and id_ not in only):
                continue
            likely = id_ in self.likely
            if old.kind != "group_layer" and new.kind != "group_layer":
                offsets = new.properties.get("offsets", (0, 0))
                self._pair(Pair(id_, "pixels", old.item, new.item, offsets, new.shape()[0], likely),
                           old.shape(), new.shape())
            if old.mask and new.mask:
                offsets = new.properties.get("offsets") or tuple(new.item.get_offsets()[-2:])
                self._pair(Pair(id_, "mask_pixels", old.mask, new.mask, offsets, new.mask_shape[0], likely),
                           old.mask_shape, new.mask_shape)
        self._selection_pair(lenient)
        for pair, share in zip(self.pairs, budget.shares(self.pairs)):
            pair.region, whole = compare(pair.old, pair.new, pair.size, share, check, pair.area, pair.coverage)
            if pair.region and pair.node is None:
                self.properties.add("selection")
            elif pair.region:
                self._mark(pair.node, pair.what)
            self.whole = self.whole and whole
            pair.share = share
        if not self.whole:
            self.scale = sum(pair.pixels * pair.share for pair in self.pairs) / sum(pair.pixels for pair in self.pairs)

    def _pair(self, pair, old_shape, new_shape):
        if old_shape == new_shape:
            self.pairs.append(pair)
        elif old_shape[0] != new_shape[0]:
            self._mark(pair.node, pair.what)
        else:  # alpha, mode or precision changed: the numbers cannot be compared
            self._mark(pair.node, "format")

    def _selection_pair(self, lenient):
        """Compares the selections' content where bounds do not tell.

        GIMP's duplicate rewrites a selection that is gamma-encoded (after a flatten), and rounds; it clips a float one
        that overshoots (after a scale) when it is set. `lenient` and encodings that differ therefore leave 1/255.
        """
        boxes = self.before.properties["selection"], self.after.properties["selection"]
        if None in boxes or self.properties & {"size", "precision"}:
            return
        old, new = self.before.image.get_selection(), self.after.image.get_selection()
        coverage = lenient or encoding(old) != encoding(new)
        if coverage:
            self.properties.discard("selection")
        elif boxes[0] != boxes[1]:
            return
        box = (min(boxes[0][0], boxes[1][0]), min(boxes[0][1], boxes[1][1]),
               max(boxes[0][2], boxes[1][2]), max(boxes[0][3], boxes[1][3]))
        pair = Pair(None, "selection", old, new, (0, 0), self.after.properties["size"], False, box)
        pair.coverage = coverage
        self.pairs.append(pair)

    def region(self):
        """`(x, y, width, height)` in the image, or None: where the picture, or a drawable of it, changed."""
        width, height = self.after.properties["size"]
        if self.properties & WHOLE_IMAGE:
            return 0, 0, width, height
        boxes = []
        for pair in self.pairs:
            if pair.region and pair.node is not None:
                x, y, wide, high = pair.region
                boxes.append((x + pair.offsets[0], y + pair.offsets[1],
                              x + pair.offsets[0] + wide, y + pair.offsets[1] + high))
        for id_, what in self.changed.items():
            if what & VISIBLE:
                boxes += [extent(self.old_nodes[id_]), extent(self.new_nodes[id_])]
        boxes += [extent(self.new_nodes[id_]) for id_ in self.added]
        boxes += [extent(self.old_nodes[id_]) for id_ in self.removed]
        boxes = [box for box in boxes if box]
        if not boxes:
            return None
        left, top = max(min(box[0] for box in boxes), 0), max(min(box[1] for box in boxes), 0)
        right, bottom = min(max(box[2] for box in boxes), width), min(max(box[3] for box in boxes), height)
        return (left, top, right - left, bottom - top) if right > left and bottom > top else None

    def bytes_unshared(self):
        """About how many bytes the checkpoint no longer shares with the image."""
        total = 0
        for pair in self.pairs:
            if pair.region:
                total += pair.region[2] * pair.region[3] * pair.new.get_bpp()
        for id_ in self.removed:
            total += node_bytes(self.old_nodes[id_])
        for id_, what in self.changed.items():
            if what & {"size", "format", "text", "vector", "kind"}:
                total += node_bytes(self.old_nodes[id_])
        return total


def longest_rise(numbers):
    """The longest rising subsequence, as a set: what need not be said to have moved."""
    tails, before = [], {}  # tails[n]: the smallest end of a rising run of n + 1 numbers
    for number in numbers:
        place = bisect_left(tails, number)
        before[number] = tails[place - 1] if place else None
        tails[place:place + 1] = [number]
    found, number = set(), tails[-1] if tails else None
    while number is not None:
        found.add(number)
        number = before[number]
    return found


def node_bytes(node):
    if node.kind in ("path", "group_layer"):
        return 0
    masked = node.mask.get_width() * node.mask.get_height() * node.mask.get_bpp() if node.mask else 0
    return node.item.get_width() * node.item.get_height() * node.item.get_bpp() + masked


def extent(node):
    """(left, top, right, bottom) of a layer or channel in its image; None for a path."""
    if node.kind == "path":
        return None
    left, top = (0, 0) if node.kind == "channel" else node.item.get_offsets()[-2:]
    return left, top, left + node.item.get_width(), top + node.item.get_height()


def layer_ids(nodes, ids):
    return [id_ for id_ in ids if nodes[id_].kind not in ("channel", "path")]


def report(image_id, difference, checkpoint=None):
    """The `effect` object of one image."""
    new_nodes = difference.new_nodes
    properties = set(difference.properties)
    for id_ in [*difference.added, *difference.removed, *difference.changed]:
        kind = (new_nodes.get(id_) or difference.old_nodes[id_]).kind
        if kind in ("channel", "path"):
            properties.add(f"{kind}s")
    region = difference.region()
    changed = bool(difference)
    effect = {
        "image": image_id,
        "changed": changed if changed or difference.whole else None,
        "region": dict(zip(("x", "y", "width", "height"), region)) if region else None,
        "layers_added": layer_ids(new_nodes, difference.added),
        "layers_removed": layer_ids(difference.old_nodes, difference.removed),
        "layers_changed": [
            {"id": id_, "name": new_nodes[id_].properties["name"], "what": sorted(what)}
            for id_, what in difference.changed.items() if layer_ids(new_nodes, [id_])],
        "properties_changed": sorted(properties),
        "verified": "full" if difference.whole else "reduced",
        "checkpoint": checkpoint,
    }
    if not difference.whole:
        effect["scale"] = round(difference.scale, 3)
        effect["note"] = reduced_note(difference, changed)
    return effect


def reduced_note(difference, changed):
    percent = f"{difference.scale * 100:.0f} % of the pixels were compared (exactly, in tiles spread over the image)"
    if changed:
        return f"{percent}; the region and the list of layers may miss changes elsewhere. `verify: \"full\"` sees all"
    return f"{percent} and none differed; a small change elsewhere is possible. `verify: \"full\"` sees all"
