// @ts-check
// Plane geometry of the editors: data in, new data out.

/** @typedef {readonly [number, number]} XY */
/** @typedef {{scale: number, x: number, y: number}} View stage = picture * scale + (x, y); both in their own pixels */
/** @typedef {{width: number, height: number}} Size */

/** How far in a picture can be magnified, stage pixels per picture pixel, over the view that shows all of it. */
const DEEPEST = 24
/** Size of a close-up over that of the box it shows. */
const ROOM = 1.8

/** @param {View} view @param {ArrayLike<number>} point @returns {[number, number]} */
export const toStage = ({ scale, x, y }, point) => [point[0] * scale + x, point[1] * scale + y]

/** @param {View} view @param {ArrayLike<number>} point @returns {[number, number]} */
export const toPicture = ({ scale, x, y }, point) => [(point[0] - x) / scale, (point[1] - y) / scale]

/**
 * The view that shows all of a picture, in the middle of the stage.
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function fitView(picture, stage) {
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height)
  return { scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2 }
}

/**
 * The view that shows a box with some room around it.
 * @param {ArrayLike<number>} box x1, y1, x2, y2
 * @param {Size} picture
 * @param {Size} stage
 */
export function boxView(box, picture, stage) {
  const [x1, y1, x2, y2] = Array.from(box)
  const width = Math.max(ROOM * (x2 - x1), 8)
  const height = Math.max(ROOM * (y2 - y1), 8)
  const { scale } = fitView({ width, height }, stage)
  const view = { scale, x: stage.width / 2 - ((x1 + x2) / 2) * scale, y: stage.height / 2 - ((y1 + y2) / 2) * scale }
  return limitView(view, picture, stage)
}

/**
 * Magnify, keeping what lies under `at` where it is.
 * @param {View} view
 * @param {XY} at stage pixels
 * @param {number} factor
 * @param {Size} picture
 * @param {Size} stage
 */
export function zoomAt(view, at, factor, picture, stage) {
  const least = fitView(picture, stage).scale
  const scale = Math.min(Math.max(view.scale * factor, least), DEEPEST * least)
  const [x, y] = toPicture(view, at)
  return limitView({ scale, x: at[0] - x * scale, y: at[1] - y * scale }, picture, stage)
}

/**
 * Two fingers: what lay under them stays under them.
 * @param {View} view before the movement
 * @param {readonly [XY, XY]} from stage pixels
 * @param {readonly [XY, XY]} to
 * @param {Size} picture
 * @param {Size} stage
 */
export function pinch(view, from, to, picture, stage) {
  /** @typedef {readonly [XY, XY]} Two */
  const middle = (/** @type {Two} */ [a, b]) => /** @type {[number, number]} */ ([(a[0] + b[0]) / 2, (a[1] + b[1]) / 2])
  const apart = (/** @type {Two} */ [a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]))
  const [before, after] = [middle(from), middle(to)]
  const moved = { ...view, x: view.x + after[0] - before[0], y: view.y + after[1] - before[1] }
  return zoomAt(moved, after, apart(to) / apart(from), picture, stage)
}

/**
 * The nearest view in which the picture fills the stage, or lies in its middle.
 * @param {View} view
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function limitView(view, picture, stage) {
  const along = (offset, length, room) =>
    length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, offset))
  return {
    scale: view.scale,
    x: along(view.x, picture.width * view.scale, stage.width),
    y: along(view.y, picture.height * view.scale, stage.height),
  }
}

/** A parabola through three points as an SVG path, or a line through two. @param {ArrayLike<number>[]} points */
export function curvePath(points) {
  const at = (/** @type {number[]} */ [x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`
  const [start, middle, end] = points.map((point) => [point[0], point[1]])
  if (!end) return `M${at(start)}L${at(middle)}`
  const control = [0, 1].map((i) => 2 * middle[i] - (start[i] + end[i]) / 2)
  return `M${at(start)}Q${at(control)} ${at(end)}`
}

/**
 * The turn and growth that takes `from` to `to` best, as a complex factor.
 * @param {ArrayLike<number>[]} from
 * @param {ArrayLike<number>[]} to
 * @returns {[number, number]}
 */
export function similarity(from, to) {
  const mean = (points, i) => points.reduce((sum, point) => sum + point[i], 0) / points.length
  const [ax, ay, bx, by] = [mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1)]
  let [real, imaginary, norm] = [0, 0, 0]
  from.forEach((point, i) => {
    const [x, y, u, v] = [point[0] - ax, point[1] - ay, to[i][0] - bx, to[i][1] - by]
    real += x * u + y * v
    imaginary += x * v - y * u
    norm += x * x + y * y
  })
  return norm ? [real / norm, imaginary / norm] : [1, 0]
}

/** @param {readonly [number, number]} factor @param {ArrayLike<number>} vector @returns {[number, number]} */
export const turn = ([real, imaginary], vector) => [
  real * vector[0] - imaginary * vector[1],
  imaginary * vector[0] + real * vector[1],
]
