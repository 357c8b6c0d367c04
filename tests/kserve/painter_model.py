"""KServe's own model server with models that paint. usage: painter_model.py PORT

`painter` takes any of a pipeline's keys; `strict` is a pipeline without `seed`, and like all pipelines without `**kwargs` it
refuses a key that it does not know. What goes wrong is the last word of the prompt: see `FAULTS`.
"""

import asyncio
import base64
import os
import sys
from pathlib import Path

import numpy as np
import uvicorn
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import ServerNotReady

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generate"))

from painter import png  # noqa: E402

# It binds to all addresses otherwise.
plain = uvicorn.Config.__init__
uvicorn.Config.__init__ = lambda self, *a, **k: plain(self, *a, **(k | {"host": "127.0.0.1"}))

FAULTS = {
    "fails": "the pipeline raises: 500",
    "starting": "503 once for each prompt, then well",
    "slow": "4 s",
    "words": "no picture, but a web page",
    "half": "a picture that is cut",
    "empty": "no prediction",
    "dies": "the server's process ends: the connection breaks off",
}


def pipeline(prompt, negative_prompt=None, num_inference_steps=50, width=512, height=512, guidance_scale=7.5, seed=5):
    # A null that was sent would be an argument.
    return png(f"{prompt} without {negative_prompt}" if negative_prompt else prompt, seed, width, height)


def strict(prompt, negative_prompt=None, num_inference_steps=50, width=512, height=512, guidance_scale=7.5):
    return png(prompt, 5, width, height)


class Painter(Model):
    def __init__(self, name, paint):
        super().__init__(name)
        self.paint, self.started = paint, set()
        self.ready = True

    async def painted(self, given):
        """The picture, or what goes wrong instead of it."""
        if any(value is None for value in given.values()):
            raise TypeError("a null is no value")
        fault = given["prompt"].split()[-1]
        if fault == "fails":
            raise RuntimeError("CUDA out of memory")
        if fault == "dies":
            os._exit(1)
        if fault == "starting" and given["prompt"] not in self.started:
            self.started.add(given["prompt"])
            raise ServerNotReady()
        if fault == "slow":
            await asyncio.sleep(4)
        made = self.paint(**given)
        return {"words": b"<html>welcome</html>", "half": made[:-40]}.get(fault, made)

    async def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):
            (instance,) = payload["instances"]
            image = {"format": "PNG", "b64": base64.b64encode(await self.painted(instance)).decode()}
            return {"predictions": [] if instance["prompt"].endswith("empty") else [{"image": image}]}
        given = {}
        for tensor in payload.inputs:
            value = tensor.as_numpy().reshape(-1)[0]
            given[tensor.name] = value.decode() if isinstance(value, bytes) else value.item() if hasattr(value, "item") else value
        made = await self.painted(given)
        outputs = []
        if not given["prompt"].endswith("empty"):
            outputs.append(InferOutput(name="image", shape=[1], datatype="BYTES"))
            # This server answers in JSON whatever was asked for, which holds no file as it is.
            outputs[0].set_data_from_numpy(np.array([base64.b64encode(made)], dtype=object), binary_data=True)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=outputs)


if __name__ == "__main__":
    models = [Painter("painter", pipeline), Painter("strict", strict)]
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start(models)
