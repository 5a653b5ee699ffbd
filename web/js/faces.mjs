// @ts-check
// FACES.json as the keypoint editor holds it, and its edits: data in, new data out.
import { similarity, turn } from "./geometry.mjs"

/** @typedef {[number, number, number]} Point x, y in pixels of the picture; score, 0 for an estimate */
/** @typedef {{frame: number, box: number[], points: Point[]}} Row one face in one frame */
/**
 * @typedef {object} Face
 * @property {string} species
 * @property {number} score
 * @property {Row[]} rows in the order of their frames; at least one
 * @property {number[][]} hidden first and last frame of each stretch in which the face is not seen
 * @property {boolean} follow between its rows it moves with the animal, as it is found there
 */
/**
 * @typedef {object} Faces
 * @property {number} width of the picture, pixels
 * @property {number} height
 * @property {string} frameRate
 * @property {number} frames 1 for a picture
 * @property {string} picture fingerprint; "" when the faces may be used on any
 * @property {Face[]} faces
 */

/** In the order of the schema `animal9`; left and right are the viewer's. */
export const POINTS = [
  "left_eye",
  "right_eye",
  "nose",
  "mouth_left",
  "mouth_right",
  "upper_lip",
  "lower_lip",
  "chin",
  "brow",
]
export const [LEFT_EYE, RIGHT_EYE, NOSE, MOUTH_LEFT, MOUTH_RIGHT, UPPER_LIP, LOWER_LIP, CHIN, BROW] = POINTS.keys()

/** The point on the other side of the face; a point in its middle is its own. */
export const MIRROR = [1, 0, 2, 4, 3, 5, 6, 7, 8]

/** Lips closer than this share of the mouth's half width are shut, as in rig.py. */
const SHUT = 0.06
/** Cosine between the ways from lip to corners, above which a face is seen from the side, as in rig.py. */
const SIDE = 0.575

const isNumber = (value) => typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= 1e6
const isCount = (value) => Number.isInteger(value) && value >= 1 && value <= 1e6
const isRow = (row, length) => Array.isArray(row) && row.length === length && row.every(isNumber)
const round = (value) => Math.round(value * 1000) / 1000

/**
 * Never throws: what is not FACES.json gives no faces and the reason.
 * @param {unknown} text
 * @returns {{faces: Faces | null, problem: string}}
 */
export function readFaces(text) {
  if (typeof text !== "string" || !text.trim()) return { faces: null, problem: "" }
  try {
    return { faces: parseFaces(JSON.parse(text)), problem: "" }
  } catch (error) {
    return { faces: null, problem: String(error.message ?? error) }
  }
}

/** @param {any} document @returns {Faces} */
export function parseFaces(document) {
  if (document?.version !== 1) throw new Error(`version must be 1, got ${JSON.stringify(document?.version)}`)
  const { width, height, frames, frame_rate = "0", picture = "" } = document.source ?? {}
  if (![width, height, frames].every(isCount)) throw new Error("source needs width, height and frames")
  if (!Array.isArray(document.faces)) throw new Error("faces must be a list")
  const faces = document.faces.map((face, index) => parseFace(face, `faces[${index}]`, frames))
  return { width, height, frames, frameRate: String(frame_rate), picture: String(picture), faces }
}

/** @returns {Face} */
function parseFace(face, where, frames) {
  const { frames: listed, boxes, keypoints, schema = "animal9" } = face ?? {}
  if (schema !== "animal9") throw new Error(`${where}.schema must be animal9`)
  if (![listed, boxes, keypoints].every((list) => Array.isArray(list) && list.length === listed.length && list.length))
    throw new Error(`${where} needs frames, boxes and keypoints of one length`)
  const rows = listed.map((frame, i) => {
    if (!Number.isInteger(frame) || frame < 0 || frame >= frames || (i && frame <= listed[i - 1]))
      throw new Error(`${where}.frames must be increasing whole numbers below ${frames}`)
    if (!isRow(boxes[i], 4)) throw new Error(`${where}.boxes[${i}] must be four numbers`)
    const points = keypoints[i]
    if (!Array.isArray(points) || points.length !== POINTS.length || !points.every((point) => isRow(point, 3)))
      throw new Error(`${where}.keypoints[${i}] must be nine points of three numbers`)
    return { frame, box: boxes[i], points }
  })
  const hidden = (Array.isArray(face.hidden) ? face.hidden : []).filter((stretch) => isRow(stretch, 2))
  return {
    species: String(face.species ?? "unknown"),
    score: isNumber(face.score) ? face.score : 1,
    rows,
    hidden,
    follow: face.follow === true,
  }
}

/** @param {Faces} faces */
export function facesDocument({ width, height, frameRate, frames, picture, faces }) {
  return {
    version: 1,
    source: { width, height, frame_rate: frameRate, frames, ...(picture && { picture }) },
    faces: faces.map(({ species, score, rows, hidden, follow }, id) => ({
      id,
      species,
      score: round(score),
      schema: "animal9",
      frames: rows.map((row) => row.frame),
      hidden,
      boxes: rows.map((row) => row.box.map(round)),
      keypoints: rows.map((row) => row.points.map((point) => point.map(round))),
      ...(follow && { follow }),
    })),
  }
}

/** @param {Faces} faces */
export const writeFaces = (faces) => JSON.stringify(facesDocument(faces))

/**
 * The same faces in the pixels of another size of the same picture; null when it has another shape.
 * @param {Faces} faces @param {import("./geometry.mjs").Size} size @returns {Faces | null}
 */
export function resizeFaces(faces, { width, height }) {
  const scale = width / faces.width
  if (Math.abs(height / faces.height / scale - 1) > 0.01) return null
  if (scale === 1) return faces
  const resize = (row) => ({
    ...row,
    box: row.box.map((value) => value * scale),
    points: row.points.map(([x, y, score]) => [x * scale, y * scale, score]),
  })
  return { ...faces, width, height, faces: faces.faces.map((face) => ({ ...face, rows: face.rows.map(resize) })) }
}

/**
 * Whether two fingerprints are of one picture, as in image.py; one that is empty is of any.
 * @param {string} a
 * @param {string} b
 */
export function isSamePicture(a, b) {
  if (!a || !b) return true
  const levels = [a, b].map((text) => (text.match(/../g) ?? []).map((pair) => parseInt(pair, 16)))
  return levels[0].length === levels[1].length && levels[0].every((level, i) => Math.abs(level - levels[1][i]) <= 4)
}

/** @param {Row} a @param {Row} b @param {number} share of `b` @returns {Row} */
function between(a, b, share) {
  const mix = (from, to) => from.map((value, i) => value + (to[i] - value) * share)
  return {
    frame: a.frame,
    box: mix(a.box, b.box),
    points: /** @type {Point[]} */ (a.points.map((p, i) => mix(p, b.points[i]))),
  }
}

/**
 * A face in any frame.
 *
 * Where it follows the animal, what was set is kept as a difference to what was found, turned and grown with the head,
 * and goes over from one set frame to the next: the same as correction.py does.
 * @param {Face} face
 * @param {number} frame
 * @param {(frame: number) => Row | undefined} foundAt the same animal as it is found, where that is known
 * @returns {Row}
 */
export function rowAt(face, frame, foundAt = () => undefined) {
  const { rows } = face
  const after = rows.find((row) => row.frame >= frame) ?? rows[rows.length - 1]
  const before = rows.findLast((row) => row.frame <= frame) ?? rows[0]
  const share = after === before ? 0 : (frame - before.frame) / (after.frame - before.frame)
  const now = face.follow && before.frame !== frame ? foundAt(frame) : undefined
  const [was, will] = [foundAt(before.frame), foundAt(after.frame)]
  if (!now || !was || !will) return { ...between(before, after, share), frame }
  const moved = (row, found) => {
    const factor = similarity(found.points, now.points)
    return row.points.map((point, i) => turn(factor, [point[0] - found.points[i][0], point[1] - found.points[i][1]]))
  }
  const [left, right] = [moved(before, was), moved(after, will)]
  const points = now.points.map(([x, y, score], i) => {
    const shift = [0, 1].map((axis) => left[i][axis] + (right[i][axis] - left[i][axis]) * share)
    return /** @type {Point} */ ([x + shift[0], y + shift[1], score])
  })
  return { frame, box: now.box, points }
}

/** @param {Faces} faces @param {number} index @param {Face} face @returns {Faces} */
const withFace = (faces, index, face) => ({ ...faces, faces: faces.faces.map((old, i) => (i === index ? face : old)) })

/**
 * Put a face's points where they were dragged to in one frame.
 *
 * A face that follows gets this frame as one that is set; one that is listed for most of the clip's frames moves in all
 * of them, a single row that holds for the whole clip stays one.
 * @param {Faces} faces
 * @param {number} index of the face
 * @param {Row} row the face in that frame before
 * @param {Map<number, readonly [number, number]>} moves place by number of the point
 * @returns {Faces}
 */
export function movePoints(faces, index, row, moves) {
  const face = faces.faces[index]
  const points = row.points.map((point, i) => {
    const place = moves.get(i)
    return /** @type {Point} */ (place ? [place[0], place[1], 1] : point)
  })
  const shift = points.map((point, i) => [point[0] - row.points[i][0], point[1] - row.points[i][1]])
  const everywhere = !face.follow && (face.rows.length === 1 || face.rows.length > 0.3 * faces.frames)
  if (!everywhere) return withFace(faces, index, setRow(face, { ...row, points }))
  const rows = face.rows.map((old) => {
    const factor = similarity(row.points, old.points)
    const moved = old.points.map(([x, y, score], i) => {
      const [dx, dy] = turn(factor, shift[i])
      return /** @type {Point} */ ([x + dx, y + dy, moves.has(i) ? 1 : score])
    })
    return { ...old, points: moved }
  })
  return withFace(faces, index, { ...face, rows })
}

/** @param {Face} face @param {Row} row @returns {Face} */
function setRow(face, row) {
  const rows = [...face.rows.filter((old) => old.frame !== row.frame), row].sort((a, b) => a.frame - b.frame)
  return { ...face, rows }
}

/**
 * Set a face in one frame, or what is left when it is no longer set there.
 * @param {Faces} faces
 * @param {number} index
 * @param {Row} row
 */
export const setFrame = (faces, index, row) => withFace(faces, index, setRow(faces.faces[index], row))

/** @param {Faces} faces @param {number} index @param {number} frame */
export function unsetFrame(faces, index, frame) {
  const face = faces.faces[index]
  const rows = face.rows.filter((row) => row.frame !== frame)
  return rows.length ? withFace(faces, index, { ...face, rows }) : faces
}

/**
 * Where a drag takes the points: the lips of a shut mouth keep together, and with `mirrored` both sides move alike.
 * @param {Point[]} points
 * @param {number} index of the point that is dragged
 * @param {readonly [number, number]} to
 * @param {boolean} mirrored
 * @returns {Map<number, [number, number]>}
 */
export function dragMoves(points, index, to, mirrored) {
  const across = unit(points[RIGHT_EYE], points[LEFT_EYE], points[MOUTH_RIGHT], points[MOUTH_LEFT])
  let shift = [to[0] - points[index][0], to[1] - points[index][1]]
  const sideways = shift[0] * across[0] + shift[1] * across[1]
  const moves = new Map()
  const move = (i, /** @type {number[]} */ [x, y]) => moves.set(i, [points[i][0] + x, points[i][1] + y])
  if (mirrored && MIRROR[index] === index) shift = shift.map((value, i) => value - sideways * across[i])
  else if (mirrored)
    move(
      MIRROR[index],
      shift.map((value, i) => value - 2 * sideways * across[i]),
    )
  move(index, shift)
  if (index === UPPER_LIP && isShut(points)) move(LOWER_LIP, shift)
  return moves
}

/** The mean way across the face, of length 1, from pairs of points. */
function unit(...pairs) {
  const [x, y] = [0, 1].map((axis) => pairs[0][axis] - pairs[1][axis] + pairs[2][axis] - pairs[3][axis])
  const length = Math.hypot(x, y)
  return length ? [x / length, y / length] : [1, 0]
}

/** @param {Point[]} points */
export function isShut(points) {
  const [left, right, upper, lower] = [MOUTH_LEFT, MOUTH_RIGHT, UPPER_LIP, LOWER_LIP].map((i) => points[i])
  const half =
    (Math.hypot(left[0] - upper[0], left[1] - upper[1]) + Math.hypot(right[0] - upper[0], right[1] - upper[1])) / 2
  return Math.hypot(upper[0] - lower[0], upper[1] - lower[1]) < SHUT * half
}

/**
 * Lines that show the mouth, as the points they lead through; seen from the side it hinges at one end.
 * @param {Point[]} points
 */
export function mouthLines(points) {
  const [left, right, upper, lower, chin] = [MOUTH_LEFT, MOUTH_RIGHT, UPPER_LIP, LOWER_LIP, CHIN].map((i) => points[i])
  const ways = [left, right].map((corner) => [corner[0] - upper[0], corner[1] - upper[1]])
  const lengths = ways.map(([x, y]) => Math.hypot(x, y) || 1)
  const cosine = (ways[0][0] * ways[1][0] + ways[0][1] * ways[1][1]) / (lengths[0] * lengths[1])
  const isSide = cosine > SIDE
  const hinge = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2]
  return isSide
    ? { isSide, upper: [hinge, upper], lower: [hinge, lower], jaw: [hinge, chin, lower], hinges: [hinge] }
    : {
        isSide,
        upper: [left, upper, right],
        lower: [left, lower, right],
        jaw: [left, chin, right],
        hinges: [left, right],
      }
}

/**
 * Which of the faces found in a frame is this one: the nearest, if their boxes touch.
 * @param {Row} row
 * @param {Face[]} found
 * @returns {Row | undefined}
 */
export function sameFace(row, found) {
  const middle = (/** @type {number[]} */ [x1, y1, x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2]
  const [x, y] = middle(row.box)
  const reach = Math.max(row.box[2] - row.box[0], row.box[3] - row.box[1])
  const near = found
    .map(({ rows: [other] }) => ({ other, far: Math.hypot(middle(other.box)[0] - x, middle(other.box)[1] - y) }))
    .filter(({ far }) => far < reach)
    .sort((a, b) => a.far - b.far)
  return near[0]?.other
}

/**
 * Indices of faces found in one frame in the order that a rule of Choose Face counts them, as speaker.py does.
 * @param {Face[]} found the most prominent first
 * @param {string} rule
 * @param {import("./geometry.mjs").Size | null} picture
 */
export function rankFaces(found, rule, picture) {
  const boxes = found.map(({ rows: [{ box }] }) => box)
  const cost = {
    leftmost: ([x1, , x2]) => x1 + x2,
    rightmost: ([x1, , x2]) => -x1 - x2,
    largest: ([x1, y1, x2, y2]) => (x1 - x2) * (y2 - y1),
    central: ([x1, y1, x2, y2]) => Math.hypot(x1 + x2 - (picture?.width ?? 0), y1 + y2 - (picture?.height ?? 0)),
    prominent: () => 0,
  }[rule]
  const order = [...found.keys()]
  if (!cost) return order.filter((index) => found[index].species === rule)
  return order.sort((a, b) => cost(boxes[a]) - cost(boxes[b]) || a - b)
}
