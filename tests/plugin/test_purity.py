"""scripting/purity.py: what may run without a checkpoint."""

import types

import pytest
from gimp_bridge.scripting.purity import is_plain, judge

PURE = [
    "print('hello world')",
    "x = 5\nprint(x)",
    "2 + 2",
    "images = Gimp.get_images(); image = images[0]; layers = image.get_layers(); print(f'Found {len(images)} with {len(layers)}')",
    "print([(l.get_name(), l.get_opacity()) for l in Gimp.get_images()[0].get_layers()])",
    "fg_color = Gimp.context_get_foreground();\nprint(f'Current foreground: {fg_color}');\nprint(type(fg_color))",
    "from gi.repository import Gimp, Gegl\nprint(Gimp.version())",
    "import math\nprint(math.sqrt(2))",
    "from math import floor\nprint(floor(2.5))",
    "import json\nprint(json.dumps({'a': 1}, indent=2))",
    "d = {}\nfor i in range(3):\n    d[i] = i * i\nprint(sorted(d.items(), key=lambda p: -p[1]))",
    "out = []\nout.append(1)\nout.extend([2])\nprint(out)",
    "i = 0\nwhile i < 3:\n    i += 1",
    "a, b = 1, 2",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)",
    "assert 1 == 1, 'no'",
    "' '.join(str(x) for x in (1, 2))",
    "print(Gimp.Image.get_by_id(1).is_dirty())",
    "x = [y := 3, y]",
    "print(image.props)",
    "del x",
    "name = Gimp.get_images()[0].get_name()\nprint(name.replace('a', 'b').upper().split('.'))",
    "print(sorted(Gimp.get_images(), key=lambda i: i.get_id()))",
    "ids = {l.get_name(): l.get_id() for i in Gimp.get_images() for l in i.get_layers()}\nprint(list(ids.items()))",
    "w, h = Gimp.get_images()[0].get_width(), 2\nprint(str(w).zfill(4), (w + h).bit_length())",
    "p = Gimp.get_pdb().lookup_procedure('gimp-image-scale')\nprint([a.get_name() for a in p.get_arguments()])",
]

CHANGING = [
    # Of Gio and GLib, by whatever way: their getters and `replace` reach files
    "Gio.File.new_for_path('/tmp/x').replace(None, False, 0, None)",
    "Gio.File.new_for_path('/tmp/x').query_info('*', 0, None)",
    "Gimp.get_images()[0].get_file().replace(None, False, 0, None)",
    "f = Gimp.get_images()[0].get_xcf_file()\nf.replace(None, False, 0, None)",
    "for f in [i.get_file() for i in Gimp.get_images()]:\n    f.get_path()",
    "Gimp.get_images()[0].props.file.replace(None, False, 0, None)",
    "GLib.get_host_name()",
    "x = [Gio]\nx[0].File.get_type()",
    "from gi.repository import Gio\nGio.File.is_native(1)",
    "(lambda f: f.get_path())(1)",
    "image.flatten()",
    "Gimp.get_images()[0].scale(1, 1)",
    "layer.set_opacity(3)",
    "Gimp.displays_flush()",
    "exec('image.flatten()')",
    "eval('1')",
    "open('/tmp/x', 'w')",
    "getattr(image, 'flatten')()",
    "__import__('os')",
    "import os",
    "import subprocess\nsubprocess.getoutput('x')",
    "from os import system",
    "from gi.repository import GimpUi",
    "from gi.repository import Gimp as get_x",
    "from math import *",
    "print = image.flatten\nprint()",
    "len = 3",
    "def f():\n    pass",
    "class A:\n    pass",
    "f = lambda: image.flatten()",
    "[f() for f in [image.flatten]]",
    "list(map(Gimp.Image.flatten, images))",
    "sorted(images, key=Gimp.Image.flatten)",
    "max(images, key=image.flatten)",
    "image.props.x = 1",
    "image.__class__",
    "x.__dict__",
    "images[0] = 1",
    "x = y = []\nx[0] = 1",
    "x = []\nx = image\nx.append(1)",
    "for x in y:\n    x.pop()",
    "x = []\nfor x in y:\n    x.append(1)",
    "del d[0]",
    "print('x', file=image)",
    "type('A', (), {})",
    "with image:\n    pass",
    "raise ValueError",
    "async def f(): pass",
    "(lambda: 1)()",
    "x.get_layers()()",
    "print(*x, **y)",
    "import math\nmath = image\nmath.flatten()",
    "from math import sqrt\nsqrt = image.flatten\nsqrt()",
    "import time as get_x\nget_x = image\nget_x.sleep(1)",
    "import json\njson.dumps(x, default=image.flatten)",
    "global x",
    "import math as len",
    "lambda len: len(image)",
    "x = lambda a=image.flatten(): 1",
    "vars()",
    "globals()",
    "setattr(image, 'x', 1)",
    "map(f, x)",
    "iter(f, 1)",
    "Gimp.context_set_foreground(c)",
    "Gimp.context_push()",
    "Gimp.get_pdb().run_procedure('gimp-image-flatten')",
    "procedure.run(config)",
    "Gimp.Image.new(1, 1, 0)",
    "image.copy()",
    "image.duplicate()",
    "input()",
    "breakpoint()",
    "exit()",
    "[image := 3 for x in image.flatten()]",
    "try:\n    pass\nexcept image.flatten():\n    pass",
    "f'{image.flatten()}'",
]


@pytest.mark.parametrize("source", PURE)
def test_pure(source):
    compile(source, "x", "exec")
    assert judge(source, "exec").reason is None


@pytest.mark.parametrize("source", CHANGING)
def test_changing(source):
    compile(source, "x", "exec")
    assert judge(source, "exec").reason


def test_the_namespace_decides_too():
    class Evil:
        def get_it(self):
            return 1

    verdict = judge("print(thing.get_it())", "exec")
    assert verdict.holds_in({}) and verdict.holds_in({"thing": [1, "a", {"b": (2.5, None)}]})
    assert not verdict.holds_in({"thing": Evil()})
    assert not verdict.holds_in({"thing": [{"a": Evil()}]})
    assert not verdict.holds_in({"print": len})
    assert not verdict.holds_in({"thing": lambda: 1})
    assert not verdict.holds_in({"thing": (x for x in ())})
    assert not verdict.holds_in({"thing": types})


def test_what_gets_elements_must_be_a_container():
    verdict = judge("if n:\n    x = []\nx.append(1)", "exec")
    assert verdict.holds_in({"x": [1]}) and not verdict.holds_in({"x": 1})


def test_a_large_or_endless_value_is_in_doubt():
    loop = []
    loop.append(loop)
    assert not is_plain(loop) and not is_plain([0] * 100_000)
    assert is_plain([0] * 1000)


def test_what_a_script_binds_itself_is_not_asked_of_the_namespace_unless_read():
    assert judge("x = 5", "exec").reads == frozenset()
    assert judge("x = 5\nprint(x)", "exec").reads == {"x"}
