import assert from "node:assert/strict"
import { test } from "node:test"
import * as curve from "../../web/js/training_curve.mjs"
import * as layout from "../../web/js/training_layout.mjs"

const row = (step, total, steps = 1) => ({ step, steps, losses: { total } })
const run = (count, limit) => {
  let rows = []
  for (let step = 1; step <= count; step++) rows = curve.addRow(rows, row(step, step % 2), limit)
  return rows
}

test("however long a training is, its rows stay few and keep its mean", () => {
  const rows = run(5000, 64)
  assert.ok(rows.length <= 64 && rows.length > 20)
  assert.equal(
    rows.reduce((sum, { steps }) => sum + steps, 0),
    5000,
  )
  const mean = rows.reduce((sum, { steps, losses }) => sum + steps * losses.total, 0) / 5000
  assert.ok(Math.abs(mean - 0.5) < 1e-9)
  assert.ok(rows.every(({ step }, i) => !i || step > rows[i - 1].step))
})

test("a resumed training goes on where it is resumed", () => {
  const rows = curve.addRow(run(100, 1000), row(41, 9))
  assert.equal(rows.length, 41)
  assert.equal(rows[40].losses.total, 9)
  const gathered = curve.addRow(run(100, 1000), row(50, 9, 10)) // the mean of steps 41 to 50
  assert.deepEqual(
    gathered.slice(-2).map(({ step }) => step),
    [40, 50],
  )
})

test("columns of the server are rows", () => {
  const columns = { step: [1, 4], steps: [1, 3], losses: { total: [1, null] } }
  assert.deepEqual(curve.rowsOf(columns), [row(1, 1), row(4, null, 3)])
})

test("smoothing keeps a level, begins where the curve does and leaves gaps", () => {
  const rows = [row(1, 2), row(2, 2), row(3, null), row(4, 2)]
  assert.deepEqual(curve.smoothed(rows, "total", 0.9), [2, 2, null, 2])
  const falling = curve.smoothed([row(1, 1), row(2, 0)], "total", 0.5)
  assert.equal(falling[0], 1)
  assert.ok(falling[1] > 0 && falling[1] < 0.5)
  assert.deepEqual(curve.smoothed([row(1, 1), row(2, 0)], "total", 0), [1, 0])
})

test("the row under the pointer is the nearest", () => {
  const rows = [row(10, 1), row(20, 1), row(40, 1)]
  for (const [step, index] of [
    [-5, 0],
    [14, 0],
    [16, 1],
    [29, 1],
    [31, 2],
    [99, 2],
  ]) {
    assert.equal(curve.nearestRow(rows, step), index, `${step}`)
  }
  assert.equal(curve.nearestRow([], 5), -1)
})

test("only rows in view are drawn, and one beside them", () => {
  const rows = run(100, 1000)
  const [first, end] = curve.rowsBetween(rows, 40, 60)
  assert.deepEqual([rows[first].step, rows[end - 1].step], [39, 60])
  assert.deepEqual(curve.rowsBetween(rows, 0, 100), [0, 100])
})

test("time left and sizes are written as people do", () => {
  assert.equal(curve.formatDuration(450), "7:30")
  assert.equal(curve.formatDuration(3909), "1:05:09")
  assert.equal(curve.formatDuration(NaN), "–")
  const numbers = [0, 1e-4, 0.012345, 12.3456, 123456, null, NaN].map(curve.formatNumber)
  assert.deepEqual(numbers, ["0", "1.0e-4", "0.0123", "12.3", "1.2e5", "–", "–"])
  assert.equal(curve.formatMemory(9 * 2 ** 30), "9.0 GB")
})

test("a loss has one place on the chart, on either scale", () => {
  const area = layout.areaOf(500, 300)
  const view = { from: 0, to: 100 }
  assert.equal(layout.xToStep(area, view, layout.stepToX(area, view, 37)), 37)
  for (const isLog of [false, true]) {
    const scale = layout.scaleOf([row(1, 0.01), row(50, 1)], [[0.01, 1]], view, isLog)
    const [low, high] = [0.01, 1].map((loss) => layout.lossToY(area, scale, loss))
    assert.ok(high > area.top && low > high && low < area.top + area.height)
  }
  const scale = { low: 0.01, high: 1, isLog: true }
  assert.ok(Math.abs(layout.lossToY(area, scale, 0.1) - (area.top + area.height / 2)) < 1e-9)
  assert.ok(Number.isNaN(layout.lossToY(area, scale, -1)))
})

test("a scale needs no losses, or only one", () => {
  for (const isLog of [false, true]) {
    for (const losses of [[], [0.5], [0, 0]]) {
      const rows = losses.map((loss, i) => row(i, loss))
      const { low, high } = layout.scaleOf(rows, [losses], { from: 0, to: 20 }, isLog)
      assert.ok(low < high && (!isLog || low > 0), `${isLog} ${losses}`)
    }
  }
})

test("the view stays within the training, and the step under the wheel where it is", () => {
  const view = layout.zoom({ from: 0, to: 1000 }, 4, 900, 1000)
  assert.deepEqual(view, { from: 675, to: 925 })
  assert.deepEqual(layout.within({ from: -50, to: 50 }, 1000), { from: 0, to: 100 })
  assert.deepEqual(layout.zoom(view, 1e-9, 900, 1000), { from: 0, to: 1000 })
})

test("marks are round, and not too many", () => {
  assert.deepEqual(
    layout.ticksOf(0, 1, 5).map((tick) => tick.toFixed(1)),
    ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"],
  )
  const tens = layout.logTicksOf(0.00009, 11, 6).map((tick) => Number(tick.toPrecision(1)))
  assert.deepEqual(tens, [0.0001, 0.001, 0.01, 0.1, 1, 10])
  assert.ok(layout.logTicksOf(0.31, 0.34, 5).length >= 2)
})
