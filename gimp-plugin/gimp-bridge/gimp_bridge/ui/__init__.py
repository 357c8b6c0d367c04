"""What GIMP's user sees: words, letters, messages, progress, the status entry, and the daemon that works for them.

May import: core, net.
"""
