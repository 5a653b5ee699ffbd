// What the editor draws is what edits.py and motion.py make: both read tests/data/timeline.json.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import test from "node:test"
import { NOTHING, readEdits } from "../../web/js/timeline_document.mjs"
import { MouthRows, pchip, SPOKEN, thinOut } from "../../web/js/timeline_motion.mjs"

const { heard, cases } = JSON.parse(readFileSync(new URL("../data/timeline.json", import.meta.url), "utf8"))
const duration = heard.values.length / 100

/** Exactly where cues stay as they are; else by less than the eye sees, dips aside that the library fills. */
const near = (rows, { edits, expected }) => {
  for (const name of SPOKEN) {
    const differences = expected[name].map((value, i) => Math.abs(rows.values[name][i] - value))
    assert.ok(differences.reduce((a, b) => a + b) / differences.length < (edits.cues ? 0.01 : 2e-4), name)
  }
}

for (const [index, example] of cases.entries()) {
  test(`case ${index} moves as the library moves it`, () => {
    const rows = new MouthRows(duration, heard)
    rows.update(readEdits(JSON.stringify(example.edits)).edits)
    near(rows, example)
  })
}

test("one edit after another moves as the last one alone", () => {
  const rows = new MouthRows(duration, heard)
  for (const { edits } of [...cases, ...cases.toReversed()]) {
    const now = readEdits(edits).edits
    rows.update(now)
    const alone = new MouthRows(duration, heard)
    alone.update(now)
    assert.deepEqual(rows.values, alone.values)
  }
  rows.update(NOTHING)
  assert.deepEqual(rows.values, rows.heard)
})

test("a curve runs through its keys without overshoot", () => {
  const keys = [[0, 0.2], [1, 0.2], [1.5, 0.9], [4, 0.1]]
  const curve = pchip(keys)
  for (const [time, value] of keys) assert.ok(Math.abs(curve(time) - value) < 1e-12)
  for (let time = -1; time < 5; time += 0.01) assert.ok(curve(time) >= 0.1 - 1e-9 && curve(time) <= 0.9 + 1e-9)
})

test("thinning keeps every value within a hundredth", () => {
  const values = Array.from({ length: 600 }, (_, i) => 0.5 + 0.5 * Math.sin(i / 9) * Math.sin(i / 31))
  const keys = thinOut(values, 60, "jaw_open")
  assert.ok(keys.length < 300)
  const rows = new MouthRows(10, null)
  rows.update({ ...NOTHING, curves: { jaw_open: keys } })
  for (let i = 0; i < 600; i += 3) {
    const row = (i / 60) * 100
    const between = rows.values.jaw_open[Math.floor(row)] * (1 - (row % 1)) + rows.values.jaw_open[Math.min(999, Math.ceil(row))] * (row % 1)
    assert.ok(Math.abs(between - values[i]) < 0.03, `${i}: ${between} for ${values[i]}`)
  }
})
