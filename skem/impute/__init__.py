"""Imputation: missing cells filled by a mixture, in scikit-learn's form."""

from skem.impute._imputer import MixtureImputer

__all__ = ["MixtureImputer"]
