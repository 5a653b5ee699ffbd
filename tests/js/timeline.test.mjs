import assert from "node:assert/strict"
import test from "node:test"
import * as edits from "../../web/js/timeline_cues.mjs"
import { isSame, NOTHING, readEdits, untangle, VISEMES, writeEdits } from "../../web/js/timeline_document.mjs"
import { readFile, toArkit, toMotion, toRhubarbJson, toRhubarbTsv } from "../../web/js/timeline_files.mjs"
import * as layout from "../../web/js/timeline_layout.mjs"

const DURATION = 10
const random = ((seed) => () => (seed = (seed * 16807) % 2147483647) / 2147483647)(11)
const integer = (below) => Math.floor(random() * below)
const someCues = () =>
  untangle(Array.from({ length: 2 + integer(30) }, () => ({ start: integer(9e4) / 1e4, end: integer(1e5) / 1e4, viseme: VISEMES[integer(15)] })))

const inOrder = (cues) => {
  cues.forEach((cue, i) => {
    assert.ok(cue.start >= 0 && cue.end > cue.start && cue.end <= DURATION + 1e-9, JSON.stringify(cue))
    if (i) assert.ok(cue.start >= cues[i - 1].end - 1e-9, `${JSON.stringify(cues[i - 1])} ${JSON.stringify(cue)}`)
  })
}

test("whatever is done to cues, they stay in order, without overlap, within the voice", () => {
  for (let round = 0; round < 400; round++) {
    let cues = someCues().filter((cue) => cue.end - cue.start >= edits.SHORTEST)
    for (let step = 0; step < 12 && cues.length; step++) {
      const first = integer(cues.length)
      const range = { first, last: Math.min(cues.length - 1, first + integer(3)) }
      const before = structuredClone(cues)
      const after = [
        () => edits.moveCues(cues, range, random() * 6 - 3, DURATION).cues,
        () => edits.moveEdge(cues, first, random() < 0.5 ? "start" : "end", random() * DURATION, DURATION),
        () => edits.splitCue(cues, random() * DURATION),
        () => edits.mergeCues(cues, range),
        () => edits.retypeCues(cues, range, "aa"),
        () => edits.removeCues(cues, range),
        () => edits.insertCue(cues, random() * DURATION, "oh", DURATION),
      ][integer(7)]()
      assert.deepEqual(cues, before, "what is given is not changed")
      inOrder(after)
      cues = after
    }
  }
})

test("moved cues keep their length, and what touched them follows", () => {
  const cues = [0, 1, 2, 3].map((start) => ({ start, end: start + 1, viseme: "aa" }))
  assert.deepEqual(
    edits.moveCues(cues, { first: 1, last: 2 }, 0.4, 4).cues.map(({ start, end }) => [start, end]),
    [[0, 1.4], [1.4, 2.4], [2.4, 3.4], [3.4, 4]],
  )
  const { cues: onto, range } = edits.moveCues(cues, { first: 2, last: 2 }, -1.5, 4)
  assert.deepEqual(onto.map(({ start, end }) => [start, end]), [[0, 0.5], [0.5, 1.5], [1.5, 4]])
  assert.deepEqual(range, { first: 1, last: 1 })
  assert.deepEqual(edits.moveEdge(cues, 2, "start", 1.5, 4).map(({ start }) => start), [0, 1, 1.5, 3])
  assert.equal(edits.moveEdge(cues, 3, "end", 99, 4)[3].end, 4)
})

test("a click finds the edge or the cue, and the cue at a time is the one drawn there", () => {
  for (let round = 0; round < 200; round++) {
    const cues = someCues()
    const view = layout.within({ start: random() * 5, scale: 20 + random() * 400, width: 600 }, DURATION)
    const x = random() * view.width
    const time = layout.xToTime(view, x)
    assert.ok(Math.abs(layout.timeToX(view, time) - x) < 1e-9)
    const hit = layout.hitCue(cues, view, x)
    const at = edits.cueAt(cues, time)
    if (hit?.part === "body") assert.equal(hit.index, at)
    else if (hit) assert.ok(Math.abs(layout.timeToX(view, cues[hit.index][hit.part]) - x) <= 6)
    else assert.ok(at < 0 || cues[at].start === time)
  }
})

test("zooming keeps what is under the pointer and never leaves the voice", () => {
  let view = layout.fit(DURATION, 500)
  for (let i = 0; i < 200; i++) {
    const x = random() * 500
    const before = layout.xToTime(view, x)
    const zoomed = layout.zoom(view, Math.exp(random() * 2 - 1), x, DURATION)
    const end = zoomed.start + zoomed.width / zoomed.scale
    assert.ok(zoomed.start >= 0 && end <= DURATION + 1e-9)
    if (zoomed.start > 0 && end < DURATION - 1e-9) assert.ok(Math.abs(layout.xToTime(zoomed, x) - before) < 1e-9)
    view = zoomed
  }
})

test("every zoom of the peaks shows the loudest sample", () => {
  const samples = Float32Array.from({ length: 80000 }, () => random() * 0.5)
  samples[54321] = -0.9
  const zooms = layout.zoomsOf(layout.peaksOf([samples], 8000, 200))
  for (const { rate, values } of zooms) assert.equal(values[Math.floor((54321 / 8000) * rate)], Math.floor(255 * Math.fround(0.9)))
  assert.equal(layout.zoomFor(zooms, 1e9), zooms[0])
  assert.ok(layout.zoomFor(zooms, 10).rate >= 10 && layout.zoomFor(zooms, 10).rate < 40)
})

test("edges catch at frames, and at the red line when it is near", () => {
  assert.equal(edits.snapTime(1.234, 25), 1.24)
  assert.equal(edits.snapTime(1.234, 25, [1.23], 0.01), 1.23)
  assert.equal(edits.snapTime(1.234, 25, [1.3], 0.01), 1.24)
})

test("edits survive writing; nothing at all is written as nothing", () => {
  const state = { cues: someCues(), curves: { jaw_open: [[0.5, 0.25], [1, 1]] }, voice: "00", track: "" }
  const again = readEdits(writeEdits(state))
  assert.equal(again.error, "")
  assert.deepEqual(readEdits(writeEdits(again.edits)), again)
  assert.equal(writeEdits(NOTHING), "")
  assert.equal(writeEdits({ ...NOTHING, cues: [] }) === "", false, "all cues removed is an edit")
})

test("whatever a file holds, reading it never throws", () => {
  const odd = [undefined, null, "", "  ", 0, [], {}, "{", "[]", "null", '"x"', "1e999", '{"version":2}', '{"version":1,"cues":5}',
    '{"version":1,"cues":[null]}', '{"version":1,"curves":{"jaw":[]}}', '{"version":1,"curves":{"jaw_open":5}}',
    '{"version":1,"curves":{"jaw_open":[[0,7]]}}', '{"version":1,"cues":[{"start":-1,"end":2,"viseme":"aa"}]}', "\u0000", "{".repeat(1e5)]
  for (const text of odd) {
    const { edits: read } = readEdits(text)
    assert.deepEqual(read, NOTHING)
  }
})

test("overlapping, empty and shuffled cues are put in order", () => {
  const text = JSON.stringify({ version: 1, cues: [
    { start: 2, end: 3, viseme: "aa" }, { start: 0, end: 2.5, viseme: "PP" }, { start: 1, end: 1, viseme: "E" }] })
  assert.deepEqual(readEdits(text).edits.cues, [{ start: 0, end: 2, viseme: "PP" }, { start: 2, end: 3, viseme: "aa" }])
})

test("Rhubarb's three forms are read alike, and written so that they are", () => {
  const tsv = "0.00\tX\n0.25\tB\n0.40\tA\n1.00\tX\n"
  const json = '{"mouthCues": [{"start": 0, "end": 0.25, "value": "X"}, {"start": 0.25, "end": 0.4, "value": "B"}, {"start": 0.4, "end": 1, "value": "A"}]}'
  const xml = '<rhubarbResult><mouthCues><mouthCue start="0" end="0.25">X</mouthCue><mouthCue start="0.25" end="0.40">B</mouthCue><mouthCue start="0.40" end="1.00">A</mouthCue></mouthCues></rhubarbResult>'
  const expected = [["sil", 0, 0.25], ["DD", 0.25, 0.4], ["PP", 0.4, 1]].map(([viseme, start, end]) => ({ start, end, viseme }))
  for (const text of [tsv, json, xml, "\uFEFF" + tsv.replaceAll("\n", "\r\n")]) assert.deepEqual(readFile(text, 25).cues, expected)
  assert.equal(toRhubarbTsv(expected, 1), tsv)
  assert.deepEqual(readFile(toRhubarbJson(expected, 1), 25).cues, expected)
})

test("ARKit's table becomes curves at the rate that its time codes say", () => {
  const at = (time) => ({ jaw_open: 0.5 + 0.4 * Math.sin(time * 7), mouth_close: 0, mouth_pucker: 0.2, mouth_wide: 0, tongue_out: 0,
    blink_left: 0, blink_right: 0, brow: 0, head_pitch: 10 * Math.sin(time), head_yaw: 0, head_roll: 0 })
  const { curves } = readFile(toArkit(at, 3, 60), 25)
  for (const [time, value] of curves.jaw_open) assert.ok(Math.abs(value - at(time).jaw_open) < 1e-4)
  for (const [time, value] of curves.head_pitch) assert.ok(Math.abs(value - at(time).head_pitch) < 1e-3)
  assert.ok(curves.jaw_open.at(-1)[0] > 2.9 && curves.jaw_open.length < 120)
})

test("our own files are read back", () => {
  const cues = someCues()
  const at = () => Object.fromEntries(["jaw_open", "mouth_wide", "mouth_pucker", "mouth_close", "tongue_out", "head_pitch", "head_yaw",
    "head_roll", "blink_left", "blink_right", "brow"].map((name) => [name, 0]))
  assert.deepEqual(readFile(toMotion(at, cues, DURATION, 25), 25).cues, cues)
  const text = writeEdits({ ...NOTHING, cues, curves: { brow: [[1, 0.5]] } })
  assert.deepEqual(readFile(text, 25).curves, { brow: [[1, 0.5]] })
})

for (const bad of ["", "hello", "a,b,c\n1,2,3", "0.0\tQ\n1.0\tX", '{"foo": 1}', "0.0 A extra\n", '{"version":1,"cues":[{"start":0,"end":1,"viseme":"ZZ"}]}']) {
  test(`a file that is none is refused in words: ${JSON.stringify(bad)}`, () => assert.throws(() => readFile(bad, 25), Error))
}

test("a voice is known again however it was encoded, another one is not", () => {
  const voice = Array.from({ length: 64 }, () => integer(256))
  const print = (levels) => levels.map((level) => Math.max(0, Math.min(255, level)).toString(16).padStart(2, "0")).join("")
  assert.ok(isSame(print(voice), print(voice.map((level) => level + integer(9) - 4))))
  assert.ok(!isSame(print(voice), print(voice.toReversed())) && !isSame(print(voice), "") && !isSame("a fox", print(voice)))
})
