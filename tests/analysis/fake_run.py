"""A synthetic run folder that obeys the contract of sim/tables.py, for trying analysis without a
simulator.

Numbers are invented but hang together: parts of an effect add up, stages add up to the market, the treated
arm's days differ from the baseline's by the effect. Everything follows from `seed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from sim import tables

ROOT = Path(__file__).resolve().parents[2]
PERSONAS = ("hurried", "bargain", "fan", "plain")
SEGMENTS = (tables.EVERYBODY, tables.ELIGIBLE, *PERSONAS)
LEVELS = {
    "ltv": 1480.0, "year_1": 300.0, "year_2": 35.0, "year_3": 25.0, "tail": 1120.0,
    "profit": 1555.0, "profit_sd": 4200.0, "revenue": 5320.0, "margin": 1580.0,
    "cost": 0.0,
    "ltv_acquired": 2100.0, "nps": -15.2, "nps_surveyed": -8.1, "nps_stayers": -15.0, "csat": 61.0,
    "conversion": 7.9, "repeat_rate": 58.0, "churn": 31.0, "acquired": 2100.0, "orders": 61000.0,
    "visits": 770000.0, "coupons_issued": 0.0, "coupons_redeemed": 0.0, "coupons_expired": 0.0,
    "norush_share": 10.1, "lead_time": 4.9, "on_time": 93.9, "cancelled": 14.0, "backlog": 118.0, "contacts": 3600.0,
}  # fmt: skip
DIRECT = {
    "ltv": 9.0, "year_1": 2.0, "year_2": 0.3, "year_3": 0.2, "tail": 6.5,
    "profit": 9.6, "profit_sd": 31.0, "revenue": 61.0, "margin": 9.8, "cost": 11.0,
    "ltv_acquired": 4.0, "nps": 0.9, "nps_surveyed": 0.8, "nps_stayers": 0.7, "csat": 0.4, "conversion": 0.1,
    "repeat_rate": 0.4,
    "churn": -0.3, "acquired": 4.0, "orders": 690.0, "visits": 5200.0, "coupons_issued": 6100.0,
    "coupons_redeemed": 2500.0, "coupons_expired": 3100.0, "norush_share": 3.2, "lead_time": 0.12,
    "on_time": 0.4, "cancelled": 1.0, "backlog": 6.0, "contacts": -20.0,
}  # fmt: skip
CONFIG_PARTS = {
    "company": "company/general.yaml",
    "personas": "personas/default.yaml",
    "market": "market/established.yaml",
    "behaviour": "behaviour/default.yaml",
}


def make_run(
    folder: Path,
    scenarios: Mapping[str, str] | None = None,
    *,
    points: int = 8,
    second_seeds: int = 4,
    days: int = 112,
    customers: int = 2000,
    seed: int = 7,
    strength: float = 1.0,
    personas: tuple[str, ...] = PERSONAS,
) -> Path:
    """Write a run of `scenarios` (name -> description; empty: the baseline alone) into `folder` and return
    it."""
    chosen = (
        {"norush_coupon": "A customer who lets an order wait gets a coupon."}
        if scenarios is None
        else scenarios
    )
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = list(chosen) + (["+".join(chosen)] if len(chosen) > 1 else [])
    config = _config(chosen, days, customers, seed)
    (folder / "config.yaml").write_text(
        yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    provenance = {"folder_version": tables.FOLDER_VERSION, "seed": seed}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    parameters = _parameters(config)
    values_at = _points(rng, parameters, points)
    measures = _measures(rng, names, points, second_seeds, values_at, strength)
    measures = measures.replace({"segment": dict(zip(PERSONAS, personas, strict=True))})
    parameters.to_csv(folder / "parameters.csv", index=False)
    values_at.to_parquet(folder / "points.parquet", index=False)
    measures.to_parquet(folder / "measures.parquet", index=False)
    _kpis(measures).to_csv(folder / "kpis.csv", index=False)
    _daily(rng, names, points, days, customers).to_parquet(folder / "daily.parquet", index=False)
    _customers(rng, names, customers, days).to_parquet(folder / "customers.parquet", index=False)
    _probes(rng, list(chosen), strength).to_csv(folder / "probes.csv", index=False)
    return folder


def _config(chosen: Mapping[str, str], days: int, customers: int, seed: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        key: yaml.safe_load((ROOT / "conf" / name).read_text(encoding="utf-8"))
        for key, name in CONFIG_PARTS.items()
    }
    config["company"]["capacity_ratio"] = {"value": 1.15, "range": [1.05, 1.4], "unit": "ratio to mean orders"}
    scenario = {
        name: {
            "description": text,
            "interventions": {name: {"kind": "norush_coupon", "face": 150, "valid_days": 60}},
        }
        for name, text in chosen.items()
    } or {"baseline": {"description": "The company as it is.", "interventions": {}}}
    top = {"customers": customers, "days": days, "burn_in": 180, "seed": seed, "replications": "auto"}
    return (
        config
        | {"scenario": scenario}
        | top
        | {"start_date": "2027-01-01", "events": 100}
    )


def _parameters(node: Any, path: str = "") -> pd.DataFrame:
    """A row per leaf of the configuration that is a number or carries a grade."""
    rows: list[tuple[object, ...]] = []
    for key, value in node.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict) and "grade" in value and ("value" in value):
            low, high = value.get("range", (np.nan, np.nan))
            unit = value.get("unit", "")
            rows.append((name, str(value["value"]), low, high, unit, value["grade"], value.get("source", "")))
        elif isinstance(value, dict):
            rows += _parameters(value, name).itertuples(index=False, name=None)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and path:
            rows.append((name, str(value), np.nan, np.nan, "", "known", ""))
    return pd.DataFrame(rows, columns=[column.name for column in tables.PARAMETERS])


def _points(rng: np.random.Generator, parameters: pd.DataFrame, points: int) -> pd.DataFrame:
    ranged = parameters[parameters["low"].notna()]
    frames = []
    for name, low, high in ranged[["name", "low", "high"]].itertuples(index=False):
        share = (rng.permutation(points) + rng.random(points)) / points
        frames.append(
            pd.DataFrame({"replication": range(points), "name": name, "value": low + share * (high - low)})
        )
    clock = {
        "replication": range(points),
        "name": "behaviour.attrition.clock",
        "value": np.arange(points) % 2.0,
    }
    frames.append(pd.DataFrame(clock))
    return pd.concat(frames, ignore_index=True).astype({"replication": "int32"})


def _score(values_at: pd.DataFrame, name: str, points: int) -> np.ndarray[Any, Any]:
    """A drawn parameter scaled to -1..1."""
    value = values_at[values_at["name"] == name].sort_values("replication")["value"].to_numpy(dtype=float)
    return 2 * (value - value.min()) / max(float(np.ptp(value)), 1e-9) - 1 if len(value) else np.zeros(points)


def _measures(
    rng: np.random.Generator, names: list[str], points: int, second_seeds: int, values_at: pd.DataFrame, strength: float
) -> pd.DataFrame:
    """Long table; a point's luck is common to its arms, so that effects are far less noisy than levels."""
    slope = _score(values_at, "behaviour.attrition.satisfaction_slope", points)
    capacity = _score(values_at, "company.capacity_ratio", points)
    rows: list[tuple[object, ...]] = []
    for replication in range(points):
        for second_seed in range(2 if replication < second_seeds else 1):
            drift = (1 + 0.6 * slope[replication], 1 - 0.7 * capacity[replication])
            rows += _world(rng, names, replication, second_seed, drift, strength)
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.MEASURES])
    return frame.astype({"replication": "int32", "second_seed": "int8"})


def _world(
    rng: np.random.Generator,
    names: list[str],
    replication: int,
    second_seed: int,
    drift: tuple[float, float],
    strength: float,
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for i, segment in enumerate(SEGMENTS):
        share = 1.0 if i == 0 else 0.25
        weight = (1.0, 1.6, 0.5, 1.5, 0.8, 1.1)[i] * strength
        for metric in tables.METRICS:
            scale = share if metric.kind == "sum" else 1.0
            level = LEVELS[metric.name] * scale * (1 + 0.02 * rng.standard_normal())
            effects = _effects(rng, metric.name, drift, weight * scale)
            rows += _arms(names, (replication, second_seed), segment, metric, level, effects)
        rows += _field_tests(rng, names, (replication, second_seed), segment) if i == 0 else []
    return rows


def _effects(
    rng: np.random.Generator, metric: str, drift: tuple[float, float], weight: float
) -> dict[str, float]:
    """Effects of the coalitions of live interfaces."""
    size = DIRECT[metric] * weight
    direct = size * drift[0] + 0.03 * size * rng.standard_normal()
    wom = 0.0 if metric == "cost" else 0.06 * size + 0.01 * size * rng.standard_normal()
    congestion = 0.0 if metric == "cost" else -0.9 * size * drift[1] + 0.02 * size * rng.standard_normal()
    both = direct + wom + congestion + 0.1 * wom
    return {"/direct": direct, "/wom": direct + wom, "/congestion": direct + congestion, "": both}


def _arms(
    names: list[str],
    key: tuple[int, int],
    segment: str,
    metric: tables.Metric,
    level: float,
    effect: dict[str, float],
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [(*key, "baseline", "all", segment, metric.name, level)]
    for name in names:
        times = 1.7 if "+" in name else 1.0
        rows += [
            (*key, name + arm, "all", segment, metric.name, level + times * value)
            for arm, value in effect.items()
        ]
        if metric.kind == "sum" or metric.name in ("ltv_acquired", "nps_stayers"):
            continue
        gap = 0.004 * abs(level)
        half = 0.55 * effect[""] + 0.45 * effect["/direct"]
        rows += [
            (*key, f"{name}/ab", "treated", segment, metric.name, level + gap + times * half),
            (*key, f"{name}/ab", "control", segment, metric.name, level - gap - 0.3 * effect["/direct"]),
            (*key, "baseline", f"{name}/ab:treated", segment, metric.name, level + gap),
            (*key, "baseline", f"{name}/ab:control", segment, metric.name, level - gap),
        ]
    return rows


def _field_tests(
    rng: np.random.Generator, names: list[str], key: tuple[int, int], segment: str
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name in names:
        for metric, level, effect in (
            ("ab_conversion_14d", 9.5, 0.2),
            ("ab_profit_per_visitor_14d", 212.0, 2.5),
        ):
            noise = 0.02 * level * rng.standard_normal(2)
            rows.append((*key, f"{name}/ab", "treated", segment, metric, level + effect + noise[0]))
            rows.append((*key, f"{name}/ab", "control", segment, metric, level + noise[1]))
    return rows


def _kpis(measures: pd.DataFrame) -> pd.DataFrame:
    chosen = measures[(measures["group"] == "all") & (measures["segment"] == tables.EVERYBODY)]
    wide = chosen.pivot(index=["arm", "replication", "second_seed"], columns="metric", values="value")
    return wide[[metric.name for metric in tables.METRICS]].reset_index()


def _daily(rng: np.random.Generator, names: list[str], points: int, days: int, customers: int) -> pd.DataFrame:
    frames = []
    for replication in range(points):
        level = 1 + 0.08 * rng.standard_normal()
        noise = rng.standard_normal((4, days))
        for arm in (tables.BASELINE, *names):
            frames.append(_days(arm, replication, days, customers, level, noise))
    return pd.concat(frames, ignore_index=True)


def _days(
    arm: str, replication: int, days: int, customers: int, level: float, noise: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """One arm of one point; the treatment bites slowly and lateness jumps in a peak."""
    t = np.arange(days)
    lift = 0.0 if arm == tables.BASELINE else 1 - np.exp(-t / 40)
    peak = ((t >= days * 0.7) & (t < days * 0.7 + 14)).astype(float)
    customer = (customers * (0.3 + 0.01 * level) * (1 + 0.03 * lift) + t / 10).astype(int)
    unaware = (customers * 0.4 * np.exp(-t / 900)).astype(int)
    lapsed = (customers * 0.3 * (t / days) * 0.4 * (1 - 0.05 * lift)).astype(int)
    orders = np.maximum((customer * 0.02 * level * (1 + 0.8 * peak) * (1 + 0.1 * noise[0])).astype(int), 1)
    profit = orders * 1400 * (1 + 0.05 * noise[1]) * (1 - 0.01 * lift)
    late = orders * np.clip(0.05 + (0.3 + 0.1 * lift) * peak + 0.01 * noise[2], 0, 1)
    weekly = t % 7 == 0
    shop, purchase = (customer * 0.3).astype(int), (customer * 0.1).astype(int)
    frame = pd.DataFrame({column.name: 0 for column in tables.DAILY}, index=t)
    stages = {
        "stage_shop": shop, "stage_purchase": purchase, "stage_experience": customer - shop - purchase,
        "stage_aware": customers - customer - unaware - lapsed,
    }  # fmt: skip
    nps = -15 + 2 * level + 1.0 * lift - 6 * peak + noise[3]
    return frame.assign(
        arm=arm, replication=np.int32(replication), second_seed=np.int8(0), day=t.astype("int16"), unaware=unaware,
        aware=customers - customer - unaware - lapsed, customer=customer, lapsed=lapsed, orders=orders,
        profit=profit.astype(int), delivered=orders, late=late.astype(int),
        nps=np.where(weekly, nps, np.nan), nps_surveyed=np.where(weekly, nps + 5, np.nan),
        **{name: np.where(weekly, value, -1) for name, value in stages.items()},
    )  # fmt: skip


def _customers(rng: np.random.Generator, names: list[str], customers: int, days: int) -> pd.DataFrame:
    persona = rng.choice(PERSONAS, customers, p=[0.25, 0.35, 0.15, 0.25])
    rate = rng.gamma(0.55, 1 / 74, customers) * (rng.random(customers) < 0.5)
    orders = rng.poisson(rate * days)
    ltv = orders * rng.gamma(4, 350, customers) - 500 * (rng.random(customers) < 0.02) * (orders > 0)
    frames = []
    for arm in (tables.BASELINE, *names[-1:]):
        value = ltv if arm == tables.BASELINE else ltv * (1 + 0.1 * rng.random(customers))
        frame = pd.DataFrame({column.name: 0 for column in tables.CUSTOMERS}, index=range(customers))
        frames.append(
            frame.assign(
                arm=arm, customer=np.arange(customers), persona=persona, segment=persona, orders=orders,
                eligible=rate > 0, status=np.where(orders > 0, "customer", "aware"), ltv=value, other_ltv=ltv,
                other_status="customer",
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _probes(rng: np.random.Generator, names: list[str], strength: float) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for name in names:
        rows += [
            (name, "company.capacity_ratio", x, strength * (60 * (x - 1.22) + rng.normal(0, 0.3)), 0.5)
            for x in (1.05, 1.15, 1.3, 1.45, 1.6)
        ]
        rows += [
            (name, "behaviour.attrition.satisfaction_slope", x, strength * (3 + 4 * x), 0.5)
            for x in (0.2, 0.5, 0.8, 1.1, 1.5)
        ]
    return pd.DataFrame(rows, columns=[column.name for column in tables.PROBES])
