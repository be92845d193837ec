"""A GeoJSON file of a city's territories: read, and checked before anything is drawn. Pure.

GeoJSON by RFC 7946: longitude and latitude in degrees (WGS 84), one Polygon or MultiPolygon a feature, named by its
property `code`. A file may come from anywhere, so sizes are limited before anything is built of them, and what is
wrong is said feature by feature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from polls.errors import FieldError, Invalid
from polls.territories import TerritoryTree

MOST_BYTES = 8 * 1024 * 1024
MOST_FEATURES = 2_000
MOST_VERTICES = 200_000
MOST_FAULTS = 50
KINDS = ("okrug", "district")
LONGEST_CODE = 64
WGS84 = frozenset({"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326",
                   "EPSG:4326", "CRS84"})  # fmt: skip

FAULTS: Mapping[str, str] = {
    "too_large": "The file is larger than {most} MB. Simplify it, or leave out what is no border.",
    "not_utf8": "The file is not UTF-8 text.",
    "not_json": "The file is not JSON.",
    "not_a_number": "The file holds {name}, which is no coordinate.",
    "too_deep": "The file is nested too deeply to be a map.",
    "no_collection": "The file must be a GeoJSON FeatureCollection.",
    "wrong_system": "Coordinates must be longitude and latitude in degrees (WGS 84, EPSG:4326); the file says {name}.",
    "no_features": "The file holds no features.",
    "too_many_features": "The file holds {n} features; the most is {most}.",
    "no_code": "Feature {n} has no property “code” that names a territory.",
    "unknown_territory": "“{code}” is no okrug or district of the city.",
    "twice": "“{code}” is drawn twice.",
    "no_polygon": "“{code}” must be a Polygon or a MultiPolygon.",
    "no_rings": "“{code}” has no coordinates.",
    "short_ring": "“{code}”: a ring has fewer than four positions.",
    "open_ring": "“{code}”: a ring does not end where it begins.",
    "no_position": "“{code}”: a position is not a pair of numbers.",
    "off_the_earth": "“{code}”: a position is not longitude and latitude in degrees. Metres will not do.",
    "too_many_vertices": "With “{code}” the file has more than {most} positions. Simplify it first.",
    "antimeridian": "“{code}” crosses the 180th meridian, which the map cannot be drawn across.",
    "across": "The territories lie on both sides of the 180th meridian, which the map cannot be drawn across.",
    "invalid_area": "“{code}”: its border crosses itself or encloses nothing.",
    "overlap": "“{code}” lies on “{other}”.",
    "no_extent": "The map has no width or no height.",
}
"""What may be wrong with a file, by code, for whoever made it."""

Position = tuple[float, float]
Rings = list[list[Position]]
"""A polygon: its outer ring, then its holes."""
Read = dict[str, dict[str, list[Rings]]]
"""Polygons by kind of territory and code."""


def read_territories(data: bytes, places: TerritoryTree) -> tuple[Read, dict[str, int]]:
    """The polygons of a file, and which feature (from nought) drew each code.

    Each code is known and named once, each ring closed, finite and on the earth. Refuses with `Invalid`, one error a
    feature (path ``features/7``) in the order of the file, at most fifty.
    """
    features = _features(_parsed(data))
    return _checked(features, places), {code: place for place, code, _ in features}


def fault(what: str, path: str = "file", /, **facts: Any) -> FieldError:
    """One thing wrong with a file, in words; `what` is one of `FAULTS`."""
    return FieldError(path, what, FAULTS[what], facts or None)


def refusal(what: str, /, **facts: Any) -> Invalid:
    """A file refused as a whole."""
    return Invalid([fault(what, "file", **facts)])


def raise_if(faults: Sequence[FieldError]) -> None:
    """Refuse a file with its first faults, if it has any."""
    if faults:
        raise Invalid(tuple(faults[:MOST_FAULTS]))


def _no_number(name: str) -> float:
    raise refusal("not_a_number", name=name)


def _parsed(data: bytes) -> Any:
    if len(data) > MOST_BYTES:
        raise refusal("too_large", most=MOST_BYTES // 1024 // 1024)
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise refusal("not_utf8") from None
    except RecursionError:
        raise refusal("too_deep") from None
    except ValueError:
        raise refusal("not_json") from None


def _features(document: Any) -> list[tuple[int, str, Any]]:
    """Place, code and geometry of every feature."""
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise refusal("no_collection")
    _check_system(document.get("crs"))
    features = document.get("features")
    if not isinstance(features, list) or not features:
        raise refusal("no_features")
    if len(features) > MOST_FEATURES:
        raise refusal("too_many_features", n=len(features), most=MOST_FEATURES)
    found, faults = [], []
    for place, feature in enumerate(features):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        code = properties.get("code") if isinstance(properties, dict) else None
        if isinstance(code, str) and 0 < len(code) <= LONGEST_CODE:
            found.append((place, code, feature.get("geometry")))
        else:
            faults.append(fault("no_code", f"features/{place}", n=place + 1))
    raise_if(faults)
    return found


def _check_system(system: Any) -> None:
    """GeoJSON of 2008 could name a system of coordinates; RFC 7946 knows one alone."""
    if system is None:
        return
    properties = system.get("properties") if isinstance(system, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or name not in WGS84:
        raise refusal("wrong_system", name=str(name)[:80])


def _checked(features: Sequence[tuple[int, str, Any]], places: TerritoryTree) -> Read:
    """Rings by kind and code: each code known and named once, each ring closed, finite and on the earth."""
    found: Read = {}
    faults: list[FieldError] = []
    room = MOST_VERTICES
    for place, code, geometry in features:
        territory = places.by_code.get(code)
        path = f"features/{place}"
        if territory is None or territory.kind not in KINDS:
            faults.append(fault("unknown_territory", path, code=code))
        elif code in found.get(territory.kind, {}):
            faults.append(fault("twice", path, code=code))
        else:
            try:
                polygons = _polygons(geometry, room)
            except _Bad as bad:
                faults.append(fault(bad.code, path, code=code, most=MOST_VERTICES))
                if bad.code == "too_many_vertices":
                    break
                continue
            room -= sum(len(ring) for rings in polygons for ring in rings)
            found.setdefault(territory.kind, {})[code] = polygons
    raise_if(faults)
    longitudes = [x for codes in found.values() for many in codes.values() for rings in many for x, _ in rings[0]]
    if max(longitudes) - min(longitudes) > 180:
        raise refusal("across")
    return found


class _Bad(Exception):
    """A geometry that cannot be read; `code` is one of `FAULTS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _polygons(geometry: Any, room: int) -> list[Rings]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise _Bad("no_polygon")
    many = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(many, list) or not many:
        raise _Bad("no_rings")
    polygons: list[Rings] = []
    for rings in many:
        if not isinstance(rings, list) or not rings:
            raise _Bad("no_rings")
        made: Rings = []
        for ring in rings:
            made.append(_ring(ring, room))
            room -= len(made[-1])
        polygons.append(made)
    return polygons


def _ring(ring: Any, room: int) -> list[Position]:
    if not isinstance(ring, list) or len(ring) < 4:
        raise _Bad("short_ring")
    if len(ring) > room:
        raise _Bad("too_many_vertices")
    made = [_position(one) for one in ring]
    if made[0] != made[-1]:
        raise _Bad("open_ring")
    if any(abs(a[0] - b[0]) > 180 for a, b in pairwise(made)):
        raise _Bad("antimeridian")
    return made


def _position(value: Any) -> Position:
    if not isinstance(value, list) or not 2 <= len(value) <= 4:
        raise _Bad("no_position")
    x, y = value[0], value[1]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (x, y)):
        raise _Bad("no_position")
    if not (-180 <= x <= 180 and -90 <= y <= 90):  # infinity too, which 1e999 is read as
        raise _Bad("off_the_earth")
    return float(x), float(y)
