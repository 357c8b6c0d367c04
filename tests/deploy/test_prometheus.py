"""Debian's Prometheus with the real thing: the alerts by promtool's own tests, the board's queries on what a daemon prints."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest
from painter import Painter
from support import DEPLOY, ask, free_port, generate, is_up, until
from test_monitoring import OF_GIMP, board_expressions

HERE = Path(__file__).parent
PROGRAMS = Path(os.environ.get("GIMP_BRIDGE_TEST_PROMETHEUS", ""))


def test_alerts_fire_where_they_should(tmp_path):
    for file in (DEPLOY / "monitoring/alerts.yaml", HERE / "alerts_test.yaml"):
        shutil.copy(file, tmp_path)
    done = subprocess.run([PROGRAMS / "promtool", "test", "rules", tmp_path / "alerts_test.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(tmp_path):
    started = []

    def start(daemon):
        port = free_port()
        (tmp_path / "prometheus.yaml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DEPLOY / "monitoring/alerts.yaml")],
            "scrape_configs": [{"job_name": "images", "static_configs": [{"targets": [f"127.0.0.1:{daemon.port}"]}]}]}))
        command = [PROGRAMS / "prometheus", f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/data",
                   f"--web.listen-address=127.0.0.1:{port}"]
        with (tmp_path / "prometheus.log").open("w") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log))
        until(lambda: is_up(f"http://127.0.0.1:{port}/-/ready"), "Prometheus starts", started[-1])
        return f"http://127.0.0.1:{port}/api/v1"

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_the_boards_queries_have_answers(daemon, prometheus, tmp_path):
    backends = tmp_path / "backends.toml"
    backends.write_text('[[backend]]\nname = "gone"\nkind = "openai"\nurl = "http://127.0.0.1:9/v1"\nretries = 1\n')
    with Painter() as painter:
        one = daemon(KSERVE_ENDPOINT=painter.url, GIMP_BRIDGE_GENERATE_BACKENDS=str(backends)).ready()
        url = prometheus(one)

        def query(text):
            status, answer = ask(f"{url}/query?" + urllib.parse.urlencode({"query": text}))
            assert status == 200, answer
            return json.loads(answer)["data"]["result"]

        def rounds():
            generate(one.url)
            generate(one.url, backend="gone")
            return float((query('count_over_time(gimp_bridge_generations_total{outcome="ok"}[1m])') or [{"value": [0, 0]}])[0]["value"][1]) >= 4

        until(rounds, "some scrapes")
        time.sleep(1.5)
        empty = {name: text for name, text in board_expressions().items() if not query(text.replace("[5m]", "[1m]"))}
        # What no GIMP and no filter did is not there.
        assert all(any(name in text for name in OF_GIMP) for text in empty.values()), empty
        wrong = [target for target in json.loads(ask(f"{url}/targets")[1])["data"]["activeTargets"] if target["health"] != "up"]
        rules = json.loads(ask(f"{url}/rules")[1])["data"]["groups"][0]["rules"]
        assert not wrong and len(rules) == 7 and all(rule["health"] != "err" for rule in rules)
