// @ts-check
// The elements of the viseme editor, and what it calls things.
import { speak } from "./dom.mjs"
import { addStyle } from "./theme.mjs"
import { CHANNELS, VISEMES } from "./timeline_document.mjs"
import { exampleOf } from "./timeline_advice.mjs"
import { soundOf } from "./timeline_draw.mjs"
import { WORDS } from "./words.mjs"

export const MOUTH = 92 // pixels
export const ICON = 28

/** @param {HTMLElement} element an empty one */
export function build(element) {
  addStyle(new URL("timeline.css", import.meta.url).href)
  element.classList.add("als-panel", "animal-timeline")
  const words = WORDS.timeline
  element.innerHTML = `
    <div class="bar" role="toolbar">
      <button type="button" class="play als-primary" data-help="playHelp"></button>
      <span class="time"><b class="now"></b><span class="end"></span></span>
      <button type="button" class="loop" data-word="loop" data-help="loopHelp"></button>
      <button type="button" class="undo" data-help="undo">↶</button>
      <button type="button" class="redo" data-help="redo">↷</button>
      <button type="button" class="split" data-word="split" data-help="splitHelp"></button>
      <button type="button" class="merge" data-word="merge" data-help="mergeHelp"></button>
      <button type="button" class="remove" data-word="remove" data-help="removeHelp"></button>
      <button type="button" class="snap wide" data-word="snap" data-help="snapHelp"></button>
      <span class="gap"></span>
      <button type="button" class="import wide" data-word="import" data-help="importHelp"></button>
      <select class="export wide" data-help="exportHelp">
        <option value="" data-word="export"></option>
        <option value="tsv">Rhubarb TSV</option>
        <option value="json">Rhubarb JSON</option>
        <option value="csv">ARKit CSV</option>
        <option value="motion">Motion JSON</option>
        <option value="edits" data-word="edits"></option>
      </select>
      <input type="file" class="file" accept=".tsv,.txt,.json,.xml,.csv" hidden>
    </div>
    <div class="stage">
      <canvas class="lanes" tabindex="0" role="application"></canvas>
      <canvas class="overlay" aria-hidden="true"></canvas>
      <select class="channels" data-help="curveHelp"></select>
      <div class="notice" role="status"></div>
    </div>
    <div class="shapes">
      <canvas class="mouth" role="img"></canvas>
      <div class="palette" role="toolbar"></div>
    </div>
    <div class="status" role="status" aria-live="polite"></div>`
  /** @param {string} name */
  const part = (name) => /** @type {any} */ (element.querySelector(`.${name}`))
  speak(element, words)
  const names = { bar: words.title, undo: words.undo, redo: words.redo, export: words.export, lanes: words.lanes }
  const others = { channels: words.curve, mouth: words.mouth, palette: words.shape }
  for (const [name, text] of Object.entries({ ...names, ...others })) part(name).ariaLabel = text
  const lanes = /** @type {HTMLCanvasElement} */ (part("lanes"))
  lanes.title = ""
  lanes.setAttribute("aria-description", words.keys)
  // the page's own Ctrl+Z leaves alone what calls itself a text area
  Object.assign(lanes, { type: "textarea" })
  for (const name of CHANNELS) part("channels").append(new Option(words[name], name))
  /** @type {Record<string, HTMLButtonElement>} */
  const shapes = {}
  for (const viseme of VISEMES) {
    const button = document.createElement("button")
    button.type = "button"
    button.title = `${viseme}: ${exampleOf(viseme)}`
    button.dataset.viseme = viseme
    button.setAttribute("aria-label", `${soundOf(viseme)}, ${exampleOf(viseme)}`)
    button.append(document.createElement("canvas"), soundOf(viseme))
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
