// @ts-check
// The elements of the viseme editor, and what it calls things.
import { CHANNELS, VISEMES } from "./timeline_document.mjs"
import { SOUNDS } from "./timeline_draw.mjs"

/** @type {Record<string, string>} */
export const CHANNEL_NAMES = {
  jaw_open: "Jaw open",
  mouth_wide: "Mouth wide",
  mouth_pucker: "Lips rounded",
  mouth_close: "Lips pressed",
  tongue_out: "Tongue out",
  head_pitch: "Head nod",
  head_yaw: "Head turn",
  head_roll: "Head tilt",
  blink_left: "Left eye shut",
  blink_right: "Right eye shut",
  brow: "Brow raised",
}
const KEYS =
  "Arrows: a frame (Shift: ten). , and .: previous, next shape (Shift: that one too). Alt+arrows: its end. " +
  "S split, M merge, Delete. K: bend the curve here. L loop. + and -: zoom."
export const MOUTH = 92 // pixels
export const ICON = 28
const STYLE = new URL("timeline.css", import.meta.url).href

/** @param {HTMLElement} button @param {boolean} isPressed */
export const press = (button, isPressed) => button.setAttribute("aria-pressed", String(isPressed))

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height CSS pixels @param {number} density */
export function contextOf(canvas, width, height, density) {
  const [w, h] = [Math.round(width * density), Math.round(height * density)]
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h]
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"))
  context.setTransform(w / width, 0, 0, h / height, 0, 0)
  return context
}

/** @param {HTMLElement} element an empty one */
export function build(element) {
  if (!document.querySelector(`link[href="${STYLE}"]`)) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE }))
  }
  element.classList.add("animal-timeline")
  element.innerHTML = `
    <div class="bar" role="toolbar" aria-label="Viseme timeline">
      <button type="button" class="play" title="Space">▶ Play</button>
      <span class="time"><b class="now"></b><span class="end"></span></span>
      <button type="button" class="loop" title="Play what is selected again and again (L)">Loop</button>
      <button type="button" class="undo" title="Ctrl+Z" aria-label="Undo">↶</button>
      <button type="button" class="redo" title="Ctrl+Y" aria-label="Redo">↷</button>
      <button type="button" class="split" title="Cut the shape at the red line in two (S)">Split</button>
      <button type="button" class="merge" title="Make one of the selected shape and the next (M)">Merge</button>
      <button type="button" class="remove" title="Remove what is selected (Delete)">Delete</button>
      <button type="button" class="snap wide" title="Moved edges catch at frames and at the red line">Snap</button>
      <span class="gap"></span>
      <button type="button" class="import wide"
        title="Rhubarb TSV, JSON or XML, ARKit CSV, or our JSON; or drop the file here">Import</button>
      <select class="export wide" aria-label="Export" title="Save as a file">
        <option value="">Export</option>
        <option value="tsv">Rhubarb TSV</option>
        <option value="json">Rhubarb JSON</option>
        <option value="csv">ARKit CSV</option>
        <option value="motion">Motion JSON</option>
        <option value="edits">These edits</option>
      </select>
      <input type="file" class="file" accept=".tsv,.txt,.json,.xml,.csv" hidden>
    </div>
    <div class="stage">
      <canvas class="lanes" tabindex="0" role="application" aria-label="Mouth shapes over time"></canvas>
      <canvas class="overlay" aria-hidden="true"></canvas>
      <select class="channels" aria-label="Curve" title="The curve shown here: drag it to bend it"></select>
      <div class="notice" role="status"></div>
    </div>
    <div class="shapes">
      <canvas class="mouth" role="img" aria-label="The mouth at the red line"></canvas>
      <div class="palette" role="toolbar" aria-label="Mouth shape"></div>
    </div>
    <div class="status" role="status" aria-live="polite"></div>`
  /** @param {string} name */
  const part = (name) => /** @type {any} */ (element.querySelector(`.${name}`))
  const lanes = /** @type {HTMLCanvasElement} */ (part("lanes"))
  lanes.title = ""
  lanes.setAttribute("aria-description", KEYS)
  // the page's own Ctrl+Z leaves alone what calls itself a text area
  Object.assign(lanes, { type: "textarea" })
  for (const name of CHANNELS) part("channels").append(new Option(CHANNEL_NAMES[name], name))
  /** @type {Record<string, HTMLButtonElement>} */
  const shapes = {}
  for (const viseme of VISEMES) {
    const button = document.createElement("button")
    button.type = "button"
    button.title = `${viseme}: ${SOUNDS[viseme].example}`
    button.dataset.viseme = viseme
    button.setAttribute("aria-label", `${SOUNDS[viseme].sound}, ${SOUNDS[viseme].example}`)
    button.append(document.createElement("canvas"), SOUNDS[viseme].sound)
    part("palette").append(button)
    shapes[viseme] = button
  }
  return {
    /** @type {HTMLButtonElement} */ play: part("play"),
    time: { /** @type {HTMLElement} */ now: part("now"), /** @type {HTMLElement} */ end: part("end") },
    /** @type {HTMLButtonElement} */ loop: part("loop"),
    /** @type {HTMLButtonElement} */ undo: part("undo"),
    /** @type {HTMLButtonElement} */ redo: part("redo"),
    /** @type {HTMLButtonElement} */ split: part("split"),
    /** @type {HTMLButtonElement} */ merge: part("merge"),
    /** @type {HTMLButtonElement} */ remove: part("remove"),
    /** @type {HTMLButtonElement} */ snap: part("snap"),
    /** @type {HTMLButtonElement} */ import: part("import"),
    /** @type {HTMLSelectElement} */ export: part("export"),
    /** @type {HTMLInputElement} */ file: part("file"),
    /** @type {HTMLSelectElement} */ channels: part("channels"),
    /** @type {HTMLElement} */ notice: part("notice"),
    /** @type {HTMLCanvasElement} */ mouth: part("mouth"),
    /** @type {HTMLCanvasElement} */ overlay: part("overlay"),
    /** @type {HTMLElement} */ status: part("status"),
    lanes,
    shapes,
  }
}
