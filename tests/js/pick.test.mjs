import assert from "node:assert/strict"
import { test } from "node:test"
import { rankFaces } from "../../web/js/faces.mjs"
import { readPick, writePick } from "../../web/js/pick.mjs"

test("a pick comes back as it was", () => {
  for (const place of [{ point: [640.5, 210] }, { box: [1, 2, 30, 40.3] }]) {
    const pick = { width: 1280, height: 720, frame: 17, ...place }
    assert.deepEqual(readPick(writePick(pick)), { pick, problem: "" })
  }
  assert.equal(readPick('{"version":1,"width":9,"height":9,"point":[1,2]}').pick.frame, 0)
})

test("garbage is told, not thrown", () => {
  const place = '"width":9,"height":9,"frame":0'
  const broken = [
    "{",
    "[]",
    "null",
    "7",
    "{}",
    `{"version":2,${place},"point":[1,2]}`,
    `{"version":1,${place}}`,
    `{"version":1,${place},"point":[1,2],"box":[1,2,3,4]}`,
    `{"version":1,${place},"point":[1,"2"]}`,
    '{"version":1,"width":0,"height":9,"point":[1,2]}',
    '{"version":1,"width":9,"height":9,"frame":-1,"point":[1,2]}',
  ]
  for (const garbage of broken) {
    assert.equal(readPick(garbage).pick, null, garbage)
    assert.ok(readPick(garbage).problem, garbage)
  }
  assert.deepEqual(readPick("  "), { pick: null, problem: "" })
})

test("faces are counted as the rules of Choose Face say", () => {
  const face = (species, box) => ({
    species,
    score: 1,
    hidden: [],
    follow: false,
    rows: [{ frame: 0, box, points: [] }],
  })
  const found = [face("dog", [60, 0, 90, 30]), face("cat", [0, 0, 40, 40]), face("dog", [40, 40, 60, 60])]
  const picture = { width: 100, height: 100 }
  assert.deepEqual(rankFaces(found, "prominent", picture), [0, 1, 2])
  assert.deepEqual(rankFaces(found, "leftmost", picture), [1, 2, 0])
  assert.deepEqual(rankFaces(found, "rightmost", picture), [0, 2, 1])
  assert.deepEqual(rankFaces(found, "largest", picture), [1, 0, 2])
  assert.deepEqual(rankFaces(found, "central", picture), [2, 1, 0])
  assert.deepEqual(rankFaces(found, "dog", picture), [0, 2])
  assert.deepEqual(rankFaces([], "central", picture), [])
})
