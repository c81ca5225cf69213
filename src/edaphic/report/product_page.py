"""A comparison of products on one page of its own."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import pandas as pd

from edaphic.report.pictures import Picture
from edaphic.report.words import number

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:64rem;margin:1rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:.85rem}td,th{padding:.2rem .5rem;border-bottom:1px solid #e4e4e4;text-align:left}"
    ".wide{overflow-x:auto}figure{display:inline-block;vertical-align:top;max-width:30rem;margin:0 1rem 1rem 0}"
    "img{max-width:100%;height:auto}figcaption{font-size:.85rem;color:#555}"
)
_SHOWN = {
    "comparison": "Our map beside each product",
    "pairs": "Every pair of products",
    "cv": "Spread over the products",
    "taylor": "Pattern beside our map's",
    "totals": "Totals",
    "published": "Beside published numbers",
    "points": "Scores at the same points",
}


def comparison_page(tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture], notes: Sequence[str]) -> str:
    """A page of its own with all figures and tables, for a comparison that is no part of a run."""
    parts = ["<h1>Comparison of products</h1>", "<p>All numbers are agreement between products, except the scores at points.</p>"]
    if notes:
        parts += ["<h2>Notes</h2><ul>", *(f"<li>{html.escape(note)}</li>" for note in notes), "</ul>"]
    parts.append("<h2>Figures</h2>")
    for one in pictures:
        width, height = one.size
        image = f'<img src="{one.uri}" alt="{html.escape(one.alt, quote=True)}" width="{width // 2}" height="{height // 2}">'
        parts.append(f"<figure>{image}<figcaption>{html.escape(one.caption)}</figcaption></figure>")
    for name, title in _SHOWN.items():
        if name in tables and len(tables[name]):
            parts.append(f'<h2>{title}</h2><div class="wide">{_table_html(tables[name])}</div>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Comparison</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _table_html(table: pd.DataFrame) -> str:
    shown = table.loc[:, [name for name in table if name != "label" and not (table[name] == "").all()]]
    heads = "".join(f"<th>{html.escape(str(name))}</th>" for name in shown)
    rows = []
    for row in shown.itertuples(index=False):
        cells = (number(value, 4) if isinstance(value, float) else str(value) for value in row)
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
