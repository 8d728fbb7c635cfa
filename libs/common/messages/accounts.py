"""What the positions stage tells of accounts: what they are worth, what they risk, and limits that are broken.

Flows in: what was counted. Flows out: validated messages. Never decides.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Message, Name, Number
from fillstream.libs.common.messages.codes import RiskAction


class AccountMarked(Message):
    """What an account is worth at the marks of now, in its own currency. Told at most once a second, as it changes.

    Only of accounts that ever had cash put in, are CASH or MARGIN, or have a limit on their risk. Where a rate of some
    currency is missing all that needs it is null.
    """

    type: Literal["AccountMarked"] = "AccountMarked"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    currency: Name
    deposits: Number = Field(description="put in so far, less what was taken out")
    cash_balance: Number | None = Field(description="these, and what all fills moved, fees taken off")
    equity: Number | None = Field(description="deposits, and all that was made at the marks, fees taken off")
    unrealized_pnl: Number | None
    day_pnl: Number | None = Field(description="of all instruments, since the session of each before ended")
    long_exposure: Number | None = Field(description="longs at their marks")
    short_exposure: Number | None = Field(description="shorts at their marks, without the sign")
    gross_exposure: Number | None = Field(description="the sum of both")
    net_exposure: Number | None = Field(description="shorts taken off longs")
    leverage_ratio: Number | None = Field(description="gross exposure by equity, 6 decimals; null without equity")
    concentration_ratio: Number | None = Field(
        description="the largest exposure in one instrument, by equity, 6 decimals"
    )
    margin_used: Number | None = Field(description="of MARGIN: initial_margin of the gross exposure; else null")
    buying_power: Number | None = Field(
        description="of MARGIN: exposure that the equity allows beyond this; of CASH: the cash. Null else. Orders that "
        "work are not taken off: the orders stage does that"
    )
    peak_equity: Number | None = Field(description="the highest so far, or since trading was resumed last")
    drawdown_ratio: Number | None = Field(description="what the equity is below that, by it, 6 decimals")
    value_at_risk: Number | None = Field(
        description="historical, of one session at 99 %: the loss that one session of a hundred would pass, by what "
        "marks did in up to 250 sessions. Null before 20 of them"
    )
    expected_shortfall: Number | None = Field(description="the mean loss of those that are as bad or worse")
    parametric_var: Number | None = Field(description="the same by a normal distribution of these, of mean 0")
    parametric_shortfall: Number | None
    sessions: int = Field(ge=0, description="that these are counted over")
    open_positions: int = Field(ge=0)
    stale_positions: int | None = Field(
        default=None, description="how many of them are valued at a mark whose venue quotes no more; absent: none"
    )
    missing_rate: Name | None = Field(description="a currency that no instrument tells the rate of")


class RiskChanged(Message):
    """A limit on an account's risk is broken, or holds again; and what was done about it."""

    type: Literal["RiskChanged"] = "RiskChanged"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    currency: Name
    limit: Name = Field(description="the account's term: max_drawdown, max_leverage …")
    broken: bool
    measured: Number | None = Field(description="what it is about; null: not known, of a limit that there is no more")
    allowed: Number | None = Field(description="the limit; null: there is no such limit any more")
    risk_action: RiskAction = Field(description="ALERT: nothing; REDUCE and HALT: a control of that kind was sent")
    text: str
