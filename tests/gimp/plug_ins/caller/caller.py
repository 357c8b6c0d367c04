#!/usr/bin/env python3
"""Another plug-in, as a user may have: calls the procedures that `call.json` in its HOME names, one after the other.

`{"procedure": NAME, "arguments": {…}, "drawables": [ids]}`; what came of it goes to `answer.json`.
"""

import json
import os
import sys

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, GLib  # noqa: E402

FOLDER = os.environ["HOME"]


class Caller(Gimp.PlugIn):
    def do_query_procedures(self):
        return ["test-caller"]

    def do_create_procedure(self, name):
        return Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, self.run, None)

    def run(self, procedure, config, data):
        self.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
        self.persistent_enable()
        procedure.persistent_ready()
        GLib.timeout_add(50, self.look)
        GLib.MainLoop().run()

    def look(self):
        path = os.path.join(FOLDER, "call.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                asked = json.load(file)
            os.unlink(path)
            answer = self.call(asked)
            with open(os.path.join(FOLDER, "answer.tmp"), "w", encoding="utf-8") as file:
                json.dump(answer, file)
            os.rename(os.path.join(FOLDER, "answer.tmp"), os.path.join(FOLDER, "answer.json"))
        return True

    def call(self, asked):
        if not Gimp.get_pdb().procedure_exists(asked["procedure"]):
            return {"status": "MISSING"}
        procedure = Gimp.get_pdb().lookup_procedure(asked["procedure"])
        config = procedure.create_config()
        if asked.get("describe"):
            return {"status": "SUCCESS", "arguments": [spec.name for spec in procedure.get_arguments()]}
        if "image" in asked:
            config.set_property("image", Gimp.Image.get_by_id(asked["image"]))
            config.set_core_object_array("drawables", [Gimp.Item.get_by_id(id_) for id_ in asked["drawables"]])
        for name, value in asked.get("arguments", {}).items():
            config.set_property(name, value)
        values = procedure.run(config)
        status = {int(getattr(Gimp.PDBStatusType, name)): name for name in ("SUCCESS", "CANCEL", "EXECUTION_ERROR", "CALLING_ERROR")}
        return {"status": status[int(values.index(0))], "error": Gimp.get_pdb().get_last_error()}


Gimp.main(Caller.__gtype__, sys.argv)
