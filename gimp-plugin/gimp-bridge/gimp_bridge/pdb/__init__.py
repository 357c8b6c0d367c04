"""GIMP's procedures and GEGL's properties by name: JSON to what they want, and their results to JSON.

May import: core, policy, undo, gegl, items.
"""
