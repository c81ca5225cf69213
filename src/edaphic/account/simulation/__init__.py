"""The error of totals: realisations of errors that are alike over some distance."""
