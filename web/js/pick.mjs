// @ts-check
// A click on the animal that speaks, or a box drawn round its head, as Choose Face keeps it.

/**
 * @typedef {object} Pick
 * @property {number} width of the picture, pixels
 * @property {number} height
 * @property {number} frame
 * @property {number[]} [point] on the animal; either this or `box`
 * @property {number[]} [box] x1, y1, x2, y2 round its head
 */

const isNumbers = (value, length) => Array.isArray(value) && value.length === length && value.every(Number.isFinite)

/**
 * Never throws: what is not a pick gives none and the reason.
 * @param {string} text
 * @returns {{pick: Pick | null, problem: string}}
 */
export function readPick(text) {
  if (!text.trim()) return { pick: null, problem: "" }
  try {
    const { version, width, height, frame = 0, point, box } = JSON.parse(text) ?? {}
    if (version !== 1) throw new Error(`version must be 1, got ${JSON.stringify(version)}`)
    if (!(width > 0 && height > 0)) throw new Error("width and height must be above 0")
    if (!Number.isInteger(frame) || frame < 0) throw new Error("frame must be a whole number")
    if (isNumbers(point, 2) === isNumbers(box, 4)) throw new Error("there must be either a point or a box")
    return { pick: { width, height, frame, ...(point ? { point } : { box }) }, problem: "" }
  } catch (error) {
    return { pick: null, problem: error.message }
  }
}

/** @param {Pick} pick */
export function writePick({ width, height, frame, point, box }) {
  const round = (/** @type {number[]} */ place) => place.map((value) => Math.round(value * 10) / 10)
  return JSON.stringify({
    version: 1,
    width,
    height,
    frame,
    ...(point ? { point: round(point) } : { box: round(box ?? []) }),
  })
}
