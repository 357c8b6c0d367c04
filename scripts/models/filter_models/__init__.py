"""Trains, exports and measures the filter models that come with gimp-bridge; README.md one folder up says how."""
