// @ts-check
// The losses of a training as rows of numbers: short enough to draw, smoothed, and how long it still takes.

/**
 * @typedef {object} Row the mean of neighbouring steps
 * @property {number} step the last of them
 * @property {number} steps how many they are
 * @property {Record<string, number | null>} losses null where one was no number
 */

/** Rows that are kept, as the server does (loss_curve.py). */
const ROWS = 2000

/**
 * Rows of the server's columns.
 * @param {{step: number[], steps: number[], losses: Record<string, (number | null)[]>}} columns
 * @returns {Row[]}
 */
export function rowsOf({ step, steps, losses }) {
  const names = Object.keys(losses)
  return step.map((last, i) => ({
    step: last,
    steps: steps[i],
    losses: Object.fromEntries(names.map((name) => [name, losses[name][i]])),
  }))
}

/**
 * Rows with one more; where there are too many, neighbours become one. Steps that were there before, because the
 * training was resumed, give way.
 * @param {Row[]} rows @param {Row} row @param {number} limit
 */
export function addRow(rows, row, limit = ROWS) {
  const isNew = rows.length === 0 || rows[rows.length - 1].step <= row.step - row.steps
  const added = [...(isNew ? rows : rows.filter(({ step }) => step <= row.step - row.steps)), row]
  if (added.length <= limit) return added
  const halved = []
  for (let i = 0; i < added.length; i += 2) halved.push(meanOf(added.slice(i, i + 2)))
  return halved
}

/** @param {Row[]} rows neighbours @returns {Row} */
function meanOf(rows) {
  /** @type {Record<string, number | null>} */
  const losses = {}
  for (const name of new Set(rows.flatMap((row) => Object.keys(row.losses)))) {
    let [sum, count] = [0, 0]
    for (const { losses, steps } of rows) {
      const loss = losses[name]
      if (loss === null || loss === undefined) continue
      sum += loss * steps
      count += steps
    }
    losses[name] = count ? sum / count : null
  }
  return { step: rows[rows.length - 1].step, steps: rows.reduce((sum, row) => sum + row.steps, 0), losses }
}

/**
 * One loss over all rows, each the mean of itself and those before, which count less the longer ago they are.
 * @param {Row[]} rows @param {string} name
 * @param {number} weight of what came before, from 0 to below 1
 * @returns {(number | null)[]}
 */
export function smoothed(rows, name, weight) {
  let [sum, count] = [0, 0]
  return rows.map(({ losses }) => {
    const loss = losses[name]
    if (loss === null || loss === undefined) return null
    sum = sum * weight + loss * (1 - weight)
    count = count * weight + (1 - weight)
    return sum / count
  })
}

/** Index of the row whose step is nearest; -1 without rows. @param {Row[]} rows @param {number} step */
export function nearestRow(rows, step) {
  const after = firstFrom(rows, step)
  if (after === rows.length || (after > 0 && step - rows[after - 1].step <= rows[after].step - step)) return after - 1
  return after
}

/**
 * The rows between two steps, and one beside them at either end to draw a line to.
 * @param {Row[]} rows @param {number} from @param {number} to
 * @returns {[first: number, end: number]}
 */
export function rowsBetween(rows, from, to) {
  return [Math.max(0, firstFrom(rows, from) - 1), Math.min(rows.length, firstFrom(rows, to) + 1)]
}

/** Index of the first row at or after `step`. @param {Row[]} rows @param {number} step */
function firstFrom(rows, step) {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle].step >= step) high = middle
    else low = middle + 1
  }
  return low
}

/** "1:05:09", "5:09"; a dash for NaN. @param {number} seconds */
export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return "–"
  const whole = Math.round(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] ? parts : parts.slice(1)
  return shown.map((part, i) => (i ? String(part).padStart(2, "0") : String(part))).join(":")
}

/** Three digits that count, whatever the size. @param {number | null | undefined} value */
export function formatNumber(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace("e+", "e")
  return String(Number(value.toPrecision(3)))
}

/** Gigabytes of bytes. @param {number | null | undefined} bytes */
export const formatMemory = (bytes) => (bytes ? `${(bytes / 2 ** 30).toFixed(1)} GB` : "–")
