// @ts-check
// Where things lie on the chart of a training: steps and losses to pixels and back, and the marks beside them.
import { rowsBetween } from "./training_curve.mjs"

/** @typedef {import("./training_curve.mjs").Row} Row */
/** @typedef {{from: number, to: number}} View steps at the left and the right */
/** @typedef {{left: number, top: number, width: number, height: number}} Area pixels */
/** @typedef {{low: number, high: number, isLog: boolean}} Scale losses at the bottom and the top */

const CLOSEST = 20 // steps

/** @param {number} width @param {number} height @returns {Area} inside which curves are drawn */
export const areaOf = (width, height) => ({
  left: 46,
  top: 8,
  width: Math.max(1, width - 54),
  height: Math.max(1, height - 28),
})

/** @param {Area} area @param {View} view @param {number} step */
export const stepToX = (area, { from, to }, step) => area.left + ((step - from) / (to - from)) * area.width

/** @param {Area} area @param {View} view @param {number} x */
export const xToStep = (area, { from, to }, x) => from + ((x - area.left) / area.width) * (to - from)

/** NaN for what a logarithm has not. @param {Area} area @param {Scale} scale @param {number} loss */
export function lossToY(area, { low, high, isLog }, loss) {
  const share = isLog ? Math.log(loss / low) / Math.log(high / low) : (loss - low) / (high - low)
  return area.top + (1 - share) * area.height
}

/** The view kept within a training of so many steps. @param {View} view @param {number} steps @returns {View} */
export function within({ from, to }, steps) {
  const last = Math.max(steps, CLOSEST)
  const length = Math.min(last, Math.max(CLOSEST, to - from))
  const start = Math.min(Math.max(0, from), last - length)
  return { from: start, to: start + length }
}

/** @param {View} view @param {number} factor above 1 magnifies @param {number} step that stays @param {number} steps */
export function zoom({ from, to }, factor, step, steps) {
  const length = Math.min(Math.max(CLOSEST, (to - from) / factor), Math.max(steps, CLOSEST))
  const start = step - ((step - from) / (to - from)) * length
  return within({ from: start, to: start + length }, steps)
}

/**
 * Losses to show: those of `curves` that are in view, with some room.
 * @param {Row[]} rows @param {(number | null)[][]} curves one value for each row @param {View} view @param {boolean} isLog
 * @returns {Scale}
 */
export function scaleOf(rows, curves, { from, to }, isLog) {
  let [low, high] = [Infinity, -Infinity]
  const [first, end] = rowsBetween(rows, from, to)
  for (const curve of curves) {
    for (let i = first; i < end; i++) {
      const loss = curve[i]
      if (loss === null || (isLog && loss <= 0)) continue
      low = Math.min(low, loss)
      high = Math.max(high, loss)
    }
  }
  if (low > high) return { low: isLog ? 0.1 : 0, high: 1, isLog }
  if (isLog) return { low: low / 1.15, high: high * 1.15, isLog }
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1
  return { low: low - room, high: high + room, isLog }
}

/**
 * Round values between two, about so many.
 * @param {number} low @param {number} high @param {number} count
 */
export function ticksOf(low, high, count) {
  const rough = (high - low) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((size) => size * power >= rough) ?? 10)
  const ticks = []
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12); i++) ticks.push(i * step)
  return ticks
}

/** Powers of ten and 2 and 5 times them, or, where these are few, as on any scale. @param {number} low @param {number} high @param {number} count */
export function logTicksOf(low, high, count) {
  const ticks = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const size of [1, 2, 5]) ticks.push(size * 10 ** power)
  }
  const shown = ticks.filter((tick) => tick >= low && tick <= high)
  if (shown.length < 2) return ticksOf(low, high, count)
  const tens = shown.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6))
  return shown.length > count && tens.length > 1 ? tens : shown
}
