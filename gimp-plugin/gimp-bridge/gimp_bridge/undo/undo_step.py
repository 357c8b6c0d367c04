"""Gives an undo step its name. GIMP names an undo group after the procedure that runs when the group is begun, so the
work is done inside of a temporary procedure whose menu label is the name.

That procedure is registered for as long as it runs, under one fixed name. It is in no menu, and does nothing when anybody
else runs it. GIMP holds on to the label that it had when it began.
"""

import sys

from gi.repository import Gimp, GLib

PROCEDURE = "plug-in-gimp-bridge-step"
_by_wire = []  # the procedure as GIMP knows it, and its arguments: running the object itself would not leave this process


def within(name, work):
    """Runs `work` once, inside of a procedure called `name` where that is possible; gives and raises what it does."""
    plug_in, begun, outcome = Gimp.get_plug_in(), [], []

    def run(procedure, _config, _data):
        if begun:  # by whoever found it in GIMP's list meanwhile
            return procedure.new_return_values(Gimp.PDBStatusType.CALLING_ERROR, None)
        begun.append(True)
        # Takes the first one's place in GIMP, whose windows would else look for its menu entry all the time: whenever
        # they update their menus. An update that waits until GIMP is idle may still fall between the label and this; GIMP
        # then tells its log that there is no such action, and goes on. (A label cannot come with the registration or be
        # taken away, and only a menu entry would make an action.) This side keeps both, since GIMP's library wants to
        # find what it runs
        plug_in.add_temp_procedure(_procedure(plug_in, run))
        try:
            # Each running procedure has its own: errors belong to the caller, not into the user's message dialog
            plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
            outcome.append((work(), None))
        except BaseException as error:  # none may pass through GIMP's library
            outcome.append((None, error))
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)

    procedure = _procedure(plug_in, run)
    plug_in.add_temp_procedure(procedure)
    procedure.set_menu_label(name.replace("_", "__"))  # one is a mnemonic's mark
    try:
        if not _by_wire:
            found = Gimp.get_pdb().lookup_procedure(PROCEDURE)
            _by_wire.extend((found, found.create_config()))
        called, config = _by_wire
        called.run(config)
    except (GLib.Error, AttributeError) as error:
        print(f"gimp-bridge: an undo step has no name: {error}", file=sys.stderr)
    finally:
        plug_in.remove_temp_procedure(PROCEDURE)
        plug_in.remove_temp_procedure(PROCEDURE)
    if not outcome:
        return work()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def _procedure(plug_in, run):
    return Gimp.Procedure.new(plug_in, PROCEDURE, Gimp.PDBProcType.TEMPORARY, run, None)
