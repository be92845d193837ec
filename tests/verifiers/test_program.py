"""The verifier as a command of ours, and as a file the site gives away."""

import subprocess
import sys
from pathlib import Path

import httpx
from click.testing import CliRunner
from tests.sites import HTTP, fast_passwords, site_settings
from tests.verifiers import boards

import veche_verify as verifier
from voting.app import create_app
from voting.cli import cli

PROGRAM = Path(verifier.__file__).read_bytes()


def test_the_command_is_the_program(tmp_path):
    service = boards.tied_by_lot()
    directory = boards.write(service.files(), tmp_path / "board")
    found = CliRunner().invoke(cli, ["verify", *boards.with_log(directory), "--key", service.vkey, "--lang", "en"])
    assert found.exit_code == 0, found.output
    assert "VALID" in found.output
    (directory / "definition.json").write_bytes(b"{}")
    assert CliRunner().invoke(cli, ["verify", str(directory)]).exit_code == 1
    assert CliRunner().invoke(cli, ["verify"]).exit_code == 2


def test_the_command_starts_without_the_service(tmp_path):
    """Whoever verifies need not have a database or its drivers at hand."""
    asks = "import sys; from voting.cli import cli; cli(['verify', '--version'], standalone_mode=False)"
    checks = "assert not {'sqlalchemy', 'litestar', 'polls'} & set(sys.modules), sorted(sys.modules)"
    program = f"import sys\ntry:\n    exec({asks!r})\nexcept SystemExit:\n    pass\n{checks}"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


async def test_the_site_gives_the_program_away(shared_database, tmp_path):
    app = create_app(site_settings(tmp_path), database=shared_database, passwords=fast_passwords())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=HTTP) as client:
        reply = await client.get("/verify/veche_verify.py")
    assert reply.status_code == 200
    assert reply.content == PROGRAM
    assert reply.headers["content-type"].startswith("text/x-python")
    assert "attachment" in reply.headers["content-disposition"]
