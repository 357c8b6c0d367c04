"""Filters > AI > Generate: pictures from words, made by an image generator that a daemon knows, placed by the daemon too.

Temporary procedures inside the extension, as the filters are. What goes wrong in a dialog is told in the dialog.
"""

from gi.repository import Gimp, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.ui import people
from gimp_bridge.ui.filters import run as filter_run
from gimp_bridge.ui.generate import run as generate_run
from gimp_bridge.ui.generate.kinds import GUIDANCE, MOST_SEED, MOST_VARIANTS, SIDES, STEPS, offered
from gimp_bridge.ui.mend import actions as filter_mend

MENU = "<Image>/Filters/AI/_Generate"
PREFIX = "plug-in-gimp-bridge-"
FLAGS = GObject.ParamFlags.READWRITE


def install(bridge):
    """Adds the entries to the plug-in that `bridge` belongs to."""
    for kind in offered():
        bridge.plug_in.add_temp_procedure(_procedure(bridge, kind))


def _procedure(bridge, kind):
    name = PREFIX + kind.name
    procedure = Gimp.ImageProcedure.new(bridge.plug_in, name, Gimp.PDBProcType.TEMPORARY, _run, (bridge, kind))
    procedure.set_image_types("*")
    mask = Gimp.ProcedureSensitivityMask
    sensitivity = mask.DRAWABLE | mask.DRAWABLES
    procedure.set_sensitivity_mask(sensitivity if kind.area else sensitivity | mask.NO_DRAWABLES)
    procedure.set_menu_label(kind.label)
    procedure.set_documentation(kind.help, kind.help, name)
    procedure.set_attribution("gimp-bridge", "gimp-bridge, MIT licence", "2026")
    procedure.add_menu_path(MENU)
    _add_arguments(procedure, kind)
    return procedure


def _add_arguments(procedure, kind):
    procedure.add_string_argument("prompt", "_Prompt", "What to paint", "", FLAGS)
    procedure.add_string_argument("negative-prompt", "_Negative prompt", "What not to paint", "", FLAGS)
    procedure.add_string_argument("backend", "Made _by", "The image generator; empty: the default one", "", FLAGS)
    procedure.add_string_argument("model", "_Model", "One of its models; empty: the usual one", "", FLAGS)
    procedure.add_int_argument("count", "_Variants", "How many", 1, MOST_VARIANTS, 1, FLAGS)
    if kind.area:
        text = "0 leaves it as it is, 1 begins anew"
        procedure.add_double_argument("strength", "_Strength", text, 0.0, 1.0, kind.strength, FLAGS)
    else:
        for name, label in (("width", "_Width"), ("height", "_Height")):
            text = f"Pixels, from {SIDES[0]}; 0: in the proportions of the image"
            procedure.add_int_argument(name, label, text, 0, SIDES[1], 0, FLAGS)
    procedure.add_int_argument("num-inference-steps", "S_teps", "More take longer", *STEPS, 50, FLAGS)
    procedure.add_double_argument("guidance-scale", "G_uidance", "How closely the prompt is followed", *GUIDANCE, 7.5, FLAGS)
    text = "The same one makes the same picture again; -1: another each time"
    procedure.add_double_argument("seed", "See_d", text, float(generate_run.RANDOM), float(MOST_SEED), float(generate_run.RANDOM), FLAGS)


def _run(procedure, run_mode, image, drawables, config, data):
    bridge, kind = data
    run = generate_run.Run(bridge, kind, image, filter_run.layers(drawables), config)
    with bridge.worker():
        if int(run_mode) == int(Gimp.RunMode.NONINTERACTIVE):
            try:
                answer = generate_run.run(run, filter_run.Silent())
            except OperationError as error:
                return filter_mend.failed(procedure, error)
        else:
            # Also "repeat the last filter", where GIMP has filled in the last values
            answer = _with_windows(procedure, run, int(run_mode) == int(Gimp.RunMode.INTERACTIVE))
    status = Gimp.PDBStatusType.SUCCESS if answer else Gimp.PDBStatusType.CANCEL
    return procedure.new_return_values(status, None)


def _with_windows(procedure, run, ask):
    """The answer, or None where the user gave up."""
    from gimp_bridge.ui import message as filter_message
    from gimp_bridge.ui.generate import dialog as generate_dialog
    from gimp_bridge.ui import progress_window

    mend = None
    while True:
        try:
            if mend is not None:
                filter_mend.ACTIONS[mend](run)
            if ask:
                answer = generate_dialog.ask(procedure, run)
            else:
                answer = generate_run.run(run, progress_window.ProgressWindow(run.kind.title))
            if answer:
                filter_message.mention(run.kind.title, (people.note(note) for note in answer.get("notes") or ()))
            return answer
        except OperationError as error:
            if error.kind == "cancelled":
                return None
            run.other = error.details.get("other", "")
            told = people.told(error, run.kind.title, run.layer_name)
        if not filter_message.ask(run.kind.title, told):
            return None
        mend = told.action
