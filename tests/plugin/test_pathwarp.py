"""items/bend.py: outlines bent along a line."""

import math

import pytest
from gimp_bridge.items.bend import Rail, bend_stroke


def controls(*points):
    return [value for x, y in points for value in (x, y) * 3]


def test_a_rail_is_measured_and_goes_on_straight_beyond_its_ends():
    rail = Rail([(0, 0), (10, 0), (10, 0), (10, 5)])
    assert rail.length == 15 and rail.starts == [0, 10, 15]
    assert rail.at(4) == ((4, 0), (1, 0)) and rail.at(12) == ((10, 2), (0, 1))
    assert rail.at(-3)[0] == (-3, 0) and rail.at(20)[0] == (10, 10)


def test_a_closed_rail_goes_round():
    rail = Rail([(0, 0), (10, 0), (10, 10), (0, 10)], closed=True)
    assert rail.length == 40 and rail.at(45) == rail.at(5) and rail.at(-5) == rail.at(35)


def test_below_the_baseline_is_to_the_right_of_the_direction():
    assert Rail([(0, 0), (10, 0)]).bend(4, 3) == (4, 3)
    assert Rail([(0, 0), (0, 10)]).bend(4, 3) == (-3, 4)
    assert Rail([(10, 0), (0, 0)]).bend(4, 3) == (6, -3)


def test_a_straight_rail_moves_an_outline_as_it_is():
    square = controls((0, 0), (8, 0), (8, 8), (0, 8))
    bent = bend_stroke(square, True, Rail([(5, 7), (105, 7)]), 10, 8, 3)
    anchors = list(zip(bent[2::6], bent[3::6]))
    assert len(anchors) > 4, "long edges are cut"
    assert min(anchors) == pytest.approx((15, -1)) and max(anchors) == pytest.approx((23, 7))
    for x, y in anchors:  # all on the square's edge
        assert min(abs(x - 15), abs(x - 23), abs(y + 1), abs(y - 7)) < 1e-9


def test_on_a_circle_heights_become_radii():
    circle = [(50 * math.sin(a / 1000), -50 * math.cos(a / 1000)) for a in range(0, 6284)]
    line = controls((0, 20), (60, 20))
    bent = bend_stroke(line, False, Rail(circle, closed=True), 0, 25, 2)
    radii = [math.hypot(x, y) for x, y in zip(bent[2::6], bent[3::6])]
    assert all(radius == pytest.approx(55, abs=0.1) for radius in radii), "5 above the baseline is 5 outside"
    first, last = bent[2:4], bent[-4:-2]
    assert first == pytest.approx([0, -55], abs=0.1)
    angle = math.atan2(last[0], -last[1])
    assert angle * 50 == pytest.approx(60, abs=0.2), "lengths are kept along the path"


def test_an_open_outline_keeps_its_ends_and_a_point_its_place():
    bent = bend_stroke(controls((0, 0), (4, 0)), False, Rail([(0, 0), (9, 0)]), 1, 0, 100)
    assert bent[2:4] == pytest.approx([1, 0]) and bent[-4:-2] == pytest.approx([5, 0]) and len(bent) == 12
    assert bend_stroke(controls((2, 3)), False, Rail([(0, 0), (9, 0)]), 1, 0, 1) == [3, 3] * 3
