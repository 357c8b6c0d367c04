"""From a request to its answer: the catalogue, the registered operations, each call with its checks and its change.

May import: core, net, policy, undo, items, safety.
"""
