"""What the role may do in the ledger's database, and what to grant if that is not enough."""

from __future__ import annotations

from typing import NamedTuple

from worker.ledger.engine import Engine
from worker.model.server_address import ServerAddress


class Rights(NamedTuple):
    """What the role may do.

    role        its name
    database    the database's name
    may_create  whether it may create a schema in this database
    may_stage   whether it may create temporary tables there, which a later run of a job needs
    owner       the owner of the ledger's schema; None: there is no such schema yet
    owns        whether the role is that owner, or a member of it
    not_ended   other roles that use the ledger, whose sessions it cannot end
    """

    role: str
    database: str
    may_create: bool
    may_stage: bool
    owner: str | None
    owns: bool
    not_ended: tuple[str, ...]


def rights_of(engine: Engine, address: ServerAddress) -> Rights:
    """Ask the server."""
    row = engine.execute("rights", {"schema": address.schema}).fetchone()
    others = engine.execute("roles_not_ended", {"schema": address.schema})
    return Rights(
        row["role"],
        row["database"],
        row["may_create"],
        row["may_stage"],
        row["owner"],
        bool(row["owns"]),
        tuple(one[0] for one in others),
    )


def lacking(address: ServerAddress, rights: Rights) -> tuple[str, str] | None:
    """What a run lacks, and how to change it; None if it has the schema or may create it, and may
    create temporary tables."""
    if rights.owner is None and not rights.may_create:
        return (
            f"role {rights.role} may not create the schema {address.schema}",
            f"Let an administrator run, in the database {rights.database}: CREATE SCHEMA"
            f' {address.schema} AUTHORIZATION "{rights.role}";',
        )
    if rights.owner is not None and not rights.owns:
        return (
            f"the schema {address.schema} belongs to role {rights.owner}, not to {rights.role}",
            f"Use the role {rights.owner} on all machines, or name another schema: ?schema=NAME.",
        )
    if not rights.may_stage:
        return lacking_temporary(rights.role, rights.database)
    return None


def lacking_temporary(role: str, database: str) -> tuple[str, str]:
    """What a role lacks that may not create temporary tables, and how to change it."""
    return (
        f"role {role} may not create temporary tables in the database {database}",
        f'Let an administrator run: GRANT TEMPORARY ON DATABASE "{database}" TO "{role}";',
    )
