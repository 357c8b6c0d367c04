"""An image with everything that an undo has to bring back, changes to it, and a fingerprint that owes nothing to the plug-in.

`SETUP` is Python that a test puts into its namespace in GIMP; `CHANGES` are scripts by name, each of which changes the
rich image `im` there.
"""

SETUP = r'''
import hashlib, os

def paint(drawable, x, y, width, height, value=b"\x10\x20\x30\xff"):
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(x, y, width, height), "R'G'B'A u8", value * (width * height))
    buffer.flush()
    # All of it: for a part GIMP does not renew as far as a blur among the layer effects carries the change
    drawable.update(0, 0, drawable.get_width(), drawable.get_height())

def noise(drawable, seed):
    width, height = drawable.get_width(), drawable.get_height()
    rows = b"".join(hashlib.shake_128(b"%d %d" % (seed, y)).digest(width * 4) for y in range(height))
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", rows)
    buffer.flush()
    drawable.update(0, 0, width, height)

def make_rich(mode="RGB", precision="U8_NON_LINEAR", width=160, height=120):
    base = Gimp.ImageBaseType.GRAY if mode == "GRAY" else Gimp.ImageBaseType.RGB
    im = Gimp.Image.new_with_precision(width, height, base, getattr(Gimp.Precision, precision))
    kind = Gimp.ImageType.GRAYA_IMAGE if mode == "GRAY" else Gimp.ImageType.RGBA_IMAGE
    def layer(name, x, y, w, h, parent=None):
        made = Gimp.Layer.new(im, name, w, h, kind, 100, Gimp.LayerMode.NORMAL)
        im.insert_layer(made, parent, 0)
        noise(made, w)
        made.set_offsets(x, y)
        return made
    background = layer("Background", 0, 0, width, height)
    group = Gimp.GroupLayer.new(im, "Group")
    im.insert_layer(group, None, 0)
    masked = layer("masked", 20, 30, 70, 50, group)
    inner = Gimp.GroupLayer.new(im, "Inner")
    im.insert_layer(inner, group, 0)
    deep = layer("deep", -10, 50, 75, 40, inner)
    deep.set_opacity(42.5)
    deep.set_mode(Gimp.LayerMode.MULTIPLY)
    masked.add_mask(masked.create_mask(Gimp.AddMaskType.WHITE))
    noise(masked.get_mask(), 7)
    masked.set_edit_mask(False)
    masked.set_color_tag(Gimp.ColorTag.RED)
    masked.set_lock_alpha(True)
    group.add_mask(group.create_mask(Gimp.AddMaskType.BLACK))
    group.set_apply_mask(False)
    text = Gimp.TextLayer.new(im, "Hello", Gimp.context_get_font(), 24, Gimp.Unit.pixel())
    im.insert_layer(text, None, 0)
    text.set_offsets(33, 44)
    text.set_color(Gegl.Color.new("red"))
    if mode != "INDEXED":
        blur = Gimp.DrawableFilter.new(background, "gegl:gaussian-blur", "my blur")
        blur.get_config().set_property("std-dev-x", 3.5)
        blur.update()
        background.append_filter(blur)
    channel = Gimp.Channel.new(im, "channel", width, height, 30, Gegl.Color.new("blue"))
    im.insert_channel(channel, None, 0)
    noise(channel, 3)
    channel.set_visible(False)
    path = Gimp.Path.new(im, "path")
    im.insert_path(path, None, 0)
    path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [10, 10, 10, 10, 12, 10, 50, 60, 50, 60, 50, 64.5], True)
    im.add_hguide(40)
    im.add_vguide(77)
    im.add_sample_point(5, 6)
    im.select_ellipse(Gimp.ChannelOps.REPLACE, 30, 30, 60, 50)
    Gimp.Selection.feather(im, 9)
    im.attach_parasite(Gimp.Parasite.new("of image", 1, b"hello"))
    background.attach_parasite(Gimp.Parasite.new("of layer", 1, b"xyz"))
    im.set_resolution(123, 150)
    im.set_unit(Gimp.Unit.mm())
    im.set_selected_layers([masked, background])
    if mode == "INDEXED":
        im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, "")
    return im

def every(im):
    found = list(im.get_layers())
    for item in found:
        if isinstance(item, Gimp.GroupLayer):
            found.extend(item.get_children())
    return found + list(im.get_channels()) + list(im.get_paths())

def item(name):
    return next(one for one in every(im) if one.get_name() == name)

def raw(drawable):
    area = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    return hashlib.sha256(drawable.get_buffer().get(area, 1.0, None, Gegl.AbyssPolicy.NONE)).hexdigest()[:12]

def facts(one):
    """All getters of an item that take nothing and say what it is, and its pixels."""
    told = {}
    for name in sorted(set(dir(type(one)))):
        if name.startswith("get_") and (name in dir(Gimp.Layer) or kind(one) != "Layer") and name not in (
                "get_id", "get_image", "get_tattoo", "get_buffer", "get_shadow_buffer", "get_data", "get_property", "get_properties",
                "get_by_id", "get_thumbnail", "get_format", "get_thumbnail_format", "get_expanded", "get_qdata", "get_bpp",
                "get_children", "get_parent", "get_mask", "get_filters", "get_strokes", "get_parasite_list",
                "get_user_writable_dir"):
            try:
                value = getattr(one, name)()
            except TypeError:
                continue  # takes arguments
            told[name] = said(value)
    told["parasites"] = [(name, list(one.get_parasite(name).get_data())) for name in sorted(one.get_parasite_list() or ())]
    parent = one.get_parent()
    told["place"] = (parent.get_name() if parent else None, im_of(one).get_item_position(one))
    if isinstance(one, Gimp.Path):
        told["strokes"] = [said(one.stroke_get_points(stroke)) for stroke in one.get_strokes()]
        return told
    told["pixels"] = raw(one)
    if isinstance(one, Gimp.Layer):
        told["filters"] = [(f.get_operation_name(), f.get_name(), f.get_visible(), f.get_opacity(),
                            [(p.name, said(f.get_config().get_property(p.name))) for p in f.get_config().list_properties()])
                           for f in one.get_filters()]
        mask = one.get_mask()
        told["mask"] = mask and (raw(mask), one.get_apply_mask(), one.get_edit_mask(), one.get_show_mask())
    return told

def kind(one):
    name = type(one).__name__
    return "Layer" if name == "TextLayer" and not one.is_text_layer() else name

def im_of(one):
    return one.get_image()

def said(value):
    if isinstance(value, Gegl.Color):
        return [round(part, 5) for part in value.get_rgba()]
    if isinstance(value, (tuple, list)):
        return [said(part) for part in value]
    if hasattr(value, "get_name"):
        return value.get_name()
    return value if isinstance(value, (str, float, bool, type(None))) else int(value) if hasattr(value, "__int__") else str(type(value))

def fingerprint(im):
    """What the image is, for comparison: no ids in it."""
    for one in every(im):  # GIMP leaves some of its own compositions stale
        if isinstance(one, Gimp.Layer):
            one.update(0, 0, one.get_width(), one.get_height())
    told = {f"{kind(one)} {one.get_name()}": facts(one) for one in every(im)}
    guides, guide = [], im.find_next_guide(0)
    while guide:
        guides.append((int(im.get_guide_orientation(guide)), im.get_guide_position(guide)))
        guide = im.find_next_guide(guide)
    points, point = [], im.find_next_sample_point(0)
    while point:
        points.append(said(im.get_sample_point_position(point)))
        point = im.find_next_sample_point(point)
    profile, metadata = im.get_color_profile(), im.get_metadata()
    palette = im.get_palette() if int(im.get_base_type()) == 2 else None
    shown = Gimp.Layer.new_from_visible(im, im, "shown")
    selection = im.get_selection().get_buffer().get(Gegl.Rectangle.new(0, 0, im.get_width(), im.get_height()), 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    told["image"] = {
        "size": (im.get_width(), im.get_height()), "mode": int(im.get_base_type()), "precision": int(im.get_precision()),
        "resolution": said(im.get_resolution()), "unit": im.get_unit().get_name(), "guides": sorted(guides), "points": points,
        "profile": profile and hashlib.sha256(profile.get_icc_profile()).hexdigest(), "metadata": metadata and metadata.serialize(),
        "palette": palette and [said(color) for color in palette.get_colors()],
        "parasites": [(name, list(im.get_parasite(name).get_data())) for name in sorted(im.get_parasite_list())],
        "selection": selection.hex(), "selected": sorted(one.get_name() for one in im.get_selected_layers()),
        "shown": raw(shown), "red": int(im.get_base_type()) == 0 and im.get_component_visible(Gimp.ChannelType.RED),
    }
    shown.delete()
    return told
'''

CHANGES = {
    "pixels": "paint(item('Background'), 17, 33, 5, 4)",
    "pixels_off_canvas": "paint(item('deep'), 0, 0, 4, 4)",
    "mask_pixels": "paint(item('masked').get_mask(), 3, 4, 5, 6, b'\\x33\\x33\\x33\\xff')",
    "stroke": "Gimp.Selection.none(im); Gimp.pencil(item('masked'), [30, 40, 60, 60])",
    "name": "item('Group').set_name('other')",
    "names_swapped": "a, b = item('deep'), item('masked'); a.set_name('x'); b.set_name('deep'); a.set_name('masked')",
    "opacity_mode_visible": "item('Group').set_opacity(3); item('deep').set_mode(Gimp.LayerMode.SCREEN); item('deep').set_visible(False)",
    "blend_and_composite": "d = item('deep'); d.set_blend_space(Gimp.LayerColorSpace.RGB_LINEAR); d.set_composite_mode(Gimp.LayerCompositeMode.INTERSECTION)",
    "locks_and_tag": "d = item('deep'); paint(d, 20, 5, 5, 5); d.set_lock_content(True); d.set_lock_position(True); d.set_color_tag(Gimp.ColorTag.BLUE)",
    "offsets": "item('masked').set_offsets(1, 2)",
    "layer_added": "im.insert_layer(Gimp.Layer.new(im, 'new', 9, 9, item('deep').type(), 100, Gimp.LayerMode.NORMAL), item('Inner'), 0)",
    "layer_removed": "im.remove_layer(item('Background'))",
    "group_removed": "im.remove_layer(item('Group'))",
    "group_dissolved": "im.reorder_item(item('deep'), None, 0); im.reorder_item(item('masked'), None, 3); im.remove_layer(item('Group'))",
    "group_added": "g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); im.reorder_item(item('Group'), g, 0); im.reorder_item(item('Background'), g, 0)",
    "order": "im.reorder_item(item('Background'), None, 0)",
    "layer_resized": "item('deep').resize(60, 70, 3, -4)",
    "layer_scaled": "item('masked').scale(33, 44, True)",
    "alpha_removed": "item('deep').flatten()",
    "mask_applied": "item('masked').remove_mask(Gimp.MaskApplyMode.APPLY)",
    "mask_added": "d = item('deep'); d.add_mask(d.create_mask(Gimp.AddMaskType.BLACK))",
    "mask_state": "item('Group').set_apply_mask(True); item('masked').set_show_mask(True)",
    "text": "item('Hello').set_text('Other')",
    "text_painted": "paint(item('Hello'), 0, 0, 5, 5)",
    "effect_parameter": "f = item('Background').get_filters()[0]; f.get_config().set_property('std-dev-x', 9.0); f.update()",
    "effect_removed": "item('Background').get_filters()[0].delete()",
    "effect_added": "d = item('deep'); d.append_filter(Gimp.DrawableFilter.new(d, 'gegl:invert-gamma', ''))",
    "channel": "c = item('channel'); paint(c, 9, 9, 4, 4); c.set_opacity(77); c.set_color(Gegl.Color.new('lime'))",
    "channel_removed": "im.remove_channel(item('channel'))",
    "path": "p = item('path'); p.remove_stroke(p.get_strokes()[0])",
    "path_removed": "im.remove_path(item('path'))",
    "guides": "im.delete_guide(im.find_next_guide(0)); im.add_vguide(100)",
    "sample_points": "im.delete_sample_point(im.find_next_sample_point(0)); im.add_sample_point(9, 9)",
    "selection_none": "Gimp.Selection.none(im)",
    "selection_softer": "Gimp.Selection.feather(im, 3)",
    "selected_layers": "im.set_selected_layers([item('deep')])",
    "profile": "im.set_color_profile(Gimp.ColorProfile.new_rgb_adobe() if im.get_base_type() == Gimp.ImageBaseType.RGB else Gimp.ColorProfile.new_d50_gray_lab_trc())",
    "parasites": "im.detach_parasite('of image'); item('Background').attach_parasite(Gimp.Parasite.new('of layer', 1, b'\\x7f\\x00'))",
    "metadata": "im.set_metadata(Gimp.Metadata.deserialize(im.get_metadata().serialize().replace('</metadata>', '<tag name=\"Exif.Image.Artist\">me</tag></metadata>')))",
    "resolution_unit": "im.set_resolution(72, 72); im.set_unit(Gimp.Unit.inch())",
    "mode": "im.convert_grayscale() if im.get_base_type() == Gimp.ImageBaseType.RGB else im.convert_rgb()",
    "precision": "im.convert_precision(Gimp.Precision.U16_NON_LINEAR if im.get_precision() != Gimp.Precision.U16_NON_LINEAR else Gimp.Precision.FLOAT_LINEAR)",
    "component": "im.set_component_visible(Gimp.ChannelType.RED, False)",
    "flatten": "im.flatten()",
    "merge": "im.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)",
    "scale": "im.scale(100, 90)",
    "crop": "im.crop(100, 70, 20, 30)",
    "canvas": "im.resize(200, 150, 40, 20)",
    "rotate": "im.rotate(Gimp.RotationType.DEGREES90)",
    "floating": "Gimp.Selection.float(im, [item('masked')], 3, 3)",
    "all_of_it": "im.flatten(); im.scale(50, 60); [im.remove_channel(c) for c in im.get_channels()]; im.add_hguide(5); Gimp.Selection.none(im)",
    "to_indexed": "[f.delete() for f in item('Background').get_filters()]; im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, '')",
}
NOT_FOR = {  # what GIMP does not offer in a mode
    "INDEXED": {"effect_parameter", "effect_removed", "effect_added", "precision", "component", "to_indexed", "blend_and_composite"},
    "GRAY": {"component"},
    "RGB": set(),
}
