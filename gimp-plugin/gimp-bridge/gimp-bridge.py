#!/usr/bin/env python3
"""gimp-bridge: lets AI clients work in this GIMP, through the gimp-bridge daemon. Registration only."""

import os
import sys

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# Tables that babl makes of conversions that are used often: those from 8 to 16 bits with alpha are wrong (babl 0.1.126).
# It reads this when GIMP's library begins, below.
os.environ["BABL_LUT"] = os.environ.get("BABL_LUT") or "0"

EXTENSION = "plug-in-gimp-bridge"
GUARD = "plug-in-gimp-bridge-guard"


class GimpBridge(Gimp.PlugIn):
    """Two PERSISTENT procedures, which GIMP starts by itself, each in a process of its own."""

    bridge = None

    def do_query_procedures(self):
        return [EXTENSION, GUARD]

    def do_set_i18n(self, name):
        return False

    def do_create_procedure(self, name):
        run = self.run_extension if name == EXTENSION else self.run_guard
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, run, None)
        procedure.set_documentation(
            "Lets AI clients work in this GIMP", "Serves the gimp-bridge daemon, or starts that again", name
        )
        procedure.set_attribution("gimp-bridge", "gimp-bridge, MIT licence", "2026")
        return procedure

    def run_extension(self, procedure, config, data):
        from gimp_bridge.app import Bridge

        self.persistent_enable()
        self.bridge = Bridge(self)
        self.bridge.start()
        procedure.persistent_ready()
        GLib.MainLoop().run()
        self.bridge.stop()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)

    def run_guard(self, procedure, config, data):
        from gimp_bridge.guard import Guard

        self.persistent_enable()
        Guard(EXTENSION).start()
        procedure.persistent_ready()
        GLib.MainLoop().run()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)

    def do_quit(self):
        if self.bridge is not None:
            self.bridge.quit()


Gimp.main(GimpBridge.__gtype__, sys.argv)
