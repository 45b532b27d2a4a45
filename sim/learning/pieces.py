"""What a piece of evidence is, and the file that lists them.

A piece reads what a firm found, reduces it to a few statistics with their sampling error, and simulates the same
statistics in a world of the model. It names the parameters that it can speak about: the statistics could move others
only by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.config.parameters import show, word
from sim.config.sections import NAME
from sim.config.settings import Settings
from sim.files.plain import read_yaml
from sim.phrases import ConfigError, Phrase, listed
from sim.run.replication import TreatedArms

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """Statistics of a piece as the firm found them.

    names: of k statistics, in words with units. values: (k,). covariance: of their sampling error, (k, k).
    size: what they rest on, in words. remark: what a reader should know of them. levels: statistics that are not
    learned from but must agree if the company file is this firm's: name -> (value, standard error).
    """

    names: tuple[Phrase, ...]
    values: FloatArray
    covariance: FloatArray
    size: Phrase
    remark: Phrase | str = ""
    levels: Mapping[Phrase, tuple[float, float]] | None = None

    @property
    def errors(self) -> FloatArray:
        """Standard errors, (k,)."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True)
class WorldStatistics:
    """The same statistics from one simulated world, (k,), and its levels, one number each."""

    values: FloatArray
    levels: tuple[float, ...] = ()


class Piece(Protocol):
    """One piece of evidence."""

    kind: ClassVar[str]
    speaks_about: ClassVar[tuple[str, ...]]
    """Dotted prefixes of the parameters that it can sharpen."""

    @property
    def name(self) -> str: ...

    @property
    def told(self) -> tuple[Phrase, ...]:
        """What was understood of the firm's table and what was left out, a line each."""

    @property
    def scenario(self) -> str:
        """The scenario in whose settings it is simulated."""

    def observed(self) -> Observed:
        """What the firm found."""

    def simulated(self, settings: Settings, treated_arms: TreatedArms, seed: int) -> WorldStatistics:
        """The expected statistics, without the firm's sampling error, if these settings were true; NaN for one that the
        simulated market is too small to show."""


def read_evidence(path: Path, kinds: Mapping[str, Callable[[str, Mapping[str, Any], Path], Piece]]) -> list[Piece]:
    """Read a file of evidence: a map from names to pieces, each with its `kind`.

    kinds: reads a piece (name, its other keys, the file's folder) of each kind. Raises ConfigError of one line that
    names file, piece and key.
    """
    try:
        node = read_yaml(path)
    except FileNotFoundError:
        raise ConfigError("{path}: there is no such file", path=path) from None
    if not isinstance(node, Mapping) or not node:
        raise ConfigError(
            "{path}: {value} is no evidence; a map from names to pieces, each with its kind",
            path=path, value=show(node),
        )
    return [_piece(str(name), part, path, kinds) for name, part in node.items()]


def _piece(name: str, node: Any, path: Path, kinds: Mapping[str, Callable[..., Piece]]) -> Piece:
    try:
        if not NAME.fullmatch(name):
            raise ConfigError("is not a name; letters, digits, _ and -, a letter or digit first")
        if not isinstance(node, Mapping) or "kind" not in node:
            raise ConfigError("kind is missing; {allowed}", allowed=listed(kinds))
        try:
            kind = word(*kinds)(node["kind"])
        except ConfigError as error:
            raise ConfigError("kind: {problem}", problem=error) from None
        return kinds[kind](name, {str(key): value for key, value in node.items() if key != "kind"}, path.parent)
    except ConfigError as error:
        raise ConfigError("{place}: {name}: {problem}", place=path, name=name, problem=error) from None
