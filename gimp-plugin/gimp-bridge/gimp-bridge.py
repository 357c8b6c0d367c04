#!/usr/bin/env python3
"""gimp-bridge: lets AI clients work in this GIMP, through the gimp-bridge daemon. Registration only."""

import os
import sys

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

EXTENSION = "plug-in-gimp-bridge"


class GimpBridge(Gimp.PlugIn):
    """One PERSISTENT procedure, which GIMP starts by itself."""

    bridge = None

    def do_query_procedures(self):
        return [EXTENSION]

    def do_set_i18n(self, name):
        return False

    def do_create_procedure(self, name):
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, self.run_extension, None)
        procedure.set_documentation("Lets AI clients work in this GIMP", "Serves the gimp-bridge daemon", name)
        procedure.set_attribution("gimp-bridge", "gimp-bridge, MIT licence", "2026")
        return procedure

    def run_extension(self, procedure, config, data):
        from bridge import Bridge

        self.persistent_enable()
        self.bridge = Bridge(self)
        self.bridge.start()
        procedure.persistent_ready()
        GLib.MainLoop().run()
        self.bridge.stop()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)

    def do_quit(self):
        if self.bridge is not None:
            self.bridge.stop()


Gimp.main(GimpBridge.__gtype__, sys.argv)
