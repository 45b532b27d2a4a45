"""What is counted twice agrees every day: customers, orders, coupons, money."""

from __future__ import annotations

import numpy as np
import pytest

from agents.wallet import open_coupons
from sim.world.model import CXModel, founded
from tests.properties.test_identities import BOTH, busy
from tests.worlds import treated

STOCKS = ("unaware", "aware", "customer", "lapsed")


@pytest.mark.parametrize("clock", ["time", "episode"])
@pytest.mark.parametrize("from_midnight", [False, True])
def test_books_balance_every_day(from_midnight: bool, clock: str) -> None:
    found, world, start, _ = busy(clock)
    arm = treated(found, BOTH)
    model = CXModel(world, start.copied(), arm) if from_midnight else CXModel(world, founded(world), arm)
    columns = model.customers.columns
    on_the_way = int(columns.of("open_orders").sum())
    queued = model.centre.backlog()
    wrong = []
    while model.day < world.days:
        model.step()
        rows = model.recorder.rows
        day, i = model.day - 1, model.day - 1 - model.recorder.start
        so_far, horizon = slice(0, i + 1), slice(-model.recorder.start, i + 1)

        def total(name: str, days: slice = so_far, rows: dict[str, np.ndarray] = rows) -> int:
            return int(rows[name][days].sum())

        stocks = [int(rows[name][i]) for name in STOCKS]
        wallet, _ = open_coupons(columns, model.customers.wallet, day - 1)
        online = total("orders_express") + total("orders_standard") + total("orders_norush")
        waiting = int(columns.of("open_orders").sum(dtype=np.int64))
        holds = {
            "everybody has a status": sum(stocks) == world.customers,
            "statuses": stocks == np.bincount(columns.status, minlength=4).tolist(),
            "orders are delivered, cancelled or open": on_the_way + online
            == total("delivered") + total("cancelled") + waiting,
            "open orders": int(rows["open_orders"][i]) == waiting,
            "orders are shipped, cancelled or queued": queued + online
            == total("shipped") + total("cancelled") + int(rows["backlog"][i]),
            "coupons": total("coupons_issued")
            == total("coupons_redeemed") + total("coupons_expired") + int(rows["coupons_open"][i]),
            "wallets": int(wallet.sum()) == int(rows["coupons_open"][i]),
        }
        if day >= 0:
            holds |= {
                "cash": int(columns.of("ledger").sum(dtype=np.int64) - model.company_costs.sum())
                == total("profit", horizon),
                "revenue": int(columns.of("revenue").sum(dtype=np.int64)) == total("revenue", horizon),
                "orders": int(columns.of("bought").sum(dtype=np.int64)) == total("orders", horizon),
                "visits": int(columns.of("visits").sum(dtype=np.int64)) == total("visits", horizon),
                "delivered": int(columns.of("delivered").sum(dtype=np.int64)) == total("delivered", horizon),
                "late": int(columns.of("late").sum(dtype=np.int64)) == total("late", horizon),
                "cancelled": int(columns.of("cancelled").sum(dtype=np.int64)) == total("cancelled", horizon),
                "contacts": int(columns.of("contacts").sum(dtype=np.int64)) == total("contacts", horizon),
                "issued": int(columns.of("issued").sum(dtype=np.int64)) == total("coupons_issued", horizon),
                "redeemed": int(columns.of("redeemed").sum(dtype=np.int64)) == total("coupons_redeemed", horizon),
            }
        wrong += [(day, law) for law, kept in holds.items() if not kept]
    assert wrong == []
    assert total("coupons_expired") > 5
    assert total("cancelled") > 20
    assert max(rows["backlog"]) > 20
    assert waiting > 0
