"""call_api: a client's Python code (`exec`), or a PDB procedure (ops/../pdb_call.py)."""

import io
import sys

from gi.repository import Gegl, Gimp, Gio, GLib, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import contexts
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.pdb import call as pdb_call
from gimp_bridge.safety import scope as exec_scope
from gimp_bridge.safety.watchdog import Interrupted
from gimp_bridge.scripting.output import Output
from gimp_bridge.scripting.script import EVAL, Script, Scripts, of_function
from gimp_bridge.scripting.to_json import NotJson, to_json
from gimp_bridge.undo import history

_READY = {"Gimp": Gimp, "Gegl": Gegl, "Gio": Gio, "GLib": GLib, "GObject": GObject}
_scripts = Scripts()


def plan(call, api_path, args, kwargs, max_output):
    function = of_function(api_path, args, kwargs)
    if function is not None:
        api_path, args, kwargs = "exec", function, {}
    if api_path != "exec":
        call.prepared = pdb_call.prepare(call, api_path, args, kwargs)
        if call.prepared.changes or "context" in api_path:
            contexts.enter(call.client, api_path)
        return Plan(call.prepared.changes, call.prepared.images)
    if not call.settings.exec or call.settings.read_only:
        why = "switched off in this GIMP" if not call.settings.exec else "refused: this GIMP is read-only"
        raise OperationError(
            "forbidden",
            f"running Python code is {why}",
            hint="PDB procedures that the policy allows work; GIMP's user decides (`plugin.exec`, `plugin.read_only`)",
        )
    if kwargs:
        raise OperationError("invalid_argument", "`kwargs` must be empty for `exec`; put values into the code")
    call.prepared = script = _scripts.get(args)
    if script.verdict.reason is None:
        namespace = call.client.namespace
        if all(namespace.get(name, value) is value for name, value in _READY.items()) and script.verdict.holds_in(
            namespace
        ):
            if "context" in script.source:
                contexts.enter(call.client, script.source)
            return Plan(False)
    contexts.enter(call.client, script.source)
    images = history.visible_images()
    first = call.image.get_id() if call.image is not None else call.client.image_id
    return Plan(True, sorted(images, key=lambda image: image.get_id() != first), whole=False)


@operation("call_api", plan=plan)
def call_api(call, api_path, args, kwargs, max_output):
    if not isinstance(call.prepared, Script):
        return pdb_call.run(call, call.prepared)
    namespace = call.client.namespace
    if not namespace:
        namespace.update(_READY, __name__="__main__", __builtins__=exec_scope.client_builtins())
    return _run(call, call.prepared, namespace, max_output)


def _run(call, script, namespace, max_output):
    output, result, raised = Output(max_output), {"status": "success"}, None
    before = sys.stdout, sys.stderr, sys.stdin
    with call.masked():  # what is swapped is put back, whenever the end comes
        sys.stdout = sys.stderr = output
        sys.stdin = io.StringIO()  # input() must not wait for GIMP's terminal
        try:
            with exec_scope.scope(call, script.may_patch), call.unmasked():
                value = eval(script.code, namespace)
                if script.kind == EVAL:
                    result.update(_value(value, max_output))
        except Interrupted:
            raise
        except BaseException as exception:  # SystemExit too: it must end the script, not the plug-in
            raised = _scripts.error(exception, script)
        finally:
            sys.stdout, sys.stderr, sys.stdin = before
            call.partial.update(_output(output))
    if raised is not None:
        raise raised
    if script.kind != EVAL:
        result["output"] = call.partial["output"]
    result.update((k, v) for k, v in call.partial.items() if v)
    return result


def _output(output):
    text, cut = output.result()
    return {"output": text, "output_cut": cut} if cut else {"output": text}


def _value(value, limit):
    try:
        return {"value": to_json(value)}
    except NotJson:
        text = repr(value)
        if len(text) > limit:
            text = f"{text[:limit]} [{len(text) - limit} characters cut]"
        return {"value": text, "value_repr": text}
