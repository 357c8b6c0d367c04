"""What every other folder stands on: errors, settings, folders, the instance and life files, own threads. Never GIMP.

May import: -.
"""
