"""The job that signs certified protocols: web processes do not hold the key, so the worker does it, within seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from results.protocol import sign_protocol, unsigned_protocols
from voting.jobs import Work, registry
from voting.keys import PROTOCOL, BadKey, check_keys, signer

logger = structlog.get_logger(__name__)

SIGN = "sign_protocols"


@registry.periodic(SIGN, cron="* * * * * */10")
async def sign_protocols(work: Work) -> None:
    """Sign what is certified and not signed. Certifying asks for it at once; the tick is there if that was lost.

    A key that is missing or another than listed is logged at every tick; the protocols wait, and say so.
    """
    async with work.database.open_read_session() as reading:
        waiting = await unsigned_protocols(reading)
    for protocol_id in waiting:
        try:
            async with work.database.open_session() as session:
                await check_keys(session, work.settings, (PROTOCOL,))  # nobody could check another than the listed one
                key = signer(work.settings, PROTOCOL)
                if await sign_protocol(session, protocol_id, key, datetime.now(UTC)):
                    logger.info("protocol_signed", protocol=protocol_id, key=key.key_id)
        except BadKey as fault:
            logger.error("protocol_not_signed", protocol=protocol_id, why=str(fault))
        except Exception:
            logger.exception("protocol_not_signed", protocol=protocol_id)
