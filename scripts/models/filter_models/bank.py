"""The bank: every training picture, generated once, kept in the cache folder, shared by all trainings.

Pictures come in chunks, each from its own seed, so that the bank is the same however many processes made it. The
folder's name holds a hash of the generator's syntax tree: an edited generator makes a new bank, a comment does not.
"""

import ast
import hashlib
import os
import pathlib
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

from . import scenes, textures

CHUNK = 60
SIDE = 320


def folder(cache):
    trees = [ast.dump(ast.parse(pathlib.Path(module.__file__).read_text())) for module in (textures, scenes)]
    return pathlib.Path(cache) / f"bank-{hashlib.sha256(''.join(trees).encode()).hexdigest()[:12]}"


def make_chunk(path, seed):
    cv2.setNumThreads(1)
    part = path.with_suffix(f".part{os.getpid()}")
    with open(part, "wb") as file:
        np.save(file, scenes.batch(seed, CHUNK, SIDE))
    part.rename(path)  # only whole chunks carry the final name
    return path


def load(cache, pictures=960, workers=2, seed=1000, say=print):
    """The bank as uint8 [pictures, SIDE, SIDE, 3]; generates what the cache lacks."""
    place = folder(cache)
    place.mkdir(parents=True, exist_ok=True)
    paths = [place / f"{seed + i}.npy" for i in range(-(-pictures // CHUNK))]
    missing = [path for path in paths if not path.exists()]
    if missing:
        say(f"bank: {len(missing) * CHUNK} pictures of {SIDE}x{SIDE} to generate, {workers} processes")
        with ProcessPoolExecutor(workers) as pool:
            jobs = [pool.submit(make_chunk, path, int(path.stem)) for path in missing]
            for done, job in enumerate(jobs, 1):
                job.result()
                say(f"bank: {done * CHUNK} of {len(missing) * CHUNK}")
    return np.concatenate([np.load(path) for path in paths])[:pictures]
