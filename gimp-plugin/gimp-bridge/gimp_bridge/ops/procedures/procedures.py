"""GIMP's procedure database: search, describe, call by name with named arguments."""

from gi.repository import Gimp

from gimp_bridge.dispatch import contexts
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.pdb import call as pdb_call, gegl_specs, values as pdb_values

ANY = ".*"
_TYPES = {"PLUGIN": "plug-in", "EXTENSION": "extension", "TEMPORARY": "temporary", "INTERNAL": "internal",
          "PERSISTENT": "persistent"}


@operation("search_procedures")
def search_procedures(call, query, limit, offset):
    words = [word for word in query.lower().replace("_", "-").split() if word]
    scores = {}
    for place, word in enumerate(words):
        pattern = "".join(letter if letter.isalnum() else f"[{letter}]" if letter not in "^\\]" else "."
                          for letter in word)
        by_name = set(_query(f".*{pattern}.*", ANY))
        by_blurb = set(_query(ANY, f".*{_any_case(word)}.*"))
        for name in by_name | by_blurb:
            score = 3 * (name in by_name) + (name in by_blurb) + 3 * (f"-{word}-" in f"-{name}-")
            if place == 0 or name in scores:
                scores[name] = scores.get(name, 0) + score
        scores = {name: score for name, score in scores.items() if name in by_name | by_blurb}
    if not words:
        scores = dict.fromkeys(_query(ANY, ANY), 0)
    found = sorted((name for name in scores if not name.startswith(pdb_call.OURS)),
                   key=lambda name: (-scores[name], len(name), name))
    pdb = Gimp.get_pdb()
    shown = [{"procedure": name, "summary": pdb.lookup_procedure(name).get_blurb() or ""}
             for name in found[offset : offset + limit]]
    return {"procedures": shown, "total": len(found), "more": offset + limit < len(found)}


def _query(name, blurb):
    return Gimp.get_pdb().query_procedures(name, blurb, *[ANY] * 6)


def _any_case(word):
    """A regular expression of `word` in any case: GIMP's query has no flag for that."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter if letter.isalnum() else "."
                   for letter in word)


@operation("describe_procedure")
def describe_procedure(call, procedure):
    name = pdb_values.canonical(procedure)
    found = pdb_call.find(name)
    result = {
        "procedure": name,
        "summary": found.get_blurb() or "",
        "description": found.get_help() or "",
        "kind": next((word for key, word in _TYPES.items()
                      if int(found.get_proc_type()) == int(getattr(Gimp.PDBProcType, key, -1))), "internal"),
        "arguments": [_argument(found, spec) for spec in found.get_arguments()],
        "returns": [{"name": spec.name, "type": pdb_values.type_name(spec), "description": spec.get_blurb() or ""}
                    for spec in found.get_return_values()],
    }
    menus = found.get_menu_paths()
    if menus:
        result["menu"] = [f"{path}/{(found.get_menu_label() or '').replace('_', '')}" for path in menus]
    refused = pdb_call.refused(call, name)
    if refused:
        result["refused"] = refused.message
    return result


def _argument(procedure, spec):
    shown = gegl_specs.describe_spec(spec)
    shown["type"] = pdb_values.type_name(spec)
    internal = int(procedure.get_proc_type()) == int(Gimp.PDBProcType.INTERNAL)
    required = internal and not (pdb_values.may_be_missing(spec) and getattr(spec, "none_ok", True))
    if required:
        shown.pop("default", None)  # it means nothing: gimp-image-scale would scale to 1 x 1
    shown["required"] = required
    return shown


def _plan(call, procedure, arguments):
    name = pdb_values.canonical(procedure)
    call.prepared = pdb_call.prepare(call, name, [], arguments)
    if call.prepared.changes or "context" in name:
        contexts.enter(call.client, name)
    return Plan(call.prepared.changes, call.prepared.images)


@operation("call_procedure", plan=_plan)
def call_procedure(call, procedure, arguments):
    done = pdb_call.run(call, call.prepared)
    return {"message": f"Called {done['procedure']}", "procedure": done["procedure"], "values": done["values"]}
