"""GEGL operations on drawables: as GIMP's filters, piece by piece, or in a graph of our own.

May import: core, images.
"""
