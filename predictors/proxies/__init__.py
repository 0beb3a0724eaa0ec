"""The built-in zero-cost proxies. Formulas as in zero-cost-nas (Abdelfattah et al., 2021) and NAS-Bench-Suite-Zero."""
