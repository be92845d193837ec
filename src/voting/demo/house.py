"""A house of the demo with sixty flats and their owners, and two polls of theirs: renovation, and a general meeting.

The flats are an ordinary file, loaded by the ordinary import. Their owners are the first synthetic citizens and two of
the demo's residents, wherever they live: owning a flat is another matter than living in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from polls.owners_templates import owners_meeting, renovation
from polls.register import TerritoryRow, load_buildings
from polls.sessions import Session
from polls.unit_import import UnitReport, import_units
from results.decisions import Status
from voting.demo.script import CityDecides, DemoPoll, DemoStep, Leaning, t
from voting.demo_register import demo_citizen

DISTRICT = "msk-sao-timiryazevsky"
BUILDING = TerritoryRow(f"{DISTRICT}-yablonevy-8", "building", DISTRICT, "Яблоневый проезд, дом 8", "8 Apple Tree Lane")
FLATS = 60
AREAS = ("31.20", "44.80", "44.80", "58.40", "72.10")  # one landing after another
OWNED_BY_RESIDENTS = {12: "77-90000001", 25: "77-90000002"}
UNKNOWN = 17  # the flat no owner of which is known
SINCE = "2018-06-01"


def flats() -> Iterator[str]:
    """The lines of the file of flats: most with one owner, every third with two, every seventh with three."""
    yield "building,number,kind,area,national_id,share,since\n"
    citizen = 0
    for number in range(1, FLATS + 1):
        begin = f"{BUILDING.code},{number},flat,{AREAS[(number - 1) % len(AREAS)]}"
        if number == UNKNOWN:
            yield f"{begin},,,{SINCE}\n"
            continue
        parts = 3 if number % 7 == 0 else 2 if number % 3 == 0 else 1
        for part in range(parts):
            citizen += 1
            resident = OWNED_BY_RESIDENTS.get(number) if part == 0 else None
            yield f"{begin},{resident or demo_citizen(citizen).national_id},1/{parts},{SINCE}\n"


async def settle_house(session: Session, *, secrets: Mapping[int, bytes], now: datetime, zone: str) -> UnitReport:
    """Load the house and its owners; loading again changes nothing. In a very small demo some owners are missing."""
    await load_buildings(session, [BUILDING])
    content = "".join(flats()).encode()
    return await import_units(session, [content], secrets=secrets, now=now, skip_unknown=True, zone=zone)


RENOVATION = DemoPoll(
    slug="renovatsiya-yablonevy-8",
    opens=timedelta(days=-75),
    closes=timedelta(days=-44),
    share=0.62,
    keen=("neighbour",),
    leanings={1: Leaning({1: 78, 2: 22}, neutral=0.0)},
    decision=CityDecides(
        "Дом включён в программу реновации: за — более двух третей квартир. Площадки для переезда подбираются, список "
        "опубликуем до конца квартала.",
        "The house joins the renovation programme: more than two thirds of its flats are for. Sites to move to will be "
        "published this quarter.",
        "Департамент градостроительной политики", Status.IN_PROGRESS, timedelta(days=6), timedelta(days=26),
        steps=(
            DemoStep("Сообщить собственникам итог", "Tell the owners the result", timedelta(days=5), timedelta(days=4),
                     ("Письма разосланы всем 60 квартирам.", "Letters went to all 60 flats.")),
            DemoStep("Опубликовать список площадок", "Publish the list of sites", timedelta(days=24)),
        ),
    ),
    content={
        **renovation(BUILDING.code),
        "title": t("Реновация: Яблоневый проезд, дом 8", "Renovation: 8 Apple Tree Lane"),
        "territory": DISTRICT,
        "department": "Департамент градостроительной политики",
    },
)  # fmt: skip

MEETING = DemoPoll(
    slug="sobranie-yablonevy-8",
    opens=timedelta(days=-6),
    closes=timedelta(days=24),
    share=0.35,
    leanings={
        number: Leaning({1: weight, 2: 100 - weight}, neutral=0.06)
        for number, weight in ((1, 88), (2, 66), (3, 58), (4, 35))
    },
    content={
        **owners_meeting(BUILDING.code),
        "title": t("Собрание собственников: Яблоневый проезд, дом 8", "Owners' meeting: 8 Apple Tree Lane"),
        "description": t(
            "Заочное собрание. Голоса считаются по площади; решение каждого собственника именное.",
            "A meeting by absent voting. Votes go by area; every owner's decision is named.",
        ),
        "territory": DISTRICT,
        "department": "Совет дома",
    },
)  # fmt: skip

HOUSE_POLLS = (RENOVATION, MEETING)
