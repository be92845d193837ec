"""Templates of polls in which owners decide for their house, with the law behind every majority. Pure.

The general meeting: Housing Code of the Russian Federation. Votes by the owned area (art. 48 part 3); a quorum of more
than half of all votes (art. 45 part 3); most of the votes taking part unless the Code asks for more (art. 46 part 1);
more than half of all votes for the way the house is managed and at least two thirds for other items, as art. 46 part 1
names them (wording of 1 September 2024); everybody's consent to make the common property smaller (art. 36 part 3).
Renovation: law 141-ФЗ of 1 July 2017; Moscow Government decree 245-ПП of 2 May 2017, more than two thirds of the flats;
silent flats in proportion to the others since 2 June 2017.
"""

from __future__ import annotations

from typing import Any

Parts = dict[str, Any]
NAMES_SEEN_BY: Parts = {
    "ru": "Инициатор и секретарь собрания, для протокола и реестра решений собственников.",
    "en": "The initiator and the secretary of the meeting, for the minutes and the register of owners' decisions.",
}


def owners_meeting(building: str) -> Parts:
    """A general meeting by absent voting, an item of each of the Code's majorities."""
    return {
        "title": {"ru": "Общее собрание собственников дома", "en": "General meeting of the owners of a house"},
        "summary": {"ru": "Заочное голосование по повестке собрания.", "en": "Absent voting on the agenda."},
        "topic": "housing", "binding": True, "privacy": "named", "receipt": "acceptance_only",
        "names_seen_by": NAMES_SEEN_BY, **_of_house(building, "1/2"),
        "questions": [
            _item(
                1, "Избрать председателем собрания собственника квартиры 1?",
                "Elect the owner of flat 1 chair of the meeting?",
                "ч. 1 ст. 46 ЖК РФ: большинство голосов участвующих", denominator="cast", threshold="1/2",
            ),
            _item(
                2, "Выбрать способ управления: управляющая организация ООО «Дом»?",
                "Have the house managed by a managing company, “Dom” Ltd.?",
                "п. 4 ч. 2 ст. 44, ч. 1 ст. 46 ЖК РФ: более половины голосов всех собственников",
                denominator="entitled", threshold="1/2",
            ),
            _item(
                3, "Установить шлагбаум на въезде во двор?", "Put a barrier at the entrance to the yard?",
                "п. 2 ч. 2 ст. 44, ч. 1 ст. 46 ЖК РФ: не менее двух третей голосов всех собственников",
                denominator="entitled", threshold="2/3", inclusive=True,
            ),
            _item(
                4, "Присоединить колясочную к квартире 1?", "Join the pram room to flat 1?",
                "ч. 3 ст. 36 ЖК РФ: согласие всех собственников", denominator="entitled", threshold="1/1",
                inclusive=True,
            ),
        ],
    }  # fmt: skip


def renovation(building: str) -> Parts:
    """One question, a flat decided by its owners' shares, the house by more than two thirds of its flats."""
    question = _item(
        1, "Включить ваш дом в программу реновации?", "Include your house in the renovation programme?",
        "№ 141-ФЗ от 01.07.2017; постановление Правительства Москвы от 02.05.2017 № 245-ПП:"
        " более двух третей квартир",
        denominator="valid", threshold="2/3", speaks="unit", weigh_by="units", silent="proportional",
    )  # fmt: skip
    return {
        "title": {"ru": "Реновация: решение дома", "en": "Renovation: the decision of the house"},
        "summary": {"ru": "Решают собственники квартир.", "en": "The owners of the flats decide."},
        "description": {
            "ru": "Голоса квартир, собственники которых не проголосовали, делятся пропорционально поданным.",
            "en": "Flats whose owners did not vote are counted in proportion to those that did.",
        },
        "topic": "housing", "binding": True, "privacy": "named", "receipt": "acceptance_only",
        "names_seen_by": {
            "ru": "Департамент, который ведёт программу, для проверки права собственности.",
            "en": "The department that runs the programme, to check who owns what.",
        },
        **_of_house(building, None),
        "questions": [question],
    }  # fmt: skip


def _of_house(building: str, quorum: str | None) -> Parts:
    """Owners of the house; while it is not known, a draft the checklist does not let through."""
    owners: Parts = {"op": "all", "of": [{"op": "unit", "codes": [building]}] if building else []}
    return {
        "audience": owners,
        "units": {"buildings": [building] if building else [], "quorum_of_area": quorum},
        "strata": [],
    }


def _item(number: int, ru: str, en: str, law: str, **rule: Any) -> Parts:
    """For, against, abstain; by area with each owner's share on its own unless said otherwise."""
    return {
        "kind": "single_choice", "id": number, "text": {"ru": ru, "en": en}, "required": False,
        "options": [
            {"id": 1, "text": {"ru": "За", "en": "For"}},
            {"id": 2, "text": {"ru": "Против", "en": "Against"}},
            {"id": 90, "text": {"ru": "Воздержался", "en": "Abstained"}, "kind": "neutral"},
        ],
        "rule": {
            "method": "units", "speaks": "owner", "weigh_by": "area", "silent": "dropped", "for_option": 1,
            "against_option": 2, "law": law, **rule,
        },
    }  # fmt: skip
