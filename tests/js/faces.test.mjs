import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import {
  CHIN,
  LOWER_LIP,
  MOUTH_LEFT,
  MOUTH_RIGHT,
  UPPER_LIP,
  dragMoves,
  facesDocument,
  isSamePicture,
  isShut,
  mouthLines,
  movePoints,
  readFaces,
  resizeFaces,
  rowAt,
  sameFace,
  setFrame,
  unsetFrame,
  writeFaces,
} from "../../web/js/faces.mjs"

const open = (path) => readFileSync(new URL(path, import.meta.url), "utf8")
const sample = (name) => open(`../../animal_lipsync/samples/${name}.faces.json`)
const fox = () => readFaces(sample("fox")).faces
const clip = () => readFaces(sample("fox-clip")).faces
const points = () => fox().faces[0].rows[0].points

test("every document of ours comes back as it was", () => {
  for (const name of ["fox", "fox-clip"]) {
    const { faces, problem } = readFaces(sample(name))
    assert.equal(problem, "")
    assert.deepEqual(readFaces(writeFaces(faces)).faces, faces)
    const before = JSON.parse(sample(name))
    const after = facesDocument(faces)
    assert.deepEqual(after.source, before.source)
    assert.deepEqual(after.faces[0].frames, before.faces[0].frames)
  }
})

test("garbage is told, not thrown", () => {
  const text = sample("fox")
  const broken = [
    "{",
    "[]",
    "null",
    "17",
    '"x"',
    "{}",
    '{"version": 2}',
    '{"version": 1}',
    '{"version":1,"source":{},"faces":[]}',
    text.replace('"version": 1', '"version": 2'),
    text.replace("animal9", "human68"),
    text.replace('"frames": [0]', '"frames": [5]'),
    text.replace('"frames": [0]', '"frames": []'),
    text.replace('"keypoints": [[[', '"keypoints": [[["x", '),
    text.replace('"boxes": [[', '"boxes": [[1, '),
  ]
  for (const garbage of broken) {
    const { faces, problem } = readFaces(garbage)
    assert.equal(faces, null, garbage)
    assert.ok(problem, garbage)
  }
  for (const empty of ["", "  ", null, undefined, 17, {}, []])
    assert.deepEqual(readFaces(empty), { faces: null, problem: "" })
})

test("faces fit another size of the same picture, and none of another shape", () => {
  const half = resizeFaces(fox(), { width: 512, height: 512 })
  assert.equal(half.faces[0].rows[0].points[0][0], points()[0][0] / 2)
  assert.equal(half.faces[0].rows[0].points[0][2], points()[0][2])
  assert.equal(resizeFaces(fox(), { width: 512, height: 300 }), null)
})

test("a picture is known again after compression", () => {
  assert.ok(isSamePicture("80ff10", "7ffc13"))
  assert.ok(!isSamePicture("80ff10", "80ff20"))
  assert.ok(!isSamePicture("80ff10", "80ff"))
  assert.ok(isSamePicture("", "80ff10"))
})

test("between two listed frames points are interpolated, outside they stay", () => {
  const [face] = clip().faces
  const [first, second] = face.rows
  const middle = rowAt(face, (first.frame + second.frame) / 2)
  middle.points.forEach((point, i) =>
    point.forEach((value, axis) =>
      assert.ok(Math.abs(value - (first.points[i][axis] + second.points[i][axis]) / 2) < 1e-9),
    ),
  )
  const last = face.rows.at(-1)
  assert.deepEqual(rowAt(face, 99_999).points, last.points)
})

test("a face that follows is corrected as the server does", () => {
  const { found, anchors, set, corrected } = JSON.parse(open("../data/correction.json"))
  const foundRows = found.keypoints.map((keypoints, frame) => ({
    frame,
    box: found.boxes[frame],
    points: keypoints.map(([x, y]) => [x, y, 1]),
  }))
  const rows = anchors.map((frame, i) => ({ ...foundRows[frame], points: set[i].map(([x, y]) => [x, y, 1]) }))
  const face = { species: "dog", score: 1, rows, hidden: [], follow: true }
  corrected.forEach((keypoints, frame) => {
    const row = rowAt(face, frame, (other) => foundRows[other])
    keypoints.forEach(([x, y], i) =>
      assert.ok(Math.hypot(row.points[i][0] - x, row.points[i][1] - y) < 0.01, `${frame}.${i}`),
    )
  })
})

test("a drag moves its point and nothing else", () => {
  const before = fox()
  const row = before.faces[0].rows[0]
  const moves = dragMoves(row.points, MOUTH_LEFT, [10, 20], false)
  const after = movePoints(before, 0, row, moves).faces[0].rows[0]
  assert.deepEqual(after.points[MOUTH_LEFT], [10, 20, 1])
  after.points.forEach((point, i) => i !== MOUTH_LEFT && assert.deepEqual(point, row.points[i]))
  assert.deepEqual(before, fox(), "states are never changed")
})

test("a mirrored drag moves both sides alike and keeps the middle in the middle", () => {
  const upright = points().map(() => [50, 50, 1])
  Object.assign(upright, { 0: [30, 40, 1], 1: [70, 40, 1], 3: [40, 70, 1], 4: [60, 70, 1] })
  const corners = dragMoves(upright, MOUTH_LEFT, [35, 75], true)
  assert.deepEqual(corners.get(MOUTH_LEFT), [35, 75])
  assert.deepEqual(corners.get(MOUTH_RIGHT), [65, 75])
  const chin = dragMoves(upright, CHIN, [60, 80], true)
  assert.deepEqual(chin.get(CHIN), [50, 80])
})

test("the lips of a shut mouth stay together until the lower one is pulled", () => {
  const shut = points()
  assert.ok(isShut(shut))
  const [x, y] = shut[UPPER_LIP]
  assert.deepEqual(dragMoves(shut, UPPER_LIP, [x + 5, y - 3], false).get(LOWER_LIP), [x + 5, y - 3])
  const pulled = dragMoves(shut, LOWER_LIP, [x, y + 60], false)
  assert.equal(pulled.has(UPPER_LIP), false)
  const open = shut.map((point, i) => (pulled.has(i) ? [...pulled.get(i), 1] : point))
  assert.ok(!isShut(open))
  assert.equal(dragMoves(open, UPPER_LIP, [0, 0], false).has(LOWER_LIP), false)
})

test("a drag in a clip sets that frame when the face follows", () => {
  const faces = clip()
  faces.faces[0] = { ...faces.faces[0], follow: true, rows: [faces.faces[0].rows[0]] }
  const row = { ...faces.faces[0].rows[0], frame: 42 }
  const moved = movePoints(faces, 0, row, new Map([[CHIN, [1, 2]]]))
  assert.deepEqual(
    moved.faces[0].rows.map(({ frame }) => frame),
    [0, 42],
  )
  assert.deepEqual(unsetFrame(moved, 0, 42), faces)
  assert.equal(unsetFrame(faces, 0, 0), faces, "the last row stays")
})

test("a drag moves a track that lists every frame in all of them", () => {
  const faces = clip()
  const rows = Array.from({ length: faces.frames }, (_, frame) => rowAt(faces.faces[0], frame))
  const dense = { ...faces, faces: [{ ...faces.faces[0], rows }] }
  const [x, y] = rows[10].points[CHIN]
  const moved = movePoints(dense, 0, rows[10], new Map([[CHIN, [x, y + 9]]]))
  assert.equal(moved.faces[0].rows.length, faces.frames)
  moved.faces[0].rows.forEach((row, i) => {
    const far = Math.hypot(row.points[CHIN][0] - rows[i].points[CHIN][0], row.points[CHIN][1] - rows[i].points[CHIN][1])
    assert.ok(far > 6 && far < 13, `frame ${i}: ${far}`)
  })
})

test("a mouth seen from the side hinges at one end", () => {
  assert.equal(mouthLines(points()).isSide, false)
  const side = points().map((point) => [...point])
  side[MOUTH_LEFT] = [700, 600, 1]
  side[MOUTH_RIGHT] = [710, 610, 1]
  assert.equal(mouthLines(side).isSide, true)
  assert.equal(mouthLines(side).hinges.length, 1)
})

test("the same animal is the nearest that is near", () => {
  const [face] = fox().faces
  const [row] = face.rows
  const far = { ...face, rows: [{ ...row, box: row.box.map((value) => value + 2000) }] }
  assert.equal(sameFace(row, [far, face]), row)
  assert.equal(sameFace(row, [far]), undefined)
})

test("setting a frame keeps rows in order", () => {
  const faces = clip()
  const row = { ...faces.faces[0].rows[0], frame: 3 }
  const frames = setFrame(faces, 0, row).faces[0].rows.map(({ frame }) => frame)
  assert.deepEqual(
    frames,
    [...frames].sort((a, b) => a - b),
  )
})
