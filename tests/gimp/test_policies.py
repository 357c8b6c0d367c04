"""Policies against a client that tries: every procedure, every door, what files refer to, what is written.

One GIMP with `exec` off and one allowed folder takes all attacks; in the end nothing outside of the folder has changed.
docs/security.md names the tests for each claim.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from client import ROOT, CallError
from harness import Gimp
from pictures import read
from PIL import Image

BINARY = Path(os.environ.get("GIMP_BRIDGE_BIN", ROOT / "target" / "debug" / "gimp-bridge"))
TABLE = json.loads((ROOT / "protocol" / "procedures.json").read_text())
GEGL = json.loads((ROOT / "protocol" / "gegl.json").read_text())
CLASSES = {name: kind for kind, row in TABLE["classes"].items() for name in row["procedures"]}
RED = (255, 0, 0)


class World:
    """The GIMP under attack, its allowed folder, and what lies outside of it."""

    def __init__(self, gimp, inside, outside):
        self.gimp, self.inside, self.outside = gimp, inside, outside
        self.secret = outside / "secret.png"

    def print_of_outside(self):
        """What no attack may change: the files outside, GIMP's settings, plug-ins and scripts, the bridge's own."""
        profile = self.gimp.profile
        roots = [self.outside, self.gimp.state_dir / "secret", self.gimp.state_dir / "plugin.json"]
        roots += [profile / name for name in ("plug-ins", "scripts", "modules", "interpreters", "environ", "fonts")]
        found = {"where scripts could lie": sorted(str(path) for path in self.gimp.home.rglob("*evil*.*") if _runs(path))}
        for root in roots:
            for path in [root] if root.is_file() else sorted(root.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        gimprc = profile / "gimprc"  # GIMP writes it by itself
        found["plug-in-path"] = gimprc.exists() and "plug-in-path" in gimprc.read_text()
        return found


def _runs(path):
    return path.suffix in (".scm", ".py", ".desktop", ".sh", ".so", ".conf", "")


@pytest.fixture(scope="module")
def world(gimp_version, tmp_path_factory):
    inside, outside = tmp_path_factory.mktemp("inside"), tmp_path_factory.mktemp("outside")
    Image.new("RGB", (300, 200), RED).save(outside / "secret.png")
    Image.new("RGB", (300, 200), "blue").save(inside / "picture.png")
    with Gimp(gimp_version, {"exec": False, "folders": [str(inside)]}) as gimp:
        made = World(gimp, inside, outside)
        before = made.print_of_outside()
        yield made
        assert made.print_of_outside() == before, "an attack changed something outside of the folder"


@pytest.fixture
def attacker(world):
    with world.gimp.client("attacker") as client:
        yield client
        for image in client.call("list_images")["images"]:
            client.call("close_image", image=image["id"], discard_changes=True)


def forbidden(client, operation, /, **arguments):
    with pytest.raises(CallError) as raised:
        client.call(operation, **arguments)
    assert raised.value.kind == "forbidden", f"{operation} {str(arguments)[:300]}: {raised.value}"
    assert raised.value.hint, raised.value
    return raised.value


def procedure(client, name, arguments):
    return client.call("call_procedure", procedure=name, arguments=arguments)


# --- the tables ---


@pytest.fixture
def everywhere(gimp_version):
    """A client of a GIMP of its own: in one that other tests used, Script-Fu's process may have ended."""
    with Gimp(gimp_version) as gimp, gimp.client() as connected:
        yield connected


def test_the_tables_know_every_procedure_and_operation_of_this_gimp(everywhere):
    """Those of Script-Fu come a moment after the start."""
    client, everything = everywhere, "query_procedures(*['.*'] * 8)"
    client.python(
        "import time",
        "for _ in range(1200):",
        "    if Gimp.get_pdb().procedure_exists('script-fu-paste-as-brush'): break",
        "    time.sleep(0.1)",
        timeout=180,
    )
    names = client.eval(f"Gimp.get_pdb().{everything}")
    known = {**CLASSES, **dict.fromkeys(TABLE["files"], "files")}
    assert len(known) == len(CLASSES) + len(TABLE["files"]), "a procedure is in two classes"
    assert len(names) > 900
    unknown = [name for name in names if name not in known and not name.startswith("plug-in-gimp-bridge-filter-")]
    assert not unknown, f"classify in protocol/procedures.json: {unknown}"
    lines = [
        "rows = {}",
        f"for name in Gimp.get_pdb().{everything}:",
        "    found = Gimp.get_pdb().lookup_procedure(name).get_arguments()",
        "    rows[name] = [(a.name, a.value_type.name) for a in found]",
    ]
    client.python(*lines)
    words = ("file", "uri", "path", "dir", "filename", "dirname", "url", "script")
    texts = ("clippingpathname", "paths", "file-type")
    for name, arguments in client.eval("list(rows.items())"):
        if known.get(name) not in ("read", "image", "files"):
            continue
        rules = TABLE["files"].get(name, {})
        for argument, kind in arguments:
            named = kind in ("GFile", "GimpFile") or (
                kind in ("gchararray", "GStrv")
                and argument not in texts
                and any(word in argument.split("-") for word in words)
            )
            assert not named or argument in rules, f"`{name}` may be given a file in `{argument}`, and no rule says so"
    for name, rules in TABLE["files"].items():
        for argument, rule in rules.items():
            assert rule and set(rule) <= {"read", "write", "name", "gegl"}, (name, argument)


def test_a_read_procedure_changes_nothing_by_its_name_and_the_table(client):
    """What the table calls reading is asked for and got without a checkpoint; a name of change is never among them."""
    for name in TABLE["classes"]["read"]["procedures"]:
        words = name.split("-")
        assert not {"set", "new", "delete", "insert", "save", "export", "load", "attach", "detach", "remove"} & set(
            words
        ) or name in ("gimp-image-get-default-new-layer-mode",), name


def test_the_table_of_gegl_operations_is_complete_and_names_every_text(client):
    listed, offset = [], 0
    while True:
        page = client.call("list_gegl_operations", limit=100, offset=offset)
        listed += page["operations"]
        offset += 100
        if not page["more"]:
            break
    runs = {row["operation"] for row in listed if row["runs_as"] != "refused"}
    assert runs <= set(GEGL["operations"]), runs - set(GEGL["operations"])
    for name in sorted(runs):
        for row in client.call("describe_gegl_operation", operation=name)["properties"]:
            if row["type"] == "string":
                known = GEGL["texts"].get(name, []) + GEGL["files"].get(name, [])
                assert row["name"] in known, f"`{name}`: is `{row['name']}` a file or a text?"


# --- procedures ---


def test_no_procedure_outside_the_allowed_classes_runs(attacker):
    """Whatever it is given; by call_procedure, by call_api, by names that no table has."""
    for name, kind in CLASSES.items():
        if kind in ("read", "image"):
            continue
        for operation, arguments in (
            ("call_procedure", {"procedure": name, "arguments": {}}),
            ("call_api", {"api_path": name, "args": [], "kwargs": {}}),
            ("call_procedure", {"procedure": name.replace("-", "_"), "arguments": {}}),
        ):
            with pytest.raises(CallError) as raised:
                attacker.call(operation, **arguments)
            # What this version does not have is not found; the rest is refused before it is looked at
            assert raised.value.kind == "forbidden", f"{name}: {raised.value}"
    # No function of an API is a way around, whatever a path may come to mean
    for path in ("Gimp.file_load", "Gimp.Image.new", "Gio.File.new_for_path", "GLib.spawn_command_line_sync", "os.system"):
        with pytest.raises(CallError) as raised:
            attacker.call("call_api", api_path=path, args=["/etc/passwd"])
        assert raised.value.kind in ("forbidden", "not_found", "invalid_argument"), raised.value
    told = attacker.call("describe_procedure", procedure="gimp-gimprc-set")
    assert "settings" in told["refused"]


def test_python_does_not_run(attacker):
    for args in (["pyGObject-console", ["print(1)"]], ["pyGObject-eval", ["1"]]):
        forbidden(attacker, "call_api", api_path="exec", args=args)
    for name in ("python-fu-eval", "plug-in-script-fu-eval"):
        arguments = {"script": "(gimp-quit 1)"}
        forbidden(attacker, "call_procedure", procedure=name, arguments=arguments)


def _specs(client, name):
    try:
        return client.call("describe_procedure", procedure=name)["arguments"]
    except CallError as error:
        assert error.kind == "not_found"
        return None


def test_every_procedure_that_is_given_files_keeps_to_the_folder(attacker, world):
    image = attacker.call("create_new_image", width=300, height=200)["image"]
    layer = attacker.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"]
    values = {"image": image, "layer": layer, "drawable": layer, "text": "x"}
    tried = 0
    for name, rules in TABLE["files"].items():
        specs = _specs(attacker, name)
        if specs is None:
            continue
        for argument, rule in rules.items():
            if "read" not in rule and "write" not in rule:
                continue
            endings = rule.get("write", "picture")
            ending = "png" if endings == "picture" or "gz" in endings else endings[0]
            if isinstance(endings, list) and endings[0] in ("gz", "bz2", "xz"):
                ending = f"xcf.{endings[0]}"
            outside = [world.secret, world.outside / f"new.{ending}", world.inside / ".." / "outside0" / f"x.{ending}"]
            bad = [str(path) for path in outside] + [f"file://{world.outside}/new.{ending}", "http://127.0.0.1:9/x.png"]
            if "write" in rule:
                bad.append(str(world.inside / "script.scm"))
                bad.append(str(world.inside / "link.desktop"))
            for path in bad:
                given = _arguments(specs, values)
                given[argument] = path
                with pytest.raises(CallError) as raised:
                    procedure(attacker, name, given)
                # GIMP 3.2.6 itself takes no layer here
                broken = raised.value.kind == "unsupported" and name == "gimp-link-layer-set-file"
                assert raised.value.kind == "forbidden" or broken, f"{name} {argument} {path}: {raised.value}"
                tried += 1
    assert tried > 500
    assert sorted(os.listdir(world.outside)) == ["secret.png"]
    assert not [name for name in os.listdir(world.inside) if name.endswith((".scm", ".desktop"))]


def _arguments(specs, values):
    """Values for what GIMP's own procedures want."""
    given = {}
    for spec in specs:
        if not spec.get("required"):
            continue
        kind = spec["type"]
        if kind == "path":
            given[spec["name"]] = "/nowhere"
        elif kind.endswith(" id"):
            given[spec["name"]] = values["layer"] if "layer" in kind or "drawable" in kind else values["image"]
        elif kind == "boolean":
            given[spec["name"]] = False
        elif kind.startswith("one of"):
            given[spec["name"]] = kind.removeprefix("one of ").split("|")[0]
        elif kind in ("integer", "number"):
            given[spec["name"]] = max(spec.get("minimum", 1), 1)
        else:
            given[spec["name"]] = None
    return given


def test_names_that_become_paths_stay_names(attacker, world):
    image = attacker.call("create_new_image", width=300, height=200)["image"]
    procedure(attacker, "gimp-edit-copy-visible", {"image": image})
    for name in ("../../../plug-ins/evil", "/tmp/evil", "..", ".evil", "a\\b"):
        for script in ("script-fu-paste-as-brush", "script-fu-paste-as-pattern"):
            forbidden(attacker, "call_procedure", procedure=script, arguments={"string": "ok", "string-2": name})
        forbidden(attacker, "call_procedure", procedure="script-fu-make-brush-elliptical", arguments={"string": name})
        forbidden(attacker, "call_procedure", procedure="plug-in-gimpressionist", arguments={"preset": name})
    # Names with folders in them, where GIMP or the bridge makes the files' names
    attacker.call("create_brush", name="../../evil")
    attacker.call("create_palette", name="../../evil", colors=["red"])
    layer = attacker.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"]
    attacker.call("export_layers", image=image, folder=str(world.inside), pattern="{name}-{image}")
    forbidden(attacker, "export_layers", image=image, folder=str(world.inside / ".."), pattern="{name}")


def test_gegl_operations_reach_no_file_and_unknown_ones_do_not_run(attacker, world):
    image = attacker.call("create_new_image", width=300, height=200)["image"]
    for name, properties in (
        ("gegl:load", {"path": str(world.secret)}),
        ("gegl:jpg-load", {"uri": f"file://{world.secret}"}),
        ("gegl:magick-load", {"path": str(world.secret)}),
        ("gegl:svg-load", {"path": str(world.secret)}),
        ("gegl:open-buffer", {"path": str(world.secret)}),
        ("gegl:png-save", {"path": str(world.outside / "new.png")}),
        ("gegl:save", {"path": str(world.outside / "new.png")}),
        ("gegl:npy-save", {"path": str(world.outside / "new.npy")}),
        ("gegl:layer", {"src": str(world.secret)}),
        ("gegl:cast-space", {"path": str(world.secret)}),
        ("gegl:gegl", {"string": f"load path={world.secret}"}),
        ("gegl:styles", {"image-src": str(world.secret)}),
        ("gegl:styles", {"os-src": str(world.secret)}),
        ("gegl:styles", {"image-src": str(world.inside / ".." / "outside0" / "x.png")}),
    ):
        for as_effect in (False, True):
            with pytest.raises(CallError) as raised:
                attacker.call("apply_gegl_operation", operation=name, properties=properties, as_effect=as_effect)
            # GIMP 3.0 does not show the files of `gegl:styles` to plug-ins
            kinds = ("forbidden", "unsupported", "not_found") + (("invalid_argument",) if name == "gegl:styles" else ())
            assert raised.value.kind in kinds, f"{name}: {raised.value}"
    layer = attacker.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"]
    for name in ("gegl:load", "gegl:gegl", "stranger:op"):
        arguments = {"drawable": layer, "operation-name": name, "name": ""}
        forbidden(attacker, "call_procedure", procedure="gimp-drawable-filter-new", arguments=arguments)
    answer = attacker.call("apply_gegl_operation", image=image, operation="gegl:text", properties={"string": "<b>x</b>"})
    assert answer["effect"]["changed"] in (True, False)


# --- what files refer to ---


@pytest.fixture(scope="module")
def traps(world, gimp, gimp_version):
    """{name: bytes} of files that GIMP itself made and that refer to the secret; and what each shows without a policy."""
    folder = world.outside.parent / f"traps-{gimp_version}"
    folder.mkdir(exist_ok=True)
    lines = [
        "im = Gimp.Image.new(300, 200, Gimp.ImageBaseType.RGB)",
        "l = Gimp.Layer.new(im, 'l', 300, 200, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "im.insert_layer(l, None, 0)",
        "Gimp.context_set_background(Gegl.Color.new('blue'))",
        "l.fill(Gimp.FillType.BACKGROUND)",
        f"secret = Gio.File.new_for_path('{world.secret}')",
        "save = lambda name: Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, im, "
        f"Gio.File.new_for_path('{folder}/' + name), None)",
    ]
    if gimp_version == "3.0":
        lines += [
            "f = Gimp.DrawableFilter.new(l, 'gegl:styles', 'e')",
            "c = f.get_config()",
            "known = [p.name for p in c.list_properties()]",
            "l.append_filter(f)",
        ]
    else:
        lines += [
            "im.insert_layer(Gimp.LinkLayer.new(im, secret), None, 0)",
        ]
    lines += ["print(save('trap.xcf'), save('trap.xcf.gz'))", "im.delete()"]
    with gimp.client("maker") as client:
        printed = client.python(*lines)
    assert "True True" in printed, printed
    made = {name: (folder / name).read_bytes() for name in ("trap.xcf", "trap.xcf.gz")}
    if gimp_version == "3.0":  # this GIMP writes no link layers; the bytes of the later one
        path = str(world.secret).encode() + b"\0"
        size = len(path).to_bytes(4, "big")
        made["trap.xcf"] += b"\0\0\0\x30\0\0\0\x20\0\0\0\0" + size + path + b"\0\0\1\x2c\0\0\0\xc8"
        made["trap.xcf.gz"] = gzip.compress(made["trap.xcf"])
    made["trap.svg"] = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="300" height="200">'
        f'<image xlink:href="file://{world.secret}" width="300" height="200"/></svg>'
    ).encode()
    made["trap.desktop"] = f"[Desktop Entry]\nType=Link\nName=x\nURL=file://{world.secret}\n".encode()
    made["trap.desktop.gz"] = gzip.compress(made["trap.desktop"])
    made["trap.ps"] = b"%!PS-Adobe-3.0\n(/etc/passwd) (r) file\n"
    return made


def test_a_file_that_refers_to_one_outside_is_not_opened_by_any_door(attacker, world, traps):
    for name, data in traps.items():
        for given in (name, f"as-{name}.png", f"as-{name}.jpg", f"plain-{name.replace('.', '-')}"):
            path = world.inside / given
            path.write_bytes(data)
            try:
                forbidden(attacker, "open_file", path=str(path))
                forbidden(attacker, "call_procedure", procedure="gimp-file-load", arguments={"file": str(path)})
            finally:
                path.unlink()
        path = world.inside / name
        path.write_bytes(data)
        image = attacker.call("create_new_image", width=300, height=200)["image"]
        forbidden(attacker, "open_file", path=str(path), **{"as": "layer"})
        with pytest.raises(CallError):
            attacker.call("export_batch", folder=str(world.inside), to_folder=str(world.inside), pattern=name, format="png",
                          name="stolen")  # fmt: skip
        for loader in ("gimp-xcf-load", "file-gz-load", "file-svg-load", "gimp-file-load-layers", "gimp-link-layer-new"):
            specs = _specs(attacker, loader)
            if specs is not None:
                arguments = {**_arguments(specs, {"image": image, "layer": image}), "file": str(path)}
                forbidden(attacker, "call_procedure", procedure=loader, arguments=arguments)
        path.unlink()
        with pytest.raises(CallError) as raised:
            attacker.call("open_file", upload=data, suffix=name.partition(".")[2])
        assert raised.value.kind == "forbidden", f"{name}: {raised.value}"
    assert not list(world.inside.glob("stolen*"))


def test_without_a_policy_the_same_files_do_reach_outside(client, world, traps, gimp_version):
    """So that the tests above test something: what opens is the secret, 300 x 200 red pixels."""
    folder = world.outside.parent / f"traps-{gimp_version}"
    (folder / "free.desktop.gz").write_bytes(traps["trap.desktop.gz"])
    image = procedure(client, "gimp-file-load", {"file": str(folder / "free.desktop.gz")})["values"]["image"]
    assert read(client, image)[100, 150, :3].tolist() == list(RED)
    if gimp_version != "3.0":
        image = client.call("open_file", path=str(folder / "trap.xcf"))["image"]
        assert read(client, image)[100, 150, :3].tolist() == list(RED)


def test_a_caller_without_files_gets_none_through_bytes(client, traps):
    """`files: false` is what the daemon sends for such callers; this GIMP has no policy of its own."""
    for name in ("trap.xcf", "trap.svg", "trap.xcf.gz", "trap.desktop"):
        with pytest.raises(CallError) as raised:
            client.call("open_file", upload=traps[name], suffix=name.partition(".")[2], files=False)
        assert raised.value.kind == "forbidden", f"{name}: {raised.value}"
    for name, arguments in (
        ("file-glob", {"pattern": "/*"}),
        ("gimp-gimprc-query", {"token": "plug-in-path"}),
        ("plug-in-web-browser", {"url": "file:///etc/passwd"}),
        ("gimp-palette-export-text", {"dirname": "/tmp", "string": "x"}),
    ):
        forbidden(client, "call_procedure", procedure=name, arguments=arguments, files=False)


# --- what is written ---


def test_what_is_written_is_a_picture_under_its_own_name(attacker, world):
    image = attacker.call("create_new_image", width=300, height=200)["image"]
    for format_name in ("raw", "csource", "header", "html", "xpm", "xbm", "ps", "eps", "svg", "png", "pnm", "aa", "colorxhtml"):
        for ending in ("scm", "py", "desktop", "sh", "conf", "so", "PY", "png.scm"):
            path = world.inside / f"evil.{ending}"
            with pytest.raises(CallError) as raised:
                attacker.call("write_file", image=image, path=str(path), format=format_name)
            assert raised.value.kind in ("forbidden", "unsupported"), f"{format_name} {ending}: {raised.value}"
            assert not path.exists()
    for operation, arguments in (
        ("write_file", {"path": str(world.inside / "a.scm.gz"), "format": "gz"}),
        ("write_file", {"path": str(world.inside / "a.png"), "format": "raw"}),
        ("write_file", {"path": str(world.gimp.profile / "a.png")}),
        ("write_file", {"path": str(world.gimp.state_dir / "secret"), "format": "raw"}),
        ("path_to_svg", {"file": str(world.inside / "a.scm"), "all_paths": True}),
        ("export_for_web", {"path": str(world.outside / "a.png")}),
        ("export_sprite_sheet", {"path": str(world.inside / "s.png"), "atlas_path": str(world.outside / "s.json")}),
        ("export_animation", {"path": str(world.outside / "a.gif")}),
        ("export_icons", {"folder": str(world.outside)}),
    ):
        with pytest.raises(CallError) as raised:
            if operation == "path_to_svg":
                attacker.call("create_path", image=image, strokes=[{"points": [[0, 0], [100, 50]]}])
            attacker.call(operation, image=image, **arguments)
        assert raised.value.kind == "forbidden", f"{operation} {arguments}: {raised.value}"
    options = {"source-file": True, "characters": str(world.secret)}
    forbidden(attacker, "write_file", image=image, format="colorxhtml", options=options)
    for name in ("fine.png", "fine.jpg", "fine.xcf", "fine.xcf.gz", "fine.tif", "fine.data", "fine.svg"):
        formats = {"fine.data": "raw"}
        try:
            attacker.call("write_file", image=image, path=str(world.inside / name), format=formats.get(name))
        except CallError as error:
            assert name == "fine.svg" and error.kind == "unsupported", error  # GIMP 3.0 writes none
            continue
        assert (world.inside / name).stat().st_size > 0
    opened = attacker.call("open_file", path=str(world.inside / "fine.xcf"))
    assert opened["width"] == 300


def test_uris_write_where_they_are_allowed_to(attacker, world):
    image = attacker.call("create_new_image", width=300, height=200)["image"]
    for uri in (f"file://{world.outside}/a.pdf", f"file://{world.inside}/a.scm", f"{world.outside}/a.pdf", "ftp://x/a.pdf"):
        forbidden(attacker, "call_procedure", procedure="file-pdf-export-multi", arguments={"uri": uri, "images": [image]})


# --- the other doors: MCP and JSON-RPC ---


@pytest.fixture(scope="module")
def daemon(world):
    """A daemon with the same policies, and a post to it."""
    environment = {
        **os.environ,
        "GIMP_BRIDGE_STATE_DIR": str(world.gimp.state_dir),
        "GIMP_BRIDGE_EXEC": "false",
        "GIMP_BRIDGE_FOLDERS": str(world.inside),
    }
    process = subprocess.Popen(
        [BINARY, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    )
    origin = process.stdout.readline().split("listens on ")[1].strip().removesuffix("/mcp")
    yield origin
    process.terminate()
    process.wait(30)
    process.stdout.close()


def post(origin, path, method, params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(origin + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def test_json_rpc_clients_meet_the_same_policies(daemon, world, traps):
    tries = [
        ("open_image", {"path": str(world.secret)}),
        ("save_image", {"path": str(world.outside / "a.png")}),
        ("save_image", {"path": str(world.inside / "a.scm"), "format": "raw"}),
        ("call_procedure", {"procedure": "gimp-gimprc-set", "arguments": {"token": "plug-in-path", "value": "/tmp"}}),
        ("call_procedure", {"procedure": "file-glob", "arguments": {"pattern": "/*"}}),
        ("call_api", {"api_path": "exec", "args": ["pyGObject-console", ["print(1)"]]}),
        ("call_api", {"api_path": "gimp-gimprc-set", "args": ["plug-in-path", "/tmp"]}),
        ("call_api", {"api_path": "gimp-file-load", "args": [str(world.secret)]}),
        ("batch", {"operations": [{"name": "call_procedure", "arguments": {"procedure": "file-glob", "arguments": {"pattern": "/*"}}}]}),
        ("batch", {"operations": [{"name": "save_image", "arguments": {"path": str(world.outside / "b.png")}}]}),
    ]  # fmt: skip
    made = post(daemon, "/jsonrpc", "mcp_operation", {"operation": "create_new_image", "width": 300, "height": 200})
    session = re.search(r'"session_id":"([0-9a-f-]{36})"', made).group(1)
    for operation, arguments in tries:
        for method, params in (
            ("mcp_operation", {"operation": operation, "session_id": session, **arguments}),
            ("execute_gimp_commands", {"commands": [
                {"operation": "create_new_image", "params": {"width": 300, "height": 200}},
                {"operation": operation, "params": arguments}]}),
        ):  # fmt: skip
            answer = post(daemon, "/jsonrpc", method, params)
            nested = operation == "batch" and "cannot be one of several steps" in answer
            assert "forbidden" in answer or nested, f"{operation} by {method}: {answer[:500]}"
    assert sorted(os.listdir(world.outside)) == ["secret.png"]


def test_mcp_clients_meet_the_same_policies(daemon, world, traps):
    call = Mcp(daemon).call
    call("create_new_image", width=300, height=200)
    for tool, arguments in (
        ("open_image", {"path": str(world.secret)}),
        ("open_image", {"image_data": base64.b64encode(traps["trap.xcf"]).decode()}),
        ("open_image", {"image_data": base64.b64encode(traps["trap.svg"]).decode()}),
        ("open_image", {"image_data": base64.b64encode(traps["trap.xcf.gz"]).decode()}),
        ("save_image", {"path": str(world.outside / "a.png")}),
        ("save_image", {"path": str(world.inside / "a.scm"), "format": "csource"}),
        ("call_procedure", {"procedure": "extension-gimp-help"}),
        ("call_procedure", {"procedure": "plug-in-web-browser", "arguments": {"url": "http://127.0.0.1"}}),
        ("call_api", {"api_path": "exec", "args": ["pyGObject-eval", ["1"]]}),
        ("apply_gegl_operation", {"operation": "gegl:load", "properties": {"path": str(world.secret)}}),
        ("run_ai_filter", {"filter": "style-from-image", "style_path": str(world.secret)}),
        ("batch", {"operations": [{"name": "call_api", "arguments": {"api_path": "exec", "args": ["pyGObject-eval", ["1"]]}}]}),
    ):  # fmt: skip
        answer = call(tool, **arguments)
        assert any(kind in answer for kind in ("forbidden", "unsupported")), f"{tool} {str(arguments)[:200]}: {answer[:600]}"
    assert sorted(os.listdir(world.outside)) == ["secret.png"]


class Mcp:
    """A session over Streamable HTTP; answers as text."""

    def __init__(self, origin):
        self.url, self.session = f"{origin}/mcp", None
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "attacker", "version": "1"}}
        self.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        request = urllib.request.Request(self.url, data=json.dumps(message).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            self.session = self.session or answer.headers.get("Mcp-Session-Id")
            return answer.read().decode()

    def call(self, tool, **arguments):
        params = {"name": tool, "arguments": arguments}
        return self.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})


# --- the other policies ---


def test_a_daemon_refuses_a_plug_in_that_is_laxer_than_its_configuration(gimp):
    """The shared GIMP has no policies."""
    environment = {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}

    def call(**more):
        command = [BINARY, "--log-level", "error", "call", "list_images"]
        return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=120)

    assert call().returncode == 0
    for more, word in (
        ({"GIMP_BRIDGE_EXEC": "false"}, "plugin.exec"),
        ({"GIMP_BRIDGE_READ_ONLY": "true"}, "plugin.read_only"),
        ({"GIMP_BRIDGE_FOLDERS": "/nowhere"}, "plugin.folders"),
    ):
        answer = call(**more)
        assert answer.returncode != 0 and "laxer" in answer.stderr and word in answer.stderr, answer.stderr
        assert "gimp-bridge install" in answer.stderr


def test_without_plugin_json_the_plug_in_allows_reading_only(gimp_version, tmp_path):
    gimp = Gimp(gimp_version, wait=False)
    (gimp.state_dir / "plugin.json").unlink()
    try:
        gimp.wait_ready()
        with gimp.client() as client:
            assert client.call("get_gimp_info")["capabilities"]["policy"]["read_only"] is True
            forbidden(client, "create_new_image", width=300, height=200)
            forbidden(client, "call_api", api_path="exec", args=["pyGObject-eval", ["1"]])
            forbidden(client, "call_procedure", procedure="gimp-image-new", arguments={"width": 1, "height": 1, "type": "rgb"})
            for name in ("gimp-gimprc-set", "plug-in-script-fu-eval", "file-glob", "gimp-image-flatten", "stranger"):
                with pytest.raises(CallError) as raised:
                    client.call("call_procedure", procedure=name, arguments={})
                assert raised.value.kind == "forbidden" or name in ("stranger", "gimp-image-flatten"), raised.value
            assert procedure(client, "gimp-version", {})["values"]["version"].startswith(gimp_version)
    finally:
        gimp.stop()
