"""Tells which Python code provably cannot change an image: it needs no checkpoint and no proof. Never imports Gimp.

Conservative: an allow-list of syntax, builtins and method names, the methods of Gimp's and Gegl's objects and of plain
data alone, and everything else counts as changing. It only saves a checkpoint: what may run at all is never decided
here, for no list of names proves what code does (a read-only GIMP runs no Python).
"""

import ast
import builtins
import functools
import re
import types

# Builtins that neither call what they are given nor reach anything by name. Those with `key` take a lambda for it.
BUILTINS = frozenset(
    """
abs all any ascii bin bool bytes callable chr complex dict divmod enumerate float format frozenset hasattr hash hex id
int isinstance issubclass len list max min oct ord pow print range repr reversed round set slice sorted str sum tuple
type zip
""".split()
)
_EXCEPTIONS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)
_TAKES_KEY = frozenset(("sorted", "min", "max"))

# Methods by name: the getters of Gimp and Gegl, and those of strings and containers
_GETTER = re.compile(r"(get|is|has|list|query)_[a-z0-9_]+|[a-z0-9_]+_(get|is|has)_[a-z0-9_]+")
_METHODS = frozenset(
    """
get keys values items index count split rsplit splitlines strip lstrip rstrip join upper lower title capitalize
startswith endswith find rfind replace removeprefix removesuffix zfill ljust rjust center partition rpartition isdigit
isalpha isalnum isspace isnumeric hex bit_length as_integer_ratio is_integer union intersection difference
symmetric_difference issubset issuperset version directory data_directory cache_directory lookup_procedure
procedure_exists
""".split()
)
_MODULES = {
    "math": None,  # all of it
    "json": frozenset(("dumps", "loads")),
    "time": frozenset(("time", "perf_counter", "monotonic", "sleep", "strftime", "localtime", "gmtime")),
}
_REPOSITORIES = frozenset(("Gimp", "Gegl", "Gio", "GLib", "GObject"))
_OURS = frozenset(("Gimp", "Gegl"))
# In the name of a getter or a property whose value is no object of Gimp's or Gegl's, but of Gio's
_FOREIGN = frozenset(("file", "files", "props", "property"))
# What a script may do to lists, sets and dicts that it made itself
_ON_FRESH = frozenset("append extend add update insert sort reverse pop remove discard clear setdefault".split())

_STATEMENTS = (
    ast.Expr,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.If,
    ast.For,
    ast.While,
    ast.Pass,
    ast.Break,
    ast.Continue,
    ast.Try,
    ast.Assert,
    ast.Import,
    ast.ImportFrom,
    ast.Delete,
)
_EXPRESSIONS = (
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.Call,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Starred,
    ast.Slice,
    ast.NamedExpr,
    ast.Lambda,
)
_PARTS = (
    ast.Module,
    ast.Expression,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
    ast.comprehension,
    ast.keyword,
    ast.ExceptHandler,
    ast.alias,
    ast.arguments,
    ast.arg,
)
_FRESH = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


class Verdict:
    """`reason` is None for code that cannot change anything, provided that `reads`, the names that it takes from its
    namespace, hold plain values (`is_plain`), `builtins` are not rebound there, and `filled`, what it puts elements
    into, is not something else from before."""

    def __init__(self, reason, reads=frozenset(), builtins=frozenset(), filled=frozenset()):
        self.reason, self.reads, self.builtins, self.filled = reason, reads, builtins, filled

    def holds_in(self, namespace):
        """Whether code with this verdict cannot change anything when it runs in `namespace`."""
        return (
            self.reason is None
            and self.builtins.isdisjoint(namespace)
            and all(is_plain(namespace[name]) for name in self.reads if name in namespace)
            and all(type(namespace[name]) in (list, dict, set) for name in self.filled if name in namespace)
        )


class _Doubt(Exception):
    pass


@functools.lru_cache(maxsize=512)
def judge(source, mode):
    """The Verdict on `source`, compiled as `exec` or `eval`; it must compile."""
    try:
        return _Judge(ast.parse(source, mode=mode)).verdict()
    except _Doubt as doubt:
        return Verdict(str(doubt))
    except RecursionError:
        return Verdict("nested too deeply")


class _Judge:
    def __init__(self, tree):
        self.tree = tree
        self.bound = set()  # names that the script binds
        self.pure_names = set()  # functions from `from math import sqrt`
        self.modules = {}  # name → module of _MODULES
        self.filled = set()  # fresh names that get elements
        self.fresh = {}  # name → whether only fresh containers are bound to it
        self.values = {}  # name → the expressions that it gets its value, or its elements, from
        self.keyed = set()  # parameters of lambdas that are given as `key`

    def verdict(self):
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            if not isinstance(node, _STATEMENTS + _EXPRESSIONS + _PARTS):
                raise _Doubt(f"{type(node).__name__} in line {getattr(node, 'lineno', '?')}")
            self._bindings(node)
        rebound = self.bound & (BUILTINS | _EXCEPTIONS)
        if rebound:
            raise _Doubt(f"`{min(rebound)}` is rebound")
        for node in nodes:
            check = getattr(self, f"_check_{type(node).__name__.lower()}", None)
            if check:
                check(node)
        loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        builtins = loaded & (BUILTINS | _EXCEPTIONS)
        return Verdict(None, frozenset(loaded - builtins), frozenset(builtins), frozenset(self.filled))

    # --- what is bound ---

    def _bindings(self, node):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self._bind(node.id)
        elif isinstance(node, ast.arg):
            self._bind(node.arg, fresh=False)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self._bind(node.name, fresh=False)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in _MODULES:
                    self.modules[alias.asname or alias.name] = alias.name
                elif alias.name != "gi":
                    raise _Doubt(f"import of `{alias.name}`")
                self._bind(alias.asname or alias.name, fresh=False)
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node)
        self._sources(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    self.fresh[target.id] = (
                        self.fresh.get(target.id, True) and len(targets) == 1 and _is_fresh(node.value)
                    )
                else:
                    self._not_fresh(target)
        elif isinstance(node, (ast.For, ast.comprehension, ast.NamedExpr)):
            self._not_fresh(node.target)

    def _sources(self, node):
        """Notes where names get their values from, for `_is_ours`."""
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value is not None:
            targets, value = [node.target], node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets, value = [node.target], node.iter
        else:
            if isinstance(node, ast.keyword) and node.arg == "key" and isinstance(node.value, ast.Lambda):
                self.keyed.update(parameter.arg for parameter in node.value.args.args)
            return
        for target in targets:
            for each in ast.walk(target):
                if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
                    self.values.setdefault(each.id, []).append(value)

    def _not_fresh(self, target):
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.fresh[node.id] = False

    def _bind(self, name, fresh=None):
        if name.startswith("__"):
            raise _Doubt(f"the name `{name}`")
        self.bound.add(name)
        if fresh is False:
            self.fresh[name] = False

    def _import_from(self, node):
        for alias in node.names:
            allowed = _MODULES.get(node.module, ())
            if node.level or alias.name == "*":
                raise _Doubt("import of what is not listed")
            if node.module == "gi.repository" and alias.name in _REPOSITORIES:
                if (alias.asname or alias.name) != alias.name:
                    raise _Doubt("a module under another name")
            elif node.module in _MODULES and (allowed is None or alias.name in allowed):
                self.pure_names.add(alias.asname or alias.name)
            else:
                raise _Doubt(f"import of `{node.module}.{alias.name}`")
            self._bind(alias.asname or alias.name, fresh=False)

    # --- what is done ---

    def _check_name(self, node):
        if node.id.startswith("__"):
            raise _Doubt(f"the name `{node.id}`")

    def _check_attribute(self, node):
        if not isinstance(node.ctx, ast.Load):
            raise _Doubt(f"a change of the attribute `{node.attr}`")
        if node.attr.startswith("_"):
            raise _Doubt(f"the attribute `{node.attr}`")

    def _check_subscript(self, node):
        if not isinstance(node.ctx, ast.Load) and not self._on_fresh(node.value):
            raise _Doubt("a change of an element")

    def _check_arguments(self, node):
        if node.defaults or [d for d in node.kw_defaults if d is not None]:
            raise _Doubt("default arguments")

    def _check_call(self, node):
        function = node.func
        if isinstance(function, ast.Name):
            self._check_function(node, function.id)
        elif isinstance(function, ast.Attribute):
            self._check_method(node, function)
        else:
            raise _Doubt("a call of a computed function")

    def _check_function(self, node, name):
        if name in self.pure_names:
            rebound = sum(
                isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)
                for n in ast.walk(self.tree)
            )
            if rebound:
                raise _Doubt(f"`{name}` is rebound")
            return
        if name in _EXCEPTIONS:
            return
        if name not in BUILTINS:
            raise _Doubt(f"a call of `{name}`")
        if name == "type" and (len(node.args) != 1 or node.keywords):
            raise _Doubt("the making of a class")
        for keyword in node.keywords:
            if keyword.arg is None or (name == "print" and keyword.arg == "file"):
                raise _Doubt(f"`{name}` with `{keyword.arg or '**'}`")
            if keyword.arg == "key" and name in _TAKES_KEY:
                self._check_key(keyword.value)

    def _check_method(self, node, function):
        name = function.attr
        if isinstance(function.value, ast.Name):
            owner = function.value.id
            if owner in self.modules:
                allowed = _MODULES[self.modules[owner]]
                others = [k for k in node.keywords if not isinstance(k.value, ast.Constant)]
                if (allowed is None or name in allowed) and not others and self._bound_once(owner):
                    return
                raise _Doubt(f"`{owner}.{name}`")
            if name in _ON_FRESH and self._on_fresh(function.value):
                for keyword in node.keywords:
                    if keyword.arg == "key":
                        self._check_key(keyword.value)
                return
        if name not in _METHODS and not _GETTER.fullmatch(name):
            raise _Doubt(f"a call of `.{name}`")
        if not self._is_ours(function.value):
            raise _Doubt(f"a call of `.{name}` of what may be no object of Gimp's or Gegl's")

    def _is_ours(self, node, seen=frozenset()):
        """Whether the value is surely an object of Gimp's or Gegl's, or plain data."""
        ours = functools.partial(self._is_ours, seen=seen)
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return True
        if isinstance(node, ast.Name):
            return self._is_our_name(node.id, seen)
        if isinstance(node, ast.Attribute):
            return _FOREIGN.isdisjoint(node.attr.split("_")) and ours(node.value)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                return all(map(ours, node.args))  # a builtin, as _check_function sees to
            return ours(node.func)
        if isinstance(node, (ast.Subscript, ast.Starred, ast.NamedExpr)):
            return ours(node.value)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return all(map(ours, node.elts))
        if isinstance(node, ast.Dict):
            return all(map(ours, node.values))
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            return ours(node.elt)
        if isinstance(node, ast.DictComp):
            return ours(node.value) and ours(node.key)
        if isinstance(node, ast.BinOp):
            return ours(node.left) and ours(node.right)
        if isinstance(node, ast.BoolOp):
            return all(map(ours, node.values))
        if isinstance(node, ast.IfExp):
            return ours(node.body) and ours(node.orelse)
        return isinstance(node, ast.UnaryOp)

    def _is_our_name(self, name, seen):
        if name in _REPOSITORIES or name == "gi":
            return name in _OURS
        if name in seen or name in self.keyed or name in self.modules or name in BUILTINS:
            return True
        if name in self.values:
            return all(self._is_ours(value, seen | {name}) for value in self.values[name])
        # Bound otherwise: an exception, or a parameter. Not bound: the namespace's, of which `is_plain` is asked
        return name not in self.fresh

    def _check_key(self, value):
        if not isinstance(value, ast.Lambda) and not (isinstance(value, ast.Name) and value.id in BUILTINS):
            raise _Doubt("a `key` that is no lambda")

    def _on_fresh(self, node):
        if not isinstance(node, ast.Name) or not self.fresh.get(node.id, False):
            return False
        self.filled.add(node.id)
        return True

    def _bound_once(self, name):
        return not any(
            isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load) for n in ast.walk(self.tree)
        )


def _is_fresh(value):
    if isinstance(value, _FRESH):
        return True
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in ("list", "dict", "set", "sorted")
    )


_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice)
_CONTAINERS = (list, tuple, set, frozenset)
_PLAIN_MODULES = frozenset(_MODULES) | {"gi"}


def is_plain(value, budget=2000):
    """Whether nothing that a pure script does with `value` runs code of the client's: plain data, Gimp's and Gegl's
    objects."""
    rest = [value]
    while rest:
        budget -= 1
        if budget < 0:
            return False
        item = rest.pop()
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind in _CONTAINERS or (issubclass(kind, tuple) and kind.__module__.startswith("gi.")):  # several results
            rest.extend(item if len(item) <= budget else (_TOO_MANY,))
        elif kind is dict:
            rest.extend([*item.keys(), *item.values()] if len(item) <= budget else (_TOO_MANY,))
        elif isinstance(item, types.ModuleType):
            if item.__name__ not in _PLAIN_MODULES and not _is_our_module(item.__name__):
                return False
        elif not _is_our_module((item if isinstance(item, type) else kind).__module__):
            return False
    return True


_TOO_MANY = lambda: None  # noqa: E731  a function is never plain


def _is_our_module(name):
    return name.startswith(("gi.repository.", "gi.overrides.")) and name.rpartition(".")[2] in _OURS
