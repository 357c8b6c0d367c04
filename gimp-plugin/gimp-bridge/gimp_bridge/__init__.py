"""The plug-in. GIMP puts the folder above first on `sys.path`, for client code too: this name is the only one there.

The folders in reading order; each may import those before it that its own text names:
core, net, formats, policy, images, undo, gegl, items, files, pdb, scripting, safety, dispatch, ops, ui, ui.mend,
ui.filters, ui.generate.
`app.py` puts them together, and `guard.py` starts it again; they may import all, and none imports them.

What needs Gtk is imported when a window is wanted: a GIMP without windows has no use for it.
"""
