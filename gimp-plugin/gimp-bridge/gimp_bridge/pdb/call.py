"""A PDB procedure by its name: arguments from JSON, the call, results as JSON.

Refuses the procedures that end GIMP, and under a policy all that policy/rules.py does not allow.
"""

import difflib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.pdb import results as pdb_results, values as pdb_values
from gimp_bridge.pdb.values import canonical
from gimp_bridge.policy import rules, text_arguments
from gimp_bridge.undo import history

_FORBIDDEN = {"gimp-quit": "close images with close_image, and end GIMP in its own window"}
OURS = "plug-in-gimp-bridge"


class Prepared:
    """A procedure with converted arguments. `changes` and `images` are for the dispatcher's plan."""

    def __init__(self, procedure, config, changes, images):
        self.procedure, self.config, self.changes, self.images = procedure, config, changes, images


def prepare(call, name, args, kwargs):
    """Finds the procedure and converts its arguments; raises OperationError before anything has run."""
    name = canonical(name)
    error = refused(call, name)
    if error is not None:
        raise error
    procedure = find(name)
    specs = procedure.get_arguments()
    given = _by_name(name, specs, args, kwargs)
    _check_missing(procedure, name, specs, given)
    config = procedure.create_config()
    changes = rules.class_of(name) != "read"
    uses, writes = rules.arguments(name), changes and "load" not in name.split("-")
    images = {}
    for spec in specs:
        if spec.name in given:
            files = pdb_values.Files(call.settings, writes, uses.get(spec.name))
            value = text_arguments.text_argument(call.settings, name, spec.name, given[spec.name])
            pdb_values.set_argument(files, config, spec, value, name)
        elif spec.value_type.name == "GimpRunMode":
            config.set_property(spec.name, Gimp.RunMode.NONINTERACTIVE)
        try:
            found = pdb_results.images_of(config, spec)
        except TypeError as error:  # GIMP 3.2.6 forgets the link layer of gimp-link-layer-set-file
            hint = "use another procedure"
            raise OperationError("unsupported", f"`{name}`: this GIMP has lost `{spec.name}`: {error}", hint) from error
        images.update((image.get_id(), image) for image in found)
    if call.image is None:
        call.image = next(iter(images.values()), None)
    found = list(images.values())
    if changes and not found and not name.startswith("gimp-"):
        found = history.visible_images()  # a plug-in may work on what is open; GIMP's own only on what it is given
    return Prepared(procedure, config, changes, found)


def run(call, prepared):
    """Runs it; an error status of GIMP's becomes an error."""
    name = prepared.procedure.get_name()
    values = prepared.procedure.run(prepared.config)
    status = int(values.index(0)) if values is not None and values.length() else int(Gimp.PDBStatusType.EXECUTION_ERROR)
    if status != int(Gimp.PDBStatusType.SUCCESS):
        raise _failure(name, status, values, prepared.procedure)
    specs = prepared.procedure.get_return_values()
    return {
        "status": "success",
        "procedure": name,
        "values": {
            spec.name: pdb_results.result(values, place + 1, spec)
            for place, spec in enumerate(specs)
            if place + 1 < values.length()
        },
    }


def find(name):
    """The procedure of that name, or an error that names the nearest."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    if procedure is None:
        raise OperationError("not_found", f"GIMP has no procedure `{name[:200]}`", _nearest_procedure(name))
    return procedure


def refused(call, name):
    """The error for a procedure that clients may not run, else None."""
    if name in _FORBIDDEN:
        return OperationError("forbidden", f"`{name}` is not run for clients", _FORBIDDEN[name])
    if name.startswith(OURS):
        return OperationError("forbidden", f"`{name}` is the bridge itself", "GIMP's user has it in the menus")
    found = rules.refusal(call.settings, name)
    if found is not None:
        return OperationError("forbidden", f"`{name}` is not run: {found[0]}", found[1])
    return None


def _nearest_procedure(name):
    names = Gimp.get_pdb().query_procedures(*[".*"] * 8)
    near = difflib.get_close_matches(name, names, 3, 0.6)
    words = [word for word in name.split("-") if word not in ("gimp", "plug", "in", "file")]
    near += [n for n in names if n not in near and words and all(word in n for word in words)][: 5 - len(near)]
    return (
        f"did you mean {', '.join(f'`{n}`' for n in near)}?"
        if near
        else "search_procedures finds them by words"
    )


def _by_name(name, specs, args, kwargs):
    """{argument's name: value}, from positions and names."""
    names = [spec.name for spec in specs]
    positions = names
    run_mode = specs and specs[0].value_type.name == "GimpRunMode"
    if run_mode and args and len(args) < len(names) and not pdb_values.is_run_mode(args[0]):
        positions = names[1:]  # it may be left out: nobody is there to answer a dialog
    if len(args) > len(positions):
        raise OperationError(
            "invalid_argument",
            f"`{name}` takes {len(names)} arguments, not {len(args)}",
            f"they are {_describe(specs)}",
            arguments=names,
        )
    given = dict(zip(positions, args))
    for key, value in kwargs.items():
        key = canonical(key)
        if key not in names:
            near = difflib.get_close_matches(key, names, 1, 0.5)
            raise OperationError(
                "invalid_argument",
                f"`{name}` has no argument `{key[:100]}`",
                (f"did you mean `{near[0]}`? " if near else "") + f"its arguments are {_describe(specs)}",
                arguments=names,
            )
        if key in given:
            raise OperationError("invalid_argument", f"`{name}`: `{key}` is given by position and by name")
        given[key] = value
    return given


def _check_missing(procedure, name, specs, given):
    """GIMP's own procedures have no defaults that mean anything: gimp-image-scale would scale to 1 x 1."""
    if int(procedure.get_proc_type()) != int(Gimp.PDBProcType.INTERNAL):
        return
    missing = [spec.name for spec in specs if spec.name not in given and not pdb_values.may_be_missing(spec)]
    if missing:
        raise OperationError(
            "invalid_argument",
            f"`{name}` needs {', '.join(f'`{m}`' for m in missing)}",
            f"its arguments are {_describe(specs)}",
            arguments=[spec.name for spec in specs],
        )


def _describe(specs):
    return ", ".join(f"{spec.name} ({pdb_values.type_name(spec)})" for spec in specs) or "none"


def _failure(name, status, values, procedure):
    message = values.index(1) if values is not None and values.length() > 1 else None
    message = str(message or Gimp.get_pdb().get_last_error() or "no reason given")
    if status == int(Gimp.PDBStatusType.CALLING_ERROR):
        return OperationError(
            "invalid_argument",
            f"GIMP refuses the arguments of `{name}`: {message}",
            f"its arguments are {_describe(procedure.get_arguments())}",
        )
    if status == int(Gimp.PDBStatusType.CANCEL):
        return OperationError("cancelled", f"`{name}` was cancelled in GIMP: {message}")
    return OperationError("gimp_error", f"`{name}` failed: {message}")
