"""How a structure stands: what is measured (`measured`), its legal rating beside it, and how it may age (`ageing`)."""
