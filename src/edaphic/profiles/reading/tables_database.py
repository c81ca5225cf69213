"""Tables of PostgreSQL, PostGIS and SQLite, through SQLAlchemy where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from edaphic.errors import TableError
from edaphic.profiles.reading.tables_points import from_ewkb, looks_like_ewkb, with_points

try:
    import sqlalchemy
except ImportError:  # An extra: only who reads from a database needs it.
    sqlalchemy = None  # type: ignore[assignment]

try:
    import psycopg
except ImportError:
    psycopg = None  # type: ignore[assignment]

_EXPECTED = "expected for example postgresql://user@host/database?table=schema.horizons or sqlite:////folder/file.db?table=horizons"
_EXTRA = "pip install 'edaphic[postgis]'"


def is_address(text: str) -> bool:
    """Whether a text is the address of a database rather than a path.

    >>> is_address("postgresql://me@host/soil?table=horizons"), is_address("C:/soil/postgresql.csv")
    (True, False)
    """
    return re.match(r"(postgres(ql)?|postgis|sqlite)(\+\w+)?:/", text, re.IGNORECASE) is not None


def public_address(address: str) -> str:
    """The address without a password.

    >>> public_address("postgresql://me:secret@host/soil?table=a&password=secret")
    'postgresql://me:***@host/soil?table=a&password=***'
    """
    hidden = re.sub(r"(:/+[^/@:?]*):.*@", r"\1:***@", address)
    return re.sub(r"(?i)((?:password|passfile|sslpassword)=)[^&]*", r"\1***", hidden)


def read_database(address: str) -> pd.DataFrame:
    """Read one table or view of a database.

    Parameters
    ----------
    address : str
        ``postgresql://user@host:port/database?table=schema.name`` or ``sqlite:////folder/file.db?table=name``. The password
        comes from the environment (``PGPASSWORD``) or from ``.pgpass``, never from the address. Further parts of the query
        (``sslmode=require``) go to the driver.

    Returns
    -------
    DataFrame
        Rows in order of the primary key, else of all columns from left to right. A geometry of PostGIS becomes ``x``, ``y``
        and ``attrs["crs"]``.

    Raises
    ------
    TableError
        The address cannot be used, the extra is not installed, or there is no such table.
    """
    shown = public_address(address)
    if shown != address:
        raise TableError(f"{shown}: found a password in the address; expected it in PGPASSWORD or .pgpass, where it is not recorded")
    if sqlalchemy is None:
        raise TableError(f"{shown}: found no SQLAlchemy; expected the extra edaphic[postgis] for tables of a database ({_EXTRA})")
    url, table = _parts(address, shown)
    if url.get_backend_name() == "postgresql" and psycopg is None:
        raise TableError(f"{shown}: found no psycopg; expected the extra edaphic[postgis] for tables of PostgreSQL ({_EXTRA})")
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise TableError(f"{shown}: no such file; expected a database")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    try:
        with engine.connect() as connection:
            frame = _fetch(connection, table, shown)
    except sqlalchemy.exc.SQLAlchemyError as error:
        found = " ".join(str(getattr(error, "orig", None) or error).split())
        raise TableError(f"{shown}: cannot be read ({found}); expected a database that can be reached and a table in it") from error
    return _with_geometry(frame, shown)


def _parts(address: str, shown: str) -> tuple[sqlalchemy.URL, str]:
    """Address for the driver, and the name of the table."""
    # A path that went through pathlib lost one of its slashes.
    whole = re.sub(r"^((?:postgres|postgis)[^:]*:)/+", r"\1//", re.sub(r"^(sqlite[^:]*:)/(?!/)", r"\1////", address))
    try:
        url = sqlalchemy.make_url(re.sub(r"^(postgres|postgis|postgresql)://", "postgresql+psycopg://", whole))
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise TableError(f"{shown}: found no address of a database; {_EXPECTED}") from error
    table = url.query.get("table")
    if not isinstance(table, str) or not table:
        raise TableError(f"{shown}: found no name of a table; {_EXPECTED}")
    return url.difference_update_query(["table"]), table


def _fetch(connection: sqlalchemy.Connection, name: str, shown: str) -> pd.DataFrame:
    """All rows, in an order that is the same every time."""
    look = sqlalchemy.inspect(connection)
    schema, _, table = name.rpartition(".")
    if not look.has_table(table, schema=schema or None):
        there = sorted([*look.get_table_names(schema or None), *look.get_view_names(schema or None)])
        listed = ", ".join(f"{schema}.{other}" if schema else other for other in there[:40]) or "no table"
        raise TableError(f"{shown}: found no table {name!r}; expected one of those there: {listed}")
    keys = look.get_pk_constraint(table, schema=schema or None)["constrained_columns"]
    source = sqlalchemy.table(table, *map(sqlalchemy.column, keys), schema=schema or None)
    query = sqlalchemy.select(sqlalchemy.text("*")).select_from(source).order_by(*(source.c[key] for key in keys))
    frame = pd.read_sql_query(query, connection)
    twice = sorted({str(column).strip() for column in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise TableError(f"{shown}: found columns {', '.join(twice)} more than once; expected a name of its own for every column")
    notes = []
    if not keys:
        frame = frame.iloc[frame.astype("str").sort_values([*frame.columns], kind="stable").index].reset_index(drop=True)
        notes.append(f"{shown}: the table has no primary key; rows are counted in the order of all columns as text")
    empty = [column for column in frame if frame[column].isna().all()]
    frame = frame.astype(dict.fromkeys(empty, "float64")) if len(frame) else frame
    frame.attrs["notes"] = notes
    return frame


def _with_geometry(frame: pd.DataFrame, shown: str) -> pd.DataFrame:
    """Geometry as x and y."""
    columns = [str(column) for column in frame if frame[column].dtype.kind == "O" or pd.api.types.is_string_dtype(frame[column])]
    shapes = [column for column in columns if looks_like_ewkb(frame[column])]
    if not shapes:
        return frame
    if len(shapes) > 1:
        raise TableError(f"{shown}: found columns of geometry {', '.join(shapes)}; expected one")
    geometry, crs = from_ewkb(frame[shapes[0]], shown)
    return with_points(frame.drop(columns=shapes), geometry, crs, shown)
