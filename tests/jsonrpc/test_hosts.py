"""Hosts as they are: foreign variables, proxies, probes, half-open connections, reloads, filters that come and go."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from api import Server
from support import BIN, wait_for
from websocket import WebSocket

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER = "art-0123456789abcdef", "ci-0123456789abcdef"


def http(base, method, path, body=None, context=None, **headers):
    """Status, headers and body of an answer, whatever its status."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    data = json.dumps(body).encode() if body is not None else None
    if data:
        sent.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(base + path, data, sent, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=60, context=context)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return answer.status, answer.headers, answer.read()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(method="mcp_list_sessions"):
    return {"jsonrpc": "2.0", "method": method, "id": 1}


# --- the environment ---

COMMANDS = [
    ("instances",), ("config",), ("config", "--json"), ("config", "--reference"), ("filters", "list"), ("filters", "catalogue"),
    ("completions", "bash"), ("install", "--print"), ("uninstall", "--print"), ("doctor",), ("call", "--help"), ("--version",)]
FOREIGN = {
    "HOST": "mybox", "PORT": "tcp://10.0.0.1:80", "WORKERS": "auto", "LOG_LEVEL": "verbose", "STORAGE_BACKEND": "gcs",
    "KSERVE_ENDPOINT": "diffusers", "KSERVE_TIMEOUT": "1m", "IMAGE_TTL": "1h", "MAX_IMAGE_SIZE": "10MB", "S3_ENDPOINT_URL": "minio",
    "GIMP_BRIDGE_PORT": "tcp://10.0.0.1:8000", "GIMP_BRIDGE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "GIMP_BRIDGE_PORT_8000_TCP_PROTO": "tcp", "GIMP_BRIDGE_PORT_8000_TCP_PORT": "8000", "GIMP_BRIDGE_PORT_8000_TCP_ADDR": "10.0.0.1",
    "GIMP_BRIDGE_SERVICE_HOST": "10.0.0.1", "GIMP_BRIDGE_SERVICE_PORT": "8000", "GIMP_BRIDGE_SERVICE_PORT_HTTP": "8000"}


def test_names_that_are_not_ours_stop_no_command(tmp_path):
    plain = {**os.environ, "HOME": str(tmp_path), "GIMP_BRIDGE_STATE_DIR": str(tmp_path / "state")}
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", *FOREIGN):
        plain.pop(name, None)

    def run(command, **more):
        done = subprocess.run([BIN, *command], env={**plain, **more}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stderr

    for command in COMMANDS:
        usual = run(command)
        foreign = run(command, **FOREIGN)
        assert foreign[0] == usual[0], (command, foreign)
        if command[0] not in ("config", "doctor"):
            assert foreign[1] == usual[1], (command, foreign)
    # A bad value of one of ours stays an error
    for name, value in [("GIMP_BRIDGE_PORT", "99999"), ("GIMP_BRIDGE_SERVER_PORT", "auto"), ("GIMP_BRIDGE_LOG_LEVEL", "verbose"),
                        ("GIMP_BRIDGE_SERVER_HOST", "mybox"), ("GIMP_BRIDGE_NO_SUCH", "1")]:
        code, told = run(("instances",), **{name: value})
        assert code == 2 and name in told, (name, code, told)


def test_the_daemon_runs_among_foreign_names_and_says_which_it_left_alone(version):
    with Server(version, gimp=False, **FOREIGN) as server:
        assert http(server.root, "GET", "/health")[0] == 200
        server.daemon.log.seek(0)
        log = server.daemon.log.read()
        for name in ("HOST", "PORT", "WORKERS", "LOG_LEVEL"):
            assert f"environment variable {name}: `{FOREIGN[name]}` is not allowed" in log, log


def test_localhost_is_both_loopback_addresses(version):
    with Server(version, gimp=False, GIMP_BRIDGE_SERVER_HOST="localhost") as server:
        port = int(server.root.rsplit(":", 1)[1])
        for host in ("127.0.0.1", "[::1]", "localhost"):
            assert http(f"http://{host}:{port}", "POST", "/jsonrpc", ask())[0] == 200, host
        # The second of two is told of the taken port by its setting's name
        taken = server.start("serve", "--host", "::1", "--port", str(port))
        assert taken.wait(30) != 0
        taken.log.seek(0)
        assert "GIMP_BRIDGE_SERVER_PORT" in taken.log.read()


# --- strangers ---


def test_probes_are_answered_under_any_name_and_told_nothing_else(version):
    environment = {"GIMP_BRIDGE_SERVER_HOST": "0.0.0.0", "GIMP_BRIDGE_SERVER_API_KEY": KEY, "GIMP_BRIDGE_SERVER_RATE_LIMIT": "1"}
    with Server(version, gimp=False, **environment) as server:
        base = server.root.replace("0.0.0.0", "127.0.0.1")
        for host in ("gimp-bridge.default.svc:8000", "10.1.2.3:8000", "evil.example"):
            for _ in range(10):
                status, _, body = http(base, "GET", "/health", Host=host)
                assert status == 200 and json.loads(body) == {"status": "ok"}
        with socket.create_connection(("127.0.0.1", int(base.rsplit(":", 1)[1])), timeout=30) as probe:
            probe.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert probe.recv(4096).startswith(b"HTTP/1.0 200")
        assert "version" in json.loads(http(base, "GET", "/health", X_API_Key=KEY)[2])
        assert http(base, "GET", "/health", X_API_Key=OTHER)[0] == 401
        # An address is no name that a web page could have rebound; a name is
        assert http(base, "GET", "/openrpc.json", Host="192.168.7.9:8000", X_API_Key=KEY)[0] == 200
        assert http(base, "GET", "/openrpc.json", Host="evil.example", X_API_Key=KEY)[0] == 403


def test_half_open_connections_harm_nobody(version):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= 2400, "this machine gives too few file descriptors"
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        server = Server(version, gimp=False)
        server.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2400), hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        stack.callback(server.__exit__)
        place = ("127.0.0.1", int(server.root.rsplit(":", 1)[1]))
        held = []
        for number in range(1150):
            connection = stack.enter_context(socket.create_connection(place, timeout=60))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " if number % 2 else b"")
            held.append(connection)
        begun = time.monotonic()
        assert http(server.root, "GET", "/health")[0] == 200
        assert http(server.root, "POST", "/jsonrpc", ask())[0] == 200
        assert time.monotonic() - begun < 60
        # Headers that do not end, and connections that never begin, are closed
        for connection in held[-3:]:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
        assert server.daemon.poll() is None and http(server.root, "GET", "/health")[0] == 200


def test_a_forwarded_request_needs_a_key(version):
    """nginx on the same host gave the keyless daemon to everybody."""
    signs = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a"),
             ("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Port", "443"), ("Forwarded", "for=127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Via", "1.1 a")]
    with Server(version, gimp=False) as server:
        assert http(server.root, "POST", "/jsonrpc", ask())[0] == 200
        for name, value in signs:
            for method, path in [("POST", "/jsonrpc"), ("POST", "/mcp"), ("GET", "/openrpc.json"), ("GET", "/metrics"), ("GET", "/jobs")]:
                status, _, body = http(server.root, method, path, ask() if method == "POST" else None, **{name: value})
                assert status == 401 and b"server.api_key" in body, (name, path, status)
            assert json.loads(http(server.root, "GET", "/health", **{name: value})[2]) == {"status": "ok"}
            with WebSocket(server.root, **{name: value}) as ws:
                assert ws.status == 401, name
    # A trusted proxy decides who comes in, if it says who; the log says what that means without a key
    with Server(version, gimp=False, GIMP_BRIDGE_SERVER_TRUSTED_PROXIES="127.0.0.0/8") as server:
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_For="203.0.113.9")[0] == 200
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_Proto="https")[0] == 401
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_For="203.0.113.9", Forwarded="for=127.0.0.1")[0] == 401
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_For="203.0.113.9", Host="evil.example")[0] == 403
        server.daemon.log.seek(0)
        assert "server.api_key" in server.daemon.log.read()
    with Server(version, gimp=False, GIMP_BRIDGE_SERVER_TRUSTED_PROXIES="10.0.0.0/8") as server:
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_For="203.0.113.9")[0] == 401
    with Server(version, gimp=False, GIMP_BRIDGE_SERVER_API_KEY=KEY) as server:
        assert http(server.root, "POST", "/jsonrpc", ask(), X_Forwarded_For="203.0.113.9", X_API_Key=KEY)[0] == 200


def documented_block():
    return re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL)[1]


def command(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


@contextlib.contextmanager
def nginx(folder, port, upstream):
    """The documented block with ports and files of its own; gives the base address that clients use."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    block = documented_block()
    for there, here in [("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
                        ("gimp.example;", "localhost;"), ("/etc/ssl/gimp.example.pem", str(folder / "cert.pem")),
                        ("/etc/ssl/gimp.example.key", str(folder / "key.pem"))]:
        assert there in block, there
        block = block.replace(there, here)
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off;\n{temporary}{block} }}\n")
    program = command("nginx")
    assert program, "nginx is missing: scripts/test installs it"
    process = subprocess.Popen([program, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"])
    try:
        def up():
            assert process.poll() is None, (folder / "error.log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
        wait_for("nginx", up, 60)
        yield f"https://localhost:{port}/gimp"
    finally:
        process.terminate()
        process.wait(60)


def test_behind_the_documented_nginx(version, tmp_path):
    log = tmp_path / "bridge.log"
    environment = {"GIMP_BRIDGE_SERVER_API_KEY": KEY, "GIMP_BRIDGE_SERVER_TRUSTED_PROXIES": "127.0.0.1,::1",
                   "GIMP_BRIDGE_LOG_FILE": str(log), "GIMP_BRIDGE_LOG_JSON": "true"}
    with Server(version, gimp=False, **environment) as server, \
            nginx(tmp_path, free_port(), int(server.root.rsplit(":", 1)[1])) as base:
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        # What the client claims is not what the proxy says
        claims = {"Forwarded": "for=127.0.0.1", "X_Forwarded_For": "198.51.100.7", "X_Forwarded_Host": "evil.example", "X_Forwarded_Prefix": "/evil"}
        assert http(base, "POST", "/jsonrpc", ask(), context, **claims)[0] == 401
        status, headers, body = http(base, "POST", "/jsonrpc", ask(), context, X_API_Key=KEY, Prefer="respond-async", **claims)
        assert status == 202 and headers["Location"] == f"{base}/jobs/{json.loads(body)['job']}"
        assert http(headers["Location"], "GET", "", None, context, X_API_Key=KEY)[0] == 200
        document = json.loads(http(base, "GET", "/openrpc.json", None, context, X_API_Key=KEY)[2])
        assert document["servers"][0]["url"] == f"{base}/jsonrpc"
        page = {"Origin": base.removesuffix("/gimp"), "X_API_Key": KEY}
        assert http(base, "POST", "/jsonrpc", ask(), context, **page)[0] == 200
        assert http(base, "POST", "/jsonrpc", ask(), context, Origin="https://evil.example", X_API_Key=KEY)[0] == 403
        assert json.loads(http(base, "GET", "/health", None, context)[2]) == {"status": "ok"}
        # Another client, by way of a proxy before this one that is not trusted: what nginx saw counts
        rows = [json.loads(line)["fields"] for line in log.read_text().splitlines() if '"gimp_bridge::request"' in line]
        row = next(row for row in rows if row["status"] == 202)
        assert (row["address"], row["site"]) == ("127.0.0.1", base), row
    environment["GIMP_BRIDGE_SERVER_RATE_LIMIT"] = "2"
    with Server(version, gimp=False, **environment) as server:
        # Each client behind the proxy has limits of its own
        def client(address):
            return http(server.root, "GET", "/openrpc.json", X_API_Key=KEY, Forwarded=f'for="{address}";proto=https;host=pictures.example')[0]
        assert 429 in [client("203.0.113.9") for _ in range(30)]
        assert client("203.0.113.10") == 200 and client("[2001:db8::5]:4000") == 200
        rows = [json.loads(line)["fields"] for line in log.read_text().splitlines() if '"gimp_bridge::request"' in line]
        assert rows[-1]["address"] == "2001:db8::5" and rows[-1]["site"] == "https://pictures.example"


# --- reloads ---


def test_sighup_reloads_what_can_change_and_never_kills(version, tmp_path):
    file, log = tmp_path / "gimp-bridge.toml", tmp_path / "bridge.log"

    def configure(keys, level, more=""):
        file.write_text(f"[server]\napi_keys = {json.dumps([f'{name}:read:{key}' for name, key in keys.items()])}\n{more}\n"
                        f"[log]\nlevel = '{level}'\nfile = '{log}'\n")

    configure({"art": KEY}, "warn")
    with Server(version, gimp=False, GIMP_BRIDGE_CONFIG=str(file)) as server:
        def works(key, host="localhost"):
            return http(server.root, "GET", "/openrpc.json", X_API_Key=key, Host=host)[0]

        def hang_up():
            server.daemon.send_signal(signal.SIGHUP)

        assert works(KEY) == 200 and works(OTHER) == 401 and works(KEY, "pictures.example") == 403
        assert "gimp_bridge::request" not in log.read_text()
        configure({"ci": OTHER}, "info", "allowed_hosts = ['pictures.example']\nport = 1")
        hang_up()
        wait_for("the new key", lambda: works(OTHER) == 200, 60)
        assert works(KEY) == 401 and works(OTHER, "pictures.example") == 200
        wait_for("a line", lambda: "gimp_bridge::request" in log.read_text(), 60)
        assert "server.api_keys" in log.read_text()
        # What cannot be read changes nothing
        configure({"ci": "short"}, "info")
        hang_up()
        wait_for("the complaint", lambda: "was not reloaded" in log.read_text(), 60)
        assert works(OTHER) == 200 and server.daemon.poll() is None
        configure({"ci": OTHER}, "info", "rate_limit = 1")
        hang_up()
        wait_for("the limit", lambda: 429 in [works(OTHER) for _ in range(9)], 60)


def test_sighup_ends_no_server_on_stdio(version):
    with Server(version, gimp=False) as server:
        process = subprocess.Popen([BIN, "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=server.env)
        with process:
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
            for message in (hello, {"jsonrpc": "2.0", "method": "notifications/initialized"}):
                process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            assert b'"id":1' in process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            process.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
            process.stdin.flush()
            assert b'"id":2' in process.stdout.readline()
            process.stdin.close()
            assert process.wait(30) == 0


def test_a_running_daemon_sees_filters_that_come_and_go(version, tmp_path):
    folder = tmp_path / "filters"
    with Server(version, gimp=False, GIMP_BRIDGE_FILTERS_FOLDER=str(folder)) as server:
        state = Path(server.env["GIMP_BRIDGE_STATE_DIR"])

        def listed():
            call = {"jsonrpc": "2.0", "id": 1, "method": "mcp_operation", "params": {"operation": "list_ai_filters"}}
            answer = json.loads(http(server.root, "POST", "/jsonrpc", call)[2])
            return "come-and-go" in json.dumps(answer)

        def in_the_menu():
            return "come-and-go" in (state / "filters.json").read_text()

        assert not listed() and not in_the_menu()
        manifest = (ROOT / "filters" / "jpeg-cleanup" / "manifest.toml").read_text().replace('id = "jpeg-cleanup"', 'id = "come-and-go"')
        (folder / "come-and-go").mkdir(parents=True)
        (folder / "come-and-go" / "manifest.toml").write_text(manifest)
        wait_for("the new filter", listed, 60)
        wait_for("GIMP's menu", in_the_menu, 60)
        shutil.rmtree(folder / "come-and-go")
        wait_for("its end", lambda: not listed() and not in_the_menu(), 60)


# --- figures and lines ---


def test_operations_are_logged_by_name_for_mcp_too(version, tmp_path):
    log = tmp_path / "bridge.log"
    with Server(version, gimp=False, GIMP_BRIDGE_LOG_FILE=str(log), GIMP_BRIDGE_LOG_LEVEL="debug") as server:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "get_image_metadata", "arguments": {"image": 7},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {
                "name": "t", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}}}}
        http(server.root, "POST", "/mcp", call, Accept="application/json, text/event-stream", MCP_Protocol_Version="2026-07-28",
             Mcp_Method="tools/call", Mcp_Name="get_image_metadata")
        text = http(server.root, "GET", "/metrics")[2].decode()
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "gimp_bridge_model_memory_bytes"):
            assert re.search(rf"^{name} \d", text, re.MULTILINE), name
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()).splitlines()
    ended = next(line for line in lines if "failed" in line and "get_image_metadata" in line)
    assert 'kind="no_gimp"' in ended and "reason=" in ended, ended
    assert any("called" in line and '"image":7' in line.replace("\\", "") for line in lines)


def test_help_of_a_filter_is_about_its_parameters():
    done = subprocess.run([BIN, "filters", "run", "upscale", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--scale" in done.stdout and "--mask FILE" in done.stdout, done
    unknown = subprocess.run([BIN, "filters", "run", "no-such", "--help"], capture_output=True, text=True, timeout=60)
    assert unknown.returncode != 0 and "no-such" in unknown.stderr
