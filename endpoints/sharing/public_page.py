"""The public page of a document: readable on a phone, without scripts. All text is escaped."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Final

from schemas.printing.sheet import Row, Sheet

_STYLE: Final = """
*{box-sizing:border-box}
body{margin:0;background:#f3f4f6;color:#111827;font:16px/1.5 system-ui,sans-serif}
main{max-width:44rem;margin:0 auto;padding:1.25rem;background:#fff;min-height:100vh;overflow-wrap:anywhere}
h1{font-size:1.35rem;margin:0}h2{font-size:1.1rem;margin:1.25rem 0 .25rem}p{margin:.25rem 0}
.quiet{color:#4b5563}table{width:100%;border-collapse:collapse;margin:1rem 0}
th,td{padding:.5rem .25rem;border-bottom:1px solid #e5e7eb;text-align:left;vertical-align:top}
td:last-child,th:last-child{text-align:right;white-space:nowrap}tfoot td{border:0;padding:.2rem .25rem}
.total td{font-weight:700;font-size:1.15rem}
a.button{display:block;text-align:center;background:#1d4ed8;color:#fff;text-decoration:none;padding:.8rem;
border-radius:.5rem;font-weight:600;margin:1rem 0}a.button:focus{outline:3px solid #93c5fd}
@media (prefers-color-scheme:dark){body{background:#0b1220;color:#f3f4f6}main{background:#111827}
.quiet{color:#9ca3af}th,td{border-color:#374151}}
"""
#: Permits only this style sheet.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(sheet: Sheet, pdf: str) -> bytes:
    """Return the page; `pdf` is the URL of the PDF, relative to the page."""
    title = f"{sheet.title} {sheet.number}"
    head = sheet.head
    parts = [
        f"<h1>{escape(head.business_name)}</h1>{_lines(head.lines)}",
        f"<h2>{escape(title)}</h2>{_lines(f'{label}: {value}' for label, value in sheet.facts[1:])}",
        f"<h2>To</h2>{_lines(sheet.customer)}",
        "<table><thead><tr><th>Item</th><th>Amount</th></tr></thead><tbody>",
        *map(_row, sheet.rows),
        "</tbody><tfoot>",
        *(_figure(label, value) for label, value in sheet.totals),
        f'<tr class="total"><td>Total</td><td>{escape(sheet.total)}</td></tr>',
        *(_figure(label, value) for label, value in sheet.settled),
        f'</tfoot></table><p class="quiet">{escape(sheet.words)}</p>',
        f'<a class="button" href="{escape(pdf)}">Open as PDF</a>',
        f'<a class="button" href="{escape(sheet.pay)}">Pay by UPI</a>' if sheet.pay else "",
        _lines(head.footer.splitlines()),
    ]
    return _whole(f"{title} · {head.business_name}", "".join(parts))


def _row(row: Row) -> str:
    discount = f" (&minus;{escape(row.discount)})" if row.discount else ""
    detail = f'<br><span class="quiet">{escape(row.quantity)} &times; {escape(row.price)}{discount}</span>'
    return f"<tr><td>{escape(row.name)}{detail}</td><td>{escape(row.total)}</td></tr>"


def _figure(label: str, value: str) -> str:
    return f"<tr><td>{escape(label)}</td><td>{escape(value)}</td></tr>"


def _lines(lines: Iterable[str]) -> str:
    shown = "<br>".join(escape(line) for line in lines if line)
    return f'<p class="quiet">{shown}</p>' if shown else ""


def _whole(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    ).encode()


NOTHING_HERE: Final = _whole(
    "Nothing here",
    "<h1>There is nothing here</h1><p>This link is wrong, or has ended. Please ask the shop for a new one.</p>",
)
