"""A KServe model server on loopback for one ONNX file. usage: server.py MODEL.onnx NAME PORT

The environment variable FAIL_FIRST makes that many requests answer 503 first, as a starting server does.
"""

import os
import sys

import numpy as np
import onnxruntime
import uvicorn
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import ServerNotReady

# It binds to all addresses otherwise.
plain = uvicorn.Config.__init__
uvicorn.Config.__init__ = lambda self, *a, **k: plain(self, *a, **(k | {"host": "127.0.0.1"}))


class Onnx(Model):
    def __init__(self, path, name):
        super().__init__(name)
        self.session = onnxruntime.InferenceSession(path)
        self.failures = int(os.environ.get("FAIL_FIRST", 0))
        self.ready = True

    async def get_input_types(self):
        return [{"name": i.name, "datatype": "FP32", "shape": [-1, 3, -1, -1]} for i in self.session.get_inputs()]

    async def get_output_types(self):
        return [{"name": o.name, "datatype": "FP32", "shape": [-1, 3, -1, -1]} for o in self.session.get_outputs()]

    async def predict(self, payload, headers=None, response_headers=None):
        if self.failures > 0:
            self.failures -= 1
            raise ServerNotReady()
        if isinstance(payload, dict):
            x = np.asarray(payload["instances"], np.float32)
            return {"predictions": self.session.run(None, {"x": x})[0].tolist()}
        x = payload.inputs[0].as_numpy()
        y = self.session.run(None, {payload.inputs[0].name: x})[0]
        output = InferOutput(name="y", shape=list(y.shape), datatype="FP32")
        output.set_data_from_numpy(y, binary_data=True)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    path, name, port = sys.argv[1:]
    ModelServer(http_port=int(port), enable_grpc=False, workers=1).start([Onnx(path, name)])
