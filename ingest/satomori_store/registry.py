"""The registry as other parts use it: change it, ask its version, look readings up, import files into it."""

from satomori_store.importing import ImportReport, import_registry
from satomori_store.lookup import Lookup, Route, load_lookup
from satomori_store.registry_files import RowError
from satomori_store.transactions import changing, registry_version, transaction

__all__ = [
    "ImportReport",
    "Lookup",
    "Route",
    "RowError",
    "changing",
    "import_registry",
    "load_lookup",
    "registry_version",
    "transaction",
]
