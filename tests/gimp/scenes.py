"""Images with more than one plain layer, as scripts for GIMP; they use what truth.SETUP defines."""

# Python that makes `im` with more than one plain layer
SCENES = {
    "two opaque layers": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2, alpha=False)",
    "opacity": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2, opacity=37.0)",
    "small layer with offset": "im = new(); add(im, 'a', 130, 85, -25, 50)",
    "small opaque layer": "im = new(); add(im, 'a', 130, 85, 45, 50, alpha=False)",
    "hidden layer": "im = new(); add(im, 'a', 310, 210); add(im, 'b', 310, 210, seed=2).set_visible(False)",
    "multiply": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 260, 165, 13, 17, seed=2, mode='MULTIPLY')",
    "screen on alpha": "im = new(); add(im, 'a', 310, 210); add(im, 'b', 260, 165, 13, 17, seed=2, mode='SCREEN', opacity=60.0)",
    "hsl hue": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2, mode='LCH_HUE')",
    "legacy overlay": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2, mode='OVERLAY_LEGACY')",
    "erase": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 175, 130, 22, 21, seed=2, mode='ERASE')",
    "dissolve": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2, mode='DISSOLVE', opacity=50.0)",
    "mask": "im = new(); l = add(im, 'a', 310, 210); m = l.create_mask(Gimp.AddMaskType.WHITE); l.add_mask(m); paint(m, 9)",
    "mask switched off": "im = new(); l = add(im, 'a', 310, 210); m = l.create_mask(Gimp.AddMaskType.BLACK); l.add_mask(m); l.set_apply_mask(False)",
    "opaque with mask": "im = new(); l = add(im, 'a', 310, 210, alpha=False); l.add_alpha(); m = l.create_mask(Gimp.AddMaskType.BLACK); l.add_mask(m)",
    "group": "im = new(); add(im, 'a', 310, 210, alpha=False); g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); g.set_opacity(50); "
    "add(im, 'b', 215, 125, 13, 17, seed=2, parent=g, mode='MULTIPLY'); add(im, 'c', 175, 165, 40, 17, seed=3, parent=g)",
    "pass-through group": "im = new(); add(im, 'a', 310, 210, alpha=False); g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); "
    "g.set_mode(Gimp.LayerMode.PASS_THROUGH); add(im, 'b', 215, 125, 13, 17, seed=2, parent=g, mode='MULTIPLY')",
    "erase in a pass-through group": "im = new(); add(im, 'a', 310, 210, alpha=False); g = Gimp.GroupLayer.new(im, 'g'); im.insert_layer(g, None, 0); "
    "g.set_mode(Gimp.LayerMode.PASS_THROUGH); add(im, 'b', 215, 125, 13, 17, seed=2, parent=g, mode='ERASE')",
    "effect": "im = new(); l = add(im, 'a', 310, 210); f = Gimp.DrawableFilter.new(l, 'gegl:gaussian-blur', 'blur'); "
    "f.get_config().set_property('std-dev-x', 3.0); f.update(); l.append_filter(f)",
    "effect on an opaque layer": "im = new(); l = add(im, 'a', 310, 210, alpha=False); f = Gimp.DrawableFilter.new(l, 'gegl:invert-gamma', 'x'); l.append_filter(f)",
    "text": "im = new(); add(im, 'a', 310, 210, alpha=False); t = Gimp.TextLayer.new(im, 'Hi', Gimp.context_get_font(), 96.0, Gimp.Unit.pixel()); im.insert_layer(t, None, 0)",
    "visible channel": "im = new(); add(im, 'a', 310, 210, alpha=False); c = Gimp.Channel.new(im, 'c', 310, 210, 50.0, Gegl.Color.new('red')); "
    "im.insert_channel(c, None, 0); c.set_visible(True)",
    "red switched off": "im = new(); add(im, 'a', 310, 210, alpha=False); im.set_component_visible(Gimp.ChannelType.RED, False)",
    "selection": "im = new(); add(im, 'a', 310, 210, alpha=False); add(im, 'b', 310, 210, seed=2); im.select_ellipse(Gimp.ChannelOps.REPLACE, 22, 21, 130, 125)",
    "no layer": "im = new()",
    "all hidden": "im = new(); add(im, 'a', 310, 210, alpha=False).set_visible(False)",
    "large": "im = new(300, 290); add(im, 'a', 300, 290); add(im, 'b', 200, 200, 33, 44, seed=2, mode='ADDITION')",
}
# The export plug-in applies even a mask that is switched off, and both it and merging lose what lies below a
# pass-through group in 3.0. GIMP's canvas and its flattening do neither: there the flattened duplicate is the truth
FLATTENED = ("mask switched off", "pass-through group", "erase in a pass-through group")
NOT_EXPORTED = ("no layer", "all hidden")  # GIMP exports neither; both are transparent
