"""Errors of the monitors package.

ForewarnError
├── AdapterError        a spec that is not an adapter; carries all its faults at once
├── BundleError         a folder that is not a readable bundle
│   ├── BundleVersionError   made by a newer forewarn
│   ├── BundleTamperedError  a file's hash is not the manifest's
│   ├── ContractError        a monitor that does not keep to what every monitor keeps to
│   └── CanaryError          a monitor that says other things here than where it was made
├── RunStateError       bytes that are no run state of this version
└── MissingExtraError   an optional dependency is missing, or two exclude each other; says what to install
"""

from __future__ import annotations

from dataclasses import dataclass


class ForewarnError(Exception):
    """Root of every error that forewarn raises on purpose; its text is one line fit for a person."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a spec: where (dotted path into the document) and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class AdapterError(ForewarnError):
    """A spec that is not an adapter. `faults` holds all that is wrong with it, each with its path."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        super().__init__(f"{source} is not a valid adapter: " + "; ".join(str(fault) for fault in faults))
        self.source = source
        self.faults = faults


class BundleError(ForewarnError):
    """A folder that is not a readable bundle."""


class BundleVersionError(BundleError):
    """A bundle in a format that this forewarn does not know."""


class BundleTamperedError(BundleError):
    """A file of the bundle is not the one that the manifest's hash names."""


class ContractError(BundleError):
    """A monitor that breaks a contract. `contract` says which, as a sentence that should be true."""

    def __init__(self, contract: str, evidence: str = "") -> None:
        super().__init__(
            f"the monitor breaks a contract of every monitor ({contract}){f': {evidence}' if evidence else ''}; "
            "its scores cannot be trusted: train it again with this forewarn, and report it if that does not help"
        )
        self.contract = contract


class CanaryError(BundleError):
    """A monitor that answers its golden steps otherwise here. `apart`: the greatest difference of a probability."""

    def __init__(self, apart: float, tolerance: float, other_symbols: int, steps: int, device: str) -> None:
        super().__init__(
            f"the monitor says other things on this machine ({device}) than where it was made: over {steps} golden "
            f"steps a probability lies {apart:.2g} from what it was ({tolerance:g} may be), and {other_symbols} event "
            "symbols are others; its threshold would mean nothing here: install the versions that forewarn pins, or "
            "train it again with this forewarn"
        )
        self.apart = apart
        self.other_symbols = other_symbols


class RunStateError(ForewarnError):
    """Bytes that are no run state of this version or of this monitor."""


class MissingExtraError(ForewarnError):
    """An optional dependency is missing, or two that exclude each other are installed."""
