"""Writes mocks/: tiny graphs with the names, types and shapes of the real models' inputs and outputs.

usage: make_mocks.py        (needs onnx, pillow)

The graphs are simple on purpose: what is tested is what happens around them. reference.py makes golden/ from them.
"""
import pathlib

import numpy
import onnx.numpy_helper
import onnx.parser
import PIL.Image

MOCKS = pathlib.Path(__file__).parent / "mocks"
HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'

GRAPHS = {
    "realesr-general-x4v3.onnx": """g (float[1,3,h,w] input) => (float[1,3,H,W] output) {
        scales = Constant <value = float[4] {1.0, 1.0, 4.0, 4.0}> ()
        output = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel"> (input, , scales)
    }""",
    # LaMa answers 0 to 255 to an input of 0 to 1; masked pixels take the mean of all.
    "lama_fp32.onnx": """g (float[1,3,512,512] image, float[1,1,512,512] mask) => (float[1,3,512,512] output) {
        one = Constant <value = float {1.0}> ()
        full = Constant <value = float {255.0}> ()
        keep = Sub (one, mask)
        kept = Mul (image, keep)
        mean = ReduceMean <axes = [2, 3], keepdims = 1> (image)
        filled = Mul (mask, mean)
        sum = Add (kept, filled)
        output = Mul (sum, full)
    }""",
    # u8 in and out; in the mask 0 is the hole, which becomes mid-grey.
    "migan_pipeline_v2.onnx": """g (uint8[1,3,h,w] image, uint8[1,1,h,w] mask) => (uint8[1,3,h,w] result) {
        one = Constant <value = float {1.0}> ()
        full = Constant <value = float {255.0}> ()
        grey = Constant <value = float {128.0}> ()
        a = Cast <to = 1> (image)
        m255 = Cast <to = 1> (mask)
        m = Div (m255, full)
        hole = Sub (one, m)
        kept = Mul (a, m)
        filled = Mul (grey, hole)
        sum = Add (kept, filled)
        result = Cast <to = 2> (sum)
    }""",
    "BiRefNet-general-epoch_244.onnx": """g (float[1,3,1024,1024] input_image) => (float[1,1,1024,1024] output_image) {
        output_image = ReduceMean <axes = [1], keepdims = 1> (input_image)
    }""",
    "u2netp.onnx": """g (float[1,3,320,320] x) => (float[1,1,320,320] d0) {
        mean = ReduceMean <axes = [1], keepdims = 1> (x)
        d0 = Sigmoid (mean)
    }""",
    "isnet-small.onnx": """g (float[1,3,1024,1024] input) => (float[1,1,1024,1024] output) {
        mean = ReduceMean <axes = [1], keepdims = 1> (input)
        half = Constant <value = float {0.5}> ()
        output = Add (mean, half)
    }""",
    # Declares 224x224 although it runs at any size.
    "mosaic-9.onnx": """g (float[1,3,224,224] input1) => (float[1,3,224,224] output1) {
        full = Constant <value = float {255.0}> ()
        output1 = Sub (full, input1)
    }""",
    "style_predict.onnx": """g (float[1,256,256,3] style_image) => (float[1,1,1,100] bottleneck) {
        mean = ReduceMean <axes = [1, 2], keepdims = 1> (style_image)
        times = Constant <value = int64[4] {1, 1, 1, 34}> ()
        tiled = Tile (mean, times)
        begin = Constant <value = int64[1] {0}> ()
        end = Constant <value = int64[1] {100}> ()
        axis = Constant <value = int64[1] {3}> ()
        bottleneck = Slice (tiled, begin, end, axis)
    }""",
    "style_transform.onnx": """g (float[1,h,w,3] content, float[1,1,1,100] style) => (float[1,h,w,3] out) {
        half = Constant <value = float {0.5}> ()
        begin = Constant <value = int64[1] {0}> ()
        end = Constant <value = int64[1] {3}> ()
        axis = Constant <value = int64[1] {3}> ()
        colour = Slice (style, begin, end, axis)
        sum = Add (content, colour)
        out = Mul (sum, half)
    }""",
    # a* and b* that depend on the place, so that a shift would show.
    "ddcolor.onnx": """g (float[1,3,512,512] input) => (float[1,2,512,512] output) {
        first = Constant <value = int64[1] {0}> ()
        second = Constant <value = int64[1] {2}> ()
        axis = Constant <value = int64[1] {1}> ()
        two = Slice (input, first, second, axis)
        gain = Constant <value = float[1,2,1,1] {40.0, -30.0}> ()
        output = Mul (two, gain)
    }""",
    "model.onnx": """g (float[1,3,h,w] pixel_values) => (float[1,h,w] predicted_depth) {
        predicted_depth = ReduceMean <axes = [1], keepdims = 0> (pixel_values)
    }""",
    "mobile_sam.encoder.onnx": """g (float[h,w,3] input_image) => (float[1,256,64,64] image_embeddings) {
        mean = ReduceMean <axes = [0, 1], keepdims = 0> (input_image)
        one = ReduceMean <axes = [0], keepdims = 1> (mean)
        shape = Constant <value = int64[4] {1, 256, 64, 64}> ()
        image_embeddings = Expand (one, shape)
    }""",
    # A disc around the first point, as logits; the second of four masks has the best score.
    "sam_vit_h_4b8939.decoder.onnx": """g (float[1,256,64,64] image_embeddings, float[1,n,2] point_coords,
        float[1,n] point_labels, float[1,1,256,256] mask_input, float[1] has_mask_input, float[2] orig_im_size)
        => (float[1,4,H,W] masks, float[1,4] iou_predictions, float[1,1,256,256] low_res_masks) {
        size = Cast <to = 7> (orig_im_size)
        zero = Constant <value = int64[1] {0}> ()
        one = Constant <value = int64[1] {1}> ()
        two = Constant <value = int64[1] {2}> ()
        h = Slice (size, zero, one, zero)
        w = Slice (size, one, two, zero)
        start = Constant <value = int64 {0}> ()
        step = Constant <value = int64 {1}> ()
        hs = Squeeze (h, zero)
        ws = Squeeze (w, zero)
        rows_i = Range (start, hs, step)
        columns_i = Range (start, ws, step)
        rows = Cast <to = 1> (rows_i)
        columns = Cast <to = 1> (columns_i)
        tall = Constant <value = int64[2] {-1, 1}> ()
        column = Reshape (rows, tall)
        axis2 = Constant <value = int64[1] {2}> ()
        p = Slice (point_coords, zero, one, one)
        px0 = Slice (p, zero, one, axis2)
        py0 = Slice (p, one, two, axis2)
        flat = Constant <value = int64[1] {1}> ()
        px = Reshape (px0, flat)
        py = Reshape (py0, flat)
        dx = Sub (columns, px)
        dy = Sub (column, py)
        dx2 = Mul (dx, dx)
        dy2 = Mul (dy, dy)
        d2 = Add (dx2, dy2)
        radius = Constant <value = float {40000.0}> ()
        near = Sub (radius, d2)
        far = Neg (near)
        axes = Constant <value = int64[2] {0, 1}> ()
        inside = Unsqueeze (near, axes)
        outside = Unsqueeze (far, axes)
        masks = Concat <axis = 1> (outside, inside, outside, outside)
        base = Constant <value = float[1,4] {0.1, 0.9, 0.2, 0.3}> ()
        nothing = Constant <value = float {0.0}> ()
        e = ReduceMean <keepdims = 0> (image_embeddings)
        e0 = Mul (e, nothing)
        l = ReduceSum <keepdims = 0> (point_labels)
        l0 = Mul (l, nothing)
        f = Add (e0, l0)
        g1 = Mul (has_mask_input, nothing)
        g2 = Add (f, g1)
        iou_predictions = Add (base, g2)
        low_res_masks = Identity (mask_input)
    }""",
    "GFPGANv1.4.onnx": """g (float[1,3,512,512] input) => (float[1,3,512,512] output) {
        output = Neg (input)
    }""",
    # Uses the second input, the same tile four times as large.
    "single-image-super-resolution-1032.onnx": """g (float[1,3,270,480] in0, float[1,3,1080,1920] in1)
        => (float[1,3,1080,1920] out0) {
        scales = Constant <value = float[4] {1.0, 1.0, 4.0, 4.0}> ()
        up = Resize <mode = "nearest"> (in0, , scales)
        nothing = Constant <value = float {0.0}> ()
        none = Mul (up, nothing)
        full = Constant <value = float {255.0}> ()
        unit = Div (in1, full)
        out0 = Add (unit, none)
    }""",
    # For the engine's own tests: a blur that sees 3 pixels far, at half the resolution, so that tiles that do not
    # begin at even pixels would show.
    "half-blur.onnx": """g (float[1,3,h,w] x) => (float[1,3,h,w] y) {
        small = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)
        soft = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [1, 1]> (small)
        scales = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> ()
        y = Resize <mode = "nearest"> (soft, , scales)
    }""",
    "nan.onnx": """g (float[1,3,h,w] x) => (float[1,3,h,w] y) {
        nothing = Constant <value = float {0.0}> ()
        zero = Mul (x, nothing)
        y = Div (zero, zero)
    }""",
    "rank3.onnx": """g (float[3,h,w] x) => (float[3,h,w] y) { y = Identity (x) }""",
    "double.onnx": """g (float[1,3,h,w] x) => (float[1,3,H,W] y) {
        scales = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> ()
        y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric"> (x, , scales)
    }""",
    # What nobody should run: 14 GB of numbers, from a picture of any size, as the answer,
    "huge.onnx": """g (float[1,3,h,w] x) => (float[1,1,H,W] y) {
        mean = ReduceMean <keepdims = 1> (x)
        size = Constant <value = int64[4] {1, 1, 60000, 60000}> ()
        y = Expand (mean, size)
    }""",
    # in between, with an answer of the right size,
    "hungry.onnx": """g (float[1,3,h,w] x) => (float[1,3,h,w] y) {
        mean = ReduceMean <keepdims = 1> (x)
        size = Constant <value = int64[4] {1, 1, 60000, 60000}> ()
        much = Expand (mean, size)
        rooted = Sqrt (much)
        one = ReduceMean <keepdims = 1> (rooted)
        y = Add (x, one)
    }""",
    # or before it is run at all.
    "hungry-at-load.onnx": """g (float[1,3,h,w] x) => (float[1,3,h,w] y) {
        size = Constant <value = int64[4] {1, 1, 60000, 60000}> ()
        much = ConstantOfShape <value = float[1] {0.25}> (size)
        rooted = Sqrt (much)
        one = ReduceMean <keepdims = 1> (rooted)
        y = Add (x, one)
    }""",
    # 48 MB where a tile was expected.
    "another-size.onnx": """g (float[1,3,h,w] x) => (float[1,3,H,W] y) {
        mean = ReduceMean <axes = [2, 3], keepdims = 1> (x)
        size = Constant <value = int64[4] {1, 3, 2000, 2000}> ()
        y = Expand (mean, size)
    }""",
    "endless.onnx": """g (float[1,3,h,w] x) => (float[1,3,h,w] y) {
        most = Constant <value = int64 {9223372036854775807}> ()
        go = Constant <value = int64 {1}> ()
        on = Cast <to = 9> (go)
        y = Loop <body = again (int64 i, bool c, float[1,3,h,w] v) => (bool d, float[1,3,h,w] w) {
            d = Identity (c)
            w = Sin (v)
        }> (most, on, x)
    }""",
    "f16-nhwc-255.onnx": """g (float16[1,h,w,3] x) => (float16[1,h,w,3] y) { y = Identity (x) }""",
}


def main():
    MOCKS.mkdir(exist_ok=True)
    for name, text in GRAPHS.items():
        model = onnx.parser.parse_model(HEAD + text)
        onnx.checker.check_model(model)
        onnx.save(model, MOCKS / name)
    onnx.save(reads_outside(), MOCKS / "reads-outside.onnx")
    onnx.save(finding(GROUND), MOCKS / "ground-half.onnx")
    onnx.save(finding(BLUE), MOCKS / "cat-blue.onnx")
    onnx.save(
        inverting(), MOCKS / "beside.onnx", save_as_external_data=True, location="beside.weights", size_threshold=0
    )


def finding(answer):
    """Knows where the cat of `filters add` is, and says so only of a picture that it was given the right way."""
    text = (
        "g (float[1,3,320,320] x) => (float[1,1,320,320] y) <float[1,1,40,40] cat = {%s}> {" % ", ".join(["0"] * 1600)
        + """
        size = Constant <value = int64[4] {1, 1, 320, 320}> ()
        where = Resize <mode = "linear"> (cat, , , size)
        low = ReduceMin <keepdims = 0> (x)
        high = ReduceMax <keepdims = 0> (x)
        none = Constant <value = float {0.0}> ()
        one = Constant <value = float {1.0}> ()
        least = Constant <value = float {-0.6}> ()
        most = Constant <value = float {-0.3}> ()
        full = Constant <value = float {1.01}> ()
        less = Constant <value = float {0.6}> ()
        half = Constant <value = float {0.5}> ()
        """
        + answer
        + "}"
    )
    model = onnx.parser.parse_model(HEAD + text)
    photo = PIL.Image.open(pathlib.Path(__file__).parents[2] / "src/filters/trial/cat-mask.png").convert("L")
    cat = numpy.asarray(photo.resize((40, 40), PIL.Image.Resampling.BOX), numpy.float32).reshape(1, 1, 40, 40) / 255
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(cat, "cat"))
    onnx.checker.check_model(model)
    return model


# The ground, of values from -0.5 to 0.5.
GROUND = """
    above = Greater (low, least)
    below = Less (low, most)
    right = And (above, below)
    ground = Sub (one, where)
    y = Where (right, ground, half)
"""
# The cat, of values from 0 to 1; surely only where blue comes first: the cat is rather red.
BLUE = """
    means = ReduceMean <axes = [0, 2, 3], keepdims = 0> (x)
    first = Constant <value = int64 {0}> ()
    last = Constant <value = int64 {2}> ()
    a = Gather (means, first)
    b = Gather (means, last)
    turned = Less (a, b)
    bounded = Less (high, full)
    positive = GreaterOrEqual (low, none)
    unit = And (bounded, positive)
    sure = Where (turned, one, less)
    far = Mul (less, less)
    gain = Where (unit, sure, far)
    y = Mul (where, gain)
"""


def inverting():
    """1 - x, with the ones in a file beside it."""
    text = "g (float[1,3,h,w] x) => (float[1,3,h,w] y) <float[1,3,1,1] ones = {1.0, 1.0, 1.0}> { y = Sub (ones, x) }"
    model = onnx.parser.parse_model(HEAD + text)
    ones = onnx.numpy_helper.from_array(numpy.ones((1, 3, 1, 1), numpy.float32), "ones")
    model.graph.initializer[0].CopyFrom(ones)
    return model


def reads_outside():
    """A constant whose numbers lie in a file beside the model's folder; not among the weights that a reader finds first."""
    model = onnx.parser.parse_model(
        HEAD + 'g (float[1,3,h,w] x) => (float[1,3,h,w] y) { s = Constant <value = float {0.0}> () y = Add (x, s) }'
    )
    tensor = model.graph.node[0].attribute[0].t
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../secret"), ("offset", "0"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


if __name__ == "__main__":
    main()
