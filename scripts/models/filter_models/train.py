"""The command line of training: which models, to which iteration, on what; and their export to filters/."""

import argparse
import hashlib
import os
import pathlib
import re
import tomllib

import cv2
import torch

from . import bank, check, export
from .tasks import KINDS
from .trainer import Training

PLAN = pathlib.Path(__file__).parent.parent / "plan.toml"
FILTERS = PLAN.parent.parent.parent / "filters"


def cache_folder():
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("GIMP_BRIDGE_CACHE_DIR") or pathlib.Path(root) / "gimp-bridge") / "models"


def plans():
    """The plan's tables by model name, and the bank's table."""
    tables = tomllib.loads(PLAN.read_text())
    bank = tables.pop("bank")
    for plan in tables.values():
        if "start" in plan:
            plan["start_file"] = FILTERS / tables[plan["start"]]["file"]
    return tables, bank


def ship(name, plan, checkpoint):
    """Writes the averaged weights to filters/, and the new checksum into the manifest beside them."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    about = f"gimp-bridge {name}: {kept['done']} iterations, seed {plan['seed']}, procedural data; MIT licence"
    path, share = FILTERS / plan["file"], plan.get("of_start", 0)
    weights = kept["average"]
    if share:
        weights = {key: value.lerp(kept["started"][key], share) for key, value in weights.items()}
    size = export.export(KINDS[plan["task"]](plan).network(plan), weights, path, about)
    if "blend" in plan:
        blend = plan["blend"]
        export.blend(path, FILTERS / blend["cleaner"], blend["strength"], FILTERS / blend["file"], blend["share"])
        size = path.stat().st_size
    manifest, sum_ = path.parent / "manifest.toml", hashlib.sha256(path.read_bytes()).hexdigest()
    if manifest.exists():
        entry = rf'(path = "{re.escape(path.name)}"\n(?:bytes = \d+\n)?sha256 = ")[^"]*'
        manifest.write_text(re.sub(entry, rf"\g<1>{sum_}", manifest.read_text()))
    say(f"{name}: {path.relative_to(FILTERS)}, {size / 1000:.0f} KB, {kept['done']} of {kept['total']} iterations")


def say(*words):
    print(*words, flush=True)


def main():
    tables, wanted_bank = plans()
    parser = argparse.ArgumentParser(description="Trains the filter models; goes on where a stopped training was.")
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"of {', '.join(tables)}; default all, in this order"
    )
    parser.add_argument(
        "--cache", type=pathlib.Path, default=cache_folder(), help="bank and checkpoints; default %(default)s"
    )
    parser.add_argument("--iterations", type=int, help="instead of the plan's")
    parser.add_argument("--threads", type=int, default=1, help="processor threads; 1 (the default) repeats exactly")
    parser.add_argument("--workers", type=int, help="processes that make batches ahead; default 0, with a GPU 8")
    parser.add_argument(
        "--export-only", action="store_true", help="write the newest checkpoints to filters/, train nothing"
    )
    parser.add_argument(
        "--check", action="store_true", help="show that training repeats and export is right; 5 minutes"
    )
    options = parser.parse_args()
    unknown = [name for name in options.models if name not in tables]
    if unknown:
        parser.error(f"no model `{unknown[0]}` in plan.toml; there are {', '.join(tables)}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.export_only:
        for name in options.models or tables:
            if (options.cache / f"{name}.pt").exists():
                ship(name, tables[name], options.cache / f"{name}.pt")
        return
    pictures = bank.load(options.cache, wanted_bank["pictures"], max(2, os.cpu_count() or 2), say=say)
    if options.check:
        check.main({name: tables[name] for name in options.models or tables}, pictures, say)
        return
    workers = options.workers if options.workers is not None else 8 if device == "cuda" else 0
    for name in options.models or tables:
        plan = dict(tables[name], **({"iterations": options.iterations} if options.iterations else {}))
        shown = pictures[: plan.get("pictures", len(pictures))]
        Training(name, plan, options.cache, shown, device, say).run(workers)
        ship(name, plan, options.cache / f"{name}.pt")


if __name__ == "__main__":
    main()
