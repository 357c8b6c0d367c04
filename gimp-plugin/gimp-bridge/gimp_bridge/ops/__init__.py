"""The operations: one module or folder for each file of protocol/ops, of the same name. Importing this registers all.

May import: core, formats, policy, images, undo, gegl, items, files, pdb, scripting, safety, dispatch.
"""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
