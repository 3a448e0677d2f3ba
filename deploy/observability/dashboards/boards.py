"""Dashboards as tables of panels, and the JSON of Grafana for them.

The types of the Grafana Foundation SDK guarantee the schema of Grafana 11.6, which newer releases read, too.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

TAG = "easyanimate"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
Kind = Literal["lines", "stack", "stat", "table", "text"]
GRID = 24  # columns
WIDTHS: dict[Kind, int] = {"lines": 12, "stack": 12, "stat": 4, "table": 24, "text": 24}
HEIGHTS: dict[Kind, int] = {"lines": 8, "stack": 8, "stat": 4, "table": 7, "text": 4}


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` are pairs of an expression and a legend; a panel of text has its Markdown in `meaning`.

    A panel that `may_be_empty` shows what is missing in a healthy service, such as failures.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    meaning: str
    unit: str = "short"
    kind: Kind = "lines"
    maximum: float | None = None
    may_be_empty: bool = False
    columns: int | None = None

    @property
    def width(self) -> int:
        """Its columns of `GRID`, by default those of its kind."""
        return self.columns or WIDTHS[self.kind]

    @property
    def height(self) -> int:
        """Its rows of the grid."""
        return HEIGHTS[self.kind]


@dataclass(frozen=True)
class Variable:
    """A list above a dashboard with the values of a label of a metric."""

    name: str
    metric: str
    label: str
    has_all: bool = True


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels by title."""

    uid: str
    title: str
    meaning: str
    rows: dict[str, Sequence[Panel]]
    variables: Sequence[Variable] = ()

    @property
    def panels(self) -> list[Panel]:
        """The panels of all rows."""
        return [panel for panels in self.rows.values() for panel in panels]


def to_json(board: Board) -> str:
    """The dashboard as Grafana reads it from a file."""
    builder = dashboard.Dashboard(board.title).uid(board.uid).description(board.meaning).tags([TAG])
    builder = builder.time("now-6h", "now").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR).timezone("browser")
    links = dashboard.DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    builder = builder.link(links.as_dropdown(True).include_vars(True).keep_time(True))
    builder = builder.with_variable(dashboard.DatasourceVariable("datasource").label("data source").type("prometheus"))
    for variable in board.variables:
        builder = builder.with_variable(_variable(variable))
    for number, (place, item) in enumerate(places(board), 1):
        if isinstance(item, str):
            builder = builder.with_row(dashboard.Row(item).id(number).grid_pos(place))
        else:
            builder = builder.with_panel(_panel(item).id(number).grid_pos(place))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(builder.build())), indent=2, sort_keys=True) + "\n"


def places(board: Board) -> Iterator[tuple[GridPos, Panel | str]]:
    """The titles of rows and the panels of a dashboard, from left to right and down, each with its place."""
    y = 0
    for title, panels in board.rows.items():
        yield GridPos(h=1, w=GRID, x=0, y=y), title
        x, y, height = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > GRID:
                x, y, height = 0, y + height, 0
            yield GridPos(h=panel.height, w=panel.width, x=x, y=y), panel
            x, height = x + panel.width, max(height, panel.height)
        y += height


def _variable(variable: Variable) -> dashboard.QueryVariable:
    query = {"query": f"label_values({variable.metric}, {variable.label})", "refId": variable.name}
    builder = dashboard.QueryVariable(variable.name).query(query).datasource(SOURCE)
    builder = builder.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    if not variable.has_all:
        return builder
    everything = VariableOption(text="All", value="$__all")
    return builder.multi(True).include_all(True).all_value(".*").current(everything)


def _panel(panel: Panel) -> Any:
    if panel.kind == "text":
        return text.Panel().title(panel.title).mode(TextMode.MARKDOWN).content(panel.meaning)
    builders = {"stat": _stat, "table": _table}
    builder = builders.get(panel.kind, _lines)(panel).title(panel.title).description(panel.meaning).datasource(SOURCE)
    for number, (expression, legend) in enumerate(panel.queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id("ABCDEFG"[number])
        if panel.kind == "table":
            query = query.instant().format(PromQueryFormat.TABLE)
        builder = builder.with_target(query)
    return builder


def _stat(panel: Panel) -> Any:
    latest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().unit(panel.unit).graph_mode(BigValueGraphMode.AREA).no_value("-").reduce_options(latest)


def _table(panel: Panel) -> Any:
    return table.Panel().unit(panel.unit).no_value("none")


def _lines(panel: Panel) -> Any:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    builder = timeseries.Panel().unit(panel.unit).min(0).legend(legend.show_legend(True)).tooltip(tooltip)
    if panel.maximum is not None:
        builder = builder.max(panel.maximum)
    if panel.kind == "stack":
        builder = builder.fill_opacity(25).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    return builder
