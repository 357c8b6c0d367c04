"""Images without Docker: built by buildah from a base that mmdebstrap makes, and run as their user with a read-only root.

All of it lies in the cache folder. Needs root: namespaces, chroot and files of several users.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("GIMP_BRIDGE_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gimp-bridge")
STORE = CACHE / "deploy-images"
BASE = "localhost/deploy-base"
ROOT = Path(__file__).resolve().parents[2]


def _call(*arguments):
    command = ["buildah", "--storage-driver", "vfs", "--root", str(STORE / "storage"), "--runroot", str(STORE / "run"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def buildah(*arguments):
    done = _call(*arguments)
    assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


def has(tag):
    # `buildah images` would add up every file's size.
    return _call("inspect", "--type", "image", tag).returncode == 0


def make_base():
    """What debian:trixie-slim is, and how this machine reaches its registries."""
    if has(BASE):
        return
    STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        tar = Path(folder) / "base.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--aptopt=Acquire::Retries \"3\"", "--include=ca-certificates", "trixie", str(tar)]
        done = subprocess.run(command, env={**os.environ, "TMPDIR": "/var/tmp"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        container = buildah("from", "scratch")
        buildah("add", container, str(tar), "/")
        own = Path("/usr/local/share/ca-certificates")
        if any(own.glob("*.crt")):
            buildah("add", container, str(own), str(own))
            buildah("run", "--isolation", "chroot", container, "update-ca-certificates")
        if Path("/etc/pip.conf").exists():
            buildah("add", container, "/etc/pip.conf", "/etc/pip.conf")
        buildah("commit", "--rm", container, BASE)


def build(file, tag, context=".", target=None, **arguments):
    given = [f"--build-arg={name}={value}" for name, value in {"BASE_IMAGE": BASE, **arguments}.items()]
    chosen = [f"--target={target}"] if target else []
    ignore = [f"--ignorefile={file}.dockerignore"] if (ROOT / f"{file}.dockerignore").exists() else []
    # Docker's format, which alone has a health check.
    buildah("build", "--isolation=chroot", "--layers=false", "--format=docker", "--pull=never", *chosen, *ignore, *given,
            "-f", file, "-t", tag, context)


class Container:
    """An image's files, and its program run among them: its user, its environment, nothing writable but /tmp and what is named."""

    def __init__(self, tag):
        self.name = buildah("from", "--pull=never", tag)
        self.root = Path(buildah("mount", self.name))
        self.config = json.loads(buildah("inspect", "--type", "image", tag))["Docker"]["config"]
        self.processes = []

    def megabytes(self):
        return int(subprocess.run(["du", "-sm", self.root], capture_output=True, text=True, check=True).stdout.split()[0])

    def script(self, command, environment, mounts):
        """What a container runtime does, in a shell."""
        root, lines = self.root, ["set -e"]
        for place in ("proc", "dev", "tmp", *(inside.lstrip("/") for inside in mounts)):
            (root / place).mkdir(parents=True, exist_ok=True)
        lines += ['mount --bind "$ROOT" "$ROOT"', 'mount -o remount,bind,ro "$ROOT"', 'mount -t proc proc "$ROOT/proc"',
                  'mount --rbind /dev "$ROOT/dev"', 'mount -t tmpfs -o mode=1777,size=512m tmpfs "$ROOT/tmp"']
        for inside, (outside, mode) in mounts.items():
            lines += [f'mount --bind "{outside}" "$ROOT{inside}"', f'mount -o remount,bind,{mode} "$ROOT{inside}"']
        user = self.config["User"]
        assert user and not user.startswith(("0", "root")), f"the image's user is {user!r}"
        user, group = user.split(":")
        inner = ["env", "-i", *self.config["Env"], *(f"{name}={value}" for name, value in environment.items()),
                 "/usr/bin/setpriv", "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+sys_chroot,+setuid,+setgid",
                 "/usr/bin/unshare", "--root", str(root), "--wd", self.config["WorkingDir"] or "/", "--setgid", group, "--setuid", user]
        lines.append("exec " + " ".join(_quoted(word) for word in [*inner, *command]))
        return "\n".join(lines)

    def start(self, *arguments, mounts=None, output=subprocess.DEVNULL, **environment):
        command = self.config["Entrypoint"] + (list(arguments) or self.config["Cmd"] or [])
        return self._start(command, environment, mounts or {}, output)

    def healthy(self, **environment):
        kind, *command = self.config["Healthcheck"]["Test"]
        if kind == "CMD-SHELL":
            command = ["/bin/sh", "-c", *command]
        process = self._start(command, environment, {}, subprocess.DEVNULL)
        return process.wait(20) == 0

    def run(self, command, mounts=None, status=0, **environment):
        """What a command of the image prints; it is to end with `status`."""
        process = self._start(command, environment, mounts or {}, subprocess.PIPE)
        told = process.communicate(timeout=600)[0].decode()
        assert process.returncode == status, told[-3000:]
        return told

    def _start(self, command, environment, mounts, output):
        script = self.script(command, environment, mounts)
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
            env={"ROOT": str(self.root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stdout=output, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def stop(self, process):
        """As an orchestrator does: SIGTERM to the program; how long it took, and with which status it ended."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGTERM)
        return process.wait(30)

    def remove(self):
        for process in self.processes:
            process.kill()
            process.wait()
        buildah("rm", self.name)


def _quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def context(gimp_bridge):
    """A build context with the program in it, instead of what it is made of."""
    folder = Path(tempfile.mkdtemp(dir=STORE))
    (folder / "bin").mkdir()
    shutil.copy2(gimp_bridge, folder / "bin/gimp-bridge")
    return folder
