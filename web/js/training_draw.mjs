// @ts-check
// The chart of a training on a canvas; only what is in view is drawn.
import { formatNumber, rowsBetween } from "./training_curve.mjs"
import { lossToY, logTicksOf, stepToX, ticksOf } from "./training_layout.mjs"

/** @typedef {import("./training_curve.mjs").Row} Row */
/**
 * @typedef {object} Chart
 * @property {import("./training_layout.mjs").Area} area
 * @property {import("./training_layout.mjs").View} view
 * @property {import("./training_layout.mjs").Scale} scale
 * @property {Row[]} rows
 * @property {{name: string, colour: string, values: (number | null)[]}[]} curves one value for each row
 * @property {number} cursor index of the row that is looked at, or -1
 */

const TICK = 44 // pixels between two marks, at least
const HUES = [205, 25, 150, 285, 340, 55, 180, 250]

/** Of the total and of its parts, in their order. @param {number} index @param {import("./theme.mjs").Theme} theme */
export function colourOf(index, { dark, text }) {
  return index ? `hsl(${HUES[(index - 1) % HUES.length]} 75% ${dark ? 65 : 38}%)` : text
}

/** @param {CanvasRenderingContext2D} context @param {Chart} chart @param {import("./theme.mjs").Theme} theme */
export function drawChart(context, chart, theme) {
  const { area, view, scale, rows, cursor } = chart
  context.clearRect(0, 0, area.left + area.width + 100, area.top + area.height + 100)
  drawGrid(context, chart, theme)
  context.save()
  context.beginPath()
  context.rect(area.left, area.top, area.width, area.height)
  context.clip()
  context.lineJoin = "round"
  const [first, end] = rowsBetween(rows, view.from, view.to)
  for (const { name, colour, values } of chart.curves) {
    context.strokeStyle = colour
    context.lineWidth = 1
    context.globalAlpha = 0.25
    drawLine(context, chart, (i) => rows[i].losses[name] ?? null, first, end)
    context.globalAlpha = 1
    context.lineWidth = name === "total" ? 2.2 : 1.5
    drawLine(context, chart, (i) => values[i], first, end)
  }
  context.restore()
  if (cursor < 0) return
  const x = stepToX(area, view, rows[cursor].step)
  context.strokeStyle = theme.faint
  context.lineWidth = 1
  line(context, x, area.top, x, area.top + area.height)
  for (const { colour, values } of chart.curves) {
    const value = values[cursor]
    const y = value === null ? NaN : lossToY(area, scale, value)
    if (!(y >= area.top && y <= area.top + area.height)) continue
    context.fillStyle = colour
    context.beginPath()
    context.arc(x, y, 3.5, 0, 2 * Math.PI)
    context.fill()
  }
}

/** @param {CanvasRenderingContext2D} context @param {Chart} chart @param {import("./theme.mjs").Theme} theme */
function drawGrid(context, { area, view, scale }, theme) {
  context.font = "10px sans-serif"
  context.strokeStyle = theme.line
  context.fillStyle = theme.faint
  context.lineWidth = 1
  const ticks = scale.isLog ? logTicksOf : ticksOf
  context.textAlign = "right"
  context.textBaseline = "middle"
  for (const loss of ticks(scale.low, scale.high, area.height / TICK)) {
    const y = lossToY(area, scale, loss)
    line(context, area.left, y, area.left + area.width, y)
    context.fillText(formatNumber(loss), area.left - 5, y)
  }
  context.textBaseline = "top"
  for (const step of ticksOf(view.from, view.to, area.width / (2 * TICK))) {
    const x = stepToX(area, view, step)
    line(context, x, area.top, x, area.top + area.height)
    context.textAlign = x > area.left + area.width - 20 ? "right" : "center"
    context.fillText(Math.round(step).toLocaleString(), x, area.top + area.height + 5)
  }
}

/**
 * A curve, broken where there is no value.
 * @param {CanvasRenderingContext2D} context @param {Chart} chart
 * @param {(i: number) => number | null} valueAt @param {number} first @param {number} end
 */
function drawLine(context, { area, view, scale, rows }, valueAt, first, end) {
  let isDown = false
  context.beginPath()
  for (let i = first; i < end; i++) {
    const value = valueAt(i)
    const y = value === null ? NaN : lossToY(area, scale, value)
    if (!Number.isFinite(y)) {
      isDown = false
      continue
    }
    const x = stepToX(area, view, rows[i].step)
    if (isDown) context.lineTo(x, y)
    else context.moveTo(x, y)
    isDown = true
  }
  context.stroke()
}

/** @param {CanvasRenderingContext2D} context @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function line(context, x1, y1, x2, y2) {
  context.beginPath()
  context.moveTo(x1, y1)
  context.lineTo(x2, y2)
  context.stroke()
}
