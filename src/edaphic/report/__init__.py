"""The report of a finished run: figures, tables and one self-contained HTML page, made from the run's files alone."""

from edaphic.report.page import build_report

__all__ = ["build_report"]
