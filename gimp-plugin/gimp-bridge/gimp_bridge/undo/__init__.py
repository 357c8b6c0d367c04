"""Checkpoints of images, the proof of what a call changed, and the way back; which images clients may know.

May import: core, policy, images.
"""
