"""What an operation's examples need beside a picture: `SETUP = {operation: function(client, image) -> more arguments}`.

One module per group of operations.
"""

import importlib
import pkgutil

SETUP = {}
for _module in pkgutil.iter_modules(__path__):
    SETUP.update(importlib.import_module(f"{__name__}.{_module.name}").SETUP)
