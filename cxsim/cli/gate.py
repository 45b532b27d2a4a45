"""`cxsim gate`: go, test first, or stop, from a run folder or a sweep's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import _
from cxsim.cli.terminal import OK, Parser, run_errors_in_words, shown, without_language
from cxsim.compose import compose, composer, given_overrides, hydras_errors_in_words, plain

if TYPE_CHECKING:
    from analysis.decisions.gate import Thresholds

GROUP = "gate"
MOST_CUSTOMERS = 1_000_000_000

def gate(words: list[str]) -> int:
    """Write gate.json and print the verdict of every intervention."""
    given = _parser().parse_intermixed_args(without_language(words))
    thresholds = _thresholds(given.overrides, given.config_dir)
    from analysis.decisions import gate as decision
    from sim.config.parameters import ConfigError
    from sim.run.folder import replace_text

    place = given.out or given.folder / "gate.json"
    if place.is_dir() or not place.parent.is_dir():
        raise ConfigError(f"--out {place}: is a folder, or in none that is there; name a file" if given.out else
                          f"{given.folder}: is no folder of a run or a sweep")  # fmt: skip
    with run_errors_in_words():
        found = decision.gate(given.folder, thresholds)
    replace_text(place, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for verdict in found["verdicts"]:
        print("\n  ".join([verdict["sentence"], *verdict["notes"]]), end="\n\n")
    print(shown(place))
    return OK


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim gate",
        description=_(
            "Say whether to roll out each intervention of a run or a sweep: go, test first, or stop. The verdict and "
            "the numbers behind it are written to DIR/gate.json. Thresholds stand in conf/gate/default.yaml."
        ),
        epilog=_(
            "The exit status is 0 whatever the verdict, and 2 where none can be given. In CI, read the verdict: jq "
            "-e 'all(.verdicts[]; .decision == \"go\")' DIR/gate.json"
        ),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=_("a run folder, or a sweep's"))
    parser.add_argument("overrides", nargs="*", metavar="gate.KEY=VALUE", help=_("thresholds other than the file's"))
    parser.add_argument("--config-dir", "-cd", help=_("a folder of your own with gate/NAME.yaml, for gate=NAME"))
    parser.add_argument("--out", type=Path, metavar="FILE", help=_("where to write instead of DIR/gate.json"))
    return parser


# -- thresholds -------------------------------------------------------------------------------------------------


def _thresholds(overrides: list[str], config_dir: str | None) -> Thresholds:
    """The thresholds in force. Raises ConfigError for a key or value that is none."""
    from sim.config.parameters import ConfigError

    with composer(config_dir) as hydra:
        with hydras_errors_in_words(hydra):
            keys = [key for key, _value in given_overrides(overrides)]
            for key in keys:
                if key.lstrip("+").partition(".")[0] != GROUP:
                    raise ConfigError(f"{key}: is no threshold of the gate; a run folder's own keys stay as they were")
        chosen = [] if GROUP in keys else [f"{GROUP}=default"]
        node = plain(compose(hydra, [*chosen, *overrides]).get(GROUP))
    return _read_thresholds(node)


def _read_thresholds(node: Any) -> Thresholds:
    from analysis.decisions.gate import Thresholds
    from analysis.decisions.information import Cost
    from sim.config.parameters import Bounds, read_group, real, whole, word

    share, yen = real(Bounds(0.5, 1.0)), real(Bounds(0.0))
    test = {
        "customers": _several(whole(10, MOST_CUSTOMERS)), "days": _several(whole(1, 3650)),
        "fixed_cost": yen, "daily_cost": yen,
    }  # fmt: skip
    readers = {
        "metric": word("profit", "ltv"), "go_probability": share, "stop_probability": share,
        "regret_share": real(Bounds(0.0, 1.0)), "test": lambda node: read_group(node, test, f"{GROUP}.test"),
    }  # fmt: skip
    found = read_group(node, readers, GROUP)
    sizes = found.pop("test")
    cost = Cost(sizes.pop("fixed_cost"), sizes.pop("daily_cost"))
    return Thresholds(**found, **sizes, cost=cost)


def _several(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Reader of a value, or of a list with at least one."""

    def every(node: Any) -> tuple[Any, ...]:
        from sim.config.parameters import ConfigError, show

        values = node if isinstance(node, Sequence) and not isinstance(node, str) else [node]
        if not values:
            raise ConfigError(f"{show(node)} is not allowed; at least one")
        return tuple(read(value) for value in values)

    return every
