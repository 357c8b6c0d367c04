"""What clients may do, reach and know of: procedures, operations, files and what those refer to, sessions' images.

May import: core, formats.
"""
