"""Layers, channels, masks, paths and resources by the names that clients give, and what operations on them share.

May import: core, images, undo, gegl.
"""
