"""The board and the alerts: every expression is PromQL, of figures and labels that the daemon prints."""

import json
import re

import promql_parser as promql
import pytest
import yaml
from painter import Painter
from support import DEPLOY, ROOT, ask, generate

BOARD = json.loads((DEPLOY / "monitoring/grafana.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "monitoring/alerts.yaml").read_text())
# What Prometheus adds by itself when it scrapes.
SCRAPED = {"job", "instance"}
# Printed only once there was a GIMP; src/metrics.rs registers them.
OF_GIMP = {"gimp_round_trip", "filter"}


def board_expressions():
    return {f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")
            for panel in BOARD["panels"] for target in panel.get("targets", [])}


def alert_expressions():
    return {rule["alert"]: rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]}


EXPRESSIONS = {**board_expressions(), **alert_expressions()}


def selectors(node):
    """All vector selectors below a node of the parsed expression."""
    if isinstance(node, promql.VectorSelector):
        return [node]
    parts = [getattr(node, name) for name in ("expr", "lhs", "rhs", "param", "vector_selector", "vs", "args") if hasattr(node, name)]
    flat = [one for part in parts if part is not None for one in (part if isinstance(part, list) else [part])]
    return [found for one in flat for found in selectors(one)]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Figure to labels, of a daemon that has made an image, was refused one, and has a backend that is not there."""
    from support import Daemon

    with Painter() as painter:
        folder = tmp_path_factory.mktemp("metrics")
        backends = folder / "backends.toml"
        backends.write_text('[[backend]]\nname = "gone"\nkind = "openai"\nurl = "http://127.0.0.1:9/v1"\nretries = 1\n')
        one = Daemon(folder / "daemon", KSERVE_ENDPOINT=painter.url, GIMP_BRIDGE_GENERATE_BACKENDS=str(backends)).ready()
        try:
            assert generate(one.url)[0] == 200 and generate(one.url, prompt="")[0] == 400
            assert generate(one.url, backend="gone")[0] == 422
            text = ask(f"{one.url}/metrics")[1].decode()
        finally:
            one.end()
    figures, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif sample := re.match(r"([a-z_]+)(?:\{(.*)\})? ", line):
            figures.setdefault(sample[1], set()).update(re.findall(r'(\w+)="', sample[2] or ""))
    # Families of what did not happen here have a type and no sample yet.
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    declared = {name + suffix for name, kind in kinds.items() for suffix in suffixes[kind]}
    source = (ROOT / "src/metrics.rs").read_text()
    for name in OF_GIMP:
        assert re.search(rf'register_with_unit\(\s*"{name}",\s*"[^"]*",\s*Unit::Seconds', source), f"src/metrics.rs has no {name}"
        declared |= {f"gimp_bridge_{name}_seconds{suffix}" for suffix in suffixes["histogram"]}
    return figures, declared


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_are_of_figures_that_there_are(name, printed):
    figures, declared = printed
    found = selectors(promql.parse(EXPRESSIONS[name]))
    assert found, f"no figure in {EXPRESSIONS[name]}"
    for selector in found:
        assert selector.name in declared, f"{selector.name} is not printed"
        if selector.name in figures:
            wanted = {matcher.name for matcher in selector.matchers.matchers} - SCRAPED - {"__name__"}
            assert wanted <= figures[selector.name], f"{selector.name} has the labels {figures[selector.name]}"


def test_labels_in_words_are_those_of_the_expressions(printed):
    figures, _ = printed
    for name, panel_target in {f"{p['title']} {t['refId']}": t for p in BOARD["panels"] for t in p.get("targets", [])}.items():
        shown = set(re.findall(r"{{(\w+)}}", panel_target["legendFormat"]))
        grouped = re.search(r"by \(([^)]*)\)", panel_target["expr"])
        known = {label.strip() for label in grouped[1].split(",")} if grouped else SCRAPED
        assert shown <= known, f"{name} shows {shown}, has {known}"
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical") and rule["for"]
            shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
            grouped = re.search(r"by \(([^)]*)\)", rule["expr"])
            assert shown <= ({label.strip() for label in grouped[1].split(",")} if grouped else SCRAPED), rule["alert"]


def test_the_board_shows_what_generation_counts(printed):
    _, declared = printed
    of_generation = {name for name in declared if re.match(r"gimp_bridge_(generation|upstream|image)", name) and not name.endswith(("_sum", "_count"))}
    shown = " ".join(board_expressions().values())
    assert of_generation and not [name for name in of_generation if not re.search(rf"\b{name}\b", shown)]


def test_the_board_has_no_overlap_and_no_fixed_source():
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
        assert panel.get("datasource", {}).get("uid", "${datasource}") == "${datasource}"
