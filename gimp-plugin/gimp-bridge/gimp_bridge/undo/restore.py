"""Brings an image back to a checkpoint in place: same image, window and file, as part of one undo step.

Owns the way from a `Difference` to none. Items that still exist are kept and mended (their ids stay), missing ones come
back as copies (the caller learns the new ids), what was added goes. At the end the image is compared with the
checkpoint again, and whatever still differs is named: nothing is claimed. Expects an open undo group, and opens none.
"""

from gi.repository import Gimp

from gimp_bridge.undo import restore_items as items, restore_pixels as pixels
from gimp_bridge.undo.proof import Budget, Difference
from gimp_bridge.undo.snapshot import CONTENT_KINDS, Snapshot, guides, sample_points, selected_ids

LOST = {"floating_selection": "The floating selection: what floated is a layer of its own now"}


def restore(image, checkpoint, check=None, moved=None):
    """Returns the finished `Restore`. `moved(old id, new id)` is told of each replaced item."""
    work = Restore(image, checkpoint, check, moved or (lambda old, new: None))
    Gimp.context_push()
    try:
        Gimp.context_set_antialias(False)
        Gimp.context_set_feather(False)
        work.run()
        return work
    finally:
        Gimp.context_pop()


class Restore:
    """One restore: `ids` follow the items through it.

    Afterwards `lost` names what could not be brought back, `differed` says whether there was anything to do, and
    `touched` has the ids of the items whose pixels were written.
    """

    def __init__(self, image, checkpoint, check, moved):
        self.image, self.copy, self.check, self.moved = image, checkpoint.copy, check, moved
        self.before, self.kept = checkpoint.snapshot(), checkpoint.kept
        self.ids = checkpoint.live_ids()
        self.lost, self.differed, self.touched = [], True, set()

    def difference(self, only=None):
        return Difference(self.before, Snapshot(self.image), self.ids, Budget("full"), self.check, only,
                          lenient=only is not None)

    def run(self):
        self._floating_selection()
        difference = self.difference()
        self.differed = bool(difference)
        if not difference:
            return
        if difference.properties & {"size", "mode", "precision"}:
            self._canvas(difference.properties)
            difference = self.difference()
        self.touched = self._mend(difference, set())
        left = self.difference(self.touched)
        broken = {id_ for id_, what in left.changed.items() if what & {"pixels", "mask_pixels", "effects", "format"}}
        if broken:  # GIMP rounded on the way, or something is not ours to set: take copies instead
            self.touched |= self._mend(left, broken)
            left = self.difference(self.touched)
        self.lost = remains(left)

    def _floating_selection(self):
        floating = self.image.get_floating_sel()
        if floating:
            Gimp.floating_sel_remove(floating)

    def _canvas(self, changed):
        """Mode, precision and size, so that pixels can be compared and written."""
        old, new = self.before.properties, self.image
        if "mode" in changed:
            pixels.convert_mode(new, old["mode"], self.copy)
        if "precision" in changed and int(new.get_precision()) != old["precision"]:
            new.convert_precision(self.copy.get_precision())
        if "size" in changed:
            new.resize(*old["size"], 0, 0)

    def _unlock(self, difference):
        """A lock would refuse the mending; the properties are set back at its end."""
        for id_, node in difference.new_nodes.items():
            for lock in ("lock_content", "lock_position", "lock_visibility"):
                if node.properties[lock]:
                    getattr(node.item, f"set_{lock}")(False)

    def _mend(self, difference, broken):
        """Returns the ids of the items whose pixels it wrote or replaced."""
        self._unlock(difference)
        live = {id_: node for id_, node in difference.new_nodes.items() if id_ in difference.old_nodes}
        replace = {id_ for id_ in live if id_ in broken or self._must_replace(difference, id_)}
        tree = items.Tree(self.image, self.before, self.ids, live, replace)
        items.arrange_layers(tree)
        items.arrange_channels(tree)
        items.arrange_paths(tree)
        for old_id, new_id in tree.moved.items():
            self.moved(old_id, new_id)
        self.ids = [tree.moved.get(id_, id_) for id_ in self.ids]
        pixels.write_regions(self.image, self.copy, difference, replace, self.check)
        items.set_properties(self.image, self.before, self.ids)
        self._image_properties()
        return {tree.moved.get(id_, id_) for id_ in difference.changed} | set(tree.moved.values())

    def _must_replace(self, difference, id_):
        node, what = difference.old_nodes[id_], difference.changed.get(id_, set())
        if "kind" in what:
            return True
        if node.kind in CONTENT_KINDS:
            return bool(what & {"pixels", "text", "vector", "link", "size", "format", "effects", "rasterized"})
        if node.kind == "group_layer":
            return "effects" in what
        if node.kind == "layer" and what & {"pixels", "format"} and not pixels.writes_exactly(self.image):
            return True
        return "effects" in what or ("size" in what and bool(node.properties.get("effects")))

    def _image_properties(self):
        image, copy = self.image, self.copy
        old, new = self.before.properties, Snapshot(image).properties
        if old["colormap"] != new["colormap"] and old["colormap"] is not None:
            image.set_palette(copy.get_palette())
        if old["profile"] is None and new["profile"] is not None:
            # set_color_profile takes no None; and groups follow a profile that is set, not one that goes
            builtin = Gimp.ColorProfile.new_rgb_srgb if old["mode"] != 1 else Gimp.ColorProfile.new_d65_gray_srgb_trc
            image.set_color_profile(builtin())
            image.detach_parasite("icc-profile")
        elif old["profile"] != new["profile"]:
            image.set_color_profile(copy.get_color_profile())
        if old["resolution"] != new["resolution"]:
            image.set_resolution(*old["resolution"])
        if old["unit"] != new["unit"]:
            image.set_unit(copy.get_unit())
        if old["metadata"] != new["metadata"]:
            image.set_metadata(self.kept.metadata if self.kept else copy.get_metadata())
        items.set_parasites(image, copy, old["parasites"], new["parasites"])
        if old["hidden_components"] != new["hidden_components"]:
            pixels.set_components(image, copy)
        if old["guides"] != new["guides"]:
            self._guides(old["guides"])
        if old["sample_points"] != new["sample_points"]:
            self._sample_points(old["sample_points"])
        if old["grid"] != new["grid"]:
            self._grid(*old["grid"][:2])
        pixels.set_selection(image, copy, self.before)
        selected = [id_ for id_, node in zip(self.ids, self.before.walk()) if node.id in self.before.selected]
        if set(selected) != selected_ids(image):
            chosen = [Gimp.Item.get_by_id(id_) for id_ in selected]
            if chosen and chosen[0].is_channel():
                image.set_selected_channels(chosen)
            elif chosen:  # GIMP takes no empty list
                image.set_selected_layers(chosen)

    def _guides(self, wanted):
        while guide := self.image.find_next_guide(0):
            self.image.delete_guide(guide)
        for orientation, position in wanted:
            (self.image.add_vguide if orientation else self.image.add_hguide)(position)
        assert sorted(guides(self.image)) == wanted

    def _grid(self, spacing, offset):
        image, copy = self.image, self.copy
        image.grid_set_spacing(*spacing)
        image.grid_set_offset(*offset)
        image.grid_set_style(copy.grid_get_style())
        image.grid_set_foreground_color(copy.grid_get_foreground_color())
        image.grid_set_background_color(copy.grid_get_background_color())

    def _sample_points(self, wanted):
        while point := self.image.find_next_sample_point(0):
            self.image.delete_sample_point(point)
        for x, y in wanted:
            self.image.add_sample_point(x, y)
        assert sample_points(self.image) == wanted


def remains(difference):
    """What still differs, for `not_restored`."""
    lost = [LOST.get(name, f"The image's {name.replace('_', ' ')}") for name in sorted(difference.properties)]
    for id_, what in difference.changed.items():
        node = difference.new_nodes[id_]
        words = ", ".join(sorted(part.replace("_", " ") for part in what))
        lost.append(f"{node.kind.replace('_', ' ')} `{node.properties['name']}` ({id_}): {words}")
    lost += [f"{difference.old_nodes[id_].kind} `{difference.old_nodes[id_].properties['name']}` is missing"
             for id_ in difference.removed]
    lost += [f"{difference.new_nodes[id_].kind} `{difference.new_nodes[id_].properties['name']}` could not be removed"
             for id_ in difference.added]
    return lost
