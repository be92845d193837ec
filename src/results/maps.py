"""A city's own map: territories out of a GeoJSON file, checked, projected, simplified once, as SVG paths. Pure.

The file is GeoJSON by RFC 7946: longitude and latitude in degrees (WGS 84), one Polygon or MultiPolygon a feature,
named by its property `code`. What is wrong is said feature by feature, before anything is drawn. Borders that two
territories share stay shared: all of one kind are simplified together (`shapely.coverage_simplify`, the method of
Visvalingam and Whyatt on the edges of a coverage), so no gaps open between neighbours.

The projection is equirectangular, with longitudes shortened by the cosine of the middle latitude: within a city it
keeps shapes well enough for a choropleth, and is undone by nobody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polls.errors import FieldError
from polls.territories import TerritoryTree
from results.map_files import KINDS, Position, Rings, fault, raise_if, read_territories, refusal

WIDTH = 720.0
"""Of the drawn map, in units of its viewBox."""
MOST_HEIGHT = 1_200.0
TOLERANCE = 1.0
"""Where simplifying begins: the side of the largest corner cut off, in units of the viewBox."""
MOST_PATH_BYTES = 160_000
"""Of one kind's paths together: the tolerance is doubled until they fit."""
SLIVER = 0.5
"""A gap between neighbours narrower than twice this, in units of the viewBox, was not meant."""
Area = Any
"""A geometry of shapely's, which is imported only where a map is taken in: it brings numpy."""


@dataclass(frozen=True)
class Shape:
    """A territory drawn: an SVG path, where its name may stand, and how wide it is there."""

    path: str
    x: float
    y: float
    room: float

    def as_json(self) -> dict[str, Any]:
        """For the table of the map."""
        return {"path": self.path, "x": self.x, "y": self.y, "room": self.room}


@dataclass(frozen=True)
class KindMap:
    """All territories of one kind in a viewBox of `width` × `height`, by code."""

    width: float
    height: float
    shapes: Mapping[str, Shape]

    def as_json(self) -> dict[str, Any]:
        """For the table of the map."""
        return {"width": self.width, "height": self.height, "shapes": {c: s.as_json() for c, s in self.shapes.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> KindMap:
        """Out of the table of the map."""
        return cls(value["width"], value["height"], {c: Shape(**shape) for c, shape in value["shapes"].items()})


@dataclass(frozen=True)
class DrawnMap:
    """A file taken in: what is drawn by kind of territory, and what whoever uploads it should know.

    `vertices` and `kept`: before and after simplifying. `missing`: codes of territories that the file does not draw,
    by kind. `loose`: codes whose borders do not meet their neighbours' exactly. `joined`: whether the okrugs were put
    together out of their districts.
    """

    kinds: Mapping[str, KindMap]
    vertices: int
    kept: int
    missing: Mapping[str, tuple[str, ...]]
    loose: tuple[str, ...]
    joined: bool


def draw_map(data: bytes, places: TerritoryTree) -> DrawnMap:
    """Read, check, simplify and draw a GeoJSON file. Takes seconds for a large one: call it in a thread.

    Refuses with `Invalid`, one error a feature (path ``features/7``), in the order of the file; at most fifty.
    """
    polygons, place_of = read_territories(data, places)
    flat = {kind: _projected(rings) for kind in KINDS if (rings := polygons.get(kind))}
    areas = _valid_areas(flat, place_of)
    joined = "okrug" not in areas and "district" in areas
    if joined:
        areas["okrug"] = _joined(areas["district"], places)
    before = sum(len(ring) for by_code in polygons.values() for rings in by_code.values() for one in rings
                 for ring in one)  # fmt: skip
    loose: list[str] = []
    kinds, kept = {}, 0
    for kind, shapes in areas.items():
        loose += _loose(shapes) if not (joined and kind == "okrug") else []
        kinds[kind], vertices = _drawn(shapes)
        kept += vertices
    missing = {
        kind: tuple(place.code for place in places.of_kind(kind) if place.code not in areas[kind]) for kind in kinds
    }
    return DrawnMap(kinds, before, kept, missing, tuple(loose), joined)


# ---- drawing


def _projected(by_code: Mapping[str, list[Rings]]) -> dict[str, list[Rings]]:
    """Degrees to units of the viewBox, north up, in a box of `WIDTH` or, for a tall city, of `MOST_HEIGHT`."""
    outer = [position for many in by_code.values() for rings in many for position in rings[0]]
    west, east = min(x for x, _ in outer), max(x for x, _ in outer)
    south, north = min(y for _, y in outer), max(y for _, y in outer)
    shorter = math.cos(math.radians((south + north) / 2))
    wide, high = (east - west) * shorter, north - south
    if wide <= 0 or high <= 0:
        raise refusal("no_extent")
    scale = min(WIDTH / wide, MOST_HEIGHT / high)

    def put(position: Position) -> Position:
        return (position[0] - west) * shorter * scale, (north - position[1]) * scale

    return {code: [[[put(p) for p in ring] for ring in rings] for rings in many] for code, many in by_code.items()}


def _valid_areas(
    flat: Mapping[str, Mapping[str, list[Rings]]], place_of: Mapping[str, int]
) -> dict[str, dict[str, Area]]:
    """Polygons by kind and code. Refuses rings that cross themselves or enclose nothing, and territories on another."""
    import shapely  # loaded only where a map is taken in: it brings numpy

    areas: dict[str, dict[str, Area]] = {}
    faults: list[FieldError] = []
    for kind, by_code in flat.items():
        areas[kind] = {}
        for code, many in by_code.items():
            parts = [shapely.Polygon(rings[0], rings[1:]) for rings in many]
            area = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
            if not area.is_valid or area.area <= 0:
                faults.append(fault("invalid_area", f"features/{place_of[code]}", code=code))
            areas[kind][code] = area
    raise_if(faults)
    for by_kind in areas.values():
        raise_if(_overlapping(by_kind, place_of))
    return areas


def _overlapping(areas: Mapping[str, Area], place_of: Mapping[str, int]) -> list[FieldError]:
    """Territories of one kind that lie on another by more than a sliver: a hundredth of the smaller."""
    import shapely

    codes = list(areas)
    tree = shapely.STRtree(list(areas.values()))
    faults = []
    for a, b in zip(*tree.query(list(areas.values()), predicate="intersects"), strict=True):
        if a >= b:
            continue
        one, other = areas[codes[a]], areas[codes[b]]
        if one.intersection(other).area > min(one.area, other.area) / 100:
            faults.append(fault("overlap", f"features/{place_of[codes[b]]}", code=codes[b], other=codes[a]))
    return faults


def _joined(districts: Mapping[str, Area], places: TerritoryTree) -> dict[str, Area]:
    """Okrugs out of their districts."""
    import shapely

    parts: dict[str, list[Area]] = {}
    for code, area in districts.items():
        above = places.by_id.get(places.by_code[code].parent_id or 0)
        if above is not None and above.kind == "okrug":
            parts.setdefault(above.code, []).append(area)
    return {code: shapely.union_all(areas) for code, areas in parts.items()}


def _loose(areas: Mapping[str, Area]) -> list[str]:
    """Territories whose borders run beside their neighbours' instead of along them: over them, or by a narrow gap."""
    import shapely

    over = shapely.coverage_invalid_edges(list(areas.values()))
    gaps = [
        gap
        for part in shapely.get_parts(shapely.union_all(list(areas.values())))
        for ring in part.interiors
        if (gap := shapely.Polygon(ring)).buffer(-SLIVER).is_empty
    ]
    return [
        code
        for (code, area), edge in zip(areas.items(), over, strict=True)
        if not edge.is_empty or any(area.intersects(gap) for gap in gaps)
    ]


def _drawn(areas: Mapping[str, Area]) -> tuple[KindMap, int]:
    """The paths of one kind, simplified together, and how many vertices they hold."""
    import shapely

    tolerance = TOLERANCE
    while True:
        simple = shapely.coverage_simplify(list(areas.values()), tolerance)
        shapes = {code: _shape(area) for code, area in zip(areas, simple, strict=True)}
        if sum(len(shape.path) for shape in shapes.values()) <= MOST_PATH_BYTES or tolerance > WIDTH:
            break
        tolerance *= 2
    width, height = shapely.total_bounds(list(areas.values()))[2:]
    kept = int(shapely.get_num_coordinates(list(simple)).sum())
    return KindMap(round(float(width), 1), round(float(height), 1), shapes), kept


def _shape(area: Area) -> Shape:
    import shapely

    parts: list[Area] = [part for part in shapely.get_parts(area) if not part.is_empty]
    largest = max(parts, key=lambda part: part.area)
    point = largest.representative_point()
    west, _, east, _ = largest.bounds
    across = shapely.LineString([(west, point.y), (east, point.y)]).intersection(largest)
    here = next((part for part in shapely.get_parts(across) if part.distance(point) < 1e-6), across)
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    path = "".join(_path(list(ring.coords)[:-1]) for ring in rings)
    if not path:  # smaller than what is drawn of it: a square one can still see and point at
        path = f"M{point.x - 1:.1f},{point.y - 1:.1f}h2v2h-2Z"
    return Shape(path, round(point.x, 1), round(point.y, 1), round(here.length, 1))


def _path(ring: Sequence[Sequence[float]]) -> str:
    """A ring to a tenth of a unit; neighbours round their common corners alike. Nothing for a ring that vanished."""
    points = [f"{p[0]:.1f},{p[1]:.1f}" for p in ring]
    kept = [point for n, point in enumerate(points) if point != points[n - 1]]
    return "M" + "L".join(kept) + "Z" if len(kept) >= 3 else ""
