"""Puts layers, channels and paths back where a checkpoint has them, with their properties but without their pixels.

Owns structure: order, groups, masks, names, locks, parasites. Part of restore.py, which says what must be replaced.
"""

from gi.repository import Gimp

from gimp_bridge.images.pixel_diff import copy_buffer
from gimp_bridge.undo.snapshot import Snapshot

ITEM = ("visible", "color_tag")
LAYER = ("opacity", "mode", "blend_space", "composite_space", "composite_mode", "lock_alpha")
CHANNEL = ("opacity", "color", "show_masked")
LOCKS = ("lock_content", "lock_position", "lock_visibility")


class Tree:
    """The wanted structure, and what of it is alive."""

    def __init__(self, image, before, ids, live, replace):
        self.image, self.before = image, before
        self.live, self.replace = live, replace  # id -> Node in the image; ids that a copy shall replace
        self.id_of = dict(zip((node.id for node in before.walk()), ids))  # the checkpoint's id -> the image's
        self.moved = {}  # the image's id -> the copy's

    def keeps(self, node):
        id_ = self.id_of[node.id]
        return id_ in self.live and id_ not in self.replace

    def copied(self, node, item):
        """Notes that `item` and what lies in it stand for `node` and its children."""
        self.moved[self.id_of[node.id]] = item.get_id()
        if node.children:
            for child, made in zip(node.children, item.get_children()):
                self.copied(child, made)


def arrange_layers(tree):
    image = tree.image
    kept = set()

    def place(nodes, parent):
        for position, node in enumerate(nodes):
            if tree.keeps(node):
                item = tree.live[tree.id_of[node.id]].item
                kept.add(item.get_id())
                move(image, item, parent, position)
                if node.kind == "group_layer":
                    place(node.children, item)
            else:
                # A missing group comes back with all that was in it: its children are copies then, too
                copy = Gimp.Layer.new_from_drawable(node.item, image)
                image.insert_layer(copy, parent, position)
                tree.copied(node, copy)

    place(tree.before.layers, None)
    copies = set(tree.moved.values())
    for layer in all_layers(image.get_layers()):
        if layer.is_valid() and layer.get_id() not in kept and layer.get_id() not in copies:
            image.remove_layer(layer)


def all_layers(layers):
    """Groups before their children; removing a group takes its children along."""
    for layer in layers:
        yield layer
        if layer.is_valid() and layer.is_group():
            yield from all_layers(layer.get_children())


def move(image, item, parent, position):
    here = item.get_parent()
    if (here.get_id() if here else None) == (parent.get_id() if parent else None) \
            and image.get_item_position(item) == position:
        return
    image.reorder_item(item, parent, position)


def arrange_channels(tree):
    image = tree.image

    def make(node):
        old = node.item
        channel = Gimp.Channel.new(image, old.get_name(), old.get_width(), old.get_height(), old.get_opacity(),
                                   old.get_color())
        copy_buffer(old, channel)
        return channel

    arrange(tree, tree.before.channels, make, image.insert_channel, image.get_channels, image.remove_channel)


def arrange_paths(tree):
    image = tree.image

    def make(node):
        path = Gimp.Path.new(image, node.properties["name"])
        add_strokes(path, node)
        return path

    for node in tree.before.paths:
        if tree.keeps(node):
            path = tree.live[tree.id_of[node.id]]
            if path.properties["strokes"] != node.properties["strokes"]:
                for stroke in path.item.get_strokes():
                    path.item.remove_stroke(stroke)
                add_strokes(path.item, node)
    arrange(tree, tree.before.paths, make, image.insert_path, image.get_paths, image.remove_path)


def add_strokes(path, node):
    for _, points, closed in node.properties["strokes"]:
        path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, list(points), closed)


def arrange(tree, nodes, make, insert, listed, remove):
    """Channels or paths: no groups, so a flat list."""
    wanted = set()
    for position, node in enumerate(nodes):
        if tree.keeps(node):
            item = tree.live[tree.id_of[node.id]].item
            move(tree.image, item, None, position)
        else:
            item = make(node)
            insert(item, None, position)
            tree.copied(node, item)
        wanted.add(item.get_id())
    for item in listed():
        if item.get_id() not in wanted:
            remove(item)


def set_properties(image, before, ids):
    """Everything that has a setter, where it differs; names last and in two passes, as GIMP keeps them unique."""
    after = {node.id: node for node in Snapshot(image).walk()}
    nodes = [(old, after[id_]) for old, id_ in zip(before.walk(), ids)]
    renamed = [(old, new.item) for old, new in nodes if old.properties["name"] != new.properties["name"]]
    for old, item in renamed:
        item.set_name(f"gimp-bridge {item.get_id()}")
    for old, item in renamed:
        item.set_name(old.properties["name"])
    for old, new in nodes:
        if old.kind not in ("channel", "path"):
            set_mask(old, new)
            if "offsets" in old.properties and old.properties["offsets"] != new.properties["offsets"]:
                new.item.set_offsets(*old.properties["offsets"])
        getters = {"channel": CHANNEL, "path": ()}.get(old.kind, LAYER) + ITEM
        for name in getters:
            key = "visibility" if name == "visible" else name
            if old.properties[key] != new.properties[key]:
                # The checkpoint's own layers are hidden: what counts is what they were
                value = old.properties[key] if name == "visible" else getattr(old.item, f"get_{name}")()
                getattr(new.item, f"set_{name}")(value)
        set_parasites(new.item, old.item, old.properties["parasites"], new.properties["parasites"])
    for old, new in nodes:
        for lock in LOCKS:
            if old.properties[lock] != getattr(new.item, f"get_{lock}")():
                getattr(new.item, f"set_{lock}")(old.properties[lock])


def set_mask(old, new):
    if old.mask is None:
        if new.mask is not None:
            new.item.remove_mask(Gimp.MaskApplyMode.DISCARD)
        return
    if new.mask is None:
        mask = new.item.create_mask(Gimp.AddMaskType.WHITE)
        copy_buffer(old.mask, mask)
        new.item.add_mask(mask)
        new.mask = mask
    states = ("apply_mask", "edit_mask", "show_mask")
    if new.properties["mask"] != old.properties["mask"]:
        for state, value in zip(states, old.properties["mask"]):
            getattr(new.item, f"set_{state}")(value)
    if new.mask.get_name() != old.properties["mask_name"]:
        new.mask.set_name(old.properties["mask_name"])


def set_parasites(item, old_item, wanted, present):
    for name in present:
        if name not in wanted:
            item.detach_parasite(name)
    for name, value in wanted.items():
        if present.get(name) != value:
            item.attach_parasite(old_item.get_parasite(name))


