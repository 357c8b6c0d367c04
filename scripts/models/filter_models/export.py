"""Trained weights to ONNX, written node by node: small readable graphs of opset 17 that any ONNX Runtime since 1.14
takes, for any batch, height and width.

Weights are stored as one byte each with a scale per output channel, those of small layers as half floats; a Cast and a
Mul restore them, which the runtime does once when it loads the file. (DequantizeLinear would be the usual node, but
runtimes keep it for quantised arithmetic unless told otherwise, and then compute it in every run.)"""

import numpy as np
import onnx
import onnx.compose
import torch
from onnx import TensorProto, helper, numpy_helper

from . import nets

SMALL = 5000  # weights; below that a layer keeps half floats
OPSET, IR = 17, 8


class Graph:
    """Collects nodes and weights; every method answers the name of the tensor that it makes."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.count = weights, [], [], 0

    def node(self, kind, *inputs, **attributes):
        self.count += 1
        name = f"{kind.lower()}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name, array):
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value):
        return self.constant(f"number {value}", np.float32(value))

    def packed(self, name):
        weight = self.weights[name].numpy()
        if weight.size < SMALL:
            return self.node("Cast", self.constant(name, weight.astype(np.float16)), to=TensorProto.FLOAT)
        scale = np.maximum(np.abs(weight).max((1, 2, 3), keepdims=True) / 127, 1e-12)
        bytes_ = np.clip(np.round(weight / scale), -127, 127).astype(np.int8)
        whole = self.node("Cast", self.constant(name, bytes_), to=TensorProto.FLOAT)
        return self.node("Mul", whole, self.constant(f"{name} scale", scale.astype(np.float32)))

    def conv(self, name, x, stride=1, pads=0):
        weight = self.packed(f"{name}.weight")
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"].numpy().astype(np.float32))
        sides = {"kernel_shape": list(self.weights[f"{name}.weight"].shape[2:]), "strides": [stride] * 2}
        return self.node("Conv", x, weight, bias, pads=[pads] * 4, **sides)

    def residuals(self, name, x):
        count = len({key.split(".")[name.count(".") + 1] for key in self.weights if key.startswith(f"{name}.")})
        for i in range(count):
            inner = self.node("Relu", self.conv(f"{name}.{i}.first", x, pads=1))
            x = self.node("Add", x, self.conv(f"{name}.{i}.second", inner, pads=1))
        return x

    def shuffle(self, x, scale=2):
        return self.node("DepthToSpace", x, blocksize=scale, mode="CRD")

    def pyramid(self, name, x, levels):
        x, kept = self.residuals(f"{name}.encode.0", self.conv(f"{name}.enter", x, 2, 2)), []
        for i in range(levels - 1):
            kept.append(x)
            x = self.residuals(f"{name}.encode.{i + 1}", self.conv(f"{name}.down.{i}", x, 2))
        for i in reversed(range(levels - 1)):
            up = self.shuffle(self.conv(f"{name}.up.{i}", x))
            x = self.residuals(f"{name}.decode.{i}", self.node("Add", up, kept[i]))
        return self.shuffle(self.conv(f"{name}.leave", x, pads=1))

    def model(self, result, inputs, channels, about):
        """The finished model: `inputs` is name to channels (None: one number per picture)."""
        self.nodes[-1].output[0] = "output"
        assert self.nodes[-1].name == result
        shape = lambda c: ["n"] if c is None else ["n", c, "h", "w"]  # noqa: E731
        ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape(c)) for name, c in inputs.items()]
        out = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", channels, "oh", "ow"])]
        graph = helper.make_graph(self.nodes, "gimp-bridge", ports, out, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        model.producer_name, model.doc_string = "gimp-bridge", about
        onnx.checker.check_model(model, full_check=True)
        return model


def upscaler(network, weights, about):
    graph = Graph(weights)
    edge = graph.constant("edges", np.array([0, 0, 2, 2, 0, 0, 2, 2], np.int64))
    padded = graph.node("Pad", "image", edge, mode="edge")
    phases = graph.constant("bicubic", network.phases.repeat(3, 1, 1, 1).numpy())
    bicubic = graph.shuffle(graph.node("Conv", padded, phases, kernel_shape=[5, 5], group=3), network.scale)
    seen = "image"
    if not network.colour:
        seen = graph.node("Conv", "image", graph.constant("luma", network.luma.numpy()), kernel_shape=[1, 1])
    features = graph.conv("head", seen, pads=2)
    deep = graph.node("Add", graph.residuals("body", features), features)
    detail = graph.shuffle(graph.conv("tail", deep, pads=1), network.scale)
    whole = graph.node("Add", bicubic, detail)
    return graph.model(graph.node("Clip", whole, graph.number(0.0), graph.number(1.0)), {"image": 3}, 3, about)


def restorer(network, weights, about):
    graph = Graph(weights)
    bounds = [
        graph.constant(name, np.array([value], np.int64)) for name, value in (("from", 0), ("to", 1), ("axis", 1))
    ]
    nothing = graph.node("Mul", graph.node("Slice", "image", *bounds), graph.number(0.0))
    level = graph.node("Reshape", "strength", graph.constant("one each", np.array([-1, 1, 1, 1], np.int64)))
    plane = graph.node("Add", nothing, graph.node("Mul", level, graph.number(4.0)))
    both = graph.node("Concat", "image", plane, axis=1)
    fault = graph.pyramid("pyramid", both, len(network.pyramid.encode))
    return graph.model(graph.node("Sub", "image", fault), {"image": 3, "strength": None}, 3, about)


def segmenter(network, weights, about):
    graph = Graph(weights)
    image = graph.node("Sub", "image", graph.number(0.5))
    prompt = graph.node("Sub", graph.node("Mul", "prompt", graph.number(2.0)), graph.number(1.0))
    seen = graph.node("Concat", image, prompt, "evidence", axis=1)
    learned = graph.pyramid("pyramid", seen, len(network.pyramid.encode))
    trust, bias = (float(value) for value in weights["trust"])
    colour = graph.node("Mul", "evidence", graph.constant("trust", np.float32(trust)))
    colour = graph.node("Add", colour, graph.constant("bias", np.float32(bias)))
    outside = graph.node("Mul", graph.node("Sub", "prompt", graph.number(1.0)), graph.number(4.0))
    logits = graph.node("Add", graph.node("Add", learned, colour), outside)
    return graph.model(graph.node("Sigmoid", logits), {"image": 3, "prompt": 1, "evidence": 1}, 1, about)


def joined(models):
    """The graphs of `models`, name to file, as one; tensors are called after theirs, but for `image`."""
    whole = onnx.GraphProto(name="gimp-bridge")
    for name, path in models.items():
        part = onnx.compose.add_prefix(onnx.load(path), f"{name} ", rename_inputs=False, rename_outputs=True).graph
        whole.node.extend(part.node)
        whole.initializer.extend(part.initializer)
    return whole


def padded(graph, side):
    """Adds what makes `image wide`, both sides a multiple of `side` and `sides`, those of before."""
    constants = {"rim from": [2], "rim to": [4], "side": [side], "no rim": [0] * 6}
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    for kind, inputs, output in (
        ("Shape", ["image"], "shape"),
        ("Slice", ["shape", "rim from", "rim to"], "sides"),
        ("Neg", ["sides"], "less"),
        ("Mod", ["less", "side"], "lacking"),
        ("Concat", ["no rim", "lacking"], "rim"),
        ("Pad", ["image", "rim"], "image wide"),
    ):
        attributes = {"Concat": {"axis": 0}, "Pad": {"mode": "edge"}}.get(kind, {})
        graph.node.append(helper.make_node(kind, inputs, [output], **attributes))


def blend(path, cleaner, strength, other, share):
    """Makes the file at `path` answer a mean: `share` of what `other` answers after `cleaner`, the rest of its own."""
    own = onnx.load(path)
    graph, parts = onnx.GraphProto(name="gimp-bridge"), joined({"own": path, "cleaner": cleaner, "other": other})
    padded(graph, nets.Restorer.multiple)
    for node in parts.node:
        image = {"cleaner": "image wide", "other": "cleaned"}.get(node.name.split()[0], "image")
        wants = {"strength": "cleaner strength", "image": image}
        for at, name in enumerate(node.input):
            node.input[at] = wants.get(name, name)
    for name, value in (("corner", [0, 0]), ("down and across", [2, 3])):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    cut = helper.make_node("Slice", ["cleaner output", "corner", "sides", "down and across"], ["cleaned"])
    of = [node.name.split()[0] for node in parts.node]
    graph.node.extend(node for node, part in zip(parts.node, of, strict=True) if part != "other")
    graph.node.extend([cut, *(node for node, part in zip(parts.node, of, strict=True) if part == "other")])
    graph.initializer.extend(parts.initializer)
    numbers = {"own share": 1 - share, "other share": share, "cleaner strength": [strength]}
    for name, value in numbers.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    for name in ("own", "other"):
        graph.node.append(helper.make_node("Mul", [f"{name} output", f"{name} share"], [f"{name} part"]))
    graph.node.append(helper.make_node("Add", ["own part", "other part"], ["output"]))
    graph.input.extend(own.graph.input)
    graph.output.extend(own.graph.output)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    model.producer_name, model.doc_string = "gimp-bridge", own.doc_string
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def weights(path):
    """The state dict that a written file holds."""
    have = {constant.name: numpy_helper.to_array(constant) for constant in onnx.load(path).graph.initializer}
    scaled = lambda name: have[name].astype(np.float32) * have.get(f"{name} scale", np.float32(1))  # noqa: E731
    return {name: torch.from_numpy(scaled(name)) for name in have if name.endswith((".weight", ".bias"))}


WRITERS = {nets.Upscaler: upscaler, nets.Restorer: restorer, nets.Segmenter: segmenter}


def export(network, weights, path, about):
    """Writes `network` with `weights` (a state dict) to `path`; answers its size in bytes."""
    weights = {name: value.detach().to("cpu", torch.float32) for name, value in weights.items()}
    model = WRITERS[type(network)](network, weights, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path.stat().st_size
