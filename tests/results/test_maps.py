"""A city's map: what is drawn is what was given, borders stay shared, and a hostile file is refused."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.results.drawn_city import a_map, collection

from polls.errors import Invalid
from polls.territories import Territory, TerritoryTree
from results.map_files import FAULTS, MOST_BYTES, MOST_VERTICES
from results.maps import MOST_PATH_BYTES, WIDTH, KindMap, draw_map

OKRUGS, DISTRICTS = 3, 9


def a_tree() -> TerritoryTree:
    """A city of three okrugs with three districts each."""
    city = [Territory(1, "city", "city", None, "Город", "City")]
    okrugs = [Territory(10 + n, f"o{n}", "okrug", 1, f"Округ {n}", f"Okrug {n}") for n in range(OKRUGS)]
    districts = [
        Territory(100 + n, f"d{n}", "district", 10 + n // 3, f"Район {n}", f"District {n}") for n in range(DISTRICTS)
    ]
    return TerritoryTree.of([*city, *okrugs, *districts])


TREE = a_tree()
CODES = [f"d{n}" for n in range(DISTRICTS)]
SQUARE = [[37.0, 55.0], [37.1, 55.0], [37.1, 55.1], [37.0, 55.1], [37.0, 55.0]]


def a_file(coordinates: Any = None, *, code: Any = "d0", kind: str = "Polygon", **more: Any) -> bytes:
    geometry = {"type": kind, "coordinates": [SQUARE] if coordinates is None else coordinates}
    feature = {"type": "Feature", "properties": {"code": code}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature], **more}).encode()


def faults(data: bytes) -> list[tuple[str, str]]:
    """Where and why a file is refused."""
    with pytest.raises(Invalid) as caught:
        draw_map(data, TREE)
    for error in caught.value.errors:
        assert error.message.format_map(error.facts or {})  # every fact its message names is there
    return [(error.path, error.code) for error in caught.value.errors]


def polygon_of(path: str) -> Any:
    rings = [[tuple(map(float, p.split(","))) for p in re.split("[ML]", ring) if p] for ring in path.split("Z") if ring]
    return shapely.Polygon(rings[0], rings[1:])


def test_a_map_is_simplified_with_shared_borders_kept() -> None:
    drawn = draw_map(a_map(CODES, seed=4), TREE)
    assert drawn.loose == ()
    assert drawn.missing == {"district": (), "okrug": ()}
    assert drawn.joined
    assert drawn.kept < drawn.vertices / 2
    districts = drawn.kinds["district"]
    areas = [polygon_of(shape.path) for shape in districts.shapes.values()]
    assert all(area.is_valid for area in areas)
    assert shapely.coverage_is_valid(areas)  # no gap and no overlap, even after rounding
    assert sum(area.area for area in areas) == pytest.approx(shapely.union_all(areas).area)
    assert shapely.get_num_interior_rings(shapely.union_all(areas)) == 0
    assert sum(len(shape.path) for shape in districts.shapes.values()) <= MOST_PATH_BYTES
    bounds = shapely.union_all(areas).bounds
    assert bounds == pytest.approx((0, 0, districts.width, districts.height), abs=3)
    for shape, area in zip(districts.shapes.values(), areas, strict=True):
        assert area.buffer(1).contains(shapely.Point(shape.x, shape.y))


def test_okrugs_are_their_districts_together() -> None:
    drawn = draw_map(a_map(CODES, seed=4), TREE)
    okrugs, districts = drawn.kinds["okrug"], drawn.kinds["district"]
    assert list(okrugs.shapes) == ["o0", "o1", "o2"]
    for n in range(OKRUGS):
        parts = [polygon_of(districts.shapes[f"d{3 * n + m}"].path) for m in range(3)]
        whole = drawn.kinds["okrug"].shapes[f"o{n}"].path
        area = sum(polygon_of(f"{ring}Z").area for ring in whole.split("Z") if ring)
        assert area == pytest.approx(sum(part.area for part in parts), rel=0.02)


def test_the_projection_keeps_north_up_and_shortens_longitudes() -> None:
    tall = [[[37.0, 55.0], [37.2, 55.0], [37.2, 55.1], [37.0, 55.1], [37.0, 55.0]]]
    drawn = draw_map(a_file(tall), TREE).kinds["district"]
    assert drawn.width == WIDTH
    # Two tenths of a degree of longitude at 55° are 0.2 · cos 55.05° = 0.1146 of latitude.
    assert drawn.height == pytest.approx(WIDTH * 0.1 / 0.1146, rel=0.001)
    assert polygon_of(drawn.shapes["d0"].path).bounds[1] == 0


def test_a_map_comes_back_from_its_table() -> None:
    drawn = draw_map(a_map(CODES, seed=4), TREE).kinds["district"]
    assert KindMap.from_json(json.loads(json.dumps(drawn.as_json()))) == drawn


def test_holes_and_islands_are_drawn() -> None:
    hole = [[37.04, 55.04], [37.06, 55.04], [37.06, 55.06], [37.04, 55.06], [37.04, 55.04]]
    island = [[[x + 0.2, y] for x, y in SQUARE]]
    shape = draw_map(a_file([[SQUARE, hole], island], kind="MultiPolygon"), TREE).kinds["district"].shapes["d0"]
    assert shape.path.count("Z") == 3


def test_what_is_missing_is_named() -> None:
    drawn = draw_map(a_file(), TREE)
    assert drawn.missing["district"] == tuple(CODES[1:])
    assert drawn.missing["okrug"] == ("o1", "o2")


BOW_TIE = [[[37.0, 55.0], [37.1, 55.1], [37.1, 55.0], [37.0, 55.1], [37.0, 55.0]]]
ACROSS = [[[179.9, 55.0], [-179.9, 55.0], [-179.9, 55.1], [179.9, 55.1], [179.9, 55.0]]]
FLAT = [[[37.0, 55.0], [37.1, 55.0], [37.2, 55.0], [37.0, 55.0]]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe{}", "not_utf8"),
        (b"[" * 200_000, "too_deep"),
        (b'{"a":' * 200_000, "too_deep"),
        (b" " * (MOST_BYTES + 1), "too_large"),
        (b"null", "no_collection"),
        (b'{"type":"Topology"}', "no_collection"),
        (b'{"type":"FeatureCollection"}', "no_features"),
        (b'{"type":"FeatureCollection","features":{}}', "no_features"),
        (json.dumps({"type": "FeatureCollection", "features": [1] * 2_001}).encode(), "too_many_features"),
        (a_file().replace(b"55.1", b"NaN"), "not_a_number"),
        (a_file().replace(b"55.1", b"-Infinity"), "not_a_number"),
        (b'{"type":"FeatureCollection","features":[' + b"9" * 5_000 + b"]}", "not_json"),
        (a_file(crs={"type": "name", "properties": {"name": "EPSG:3857"}}), "wrong_system"),
        (a_file(crs={"type": "name", "properties": {"name": ["EPSG:4326"]}}), "wrong_system"),
        (a_file(crs="EPSG:4326"), "wrong_system"),
        (a_file(FLAT), "no_extent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_no_map_is_refused_whole(data: bytes, expected: str) -> None:
    started = time.perf_counter()
    assert faults(data) == [("file", expected)]
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (a_file(code=None), "no_code"),
        (a_file(code=7), "no_code"),
        (a_file(code="x" * 65), "no_code"),
        (a_file(code="nowhere"), "unknown_territory"),
        (a_file(code="city"), "unknown_territory"),
        (a_file(kind="Point", coordinates=[37, 55]), "no_polygon"),
        (a_file([]), "no_rings"),
        (a_file([[]]), "short_ring"),
        (a_file("no"), "no_rings"),
        (a_file([SQUARE[:3]]), "short_ring"),
        (a_file([SQUARE[:4]]), "open_ring"),
        (a_file([[*SQUARE[:2], ["37", "55"], *SQUARE[2:]]]), "no_position"),
        (a_file([[*SQUARE[:2], [True, False], *SQUARE[2:]]]), "no_position"),
        (a_file([[*SQUARE[:2], [[37], 55], *SQUARE[2:]]]), "no_position"),
        (a_file([[*SQUARE[:2], [37], *SQUARE[2:]]]), "no_position"),
        (a_file([[[4_187_000 + x, 7_500_000 + y] for x, y in SQUARE]]), "off_the_earth"),
        (a_file().replace(b"55.1", b"1e999"), "off_the_earth"),
        (a_file().replace(b"55.1", b"-91"), "off_the_earth"),
        (a_file(ACROSS), "antimeridian"),
        (a_file(BOW_TIE), "invalid_area"),
        (a_file([FLAT, [SQUARE]], kind="MultiPolygon"), "invalid_area"),
        (a_file([[[37 + n * 1e-9, 55.0] for n in range(MOST_VERTICES)] + [[37.0, 55.0]]]), "too_many_vertices"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_feature_is_named(data: bytes, expected: str) -> None:
    assert faults(data) == [("features/0", expected)]


def test_a_million_vertices_are_refused_before_anything_is_built_of_them() -> None:
    ring = ",".join(["[37,55]"] * 1_000_000)
    assert len(ring) < MOST_BYTES
    start = '{"type":"FeatureCollection","features":[{"properties":{"code":"d0"},"geometry":{"type":"Polygon",'
    assert faults(f'{start}"coordinates":[[{ring}]]}}}}]}}'.encode()) == [("features/0", "too_many_vertices")]


def test_a_territory_is_drawn_once_and_on_none_other() -> None:
    square = shapely.Polygon(SQUARE)
    assert faults(collection([("d0", square), ("d0", square)])) == [("features/1", "twice")]
    moved = shapely.affinity.translate(square, 0.05)
    assert faults(collection([("d0", square), ("d1", moved)])) == [("features/1", "overlap")]
    beside = shapely.affinity.translate(square, 0.1)
    assert len(draw_map(collection([("d0", square), ("d1", beside)]), TREE).kinds["district"].shapes) == 2


def test_a_city_on_both_sides_of_the_meridian_is_refused() -> None:
    east, west = ([[[x, 55.0], [x + 0.1, 55.0], [x + 0.1, 55.1], [x, 55.0]]] for x in (179.5, -179.8))
    both = collection([("d0", shapely.Polygon(east[0])), ("d1", shapely.Polygon(west[0]))])
    assert faults(both) == [("file", "across")]


def test_borders_that_run_beside_each_other_are_told() -> None:
    """A sliver of both and a sliver of neither; a border drawn alike by both is not."""
    edge = [[37.1, 55.0], [37.1, 55.03], [37.1, 55.05], [37.1, 55.07], [37.1, 55.1]]
    square = shapely.Polygon([[37.0, 55.0], *edge, [37.0, 55.1]])
    for middle, told in ((37.0999, {"d0", "d1"}), (37.1001, {"d0", "d1"}), (37.1, set())):
        moved = [[middle, y] if y == 55.05 else [x, y] for x, y in edge]
        near = shapely.Polygon([[37.2, 55.0], [37.2, 55.1], *reversed(moved)])
        drawn = draw_map(collection([("d0", square), ("d1", near)]), TREE)
        assert set(drawn.loose) == told, middle


def test_every_feature_that_is_wrong_is_told_in_its_order() -> None:
    many = collection([("d0", shapely.Polygon(SQUARE)), ("x", shapely.Polygon(SQUARE)), ("d1", shapely.Point(1, 2))])
    assert faults(many) == [("features/1", "unknown_territory"), ("features/2", "no_polygon")]
    hundred = json.dumps({"type": "FeatureCollection", "features": [{}] * 100}).encode()
    assert len(faults(hundred)) == 50


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "a"]), inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_json_breaks_the_reader(data: st.DataObject) -> None:
    """Whatever stands where, the file is drawn or refused with known codes."""
    document = json.loads(a_file())
    feature = document["features"][0]
    holder = data.draw(st.sampled_from([document, feature, feature["geometry"], feature["properties"]]))
    holder[data.draw(st.sampled_from([*sorted(holder), "crs"]))] = data.draw(json_values)
    refused: set[str] = set()
    try:
        draw_map(json.dumps(document).encode(), TREE)
    except Invalid as refusal:
        refused = {error.code for error in refusal.errors}
    assert refused <= set(FAULTS)
