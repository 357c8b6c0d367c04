"""Filters > AI: a menu entry, a dialog and a preview for each of the daemon's filters.

May import: core, images, items, safety, ui, ui.mend.
"""
