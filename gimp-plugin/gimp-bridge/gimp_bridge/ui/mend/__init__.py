"""What the button of a message does, and the windows that set up an image generator.

May import: core, items, ui.
"""
