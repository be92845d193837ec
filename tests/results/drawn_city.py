"""A made-up map of a city: as GeoJSON, with ragged borders that neighbours share to the last digit."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import shapely
import shapely.affinity

MIDDLE = (37.6, 55.75)


def a_map(codes: Sequence[str], *, seed: int = 3, fine: float = 0.0004, bend: float = 0.001) -> bytes:
    """A GeoJSON file with one area a code: cells around random points, their borders bent alike on both sides."""
    rng = random.Random(seed)
    points = shapely.MultiPoint([(rng.gauss(0, 0.1), rng.gauss(0, 0.06)) for _ in codes])
    disc = shapely.Point(0, 0).buffer(1).envelope
    cells = shapely.voronoi_polygons(points, extend_to=disc)
    ordered = sorted(cells.geoms, key=lambda cell: (round(cell.centroid.x, 2), cell.centroid.y))
    limit = shapely.affinity.scale(shapely.Point(0, 0).buffer(0.3), 1, 0.6)
    areas = [shapely.segmentize(cell.intersection(limit), fine) for cell in ordered]
    return collection(
        [(code, shapely.transform(area, lambda c: _bent(c, bend))) for code, area in zip(codes, areas, strict=True)]
    )


def _bent(coordinates: Any, bend: float) -> Any:
    """Moves every position by a wave of where it is, so that a border stays one whoever draws it."""
    moved = coordinates.copy()
    for row, (x, y) in zip(moved, coordinates, strict=True):
        row[0] = round(MIDDLE[0] + x + bend * math.sin(220 * y) + bend / 3 * math.sin(1100 * (x + y)), 7)
        row[1] = round(MIDDLE[1] + y + bend * math.sin(240 * x) + bend / 3 * math.cos(900 * (x - y)), 7)
    return moved


def collection(areas: Sequence[tuple[str, Any]]) -> bytes:
    """A FeatureCollection of geometries by code."""
    features = [
        {"type": "Feature", "properties": {"code": code}, "geometry": json.loads(shapely.to_geojson(area))}
        for code, area in areas
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()
