"""Filters > AI > Generate: the dialogs that make pictures from words.

May import: core, images, items, ui, ui.mend, ui.filters.
"""
