"""Importing Pabulib budgets: real ballots through the real path, all or nothing, and the same projects as a recount.

The real file is read where it is at hand (``../shared/data``).
"""

import dataclasses
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text
from tests.builders import SEALER, ASigner

from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from polls.definition import Budget, Dimension
from polls.errors import BadFile, RuleUnknown
from polls.lifecycle import State
from polls.pabulib import count_file, parse, write
from polls.pabulib_import import ImportedAlready, ImportedBudget, TerritoryUnknown, import_budget, poll_id_of
from polls.pabulib_poll import ascii_slug, clean
from polls.register import load_territories, territory_tree
from polls.sessions import Session
from polls.tables import citizen, count_record, participation, poll, territory
from voting.commands.importing import importing, verdict
from voting.db import Database, database_url_for

MOKOTOW = Path(__file__).parents[3] / "shared" / "data" / "pabulib" / "Poland_Warszawa_2023_Mokotow.pb"
REASON = f"THE REAL PABULIB FILE IS NOT AT {MOKOTOW}: its import was NOT run"
WHOLE = bool(os.environ.get("VECHE_FULL_COUNTS"))
PART = 600  # ballots of the real file, when not run in full

TOWN = '''META
key;value
description;Budżet Żółtej Wody
country;Poland
unit;Żółta Woda
instance;2024
num_projects;3
num_votes;6
budget;100.50
vote_type;approval
rule;greedy
date_begin;01.06.2024
date_end;15.06.2024
max_length;2
currency;PLN
PROJECTS
project_id;cost;votes;name;category;selected
a;60;4;"Trees; and ""grass""";urban greenery,culture;1
b;50.5;3;Benches;;0
c;40.50;3;;;1
VOTES
voter_id;vote;age;sex;district
1;a,b;30;M;Stare Miasto
2;a;15;F;Stare Miasto
3;a,c;;K;Nowe Miasto
4;b,c;200;;Nowe Miasto,Stare Miasto
5;a,b,c;7;X;
6;;44;F;Nowe Miasto
'''


async def imported(session: Session, file: str = TOWN, **more: Any) -> ImportedBudget:
    content = file.encode()
    return await import_budget(
        session, parse(content), content, signer=ASigner(), sealer=SEALER, official_id=7, now=datetime.now(UTC), **more
    )


async def test_a_file_becomes_a_counted_poll_with_its_own_register(session: Session) -> None:
    told: list[int] = []
    done = await imported(session, progress=told.append)
    assert (done.cast, done.refused, done.selected, done.agrees) == (6, (), ("a", "c"), True)
    assert done.slug.startswith("zolta-woda-2024-") and done.public_id == poll_id_of(TOWN.encode())
    assert told == [6]
    found = await sealed_poll(session, done.slug)
    assert found.stored_state is State.COUNTED and found.closes_at > found.opens_at
    assert "каждый" not in found.reason and "Every ballot" in found.reason
    question = found.definition.questions[0]
    assert isinstance(question, Budget)
    assert (question.rule.method, question.rule.budget, question.currency) == ("greedy", 10050, "PLN")
    assert [(o.reference, o.cost, o.text.ru) for o in question.options] == [
        ("a", 6000, 'Trees; and "grass"'), ("b", 5050, "Benches"), ("c", 4050, "№ c"),
    ]  # fmt: skip
    assert not question.required, "one real ballot is blank"
    assert not found.definition.roll_known
    assert "01.06.2024 – 15.06.2024" in found.definition.description.ru


async def test_voters_are_registered_as_the_file_knows_them(session: Session) -> None:
    done = await imported(session)
    found = await sealed_poll(session, done.slug)
    assert found.definition.strata == (Dimension.DISTRICT, Dimension.AGE_BAND, Dimension.SEX)
    year = found.opens_at.year
    rows = await session.execute(
        text(
            "SELECT c.birth_date, c.sex, t.code FROM citizen c JOIN citizen_period p ON p.citizen_id = c.id"
            " JOIN territory t ON t.id = p.district_id WHERE c.register_code = :code ORDER BY c.id"
        ),
        {"code": found.definition.register_code},
    )
    city, old, new = (f"pabulib-poland-zolta-woda{part}" for part in ("", "-stare-miasto", "-nowe-miasto"))
    assert [(born and year - born.year, sex, code) for born, sex, code in rows] == [
        (30, "m", old), (15, "f", old), (None, "f", new), (None, None, city), (7, None, city), (44, "f", new),
    ]  # fmt: skip


async def test_bounds_that_real_ballots_break_are_left_out(session: Session) -> None:
    assert not (await imported(session)).bounds_kept, "ballot 5 has three projects where two are declared"
    kept = TOWN.replace("max_length;2", "max_length;3")
    done = await imported(session, kept)
    question = (await sealed_poll(session, done.slug)).definition.questions[0]
    assert isinstance(question, Budget)
    assert done.bounds_kept and question.max_choices == 3


@pytest.mark.parametrize("rule", ["greedy", "greedy-threshold", "greedy-no-skip"])
async def test_every_rule_we_count_gives_what_the_recount_gives(session: Session, rule: str) -> None:
    file = TOWN.replace("rule;greedy", f"rule;{rule}\nmin_project_score_threshold;4")
    done = await imported(session, file)
    assert done.selected == count_file(parse(file)).selected


async def test_what_cannot_be_imported_is_named_before_anything_is_written(session: Session) -> None:
    with pytest.raises(RuleUnknown) as refused:
        await imported(session, TOWN.replace("rule;greedy", "rule;equalshares/add1"))
    assert refused.value.facts["rule"] == "equalshares/add1"
    ordinal = TOWN.replace("vote_type;approval", "vote_type;ordinal").replace("max_length;2", "max_length;3")
    with pytest.raises(BadFile, match="bad_file") as bad:
        await imported(session, ordinal)
    assert "ordinal" in bad.value.facts["reason"] and bad.value.facts["line"] == 10
    with pytest.raises(BadFile) as unknown:
        parse(TOWN.replace("1;a,b;", "1;a,z;"))
    assert "'z'" in unknown.value.facts["reason"]
    with pytest.raises(TerritoryUnknown):
        await imported(session, territory_code="atlantis")
    assert not await session.scalar(select(func.count()).select_from(citizen))


async def test_the_same_file_is_refused_the_second_time(session: Session) -> None:
    first = await imported(session)
    with pytest.raises(ImportedAlready) as refused:
        await imported(session)
    assert refused.value.facts["slug"] == first.slug
    assert (await imported(session, TOWN.replace("Benches", "Bins"))).public_id != first.public_id


async def test_a_poll_can_be_placed_in_the_city_itself(session: Session) -> None:
    from tests.builders import CITY

    await load_territories(session, CITY)
    before = set((await territory_tree(session)).by_code)
    done = await imported(session, territory_code="msk-cao-arbat")
    assert (await sealed_poll(session, done.slug)).definition.territory == "msk-cao-arbat"
    assert set((await territory_tree(session)).by_code) == before


async def test_an_import_that_fails_leaves_nothing(fresh_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from polls import pabulib_import

    cast, calls = cast_ballot, 0

    async def failing(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise ConnectionError("the server went away")
        return await cast(*args, **named)

    monkeypatch.setattr(pabulib_import, "cast_ballot", failing)
    with pytest.raises(ConnectionError):
        async with fresh_database.open_session() as session:
            await imported(session)
    async with fresh_database.open_session() as session:
        for table in (poll, citizen, participation, territory):
            assert not await session.scalar(select(func.count()).select_from(table)), table.name
        monkeypatch.undo()
        assert (await imported(session)).agrees, "and it can be begun again"


@pytest.mark.skipif(not MOKOTOW.exists(), reason=REASON)
async def test_mokotow_funds_what_the_city_funded(fresh_database: Database) -> None:
    """All 11,067 ballots with VECHE_FULL_COUNTS; otherwise the first of them, held against a recount of the same."""
    content = MOKOTOW.read_bytes()
    instance = parse(content)
    if not WHOLE:
        instance = dataclasses.replace(instance, ballots=instance.ballots[:PART])
        content = write(instance).encode()
    async with fresh_database.open_session() as session:
        done = await import_budget(
            session, instance, content, signer=ASigner(), sealer=SEALER, official_id=0, now=datetime.now(UTC)
        )  # fmt: skip
    assert done.cast == len(instance.ballots) and not done.refused and done.bounds_kept
    assert done.selected == count_file(instance).selected
    assert done.agrees
    if WHOLE:
        assert done.selected == done.count.source_selected
        assert verdict(done) == "The poll funds 24 projects, the same as the city did."
    async with fresh_database.open_read_session() as reading:
        record = (await reading.execute(select(count_record))).one()
        assert record.ballots == record.participations == done.cast


def test_the_command_shows_the_outcome_beside_the_citys(fresh_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "town.pb"
    file.write_text(TOWN.replace("b;50.5;3;Benches;;0", "b;50.5;3;Benches;;1"))
    environment = {
        "VECHE_DATABASE_URL": database_url_for(fresh_database_url, "postgresql"),
        "VECHE_DATA_DIR": str(tmp_path),
    }
    done = CliRunner().invoke(importing, ["pabulib", str(file)], env=environment)
    assert done.exit_code == 0, done.output
    assert "6 ballots cast and counted by the rule greedy" in done.output
    assert "The poll funds 2 projects, the city 3; they differ on 1." in done.output
    assert "/polls/zolta-woda-2024-" in done.output
    again = CliRunner().invoke(importing, ["pabulib", str(file)], env=environment)
    assert isinstance(again.exception, ImportedAlready)
    file.write_text("nothing of the kind")
    bad = CliRunner().invoke(importing, ["pabulib", str(file)], env=environment)
    assert bad.exit_code == 1 and "line 1, META" in bad.output


def test_names_become_codes() -> None:
    assert ascii_slug("Łódź") == "lodz"
    assert ascii_slug("Żółta Woda / Śródmieście") == "zolta-woda-srodmiescie"
    assert ascii_slug("Щукино, Южный съезд") == "shchukino-yuzhnyy-sezd"
    assert ascii_slug("東京") == "x"
    assert clean("a\u202eb\x07c\n d") == "ab c d"
