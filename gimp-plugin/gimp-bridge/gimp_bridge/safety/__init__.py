"""Keeps the plug-in's process whole while clients' code and long calls run: time limits, main loops, threads.

May import: core, scripting.
"""
