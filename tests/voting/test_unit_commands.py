"""`veche register buildings`, `units` and `invite`: what they say, and that a bad file leaves nothing behind."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from voting.commands.register import register

BUILDINGS = 'code,district,name_ru,name_en\nhouse-1,msk-cao-arbat,"Арбат, 1","1 Arbat"\n'
PEOPLE = "national_id,birth_date,sex,district,level,groups,building\n77-1,1980-01-01,f,msk-cao-arbat,2,,house-1\n"
FLATS = 'Дом;Квартира;Площадь;СНИЛС;Доля\n"Арбат, 1";1;54,3;77-1;1/2\nhouse-1;2;30;;\n'


def test_a_house_and_a_list_by_the_command_line(tmp_path: Path, fresh_database_url: str) -> None:
    env = {"VECHE_DATABASE_URL": fresh_database_url, "VECHE_DATA_DIR": str(tmp_path / "data")}

    def run(command: str, content: bytes | str, *more: str) -> tuple[int, str, str]:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = CliRunner().invoke(register, [command, str(path), *more], env=env)
        return done.exit_code, done.stdout, done.stderr

    assert run("import", PEOPLE.replace(",building", "").replace(",house-1", ""))[0] == 0  # loads the territories too
    assert run("buildings", BUILDINGS) == (0, "buildings: 1\n", "")
    assert "unknown district" in run("buildings", "code,district,name_ru\nx,nowhere,X\n")[2]
    assert "not a CSV file in UTF-8" in run("buildings", BUILDINGS.encode("cp1251"))[2]
    assert "changed    1" in run("import", PEOPLE)[1]

    tried = run("units", FLATS, "--dry-run")
    assert tried[1].startswith("2 rows, 2 flats (dry run: nothing was written)")
    code, out, _ = run("units", FLATS)
    assert (code, "added         2" in out, "flats without a known owner: 1" in out) == (0, True, True)
    assert "flats whose shares do not sum to one: 1" in out
    assert "unchanged     2" in run("units", FLATS, "--whole")[1]
    stranger = FLATS.replace("77-1", "9-9")
    assert "line 2, national_id: the register does not know this person" in run("units", stranger)[2]
    assert "whom the register does not know: 1" in run("units", stranger, "--skip-unknown")[1]

    invite = ("--code", "council", "--title", "Совет дома")
    assert run("invite", "СНИЛС\n77-1\n", *invite) == (0, "residents in the list «council»: 1\n", "")
    assert "never changes" in run("invite", "СНИЛС\n77-1\n", *invite)[2]
    assert "Latin letters" in run("invite", "СНИЛС\n77-1\n", "--code", "Совет", "--title", "Совет")[2]
    refused = run("invite", "СНИЛС\n77-1\n77 1\n", "--code", "other", "--title", "Другой")
    assert (refused[0], "line 3, national_id: the same person as in line 2" in refused[2]) == (1, True)


@pytest.mark.parametrize("command", ["buildings", "units", "invite"])
def test_help(command: str) -> None:
    assert "CSV, UTF-8" in CliRunner().invoke(register, [command, "--help"]).stdout
