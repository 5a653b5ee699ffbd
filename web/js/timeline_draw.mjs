// @ts-check
// The lanes of the timeline on a canvas; only what is visible is drawn.
import { firstEndingAfter } from "./timeline_cues.mjs"
import { formatTime, tickStep, timeToX, valueToY, xToTime, zoomFor } from "./timeline_layout.mjs"
import { drawMouth } from "./timeline_mouth.mjs"
import { poseOf, ROWS_PER_SECOND, SHAPES } from "./timeline_motion.mjs"
import { WORDS } from "./words.mjs"

/** @typedef {import("./timeline_layout.mjs").View} View */
/** @typedef {import("./timeline_layout.mjs").Lane} Lane */
/** @typedef {import("./timeline_document.mjs").Cue} Cue */

/**
 * What each viseme sounds like, a word that has it, and the hue of its kind.
 * @type {Record<string, {sound: string, word: string, hue: number}>}
 */
export const SOUNDS = {
  sil: { sound: "", word: "", hue: -1 },
  PP: { sound: "m b p", word: "map", hue: 350 },
  FF: { sound: "f v", word: "five", hue: 25 },
  TH: { sound: "th", word: "think", hue: 45 },
  DD: { sound: "t d", word: "tide", hue: 210 },
  kk: { sound: "k g", word: "cog", hue: 210 },
  CH: { sound: "ch sh", word: "shoe", hue: 210 },
  SS: { sound: "s z", word: "size", hue: 210 },
  nn: { sound: "n l", word: "nil", hue: 210 },
  RR: { sound: "r", word: "red", hue: 210 },
  aa: { sound: "ah", word: "father", hue: 145 },
  E: { sound: "eh", word: "bed", hue: 145 },
  ih: { sound: "ee", word: "see", hue: 145 },
  oh: { sound: "oh", word: "go", hue: 280 },
  ou: { sound: "oo", word: "too", hue: 280 },
}

/** What a viseme is called. @param {string} viseme */
export const soundOf = (viseme) => SOUNDS[viseme]?.sound || WORDS.timeline.rest

const LETTER = 6.2 // pixels wide
/** Pixels per second under which curves are drawn as bars. */
const OVERVIEW = 30

/** @typedef {import("./theme.mjs").Theme} Theme */

/** @param {string} viseme @param {Theme} theme @param {number} alpha */
function colourOf(viseme, theme, alpha) {
  const { hue } = SOUNDS[viseme] ?? SOUNDS.sil
  const tone = hue < 0 ? "220 8%" : `${hue} ${hue === 210 ? 38 : 62}%`
  return `hsl(${tone} ${theme.dark ? 62 : 46}% / ${alpha})`
}

/** @type {Map<string, HTMLCanvasElement>} */
const icons = new Map()

/** A mouth holding a viseme, drawn once. @param {string} viseme @param {number} size @param {Theme} theme */
function iconOf(viseme, size, theme) {
  const key = `${viseme} ${size} ${theme.dark}`
  let icon = icons.get(key)
  if (!icon) {
    icon = document.createElement("canvas")
    icon.width = icon.height = 2 * size
    const context = /** @type {CanvasRenderingContext2D} */ (icon.getContext("2d"))
    drawShape(context, 2 * size, viseme, theme)
    icons.set(key, icon)
  }
  return icon
}

/**
 * The mouth of a viseme, large, without the nose.
 * @param {CanvasRenderingContext2D} context
 * @param {number} size
 * @param {string} viseme
 * @param {Theme} theme
 */
export function drawShape(context, size, viseme, theme) {
  context.save()
  context.translate(-0.2 * size, -0.33 * size)
  context.scale(1.4, 1.4)
  drawMouth(context, size, poseOf(viseme), mouthColours(theme))
  context.restore()
}

/** @param {Theme} theme */
export const mouthColours = (theme) => ({
  line: theme.dark ? "#d4d7dc" : "#3c4047",
  nose: theme.dark ? "#9ba1aa" : "#50555d",
  inside: "#6d2434",
  tongue: "#ee8798",
})

/**
 * @typedef {object} Scene what there is to draw
 * @property {View} view
 * @property {Record<"ruler" | "wave" | "words" | "cues" | "curve", Lane>} lanes
 * @property {number} height
 * @property {number} duration
 * @property {import("./timeline_layout.mjs").Peaks[]} zooms empty while the voice is not known
 * @property {{start: number, end: number, text: string}[]} words
 * @property {Cue[]} cues
 * @property {{first: number, last: number} | null} selected cues
 * @property {string} channel shown below
 * @property {Float32Array | null} heard of that channel
 * @property {Float32Array | null} values
 * @property {import("./timeline_document.mjs").Key[]} keys
 * @property {number} key that is selected, or -1
 * @property {{start: number, end: number} | null} span that plays in a loop
 */

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
export function drawScene(context, scene, theme) {
  const { view, lanes, height } = scene
  context.clearRect(0, 0, view.width, height)
  context.textBaseline = "middle"
  if (scene.span) {
    const [left, right] = [timeToX(view, scene.span.start), timeToX(view, scene.span.end)]
    context.fillStyle = theme.accent
    context.globalAlpha = 0.13
    context.fillRect(left, 0, right - left, height)
    context.globalAlpha = 0.9
    context.fillRect(left, lanes.ruler.height - 3, right - left, 3)
    context.globalAlpha = 1
  }
  drawRuler(context, scene, theme)
  drawWave(context, scene, theme)
  drawWords(context, scene, theme)
  drawCues(context, scene, theme)
  drawCurve(context, scene, theme)
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
function drawRuler(context, { view, lanes, height, duration }, theme) {
  const step = tickStep(view, 64)
  context.font = "10px sans-serif"
  context.textAlign = "left"
  const end = Math.min(duration, xToTime(view, view.width))
  for (let i = Math.ceil(view.start / step); i * step <= end + 1e-9; i++) {
    const x = Math.round(timeToX(view, i * step)) + 0.5
    context.fillStyle = theme.line
    context.fillRect(x, 0, 1, height)
    context.fillStyle = theme.faint
    context.fillText(formatTime(i * step, step), x + 4, lanes.ruler.top + lanes.ruler.height / 2)
  }
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
function drawWave(context, { view, lanes, zooms, duration }, theme) {
  const { top, height } = lanes.wave
  const middle = top + height / 2
  context.fillStyle = theme.line
  context.fillRect(0, middle, Math.min(view.width, timeToX(view, duration)), 1)
  if (!zooms.length) return
  const { rate, values } = zoomFor(zooms, view.scale)
  context.fillStyle = theme.wave
  for (let x = 0; x < view.width; x++) {
    const first = Math.floor(xToTime(view, x) * rate)
    if (first >= values.length) break
    const last = Math.max(first + 1, Math.floor(xToTime(view, x + 1) * rate))
    let peak = 0
    for (let i = first; i < last && i < values.length; i++) peak = Math.max(peak, values[i])
    const half = Math.max(0.5, (Math.sqrt(peak / 255) * (height - 6)) / 2)
    context.fillRect(x, middle - half, 1, 2 * half)
  }
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
function drawWords(context, { view, lanes, words }, theme) {
  const { top, height } = lanes.words
  if (!height) return
  context.font = "11px sans-serif"
  context.textAlign = "center"
  context.fillStyle = theme.text
  for (const { start, end, text } of words) {
    const [left, right] = [timeToX(view, start), timeToX(view, end)]
    if (right < 0 || left > view.width || right - left < 6) continue
    if (context.measureText(text).width > right - left + 14) continue
    context.fillText(text, (left + right) / 2, top + height / 2)
  }
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
function drawCues(context, { view, lanes, cues, selected }, theme) {
  const { top, height } = lanes.cues
  const bottom = top + height
  context.textAlign = "center"
  context.font = "600 11px sans-serif"
  let drawnTo = -1
  for (let index = firstEndingAfter(cues, view.start); index < cues.length; index++) {
    const { start, end, viseme } = cues[index]
    const left = timeToX(view, start)
    if (left > view.width) break
    const right = timeToX(view, end)
    const isSelected = selected && index >= selected.first && index <= selected.last
    if (right < drawnTo + 1 && !isSelected) continue // within a pixel that another cue has
    drawnTo = right
    const width = Math.max(1, right - left - (right - left > 4 ? 1.5 : 0))
    const open = SHAPES[viseme]?.[0] ?? 0
    context.fillStyle = colourOf(viseme, theme, isSelected ? 0.55 : 0.28)
    const rounded = width > 8
    if (rounded) {
      context.beginPath()
      context.roundRect(left, top + 3, width, height - 6, 5)
      context.fill()
    } else context.fillRect(left, top + 3, width, height - 6)
    // how far the mouth opens, as a bar from below
    context.fillStyle = colourOf(viseme, theme, 0.85)
    const bar = 3 + 0.3 * open * (height - 10)
    if (rounded) {
      context.beginPath()
      context.roundRect(left, bottom - 3 - bar, width, bar, [0, 0, 5, 5])
      context.fill()
    } else context.fillRect(left, bottom - 3 - bar, width, bar)
    if (isSelected) {
      context.strokeStyle = theme.accent
      context.lineWidth = 2
      context.beginPath()
      context.roundRect(left + 1, top + 4, Math.max(1, width - 2), height - 8, 4)
      context.stroke()
    }
    if (width < 8) continue
    const icon = Math.min(30, height - 30, width - 2)
    if (icon >= 20 && viseme !== "sil") {
      context.drawImage(iconOf(viseme, 32, theme), left + width / 2 - icon / 2, top + 16, icon, icon)
    }
    const label = soundOf(viseme)
    const fitting = [label, label.split(" ")[0]].find((text) => LETTER * text.length < width)
    context.fillStyle = theme.text
    if (fitting) context.fillText(fitting, left + width / 2, top + 12)
  }
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {Theme} theme */
function drawCurve(context, { view, lanes, channel, heard, values, keys, key }, theme) {
  const { top } = lanes.curve
  context.fillStyle = theme.line
  context.fillRect(0, top, view.width, 1)
  if (!values) return
  const floor = valueToY(lanes.curve, 0, channel)
  if (view.scale < OVERVIEW) {
    context.fillStyle = theme.accent
    for (let x = 0; x < view.width; x++) {
      const y = valueToY(lanes.curve, farthest(values, xToTime(view, x), xToTime(view, x + 1)), channel)
      context.fillRect(x, Math.min(y, floor), 1, Math.max(1, Math.abs(floor - y)))
    }
  } else {
    const first = Math.max(0, Math.floor(view.start * ROWS_PER_SECOND) - 1)
    const last = Math.min(values.length - 1, Math.ceil(xToTime(view, view.width) * ROWS_PER_SECOND) + 1)
    const stride = Math.max(1, Math.floor((2 * ROWS_PER_SECOND) / view.scale))
    const lineOf = (/** @type {Float32Array} */ rows) => {
      const line = new Path2D()
      for (let i = first - (first % stride); i <= last; i += stride) {
        line.lineTo(timeToX(view, i / ROWS_PER_SECOND), valueToY(lanes.curve, rows[i], channel))
      }
      return line
    }
    if (heard) {
      context.strokeStyle = theme.faint
      context.globalAlpha = 0.5
      context.lineWidth = 1
      context.stroke(lineOf(heard))
    }
    const line = lineOf(values)
    const area = new Path2D(line)
    area.lineTo(timeToX(view, last / ROWS_PER_SECOND), floor)
    area.lineTo(timeToX(view, first / ROWS_PER_SECOND), floor)
    context.globalAlpha = 0.14
    context.fillStyle = context.strokeStyle = theme.accent
    context.fill(area)
    context.globalAlpha = 1
    context.lineWidth = 1.75
    context.stroke(line)
  }
  let drawnTo = -Infinity
  keys.forEach(([time, value], index) => {
    const x = timeToX(view, time)
    if (x < -8 || x > view.width + 8 || (x - drawnTo < 2 && index !== key)) return
    drawnTo = x
    context.fillStyle = index === key ? theme.accent : theme.panel
    context.strokeStyle = theme.accent
    context.lineWidth = 2
    context.beginPath()
    context.arc(x, valueToY(lanes.curve, value, channel), index === key ? 6 : 4.5, 0, 2 * Math.PI)
    context.fill()
    context.stroke()
  })
}

/** The value furthest from 0 between two times. @param {Float32Array} rows @param {number} start @param {number} end */
function farthest(rows, start, end) {
  let value = 0
  for (let i = Math.floor(start * ROWS_PER_SECOND); i < end * ROWS_PER_SECOND && i < rows.length; i++) {
    if (Math.abs(rows[i]) > Math.abs(value)) value = rows[i]
  }
  return value
}

/**
 * What moves while the lanes stay: the playhead, and what the pointer would do.
 * @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} playhead
 * @param {{x: number, y: number} | null} ghost where a key would be set
 * @param {{index: number, part: string} | null} hover @param {Theme} theme
 */
export function drawOverlay(context, { view, lanes, height, cues }, playhead, ghost, hover, theme) {
  context.clearRect(0, 0, view.width, height)
  const cue = hover && cues[hover.index]
  if (cue) {
    const { top, height: tall } = lanes.cues
    const [left, right] = [timeToX(view, cue.start), timeToX(view, cue.end)]
    context.fillStyle = theme.text
    if (hover.part === "body") {
      context.globalAlpha = 0.1
      context.fillRect(left, top + 3, right - left, tall - 6)
      context.globalAlpha = 1
    } else {
      const x = hover.part === "end" ? right : left
      context.beginPath()
      context.roundRect(x - 2.5, top + 6, 4, tall - 12, 2)
      context.fill()
    }
  }
  if (ghost) {
    context.strokeStyle = theme.accent
    context.lineWidth = 1.5
    context.beginPath()
    context.arc(ghost.x, ghost.y, 5, 0, 2 * Math.PI)
    context.stroke()
  }
  const x = timeToX(view, playhead)
  if (x < -6 || x > view.width + 6) return
  context.fillStyle = theme.dark ? "#ff5d6c" : "#d1242f"
  context.fillRect(x - 0.75, 0, 1.5, height)
  context.beginPath()
  context.moveTo(x - 6, 0)
  context.lineTo(x + 6, 0)
  context.lineTo(x + 6, 6)
  context.lineTo(x, 12)
  context.lineTo(x - 6, 6)
  context.fill()
}
