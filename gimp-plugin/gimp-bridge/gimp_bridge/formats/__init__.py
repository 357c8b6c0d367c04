"""What picture files say of themselves, read from their bytes: kinds, texts, frames, whether all is there. Never GIMP.

May import: -.
"""
