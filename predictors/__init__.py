"""The built-in accuracy predictors and zero-cost proxies, found through entry points."""
