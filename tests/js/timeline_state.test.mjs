import assert from "node:assert/strict"
import test from "node:test"
import { writeEdits } from "../../web/js/timeline_document.mjs"
import { TimelineState } from "../../web/js/timeline_state.mjs"

const VOICE = "ab".repeat(64)
const cues = () => ["sil", "PP", "aa", "E", "sil"].map((viseme, i) => ({ start: i / 5, end: (i + 1) / 5, viseme }))
const heard = (voice = VOICE) => ({
  voice,
  track: "",
  duration: 1,
  peaks: { rate: 100, values: [] },
  motion: { frame_rate: "25", channels: ["jaw_open"], values: Array(25).fill([0]), visemes: { cues: cues() } },
})

function opened() {
  const told = []
  const state = new TimelineState(() => 25, () => told.push(state.value))
  state.setVoice(1, heard())
  return { state, told }
}

test("what is done is told, undone and done again", () => {
  const { state, told } = opened()
  assert.equal(state.value, "")
  state.choose("oh", 0.5)
  state.nudge(0.04, false)
  state.nudge(0.04, false)
  state.split(0.55)
  state.merge()
  state.remove()
  state.setKey(0.3, 0.8)
  assert.equal(told.length, 7)
  assert.equal(JSON.parse(state.value).voice, VOICE)
  const last = state.value
  let steps = 0
  for (; state.canUndo; steps++) state.undo()
  assert.equal(state.value, "")
  assert.equal(steps, 6, "both nudges are one step")
  while (state.canRedo) state.redo()
  assert.equal(state.value, last)
})

test("edits of another voice are neither shown nor lost", () => {
  const { state } = opened()
  state.choose("oh", 0.5)
  const value = state.value
  state.setVoice(1, heard("00".repeat(64)))
  assert.ok(!state.suits && state.cues[2].viseme === "aa" && state.value === value)
  state.useHere()
  assert.ok(state.suits && state.cues[2].viseme === "oh")
})

test("a value that cannot be read is kept until something is changed, and that can be undone", () => {
  const { state } = opened()
  state.value = "no edits {"
  assert.ok(state.unreadable && state.value === "no edits {" && state.cues.length === 5)
  state.choose("oh", 0.5)
  assert.ok(!state.unreadable && JSON.parse(state.value).cues[2].viseme === "oh")
})

test("a state with nothing in it bears everything", () => {
  const state = new TimelineState(() => 25, () => {})
  for (const work of [
    () => state.choose("aa", 0), () => state.split(0), () => state.merge(), () => state.remove(), () => state.undo(), () => state.redo(),
    () => state.nudge(1, true), () => state.lift(1), () => state.step(1, 0), () => state.selectAt(5), () => state.setKey(0, 0.5),
    ...["tsv", "json", "csv", "motion", "edits"].map((form) => () => state.write(form)),
  ]) work()
  assert.throws(() => state.read("nothing"))
  assert.equal(state.read("0.00\tX\n0.50\tD\n1.00\tX\n"), 1)
  assert.equal(state.duration, 1)
})

test("selection follows what is left", () => {
  const { state } = opened()
  state.select(1)
  state.select(4, true)
  assert.deepEqual(state.selected, { first: 1, last: 4 })
  state.select(2)
  state.extend(-1)
  state.extend(1)
  assert.deepEqual(state.selected, { first: 1, last: 3 })
  state.setKey(0.2, 0.5)
  state.setKey(0.6, 0.5)
  assert.equal(state.step(-1, 0), 0.2)
  assert.equal(state.step(-1, 0), 0.2)
  state.selectWord({ start: 0.15, end: 0.55 })
  assert.deepEqual(state.selected, { first: 1, last: 2 })
  state.value = writeEdits({ cues: cues().slice(0, 2), curves: {}, voice: "", track: "" })
  state.select(1)
  state.remove()
  assert.equal(state.selected, null)
  assert.equal(state.step(1, 0.1), 0)
})
