"""Tables of owners and of invited residents: flats, who owns them and since when, the unit roll, lists.

Areas are in hundredths of a square metre; an owner's share of a flat is an exact fraction.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from polls.tables import Moment, metadata

unit = Table(
    "unit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("building_id", ForeignKey("territory.id"), nullable=False, index=True),
    Column("number", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="flat"),
    Column("area", Integer, nullable=False, comment="hundredths of a square metre"),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment, comment="exclusive; null while it lasts"),
    CheckConstraint("kind IN ('flat', 'nonresidential')", name="kind"),
    CheckConstraint("area > 0", name="area"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="order"),
    comment="a flat as it was for a time: with another area or kind it ends and begins anew",
)
Index("uq_unit_current", unit.c.building_id, unit.c.number, unique=True, postgresql_where=text("valid_to IS NULL"))

unit_owner = Table(
    "unit_owner",
    metadata,
    Column("unit_id", ForeignKey("unit.id"), primary_key=True),
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Column("valid_from", Moment, primary_key=True),
    Column("valid_to", Moment, comment="exclusive; null while it lasts"),
    Column("share_numerator", Integer, nullable=False),
    Column("share_denominator", Integer, nullable=False),
    CheckConstraint("share_numerator > 0 AND share_numerator <= share_denominator", name="share"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="order"),
    Index("ix_unit_owner_citizen_id", "citizen_id"),
    comment="who owns what part of a flat, with the time it held",
)

unit_roll = Table(
    "unit_roll",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("unit_id", ForeignKey("unit.id"), primary_key=True),
    Column("building_id", ForeignKey("territory.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("area", Integer, nullable=False),
    comment="the flats that decide in a poll of owners, as of opens_at",
)

unit_roll_owner = Table(
    "unit_roll_owner",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("unit_id", ForeignKey("unit.id"), primary_key=True),
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Column("share_numerator", Integer, nullable=False),
    Column("share_denominator", Integer, nullable=False),
    comment="their owners' shares, as of opens_at",
)

invited_list = Table(
    "invited_list",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("title_ru", Text, nullable=False),
    Column("title_en", Text, nullable=False, server_default=""),
    Column("size", Integer, nullable=False),
    Column("uploaded_by", BigInteger, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    comment="a list of invited residents; never changes once uploaded",
)

invited = Table(
    "invited",
    metadata,
    Column("list_id", ForeignKey("invited_list.id"), primary_key=True),
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Index("ix_invited_citizen_id", "citizen_id"),
)
