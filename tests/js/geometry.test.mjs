import assert from "node:assert/strict"
import { test } from "node:test"
import {
  boxView,
  curvePath,
  fitView,
  limitView,
  pinch,
  similarity,
  toPicture,
  toStage,
  turn,
  zoomAt,
} from "../../web/js/geometry.mjs"

const picture = { width: 4000, height: 3000 }
const stage = { width: 400, height: 400 }
const close = (a, b, far = 1e-6) => a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < far, `${a} is not ${b}`))

test("the fitted view shows the whole picture in the middle", () => {
  const view = fitView(picture, stage)
  close(toStage(view, [0, 0]), [0, 50])
  close(toStage(view, [4000, 3000]), [400, 350])
})

test("stage and picture are each other's inverse", () => {
  const view = zoomAt(fitView(picture, stage), [70, 90], 3.3, picture, stage)
  for (const point of [
    [0, 0],
    [123.4, 2999],
    [4000, 17],
  ])
    close(toPicture(view, toStage(view, point)), point)
})

test("what lies under the wheel stays there", () => {
  let view = zoomAt(fitView(picture, stage), [200, 200], 4, picture, stage)
  const at = [150, 220]
  const under = toPicture(view, at)
  for (const factor of [1.5, 2, 0.7]) close(toStage((view = zoomAt(view, at, factor, picture, stage)), under), at)
})

test("no view shows less than the picture or magnifies for ever", () => {
  const fitted = fitView(picture, stage)
  assert.deepEqual(zoomAt(fitted, [10, 10], 0.01, picture, stage), fitted)
  assert.ok(zoomAt(fitted, [10, 10], 1e9, picture, stage).scale <= 24 * fitted.scale)
  close(Object.values(limitView({ scale: 1, x: 500, y: -9000 }, picture, stage)), [1, 0, -2600])
})

test("a close-up has the box in its middle, or ends at the picture's edge", () => {
  const view = boxView([1900, 1400, 2100, 1600], picture, stage)
  close(toStage(view, [2000, 1500]), [200, 200])
  const corner = boxView([0, 0, 100, 100], picture, stage)
  close(toStage(corner, [0, 0]), [0, 0])
})

test("two fingers keep what they touch", () => {
  const view = zoomAt(fitView(picture, stage), [200, 200], 6, picture, stage)
  const from = [
    [150, 200],
    [250, 200],
  ]
  const to = [
    [140, 190],
    [280, 230],
  ]
  const middle = toPicture(view, [200, 200])
  const after = pinch(view, from, to, picture, stage)
  close(toStage(after, middle), [210, 210])
  assert.ok(Math.abs(after.scale / view.scale - Math.hypot(140, 40) / 100) < 1e-9)
})

test("a similarity is found again", () => {
  const shape = [
    [0, 0],
    [10, 2],
    [3, 9],
    [-4, 5],
  ]
  const factor = [1.2, -0.7]
  const moved = shape.map((point) => turn(factor, point).map((value, i) => value + [30, -8][i]))
  close(similarity(shape, moved), factor)
  close(
    similarity(
      [
        [1, 1],
        [1, 1],
      ],
      [
        [5, 5],
        [6, 6],
      ],
    ),
    [1, 0],
  )
})

test("a curve leads through its points", () => {
  assert.equal(
    curvePath([
      [0, 0],
      [10, 10],
    ]),
    "M0.0 0.0L10.0 10.0",
  )
  assert.equal(
    curvePath([
      [0, 0],
      [5, 10],
      [10, 0],
    ]),
    "M0.0 0.0Q5.0 20.0 10.0 0.0",
  )
})
