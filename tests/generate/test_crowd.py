"""Many images at once through the real daemon, by several clients with keys of their own."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from painter import Painter, png
from serving import until

KEYS = {name: f"{name}-key-0123456789" for name in ("many", "one", "two", "three")}
SETTINGS = {"GIMP_BRIDGE_SERVER_API_KEYS": ",".join(f"{name}:generate:{key}" for name, key in KEYS.items())}
SIDE = 640


def key(name):
    return {"X-API-Key": KEYS[name]}


def resident(daemon):
    """MB of its memory: now, and the most so far."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]


def test_sixty_at_once_are_all_made_in_fair_turns_and_bounded_memory(daemon):
    # As large as their pixels, 1.2 MB, and 1.6 in base64.
    with Painter(level=0) as painter:
        one = daemon(painter.url, **SETTINGS, GIMP_BRIDGE_GENERATE_PARALLEL="2")
        painter.gate.clear()
        before, _ = resident(one)
        with ThreadPoolExecutor(60) as pool:
            ask = lambda name, number: one.generate(  # noqa: E731
                f"{name} {number}", key(name), width=SIDE, height=SIDE)
            greedy = [pool.submit(ask, "many", number) for number in range(45)]
            waiting = lambda: one.ask("GET", "/metrics", headers=key("one"))[2].decode()  # noqa: E731
            until(lambda: "gimp_bridge_generations_queued 43\n" in waiting(), "they wait")
            modest = [pool.submit(ask, name, number) for number in range(5) for name in ("one", "two", "three")]
            until(lambda: "gimp_bridge_generations_queued 58\n" in waiting(), "all wait")
            # Nobody who only looks has to wait behind them.
            assert one.ask("GET", "/images", headers=key("one"))[0] == 200
            painter.gate.set()
            made = [answer.result() for answer in greedy + modest]
        assert [status for status, _ in made] == [200] * 60
        order = [instance["prompt"].split()[0] for instance in painter.requests]
        # The two under way were there before the others came; from then on each client has every fourth turn.
        for name in ("one", "two", "three"):
            turns = [place for place, asked in enumerate(order) if asked == name]
            assert len(turns) == 5 and turns[-1] < 2 + 4 * 5 + 4, (name, order)
        _, most = resident(one)
        assert most - before < 90, f"{before:.0f} MB before, {most:.0f} at most"
        assert one.ask("GET", "/images?limit=1", headers=key("one"))[0] == 200
        ids = {answer["image_id"] for _, answer in made}
        assert len(ids) == 60
        for _, answer in made[::9]:
            assert one.ask("GET", answer["url"])[2] == png(answer["metadata"]["prompt"], 3, SIDE, SIDE, level=0)


def test_more_than_may_run_are_told_when_to_come_again(daemon, painter):
    one = daemon(painter.url, **SETTINGS, GIMP_BRIDGE_GENERATE_PARALLEL="1", GIMP_BRIDGE_SERVER_MAX_REQUESTS="12")
    painter.gate.clear()
    answers = []

    def ask(number):
        status, headers, body = one.ask(
            "POST", "/mcp/v1/tools/generate_image", {"prompt": f"lake {number}", "width": 64, "height": 64}, key("many"))
        answers.append((status, headers.get("Retry-After"), json.loads(body)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 11, "what is too much is refused at once")
    assert all(status == 429 and int(after) >= 1 and "at once" in said["message"] and said["hint"] for status, after, said in answers)
    # Three quarters of them are one client's: another one is still served, and the picture of a link too.
    assert one.ask("GET", "/images", headers=key("one"))[0] == 200
    painter.gate.set()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(status for status, _, _ in answers) == [200] * 9 + [429] * 11
    assert one.generate("later", key("many"))[0] == 200


def test_who_hangs_up_gives_its_place_and_its_picture_up(daemon, painter):
    one = daemon(painter.url, **SETTINGS, GIMP_BRIDGE_GENERATE_PARALLEL="1")
    painter.gate.clear()
    with one.asking("/mcp/v1/tools/generate_image", {"prompt": "a boat"}, key("many")):
        until(lambda: painter.now == 1, "the first is being painted")
    painter.gate.set()
    began = time.monotonic()
    assert one.generate("a lake", key("one"))[0] == 200
    assert time.monotonic() - began < 60
    assert json.loads(one.ask("GET", "/images", headers=key("one"))[2])["total"] == 1

