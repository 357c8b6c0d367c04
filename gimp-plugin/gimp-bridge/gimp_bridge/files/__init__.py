"""How files become images and images files: opening, metadata, shaping, export, proof of what was written.

May import: core, formats, policy, images, undo, items.
"""
