"""A text-to-image model behind KServe's protocol v1.

usage: server.py --model_dir FOLDER [--model_name stable-diffusion] [--http_port 8080] [--host 0.0.0.0] [--device auto|cpu|cuda]

`POST /v1/models/NAME:predict {"instances": [{"prompt": …}]}` answers
`{"predictions": [{"model_name", "prompt", "seed", "image": {"format": "PNG", "b64"}}]}`. With `image` (a PNG in base64)
the picture begins from it, with `mask_image` only what is white there is painted. `seed` in the answer is the one used.
"""

import argparse
import asyncio
import base64
import io
import os
import sys

import uvicorn
from fastapi.responses import JSONResponse
from kserve import Model, ModelServer, model_server
from kserve.errors import InvalidInput, ServerNotReady

import instance
from instance import Refused
from pipelines import Pipelines, TooLong

# Of one request, and requests that wait while one is painted.
MOST_INSTANCES = 8
MOST_WAITING = 32
# Two pictures in base64 and some words.
MOST_BODY = 3 * instance.MOST_BYTES


class Diffusers(Model):
    def __init__(self, name, pipelines):
        super().__init__(name)
        self.pipelines = pipelines
        self.turn = asyncio.Lock()
        self.waiting = 0
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        given = payload.get("instances") if isinstance(payload, dict) else None
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_INSTANCES:
            raise InvalidInput(f"protocol v1 with 1 to {MOST_INSTANCES} `instances` is expected")
        if self.waiting >= MOST_WAITING:
            raise ServerNotReady(f"{self.waiting} requests wait already; try again later")
        self.waiting += 1
        try:
            wanted = [instance.read(one) for one in given]
            async with self.turn:
                return {"predictions": [await asyncio.to_thread(self.prediction, one) for one in wanted]}
        except (Refused, TooLong) as error:
            raise InvalidInput(str(error)) from None
        finally:
            self.waiting -= 1

    def prediction(self, wanted):
        picture, seed = self.pipelines.paint(wanted)
        file = io.BytesIO()
        picture.save(file, "PNG")
        image = {"format": "PNG", "b64": base64.b64encode(file.getvalue()).decode()}
        return {"model_name": self.name, "prompt": wanted.prompt, "seed": seed, "image": image}


class BodyLimit:
    """Refuses a body that is larger than any request can be, before it is read; KServe's server has no bound."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > MOST_BODY:
            said = {"error": f"a body has a Content-Length of at most {MOST_BODY} bytes"}
            return await JSONResponse(said, 413)(scope, receive, send)
        return await self.app(scope, receive, send)


def listen_on(host):
    """KServe's server has no setting for its address."""
    plain = uvicorn.Config.__init__
    uvicorn.Config.__init__ = lambda self, *a, **k: plain(self, *a, **(k | {"host": host}))


def main():
    # KServe's own arguments (--http_port, --model_name, …) are read at its import.
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", default=os.environ.get("MODEL_DIR", "/mnt/models"), help="folder of diffusers' format")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "float16", "bfloat16"])
    parser.add_argument("--most_seconds", default=600.0, type=float, help="after which a picture is given up")
    parser.set_defaults(model_name="stable-diffusion")
    arguments = parser.parse_args()
    listen_on(arguments.host)
    model_server.app.add_middleware(BodyLimit)
    pipelines = Pipelines(arguments.model_dir, arguments.device, arguments.dtype, arguments.most_seconds)
    print(f"{arguments.model_name}: {', '.join(pipelines.pipelines)} on {pipelines.device}", file=sys.stderr, flush=True)
    ModelServer(http_port=arguments.http_port, enable_grpc=False, workers=1).start([Diffusers(arguments.model_name, pipelines)])


if __name__ == "__main__":
    main()
