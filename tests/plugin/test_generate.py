"""What stands behind the dialogs of Filters > AI > Generate and needs no GIMP: prompts that are kept, who can make a picture,
and the settings that a dialog writes."""

import json
import os
import stat
import tomllib

import pytest
from gimp_bridge.core.errors import OperationError
from gimp_bridge.ui.generate.kinds import KINDS, USUAL_SIZE, automatic, chosen, generators
from gimp_bridge.ui.generate.prompts import MOST, History, shown
from gimp_bridge.ui.mend import generator_settings

FILL, LAYER, VARY = KINDS


def test_prompts_are_kept_newest_first_each_once_and_bounded(tmp_path):
    history = History(str(tmp_path))
    assert (history.prompts, history.seed) == ([], None)
    for number in range(MOST + 5):
        history.add(f"lake {number}", "fog")
    history.add(" lake 20 ", "fog")
    history.add("   ", "fog")
    history.used(4294967295)
    again = History(str(tmp_path))
    assert again.prompts[:2] == [("lake 20", "fog"), (f"lake {MOST + 4}", "fog")]
    assert len(again.prompts) == len(set(again.prompts)) == MOST and again.seed == 4294967295
    assert stat.S_IMODE(os.stat(tmp_path / "prompts.json").st_mode) == 0o600
    again.clear()
    assert History(str(tmp_path)).prompts == []


def test_two_gimps_keep_their_prompts_together(tmp_path):
    one, other = History(str(tmp_path)), History(str(tmp_path))
    one.add("a", "")
    other.add("b", "")
    assert History(str(tmp_path)).prompts == [("b", ""), ("a", "")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"prompts": 3, "seed": true}', '{"prompts": [["x"], [1, 2], ["", ""], ["' + "x" * 1001 + '", ""]], "seed": -1}', "[" * 100_000])
def test_a_file_that_is_no_history_is_an_empty_one(tmp_path, text):
    (tmp_path / "prompts.json").write_text(text)
    history = History(str(tmp_path))
    assert (history.prompts, history.seed) == ([], None)


def test_prompts_that_cannot_be_kept_stop_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    History(str(tmp_path / "file")).add("x", "")
    assert "prompts are not kept" in capsys.readouterr().err


def test_a_prompt_in_a_menu_is_one_short_line():
    assert shown(("a\n  lake", "")) == "a lake"
    assert len(shown(("word " * 100, ""))) <= 60 and shown(("word " * 100, "")).endswith("…")


def row(name, default=False, takes_over=False, ready=True, **can):
    return {"name": name, "kind": "a1111", "default": default, "takes_over": takes_over, "ready": ready, "can": can, "models": ["m", 3]}


def test_who_cannot_do_it_is_shown_with_the_reason():
    rows = [row("words", default=True), row("home", image_to_image=True, masks=True, takes_over=True),
            row("half", image_to_image=True, ready=False), {"kind": "x"}, "x"]
    assert [each.lacks for each in generators(LAYER, rows)] == [None] * 3
    assert [each.lacks for each in generators(FILL, rows)] == ["cannot begin from a picture", None, "cannot paint a part of a picture"]
    assert [each.lacks for each in generators(VARY, rows)] == ["cannot begin from a picture", None, None]
    found = generators(VARY, rows)
    assert [model.name for model in found[1].models] == ["", "m"] and found[2].label == "half, does not answer"
    assert [automatic(generators(kind, rows)).name for kind in KINDS] == ["home", "words", "home"]
    # What is in no order is not taken by itself
    assert automatic(generators(VARY, rows[2:3])) is None and automatic([]) is None


def test_a_model_that_can_more_or_less_than_the_usual_one_is_told_apart():
    can = {"image_to_image": True, "masks": False, "without_words": True}
    rows = [row("shop", default=True, masks=True) | {"models": ["small", "large", ""], "of_models": {"large": {"can": can, "limits": {"native": 1024}, "size": [1248, 832]}}}]
    (vary,) = generators(VARY, rows)
    assert [model.lacks for model in vary.models] == ["cannot begin from a picture", "cannot begin from a picture", None]
    assert vary.lacks is None and automatic([vary]) is None, "only with that model"
    assert vary.model("large").can["without_words"] and vary.model("gone") is vary.models[0]
    (layer,) = generators(LAYER, rows)
    assert chosen([layer], "", "").size == USUAL_SIZE and chosen([layer], "shop", "large").size == (1248, 832)
    assert chosen([vary], "", "") is None


def test_a_generator_that_wants_a_key_is_told_from_one_that_is_away():
    away, closed = generators(LAYER, [row("a", ready=False), row("b", ready=False) | {"reason": "backend_closed"}])
    assert not away.closed and away.label.endswith("does not answer")
    assert closed.closed and closed.label.endswith("wants a key")


def test_a_size_is_one_that_the_model_makes():
    def takes(limits, *size):
        (found,) = generators(LAYER, [row("a") | {"limits": limits, "models": []}])
        return found.models[0].takes(*size)

    assert takes({}, 64, 2048) and takes({}, 333, 77) and not takes({}, 0, 512) and not takes({}, 512, 2056)
    assert takes({"width": [256, 768], "multiple_of": 64}, 768, 128) and not takes({"width": [256, 768]}, 192, 256)
    assert not takes({"multiple_of": 64}, 520, 512)
    fixed = {"sizes": [[1024, 1024], [1792, 1024]]}
    assert takes(fixed, 1792, 1024) and not takes(fixed, 1024, 1792)
    (found,) = generators(LAYER, [row("a") | {"limits": {"width": [100, 5000], "multiple_of": 64}}])
    assert found.models[0].range("width") == (128, 2048) and found.models[0].range("height") == (64, 2048)


def declared(path):
    settings = tomllib.loads(path.read_text())
    with open(settings["generate"]["backends"], "rb") as file:
        return settings, tomllib.load(file)["backend"]


def test_a_generator_is_declared_beside_what_is_there(tmp_path):
    path = tmp_path / "gimp bridge" / "gimp-bridge.toml"
    assert generator_settings.declare("a1111", " http://host:7860 ", path=str(path)) == "webui"
    before = path.read_text()
    assert generator_settings.declare("a1111", "http://other/", path=str(path)) == "webui-2"
    assert generator_settings.declare("comfyui", "http://c", 'C:\\flow "a".json', path=str(path)) == "comfyui"
    assert not list(tmp_path.rglob("*.token"))
    settings, rows = declared(path)
    assert path.read_text() == before, "the settings name the file once"
    assert rows == [{"name": "webui", "kind": "a1111", "url": "http://host:7860"},
                    {"name": "webui-2", "kind": "a1111", "url": "http://other/"},
                    {"name": "comfyui", "kind": "comfyui", "url": "http://c", "workflow": 'C:\\flow "a".json'}]


@pytest.mark.parametrize("text", ["# mine\n[server]\nport = 9000", "[generate]\nparallel = 3\n\n[server]\nport = 9000\n", "[generate] # x"])
def test_settings_that_are_there_stay_as_they_are(tmp_path, text):
    path = tmp_path / "gimp-bridge.toml"
    path.write_text(text)
    generator_settings.declare("openai", "http://host/v1", path=str(path))
    settings, rows = declared(path)
    assert len(rows) == 1
    settings["generate"].pop("backends")
    assert {k: v for k, v in settings.items() if v} == {k: v for k, v in tomllib.loads(text).items() if v}
    assert all(line in path.read_text() for line in text.splitlines())


def key_of(path, name):
    """The key of a generator as gimp-bridge would read it, from a file that nobody else can."""
    _, rows = declared(path)
    (found,) = [row for row in rows if row["name"] == name]
    file = path.parent / found["token_file"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file.read_text()


def test_a_key_is_kept_in_a_file_of_its_own_and_can_be_given_later(tmp_path):
    path = tmp_path / "gimp-bridge.toml"
    generator_settings.declare("openai", "http://a/v1", key="sk-1", path=str(path))
    generator_settings.declare("kserve-v1", "http://b", path=str(path))
    assert key_of(path, "server") == "sk-1\n"
    assert "sk-1" not in path.read_text() + (tmp_path / "generators.toml").read_text()
    file = tmp_path / "generators.toml"
    file.write_text(file.read_text() + '\n  [[ backend ]] # mine\nname = "own"\nkind = "a1111"\nurl = "http://c"\n[backend.limits]\nmultiple_of = 8')
    before = tomllib.loads(file.read_text())["backend"]
    for name in ("server", "own", "kserve-model"):
        generator_settings.check_key(name, str(path), {})
        generator_settings.give_key(name, f"new-{name}", str(path))
        assert key_of(path, name) == f"new-{name}\n"
    after = tomllib.loads(file.read_text())["backend"]
    assert [{k: v for k, v in row.items() if k != "token_file"} for row in after] == [{k: v for k, v in row.items() if k != "token_file"} for row in before]
    assert "# mine" in file.read_text()


def test_a_key_that_the_environment_gives_is_not_asked_for(tmp_path):
    path = tmp_path / "gimp-bridge.toml"
    generator_settings.declare("openai", "http://a/v1", path=str(path))
    for name, environ in (("server", {"GIMP_BRIDGE_TOKEN_SERVER": "x"}), ("kserve", {})):
        with pytest.raises(OperationError) as raised:
            generator_settings.check_key(name, str(path), environ)
        assert raised.value.details == {"reason": "key_in_environment", "other": f"GIMP_BRIDGE_TOKEN_{name.upper()}"}
    assert all(map(generator_settings.is_key, ("sk-proj_1/2+3=", "a"))) and not any(map(generator_settings.is_key, ("", "a b", "ä", "a\n")))


@pytest.mark.parametrize("text", ["[generate\n", "generate = 3\n", 'generate.parallel = 3\n[x]\n', "[[backend]]\nname = "])
def test_settings_with_a_mistake_are_not_touched(tmp_path, text):
    path = tmp_path / "gimp-bridge.toml"
    path.write_text(text)
    with pytest.raises(OperationError) as raised:
        generator_settings.declare("a1111", "http://host", path=str(path))
    assert raised.value.details["reason"] == "settings_unreadable" and path.read_text() == text
    assert os.listdir(tmp_path) == ["gimp-bridge.toml"]


def test_addresses_and_the_place_of_the_settings():
    assert all(map(generator_settings.is_address, ("http://a", "https://a.b:8/v1", " http://127.0.0.1:7860 ")))
    assert not any(map(generator_settings.is_address, ("", "host:7860", "http://", "http://a b", "ftp://a", 'http://a\n"')))
    place = generator_settings.settings_file
    assert place({"GIMP_BRIDGE_CONFIG": "/x.toml"}) == "/x.toml"
    assert place({"HOME": "/h"}, "linux") == "/h/.config/gimp-bridge/gimp-bridge.toml"
    assert place({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, "linux") == "/c/gimp-bridge/gimp-bridge.toml"
    assert place({"HOME": "/h"}, "darwin") == "/h/Library/Application Support/gimp-bridge/gimp-bridge.toml"


def test_the_procedures_are_known_to_the_policies():
    from conftest import ROOT

    table = json.loads((ROOT / "protocol" / "procedures.json").read_text())
    assert {f"plug-in-gimp-bridge-{kind.name}" for kind in KINDS} <= set(table["classes"]["bridge"]["procedures"])
