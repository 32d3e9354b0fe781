import * as echarts from "echarts";

/** One line of a chart. */
export interface Series {
  /** Legend entry. */
  readonly name: string;
  /** `[x, y]` points in order of x. */
  readonly points: readonly (readonly [number, number])[];
}

/** Draws lines over a common x axis as an SVG string. */
export function renderLineChart(title: string, xName: string, series: readonly Series[]): string {
  return renderChart(720, 320, {
    title: { text: title, left: "center", textStyle: { fontSize: 14 } },
    legend: { bottom: 0 },
    grid: { left: 60, right: 20, top: 40, bottom: 60 },
    xAxis: { type: "value", name: xName, nameLocation: "middle", nameGap: 24 },
    yAxis: { type: "value", scale: true },
    series: series.map(({ name, points }) => ({
      type: "line",
      name,
      showSymbol: false,
      lineStyle: { width: 1.5 },
      data: points.map(([x, y]) => [x, y]),
    })),
  });
}

/** One line of a chart whose points have a spread. */
export interface DeviationSeries {
  /** Legend entry. */
  readonly name: string;
  /** `[x, y, deviation]` points in order of x. */
  readonly points: readonly (readonly [number, number, number])[];
}

/** Draws lines with a bar from y − deviation to y + deviation at each point, over a logarithmic x axis, as an SVG string. */
export function renderDeviationChart(title: string, xName: string, series: readonly DeviationSeries[]): string {
  return renderChart(720, 380, {
    title: { text: title, left: "center", textStyle: { fontSize: 14 } },
    legend: { bottom: 0, data: series.map(({ name }) => name) },
    grid: { left: 60, right: 20, top: 40, bottom: 70 },
    xAxis: { type: "log", name: xName, nameLocation: "middle", nameGap: 24 },
    yAxis: { type: "value", scale: true },
    series: series.flatMap(({ name, points }, index) => {
      const color = LINE_COLOURS[index % LINE_COLOURS.length]!;
      return [
        { type: "line", name, color, symbolSize: 6, lineStyle: { width: 1.5 }, data: points.map(([x, y]) => [x, y]) },
        {
          type: "custom",
          name: `${name}, deviation`,
          silent: true,
          data: points.map(([x, y, deviation]) => [x, y - deviation, y + deviation]),
          encode: { x: 0, y: [1, 2] },
          renderItem: (_: unknown, api: { value(at: number): number; coord(at: number[]): number[] }) => {
            const [[x, low], [, high]] = [
              api.coord([api.value(0), api.value(1)]),
              api.coord([api.value(0), api.value(2)]),
            ];
            const shift = 3 * (index - (series.length - 1) / 2); // bars of several lines beside each other
            return {
              type: "line",
              shape: { x1: x! + shift, y1: low, x2: x! + shift, y2: high },
              style: { stroke: color, lineWidth: 1.5 },
            };
          },
        },
      ];
    }),
  });
}

/** Colours that are told apart on white, in print and by most colour-blind readers (Okabe and Ito). */
const LINE_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"] as const;

/**
 * Draws a square matrix as a heat map in SVG: row 0 on top.
 *
 * @param values `[size, size]` in C order.
 */
export function renderHeatMap(title: string, values: Float32Array, size: number): string {
  const cells: [number, number, number][] = [];
  let peak = 0;
  values.forEach((value, index) => {
    cells.push([index % size, size - 1 - Math.floor(index / size), value]);
    peak = Math.max(peak, value);
  });
  const names = Array.from({ length: size }, (_, index) => String(index));
  return renderChart(520, 480, {
    title: { text: title, left: "center", textStyle: { fontSize: 14 } },
    grid: { left: 60, right: 100, top: 40, bottom: 50 },
    xAxis: { type: "category", data: names, name: "target", nameLocation: "middle", nameGap: 28 },
    yAxis: { type: "category", data: names.toReversed(), name: "embedding", nameLocation: "middle", nameGap: 36 },
    visualMap: {
      min: 0,
      max: peak || 1,
      right: 0,
      top: "center",
      precision: 4,
      inRange: { color: ["#ffffff", "#08519c"] },
    },
    series: [{ type: "heatmap", data: cells, progressive: 0 }],
  });
}

function renderChart(width: number, height: number, option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...option });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
