"""Places and lengths to image pixels."""

import pytest
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.coordinates import Places


def test_pixels_layer_relative_and_preview():
    assert Places((200, 100)).box(1, 2, 3, 4) == (1, 2, 3, 4)
    assert Places((200, 100), "layer", origin=(10, -5)).point(1, 2) == (11, -3)
    relative = Places((200, 100), "relative")
    assert relative.box(0.25, 0.5, 0.5, 0.1) == (50, 50, 100, 10) and relative.length(24) == 24
    preview = Places((200, 100), scale_map={"offset_x": 10, "offset_y": 20, "scale_x": 2.0, "scale_y": 4.0})
    assert preview.points([(1, 1), (0, 0)]) == [(12, 24), (10, 20)] and preview.length(3) == 6


def test_whole_pixels_share_their_edges():
    relative = Places((101, 7), "relative")
    left = relative.pixel_box(0, 0, 0.5, 1)
    right = relative.pixel_box(0.5, 0, 0.5, 1)
    assert left[0] + left[2] == right[0] and right[0] + right[2] == 101
    assert relative.pixel_box(0, 0, 0.0001, 0.0001)[2:] == (1, 1)


@pytest.mark.parametrize("scale_map", ({}, {"scale_x": 0, "scale_y": 1}, {"scale_x": "2", "scale_y": 2}, {"scale_x": True, "scale_y": 1}))
def test_what_is_no_scale_map_is_refused(scale_map):
    with pytest.raises(OperationError, match="from_preview"):
        Places((10, 10), scale_map=scale_map)


def test_units_and_preview_exclude_each_other():
    with pytest.raises(OperationError, match="units"):
        Places((10, 10), "relative", {"scale_x": 1, "scale_y": 1})
