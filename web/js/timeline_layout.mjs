// @ts-check
// Where things lie on the timeline: seconds to pixels and back, lanes, what is under the pointer, peaks at some zooms.
import { firstEndingAfter } from "./timeline_cues.mjs"
import { rangeOf } from "./timeline_document.mjs"

/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/** @typedef {import("./timeline_document.mjs").Key} Key */
/** @typedef {{start: number, scale: number, width: number}} View seconds at the left, pixels per second, pixels */
/** @typedef {{top: number, height: number}} Lane */
/** @typedef {{rate: number, values: Uint8Array}} Peaks the loudest sample of each stretch; 255 is 1 */

const CLOSEST = 1200 // pixels per second
const EDGE = 6 // pixels around an edge that catch it
const KEY = 9 // pixels around a key

/** @param {View} view @param {number} time */
export const timeToX = (view, time) => (time - view.start) * view.scale

/** @param {View} view @param {number} x */
export const xToTime = (view, x) => view.start + x / view.scale

/** @param {number} duration @param {number} width @returns {View} */
export const fit = (duration, width) => ({ start: 0, scale: width / Math.max(duration, 0.1), width })

/** The view kept within the voice. @param {View} view @param {number} duration @returns {View} */
export function within({ start, scale, width }, duration) {
  const least = width / Math.max(duration, 0.1)
  const kept = Math.min(Math.max(scale, least), Math.max(CLOSEST, least))
  return { start: Math.max(0, Math.min(start, duration - width / kept)), scale: kept, width }
}

/** @param {View} view @param {number} factor @param {number} x pixel that stays @param {number} duration */
export function zoom(view, factor, x, duration) {
  const time = xToTime(view, x)
  const scale = within({ ...view, scale: view.scale * factor }, duration).scale
  return within({ ...view, scale, start: time - x / scale }, duration)
}

/**
 * The same zoom with `time` in view: as it is when it already is, else a page further.
 * @param {View} view
 * @param {number} time
 * @param {number} duration
 */
export function reveal(view, time, duration) {
  const x = timeToX(view, time)
  return x >= 0 && x <= view.width ? view : within({ ...view, start: time - (0.1 * view.width) / view.scale }, duration)
}

/**
 * @param {number} height
 * @param {boolean} hasWords
 * @returns {Record<"ruler" | "wave" | "words" | "cues" | "curve", Lane>}
 */
export function lanes(height, hasWords) {
  const ruler = 18
  const words = hasWords ? 16 : 0
  const rest = Math.max(120, height - ruler - words)
  const [wave, cues] = [Math.round(rest * 0.28), Math.round(rest * 0.32)]
  return {
    ruler: { top: 0, height: ruler },
    wave: { top: ruler, height: wave },
    words: { top: ruler + wave, height: words },
    cues: { top: ruler + wave + words, height: cues },
    curve: { top: ruler + wave + words + cues, height: rest - wave - cues },
  }
}

/** @param {Record<string, Lane>} all @param {number} y */
export const laneAt = (all, y) =>
  Object.keys(all).find((name) => y >= all[name].top && y < all[name].top + all[name].height) ?? "curve"

const INSET = 10 // pixels of the curve lane above 1 and below 0

/** @param {Lane} lane @param {number} value @param {string} channel */
export function valueToY({ top, height }, value, channel) {
  const [low, high] = rangeOf(channel)
  return top + INSET + (1 - (value - low) / (high - low)) * (height - 2 * INSET)
}

/** @param {Lane} lane @param {number} y @param {string} channel */
export function yToValue({ top, height }, y, channel) {
  const [low, high] = rangeOf(channel)
  return low + (1 - (y - top - INSET) / (height - 2 * INSET)) * (high - low)
}

/**
 * The cue under a pixel, and which part of it.
 * @param {Cue[]} cues @param {View} view @param {number} x
 * @returns {{index: number, part: "start" | "end" | "body"} | null}
 */
export function hitCue(cues, view, x) {
  const reach = EDGE / view.scale
  const time = xToTime(view, x)
  for (let index = Math.max(0, firstEndingAfter(cues, time - reach)); index < cues.length; index++) {
    const { start, end } = cues[index]
    if (start > time + reach) return null
    const edge = Math.min(reach, (end - start) / 3)
    if (Math.abs(time - end) <= edge) return { index, part: "end" }
    if (Math.abs(time - start) <= edge) return { index, part: "start" }
    if (time > start && time < end) return { index, part: "body" }
  }
  return null
}

/**
 * Index of the key under a pixel, or -1.
 * @param {Key[]} keys
 * @param {View} view
 * @param {Lane} lane
 * @param {string} channel
 * @param {number} x
 * @param {number} y
 */
export function hitKey(keys, view, lane, channel, x, y) {
  let nearest = -1
  let least = KEY
  keys.forEach(([time, value], index) => {
    const distance = Math.hypot(timeToX(view, time) - x, valueToY(lane, value, channel) - y)
    if (distance < least) [nearest, least] = [index, distance]
  })
  return nearest
}

/** Seconds between marks of the ruler that are at least `room` pixels apart. @param {View} view @param {number} room */
export function tickStep(view, room) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600]
  return steps.find((step) => step * view.scale >= room) ?? 1200
}

/** @param {number} seconds @param {number} step between marks; decides the digits */
export function formatTime(seconds, step = 0.01) {
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2
  const whole = Math.max(0, seconds)
  const minutes = Math.floor(whole / 60)
  return `${minutes}:${(whole - 60 * minutes).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`
}

/**
 * Peaks of mono samples, at most 255.
 * @param {Float32Array[]} channels
 * @param {number} sampleRate
 * @param {number} rate
 * @returns {Peaks}
 */
export function peaksOf(channels, sampleRate, rate) {
  const length = channels[0]?.length ?? 0
  const values = new Uint8Array(Math.ceil((length / sampleRate) * rate))
  for (let i = 0; i < values.length; i++) {
    const end = Math.min(length, Math.ceil(((i + 1) * sampleRate) / rate))
    let peak = 0
    for (const samples of channels) {
      for (let j = Math.floor((i * sampleRate) / rate); j < end; j++) {
        const level = Math.abs(samples[j])
        if (level > peak) peak = level
      }
    }
    values[i] = Math.min(255, peak * 255)
  }
  return { rate, values }
}

/** The peaks at a quarter of their rate, a quarter of that and so on. @param {Peaks} finest @returns {Peaks[]} */
export function zoomsOf(finest) {
  const zooms = [finest]
  while (zooms[zooms.length - 1].values.length > 64) {
    const { rate, values } = zooms[zooms.length - 1]
    const coarser = new Uint8Array(Math.ceil(values.length / 4))
    for (let i = 0; i < values.length; i++) coarser[i >> 2] = Math.max(coarser[i >> 2], values[i])
    zooms.push({ rate: rate / 4, values: coarser })
  }
  return zooms
}

/**
 * The coarsest peaks with at least one for each pixel; the finest when there are none.
 * @param {Peaks[]} zooms
 * @param {number} scale
 */
export const zoomFor = (zooms, scale) => zooms.findLast(({ rate }) => rate >= scale) ?? zooms[0]
