"""Random requests made from the OpenRPC document: no 5xx, no panic, no hang, and an answer of the right shape to each.

`--fuzz 20000` for the long form; the seed is printed, and `GIMP_BRIDGE_TEST_SEED` repeats a run.
"""

import http.client
import json
import os
import random
import time
import urllib.parse

from api import Server

# What would end or change the machine's own things is not left to dice
LEFT_OUT = {"call_api", "call_procedure"}
WORDS = ["", "a", "0", "-1", "null", "\u0000", "\ud83d", "é\u202e", "../../etc/passwd", "/dev/null", "x" * 5000, "{}",
         "[1,2]", "#ff0000", "rgb(1,2,3)", "transparent", "gimp://images/1", "550e8400-e29b-41d4-a716-446655440000"]
NUMBERS = [0, 1, -1, 2, 7, 0.5, -0.0, 1e308, -1e308, 2**31, 2**53, 2**64, 10**30, 255, 256, 524288, 1e-300]
LARGEST = 2_000_000  # pixels of an image: the fuzzer is to find faults, not to fill the memory


class Dice:
    """Values that fit a schema, nearly fit it, or do not."""

    def __init__(self, seed, sessions):
        self.random, self.sessions = random.Random(seed), sessions

    def anything(self, depth=0):
        kind = self.random.randrange(8 if depth < 3 else 5)
        if kind == 0:
            return None
        if kind == 1:
            return self.random.random() < 0.5
        if kind == 2:
            return self.random.choice(NUMBERS)
        if kind in (3, 4):
            return self.random.choice(WORDS)
        if kind in (5, 6):
            return [self.anything(depth + 1) for _ in range(self.random.randrange(4))]
        return {self.random.choice(WORDS): self.anything(depth + 1) for _ in range(self.random.randrange(4))}

    def fitting(self, schema, name=""):
        if name == "session_id" and self.sessions and self.random.random() < 0.8:
            return self.random.choice(self.sessions)
        if "oneOf" in schema:
            return self.fitting(self.random.choice(schema["oneOf"]))
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        kind = schema.get("type")
        kind = self.random.choice(kind) if isinstance(kind, list) else kind
        if kind in ("integer", "number"):
            low, high = schema.get("minimum", -1000), schema.get("maximum", 1000)
            value = self.random.choice([low, high, self.random.uniform(low, high), min(high, low + self.random.randrange(1, 99))])
            return int(value) if kind == "integer" else value
        if kind == "string":
            return self.random.choice(WORDS)[: schema.get("maxLength", 5000)]
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "array":
            count = self.random.randrange(schema.get("minItems", 0), min(schema.get("maxItems", 4), 5) + 1) if schema.get("minItems", 0) <= 5 else 0
            return [self.fitting(schema.get("items", {})) for _ in range(count)]
        if kind == "object":
            return {key: self.fitting(value, key) for key, value in schema.get("properties", {}).items() if self.random.random() < 0.6}
        return self.anything()

    def params(self, method):
        given = {}
        for param in method["params"]:
            if param["name"] in ("instance", "path", "folder"):
                continue
            if param.get("required") or self.random.random() < 0.35:
                given[param["name"]] = self.value(param)
        if method["examples"] and self.random.random() < 0.3:
            example = self.random.choice(method["examples"])
            given.update({row["name"]: row["value"] for row in example["params"]})
        if self.random.random() < 0.15:
            given[self.random.choice(WORDS)] = self.anything()
        if "timeout" in given:
            given["timeout"] = 5
        for name in ("width", "height", "max_width", "max_height"):
            if isinstance(given.get(name), (int, float)) and given[name] > LARGEST**0.5:
                given[name] = self.random.choice([1, 64, 900, 524289])
        return given

    def value(self, param):
        return self.anything() if self.random.random() < 0.2 else self.fitting(param["schema"], param["name"])

    def request(self, methods):
        method = self.random.choice(methods)
        name, params = method["name"], self.params(method)
        if self.random.random() < 0.3:
            name, params = "mcp_operation", {"operation": name, **params}
        if isinstance(params, dict) and str(params.get("operation")) in LEFT_OUT:
            params["operation"] = "list_images"
        if name == "execute_gimp_commands" and isinstance(params.get("commands"), list):
            params["commands"] = [row for row in params["commands"] if not isinstance(row, dict) or str(row.get("operation")) not in LEFT_OUT][:5]
        request = {"jsonrpc": "2.0", "method": name, "params": params, "id": self.random.choice([1, "a", None, 2.5])}
        if self.random.random() < 0.08:
            request[self.random.choice(["jsonrpc", "method", "params", "id"])] = self.anything()
        if self.random.random() < 0.05:
            return self.anything()
        if self.random.random() < 0.05:
            return [request, self.anything(), request]
        return request

    def body(self, methods):
        text = json.dumps(self.request(methods))
        # Bytes that are no JSON, or no UTF-8
        if self.random.random() < 0.05:
            data = bytearray(text.encode("utf-8", "surrogatepass"))
            for _ in range(self.random.randrange(1, 4)):
                data[self.random.randrange(len(data))] = self.random.randrange(256)
            return bytes(data)
        return text.encode("utf-8", "surrogatepass")


def check_one(answer):
    assert set(answer) <= {"jsonrpc", "id", "result", "error"} and answer["jsonrpc"] == "2.0" and "id" in answer
    if "error" in answer:
        error = answer["error"]
        assert isinstance(error["code"], int) and error["message"] and error["data"]["kind"], answer
        assert error["data"]["kind"] != "internal", answer
        return
    result = answer["result"]
    failed = isinstance(result, dict) and (result.get("success") is False or result.get("status") == "error")
    if failed:
        assert result["message"] and result["error"]["kind"] != "internal", answer


def test_random_requests_end_well(version, request):
    seed = int(os.environ.get("GIMP_BRIDGE_TEST_SEED") or time.time_ns() % 10**9)
    print(f"GIMP_BRIDGE_TEST_SEED={seed}")
    with Server(version, GIMP_BRIDGE_SESSIONS_MAX="8") as server:
        methods = [row for row in server.api.call("rpc.discover")["methods"] if row["name"] not in LEFT_OUT | {"rpc.discover"}]
        sessions = [server.api.create(), server.api.create(300, 210)]
        dice = Dice(seed, sessions)
        place = urllib.parse.urlsplit(server.root)
        kinds = {}
        slowest = (0.0, b"")
        for number in range(request.config.getoption("--fuzz")):
            if number % 50 == 0:
                for row in server.api.sessions()[2:]:
                    server.api.call("mcp_close_session", session_id=row["session_id"])
                sessions[:] = [row["session_id"] for row in server.api.sessions()] or [server.api.create()]
            body = dice.body(methods)
            began = time.monotonic()
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=90)
            connection.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            slowest = max(slowest, (time.monotonic() - began, body))
            assert answer.status < 500, (answer.status, text, body)
            kinds[answer.status] = kinds.get(answer.status, 0) + 1
            if answer.status == 204:
                continue
            decoded = json.loads(text)
            for row in decoded if isinstance(decoded, list) else [decoded]:
                check_one(row)
        assert server.daemon.poll() is None and server.gimp.poll() is None
        server.daemon.log.flush()
        with open(server.daemon.log.name) as log:
            logged = log.read()
        assert "panicked" not in logged, logged[-3000:]
        assert "internal error" not in logged, [line for line in logged.splitlines() if "internal error" in line][:5]
        print(f"{kinds}, slowest {slowest[0]:.1f} s: {slowest[1][:200]}")
        assert server.api.create()
